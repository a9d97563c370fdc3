//! What includes bring to a project, and what they must not.

use super::*;

#[test]
fn the_newest_commit_needs_a_rule() {
    let library = Library::new();
    let server = library.serve();
    let user = User::including(&over_http(&server, "branch: main"));
    let args = ["config", "render", "--allow-includes-update"];
    user.kiel(&args).expect_code(1).expect_stderr(&[
        "using --allow-includes-update option is not allowed by giterminism.",
        "allowIncludesUpdate: true",
    ]);
    assert_eq!(server.take_requests(), [""; 0]);
    user.project.commit(&[(
        "werf-giterminism.yaml",
        "giterminismConfigVersion: 1\nincludes: {allowIncludesUpdate: true}\n",
    )]);
    user.prints(&args, &rendered("two"));
    library.project.commit(&[("common/conf/a.txt", "three")]);
    let by_variable = user
        .command(&RENDER)
        .env("WERF_ALLOW_INCLUDES_UPDATE", "1")
        .output();
    let run = Run::of(&by_variable.expect("kiel runs")).expect_code(0);
    assert_eq!(run.stdout, rendered("three"));
}

#[test]
fn repositories_of_this_machine_are_read_where_they_are() {
    let library = Library::new();
    let path = library.project.path().to_str().expect("it is text").to_owned();
    for url in [path.clone(), format!("file://{path}")] {
        let user = User::including(&format!("- git: {url}\n  tag: v1\n  add: /common\n  to: /\n"));
        user.update();
        user.prints(&RENDER, &rendered("one"));
        assert!(!user.home.path().join("git").exists(), "nothing is copied");
        user.prints(
            &["includes", "ls-files", "conf", "--filter", "source=lib,local"],
            "PATH  SOURCE\n",
        );
        user.prints(
            &[
                "includes",
                "ls-files",
                "conf/*",
                "--filter",
                &format!("source={path}"),
            ],
            &format!("PATH        SOURCE\nconf/a.txt  {path}\nconf/b.txt  {path}\n"),
        );
        user.prints(&["includes", "get-file", "conf/a.txt"], "one");
        user.kiel(&["includes", "get-file", "conf/z"])
            .expect_code(1)
            .expect_stderr(&["the file \"conf/z\" not found"]);
    }
}

/// What the tests of one page need: a library and a project beside it.
struct Beside {
    project: Project,
    home: tempfile::TempDir,
}

impl Beside {
    fn new(library: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        let beside = Self {
            project: Project::empty("beside"),
            home: tempfile::tempdir().expect("a temporary folder can be made"),
        };
        beside.project.write("app/werf.yaml", "");
        beside.project.git(&["init", "-q", "-b", "main", "app"]);
        beside.commit("library", library);
        beside.commit("app", files);
        beside.kiel(&["includes", "update"]).expect_code(0);
        beside.commit("app", &[]);
        beside
    }

    fn commit(&self, folder: &str, files: &[(&str, &str)]) {
        for (path, text) in files {
            self.project.write(&format!("{folder}/{path}"), text);
        }
        self.project.git(&["init", "-q", "-b", "main", folder]);
        self.project.git(&["-C", folder, "add", "-A", "-f"]);
        self.project
            .git(&["-C", folder, "commit", "-q", "--allow-empty", "-m", "change"]);
    }

    fn kiel(&self, args: &[&str]) -> Run {
        let mut command = self.project.command(args);
        command
            .current_dir(self.project.path().join("app"))
            .env("KIEL_HOME", self.home.path());
        Run::of(&command.output().expect("kiel runs"))
    }

    fn tag(&self) -> String {
        let chart = self.kiel(&RENDER_CHART).expect_code(0).stdout;
        let line = chart
            .lines()
            .find(|line| line.contains("registry.example.org/app:"));
        line.unwrap_or_else(|| panic!("no image in {chart}"))
            .trim()
            .to_owned()
    }
}

const POD: &str =
    "kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: {image: \"{{ .Values.werf.image.app }}\"}\n";

#[test]
fn configuration_chart_and_dockerfiles_are_included_and_contexts_are_not() {
    let config = format!("{META}---\nimage: app\ndockerfile: Dockerfile\n");
    let library = [
        ("base/werf.yaml", config.as_str()),
        ("base/Dockerfile", "FROM scratch\nCOPY . /\n"),
        ("base/.dockerignore", "*.md\n"),
        ("base/.helm/templates/pod.yaml", POD),
        (
            "base/.helm/templates/where.yaml",
            "kind: A\napiVersion: v1\nmetadata: {name: base}\n",
        ),
        (
            "base/werf-giterminism.yaml",
            "giterminismConfigVersion: 1\nunknown: true\n",
        ),
        ("base/context.txt", "never seen by an image"),
        (
            "more/templates/where.yaml",
            "kind: A\napiVersion: v1\nmetadata: {name: more}\n",
        ),
    ];
    let includes = "includes:\n- {git: ../library, branch: main, add: /base, to: /}\n- {git: ../library, branch: main, add: \
                    /more, to: /.helm}\n";
    let beside = Beside::new(
        &library,
        &[("werf-includes.yaml", includes), ("own.txt", "1"), ("a.md", "1")],
    );
    // The test's empty werf.yaml hides the included one.
    beside.kiel(&RENDER_CHART).expect_code(1);
    fs_err::remove_file(beside.project.path().join("app/werf.yaml")).expect("it is there");
    beside.commit("app", &[]);
    let chart = beside.kiel(&RENDER_CHART).expect_code(0).stdout;
    assert!(
        chart.contains("name: more") && !chart.contains("name: base"),
        "{chart}"
    );
    let tag = beside.tag();
    // The same project without includes.
    let alone = Beside::new(
        &library,
        &[
            ("werf-includes.yaml", includes),
            ("werf.yaml", &config),
            ("Dockerfile", "FROM scratch\nCOPY . /\n"),
            (
                ".dockerignore",
                "*.md\nwerf-includes.*\nDockerfile\n.dockerignore\nwerf.yaml\n",
            ),
            ("own.txt", "1"),
        ],
    );
    let only_own = alone.tag();
    alone.commit("app", &[("own.txt", "2")]);
    assert_ne!(alone.tag(), only_own);
    alone.commit("app", &[("own.txt", "1")]);
    alone.commit(
        "library",
        &[("base/context.txt", "other"), ("base/.dockerignore", "x\n")],
    );
    alone.kiel(&["includes", "update"]).expect_code(0);
    alone.commit("app", &[]);
    assert_eq!(alone.tag(), only_own, "included files are in no context");
    beside.commit("app", &[("a.md", "2")]);
    beside
        .kiel(&["includes", "ls-files", ".dockerignore"])
        .expect_code(0);
    assert_eq!(beside.tag(), tag, "the included ignore file counts");
    beside.commit("app", &[("own.txt", "2")]);
    assert_ne!(beside.tag(), tag);
    // A file of the project that is not committed does not hide behind an included one.
    beside.project.write("app/Dockerfile", "FROM scratch\n");
    beside
        .kiel(&RENDER_CHART)
        .expect_code(1)
        .expect_stderr(&["the untracked file \"Dockerfile\" must be committed"]);
}

/// Blocks of a page that begin with three backticks and these words.
fn block<'a>(page: &'a str, head: &str) -> &'a str {
    let start = page
        .find(&format!("```{head}\n"))
        .unwrap_or_else(|| panic!("the page has no {head}"));
    let text = &page[start + head.len() + 4..];
    &text[..text.find("```").expect("it ends")]
}

#[test]
fn the_page_about_includes_is_right() {
    let page = include_str!("../../docs/includes.md");
    let library = [
        (
            "common/.werf/image.tmpl",
            block(page, "yaml common/.werf/image.tmpl"),
        ),
        (
            "common/.helm/templates/job.yaml",
            block(page, "yaml common/.helm/templates/job.yaml"),
        ),
        ("docker/Dockerfile", "FROM scratch\n"),
        ("docker/README.md", "about\n"),
    ];
    let beside = Beside::new(
        &library,
        &[
            ("werf.yaml", block(page, "yaml werf.yaml")),
            ("werf-includes.yaml", block(page, "yaml werf-includes.yaml")),
        ],
    );
    let lock =
        fs_err::read_to_string(beside.project.path().join("app/werf-includes.lock")).expect("it is written");
    let commit = beside.project.git(&["-C", "library", "rev-parse", "HEAD"]);
    let want =
        block(page, "yaml werf-includes.lock").replace("5e4f3d0b7c1a2e9d8f6b5a4c3d2e1f0a9b8c7d6e", &commit);
    assert_eq!(lock, want);
    let listed = beside.kiel(&["includes", "ls-files"]).expect_code(0).stdout;
    let path = beside.project.path().join("library").display().to_string();
    assert_eq!(
        listed,
        block(page, "text ls-files").replace("/src/library", &path)
    );
    assert_eq!(
        beside.kiel(&RENDER).expect_code(0).stdout,
        block(page, "yaml rendered")
    );
    beside
        .kiel(&["render", "--repo", "registry.example.org/app"])
        .expect_code(0);
}
