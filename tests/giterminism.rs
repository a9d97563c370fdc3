//! What may be read that is not committed: refused, allowed by a rule, by `--loose-giterminism`, taken by `--dev`.
//! Expectations are what werf 2.66.2 does.

mod harness;

use harness::Project;

const META: &str = "project: demo\nconfigVersion: 1\n---\n";
const RULES: &str = "giterminismConfigVersion: 1\n";

/// A project with this werf.yaml behind the meta document, these rules, and these files.
fn project(images: &str, rules: &str, files: &[(&str, &str)]) -> Project {
    let (config, rules) = (format!("{META}{images}"), format!("{RULES}{rules}"));
    let mut all = vec![("werf.yaml", config.as_str())];
    if rules != RULES {
        all.push(("werf-giterminism.yaml", &rules));
    }
    all.extend_from_slice(files);
    Project::with("giterminism", &all)
}

#[track_caller]
fn renders(project: &Project, flags: &[&str], want: &str) {
    let run = project
        .kiel(&[&["config", "render"], flags].concat())
        .expect_code(0);
    assert_eq!(run.stdout, format!("{META}{want}"));
}

#[track_caller]
fn refuses(project: &Project, args: &[&str], want: &str) {
    let run = project.kiel(args).expect_code(1).expect_stderr(&[want]);
    assert_eq!(run.stdout, "");
}

const RENDER: [&str; 2] = ["config", "render"];
const IMAGE: &str = "image: app\ndockerfile: Dockerfile\n";

#[test]
fn the_configuration() {
    let changed = format!("{META}{IMAGE}# changed\n");
    let strict = project(IMAGE, "", &[]);
    renders(&strict, &[], IMAGE);
    strict.write("werf.yaml", &changed);
    let sentence = "Error: unable to render werf config: unable to read werf config: the file \"werf.yaml\" must be committed";
    refuses(&strict, &RENDER, sentence);
    renders(&strict, &["--loose-giterminism"], &format!("{IMAGE}# changed\n"));
    renders(&strict, &["--dev"], &format!("{IMAGE}# changed\n"));
    renders(&strict, &["--dev", "--dev-ignore", "werf.yaml"], IMAGE);
    let allowed = project(IMAGE, "config: {allowUncommitted: true}\n", &[]);
    allowed.write("werf.yaml", &changed);
    renders(&allowed, &[], &format!("{IMAGE}# changed\n"));
    fs_err::remove_file(strict.path().join("werf.yaml")).expect("it is there");
    refuses(&strict, &RENDER, sentence);
    refuses(
        &strict,
        &["config", "render", "--dev"],
        "not found in the project git repository",
    );
}

#[test]
fn a_work_tree_around_a_nearer_repository() {
    let outer = project(
        IMAGE,
        "",
        &[("apps/web/werf.yaml", "project: web\nconfigVersion: 1\n")],
    );
    let inner = outer.path().join("apps/web");
    let root = outer.path().to_string_lossy().into_owned();
    let dir = inner.to_string_lossy().into_owned();
    outer.git(&["init", "-q", "apps/web"]);
    refuses(&outer, &["config", "render", "--dir", &dir], "commit");
    let run = outer.kiel(&["config", "render", "--dir", &dir, "--git-work-tree", &root]);
    assert_eq!(run.expect_code(0).stdout, "project: web\nconfigVersion: 1\n");
    let elsewhere = project(IMAGE, "", &[]);
    let elsewhere = elsewhere.path().to_string_lossy().into_owned();
    let args = ["config", "render", "--dir", &dir, "--git-work-tree", &elsewhere];
    refuses(&outer, &args, "is not in it");
}

#[test]
fn rules_themselves() {
    let project = project(IMAGE, "", &[]);
    project.write(
        "werf-giterminism.yaml",
        "giterminismConfigVersion: 1\nconfig: {allowUncommitted: true}\n",
    );
    refuses(
        &project,
        &RENDER,
        "the untracked file \"werf-giterminism.yaml\" must be committed",
    );
    renders(&project, &["--dev"], IMAGE);
}

#[test]
fn rules_in_another_file() {
    let rules = "giterminismConfigVersion: 1\nconfig: {allowUncommitted: true}\n";
    let project = project(IMAGE, "", &[("ci/rules.yaml", rules)]);
    let changed = format!("{META}{IMAGE}# changed\n");
    project.write("werf.yaml", &changed);
    refuses(&project, &RENDER, "add to werf-giterminism.yaml:");
    let flag = ["--giterminism-config", "ci/rules.yaml"];
    renders(&project, &flag, &format!("{IMAGE}# changed\n"));
    let missing = [&RENDER[..], &["--giterminism-config", "ci/none.yaml"]].concat();
    refuses(&project, &missing, "`ci/none.yaml`");
    project.commit(&[("ci/rules.yaml", "giterminismConfigVersion: 1\n")]);
    project.write("werf.yaml", META);
    refuses(&project, &[&RENDER[..], &flag].concat(), "add to ci/rules.yaml:");
}

#[test]
fn templates_and_files() {
    let images = "{{ include \"a.tmpl\" . }}# {{ .Files.Get \"f/a.txt\" }} {{ .Files.Exists \"f/new\" }}\n";
    let files = [(".werf/a.tmpl", "image: a\ndockerfile: D\n"), ("f/a.txt", "old")];
    let strict = project(images, "", &files);
    strict.write(".werf/b.tmpl", "");
    refuses(
        &strict,
        &RENDER,
        "the untracked file \".werf/b.tmpl\" must be committed",
    );
    fs_err::remove_file(strict.path().join(".werf/b.tmpl")).expect("it is there");
    strict.write("f/a.txt", "new");
    strict.write("f/new", "new");
    let sentence = "error calling Get: {{ .Files.Get \"f/a.txt\" }}: the file \"f/a.txt\" must be committed";
    refuses(&strict, &RENDER, sentence);
    let rules = "config: {goTemplateRendering: {allowUncommittedFiles: [\"f/*\"]}, allowUncommittedTemplates: [.werf]}\n";
    let allowed = project(images, rules, &files);
    allowed.write("f/a.txt", "new");
    allowed.write("f/new", "new");
    allowed.write(".werf/a.tmpl", "image: b\ndockerfile: D\n");
    renders(&allowed, &[], "image: b\ndockerfile: D\n# new true\n");
}

#[test]
fn links_count_with_their_targets() {
    let project = project(
        "# {{ .Files.Get \"l\" }}\nimage: a\nfrom: b\n",
        "config: {goTemplateRendering: {allowUncommittedFiles: [l]}}\n",
        &[("d/t", "1")],
    );
    fs_err::os::unix::fs::symlink("d/t", project.path().join("l")).expect("a link");
    project.commit(&[]);
    renders(&project, &[], "# 1\nimage: a\nfrom: b\n");
    project.write("d/t", "2");
    let sentence = "accepted file \"l\" check failed: the link target \"d/t\" should be also accepted by giterminism config";
    refuses(&project, &RENDER, sentence);
}

#[test]
fn the_chart() {
    let chart = [
        (".helm/templates/a.yaml", "kind: A\nx: {{ .Values.v }}\n"),
        (".helm/values.yaml", "v: 1\n"),
    ];
    let strict = project("", "", &chart);
    strict.write(".helm/notes.swp", "x");
    refuses(
        &strict,
        &["render"],
        "the untracked file \".helm/notes.swp\" must be committed",
    );
    let allowed = project(
        "",
        "helm: {allowUncommittedFiles: [.helm/values.yaml, more.yaml]}\n",
        &chart,
    );
    allowed.write(".helm/values.yaml", "v: 2\n");
    assert!(
        allowed
            .kiel(&["render"])
            .expect_code(0)
            .stdout
            .ends_with("x: 2\n")
    );
    allowed.write("more.yaml", "v: 3\n");
    let run = allowed.kiel(&["render", "--values", "more.yaml"]).expect_code(0);
    assert!(run.stdout.ends_with("x: 3\n"), "{}", run.stdout);
    allowed.write("other.yaml", "v: 4\n");
    refuses(
        &allowed,
        &["render", "--values", "other.yaml"],
        "the untracked file \"other.yaml\" must be committed",
    );
    refuses(
        &allowed,
        &["render", "--values", "/etc/hostname"],
        "not found in the project git repository",
    );
}

/// What `--dev` has built is found when it is committed, and nothing of it is to be seen in the repository.
#[test]
fn development_builds_are_those_of_the_commit() {
    let project = project(
        IMAGE,
        "",
        &[
            ("Dockerfile", "FROM scratch\nCOPY src /\n"),
            ("src/a", "1"),
            (".gitignore", "*.log\n"),
        ],
    );
    project.write("src/a", "2");
    project.write("src/b", "new");
    project.write("src/x.log", "ignored");
    refuses(
        &project,
        &["build", "--repo", &project.repo],
        "the untracked file \"src/b\" must be committed",
    );
    let (head, status) = (
        project.git(&["for-each-ref"]),
        project.git(&["status", "--porcelain"]),
    );
    let built = project.kiel_in_repo(&["build", "--dev"]).expect_code(0);
    assert!(built.stderr.contains("1 built, 0 reused"), "{}", built.stderr);
    assert_eq!(project.git(&["for-each-ref"]), head);
    assert_eq!(project.git(&["status", "--porcelain"]), status);
    project.commit(&[]);
    let found = project.kiel_in_repo(&["build"]).expect_code(0);
    assert!(found.stderr.contains("0 built, 1 reused"), "{}", found.stderr);
}

/// An engine's manifest of an image of nothing has no list of layers.
#[test]
fn an_image_of_nothing_is_built_and_reported() {
    let project = project(
        "image: a/b-c\ndockerfile: Dockerfile\n",
        "",
        &[("Dockerfile", "FROM scratch\nLABEL a=b\n")],
    );
    let save = ["build", "--save-build-report", "--build-report-path"];
    refuses(
        &project,
        &[&save[..], &["r.txt", "--repo", &project.repo]].concat(),
        "Error: getting build report path failed: invalid --build-report-path \"r.txt\"",
    );
    project
        .kiel_in_repo(&[&save[..], &["r.json"]].concat())
        .expect_code(0);
    let text = fs_err::read_to_string(project.path().join("r.json")).expect("a report");
    assert!(
        text.starts_with("{\n\t\"Runtime\": {\n\t\t\"Backend\": \"buildkit\",\n"),
        "{text}"
    );
    assert!(
        text.contains("\n\t\t\t\"Stages\": [\n\t\t\t\t{\n\t\t\t\t\t\"Name\": \"dockerfile\",\n"),
        "{text}"
    );
    assert!(text.ends_with("\n\t\"ImagesByPlatform\": {}\n}\n"), "{text}");
    project
        .kiel_in_repo(&[&save[..], &["r.env"]].concat())
        .expect_code(0);
    let text = fs_err::read_to_string(project.path().join("r.env")).expect("a report");
    let names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(names.len(), 7, "{text}");
    assert!(
        text.contains(&format!("WERF_A_B_C_DOCKER_REPO={}\n", project.repo)),
        "{text}"
    );
}

/// Files and secrets that a rule allows reach the build; the key counts the files and not the secrets.
#[test]
fn added_files_and_secrets() {
    let images = "image: app\ndockerfile: Dockerfile\ncontextAddFiles: [made]\nsecrets:\n- env: KIEL_TEST_TOKEN\n- {id: word, value: canary-word}\n";
    let rules = "config:\n  dockerfile: {allowContextAddFiles: [made]}\n  secrets: {allowEnvVariables: [KIEL_TEST_TOKEN], allowValueIds: [word]}\n";
    let dockerfile = "FROM busybox:1.36\nCOPY made /made\nRUN --mount=type=secret,id=KIEL_TEST_TOKEN --mount=type=secret,id=word \
                      cat /made/a.bin /run/secrets/KIEL_TEST_TOKEN /run/secrets/word | wc -c > /count && grep -q bin-1 /made/a.bin\n";
    let project = project(
        images,
        rules,
        &[("Dockerfile", dockerfile), (".gitignore", "made\n")],
    );
    let build = |token: &str| {
        let mut command = project.command(&["build", "--repo", &project.repo]);
        harness::Run::of(&command.env("KIEL_TEST_TOKEN", token).output().expect("kiel runs"))
    };
    build("canary-1")
        .expect_code(1)
        .expect_stderr(&["the work tree has no such file"]);
    project.write("made/a.bin", "bin-1");
    let first = build("canary-1").expect_code(0);
    assert!(first.stderr.contains("1 built, 0 reused"), "{}", first.stderr);
    assert!(!first.stderr.contains("canary"), "{}", first.stderr);
    assert!(
        build("canary-2")
            .expect_code(0)
            .stderr
            .contains("0 built, 1 reused")
    );
    project.write("made/a.bin", "bin-1 and more");
    assert!(
        build("canary-2")
            .expect_code(0)
            .stderr
            .contains("1 built, 0 reused")
    );
}

#[test]
fn an_accepted_link_leads_to_what_is_accepted_or_committed() {
    let images = "# {{ .Files.Get \"link\" }}\n";
    let rule = "config: {goTemplateRendering: {allowUncommittedFiles: [link]}}\n";
    let strict = project(images, rule, &[("target", "old"), ("other", "same")]);
    let point = |target: &str| {
        let link = strict.path().join("link");
        _ = fs_err::remove_file(&link);
        fs_err::os::unix::fs::symlink(target, link).expect("a link");
    };
    point("other");
    renders(&strict, &[], "# same\n");
    strict.write("target", "new");
    point("target");
    let sentence = "accepted file \"link\" check failed: the link target \"target\" should be also accepted by giterminism config";
    refuses(&strict, &RENDER, sentence);
    let both = "config: {goTemplateRendering: {allowUncommittedFiles: [link, target]}}\n";
    let allowed = project(images, both, &[("target", "old")]);
    allowed.write("target", "new");
    fs_err::os::unix::fs::symlink("target", allowed.path().join("link")).expect("a link");
    renders(&allowed, &[], "# new\n");
}

/// Whatever looks like Git in PATH, or is named by the repository's configuration, is never started.
#[test]
fn no_command_starts_a_process_for_local_git() {
    use std::os::unix::fs::PermissionsExt as _;
    let chart = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let project = project(
        "image: app\nfrom: busybox:1.36\ngit: [{add: /src, to: /app}]\n",
        "",
        &[
            ("src/a.txt", "a\n"),
            (".helm/templates/a.yaml", chart),
            (".gitattributes", "*.bin filter=evil\n"),
        ],
    );
    let bin = tempfile::tempdir().expect("a folder");
    let marker = bin.path().join("started");
    let script = format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\n", marker.display());
    for name in ["git", "ssh", "git-lfs", "hook"] {
        let path = bin.path().join(name);
        fs_err::write(&path, &script).expect("a script");
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    let hook = bin.path().join("hook").display().to_string();
    for (key, value) in [
        ("core.fsmonitor", &hook),
        ("core.hooksPath", &bin.path().display().to_string()),
        ("filter.evil.clean", &hook),
        ("filter.evil.process", &hook),
        ("core.sshCommand", &hook),
    ] {
        project.git(&["config", key, value]);
    }
    project.write("src/new.txt", "new\n");
    let path = format!("{}:{}", bin.path().display(), harness::variable("PATH"));
    let run = |args: &[&str]| {
        let output = project
            .command(args)
            .env("PATH", &path)
            .output()
            .expect("kiel runs");
        harness::Run::of(&output).expect_code(0);
        assert!(
            !marker.exists(),
            "{args:?}: {}",
            fs_err::read_to_string(&marker).unwrap_or_default()
        );
    };
    for args in [
        &["config", "render"][..],
        &["config", "list"],
        &["config", "graph"],
        &["render"],
        &["render", "--dev"],
        &["render", "--loose-giterminism"],
        &["lint"],
        &["get-release"],
        &["get-namespace"],
        &["get-autogenerated-values"],
    ] {
        run(args);
    }
    let repo = ["--repo", &project.repo];
    let release = [&repo[..], &["--namespace", &project.namespace]].concat();
    run(&[&["build", "--dev"][..], &repo].concat());
    run(&[&["plan", "--dev"][..], &release].concat());
    run(&[&["converge", "--dev", "--timeout", "3m"][..], &release].concat());
    fs_err::remove_file(project.path().join("src/new.txt")).expect("it is there");
    for command in ["build", "plan", "converge"] {
        let more = if command == "build" { &repo[..] } else { &release };
        run(&[&[command][..], more].concat());
    }
}

/// The image names that the chart would see.
fn image_names(project: &Project, flags: &[&str]) -> String {
    let args = [&["render", "--repo", "registry.example.org/app"][..], flags].concat();
    let chart = project.kiel(&args).expect_code(0).stdout;
    let lines = chart
        .lines()
        .filter(|line| line.contains("registry.example.org/app:"));
    let names: Vec<&str> = lines.map(str::trim).collect();
    assert_eq!(names.len(), 2, "{chart}");
    names.join("\n")
}

#[test]
fn keys_under_dev_are_those_of_commits_in_submodules_and_here() {
    let library = Project::with("library", &[("lib.txt", "one\n"), ("other/x", "x\n")]);
    let project = project(
        "image: docker\ndockerfile: Dockerfile\n---\nimage: stapel\nfrom: busybox:1.36\ngit: [{add: /vendor, to: /app}]\n",
        "",
        &[
            ("Dockerfile", "FROM busybox:1.36\nCOPY vendor /vendor\n"),
            (
                ".helm/templates/a.yaml",
                "{{- range .Values.werf.image }}\n# {{ . }}\n{{- end }}\n",
            ),
        ],
    );
    project.add_submodule(&library, "vendor/lib");
    project.commit(&[]);
    let before = image_names(&project, &[]);
    assert_eq!(image_names(&project, &["--dev"]), before);
    project.write("vendor/lib/lib.txt", "changed\n");
    project.write("vendor/lib/new.txt", "new\n");
    project.write("vendor/own.txt", "new\n");
    let taken = image_names(&project, &["--dev"]);
    assert_ne!(taken, before);
    assert_eq!(image_names(&project, &[]), before, "the commit counts");
    let only_here = image_names(&project, &["--dev", "--dev-ignore", "vendor/lib/**"]);
    assert!(only_here != before && only_here != taken);
    let run = project.kiel(&["config", "list", "--dev"]).expect_code(0);
    assert_eq!(run.stderr, "");
    for folder in ["vendor/lib", "."] {
        project.git(&["-C", folder, "add", "--all"]);
        project.git(&["-C", folder, "commit", "-q", "-m", "all of it"]);
    }
    assert_eq!(image_names(&project, &[]), taken);
    assert_eq!(image_names(&project, &["--dev"]), taken);
}

#[test]
fn what_is_allowed_may_be_ignored_by_git() {
    let images = "# {{ (.Files.Get \"made/list.yml\" | fromYaml).size }} {{ len (.Files.Glob \"made/*\") }}\nimage: a\nfrom: b\n";
    let rules = "config: {goTemplateRendering: {allowUncommittedFiles: [\"made/*.yml\"]}}\n";
    let project = project(images, rules, &[(".gitignore", "/made/\n/huge/\n")]);
    project.write("made/list.yml", "size: 1\n");
    project.write("made/other", "x");
    project.write("huge/x.yml", "x");
    renders(&project, &[], "# 1 1\nimage: a\nfrom: b\n");
    renders(&project, &["--dev"], "# 1 1\nimage: a\nfrom: b\n");
    project.write("made/list.yml", "size: 2\n");
    renders(&project, &[], "# 2 1\nimage: a\nfrom: b\n");
}

#[test]
fn templates_read_files_of_the_repository_beside_the_project() {
    let images = concat!(
        "# {{ .Files.Get \"../../shared/a.txt\" }}{{ .Files.Get \"/own.txt\" }}{{ .Files.Exists \"../x\" }}",
        "{{ .Files.IsDir \"../../shared\" }}{{ .Files.Exists \"../../../up\" }}{{ keys (.Files.Glob \"../../shared/*\") }}\n",
        "image: a\nfrom: b\n"
    );
    let config = format!("{META}{images}");
    let project = Project::with(
        "giterminism",
        &[
            ("docs/site/werf.yaml", &config),
            ("docs/site/own.txt", "own "),
            ("shared/a.txt", "shared "),
            ("shared/sub/b.txt", "b"),
        ],
    );
    let flags = ["--dir", "docs/site"];
    renders(
        &project,
        &flags,
        "# shared own falsetruefalse[../../shared/a.txt]\nimage: a\nfrom: b\n",
    );
    let args = [&RENDER[..], &flags].concat();
    project.write("shared/new.txt", "x");
    refuses(
        &project,
        &args,
        "error calling Glob: the untracked file \"../../shared/new.txt\" must be committed",
    );
    project.write("shared/a.txt", "changed");
    refuses(
        &project,
        &args,
        "{{ .Files.Get \"../../shared/a.txt\" }}: the file \"../../shared/a.txt\" must be committed",
    );
}

#[test]
fn a_glob_looks_into_no_folder_that_it_cannot_match() {
    let library = Project::with("library", &[("lib.txt", "one\n")]);
    let images = "# {{ len (.Files.Glob \"images/*/{Dockerfile,werf.inc.yaml}\") }}\nimage: a\nfrom: b\n";
    let origin = project(images, "", &[("images/a/Dockerfile", "FROM scratch\n")]);
    origin.add_submodule(&library, "images/a/vendor");
    origin.commit(&[]);
    let clone = Project::empty("giterminism");
    let from = origin.path().display().to_string();
    clone.git(&["clone", "-q", &from, "clone"]);
    let run = clone.kiel(&["config", "render", "--dir", "clone"]).expect_code(0);
    assert_eq!(run.stdout, format!("{META}# 1\nimage: a\nfrom: b\n"));
}

#[test]
fn mappings_are_of_the_repository_wherever_the_project_is() {
    let images =
        "image: a\nfrom: busybox:1.36\ngit: [{add: /lib, to: /lib}]\n---\nimage: b\ndockerfile: Dockerfile\n";
    let config = format!("{META}{images}");
    let names = "{{- range .Values.werf.image }}\n# {{ . }}\n{{- end }}\n";
    let files = |dir: &str, lib: &'static str| {
        let path = |name: &str| format!("{dir}{name}");
        let files = [
            (path("werf.yaml"), config.as_str()),
            (path("Dockerfile"), "FROM busybox:1.36\n"),
            (path(".helm/templates/a.yaml"), names),
            ("lib/x".to_owned(), lib),
        ];
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        Project::with("giterminism", &files)
    };
    let above = image_names(&files("", "1"), &[]);
    let below = image_names(&files("docs/site/", "1"), &["--dir", "docs/site"]);
    assert_eq!(above, below);
    let other = image_names(&files("docs/site/", "2"), &["--dir", "docs/site"]);
    assert_ne!(below, other);
}

#[test]
fn values_may_be_anywhere_in_the_repository_and_ignored_ones_count_where_nothing_is_refused() {
    let config = format!("{META}# {{{{ .Files.Exists \"local.txt\" }}}}\nimage: a\nfrom: b\n");
    let project = Project::with(
        "giterminism",
        &[
            ("sub/werf.yaml", &config),
            ("sub/.helm/templates/a.yaml", "kind: A\nv: {{ .Values.v }}\n"),
            ("shared/values.yaml", "v: shared\n"),
            (".gitignore", "local.*\n"),
        ],
    );
    let render = |flags: &[&str]| {
        let render = ["render", "--dir", "sub", "--repo", "r.example.org/a"];
        project.kiel(&[&render[..], flags].concat())
    };
    let shared = "sub/../shared/values.yaml";
    let at = project.path().join(shared).display().to_string();
    let run = render(&["--values", &at]).expect_code(0);
    assert!(run.stdout.contains("v: shared"), "{}", run.stdout);
    project.write("sub/local.yaml", "v: local\n");
    project.write("sub/local.txt", "");
    let local = project.path().join("sub/local.yaml").display().to_string();
    render(&["--values", &local])
        .expect_code(1)
        .expect_stderr(&["the file \"local.yaml\" not found in the project git repository"]);
    let run = render(&["--values", &local, "--loose-giterminism"]).expect_code(0);
    assert!(run.stdout.contains("v: local"), "{}", run.stdout);
    let found = project.kiel(&["config", "render", "--dir", "sub", "--loose-giterminism"]);
    assert!(found.stdout.contains("# true"), "{}", found.stdout);
    project.write("shared/values.yaml", "v: changed\n");
    render(&["--values", &at])
        .expect_code(1)
        .expect_stderr(&["the file \"../shared/values.yaml\" must be committed"]);
}
