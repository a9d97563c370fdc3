//! Addresses of schemas: how a reference is read beside the address of the schema that it stands in (RFC 3986).

/// `base` with the reference applied. Neither has a fragment.
pub(super) fn resolve(base: &str, reference: &str) -> String {
    if scheme_of(reference).is_some() {
        return reference.to_owned();
    }
    let Some((scheme, rest)) = scheme_of(base) else {
        return reference.to_owned();
    };
    if let Some(rest) = reference.strip_prefix("//") {
        return format!("{scheme}://{rest}");
    }
    let Some(located) = rest.strip_prefix("//") else {
        // Names such as `urn:x` have no places within them.
        return if reference.is_empty() {
            base.to_owned()
        } else {
            format!("{scheme}:{rest}")
        };
    };
    let end = located.find(['/', '?']).unwrap_or(located.len());
    let (host, place) = located.split_at(end);
    let (path, query) = split_query(place);
    let (wanted, wanted_query) = split_query(reference);
    let (path, query) = if wanted.is_empty() {
        (path.to_owned(), wanted_query.or(query))
    } else if wanted.starts_with('/') {
        (without_dots(wanted), wanted_query)
    } else {
        let folder = path.rfind('/').map_or("", |at| &path[..=at]);
        let folder = if folder.is_empty() { "/" } else { folder };
        (without_dots(&format!("{folder}{wanted}")), wanted_query)
    };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{host}{path}{query}")
}

/// The scheme of an address, and what follows the colon.
pub(super) fn scheme_of(address: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = address.split_once(':')?;
    let mut letters = scheme.bytes();
    let is_scheme = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

fn split_query(place: &str) -> (&str, Option<&str>) {
    match place.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (place, None),
    }
}

fn without_dots(path: &str) -> String {
    let mut parts = Vec::new();
    let count = path.split('/').count();
    for (at, part) in path.split('/').enumerate() {
        let is_last = at + 1 == count;
        match part {
            "." if is_last => parts.push(""),
            "." => {}
            ".." => {
                if parts.len() > 1 {
                    parts.pop();
                }
                if is_last {
                    parts.push("");
                }
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A fragment without `%XX`.
pub(super) fn decoded(fragment: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let mut rest = fragment.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        if *first != b'%' {
            out.push(*first);
            rest = more;
            continue;
        }
        let digits = more.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits
            .filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        let Some(byte) = byte else {
            let shown = String::from_utf8_lossy(&rest[..rest.len().min(3)]).into_owned();
            return Err(format!("invalid URL escape {shown:?}"));
        };
        out.push(byte);
        rest = &more[2..];
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// A pointer as a fragment.
pub(super) fn encoded(pointer: &str) -> String {
    let mut out = String::new();
    for byte in pointer.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~$&+=:@".contains(&byte) {
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
    fn references_are_resolved() {
        for (base, reference, want) in [
            ("file:///values.schema.json", "", "file:///values.schema.json"),
            ("file:///values.schema.json", "other.json", "file:///other.json"),
            ("file:///a/b.json", "../../c.json", "file:///c.json"),
            ("http://a/b/c?q", "?r", "http://a/b/c?r"),
            ("http://a/b/c?q", "", "http://a/b/c?q"),
            ("http://a/b/c", "/d/./e", "http://a/d/e"),
            ("http://a", "d", "http://a/d"),
            ("http://a/b", "//c/d", "http://c/d"),
            ("http://a/b", "urn:x", "urn:x"),
            ("urn:x", "", "urn:x"),
        ] {
            assert_eq!(resolve(base, reference), want, "{base} {reference}");
        }
    }
}
