//! How much one execution may do: a template that never ends, or whose texts double and double, ends in an error.
//!
//! Work is counted, not timed, so that the same chart always comes out the same.

use std::cell::Cell;
use std::rc::Rc;

use crate::value::{Value, held};

/// How many steps a template set may take in one execution: nodes, iterations and calls, and the texts and lists that
/// calls make. None of 1,766 renders of public charts reaches it.
pub(super) const MAX_STEPS: u64 = 20_000_000;

/// The longest text that a call may make, and the longest output, in bytes.
pub(crate) const MAX_TEXT: usize = 32 << 20;

/// The longest list that a call may make.
pub(crate) const MAX_ITEMS: usize = 2_000_000;

/// How many bytes long texts and lists may take that are held at the same time, whichever templates made them.
const MAX_HELD: usize = 128 << 20;

/// The longest text that is read into values: a file of a chart is never longer. A tree is many times as large as its
/// text.
const MAX_READ: usize = 5 << 20;

/// What all templates of a set may write together.
pub(crate) const MAX_WRITTEN: usize = 64 << 20;

/// Levels of `tpl` within `tpl`; Helm's end with its stack.
pub(super) const MAX_TPL: usize = 200;

/// How many bytes of a text count as one step.
const BYTES_A_STEP: usize = 64;

/// The same for long texts that a call reads, which it may do slowly.
const BYTES_A_STEP_OF_A_CALL: usize = 16;

/// Shorter texts are read in no time.
const LONG_TEXT: usize = 4 * 1024;

/// What all templates of a set may spend on keys and passwords, which are slow on purpose: about as many milliseconds.
/// Charts with some fifty users in an `htpasswd` exist.
const MAX_KEYS: u64 = 4_000;

/// What a map costs beside its entries.
const STEPS_OF_A_MAP: usize = 16;

/// What a `template` costs beside its nodes.
pub(super) const STEPS_OF_A_TEMPLATE: u64 = 5;

/// What is left.
#[derive(Debug)]
pub(super) struct Limits {
    steps: u64,
    /// What all templates of the set have spent on keys.
    keys: Rc<Cell<u64>>,
}

impl Limits {
    pub(super) fn new(keys: Rc<Cell<u64>>) -> Self {
        Self {
            steps: MAX_STEPS,
            keys,
        }
    }

    /// Counts so many steps; false when there were too many.
    #[inline]
    pub(super) fn step(&mut self, count: u64) -> bool {
        match self.steps.checked_sub(count) {
            Some(left) => {
                self.steps = left;
                true
            }
            None => false,
        }
    }

    /// Counts what a call will do with its arguments.
    pub(super) fn before(&mut self, function: &str, args: &[Value]) -> Result<(), String> {
        let mut steps = 0;
        for arg in args {
            steps += match arg {
                Value::Str(text) if text.len() >= LONG_TEXT => text.len() / BYTES_A_STEP_OF_A_CALL,
                Value::List(list) => list.len() / 4,
                _ => 0,
            };
        }
        let mut steps = steps as u64;
        let items = || {
            let items = args
                .iter()
                .filter_map(Value::as_list)
                .map(|list| list.len() as u64);
            items.max().unwrap_or_default()
        };
        match function.trim_start_matches("must") {
            "bcrypt" | "htpasswd" => self.spend(60)?,
            "derivePassword" => self.spend(120)?,
            "genPrivateKey" => self.spend(match args.first().and_then(Value::as_bytes) {
                Some(b"rsa" | b"") => 500,
                Some(b"dsa") => 1_000,
                _ => 1,
            })?,
            name if name.starts_with("gen") => self.spend(if name.ends_with("WithKey") { 10 } else { 80 })?,
            // Each item is held against all before it.
            "uniq" | "Uniq" => steps += items().saturating_mul(items()) / 16,
            "has" | "Has" | "without" | "Without" => steps += items(),
            name if is_reader(name) => {
                let length = longest(args);
                check("text", length, MAX_READ)?;
                steps += length as u64 / 4;
            }
            "split" | "splitList" | "splitn" | "regexSplit" | "RegexSplit" | "regexFindAll"
            | "RegexFindAll" => check("text", longest(args), MAX_READ)?,
            _ => {}
        }
        if self.step(steps) { Ok(()) } else { Err(too_many()) }
    }

    /// Counts a key or a password.
    fn spend(&mut self, cost: u64) -> Result<(), String> {
        let spent = self.keys.get().saturating_add(cost);
        self.keys.set(spent);
        if spent <= MAX_KEYS {
            return Ok(());
        }
        Err(format!(
            "too many keys and passwords are made: those of all templates cost {spent}, more than the limit of \
             {MAX_KEYS} (a password's hash costs 60, a certificate 80, an RSA key of 4096 bits 500)"
        ))
    }

    /// Counts a call and what it made.
    pub(super) fn made(&mut self, function: &str, value: &Value) -> Result<(), String> {
        if matches!(value, Value::Map(_) | Value::List(_)) && is_reader(function.trim_start_matches("must")) {
            let weight = weight(value);
            if !self.step(weight) {
                return Err(too_many());
            }
        }
        let size = match value {
            Value::Str(text) => {
                check("text", text.len(), MAX_TEXT)?;
                text.len() / BYTES_A_STEP
            }
            Value::List(list) => {
                check("list", list.len(), MAX_ITEMS)?;
                list.len()
            }
            Value::Map(_) => STEPS_OF_A_MAP,
            _ => 0,
        };
        let held = held();
        if held > MAX_HELD {
            return Err(format!(
                "texts and lists of {held} bytes are held at the same time, more than the limit of {MAX_HELD}"
            ));
        }
        if self.step(1 + size as u64) {
            Ok(())
        } else {
            Err(too_many())
        }
    }
}

/// Whether a function makes values of a text.
fn is_reader(function: &str) -> bool {
    matches!(
        function,
        "fromYaml" | "fromYamlArray" | "fromJson" | "fromJsonArray" | "fromToml" | "FromJson"
    )
}

/// What a tree of values counts: a step for ten bytes that it takes.
fn weight(value: &Value) -> u64 {
    let mut weight = 0;
    let mut left = vec![value.clone()];
    while let Some(value) = left.pop() {
        weight += match value {
            Value::Map(map) => {
                let entries = map.to_vec();
                let count = entries.len() as u64;
                left.extend(entries.into_iter().map(|(_, value)| value));
                10 + 8 * count
            }
            Value::List(list) => {
                left.extend(list.to_vec());
                8
            }
            Value::Str(_) => 6,
            _ => 3,
        };
        if weight > MAX_STEPS {
            break;
        }
    }
    weight
}

fn longest(texts: &[Value]) -> usize {
    let texts = texts.iter().filter_map(Value::as_bytes);
    texts.map(<[u8]>::len).max().unwrap_or_default()
}

fn check(what: &str, size: usize, limit: usize) -> Result<(), String> {
    if size <= limit {
        return Ok(());
    }
    Err(format!("{what} of {size} is longer than the limit of {limit}"))
}

/// The message of an execution that took too many steps.
pub(super) fn too_many() -> String {
    format!("exceeded maximum number of steps ({MAX_STEPS})")
}
