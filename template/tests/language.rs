//! The template language against Go's own answers: every case of `golden/language/*.jsonl` was answered by the
//! oracle beside them (Go 1.26.8, text/template). `cases` were written by hand, `random` made from fragments.

use std::{any::Any, rc::Rc};

use kiel_template::{
    MissingKey, Options, TemplateSet, Value,
    value::{
        ANY_MAP, ANY_SLICE, ErrorValue, Function, Functions, IntKind, Kind, List, Map, MapType, Object,
        STRING_MAP, STRING_SLICE, Str, Type, UintKind,
    },
};

/// Frames of a debug build are large, and Go's limits are deep.
const STACK: usize = 512 << 20;

struct Color(i64);

impl Object for Color {
    fn type_name(&self) -> &'static str {
        "main.color"
    }

    fn kind(&self) -> Kind {
        Kind::Int(IntKind::Int)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Function> {
        (name == "Next").then(|| Function::new("Next", &[], move |_, _| Ok(Value::object(Self(self.0 + 1)))))
    }

    fn text(&self) -> Option<Str> {
        Some(format!("color-{}", self.0).into())
    }

    fn integer(&self) -> Option<i64> {
        Some(self.0)
    }
}

struct Point {
    x: i64,
    y: i64,
    pointer: bool,
}

impl Object for Point {
    fn type_name(&self) -> &'static str {
        if self.pointer { "*main.point" } else { "main.point" }
    }

    fn kind(&self) -> Kind {
        if self.pointer { Kind::Ptr } else { Kind::Struct }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Function> {
        match name {
            "Sum" => Some(Function::new("Sum", &[Type::INT], move |_, args| {
                Ok(Value::int(self.x + self.y + args[0].as_int().unwrap_or(0)))
            })),
            "Fail" => Some(Function::new("Fail", &[], |_, _| Err("point failed".into()))),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("X", Value::int(self.x)), ("Y", Value::int(self.y))]
    }
}

static VALUES: MapType = MapType {
    name: "main.values",
    defined: true,
    elem: Type::Any,
    method: |value, name| {
        let map = value.as_map()?.clone();
        (name == "Table").then(|| {
            Function::new("Table", &[Type::String], move |_, args| {
                Ok(map
                    .get(args[0].as_bytes().unwrap_or_default())
                    .unwrap_or_default())
            })
        })
    },
};

fn int(value: &Value) -> i64 {
    value.as_int().expect("checked by the signature")
}

fn functions() -> Functions {
    let mut set = Functions::new();
    set.add_variadic("dict", &[], Type::Any, |_, args| {
        let map = Map::new();
        for pair in args.chunks_exact(2) {
            let Some(key) = pair[0].as_string() else {
                let name = if pair[0].is_nil() {
                    "nil"
                } else {
                    pair[0].type_name()
                };
                return Err(format!("interface conversion: interface {{}} is {name}, not string").into());
            };
            map.insert(key, pair[1].clone());
        }
        Ok(Value::Map(map))
    });
    set.add_variadic("list", &[], Type::Any, |_, args| Ok(Value::list(args.to_vec())));
    set.add_variadic("strs", &[], Type::String, |_, args| {
        Ok(Value::List(List::typed(&STRING_SLICE, args.to_vec())))
    });
    set.add_variadic("ints", &[], Type::INT, |_, args| {
        Ok(Value::ints(args.iter().map(int)))
    });
    set.add("bytes", &[Type::String], |_, args| {
        Ok(Value::from_bytes(args[0].as_bytes().unwrap_or_default()))
    });
    set.add("i64", &[Type::INT], |_, args| Ok(Value::int64(int(&args[0]))));
    set.add("u8", &[Type::INT], |_, args| {
        Ok(Value::Uint(u64::from(int(&args[0]) as u8), UintKind::Uint8))
    });
    set.add("u64", &[Type::INT], |_, args| {
        Ok(Value::Uint(int(&args[0]) as u64, UintKind::Uint64))
    });
    set.add("smap", &[Type::String, Type::String], |_, args| {
        let key = Str::from(args[0].as_bytes().unwrap_or_default());
        Ok(Value::Map(Map::typed(
            &STRING_MAP,
            [(key, args[1].clone())].into(),
        )))
    });
    set.add("nilmap", &[], |_, _| Ok(Value::Map(Map::nil(&ANY_MAP))));
    set.add("nillist", &[], |_, _| Ok(Value::List(List::nil(&ANY_SLICE))));
    set.add("set", &[Type::ANY_MAP, Type::String, Type::Any], |_, args| {
        let map = args[0].as_map().expect("checked by the signature");
        if !map.insert(args[1].as_bytes().unwrap_or_default(), args[2].clone()) {
            return Err("assignment to entry in nil map".into());
        }
        Ok(args[0].clone())
    });
    for (name, param) in [
        ("str", Type::String),
        ("num", Type::INT),
        ("flt", Type::Float64),
        ("boo", Type::Bool),
        ("uin", Type::Uint(UintKind::Uint)),
        ("cpx", Type::Complex128),
        ("any", Type::Any),
    ] {
        set.add(name, &[param], |_, args| Ok(args[0].clone()));
    }
    set.add("size", &[Type::ANY_MAP], |_, args| {
        Ok(Value::int(args[0].as_map().map_or(0, Map::len) as i64))
    });
    set.add("first", &[Type::ANY_SLICE], |_, args| {
        args[0]
            .as_list()
            .and_then(|list| list.get(0))
            .ok_or_else(|| "runtime error: index out of range [0] with length 0".into())
    });
    set.add("fail", &[Type::String], |_, args| {
        Err(args[0]
            .as_string()
            .map(ToString::to_string)
            .unwrap_or_default()
            .into())
    });
    set.add("boom", &[], |_, _| Err("boom".into()));
    set.add("two", &[Type::String, Type::INT], |_, args| {
        Ok(kiel_template::format::sprintf(b"%s-%d", args).into())
    });
    set.add_variadic("many", &[Type::String], Type::INT, |_, args| {
        let rest = Value::ints(args[1..].iter().map(int));
        Ok(kiel_template::format::sprintf(b"%s%v", &[args[0].clone(), rest]).into())
    });
    set.add("err", &[Type::String], |_, args| {
        Ok(Value::object(ErrorValue(
            args[0].as_bytes().unwrap_or_default().into(),
        )))
    });
    set.add("color", &[Type::INT], |_, args| {
        Ok(Value::object(Color(int(&args[0]))))
    });
    for (name, pointer) in [("point", false), ("ppoint", true)] {
        set.add(name, &[Type::INT, Type::INT], move |_, args| {
            let (x, y) = (int(&args[0]), int(&args[1]));
            Ok(Value::object(Point { x, y, pointer }))
        });
    }
    set.add(
        "takespt",
        &[Type::Named("main.point", Kind::Struct)],
        |_, args| {
            Ok(Value::int(
                args[0].downcast::<Point>().expect("checked by the signature").x,
            ))
        },
    );
    set.add("values", &[Type::ANY_MAP], |_, args| {
        Ok(Value::Map(
            args[0]
                .as_map()
                .expect("checked by the signature")
                .with_type(&VALUES),
        ))
    });
    set.add("fn", &[], |_, _| {
        Ok(Value::Func(Function::new(
            "fn",
            &[Type::INT, Type::INT],
            |_, args| Ok(Value::int(int(&args[0]) * 10 + int(&args[1]))),
        )))
    });
    set.add("kind", &[Type::Any], |_, args| Ok(args[0].type_name().into()));
    set.add("truncate", &[Type::INT, Type::String], |_, args| {
        let text = args[1].as_bytes().unwrap_or_default();
        Ok(text[..int(&args[0]) as usize].to_vec().into())
    });
    set.add("include", &[Type::String, Type::Any], |call, args| {
        let name = args[0].as_bytes().unwrap_or_default().into();
        Ok(call.include(&name, &args[1])?.into())
    });
    set.add("tpl", &[Type::String, Type::Any], |call, args| {
        let text = args[0].as_bytes().unwrap_or_default().into();
        Ok(call.tpl(&text, &args[1])?.into())
    });
    set
}

fn render(case: &serde_json::Value, data: &serde_json::Value) -> Result<Vec<u8>, String> {
    let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let mut set = TemplateSet::new(Options {
        name: "gotpl".into(),
        left: text("left"),
        right: text("right"),
        missing_key: match case["missingkey"].as_str() {
            Some("zero") => MissingKey::Zero,
            Some("error") => MissingKey::Error,
            _ => MissingKey::Default,
        },
        functions: functions(),
        stack_budget: STACK - (1 << 20),
    });
    for (name, text) in case["others"].as_object().into_iter().flatten() {
        set.parse(name, text.as_str().unwrap_or_default())
            .map_err(|error| error.to_string())?;
    }
    set.parse("t.yaml", text("template"))
        .map_err(|error| error.to_string())?;
    set.execute_bytes("t.yaml", &Value::from_json(case.get("data").unwrap_or(data)))
        .map_err(|error| error.to_string())
}

fn want(case: &serde_json::Value) -> Result<Vec<u8>, String> {
    if let Some(error) = case["error"].as_str() {
        return Err(error.to_owned());
    }
    Ok(match case["output_hex"].as_str() {
        Some(digits) => hex::decode(digits).expect("the oracle writes hex"),
        None => case["output"].as_str().unwrap_or_default().as_bytes().to_vec(),
    })
}

fn check_all() -> Vec<String> {
    let data = include_str!("golden/language/oracle/data.json");
    let data: serde_json::Value = serde_json::from_str(data).expect("the data is JSON");
    let cases = [
        include_str!("golden/language/cases.jsonl"),
        include_str!("golden/language/random.jsonl"),
    ]
    .concat();
    let mut failures = Vec::new();
    for line in cases.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("a case is a line of JSON");
        let (got, want) = (render(&case, &data), want(&case));
        if got != want {
            let shown = |result: Result<Vec<u8>, String>| match result {
                Ok(bytes) => format!("output {}", String::from_utf8_lossy(&bytes)),
                Err(error) => format!("error  {error}"),
            };
            failures.push(format!(
                "{}\n  got  {}\n  want {}",
                case["template"],
                shown(got),
                shown(want)
            ));
        }
    }
    assert!(cases.lines().count() > 1_500, "the goldens are gone");
    failures
}

#[test]
fn templates_answer_as_in_go() {
    let thread = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(check_all)
        .unwrap();
    let failures = thread.join().unwrap();
    assert!(
        failures.is_empty(),
        "{} cases differ\n{}",
        failures.len(),
        failures.join("\n")
    );
}
