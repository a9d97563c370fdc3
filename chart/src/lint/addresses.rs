//! Mail and web addresses of maintainers, by the grammar that Helm's validator has for them.
//!
//! It is neither RFC 5322 nor RFC 3986: what it takes and refuses here is what Helm takes and refuses.

use std::sync::LazyLock;

use kiel_template::functions::url_host_and_path;
use regex::Regex;

/// The letters beyond ASCII that mail addresses may have, for use in a class.
const WIDE: &str = r"\x{A0}-\x{D7FF}\x{F900}-\x{FDCF}\x{FDF0}-\x{FFEF}";

#[expect(
    clippy::expect_used,
    reason = "the expressions are constants that the tests compile"
)]
static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    let atom = format!("[-a-zA-Z0-9!#$%&'*+/=?^_`{{|}}~{WIDE}]+");
    let space = r"(?:(?:[ \t]*\r\n)?[ \t]+)?";
    let plain = format!(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f\x21\x23-\x5b\x5d-\x7e{WIDE}]");
    // A bracket is what escapes are made with there.
    let escaped = format!(r"\([\x01-\x09\x0b-\x7f{WIDE}]");
    // Every character behind a quote of its own: that is what the validator's brackets come to.
    let quoted = format!(r#"(?:"{space}(?:{plain}|{escaped}))*{space}""#);
    let letter = format!("[a-zA-Z{WIDE}]");
    let sign = format!("[a-zA-Z0-9{WIDE}]");
    let label = format!("{sign}(?:[-a-zA-Z0-9._~{WIDE}]*{sign})?");
    let last = format!("{letter}(?:[-a-zA-Z0-9_~{WIDE}]*{letter})?");
    let pattern = format!(r"^(?:{atom}(?:\.{atom})*|{quoted})@(?:{label}\.)+{last}\.?$");
    Regex::new(&pattern).expect("a constant expression")
});

#[expect(
    clippy::expect_used,
    reason = "the expressions are constants that the tests compile"
)]
static WEB: LazyLock<Regex> = LazyLock::new(|| {
    let space = r"\t\n\f\r ";
    let user = format!(r"(?:[^{space}]+(?::[^{space}]*)?@)?");
    let byte = "1[0-9][0-9]|2[0-4][0-9]|25[0-5]";
    let first = "[1-9][0-9]?|1[0-9][0-9]|2[01][0-9]|22[0-3]|24[0-9]|25[0-5]";
    let ipv4 = format!(r"(?:{first})(?:\.(?:[0-9]{{1,2}}|{byte})){{2}}\.(?:[0-9][0-9]?|{byte})");
    let host = "[a-zA-Z0-9](?:[-a-zA-Z0-9_]+)?[a-zA-Z0-9](?:[-.][a-zA-Z0-9]+)*";
    let below = r"www\.|[a-zA-Z0-9]+(?:[-_.]?[a-zA-Z0-9])*[a-zA-Z0-9]\.[a-zA-Z0-9]+";
    let letter = r"a-zA-Z\x{a1}-\x{ffff}";
    let name = format!(r"(?:[{letter}0-9]+-?-?)*[{letter}0-9]+(?:\.[{letter}]+)?");
    let named = format!("(?:{host}|(?:{below})?)?{name}");
    let pattern = format!(
        r"^(?:(?:ftp|tcp|udp|wss?|https?)://)?{user}(?:{ipv4}|\[(?:{})\]|{named})\.?(?::[0-9]{{1,5}})?(?:[/?#][^{space}]*)?$",
        ipv6()
    );
    Regex::new(&pattern).expect("a constant expression")
});

/// The written forms of an IPv6 address: whole, shortened, local to a link, with an IPv4 address at its end.
fn ipv6() -> String {
    let group = "[0-9a-fA-F]{1,4}";
    let byte = "(?:25[0-5]|(?:2[0-4]|1?[0-9])?[0-9])";
    let ipv4 = format!(r"(?:{byte}\.){{3}}{byte}");
    let mut forms = vec![
        format!("(?:{group}:){{7}}{group}"),
        format!("(?:{group}:){{1,7}}:"),
    ];
    for before in (1..=6).rev() {
        forms.push(format!(
            "(?:{group}:){{1,{before}}}(?::{group}){{1,{}}}",
            7 - before
        ));
    }
    forms.push(format!(":(?:(?::{group}){{1,7}}|:)"));
    forms.push("fe80:(?::[0-9a-fA-F]{0,4}){0,4}%[0-9a-zA-Z]+".to_owned());
    forms.push(format!("::(?:ffff(?::0{{1,4}})?:)?{ipv4}"));
    forms.push(format!("(?:{group}:){{1,4}}:{ipv4}"));
    forms.join("|")
}

/// Whether Helm takes a text as a mail address.
pub(super) fn is_email(text: &str) -> bool {
    EMAIL.is_match(text)
}

/// Whether Helm takes a text as the address of a page; it needs no scheme.
pub(super) fn is_web_address(text: &str) -> bool {
    const LONGEST: usize = 2083;
    const SHORTEST: usize = 3;
    if text.chars().count() >= LONGEST || text.len() <= SHORTEST || text.starts_with('.') {
        return false;
    }
    let with_scheme = if text.contains(':') && !text.contains("://") {
        format!("http://{text}")
    } else {
        text.to_owned()
    };
    let Ok((host, path)) = url_host_and_path(&with_scheme) else {
        return false;
    };
    if host.starts_with(b".") || (host.is_empty() && !path.is_empty() && !path.contains(&b'.')) {
        return false;
    }
    WEB.is_match(text)
}
