//! Clear-signed texts (RFC 9580, section 7), read and laid out as Helm's library does it: text that a person can read,
//! with a signature below it.
//!
//! What is signed is the text with every line's end as CR LF, blanks at the ends of lines cut, and without the last
//! line break. It judges no signature.

/// What the text begins with.
const START: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
/// What the signature begins with.
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
/// What it ends with.
const END: &str = "\n-----END PGP SIGNATURE-----";
/// The digests that may be announced.
const DIGESTS: [&str; 9] = [
    "MD5",
    "SHA1",
    "RIPEMD160",
    "SHA224",
    "SHA256",
    "SHA384",
    "SHA512",
    "SHA3-256",
    "SHA3-512",
];

/// A clear-signed text.
pub(super) struct ClearText<'t> {
    /// The text, with plain line feeds.
    pub(super) text: Vec<u8>,
    /// What the signature is about.
    pub(super) signed: Vec<u8>,
    /// The armored signature.
    pub(super) signature: &'t [u8],
}

/// Reads the first clear-signed text of a file; what stands before and behind it does not count.
///
/// Go: `clearsign.Decode`.
pub(super) fn decode(data: &[u8]) -> Option<ClearText<'_>> {
    let (line, mut rest) = next_line(after_start(data)?);
    if !line.is_empty() {
        return None;
    }
    loop {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = next_line(rest);
        rest = after;
        if line.trim_ascii().is_empty() {
            break;
        }
        check_header(line)?;
    }
    let (mut text, mut signed) = (Vec::new(), Vec::new());
    loop {
        let (line, after) = next_line(rest);
        if line.is_empty() && after.is_empty() {
            return None;
        }
        if line == SIGNATURE.as_bytes() {
            break;
        }
        rest = after;
        let line = trimmed(line.strip_prefix(b"- ").unwrap_or(line));
        if !text.is_empty() {
            signed.extend_from_slice(b"\r\n");
        }
        signed.extend_from_slice(line);
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    // Nothing has been signed where there is not even an empty line.
    text.pop()?;
    let end = find(rest, END.as_bytes())? + END.len();
    Some(ClearText {
        text,
        signed,
        signature: &rest[..end],
    })
}

/// What has to be signed, so that [`encode`] of the same text can be read again.
pub(super) fn to_sign(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').map(without_blanks).collect();
    lines.join("\r\n")
}

/// The text with its signature; the signature is armored already.
pub(super) fn encode(text: &str, digest: &str, signature: &str) -> String {
    let mut out = format!("{START}\nHash: {digest}\n\n");
    for line in text.split('\n') {
        if line.starts_with('-') {
            out.push_str("- ");
        }
        out.push_str(without_blanks(line));
        out.push('\n');
    }
    out.push_str(signature.trim_end());
    out
}

fn without_blanks(line: &str) -> &str {
    line.trim_end_matches([' ', '\t', '\r'])
}

fn after_start(data: &[u8]) -> Option<&[u8]> {
    match data.strip_prefix(START.as_bytes()) {
        Some(rest) => Some(rest),
        None => {
            let start = format!("\n{START}");
            let at = find(data, start.as_bytes())?;
            Some(&data[at + start.len()..])
        }
    }
}

/// Only `Hash` may be said, in plain ASCII.
fn check_header(line: &[u8]) -> Option<()> {
    let line = std::str::from_utf8(line).ok()?;
    if line.chars().any(|c| !(' '..='~').contains(&c)) {
        return None;
    }
    let (key, values) = line.split_once(':')?;
    let known = |value: &str| DIGESTS.contains(&value.trim().to_ascii_uppercase().as_str());
    (key.trim() == "Hash" && values.split(',').all(known)).then_some(())
}

/// The first line without its end, and what follows.
fn next_line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        None => (data, &[]),
        Some(at) => {
            let line = &data[..at];
            (line.strip_suffix(b"\r").unwrap_or(line), &data[at + 1..])
        }
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !b" \t".contains(byte));
    &line[..end.map_or(0, |at| at + 1)]
}

fn find(data: &[u8], wanted: &[u8]) -> Option<usize> {
    data.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARMOR: &str = "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----";

    #[track_caller]
    fn check(file: &str, want: Option<(&str, &str)>) {
        let got = decode(file.as_bytes()).map(|found| {
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            (text(found.text), text(found.signed))
        });
        assert_eq!(
            got,
            want.map(|(text, signed)| (text.to_owned(), signed.to_owned())),
            "{file}"
        );
    }

    #[test]
    fn texts_come_back_as_they_were_signed() {
        for text in ["a\n", "a", "- b\n\n-c  \nd\t\r\n", "a\r\nb", "\n\na: - b\n...\n"] {
            let file = encode(text, "SHA512", ARMOR);
            let read = decode(file.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(read.signed).unwrap(), to_sign(text), "{file}");
        }
    }

    #[test]
    fn files_are_read_as_by_go() {
        let file = |head: &str, text: &str| format!("{START}{head}\n{text}{ARMOR}");
        check(&file("\nHash: SHA512\n", "a\nb\n"), Some(("a\nb", "a\r\nb")));
        check(&file("\nHash: sha256, SHA512\n ", "\n"), Some(("", "")));
        check(&format!("{START}\n\n{ARMOR}"), None);
        check(
            &file("\nHash: SHA512\nHash: SHA384\n", "- -a \t\n"),
            Some(("-a", "-a")),
        );
        check(
            &format!("x\n{}\nmore", file("\n", "a\n\n")),
            Some(("a\n", "a\r\n")),
        );
        check(&format!("x{}", file("\n", "a\n")), None);
        check(&file(" \n", "a\n"), None);
        check(&file("\nHash: MD4\n", "a\n"), None);
        check(&file("\nVersion: 1\n", "a\n"), None);
        check(&file("\nHash SHA512\n", "a\n"), None);
        check(&file("\nHash: SHA512\u{e9}\n", "a\n"), None);
        check(&format!("{START}\n\na\n"), None);
        check(&format!("{START}\n\na\n{SIGNATURE}\n\nAAAA\n"), None);
        check(START, None);
        check("", None);
    }
}
