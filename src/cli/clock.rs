//! The clock, the entropy and the maker of certificates that templates may see.

use std::net::ToSocketAddrs as _;

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

/// Likewise, and the addresses of hosts.
pub(crate) struct ClockAndNames;

impl Environment for ClockAndNames {
    fn now(&self) -> jiff::Timestamp {
        Clock.now()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        Clock.fill_random(bytes);
    }

    fn host_address(&self, name: &str) -> String {
        let found = (name, 0).to_socket_addrs().ok();
        let first = found.and_then(|mut all| all.next());
        first.map(|found| found.ip().to_string()).unwrap_or_default()
    }

    fn certificates(&self) -> Option<&dyn Certificates> {
        Some(&Issuer)
    }
}
