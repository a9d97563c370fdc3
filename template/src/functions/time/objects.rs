//! `time.Time`, `time.Duration`, `time.Month` and `time.Weekday` as values with methods.

use std::any::Any;
use std::rc::Rc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};

use crate::value::{Function, IntKind, Kind, Object, Str, Type, Value};

use super::{MONTHS, TIME, WEEKDAYS, duration, layout, nanoseconds, zero};

const RFC_3339: &str = "2006-01-02T15:04:05.999999999Z07:00";

const SPAN: Type = Type::Named("time.Duration", Kind::Int(IntKind::Int64));

/// A `time.Time`, and the abbreviation of its zone where that is not the zone's own.
#[derive(Debug, Clone)]
pub(super) struct Moment(pub(super) Zoned, Option<Rc<str>>);

impl Moment {
    pub(super) fn new(time: Zoned) -> Self {
        Self(time, None)
    }

    pub(super) fn named(time: Zoned, zone: &str) -> Self {
        Self(time, Some(zone.into()).filter(|zone: &Rc<str>| !zone.is_empty()))
    }

    pub(super) fn zero() -> Self {
        Self::new(zero())
    }

    /// The moment with another time in its zone.
    fn with(&self, time: Zoned) -> Self {
        Self(time, self.1.clone())
    }

    pub(super) fn plus(&self, nanoseconds: i64) -> Self {
        let change = SignedDuration::from_nanos(nanoseconds);
        self.with(self.0.checked_add(change).unwrap_or_else(|_| self.0.clone()))
    }

    pub(super) fn month_name(&self) -> &'static str {
        MONTHS[usize::try_from(self.0.month() - 1).unwrap_or(0).min(11)]
    }

    pub(super) fn weekday_name(&self) -> &'static str {
        WEEKDAYS[usize::try_from(self.0.weekday().to_sunday_zero_offset())
            .unwrap_or(0)
            .min(6)]
    }

    /// The zone's abbreviation; its offset where it has none.
    pub(super) fn zone_name(&self) -> String {
        if let Some(name) = &self.1 {
            return name.to_string();
        }
        if *self.0.time_zone() == TimeZone::UTC {
            return "UTC".to_owned();
        }
        if self.0.time_zone().iana_name().is_none() {
            return layout::format(self, "-0700");
        }
        let name = self.0.strftime("%Z").to_string();
        if name.starts_with(['+', '-']) {
            name.replace(':', "")
        } else {
            name
        }
    }

    /// Go: to a multiple of `step` nanoseconds since the year 1, the one before or the nearest.
    fn cut(&self, step: i64, nearest: bool) -> Self {
        let since = self.0.timestamp().as_nanosecond() - zero().timestamp().as_nanosecond();
        if step <= 0 {
            return self.clone();
        }
        let over = i64::try_from(since.rem_euclid(i128::from(step))).unwrap_or_default();
        if nearest && over >= step - over {
            self.plus(step - over)
        } else {
            self.plus(-over)
        }
    }

    fn is_zero(&self) -> bool {
        self.0.timestamp() == zero().timestamp()
    }

    fn read(&self, name: &str) -> Option<Value> {
        let int = |value: i64| Value::int(value);
        let time = &self.0;
        Some(match name {
            "Year" => int(time.year().into()),
            "Month" => Value::object(Named {
                type_name: "time.Month",
                number: time.month().into(),
                name: self.month_name(),
            }),
            "Day" => int(time.day().into()),
            "Hour" => int(time.hour().into()),
            "Minute" => int(time.minute().into()),
            "Second" => int(time.second().into()),
            "Nanosecond" => int(time.subsec_nanosecond().into()),
            "YearDay" => int(time.day_of_year().into()),
            "Weekday" => Value::object(Named {
                type_name: "time.Weekday",
                number: time.weekday().to_sunday_zero_offset().into(),
                name: self.weekday_name(),
            }),
            "Unix" => Value::int64(unix(time)),
            "UnixMilli" => Value::int64(time.timestamp().as_millisecond()),
            "UnixMicro" => Value::int64(time.timestamp().as_microsecond()),
            "UnixNano" => Value::int64(i64::try_from(time.timestamp().as_nanosecond()).unwrap_or(0)),
            "UTC" => Value::object(Self::new(time.with_time_zone(TimeZone::UTC))),
            "Local" => Value::object(self.clone()),
            "IsZero" => Value::Bool(self.is_zero()),
            "String" => Value::string(self.to_text()),
            "MarshalText" | "MarshalJSON" => {
                let text = layout::format(self, RFC_3339);
                let quote = if name == "MarshalJSON" { "\"" } else { "" };
                Value::from_bytes(format!("{quote}{text}{quote}").as_bytes())
            }
            _ => return None,
        })
    }

    fn to_text(&self) -> String {
        layout::format(self, "2006-01-02 15:04:05.999999999 -0700 MST")
    }
}

impl Object for Moment {
    fn type_name(&self) -> &'static str {
        "time.Time"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn text(&self) -> Option<Str> {
        Some(self.to_text().into())
    }

    fn to_json(&self) -> serde_json::Value {
        layout::format(self, RFC_3339).into()
    }

    fn equals(&self, other: &dyn Object) -> bool {
        other
            .as_any()
            .downcast_ref::<Self>()
            .is_some_and(|other| self.0.timestamp() == other.0.timestamp())
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Function> {
        if self.read(name).is_some() {
            let method = name.to_owned();
            return Some(Function::new(name, &[], move |_, _| {
                Ok(self.read(&method).unwrap_or_default())
            }));
        }
        let int = Type::INT;
        Some(match name {
            "Format" => Function::new(name, &[Type::String], move |_, args| {
                let layout = args[0]
                    .as_bytes()
                    .map(String::from_utf8_lossy)
                    .unwrap_or_default();
                Ok(Value::string(layout::format(&self, &layout)))
            }),
            "AddDate" => Function::new(name, &[int, int, int], move |_, args| {
                let part = |at: usize| args[at].as_int().unwrap_or(0);
                // Go: days beyond the month's end run on into the next one.
                let first = self.0.first_of_month().ok();
                let days = part(2) + i64::from(self.0.day()) - 1;
                let months = jiff::Span::new()
                    .try_years(part(0))
                    .and_then(|span| span.try_months(part(1)));
                let days = jiff::Span::new().try_days(days);
                let moved = first
                    .zip(months.ok().zip(days.ok()))
                    .and_then(|(first, (months, days))| {
                        first.checked_add(months).ok()?.checked_add(days).ok()
                    });
                Ok(Value::object(self.with(moved.unwrap_or_else(|| self.0.clone()))))
            }),
            "Add" => Function::new(name, &[SPAN], move |_, args| {
                Ok(Value::object(self.plus(span(&args[0]))))
            }),
            "Truncate" | "Round" => {
                let rounds = name == "Round";
                Function::new(name, &[SPAN], move |_, args| {
                    Ok(Value::object(self.cut(span(&args[0]), rounds)))
                })
            }
            "Sub" => Function::new(name, &[TIME], move |_, args| {
                let other = args[0].downcast::<Self>().cloned().unwrap_or_else(Self::zero);
                Ok(Value::object(Span(nanoseconds(self.0.duration_since(&other.0)))))
            }),
            "After" | "Before" | "Equal" | "Compare" => {
                let method = name.to_owned();
                Function::new(name, &[TIME], move |_, args| {
                    let other = args[0].downcast::<Self>().cloned().unwrap_or_else(Self::zero);
                    let order = self.0.timestamp().cmp(&other.0.timestamp());
                    Ok(match method.as_str() {
                        "After" => Value::Bool(order.is_gt()),
                        "Before" => Value::Bool(order.is_lt()),
                        "Equal" => Value::Bool(order.is_eq()),
                        _ => Value::int(order as i64),
                    })
                })
            }
            _ => return None,
        })
    }
}

/// Go: whole seconds since 1970, rounded down.
pub(super) fn unix(time: &Zoned) -> i64 {
    let at = time.timestamp();
    at.as_second() - i64::from(at.subsec_nanosecond() < 0)
}

/// A duration that a method is given: a number as it stands in a template, too.
fn span(value: &Value) -> i64 {
    let given = value.downcast::<Span>().map(|span| span.0);
    given.or_else(|| value.as_int()).unwrap_or(0)
}

/// A `time.Duration` in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span(pub(super) i64);

impl Object for Span {
    fn type_name(&self) -> &'static str {
        "time.Duration"
    }

    fn kind(&self) -> Kind {
        Kind::Int(IntKind::Int64)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn text(&self) -> Option<Str> {
        Some(duration::text(self.0).into())
    }

    fn integer(&self) -> Option<i64> {
        Some(self.0)
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Function> {
        let nanoseconds = self.0;
        let value = match name {
            "Hours" => Value::Float(nanoseconds as f64 / 3.6e12),
            "Minutes" => Value::Float(nanoseconds as f64 / 6e10),
            "Seconds" => Value::Float(nanoseconds as f64 / 1e9),
            "Milliseconds" => Value::int64(nanoseconds / 1_000_000),
            "Microseconds" => Value::int64(nanoseconds / 1_000),
            "Nanoseconds" => Value::int64(nanoseconds),
            "String" => Value::string(duration::text(nanoseconds)),
            _ => return None,
        };
        Some(Function::new(name, &[], move |_, _| Ok(value.clone())))
    }
}

/// A `time.Month` or `time.Weekday`: a number that prints as a name.
struct Named {
    type_name: &'static str,
    number: i64,
    name: &'static str,
}

impl Object for Named {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn kind(&self) -> Kind {
        Kind::Int(IntKind::Int)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn text(&self) -> Option<Str> {
        Some(self.name.into())
    }

    fn integer(&self) -> Option<i64> {
        Some(self.number)
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Function> {
        let text = self.name;
        (name == "String").then(|| Function::new(name, &[], move |_, _| Ok(Value::string(text))))
    }
}

/// The date or time of a TOML file (RFC 3339, parts may be missing); without an offset it is in UTC.
pub(in crate::functions) fn toml_moment(text: &str) -> Option<Value> {
    use jiff::civil;
    let text = text.replace(['t', 'T'], "T").replace('z', "Z");
    let text = checked_moment(&text)?;
    let zone = || TimeZone::fixed(jiff::tz::Offset::UTC);
    let local =
        |at: civil::DateTime, name| Some(Value::object(Moment::named(at.to_zoned(zone()).ok()?, name)));
    let zoned = if let Ok(date) = text
        .parse::<civil::Date>()
        .map_err(drop)
        .and_then(|date| if text.len() == 10 { Ok(date) } else { Err(()) })
    {
        return local(date.to_datetime(civil::Time::midnight()), LOCAL_DATE);
    } else if !text.contains('T') {
        let time: civil::Time = text.parse().ok()?;
        return local(civil::Date::new(0, 1, 1).ok()?.to_datetime(time), LOCAL_TIME);
    } else {
        let offset = text.ends_with('Z') || text.rfind(['+', '-']).is_some_and(|at| at > 10);
        if offset {
            let parsed = jiff::fmt::temporal::DateTimeParser::new()
                .parse_pieces(&text)
                .ok()?;
            let offset = parsed.to_numeric_offset()?;
            let at = parsed.date().to_datetime(parsed.time()?);
            let zone = if offset == jiff::tz::Offset::UTC {
                TimeZone::UTC
            } else {
                TimeZone::fixed(offset)
            };
            at.to_zoned(zone).ok()?
        } else {
            return local(text.parse().ok()?, LOCAL_DATETIME);
        }
    };
    Some(Value::object(Moment::new(zoned)))
}

/// A date, a time or both, with as many digits of a second as count. Go: nothing may be left out but seconds.
fn checked_moment(text: &str) -> Option<String> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time),
        None if text.contains(':') => return checked_time(text),
        None => return Some(text.to_owned()),
    };
    let zone = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone);
    let hours: Option<u32> = zone.get(1..3).and_then(|hours| hours.parse().ok());
    if hours.is_some_and(|hours| hours > 24) {
        return None;
    }
    Some(format!("{date}T{}{zone}", checked_time(time)?))
}

/// `15:04`, `15:04:05` or `15:04:05.123`.
fn checked_time(text: &str) -> Option<String> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let parts: Vec<&str> = whole.split(':').collect();
    let two_digits = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = matches!(parts.len(), 2 | 3) && parts.iter().all(two_digits);
    if !is_time || parts.get(2).is_some_and(|seconds| *seconds > "59") {
        return None;
    }
    Some(match fraction {
        Some(fraction) => format!("{whole}.{}", fraction.get(..9).unwrap_or(fraction)),
        None => whole.to_owned(),
    })
}

/// How the TOML library names the zones of dates and times that have none.
const LOCAL_DATETIME: &str = "datetime-local";
const LOCAL_DATE: &str = "date-local";
const LOCAL_TIME: &str = "time-local";

/// A time as TOML has it.
pub(in crate::functions) fn toml_text(value: &Value) -> Option<String> {
    let moment = value.downcast::<Moment>()?;
    let layout = match moment.zone_name().as_str() {
        LOCAL_DATETIME => "2006-01-02T15:04:05.999999999",
        LOCAL_DATE => "2006-01-02",
        LOCAL_TIME => "15:04:05.999999999",
        _ => RFC_3339,
    };
    Some(layout::format(moment, layout))
}
