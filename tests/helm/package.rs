//! `package` and `create`: what they write, read by the real Helm.

use std::collections::BTreeMap;
use std::io::Read as _;

use crate::{Folder, check, helm, kiel, kiel_path, run, shown};

/// A chart of every kind of file.
fn chart() -> Folder {
    Folder::new(&[
        (
            "c/Chart.yaml",
            "# comment\nname: c\napiVersion: v2\nversion: 1.0.0+b\nappVersion: 1.20\nkeywords: [b, a]\nannotations: {x: '1', a: <b>}\nmaintainers: [{name: n, email: e@f.g}]\ndependencies: [{name: d, version: '*', repository: '', import-values: [x]}]\ndescription: 'A: b'\ntype: application\nunknown: 1\n",
        ),
        (
            "c/Chart.lock",
            "dependencies:\n- name: d\n  repository: ''\n  version: 0.1.0\ndigest: sha256:x\ngenerated: \"2024-01-02T03:04:05.678901234Z\"\n",
        ),
        ("c/values.yaml", "# kept\na: 1\n"),
        ("c/values.schema.json", "{\"type\": \"object\"}"),
        ("c/README.md", "read me"),
        ("c/.helmignore", "*.swp\n"),
        ("c/x.swp", "ignored"),
        ("c/crds/x.yaml", "kind: X\n"),
        ("c/files/deep/er/file", "x"),
        ("c/templates/a.yaml", "kind: A\nmetadata: {name: a}\n"),
        ("c/templates/_h.tpl", "{{ define \"x\" }}{{ end }}"),
        (
            "c/charts/d/Chart.yaml",
            "apiVersion: v1\nname: d\nversion: 0.1.0\n",
        ),
        ("c/charts/d/requirements.yaml", "dependencies: []\n"),
        ("c/charts/d/values.yaml", "b: 1\n"),
        ("c/charts/d/templates/b.yaml", "kind: B\nmetadata: {name: b}\n"),
    ])
}

/// Paths, modes and contents of an archive, in its order.
fn entries(folder: &Folder, name: &str) -> Vec<(String, u32, String)> {
    let data = fs_err::read(folder.path().join(name)).expect("the archive is there");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(data.as_slice()));
    let entries = archive.entries().expect("an archive").map(|entry| {
        let mut entry = entry.expect("an entry");
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        (path, entry.header().mode().expect("a mode"), text)
    });
    entries.collect()
}

#[test]
fn archives_hold_what_helms_hold() {
    let folder = chart();
    for flags in [
        &[][..],
        &["--version", "2.3.4", "--app-version", "five"],
        &["-d", "out/deep"],
    ] {
        let args = [&["package", "c"][..], flags].concat();
        let want = helm(&args, folder.path());
        let name = want.stdout.trim().rsplit(": ").next().expect("a path").to_owned();
        let theirs = entries(&folder, &name);
        fs_err::remove_file(folder.path().join(&name)).expect("the archive can be removed");
        let got = kiel(&args, folder.path());
        assert_eq!(shown(&got), shown(&want));
        assert_eq!(entries(&folder, &name), theirs);
    }
    let rendered = ["template", "c-2.3.4.tgz"];
    check(folder.path(), &rendered);
    let (folded, archive) = (
        helm(&["show", "chart", "c"], folder.path()),
        helm(&["show", "chart", "c-1.0.0+b.tgz"], folder.path()),
    );
    assert_eq!(folded.stdout, archive.stdout);
}

#[test]
fn dependencies_are_got_first() {
    let files = [
        (
            "c/Chart.yaml",
            "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies: [{name: d, version: '*', repository: 'file://../d'}]\n",
        ),
        ("d/Chart.yaml", "apiVersion: v2\nname: d\nversion: 0.1.0\n"),
        ("d/templates/a.yaml", "kind: A\nmetadata: {name: a}\n"),
    ];
    let (ours, theirs) = (Folder::new(&files), Folder::new(&files));
    let args = ["package", "-u", "c"];
    let (got, want) = (kiel(&args, ours.path()), helm(&args, theirs.path()));
    let here = |run: &crate::harness::Run, folder: &Folder| {
        run.stdout.replace(&folder.path().display().to_string(), "")
    };
    assert_eq!(
        (got.code, here(&got, &ours)),
        (want.code, here(&want, &theirs)),
        "{}",
        got.stderr
    );
    let without_lock = |folder: &Folder| {
        let entries = entries(folder, "c-1.0.0.tgz").into_iter();
        // The lock has a time.
        entries
            .filter(|(path, ..)| !path.ends_with("Chart.lock"))
            .collect::<Vec<_>>()
    };
    assert_eq!(without_lock(&ours), without_lock(&theirs));
}

#[test]
fn an_archive_is_a_function_of_its_chart() {
    let folder = chart();
    let read = |vars: &[(&str, &str)]| {
        run(&kiel_path(), &["helm"], &["package", "c"], folder.path(), vars).expect_code(0);
        fs_err::read(folder.path().join("c-1.0.0+b.tgz")).expect("the archive is there")
    };
    let first = read(&[]);
    fs_err::write(folder.path().join("c/README.md"), "read me").expect("the file can be written");
    assert_eq!(first, read(&[]));
    let dated = read(&[("SOURCE_DATE_EPOCH", "1700000000")]);
    assert_ne!(first, dated);
    let data = fs_err::read(folder.path().join("c-1.0.0+b.tgz")).expect("the archive is there");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(data.as_slice()));
    for entry in archive.entries().expect("an archive") {
        assert_eq!(
            entry.expect("an entry").header().mtime().expect("a time"),
            1_700_000_000
        );
    }
}

#[test]
fn failures_of_package() {
    let folder = chart();
    folder.write("missing/Chart.yaml", b"apiVersion: v2\nname: m\nversion: 1.0.0\ndependencies: [{name: x, version: '1'}, {name: y, version: '1'}]\n");
    folder.write("schema/Chart.yaml", b"apiVersion: v2\nname: s\nversion: 1.0.0\n");
    folder.write("schema/values.schema.json", b"{");
    folder.write("file", b"");
    for args in [
        &["package"][..],
        &["package", "none"],
        &["package", "missing"],
        &["package", "schema"],
        &["package", "c", "--version", "x.y"],
        &["package", "c", "-d", "file"],
        &["package", "c", "none"],
    ] {
        check(folder.path(), args);
    }
}

#[test]
fn a_created_chart_has_helms_files_and_values() {
    let (ours, theirs) = (Folder::new(&[]), Folder::new(&[]));
    let (got, want) = (
        kiel(&["create", "demo"], ours.path()),
        helm(&["create", "demo"], theirs.path()),
    );
    assert_eq!(shown(&got), shown(&want));
    let names = |folder: &Folder| {
        folder
            .files()
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&ours), names(&theirs));
    assert!(ours.path().join("demo/charts").is_dir());
    let values = |folder: &Folder| {
        let text = fs_err::read_to_string(folder.path().join("demo/values.yaml")).expect("values");
        kiel_template::yaml::to_json(&text).expect("YAML")
    };
    assert_eq!(values(&ours), values(&theirs));
    for (name, text) in ours.files() {
        let file = theirs.files().into_iter().find(|(other, _)| *other == name);
        assert_ne!(file.map(|(_, text)| text), Some(text), "{name} is Helm's own");
    }
}

/// Objects by kind and name.
fn objects(folder: &Folder, flags: &[&str]) -> BTreeMap<String, serde_json::Value> {
    let run = helm(&[&["template", "r", "demo"], flags].concat(), folder.path()).expect_code(0);
    let documents = kiel_template::yaml::parse_documents(&run.stdout).expect("YAML");
    let objects = documents.iter().map(|document| {
        let object = kiel_template::yaml::node_to_json(document).expect("an object");
        (
            format!("{}/{}", object["kind"], object["metadata"]["name"]),
            object,
        )
    });
    // Helm's test looks only whether the port answers.
    objects
        .filter(|(name, _)| !name.starts_with("\"Pod\"/"))
        .collect()
}

#[test]
fn a_created_chart_lints_clean_and_renders_what_helms_renders() {
    let (ours, theirs) = (Folder::new(&[]), Folder::new(&[]));
    kiel(&["create", "demo"], ours.path()).expect_code(0);
    helm(&["create", "demo"], theirs.path()).expect_code(0);
    let lint = helm(&["lint", "--strict", "demo"], ours.path()).expect_code(0);
    assert!(!lint.stdout.contains("WARNING"), "{}", lint.stdout);
    for flags in [
        &[][..],
        &[
            "--set",
            "ingress.enabled=true,httpRoute.enabled=true,autoscaling.enabled=true,autoscaling.targetMemoryUtilizationPercentage=70",
        ],
        &[
            "--set",
            "serviceAccount.create=false,fullnameOverride=full,image.tag=t,replicaCount=3,service.port=8080",
        ],
        &[
            "--set",
            "nameOverride=n,podLabels.a=b,podAnnotations.c=d,resources.limits.cpu=1,nodeSelector.x=y,securityContext.runAsUser=1,podSecurityContext.fsGroup=2,serviceAccount.name=acc,serviceAccount.annotations.q=w",
        ],
        &[
            "--set",
            "volumes[0].name=v,volumeMounts[0].name=v,volumeMounts[0].mountPath=/v,imagePullSecrets[0].name=s,tolerations[0].key=k,affinity.nodeAffinity.x=1,ingress.enabled=true,ingress.className=nginx,ingress.tls[0].secretName=t,ingress.tls[0].hosts[0]=h",
        ],
    ] {
        assert_eq!(objects(&ours, flags), objects(&theirs, flags), "{flags:?}");
    }
    for set in [
        "ingress.enabled=true",
        "httpRoute.enabled=true",
        "service.port=81",
    ] {
        kiel(&["template", "r", "demo", "--set", set], ours.path()).expect_code(0);
    }
}

#[test]
fn failures_of_create() {
    let folder = Folder::new(&[("file", ""), ("dir/file", "")]);
    for args in [
        &["create"][..],
        &["create", "a", "b"],
        &["create", "none/a"],
        &["create", "a b"],
        &["create", "file"],
        &["create", "file/a"],
    ] {
        check(folder.path(), args);
    }
    let again = |program: fn(&[&str], &std::path::Path) -> crate::harness::Run| {
        program(&["create", "dir/x"], folder.path()).expect_code(0);
        let run = program(&["create", "dir/x"], folder.path());
        fs_err::remove_dir_all(folder.path().join("dir/x")).expect("the chart can be removed");
        shown(&run)
    };
    assert_eq!(again(kiel), again(helm));
}
