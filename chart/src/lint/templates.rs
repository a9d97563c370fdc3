//! The rules for templates and for what they render to.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use kiel_template::Value;
use kiel_template::format::quote_str;
use kiel_template::value::{Functions, Map, Type};
use regex::bytes::Regex;

use super::documents::{Documents, Head};
use super::{LintChart, LintOptions, LintReport, Severity, deprecations, object_names};
use crate::capabilities::Capabilities;
use crate::coalesce::{Coalescer, Nulls};
use crate::decode::{self, Place};
use crate::model::Chart;
use crate::render::{Purpose, Release, RenderInput, STACK_SIZE, add_warnings, check_schemas, render_files};
use crate::tree::Tree;
use crate::warning::Warning;
use crate::yaml;

const FOLDER: &str = "templates/";

/// Longest line that is looked at for its indentation, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

#[expect(
    clippy::expect_used,
    reason = "the expressions are constants that the tests compile"
)]
static CRD_HOOK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?-u)"?helm\.sh/hook"?:[\t\n\f\r ]+crd-install"#).expect("a constant expression")
});

/// What `required` and `fail` said.
type Log = Arc<Mutex<Vec<Warning>>>;

pub(super) fn check(
    chart: &LintChart<'_>,
    loaded: &Result<Chart, String>,
    options: &LintOptions<'_>,
    values: &Map,
    report: &mut LintReport,
) {
    if chart.read("templates").is_some() {
        report.add(Severity::Warning, FOLDER, "not a directory");
        return;
    }
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return report.add(Severity::Error, FOLDER, error),
    };
    let Some(rendered) = render(loaded, options, values, report) else {
        return;
    };
    let capabilities = capabilities(options);
    for file in &loaded.templates {
        let path = file.name.as_str();
        report.check(Severity::Error, path, extension(path));
        if CRD_HOOK.is_match(&file.data) {
            report.add(
                Severity::Warning,
                path,
                "manifest is a crd-install hook. This hook is no longer supported in v3 and all CRDs should also exist the crds/ directory at the top level of the chart",
            );
        }
        if contains(&file.data, b".Release.Time") {
            report.add(
                Severity::Error,
                path,
                ".Release.Time has been removed in v3, please replace with the `now` function in your templates",
            );
        }
        let Some(text) = rendered
            .get(&format!("{}/{path}", loaded.name()))
            .filter(|_| go_extension(path) == ".yaml")
        else {
            continue;
        };
        let text = String::from_utf8_lossy(text);
        if !text.trim().is_empty() && !check_rendered(path, &text, &capabilities, report) {
            return;
        }
    }
}

/// What the chart's files render to; nothing where that failed, which Helm does not always tell.
fn render(
    chart: &Chart,
    options: &LintOptions<'_>,
    values: &Map,
    report: &mut LintReport,
) -> Option<std::collections::BTreeMap<String, Vec<u8>>> {
    add_warnings(chart, &mut report.log);
    let mut tree = Tree::new(chart);
    tree.process_dependencies(values).ok()?;
    // Go: values are joined twice, so that a default that a null has removed is back.
    let mut coalescer = Coalescer::new(&tree);
    let once = coalescer.values(tree.root(), values, Nulls::Remove).ok()?;
    let twice = coalescer.values(tree.root(), &once, Nulls::Remove);
    let joining = coalescer.into_warnings();
    report.log.extend(tree.take_warnings());
    report.log.extend(joining);
    let values = match twice {
        Ok(values) => values,
        Err(error) => {
            report.add(Severity::Error, FOLDER, error.to_string());
            return None;
        }
    };
    if options.check_schemas {
        let mut refused = String::new();
        check_schemas(&tree, tree.root(), &values, &mut refused, &mut report.log);
        if !refused.is_empty() {
            report.add(
                Severity::Error,
                FOLDER,
                format!(
                    "values don't meet the specifications of the schema(s) in the following chart(s):\n{refused}"
                ),
            );
            return None;
        }
    }
    let log = Log::default();
    let input = RenderInput {
        chart,
        values: options.values,
        secret_values: options.secret_values,
        service_values: options.service_values,
        release: Release {
            name: "test-release".to_owned(),
            namespace: options.namespace.to_owned(),
            revision: 0,
            is_upgrade: false,
        },
        capabilities: capabilities(options),
        environment: Arc::clone(&options.environment),
        lookup: None,
        check_schemas: options.check_schemas,
        extra_functions: Some(lenient(options, &log)),
        stack_size: STACK_SIZE,
    };
    let rendered = render_files(&input, &tree, &values, Purpose::Release);
    report
        .log
        .append(&mut log.lock().unwrap_or_else(PoisonError::into_inner));
    match rendered {
        Ok(rendered) => Some(rendered),
        Err(error) => {
            report.add(Severity::Error, FOLDER, error.to_string());
            None
        }
    }
}

fn capabilities(options: &LintOptions<'_>) -> Capabilities {
    let mut capabilities = Capabilities::default();
    if let Some(version) = &options.kube_version {
        capabilities.kube_version = version.clone();
    }
    capabilities
}

/// The functions of a chart, of which `required` and `fail` only say what they would have said.
fn lenient(options: &LintOptions<'_>, log: &Log) -> crate::render::AddFunctions {
    let (extra, log) = (options.extra_functions.clone(), Arc::clone(log));
    Arc::new(move |functions: &mut Functions| {
        if let Some(extra) = &extra {
            extra(functions);
        }
        let says = |log: &Log, line: u32, kind: &str, text: &Value| {
            let text = String::from_utf8_lossy(text.as_bytes().unwrap_or_default()).into_owned();
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push(Warning::logged(
                &format!("engine.go:{line}"),
                &format!("[INFO] {kind}: {text}"),
            ));
            Ok(Value::from(""))
        };
        let notes = Arc::clone(&log);
        functions.add("required", &[Type::String, Type::Any], move |_, args| {
            let is_missing = match &args[1] {
                Value::Nil => Some(206),
                Value::Str(text) if text.is_empty() => Some(214),
                _ => None,
            };
            if let Some(line) = is_missing {
                says(&notes, line, "Missing required value", &args[0])
            } else {
                Ok(args[1].clone())
            }
        });
        let notes = Arc::clone(&log);
        functions.add("fail", &[Type::String], move |_, args| {
            says(&notes, 227, "Fail", &args[0])
        });
    })
}

/// Go: `filepath.Ext`.
fn go_extension(path: &str) -> &str {
    let base = path.rsplit('/').next().unwrap_or_default();
    base.rfind('.').map_or("", |at| &base[at..])
}

fn extension(path: &str) -> Result<(), String> {
    match go_extension(path) {
        ".yaml" | ".yml" | ".tpl" | ".txt" => Ok(()),
        other => Err(format!(
            "file extension '{other}' not valid. Valid extensions are .yaml, .yml, .tpl, or .txt"
        )),
    }
}

fn contains(data: &[u8], part: &[u8]) -> bool {
    data.windows(part.len()).any(|window| window == part)
}

/// Judges a file's documents; says whether all could be read.
fn check_rendered(path: &str, text: &str, capabilities: &Capabilities, report: &mut LintReport) -> bool {
    report.check(Severity::Warning, path, indentation(text));
    for document in Documents::new(text) {
        let head = match document {
            Ok(Some(head)) => head,
            Ok(None) => continue,
            Err(error) => {
                report.add(Severity::Error, path, format!("unable to parse YAML: {error}"));
                return false;
            }
        };
        report.check(
            Severity::Warning,
            path,
            object_names::check(&head.kind, &head.name),
        );
        if let Some(warning) =
            deprecations::warning(&head.api_version, &head.kind, &capabilities.kube_version)
        {
            report.add(Severity::Warning, path, warning);
        }
        report.check(Severity::Error, path, selector(&head, text));
        report.check(Severity::Error, path, list_annotations(&head, text));
    }
    true
}

/// Nothing may stand before the first key of a file.
fn indentation(text: &str) -> Result<(), String> {
    for line in text.split('\n') {
        if line.len() >= LONGEST_LINE {
            return Err("bufio.Scanner: token too long".to_owned());
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            let quoted = quote_str(line.as_bytes());
            return Err(format!(
                "document starts with an illegal indent: {quoted}, which may cause parsing problems"
            ));
        }
        return Ok(());
    }
    Ok(())
}

fn selector(head: &Head, text: &str) -> Result<(), String> {
    let Head { kind, name, .. } = head;
    let needs = matches!(
        kind.as_str(),
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet"
    );
    if !needs || text.contains("matchLabels") || text.contains("matchExpressions") {
        return Ok(());
    }
    let name = quote_str(name.as_bytes());
    Err(format!(
        "a {kind} must contain matchLabels or matchExpressions, and {name} does not"
    ))
}

/// Helm reads no annotations below a `List`.
fn list_annotations(head: &Head, text: &str) -> Result<(), String> {
    if head.kind != "List" {
        return Ok(());
    }
    let failed = |error: &dyn std::fmt::Display| format!("unable to parse YAML: {error}");
    let list = yaml::to_json(text.as_bytes()).map_err(|error| failed(&error))?;
    let items = list
        .as_object()
        .and_then(|list| decode::field(list, "items"))
        .and_then(serde_json::Value::as_array);
    for item in items.into_iter().flatten() {
        let annotations = item
            .as_object()
            .and_then(|item| decode::field(item, "metadata"))
            .and_then(serde_json::Value::as_object)
            .and_then(|metadata| decode::field(metadata, "annotations"));
        let Some(annotations) = annotations else { continue };
        let annotations = decode::text_map(annotations, &Place::root("")).map_err(|error| failed(&error))?;
        if annotations.contains_key("helm.sh/resource-policy") {
            return Err("Annotation 'helm.sh/resource-policy' within List objects are ignored".to_owned());
        }
    }
    Ok(())
}
