//! The examples as a user would take them: copied, committed, loaded and planned, without a registry or an engine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use kiel::config::{Everything, LoadOptions, load};
use kiel::git::patterns::Glob;
use kiel::images::{ImageFiles, PlannedImage, PlannedKind, plan_images};
use kiel_stapel::stage::Part;
use kiel_template::files::FileTree;
use kiel_template::functions::Environment;

use super::sandbox::Sandbox;

struct NoClock;

impl Environment for NoClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

fn example(name: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let to = sandbox.dir().display().to_string();
    sandbox.git_in(
        &from,
        &[
            "--git-dir",
            &format!("{to}/.git"),
            "--work-tree",
            ".",
            "add",
            "--all",
        ],
    );
    sandbox.git(&["checkout", "-q", "--", "."]);
    sandbox.commit();
    sandbox
}

/// The images in build order, and how many blobs that took.
fn plan(sandbox: &Sandbox) -> (Vec<PlannedImage>, u64) {
    let tree = sandbox.tree();
    let files = tree.files_at("");
    let options = LoadOptions {
        file: None,
        templates_dir: ".werf",
        env: None,
        commit_id: &tree.commit().id,
        commit_date: "",
        commit_time: tree.commit().time,
        project: None,
        variables: Arc::new(|_| None),
        glob: |pattern| {
            let glob = Glob::new(pattern).map_err(|error| error.to_string())?;
            Ok(Box::new(move |path: &str| glob.matches(path)))
        },
        inspector: Arc::new(Everything),
        environment: Arc::new(NoClock),
    };
    let readable: Arc<dyn FileTree + Send + Sync> = Arc::new(files.clone());
    let loaded = load(&readable, &options).expect("a configuration");
    let platform = "linux/amd64".parse().expect("a platform");
    let images = plan_images(&loaded.config, &[], ImageFiles::at(&files), &platform).expect("keys");
    (images.images, tree.reads().blobs)
}

/// The keys of images and of their parts.
fn keys(images: &[PlannedImage]) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for image in images {
        keys.insert(image.name.clone(), image.key().to_string());
        let PlannedKind::Stapel(plan) = &image.kind else {
            continue;
        };
        for part in &plan.plan.parts {
            let (name, keyed) = match part {
                Part::Stage { stage, keyed } => (stage.to_string(), keyed),
                // The frontend's import goes below `/app`, so it is a stage on top of `setup`.
                Part::Import { import, keyed } | Part::CopiedImport { import, keyed } => {
                    (format!("import {import}"), keyed)
                }
                Part::Archive => continue,
            };
            keys.insert(format!("{}: {name}", image.name), keyed.key.to_string());
        }
    }
    keys
}

#[test]
fn the_guestbook_is_planned_without_reading_its_sources() {
    let (images, blobs) = plan(&example("guestbook"));
    let names: Vec<_> = images
        .iter()
        .map(|image| (image.name.as_str(), image.is_final))
        .collect();
    assert_eq!(names, [("backend", true), ("assets", false), ("frontend", true)]);
    // werf.yaml, the Dockerfile and .dockerignore.
    assert_eq!(blobs, 3);
}

#[test]
fn a_change_of_the_guestbook_has_the_keys_that_its_readme_promises() {
    let sandbox = example("guestbook");
    let mut before = keys(&plan(&sandbox).0);
    let cases: [(&str, &[&str]); 7] = [
        ("frontend/page.html", &["frontend"]),
        (
            "frontend/server.py",
            &["frontend", "frontend: import 0", "frontend: setup"],
        ),
        (
            "frontend/lib/pages.py",
            &[
                "frontend",
                "frontend: import 0",
                "frontend: install",
                "frontend: setup",
            ],
        ),
        (
            "assets/style.css",
            &["assets", "assets: setup", "frontend", "frontend: import 0"],
        ),
        ("backend/guestbook/store.py", &["backend"]),
        ("backend/guestbook/__pycache__/store.pyc", &[]),
        (".helm/values.yaml", &[]),
    ];
    for (file, want) in cases {
        sandbox.write(file, "changed");
        sandbox.commit();
        let now = keys(&plan(&sandbox).0);
        let changed: Vec<_> = now
            .iter()
            .filter(|(name, key)| before.get(*name) != Some(key))
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(changed, want, "{file}");
        before = now;
    }
}
