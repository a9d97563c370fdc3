//! `.Files`: a chart's other files in templates.

use std::collections::BTreeMap;

use kiel_template::Value;
use kiel_template::files::Content;
use kiel_template::value::{BYTE_SLICE, Entries, Function, Map, MapType, Str, Type};

use crate::glob::Glob;
use crate::model::File;

/// Helm's type of `.Files`.
static FILES: MapType = MapType {
    name: "engine.files",
    defined: true,
    elem: Type::Slice(&BYTE_SLICE),
    method: files_method,
};

/// `.Files` of a chart with these files.
pub(crate) fn files_value(files: &[File]) -> Value {
    let entries = files
        .iter()
        .map(|file| (Str::from(file.name.as_str()), Value::Bytes(file.data.clone())));
    Value::Map(Map::typed(&FILES, entries.collect::<Entries>()))
}

fn files_method(files: &Value, name: &str) -> Option<Function> {
    let files = files.as_map()?.clone();
    let method = match name {
        "Get" => Function::new("Get", &[Type::String], move |_, args| {
            Ok(Value::Str(Str::from(&*content(&files, &args[0]))))
        }),
        "GetBytes" => Function::new("GetBytes", &[Type::String], move |_, args| {
            Ok(Value::Bytes(content(&files, &args[0])))
        }),
        "Glob" => Function::new("Glob", &[Type::String], move |_, args| {
            let glob = Glob::new(&String::from_utf8_lossy(args[0].as_bytes().unwrap_or_default()));
            let matching = files
                .to_vec()
                .into_iter()
                .filter(|(path, _)| glob.matches(&path.to_lossy()));
            Ok(Value::Map(Map::typed(&FILES, matching.collect::<Entries>())))
        }),
        "Lines" => Function::new("Lines", &[Type::String], move |_, args| {
            Ok(lines(&content(&files, &args[0])))
        }),
        "AsConfig" => Function::new("AsConfig", &[], move |_, _| {
            Ok(by_base_name(&files, |data| Value::Str(Str::from(data))))
        }),
        "AsSecrets" => Function::new("AsSecrets", &[], move |_, _| {
            use base64::Engine as _;
            Ok(by_base_name(&files, |data| {
                Value::from(base64::engine::general_purpose::STANDARD.encode(data))
            }))
        }),
        _ => return None,
    };
    Some(method)
}

/// The file's bytes; none for a missing file.
fn content(files: &Map, path: &Value) -> Content {
    match files.get(path.as_bytes().unwrap_or_default()) {
        Some(Value::Bytes(data)) => data,
        _ => Content::default(),
    }
}

/// Go: one line break at the end doesn't begin another line.
fn lines(data: &[u8]) -> Value {
    if data.is_empty() {
        return Value::strings(std::iter::empty::<Str>());
    }
    let data = data.strip_suffix(b"\n").unwrap_or(data);
    Value::strings(data.split(|byte| *byte == b'\n').map(Str::from))
}

/// A YAML table of the files by the last part of their paths; of equal ones the last path counts.
fn by_base_name(files: &Map, make: impl Fn(&[u8]) -> Value) -> Value {
    let mut table = BTreeMap::new();
    for (path, data) in files.to_vec() {
        let base = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if let Value::Bytes(data) = data {
            table.insert(Str::from(base), make(&data));
        }
    }
    let text = kiel_template::yaml::to_string(&Value::map(table)).unwrap_or_default();
    Value::from(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}
