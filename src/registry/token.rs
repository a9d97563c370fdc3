//! How a registry wants to be asked: its challenges, and the answers of token services.

use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use serde::Deserialize;

/// A token for a registry, with what an engine has to know about its life.
#[derive(Clone)]
pub struct AccessToken {
    /// The token.
    pub token: String,
    /// Its life in seconds since it was issued.
    pub expires_in: u64,
    /// When it has to be replaced.
    pub(super) stale_at: Instant,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// What a registry asks for in its 401.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: String },
}

impl Challenge {
    pub(super) fn is_bearer(&self) -> bool {
        matches!(self, Self::Bearer { .. })
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// The challenge of a 401, Bearer before Basic.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut found = None;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(challenges) = http_auth::parse_challenges(header.to_str().ok()?) else {
            continue;
        };
        for challenge in challenges {
            let parameter = |name: &str| {
                let mut all = challenge.params.iter();
                all.find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let service = parameter("service").unwrap_or_default();
                return parameter("realm").map(|realm| Challenge::Bearer { realm, service });
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                found = Some(Challenge::Basic);
            }
        }
    }
    found
}

/// Reads a token service's answer.
pub(super) fn read_answer(bytes: &[u8]) -> Option<AccessToken> {
    let answer: TokenAnswer = serde_json::from_slice(bytes).ok()?;
    let token = if answer.token.is_empty() {
        answer.access_token
    } else {
        answer.token
    };
    if token.is_empty() || token.chars().any(char::is_control) {
        return None;
    }
    // The specification's default and minimum life of a token is 60 s.
    let expires_in = answer.expires_in.unwrap_or(60).max(60);
    let stale_at = Instant::now() + Duration::from_secs(expires_in - expires_in / 5);
    Some(AccessToken {
        token,
        expires_in,
        stale_at,
    })
}

/// A host without its port.
pub(super) fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_comes_before_basic() {
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, "Basic realm=\"x\"".parse().unwrap());
        assert_eq!(challenge(&headers), Some(Challenge::Basic));
        let bearer = r#"Bearer realm="https://a/token",service="s",scope="repository:x:pull""#;
        headers.append(WWW_AUTHENTICATE, bearer.parse().unwrap());
        let want = Challenge::Bearer {
            realm: "https://a/token".to_owned(),
            service: "s".to_owned(),
        };
        assert_eq!(challenge(&headers), Some(want));
        assert_eq!(challenge(&HeaderMap::new()), None);
    }

    #[test]
    fn token_answers_have_two_spellings() {
        assert_eq!(
            read_answer(br#"{"token":"a","expires_in":300}"#)
                .unwrap()
                .expires_in,
            300
        );
        assert_eq!(read_answer(br#"{"access_token":"b"}"#).unwrap().token, "b");
        assert!(read_answer(br#"{"token":""}"#).is_none());
        assert!(read_answer(b"<html>").is_none());
    }
}
