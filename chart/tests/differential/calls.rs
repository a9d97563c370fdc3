//! Random calls of all functions whose results do not change from run to run, with arguments that mostly fit.

use serde_json::{Value, json};

use crate::random::Random;
use crate::{literals, values};

/// Result, name, parameters (`*`: any number of the last).
const FUNCTIONS: &str = "
str abbrev int str|str abbrevboth int int str|str trunc int str|str trim str|str upper str|str lower str|str title str
str untitle str|str substr int int str|str repeat small str|str trimall str str|str trimAll str str|str trimSuffix str str
str trimPrefix str str|str nospace str|str initials str|str swapcase str|str snakecase str|str camelcase str|str kebabcase str
str wrap int str|str wrapWith int str str|bool contains str str|bool hasPrefix str str|bool hasSuffix str str|str quote any*
str squote any*|str cat any*|str indent small str|str nindent small str|str replace str str str|str plural str str int
str toString any|str join str any|strs sortAlpha any|strmap split str str|strs splitList str str|strmap splitn str int str
strs toStrings any|int atoi num|int int64 any|int int any|float float64 any|str seq small*|int toDecimal any|ints until small
ints untilStep small small small|int add1 any|int add any*|int sub any any|int div any any|int mod any any|int mul any*
float add1f any|float addf any*|float subf any any*|float divf any any|float mulf any any|int biggest any any*|int max any any*
int min any any*|float maxf any any*|float minf any any*|float ceil any|float floor any|float round any small float
str date lay time|str date_in_zone lay time zone|str dateInZone lay time zone|time date_modify dur time|time dateModify dur time
str duration any|str duration num|str durationRound dur|str htmlDate time|str htmlDateInZone time zone|time must_date_modify dur time
time mustDateModify dur time|time mustToDate lay date|time toDate lay date|str unixEpoch time|any default any any|bool empty any
any coalesce any*|bool all any*|bool any any*|any ternary any any bool|any mustFromJson json|str mustToJson any
str toPrettyJson any|str mustToPrettyJson any|str toRawJson any|str mustToRawJson any|map dict str any|any get map str
map set map str any|map unset map str|bool hasKey map str|list pluck str map*|map pick map str*|map omit map str*|map merge map map*
map mergeOverwrite map map*|map mustMerge map map*|map mustMergeOverwrite map map*|any deepCopy any|any mustDeepCopy any
any dig str any map|any dig str str any map|list list any*|list tuple any*|list append any any|list push any any|list mustAppend any any
list prepend any any|list mustPrepend any any|any first any|any mustFirst any|list rest any|list mustRest any|any last any
list initial any|list mustInitial any|list reverse any|list mustReverse any|list uniq any|list mustUniq any|list without any any*
list mustWithout any any*|bool has any any|bool mustHas any any|list slice list small*|list mustSlice list small*|list concat list*
list chunk small list|list mustChunk small list|list compact any|list mustCompact any|str typeOf any|bool typeIs str any
bool typeIsLike str any|str kindOf any|bool kindIs str any|bool deepEqual any any|str base path|str dir path|str clean path|str ext path
bool isAbs path|str osBase path|str osClean path|str osDir path|str osExt path|bool osIsAbs path|str b64enc str|str b64dec b64
str b32enc str|str b32dec str|str sha1sum str|str sha256sum str|str sha512sum str|str adler32sum str|any semver ver
bool semverCompare con ver|bool regexMatch re str|bool mustRegexMatch re str|strs regexFindAll re str small|strs mustRegexFindAll re str small
str regexFind re str|str mustRegexFind re str|str regexReplaceAll re str repl|str mustRegexReplaceAll re str repl
str regexReplaceAllLiteral re str repl|str mustRegexReplaceAllLiteral re str repl|strs regexSplit re str small|strs mustRegexSplit re str small
str regexQuoteMeta str|map urlParse url|str urlJoin urlmap|str toYaml any|str toYamlPretty any|map fromYaml yaml|list fromYamlArray yaml
str toJson any|map fromJson json|list fromJsonArray json|str toToml any|map fromToml toml|any required str any|str getHostByName str
any lookup str str str str|any and any any*|any or any any*|bool not any|int len any|any index any any*|any slice str small small|str print any*
str println any*|str html any*|str js any*|str urlquery any*|bool eq any any*|bool ne any any|bool lt any any|bool le any any|bool gt any any
bool ge any any|any mustFirst list|str tpl tpl any|str include name any|strs keys map|list values one|str hello
";

/// The values of all questions about calls.
const VALUES: &str = r#"{"s":"hello World","e":"","n":5,"f":1.5,"big":1234567,"huge":12345678901234567890,"neg":-7.25,"t":true,
"z":0,"nul":null,"l":[3,1,2],"sl":["b","a","c","a"],"ml":[{"a":1},{"a":2,"b":[]}],"mix":[1,"a",null,true,{"x":1},[2]],
"m":{"a":1,"b":{"c":"d","e":{"f":[1]}},"k-x":[1],"n":null},"em":{},"el":[],"u":"héllo wörld 日本","ml2":"a b\nc  d\n",
"num":"42","lead":"007","one":{"k":"v"}}"#;

pub(crate) struct Calls {
    functions: Vec<(&'static str, &'static str, Vec<&'static str>)>,
}

impl Calls {
    pub(crate) fn new() -> Self {
        let rows = FUNCTIONS.split(['|', '\n']).filter(|row| !row.is_empty());
        let functions = rows.filter_map(|row| {
            let mut words = row.split(' ');
            Some((words.next()?, words.next()?, words.collect()))
        });
        Self {
            functions: functions.collect(),
        }
    }

    /// A question with a few calls. `only` narrows the outermost functions by their parameters.
    pub(crate) fn question(&self, random: &mut Random, only: Option<&[&str]>) -> Value {
        let mut template = String::new();
        for at in 0..=random.below(3) {
            let call = loop {
                let (_, name, params) = random.pick(&self.functions);
                if only.is_none_or(|kinds| params.iter().any(|param| kinds.contains(param))) {
                    break self.call(random, name, params, 2);
                }
            };
            let shown = match random.below(9) {
                0 | 1 => format!("{{{{ {call} }}}}"),
                2 => format!("{{{{ $x := {call} }}}}{{{{ printf \"%T %v\" $x $x }}}}"),
                3 => format!("{{{{ printf \"%#v\" ({call}) }}}}"),
                4 => format!("{{{{ toJson ({call}) }}}}"),
                5 => format!("{{{{ {call} | quote }}}}"),
                6 => format!("{{{{ toYaml ({call}) }}}}"),
                7 => {
                    format!("{{{{ with {call} }}}}{{{{ . }}}} {{{{ kindOf . }}}}{{{{ else }}}}-{{{{ end }}}}")
                }
                _ => format!("{{{{ $x{at} := {call} }}}}{{{{ typeOf $x{at} }}}} {{{{ $x{at} }}}}"),
            };
            template.push_str(&shown);
            template.push('\n');
        }
        json!({
            "template": template,
            "values": VALUES,
            "helpers": "{{ define \"h\" }}<{{ . }}>{{ end }}{{ define \"g\" }}{{ include \"h\" .a }}{{ end }}",
            "set": ["i=7", "i0=-3"],
        })
    }

    fn call(&self, random: &mut Random, name: &str, params: &[&str], depth: usize) -> String {
        let mut args = Vec::new();
        for param in params {
            match param.strip_suffix('*') {
                Some(kind) => args.extend(random.some(3, |random| self.argument(random, kind, depth))),
                None => args.push(self.argument(random, param, depth)),
            }
        }
        if random.one_in(60) {
            args.pop();
        } else if random.one_in(60) {
            args.push(self.argument(random, "any", 0));
        }
        let call = match args.pop() {
            Some(last) if random.one_in(4) => {
                let first = [name].into_iter().chain(args.iter().map(String::as_str));
                format!("{last} | {}", first.collect::<Vec<_>>().join(" "))
            }
            Some(last) => {
                args.push(last);
                format!("{name} {}", args.join(" "))
            }
            None => name.to_owned(),
        };
        // Their order is Go's to choose.
        if name == "keys" {
            return format!("({call}) | sortAlpha");
        }
        call
    }

    /// An expression that mostly is of a kind.
    pub(crate) fn argument(&self, random: &mut Random, kind: &str, depth: usize) -> String {
        const KINDS: &[&str] = &[
            "str", "int", "float", "bool", "map", "list", "strs", "any", "nil", "time", "num",
        ];
        let kind = if random.one_in(40) && kind != "time" {
            *random.pick(KINDS)
        } else {
            kind
        };
        if depth > 0 && random.one_in(3) {
            let matching: Vec<_> = self
                .functions
                .iter()
                .filter(|(result, ..)| {
                    *result == kind
                        || (kind == "any" && *result != "time")
                        || (kind == "str" && *result == "any" && depth > 1)
                        || (kind == "list" && matches!(*result, "strs" | "ints"))
                })
                .collect();
            if !matching.is_empty() {
                let (_, name, params) = random.pick(&matching);
                return format!("({})", self.call(random, name, params, depth - 1));
            }
        }
        literals::literal(random, kind)
    }
}

/// Values through all writers.
pub(crate) fn emitted(random: &mut Random) -> Value {
    const WRITERS: &[&str] = &[
        "toYaml .Values.v",
        "toYaml .Values",
        "toYamlPretty .Values.v",
        "toJson .Values.v",
        "toPrettyJson .Values.v",
        "toRawJson .Values.v",
        "toToml .Values.v",
        "toToml .Values",
        "print .Values.v",
        "printf \"%#v\" .Values.v",
        "quote .Values.v",
        "printf \"%q\" .Values.v",
        "printf \"%s\" .Values.v",
        "squote .Values.v",
        "toYaml (list .Values.v .Values.v)",
        "toYaml (dict \"k\" (list (list .Values.v)))",
        "toYaml .Values | nindent 2",
        "toYaml (toYaml .Values)",
        "html .Values.v",
        "js .Values.v",
        "urlquery .Values.v",
        "toString .Values.v | sha256sum",
        "fromYaml (toYaml .Values) | toJson",
        "fromJson (toJson .Values) | toYaml",
        "deepEqual .Values (fromYaml (toYaml .Values))",
        "range $k, $v := .Values.v }}{{ $k }}={{ $v }};{{ end",
        "fromYaml (toYamlPretty .Values) | toJson",
        "toYamlPretty (list .Values)",
    ];
    let mut template = String::new();
    for _ in 0..=random.below(2) {
        template.push_str(&format!("{{{{ {} }}}}\n", random.pick(WRITERS)));
    }
    json!({"template": template, "values": json!({"v": values::value(random, 4)}).to_string()})
}

/// Texts through all readers.
pub(crate) fn read(random: &mut Random) -> Value {
    let (text, readers): (String, &[&str]) = match random.below(8) {
        0..=3 => (
            values::yaml(random),
            &[
                "fromYaml .Values.t | toJson",
                "fromYamlArray .Values.t | toJson",
                "printf \"%#v\" (fromYaml .Values.t)",
                "fromYaml .Values.t | toYaml",
            ],
        ),
        4 => {
            let template = "{{ toYaml .Values }}{{ printf \"%#v\" .Values }}";
            return json!({"template": template, "values": values::yaml(random)});
        }
        5 | 6 => (
            values::json_text(random),
            &[
                "fromJson .Values.t | toJson",
                "fromJsonArray .Values.t | toJson",
                "mustFromJson .Values.t | toJson",
                "printf \"%#v\" (mustFromJson .Values.t)",
                "fromYaml .Values.t | toJson",
            ],
        ),
        _ => (
            values::toml(random),
            &[
                "fromToml .Values.t | toJson",
                "printf \"%#v\" (fromToml .Values.t)",
                "fromToml .Values.t | toToml",
            ],
        ),
    };
    json!({"template": format!("{{{{ {} }}}}", random.pick(readers)), "values": json!({"t": text}).to_string()})
}

/// Formats and operands.
pub(crate) fn printf(random: &mut Random) -> Value {
    const OPERANDS: &[&str] = &[
        "1",
        "-1",
        "0",
        "255",
        "97",
        "1.5",
        "-0.0",
        "1e21",
        "1e-7",
        "123456789.0",
        "\"a\"",
        "\"h\\u00e9\\n\"",
        "\"\"",
        "true",
        "nil",
        "'x'",
        "2i",
        "(1 | int64)",
        ".Values.n",
        ".Values.s",
        ".Values.m",
        ".Values.l",
        ".Values.nul",
        ".Values.missing",
        "(list 1 \"a\" nil)",
        "(dict \"a\" 1 \"b\" (list 1.5))",
        "(until 3)",
        "(splitList \",\" \"a,b\")",
        "(.Files.GetBytes \"cfg/bin\")",
        "(b64dec \"//4=\")",
        "(dict)",
        "(list)",
        ".Values.v",
        ".Values.i",
        "(split \",\" \"a,b\")",
        "(duration 90)",
        "1114112",
        "-5",
        "9223372036854775807",
        ".Chart.Name",
        "3",
        "100",
        "(semver \"1.2.3\")",
        "(.Files.GetBytes \"a.txt\")",
        "(tuple)",
        "(dict \"x\" nil)",
        "65533",
        "0x10FFFF",
        "(regexFindAll \"a\" \"b\" 1)",
    ];
    let mut format = String::new();
    for _ in 0..=random.below(3) {
        format.push_str(random.word(&["", "", " ", "a", "é", "%%", "|"]));
        format.push('%');
        for _ in 0..random.below(3) {
            format.push_str(random.word(&["+", "-", "#", " ", "0", "+", "-", "#"]));
        }
        format.push_str(random.word(&[
            "", "", "", "", "1", "6", "12", "40", "*", "[1]", "[2]*", "[9]", "[x]", "[", "[1", "1000001",
        ]));
        format.push_str(random.word(&["", "", "", "", ".", ".0", ".2", ".10", ".*", ".[1]*", ".-1", "."]));
        if random.one_in(12) {
            format.push_str(random.word(&["[1]", "[2]", "[3]", "[0]", "[-1]"]));
        }
        format.push_str(random.word(&[
            "v", "v", "v", "v", "s", "s", "d", "d", "T", "q", "q", "x", "X", "c", "U", "o", "O", "b", "e",
            "E", "f", "F", "g", "G", "t", "w", "z", "é", "!", "", "i", " ",
        ]));
    }
    let operands = random.some(4, |random| *random.pick(OPERANDS)).join(" ");
    let function = if random.one_in(12) {
        "fail (printf"
    } else {
        "(printf"
    };
    json!({
        "template": format!("{{{{ {function} {} {operands}) }}}}", json!(format)),
        "values": json!({"n": values::number(random), "s": values::text(random), "m": {"a": 1.5, "b": {"c": null}}, "l": [1, "x", [true]], "nul": null, "v": values::value(random, 2)}).to_string(),
        "set": ["i=7"],
    })
}
