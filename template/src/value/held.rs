//! How much memory the long texts and lists take that are held at the moment: what one template makes, another may keep.
//!
//! Values belong to one thread, and so does this count. Short texts and lists are not counted: the steps that make them
//! are.

use std::cell::Cell;

/// Texts and lists of fewer bytes are not counted.
pub(super) const LONG: usize = 32 * 1024;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// How many bytes this thread's long texts and lists have.
pub(crate) fn held() -> usize {
    HELD.with(Cell::get)
}

/// Counts something long that was made.
pub(super) fn add(bytes: usize) {
    HELD.with(|held| held.set(held.get().saturating_add(bytes)));
}

/// Counts something long that is gone.
pub(super) fn remove(bytes: usize) {
    // A value may be dropped with its thread.
    let _gone = HELD.try_with(|held| held.set(held.get().saturating_sub(bytes)));
}
