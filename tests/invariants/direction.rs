//! Who may know whom: `cli → {build, deploy, …} → {images, registry, …} → config → crates`, as
//! `docs/ARCHITECTURE.md` tells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{none, source};

/// Folders of `src/` from the top down. Folders of one step may know each other, without circles, only in the
/// third, where the small parts are.
const STEPS: [&[&str]; 4] = [
    &["cli"],
    &["build", "deploy", "bundle", "cleanup"],
    &[
        "images", "release", "buildkit", "registry", "git", "secrets", "charts",
    ],
    &["config"],
];
/// Everyone may know these, and they know no folder.
const GROUND: [&str; 2] = ["event", "diagnostic"];
/// Crates of the workspace, and those of them that each may depend on.
const CRATES: [(&str, &[&str]); 4] = [
    ("llb", &[]),
    ("template", &[]),
    ("stapel", &["kiel-llb"]),
    ("chart", &["kiel-template"]),
];

/// Who uses whom, with a place where it does.
type Uses = BTreeMap<(String, String), String>;

pub(crate) fn check_folders() -> Result<()> {
    let mut uses = Uses::new();
    for file in source::files("src", "rs")? {
        let Some(user) = folder(&file) else { continue };
        let code = source::code(&source::read(&file)?);
        for used in used_folders(&code, &file) {
            if used != user {
                uses.entry((user.clone(), used))
                    .or_insert_with(|| file.display().to_string());
            }
        }
    }
    none("folders use what they must not know", violations(&uses))
}

pub(crate) fn check_crates() -> Result<()> {
    let mut broken = Vec::new();
    for (name, allowed) in CRATES {
        let manifest = source::read(Path::new(&format!("{name}/Cargo.toml")))?;
        let dependencies = section(&manifest, "[dependencies]");
        for dependency in dependencies.filter(|dependency| dependency.starts_with("kiel")) {
            if !allowed.contains(&dependency) {
                broken.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    none("crates depend on what they must not know", broken)
}

/// Names of the dependencies in one section of a manifest.
pub(crate) fn section<'a>(manifest: &'a str, header: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = manifest
        .lines()
        .skip_while(move |line| line.trim() != header)
        .skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split(['=', '.']).next())
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

pub(crate) fn check_owners() -> Result<()> {
    let mut broken = Vec::new();
    for (library, owner) in [("gix", "src/git"), ("clap", "src/cli")] {
        for file in source::files("src", "rs")?
            .iter()
            .filter(|file| !file.starts_with(owner))
        {
            let code = source::code(&source::read(file)?);
            if !source::paths(&code, library).is_empty() || code.contains(&format!("use {library};")) {
                broken.push(format!(
                    "{} names {library}, which is for {owner} only",
                    file.display()
                ));
            }
        }
    }
    none("libraries are named outside their folder", broken)
}

/// The first folder or file below `src/` that a file belongs to.
fn folder(file: &Path) -> Option<String> {
    let first = file.strip_prefix("src").ok()?.components().next()?;
    let name = Path::new(first.as_os_str())
        .file_stem()?
        .to_string_lossy()
        .into_owned();
    (name != "main" && name != "lib").then_some(name)
}

fn used_folders(code: &str, file: &Path) -> BTreeSet<String> {
    let known: Vec<&str> = STEPS
        .iter()
        .copied()
        .flatten()
        .copied()
        .chain(GROUND)
        .chain(["ui"])
        .collect();
    let mut roots = vec!["crate".to_owned()];
    // How many `super::` lead out of the folder.
    let depth = file.components().count() - 1 - usize::from(file.ends_with("mod.rs"));
    roots.push(vec!["super"; depth].join("::"));
    roots
        .iter()
        .filter(|root| !root.is_empty())
        .flat_map(|root| source::paths(code, root))
        .filter_map(|path| path.split("::").next().map(str::to_owned))
        .filter(|name| known.contains(&name.as_str()))
        .collect()
}

fn violations(uses: &Uses) -> Vec<String> {
    let mut broken = Vec::new();
    for ((user, used), place) in uses {
        if !allowed(user, used) {
            broken.push(format!("{user} uses {used} ({place})"));
        }
    }
    let folders: BTreeSet<&String> = uses.keys().map(|(user, _)| user).collect();
    for folder in folders {
        if reaches(uses, folder, folder, &mut BTreeSet::new()) {
            broken.push(format!("{folder} uses itself through others"));
        }
    }
    broken
}

fn allowed(user: &str, used: &str) -> bool {
    if GROUND.contains(&used) {
        return true;
    }
    if GROUND.contains(&user) || user == "ui" {
        return false;
    }
    // The terminal is the commands' matter: everyone else emits events.
    if used == "ui" {
        return user == "cli";
    }
    let step = |name: &str| STEPS.iter().position(|step| step.contains(&name));
    match (step(user), step(used)) {
        (Some(above), Some(below)) => above < below || (above == 2 && below == 2),
        _ => false,
    }
}

fn reaches(uses: &Uses, from: &str, goal: &str, seen: &mut BTreeSet<String>) -> bool {
    let next = uses.keys().filter(|(user, _)| user == from).map(|(_, used)| used);
    for used in next {
        if used == goal || (seen.insert(used.clone()) && reaches(uses, used, goal, seen)) {
            return true;
        }
    }
    false
}

pub(crate) mod tests {
    use super::*;

    pub(crate) fn violations() -> Result<()> {
        let uses = |pairs: &[(&str, &str)]| -> Uses {
            pairs
                .iter()
                .map(|(a, b)| (((*a).to_owned(), (*b).to_owned()), "x.rs".to_owned()))
                .collect()
        };
        for good in [
            &[("cli", "build"), ("build", "git"), ("git", "config")][..],
            &[("buildkit", "registry")],
        ] {
            let broken = super::violations(&uses(good));
            ensure!(broken.is_empty(), "{broken:?}");
        }
        for bad in [
            &[("build", "deploy")][..],
            &[("config", "git")],
            &[("event", "git")],
            &[("deploy", "ui")],
            &[("ui", "build")],
            &[("build", "cli")],
            &[("git", "registry"), ("registry", "images"), ("images", "git")],
        ] {
            ensure!(!super::violations(&uses(bad)).is_empty(), "{bad:?} is not seen");
        }
        let seen = used_folders(
            "use super::super::git::Tree; use super::part;",
            Path::new("src/build/plan.rs"),
        );
        ensure!(seen.contains("git") && seen.len() == 1, "{seen:?}");
        let name = folder(Path::new("src/event.rs")).context("no folder")?;
        ensure!(name == "event", "{name}");
        Ok(())
    }
}
