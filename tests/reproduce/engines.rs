//! The same commit on different engines, by different users and after different histories.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kiel::build::BuildReport;
use kiel::registry::validate::{self, File, Validated};
use kiel::registry::{Digest, Platform, Repository};
use kiel_stapel::spec::{From, StapelSpec};

use super::engine::{self, Bench};
use super::forest;
use super::project::{Project, git, stapel};

/// `net_bind_service`, permitted and effective, in the form of version 2.
#[cfg(target_arch = "x86_64")]
const CAPABILITY: [u8; 8] = [1, 0, 0, 2, 0, 4, 0, 0];

/// Sets the capability `net_bind_service` on `/opt/capped`: no image has a program for it that would do.
#[cfg(target_arch = "x86_64")]
fn set_capability() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    // setxattr(path, name, value, 20, 0); exit(its error)
    let mut code: Vec<u8> = Vec::new();
    let text = BASE + 120 + 47;
    let (path, name, value) = (b"/opt/capped\0", b"security.capability\0", CAPABILITY);
    let address = |offset: usize| {
        u32::try_from(text + offset as u64)
            .expect("it is small")
            .to_le_bytes()
    };
    code.extend([0xb8, 188, 0, 0, 0]);
    code.push(0xbf);
    code.extend(address(0));
    code.push(0xbe);
    code.extend(address(path.len()));
    code.push(0xba);
    code.extend(address(path.len() + name.len()));
    code.extend([0x41, 0xba, 20, 0, 0, 0, 0x45, 0x31, 0xc0, 0x0f, 0x05]);
    code.extend([0x89, 0xc7, 0xf7, 0xdf, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]);
    code.resize(47, 0x90);
    code.extend(path);
    code.extend(name);
    code.extend(value);
    code.extend([0; 12]);
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(16, 0);
    program.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    program.extend((BASE + 120).to_le_bytes());
    program.extend(64_u64.to_le_bytes());
    program.extend([0; 12]);
    program.extend([64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    program.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    let size = (120 + code.len()) as u64;
    for number in [0, BASE, BASE, size, size, 0x1000] {
        program.extend(number.to_le_bytes());
    }
    program.extend(code);
    program
}

const WERF: &str = r#"project: test
configVersion: 1
---
image: app
from: busybox:1.36
git:
- add: /src
  to: /app
  stageDependencies: {install: [deps]}
- add: /tools
  to: /opt/tools
shell:
  beforeInstall:
  - echo 'app:x:1000:1000::/home/app:/bin/sh' >> /etc/passwd
  - mkdir -p /home/app /srv/folder/in /srv/dir /opt
  - echo in > /srv/folder/in/file; echo in > /srv/dir/file
  - chown 1000:1000 /home/app
  install:
  - grep -q '^app:' /etc/passwd
  - cat /app/deps > /installed
  - rm -rf /srv/folder; echo file > /srv/folder
  - rm -rf /srv/dir; ln -s ../etc /srv/dir
  - rm -rf /app/replaced; mkdir -p /app/replaced; echo new > /app/replaced/new
  - mkdir -p /opt/z; echo hard > /opt/h1; ln /opt/h1 /opt/h2; ln /opt/h1 /opt/z/h3; ln /etc/passwd /opt/passwd
  - echo capped > /opt/capped; chmod 755 /opt/capped; if test -e /opt/tools/cap; then /opt/tools/cap; fi
  - mkdir /odd; cd /odd
  - echo 1 > "$(printf 'new\nline')"; echo 2 > "$(printf 'not\377utf8')"; echo 3 > "$(printf '%0250d' 0)"
  - echo 4 > ./-dash; echo 5 > .whx; echo 6 > 'q"uote'"'"; echo 7 > 'ü ü'; mkdir -p './$(x)/*'
  - i=0; p=deep; while test $i -lt 40; do p=$p/0123456789; i=$((i+1)); done; mkdir -p $p; echo 8 > $p/file
  setup:
  - rm /opt/h2; chmod 4755 /opt/h1; mkfifo /opt/fifo; rm -r "/odd/$(printf 'new\nline')"
  - chown -R 1000:1000 /app; cat /installed > /app/made
"#;

fn files(project: &Project) -> Result<()> {
    let dir = project.dir();
    fs_err::create_dir_all(dir.join("tools"))?;
    fs_err::write(dir.join("tools/readme"), "tools\n")?;
    #[cfg(target_arch = "x86_64")]
    {
        fs_err::write(dir.join("tools/cap"), set_capability())?;
        fs_err::set_permissions(dir.join("tools/cap"), std::fs::Permissions::from_mode(0o755))?;
    }
    project.commit(&[
        ("werf.yaml", Some(WERF)),
        ("src/deps", Some("1\n")),
        ("src/main", Some("main 1\n")),
        ("src/replaced/old", Some("old\n")),
        ("src/-dash\n\"ü\"", Some("odd\n")),
    ])
}

/// A project whose images are those of its werf.yaml.
fn configured(bench: Bench) -> Result<Project> {
    let mut project = Project::new(bench, vec![])?;
    files(&project)?;
    project.images = forest::config(&forest::head(&project.dir())?)?.images;
    Ok(project)
}

fn digest(report: &BuildReport) -> Result<Digest> {
    Ok(report.image("app").context("app")?.digest)
}

/// A repository with these tags of another one.
async fn with_tags(project: &Project, name: &str, from: &Repository, tags: &[&str]) -> Result<Repository> {
    let to = project.bench.repository(name)?;
    for tag in tags {
        validate::copy(
            &project.registry,
            &from.tag(tag)?,
            &to.tag(tag)?,
            &Platform::host(),
        )
        .await?
        .with_context(|| format!("no `{tag}`"))?;
    }
    Ok(to)
}

/// One commit: in one go, again on an empty engine, as another user, from each published stage, and from the last one
/// without any engine.
pub(crate) async fn continued(bench: Bench) -> Result<()> {
    let mut project = configured(bench)?;
    let report = project.build().await?;
    let (want, first) = (digest(&report)?, project.repository.clone());
    let image = project.image(&report, "app").await?;
    check_contents(&image)?;
    // Times that are taken would show a second later.
    let rootless = rootless(&project, want)?;
    let stages: Vec<String> = report
        .image("app")
        .context("app")?
        .stages
        .iter()
        .map(|stage| stage.tag.clone())
        .collect();
    ensure!(stages.len() == 3, "{stages:?}");
    project.bench.state = project.bench.folder.path().join("state-2");
    for (number, stage) in std::iter::once(None).chain(stages.iter().map(Some)).enumerate() {
        project.repository = match stage {
            None => project.bench.repository("again")?,
            Some(tag) => with_tags(&project, &format!("from-{number}"), &first, &[tag]).await?,
        };
        project.engines();
        let again = project.build().await?;
        ensure!(
            digest(&again)? == want,
            "continued from {stage:?}: {} is not {want}",
            digest(&again)?
        );
        ensure!(
            (project.engines() == 0) == (number == stages.len()),
            "an engine is for stages"
        );
        project.image(&again, "app").await?;
    }
    if !rootless {
        ensure!(
            !nix::unistd::getuid().is_root(),
            "root can make users to test with"
        );
    }
    Ok(())
}

fn check_contents(image: &Validated) -> Result<()> {
    let kind = |path: &str| image.files.get(path).map(|file| file.kind);
    let regular = Some(tar::EntryType::Regular);
    ensure!(kind("srv/folder") == regular && kind("srv/folder/in").is_none());
    ensure!(
        image
            .files
            .get("srv/dir")
            .is_some_and(|file| file.kind.is_symlink() && file.link == "../etc")
    );
    ensure!(kind("app/replaced/old").is_none() && kind("app/replaced/new") == regular);
    ensure!(kind("opt/fifo") == Some(tar::EntryType::Fifo) && kind("opt/h2").is_none());
    ensure!(kind("odd/.whx") == regular && kind("odd/-dash") == regular && kind("odd/new\nline").is_none());
    ensure!(kind("app/-dash\n\"ü\"") == regular);
    ensure!(image.files.keys().any(|path| path.ends_with("/0123456789/file")));
    #[cfg(target_arch = "x86_64")]
    {
        let capped = image.files.get("opt/capped").context("/opt/capped")?;
        ensure!(
            capped.xattrs.get("security.capability").map(|value| &value[..8]) == Some(&CAPABILITY),
            "{:?}",
            capped.xattrs
        );
    }
    Ok(())
}

/// The same commit by the kiel binary, as an ordinary user; false where none can be made.
fn rootless(project: &Project, want: Digest) -> Result<bool> {
    let Some(account) = engine::ordinary_user()? else {
        return Ok(false);
    };
    let home = tempfile::tempdir()?;
    let bench = Bench {
        state: home.path().join("kiel/engine"),
        folder: home,
        tools: engine::copied_tools(&project.bench)?,
        search_path: None,
    };
    let repository = bench.repository("rootless")?;
    fs_err::set_permissions(bench.folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let source = bench.folder.path().join("source");
    git(
        bench.folder.path(),
        &[
            "clone",
            "-q",
            &project.dir().display().to_string(),
            &source.display().to_string(),
        ],
    )?;
    fs_err::set_permissions(
        project.bench.folder.path(),
        std::fs::Permissions::from_mode(0o755),
    )?;
    let owned = Command::new("chown")
        .arg("-R")
        .arg(&account.name)
        .arg(bench.folder.path())
        .status()?;
    ensure!(owned.success(), "chown failed");
    let found = build_as(
        &account.name,
        &bench,
        &project.bench.folder.path().join("bin"),
        &source,
        &repository,
    )?;
    bench.wait_for_end()?;
    ensure!(found == want, "without root it is {found}, not {want}");
    Ok(true)
}

#[expect(clippy::disallowed_methods, reason = "a test's environment is its input")]
fn build_as(user: &str, bench: &Bench, bin: &Path, source: &Path, repository: &Repository) -> Result<Digest> {
    let found = nix::unistd::User::from_name(user)?.context("the user is there")?;
    let report = bench.folder.path().join("report.json");
    let mut command = Command::new(bin.join("kiel"));
    command
        .args(["build", "--repo", &repository.to_string()])
        .args(["--save-build-report", "--build-report-path"])
        .arg(&report)
        .current_dir(source)
        .env_clear()
        .env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH")?))
        .env("HOME", bench.folder.path())
        .env("KIEL_HOME", bench.folder.path().join("kiel"))
        .env(
            "KIEL_CONTAINER_REGISTRY_MIRROR_TEST",
            std::env::var("KIEL_TEST_MIRROR")?,
        )
        .uid(found.uid.as_raw())
        .gid(found.gid.as_raw());
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: serde_json::Value = serde_json::from_slice(&fs_err::read(&report)?)?;
    let digest = report["Images"]["app"]["DockerImageDigest"].as_str();
    digest
        .with_context(|| report.to_string())?
        .parse()
        .map_err(|_| anyhow::anyhow!("no digest in {report}"))
}

const HERMETIC: &str = r#"project: test
configVersion: 1
---
image: app
from: busybox:1.36
git:
- add: /src
  to: /app
  hermetic: true
  stageDependencies: {install: [deps], setup: ["conf/*.ini"]}
shell:
  beforeInstall: ["mkdir /app; chown 5:5 /app"]
  install: ["find /app | sort > /seen-by-install", "mkdir /app/gen; echo gen > /app/gen/file"]
  setup: ["find /app | sort > /seen-by-setup", "chown 7:7 /app/conf", "cat /app/conf/* > /conf"]
"#;

/// A hermetic image is the same whatever was published before, and its stages see only what is named for them.
pub(crate) async fn hermetic(bench: Bench) -> Result<()> {
    let mut project = Project::new(bench, vec![])?;
    project.commit(&[
        ("werf.yaml", Some(HERMETIC)),
        ("src/deps", Some("1\n")),
        ("src/main", Some("1\n")),
        ("src/old/gone", Some("1\n")),
        ("src/conf/a.ini", Some("a\n")),
        ("src/conf/note", Some("1\n")),
    ])?;
    project.images = forest::config(&forest::head(&project.dir())?)?.images;
    let before = project.build().await?;
    project.commit(&[
        ("src/main", Some("2\n")),
        ("src/old/gone", None),
        ("src/new/file", Some("2\n")),
        ("src/conf/note", Some("2\n")),
        ("src/gen/more", Some("2\n")),
    ])?;
    project.engines();
    let after = project.build().await?;
    ensure!(project.engines() == 0, "no stage reads what has changed");
    ensure!(digest(&before)? != digest(&after)?);
    let image = project.image(&after, "app").await?;
    let text = |path: &str| {
        image
            .files
            .get(path)
            .map(|file| String::from_utf8_lossy(&file.content).into_owned())
    };
    ensure!(
        text("seen-by-install").as_deref() == Some("/app\n/app/deps\n"),
        "{:?}",
        text("seen-by-install")
    );
    let seen = "/app\n/app/conf\n/app/conf/a.ini\n/app/deps\n/app/gen\n/app/gen/file\n";
    ensure!(
        text("seen-by-setup").as_deref() == Some(seen),
        "{:?}",
        text("seen-by-setup")
    );
    let here: Vec<&String> = image
        .files
        .keys()
        .filter(|path| path.starts_with("app/"))
        .collect();
    let want = [
        "app/conf",
        "app/conf/a.ini",
        "app/conf/note",
        "app/deps",
        "app/gen",
        "app/gen/file",
        "app/gen/more",
        "app/main",
        "app/new",
        "app/new/file",
    ];
    ensure!(here == want, "{here:?}");
    let owner = |path: &str| image.files.get(path).map(|file| file.uid);
    ensure!(owner("app") == Some(5) && owner("app/conf") == Some(7) && owner("app/conf/note") == Some(0));
    // From nothing, on an empty engine.
    let stages = |report: &BuildReport| -> Result<Vec<Digest>> {
        Ok(report
            .image("app")
            .context("app")?
            .stages
            .iter()
            .map(|stage| stage.digest)
            .collect())
    };
    project.repository = project.bench.repository("fresh")?;
    project.bench.state = project.bench.folder.path().join("state-2");
    let fresh = project.build().await?;
    ensure!(digest(&fresh)? == digest(&after)?, "the history of stages shows");
    // Stages are the same, too: the last of them is where the first build went on.
    ensure!(stages(&fresh)?.last() == stages(&after)?.last());
    // The other way round: what was built for the second commit serves the first.
    git(&project.dir(), &["checkout", "-q", "HEAD~1"])?;
    project.engines();
    let back = project.build().await?;
    ensure!(digest(&back)? == digest(&before)? && project.engines() == 0);
    Ok(())
}

const PATCHED: &str = r#"project: test
configVersion: 1
---
image: app
from: busybox:1.36
git:
- add: /src
  to: /app
  excludePaths: [skip]
  stageDependencies: {install: [deps]}
- add: /lib
  to: /app/vendor/lib
  owner: 33
  group: 33
shell:
  install: ["echo made > /made; echo made > /app/made; ln -s main /app/made-link", "mkdir -p /app/dir/made", "rm -rf /app/tests /app/secret /app/old; echo old > /app/old", "mkdir -p /app/filled; echo own > /app/filled/own"]
  setup: ["echo more > /app/vendor/more"]
"#;

/// What one commit after the other does, below `src` and `lib`; `>` executable, `@` link, `-` removed.
const HISTORY: &[(&str, &[(&str, &str)])] = &[
    (
        "changed, added, removed",
        &[("src/main", "2"), ("src/new", "n"), ("src/-gone", "")],
    ),
    ("modes", &[("src/>main", "2"), ("src/run", "r")]),
    ("renamed", &[("src/-new", ""), ("src/newer/new", "n")]),
    (
        "a folder becomes a file",
        &[("src/-a/b/one", ""), ("src/-a/two", ""), ("src/a", "file")],
    ),
    (
        "a file becomes a folder",
        &[("src/-run", ""), ("src/run/inner/x", "x")],
    ),
    (
        "a link becomes a file",
        &[("src/link", "file"), ("src/@link2", "main")],
    ),
    (
        "a file becomes a link, a link a folder",
        &[("src/@main", "link"), ("src/-link2", ""), ("src/link2/x", "x")],
    ),
    (
        "a link to a folder changes its target",
        &[("src/@to", "link2"), ("lib/l", "2")],
    ),
    (
        "a folder becomes a link",
        &[("src/-link2/x", ""), ("src/@link2", "newer")],
    ),
    (
        "what is excluded, and the inner mapping",
        &[("src/skip/x", "2"), ("lib/deep/er/y", "y"), ("lib/-l", "")],
    ),
    (
        "below what commands have removed, replaced or filled",
        &[
            ("src/tests/deep/a", "2"),
            ("src/tests/b", "2"),
            ("src/old/x", "2"),
            ("src/old/y", "2"),
            ("src/secret", "2"),
            ("src/-filled/x", ""),
        ],
    ),
    (
        "it goes from Git as well",
        &[
            ("src/-tests/deep/a", ""),
            ("src/-tests/b", ""),
            ("src/-old/x", ""),
            ("src/-old/y", ""),
            ("src/-secret", ""),
        ],
    ),
    (
        "all back",
        &[
            ("src/-main", ""),
            ("src/main", "1"),
            ("src/-to", ""),
            ("src/a", "file 2"),
        ],
    ),
];

fn write(dir: &Path, changes: &[(&str, &str)]) -> Result<()> {
    for (path, content) in changes {
        let (top, rest) = path.split_once('/').context("a folder")?;
        let mark = rest.chars().next().filter(|mark| "->@".contains(*mark));
        let path = dir.join(top).join(rest.trim_start_matches(['-', '>', '@']));
        let there = fs_err::symlink_metadata(&path);
        if there.is_ok_and(|there| !there.is_dir()) {
            fs_err::remove_file(&path)?;
        }
        if mark == Some('-') {
            // As git does it: a folder that is empty is gone.
            let mut parent = path.parent();
            while let Some(folder) = parent.filter(|folder| fs_err::remove_dir(folder).is_ok()) {
                parent = folder.parent();
            }
            continue;
        }
        fs_err::create_dir_all(path.parent().context("a folder")?)?;
        match mark {
            Some('@') => fs_err::os::unix::fs::symlink(content, &path)?,
            _ => fs_err::write(&path, content)?,
        }
        if mark == Some('>') {
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        }
    }
    git(dir, &["add", "-A"])?;
    git(dir, &["commit", "-qm", "x"])
}

/// A file without what may differ: its time and its layer.
type Shown<'a> = (tar::EntryType, u32, u64, u64, &'a str, &'a [u8]);

fn listed(image: &Validated) -> BTreeMap<&str, Shown<'_>> {
    let shown = |file: &'_ File| (file.kind, file.mode & 0o7777, file.uid, file.gid);
    image
        .files
        .iter()
        .map(|(path, file)| {
            let (kind, mode, uid, gid) = shown(file);
            (
                path.as_str(),
                (kind, mode, uid, gid, file.link.as_str(), &file.content[..]),
            )
        })
        .collect()
}

/// Each commit of a history, patched without an engine onto the first one's stages and built from scratch: the same
/// files and folders. Stages here read nothing that is not named for them.
pub(crate) async fn patched(bench: Bench) -> Result<()> {
    let mut project = Project::new(bench, vec![])?;
    let first: &[(&str, &str)] = &[
        ("src/deps", "1"),
        ("src/main", "1"),
        ("src/gone", "g"),
        ("src/a/b/one", "1"),
        ("src/a/two", "2"),
        ("src/run", "r"),
        ("src/@link", "main"),
        ("src/@to", "a"),
        ("src/skip/x", "1"),
        ("src/tests/deep/a", "1"),
        ("src/old/x", "1"),
        ("src/secret", "1"),
        ("src/filled/x", "1"),
        ("lib/l", "1"),
    ];
    fs_err::write(project.dir().join("werf.yaml"), PATCHED)?;
    write(&project.dir(), first)?;
    project.images = forest::config(&forest::head(&project.dir())?)?.images;
    project.build().await?;
    let repository = project.repository.clone();
    for (number, (what, changes)) in HISTORY.iter().enumerate() {
        write(&project.dir(), changes).with_context(|| (*what).to_owned())?;
        project.repository = repository.clone();
        project.engines();
        let patched = project.build().await.with_context(|| (*what).to_owned())?;
        ensure!(project.engines() == 0, "{what}: no stage is to run");
        let patched = project.image(&patched, "app").await?;
        project.repository = project.bench.repository(&format!("scratch-{number}"))?;
        let scratch = project.build().await?;
        let scratch = project.image(&scratch, "app").await?;
        let (found, want) = (listed(&patched), listed(&scratch));
        for (path, file) in &want {
            ensure!(
                found.get(path) == Some(file),
                "{what}: `{path}` is {:?}, not {file:?}",
                found.get(path)
            );
        }
        let more: Vec<&&str> = found.keys().filter(|path| !want.contains_key(**path)).collect();
        ensure!(more.is_empty(), "{what}: {more:?} should be gone");
    }
    // An engine unpacks what was patched, too, and finds the same.
    project.repository = repository;
    let mut child = StapelSpec {
        from: From::Image("app".into()),
        ..StapelSpec::default()
    };
    child.shell.install = vec!["find /app | sort > /all".into()];
    project.images.push(stapel("child", child));
    let report = project.build().await?;
    let (app, child) = (
        project.image(&report, "app").await?,
        project.image(&report, "child").await?,
    );
    let all = String::from_utf8_lossy(&child.files["all"].content).into_owned();
    let want: std::collections::BTreeSet<String> = app
        .files
        .keys()
        .filter(|path| *path == "app" || path.starts_with("app/"))
        .map(|path| format!("/{path}"))
        .collect();
    ensure!(
        all.lines()
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
            == want,
        "{all} is not {want:?}"
    );
    Ok(())
}
