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
fn what_all_images_are_built_for_is_what_the_meta_document_says() {
    let text = "project: demo\nconfigVersion: 1\nbuild: {platform: [linux/aarch64/v8]}\n---\nimage: a\nfrom: b\n---\nimage: c\nfrom: d\nplatform: linux/amd64\n";
    let config = parse("werf.yaml", text).expect("a good file");
    assert_eq!(config.images[0].platforms, ["linux/arm64".parse().unwrap()]);
    assert_eq!(config.images[1].platforms, ["linux/amd64".parse().unwrap()]);
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
        (3, &["TOKEN", "key", "v"].map(String::from)[..])
    );
}

#[test]
fn the_documents_of_images_are_cut_out() {
    let text = format!("{META}image: a\nfrom: b\n---\n# second\nimage: [c, d]\nfrom: b\n");
    let config = parse("werf.yaml", &text).expect("a good file");
    let images = crate::config::select(&config, &["d".to_owned()]).expect("an image");
    assert_eq!(documents_of(&text, &images), "# second\nimage: [c, d]\nfrom: b\n");
}

/// Rule by rule: a file that breaks it, where and what is said, and the hint.
#[test]
fn every_rule_has_its_words() {
    for (images, want, hint) in [
        (
            "image: a\nfrom: b\nnetwork: my-net\n",
            "6: `my-net` is no network of a build",
            "write default, host or none",
        ),
        (
            "image: a\ndockerfile: D\naddHost: [db]\n",
            "6: `db` is no name with an address",
            "write `NAME:ADDRESS`",
        ),
        (
            "image: a\ndockerfile: D\naddHost: \"db:host-gateway\"\n",
            "6: `db:host-gateway` is no name with an address",
            "write `NAME:ADDRESS`",
        ),
        (
            "image: ~\nfrom: b\n---\nimage: c\nfrom: d\n",
            "4: an image without a name is not the only one",
            "give it one",
        ),
        (
            "image: a\nfrom: b\nimport:\n- {from: nope, add: /x, after: install}\n",
            "7: image `nope` is not in the file",
            "`nope:TAG`",
        ),
        (
            "image: app\nfrom: b\n---\nimage: c\nfrom: b\nimport:\n- {from: ap, add: /x, after: install}\n",
            "10: image `ap` is not in the file",
            "did you mean `app`?",
        ),
        (
            "image: app\nfrom: b\n---\nimage: c\nfromImage: aap\n",
            "7: image `c` needs image `aap`, which is not in the file",
            "did you mean `app`?",
        ),
        (
            "image: a\nfrom: b\nimport:\n- {add: /x, after: install}\n",
            "7: an import needs one source",
            "add `from: IMAGE`",
        ),
        (
            "image: a\nfrom: b\nimport:\n- {from: \"x:1\", image: y, add: /x, after: install}\n",
            "7: an import needs one source",
            "add `from: IMAGE`",
        ),
        (
            "image: a\nfrom: b\nimport:\n- {from: \"x:1\", add: /x}\n",
            "7: an import does not say when",
            "add one of `before: install`",
        ),
        (
            "image: a\nfrom: b\nimport:\n- {from: \"x:1\", add: /x, stage: nope, after: install}\n",
            "7: `nope` is no stage",
            "write beforeInstall",
        ),
        (
            "image: a\nfrom: b\ngit:\n- {to: /a, tag: v1}\n",
            "7: `tag` of a mapping of this repository",
            "leave it out, or add `url: URL`",
        ),
        (
            "image: a\nfrom: b\ngit:\n- {url: u, to: /a, tag: v1, branch: b}\n",
            "7: a mapping has branch and tag",
            "keep one of them",
        ),
        (
            "image: a\nfrom: b\ngit:\n- {to: a}\n",
            "7: `to: a` of a git mapping is no absolute path",
            "write `to: /…`",
        ),
        (
            "image: a\nfrom: b\nmount:\n- {from: home, to: /x}\n",
            "7: a mount does not say from where",
            "write `from: tmp_dir`",
        ),
        (
            "image: a\nfrom: b\nmount:\n- {from: tmp_dir, to: /x}\n- {from: tmp_dir, to: /x/}\n",
            "8: two mounts are at `/x`",
            "keep one of them",
        ),
        (
            "image: a\nfrom: b\nimport:\n- {from: scratch, add: /x, after: install}\n",
            "7: an import from `scratch`, which has no files",
            "name an image that has the files",
        ),
        (
            "image: a\nfrom: b\nimport:\n- {from: \"c:1\", stage: install, add: /x, after: install}\n",
            "7: an image of a registry has no stages",
            "leave `stage` out",
        ),
        (
            "image: a\nfrom: b\nsecrets:\n- {env: A}\n- {id: A, env: B}\n",
            "8: the secret `A` stands twice",
            "keep one of them",
        ),
        (
            "image: a\nfrom: b\nshell: {install: [1]}\n",
            "6: `1` in `install` is no text",
            "write it in quotes: \"1\"",
        ),
        (
            "image: a\nfrom: b\nfromImage: c\n---\nimage: c\nfrom: d\n",
            "4: an image has both `from` and `fromImage`",
            "keep `from`",
        ),
        (
            "image: a b\nfrom: c\n",
            "4: `a b` is no name for an image",
            "use Latin letters",
        ),
        (
            "artifact: a\nfrom: b\ndocker: {USER: x}\n",
            "6: an artifact has no `docker`",
            "leave it out",
        ),
        (
            "image: a\ndockerfile: D\nargs: {X: 1}\ndependencies:\n- {from: b, imports: [{type: ImageTag, targetBuildArg: X}]}\n---\nimage: b\nfrom: c\n",
            "8: build argument `X` stands in `args` too",
            "keep one of them",
        ),
        (
            "image: a\ndockerfile: D\ndependencies:\n- {from: b, imports: [{type: Tag, targetBuildArg: X}]}\n---\nimage: b\nfrom: c\n",
            "7: `Tag` is no part of an image's name",
            "write ImageName",
        ),
        (
            "image: a\ndockerfile: D\ncontextAddFiles: [/etc/passwd]\n",
            "6: `/etc/passwd` of `contextAddFiles` must be relative to the context",
            "",
        ),
        (
            "image: a\nfrom: b\nplatform: [linux/arm64]\nimport:\n- {from: c, add: /x, after: install}\n---\nimage: c\nfrom: d\nplatform: [linux/amd64]\n",
            "4: image `a` is built for linux/arm64 and needs image `c`, which is not",
            "add linux/arm64 to `platform` of `c`",
        ),
        (
            "image: a\nfrom: b\nfinal: maybe\n",
            "6: `final` must be true or false",
            "",
        ),
        (
            "image: a\nfrom: b\nimageSpec: {config: {healthcheck: {interval: soon}}}\n",
            "6: `interval` must be a whole number",
            "",
        ),
    ] {
        let text = format!("{META}{images}");
        let list = parse("werf.yaml", &text).expect_err(images).list;
        let found: Vec<String> = list
            .iter()
            .map(|one| format!("{}: {}", one.line, one.message))
            .collect();
        assert_eq!(found, [want], "{images}");
        let said = list[0].hint.clone().unwrap_or_default();
        assert!(
            said.contains(hint) && said.is_empty() == hint.is_empty(),
            "{want}: {said}"
        );
    }
}

#[test]
fn what_werf_v3_refuses_is_told_with_what_replaces_it() {
    let text = format!(
        "{META}artifact: a\nfrom: b\n---\nimage: c\nfromArtifact: a\ndocker: {{USER: x}}\nansible: {{}}\nimport:\n- {{artifact: a, stage: setup, add: /x, to: /y/, after: install}}\n"
    );
    let config = parse("werf.yaml", &text).expect("a good file");
    let found: Vec<String> = config
        .outdated
        .iter()
        .map(|one| {
            format!(
                "{}: {}: {}",
                one.line,
                one.message,
                one.hint.as_deref().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "4: `artifact` is gone in werf v3: write `image: a` and `final: false`",
            "5: a base without tag and digest is gone in werf v3: write `from: b:latest`",
            "8: `fromArtifact` is gone in werf v3: write `from: a`",
            "9: `docker` is gone in werf v3: write `imageSpec: {config: {…}}`",
            "10: `ansible` is gone in werf v3: write `shell: {…}` with the commands, or with `ansible-playbook`",
            "12: `artifact` of an import is gone in werf v3: write `from: a`",
            "12: `stage` of an import is gone in werf v3: end an image of its own there, and import from it without `stage`",
            "12: the slash at the end of `to` of an import is gone in werf v3: write `to: /y`",
        ]
    );
}

#[test]
fn what_all_images_have_wins_over_what_one_has() {
    let text = "project: demo\nconfigVersion: 1\nbuild:\n  cacheVersion: \"7\"\n  imageSpec: {author: Ada, config: {labels: {a: all}}}\n---\n\
                image: x\nfrom: y\ncacheVersion: \"8\"\nimageSpec: {author: Bob, config: {labels: {a: one, b: one}, user: u}}\n---\n\
                image: z\ndockerfile: D\n";
    let config = parse("werf.yaml", text).expect("a good file");
    let spec = config.images[0].image_spec.as_ref().expect("a spec");
    assert_eq!(
        (spec.author.as_deref(), spec.user.as_deref()),
        (Some("Ada"), Some("u"))
    );
    assert_eq!(
        (spec.labels["a"].as_str(), spec.labels["b"].as_str()),
        ("all", "one")
    );
    let versions: Vec<_> = config
        .images
        .iter()
        .map(|image| image.cache_version.as_deref())
        .collect();
    assert_eq!(versions, [Some("8"), Some("7")]);
    assert_eq!(
        config.images[1]
            .image_spec
            .as_ref()
            .and_then(|spec| spec.author.as_deref()),
        Some("Ada")
    );
}
