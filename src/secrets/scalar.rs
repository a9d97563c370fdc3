//! What a scalar of a plain file stands for, and how a decrypted one is written: as werf's YAML library does both.

use jiff::civil::DateTime;
use kiel_template::Value;
use kiel_template::format::format_float;
use kiel_template::yaml::{self, Node, NodeKind, Resolved, ScalarStyle};

/// The bytes that are encrypted for a leaf: Go's `%v` of what YAML 1.2 makes of it; `None` for null.
pub(super) fn plaintext(node: &Node<'_>) -> Option<Vec<u8>> {
    let NodeKind::Scalar { text, style } = &node.kind else {
        return None;
    };
    let as_text = || Some(text.as_bytes().to_vec());
    match node.resolved() {
        Ok(Some(Resolved::Null)) => None,
        // Go: yaml.v3 takes `yes`, `on` and their like for texts.
        Ok(Some(Resolved::Bool(value))) if is_v3_bool(text) => Some(value.to_string().into_bytes()),
        Ok(Some(Resolved::Int(value))) => Some(value.to_string().into_bytes()),
        Ok(Some(Resolved::Uint(value))) => Some(value.to_string().into_bytes()),
        Ok(Some(Resolved::Float(value))) => Some(format_float(value, b'g', None, 64).into_bytes()),
        Ok(Some(Resolved::Bytes(bytes))) => Some(bytes),
        Ok(Some(Resolved::Text(_))) if *style == ScalarStyle::Plain && node.tag.is_none() => {
            go_time(text).map(String::into_bytes).or_else(as_text)
        }
        _ => as_text(),
    }
}

fn is_v3_bool(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

/// Go prints a date as a time.
fn go_time(text: &str) -> Option<String> {
    let is_date = text.len() >= 8 && text.as_bytes()[..4].iter().all(u8::is_ascii_digit);
    if !is_date || text.as_bytes()[4] != b'-' {
        return None;
    }
    for layout in ["%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f"] {
        let time = match layout {
            "%Y-%m-%d" => jiff::civil::Date::strptime(layout, text).map(DateTime::from),
            _ => DateTime::strptime(layout, text),
        };
        if let Ok(time) = time {
            return Some(format!("{} +0000 UTC", time.strftime("%Y-%m-%d %H:%M:%S%.f")));
        }
    }
    let time = jiff::Timestamp::strptime(
        "%Y-%m-%dT%H:%M:%S%.f%:z",
        text.replace('t', "T").replace('Z', "+00:00"),
    );
    let offset = text
        .rfind(['+', '-'])
        .filter(|at| *at > 10)
        .map_or("+00:00", |at| &text[at..]);
    let zone: String = offset.chars().filter(|c| *c != ':').collect();
    let name = if zone == "+0000" { "UTC" } else { &zone };
    let local = time
        .ok()?
        .to_zoned(jiff::tz::TimeZone::fixed(parse_offset(&zone)?));
    Some(format!(
        "{} {zone} {name}",
        local.strftime("%Y-%m-%d %H:%M:%S%.f")
    ))
}

fn parse_offset(zone: &str) -> Option<jiff::tz::Offset> {
    let number: i32 = zone.get(1..)?.parse().ok()?;
    let seconds = (number / 100) * 3600 + (number % 100) * 60;
    jiff::tz::Offset::from_seconds(if zone.starts_with('-') { -seconds } else { seconds }).ok()
}

/// Where a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In block style, the lines of a literal block indented by so many blanks.
    Block(usize),
    /// Where one line has to do.
    Line,
    /// Between brackets or braces.
    Flow,
}

/// A plaintext as yaml.v3 writes a string.
pub(super) fn written(plain: &[u8], place: Place) -> String {
    use base64::Engine as _;
    let Ok(text) = std::str::from_utf8(plain) else {
        let data = base64::engine::general_purpose::STANDARD.encode(plain);
        return format!("!!binary {data}");
    };
    let style = yaml::to_string_pretty(&Value::string(text)).unwrap_or_default();
    let style = style.trim_end_matches('\n');
    if style.starts_with('|') {
        // With `+` it would take the blank lines that follow it in the file.
        let keeps = style.lines().next().is_some_and(|head| head.contains('+'));
        return match place {
            Place::Block(indent) if !keeps => literal(style, text, indent),
            _ => quoted(plain),
        };
    }
    let is_plain = !style.starts_with(['"', '\'']);
    match place {
        Place::Flow if is_plain && text.contains([',', '[', ']', '{', '}', '?']) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        _ if style.contains('\n') => quoted(plain),
        _ => style.to_owned(),
    }
}

fn literal(style: &str, text: &str, indent: usize) -> String {
    let mut out = style.lines().next().unwrap_or("|").to_owned();
    let body = text.strip_suffix('\n').unwrap_or(text);
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
    }
    out
}

/// In double quotes on one line: any YAML reads the same text again.
pub(super) fn quoted(plain: &[u8]) -> String {
    let mut out = String::from("\"");
    for character in String::from_utf8_lossy(plain).chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' => {
                out.push(character);
            }
            _ => match u32::from(character) {
                code @ 0..=0xff => out.push_str(&format!("\\x{code:02X}")),
                code @ 0..=0xffff => out.push_str(&format!("\\u{code:04X}")),
                code => out.push_str(&format!("\\U{code:08X}")),
            },
        }
    }
    out.push('"');
    out
}
