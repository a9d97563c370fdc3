//! Random templates over the whole grammar, most of them right.

use serde_json::{Value, json};

use crate::calls::Calls;
use crate::random::Random;
use crate::values;

const MORE: &[char] = &[
    '{', '}', '-', ' ', '(', ')', '|', '$', '.', '"', '`', '\'', '\\', ':', '=', ',', '/', '*', 'a', '1',
    '\n', '%', '0', 'x', '_', 'é', '\t', '+', 'e', 'i', '@',
];

const VALUES: &str = r#"{"s":"text","e":"","n":5,"f":1.5,"t":true,"no":false,"nul":null,"l":[3,1,2],"sl":["b","a"],"ml":[{"a":1},{"a":2,"b":[]}],
"m":{"a":1,"b":{"c":"d","e":{"f":[1]}}},"em":{},"el":[],"tpl":"{{ .Values.s }}","AsMap":1,"big":1e6}"#;

struct Writer<'a> {
    random: &'a mut Random,
    calls: &'a Calls,
    out: String,
    /// Variables in scope.
    variables: Vec<String>,
    loops: usize,
    /// Whether mistakes are made on purpose.
    wild: bool,
}

/// A question about a template.
pub(crate) fn question(random: &mut Random, calls: &Calls) -> Value {
    let wild = random.one_in(3);
    let mut writer = Writer {
        random,
        calls,
        out: String::new(),
        variables: Vec::new(),
        loops: 0,
        wild,
    };
    writer.list(3);
    for name in 0..writer.random.below(2) + usize::from(!wild) {
        writer.definition(name);
    }
    let mut template = std::mem::take(&mut writer.out);
    let mut helpers = String::new();
    for name in ["h", "t0"] {
        writer.out.push_str(&format!("{{{{ define \"{name}\" }}}}"));
        writer.variables.clear();
        writer.loops = 0;
        writer.list(1);
        writer.out.push_str("{{ end }}");
        helpers.push_str(&std::mem::take(&mut writer.out));
    }
    if wild && random.one_in(3) {
        template = random.mangled(&template, MORE);
    }
    json!({"template": template, "values": VALUES, "helpers": helpers, "set": ["i=7"]})
}

impl Writer<'_> {
    /// A word that is right, or, where mistakes are made, maybe one that is not.
    fn choose(&mut self, safe: &[&'static str], risky: &[&'static str]) -> &'static str {
        if self.wild && self.random.one_in(2) {
            self.random.word(risky)
        } else {
            self.random.word(safe)
        }
    }

    fn open(&mut self) {
        let mark = *self
            .random
            .pick(&["{{ ", "{{ ", "{{ ", "{{- ", "{{-\n", "{{", "{{\t"]);
        self.out.push_str(mark);
    }

    fn close(&mut self) {
        let mark = *self
            .random
            .pick(&[" }}", " }}", " }}", " -}}", "\n-}}", "}}", "\n}}"]);
        self.out.push_str(mark);
    }

    fn list(&mut self, depth: usize) {
        let mark = self.variables.len();
        for _ in 0..=self.random.below(3) {
            self.node(depth);
        }
        self.variables.truncate(mark);
    }

    fn node(&mut self, depth: usize) {
        match self.random.below(if depth == 0 { 7 } else { 17 }) {
            0 | 1 => {
                let text = *self.random.pick(&[
                    "a",
                    " b ",
                    "\n",
                    "\n\n  ",
                    "x: ",
                    "{",
                    "}",
                    "é",
                    "{ {",
                    "\r\n",
                    "\t",
                    "-",
                    "<no value>",
                    "}}",
                ]);
                self.out.push_str(text);
            }
            2 => {
                let comment = *self.random.pick(&[
                    "{{/* c */}}",
                    "{{- /* c */ -}}",
                    "{{/* a\nb */ -}}",
                    "{{/* */}}",
                    "{{/**/}}",
                    "{{- /* }} */}}",
                ]);
                self.out.push_str(comment);
            }
            3 => self.declare(),
            4 | 5 => self.action(),
            6 => {
                let name = self.choose(
                    &["\"h\"", "\"t0\"", "`h`"],
                    &["\"none\"", "h", "`t1`", "\"h\" ", "(print 1)"],
                );
                self.open();
                self.out.push_str(&format!("template {name} "));
                if !self.random.one_in(3) {
                    self.pipeline(1);
                }
                self.close();
            }
            7..=9 => self.branch("if", depth),
            10 | 11 => self.branch("with", depth),
            12..=14 => self.range(depth),
            15 => {
                self.open();
                let name = self.random.below(3);
                self.out.push_str(&format!("block \"t{name}\" "));
                self.pipeline(1);
                self.close();
                let variables = std::mem::take(&mut self.variables);
                let loops = std::mem::take(&mut self.loops);
                self.list(depth - 1);
                self.variables = variables;
                self.loops = loops;
                self.end();
            }
            _ => self.jump(),
        }
    }

    fn jump(&mut self) {
        if self.loops > 0 || (self.wild && self.random.one_in(10)) {
            let word = *self.random.pick(&["break", "continue"]);
            self.open();
            self.out.push_str(word);
            self.close();
        } else {
            self.action();
        }
    }

    fn end(&mut self) {
        self.open();
        self.out.push_str("end");
        self.close();
    }

    fn definition(&mut self, name: usize) {
        self.variables.clear();
        self.loops = 0;
        self.open();
        self.out.push_str(&format!("define \"t{name}\""));
        self.close();
        if !self.random.one_in(6) {
            self.list(2);
        }
        self.end();
    }

    fn action(&mut self) {
        self.open();
        self.pipeline(2);
        self.close();
    }

    fn declare(&mut self) {
        self.open();
        if !self.variables.is_empty() && self.random.one_in(2) {
            let name = self.variable();
            self.out.push_str(&format!("{name} = "));
            self.pipeline(2);
        } else {
            let name = *self.random.pick(&["$a", "$b", "$c", "$_", "$x1", "$é"]);
            self.out.push_str(&format!("{name} := "));
            self.pipeline(2);
            self.variables.push(name.to_owned());
        }
        self.close();
    }

    fn variable(&mut self) -> String {
        if self.wild && self.random.one_in(20) {
            return "$nope".to_owned();
        }
        let variables = &self.variables;
        if variables.is_empty() {
            "$".to_owned()
        } else {
            self.random.pick(variables).clone()
        }
    }

    fn branch(&mut self, word: &str, depth: usize) {
        let mark = self.variables.len();
        self.open();
        self.out.push_str(word);
        self.out.push(' ');
        self.condition();
        self.close();
        self.list(depth - 1);
        while self.random.one_in(5) {
            self.open();
            let word = if self.wild && self.random.one_in(12) {
                "range"
            } else {
                *self.random.pick(&["if", "if", "with"])
            };
            self.out.push_str(&format!("else {word} "));
            self.condition();
            self.close();
            self.list(depth - 1);
        }
        self.otherwise(depth);
        self.variables.truncate(mark);
        self.end();
    }

    fn condition(&mut self) {
        if self.random.one_in(4) {
            let name = *self.random.pick(&["$a", "$b", "$w"]);
            self.out.push_str(&format!("{name} := "));
            self.pipeline(1);
            self.variables.push(name.to_owned());
        } else {
            self.pipeline(1);
        }
    }

    fn otherwise(&mut self, depth: usize) {
        if self.random.one_in(3) {
            self.open();
            self.out.push_str("else");
            self.close();
            self.list(depth - 1);
        }
    }

    fn range(&mut self, depth: usize) {
        let mark = self.variables.len();
        self.open();
        self.out.push_str("range ");
        match self.random.below(6) {
            0 | 1 => {
                self.out.push_str("$i, $e := ");
                self.variables.extend(["$i".to_owned(), "$e".to_owned()]);
            }
            2 => {
                self.out.push_str("$e := ");
                self.variables.push("$e".to_owned());
            }
            3 if self.variables.len() > 1 => {
                let (first, second) = (self.variable(), self.variable());
                self.out.push_str(&format!("{first}, {second} = "));
            }
            _ => {}
        }
        if self.random.one_in(3) {
            self.pipeline(1);
        } else {
            let over = self.choose(
                &[
                    "(until 3)",
                    "(list 1 \"a\" nil)",
                    "(dict \"k\" 1)",
                    "(list)",
                    "(dict \"b\" (list 1) \"a\" nil)",
                    "(splitList \",\" \"x,y\")",
                    "nil",
                ],
                &[
                    ".Values.l",
                    ".Values.m",
                    "$.Values.ml",
                    "$.Values.sl",
                    "3",
                    ".Values.el",
                    "$.Values.nul",
                    "(int $.Values.n)",
                    "$.Values.s",
                    "$.Values.n",
                    "$.Values.i",
                    "(keys $.Values.m | sortAlpha)",
                    "-1",
                    "$.Files",
                    "0",
                ],
            );
            self.out.push_str(over);
        }
        self.close();
        self.loops += 1;
        self.list(depth - 1);
        self.loops -= 1;
        self.otherwise(depth);
        self.variables.truncate(mark);
        self.end();
    }

    fn pipeline(&mut self, depth: usize) {
        self.command(depth);
        while self.random.one_in(4) {
            let next = self.choose(
                &[
                    "print",
                    "quote",
                    "printf \"%v\"",
                    "default 1",
                    "toYaml",
                    "not",
                    "toJson",
                    "kindOf",
                    "list",
                    "and .",
                    "or false",
                    "dict \"k\"",
                    "int",
                    "include \"h\"",
                    "html",
                    "typeOf",
                    "deepEqual 1",
                    "toString",
                    "println",
                    "empty",
                    "coalesce",
                ],
                &[
                    "len",
                    "upper",
                    "eq 1",
                    "trunc 2",
                    "index .Values.l",
                    "first",
                    "nope",
                    "\"x\"",
                    "1",
                    "printf",
                    ".Values.s",
                    "nindent 2",
                    "call",
                    "ternary 1 2",
                    "fail",
                ],
            );
            let bar = *self.random.pick(&[" | ", "|", " |\n "]);
            self.out.push_str(bar);
            self.out.push_str(next);
        }
    }

    fn command(&mut self, depth: usize) {
        match self.random.below(if depth == 0 { 4 } else { 9 }) {
            0..=3 => self.operand(depth),
            4 | 5 => {
                let safe = [
                    ("and", 2),
                    ("or", 2),
                    ("not", 1),
                    ("print", 2),
                    ("println", 1),
                    ("default", 2),
                    ("list", 2),
                    ("quote", 1),
                    ("dict", 2),
                    ("kindOf", 1),
                    ("add", 2),
                    ("deepEqual", 2),
                    ("toYaml", 1),
                    ("and", 1),
                    ("or", 3),
                    ("coalesce", 2),
                    ("cat", 2),
                ];
                let risky = [
                    ("eq", 2),
                    ("ne", 2),
                    ("lt", 2),
                    ("gt", 2),
                    ("index", 2),
                    ("len", 1),
                    ("index", 3),
                    ("eq", 3),
                    ("hasKey", 2),
                    ("slice", 3),
                    ("call", 1),
                    ("ternary", 3),
                    ("set", 3),
                    ("get", 2),
                    ("le", 2),
                    ("tpl", 2),
                    ("required", 2),
                    ("printf", 2),
                    ("fail", 1),
                ];
                let wild = self.wild && self.random.one_in(2);
                let (name, count) = if wild {
                    *self.random.pick(&risky)
                } else {
                    *self.random.pick(&safe)
                };
                self.out.push_str(name);
                for _ in 0..count {
                    self.out.push(' ');
                    self.operand(depth - 1);
                }
            }
            6 => {
                let name = self.choose(&["\"h\"", "\"t0\""], &["\"t1\"", "\"none\"", ".Values.s"]);
                self.out.push_str(&format!("include {name} "));
                self.operand(0);
            }
            7 if self.wild => {
                let method = *self.random.pick(&[
                    ".Files.Get \"a.txt\"",
                    ".Files.Glob \"cfg/*\"",
                    ".Files.Lines \"a.txt\"",
                    ".Capabilities.APIVersions.Has \"v1\"",
                    ".Values.AsMap",
                    ".Files.Get",
                    ".Values.s 1",
                    ".Chart.Name \"x\"",
                    ".Release.Name.x",
                    "$.Files.GetBytes \"cfg/bin\"",
                    "(.Files.Glob \"**\").AsConfig",
                    "(.Files.Glob \"cfg/b*\").AsSecrets",
                    ".Chart.Foo",
                    ".Capabilities.KubeVersion.Major",
                    ".Capabilities.KubeVersion.Nope",
                    ".Values.Table \"m\"",
                    ".Values.YAML",
                    ".Values.PathValue \"m.a\"",
                    ".Capabilities.HelmVersion.Version",
                    ".Template.Name",
                    ".Template.BasePath",
                    ".Chart.Version",
                    ".Subcharts",
                    ".Chart.IsRoot",
                    ".Chart.Type",
                    ".Chart.Keywords",
                    ".Release.IsInstall",
                    ".Release",
                    ".Chart.Dependencies",
                ]);
                self.out.push_str(method);
            }
            _ if !self.wild => self.operand(depth),
            _ => {
                let kind = *self.random.pick(&["any", "str", "bool", "map", "list", "int"]);
                let call = self.calls.argument(self.random, kind, 1);
                self.out.push_str(&call);
            }
        }
    }

    fn operand(&mut self, depth: usize) {
        match self.random.below(if depth == 0 { 7 } else { 9 }) {
            0 => {
                let constant = if !self.wild {
                    self.random.word(&[
                        "1",
                        "-1",
                        "0x1F",
                        "0b11",
                        "0o17",
                        "017",
                        "1_000",
                        "1.5",
                        "1e3",
                        "-.5",
                        "'a'",
                        "'\\n'",
                        "'\\x41'",
                        "'é'",
                        "\"a\\tb\"",
                        "\"\\u00e9\"",
                        "`raw\n\"x`",
                        "true",
                        "false",
                        "nil",
                        "9223372036854775807",
                        "0x1p-2",
                        "+3",
                        "1.",
                        "0_1",
                    ])
                } else {
                    *self.random.pick(&[
                        "1",
                        "-1",
                        "0x1F",
                        "0b11",
                        "0o17",
                        "017",
                        "08",
                        "1_000",
                        "1.5",
                        "1e3",
                        "-.5",
                        "1i",
                        "'a'",
                        "'\\n'",
                        "'\\x41'",
                        "'é'",
                        "\"a\\tb\"",
                        "\"\\u00e9\"",
                        "`raw\n\"x`",
                        "true",
                        "false",
                        "nil",
                        "9223372036854775807",
                        "9223372036854775808",
                        "1e400",
                        "0x1p-2",
                        "\"\\q\"",
                        "'ab'",
                        "''",
                        "+3",
                        "1.",
                        "0x",
                        "\"",
                        "1e",
                        "\"\\x4\"",
                        "0_1",
                        "1__0",
                        "99999999999999999999",
                        "\"a",
                        "`a",
                    ])
                };
                self.out.push_str(constant);
            }
            1 => {
                let constant = *self
                    .random
                    .pick(&["1", "\"a\"", "`r`", "true", "2.5", "nil", "'a'", "0"]);
                self.out.push_str(constant);
            }
            2..=4 => {
                let field = if !self.wild {
                    self.random.word(&[
                        ".",
                        "$.Values",
                        "$.Values.s",
                        "$.Values.m",
                        "$.Values.m.b.c",
                        "$.Values.l",
                        "$.Values.missing",
                        "$.Values.nul",
                        "$.Values.n",
                        "$.Values.i",
                        "$.Values.t",
                        "$.Values.no",
                        "$.Values.em",
                        "$.Values.ml",
                        "$.Chart.Name",
                        "$.Values.m.b",
                        "$.Values.big",
                        "($.Values.nul).x",
                        "$.Values.sl",
                    ])
                } else {
                    *self.random.pick(&[
                        ".",
                        ".Values",
                        ".Values.s",
                        ".Values.m",
                        ".Values.m.b.c",
                        ".Values.l",
                        ".Values.missing",
                        ".Values.missing.x",
                        ".Values.nul",
                        ".Values.nul.x",
                        ".Values.s.x",
                        ".a",
                        ".a.b",
                        ".Values.n",
                        ".Values.f",
                        ".Values.i",
                        ".Values.t",
                        ".Values.no",
                        ".Values.em",
                        ".Values.e",
                        ".Values.ml",
                        ".Chart.Name",
                        ".Release.Name",
                        ".Values.tpl",
                        ".Values.m.b",
                        ".Values.big",
                        ".x-y",
                        "..",
                        ".Values.",
                        ".1",
                        ".é",
                        ".Chart",
                        ".Values.AsMap",
                    ])
                };
                self.out.push_str(field);
            }
            5 | 6 => {
                let name = self.variable();
                self.out.push_str(&name);
                let field = self.choose(
                    &[""],
                    &[
                        "",
                        "",
                        ".Values",
                        ".Values.m",
                        ".a",
                        ".Values.s",
                        ".x.y",
                        ".Values.m.b",
                    ],
                );
                self.out.push_str(field);
            }
            _ => {
                self.out.push('(');
                if self.wild && self.random.one_in(12) {
                    let name = *self.random.pick(&["$p := ", "$p = ", "$a, $b := "]);
                    self.out.push_str(name);
                }
                self.pipeline(depth - 1);
                self.out.push(')');
                let field = self.choose(&[""], &["", "", "", ".a", ".Values", ".m", ".b.c", " .a", ".x"]);
                self.out.push_str(field);
            }
        }
    }
}

/// A template out of loose tokens, which is right by chance only.
pub(crate) fn tokens(random: &mut Random) -> Value {
    const TOKENS: &[&str] = &[
        "{{",
        "}}",
        "{{-",
        "-}}",
        "{{- ",
        " -}}",
        "if ",
        "else ",
        "end",
        "range ",
        "with ",
        "define ",
        "template ",
        "block ",
        "break",
        "continue",
        "else if ",
        "else with ",
        "\"x\"",
        "`x`",
        "'c'",
        "$",
        "$x",
        " := ",
        " = ",
        ", ",
        ".",
        ".a",
        ".Values",
        "(",
        ")",
        " | ",
        "print ",
        "printf ",
        "nil",
        "true",
        "1",
        "-0x1F",
        "1.5e3",
        "2i",
        " ",
        "\n",
        "/*",
        "*/",
        "é",
        "eq ",
        "{{end}}",
        "{{if 1}}",
        "{{range .Values.l}}",
        "{{else}}",
        "{{with .Values}}",
        "{{$x := 1}}",
        "{{/*",
        "*/}}",
        "text",
        "@",
        "#",
        "\\",
        "\"",
        "'",
        "`",
        "{",
        "}",
        "-",
        "+",
        "1a",
        "0x",
        "a.b",
        "$x.a",
        ":",
        "=",
        ",",
        "|",
        "!",
        "\u{0}",
    ];
    // Charts lose a byte order mark when they are loaded.
    let mut template: String = random.some(14, |random| *random.pick(TOKENS)).concat();
    if random.one_in(3) {
        template = format!("{{{{ {template} }}}}");
    }
    if random.one_in(10) {
        template.push_str(&values::text(random));
    }
    json!({"template": template, "values": VALUES})
}
