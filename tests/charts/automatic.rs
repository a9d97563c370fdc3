//! Dependencies of a project: built on the way from the lock file, in memory, each downloaded once.

use anyhow::{Context, Result, ensure};

use kiel::registry::Digest;

use super::support::{self, Server};
use super::world::{Readers, SENT, World, archive, pages, serve};

const WERF: &str = "project: app\nconfigVersion: 1\n";

/// A project whose chart has these dependencies, locked by the real Helm, with an empty `charts/`.
async fn project(world: &World, dependencies: &str) -> Result<()> {
    unlocked(world, dependencies)?;
    world.helm(&["dependency", "update", ".helm"]).await?.ok()?;
    fs_err::remove_dir_all(world.path("work/.helm/charts"))?;
    fs_err::remove_dir_all(world.path("home"))?;
    Ok(())
}

fn unlocked(world: &World, dependencies: &str) -> Result<()> {
    world.write("werf.yaml", WERF)?;
    let chart = format!("apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n{dependencies}");
    world.write(".helm/Chart.yaml", chart)?;
    world.write(
        ".helm/templates/t.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n",
    )
}

async fn render(world: &World) -> Result<String> {
    world.kiel(&["render"]).await?.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_downloaded_once_and_never_again() -> Result<()> {
    let world = World::new()?;
    let server = serve(
        pages(&[("one", "1.2.3"), ("one", "1.9.0"), ("two", "0.1.0")])?,
        Readers::All,
        None,
    )
    .await?;
    let url = format!("http://{}", server.address);
    let one = format!("- {{name: one, version: ^1.2, repository: \"{url}\"}}\n");
    let other = format!("- {{name: one, version: ^1.2, repository: \"{url}\", alias: other}}\n");
    let two = format!("- {{name: two, version: 0.x, repository: \"{url}/\"}}\n");
    project(&world, &[one, other, two].concat()).await?;
    world.commit().await?;
    let before = server.seen().len();
    let text = render(&world).await?;
    for want in [
        "# Source: app/charts/one/templates/t.yaml",
        "# Source: app/charts/other/templates/t.yaml",
        "# Source: app/charts/two/templates/t.yaml",
        "v: \"1.9.0\"",
        "name: own",
    ] {
        ensure!(text.contains(want), "{want}: {text}");
    }
    let asked: Vec<String> = server.seen()[before..]
        .iter()
        .map(|seen| seen.line.clone())
        .collect();
    let count = |path: &str| asked.iter().filter(|line| line.contains(path)).count();
    ensure!(
        (count("/one-1.9.0.tgz"), count("/two-0.1.0.tgz"), asked.len()) == (1, 1, 3),
        "one index, one request each: {asked:?}"
    );
    let before = server.seen().len();
    ensure!(render(&world).await? == text);
    ensure!(server.seen().len() == before, "the second time nothing is asked");
    ensure!(
        world
            .run("git", &["status", "--porcelain"], None)
            .await?
            .ok()?
            .is_empty(),
        "the work tree stays as it is"
    );
    // The same as the real Helm has it, with the charts in their folder.
    world
        .helm(&["dependency", "build", ".helm", "--skip-refresh"])
        .await?
        .failed()?;
    world.helm(&["dependency", "update", ".helm"]).await?.ok()?;
    let theirs = world
        .helm(&["template", "app", ".helm", "--namespace", "app", "--include-crds"])
        .await?
        .ok()?;
    ensure!(text == theirs, "{text}\n--- helm\n{theirs}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_side_by_side_do_not_disturb_each_other() -> Result<()> {
    let world = World::new()?;
    let server = serve(pages(&[("one", "1.0.0"), ("two", "1.0.0")])?, Readers::All, None).await?;
    let url = format!("http://{}", server.address);
    let one = |name: &str| format!("- {{name: {name}, version: 1.0.0, repository: \"{url}\"}}\n");
    project(&world, &[one("one"), one("two")].concat()).await?;
    world.commit().await?;
    let runs = futures::future::join_all((0..4).map(|_| render(&world))).await;
    let texts = runs.into_iter().collect::<Result<Vec<_>>>()?;
    ensure!(texts.iter().all(|text| *text == texts[0]));
    let kept = world.files("../home/.cache/kiel/charts/archives")?;
    ensure!(kept.len() == 2, "{kept:?}");
    // A file that was damaged is fetched again.
    let path = world.path("home/.cache/kiel/charts/archives").join(&kept[0]);
    fs_err::write(path, "damaged")?;
    ensure!(render(&world).await? == texts[0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_missing_or_old_is_told_with_the_remedy() -> Result<()> {
    let world = World::new()?;
    let server = serve(pages(&[("one", "1.0.0")])?, Readers::All, None).await?;
    let url = format!("http://{}", server.address);
    let one = |version: &str| format!("- {{name: one, version: \"{version}\", repository: \"{url}\"}}\n");
    project(&world, &one("1.0.0")).await?;
    unlocked(&world, &one("1.x"))?;
    world.commit().await?;
    let before = server.seen().len();
    let error = world.kiel(&["render"]).await?.failed()?;
    ensure!(
        error.contains("error: the lock file (Chart.lock) is out of sync with the dependencies file (Chart.yaml). Please update the dependencies")
            && error.contains("hint: run `kiel helm dependency update`"),
        "{error}"
    );
    fs_err::remove_file(world.path("work/.helm/Chart.lock"))?;
    world.commit().await?;
    let error = world.kiel(&["render"]).await?.failed()?;
    ensure!(
        error.contains("there is no Chart.lock, and missing in charts/ directory: one")
            && error.contains("hint: run `kiel helm dependency update`"),
        "{error}"
    );
    ensure!(server.seen().len() == before, "nothing is asked");
    // What lies in charts/ needs no lock.
    world.write(".helm/charts/one-1.0.0.tgz", archive("one", "1.0.0")?)?;
    world.commit().await?;
    ensure!(render(&world).await?.contains("app/charts/one/"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_charts_come_from_the_commit() -> Result<()> {
    let world = World::new()?;
    let server = serve(pages(&[("deep", "1.0.0")])?, Readers::All, None).await?;
    world.write(
        "libs/near/Chart.yaml",
        format!(
            "apiVersion: v2\nname: near\nversion: 1.2.0\ndependencies:\n- {{name: deep, version: ^1, repository: \"http://{}\"}}\n",
            server.address
        ),
    )?;
    world.write(
        "libs/near/templates/t.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: near}\n",
    )?;
    world.helm(&["dependency", "update", "libs/near"]).await?.ok()?;
    fs_err::remove_dir_all(world.path("work/libs/near/charts"))?;
    project(
        &world,
        "- {name: near, version: 1.x, repository: \"file://../libs/near\"}\n",
    )
    .await?;
    world.commit().await?;
    world.write("libs/near/templates/t.yaml", "not committed")?;
    let text = render(&world).await?;
    ensure!(
        text.contains("name: near") && text.contains("app/charts/near/charts/deep/"),
        "{text}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_goes_to_its_repository_alone() -> Result<()> {
    let world = World::new()?;
    let other = serve(pages(&[("one", "1.0.0")])?, Readers::All, None).await?;
    let mut pages = pages(&[("one", "1.0.0")])?;
    let index = String::from_utf8(pages["/index.yaml"].clone())?;
    let index = index.replace(
        "- one-1.0.0.tgz",
        &format!("- http://{}/one-1.0.0.tgz", other.address),
    );
    pages.insert("/index.yaml".to_owned(), index.into_bytes());
    let server = serve(pages, Readers::One, None).await?;
    let url = format!("http://{}", server.address);
    let add = [
        "repo",
        "add",
        "mine",
        &url,
        "--username",
        "u",
        "--password",
        "s3cret",
    ];
    world.helm(&add).await?.ok()?;
    unlocked(&world, "- {name: one, version: 1.x, repository: \"@mine\"}\n")?;
    world.helm(&["dependency", "update", ".helm"]).await?.ok()?;
    fs_err::remove_dir_all(world.path("work/.helm/charts"))?;
    world.commit().await?;
    let (before, others) = (server.seen().len(), other.seen().len());
    render(&world).await?;
    let sent = server.authorizations().split_off(before);
    ensure!(sent == [SENT], "{sent:?}");
    ensure!(other.seen().len() == others + 1 && other.authorizations().is_empty());
    // Whoever does not know the repository is told what it says, and no password.
    fs_err::remove_dir_all(world.path("home"))?;
    let error = world.kiel(&["render"]).await?.failed()?;
    ensure!(
        error.contains(&format!("failed to fetch {url}/index.yaml : 401 Unauthorized")),
        "{error}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_not_the_indexs_is_refused() -> Result<()> {
    let world = World::new()?;
    let mut pages = pages(&[("one", "1.0.0")])?;
    let server = serve(pages.clone(), Readers::All, None).await?;
    let url = format!("http://{}", server.address);
    project(
        &world,
        &format!("- {{name: one, version: 1.x, repository: \"{url}\"}}\n"),
    )
    .await?;
    pages.insert("/one-1.0.0.tgz".to_owned(), archive("one", "1.0.1")?);
    let lock = world.read(".helm/Chart.lock")?;
    drop(server);
    let server = serve(pages, Readers::All, None).await?;
    let moved = format!("http://{}", server.address);
    for (path, text) in [
        (".helm/Chart.yaml", world.read(".helm/Chart.yaml")?),
        (".helm/Chart.lock", lock),
    ] {
        world.write(path, text.replace(&url, &moved))?;
    }
    world.commit().await?;
    let error = world.kiel(&["render"]).await?.failed()?;
    ensure!(
        error.contains("out of sync"),
        "the place is part of the digest: {error}"
    );
    world.helm(&["dependency", "update", ".helm"]).await?.ok()?;
    fs_err::remove_dir_all(world.path("work/.helm/charts"))?;
    world.commit().await?;
    let error = world.kiel(&["render"]).await?.failed()?;
    ensure!(
        error.contains("cannot trust") && error.contains("one-1.0.0.tgz"),
        "{error}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registries_are_asked_with_dockers_or_helms_login() -> Result<()> {
    let world = World::new()?;
    let program =
        support::program("registry").context("no `registry` in KIEL_TEST_BIN: run cargo xtask test")?;
    let server = Server::start(&program, true)?;
    let place = format!("oci://{}/charts", server.address);
    let login = [
        "registry",
        "login",
        &server.address,
        "-u",
        "kiel",
        "-p",
        "p-kiel",
        "--plain-http",
    ];
    world.helm(&login).await?.ok()?;
    world.write("one.tgz", archive("one", "1.0.0+b1")?)?;
    world
        .helm(&["push", "one.tgz", &place, "--plain-http"])
        .await?
        .ok()?;
    fs_err::remove_file(world.path("work/one.tgz"))?;
    unlocked(
        &world,
        &format!("- {{name: one, version: 1.0.0+b1, repository: \"{place}\"}}\n"),
    )?;
    let chart = format!(
        "dependencies:\n- name: one\n  repository: {place}\n  version: 1.0.0+b1\ndigest: sha256:{}\ngenerated: \"2024-01-02T03:04:05Z\"\n",
        Digest::of(
            format!(
                "[[{0}],[{0}]]",
                format_args!("{{\"name\":\"one\",\"version\":\"1.0.0+b1\",\"repository\":\"{place}\"}}")
            )
            .as_bytes()
        )
        .hex()
    );
    world.write(".helm/Chart.lock", chart)?;
    world.commit().await?;
    ensure!(render(&world).await?.contains("v: \"1.0.0+b1\""));
    // Docker's configuration is as good; without any login the remedy is named.
    fs_err::remove_dir_all(world.path("home"))?;
    let error = world.kiel(&["render"]).await?.failed()?;
    ensure!(
        error.contains("wants credentials and there are none for it"),
        "{error}"
    );
    let docker = server.docker_config("p-kiel")?;
    let folder = docker.path().display().to_string();
    let text = world.kiel(&["render", "--docker-config", &folder]).await?.ok()?;
    ensure!(text.contains("v: \"1.0.0+b1\""));
    Ok(())
}
