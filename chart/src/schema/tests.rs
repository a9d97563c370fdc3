use super::*;
use serde_json::json;

#[track_caller]
fn check(schema: &Value, values: &Value, want: &str) {
    let judgement = judge(schema.to_string().as_bytes(), values);
    let warnings = judgement.warnings.iter().map(ToString::to_string);
    let mut got: String = warnings.map(|text| format!("{text}\n")).collect();
    got.push_str(judgement.refused.as_deref().unwrap_or("accepted"));
    assert_eq!(got, want, "{schema} {values}");
}

#[test]
fn types_and_limits() {
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "integer", "minimum": 1, "maximum": 65535},
        "b": {"type": ["null", "string"], "minLength": 2},
        "c": {"enum": ["x", 1, null]},
    }});
    check(&schema, &json!({"a": 5.0, "b": null, "c": 1}), "accepted");
    check(
        &schema,
        &json!({"a": 1.5}),
        "- at '/a': got number, want integer\n",
    );
    check(
        &schema,
        &json!({"a": 70_000}),
        "- at '/a': maximum: got 70,000, want 65,535\n",
    );
    check(&schema, &json!({"a": 0}), "- at '/a': minimum: got 0, want 1\n");
    check(
        &schema,
        &json!({"b": "x", "c": "y"}),
        "- at '/b': minLength: got 1, want 2\n- at '/c': value must be one of 'x', 1, <nil>\n",
    );
    check(
        &schema,
        &json!({"b": 5}),
        "- at '/b': got number, want null or string\n",
    );
}

#[test]
fn objects_and_lists() {
    let schema = json!({"required": ["p", "q"], "additionalProperties": false, "properties": {"p": {}, "l": {"items": {"type": "string"}, "uniqueItems": true}}});
    check(
        &schema,
        &json!({"x": 1, "l": ["a", "a"]}),
        "- at '': missing properties 'p', 'q'\n- at '/l': items at 0 and 1 are equal\n- at '': additional properties 'x' not allowed\n",
    );
    check(
        &json!({"patternProperties": {"^a": false}}),
        &json!({"ab": 1}),
        "- at '/ab': false schema\n",
    );
}

#[test]
fn references() {
    let schema =
        json!({"properties": {"x": {"$ref": "#/definitions/q"}}, "definitions": {"q": {"type": "string"}}});
    check(&schema, &json!({"x": 1}), "- at '/x': got number, want string\n");
    let remote = json!({"properties": {"x": {"$ref": "https://example.com/s.json"}}});
    check(
        &remote,
        &json!({"x": 1}),
        "it refers to https://example.com/s.json, which is not read: what is there takes everything\naccepted",
    );
    check(
        &json!({"$ref": "#"}),
        &json!({}),
        "- at '': both /$ref and  resolve to \"file:///values.schema.json#\" causing reference cycle\n",
    );
}

#[test]
fn combinations() {
    let schema = json!({"properties": {
        "any": {"anyOf": [{"type": "string"}, {"minimum": 5, "type": "number"}]},
        "one": {"oneOf": [{"type": "number"}, {"minimum": 1}]},
        "not": {"not": {"type": "string"}},
        "if": {"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 5}},
    }});
    check(
        &schema,
        &json!({"any": 1}),
        "- at '/any': 'anyOf' failed\n  - at '/any': got number, want string\n  - at '/any': minimum: got 1, want 5\n",
    );
    check(
        &schema,
        &json!({"one": 5}),
        "- at '/one': 'oneOf' failed, subschemas 0, 1 matched\n",
    );
    check(&schema, &json!({"not": "x"}), "- at '/not': 'not' failed\n");
    check(
        &schema,
        &json!({"if": "x"}),
        "- at '/if': minLength: got 1, want 2\n",
    );
    check(&schema, &json!({"if": 1}), "- at '/if': minimum: got 1, want 5\n");
}
