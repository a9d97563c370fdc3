//! Selections: their ids are those of the trees that Git would write, and folders that are taken whole are not read.

use kiel::git::patterns::{DockerIgnore, PathFilter, PathMatch};
use kiel_stapel::key::Files;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::sandbox::Sandbox;

const PATHS: [&str; 16] = [
    "Dockerfile",
    "README.md",
    "a/README.md",
    "a/b/c.rs",
    "a/b/c/d.rs",
    "a/b.rs",
    "a.b/x",
    "a0",
    "docs/read.md",
    "docs/deep/er/x.md",
    "node_modules/m/index.js",
    "src/main.rs",
    "src/node_modules/n/index.js",
    "src/lib/z",
    "vendor/v/w/x/y/z",
    "z",
];

const PATTERNS: [&str; 24] = [
    "*",
    "**",
    "**/*.md",
    "**/node_modules",
    "*.md",
    "*/b",
    "*/*/c*",
    "README.md",
    "a",
    "a/**",
    "a/**/c",
    "a/b",
    "a/b/*",
    "a?b",
    "docs",
    "docs/*",
    "docs/deep",
    "node_modules",
    "src",
    "src/**/z",
    "src/lib",
    "src/*/z",
    "vendor/v",
    "z",
];

fn patterns() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::collection::vec(proptest::sample::select(&PATTERNS[..]), 0..4)
}

#[test]
fn a_selection_is_known_by_the_tree_of_what_it_takes() {
    let sandbox = Sandbox::new();
    for path in PATHS {
        sandbox.write(path, path);
    }
    sandbox.chmod("a/b.rs", 0o755);
    sandbox.link("src/link", "../a");
    sandbox.commit();
    let tree = sandbox.tree();
    let dirs = proptest::sample::select(&["", "a", "src", "docs/deep", "a/b.rs", "nowhere"][..]);
    let signs = proptest::collection::vec(any::<bool>(), 4);
    let mut runner = TestRunner::new(Config::with_cases(600));
    let check = |(dir, include, exclude, signs): (&str, Vec<&str>, Vec<&str>, Vec<bool>)| {
        let ignore: Vec<String> = include
            .iter()
            .chain(&exclude)
            .zip(signs)
            .map(|(pattern, back)| format!("{}{pattern}", if back { "!" } else { "" }))
            .collect();
        let filters: [Box<dyn PathMatch + Send + Sync>; 2] = [
            Box::new(PathFilter::new(&include, &exclude).expect("patterns")),
            Box::new(DockerIgnore::new(&ignore).expect("patterns")),
        ];
        for filter in filters {
            let selection = tree.select(dir, filter).expect("a selection");
            let listing = selection.listing().expect("files");
            prop_assert_eq!(
                selection.files(),
                &Files::from(&listing),
                "{:?} -{:?} {:?}",
                include,
                exclude,
                ignore
            );
        }
        Ok(())
    };
    runner
        .run(&(dirs, patterns(), patterns(), signs), check)
        .expect("the same files");
    // Nothing of what is taken whole is read.
    let fresh = sandbox.tree();
    let ignore = DockerIgnore::new(["node_modules", "*.md", "docs/deep"]).expect("patterns");
    let selection = fresh.select("", ignore).expect("a selection");
    assert_eq!(fresh.reads().trees, 2, "the root and docs");
    assert_eq!(
        selection.files(),
        &Files::from(&selection.listing().expect("files"))
    );
}

#[test]
fn links_on_the_way_to_sources_are_found_without_reading_the_rest() {
    let sandbox = Sandbox::new();
    for path in PATHS {
        sandbox.write(path, path);
    }
    sandbox.link("src/link", "../a");
    sandbox.commit();
    let tree = sandbox.tree();
    let below = |dir: &'static str| PathFilter::new(&[dir], &[]).expect("a pattern");
    assert!(tree.has_link("", &below("src")).expect("readable"));
    assert!(!tree.has_link("", &below("docs")).expect("readable"));
    assert!(!tree.has_link("nowhere", &below("src")).expect("readable"));
}
