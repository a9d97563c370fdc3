//! `urlParse` and `urlJoin`: URLs as Go's `net/url` takes them apart and writes them; judging them for others.

use crate::format::quote_str;
use crate::value::{CallError, Functions, Map, Value};

use super::args::{MAP, STRING, fail, map, string, text};

pub(super) fn register(functions: &mut Functions) {
    functions.add("urlParse", &[STRING], |_, args| {
        let raw = String::from_utf8_lossy(text(args, 0)).into_owned();
        match Url::parse(&raw) {
            Ok(url) => Ok(url.into_map()),
            Err(problem) => fail(format!("unable to parse url: {problem}")),
        }
    });
    functions.add("urlJoin", &[MAP], |_, args| {
        string(Url::from_map(&map(args, 0))?.to_text())
    });
}

/// The host and the path that Go's `net/url` finds in a URL, unescaped, or why it is none.
pub fn url_host_and_path(raw: &str) -> Result<(Vec<u8>, Vec<u8>), String> {
    let url = Url::parse(raw)?;
    Ok((url.host, url.path))
}

/// What Go's `net/url` makes of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlParts {
    /// Whether it has a scheme.
    pub is_absolute: bool,
    /// Host and port.
    pub host: String,
    /// The host alone, without brackets.
    pub hostname: String,
    /// The path as it is written, where that is not what Go would write; else empty.
    pub raw_path: String,
}

/// Reads a text as Go's `url.Parse`; the error is Go's.
pub fn check_url(raw: &str) -> Result<UrlParts, String> {
    let url = Url::parse(raw)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let written = raw.split(['?', '#']).next().unwrap_or_default();
    let written = match written.split_once("//") {
        Some((_, rest)) if !url.host.is_empty() => rest.find('/').map_or("", |at| &rest[at..]),
        _ if url.opaque.is_empty() => written.split_once(':').map_or(written, |(before, after)| {
            if before.is_empty() || url.scheme.is_empty() {
                written
            } else {
                after
            }
        }),
        _ => "",
    };
    let raw_path = if written == escape(&url.path, Part::Path) {
        ""
    } else {
        written
    };
    Ok(UrlParts {
        is_absolute: !url.scheme.is_empty(),
        hostname: text(hostname(&url.host)),
        host: text(&url.host),
        raw_path: raw_path.to_owned(),
    })
}

/// Whether Go's `url.ParseRequestURI` takes a text and finds a scheme in it.
pub fn is_request_url(raw: &str) -> bool {
    Url::parse_plain(raw).is_ok_and(|url| !url.scheme.is_empty())
}

/// The parts of a URL, unescaped except query and opaque.
#[derive(Default)]
struct Url {
    scheme: String,
    opaque: String,
    user: Option<User>,
    host: Vec<u8>,
    path: Vec<u8>,
    /// Whether `//` is left out although there is a scheme.
    omit_host: bool,
    force_query: bool,
    query: String,
    fragment: Vec<u8>,
}

struct User {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

/// The part of a URL, which decides what is escaped.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Path,
    Host,
    User,
    Fragment,
}

impl Url {
    /// The parts; the error names what could not be read: Go leaves a fragment out unless it is to blame.
    fn parse(raw: &str) -> Result<Self, String> {
        let (rest, fragment) = raw.split_once('#').unwrap_or((raw, ""));
        let failed = |shown: &str, problem: String| {
            let quoted = quote_str(shown.as_bytes());
            format!("parse {quoted}: {problem}")
        };
        let mut url = Self::parse_plain(rest).map_err(|problem| failed(rest, problem))?;
        url.fragment = unescape(fragment, Part::Fragment).map_err(|problem| failed(raw, problem))?;
        Ok(url)
    }

    fn parse_plain(rest: &str) -> Result<Self, String> {
        if rest.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Self::default();
        let (scheme, mut rest) = split_scheme(rest)?;
        url.scheme = scheme.to_ascii_lowercase();
        if rest.ends_with('?') && rest.matches('?').count() == 1 {
            url.force_query = true;
            rest = &rest[..rest.len() - 1];
        } else if let Some((before, query)) = rest.split_once('?') {
            rest = before;
            query.clone_into(&mut url.query);
        }
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                rest.clone_into(&mut url.opaque);
                return Ok(url);
            }
            if rest
                .split('/')
                .next()
                .is_some_and(|segment| segment.contains(':'))
            {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let named = !url.scheme.is_empty();
        if (named || !rest.starts_with("///")) && rest.starts_with("//") {
            let authority = &rest[2..];
            let end = authority.find('/').unwrap_or(authority.len());
            let strict = matches!(url.scheme.as_str(), "http" | "https");
            url.set_authority(&authority[..end], strict)?;
            rest = &authority[end..];
        } else if named && rest.starts_with('/') {
            url.omit_host = true;
        }
        url.path = unescape(rest, Part::Path)?;
        Ok(url)
    }

    fn set_authority(&mut self, authority: &str, strict: bool) -> Result<(), String> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        self.host = parse_host(host, strict)?;
        let Some(user) = user else { return Ok(()) };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
        if !user.bytes().all(allowed) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        let (name, password) = match user.split_once(':') {
            Some((name, password)) => (name, Some(unescape(password, Part::User)?)),
            None => (user, None),
        };
        self.user = Some(User {
            name: unescape(name, Part::User)?,
            password,
        });
        Ok(())
    }

    fn into_map(self) -> Value {
        let hostname = hostname(&self.host).to_vec();
        let user = self.user.as_ref().map(User::to_text).unwrap_or_default();
        Value::map([
            ("scheme", Value::string(self.scheme)),
            ("host", Value::string(self.host)),
            ("hostname", Value::string(hostname)),
            ("path", Value::string(self.path)),
            ("query", Value::string(self.query)),
            ("opaque", Value::string(self.opaque)),
            ("fragment", Value::string(self.fragment)),
            ("userinfo", Value::string(user)),
        ])
    }

    fn from_map(parts: &Map) -> Result<Self, CallError> {
        let part = |key: &str| match parts.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Str(text)) => Ok(text.to_vec()),
            Some(Value::Nil) => fail(super::args::NIL_POINTER),
            Some(other) => {
                let kind = other.kind();
                fail(format!(
                    "unable to parse {key} key, must be of type string, but {kind} found"
                ))
            }
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let mut url = Self {
            scheme: text(part("scheme")?),
            host: part("host")?,
            path: part("path")?,
            query: text(part("query")?),
            opaque: text(part("opaque")?),
            fragment: part("fragment")?,
            ..Self::default()
        };
        let user = text(part("userinfo")?);
        if !user.is_empty() {
            let raw = format!("proto://{user}@host");
            match Self::parse(&raw) {
                Ok(parsed) => url.user = parsed.user,
                Err(problem) => return fail(format!("unable to parse userinfo in dict: {problem}")),
            }
        }
        Ok(url)
    }

    fn to_text(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            let has_authority = !self.host.is_empty() || self.user.is_some();
            if has_authority || !self.scheme.is_empty() && !self.omit_host {
                if has_authority || !self.path.is_empty() {
                    out.push_str("//");
                }
                if let Some(user) = &self.user {
                    out.push_str(&user.to_text());
                    out.push('@');
                }
                out.push_str(&escape(&self.host, Part::Host));
            }
            let path = if self.path == b"*" {
                "*".to_owned()
            } else {
                escape(&self.path, Part::Path)
            };
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push('/');
            }
            if out.is_empty()
                && path
                    .split('/')
                    .next()
                    .is_some_and(|segment| segment.contains(':'))
            {
                out.push_str("./");
            }
            out.push_str(&path);
        } else {
            out.push_str(&self.opaque);
        }
        if self.force_query || !self.query.is_empty() {
            out.push('?');
            out.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&escape(&self.fragment, Part::Fragment));
        }
        out
    }
}

impl User {
    fn to_text(&self) -> String {
        let name = escape(&self.name, Part::User);
        match &self.password {
            Some(password) => format!("{name}:{}", escape(password, Part::User)),
            None => name,
        }
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

/// `strict`: the first colon begins the port, however many there are.
fn parse_host(host: &str, strict: bool) -> Result<Vec<u8>, String> {
    let invalid_port = |port: &str| format!("invalid port {} after host", quote_str(port.as_bytes()));
    let is_port = |port: &str| {
        port.is_empty()
            || port
                .strip_prefix(':')
                .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if host.rfind('[').is_some_and(|at| at > 0) {
        return Err("invalid IP-literal".to_owned());
    }
    if host.starts_with('[') {
        let Some(end) = host.rfind(']') else {
            return Err("missing ']' in host".to_owned());
        };
        if !is_port(&host[end + 1..]) {
            return Err(invalid_port(&host[end + 1..]));
        }
        let port = unescape(&host[end + 1..], Part::Host)?;
        let inner = &host[1..end];
        let zone = inner.find("%25").unwrap_or(inner.len());
        let mut out = unescape(&inner[..zone], Part::Host)?;
        let address = String::from_utf8_lossy(&out).into_owned();
        out.extend(unescape(&inner[zone..], Part::Path)?);
        if address.parse::<core::net::Ipv4Addr>().is_ok() {
            return Err("invalid IP-literal".to_owned());
        }
        if address.parse::<core::net::Ipv6Addr>().is_err() || zone + 3 == inner.len() {
            let quoted = quote_str(&out);
            return Err(format!("invalid host: ParseAddr({quoted}): unable to parse IP"));
        }
        return Ok([b"[", out.as_slice(), b"]", &port].concat());
    } else if let Some(colon) = if strict { host.find(':') } else { host.rfind(':') }
        && !is_port(&host[colon..])
    {
        return Err(invalid_port(&host[colon..]));
    }
    unescape(host, Part::Host)
}

fn hostname(host: &[u8]) -> &[u8] {
    // Go: what follows the last colon is a port if it has digits only.
    let is_port = |port: &[u8]| port.iter().all(u8::is_ascii_digit);
    let host = match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if is_port(&host[colon + 1..]) => &host[..colon],
        _ => host,
    };
    host.strip_prefix(b"[")
        .and_then(|inner| inner.strip_suffix(b"]"))
        .unwrap_or(host)
}

fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'%' {
            if part == Part::Host && byte.is_ascii() && must_escape(byte, part) {
                let quoted = quote_str(&[byte]);
                return Err(format!("invalid character {quoted} in host name"));
            }
            out.push(byte);
            at += 1;
            continue;
        }
        let shown = &bytes[at..bytes.len().min(at + 3)];
        let digit = |ahead: usize| {
            bytes
                .get(at + ahead)
                .and_then(|byte| char::from(*byte).to_digit(16))
        };
        let (Some(high), Some(low)) = (digit(1), digit(2)) else {
            return Err(format!("invalid URL escape {}", quote_str(shown)));
        };
        if part == Part::Host && high < 8 && shown != b"%25" {
            return Err(format!("invalid URL escape {}", quote_str(shown)));
        }
        out.push(u8::try_from(high << 4 | low).unwrap_or_default());
        at += 3;
    }
    Ok(out)
}

fn escape(bytes: &[u8], part: Part) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if must_escape(*byte, part) {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push(char::from(*byte));
        }
    }
    out
}

fn must_escape(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        return false;
    }
    match part {
        Part::Host => !b"!$&'()*+,;=:[]<>\"".contains(&byte),
        Part::Path => !b"$&+,/:;=@".contains(&byte),
        Part::User => !b"$&+,;=".contains(&byte),
        Part::Fragment => !b"$&+,/:;=?@!()*".contains(&byte),
    }
}
