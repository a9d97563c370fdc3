//! Flags, wrong command lines, the name `helm`, and the commands that tell about the program.

use std::os::unix::fs::symlink;

use crate::harness::Project;
use crate::{Folder, check, helm, helm_path, kiel, kiel_path, run, shown};

fn chart() -> Folder {
    Folder::new(&[
        ("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("c/values.yaml", "a: 1\n"),
        (
            "c/templates/a.yaml",
            "kind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}', namespace: '{{ .Release.Namespace }}'}\n---\nkind: B\nmetadata: {name: b}\n",
        ),
        ("c/templates/sub/b.yaml", "kind: Secret\nmetadata: {name: s}\n"),
        (
            "c/templates/hook.yaml",
            "kind: Job\nmetadata: {name: j, annotations: {helm.sh/hook: post-install}}\n",
        ),
        (
            "c/crds/x.yaml",
            "kind: CustomResourceDefinition\nmetadata: {name: x}\n",
        ),
    ])
}

#[test]
fn version() {
    let folder = Folder::new(&[]);
    for args in [
        &["version"][..],
        &["version", "--short"],
        &["version", "-c"],
        &[
            "version",
            "--template",
            "{{ .Version }} {{ .GoVersion | printf \"%q\" }}{{ .GitCommit }}",
        ],
        &["version", "more"],
    ] {
        check(folder.path(), args);
    }
}

#[test]
fn env() {
    let folder = Folder::new(&[(
        "config",
        "apiVersion: v1\nkind: Config\ncurrent-context: one\ncontexts: [{name: one, context: {cluster: c, namespace: space}}, {name: two, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n",
    )]);
    let config = folder.path().join("config").display().to_string();
    let variables: [&[(&str, &str)]; 5] = [
        &[("HOME", "/h")],
        &[
            ("HOME", "/h"),
            ("XDG_CACHE_HOME", "/x"),
            ("HELM_DATA_HOME", "/d"),
            ("HELM_NAMESPACE", "n"),
            ("HELM_DEBUG", "1"),
        ],
        &[
            ("HOME", "/h"),
            ("HELM_KUBEASGROUPS", "a,b"),
            ("HELM_MAX_HISTORY", "3"),
            ("HELM_BURST_LIMIT", "7"),
            ("HELM_PLUGINS", "/p"),
        ],
        &[("HOME", "/h"), ("KUBECONFIG", &config)],
        &[
            ("HOME", "/h"),
            ("HELM_KUBECONTEXT", "two"),
            ("KUBECONFIG", &config),
            ("HELM_REPOSITORY_CACHE", "/r"),
            ("HELM_QPS", "2.5"),
        ],
    ];
    let lines = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("HELM_BIN="));
        lines.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    for vars in variables {
        for args in [
            &["env"][..],
            &["env", "HELM_NAMESPACE"],
            &["env", "NONE"],
            &["env", "-n", "flag", "HELM_NAMESPACE"],
        ] {
            let want = run(&helm_path(), &[], args, folder.path(), vars);
            let got = run(&kiel_path(), &["helm"], args, folder.path(), vars);
            assert_eq!(
                lines(&got.stdout),
                lines(&want.stdout),
                "{args:?} {vars:?} {}",
                got.stderr
            );
        }
    }
}

#[test]
fn command_lines_that_are_wrong() {
    let folder = chart();
    for args in [
        &["nothing"][..],
        &["template"],
        &["template", "a", "b", "c", "d"],
        &["template", "c", "--wrong"],
        &["template", "c", "--wrong=1"],
        &["template", "c", "-Q"],
        &["template", "c", "--is-upgrade=maybe"],
        &["template", "c", "--show-only"],
        &["template", "c", "--timeout", "5"],
        &["template", "c", "--timeout", "5m30"],
        &["repo", "add", "--timeout=x", "a", "b"],
        &["repo", "update", "--timeout", "1y"],
        &["show", "chart"],
        &["show", "chart", "a", "b"],
        &["create"],
        &["version", "--nope"],
    ] {
        check(folder.path(), args);
    }
}

#[test]
fn template_takes_installs_and_global_flags() {
    let folder = chart();
    for args in [
        &["template", "c"][..],
        &["-n", "space", "template", "r", "c"],
        &[
            "template",
            "r",
            "c",
            "--namespace=space",
            "--kube-context",
            "x",
            "--kube-token",
            "t",
            "--burst-limit",
            "5",
        ],
        &["template", "c", "-g"],
        &["template", "r", "c", "-g"],
        &["template", "c", "--name-template", "n-{{ \"X\" | lower }}"],
        &["template", "r", "c", "--name-template", "n"],
        &["template", "c", "--name-template", "{{ nope }}"],
        &[
            "template",
            "c",
            "--dry-run",
            "--wait",
            "--timeout",
            "5m",
            "--atomic",
            "--create-namespace",
        ],
        &[
            "template",
            "c",
            "--dry-run=client",
            "-l",
            "a=b",
            "--description",
            "d",
            "--hide-notes",
        ],
        &[
            "template",
            "c",
            "--no-hooks",
            "--include-crds",
            "--skip-tests=false",
        ],
        &["template", "A_b", "c"],
        &["template", "c", "-s", "templates/a.yaml"],
        &["template", "c", "-s", "templates/none.yaml"],
    ] {
        check(folder.path(), args);
    }
}

#[test]
fn template_writes_files() {
    for flags in [&[][..], &["--include-crds"], &["--release-name"], &["--no-hooks"]] {
        let (ours, theirs) = (chart(), chart());
        let args = [&["template", "r", "c", "--output-dir", "./out/deep"][..], flags].concat();
        let (got, want) = (kiel(&args, ours.path()), helm(&args, theirs.path()));
        assert_eq!(shown(&got), shown(&want));
        assert_eq!(ours.files(), theirs.files());
        // Helm would add hooks once more to what is there.
        kiel(&args, ours.path()).expect_code(0);
        assert_eq!(ours.files(), theirs.files());
    }
}

#[test]
fn the_name_helm_makes_it_helm() {
    let folder = chart();
    let link = folder.path().join("helm");
    symlink(kiel_path(), &link).expect("a link can be made");
    for args in [
        &["template", "r", "c", "-n", "space"][..],
        &["lint", "c"],
        &["version", "--short"],
        &["show", "chart", "c"],
        &["nothing"],
        &["template"],
    ] {
        let (got, want) = (
            run(&link, &[], args, folder.path(), &[]),
            helm(args, folder.path()),
        );
        assert_eq!(shown(&got), shown(&want), "{args:?}");
    }
    for args in [&[][..], &["show"], &["show", "nothing"]] {
        let (got, want) = (
            run(&link, &[], args, folder.path(), &[]),
            helm(args, folder.path()),
        );
        assert_eq!(
            (got.code, got.stdout.is_empty()),
            (want.code, want.stdout.is_empty()),
            "{args:?}"
        );
    }
    let help = run(&link, &[], &["--help"], folder.path(), &[]).expect_code(0);
    assert!(
        help.stdout.contains("template") && !help.stdout.contains("converge"),
        "{}",
        help.stdout
    );
}

#[test]
fn variables_of_werf_are_not_helms() {
    let folder = chart();
    let vars = [
        ("WERF_NAMESPACE", "other"),
        ("KIEL_NAMESPACE", "other"),
        ("WERF_VERSION", "9.9.9"),
        ("WERF_SET", "a=2"),
    ];
    let got = run(&kiel_path(), &["helm"], &["template", "c"], folder.path(), &vars);
    assert_eq!(shown(&got), shown(&helm(&["template", "c"], folder.path())));
    let packaged = run(&kiel_path(), &["helm"], &["package", "c"], folder.path(), &vars);
    assert!(packaged.stdout.ends_with("/c-1.0.0.tgz\n"), "{}", packaged.stdout);
}

#[test]
fn render_writes_files_and_werfs_form() {
    let project = Project::with(
        "render",
        &[
            ("werf.yaml", "project: demo\nconfigVersion: 1\n"),
            (
                ".helm/templates/a.yaml",
                "# head\nkind: ConfigMap\napiVersion: v1\nmetadata:\n  name: c\ndata:\n  v: 'base'\n",
            ),
            (
                ".helm/templates/job.yaml",
                "kind: Job\nmetadata: {name: j, annotations: {helm.sh/hook: pre-install}}\n",
            ),
            (
                ".helm/crds/x.yaml",
                "kind: CustomResourceDefinition\nmetadata: {name: x}\n",
            ),
        ],
    );
    let crd = "---\n# Source: demo/crds/x.yaml\nkind: CustomResourceDefinition\nmetadata:\n  annotations: {}\n  labels: {}\n  name: x\n";
    let job = "---\n# Source: demo/templates/job.yaml\nkind: Job\nmetadata:\n  annotations:\n    helm.sh/hook: pre-install\n  labels: {}\n  name: j\n";
    let map = "---\n# Source: demo/templates/a.yaml\napiVersion: v1\ndata:\n  v: base\nkind: ConfigMap\nmetadata:\n  annotations: {}\n  labels: {}\n  name: c\n";
    let whole = project.kiel(&["render", "--normalize"]).expect_code(0);
    assert_eq!(whole.stdout, format!("{crd}{job}{map}"));
    let written = project
        .kiel(&[
            "render",
            "--output-dir",
            "out",
            "--include-crds=false",
            "--namespace",
            "n",
        ])
        .expect_code(0);
    assert_eq!(
        written.stdout,
        "wrote out/demo/templates/a.yaml\nwrote out/demo/templates/job.yaml\n"
    );
    let text = fs_err::read_to_string(project.path().join("out/demo/templates/a.yaml")).expect("a file");
    assert!(
        text.starts_with("---\n# Source: demo/templates/a.yaml\n# head\nkind: ConfigMap\n"),
        "{text}"
    );
    project
        .kiel(&["render", "--output-dir", "out2", "--normalize"])
        .expect_code(0);
    let text = fs_err::read_to_string(project.path().join("out2/demo/templates/a.yaml")).expect("a file");
    assert_eq!(text, map);
    let one = project
        .kiel(&["render", "-s", "templates/job.yaml"])
        .expect_code(0);
    assert!(
        one.stdout.contains("kind: Job") && !one.stdout.contains("ConfigMap"),
        "{}",
        one.stdout
    );
}

/// `lookup` without a cluster: objects as `kubectl get -o yaml` prints them.
#[test]
fn lookup_finds_objects_of_a_file() {
    let project = Project::with(
        "lookup",
        &[
            ("werf.yaml", "project: demo\nconfigVersion: 1\n"),
            (
                ".helm/templates/a.yaml",
                "kind: A\nold: {{ (lookup \"v1\" \"Secret\" .Release.Namespace \"s\").data | toJson }}\nall: {{ len (lookup \"v1\" \"Secret\" \"\" \"\").items }}\n",
            ),
        ],
    );
    let list = r#"{"apiVersion":"v1","kind":"List","items":[
        {"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"shop"},"data":{"k":"dg=="}},
        {"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"other"}}]}"#;
    fs_err::write(project.path().join("cluster.yaml"), list).expect("a file");
    let without = project.kiel(&["render", "--namespace", "shop"]).expect_code(1);
    assert!(without.stderr.contains("error calling len"), "{}", without.stderr);
    let args = [
        "render",
        "--namespace",
        "shop",
        "--lookup-resources",
        "cluster.yaml",
    ];
    let found = project.kiel(&args).expect_code(0);
    assert!(
        found.stdout.contains("old: {\"k\":\"dg==\"}\nall: 2\n"),
        "{}",
        found.stdout
    );
    fs_err::write(project.path().join("cluster.yaml"), "kind: Secret").expect("a file");
    let refused = project.kiel(&args).expect_code(1);
    assert!(
        refused
            .stderr
            .contains("document 1 of cluster.yaml: an object without apiVersion"),
        "{}",
        refused.stderr
    );
}
