//! How much of the thread's stack is used: recursion in a template must end in an error, not in a crash.

/// A budget of stack, counted from the place where it was made.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    base: usize,
    budget: usize,
}

impl Stack {
    /// A budget of so many bytes from here on.
    pub(crate) fn new(budget: usize) -> Self {
        Self { base: here(), budget }
    }

    /// Whether the budget is used up.
    pub(crate) fn exhausted(&self) -> bool {
        // Frames may be anywhere relative to the base, whichever way the stack grows.
        self.base.abs_diff(here()) > self.budget
    }
}

/// The address of a local variable stands for the top of the stack.
#[inline(never)]
fn here() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(&marker).addr()
}
