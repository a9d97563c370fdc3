//! Keeps secrets out of everything that is shown, and out of the files that hold logs.

use std::sync::{Arc, RwLock};

/// The secrets of a run; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Mask(Arc<RwLock<Vec<String>>>);

/// Shorter ones would hide half of every text.
const SHORTEST: usize = 4;

impl Mask {
    /// Hides `secret` from now on, and each line of it; texts of fewer than four characters are not hidden.
    pub fn hide(&self, secret: &str) {
        self.add(secret);
        if secret.trim_end().contains('\n') {
            // Programs print keys line by line.
            secret.lines().map(str::trim).for_each(|line| self.add(line));
        }
    }

    fn add(&self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let mut secrets = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !secrets.iter().any(|known| known == secret) {
            secrets.push(secret.to_owned());
            // Longest first, so that a secret within a secret does not leave the rest of it.
            secrets.sort_by_key(|known| std::cmp::Reverse(known.len()));
        }
    }

    /// The text with every secret replaced.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let secrets = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        secrets.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.as_str(), "***")
        })
    }

    /// Length of the longest secret in bytes.
    fn longest(&self) -> usize {
        let secrets = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        secrets.first().map_or(0, String::len)
    }

    /// Where the first secret of the text stands.
    fn first(&self, text: &str) -> Option<std::ops::Range<usize>> {
        let secrets = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = secrets.iter().filter_map(|secret| {
            Some(text.find(secret.as_str())?..text.find(secret.as_str())? + secret.len())
        });
        found.min_by_key(|range| (range.start, std::cmp::Reverse(range.end)))
    }
}

/// Masks a text that comes in pieces: a secret may begin in one and end in the next.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    held: String,
}

impl Pieces {
    /// What can be shown after this piece; what may be the beginning of a secret is held back until the end.
    pub(super) fn add(&mut self, mask: &Mask, piece: &str, ends: bool) -> String {
        self.held.push_str(piece);
        let longest = if ends { 0 } else { mask.longest() };
        let mut shown = String::new();
        loop {
            // Beyond it a secret may begin that is not there as a whole.
            let safe = (self.held.len() + usize::from(longest > 0)).saturating_sub(longest);
            let safe = self.held.floor_char_boundary(safe);
            match mask.first(&self.held) {
                Some(range) if range.start < safe => {
                    shown.push_str(&self.held[..range.start]);
                    shown.push_str("***");
                    self.held.drain(..range.end);
                }
                _ => {
                    shown.extend(self.held.drain(..safe));
                    return shown;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_several_lines_is_hidden_line_by_line() {
        let mask = Mask::default();
        mask.hide("-----BEGIN\nabcdef\nxy\n");
        assert_eq!(mask.apply("| abcdef"), "| ***");
        assert_eq!(mask.apply("xy"), "xy");
    }

    #[test]
    fn a_secret_in_two_pieces_is_hidden() {
        let mask = Mask::default();
        mask.hide("secret-word");
        mask.hide("secret");
        for cut in 0..=30 {
            let text = "é a secret-word and secret ends";
            let cut = text.floor_char_boundary(cut);
            let mut pieces = Pieces::default();
            let shown = pieces.add(&mask, &text[..cut], false) + &pieces.add(&mask, &text[cut..], true);
            assert_eq!(shown, "é a *** and *** ends", "cut at {cut}");
        }
        assert_eq!(Pieces::default().add(&Mask::default(), "abc", false), "abc");
    }

    #[test]
    fn hides_the_longer_secret_first() {
        let mask = Mask::default();
        mask.hide("pass");
        mask.hide("password");
        mask.hide("abc");
        assert_eq!(mask.apply("password pass abc"), "*** *** abc");
    }
}
