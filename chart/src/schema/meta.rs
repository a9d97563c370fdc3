//! The schemas that schemas of each draft have to meet.
//!
//! They are put together from the keywords of each draft and the shapes that the specification gives these; they say the
//! same as the published ones, with their structure, which shows in messages.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::library::Library;

/// Keywords and their shapes, of drafts 4, 6 and 7 in common.
const OLD: &str = "$schema:uri title:text description:text default:any maximum:number minimum:number \
    maxLength:count minLength:count0 pattern:regex items:items maxItems:count minItems:count0 uniqueItems:flag \
    maxProperties:count minProperties:count0 required:texts definitions:table properties:table dependencies:either \
    type:types allOf:schemas anyOf:schemas oneOf:schemas not:schema format:text enum:choice";
const V4: &str = "id:text $ref:text multipleOf:above0 exclusiveMaximum:flag exclusiveMinimum:flag \
    additionalItems:switch additionalProperties:switch patternProperties:table";
const V6: &str = "$id:place $ref:place multipleOf:positive exclusiveMaximum:number exclusiveMinimum:number \
    additionalItems:schema additionalProperties:schema contains:schema propertyNames:schema const:any \
    patternProperties:table";
const V7: &str = "$comment:text readOnly:flag writeOnly:flag examples:list contentMediaType:text contentEncoding:text \
    if:schema then:schema else:schema patternProperties:patterns";
/// Those of the vocabularies of the two newer drafts.
const CORE: &str = "$schema:uri $ref:place $comment:text $defs:table $vocabulary:vocabulary";
const CORE_2019: &str = "$id:own $anchor:anchor2019 $recursiveRef:place $recursiveAnchor:flag";
const CORE_2020: &str = "$id:own $anchor:anchor $dynamicRef:place $dynamicAnchor:anchor";
const APPLICATOR: &str = "contains:schema additionalProperties:schema properties:table patternProperties:patterns \
    dependentSchemas:table propertyNames:schema if:schema then:schema else:schema allOf:schemas anyOf:schemas \
    oneOf:schemas not:schema";
const APPLICATOR_2019: &str =
    "additionalItems:schema items:items unevaluatedItems:schema unevaluatedProperties:schema";
const APPLICATOR_2020: &str = "prefixItems:schemas items:schema";
const UNEVALUATED: &str = "unevaluatedItems:schema unevaluatedProperties:schema";
const VALIDATION: &str = "multipleOf:positive maximum:number exclusiveMaximum:number minimum:number \
    exclusiveMinimum:number maxLength:count minLength:count0 pattern:regex maxItems:count minItems:count0 \
    uniqueItems:flag maxContains:count minContains:count maxProperties:count minProperties:count0 required:texts \
    dependentRequired:lists const:any enum:list type:types";
const META_DATA: &str =
    "title:text description:text default:any deprecated:flag readOnly:flag writeOnly:flag examples:list";
const FORMAT: &str = "format:text";
const CONTENT: &str = "contentMediaType:text contentEncoding:text contentSchema:schema";

static DOCUMENTS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let mut all = vec![
        (Draft::V4.url().to_owned(), old(Draft::V4)),
        (Draft::V6.url().to_owned(), old(Draft::V6)),
        (Draft::V7.url().to_owned(), old(Draft::V7)),
    ];
    new(Draft::V2019, &mut all);
    new(Draft::V2020, &mut all);
    all
});

static LIBRARY: LazyLock<Library<'static>> = LazyLock::new(|| {
    let mut library = Library::default();
    for draft in Draft::ALL {
        // They are right, as the tests show.
        drop(library.compile(draft.url()));
    }
    library
});

/// All of them, by reference resolved.
pub(super) fn library() -> &'static Library<'static> {
    &LIBRARY
}

/// The document at an address.
pub(super) fn document(url: &str) -> Option<&'static Value> {
    let found = DOCUMENTS.iter().find(|(known, _)| known == url);
    found.map(|(_, document)| document)
}

fn old(draft: Draft) -> Value {
    let mut properties = keywords(draft, OLD);
    if draft == Draft::V4 {
        properties.extend(keywords(draft, V4));
    } else {
        properties.extend(keywords(draft, V6));
    }
    if draft == Draft::V7 {
        properties.extend(keywords(draft, V7));
    }
    let kind = if draft == Draft::V4 {
        json!("object")
    } else {
        json!(["object", "boolean"])
    };
    let mut schema = json!({
        "$schema": draft.url(), "type": kind, "properties": properties, "definitions": definitions(draft),
    });
    if draft == Draft::V4 {
        schema["dependencies"] = json!({"exclusiveMaximum": ["maximum"], "exclusiveMinimum": ["minimum"]});
    }
    schema
}

fn new(draft: Draft, all: &mut Vec<(String, Value)>) {
    let (core, applicator) = match draft {
        Draft::V2019 => (CORE_2019, APPLICATOR_2019),
        _ => (CORE_2020, APPLICATOR_2020),
    };
    let mut parts = vec![
        ("core", format!("{CORE} {core}")),
        ("applicator", format!("{APPLICATOR} {applicator}")),
    ];
    if draft == Draft::V2020 {
        parts.push(("unevaluated", UNEVALUATED.to_owned()));
    }
    parts.push(("validation", VALIDATION.to_owned()));
    parts.push(("meta-data", META_DATA.to_owned()));
    let format = if draft == Draft::V2019 {
        "format"
    } else {
        "format-annotation"
    };
    parts.push((format, FORMAT.to_owned()));
    parts.push(("content", CONTENT.to_owned()));

    let base = draft.url().trim_end_matches("schema");
    let own = schema(draft);
    let mut root = json!({
        "$schema": draft.url(), "$id": draft.url(), "type": ["object", "boolean"],
        "allOf": parts.iter().map(|(name, _)| json!({"$ref": format!("meta/{name}")})).collect::<Vec<_>>(),
        "properties": {
            "definitions": {"type": "object", "additionalProperties": own},
            "dependencies": {"type": "object", "additionalProperties":
                {"anyOf": [own, {"$ref": "meta/validation#/$defs/texts"}]}},
        },
    });
    if draft == Draft::V2020 {
        root["properties"]["$recursiveAnchor"] = shape(draft, "anchor");
        root["properties"]["$recursiveRef"] = shape(draft, "place");
    }
    anchor(draft, &mut root);
    all.push((draft.url().to_owned(), root));
    for (name, words) in parts {
        let url = format!("{base}meta/{name}");
        let mut part = json!({
            "$schema": draft.url(), "$id": url, "type": ["object", "boolean"],
            "properties": keywords(draft, &words), "$defs": definitions(draft),
        });
        anchor(draft, &mut part);
        all.push((url, part));
    }
}

/// Lets references to "a schema" mean all vocabularies, wherever they stand.
fn anchor(draft: Draft, schema: &mut Value) {
    if draft == Draft::V2019 {
        schema["$recursiveAnchor"] = json!(true);
    } else {
        schema["$dynamicAnchor"] = json!("meta");
    }
}

fn keywords(draft: Draft, words: &str) -> Map<String, Value> {
    let words = words.split_whitespace().filter_map(|word| word.split_once(':'));
    words
        .map(|(name, kind)| (name.to_owned(), shape(draft, kind)))
        .collect()
}

/// A reference to "a schema".
fn schema(draft: Draft) -> Value {
    match draft {
        Draft::V2019 => json!({"$recursiveRef": "#"}),
        Draft::V2020 => json!({"$dynamicRef": "#meta"}),
        _ => json!({"$ref": "#"}),
    }
}

fn defined(draft: Draft, name: &str) -> Value {
    let shelf = if draft < Draft::V2019 {
        "definitions"
    } else {
        "$defs"
    };
    json!({"$ref": format!("#/{shelf}/{name}")})
}

fn definitions(draft: Draft) -> Value {
    let count0 = if draft < Draft::V2019 {
        json!({"allOf": [defined(draft, "count"), {"default": 0}]})
    } else {
        defined(draft, "count")
    };
    let mut texts = json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true});
    if draft == Draft::V4 {
        texts["minItems"] = json!(1);
    }
    json!({
        "schemas": {"type": "array", "minItems": 1, "items": schema(draft)},
        "count": {"type": "integer", "minimum": 0},
        "count0": count0,
        "kind": {"enum": ["array", "boolean", "integer", "null", "number", "object", "string"]},
        "texts": texts,
        "place": {"type": "string", "format": "uri-reference"},
    })
}

fn shape(draft: Draft, kind: &str) -> Value {
    let own = schema(draft);
    match kind {
        "schema" => own,
        "schemas" | "count" | "count0" | "texts" => defined(draft, kind),
        "table" => json!({"type": "object", "additionalProperties": own}),
        "patterns" => {
            json!({"type": "object", "additionalProperties": own, "propertyNames": {"format": "regex"}})
        }
        "lists" => json!({"type": "object", "additionalProperties": defined(draft, "texts")}),
        "either" => {
            json!({"type": "object", "additionalProperties": {"anyOf": [own, defined(draft, "texts")]}})
        }
        "items" => json!({"anyOf": [own, defined(draft, "schemas")]}),
        "switch" => json!({"anyOf": [{"type": "boolean"}, own]}),
        "types" => {
            let kinds = defined(draft, "kind");
            json!({"anyOf": [kinds, {"type": "array", "items": kinds, "minItems": 1, "uniqueItems": true}]})
        }
        "text" => json!({"type": "string"}),
        "uri" => json!({"type": "string", "format": "uri"}),
        "place" => json!({"type": "string", "format": "uri-reference"}),
        "own" if draft == Draft::V2019 => {
            json!({"type": "string", "format": "uri-reference", "pattern": "^[^#]*#?$"})
        }
        "own" => json!({"$ref": "#/$defs/place", "pattern": "^[^#]*#?$"}),
        "anchor2019" => json!({"type": "string", "pattern": "^[A-Za-z][-A-Za-z0-9.:_]*$"}),
        "anchor" => json!({"type": "string", "pattern": "^[A-Za-z_][-A-Za-z0-9._]*$"}),
        "vocabulary" => json!({"type": "object", "propertyNames": {"type": "string", "format": "uri"},
            "additionalProperties": {"type": "boolean"}}),
        "regex" => json!({"type": "string", "format": "regex"}),
        "number" => json!({"type": "number"}),
        "above0" => json!({"type": "number", "minimum": 0, "exclusiveMinimum": true}),
        "positive" => json!({"type": "number", "exclusiveMinimum": 0}),
        "flag" => json!({"type": "boolean"}),
        "list" => json!({"type": "array"}),
        "choice" => json!({"type": "array", "minItems": 1, "uniqueItems": true}),
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_of_schemas_can_be_used() {
        for draft in Draft::ALL {
            let mut library = Library::default();
            assert_eq!(library.compile(draft.url()), Ok(()), "{draft:?}");
        }
    }
}
