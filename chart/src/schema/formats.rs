//! `format`: texts that are dates, addresses and the like, with the messages of Helm's library.
//!
//! Formats that it does not know are no rule.

use kiel_template::format::{quote_rune, quote_str};
use kiel_template::functions::{Pattern, check_time, check_url};

type Check = Result<(), String>;

fn wrong(text: impl Into<String>) -> Check {
    Err(text.into())
}

/// Why `text` is not of that format.
pub(super) fn check(format: &str, text: &str) -> Check {
    match format {
        "regex" => Pattern::check(text),
        "json-pointer" => json_pointer(text),
        "relative-json-pointer" => relative_json_pointer(text),
        "uuid" => uuid(text),
        "duration" => duration(text),
        "period" => period(text),
        "ipv4" => ipv4(text),
        "ipv6" => ipv6(text),
        "hostname" => hostname(text),
        "email" => email(text),
        "date" => date(text),
        "time" => time(text),
        "date-time" => date_time(text),
        "uri" | "iri" => {
            if url(text)? {
                Ok(())
            } else {
                wrong("relative url")
            }
        }
        "uri-reference" | "iri-reference" => {
            if text.contains('\\') {
                return wrong("contains \\");
            }
            url(text).map(|_| ())
        }
        "uri-template" => uri_template(text),
        "semver" => semver(text),
        _ => Ok(()),
    }
}

fn json_pointer(text: &str) -> Check {
    if text.is_empty() {
        return Ok(());
    }
    let Some(rest) = text.strip_prefix('/') else {
        return wrong("not starting with /");
    };
    let is_escape = |after: &str| after.starts_with(['0', '1']);
    if rest
        .split('/')
        .any(|part| part.split('~').skip(1).any(|after| !is_escape(after)))
    {
        return wrong("~ must be followed by 0 or 1");
    }
    Ok(())
}

fn relative_json_pointer(text: &str) -> Check {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - rest.len();
    match digits {
        0 => wrong("must start with non-negative integer"),
        2.. if text.starts_with('0') => wrong("starts with zero"),
        _ if rest == "#" => Ok(()),
        _ => json_pointer(rest),
    }
}

fn uuid(text: &str) -> Check {
    const LENGTHS: [usize; 5] = [8, 4, 4, 4, 12];
    let groups: Vec<&str> = text.split('-').collect();
    if groups.len() != LENGTHS.len() {
        return wrong(format!("must have {} elements", LENGTHS.len()));
    }
    for (at, (group, length)) in groups.iter().zip(LENGTHS).enumerate() {
        if group.len() != length {
            return wrong(format!("element {} must be {length} characters long", at + 1));
        }
        if let Some(other) = group.chars().find(|c| !c.is_ascii_hexdigit()) {
            return wrong(format!("non-hex character {}", quoted(other)));
        }
    }
    Ok(())
}

fn quoted(character: char) -> String {
    quote_rune(u32::from(character))
}

fn duration(text: &str) -> Check {
    const UNITS: [&str; 2] = ["YMD", "HMS"];
    let Some(rest) = text.strip_prefix('P') else {
        return wrong("must start with P");
    };
    if rest.is_empty() {
        return wrong("nothing after P");
    }
    if let Some(weeks) = rest.strip_suffix('W') {
        return match weeks {
            "" => wrong("no number in week"),
            _ if weeks.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
            _ => wrong("invalid week"),
        };
    }
    for (at, part) in rest.split('T').enumerate() {
        if at != 0 && part.is_empty() {
            return wrong("no time elements");
        }
        let Some(all) = UNITS.get(at) else {
            return wrong("more than one T");
        };
        let (mut units, mut part) = (*all, part);
        while !part.is_empty() {
            let after = part.trim_start_matches(|c: char| c.is_ascii_digit());
            if after.len() == part.len() {
                return wrong("missing number");
            }
            // Go: a byte, whatever it is the beginning of.
            let Some(unit) = after.bytes().next().map(char::from) else {
                return wrong("missing unit");
            };
            let Some(found) = units.find(unit) else {
                let problem = if all.contains(unit) { "out of order" } else { "" };
                return wrong(match problem {
                    "" => format!("invalid unit {}", quoted(unit)),
                    problem => format!("unit {} {problem}", quoted(unit)),
                });
            };
            units = &units[found + 1..];
            part = after.get(1..).unwrap_or_default();
        }
    }
    Ok(())
}

fn period(text: &str) -> Check {
    let Some((start, end)) = text.split_once('/') else {
        return wrong("missing slash");
    };
    let inner = |what: &str, outcome: Check| outcome.map_err(|problem| format!("invalid {what}: {problem}"));
    if start.starts_with('P') {
        inner("start duration", duration(start))?;
        return inner("end date-time", date_time(end));
    }
    inner("start date-time", date_time(start))?;
    if end.starts_with('P') {
        inner("end duration", duration(end))
    } else {
        inner("end date-time", date_time(end))
    }
}

fn ipv4(text: &str) -> Check {
    let groups: Vec<&str> = text.split('.').collect();
    if groups.len() != 4 {
        return wrong("expected four decimals");
    }
    for group in groups {
        if group.len() > 1 && group.starts_with('0') {
            return wrong("leading zeros");
        }
        if !(0..=255).contains(&number(group)?) {
            return wrong("decimal must be between 0 and 255");
        }
    }
    Ok(())
}

/// Go: `strconv.Atoi`.
fn number(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let problem = if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        "invalid syntax"
    } else {
        match text.parse() {
            Ok(number) => return Ok(number),
            Err(_) => "value out of range",
        }
    };
    Err(format!(
        "strconv.Atoi: parsing {}: {problem}",
        quote_str(text.as_bytes())
    ))
}

fn ipv6(text: &str) -> Check {
    if !text.contains(':') {
        return wrong("missing colon");
    }
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let failed = |problem: &str, at: &str| {
        let at = match at {
            "" => String::new(),
            at => format!(" (at {})", quote_str(at.as_bytes())),
        };
        Err(format!(
            "ParseAddr({}): {problem}{at}",
            quote_str(text.as_bytes())
        ))
    };
    let dot = text.find('.').unwrap_or(text.len());
    if text.find(':').is_some_and(|colon| dot < colon) {
        return failed("unexpected character, want colon", &text[dot..]).or_else(|_: String| {
            // Go takes what has a point first for the older kind.
            failed("unexpected character", &text[text.find(':').unwrap_or(0)..])
        });
    }
    if zone == Some("") {
        return failed("zone must be a non-empty string", "");
    }
    ipv6_groups(address).or_else(|(problem, at)| failed(problem, &at))?;
    match zone {
        Some(_) => wrong("zone id is not a part of ipv6 address"),
        None => Ok(()),
    }
}

/// Go: `netip.parseIPv6`; the problem, and the rest of the text where it shows.
fn ipv6_groups(address: &str) -> Result<(), (&'static str, String)> {
    let (mut rest, mut bytes, mut ellipsis) = (address, 0, false);
    if let Some(after) = rest.strip_prefix("::") {
        ellipsis = true;
        rest = after;
        if rest.is_empty() {
            return Ok(());
        }
    }
    while bytes < 16 {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        let digits = &rest[..rest.len() - after.len()];
        if digits.len() > 4 {
            let fits = u64::from_str_radix(digits, 16).is_ok_and(|value| value <= 0xffff);
            return Err(if fits {
                ("each group must have 4 or less digits", rest.to_owned())
            } else {
                ("IPv6 field has value >=2^16", rest.to_owned())
            });
        }
        if digits.is_empty() {
            let problem = "each colon-separated field must have at least one digit";
            return Err((problem, rest.to_owned()));
        }
        if after.starts_with('.') {
            if !ellipsis && bytes != 12 {
                let problem = "embedded IPv4 address must replace the final 2 fields of the address";
                return Err((problem, rest.to_owned()));
            }
            if bytes + 4 > 16 {
                let problem = "too many hex fields to fit an embedded IPv4 at the end of the address";
                return Err((problem, rest.to_owned()));
            }
            if rest.split('.').count() != 4 || ipv4(rest).is_err() {
                return Err(("IPv4 address has bad field", String::new()));
            }
            rest = "";
            bytes += 4;
            break;
        }
        bytes += 2;
        rest = after;
        if rest.is_empty() {
            break;
        }
        let Some(after) = rest.strip_prefix(':') else {
            return Err(("unexpected character, want colon", rest.to_owned()));
        };
        if after.is_empty() {
            return Err(("colon must be followed by more characters", rest.to_owned()));
        }
        rest = after;
        if let Some(after) = rest.strip_prefix(':') {
            if ellipsis {
                return Err(("multiple :: in address", rest.to_owned()));
            }
            ellipsis = true;
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }
    if !rest.is_empty() {
        return Err(("trailing garbage after address", rest.to_owned()));
    }
    match (bytes < 16, ellipsis) {
        (true, false) => Err(("address string too short", String::new())),
        (false, true) => Err(("the :: must expand to at least one field of zeros", String::new())),
        _ => Ok(()),
    }
}

fn hostname(text: &str) -> Check {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > 253 {
        return wrong("more than 253 characters long");
    }
    for label in text.split('.') {
        if !(1..=63).contains(&label.len()) {
            return wrong("label must be 1 to 63 characters long");
        }
        if label.starts_with('-') {
            return wrong("label starts with hyphen");
        }
        if label.ends_with('-') {
            return wrong("label ends with hyphen");
        }
        if let Some(other) = label.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
            return wrong(format!("invalid character {}", quoted(other)));
        }
    }
    Ok(())
}

fn email(text: &str) -> Check {
    if text.len() > 254 {
        return wrong("more than 255 characters long");
    }
    let Some((local, domain)) = text.rsplit_once('@') else {
        return wrong("missing @");
    };
    if local.len() > 64 {
        return wrong("local part more than 64 characters long");
    }
    if local.len() > 1 && local.starts_with('"') {
        let mut inner = local.chars();
        inner.next();
        inner.next_back();
        if inner.as_str().contains(['\\', '"']) {
            return wrong("backslash and quote are not allowed within quoted local part");
        }
    } else {
        if local.starts_with('.') {
            return wrong("starts with dot");
        }
        if local.ends_with('.') {
            return wrong("ends with dot");
        }
        if local.contains("..") {
            return wrong("consecutive dots");
        }
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c);
        if let Some(other) = local.chars().find(|c| !is_allowed(*c)) {
            return wrong(format!("invalid character {}", quoted(other)));
        }
    }
    let inner = |what: &str, outcome: Check| outcome.map_err(|problem| format!("invalid {what}: {problem}"));
    match domain
        .strip_prefix('[')
        .and_then(|domain| domain.strip_suffix(']'))
    {
        Some(address) => match address.strip_prefix("IPv6:") {
            Some(address) => inner("ipv6 address", ipv6(address)),
            None => inner("ipv4 address", ipv4(address)),
        },
        None => inner("domain", hostname(domain)),
    }
}

fn date(text: &str) -> Check {
    check_time(text, "2006-01-02")
}

fn time(text: &str) -> Check {
    let bytes = text.as_bytes();
    if bytes.len() < 9 {
        return wrong("less than 9 characters long");
    }
    if bytes[2] != b':' || bytes[5] != b':' {
        return wrong("missing colon in correct place");
    }
    let part = |from: usize| {
        let two = text.get(from..from + 2).unwrap_or_default();
        let part = number(two).map_err(|_| "invalid hour/min/sec".to_owned())?;
        if part < 0 {
            return Err("non-positive hour/min/sec".to_owned());
        }
        Ok(part)
    };
    let (hour, minute, second) = (part(0)?, part(3)?, part(6)?);
    if hour > 23 || minute > 59 || second > 60 {
        return wrong("hour/min/sec out of range");
    }
    let mut rest = text.get(8..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix('.') {
        let after = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        if after.len() == fraction.len() {
            return wrong("no digits in second fraction");
        }
        rest = after;
    }
    let mut minutes = hour * 60 + minute;
    if !matches!(rest, "z" | "Z") {
        minutes += offset(rest)?;
        if minutes < 0 {
            minutes += 24 * 60;
        }
    }
    if second >= 60 && minutes != 23 * 60 + 59 {
        return wrong("invalid leap second");
    }
    Ok(())
}

/// The minutes that an offset takes off.
fn offset(text: &str) -> Result<i64, String> {
    if text.len() != 6 {
        return Err("offset must be 6 characters long".to_owned());
    }
    let sign = match text.as_bytes()[0] {
        b'+' => -1,
        b'-' => 1,
        _ => return Err("offset must begin with plus/minus".to_owned()),
    };
    if text.as_bytes()[3] != b':' {
        return Err("missing colon in offset in correct place".to_owned());
    }
    let part = |from: usize| {
        let two = text.get(from..from + 2).unwrap_or_default();
        let part = number(two).map_err(|_| "invalid hour/min in offset".to_owned())?;
        if part < 0 {
            return Err("non-positive hour/min in offset".to_owned());
        }
        Ok(part)
    };
    let (hours, minutes) = (part(1)?, part(4)?);
    if hours > 23 || minutes > 59 {
        return Err("hour/min in offset out of range".to_owned());
    }
    Ok(sign * (hours * 60 + minutes))
}

fn date_time(text: &str) -> Check {
    if text.len() < 20 {
        return wrong("less than 20 characters long");
    }
    if !matches!(text.as_bytes()[10], b't' | b'T') {
        return wrong("11th character must be t or T");
    }
    let (day, clock) = text.split_at_checked(10).unwrap_or((text, "t"));
    date(day).map_err(|problem| format!("invalid date element: {problem}"))?;
    time(&clock[1..]).map_err(|problem| format!("invalid time element: {problem}"))
}

/// Whether it is an address with a scheme.
fn url(text: &str) -> Result<bool, String> {
    let found = check_url(text)?;
    if found.hostname.contains(':') {
        if !found.host.contains('[') || !found.host.contains(']') {
            return Err("ipv6 address not enclosed in brackets".to_owned());
        }
        ipv6(&found.hostname).map_err(|problem| format!("invalid ipv6 address: {problem}"))?;
    }
    Ok(found.is_absolute)
}

fn uri_template(text: &str) -> Check {
    url(text)?;
    let path = check_url(text)?.raw_path;
    for part in path.split('/') {
        let part =
            super::address::decoded(part).map_err(|problem| format!("percent decode failed: {problem}"))?;
        let mut is_open = false;
        for brace in part.chars().filter(|c| matches!(c, '{' | '}')) {
            if (brace == '{') == is_open {
                return wrong("nested curly braces");
            }
            is_open = !is_open;
        }
        if is_open {
            return wrong("no matching closing brace");
        }
    }
    Ok(())
}

fn semver(text: &str) -> Check {
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    let is_mark = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if let Some(build) = build {
        if build.is_empty() {
            return wrong("build is empty");
        }
        for part in build.split('.') {
            if part.is_empty() {
                return wrong("build identifier is empty");
            }
            if let Some(other) = part.chars().find(|c| !is_mark(*c)) {
                return wrong(format!("invalid character {} in build identifier", quoted(other)));
            }
        }
    }
    let (core, before) = match text.split_once('-') {
        Some((core, before)) => (core, Some(before)),
        None => (text, None),
    };
    for part in before.into_iter().flat_map(|before| before.split('.')) {
        if part.is_empty() {
            return wrong("pre-release identifier is empty");
        }
        if let Some(other) = part.chars().find(|c| !is_mark(*c)) {
            return wrong(format!(
                "invalid character {} in pre-release identifier",
                quoted(other)
            ));
        }
        if part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit()) {
            return wrong("pre-release numeric identifier starts with zero");
        }
    }
    let numbers: Vec<&str> = core.split('.').collect();
    if numbers.len() != 3 {
        return wrong("versionCore must have 3 numbers separated by dot");
    }
    for (number, name) in numbers.iter().zip(["major", "minor", "patch"]) {
        if number.is_empty() {
            return wrong(format!("{name} is empty"));
        }
        if number.len() > 1 && number.starts_with('0') {
            return wrong(format!("{name} starts with zero"));
        }
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return wrong(format!("{name} contains non-digit"));
        }
    }
    Ok(())
}
