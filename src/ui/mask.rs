//! Keeps secrets out of everything that is shown.

use std::sync::{Arc, RwLock};

/// The secrets of a run; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Mask(Arc<RwLock<Vec<String>>>);

/// Shorter ones would hide half of every text.
const SHORTEST: usize = 4;

impl Mask {
    /// Hides `secret` from now on; texts of fewer than four characters are not hidden.
    pub fn hide(&self, secret: &str) {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_the_longer_secret_first() {
        let mask = Mask::default();
        mask.hide("pass");
        mask.hide("password");
        mask.hide("abc");
        assert_eq!(mask.apply("password pass abc"), "*** *** abc");
    }
}
