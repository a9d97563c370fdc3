//! PEM (RFC 7468) as Go's `encoding/pem` reads and writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What stands between `-----BEGIN` and `-----END`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) label: String,
    pub(super) content: Vec<u8>,
}

/// Go: 64 characters a line.
const LINE: usize = 64;

/// `content` as a block, with a line break at its end.
pub(super) fn encode(label: &str, content: &[u8]) -> String {
    let digits = STANDARD.encode(content);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = &digits[..];
    while !rest.is_empty() {
        let (line, after) = rest.split_at(LINE.min(rest.len()));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// The first well-formed block; text around it and headers in it are passed over.
pub(super) fn first(text: &[u8]) -> Option<Block> {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(label) = label(line, "-----BEGIN ")
            && let Some(content) = body(lines.clone(), label)
        {
            return Some(Block {
                label: label.to_owned(),
                content,
            });
        }
    }
    None
}

fn label<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.trim_end().strip_suffix("-----")
}

fn body<'a>(lines: impl Iterator<Item = &'a str>, begun: &str) -> Option<Vec<u8>> {
    let mut digits = String::new();
    for line in lines {
        if let Some(ended) = label(line, "-----END ") {
            return (ended == begun).then(|| STANDARD.decode(&digits).ok())?;
        }
        let is_header = digits.is_empty() && line.contains(':');
        if !is_header {
            digits.extend(line.split_ascii_whitespace());
        }
    }
    None
}
