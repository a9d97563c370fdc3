//! What is tried again, how often, and how long is waited before.
//!
//! A registry that says when to come back (`Retry-After`, seconds or a date) is taken at its word, unless that is
//! longer than a build should stand still: then the failure is final and tells it.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::registry::error::RegistryError;

/// How often a request is sent at most.
pub(in crate::registry) const ATTEMPTS: u32 = 5;
/// The same where there is no connection: a host that is down stays so.
pub(in crate::registry) const CONNECT_ATTEMPTS: u32 = 3;
const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Why an attempt failed, and whether another one makes sense.
pub(in crate::registry) enum Failure {
    /// It will fail again.
    Final(RegistryError),
    /// It may go through later.
    Temporary {
        /// What to say when patience is at its end.
        error: RegistryError,
        /// How many attempts it deserves in all.
        attempts: u32,
        /// When the other side wants to be asked again.
        after: Option<Duration>,
    },
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Final(error)
    }
}

impl Failure {
    /// One that may go through at once.
    pub(in crate::registry) fn at_once(error: RegistryError) -> Self {
        Self::Temporary {
            error,
            attempts: ATTEMPTS,
            after: Some(Duration::ZERO),
        }
    }

    /// Whether the other side answered, but not in HTTP.
    pub(super) fn is_no_http(&self) -> bool {
        let Self::Temporary { error, .. } = self else {
            return false;
        };
        matches!(error, RegistryError::Unreachable { reason, .. } if reason.contains("invalid HTTP version"))
    }

    /// Whether a TLS connection was refused by one of its sides.
    pub(super) fn is_tls(&self) -> bool {
        matches!(
            self,
            Self::Temporary {
                error: RegistryError::Tls { .. },
                ..
            }
        )
    }

    /// The error, whatever comes next.
    pub(in crate::registry) fn into_error(self) -> RegistryError {
        match self {
            Self::Final(error) | Self::Temporary { error, .. } => error,
        }
    }
}

/// The attempts of one operation.
#[derive(Default)]
pub(in crate::registry) struct Patience {
    failed: u32,
}

impl Patience {
    /// Waits until the next attempt.
    ///
    /// # Errors
    /// That of the failure, when there is to be no other attempt.
    pub(in crate::registry) async fn wait(&mut self, failure: Failure) -> Result<(), RegistryError> {
        self.failed += 1;
        let (error, after) = match failure {
            Failure::Temporary {
                error,
                attempts,
                after,
            } if self.failed < attempts => (error, after),
            failure => return Err(failure.into_error()),
        };
        let delay = match after {
            Some(after) if after > LONGEST_DELAY => return Err(error.with_wait(after)),
            Some(after) => after,
            None => jittered(FIRST_DELAY * 2u32.pow(self.failed - 1)),
        };
        tracing::debug!(%error, ?delay, "repeating a registry request");
        tokio::time::sleep(delay).await;
        Ok(())
    }
}

/// Between three and five quarters of a delay: those who failed together don't come back together.
fn jittered(delay: Duration) -> Duration {
    let mut byte = [128];
    // Without entropy all wait the same.
    let _unfilled = getrandom::fill(&mut byte);
    delay * (768 + u32::from(byte[0]) * 2) / 1024
}

/// Whether an answer may be another one later.
pub(super) fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// When an answer asks to come back (RFC 9110, 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| Some(headers.get(name)?.to_str().ok()?.trim());
    let wanted = text(RETRY_AFTER)?;
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| {
        jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(text)
            .ok()
    };
    // By the other side's own clock, where it tells it.
    let now = text(DATE).and_then(date).unwrap_or_else(jiff::Timestamp::now);
    let left = date(wanted)?.duration_since(now);
    Some(Duration::try_from(left).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let of = |lines: &[(&'static str, &str)]| {
            let pairs = lines
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            retry_after(&pairs.collect())
        };
        let now = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (value, want) in [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:49:40 GMT", Some(3)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let got = of(&[now, ("retry-after", value)]);
            assert_eq!(got, want.map(Duration::from_secs), "{value}");
        }
        assert_eq!(of(&[now]), None);
        let past = of(&[("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")]);
        assert_eq!(past, Some(Duration::ZERO));
    }

    #[test]
    fn delays_differ_a_little() {
        for _ in 0..100 {
            let delay = jittered(Duration::from_secs(4));
            assert!(
                (Duration::from_secs(3)..=Duration::from_secs(5)).contains(&delay),
                "{delay:?}"
            );
        }
    }
}
