//! URLs of repositories and charts, compared and joined as Helm does.

use std::borrow::Cow;

use crate::registry::Url;

/// Whether a reference is of a registry.
pub(crate) fn is_oci(text: &str) -> bool {
    text.starts_with("oci://")
}

/// A URL for messages: without the login that it may hold, else as it is written.
pub(crate) fn without_login(text: &str) -> Cow<'_, str> {
    match Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Cow::Owned(crate::registry::shown_url(&url))
        }
        _ => Cow::Borrowed(text),
    }
}

/// Go: `urlutil.Equal`, by which a slash at the end makes no difference.
pub(crate) fn are_equal(a: &str, b: &str) -> bool {
    let clean = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Some(url)
    };
    match (clean(a), clean(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.trim_end_matches('/') == b.trim_end_matches('/'),
    }
}

/// Go: `repo.ResolveReferenceURL`: what is relative counts from the base as a folder and keeps its query.
pub(crate) fn resolve(base: &str, reference: &str) -> Result<Url, String> {
    if let Ok(url) = Url::parse(reference) {
        return Ok(url);
    }
    let mut url = Url::parse(base).map_err(|error| format!("failed to parse {base} as URL: {error}"))?;
    let query = url.query().map(str::to_owned);
    let folder = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&folder);
    let mut resolved = url
        .join(reference)
        .map_err(|error| format!("failed to parse {reference} as URL: {error}"))?;
    resolved.set_query(query.as_deref());
    Ok(resolved)
}

/// Go: `urlutil.URLJoin`: a path put behind that of a URL, or of a path.
pub(crate) fn join(base: &str, path: &str) -> String {
    let cleaned = |joined: String| {
        let mut parts: Vec<&str> = Vec::new();
        for part in joined.split('/') {
            match part {
                "" | "." => {}
                ".." => _ = parts.pop(),
                part => parts.push(part),
            }
        }
        let root = if joined.starts_with('/') { "/" } else { "" };
        format!("{root}{}", parts.join("/"))
    };
    match Url::parse(base) {
        Ok(mut url) if url.has_host() => {
            let path = cleaned(format!("{}/{path}", url.path()));
            url.set_path(&path);
            let text = url.to_string();
            if path == "/" && !base.ends_with('/') {
                text.trim_end_matches('/').to_owned()
            } else {
                text
            }
        }
        _ if base.is_empty() => cleaned(path.to_owned()),
        _ => cleaned(format!("{base}/{path}")),
    }
}

/// Whether two URLs have one scheme, host and port: what belongs to the one may be shown to the other.
pub(crate) fn have_one_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// The name of the file that a URL leads to; nothing where it would be no file's name.
pub(crate) fn file_name(url: &Url) -> Option<String> {
    let path = decoded(url.path())?;
    let name = path.trim_end_matches('/').rsplit('/').next()?;
    let is_name = !matches!(name, "" | "." | "..") && !name.chars().any(|c| c.is_control() || c == '\\');
    is_name.then(|| name.to_owned())
}

fn decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_compared_joined_and_named() {
        assert!(are_equal("https://a.example.com", "https://a.example.com/"));
        assert!(are_equal(
            "https://a.example.com/x/",
            "https://a.example.com:443/x"
        ));
        assert!(!are_equal("https://a.example.com/x", "https://a.example.com/y"));
        assert!(are_equal("a/b/", "a/b"));
        for (base, reference, want) in [
            ("https://a/x", "c.tgz", "https://a/x/c.tgz"),
            ("https://a/x/", "charts/c.tgz", "https://a/x/charts/c.tgz"),
            ("https://a/x?t=1", "c.tgz", "https://a/x/c.tgz?t=1"),
            ("https://a/x", "/c.tgz", "https://a/c.tgz"),
            ("https://a/x", "https://b/c.tgz", "https://b/c.tgz"),
        ] {
            assert_eq!(resolve(base, reference).unwrap().as_str(), want);
        }
        assert_eq!(without_login("https://u:s3cret@a/x"), "https://a/x");
        assert_eq!(without_login("https://a"), "https://a");
        let name = |text: &str| file_name(&Url::parse(text).unwrap());
        assert_eq!(
            name("https://a/x/c-1.0.0%2Bb.tgz?q").as_deref(),
            Some("c-1.0.0+b.tgz")
        );
        assert_eq!(name("https://a/x%2f..%2fetc%2fpasswd").as_deref(), Some("passwd"));
        for none in [
            "https://a/",
            "https://a/x/%2e%2e",
            "https://a/a%0ab",
            "https://a/a%5cb",
        ] {
            assert_eq!(name(none), None, "{none}");
        }
    }
}
