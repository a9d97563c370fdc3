use std::path::Path;
use std::process::Command;

use indexmap::IndexMap;
use kiel_stapel::spec::{From, GitMapping, ImageSpec, Shell, StapelSpec};

use super::*;
use crate::config::model::{ArgDependency, ArgImport, Deploy, DockerfileImage, Image, Meta};
use crate::git::Repository;

/// A commit of these files; `x!` is executable, `x@` a link.
fn commit(dir: &Path, files: &[(&str, &str)]) -> CommitFiles {
    let git = |args: &[&str]| {
        let identity = [
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "-c",
            "init.defaultBranch=main",
        ];
        let output = Command::new("git")
            .arg("-C")
            .arg(dir)
            .args(identity)
            .args(args)
            .output()
            .expect("git runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    git(&["init", "-q"]);
    for (path, content) in files {
        let file = dir.join(path.trim_end_matches(['!', '@']));
        fs_err::create_dir_all(file.parent().expect("a parent")).expect("folder");
        if path.ends_with('@') {
            fs_err::os::unix::fs::symlink(content, &file).expect("link");
        } else {
            fs_err::write(&file, content).expect("file");
        }
    }
    git(&["add", "-A"]);
    for (path, _) in files.iter().filter(|(path, _)| path.ends_with('!')) {
        git(&["update-index", "--chmod=+x", path.trim_end_matches('!')]);
    }
    git(&["commit", "-qm", "x"]);
    let repository = Repository::discover(dir).expect("a repository");
    let head = repository.head().expect("a commit");
    repository.source_tree(&head).files_at("")
}

fn image(name: &str, kind: ImageKind) -> Image {
    Image {
        name: name.into(),
        is_final: true,
        cache_version: None,
        kind,
        image_spec: None,
        secrets: Vec::new(),
        remotes: std::collections::BTreeMap::new(),
        platforms: Vec::new(),
        line: 1,
    }
}

fn config(images: Vec<Image>) -> Config {
    let deploy = Deploy {
        helm_release: None,
        helm_release_slug: true,
        namespace: None,
        namespace_slug: true,
        helm_chart_dir: ".helm".into(),
        app_version: None,
    };
    Config {
        meta: Meta {
            project: "p".into(),
            deploy,
        },
        images,
        external: Vec::new(),
        outdated: Vec::new(),
    }
}

#[derive(Clone)]
struct Case {
    files: Vec<(&'static str, &'static str)>,
    dockerfile: DockerfileImage,
    image: Image,
    platform: &'static str,
    name: &'static str,
}

const DOCKERFILE: &str = "ARG BASE=alpine:3\nFROM golang AS unused\nARG UNUSED\nCOPY other /\nFROM $BASE\nARG VERSION\nCOPY src /src\nRUN --mount=type=bind,source=lock,target=/l <<EOF\nmake $VERSION\nEOF\n";

fn case() -> Case {
    let dockerfile = DockerfileImage {
        dockerfile: "app/Dockerfile".into(),
        context: "app".into(),
        target: None,
        args: IndexMap::from([("VERSION".to_owned(), "1".to_owned())]),
        dependencies: vec![],
        context_add_files: Vec::new(),
        ..DockerfileImage::default()
    };
    Case {
        files: vec![
            ("app/Dockerfile", DOCKERFILE),
            ("app/.dockerignore", "**/*.log\n"),
            ("app/src/a", "a"),
            ("app/src/b", "b"),
            ("app/lock", "1"),
            ("app/other/x", "x"),
        ],
        image: image("x", ImageKind::Dockerfile(Box::new(dockerfile.clone()))),
        dockerfile,
        platform: "linux/amd64",
        name: "app",
    }
}

impl Case {
    fn file(&mut self, path: &'static str, content: &'static str) {
        self.files.retain(|(other, _)| *other != path);
        self.files.push((path, content));
    }

    fn plan(&self) -> Result<PlannedImage, ImagesError> {
        let dir = tempfile::tempdir().expect("a folder");
        self.plan_in(dir.path())
    }

    fn plan_in(&self, dir: &Path) -> Result<PlannedImage, ImagesError> {
        let files = commit(dir, &self.files);
        let kind = ImageKind::Dockerfile(Box::new(self.dockerfile.clone()));
        let image = Image {
            name: self.name.into(),
            kind,
            ..self.image.clone()
        };
        let platform = self.platform.parse().expect("a platform");
        let mut planned = plan_images(&config(vec![image]), &[], ImageFiles::at(&files), &platform)?.images;
        // Dockerfile and ignore file are read; no blob of the context is.
        assert!(files.tree().reads().blobs <= 3, "{:?}", files.tree().reads());
        Ok(planned.remove(0))
    }
}

fn check(what: &str, changes: bool, change: impl FnOnce(&mut Case)) {
    let mut other = case();
    change(&mut other);
    let (before, after) = (case().plan().expect("a key"), other.plan().expect("a key"));
    assert_eq!(before.key() != after.key(), changes, "{what}");
}

#[test]
fn what_must_change_the_key_of_a_dockerfile_image() {
    check("content of a copied file", true, |c| c.file("app/src/a", "c"));
    check("a new file in a copied folder", true, |c| {
        c.file("app/src/c", "c");
    });
    check("a renamed file, order kept", true, |c| c.files[3].0 = "app/src/c");
    check("a file made executable", true, |c| c.files[2].0 = "app/src/a!");
    check("the source of a bind mount", true, |c| c.file("app/lock", "2"));
    check("the body of a here-document", true, |c| {
        c.file("app/Dockerfile", DOCKERFILE.replace("make", "cmake").leak());
    });
    check("an argument that is declared", true, |c| {
        c.dockerfile.args["VERSION"] = "2".into();
    });
    check("an argument of FROM", true, |c| {
        drop(c.dockerfile.args.insert("BASE".into(), "b".into()));
    });
    check("the target", true, |c| {
        c.dockerfile.target = Some("unused".into());
    });
    check("the platform", true, |c| c.platform = "linux/arm64");
    check("the cache version", true, |c| {
        c.image.cache_version = Some("1".into());
    });
    check("imageSpec", true, |c| {
        c.image.image_spec = Some(ImageSpec {
            clear_cmd: true,
            ..ImageSpec::default()
        });
    });
    check("a file that is no longer ignored", true, |c| {
        c.file("app/src/x.log", "x");
        c.file("app/.dockerignore", "nothing");
    });
}

#[test]
fn what_must_not_change_the_key_of_a_dockerfile_image() {
    check("nothing (another commit, other times)", false, |_| ());
    check("a file outside of the context", false, |c| {
        c.file("README.md", "x");
    });
    check("a file that no instruction takes", false, |c| {
        c.file("app/other/y", "y");
    });
    check("an ignored file in a copied folder", false, |c| {
        c.file("app/src/x.log", "x");
    });
    check("an unused argument", false, |c| {
        drop(c.dockerfile.args.insert("UNUSED".into(), "b".into()));
    });
    check("a comment", false, |c| {
        c.file(
            "app/Dockerfile",
            DOCKERFILE.replace("COPY src", "# hello\n\ncopy src").leak(),
        );
    });
    check("an unreachable stage", false, |c| {
        c.file(
            "app/Dockerfile",
            DOCKERFILE.replace("COPY other", "COPY more").leak(),
        );
    });
    check("the image's name", false, |c| c.name = "other");
    check("where the context lies", false, |c| {
        c.files
            .iter_mut()
            .for_each(|(path, _)| *path = path.replace("app/", "srv/").leak());
        c.dockerfile.context = "srv".into();
        c.dockerfile.dockerfile = "srv/Dockerfile".into();
    });
}

#[test]
fn only_files_that_count_are_sent() {
    let dir = tempfile::tempdir().expect("a folder");
    let planned = case().plan_in(dir.path()).expect("a key");
    let PlannedKind::Dockerfile(plan) = &planned.kind else {
        panic!("a Dockerfile image")
    };
    let listing = plan.files.listing().expect("files");
    let paths: Vec<&str> = listing
        .entries()
        .iter()
        .map(|entry| entry.path.as_str())
        .collect();
    assert_eq!(paths, ["lock", "src/a", "src/b"]);
    let base = BaseImage {
        name: "alpine:3".into(),
        platform: BasePlatform::Target,
    };
    assert_eq!(plan.bases, [base]);
}

#[test]
fn a_missing_dockerfile_is_named() {
    let mut case = case();
    case.dockerfile.dockerfile = "app/Nope".into();
    assert_eq!(
        case.plan().expect_err("no file").to_string(),
        "cannot find Dockerfile `app/Nope` of image `app` in the commit; commit the file, or correct `dockerfile` and `context`"
    );
}

#[test]
fn a_dependency_counts_with_its_key_and_is_no_external_base() {
    let dir = tempfile::tempdir().expect("a folder");
    let files = commit(
        dir.path(),
        &[("Dockerfile", "ARG BASE\nFROM $BASE\nRUN x"), ("base/f", "1")],
    );
    let mapping = GitMapping {
        add: "/base".into(),
        to: "/f".into(),
        ..GitMapping::default()
    };
    let build = |from: &str| {
        let base = StapelSpec {
            from: From::External(from.into()),
            git: vec![mapping.clone()],
            ..StapelSpec::default()
        };
        let import = ArgImport {
            part: kiel_stapel::spec::NamePart::ImageName,
            target_build_arg: "BASE".into(),
        };
        let app = DockerfileImage {
            dockerfile: "Dockerfile".into(),
            context: String::new(),
            target: None,
            args: IndexMap::new(),
            dependencies: vec![ArgDependency {
                image: "base".into(),
                imports: vec![import],
            }],
            context_add_files: Vec::new(),
            ..DockerfileImage::default()
        };
        let images = vec![
            image("app", ImageKind::Dockerfile(Box::new(app))),
            image("base", ImageKind::Stapel(Box::new(base))),
        ];
        plan_images(
            &config(images),
            &["app".into()],
            ImageFiles::at(&files),
            &"linux/amd64".parse().expect("a platform"),
        )
        .expect("keys")
        .images
    };
    let planned = build("alpine:3");
    assert_eq!(
        planned
            .iter()
            .map(|image| image.name.as_str())
            .collect::<Vec<_>>(),
        ["base", "app"]
    );
    assert_ne!(planned[1].key(), build("alpine:4")[1].key());
    let PlannedKind::Dockerfile(plan) = &planned[1].kind else {
        panic!("a Dockerfile image")
    };
    assert!(plan.bases.is_empty(), "{:?}", plan.bases);
}

#[test]
fn a_mapping_leaves_the_folder_of_an_inner_mapping_to_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let files = commit(dir.path(), &[("a", "1"), ("vendor/x", "2"), ("libs/y", "3")]);
    let mapping = |add: &str, to: &str| GitMapping {
        add: add.into(),
        to: to.into(),
        ..GitMapping::default()
    };
    let spec = StapelSpec {
        from: From::External("alpine".into()),
        git: vec![mapping("/", "/app"), mapping("/libs", "/app/vendor")],
        shell: Shell::default(),
        ..StapelSpec::default()
    };
    let platform = "linux/amd64".parse().expect("a platform");
    let images = vec![image("app", ImageKind::Stapel(Box::new(spec)))];
    let planned = plan_images(&config(images), &[], ImageFiles::at(&files), &platform)
        .expect("a key")
        .images;
    let PlannedKind::Stapel(plan) = &planned[0].kind else {
        panic!("a Stapel image")
    };
    let paths = |index: usize| {
        let all = plan.content[index].all.listing().expect("files");
        all.entries()
            .iter()
            .map(|entry| entry.path.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(paths(0), ["a", "libs/y"]);
    assert_eq!(paths(1), ["y"]);
}

#[test]
fn a_file_on_the_way_to_an_inner_mapping_is_left_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let files = commit(
        dir.path(),
        &[("a", "1"), ("link@", "a"), ("lib", "2"), ("libs/y", "3")],
    );
    let mapping = |add: &str, to: &str| GitMapping {
        add: add.into(),
        to: to.into(),
        ..GitMapping::default()
    };
    let spec = StapelSpec {
        from: From::External("alpine".into()),
        git: vec![
            mapping("/", "/app"),
            mapping("/libs", "/app/link/x/y"),
            mapping("/libs", "/app/a/b"),
        ],
        ..StapelSpec::default()
    };
    let platform = "linux/amd64".parse().expect("a platform");
    let images = vec![image("app", ImageKind::Stapel(Box::new(spec)))];
    let planned = plan_images(&config(images), &[], ImageFiles::at(&files), &platform)
        .expect("a key")
        .images;
    let PlannedKind::Stapel(plan) = &planned[0].kind else {
        panic!("a Stapel image")
    };
    let all = plan.content[0].all.listing().expect("files");
    let paths: Vec<&str> = all.entries().iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["lib", "libs/y"]);
}

#[test]
fn the_dockerfile_vectors_of_the_page_hold() {
    let page = include_str!("../../docs/keys.md");
    let blocks: Vec<&str> = page
        .split("\n```json dockerfile\n")
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let vector: serde_json::Value = serde_json::from_str(block).expect("JSON");
        let spec = DockerfileImage {
            dockerfile: "Dockerfile".into(),
            context: String::new(),
            target: vector["target"].as_str().map(str::to_owned),
            args: serde_json::from_value(vector["args"].clone()).expect("arguments"),
            dependencies: vec![],
            context_add_files: Vec::new(),
            ..DockerfileImage::default()
        };
        let texts = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        let mut files = vec![("Dockerfile", texts(&vector["dockerfile"]).leak() as &str)];
        files.extend(
            vector["files"]
                .as_object()
                .expect("files")
                .iter()
                .map(|(path, content)| (path.clone().leak() as &str, texts(content).leak() as &str)),
        );
        let dir = tempfile::tempdir().expect("a folder");
        let commit = commit(dir.path(), &files);
        let images = vec![image("app", ImageKind::Dockerfile(Box::new(spec)))];
        let planned = plan_images(
            &config(images),
            &[],
            ImageFiles::at(&commit),
            &"linux/amd64".parse().expect("a platform"),
        )
        .expect("a key")
        .images;
        let found = serde_json::json!({"inputs": planned[0].keyed().inputs, "key": planned[0].key()});
        assert_eq!(found, vector["result"], "found: {found}");
    }
}

/// Two Dockerfile images and what they need; `platforms` by the image's name.
fn planned_for(platforms: &[(&str, &[&str])]) -> Result<PlannedImages, ImagesError> {
    let spec = |from: From| StapelSpec {
        from,
        ..StapelSpec::default()
    };
    let external = || From::External("alpine:3".into());
    let mut images = vec![
        image("tool", ImageKind::Stapel(Box::new(spec(external())))),
        image(
            "app",
            ImageKind::Stapel(Box::new(spec(From::Image("tool".into())))),
        ),
        image("alone", ImageKind::Stapel(Box::new(spec(external())))),
    ];
    images[0].is_final = false;
    for image in &mut images {
        let of_image = platforms.iter().find(|(name, _)| *name == image.name);
        let of_image = of_image.map(|(_, platforms)| platforms.iter());
        image.platforms = of_image
            .into_iter()
            .flatten()
            .map(|text| text.parse().expect("a platform"))
            .collect();
    }
    let dir = tempfile::tempdir().expect("a folder");
    let files = commit(dir.path(), &[("a", "a")]);
    let host = "linux/amd64".parse().expect("a platform");
    plan_images(&config(images), &[], ImageFiles::at(&files), &host)
}

fn titles(planned: &PlannedImages) -> Vec<&str> {
    planned.images.iter().map(|image| image.title.as_str()).collect()
}

#[test]
fn an_image_is_planned_once_for_each_of_its_platforms() {
    let planned = planned_for(&[("app", &["linux/arm64", "linux/amd64"])]).expect("keys");
    // What it needs has no platform of its own: it is built for both.
    let want = [
        "tool (linux/amd64)",
        "tool (linux/arm64)",
        "app (linux/amd64)",
        "app (linux/arm64)",
        "alone",
    ];
    assert_eq!(titles(&planned), want);
    let finals: Vec<&str> = planned
        .images
        .iter()
        .filter(|image| image.is_final)
        .map(|image| image.title.as_str())
        .collect();
    assert_eq!(finals, ["alone"], "the index speaks for what is in it");
    let [index] = planned.indexes.as_slice() else {
        panic!("one index: {:?}", planned.indexes)
    };
    assert_eq!(index.name, "app");
    let keys = [
        ("linux/amd64".to_owned(), planned.images[2].key()),
        ("linux/arm64".to_owned(), planned.images[3].key()),
    ];
    assert_eq!(index.images, keys);
    let turned = planned_for(&[("app", &["linux/amd64", "linux/arm64/v8", "linux/amd64"])]).expect("keys");
    assert_eq!(turned, planned, "neither order nor spelling counts");
}

#[test]
fn one_platform_makes_no_index_and_has_the_key_that_its_own_machine_computes() {
    let here = planned_for(&[]).expect("keys");
    assert_eq!(titles(&here), ["tool", "app", "alone"]);
    let written = planned_for(&[("app", &["linux/amd64"]), ("tool", &["linux/amd64"])]).expect("keys");
    assert_eq!(written, here);
    let both = planned_for(&[("app", &["linux/amd64", "linux/arm64"])]).expect("keys");
    assert_eq!(both.images[2].key(), here.images[1].key());
    let other = planned_for(&[("app", &["linux/arm64"])]).expect("keys");
    // Only what needs it asks for it, and nobody asks for this machine's.
    assert_eq!(titles(&other), ["tool", "app", "alone"]);
    assert_eq!(other.images[1].key(), both.images[3].key());
    assert!(other.images[1].is_final && other.indexes.is_empty());
}

#[test]
fn what_is_needed_must_be_built_for_the_same_platform() {
    let error = planned_for(&[("app", &["linux/arm64"]), ("tool", &["linux/amd64"])]).expect_err("no keys");
    assert_eq!(
        error.to_string(),
        "cannot plan image `app` for linux/arm64: image `tool`, which it needs, is not built for that; add linux/arm64 \
         to `platform` of `tool`"
    );
}
