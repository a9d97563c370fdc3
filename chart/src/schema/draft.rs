//! The drafts of JSON Schema: how each names itself, and where it has schemas within schemas.

use serde_json::{Map, Value};

/// A draft, by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Draft {
    V4,
    V6,
    V7,
    V2019,
    V2020,
}

/// Keywords with one schema, and the draft that brought each.
const ONE: &[(&str, Draft)] = &[
    ("not", Draft::V4),
    ("additionalProperties", Draft::V4),
    ("items", Draft::V4),
    ("additionalItems", Draft::V4),
    ("propertyNames", Draft::V6),
    ("contains", Draft::V6),
    ("if", Draft::V7),
    ("then", Draft::V7),
    ("else", Draft::V7),
    ("unevaluatedProperties", Draft::V2019),
    ("unevaluatedItems", Draft::V2019),
    ("contentSchema", Draft::V2019),
];
/// Keywords with a list of schemas.
const LISTS: &[(&str, Draft)] = &[
    ("allOf", Draft::V4),
    ("anyOf", Draft::V4),
    ("oneOf", Draft::V4),
    ("items", Draft::V4),
    ("prefixItems", Draft::V2020),
];
/// Keywords with a table of schemas.
const TABLES: &[(&str, Draft)] = &[
    ("definitions", Draft::V4),
    ("properties", Draft::V4),
    ("patternProperties", Draft::V4),
    ("dependencies", Draft::V4),
    ("$defs", Draft::V2019),
    ("dependentSchemas", Draft::V2019),
];
/// Keywords that hold schemas for others to refer to.
const SHELVES: [&str; 3] = ["definitions", "$defs", "contentSchema"];

impl Draft {
    pub(super) const ALL: [Self; 5] = [Self::V4, Self::V6, Self::V7, Self::V2019, Self::V2020];

    /// The draft of schemas that name none.
    pub(super) const LATEST: Self = Self::V2020;

    /// The address of its own schema.
    pub(super) fn url(self) -> &'static str {
        match self {
            Self::V4 => "http://json-schema.org/draft-04/schema",
            Self::V6 => "http://json-schema.org/draft-06/schema",
            Self::V7 => "http://json-schema.org/draft-07/schema",
            Self::V2019 => "https://json-schema.org/draft/2019-09/schema",
            Self::V2020 => "https://json-schema.org/draft/2020-12/schema",
        }
    }

    /// The draft that a `$schema` names.
    pub(super) fn named(url: &str) -> Option<Self> {
        let plain = |url: &str| {
            let url = url
                .strip_prefix("http://")
                .or_else(|| url.strip_prefix("https://"));
            url.map(str::to_owned)
        };
        let url = match url.split_once('#') {
            Some((url, "")) => url,
            Some(_) => return None,
            None => url,
        };
        let wanted = plain(url).unwrap_or_else(|| url.to_owned());
        if wanted == "json-schema.org/schema" {
            return Some(Self::LATEST);
        }
        Self::ALL
            .into_iter()
            .find(|draft| plain(draft.url()).is_some_and(|known| known == wanted))
    }

    /// The keyword by which a schema names itself.
    pub(super) fn id_keyword(self) -> &'static str {
        if self == Self::V4 { "id" } else { "$id" }
    }

    /// The address that a schema gives itself, without fragment. Older drafts ignore all that stands beside a `$ref`.
    pub(super) fn id_of(self, schema: &Map<String, Value>) -> Option<&str> {
        if self < Self::V2019 && schema.contains_key("$ref") {
            return None;
        }
        let id = schema.get(self.id_keyword())?.as_str()?;
        Some(id.split('#').next().unwrap_or_default()).filter(|id| !id.is_empty())
    }

    /// The schemas within a schema, each with the way to it. `shelves` are left out where values are held against them
    /// only by reference.
    pub(super) fn subschemas(self, schema: &Map<String, Value>, with_shelves: bool) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        let known = |table: &'static [(&str, Self)]| {
            table
                .iter()
                .filter(move |(name, since)| *since <= self && (with_shelves || !SHELVES.contains(name)))
                .filter_map(|(name, _)| Some((*name, schema.get(*name)?)))
        };
        for (name, value) in known(ONE) {
            found.push((format!("/{name}"), value));
        }
        for (name, value) in known(LISTS) {
            let items = value.as_array().into_iter().flatten().enumerate();
            found.extend(items.map(|(at, item)| (format!("/{name}/{at}"), item)));
        }
        for (name, value) in known(TABLES) {
            let entries = value.as_object().into_iter().flatten();
            found.extend(entries.map(|(key, item)| (format!("/{name}/{}", escaped(key)), item)));
        }
        found
    }
}

/// A name as a part of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
