//! Numbers that look random and come out the same each time.

use anyhow::{Context as _, Result};

/// A variable of the environment.
#[expect(clippy::disallowed_methods, reason = "a test's environment is its input")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A variable that is a number.
pub(crate) fn number(name: &str, otherwise: u64) -> Result<u64> {
    match variable(name) {
        Some(text) => text.parse().with_context(|| format!("{name}=`{text}`")),
        None => Ok(otherwise),
    }
}

/// `SplitMix64`.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    /// True once in `count` times.
    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub(crate) fn word(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len())]
    }

    /// As many items as `made` makes, one after the other.
    pub(crate) fn some<T>(&mut self, most: usize, mut made: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| made(self)).collect()
    }

    /// The text with a few characters taken out, doubled, exchanged or put in.
    pub(crate) fn mangled(&mut self, text: &str, alphabet: &[char]) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(3) {
            let at = self.below(chars.len() + 1);
            match self.below(4) {
                0 if at < chars.len() => {
                    chars.remove(at);
                }
                1 if at < chars.len() => chars[at] = *self.pick(alphabet),
                2 if at + 1 < chars.len() => chars.swap(at, at + 1),
                _ => chars.insert(at, *self.pick(alphabet)),
            }
        }
        chars.into_iter().collect()
    }
}
