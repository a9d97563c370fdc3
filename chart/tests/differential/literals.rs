//! Literals of the kinds that functions take, in the template language.

use serde_json::json;

use crate::random::Random;
use crate::values;

/// An expression of a kind without calls, or with simple ones.
pub(crate) fn literal(random: &mut Random, kind: &str) -> String {
    match kind {
        "str" => string(random),
        "int" => (*random.pick(&[
            "0",
            "1",
            "-1",
            "2",
            "3",
            "5",
            "10",
            "-3",
            "100",
            "(int .Values.n)",
            "4",
            "0x10",
            "'a'",
            "7.0",
        ]))
        .to_owned(),
        "small" => (*random.pick(&[
            "0",
            "1",
            "-1",
            "2",
            "3",
            "5",
            "10",
            "-3",
            "20",
            "(int .Values.n)",
            "4",
            "8",
        ]))
        .to_owned(),
        "float" => (*random.pick(&[
            "0.5",
            "1.0",
            "-0.25",
            "2.5",
            ".Values.f",
            ".Values.neg",
            "1e3",
            "(float64 3)",
        ]))
        .to_owned(),
        "num" => number(random),
        "bool" => (*random.pick(&["true", "false", ".Values.t", "(eq 1 1)", "(not true)"])).to_owned(),
        "nil" => (*random.pick(&["nil", ".Values.nul", ".Values.missing", "(.Values.missing)"])).to_owned(),
        "map" => (*random.pick(&[
            ".Values.m",
            ".Values.em",
            "(dict \"a\" 1)",
            "(dict)",
            ".Values.m.b",
            "(index .Values.ml 1)",
            "(dict \"a\" (dict \"b\" 2) \"c\" nil)",
            ".Values.one",
        ]))
        .to_owned(),
        "one" => (*random.pick(&[".Values.one", "(dict \"a\" 1)", "(dict)", "nil"])).to_owned(),
        "list" => (*random.pick(&[
            ".Values.l",
            ".Values.sl",
            ".Values.ml",
            ".Values.mix",
            ".Values.el",
            "(list 1 2 3)",
            "(list)",
            "(list \"a\" 1 nil)",
            "(until 3)",
            "(splitList \",\" \"b,a,c\")",
            "nil",
        ]))
        .to_owned(),
        "strs" => {
            (*random.pick(&["(splitList \",\" \"b,a,c\")", "(list \"x\" \"y\")", ".Values.sl"])).to_owned()
        }
        "time" => (*random.pick(&[
            "0",
            "1700000000",
            "(toDate \"2006-01-02\" \"2020-02-29\")",
            "(toDate \"2006-01-02 15:04:05.000\" \"1999-12-31 23:59:59.987\")",
            "(1700000000 | int64)",
            "(toDate \"2006-01-02T15:04:05Z07:00\" \"2021-07-01T12:00:00+05:30\")",
            "-62135596800",
        ]))
        .to_owned(),
        "ver" => quoted(random, version),
        "con" => quoted(random, constraint),
        "re" => quoted(random, pattern),
        "repl" => (*random.pick(&[
            "\"$1\"",
            "\"${1}x\"",
            "\"$1x\"",
            "\"$$\"",
            "\"-\"",
            "\"\"",
            "\"$0\"",
            "\"${name}\"",
            "\"$\"",
            "\"${\"",
            "\"${1\"",
            "\"$-\"",
            "\"$2$1\"",
            "\"\\\\1\"",
        ]))
        .to_owned(),
        "lay" => quoted(random, layout),
        "date" => quoted(random, date),
        "dur" => quoted(random, duration),
        "zone" => (*random.pick(&[
            "\"UTC\"",
            "\"Local\"",
            "\"\"",
            "\"America/New_York\"",
            "\"Asia/Kolkata\"",
            "\"Europe/Berlin\"",
            "\"Nowhere/Land\"",
            "\"Etc/GMT+5\"",
            "\"local\"",
        ]))
        .to_owned(),
        "url" => quoted(random, url),
        "urlmap" => urlmap(random),
        "yaml" => json!(values::yaml(random)).to_string(),
        "json" => json!(values::json_text(random)).to_string(),
        "toml" => json!(values::toml(random)).to_string(),
        "path" => quoted(random, path),
        "b64" => quoted(random, base64),
        "name" => (*random.pick(&["\"h\"", "\"h\"", "\"h\"", "\"g\"", "\"none\"", "\"\""])).to_owned(),
        "tpl" => (*random.pick(&[
            "\"{{ . }}\"",
            "\"x\"",
            "\"\"",
            "\"{{ .a }}\"",
            "\"{{ include `h` . }}\"",
            "\"{{ tpl `{{ . }}` . }}\"",
            "\"{{\"",
            "\"{{ .Values.a }}\"",
            "\"{{ nope }}\"",
            "\"{{ fail `x` }}\"",
            "\"{{ define `h` }}n{{ end }}{{ include `h` . }}\"",
            "\"<no value>\"",
            "\"{{ $x := 1 }}{{ $y }}\"",
        ]))
        .to_owned(),
        _ => any(random),
    }
}

fn any(random: &mut Random) -> String {
    const KINDS: &[&str] = &[
        "str", "str", "int", "float", "num", "bool", "nil", "map", "list", "strs", "ver",
    ];
    if random.one_in(6) {
        return (*random.pick(&[
            ".Values.nul",
            ".Values.missing",
            "(dict \"a\" (list 1 nil))",
            ".Values.huge",
            ".Values.i",
            ".Values.i0",
            "1e100",
            "-0.0",
            "9223372036854775807",
            "(int64 5)",
            "(float64 5)",
            ".Chart",
            ".Files",
            ".Release.Name",
            "(.Files.Get \"a.txt\")",
            "(.Files.GetBytes \"a.txt\")",
            "'q'",
            "(toDate \"2006-01-02\" \"2020-02-29\")",
            "(semver \"1.2.3-a+b\")",
            ".Capabilities.KubeVersion",
            ".Chart.Annotations",
            "(.Files.Glob \"cfg/*\")",
            "(duration 5)",
            ".Template",
        ]))
        .to_owned();
    }
    let kind = *random.pick(KINDS);
    literal(random, kind)
}

fn quoted(random: &mut Random, made: fn(&mut Random) -> String) -> String {
    let text = made(random);
    if !text.contains('`') && random.one_in(2) {
        format!("`{text}`")
    } else {
        json!(text).to_string()
    }
}

pub(crate) fn string(random: &mut Random) -> String {
    match random.below(4) {
        0 => (*random.pick(&[
            ".Values.s",
            ".Values.e",
            ".Values.u",
            ".Values.num",
            ".Values.lead",
            ".Values.ml2",
            ".Chart.Name",
            ".Release.Name",
        ]))
        .to_owned(),
        1 => json!(values::text(random)).to_string(),
        _ => (*random.pick(&[
            "\"a\"",
            "\"\"",
            "\"hello world\"",
            "\"foo-bar_baz\"",
            "\"HTTPServerID2 fooBar\"",
            "\"a,b,,c\"",
            "\",\"",
            "\" \"",
            "\"__a__b\"",
            "`x y`",
            "\"ABC\"",
            "\"héé\"",
            "\"string\"",
            "\"map\"",
            "\"slice\"",
            "\"int\"",
            "\"float64\"",
            "\"b\"",
            "\"k\"",
            "\"aa\"",
            "\"\\n\"",
            "\"a1b2\"",
            "\"日本語テスト\"",
            "\"it's a-b c_d\"",
            "\"x=1&y=2\"",
            "\"<b>\"",
        ]))
        .to_owned(),
    }
}

fn number(random: &mut Random) -> String {
    (*random.pick(&[
        "1",
        "0",
        "-7",
        "1.5",
        "-2.5",
        "\"12\"",
        "\"0x1f\"",
        "\"010\"",
        "\"08\"",
        "\"9.7\"",
        "\"3.0\"",
        "\"1e3\"",
        "\" 5\"",
        "\"\"",
        "\"abc\"",
        "\"1_000\"",
        "\"-5\"",
        "\"+5\"",
        "true",
        ".Values.n",
        ".Values.f",
        ".Values.big",
        ".Values.huge",
        ".Values.i",
        "9223372036854775807",
        "1e19",
        "\"9223372036854775808\"",
        "nil",
        "\".5\"",
        "\"5.\"",
        "\"0b11\"",
        "\"0o17\"",
        "\"1.000\"",
        "\"-0.00\"",
        "\"Inf\"",
        "\"NaN\"",
        "\"0x1p4\"",
        "2.675",
        "1.005",
        "0.1",
        "\"0.1\"",
        "\"90\"",
        "(int64 90)",
        "\"3600000\"",
    ]))
    .to_owned()
}

fn version(random: &mut Random) -> String {
    let part = |random: &mut Random| {
        *random.pick(&[
            "0",
            "1",
            "2",
            "3",
            "10",
            "20",
            "01",
            "x",
            "X",
            "*",
            "123456789012345678901",
        ])
    };
    let part = |random: &mut Random| {
        if random.one_in(6) {
            part(random)
        } else {
            *random.pick(&["0", "1", "2", "3", "10"])
        }
    };
    let mut text = String::new();
    if random.one_in(4) {
        text.push('v');
    }
    text.push_str(part(random));
    for _ in 0..random.below(4) {
        text.push('.');
        text.push_str(part(random));
    }
    if random.one_in(3) {
        text.push('-');
        text.push_str(random.word(&[
            "0", "alpha", "alpha.1", "rc.2", "beta-x", "01", "a..b", "é", "gke.100", "1.2.3", "x",
        ]));
    }
    if random.one_in(5) {
        text.push('+');
        text.push_str(random.word(&["b1", "b.2", "", "a_b", "001"]));
    }
    if random.one_in(25) {
        return (*random.pick(&[
            "", " 1.2.3", "1.2.3 ", "latest", "1.2.3.4", "-1", "1..2", "v", "V1.2", "1.2.3-", "1.2.3-+",
            "1.2-3.4",
        ]))
        .to_owned();
    }
    text
}

fn constraint(random: &mut Random) -> String {
    const MORE: &[char] = &[
        '.', 'x', '*', ' ', '|', ',', '>', '<', '=', '!', '~', '^', '-', '1', '0', 'v', '+', 'a',
    ];
    let mut text = String::new();
    for at in 0..=random.below(3) {
        if at > 0 {
            text.push_str(random.word(&[" ", ", ", ",", " || ", "||", " - "]));
        }
        text.push_str(random.word(&[
            "", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^", "> ", ">= ", "^ ",
        ]));
        text.push_str(&version(random));
    }
    if random.one_in(10) {
        random.mangled(&text, MORE)
    } else {
        text
    }
}

fn pattern(random: &mut Random) -> String {
    const MORE: &[char] = &[
        '(', ')', '[', ']', '{', '}', '*', '+', '?', '|', '^', '$', '\\', '.', '-', ':', 'a', '1', ',', 'é',
        '&', '~', 'P', '<', '>',
    ];
    const PIECES: &[&str] = &[
        "a",
        "b",
        "o",
        "l",
        "é",
        ".",
        "^",
        "$",
        "[a-z]",
        "[^a]",
        "\\d",
        "\\w+",
        "\\s",
        "\\b",
        "\\B",
        "(a|b)",
        "(?i)h",
        "(?P<name>l+)",
        "(?<name>o)",
        "a*",
        "a+?",
        "l{2}",
        "a{1,}",
        "a{,2}",
        "[[:alpha:]]",
        "\\pL",
        "\\p{Greek}",
        "\\PN",
        "[\\d-]",
        "(?:x)?",
        "(?s).",
        "(?m)^a",
        "(?U)a+",
        "\\A",
        "\\z",
        "\\Z",
        "\\x41",
        "\\x{e9}",
        "\\141",
        "\\Qa.b\\E",
        "\\Q",
        "[]a]",
        "[a-",
        "[a&&b]",
        "[--/]",
        "(",
        ")",
        "a**",
        "a{1001}",
        "x{",
        "\\8",
        "\\C",
        "[[:foo:]]",
        "(?P<n>a)(?P<n>b)",
        "(?i)É",
        "[z-a]",
        "*",
        "|",
        "()",
        "a||b",
        "(?i:W)orld",
        "\\.",
        "[.]",
        " ",
        "[^\\x00-\\x7F]",
        "(a+)+",
        "\\p{L}",
        "\\p{^L}",
        "[\\pN_]",
        "(?-s).",
        "\\n",
        "\\t",
        "\\a",
        "\\_",
        "\\é",
        "(?z)",
        "\\<",
        "\\'",
        "[\\Q]\\E]",
        "[a\\-z]",
        "\\pZ",
        "{",
        "}",
        "]",
        "{1}",
        "a{2}{3}",
        "(?i)ſ",
        "k",
        "(?i)k",
    ];
    let mut text: String = random.some(4, |random| *random.pick(PIECES)).concat();
    if text.is_empty() {
        text.push_str(random.word(&["", "o", "[a-z]+", "l+", "(\\w)(\\w)", "a|b"]));
    }
    if random.one_in(6) {
        random.mangled(&text, MORE)
    } else {
        text
    }
}

fn layout(random: &mut Random) -> String {
    const PIECES: &[&str] = &[
        "2006",
        "06",
        "01",
        "1",
        "Jan",
        "January",
        "02",
        "2",
        "_2",
        "002",
        "__2",
        "Mon",
        "Monday",
        "15",
        "03",
        "3",
        "04",
        "4",
        "05",
        "5",
        "PM",
        "pm",
        "MST",
        "Z07:00",
        "Z0700",
        "-07:00",
        "-0700",
        "-07",
        "Z07",
        "Z070000",
        "-07:00:00",
        ".000",
        ".999",
        ",000",
        ".000000000",
        "0",
        "_",
        "x",
        "T",
    ];
    let mut text = String::new();
    for at in 0..=random.below(6) {
        if at > 0 {
            text.push_str(random.word(&["-", " ", ":", "/", "T", "", ", ", "."]));
        }
        text.push_str(random.word(PIECES));
    }
    match random.below(5) {
        0 => "2006-01-02T15:04:05Z07:00".to_owned(),
        1 => (*random.pick(&[
            "2006-01-02",
            "2006-01-02 15:04:05",
            "Mon, 02 Jan 2006 15:04:05 MST",
            "Jan _2 15:04:05.000",
            "15:04",
            "2006-002",
            "3:04PM",
        ]))
        .to_owned(),
        _ => text,
    }
}

fn date(random: &mut Random) -> String {
    const MORE: &[char] = &['0', '1', '9', '-', ':', ' ', 'T', 'Z', '+', '.', 'a'];
    let text = *random.pick(&[
        "2020-02-29",
        "2021-02-29",
        "2020-03-04T05:06:07Z",
        "2020-03-04T05:06:07.89+01:00",
        "1999-12-31 23:59:59",
        "Mon, 02 Jan 2006 15:04:05 MST",
        "Jan  2 15:04:05.123",
        "15:04",
        "3:04PM",
        "2020-060",
        "2020-366",
        "2021-366",
        "13:60",
        "",
        "x",
        "0000-01-01",
        "9998-12-31T23:59:59Z",
        "2020-03-04T25:06:07Z",
        "2020-13-04",
        "2020-03-04T05:06:60Z",
    ]);
    if random.one_in(4) {
        random.mangled(text, MORE)
    } else {
        text.to_owned()
    }
}

fn duration(random: &mut Random) -> String {
    let mut text = (*random.pick(&["", "", "-", "+"])).to_owned();
    for _ in 0..=random.below(2) {
        text.push_str(random.word(&["1", "0", "2.5", "24", "100", ".5", "1.", "9999999", "90"]));
        text.push_str(random.word(&["h", "m", "s", "ms", "us", "µs", "ns", "d", ""]));
    }
    if random.one_in(15) {
        (*random.pick(&["", ".", "h", "1", "0", "-", "1h1", "99999999999h", "x"])).to_owned()
    } else {
        text
    }
}

fn url(random: &mut Random) -> String {
    const MORE: &[char] = &[
        '%', ':', '/', '?', '#', '@', '[', ']', ' ', 'a', '2', '&', '\\', 'é', '+', ';', '~',
    ];
    let mut text = String::new();
    text.push_str(random.word(&[
        "http://", "https://", "oci://", "", "//", "mailto:", "file:///", "a+b://", "1x://", ":", "HTTP://",
    ]));
    text.push_str(random.word(&[
        "",
        "",
        "",
        "user@",
        "user:pass@",
        "u%40s:p%3Aw@",
        ":@",
        "a b@",
        "@",
        "u:p:q@",
    ]));
    text.push_str(random.word(&[
        "host",
        "host:80",
        "example.com",
        "[::1]:8080",
        "[fe80::1%25en0]",
        "",
        "host:",
        "host:x",
        "h%41st",
        "日本",
        "1.2.3.4",
        "[::1",
        "HOST.com:443",
    ]));
    text.push_str(random.word(&[
        "", "/", "/a/b", "/a%20b", "/a b", "/%zz", "/é", "/a/../b", "/%2f", "*", "/a;b=c", "//x", "/a:b",
    ]));
    text.push_str(random.word(&["", "", "?", "?a=1&b=2", "?a=%zz", "?a b", "?é", "?a?b"]));
    text.push_str(random.word(&["", "", "#", "#f", "#a%20b", "#a b", "#%zz", "#é#", "#a/b?c"]));
    if random.one_in(5) {
        random.mangled(&text, MORE)
    } else {
        text
    }
}

fn urlmap(random: &mut Random) -> String {
    if random.one_in(3) {
        return format!("(urlParse {})", quoted(random, url));
    }
    let mut text = "(dict".to_owned();
    for (key, items) in [
        ("scheme", &["\"http\"", "\"\"", "\"oci\""] as &[&str]),
        (
            "host",
            &["\"host:80\"", "\"a b\"", "\"\"", "\"[::1]\"", "\"h%t\"", "\"é\""],
        ),
        (
            "path",
            &[
                "\"/a b\"",
                "\"a/b\"",
                "\"\"",
                "\"a:b\"",
                "\"//x\"",
                "\"*\"",
                "\"/é%\"",
                "\"/a;b,c\"",
            ],
        ),
        ("query", &["\"a=1&b=2\"", "\"a b\"", "\"\"", "\"é\""]),
        ("fragment", &["\"f\"", "\"a b\"", "\"\"", "\"é%\""]),
        ("userinfo", &["\"u:p\"", "\"u\"", "\"\"", "\"a b:c@d\""]),
        ("opaque", &["\"x\"", "\"\"", "\"//a?b\""]),
    ] {
        if random.one_in(2) {
            text.push_str(&format!(" \"{key}\" {}", random.pick(items)));
        }
    }
    text.push(')');
    text
}

fn path(random: &mut Random) -> String {
    let mut text = (*random.pick(&["", "/", "./", "../", "//"])).to_owned();
    for _ in 0..random.below(5) {
        text.push_str(random.word(&["a", "b.c", "..", ".", "", "x.tar.gz", ".hid", "é", "a b", "c:\\d"]));
        text.push('/');
    }
    if random.one_in(2) {
        text.pop();
    }
    text
}

fn base64(random: &mut Random) -> String {
    const MORE: &[char] = &['=', '!', 'A', '\n', ' ', '-', '_', '/', '+', 'é'];
    let text = *random.pick(&[
        "",
        "YQ==",
        "YWI=",
        "YWJj",
        "aGVsbG8gd29ybGQ=",
        "//4=",
        "YQ",
        "YR==",
        "YQ=",
        "MFRGG===",
        "ME======",
        "Y\nQ==",
    ]);
    if random.one_in(3) {
        random.mangled(text, MORE)
    } else {
        text.to_owned()
    }
}
