//! Dates: Sprig's functions on times, and Go's `time.Time` as a value.

mod duration;
mod layout;
mod objects;
mod parse;

pub(super) use objects::{toml_moment, toml_text};

use std::rc::Rc;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::value::{Functions, IntKind, Kind, Type, Value};

use super::Environment;
use super::args::{ANY, Outcome, STRING, fail, string, utf8};
use objects::{Moment, Span};

const TIME: Type = Type::Named("time.Time", Kind::Struct);

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Clock and zone of the functions.
#[derive(Clone)]
struct Clock(Rc<dyn Environment>);

impl Clock {
    fn now(&self) -> Moment {
        Moment::new(self.0.now().to_zoned(self.local()))
    }

    fn local(&self) -> TimeZone {
        self.zone("Local")
    }

    /// Go: an unknown zone is UTC.
    fn zone(&self, name: &str) -> TimeZone {
        let own = self.0.time_zone();
        let name = if name == "Local" { own.as_str() } else { name };
        match name {
            "" | "UTC" | "Local" => TimeZone::UTC,
            name => TimeZoneDatabase::bundled().get(name).unwrap_or(TimeZone::UTC),
        }
    }

    /// Go: times and whole numbers of seconds are taken as they are, everything else is now.
    fn moment(&self, value: &Value) -> Moment {
        match value {
            Value::Int(seconds, IntKind::Int | IntKind::Int32 | IntKind::Int64) => {
                let timestamp = Timestamp::from_second(*seconds).unwrap_or(Timestamp::UNIX_EPOCH);
                Moment::new(timestamp.to_zoned(self.local()))
            }
            value => value.downcast::<Moment>().cloned().unwrap_or_else(|| self.now()),
        }
    }

    fn since(&self, moment: &Moment) -> i64 {
        nanoseconds(self.0.now().duration_since(moment.0.timestamp()))
    }

    fn format(&self, value: &Value, layout: &str, zone: &str) -> Outcome {
        let moment = Moment::new(self.moment(value).0.with_time_zone(self.zone(zone)));
        string(layout::format(&moment, layout))
    }

    /// Go: `time.ParseInLocation`; the error is Go's.
    fn parse(&self, text: &str, layout: &str) -> Result<Moment, String> {
        let parsed = parse::parse(text, layout)?;
        let beyond = |_| format!("parsing time {text}: out of range");
        let small = |number: i32| i8::try_from(number).unwrap_or_default();
        let year = i16::try_from(parsed.year).unwrap_or(i16::MAX);
        let date = jiff::civil::Date::new(year, small(parsed.month), small(parsed.day)).map_err(beyond)?;
        let (hour, minute, second) = (small(parsed.hour), small(parsed.minute), small(parsed.second));
        let time = jiff::civil::Time::new(hour, minute, second, parsed.nanosecond).map_err(beyond)?;
        let at = date.to_datetime(time);
        let fixed = |seconds| jiff::tz::Offset::from_seconds(seconds).map(TimeZone::fixed);
        let in_zone = |zone: TimeZone| at.to_zoned(zone).map_err(beyond);
        if parsed.utc {
            return Ok(Moment::new(in_zone(TimeZone::UTC)?));
        }
        let local = self.local();
        if let Some(seconds) = parsed.offset {
            let moment = in_zone(fixed(seconds).map_err(beyond)?)?;
            let there = Moment::new(moment.with_time_zone(local));
            let same_name = parsed.zone.is_empty() || parsed.zone == there.zone_name();
            if there.0.offset().seconds() == seconds && same_name {
                return Ok(there);
            }
            return Ok(Moment::named(moment, &parsed.zone));
        }
        if parsed.zone.is_empty() {
            return Ok(Moment::new(in_zone(local)?));
        }
        let there = Moment::new(in_zone(local)?);
        if there.zone_name() == parsed.zone {
            return Ok(there);
        }
        let hours = parsed
            .zone
            .strip_prefix("GMT")
            .and_then(|hours| hours.parse::<i32>().ok());
        Ok(Moment::named(
            in_zone(fixed(hours.unwrap_or(0) * 3600).map_err(beyond)?)?,
            &parsed.zone,
        ))
    }
}

/// Go's durations end at about 292 years.
fn nanoseconds(duration: SignedDuration) -> i64 {
    let all = duration.as_nanos();
    i64::try_from(all).unwrap_or(if all < 0 { i64::MIN } else { i64::MAX })
}

/// Whether `text` is a duration such as `1h30m`.
///
/// # Errors
/// What Go's `time.ParseDuration` says of it.
pub fn check_duration(text: &str) -> Result<(), String> {
    duration::parse(text).map(|_| ())
}

/// Whether a text is a time by a layout of Go's `time` package; the error is Go's.
pub fn check_time(text: &str, layout: &str) -> Result<(), String> {
    parse::parse(text, layout).map(|_| ())
}

pub(super) fn register(functions: &mut Functions, environment: &Rc<dyn Environment>) {
    let clock = Clock(environment.clone());
    register_formats(functions, &clock);
    register_changes(functions, &clock);
    register_durations(functions, &clock);
}

fn register_formats(functions: &mut Functions, clock: &Clock) {
    let source = clock.clone();
    functions.add("now", &[], move |_, _| Ok(Value::object(source.now())));
    let source = clock.clone();
    functions.add("date", &[STRING, ANY], move |_, args| {
        source.format(&args[1], &utf8(args, 0), "Local")
    });
    for name in ["dateInZone", "date_in_zone"] {
        let source = clock.clone();
        functions.add(name, &[STRING, ANY, STRING], move |_, args| {
            source.format(&args[1], &utf8(args, 0), &utf8(args, 2))
        });
    }
    let source = clock.clone();
    functions.add("htmlDate", &[ANY], move |_, args| {
        source.format(&args[0], "2006-01-02", "Local")
    });
    let source = clock.clone();
    functions.add("htmlDateInZone", &[ANY, STRING], move |_, args| {
        source.format(&args[0], "2006-01-02", &utf8(args, 1))
    });
    functions.add("unixEpoch", &[TIME], |_, args| {
        let seconds = args[0]
            .downcast::<Moment>()
            .map_or(0, |moment| objects::unix(&moment.0));
        string(seconds.to_string())
    });
}

fn register_changes(functions: &mut Functions, clock: &Clock) {
    for (name, strict) in [
        ("dateModify", false),
        ("date_modify", false),
        ("mustDateModify", true),
        ("must_date_modify", true),
    ] {
        functions.add(name, &[STRING, TIME], move |_, args| {
            match duration::parse(&utf8(args, 0)) {
                Ok(change) => Ok(args[1]
                    .downcast::<Moment>()
                    .map_or_else(Value::default, |moment| Value::object(moment.plus(change)))),
                Err(error) if strict => fail(error),
                Err(_) => Ok(args[1].clone()),
            }
        });
    }
    for (name, strict) in [("toDate", false), ("mustToDate", true)] {
        let source = clock.clone();
        functions.add(name, &[STRING, STRING], move |_, args| {
            let (layout, text) = (utf8(args, 0), utf8(args, 1));
            match source.parse(&text, &layout) {
                Ok(moment) => Ok(Value::object(moment)),
                Err(error) if strict => fail(error),
                Err(_) => Ok(Value::object(Moment::zero())),
            }
        });
    }
}

fn register_durations(functions: &mut Functions, clock: &Clock) {
    functions.add("duration", &[ANY], |_, args| {
        let seconds = match &args[0] {
            Value::Str(text) => crate::number::atoi_clamped(text.as_bytes()),
            Value::Int(seconds, IntKind::Int64) => *seconds,
            _ => 0,
        };
        string(duration::text(seconds.wrapping_mul(1_000_000_000)))
    });
    let source = clock.clone();
    functions.add("ago", &[ANY], move |_, args| {
        let passed = source.since(&source.moment(&args[0]));
        const SECOND: i64 = 1_000_000_000;
        let half = SECOND / 2 * passed.signum();
        string(duration::text(passed.saturating_add(half) / SECOND * SECOND))
    });
    let source = clock.clone();
    functions.add("durationRound", &[ANY], move |_, args| {
        let length = match &args[0] {
            Value::Str(_) => duration::parse(&utf8(args, 0)).unwrap_or(0),
            Value::Int(length, IntKind::Int64) => *length,
            value => match value.downcast::<Moment>() {
                Some(moment) => source.since(moment),
                None => value.downcast::<Span>().map_or(0, |_| 0),
            },
        };
        string(rounded(length.unsigned_abs()))
    });
}

/// The number of the largest unit that it exceeds.
fn rounded(nanoseconds: u64) -> String {
    const HOUR: u64 = 3_600_000_000_000;
    let units = [
        (HOUR * 24 * 365, "y"),
        (HOUR * 24 * 30, "mo"),
        (HOUR * 24, "d"),
        (HOUR, "h"),
        (HOUR / 60, "m"),
        (HOUR / 3600, "s"),
    ];
    match units.iter().find(|(length, _)| nanoseconds > *length) {
        Some((length, name)) => format!("{}{name}", nanoseconds / length),
        None => "0s".to_owned(),
    }
}

/// Go's zero time.
fn zero() -> Zoned {
    jiff::civil::date(1, 1, 1)
        .at(0, 0, 0, 0)
        .to_zoned(TimeZone::UTC)
        .unwrap_or_else(|_| Zoned::default())
}
