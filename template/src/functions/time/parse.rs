//! Texts that follow a layout, read as Go's `time.Parse` does, with its messages.

use super::layout::{Padding, Part, next_part};
use super::{MONTHS, WEEKDAYS};

/// What a text says.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) year: i32,
    pub(super) month: i32,
    pub(super) day: i32,
    pub(super) hour: i32,
    pub(super) minute: i32,
    pub(super) second: i32,
    pub(super) nanosecond: i32,
    /// UTC was named.
    pub(super) utc: bool,
    /// Seconds east of Greenwich.
    pub(super) offset: Option<i32>,
    /// A zone's abbreviation; empty for none.
    pub(super) zone: String,
}

/// Why a part can't be read.
enum Wrong {
    /// The text is not of this form.
    Form,
    /// The number does not exist: what of the time it was to be.
    Range(&'static str),
}

/// What a part leaves of the text. The text behind the part is kept even where its number is out of range.
type Read<'a, T> = Result<(T, &'a [u8]), Wrong>;

#[derive(Default)]
struct Reader {
    parsed: Parsed,
    month: Option<i32>,
    day: Option<i32>,
    day_of_year: Option<i32>,
    afternoon: Option<bool>,
}

/// Go: `time.Parse`; the error is Go's.
pub(super) fn parse(text: &str, layout: &str) -> Result<Parsed, String> {
    let whole = quote(text.as_bytes());
    let cannot = |rest: &[u8], part: &str| {
        let (layout, rest) = (quote(layout.as_bytes()), quote(rest));
        let part = quote(part.as_bytes());
        format!("parsing time {whole} as {layout}: cannot parse {rest} as {part}")
    };
    let mut reader = Reader::default();
    let (mut value, mut rest) = (text.as_bytes(), layout);
    while let Some((before, part, after)) = next_part(rest) {
        value = skip(value, before.as_bytes()).map_err(|left| cannot(left, before))?;
        let name = &rest[before.len()..rest.len() - after.len()];
        match reader.read(value, part, after) {
            Ok(left) => value = left,
            Err(Wrong::Range(what)) => return Err(format!("parsing time {whole}: {what} out of range")),
            Err(Wrong::Form) => return Err(cannot(value, name)),
        }
        rest = after;
    }
    value = skip(value, rest.as_bytes()).map_err(|left| cannot(left, rest))?;
    if !value.is_empty() {
        return Err(format!("parsing time {whole}: extra text: {}", quote(value)));
    }
    reader
        .finish()
        .map_err(|message| format!("parsing time {whole}: {message}"))
}

/// Go: the time package quotes bytes beyond printable ASCII one by one.
pub(super) fn quote(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=0x7f => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// Go: runs of spaces match each other.
fn skip<'a>(mut text: &'a [u8], mut literal: &[u8]) -> Result<&'a [u8], &'a [u8]> {
    while let Some((expected, behind)) = literal.split_first() {
        if *expected == b' ' {
            if text.first().is_some_and(|byte| *byte != b' ') {
                return Err(text);
            }
            literal = without_spaces(literal);
            text = without_spaces(text);
            continue;
        }
        match text.split_first() {
            Some((found, left)) if found == expected => text = left,
            _ => return Err(text),
        }
        literal = behind;
    }
    Ok(text)
}

fn without_spaces(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| **byte == b' ').count()..]
}

fn is_digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
}

fn digit(byte: u8) -> i32 {
    i32::from(byte) - i32::from(b'0')
}

/// One or two digits; exactly two if `fixed`.
fn number(text: &[u8], fixed: bool) -> Read<'_, i32> {
    match text {
        [first, second, rest @ ..] if first.is_ascii_digit() && second.is_ascii_digit() => {
            Ok((digit(*first) * 10 + digit(*second), rest))
        }
        [first, rest @ ..] if first.is_ascii_digit() && !fixed => Ok((digit(*first), rest)),
        _ => Err(Wrong::Form),
    }
}

/// A number below `end`.
fn bounded<'a>(text: &'a [u8], fixed: bool, end: i32, what: &'static str) -> Read<'a, i32> {
    let (value, rest) = number(text, fixed)?;
    if value < end {
        Ok((value, rest))
    } else {
        Err(Wrong::Range(what))
    }
}

fn name<'a>(text: &'a [u8], names: &[&str], long: bool) -> Read<'a, i32> {
    for (index, name) in (0..).zip(names) {
        let name = if long { name } else { &name[..3] };
        if let Some(start) = text.get(..name.len())
            && start.eq_ignore_ascii_case(name.as_bytes())
        {
            return Ok((index, &text[name.len()..]));
        }
    }
    Err(Wrong::Form)
}

/// A point or comma and digits, `length` bytes in all.
fn fraction(text: &[u8], length: usize) -> Read<'_, i32> {
    let all = text.get(..length).ok_or(Wrong::Form)?;
    if !matches!(all.first(), Some(b'.' | b',')) {
        return Err(Wrong::Form);
    }
    let mut nanoseconds = 0;
    for at in 1..10 {
        let byte = *all.get(at).unwrap_or(&b'0');
        match byte {
            b'0'..=b'9' => nanoseconds = nanoseconds * 10 + digit(byte),
            // Go: a sign is read as that of the whole number.
            b'+' if at == 1 => {}
            b'-' if at == 1 => {
                let zeros = all[2..].iter().all(|byte| *byte == b'0');
                let digits = all[2..].iter().all(u8::is_ascii_digit);
                return Err(if zeros || !digits {
                    Wrong::Form
                } else {
                    Wrong::Range("fractional second")
                });
            }
            _ => return Err(Wrong::Form),
        }
    }
    Ok((nanoseconds, &text[length..]))
}

impl Reader {
    fn read<'a>(&mut self, text: &'a [u8], part: Part, after: &str) -> Result<&'a [u8], Wrong> {
        let parsed = &mut self.parsed;
        let rest;
        match part {
            Part::LongMonth | Part::Month => {
                let (index, left) = name(text, &MONTHS, part == Part::LongMonth)?;
                self.month = Some(index + 1);
                rest = left;
            }
            Part::LongWeekday | Part::Weekday => {
                rest = name(text, &WEEKDAYS, part == Part::LongWeekday)?.1;
            }
            Part::MonthNumber { padded } => {
                let (month, left) = bounded(text, padded, 13, "month")?;
                if month == 0 {
                    return Err(Wrong::Range("month"));
                }
                self.month = Some(month);
                rest = left;
            }
            Part::Day(padding) => {
                let text = match text {
                    [b' ', left @ ..] if padding == Padding::Space => left,
                    _ => text,
                };
                let (day, left) = number(text, padding == Padding::Zero)?;
                self.day = Some(day);
                rest = left;
            }
            Part::YearDay { padding } => rest = self.day_of_year(text, padding)?,
            Part::Hour => (parsed.hour, rest) = bounded(text, false, 24, "hour")?,
            Part::HourOf12 { padded } => (parsed.hour, rest) = bounded(text, padded, 13, "hour")?,
            Part::Minute { padded } => (parsed.minute, rest) = bounded(text, padded, 60, "minute")?,
            Part::Second { padded } => rest = self.second(text, padded, after)?,
            Part::LongYear => {
                let digits = text.get(..4).filter(|_| is_digit(text, 0)).ok_or(Wrong::Form)?;
                let year = std::str::from_utf8(digits)
                    .ok()
                    .and_then(|digits| digits.parse().ok());
                parsed.year = year.ok_or(Wrong::Form)?;
                rest = &text[4..];
            }
            Part::Year => {
                let digits = text.get(..2).ok_or(Wrong::Form)?;
                let year: Option<i32> = std::str::from_utf8(digits)
                    .ok()
                    .and_then(|digits| digits.parse().ok());
                let year = year.ok_or(Wrong::Form)?;
                parsed.year = year + if year >= 69 { 1900 } else { 2000 };
                rest = &text[2..];
            }
            Part::HalfDay { upper } => {
                let (am, pm) = if upper { (b"AM", b"PM") } else { (b"am", b"pm") };
                let half = text.get(..2).ok_or(Wrong::Form)?;
                // Go: the last one named counts, but the afternoon stays.
                match half {
                    half if half == pm => self.afternoon = Some(true),
                    half if half == am => self.afternoon = self.afternoon.or(Some(false)),
                    _ => return Err(Wrong::Form),
                }
                rest = &text[2..];
            }
            Part::ZoneName => rest = self.zone(text)?,
            Part::Offset { zulu, colon, parts } => rest = self.offset(text, zulu, colon, parts)?,
            Part::Fraction { trimmed: true, .. } => {
                if !matches!(text.first(), Some(b'.' | b',')) || !is_digit(text, 1) {
                    return Ok(text);
                }
                let digits = text[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                (parsed.nanosecond, rest) = fraction(text, 1 + digits)?;
            }
            Part::Fraction { digits, .. } => (parsed.nanosecond, rest) = fraction(text, 1 + digits)?,
        }
        Ok(rest)
    }

    fn day_of_year<'a>(&mut self, mut text: &'a [u8], padding: char) -> Result<&'a [u8], Wrong> {
        for _ in 0..2 {
            if padding == ' '
                && let [b' ', left @ ..] = text
            {
                text = left;
            }
        }
        let count = text
            .iter()
            .take(3)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 || padding == '0' && count != 3 {
            return Err(Wrong::Form);
        }
        self.day_of_year = Some(text[..count].iter().fold(0, |sum, byte| sum * 10 + digit(*byte)));
        Ok(&text[count..])
    }

    fn second<'a>(&mut self, text: &'a [u8], padded: bool, after: &str) -> Result<&'a [u8], Wrong> {
        let (second, rest) = bounded(text, padded, 60, "second")?;
        self.parsed.second = second;
        // Go: a fraction may follow the seconds even where the layout has none.
        let named = matches!(next_part(after), Some((_, Part::Fraction { .. }, _)));
        if named || !matches!(rest.first(), Some(b'.' | b',')) || !is_digit(rest, 1) {
            return Ok(rest);
        }
        let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (nanosecond, rest) = fraction(rest, 1 + digits)?;
        self.parsed.nanosecond = nanosecond;
        Ok(rest)
    }

    fn zone<'a>(&mut self, text: &'a [u8]) -> Result<&'a [u8], Wrong> {
        if let Some(rest) = text.strip_prefix(b"UTC") {
            self.parsed.utc = true;
            return Ok(rest);
        }
        let length = zone_length(text).ok_or(Wrong::Form)?;
        let (zone, rest) = text.split_at(length);
        self.parsed.zone = String::from_utf8_lossy(zone).into_owned();
        Ok(rest)
    }

    fn offset<'a>(
        &mut self,
        text: &'a [u8],
        zulu: bool,
        colon: bool,
        parts: usize,
    ) -> Result<&'a [u8], Wrong> {
        if zulu && let [b'Z', rest @ ..] = text {
            self.parsed.utc = true;
            return Ok(rest);
        }
        let step = if colon { 3 } else { 2 };
        let length = 1 + 2 + step * (parts - 1);
        let all = text.get(..length).ok_or(Wrong::Form)?;
        let mut numbers = [0; 3];
        let mut form = Ok(());
        for (place, slot) in numbers.iter_mut().enumerate().take(parts) {
            let at = 1 + step * place;
            if colon && place > 0 && all[at - 1] != b':' {
                return Err(Wrong::Form);
            }
            match number(&all[at..at + 2], true) {
                Ok((value, _)) => *slot = value,
                Err(wrong) => {
                    form = Err(wrong);
                    break;
                }
            }
        }
        let [hours, minutes, seconds] = numbers;
        for (value, limit, what) in [
            (seconds, 60, "time zone offset second"),
            (minutes, 60, "time zone offset minute"),
            (hours, 24, "time zone offset hour"),
        ] {
            if value > limit {
                return Err(Wrong::Range(what));
            }
        }
        form?;
        let total = (hours * 60 + minutes) * 60 + seconds;
        self.parsed.offset = Some(match all[0] {
            b'+' => total,
            b'-' => -total,
            _ => return Err(Wrong::Form),
        });
        Ok(&text[length..])
    }

    /// Joins the parts and checks the date.
    fn finish(mut self) -> Result<Parsed, &'static str> {
        let parsed = &mut self.parsed;
        match self.afternoon {
            Some(true) if parsed.hour < 12 => parsed.hour += 12,
            Some(false) if parsed.hour == 12 => parsed.hour = 0,
            _ => {}
        }
        if let Some(of_year) = self.day_of_year {
            let (month, day) = date_of(parsed.year, of_year).ok_or("day-of-year out of range")?;
            if self.month.is_some_and(|named| named != month) {
                return Err("day-of-year does not match month");
            }
            if self.day.is_some_and(|named| named != day) {
                return Err("day-of-year does not match day");
            }
            (self.month, self.day) = (Some(month), Some(day));
        }
        parsed.month = self.month.unwrap_or(1);
        parsed.day = self.day.unwrap_or(1);
        if parsed.day < 1 || parsed.day > days_in(parsed.month, parsed.year) {
            return Err("day out of range");
        }
        Ok(self.parsed)
    }
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(month: i32, year: i32) -> i32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Month and day of a day of the year.
fn date_of(year: i32, mut of_year: i32) -> Option<(i32, i32)> {
    if of_year < 1 {
        return None;
    }
    (1..=12).find_map(|month| {
        let days = days_in(month, year);
        let found = (of_year <= days).then_some((month, of_year));
        of_year -= days;
        found
    })
}

/// Go: `parseTimeZone`: how long the abbreviation at the start is.
fn zone_length(text: &[u8]) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix(b"GMT") {
        return Some(3 + if rest.is_empty() { 0 } else { signed_offset(rest) });
    }
    if matches!(text[0], b'+' | b'-') {
        return Some(signed_offset(text)).filter(|length| *length > 0);
    }
    let upper = text
        .iter()
        .take(6)
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    match upper {
        5 if text[4] == b'T' => Some(5),
        4 if text[3] == b'T' || text.starts_with(b"WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

/// The length of a sign and a number up to 23; 0 if there is none.
fn signed_offset(text: &[u8]) -> usize {
    if !matches!(text[0], b'+' | b'-') {
        return 0;
    }
    let digits = text[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = text[1..=digits].iter().fold(0_u32, |sum, byte| {
        sum.saturating_mul(10).saturating_add(u32::from(byte - b'0'))
    });
    if digits == 0 || value > 23 { 0 } else { 1 + digits }
}
