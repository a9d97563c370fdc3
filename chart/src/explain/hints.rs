//! Hints for the common mistakes, found by the words of the message.

use crate::function_names::HELM_FUNCTIONS;
use crate::model::Chart;

/// Go's own functions.
const BUILTINS: [&str; 18] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print",
    "printf", "println", "urlquery",
];

/// What would mend a template. `whole` is Helm's text, `own` that of the innermost template.
pub(super) fn of_template(whole: &str, own: &str, chart: &Chart) -> Option<String> {
    let between = |start: &str, end: &str| {
        let at = own.find(start)? + start.len();
        Some(&own[at..at + own[at..].find(end)?])
    };
    if own.contains("nil pointer evaluating") {
        let action = between(" at <", ">: ")?;
        let field = own.rsplit('.').next().unwrap_or_default();
        let parent = parent_of(action, field)?;
        return Some(format!(
            "`{parent}` is not set: set it, or guard the place with `{{{{ with {parent} }}}}` or `({parent}).{field}`"
        ));
    }
    if let Some(name) = between("function \"", "\" not defined") {
        return Some(
            match closest(name, HELM_FUNCTIONS.iter().chain(&BUILTINS).copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!(
                    "Helm has no function `{name}`; a named template is called by `include \"{name}\" .`"
                ),
            },
        );
    }
    if let Some(name) =
        between("no template \"", "\" associated").or_else(|| between("template \"", "\" not defined"))
    {
        let defined = defined_names(chart);
        return Some(match closest(name, defined.iter().map(String::as_str)) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!(
                "no file defines `{name}`; is the chart that does so in charts/, and not switched off?"
            ),
        });
    }
    if let Some(name) = between("undefined variable \"", "\"") {
        return Some(format!(
            "`{name}` is seen only up to the `end` of the block that declares it, and not in `define`; declare it before the block and assign by `=`"
        ));
    }
    if let Some((_, types)) = own.split_once("incompatible types for comparison") {
        if !types.contains("float64") {
            return Some(
                "the two are of different types: convert one of them, by `int`, `float64` or `toString`"
                    .to_owned(),
            );
        }
        return Some("numbers of values files are float64: compare with `(int .Values.x)`, or write the other side as 5.0".to_owned());
    }
    if let Some(wanted) = between("wrong type for value; expected ", "; got ") {
        return Some(match wanted {
            "string" => "make it a text: quote the value in the values file, or use `toString`".to_owned(),
            "int" | "int64" => "numbers of values files are float64: use `int`".to_owned(),
            wanted => format!("the function takes a {wanted}"),
        });
    }
    if own.contains("can't evaluate field") {
        return Some(
            "the value before the last point is no map: look at what is set there, or index it by `index`"
                .to_owned(),
        );
    }
    if own.contains("range can't iterate over") {
        return Some(
            "`range` takes lists, maps and whole numbers; use `int` for a number, `list` for one value"
                .to_owned(),
        );
    }
    if whole.starts_with("parse error") && own.contains("unexpected EOF") {
        return Some("an `if`, `with`, `range`, `define` or `block` has no `{{ end }}`".to_owned());
    }
    if own.contains("unexpected {{end}}") {
        return Some("there is one `{{ end }}` too many".to_owned());
    }
    if own.contains("unclosed action") || own.contains("unterminated quoted string") {
        return Some("the action that begins here has no `}}`, or a quote in it is not closed".to_owned());
    }
    if own.contains("bad character U+002D") {
        return Some("names with `-` are read by `index .Values \"the-name\"`".to_owned());
    }
    if own.contains("nested reference name") {
        return Some("the template includes itself, maybe by way of others".to_owned());
    }
    None
}

/// What would mend a template that wrote no YAML.
pub(super) fn of_manifest(problem: &str, template: &str) -> Option<String> {
    let inline = template.lines().find(|line| {
        (line.contains("toYaml") || line.contains("include"))
            && !line.contains("indent")
            && line.trim_start().starts_with(|c: char| c != '{' && c != '#')
            && line.contains(": {{")
    });
    if let Some(line) = inline {
        return Some(format!(
            "`{}` puts lines behind a key: write `{{{{- toYaml … | nindent N }}}}` with the depth of the place",
            line.trim()
        ));
    }
    if template.contains("| indent") && !template.contains("| nindent") {
        return Some(
            "`indent` also moves the first line: stand it at the line's start, or use `nindent`".to_owned(),
        );
    }
    if problem.contains("mapping values are not allowed") {
        return Some(
            "a text with `: ` in it needs quotes: use `quote`; or the lines before it are indented wrongly"
                .to_owned(),
        );
    }
    (problem.contains("did not find expected") || problem.contains("could not find expected"))
        .then(|| "look at the indentation around this line; --debug prints the document".to_owned())
}

/// The path and the problem of each line of a schema's errors.
pub(super) fn schema_problems(text: &str) -> Vec<(Vec<String>, String)> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("- at '"));
    let problems = lines.filter_map(|line| line.split_once("': "));
    problems
        .map(|(path, problem)| {
            let names = path.split('/').filter(|name| !name.is_empty());
            let names = names.map(|name| name.replace("~1", "/").replace("~0", "~"));
            (names.collect(), problem.to_owned())
        })
        .collect()
}

/// The path behind `.Values` that a message or its line is about.
pub(super) fn value_path(message: &str, line: &str) -> Option<Vec<String>> {
    let action = message.find(" at <").map_or("", |at| &message[at + 5..]);
    let action = action.split(">: ").next().unwrap_or_default();
    let text = [action, line]
        .into_iter()
        .find(|text| text.contains(".Values."))?;
    let start = text.find(".Values.")? + ".Values.".len();
    let path: &str = text[start..]
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
        .next()?;
    let names: Vec<String> = path
        .split('.')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    (!names.is_empty()).then_some(names)
}

/// What stands before `.field` in an action.
fn parent_of(action: &str, field: &str) -> Option<String> {
    let at = action.rfind(&format!(".{field}"))?;
    let parent = &action[..at];
    let start = parent.rfind([' ', '(']).map_or(0, |at| at + 1);
    (!parent[start..].is_empty()).then(|| parent[start..].to_owned())
}

/// The names that the charts' templates define.
fn defined_names(chart: &Chart) -> Vec<String> {
    let mut names = Vec::new();
    for file in &chart.templates {
        let text = String::from_utf8_lossy(&file.data);
        for part in text.split("define \"").skip(1) {
            names.extend(part.split_once('"').map(|(name, _)| name.to_owned()));
        }
    }
    for dependency in &chart.dependencies {
        names.extend(defined_names(dependency));
    }
    names
}

/// The name that is fewest changes away, if they are few.
fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let few = 1 + name.chars().count() / 4;
    known
        .map(|known| (distance(name, known), known))
        .filter(|(distance, _)| *distance <= few)
        .min()
        .map(|(_, known)| known)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
