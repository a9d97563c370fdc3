//! How much one execution may do: a template that never ends, or whose texts double and double, ends in an error.
//!
//! Work is counted, not timed, so that the same chart always comes out the same.

use crate::value::Value;

/// How many steps a template set may take in one execution: nodes, iterations and calls, and the texts and lists that
/// calls make. None of 1,766 renders of public charts reaches it.
pub(super) const MAX_STEPS: u64 = 20_000_000;

/// The longest text that a call may make, and the longest output, in bytes.
pub(crate) const MAX_TEXT: usize = 32 << 20;

/// The longest list that a call may make.
const MAX_ITEMS: usize = 2_000_000;

/// Levels of `tpl` within `tpl`; Helm's end with its stack.
pub(super) const MAX_TPL: usize = 200;

/// How many bytes of a text count as one step.
const BYTES_A_STEP: usize = 64;

/// Likewise of a text so long that few of them fill the memory.
const BYTES_OF_LONG_TEXT_A_STEP: usize = 16;

/// From how many bytes on a text is long.
const LONG_TEXT: usize = 1 << 20;

/// From how many templates within each other on their texts are counted: nobody nests so deeply on purpose.
const DEEP: usize = 10;

/// How many bytes templates that nest so deeply may hold at a time. Each level of one that calls itself keeps what it made.
const MAX_HELD: usize = 64 << 20;

/// From how many bytes or items on a value counts as one that is held.
const LARGE: usize = 1024;

/// How many bytes an item of a list takes.
const BYTES_AN_ITEM: usize = 16;

/// What is left.
#[derive(Debug)]
pub(super) struct Limits {
    steps: u64,
    /// Templates that run within each other.
    nested: usize,
    /// Bytes that the deep ones of them have made.
    held: usize,
}

/// What a template that is entered finds.
pub(super) struct Level(usize);

impl Limits {
    pub(super) fn new() -> Self {
        Self {
            steps: MAX_STEPS,
            nested: 0,
            held: 0,
        }
    }

    /// A template begins.
    pub(super) fn enter(&mut self) -> Level {
        self.nested += 1;
        Level(self.held)
    }

    /// It ends: what it made is gone, but for its output.
    pub(super) fn leave(&mut self, level: &Level) {
        self.nested -= 1;
        self.held = level.0;
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

    /// Counts a call and what it made.
    pub(super) fn made(&mut self, value: &Value) -> Result<(), String> {
        let size = match value {
            Value::Str(text) => {
                check("text", text.len(), MAX_TEXT)?;
                if text.len() < LONG_TEXT {
                    text.len() / BYTES_A_STEP
                } else {
                    text.len() / BYTES_OF_LONG_TEXT_A_STEP
                }
            }
            Value::List(list) => {
                check("list", list.len(), MAX_ITEMS)?;
                list.len()
            }
            _ => 0,
        };
        if !self.step(1 + size as u64) {
            return Err(too_many());
        }
        if self.nested > DEEP {
            self.held += large_size(value);
            if self.held > MAX_HELD {
                return Err(format!(
                    "templates within each other hold more than the limit of {MAX_HELD} bytes"
                ));
            }
        }
        Ok(())
    }
}

/// The bytes of a value, where they are many.
fn large_size(value: &Value) -> usize {
    match value {
        Value::Str(text) if text.len() >= LARGE => text.len(),
        Value::List(list) if list.len() >= LARGE => list.len() * BYTES_AN_ITEM,
        Value::Map(map) if map.len() <= 2 => {
            let keys = map.keys();
            let keys = keys.iter().map(|key| key.len());
            keys.filter(|length| *length >= LARGE).sum()
        }
        _ => 0,
    }
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
