//! Go's durations: `1h30m0s`, `1.5s`, `-2m`.

const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Go: `time.ParseDuration` in nanoseconds; the error is Go's.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", super::parse::quote(text.as_bytes()));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let whole = rest.bytes().take_while(u8::is_ascii_digit).count();
        let mut number = &rest[..whole];
        rest = &rest[whole..];
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            fraction = &after[..digits];
            rest = &after[digits..];
        }
        if number.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        if number.is_empty() {
            number = "0";
        }
        let end = rest
            .find(|next: char| next == '.' || next.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = &rest[..end];
        let quoted = super::parse::quote(text.as_bytes());
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {quoted}"));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            let unit = super::parse::quote(unit.as_bytes());
            return Err(format!("time: unknown unit {unit} in duration {quoted}"));
        };
        let number: i128 = number.parse().map_err(|_| invalid())?;
        total += number.checked_mul(i128::from(*scale)).ok_or_else(invalid)?;
        let fraction = &fraction[..fraction.len().min(18)];
        if !fraction.is_empty() {
            let digits: i128 = fraction.parse().map_err(|_| invalid())?;
            total += digits * i128::from(*scale) / 10i128.pow(u32::try_from(fraction.len()).unwrap_or(0));
        }
        if total > i128::from(i64::MAX) + 1 {
            return Err(invalid());
        }
        rest = &rest[end..];
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

/// Go: `Duration.String`.
pub(super) fn text(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let all = nanoseconds.unsigned_abs();
    if all == 0 {
        return "0s".to_owned();
    }
    let decimal = |value: u64, unit: u64| {
        let digits = unit.ilog10() as usize;
        let fraction = format!("{:0digits$}", value % unit);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() || digits == 0 {
            ""
        } else {
            "."
        };
        format!(
            "{}{point}{}",
            value / unit,
            if digits == 0 { "" } else { fraction }
        )
    };
    match all {
        0..1_000 => format!("{sign}{all}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(all, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(all, 1_000_000)),
        _ => {
            let minutes = all / 60_000_000_000;
            let seconds = decimal(all % 60_000_000_000, 1_000_000_000);
            match minutes {
                0 => format!("{sign}{seconds}s"),
                1..60 => format!("{sign}{minutes}m{seconds}s"),
                _ => format!("{sign}{}h{}m{seconds}s", minutes / 60, minutes % 60),
            }
        }
    }
}
