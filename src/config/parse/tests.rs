use kiel_stapel::spec::{From, Position};

use super::*;
use crate::config::model::ImageKind;

const META: &str = "project: demo\nconfigVersion: 1\n---\n";

/// What is wrong with the images behind a good meta document, as `line: message`.
fn mistakes(images: &str) -> Vec<String> {
    let text = format!("{META}{images}");
    let mistakes = parse("werf.yaml", &text)
        .err()
        .map(|mistakes| mistakes.list)
        .unwrap_or_default();
    mistakes
        .into_iter()
        .map(|mistake| format!("{}: {}", mistake.line, mistake.message))
        .collect()
}

#[track_caller]
fn check(images: &str, want: &[&str]) {
    assert_eq!(mistakes(images), want, "{images}");
}

#[test]
fn the_shape_of_a_file_is_read() {
    let text = format!(
        "{META}image: app\nfrom: base\ngit:\n- to: /app\n  hermetic: yes\n  stageDependencies: {{install: go.mod}}\n- to: /b\nshell:\n  install: [a, b]\n\
         import:\n- from: tools:1\n  add: /bin/x\n  after: setup\n---\nimage: [base, other]\nfrom: base\nfinal: no\n---\n\
         image: df\ndockerfile: D\ncontext: ./c/\nargs: {{A: 1, B: ~}}\n"
    );
    let config = parse("werf.yaml", &text).expect("a good file");
    let names: Vec<_> = config.images.iter().map(|image| image.name.as_str()).collect();
    assert_eq!(names, ["app", "base", "other", "df"]);
    let ImageKind::Stapel(app) = &config.images[0].kind else {
        panic!("a Stapel image")
    };
    assert_eq!(app.from, From::Image("base".into()));
    assert_eq!((app.git[0].add.as_str(), app.git[0].to.as_str()), ("/", "/app"));
    assert_eq!(app.git[0].stage_dependencies.install, ["go.mod"]);
    assert!(app.git[0].hermetic && !app.git[1].hermetic);
    assert_eq!(app.shell.install, ["a", "b"]);
    assert_eq!(app.imports[0].from, From::External("tools:1".into()));
    assert_eq!(
        (app.imports[0].to.as_str(), app.imports[0].position),
        ("/bin/x", Position::AfterSetup)
    );
    let ImageKind::Stapel(base) = &config.images[1].kind else {
        panic!("a Stapel image")
    };
    assert_eq!(
        base.from,
        From::External("base".into()),
        "an image that is called like its base means the base"
    );
    assert!(!config.images[1].is_final);
    let ImageKind::Dockerfile(df) = &config.images[3].kind else {
        panic!("a Dockerfile image")
    };
    assert_eq!((df.dockerfile.as_str(), df.context.as_str()), ("c/D", "c"));
    assert_eq!(df.args.get("A").map(String::as_str), Some("1"));
}

#[test]
fn every_mistake_has_its_line() {
    check(
        "image: app\nfrom: a\nfoo: 1\n",
        &["6: unknown key `foo` in an image"],
    );
    check(
        "image: app\nfrom: a\nshell: {foo: a}\n",
        &["6: unknown key `foo` in `shell`"],
    );
    check(
        "image: app\n",
        &["4: an image has neither `from` nor `dockerfile`"],
    );
    check(
        "image: app\nfrom: a\nmount: [{from: tmp_dir}]\nsecrets: [{id: a}, {value: b}]\n",
        &[
            "6: a mount has no `to`",
            "7: a secret needs one source",
            "7: a secret with `value` has no `id`",
        ],
    );
    check(
        "image: app\nfrom: a\ngit:\n- {add: a, to: /a}\n",
        &["7: `add: a` of a git mapping is no absolute path"],
    );
    check(
        "image: app\nfrom: a\ngit:\n- {to: /a, excludePaths: [../x]}\n",
        &["7: `../x` of `excludePaths` must be relative to `add`"],
    );
    check(
        "image: app\ndockerfile: ../D\n",
        &["5: `../D` leads out of the project"],
    );
    check(
        "image: app\nfrom: a\ndependencies:\n- {image: o}\n---\nimage: o\nfrom: a\n",
        &["7: a dependency does not say when"],
    );
    check(
        "image: a\nfrom: x\nimport:\n- {from: x:1, add: /, after: setup}\n",
        &["7: an import of `/` would take the whole image"],
    );
    check(
        "image: app\nfrom: a\nfrom: b\n",
        &["6: key \"from\" already set in map"],
    );
    check(
        "image: [a\n",
        &["5: this is no YAML: did not find expected ',' or ']'"],
    );
    check(
        "foo: bar\n",
        &["4: unknown key `foo` in an image", "4: an image has no name"],
    );
}

#[test]
fn all_mistakes_are_found_in_one_run() {
    check(
        "image: a\nfrom: b\nfoo: 1\n---\nimage: c\nfrom: d\nbar: 1\n",
        &[
            "6: unknown key `foo` in an image",
            "10: unknown key `bar` in an image",
        ],
    );
}

#[test]
fn images_must_exist_and_not_need_themselves() {
    check(
        "image: a\nfromImage: nope\n",
        &["4: image `a` needs image `nope`, which is not in the file"],
    );
    check(
        "image: a\nfrom: b\n---\nimage: b\nfrom: a\n",
        &["4: images need each other in a circle: a → b → a"],
    );
    let import = "import:\n- {from: a, add: /a, after: setup}\n";
    check(
        &format!("image: a\nfrom: x:1\n{import}"),
        &["4: images need each other in a circle: a → a"],
    );
    check(
        "image: a\nfrom: x\ngit: [{to: /a, hermetic: maybe}]\n",
        &["6: `hermetic` must be true or false"],
    );
    check(
        "image: a\nfrom: x\n---\nimage: a\nfrom: y\n",
        &["7: image `a` stands in line 4 already"],
    );
}

#[test]
fn the_meta_document_is_checked() {
    for (text, want) in [
        ("project: Demo\nconfigVersion: 1\n", "`Demo` is no project name"),
        ("project: demo\nconfigVersion: 2\n", "configVersion 2 is unknown"),
        ("image: a\nfrom: b\n", "there is no meta document"),
        (
            "project: demo\nconfigVersion: 1\ndeploy: {helmReleaseSlug: maybe}\n",
            "`helmReleaseSlug` must be true or false",
        ),
    ] {
        let mistakes = parse("werf.yaml", text).expect_err(text);
        assert_eq!(mistakes.list[0].message, want);
    }
}

#[test]
fn what_is_not_supported_yet_is_kept_for_who_plans_the_image() {
    let text = "project: demo\nconfigVersion: 1\nbuild: {platform: [a]}\n---\nimage: a\nfrom: b\nansible: {}\n---\n\
                image: c\nfrom: d\n";
    let config = parse("werf.yaml", text).expect("a good file");
    let of = |list: &[Diagnostic]| -> Vec<String> {
        list.iter()
            .map(|key| format!("{}: {}", key.line, key.message))
            .collect()
    };
    assert_eq!(of(&config.meta.unsupported), [""; 0]);
    assert_eq!(config.images[0].platforms, ["a"]);
    assert_eq!(
        of(&config.images[0].unsupported),
        ["7: `ansible` is not supported yet"]
    );
    assert_eq!(of(&config.images[1].unsupported), [""; 0]);
}

#[test]
fn what_depends_on_more_than_the_commit_is_listed() {
    use crate::config::model::ExternalKind as Kind;
    let text = format!(
        "{META}image: a\nfrom: b\nfromLatest: true\ngit:\n- {{url: u, to: /a}}\n- {{url: u, tag: t, to: /b}}\nmount:\n\
         - {{from: build_dir, to: /c}}\n- {{from: tmp_dir, to: /d}}\n- {{fromPath: ~/x, to: /e}}\nsecrets:\n\
         - env: TOKEN\n- src: a/key\n- {{id: v, value: secret}}\n---\nimage: c\ndockerfile: D\ncontext: ctx\n\
         contextAddFiles: [./x/../a.bin]\n"
    );
    let config = parse("werf.yaml", &text).expect("a good file");
    let found: Vec<(usize, &Kind)> = config.external.iter().map(|e| (e.line, &e.what)).collect();
    let (path, key) = ("~/x".to_owned(), "a/key".to_owned());
    assert_eq!(
        found,
        [
            (6, &Kind::FromLatest),
            (8, &Kind::GitBranch),
            (11, &Kind::MountBuildDir),
            (13, &Kind::MountFromPath(path)),
            (15, &Kind::SecretEnv("TOKEN".into())),
            (16, &Kind::SecretFile(key)),
            (17, &Kind::SecretValue("v".into())),
            (22, &Kind::ContextAddFile("ctx/a.bin".into())),
        ]
    );
    let ids: Vec<&str> = config.images[0]
        .secrets
        .iter()
        .map(|secret| secret.id.as_str())
        .collect();
    assert_eq!(ids, ["TOKEN", "key", "v"]);
    let ImageKind::Stapel(spec) = &config.images[0].kind else {
        panic!("a Stapel image")
    };
    assert_eq!(
        (spec.mounts.len(), &spec.secrets[..]),
        (2, &["TOKEN", "key", "v"].map(String::from)[..])
    );
}

#[test]
fn the_documents_of_images_are_cut_out() {
    let text = format!("{META}image: a\nfrom: b\n---\n# second\nimage: [c, d]\nfrom: b\n");
    let config = parse("werf.yaml", &text).expect("a good file");
    let images = crate::config::select(&config, &["d".to_owned()]).expect("an image");
    assert_eq!(documents_of(&text, &images), "# second\nimage: [c, d]\nfrom: b\n");
}
