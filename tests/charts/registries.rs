//! Helm's commands about registries: what kiel pushes is what Helm pushes, bit for bit, and logins are kept for both.

use anyhow::{Context, Result, ensure};

use super::support::{self, Server};
use super::world::{World, archive, minimal};

fn server(password: bool) -> Result<Server> {
    let program =
        support::program("registry").context("no `registry` in KIEL_TEST_BIN: run cargo xtask test")?;
    Server::start(&program, password)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pushed_is_helms() -> Result<()> {
    let world = World::new()?;
    let server = server(false)?;
    let place = format!("oci://{}/a", server.address);
    let chart = "apiVersion: v2\nname: rich\nversion: 1.2.3+b1\ndescription: a <b> & c\nhome: https://example.com\nsources: [https://example.com/src, x]\nkeywords: [k]\nmaintainers:\n- {name: m, url: https://m, email: m@example.com}\n- {name: n}\nannotations: {z: \"1\", a: \"2\", org.opencontainers.image.title: other}\nkubeVersion: \">=1.20-0\"\ntype: application\nappVersion: \"1\"\nicon: https://i\ndependencies: []\n";
    world.write("rich.tgz", minimal(chart)?)?;
    world.write("plain.tgz", archive("plain", "1.0.0")?)?;
    world.write("plain.tgz.prov", "signed")?;
    for (file, reference) in [("rich.tgz", "rich:1.2.3+b1"), ("plain.tgz", "plain:1.0.0")] {
        let theirs = world
            .helm(&["push", file, &format!("{place}/helm"), "--plain-http"])
            .await?;
        let ours = world
            .kiel_helm(&["push", file, &format!("{place}/kiel/")])
            .await?;
        ensure!(ours.code == 0 && theirs.code == 0, "{ours:?}\n{theirs:?}");
        ensure!(
            ours.stderr == theirs.stderr.replace("/a/helm/", "/a/kiel/"),
            "{ours:?}\n{theirs:?}"
        );
        // Each pulls what the other has pushed.
        let (name, version) = reference.split_once(':').context("a version")?;
        let theirs = format!("{place}/helm/{name}");
        let ours = format!("{place}/kiel/{name}");
        let pulled = world
            .kiel_helm(&["pull", &theirs, "--version", version, "-d", "a"])
            .await?;
        let again = world
            .helm(&["pull", &ours, "--version", version, "-d", "a", "--plain-http"])
            .await?;
        // There is no such folder yet.
        ensure!(pulled.code == 1 && again.code == 1, "{pulled:?}\n{again:?}");
        fs_err::create_dir_all(world.path("work/ours"))?;
        fs_err::create_dir_all(world.path("work/theirs"))?;
        let pull = ["pull", &theirs, "--version", version, "-d", "ours", "--prov"];
        let ours_run = world.kiel_helm(&pull[..6]).await?;
        let pull = [
            "pull",
            &ours,
            "--version",
            version,
            "-d",
            "theirs",
            "--plain-http",
        ];
        let theirs_run = world.helm(&pull).await?;
        ensure!(
            ours_run.stderr.replace("/a/helm/", "/a/kiel/") == theirs_run.stderr && ours_run.code == 0,
            "{ours_run:?}\n{theirs_run:?}"
        );
        let file_name = format!("{name}-{version}.tgz");
        let content = |dir: &str| fs_err::read(world.path("work").join(dir).join(&file_name));
        ensure!(content("ours")? == content("theirs")?);
    }
    for chart in ["plain", "rich"] {
        let place = format!("{place}/helm/{chart}");
        let ours = world
            .kiel_helm(&["pull", &place, "--prov", "-d", "ours", "--version", ">0"])
            .await?;
        let pull = [
            "pull",
            &place,
            "--prov",
            "-d",
            "theirs",
            "--version",
            ">0",
            "--plain-http",
        ];
        let theirs = world.helm(&pull).await?;
        ensure!(ours == theirs && ours.code == 0, "{ours:?}\n{theirs:?}");
    }
    ensure!(world.read("ours/plain-1.0.0.tgz.prov")? == "signed");
    // A provenance file that can't be read is none that is missing.
    fs_err::remove_file(world.path("work/plain.tgz.prov"))?;
    fs_err::create_dir(world.path("work/plain.tgz.prov"))?;
    let ours = world.kiel_helm(&["push", "plain.tgz", &place]).await?;
    let theirs = world.helm(&["push", "plain.tgz", &place, "--plain-http"]).await?;
    ensure!(ours == theirs && ours.code == 1, "{ours:?}\n{theirs:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_chosen_as_by_helm() -> Result<()> {
    let world = World::new()?;
    let server = server(false)?;
    let place = format!("oci://{}/a", server.address);
    for version in ["1.0.0", "1.2.0", "2.0.0-rc.1", "1.10.0+b1"] {
        world.write("one.tgz", archive("one", version)?)?;
        world.kiel_helm(&["push", "one.tgz", &place]).await?.ok()?;
    }
    world.write("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")?;
    let one = format!("{place}/one");
    for args in [
        &["template", &one][..],
        &["template", &one, "--version", "~1.2"],
        &["template", &one, "--version", "1.10.0+b1"],
        &["template", &one, "--devel"],
        &["template", &one, "--version", "^3"],
        &["template", &format!("{one}:1.0.0")],
        &["template", &format!("{one}:1.0.0"), "--version", "1.2.0"],
        &["template", &format!("{one}:9.0.0")],
        &["show", "chart", &one],
        &["push", "nope.tgz", &place],
        &["push", "c", &place],
        &["push", "one.tgz", "http://x"],
    ] {
        let ours = world.kiel_helm(args).await?;
        let theirs = world.helm(&[args, &["--plain-http"]].concat()).await?;
        ensure!(ours == theirs, "{args:?}\n{ours:?}\n{theirs:?}");
    }
    // Ranges of dependencies are chosen from tags.
    let chart = format!(
        "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies:\n- {{name: one, version: ^1.0, repository: \"{place}\"}}\n"
    );
    world.write("c/Chart.yaml", &chart)?;
    let ours = world.kiel_helm(&["dep", "update", "c"]).await?;
    let lock = world.read("c/Chart.lock")?;
    fs_err::remove_file(world.path("work/c/Chart.lock"))?;
    let theirs = world.helm(&["dep", "update", "c", "--plain-http"]).await?;
    ensure!(ours == theirs && ours.code == 0, "{ours:?}\n{theirs:?}");
    let digest = |lock: &str| {
        lock.lines()
            .find(|line| line.starts_with("digest"))
            .map(str::to_owned)
    };
    ensure!(digest(&lock) == digest(&world.read("c/Chart.lock")?), "{lock}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_are_kept_for_helm_too() -> Result<()> {
    let world = World::new()?;
    let server = server(true)?;
    let host = server.address.as_str();
    let place = format!("oci://{host}/a");
    world.write("one.tgz", archive("one", "1.0.0")?)?;
    let error = world.kiel_helm(&["push", "one.tgz", &place]).await?.failed()?;
    ensure!(error.contains("wants credentials"), "{error}");
    let wrong = ["registry", "login", host, "-u", "kiel", "-p", "wr0ng"];
    let error = world.kiel_helm(&wrong).await?.failed()?;
    ensure!(
        error.contains(&format!("Error: authenticating to \"{host}\"")) && !error.contains("wr0ng"),
        "{error}"
    );
    ensure!(!world.path("home/.config/helm/registry/config.json").exists());
    let login = [
        "helm",
        "registry",
        "login",
        host,
        "--username",
        "kiel",
        "--password-stdin",
    ];
    let run = world
        .run(env!("CARGO_BIN_EXE_kiel"), &login, Some("p-kiel\n"))
        .await?;
    ensure!(
        run.code == 0 && run.stdout.is_empty() && run.stderr == "Login Succeeded\n",
        "{run:?}"
    );
    world.kiel_helm(&["push", "one.tgz", &place]).await?.ok()?;
    world
        .helm(&["pull", &format!("{place}/one"), "--plain-http"])
        .await?
        .ok()?;
    // The file is Helm's own, bit for bit.
    let path = "../home/.config/helm/registry/config.json";
    let ours = world.read(path)?;
    let theirs = World::new()?;
    let login = [
        "registry",
        "login",
        host,
        "-u",
        "kiel",
        "-p",
        "p-kiel",
        "--plain-http",
    ];
    let helm = theirs.helm(&login).await?;
    ensure!(helm.code == 0 && theirs.read(path)? == ours, "{ours}");
    let kiel = theirs.kiel_helm(&login).await?;
    ensure!(kiel == helm, "{kiel:?}\n{helm:?}");
    for (world, program) in [(&world, "kiel"), (&theirs, "helm")] {
        let args = ["registry", "logout", host];
        let run = if program == "kiel" {
            world.kiel_helm(&args).await?
        } else {
            world.helm(&args).await?
        };
        ensure!(
            run.stderr == format!("Removing login credentials for {host}\n"),
            "{run:?}"
        );
    }
    ensure!(world.read(path)? == theirs.read(path)?);
    // User and password of a single command are kept nowhere.
    let pull = [
        "pull",
        &format!("{place}/one"),
        "--username",
        "kiel",
        "--password",
        "p-kiel",
    ];
    world.kiel_helm(&pull).await?.ok()?;
    world.kiel_helm(&pull[..2]).await?.failed()?;
    Ok(())
}
