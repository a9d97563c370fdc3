//! What the Kubernetes API answers when it refuses, in the server's own words, and raw requests to it.
//!
//! Objects travel as JSON values: kiel deals with every kind alike, and a typed struct would drop what it
//! does not know.

use std::fmt;
use std::time::Duration;

use http::{Method, Request, header};
use serde_json::Value;

/// Attempts after a connection has broken.
const RETRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A request that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status, 0 where no answer came.
    pub code: u16,
    /// The machine-readable reason (`NotFound`, `Conflict`, …).
    pub reason: String,
    /// The server's message, or why there was no answer.
    pub message: String,
    /// Per field: its path and what is wrong with it.
    pub causes: Vec<(String, String)>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl ApiError {
    /// There is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// The user has no right to do this.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.code == 403
    }

    /// The object exists already, changed meanwhile, or a field belongs to somebody else.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code == 409
    }

    /// No answer came from the server at all.
    #[must_use]
    pub fn is_connection(&self) -> bool {
        self.code == 0
    }

    pub(crate) fn local(message: impl Into<String>) -> Self {
        Self {
            code: 0,
            reason: String::new(),
            message: message.into(),
            causes: Vec::new(),
        }
    }
}

impl From<kube::core::Status> for ApiError {
    fn from(status: kube::core::Status) -> Self {
        let causes = status
            .details
            .map(|details| details.causes)
            .unwrap_or_default()
            .into_iter()
            .map(|cause| (cause.field, cause.message))
            .collect();
        let message = if status.message.is_empty() {
            status.reason.clone()
        } else {
            status.message
        };
        Self {
            code: status.code,
            reason: status.reason,
            message,
            causes,
        }
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => (*status).into(),
            other => Self::local(innermost(&other)),
        }
    }
}

/// The chain of causes in one line; wrappers that only repeat their cause are left out.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut current = error.source();
    while let Some(cause) = current {
        let text = cause.to_string();
        if let Some(last) = parts.last_mut() {
            if last.contains(&text) {
                if last.starts_with("client error") || last.ends_with(&text) {
                    *last = text;
                }
            } else if !text.is_empty() {
                parts.push(text);
            }
        } else {
            parts.push(text);
        }
        current = cause.source();
    }
    if parts.is_empty() {
        error.to_string()
    } else {
        parts.join(": ")
    }
}

/// A request without a body.
pub(crate) fn request(method: Method, path: &str) -> Request<Vec<u8>> {
    with_body(method, path, None, Vec::new())
}

/// A request with a JSON body of the given content type.
pub(crate) fn request_json(method: Method, path: &str, content_type: &str, body: &Value) -> Request<Vec<u8>> {
    with_body(method, path, Some(content_type), body.to_string().into_bytes())
}

fn with_body(method: Method, path: &str, content_type: Option<&str>, body: Vec<u8>) -> Request<Vec<u8>> {
    let mut builder = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ACCEPT, "application/json");
    if let Some(content_type) = content_type {
        builder = builder.header(header::CONTENT_TYPE, content_type);
    }
    builder
        .body(body)
        .expect("paths are made of checked or percent-encoded parts")
}

/// Sends a request and reads the JSON answer. A connection that breaks is tried again for requests that can be
/// repeated; what the server itself asks to repeat (429, 503, 504) the client has repeated already.
pub(crate) async fn send(client: &kube::Client, request: Request<Vec<u8>>) -> Result<Value, ApiError> {
    let mut pause = FIRST_PAUSE;
    let mut left = if request.method() == Method::POST {
        0
    } else {
        RETRIES
    };
    let text = loop {
        match client.request_text(request.clone()).await {
            Err(kube::Error::HyperError(_) | kube::Error::Service(_)) if left > 0 => {
                left -= 1;
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            other => break other?,
        }
    };
    serde_json::from_str(&text).map_err(|error| ApiError::local(format!("the answer is not JSON: {error}")))
}

/// Percent-encodes a path segment or a query value.
pub(crate) fn encode_part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_encoded() {
        assert_eq!(encode_part("a=b,c/d é"), "a%3Db%2Cc%2Fd%20%C3%A9");
        assert_eq!(encode_part("system.v1-x_~"), "system.v1-x_~");
    }
}
