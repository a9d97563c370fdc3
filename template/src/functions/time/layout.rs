//! Go's time layouts: `2006-01-02 15:04:05.000 -0700 MST` and everything that stands for a part of it.

use super::Moment;

/// A part that a layout names.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Part {
    LongMonth,
    Month,
    MonthNumber {
        padded: bool,
    },
    LongWeekday,
    Weekday,
    Day(Padding),
    YearDay {
        padding: char,
    },
    Hour,
    HourOf12 {
        padded: bool,
    },
    Minute {
        padded: bool,
    },
    Second {
        padded: bool,
    },
    LongYear,
    Year,
    HalfDay {
        upper: bool,
    },
    ZoneName,
    Offset {
        zulu: bool,
        colon: bool,
        parts: usize,
    },
    Fraction {
        comma: bool,
        digits: usize,
        trimmed: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Padding {
    None,
    Zero,
    Space,
}

const OFFSETS: [(&str, bool, usize); 5] = [
    ("070000", false, 3),
    ("07:00:00", true, 3),
    ("0700", false, 2),
    ("07:00", true, 2),
    ("07", false, 1),
];

/// The first part that `layout` names: what stands before it, the part, what stands behind it.
pub(super) fn next_part(layout: &str) -> Option<(&str, Part, &str)> {
    layout.char_indices().find_map(|(at, _)| {
        let (part, length) = part_at(&layout[at..])?;
        // Go: of `_2006` only the year counts.
        let at = if layout[at..].starts_with("_2006") {
            at + 1
        } else {
            at
        };
        Some((&layout[..at], part, &layout[at + length..]))
    })
}

fn part_at(layout: &str) -> Option<(Part, usize)> {
    let starts = |text: &str| layout.starts_with(text);
    let small_follows = |at: usize| layout[at..].starts_with(|next: char| next.is_ascii_lowercase());
    let plain = |part, length| Some((part, length));
    match layout.as_bytes().first()? {
        b'J' if starts("January") => plain(Part::LongMonth, 7),
        b'J' if starts("Jan") && !small_follows(3) => plain(Part::Month, 3),
        b'M' if starts("Monday") => plain(Part::LongWeekday, 6),
        b'M' if starts("Mon") && !small_follows(3) => plain(Part::Weekday, 3),
        b'M' if starts("MST") => plain(Part::ZoneName, 3),
        b'0' if starts("01") => plain(Part::MonthNumber { padded: true }, 2),
        b'0' if starts("02") => plain(Part::Day(Padding::Zero), 2),
        b'0' if starts("03") => plain(Part::HourOf12 { padded: true }, 2),
        b'0' if starts("04") => plain(Part::Minute { padded: true }, 2),
        b'0' if starts("05") => plain(Part::Second { padded: true }, 2),
        b'0' if starts("06") => plain(Part::Year, 2),
        b'0' if starts("002") => plain(Part::YearDay { padding: '0' }, 3),
        b'1' if starts("15") => plain(Part::Hour, 2),
        b'1' => plain(Part::MonthNumber { padded: false }, 1),
        b'2' if starts("2006") => plain(Part::LongYear, 4),
        b'2' => plain(Part::Day(Padding::None), 1),
        b'_' if starts("_2006") => plain(Part::LongYear, 4),
        b'_' if starts("_2") => plain(Part::Day(Padding::Space), 2),
        b'_' if starts("__2") => plain(Part::YearDay { padding: ' ' }, 3),
        b'3' => plain(Part::HourOf12 { padded: false }, 1),
        b'4' => plain(Part::Minute { padded: false }, 1),
        b'5' => plain(Part::Second { padded: false }, 1),
        b'P' if starts("PM") => plain(Part::HalfDay { upper: true }, 2),
        b'p' if starts("pm") => plain(Part::HalfDay { upper: false }, 2),
        sign @ (b'-' | b'Z') => OFFSETS
            .iter()
            .find(|(text, ..)| layout[1..].starts_with(text))
            .map(|&(text, colon, parts)| {
                (
                    Part::Offset {
                        zulu: *sign == b'Z',
                        colon,
                        parts,
                    },
                    1 + text.len(),
                )
            }),
        mark @ (b'.' | b',') => {
            let digit = *layout
                .as_bytes()
                .get(1)
                .filter(|digit| matches!(digit, b'0' | b'9'))?;
            let digits = layout[1..].bytes().take_while(|byte| *byte == digit).count();
            let ends = !layout[1 + digits..].starts_with(|next: char| next.is_ascii_digit());
            ends.then_some((
                Part::Fraction {
                    comma: *mark == b',',
                    digits,
                    trimmed: digit == b'9',
                },
                1 + digits,
            ))
        }
        _ => None,
    }
}

/// Go: `Time.Format`.
pub(super) fn format(moment: &Moment, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while let Some((before, part, after)) = next_part(rest) {
        out.push_str(before);
        out.push_str(&written(moment, part));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn written(moment: &Moment, part: Part) -> String {
    let time = &moment.0;
    let padded = |number: i8, padded: bool| {
        if padded {
            format!("{number:02}")
        } else {
            number.to_string()
        }
    };
    match part {
        Part::LongMonth => moment.month_name().to_owned(),
        Part::Month => moment.month_name()[..3].to_owned(),
        Part::MonthNumber { padded: zero } => padded(time.month(), zero),
        Part::LongWeekday => moment.weekday_name().to_owned(),
        Part::Weekday => moment.weekday_name()[..3].to_owned(),
        Part::Day(Padding::None) => time.day().to_string(),
        Part::Day(Padding::Zero) => format!("{:02}", time.day()),
        Part::Day(Padding::Space) => format!("{:2}", time.day()),
        Part::YearDay { padding: '0' } => format!("{:03}", time.day_of_year()),
        Part::YearDay { .. } => format!("{:3}", time.day_of_year()),
        Part::Hour => format!("{:02}", time.hour()),
        Part::HourOf12 { padded: zero } => padded(
            if time.hour() % 12 == 0 {
                12
            } else {
                time.hour() % 12
            },
            zero,
        ),
        Part::Minute { padded: zero } => padded(time.minute(), zero),
        Part::Second { padded: zero } => padded(time.second(), zero),
        Part::LongYear if time.year() < 0 => format!("-{:04}", time.year().unsigned_abs()),
        Part::LongYear => format!("{:04}", time.year()),
        Part::Year => format!("{:02}", time.year().rem_euclid(100)),
        Part::HalfDay { upper } => match (time.hour() >= 12, upper) {
            (true, true) => "PM",
            (true, false) => "pm",
            (false, true) => "AM",
            (false, false) => "am",
        }
        .to_owned(),
        Part::ZoneName => moment.zone_name(),
        Part::Offset { zulu, colon, parts } => offset(time.offset().seconds(), zulu, colon, parts),
        Part::Fraction {
            comma,
            digits,
            trimmed,
        } => {
            let all = format!("{:09}", time.subsec_nanosecond());
            let mut shown = &all[..digits.min(9)];
            if trimmed {
                shown = shown.trim_end_matches('0');
            }
            if shown.is_empty() {
                String::new()
            } else {
                format!("{}{shown}", if comma { ',' } else { '.' })
            }
        }
    }
}

fn offset(seconds: i32, zulu: bool, colon: bool, parts: usize) -> String {
    if zulu && seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let all = [seconds / 3600, seconds / 60 % 60, seconds % 60];
    let shown: Vec<String> = all[..parts].iter().map(|part| format!("{part:02}")).collect();
    format!("{sign}{}", shown.join(if colon { ":" } else { "" }))
}
