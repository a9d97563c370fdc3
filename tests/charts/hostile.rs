//! Repositories and archives made to harm whoever reads them: an error, soon, and nothing written elsewhere.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::fake::{Action, Fake, Place, http};
use super::world::{Pages, Readers, Run, SENT, World, archive, minimal, pages, serve, tar_of};

/// How long a refusal may take, with a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(20);

async fn refused(world: &World, args: &[&str], want: &str) -> Result<()> {
    let started = Instant::now();
    let run: Run = world.kiel_helm(args).await?;
    let error = run.failed()?;
    ensure!(error.contains(want), "{args:?}: `{want}` is missing in {error}");
    ensure!(started.elapsed() < SOON, "{args:?} took {:?}", started.elapsed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archives_write_nothing_elsewhere() -> Result<()> {
    let world = World::new()?;
    let chart = b"apiVersion: v2\nname: c\nversion: 1.0.0\n";
    let mut pages = Pages::new();
    let mut cases = Vec::new();
    for (name, path, want) in [
        ("up", "c/../../x", "chart illegally references parent directory"),
        (
            "deep",
            "c/a/../../../x",
            "chart illegally references parent directory",
        ),
        (
            "windows",
            "c\\..\\..\\x",
            "chart illegally references parent directory",
        ),
        ("absolute", "c//x", "chart illegally contains absolute paths"),
        ("drive", "c/C:/x", "chart contains illegally named files"),
    ] {
        let data = raw_tar(&[("c/Chart.yaml", chart, b'0'), (path, b"x", b'0')])?;
        pages.insert(format!("/{name}.tgz"), data);
        cases.push((name, want));
    }
    for (name, chart_name, want) in [
        ("dot", ".", "is not allowed"),
        ("dots", "..", "is not allowed"),
        ("slash", "a/b", "must not contain path separators"),
        ("control", "\"a\\eb\"", "control characters"),
    ] {
        let text = format!("apiVersion: v2\nname: {chart_name}\nversion: 1.0.0\n");
        pages.insert(format!("/{name}.tgz"), minimal(&text)?);
        cases.push((name, want));
    }
    pages.insert("/none.tgz".to_owned(), b"<html>nothing here</html>".to_vec());
    cases.push(("none", "gzip: invalid header"));
    let server = serve(pages, Readers::All, None).await?;
    for (name, want) in cases {
        let url = format!("http://{}/{name}.tgz", server.address);
        refused(&world, &["pull", &url, "--untar"], want).await?;
        // Helm cleans a name before it looks at it.
        if name != "control" {
            refused(&world, &["template", &url], "").await?;
        }
    }
    ensure!(world.files(".")?.is_empty(), "{:?}", world.files(".")?);
    Ok(())
}

/// An archive with paths and kinds of entries that no writer makes.
fn raw_tar(entries: &[(&str, &[u8], u8)]) -> Result<Vec<u8>> {
    let mut tar = Vec::new();
    for (path, data, kind) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(tar::EntryType::new(*kind));
        if *kind == b'2' || *kind == b'1' {
            header.as_old_mut().linkname[..11].copy_from_slice(b"/etc/passwd");
            header.set_size(0);
        } else {
            header.set_size(data.len() as u64);
        }
        header.set_mode(0o644);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(data);
        tar.resize(tar.len().div_ceil(512) * 512, 0);
    }
    tar.resize(tar.len() + 1024, 0);
    let mut zipper = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zipper, &tar)?;
    Ok(zipper.finish()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_empty_files_as_with_helm() -> Result<()> {
    let world = World::new()?;
    let chart = b"apiVersion: v2\nname: c\nversion: 1.0.0\n";
    for kind in [b'1', b'2'] {
        let data = raw_tar(&[
            ("c/Chart.yaml", chart, b'0'),
            ("c/templates/x.yaml", b"", kind),
            ("c/templates/x.yaml/y", b"", b'0'),
        ])?;
        world.write("c.tgz", &data)?;
        let (ours, theirs) = (
            world.kiel_helm(&["template", "c.tgz"]).await?,
            world.helm(&["template", "c.tgz"]).await?,
        );
        ensure!(
            ours == theirs && !ours.stdout.contains("root:"),
            "{ours:?}\n{theirs:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_there_is_written_through() -> Result<()> {
    let world = World::new()?;
    let server = serve(pages(&[("one", "1.0.0")])?, Readers::All, None).await?;
    let url = format!("http://{}/one-1.0.0.tgz", server.address);
    world.write("elsewhere/kept", "kept")?;
    std::os::unix::fs::symlink("elsewhere", world.path("work/one"))?;
    refused(&world, &["pull", &url, "--untar"], "").await?;
    ensure!(
        world.files("elsewhere")? == ["kept"],
        "{:?}",
        world.files("elsewhere")?
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_not_taken() -> Result<()> {
    let world = World::new()?;
    // 2 GB are announced; not one of them is waited for.
    let server = Fake::at(Place::default(), |seen, _| {
        if seen.is("GET", "/announced/") {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 2147483648\r\n\r\napiVersion: v1\n";
            Action::Stall(head.as_bytes().to_vec())
        } else if seen.is("GET", "/bomb.tgz") {
            Action::Answer(http(200, &[], &bomb().unwrap_or_default()))
        } else if seen.is("GET", "/nested/") {
            Action::Answer(http(200, &[], format!("a: {}", "[".repeat(100_000)).as_bytes()))
        } else {
            let page: Vec<u8> = b"apiVersion: v1\nentries:\n"
                .iter()
                .copied()
                .chain(std::iter::repeat_n(b' ', 65 << 20))
                .collect();
            Action::Answer(http(200, &[], &page))
        }
    })
    .await?;
    let url = format!("http://{}", server.address);
    let limit = "it is longer than 67108864 bytes";
    refused(&world, &["repo", "add", "a", &format!("{url}/announced")], limit).await?;
    refused(&world, &["repo", "add", "a", &format!("{url}/long")], limit).await?;
    refused(
        &world,
        &["pull", "x", "--repo", &format!("{url}/nested")],
        "depth",
    )
    .await?;
    refused(
        &world,
        &["template", &format!("{url}/bomb.tgz")],
        "decompressed chart file \"c/values.yaml\" is larger than the maximum file size 5242880",
    )
    .await?;
    Ok(())
}

/// An archive of 50 KB that unpacks to 50 MB.
fn bomb() -> Result<Vec<u8>> {
    let large = vec![b'\n'; 50 << 20];
    tar_of(&[
        ("c/Chart.yaml", b"apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("c/values.yaml", &large),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_carry_no_password_and_lead_nowhere_near() -> Result<()> {
    let world = World::new()?;
    let other = serve(pages(&[("one", "1.0.0")])?, Readers::All, None).await?;
    let target = other.address.clone();
    let server = Fake::at(Place::default(), move |seen, _| {
        let to = if seen.is("GET", "/metadata/") {
            "http://169.254.169.254/latest".to_owned()
        } else if seen.is("GET", "/file/") {
            "file:///etc/passwd".to_owned()
        } else if seen.is("GET", "/circle/") {
            "index.yaml".to_owned()
        } else {
            let path = seen.line.split(' ').nth(1).unwrap_or_default();
            format!("http://{target}{path}")
        };
        Action::Answer(http(302, &[format!("location: {to}")], b""))
    })
    .await?;
    let url = format!("http://{}", server.address);
    let login = ["--username", "u", "--password", "s3cret"];
    let args = [&["pull", "one", "--repo", &url][..], &login].concat();
    world.kiel_helm(&args).await?.ok()?;
    ensure!(server.authorizations().iter().all(|sent| sent == SENT) && !server.authorizations().is_empty());
    ensure!(other.authorizations().is_empty() && other.seen().len() == 2);
    for (place, want) in [
        ("metadata", "a link-local address"),
        ("file", "neither https nor http"),
        ("circle", "a circle of redirects"),
    ] {
        let place = format!("{url}/{place}");
        let args = [&["pull", "one", "--repo", &place][..], &login].concat();
        refused(&world, &args, want).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_names_no_file_of_this_machine() -> Result<()> {
    let world = World::new()?;
    let secret = world.path("secret.tgz").display().to_string();
    fs_err::write(&secret, archive("one", "1.0.0")?)?;
    for place in [format!("file://{secret}"), "ftp://127.0.0.1/x.tgz".to_owned()] {
        let index = format!(
            "apiVersion: v1\nentries:\n  one:\n  - {{name: one, version: 1.0.0, urls: [\"{place}\"]}}\n"
        );
        let pages = Pages::from([("/index.yaml".to_owned(), index.into_bytes())]);
        let server = serve(pages, Readers::All, None).await?;
        let url = format!("http://{}", server.address);
        refused(
            &world,
            &["pull", "one", "--repo", &url],
            "its scheme is neither http nor https",
        )
        .await?;
    }
    let index = "apiVersion: v1\nentries:\n  one:\n  - {name: one, version: 1.0.0, urls: [\"a%0ab.tgz\"]}\n  ../../x:\n  - {name: ../../x, version: 1.0.0, urls: [x]}\n";
    let pages = Pages::from([("/index.yaml".to_owned(), index.as_bytes().to_vec())]);
    let server = serve(pages, Readers::All, None).await?;
    let url = format!("http://{}", server.address);
    refused(&world, &["pull", "one", "--repo", &url], "leads to no file").await?;
    refused(&world, &["repo", "add", "../x", &url], "contains '/'").await?;
    // A login in a URL is no part of a message.
    let login = format!("http://u:s3cret@{}/none", server.address);
    for args in [["repo", "add", "x", &login], ["pull", "one", "--repo", &login]] {
        let error = world.kiel_helm(&args).await?.failed()?;
        ensure!(error.contains("404") && !error.contains("s3cret"), "{error}");
    }
    Ok(())
}
