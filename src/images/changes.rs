//! Why an image's key is another one than before: which of its inputs differ, in a user's words.
//!
//! Compares what a plan's keys were made from with the same of an earlier build, as that build's record has it. Pure:
//! which files differ is asked through a closure, since a key holds only a hash of their names and ids.

use kiel_stapel::ansible::Task;
use kiel_stapel::listing::FileEntry;
use kiel_stapel::spec::From;
use serde_json::Value;

use super::{DockerfilePlan, MappingSelection, PlannedImage, PlannedKind, StapelImagePlan};
use crate::git::Selection;

/// Names of files that are told of one input.
const NAMES: usize = 3;

/// Whether a file of the repository was another one, or none, in the earlier commit.
pub(crate) type Differs<'a> = &'a dyn Fn(&str, &FileEntry) -> bool;

/// What differs from `before`: the `inputs` of the image in the record of an earlier build. The first one is the one
/// that counts: what follows it is built again in any case.
#[must_use]
pub(crate) fn changes(image: &PlannedImage, before: &Value, differs: Differs<'_>) -> Vec<String> {
    let found = match &image.kind {
        PlannedKind::Dockerfile(plan) => before
            .get("dockerfile")
            .map(|before| dockerfile(plan, before, differs)),
        PlannedKind::Stapel(plan) => before.get("stapel").map(|before| stapel(plan, before, differs)),
    };
    found.unwrap_or_else(|| vec!["it is built in another way".to_owned()])
}

/// Fields that differ, in the order of the new record, then those that are gone.
fn fields(now: &Value, before: &Value) -> Vec<String> {
    let empty = serde_json::Map::new();
    let (now, before) = (
        now.as_object().unwrap_or(&empty),
        before.as_object().unwrap_or(&empty),
    );
    let differing = now
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(value));
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    differing.map(|(name, _)| name).chain(gone).cloned().collect()
}

fn value(inputs: &impl serde::Serialize) -> Value {
    serde_json::to_value(inputs).unwrap_or_default()
}

fn dockerfile(plan: &DockerfilePlan, before: &Value, differs: Differs<'_>) -> Vec<String> {
    let (now, before) = (value(&plan.image.inputs), &before["inputs"]);
    let tell = |field: &String| match field.as_str() {
        "stages" => instruction(&now["stages"], &before["stages"]),
        "globals" => "the ARG instructions before the first FROM".to_owned(),
        "args" => named("build argument", &now["args"], &before["args"]),
        "dependencies" => named("image", &now["dependencies"], &before["dependencies"]),
        "files" => files(&plan.root, &plan.files, differs),
        other => field_name(other),
    };
    fields(&now, before).iter().map(tell).collect()
}

/// The first instruction that was not there before.
fn instruction(now: &Value, before: &Value) -> String {
    let texts = |stages: &Value| -> Vec<String> {
        let stages = stages.as_array().into_iter().flatten();
        let text = |text: &Value| text.as_str().unwrap_or_default().to_owned();
        stages
            .flat_map(|stage| {
                let instructions = stage["instructions"].as_array().cloned().unwrap_or_default();
                std::iter::once(text(&stage["from"])).chain(instructions.iter().map(text).collect::<Vec<_>>())
            })
            .collect()
    };
    let (now, before) = (texts(now), texts(before));
    let first = (0..now.len()).find(|index| now.get(*index) != before.get(*index));
    match first.map(|index| &now[index]) {
        Some(text) => format!("instruction `{}`", text.lines().next().unwrap_or_default()),
        None => "an instruction is gone".to_owned(),
    }
}

/// The first task that was not there before.
fn task(now: &Value, before: &Value) -> String {
    if now.is_null() {
        return "tasks of Ansible are gone".to_owned();
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (now, before) = (list(now), list(before));
    let first = (0..now.len()).find(|index| now.get(*index) != before.get(*index));
    let text = first.and_then(|index| now[index].as_str());
    match text.map(serde_json::from_str::<Task>) {
        Some(Ok(task)) => format!("the task `{}`", task.name()),
        _ => "a task is gone".to_owned(),
    }
}

/// The names, in first place of each item, of items that differ.
fn named(what: &str, now: &Value, before: &Value) -> String {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (now, before) = (list(now), list(before));
    let differing = now
        .iter()
        .filter(|item| !before.contains(item))
        .chain(before.iter().filter(|item| !now.contains(item)));
    let mut names: Vec<&str> = differing.filter_map(|item| item[0].as_str()).collect();
    names.dedup();
    format!("{what} {}", names.join(", "))
}

/// A field of a record as werf.yaml calls it.
fn field_name(field: &str) -> String {
    match field {
        "cacheVersion" | "stageCacheVersion" | "fromCacheVersion" => "the cache version".to_owned(),
        "spec" => "imageSpec".to_owned(),
        "syntax" => "the `# syntax=` line".to_owned(),
        "base" | "image" => "the base image".to_owned(),
        "commands" => "the commands".to_owned(),
        "toolchain" => "the image that holds Ansible".to_owned(),
        "stage" => "the stage that it takes files of".to_owned(),
        "platform" => "the platform".to_owned(),
        other => format!("`{other}`"),
    }
}

fn stapel(plan: &StapelImagePlan, before: &Value, differs: Differs<'_>) -> Vec<String> {
    let from = fields(&value(&plan.plan.from.inputs), &before["from"]["inputs"]);
    let mut told: Vec<String> = from
        .iter()
        .map(|field| format!("from: {}", field_name(field)))
        .collect();
    told.extend(parts(plan, before, differs));
    let (now, before) = (value(&plan.plan.image.inputs), &before["inputs"]);
    for field in fields(&now, before) {
        match field.as_str() {
            // Told with the stages.
            "stage" | "parts" => {}
            "content" => {
                let is_told = told.iter().any(|line| line.contains("file"));
                told.extend((!is_told).then(|| content(plan, |content| &content.all, differs)));
            }
            "env" => told.push(named("image", &now["env"], &before["env"])),
            other => told.push(field_name(other)),
        }
    }
    told
}

fn parts(plan: &StapelImagePlan, before: &Value, differs: Differs<'_>) -> Vec<String> {
    let now = value(&plan.plan.parts);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (now, before) = (list(&now), list(&before["parts"]));
    let mut told = Vec::new();
    for part in &now {
        let Some((name, part)) = name_of(plan, part) else {
            continue;
        };
        let same = before
            .iter()
            .filter_map(|part| name_of(plan, part))
            .find(|(other, _)| *other == name);
        let Some((_, same)) = same else {
            told.push(format!("{name}: it is new"));
            continue;
        };
        for field in fields(&part["inputs"], &same["inputs"]) {
            match field.as_str() {
                // What stands before it, which is told itself.
                "parent" | "parts" => {}
                "files" => told.push(stage_files(plan, &name, differs)),
                "tasks" => {
                    let task = task(&part["inputs"]["tasks"], &same["inputs"]["tasks"]);
                    told.push(format!("{name}: {task}"));
                }
                "env" => told.push(format!(
                    "{name}: {}",
                    named("image", &part["inputs"]["env"], &same["inputs"]["env"])
                )),
                other => told.push(format!("{name}: {}", field_name(other))),
            }
        }
    }
    let names: Vec<_> = now.iter().filter_map(|part| name_of(plan, part)).collect();
    for (name, _) in before.iter().filter_map(|part| name_of(plan, part)) {
        if !names.iter().any(|(other, _)| *other == name) {
            told.push(format!("{name}: it is gone"));
        }
    }
    told
}

/// A part's name, and its fields.
fn name_of<'a>(plan: &StapelImagePlan, part: &'a Value) -> Option<(String, &'a Value)> {
    if let Some(stage) = part.get("stage") {
        return Some((stage["stage"].as_str()?.to_owned(), stage));
    }
    let import = part.get("import").or_else(|| part.get("copiedImport"))?;
    let index = usize::try_from(import["import"].as_u64()?).ok()?;
    let from = match plan.spec.imports.get(index).map(|import| &import.from) {
        Some(From::Image(name) | From::External(name)) => name.as_str(),
        _ => "?",
    };
    Some((format!("import {} from {from}", index + 1), import))
}

fn stage_files(plan: &StapelImagePlan, stage: &str, differs: Differs<'_>) -> String {
    let changed = match stage {
        "install" => content(plan, |content| &content.install, differs),
        "beforeSetup" => content(plan, |content| &content.before_setup, differs),
        _ => content(plan, |content| &content.setup, differs),
    };
    format!("{stage}: {changed}")
}

/// The files that differ, of those that are taken of each mapping.
fn content(
    plan: &StapelImagePlan,
    taken: fn(&MappingSelection) -> &Selection,
    differs: Differs<'_>,
) -> String {
    let mappings = plan.content.iter().zip(&plan.roots);
    let changed = mappings.flat_map(|(content, root)| changed_files(root, taken(content), differs));
    file_names(&changed.collect::<Vec<_>>())
}

fn files(root: &str, selection: &Selection, differs: Differs<'_>) -> String {
    file_names(&changed_files(root, selection, differs))
}

/// What cannot be read is not told: the build itself says why.
fn changed_files(root: &str, selection: &Selection, differs: Differs<'_>) -> Vec<String> {
    let listing = selection.listing().unwrap_or_default();
    let entries = listing.entries().iter();
    entries
        .filter_map(|entry| changed(root, entry, differs))
        .collect()
}

/// The file's path in the repository, if it differs.
fn changed(root: &str, entry: &FileEntry, differs: Differs<'_>) -> Option<String> {
    let path = match root {
        "" => entry.path.clone(),
        root => format!("{root}/{}", entry.path),
    };
    differs(&path, entry).then_some(path)
}

fn file_names(names: &[String]) -> String {
    match names {
        [] => "files are gone".to_owned(),
        [only] => format!("file {only}"),
        names if names.len() <= NAMES => format!("files {}", names.join(", ")),
        names => format!(
            "files {} and {} more",
            names[..NAMES].join(", "),
            names.len() - NAMES
        ),
    }
}
