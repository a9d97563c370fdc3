//! Random inputs to everything that reads texts: an answer or an error, never a panic, a full stack or memory without bound.
//!
//! `KIEL_TEST_ROUNDS` is the number of inputs of each kind (a few without it), `KIEL_TEST_SEED` their seed;
//! `cargo xtask fuzz` sets both. An input that panics is shown.

#![cfg(target_os = "linux")]

#[path = "differential/calls.rs"]
#[allow(dead_code, reason = "shared with the test that asks Helm")]
mod calls;
#[path = "support/fixed.rs"]
mod fixed;
#[path = "differential/flags.rs"]
mod flags;
#[path = "differential/grammar.rs"]
mod grammar;
#[path = "differential/literals.rs"]
mod literals;
#[path = "differential/random.rs"]
#[allow(dead_code, reason = "shared with the test that asks Helm")]
mod random;
#[path = "differential/values.rs"]
mod values;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kiel_chart::{ValuesFile, ValuesInput, load_archive};
use kiel_template::functions::{self, Environment, semver};
use kiel_template::value::Type;
use kiel_template::{Options, TemplateSet, Value, format, json, yaml};
use libtest_mimic::{Arguments, Trial};

use calls::Calls;
use fixed::Fixed;
use random::{Random, number};

/// Inputs of a kind where nobody says how many.
const ROUNDS: u64 = 1_000;
/// The stack that templates may use.
const BUDGET: usize = 16 << 20;
/// How long an input may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// What may be in memory at most, in KiB.
const MEMORY: u64 = 512 * 1024;

/// What is done with an input.
struct Kind {
    name: &'static str,
    input: fn(&mut Random, &Bench) -> Vec<u8>,
    feed: fn(&Bench, &[u8]),
}

const KINDS: &[Kind] = &[
    Kind {
        name: "templates",
        input: template,
        feed: run_template,
    },
    Kind {
        name: "function_calls",
        input: call,
        feed: run_template,
    },
    Kind {
        name: "template_bytes",
        input: |random, bench| {
            let text = template(random, bench);
            broken(random, text)
        },
        feed: run_template,
    },
    Kind {
        name: "tokens",
        input: |random, _| text_of(&grammar::tokens(random), "template"),
        feed: run_template,
    },
    Kind {
        name: "yaml",
        input: |random, _| values::yaml(random).into_bytes(),
        feed: read_yaml,
    },
    Kind {
        name: "yaml_bytes",
        input: |random, _| {
            let text = values::yaml(random).into_bytes();
            broken(random, text)
        },
        feed: read_yaml,
    },
    Kind {
        name: "emitters",
        input: |random, _| values::value(random, 5).to_string().into_bytes(),
        feed: write_all,
    },
    Kind {
        name: "json",
        input: |random, _| {
            let text = values::json_text(random).into_bytes();
            broken(random, text)
        },
        feed: |bench, input| bench.apply("json", input),
    },
    Kind {
        name: "toml",
        input: |random, _| {
            let text = values::toml(random).into_bytes();
            broken(random, text)
        },
        feed: |bench, input| bench.apply("toml", input),
    },
    Kind {
        name: "flags",
        input: |random, _| flags::question(random).to_string().into_bytes(),
        feed: read_flags,
    },
    Kind {
        name: "semver",
        input: |random, _| pair(random, "con", "ver"),
        feed: |_, input| {
            let (a, b) = halves(input);
            drop(semver::satisfies(&a, &b));
        },
    },
    Kind {
        name: "times",
        input: |random, _| pair(random, "lay", "date"),
        feed: |bench, input| bench.apply("time", input),
    },
    Kind {
        name: "durations",
        input: |random, _| pair(random, "dur", "zone"),
        feed: |bench, input| bench.apply("duration", input),
    },
    Kind {
        name: "regexes",
        input: |random, _| pair(random, "re", "str"),
        feed: |bench, input| bench.apply("regex", input),
    },
    Kind {
        name: "formats",
        input: |random, _| pair(random, "fmt", "str"),
        feed: |bench, input| bench.apply("format", input),
    },
    Kind {
        name: "urls",
        input: |random, _| pair(random, "url", "b64"),
        feed: |bench, input| bench.apply("url", input),
    },
    Kind {
        name: "archives",
        input: archive,
        feed: |_, input| drop(load_archive(input)),
    },
];

/// What does not change from input to input.
struct Bench {
    calls: Calls,
    set: TemplateSet,
    data: Value,
    archive: Vec<u8>,
}

const APPLIED: &[(&str, &str)] = &[
    (
        "json",
        "{{ fromJson .t | toJson }}{{ fromJsonArray .t | toYaml }}{{ fromYaml .t | toToml }}",
    ),
    ("toml", "{{ fromToml .t | toToml }}"),
    (
        "time",
        "{{ toDate .a .b | date .b }}{{ dateInZone .a 1700000000 \"Asia/Kolkata\" }}",
    ),
    (
        "duration",
        "{{ durationRound .a }}{{ dateModify .a (toDate \"2006\" \"2020\") }}{{ duration .b }}{{ dateInZone \"15\" 1 .b }}",
    ),
    (
        "regex",
        "{{ regexMatch .a .b }}{{ regexReplaceAll .a .b .a }}{{ regexSplit .a .b -1 }}{{ regexFindAll .a .b 3 }}",
    ),
    (
        "format",
        "{{ printf .a .b 1 2.5 nil (list 1 .b) }}{{ printf .b -3 .a }}",
    ),
    ("url", "{{ urlJoin (urlParse .a) }}{{ b64dec .b }}{{ b32dec .b }}"),
];

impl Bench {
    fn new() -> Result<Self> {
        let environment: Rc<dyn Environment> = Rc::new(Fixed);
        let mut functions = functions::all(&environment);
        functions.add("include", &[Type::String, Type::Any], |call, args| {
            let name = args[0].as_bytes().unwrap_or_default().into();
            Ok(call.include(&name, &args[1])?.into())
        });
        functions.add("tpl", &[Type::String, Type::Any], |call, args| {
            let text = args[0].as_bytes().unwrap_or_default().into();
            Ok(call.tpl(&text, &args[1])?.into())
        });
        let mut set = TemplateSet::new(Options {
            name: "gotpl".into(),
            functions,
            stack_budget: BUDGET,
            ..Options::default()
        });
        set.parse(
            "h",
            r#"{{ define "h" }}<{{ . }}>{{ end }}{{ define "t0" }}{{ .a }}{{ end }}"#,
        )?;
        for (name, text) in APPLIED {
            set.parse(name, text)?;
        }
        let values = r#"{"s":"text","u":"h\u00e9","n":5,"f":1.5,"l":[3,1],"sl":["b","a"],"ml":[{"a":1},{}],"m":{"a":1,"b":{"c":"d"}},"one":{"k":1}}"#;
        let values = json::from_str(values.as_bytes())?;
        let data = Value::map([("Values", values)]);
        Ok(Self {
            calls: Calls::new(),
            set,
            data,
            archive: small_chart()?,
        })
    }

    /// Runs one of the fixed templates on an input, whole and in two parts.
    fn apply(&self, name: &str, input: &[u8]) {
        let (a, b) = halves(input);
        let data = Value::map([
            ("t", Value::Nil),
            ("a", a.as_str().into()),
            ("b", b.as_str().into()),
        ]);
        if let Value::Map(map) = &data {
            map.insert("t", Value::Str(input.into()));
        }
        drop(self.set.execute_bytes(name, &data));
    }
}

fn small_chart() -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in [
        ("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("c/values.yaml", "a: 1\n"),
        ("c/templates/t.yaml", "a: {{ .Values.a }}\n"),
        ("c/.helmignore", "*.bak\n!x\n"),
        ("c/charts/d/Chart.yaml", "name: d\nversion: 0.1.0\n"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, text.as_bytes())?;
    }
    Ok(builder.into_inner()?)
}

fn text_of(question: &serde_json::Value, key: &str) -> Vec<u8> {
    question[key].as_str().unwrap_or_default().into()
}

fn template(random: &mut Random, bench: &Bench) -> Vec<u8> {
    text_of(&grammar::question(random, &bench.calls), "template")
}

fn call(random: &mut Random, bench: &Bench) -> Vec<u8> {
    text_of(&bench.calls.question(random, None), "template")
}

/// Two literals without their quotes, a zero byte between them.
fn pair(random: &mut Random, first: &str, second: &str) -> Vec<u8> {
    let mut made = |kind: &str| {
        if kind == "fmt" {
            let question = calls::printf(random);
            return text_of(&question, "template");
        }
        let literal = literals::literal(random, kind);
        let text = literal.trim_matches(['"', '`']).to_owned();
        if random.one_in(3) {
            broken(random, text.into_bytes())
        } else {
            text.into_bytes()
        }
    };
    [made(first), vec![0], made(second)].concat()
}

fn halves(input: &[u8]) -> (String, String) {
    let at = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (first, second) = (&input[..at], input.get(at + 1..).unwrap_or_default());
    (
        String::from_utf8_lossy(first).into_owned(),
        String::from_utf8_lossy(second).into_owned(),
    )
}

/// A few bytes changed, whatever that makes of the text.
fn broken(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len() + 1);
        let byte = random.next().to_le_bytes()[0];
        match random.below(5) {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.truncate(at),
            3 => {
                let piece = bytes[at..]
                    .iter()
                    .copied()
                    .take(random.below(9))
                    .collect::<Vec<_>>();
                let times = random.below(20);
                for _ in 0..times {
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
            _ => bytes.insert(at, byte),
        }
    }
    bytes
}

fn archive(random: &mut Random, bench: &Bench) -> Vec<u8> {
    let mut tar = bench.archive.clone();
    for _ in 0..random.below(6) {
        // Headers are where archives can lie.
        let at = random.below(tar.len() / 512) * 512 + random.below(512);
        tar[at] = *random.pick(&[
            0, b'0', b'7', b'/', b'.', b'\\', b'1', b'2', b'5', b'x', b'g', b'L', 0x80, 0xff, b' ',
        ]);
        if random.one_in(2) {
            let block = at / 512 * 512;
            repair(&mut tar[block..block + 512]);
        }
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(0));
    let packed = encoder
        .write_all(&tar)
        .and_then(|()| encoder.finish())
        .unwrap_or_default();
    if random.one_in(4) {
        broken(random, packed)
    } else {
        packed
    }
}

/// Sets a header's checksum right.
fn repair(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn run_template(bench: &Bench, input: &[u8]) {
    let mut set = bench.set.clone();
    if set.parse("t", input).is_ok() {
        // Templates change what they get.
        drop(set.execute_bytes("t", &bench.data.deep_copy()));
    }
}

fn read_yaml(_: &Bench, input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    drop(yaml::parse_documents(&text));
    drop(yaml::to_json(&text));
    if let Ok(value) = yaml::from_str(&text) {
        drop(yaml::to_string(&value));
    }
}

fn write_all(_: &Bench, input: &[u8]) {
    if let Ok(value) = json::from_str(input) {
        drop(yaml::to_string(&value));
        drop(yaml::to_string_pretty(&value));
        drop(json::to_string_pretty(&value));
        drop(format::sprintf(
            b"%v %#v %+v %q %x",
            &[value.clone(), value.clone(), value.clone(), value.clone(), value],
        ));
    }
}

fn read_flags(_: &Bench, input: &[u8]) {
    let Ok(question) = serde_json::from_slice::<serde_json::Value>(input) else {
        return;
    };
    let texts = |key: &str| {
        let items = question[key].as_array().into_iter().flatten();
        items.filter_map(|item| Some(item.as_str()?.to_owned())).collect()
    };
    let values = ValuesInput {
        files: vec![ValuesFile {
            name: "values.yaml".into(),
            content: text_of(&question, "values"),
        }],
        set: texts("set"),
        set_string: texts("setString"),
        set_json: texts("setJson"),
        set_literal: texts("setLiteral"),
        ..ValuesInput::default()
    };
    drop(values.merge_json());
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(1));
    // What panics is told below, with its input.
    std::panic::set_hook(Box::new(|_| {}));
    let trials = (0..KINDS.len()).map(|at| {
        Trial::test(format!("survives::{}", KINDS[at].name), move || {
            survive(at).map_err(|error| format!("{error:#}").into())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn survive(at: usize) -> Result<()> {
    // Frames of debug builds are large.
    let thread = std::thread::Builder::new().stack_size(BUDGET + (16 << 20));
    let thread = thread.spawn(move || survive_here(at))?;
    thread
        .join()
        .map_err(|_| anyhow::anyhow!("the thread panicked"))?
}

fn survive_here(at: usize) -> Result<()> {
    let kind = &KINDS[at];
    let (rounds, seed) = (number("KIEL_TEST_ROUNDS", ROUNDS)?, number("KIEL_TEST_SEED", 5)?);
    let bench = Bench::new()?;
    let mut random = Random::new(seed.wrapping_mul(7_919).wrapping_add(at as u64));
    let watched = Arc::new(Mutex::new((0, Vec::new())));
    watch(kind.name, Arc::downgrade(&watched));
    for round in 1..=rounds {
        let input = (kind.input)(&mut random, &bench);
        if let Ok(mut watched) = watched.lock() {
            *watched = (round, input.clone());
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| (kind.feed)(&bench, &input)));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            anyhow::bail!(
                "{} panics: {}: {:?}",
                kind.name,
                text.unwrap_or_default(),
                String::from_utf8_lossy(&input)
            );
        }
        let peak = peak_memory()?;
        ensure!(
            peak < MEMORY,
            "{} takes {peak} KiB at round {round}: {:?}",
            kind.name,
            String::from_utf8_lossy(&input)
        );
    }
    Ok(())
}

/// Ends the process, with the input, when one takes too long or too much.
fn watch(name: &'static str, watched: Weak<Mutex<(u64, Vec<u8>)>>) {
    std::thread::spawn(move || {
        let (mut round, mut since) = (0, Instant::now());
        loop {
            std::thread::park_timeout(Duration::from_millis(20));
            let Some(watched) = watched.upgrade() else { return };
            let Ok(now) = watched.lock() else { return };
            if now.0 != round {
                (round, since) = (now.0, Instant::now());
            }
            let takes_much = peak_memory().is_ok_and(|peak| peak > 2 * MEMORY);
            if round > 0 && (takes_much || since.elapsed() > PATIENCE) {
                let what = if takes_much {
                    "too much memory for"
                } else {
                    "no end of"
                };
                let text = format!("{name}: {what} {:?}\n", String::from_utf8_lossy(&now.1));
                drop(std::io::stderr().write_all(text.as_bytes()));
                std::process::abort();
            }
        }
    });
}

/// Peak memory of this process, in KiB.
fn peak_memory() -> Result<u64> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("the system says no peak memory")?.parse()?)
}
