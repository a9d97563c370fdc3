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

/// What is left.
#[derive(Debug)]
pub(super) struct Limits {
    steps: u64,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self { steps: MAX_STEPS }
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
                text.len() / BYTES_A_STEP
            }
            Value::List(list) => {
                check("list", list.len(), MAX_ITEMS)?;
                list.len()
            }
            _ => 0,
        };
        if self.step(1 + size as u64) {
            Ok(())
        } else {
            Err(too_many())
        }
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
