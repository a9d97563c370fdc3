//! From the rendered text to the [`Config`]: documents, keys, types, and the rules that tie images together.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use kiel_llb::Platform;
use kiel_stapel::spec::ImageSpec;
use kiel_template::yaml::{self, Node};
use regex::Regex;

use super::document::{Document, split};
use super::image;
use super::model::{Config, Deploy, Image, Meta, NAMELESS};
use super::reader::{Reader, maps, scalar, value};
use super::schema::{DOCKERFILE, META, STAPEL, nearest_name};
use super::settings;
use crate::diagnostic::{Diagnostic, Mistakes};

/// Parses and validates; `file` is the name for messages.
pub(crate) fn parse(file: &str, text: &str) -> Result<Config, Mistakes> {
    let mut reader = Reader::default();
    let mut metas = Vec::new();
    let mut nodes = Vec::new();
    for document in split(text) {
        reader.lines_before = document.lines_before;
        let Some(node) = read_document(&mut reader, document) else {
            continue;
        };
        if value(&node, "configVersion").is_some() || value(&node, "project").is_some() {
            reader.check_keys(&node, META, "the meta document");
            let read = meta(&mut reader, &node);
            metas.push((read, node.line + reader.lines_before));
        } else {
            let keys = if value(&node, "dockerfile").is_some() {
                DOCKERFILE
            } else {
                STAPEL
            };
            reader.check_keys(&node, keys, "an image");
            nodes.push((node, document.lines_before));
        }
    }
    let meta = single_meta(&mut reader, metas);
    let names = image_names(&nodes);
    let defaults = meta
        .as_ref()
        .map(|(_, defaults)| defaults.clone())
        .unwrap_or_default();
    let mut images = Vec::new();
    for (node, lines_before) in &nodes {
        reader.lines_before = *lines_before;
        images.extend(image::read(&mut reader, node, &names, &defaults));
    }
    check_names(&mut reader, &images);
    check_relations(&mut reader, &images);
    match meta {
        Some((meta, _)) if reader.mistakes.is_empty() => Ok(Config {
            meta,
            images,
            external: reader.external,
            outdated: reader.outdated,
        }),
        _ => {
            let mut list = reader.mistakes;
            list.sort_by_key(|mistake| (mistake.line, mistake.column));
            Err(Mistakes {
                file: file.to_owned(),
                text: text.to_owned(),
                list,
            })
        }
    }
}

/// The documents of these images, as they stand in the rendered text, with separators between them.
pub fn documents_of(text: &str, images: &[&Image]) -> String {
    let wanted = |document: &Document<'_>| {
        let nodes = yaml::parse_documents(document.text).unwrap_or_default();
        let names: Vec<String> = nodes.iter().flat_map(names_of).collect();
        images.iter().any(|image| names.contains(&image.name))
    };
    let documents: Vec<&str> = split(text)
        .into_iter()
        .filter(wanted)
        .map(|document| document.text)
        .collect();
    documents.join("---\n")
}

/// Every document as JSON, by YAML's rules of the file.
///
/// # Errors
/// It is no YAML; not for text that was parsed before.
pub fn documents_as_json(text: &str) -> Result<Vec<serde_json::Value>, Mistakes> {
    let json = |document: Document<'_>| {
        yaml::to_json(document.text).map_err(|error| Diagnostic {
            line: error.line().unwrap_or(1) + document.lines_before,
            column: error.column().unwrap_or(1),
            message: error.problem().to_owned(),
            hint: None,
        })
    };
    let documents: Result<Vec<_>, _> = split(text).into_iter().map(json).collect();
    documents.map_err(|mistake| Mistakes {
        file: "werf.yaml".to_owned(),
        text: text.to_owned(),
        list: vec![mistake],
    })
}

fn read_document<'t>(reader: &mut Reader, document: Document<'t>) -> Option<Node<'t>> {
    match yaml::parse_documents(document.text) {
        Ok(nodes) => {
            let node = nodes.into_iter().next()?;
            for error in node.duplicate_keys() {
                reader.mistakes.push(Diagnostic {
                    line: error.line().unwrap_or(1) + document.lines_before,
                    column: error.column().unwrap_or(1),
                    message: error.problem().to_owned(),
                    hint: Some("keep one of them".to_owned()),
                });
            }
            Some(node)
        }
        Err(error) => {
            reader.mistakes.push(Diagnostic {
                line: error.line().unwrap_or(1) + document.lines_before,
                column: error.column().unwrap_or(1),
                message: format!("this is no YAML: {}", error.problem()),
                hint: None,
            });
            None
        }
    }
}

fn names_of(node: &Node<'_>) -> Vec<String> {
    let Some(image) = value(node, "artifact").or_else(|| value(node, "image")) else {
        return image::is_nameless(node)
            .then(|| NAMELESS.to_owned())
            .into_iter()
            .collect();
    };
    match image.items() {
        Some(items) => items.iter().filter_map(scalar).map(ToOwned::to_owned).collect(),
        None => scalar(image).map(ToOwned::to_owned).into_iter().collect(),
    }
}

fn image_names(nodes: &[(Node<'_>, usize)]) -> HashSet<String> {
    nodes.iter().flat_map(|(node, _)| names_of(node)).collect()
}

/// What `build` of the meta document says of all images.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defaults {
    /// `cacheVersion`, for images without one.
    pub(crate) cache_version: Option<String>,
    /// `platform`, for images without one.
    pub(crate) platforms: Vec<Platform>,
    /// `imageSpec`: what it sets wins over that of an image.
    pub(crate) image_spec: Option<ImageSpec>,
}

/// The meta document and what its `build` says.
type ReadMeta = (Meta, Defaults);

fn meta(reader: &mut Reader, node: &Node<'_>) -> Option<ReadMeta> {
    let project = reader.required(node, "project", "the meta document");
    if let Some(name) = &project
        && !is_project_name(name)
    {
        let at = value(node, "project").unwrap_or(node);
        reader.mistake(
            at,
            format!("`{name}` is no project name"),
            Some("use at most 50 lower-case letters, digits and inner dashes".into()),
        );
    }
    let version = reader.required(node, "configVersion", "the meta document");
    if let Some(version) = version.filter(|version| !matches!(version.as_str(), "1" | "1.0")) {
        let at = value(node, "configVersion").unwrap_or(node);
        reader.mistake(
            at,
            format!("configVersion {version} is unknown"),
            Some("write `configVersion: 1`".into()),
        );
    }
    cleanup(reader, node);
    let defaults = value(node, "build").map(|build| defaults(reader, build));
    Some((
        Meta {
            project: project?,
            deploy: deploy(reader, node),
        },
        defaults.unwrap_or_default(),
    ))
}

fn defaults(reader: &mut Reader, build: &Node<'_>) -> Defaults {
    reader.boolean(build, "staged");
    Defaults {
        cache_version: reader.text(build, "cacheVersion"),
        platforms: image::read_platforms(reader, build),
        image_spec: value(build, "imageSpec").map(|spec| settings::read_image_spec(reader, spec)),
    }
}

/// Policies have no effect yet, but a mistake in them is one.
fn cleanup(reader: &mut Reader, node: &Node<'_>) {
    let Some(cleanup) = value(node, "cleanup") else {
        return;
    };
    reader.number(cleanup, "keepImagesBuiltWithinLastNHours");
    for policy in maps(cleanup, "keepPolicies") {
        let Some(references) = value(policy, "references") else {
            let hint = Some("add `references: {branch: …}` or `references: {tag: …}`".to_owned());
            reader.mistake(policy, "a policy does not say for what", hint);
            continue;
        };
        let (tag, branch) = (value(references, "tag"), value(references, "branch"));
        if tag.is_some() == branch.is_some() {
            let hint = Some("write one of `branch: NAME|/RE/` and `tag: NAME|/RE/`".to_owned());
            reader.mistake(references, "a policy is for branches or for tags", hint);
        }
        let Some(limit) = value(references, "limit") else {
            continue;
        };
        if let Some(operator) = reader.text(limit, "operator")
            && !matches!(operator.as_str(), "Or" | "And")
        {
            let at = value(limit, "operator").unwrap_or(limit);
            reader.mistake(
                at,
                format!("`{operator}` is no operator"),
                Some("write Or or And".to_owned()),
            );
        }
        if let Some(time) = reader.text(limit, "in")
            && !is_go_duration(&time)
        {
            let at = value(limit, "in").unwrap_or(limit);
            let hint = Some("write hours, minutes or seconds, such as 168h or 1h30m".to_owned());
            reader.mistake(at, format!("`{time}` is no time"), hint);
        }
    }
}

/// Whether Go's `time.ParseDuration` takes it.
fn is_go_duration(text: &str) -> bool {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        let form = r"^[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$";
        Regex::new(form).expect("the expression is one")
    });
    FORM.is_match(text)
}

fn deploy(reader: &mut Reader, node: &Node<'_>) -> Deploy {
    let mut read = Deploy {
        helm_release: None,
        helm_release_slug: true,
        namespace: None,
        namespace_slug: true,
        helm_chart_dir: ".helm".to_owned(),
        app_version: None,
    };
    let Some(deploy) = value(node, "deploy") else {
        return read;
    };
    read.helm_release = reader.text(deploy, "helmRelease");
    read.namespace = reader.text(deploy, "namespace");
    for (key, text) in [
        ("helmRelease", &read.helm_release),
        ("namespace", &read.namespace),
    ] {
        if text.as_ref().is_some_and(String::is_empty) {
            let at = value(deploy, key).unwrap_or(deploy);
            reader.mistake(
                at,
                format!("`{key}` is empty"),
                Some("leave it out for the default".into()),
            );
        }
    }
    read.helm_release_slug = reader.boolean(deploy, "helmReleaseSlug").unwrap_or(true);
    read.namespace_slug = reader.boolean(deploy, "namespaceSlug").unwrap_or(true);
    if let Some(dir) = reader.text(deploy, "helmChartDir") {
        match image::relative_path(&dir) {
            Some(dir) if !dir.is_empty() => read.helm_chart_dir = dir,
            _ => {
                let at = value(deploy, "helmChartDir").unwrap_or(deploy);
                reader.mistake(at, format!("`{dir}` is no folder of the project"), None);
            }
        }
    }
    read.app_version = value(deploy, "helmChartConfig").and_then(|config| reader.text(config, "appVersion"));
    read
}

fn is_project_name(name: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=50).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn single_meta(reader: &mut Reader, metas: Vec<(Option<ReadMeta>, usize)>) -> Option<ReadMeta> {
    let mut metas = metas.into_iter();
    let Some((first, _)) = metas.next() else {
        reader.mistakes.push(Diagnostic {
            line: 1,
            column: 1,
            message: "there is no meta document".to_owned(),
            hint: Some("begin the file with `project: NAME`, `configVersion: 1` and `---`".to_owned()),
        });
        return None;
    };
    for (_, line) in metas {
        let hint = Some("keep one document with `project` and `configVersion`".to_owned());
        reader.mistakes.push(Diagnostic {
            line,
            column: 1,
            message: "a second meta document".to_owned(),
            hint,
        });
    }
    first
}

fn check_names(reader: &mut Reader, images: &[Image]) {
    let mut lines: HashMap<&str, usize> = HashMap::new();
    for image in images {
        if let Some(first) = lines.insert(&image.name, image.line) {
            reader.mistakes.push(Diagnostic {
                line: image.line,
                column: 1,
                message: format!("image `{}` stands in line {first} already", image.name),
                hint: Some("give one of them another name".to_owned()),
            });
        }
    }
    if let Some(image) = images.iter().find(|image| image.name == NAMELESS)
        && images.iter().filter(|image| image.is_final).count() > 1
    {
        reader.mistakes.push(Diagnostic {
            line: image.line,
            column: 1,
            message: "an image without a name is not the only one".to_owned(),
            hint: Some("give it one: `image: NAME`".to_owned()),
        });
    }
}

/// Everything that an image names must exist, and nothing may need itself.
fn check_relations(reader: &mut Reader, images: &[Image]) {
    let by_name: HashMap<&str, &Image> = images.iter().map(|image| (image.name.as_str(), image)).collect();
    for image in images {
        for name in image.needs() {
            if let Some(needed) = by_name.get(name)
                && !needed.platforms.is_empty()
                && let Some(platform) = image.platforms.iter().find(|one| !needed.platforms.contains(one))
            {
                reader.mistakes.push(Diagnostic {
                    line: image.line,
                    column: 1,
                    message: format!(
                        "image `{}` is built for {platform} and needs image `{name}`, which is not",
                        image.name
                    ),
                    hint: Some(format!("add {platform} to `platform` of `{name}`")),
                });
            }
            if !by_name.contains_key(name) {
                reader.mistakes.push(Diagnostic {
                    line: image.line,
                    column: 1,
                    message: format!(
                        "image `{}` needs image `{name}`, which is not in the file",
                        image.name
                    ),
                    hint: {
                        let known: Vec<&str> = by_name.keys().copied().collect();
                        nearest_name(&known, name).map(|near| format!("did you mean `{near}`?"))
                    },
                });
            }
        }
    }
    let mut done: HashSet<&str> = HashSet::new();
    for image in images {
        if let Some(cycle) = find_cycle(image, &by_name, &mut Vec::new(), &mut done) {
            reader.mistakes.push(Diagnostic {
                line: image.line,
                column: 1,
                message: format!("images need each other in a circle: {}", cycle.join(" → ")),
                hint: Some("remove one of these `from`, `import` or `dependencies`".to_owned()),
            });
            return;
        }
    }
}

fn find_cycle<'a>(
    image: &'a Image,
    images: &HashMap<&str, &'a Image>,
    path: &mut Vec<&'a str>,
    done: &mut HashSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if let Some(start) = path.iter().position(|name| *name == image.name) {
        let mut cycle = path[start..].to_vec();
        cycle.push(&image.name);
        return Some(cycle);
    }
    if done.contains(image.name.as_str()) {
        return None;
    }
    path.push(&image.name);
    for name in image.needs() {
        if let Some(needed) = images.get(name)
            && let Some(cycle) = find_cycle(needed, images, path, done)
        {
            return Some(cycle);
        }
    }
    path.pop();
    done.insert(&image.name);
    None
}

#[cfg(test)]
mod tests;
