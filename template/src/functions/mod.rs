//! Sprig's functions and those that Helm adds to them.
//!
//! Names, signatures, results and messages are those of Sprig v3.3 with the versions of its libraries that
//! Helm pins (`cast` 1.7.0, `mergo` 1.0.1, `xstrings` 1.5.0). Where Go's result is random because a map is
//! walked (`keys`, `values`), ours is sorted.
//!
//! Not here: `include` and `tpl`, which need the templates; `env` and `expandenv`, which Helm removes.

mod aes;
mod args;
mod cast;
mod certificates;
mod decimal;
mod derive;
mod dicts;
mod encoding;
mod helm;
mod letters;
mod lists;
mod logic;
mod merge;
mod numbers;
mod passwords;
mod paths;
mod random;
mod regex;
pub mod semver;
mod sha1;
mod strings;
mod time;
mod toml;
mod urls;
mod words;

#[cfg(test)]
mod tests;

use std::rc::Rc;

pub use certificates::{Certificate, CertificateRequest, Certificates, KeyKind};
pub use helm::{MESSAGE_END, MESSAGE_START};
pub use regex::Pattern;
pub use time::{check_duration, check_time};
pub use urls::{UrlParts, check_url, is_request_url, url_host_and_path};

use crate::value::{Functions, Value};

/// What functions take from outside.
pub trait Environment {
    /// The time for `now`.
    fn now(&self) -> jiff::Timestamp;

    /// Fills `bytes` with entropy for `randAlphaNum`, `uuidv4` and their kin.
    fn fill_random(&self, bytes: &mut [u8]);

    /// The name of the zone that `date` formats in, as in `TZ`.
    fn time_zone(&self) -> String {
        "UTC".to_owned()
    }

    /// Helm's `lookup`: the object, or with an empty name the list, as maps; an empty map when there is
    /// none, and always while nothing is deployed. The error is the text of the call's error.
    ///
    /// # Errors
    /// When the cluster cannot answer.
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value, String> {
        let _ = (api_version, kind, namespace, name);
        Ok(Value::map(std::iter::empty::<(&str, Value)>()))
    }

    /// Helm's `getHostByName`: empty unless resolving names is allowed.
    fn host_address(&self, name: &str) -> String {
        let _ = name;
        String::new()
    }

    /// Who makes keys and certificates for `genCA` and its kin; without it those functions fail.
    fn certificates(&self) -> Option<&dyn Certificates> {
        None
    }
}

/// All functions of this module.
pub fn all(environment: &Rc<dyn Environment>) -> Functions {
    let mut functions = sprig(environment);
    functions.extend(helm_additions(environment));
    functions
}

/// Sprig's own functions.
pub fn sprig(environment: &Rc<dyn Environment>) -> Functions {
    let mut functions = Functions::new();
    aes::register(&mut functions, environment);
    certificates::register(&mut functions, environment);
    derive::register(&mut functions);
    dicts::register(&mut functions);
    encoding::register(&mut functions);
    lists::register(&mut functions);
    logic::register(&mut functions);
    numbers::register(&mut functions);
    passwords::register(&mut functions, environment);
    paths::register(&mut functions);
    random::register(&mut functions, environment);
    regex::register(&mut functions);
    semver::register(&mut functions);
    strings::register(&mut functions);
    time::register(&mut functions, environment);
    urls::register(&mut functions);
    words::register(&mut functions);
    functions
}

/// What Helm adds or replaces: YAML, JSON, TOML, `required`, `fail`, `lookup`.
pub fn helm_additions(environment: &Rc<dyn Environment>) -> Functions {
    let mut functions = Functions::new();
    helm::register(&mut functions, environment);
    toml::register(&mut functions);
    functions
}
