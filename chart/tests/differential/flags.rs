//! Random `--set`, `--set-string`, `--set-json` and `--set-literal`.

use serde_json::{Value, json};

use crate::random::Random;
use crate::values;

const MORE: &[char] = &[
    'a', 'b', '.', '.', '[', ']', '0', '1', '{', '}', ',', '=', '\\', ' ', '-', '"', 'é', '\n',
];

/// A question about flags on random values.
pub(crate) fn question(random: &mut Random) -> Value {
    let base = json!({
        "a": {"b": {"c": 1}, "l": [1, {"x": 2}, [3]]},
        "b": values::value(random, 2),
        "l": [{"n": 1}, "t", null],
        "n": null,
        "s": "text",
    });
    let mut question = json!({
        "template": "{{ printf \"%#v\" .Values }}\n{{ toYaml .Values }}",
        "values": base.to_string(),
    });
    for _ in 0..=random.below(2) {
        let (kind, line) = match random.below(4) {
            0 => ("setString", line(random)),
            1 => ("setJson", json_line(random)),
            2 => ("setLiteral", line(random)),
            _ => ("set", line(random)),
        };
        if let Some(Value::Array(lines)) = question
            .as_object_mut()
            .map(|all| all.entry(kind).or_insert(json!([])))
        {
            lines.push(line.into());
        }
    }
    question
}

fn line(random: &mut Random) -> String {
    let mut line = String::new();
    for at in 0..=random.below(3) {
        if at > 0 {
            line.push(',');
        }
        path(random, &mut line);
        line.push_str(random.word(&["=", "=", "=", "=", "=", "=", "", ".=", "[=", "=="]));
        item(random, &mut line);
    }
    if random.one_in(3) {
        random.mangled(&line, MORE)
    } else {
        line
    }
}

fn path(random: &mut Random, line: &mut String) {
    for at in 0..=random.below(3) {
        if at > 0 {
            line.push('.');
        }
        line.push_str(random.word(&[
            "a", "b", "c", "l", "n", "s", "x", "a\\.b", "k\\=v", "k\\,v", "", "é", "k v", "\\[0\\]",
        ]));
        if random.one_in(3) {
            line.push_str(random.word(&[
                "[0]", "[1]", "[2]", "[0][1]", "[-1]", "[x]", "[]", "[5]", "[65536]", "[65537]", "[ 1 ]",
                "[01]",
            ]));
        }
    }
}

fn item(random: &mut Random, line: &mut String) {
    match random.below(6) {
        0 => {
            line.push('{');
            for at in 0..random.below(4) {
                if at > 0 {
                    line.push(',');
                }
                item(random, line);
            }
            line.push_str(random.word(&["}", "}", "}", ""]));
        }
        1 => line.push_str(&values::text(random).replace(',', "\\,")),
        2 => line.push_str(&values::text(random)),
        _ => line.push_str(random.word(&[
            "1",
            "0",
            "-1",
            "01",
            "1.5",
            "1e3",
            "true",
            "TRUE",
            "false",
            "null",
            "NULL",
            "~",
            "",
            "a",
            "a b",
            "\"q\"",
            "0x1f",
            "9223372036854775807",
            "9223372036854775808",
            "a\\,b",
            "a\\=b",
            "a=b",
            "[1,2]",
            "{a: 1}",
            "a.b",
            "\\",
            "\\\\",
            "{}",
            "{",
            "}",
            "{a},b=1",
            "a}b",
            " 1",
        ])),
    }
}

fn json_line(random: &mut Random) -> String {
    match random.below(4) {
        0 => values::json_text(random),
        1 => Value::Object(values::table(random, 2)).to_string(),
        _ => {
            let mut line = String::new();
            for at in 0..=random.below(2) {
                if at > 0 {
                    line.push(',');
                }
                path(random, &mut line);
                line.push('=');
                line.push_str(&match random.below(3) {
                    0 => values::json_text(random),
                    _ => values::value(random, 2).to_string(),
                });
            }
            line
        }
    }
}
