//! Git mappings of other repositories: keys, builds, patches.

use super::*;

/// The image keys that the chart sees.
fn tags(user: &User) -> String {
    user.project.commit(&[(
        ".helm/templates/pod.yaml",
        "kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: {image: \"{{ .Values.werf.image.app }}\"}\n",
    )]);
    let chart = user.kiel(&RENDER_CHART).expect_code(0).stdout;
    let line = chart
        .lines()
        .find(|line| line.contains("registry.example.org/app:"));
    line.expect("it has the image").trim().to_owned()
}

#[test]
fn the_key_of_a_mapping_is_that_of_its_files_wherever_they_are() {
    let library = Library::new();
    let server = library.serve();
    let auth = "basicAuth: {username: me, password: {env: GIT_PASSWORD}}";
    let image = |source: &str| {
        format!("{META}---\nimage: app\nfrom: alpine:3.20\ngit:\n- {{add: /common/conf, to: /app{source}}}\n")
    };
    let remote = |reference: &str| image(&format!(", url: \"{}\", {reference}, {auth}", server.url("")));
    let of_tag = User::new(&[("werf.yaml", &remote("tag: v1"))]);
    let tag = tags(&of_tag);
    assert_eq!(
        server.take_requests(),
        ["GET info/refs", "POST ls-refs", "POST fetch"]
    );
    let of_commit = User::new(&[("werf.yaml", &remote(&format!("commit: {}", library.first)))]);
    assert_eq!(tags(&of_commit), tag);
    assert_eq!(server.take_requests(), ["GET info/refs", "POST fetch"]);
    assert_eq!(tags(&of_commit), tag);
    assert_eq!(server.take_requests(), [""; 0]);
    let path = library.project.path().display();
    let of_folder = User::new(&[("werf.yaml", &image(&format!(", url: {path}, tag: v1")))]);
    assert_eq!(tags(&of_folder), tag);
    let own = User::new(&[
        ("werf.yaml", &image("")),
        ("common/conf/a.txt", "one"),
        ("common/conf/b.txt", "b"),
    ]);
    assert_eq!(tags(&own), tag);
    let branch = User::new(&[("werf.yaml", &remote("branch: main"))]);
    branch
        .kiel(&["config", "list"])
        .expect_code(1)
        .expect_stderr(&["git branch directive not allowed by giterminism"]);
    branch.project.commit(&[(
        "werf-giterminism.yaml",
        "giterminismConfigVersion: 1\nconfig: {stapel: {git: {allowBranch: true}}}\n",
    )]);
    server.take_requests();
    // Listing images needs no other repository.
    branch.kiel(&["config", "list"]).expect_code(0);
    assert_eq!(server.take_requests(), [""; 0]);
    assert_ne!(tags(&branch), tag);
    branch.project.commit(&[("werf.yaml", &remote("tag: nope"))]);
    branch
        .kiel(&RENDER_CHART)
        .expect_code(1)
        .expect_stderr(&["werf.yaml:7:", "cannot find tag `nope`"]);
}

#[test]
fn an_image_is_built_and_patched_from_another_repository() {
    let library = Library::new();
    let server = library.serve();
    // The engine knows commands of earlier runs.
    let run = format!("{} {}", harness::unique("run"), server.address.port());
    let config = format!(
        "{META}---\nimage: app\nfrom: debian:bookworm-slim\ngit:\n- url: {}\n  branch: main\n  add: /common/conf\n  to: \
         /app\n  basicAuth: {{username: me, password: {{env: GIT_PASSWORD}}}}\n  stageDependencies: {{setup: [b.txt]}}\n\
         - {{add: /own, to: /own}}\nshell:\n  setup: ['test \"$(cat /app/a.txt) $(cat /own/f)\" = \"two own\"']\n\
         ---\nimage: check\nfrom: app\ncacheVersion: \"1\"\nshell:\n  setup: ['echo \"it is $(cat /app/a.txt)\" # {run}']\n",
        server.url("")
    );
    let rules = "giterminismConfigVersion: 1\nconfig: {stapel: {git: {allowBranch: true}}}\n";
    let project = Project::with(
        "remote-build",
        &[
            ("werf.yaml", &config),
            ("werf-giterminism.yaml", rules),
            ("own/f", "own"),
        ],
    );
    let build = || {
        let args = ["build", "--repo", &project.repo, "--log-verbose"];
        let output = project
            .command(&args)
            .env("GIT_PASSWORD", "s3cret-token")
            .output();
        Run::of(&output.expect("kiel runs")).expect_code(0)
    };
    build().expect_stderr(&["it is two"]);
    server.take_requests();
    build();
    // The branch is asked for, once for both images; its commit is here.
    assert_eq!(server.take_requests(), ["GET info/refs", "POST ls-refs"]);
    library.project.commit(&[("common/conf/a.txt", "three")]);
    // A patch: `setup` of app would fail on this file.
    build().expect_stderr(&["it is three"]);
}

#[test]
fn repositories_with_other_ids() {
    let library = |format: &str| {
        let project = Project::empty("ids");
        fs_err::remove_dir_all(project.path().join(".git")).expect("it is there");
        project.git(&["init", "-q", "-b", "main", "--object-format", format]);
        project.commit(&[
            (
                ".werf/lib.tmpl",
                "{{ define \"img\" }}image: {{ . }}\nfrom: debian:bookworm-slim\n{{ end }}",
            ),
            ("conf/a.txt", "two"),
        ]);
        project
    };
    let (sha1, sha256) = (library("sha1"), library("sha256"));
    for (own, other) in [("sha1", &sha256), ("sha256", &sha1)] {
        let server = GitServer::start(other.path(), None);
        let include = format!(
            "includes:\n- {{git: \"{}\", branch: main, add: /, to: /}}\n",
            server.url("")
        );
        let mut user = User::new(&[]);
        user.project = library(own);
        let config = format!(
            "{CONFIG}git:\n- {{url: \"{}\", tag: v1, add: /conf, to: /app}}\n",
            server.url("")
        );
        other.git(&["tag", "-f", "v1"]);
        user.project.commit(&[
            ("werf.yaml", &config),
            ("werf-includes.yaml", &include),
            ("conf/a.txt", "own"),
        ]);
        user.update();
        let run = user.kiel(&RENDER).expect_code(0);
        assert!(
            run.stdout.contains("# own") && run.stdout.contains("image: app"),
            "{}",
            run.stdout
        );
        let wrong = include.replace(
            "branch: main",
            &format!("commit: {}", user.project.git(&["rev-parse", "HEAD"])),
        );
        let local = include.replace(&server.url(""), &other.path().display().to_string());
        let local = local.replace(
            "branch: main",
            &format!("commit: {}", user.project.git(&["rev-parse", "HEAD"])),
        );
        for wrong in [wrong, local] {
            let wrong = User::new(&[("werf.yaml", CONFIG), ("werf-includes.yaml", &wrong)]);
            wrong
                .kiel(&RENDER)
                .expect_code(1)
                .expect_stderr(&["ids have another length"]);
        }
        let project = Project::with("ids-build", &[]);
        let args = ["build", "--repo", &project.repo];
        let output = user
            .command(&args)
            .env_remove("KIEL_HOME")
            .output()
            .expect("kiel runs");
        Run::of(&output).expect_code(0).expect_stderr(&["1 assembled"]);
    }
}

#[test]
fn a_submodule_that_is_not_here_is_no_empty_folder() {
    let library = Library::new();
    let link = format!("160000,{},common/conf/sub", library.first);
    library.project.write(
        ".gitmodules",
        "[submodule \"sub\"]\n\tpath = common/conf/sub\n\turl = https://git.example.org/x\n",
    );
    library
        .project
        .git(&["update-index", "--add", "--cacheinfo", &link]);
    library.project.git(&["add", ".gitmodules"]);
    library.project.git(&["commit", "-q", "-m", "submodule"]);
    library.project.git(&["tag", "v2"]);
    let server = GitServer::start(library.project.path(), None);
    for url in [server.url(""), library.project.path().display().to_string()] {
        let image = |more: &str| {
            format!(
                "{META}---\nimage: app\nfrom: b\ngit:\n- {{url: \"{url}\", tag: v2, add: /common/conf, to: /app{more}}}\n"
            )
        };
        let user = User::new(&[("werf.yaml", &image(""))]);
        user.project.commit(&[(".helm/Chart.yaml", "")]);
        user.kiel(&RENDER_CHART)
            .expect_code(1)
            .expect_stderr(&["cannot read the submodule `common/conf/sub`"]);
        user.project
            .commit(&[("werf.yaml", &image(", excludePaths: [sub]"))]);
        tags(&user);
    }
}

/// Adds a submodule to what is committed.
fn link(project: &Project, path: &str, url: &str, of: &Project) {
    let id = of.git(&["rev-parse", "HEAD"]);
    project.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{id},{path}"),
    ]);
    let key = |name: &str| format!("submodule.{path}.{name}");
    project.git(&["config", "--file", ".gitmodules", &key("path"), path]);
    project.git(&["config", "--file", ".gitmodules", &key("url"), url]);
    project.git(&["add", ".gitmodules"]);
    project.git(&["commit", "-q", "-m", "submodule"]);
}

#[test]
fn submodules_are_fetched_where_they_count() {
    let (deep, sub, other) = (
        Project::empty("deep"),
        Project::empty("sub"),
        Project::empty("other"),
    );
    deep.commit(&[("d.txt", "deep")]);
    sub.commit(&[("s.txt", "sub"), ("no/x", "x")]);
    link(&sub, "deep", "../deep.git", &deep);
    other.commit(&[("o.txt", "other")]);
    let elsewhere = GitServer::start(other.path(), None);
    let library = Library::new();
    link(&library.project, "common/conf/sub", "../sub.git", &sub);
    link(&library.project, "common/conf/other", &elsewhere.url(""), &other);
    link(&library.project, "unused", "../no/such.git", &other);
    link(
        &library.project,
        "common/conf/local",
        &other.path().display().to_string(),
        &other,
    );
    let commit = library.project.git(&["rev-parse", "HEAD"]);
    let root = tempfile::tempdir().expect("a folder");
    for (name, project) in [("lib", &library.project), ("sub", &sub), ("deep", &deep)] {
        let target = root.path().join("group").join(format!("{name}.git"));
        project.git(&["clone", "-q", "--bare", ".", &target.display().to_string()]);
    }
    let server = GitServer::start(root.path(), Some("me:s3cret-token"));
    let user = |more: &str| {
        let url = server.url("group/lib.git");
        let auth = "basicAuth: {username: me, password: {env: GIT_PASSWORD}}";
        let config = format!(
            "{META}---\nimage: app\nfrom: alpine:3.20\ngit:\n- {{url: \"{url}\", commit: {commit}, add: /common/conf, to: /app, {auth}{more}}}\n"
        );
        User::new(&[("werf.yaml", &config)])
    };
    let own = User::new(&[
        (
            "werf.yaml",
            &format!(
                "{META}---\nimage: app\nfrom: alpine:3.20\ngit:\n- {{add: /common/conf, to: /app, excludePaths: [local]}}\n"
            ),
        ),
        ("common/conf/a.txt", "two"),
        ("common/conf/b.txt", "b"),
        ("common/conf/sub/s.txt", "sub"),
        ("common/conf/sub/no/x", "x"),
        ("common/conf/sub/deep/d.txt", "deep"),
        ("common/conf/other/o.txt", "other"),
    ]);
    own.project.write(
        "common/conf/sub/.gitmodules",
        &fs_err::read_to_string(sub.path().join(".gitmodules")).expect("a file"),
    );
    own.project.commit(&[]);
    let whole = user(", excludePaths: [local]");
    let tag = tags(&whole);
    assert_eq!(tag, tags(&own), "their files are files of the repository");
    let once = ["GET info/refs", "POST fetch"];
    let requests = server.take_seen();
    assert!(requests.iter().all(|seen| seen.authorization.is_some()));
    let requests: Vec<&str> = requests.iter().map(|seen| seen.what.as_str()).collect();
    assert_eq!(requests, [once, once, once].concat());
    let there = elsewhere.take_seen();
    assert_eq!(there.len(), 2);
    assert!(
        there.iter().all(|seen| seen.authorization.is_none()),
        "it is another server"
    );
    assert_eq!(tags(&whole), tag);
    assert_eq!(
        (server.take_requests(), elsewhere.take_requests()),
        (vec![], vec![]),
        "all is kept"
    );
    // Only what may count is asked for.
    let without = user(", excludePaths: [sub, other, local]");
    assert_ne!(tags(&without), tag);
    assert_eq!(server.take_requests(), once);
    assert_eq!(elsewhere.take_requests(), [""; 0]);
    let part = user(", includePaths: [sub/s.txt, a.txt]");
    tags(&part);
    assert_eq!(server.take_requests(), [once, once].concat());
    // A stranger's file names no folder of this machine.
    let local = user("");
    local.project.commit(&[(".helm/Chart.yaml", "")]);
    local.kiel(&RENDER_CHART).expect_code(1).expect_stderr(&[
        "cannot read the submodule `common/conf/local` at its commit",
        "it is a folder of another machine",
    ]);
}
