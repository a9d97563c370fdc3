//! The rules for `Chart.yaml`.

use kiel_template::format::quote_str;
use kiel_template::functions::is_request_url;
use kiel_template::functions::semver::{self, Version};
use serde_json::Value;

use super::addresses::{is_email, is_web_address};
use super::{LintChart, LintReport, Severity};
use crate::load::Profile;
use crate::metadata::{Maintainer, Metadata};
use crate::{decode, yaml};

const FILE: &str = "Chart.yaml";

/// What a rule says.
type Outcome = Result<(), String>;

pub(super) fn check(chart: &LintChart<'_>, report: &mut LintReport) {
    let is_folder = chart.files.is_dir(&chart.path(FILE)).unwrap_or(false);
    if is_folder {
        report.add(Severity::Error, FILE, "should be a file, not a directory");
    }
    let (raw, metadata) = match read(chart, is_folder) {
        Ok(Some(found)) => found,
        Ok(None) => return,
        Err(text) => {
            report.add(Severity::Error, FILE, format!("unable to parse YAML\n\t{text}"));
            return;
        }
    };
    let mut error = |outcome| report.check(Severity::Error, FILE, outcome);
    error(name(&metadata));
    error(api_version(&metadata));
    error(is_text(&raw, "version"));
    error(version(&metadata));
    error(is_text(&raw, "appVersion"));
    error(maintainers(&metadata, &raw));
    error(sources(&metadata));
    if metadata.icon.is_empty() {
        report.add(Severity::Info, FILE, "icon is recommended");
    }
    let mut error = |outcome| report.check(Severity::Error, FILE, outcome);
    error(icon(&metadata));
    error(chart_type(&metadata));
    error(dependencies(&metadata));
}

/// The file as it is and as it is understood; nothing where a chart need not have it.
fn read(chart: &LintChart<'_>, is_folder: bool) -> Result<Option<(Value, Metadata)>, String> {
    let Some(text) = chart.read(FILE) else {
        if matches!(chart.profile, Profile::Werf { .. }) && !is_folder {
            return Ok(None);
        }
        let path = format!("{}/{FILE}", chart.shown_dir);
        return Err(if is_folder {
            format!("read {path}: is a directory")
        } else {
            format!("open {path}: no such file or directory")
        });
    };
    let raw = yaml::to_json(&text).map_err(|error| error.to_string())?;
    let mut metadata = Metadata::default();
    metadata.read(&raw).map_err(|error| error.to_string())?;
    if let Profile::Werf { name, version, .. } = &chart.profile {
        // What the project says stands in for what the file leaves out.
        if metadata.name.is_empty() {
            metadata.name.clone_from(name);
        }
        if metadata.version.is_empty() {
            metadata.version = version.clone().unwrap_or_else(|| "1.0.0".to_owned());
        }
    }
    Ok(Some((raw, metadata)))
}

fn name(metadata: &Metadata) -> Outcome {
    let name = &metadata.name;
    if name.is_empty() {
        return Err("name is required".to_owned());
    }
    // Go: the base of a name that is no path is the name itself.
    if name.contains('/') && name != "/" {
        return Err(format!("chart name {} is invalid", quote_str(name.as_bytes())));
    }
    Ok(())
}

fn api_version(metadata: &Metadata) -> Outcome {
    let rule = "The value must be either \"v1\" or \"v2\"";
    match metadata.api_version.as_str() {
        "v1" | "v2" => Ok(()),
        "" => Err(format!("apiVersion is required. {rule}")),
        other => Err(format!("apiVersion '{other}' is not valid. {rule}")),
    }
}

fn is_text(raw: &Value, key: &str) -> Outcome {
    let found = match raw.get(key) {
        None | Some(Value::String(_)) => return Ok(()),
        Some(Value::Null) => "<nil>",
        Some(Value::Bool(_)) => "bool",
        Some(Value::Number(_)) => "float64",
        Some(Value::Array(_)) => "[]interface {}",
        Some(Value::Object(_)) => "map[string]interface {}",
    };
    Err(format!("{key} should be of type string but it's of type {found}"))
}

fn version(metadata: &Metadata) -> Outcome {
    const LOWEST: &str = "0.0.0-0";
    let text = &metadata.version;
    if text.is_empty() {
        return Err("version is required".to_owned());
    }
    let Ok(version) = Version::parse(text) else {
        return Err(format!("version '{text}' is not a valid SemVer"));
    };
    if semver::satisfies(&format!(">{LOWEST}"), text) == Ok(false) {
        return Err(format!(
            "version \"{version}\" is less than or equal to \"{LOWEST}\""
        ));
    }
    Ok(())
}

fn maintainers(metadata: &Metadata, raw: &Value) -> Outcome {
    let entries = raw
        .as_object()
        .and_then(|object| decode::field(object, "maintainers"))
        .and_then(Value::as_array);
    for (at, Maintainer { name, email, url }) in metadata.maintainers.iter().enumerate() {
        if entries.and_then(|entries| entries.get(at)) == Some(&Value::Null) {
            return Err("a maintainer entry is empty".to_owned());
        }
        if name.is_empty() {
            return Err("each maintainer requires a name".to_owned());
        }
        if !email.is_empty() && !is_email(email) {
            return Err(format!("invalid email '{email}' for maintainer '{name}'"));
        }
        if !url.is_empty() && !is_web_address(url) {
            return Err(format!("invalid url '{url}' for maintainer '{name}'"));
        }
    }
    Ok(())
}

fn sources(metadata: &Metadata) -> Outcome {
    match metadata.sources.iter().find(|source| !is_request_url(source)) {
        Some(source) => Err(format!("invalid source URL '{source}'")),
        None => Ok(()),
    }
}

fn icon(metadata: &Metadata) -> Outcome {
    let icon = &metadata.icon;
    if icon.is_empty() || is_request_url(icon) {
        Ok(())
    } else {
        Err(format!("invalid icon URL '{icon}'"))
    }
}

fn chart_type(metadata: &Metadata) -> Outcome {
    let found = &metadata.api_version;
    if metadata.chart_type.is_empty() || found == "v2" {
        return Ok(());
    }
    Err(format!(
        "chart type is not valid in apiVersion '{found}'. It is valid in apiVersion 'v2'"
    ))
}

fn dependencies(metadata: &Metadata) -> Outcome {
    let found = &metadata.api_version;
    if metadata.dependencies.is_empty() || found == "v2" {
        return Ok(());
    }
    Err(format!(
        "dependencies are not valid in the Chart file with apiVersion '{found}'. They are valid in apiVersion 'v2'"
    ))
}
