//! Helm's commands about repositories and dependencies: the same words, exit codes and files as the real Helm's.

use anyhow::{Result, ensure};

use super::authority::Authority;
use super::fake::Fake;
use super::world::{Readers, Run, SENT, World, archive, pages, serve};

/// Two users, one with kiel, one with the real Helm, who do the same.
pub(super) struct Pair {
    pub(super) ours: World,
    pub(super) theirs: World,
}

impl Pair {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            ours: World::new()?,
            theirs: World::new()?,
        })
    }

    pub(super) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> Result<()> {
        self.ours.write(path, &text)?;
        self.theirs.write(path, &text)
    }

    fn remove(&self, path: &str) -> Result<()> {
        for world in [&self.ours, &self.theirs] {
            let path = world.path("work").join(path);
            if path.is_dir() {
                fs_err::remove_dir_all(path)?;
            } else {
                fs_err::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Runs both; they say the same and end the same.
    pub(super) async fn check(&self, command: &str) -> Result<Run> {
        let args: Vec<&str> = command.split(' ').collect();
        let ours = self.ours.kiel_helm(&args).await?;
        let theirs = self.theirs.helm(&args).await?;
        let clean = |world: &World, text: &str| text.replace(&world.path("").display().to_string(), "HOME/");
        for (mine, other) in [(&ours.stdout, &theirs.stdout), (&ours.stderr, &theirs.stderr)] {
            let (mine, other) = (clean(&self.ours, mine), clean(&self.theirs, other));
            ensure!(
                mine == other && ours.code == theirs.code,
                "{command}: {} and {}\n--- kiel\n{mine}\n--- helm\n{other}\n---\n{ours:?}\n{theirs:?}",
                ours.code,
                theirs.code
            );
        }
        Ok(ours)
    }

    /// Both have the same files below a folder, with the same content where it is text.
    fn check_files(&self, dir: &str) -> Result<()> {
        let (ours, theirs) = (self.ours.files(dir)?, self.theirs.files(dir)?);
        ensure!(ours == theirs, "{ours:?}\n{theirs:?}");
        for path in ours
            .iter()
            .filter(|path| path.ends_with(".yaml") || path.ends_with(".txt"))
        {
            let path = format!("{dir}/{path}");
            let (mut mine, mut other) = (self.ours.read(&path)?, self.theirs.read(&path)?);
            if path.ends_with("-charts.txt") {
                // Helm writes them in any order.
                for text in [&mut mine, &mut other] {
                    let mut lines: Vec<&str> = text.lines().collect();
                    lines.sort_unstable();
                    *text = lines.join("\n");
                }
            }
            ensure!(mine == other, "{path}\n--- kiel\n{mine}\n--- helm\n{other}");
        }
        Ok(())
    }
}

async fn repository() -> Result<Fake> {
    let charts = [
        ("one", "1.0.0"),
        ("one", "1.2.0"),
        ("one", "2.0.0-rc.1"),
        ("two", "0.1.0"),
    ];
    let mut pages = pages(&charts)?;
    pages.insert("/signed.tgz".to_owned(), archive("signed", "1.0.0")?);
    pages.insert("/signed.tgz.prov".to_owned(), b"a signature".to_vec());
    serve(pages, Readers::All, None).await
}

/// A pair beside a repository; its URL.
async fn with_repository() -> Result<(Pair, Fake, String)> {
    let server = repository().await?;
    let url = format!("http://{}", server.address);
    Ok((Pair::new()?, server, url))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repositories_are_kept_as_by_helm() -> Result<()> {
    let (pair, _server, url) = with_repository().await?;
    for command in [
        "repo list",
        "repo list x",
        "repo add a",
        "repo remove",
        "repo index",
        "pull",
        "push a",
        "dependency build a b",
        "registry login",
        "repo list -o json",
        "repo update",
        "repo remove r",
        "search repo x",
        "repo add a/b http://127.0.0.1:1",
        "repo add old https://kubernetes-charts.storage.googleapis.com",
        &format!("repo add r {url}/none"),
        &format!("repo add r {url}"),
        &format!("repo add r {url}"),
        &format!("repo add r {url}/x"),
        &format!("repo add --force-update r {url}/"),
        "repo list",
        "repo ls -o json",
        "repo list -o yaml",
        "repo update",
        "repo up r",
        "repo update x",
        "search repo",
        "search repo one",
        "search repo ONE -l",
        "search repo one --devel",
        "search repo chart -l --devel",
        "search repo r/t -o json",
        "search repo -r o[n]e -o yaml",
        "search repo one --version ^1.0.0 -l",
        "search repo one --version x",
        "search repo one --max-col-width 10",
        "search repo zzz",
        "search repo zzz -o json",
        "search repo zzz --fail-on-no-result",
    ] {
        pair.check(command).await?;
    }
    pair.check_files("../home/.config/helm")?;
    pair.check_files("../home/.cache/helm")?;
    // What the one has written the other reads.
    let lists = [
        pair.ours.helm(&["repo", "list"]).await?.ok()?,
        pair.theirs.kiel_helm(&["repo", "list"]).await?.ok()?,
    ];
    ensure!(lists[0] == lists[1] && lists[0].contains(&url), "{lists:?}");
    let found = [
        pair.ours.helm(&["search", "repo", "one"]).await?.ok()?,
        pair.theirs.kiel_helm(&["search", "repo", "one"]).await?.ok()?,
    ];
    ensure!(found[0] == found[1] && found[0].contains("1.2.0"), "{found:?}");
    pair.check("repo remove r").await?;
    pair.check("repo remove r").await?;
    pair.check_files("../home/.cache/helm")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dependencies_are_listed_updated_and_built_as_by_helm() -> Result<()> {
    let (pair, _server, url) = with_repository().await?;
    pair.write(
        "c/Chart.yaml",
        format!(
            "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies:\n- {{name: one, version: ^1, repository: \"@r\"}}\n- {{name: two, version: 0.x, repository: \"{url}/\", alias: zwei}}\n- {{name: loc, version: 1.x}}\n- {{name: near, version: \">=1\", repository: \"file://../near\"}}\n"
        ),
    )?;
    pair.write("near/Chart.yaml", "apiVersion: v2\nname: near\nversion: 1.5.0\n")?;
    let chart = "apiVersion: v2\nname: loc\nversion: 1.0.0\n";
    for command in [
        "dependency list nope",
        "dependency update nope",
        "dependency list near",
        "dependency build near",
        "dependency update near",
        "dependency list c",
        "dependency update c",
        &format!("repo add r {url}"),
        "dependency update c",
    ] {
        pair.check(command).await?;
    }
    pair.write("c/charts/loc/Chart.yaml", chart)?;
    for command in [
        "dep ls c",
        "dep update c",
        "dependencies list c",
        "dep list c --max-col-width 8",
    ] {
        pair.check(command).await?;
    }
    let without_time = |world: &World| -> Result<String> {
        let lock = world.read("c/Chart.lock")?;
        let lines = lock.lines().filter(|line| !line.starts_with("generated:"));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    };
    let locks = [without_time(&pair.ours)?, without_time(&pair.theirs)?];
    ensure!(locks[0] == locks[1] && locks[0].contains("1.5.0"), "{locks:?}");
    let files = [pair.ours.files("c/charts")?, pair.theirs.files("c/charts")?];
    ensure!(files[0] == files[1] && files[0].len() == 4, "{files:?}");
    // Each takes the lock of the other.
    pair.ours.helm(&["dependency", "build", "c"]).await?.ok()?;
    pair.theirs.kiel_helm(&["dependency", "build", "c"]).await?.ok()?;
    let kept = pair.ours.read("c/Chart.lock")?;
    // Nothing has changed, so the lock stays.
    pair.check("dep up c").await?;
    ensure!(pair.ours.read("c/Chart.lock")? == kept);
    pair.write("c/charts/old-1.0.0.tgz", archive("old", "1.0.0")?)?;
    pair.write("c/charts/one-1.0.0.tgz", archive("one", "1.0.0")?)?;
    pair.write("c/charts/broken.tgz", "no archive")?;
    pair.check("dep list c").await?;
    pair.remove("c/charts/broken.tgz")?;
    for command in ["dep list c", "dep build c", "dep build c --skip-refresh"] {
        pair.check(command).await?;
    }
    let files = [pair.ours.files("c/charts")?, pair.theirs.files("c/charts")?];
    ensure!(files[0] == files[1] && files[0].len() == 4, "{files:?}");
    pair.remove("c/charts/loc")?;
    pair.check("dep build c").await?;
    pair.write("c/charts/loc/Chart.yaml", chart.replace("1.0.0", "2.0.0"))?;
    pair.check("dep build c").await?;
    pair.write("near/Chart.yaml", "apiVersion: v2\nname: near\nversion: 0.5.0\n")?;
    pair.check("dep update c").await?;
    for (from, to) in [
        ("^1", "^7"),
        ("^7", "a b"),
        ("name: one", "name: none"),
        ("@r", "stable"),
    ] {
        let text = pair.ours.read("c/Chart.yaml")?.replace(from, to);
        pair.write("c/Chart.yaml", text)?;
        pair.check("dep build c").await?;
        pair.check("dep update c").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_charts_keep_their_files() -> Result<()> {
    let (pair, _server, url) = with_repository().await?;
    pair.write("c/Chart.yaml", "apiVersion: v1\nname: c\nversion: 1.0.0\n")?;
    pair.write(
        "c/requirements.yaml",
        format!("dependencies:\n- {{name: one, version: ~1.0, repository: \"{url}\"}}\n"),
    )?;
    for command in ["dep update c", "dep list c", "template c"] {
        pair.check(command).await?;
    }
    ensure!(pair.ours.files("c")?.contains(&"requirements.lock".to_owned()));
    pair.write(
        "c/requirements.yaml",
        format!("dependencies:\n- {{name: one, version: 1.x, repository: \"{url}\"}}\n"),
    )?;
    let error = pair.ours.kiel_helm(&["dep", "build", "c"]).await?.failed()?;
    ensure!(
        error.contains("the lock file (requirements.lock) is out of sync"),
        "{error}"
    );
    // A lock file that leads elsewhere is not written through.
    fs_err::remove_file(pair.ours.path("work/c/requirements.lock"))?;
    pair.ours.write("elsewhere", "kept")?;
    std::os::unix::fs::symlink("../elsewhere", pair.ours.path("work/c/requirements.lock"))?;
    let error = pair.ours.kiel_helm(&["dep", "update", "c"]).await?;
    ensure!(
        error.code == 1 && pair.ours.read("elsewhere")? == "kept",
        "{error:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charts_are_named_as_by_helm() -> Result<()> {
    let (pair, _server, url) = with_repository().await?;
    pair.check(&format!("repo add r {url}")).await?;
    pair.write("there/x", "")?;
    for command in [
        "template r/one",
        "template name r/one --version ~1.0",
        "template r/one --devel",
        "template r/one --version 9",
        "template r/none",
        "template x/one",
        "template nothing",
        "template ./nothing",
        "template /nothing",
        &format!("template one --repo {url}"),
        &format!("template one --repo {url} --version 1.0.0"),
        &format!("template none --repo {url}"),
        &format!("template one --repo {url} --version 9"),
        &format!("template one --repo {url}/none"),
        &format!("template {url}/one-1.0.0.tgz"),
        &format!("template {url}/none.tgz"),
        "show chart r/two",
        &format!("show chart {url}/two-0.1.0.tgz"),
        "pull r/one -d there",
        "pull r/one --version 1.0.0",
        "pull r/one --untar",
        "pull r/one --untar",
        "pull r/one --untar --untardir x/y --version 1.0.0",
        &format!("fetch {url}/two-0.1.0.tgz --untar -d z"),
        "pull one",
        "pull x/one",
        "pull r/one --prov",
        "pull r/one --prov --untar --untardir p",
        &format!("pull one --repo {url} --prov"),
        &format!("pull {url}/signed.tgz --prov"),
    ] {
        pair.check(command).await?;
    }
    pair.check_files(".")?;
    let files = pair.ours.files(".")?;
    for name in ["one-1.0.0.tgz", "signed.tgz.prov"] {
        ensure!(files.contains(&name.to_owned()), "{files:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_come_from_the_web_and_from_standard_input() -> Result<()> {
    let pair = Pair::new()?;
    let mut pages = pages(&[])?;
    pages.insert("/v.yaml".to_owned(), b"a: web\n".to_vec());
    let server = serve(pages, Readers::All, None).await?;
    let url = format!("http://{}", server.address);
    pair.write("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")?;
    pair.write("c/templates/t.yaml", "a: {{ .Values.a }}\nb: {{ .Values.b }}\n")?;
    for command in [
        &format!("template c -f {url}/v.yaml"),
        &format!("template c --set-file b={url}/v.yaml"),
        &format!("template c -f {url}/none.yaml"),
    ] {
        pair.check(command).await?;
    }
    let args = ["helm", "template", "c", "-f", "-", "-f", &format!("{url}/v.yaml")];
    let kiel = env!("CARGO_BIN_EXE_kiel");
    let text = pair.ours.run(kiel, &args, Some("a: in\nb: in\n")).await?.ok()?;
    ensure!(text.contains("a: web\nb: in\n"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn template_gets_dependencies_where_it_is_told_to() -> Result<()> {
    let (pair, _server, url) = with_repository().await?;
    pair.write(
        "c/Chart.yaml",
        format!(
            "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies:\n- {{name: one, version: ^1, repository: \"{url}\"}}\n"
        ),
    )?;
    pair.check("template c").await?;
    pair.check("template c --dependency-update").await?;
    pair.remove("c/charts")?;
    let package = ["package", "c", "--dependency-update"];
    let (ours, theirs) = (
        pair.ours.kiel_helm(&package).await?.ok()?,
        pair.theirs.helm(&package).await?.ok()?,
    );
    ensure!(
        ours.lines().count() == 1 && theirs.lines().count() == 1,
        "{ours}{theirs}"
    );
    pair.check("show chart c-1.0.0.tgz").await?;
    pair.check("template c").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_and_authorities_belong_to_their_repository() -> Result<()> {
    let world = World::new()?;
    let authority = Authority::new()?;
    let ca = authority.ca().display().to_string();
    let plain = serve(pages(&[("one", "1.0.0")])?, Readers::All, None).await?;
    let mut pages = pages(&[("one", "1.0.0"), ("two", "1.0.0")])?;
    let index = String::from_utf8(pages["/index.yaml"].clone())?;
    let index = index.replace(
        "- one-1.0.0.tgz",
        &format!("- http://{}/one-1.0.0.tgz", plain.address),
    );
    pages.insert("/index.yaml".to_owned(), index.into_bytes());
    let server = serve(pages, Readers::One, Some(&authority)).await?;
    let url = format!("https://{}", server.address);
    let login = ["--username", "u", "--password", "s3cret"];
    let error = world
        .kiel_helm(&[&["repo", "add", "t", &url][..], &login].concat())
        .await?
        .failed()?;
    ensure!(
        error.contains("no trusted TLS connection") && error.contains("--ca-file"),
        "{error}"
    );
    ensure!(server.seen().is_empty() && !error.contains("s3cret"));
    let error = world
        .kiel_helm(&["repo", "add", "t", &url, "--ca-file", &ca])
        .await?
        .failed()?;
    ensure!(error.contains("401 Unauthorized"), "{error}");
    let input = [
        "helm",
        "repo",
        "add",
        "t",
        &url,
        "--ca-file",
        &ca,
        "--username",
        "u",
        "--password-stdin",
    ];
    world
        .run(env!("CARGO_BIN_EXE_kiel"), &input, Some("s3cret\n"))
        .await?
        .ok()?;
    world.kiel_helm(&["pull", "t/two"]).await?.ok()?;
    ensure!(server.authorizations().iter().all(|sent| sent == SENT));
    // The index names another host: it gets no password, unless the user says so.
    world.kiel_helm(&["pull", "t/one"]).await?.ok()?;
    let from = [&["pull", "one", "--repo", &url, "--ca-file", &ca][..], &login].concat();
    world.kiel_helm(&from).await?.ok()?;
    ensure!(
        plain.authorizations().is_empty() && plain.seen().len() == 1,
        "the second comes from the cache"
    );
    fs_err::remove_dir_all(world.path("home/.cache/kiel"))?;
    world
        .kiel_helm(&[&from[..], &["--pass-credentials"]].concat())
        .await?
        .ok()?;
    ensure!(plain.authorizations() == [SENT], "{:?}", plain.authorizations());
    let skip = [
        &["pull", "two", "--repo", &url, "--insecure-skip-tls-verify"][..],
        &login,
    ]
    .concat();
    world.kiel_helm(&skip).await?.ok()?;
    // The real Helm takes the repository as it was added.
    world.helm(&["pull", "t/two", "-d", "."]).await?.ok()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_of_folders_are_helms() -> Result<()> {
    let pair = Pair::new()?;
    for (path, archive) in [
        ("www/one-1.0.0.tgz", archive("one", "1.0.0")?),
        ("www/one-1.10.0.tgz", archive("one", "1.10.0")?),
        ("www/sub/two-0.1.0.tgz", archive("two", "0.1.0")?),
        ("www/broken.tgz", b"no archive".to_vec()),
    ] {
        pair.write(path, archive)?;
    }
    let other = "apiVersion: v1\nentries:\n  one:\n  - {apiVersion: v2, name: one, version: 1.0.0, urls: [x], created: \"2024-01-02T03:04:05Z\"}\n  - {apiVersion: v2, name: one, version: 1.1.0, urls: [y], created: \"2024-01-02T03:04:05Z\"}\ngenerated: \"2024-01-02T03:04:05Z\"\n";
    pair.write("other.yaml", other)?;
    for command in [
        "repo index www",
        "repo index www --url http://x.example.com/base/",
        "repo index www --url relative",
        "repo index www --json",
        "repo index www --merge other.yaml",
        "repo index www --merge new.yaml",
    ] {
        pair.check(command).await?;
        let index = |world: &World| -> Result<String> {
            let text = world.read("www/index.yaml")?;
            let lines = text
                .lines()
                .filter(|line| !line.contains("created") && !line.contains("generated"));
            Ok(lines.collect::<Vec<_>>().join("\n"))
        };
        let (ours, theirs) = (index(&pair.ours)?, index(&pair.theirs)?);
        ensure!(ours == theirs, "{command}\n--- kiel\n{ours}\n--- helm\n{theirs}");
    }
    Ok(())
}
