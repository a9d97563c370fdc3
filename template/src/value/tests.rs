use super::*;

#[test]
fn maps_are_references_and_deep_copies_are_not() {
    let map = Map::new();
    let holder = Value::map([("inner", Value::Map(map.clone()))]);
    let copy = holder.deep_copy();
    map.insert("a", Value::int(1));
    assert!(holder.at(&["inner", "a"]).is_some());
    assert!(copy.at(&["inner", "a"]).is_none());
}

#[test]
fn a_cycle_ends_every_walk() {
    // Values nest deeper here than a test thread's small stack takes; renders run on a large one.
    let walk = || {
        let map = Map::new();
        map.insert("self", Value::Map(map.clone()));
        let value = Value::Map(map.clone());
        let copy = value.deep_copy();
        let other = Map::new();
        other.insert("self", Value::Nil);
        let equal = (value.deep_equal(&copy), value.deep_equal(&Value::Map(other)));
        let json = value.to_json();
        map.remove("self");
        (equal, json.is_object())
    };
    let thread = std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(walk)
        .unwrap();
    assert_eq!(thread.join().unwrap(), ((true, false), true));
}

#[test]
fn types_are_named_as_in_go() {
    for (value, name, kind) in [
        (Value::Nil, "<nil>", "invalid"),
        (Value::int(1), "int", "int"),
        (Value::int64(1), "int64", "int64"),
        (Value::from(1.5), "float64", "float64"),
        (Value::from("x"), "string", "string"),
        (Value::list(vec![]), "[]interface {}", "slice"),
        (Value::strings(["a"]), "[]string", "slice"),
        (Value::map([("a", Value::Nil)]), "map[string]interface {}", "map"),
        (Value::from_bytes(b"x"), "[]uint8", "slice"),
        (
            Value::object(ErrorValue("x".into())),
            "*errors.errorString",
            "ptr",
        ),
    ] {
        assert_eq!(value.type_name(), name);
        assert_eq!(value.kind().to_string(), kind);
    }
}

#[test]
fn equality_respects_types_and_nil() {
    assert!(!Value::int(1).deep_equal(&Value::from(1.0)));
    assert!(!Value::strings(["a"]).deep_equal(&Value::list(vec!["a".into()])));
    assert!(!Value::Map(Map::nil(&ANY_MAP)).deep_equal(&Value::Map(Map::new())));
    assert!(
        Value::map([("a", Value::list(vec![Value::Nil]))])
            .deep_equal(&Value::map([("a", Value::list(vec![Value::Nil]))]))
    );
}

#[test]
fn json_round_trip_keeps_numbers() {
    let json = serde_json::json!({"a": [1, 2.5, null, "x"], "b": {"c": 123_456_789_012_i64}});
    assert_eq!(Value::from_json(&json).to_json(), json);
    for (float, text) in [
        (1e15, "1000000000000000"),
        (1_152_921_504_606_846_976.0, "1152921504606847000"),
        (1e19, "10000000000000000000"),
        (-3.0, "-3"),
        (f64::NAN, "null"),
    ] {
        assert_eq!(Value::Float(float).to_json().to_string(), text);
    }
}
