//! One registry or mirror: how it is addressed, and what its first answers taught.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::Url;

use crate::registry::token::{AccessToken, Challenge};

/// One registry or mirror, and what is known about it.
pub(in crate::registry) struct Host {
    /// As it stands in references; credentials belong to this name.
    pub(in crate::registry) name: String,
    pub(super) address: String,
    prefix: String,
    schemes: Vec<&'static str>,
    learned: Mutex<Learned>,
    first: tokio::sync::Mutex<()>,
    /// Access tokens by the scopes that they were asked for.
    pub(super) tokens: tokio::sync::Mutex<HashMap<Vec<String>, AccessToken>>,
}

#[derive(Default)]
struct Learned {
    scheme: Option<&'static str>,
    challenge: Option<Challenge>,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The values behind these locks are valid after every single statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host {
    pub(in crate::registry) fn new(
        name: &str,
        address: &str,
        prefix: &str,
        schemes: Vec<&'static str>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            address: address.to_owned(),
            prefix: prefix.to_owned(),
            schemes,
            learned: Mutex::default(),
            first: tokio::sync::Mutex::default(),
            tokens: tokio::sync::Mutex::default(),
        }
    }

    /// The scheme that it answered over; nothing before it has answered.
    pub(super) fn scheme(&self) -> Option<&'static str> {
        locked(&self.learned).scheme
    }

    pub(super) fn learn_scheme(&self, scheme: &'static str) {
        locked(&self.learned).scheme = Some(scheme);
    }

    /// Whether it is, or will first be, asked over plain http.
    pub(super) fn is_plain(&self) -> bool {
        self.scheme().unwrap_or(self.schemes[0]) == "http"
    }

    pub(super) fn schemes(&self) -> Vec<&'static str> {
        self.scheme()
            .map_or_else(|| self.schemes.clone(), |scheme| vec![scheme])
    }

    pub(super) fn challenge(&self) -> Option<Challenge> {
        locked(&self.learned).challenge.clone()
    }

    pub(super) fn learn_challenge(&self, challenge: Option<Challenge>) {
        locked(&self.learned).challenge = challenge;
    }

    pub(super) fn url(&self, scheme: &str, path: &str) -> Option<Url> {
        Url::parse(&format!("{scheme}://{}{}{path}", self.address, self.prefix)).ok()
    }

    /// Whether a URL leads to this host, so that its credentials may go along.
    pub(in crate::registry) fn is_own(&self, url: &Url) -> bool {
        let allowed = self.schemes();
        allowed.contains(&url.scheme())
            && self
                .url(url.scheme(), "/")
                .is_some_and(|own| own.origin() == url.origin())
    }

    /// Waits for the first request to this host; the guard makes the caller the first.
    pub(super) async fn hold_first(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let is_known = || self.scheme().is_some();
        if is_known() {
            return None;
        }
        let guard = self.first.lock().await;
        (!is_known()).then_some(guard)
    }
}
