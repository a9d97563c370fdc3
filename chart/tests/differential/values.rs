//! Random values, and random texts of YAML, JSON and TOML.

use serde_json::{Map, Value, json};

use crate::random::Random;

/// Texts that some reader or writer treats in a way of its own.
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "yes",
    "No",
    "on",
    "y",
    "n",
    "true",
    "null",
    "~",
    "Null",
    "NULL",
    ".",
    "..",
    "-",
    "--",
    "---",
    "...",
    "0",
    "-0",
    "+1",
    "007",
    "0o17",
    "0x1f",
    "0b11",
    "1_000",
    "1e3",
    "1E5",
    ".5",
    "5.",
    "1.0",
    ".inf",
    "-.Inf",
    ".nan",
    "1:30",
    "190:20:30",
    "2001-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "<<",
    "=",
    "!",
    "!!str a",
    "&a",
    "*a",
    "%a",
    "@a",
    "`a",
    "?",
    "? a",
    "?a",
    ":",
    ": a",
    ":a",
    "a:",
    "a: b",
    "a:b",
    "a #b",
    "a#b",
    "#a",
    "- a",
    "-a",
    "[",
    "]",
    "{",
    "}",
    "[a",
    "a]",
    "a, b",
    ",",
    "|",
    "> a",
    "'",
    "\"",
    "it's",
    "say \"hi\"",
    "a\\b",
    "\\",
    "\t",
    "a\tb",
    "\n",
    "a\n",
    "a\n\n",
    "\na",
    "a\nb",
    "a\nb\n",
    " a",
    "a ",
    " a\nb",
    "a \nb",
    "a\n b\n",
    "\r",
    "a\r\nb",
    "é",
    "héllo wörld",
    "日本語",
    "😀",
    "\u{85}",
    "a\u{2028}b",
    "\u{feff}a",
    "\u{a0}",
    "\u{7f}",
    "\u{1}",
    "\u{0}",
    "\u{200b}",
    "\u{e000}",
    "\u{fffd}",
    "<a>&b",
    "{{ x }}",
    "$HOME",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "12345678901234567890123",
    "1.7976931348623157e308",
    "4e-324",
    "0.1",
    "1e400",
    "99999999999999999999.5",
    "a long text of many words that goes on and on so that it has to be folded somewhere near column eighty or so",
    "averyveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryverylongword and another",
];

const ALPHABET: &[char] = &[
    'a', 'b', 'Z', '0', '1', '9', ' ', ' ', ' ', '\n', '\n', '\t', ':', '-', '#', '\'', '"', '\\', '[', ']',
    '{', '}', ',', '&', '*', '!', '|', '>', '%', '@', '`', '?', '=', '<', '~', '.', '_', '+', 'e', 'x', 'é',
    '日', '😀', '\r', '\u{85}', '\u{2028}', '\u{a0}', '/', '$', '(', ')', '^',
];

pub(crate) fn text(random: &mut Random) -> String {
    match random.below(6) {
        0 | 1 => (*random.pick(TEXTS)).to_owned(),
        2 => {
            let text = *random.pick(TEXTS);
            random.mangled(text, ALPHABET)
        }
        3 => {
            let words = random.some(24, word);
            words.join(if random.one_in(4) { "\n" } else { " " })
        }
        4 => random
            .some(6, |random| *random.pick(ALPHABET))
            .into_iter()
            .collect(),
        _ => word(random),
    }
}

fn word(random: &mut Random) -> String {
    const LETTERS: &[char] = &[
        'a', 'b', 'c', 'd', 'e', 'n', 'o', 'y', '-', '_', '.', '1', '2', 'A', 'é',
    ];
    (0..=random.below(9)).map(|_| *random.pick(LETTERS)).collect()
}

pub(crate) fn key(random: &mut Random) -> String {
    match random.below(8) {
        0 => text(random),
        1 => format!(
            "{}{}",
            random.pick(&["a", "b", "A", "_", "a-", "a."]),
            random.below(120)
        ),
        _ => word(random),
    }
}

pub(crate) fn number(random: &mut Random) -> Value {
    match random.below(8) {
        0 => json!(i64::try_from(random.next() >> 1).unwrap_or_default()),
        1 => json!(-i64::try_from(random.next() >> 1).unwrap_or_default()),
        2 => json!(random.next()),
        3 => {
            let float = f64::from_bits(random.next());
            if float.is_finite() {
                json!(float)
            } else {
                json!(0.5)
            }
        }
        4 => {
            let digits = random.next() % 1_000_000_000;
            let text = format!("{digits}e{}", random.below(44) as i64 - 22);
            json!(text.parse::<f64>().unwrap_or_default())
        }
        5 => json!(random.below(2_000_000)),
        6 => json!(random.below(4000) as f64 / 8.0 - 250.0),
        _ => json!(random.below(20) as i64 - 5),
    }
}

/// A tree of values.
pub(crate) fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 5 } else { 9 }) {
        0 => number(random),
        1 => json!(random.one_in(2)),
        2 if random.one_in(2) => Value::Null,
        2..=4 => json!(text(random)),
        5 | 6 => Value::Array(random.some(4, |random| value(random, depth - 1))),
        _ => Value::Object(table(random, depth - 1)),
    }
}

pub(crate) fn table(random: &mut Random, depth: usize) -> Map<String, Value> {
    random
        .some(5, |random| (key(random), value(random, depth)))
        .into_iter()
        .collect()
}

/// A text that is YAML, or nearly.
pub(crate) fn yaml(random: &mut Random) -> String {
    let mut out = String::new();
    if random.one_in(12) {
        out.push_str(random.word(&[
            "---\n",
            "--- ",
            "%YAML 1.1\n---\n",
            "# a\n",
            "\u{feff}",
            "...\n",
            "\n\n",
        ]));
    }
    block(random, &mut out, 0, 4);
    if random.one_in(12) {
        out.push_str(random.word(&["---\nb: 1\n", "...\n", "# end", "\n...", "\n---", "\t", " "]));
    }
    if random.one_in(3) {
        random.mangled(&out, ALPHABET)
    } else {
        out
    }
}

/// A node in block style, from the current line on.
fn block(random: &mut Random, out: &mut String, indent: usize, depth: usize) {
    let pad = " ".repeat(indent);
    match random.below(if depth == 0 { 2 } else { 8 }) {
        0 | 1 => {
            if indent == 0 && random.one_in(3) {
                flow(random, out, depth);
            } else {
                scalar(random, out, indent);
            }
            out.push('\n');
        }
        2..=5 => {
            for at in 0..=random.below(4) {
                if at > 0 || indent == 0 {
                    out.push_str(&pad);
                }
                block_entry(random, out, indent, depth);
            }
        }
        _ => {
            for at in 0..=random.below(3) {
                if at > 0 || indent == 0 {
                    out.push_str(&pad);
                }
                out.push_str("- ");
                property(random, out);
                block(random, out, indent + 2, depth - 1);
            }
        }
    }
}

fn block_entry(random: &mut Random, out: &mut String, indent: usize, depth: usize) {
    match random.below(12) {
        0 => {
            out.push_str("? ");
            block(random, out, indent + 2, depth - 1);
            out.push_str(&" ".repeat(indent));
            out.push_str(": ");
        }
        1 => {
            out.push_str("<<: ");
            out.push_str(random.word(&["*a\n", "{x: 1}\n", "[*a, {y: 2}]\n", "1\n", "*b\n"]));
            return;
        }
        2 => {
            scalar_key(random, out);
            out.push_str(": ");
        }
        _ => {
            out.push_str(random.word(&[
                "a",
                "b",
                "c",
                "key",
                "1",
                "1.50",
                "yes",
                "~",
                "0x10",
                "'q'",
                "\"d\"",
                "2001-01-01",
            ]));
            out.push_str(random.word(&[": ", ": ", ": ", ":  ", " : ", ":"]));
        }
    }
    property(random, out);
    match random.below(5) {
        0 => {
            out.push('\n');
            let deeper = indent + random.below(4);
            out.push_str(&" ".repeat(deeper));
            block(random, out, deeper, depth - 1);
        }
        1 => {
            flow(random, out, depth - 1);
            out.push('\n');
        }
        _ => {
            scalar(random, out, indent + 2);
            if random.one_in(8) {
                out.push_str(" # note");
            }
            out.push('\n');
        }
    }
}

fn property(random: &mut Random, out: &mut String) {
    if random.one_in(10) {
        out.push_str(random.word(&[
            "&a ",
            "&b ",
            "!!str ",
            "!!int ",
            "!!float ",
            "!!bool ",
            "!!null ",
            "!!binary ",
            "!!map ",
            "!!seq ",
            "!x ",
            "! ",
            "!!timestamp ",
            "!<tag:yaml.org,2002:str> ",
            "&a !!str ",
            "!!merge ",
            "!!set ",
            "!e!x ",
        ]));
    }
}

fn scalar_key(random: &mut Random, out: &mut String) {
    let text = key(random);
    match random.below(3) {
        0 => out.push_str(&json!(text).to_string()),
        1 => out.push_str(&format!("'{}'", text.replace('\'', "''"))),
        _ => out.push_str(&text),
    }
}

fn scalar(random: &mut Random, out: &mut String, indent: usize) {
    match random.below(14) {
        0 => out.push_str(&json!(text(random)).to_string()),
        1 => out.push_str(&format!("'{}'", text(random).replace('\'', "''"))),
        2 => out.push_str(random.word(&["*a", "*b", "*c"])),
        3 => literal(random, out, indent),
        4 => out.push_str(&number(random).to_string()),
        5 => out.push_str(random.word(&[
            "\"\\x41\\u00e9\\U0001F600\"",
            "\"\\e\\0\\a\\b\\v\\N\\_\\L\\P\"",
            "\"a\\\n  b\"",
            "\"\\q\"",
            "\"\\xZZ\"",
            "\"a\n\n b\"",
            "'a\n b'",
            "a\n  b",
            "\"\\/\"",
            "'it''s'",
            "\"\\ud83d\"",
            "\"\\U00110000\"",
        ])),
        6 => out.push_str(random.word(&[
            "12e03",
            "0o7",
            "0b2",
            "-0b101",
            "-0x1F",
            "1__0",
            "1_",
            "_1",
            "+.5",
            "09",
            "08.5",
            "1e",
            ".e1",
            "0.",
            "-.5",
            "+12",
            "- 1",
            "1,000",
            "0777",
            "-017",
            "123456789012345678901234567890",
            "1e+06",
            "0x",
            ".INF",
            "+.inf",
            ".NaN",
        ])),
        _ => out.push_str(&text(random)),
    }
}

fn literal(random: &mut Random, out: &mut String, indent: usize) {
    out.push_str(random.word(&[
        "|", ">", "|-", ">-", "|+", ">+", "|2", ">1-", "|+1", "| # c", "|x", ">9", "|0",
    ]));
    out.push('\n');
    for _ in 0..random.below(5) {
        if random.one_in(4) {
            out.push('\n');
            continue;
        }
        out.push_str(&" ".repeat((indent + random.below(4)).saturating_sub(usize::from(random.one_in(6)))));
        out.push_str(&word(random));
        out.push_str(random.word(&["", " ", " b", "\t", " # no", ": x"]));
        out.push('\n');
    }
}

fn flow(random: &mut Random, out: &mut String, depth: usize) {
    match random.below(if depth == 0 { 1 } else { 4 }) {
        0 => match random.below(3) {
            0 => out.push_str(&json!(text(random)).to_string()),
            1 => out.push_str(&word(random)),
            _ => out.push_str(&number(random).to_string()),
        },
        1 => {
            out.push('[');
            for at in 0..random.below(4) {
                if at > 0 {
                    out.push_str(random.word(&[", ", ",", " ,\n "]));
                }
                property(random, out);
                flow(random, out, depth - 1);
            }
            out.push_str(random.word(&["]", "]", "]", ", ]", "}"]));
        }
        _ => {
            out.push('{');
            for at in 0..random.below(4) {
                if at > 0 {
                    out.push_str(random.word(&[", ", ",", " ,\n "]));
                }
                if random.one_in(8) {
                    out.push_str("? ");
                }
                out.push_str(&word(random));
                out.push_str(random.word(&[": ", ": ", ": ", ":", "", " : "]));
                flow(random, out, depth - 1);
            }
            out.push_str(random.word(&["}", "}", "}", ",}", "]"]));
        }
    }
}

/// A text that is JSON, or nearly.
pub(crate) fn json_text(random: &mut Random) -> String {
    const MORE: &[char] = &[
        '"', '\\', '{', '}', '[', ']', ',', ':', '0', '-', '.', 'e', ' ', '\n', 'u', 't', 'é', '\u{1}',
    ];
    let text = match random.below(4) {
        0 => (*random.pick(&[
            "",
            " ",
            "null",
            "nul",
            "true",
            "-",
            "01",
            "1.",
            "1e",
            "1e+",
            ".5",
            "\"\\u12\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\ud83dx\"",
            "\"a\nb\"",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "[1 2]",
            "1 2",
            "1e400",
            "-0",
            "-0.0",
            "\"\\x\"",
            "{\"a\":1,\"a\":2}",
            "[",
            "{",
            "\"",
            "123456789012345678901",
            "\u{feff}{}",
            "{\"A\":1}",
        ]))
        .to_owned(),
        1 => value(random, 3).to_string(),
        2 => serde_json::to_string_pretty(&value(random, 3)).unwrap_or_default(),
        _ => Value::Object(table(random, 2)).to_string(),
    };
    if random.one_in(3) {
        random.mangled(&text, MORE)
    } else {
        text
    }
}

/// A text that is TOML, or nearly.
pub(crate) fn toml(random: &mut Random) -> String {
    const MORE: &[char] = &[
        '"', '\'', '[', ']', '=', '.', '\n', ' ', '#', '1', 'a', '_', '-', '{', '}', ',', '\t',
    ];
    let mut out = String::new();
    for _ in 0..random.below(6) {
        match random.below(6) {
            0 => out.push_str(random.word(&[
                "[t]",
                "[t.u]",
                "[[l]]",
                "[[l.m]]",
                "[\"q\".v]",
                "[ t . w ]",
                "[a]",
            ])),
            1 => out.push_str(random.word(&["# note", "", "  "])),
            _ => {
                let name = *random.pick(&["k", "b", "c", "a.b", "\"q\"", "'s'", "1", "x-y", "n", "a . d"]);
                let mark = *random.pick(&[" = ", "=", " =  "]);
                out.push_str(&format!("{name}{mark}"));
                toml_value(random, &mut out, 2);
            }
        }
        out.push('\n');
    }
    if random.one_in(6) {
        random.mangled(&out, MORE)
    } else {
        out
    }
}

fn toml_value(random: &mut Random, out: &mut String, depth: usize) {
    match random.below(if depth == 0 { 3 } else { 5 }) {
        0 | 1 => out.push_str(random.word(&[
            "1",
            "-2",
            "+3",
            "1_000",
            "0x1F",
            "0o17",
            "0b11",
            "1.5",
            "1e3",
            "6.02e-23",
            "inf",
            "-nan",
            "true",
            "false",
            "1979-05-27T07:32:00Z",
            "1979-05-27",
            "07:32:00",
            "1979-05-27 07:32:00",
            "\"a\"",
            "\"\\u00e9\\n\"",
            "'raw\\'",
            "\"\"\"\na\\\n  b\"\"\"",
            "'''\nx'''",
            "\"\"",
            "1__0",
            "_1",
            "01",
            "1.",
            ".5",
            "\"\\q\"",
            "yes",
            "1979-05-27T00:32:00.999999-07:00",
            "9223372036854775808",
        ])),
        2 => out.push_str(&json!(word(random)).to_string()),
        3 => {
            out.push('[');
            for at in 0..random.below(4) {
                if at > 0 {
                    out.push_str(random.word(&[", ", ",\n"]));
                }
                toml_value(random, out, depth - 1);
            }
            out.push(']');
        }
        _ => {
            out.push_str("{ ");
            for at in 0..random.below(3) {
                if at > 0 {
                    out.push_str(", ");
                }
                out.push_str(
                    random.word(&[["a = ", "b.c = "], ["e = ", "f = "], ["\"d\" = ", "g.h = "]][at]),
                );
                toml_value(random, out, depth - 1);
            }
            out.push_str(" }");
        }
    }
}
