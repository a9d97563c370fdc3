//! The clock, the entropy and the maker of certificates that templates may see.

use kiel_template::functions::{Certificates, Environment};

use super::certificates::Issuer;

/// The machine's.
pub(crate) struct Clock;

impl Environment for Clock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("a running system has entropy");
    }

    fn certificates(&self) -> Option<&dyn Certificates> {
        Some(&Issuer)
    }
}
