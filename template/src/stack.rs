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
        self.used() > self.budget
    }

    /// Whether so little is left that nothing should be called any more. What is called itself asks for
    /// [`Stack::exhausted`] only, so that it is the call that fails, with a message that says so.
    pub(crate) fn nearly_exhausted(&self) -> bool {
        self.used() > self.budget - self.budget / 8
    }

    fn used(&self) -> usize {
        self.base.abs_diff(here())
    }
}

/// The address of a local variable stands for the top of the stack.
#[inline(never)]
fn here() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(&marker).addr()
}
