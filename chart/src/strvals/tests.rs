use super::*;

enum Form {
    Set,
    Text,
    Json,
    Literal,
}

fn run(start: &str, line: &str, form: &Form) -> Result<Map, StrvalsError> {
    let start: serde_json::Value = serde_json::from_str(start).expect("valid JSON");
    let values = Value::from_json(&start).as_map().expect("a table").clone();
    let reading = match form {
        Form::Set => Reading::Typed,
        Form::Text => Reading::Text,
        Form::Json => Reading::Json,
        Form::Literal => Reading::Literal,
    };
    apply(line, &values, reading).map(|()| values)
}

/// `want` is the table as Rust's `Debug` prints it, types included, or the error's text.
#[track_caller]
fn check(form: &Form, line: &str, want: &str) {
    check_onto("{}", form, line, want);
}

#[track_caller]
fn check_onto(start: &str, form: &Form, line: &str, want: &str) {
    let got = match run(start, line, form) {
        Ok(values) => Value::Map(values).to_json().to_string(),
        Err(error) => error.to_string(),
    };
    assert_eq!(got, want, "{line}");
}

#[test]
fn scalars() {
    check(
        &Form::Set,
        "a=1,b=two,c=3.5,d=true,e=FALSE,f=null",
        r#"{"a":1,"b":"two","c":"3.5","d":true,"e":false,"f":null}"#,
    );
    check(
        &Form::Set,
        "a=007,b=0,c=-1,d=+5",
        r#"{"a":"007","b":0,"c":-1,"d":5}"#,
    );
    check(&Form::Set, "a=", r#"{"a":""}"#);
    check(&Form::Set, "a=,b=1", r#"{"a":"","b":1}"#);
    check(
        &Form::Set,
        r"a=one\,two,b\.c=1,d=x\=y",
        r#"{"a":"one,two","b.c":1,"d":"x=y"}"#,
    );
    check(&Form::Set, "a==b", r#"{"a":"=b"}"#);
    check(
        &Form::Text,
        "a=1,b=true,c=null",
        r#"{"a":"1","b":"true","c":"null"}"#,
    );
}

#[test]
fn whole_numbers_are_int64() {
    let values = run("{}", "n=5", &Form::Set).expect("a valid line");
    assert_eq!(values.get("n").expect("set").type_name(), "int64");
}

#[test]
fn lists() {
    check(&Form::Set, "a={1,two,true}", r#"{"a":[1,"two",true]}"#);
    check(&Form::Set, "a={},b=1", r#"{"a":[""],"b":1}"#);
    check(&Form::Set, "a={1,2},b=3", r#"{"a":[1,2],"b":3}"#);
    check(&Form::Set, "a[0]=1,a[2]=3", r#"{"a":[1,null,3]}"#);
    check(
        &Form::Set,
        "a[0].b=1,a[0].c=2,a[1].b=3",
        r#"{"a":[{"b":1,"c":2},{"b":3}]}"#,
    );
    check(&Form::Set, "a[0][1]=x", r#"{"a":[[null,"x"]]}"#);
    check_onto(r#"{"a":["x","y"]}"#, &Form::Set, "a[1]=z", r#"{"a":["x","z"]}"#);
    check(&Form::Set, "a={1,2", "list must terminate with '}'");
    check(
        &Form::Set,
        "a[x]=1",
        r#"error parsing index: strconv.Atoi: parsing "x": invalid syntax"#,
    );
    check(&Form::Set, "a[-1]=1", "negative -1 index not allowed");
    check(
        &Form::Set,
        "a[65537]=1",
        "index of 65537 is greater than maximum supported index of 65536",
    );
    check(
        &Form::Set,
        "a[0]b=1",
        "unexpected data at end of array index: ['b']",
    );
    check(&Form::Set, "a[0]", r#"{"a":[]}"#);
}

#[test]
fn nested_names() {
    check(&Form::Set, "a.b.c=1,a.b.d=2", r#"{"a":{"b":{"c":1,"d":2}}}"#);
    check_onto(r#"{"a":{"b":1}}"#, &Form::Set, "a.c=2", r#"{"a":{"b":1,"c":2}}"#);
    check(&Form::Set, "a.b", r#"key "b" has no value"#);
    check(&Form::Set, "a.=1", r#"key map "a" has no value"#);
    check(&Form::Set, "a", r#"key "a" has no value"#);
    check(&Form::Set, "a,b=1", r#"key "a" has no value (cannot end with ,)"#);
    check_onto(
        r#"{"a":"text"}"#,
        &Form::Set,
        "a.b=1",
        "unable to parse key: interface conversion: interface {} is string, not map[string]interface {}",
    );
    check_onto(
        r#"{"a":null}"#,
        &Form::Set,
        "a[0]=1",
        "unable to parse key: interface conversion: interface {} is nil, not []interface {}",
    );
    let deep = vec!["a"; 32].join(".") + "=1";
    check(
        &Form::Set,
        &deep,
        "value name nested level is greater than maximum supported nested level of 30",
    );
}

#[test]
fn json() {
    check(
        &Form::Json,
        r#"a={"b":[1,"x"]},c=null, d=2"#,
        r#"{" d":2,"a":{"b":[1,"x"]},"c":null}"#,
    );
    check(
        &Form::Json,
        r#"a[1]={"b":1},c="#,
        r#"{"a":[null,{"b":1}],"c":null}"#,
    );
    check(&Form::Json, r#"a="x" , b=true"#, r#"{" b":true,"a":"x"}"#);
    let values = run("{}", "n=5", &Form::Json).expect("a valid line");
    assert_eq!(values.get("n").expect("set").type_name(), "float64");
}

#[test]
fn literals() {
    check(
        &Form::Literal,
        r"a.b=one,two={three}\n",
        r#"{"a":{"b":"one,two={three}\\n"}}"#,
    );
    check(&Form::Literal, "a[1]=x,y", r#"{"a":[null,"x,y"]}"#);
}

#[test]
fn files() {
    let values = Map::new();
    let mut paths = Vec::new();
    let mut read = |path: &str| {
        paths.push(path.to_owned());
        Ok(Value::from("content"))
    };
    apply("a=x.txt,b.c=y.txt", &values, Reading::With(&mut read)).expect("a valid line");
    assert_eq!(paths, ["x.txt", "y.txt"]);
    assert_eq!(
        Value::Map(values).to_json().to_string(),
        r#"{"a":"content","b":{"c":"content"}}"#
    );
}
