//! Constraints on versions: `>=1.2 <2`, `~1.4 || ^3`, `1.x`, `1 - 2`.
//!
//! A part that is missing or a wildcard makes a constraint partial, which each operator treats in its own
//! way. Prereleases satisfy a group of constraints only if one of the group names a prerelease.

use std::sync::LazyLock;

use regex::Regex;

use super::SemverError;
use super::version::{Version, compare_prereleases};

const MAX_LENGTH: usize = 512;
const MAX_GROUPS: usize = 32;

const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
const PARTIAL: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";
const BLANKS: [char; 5] = ['\t', '\n', '\x0c', '\r', ' '];
const BLANK: &str = r"[\t\n\x0c\r\x20]";

static ONE: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!("^{BLANK}*({OPERATORS}){BLANK}*({PARTIAL}){BLANK}*$")));
static RANGE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        "{BLANK}*({PARTIAL}){BLANK}+-{BLANK}+({PARTIAL}){BLANK}*"
    ))
});
static EACH: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("({OPERATORS}){BLANK}*({PARTIAL})")));
static GROUP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        "^({BLANK}*({OPERATORS}){BLANK}*({PARTIAL}){BLANK}*)((?:{BLANK}+|,{BLANK}*)({OPERATORS}){BLANK}*({PARTIAL}){BLANK}*)*$"
    ))
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is constant")
}

/// What versions have to be: alternatives of groups of constraints, such as `>=1.2 <2 || ~3.1`.
#[derive(Debug, Clone)]
pub struct Constraints(Vec<Group>);

#[derive(Debug, Clone)]
struct Group {
    constraints: Vec<Constraint>,
    names_prerelease: bool,
}

#[derive(Debug, Clone)]
struct Constraint {
    operator: Operator,
    version: Version,
    /// How much of the version was given.
    given: Given,
}

#[derive(Debug, Clone, Copy)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Given {
    Nothing,
    Major,
    Minor,
    Whole,
}

impl Constraints {
    /// Reads constraints.
    ///
    /// # Errors
    /// They are none.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        if text.len() > MAX_LENGTH {
            return Err(SemverError::TooLong {
                what: "constraint",
                limit: MAX_LENGTH,
            });
        }
        if let Some(groups) = text.split("||").map(Group::simple).collect::<Option<Vec<_>>>()
            && groups.len() <= MAX_GROUPS
        {
            return groups.into_iter().collect::<Result<_, _>>().map(Self);
        }
        let text = rewrite_ranges(text);
        let alternatives: Vec<&str> = text.split("||").collect();
        if alternatives.len() > MAX_GROUPS {
            return Err(SemverError::TooManyGroups(MAX_GROUPS));
        }
        alternatives
            .into_iter()
            .map(Group::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a version is one of those that are wanted.
    #[must_use]
    pub fn allow(&self, version: &Version) -> bool {
        self.0.iter().any(|group| group.allows(version))
    }
}

/// `a - b` is another way to write `>= a, <= b`.
fn rewrite_ranges(text: &str) -> String {
    let mut rewritten = text.to_owned();
    for found in RANGE.captures_iter(text) {
        let part = |at| found.get(at).map(|part| part.as_str()).unwrap_or_default();
        rewritten = rewritten.replacen(part(0), &format!(">= {}, <= {} ", part(1), part(11)), 1);
    }
    rewritten
}

impl Group {
    fn parse(text: &str) -> Result<Self, SemverError> {
        let improper = |text: &str| SemverError::Constraint(text.to_owned());
        if !GROUP.is_match(text) {
            return Err(improper(text));
        }
        let constraints: Vec<Constraint> = EACH
            .find_iter(text)
            .map(|each| Constraint::parse(each.as_str()).unwrap_or_else(|| Err(improper(each.as_str()))))
            .collect::<Result<_, _>>()?;
        Ok(Self::of(constraints))
    }

    /// Constraints without metadata and ranges, as nearly all are; `None` for anything else, which may well be a group,
    /// too. To make the expressions ready takes longer than all constraints of a chart.
    fn simple(text: &str) -> Option<Result<Self, SemverError>> {
        let mut rest = text.trim_matches(BLANKS);
        let mut constraints = Vec::new();
        while constraints.is_empty() || !rest.is_empty() {
            let operator = rest.find(|c| !"=!<>~^".contains(c))?;
            let (operator, behind) = rest.split_at(operator);
            let behind = behind.trim_start_matches(BLANKS);
            let ends = |c| c == ',' || BLANKS.contains(&c);
            let (version, behind) = behind.split_at(behind.find(ends).unwrap_or(behind.len()));
            constraints.push(Constraint::simple(operator, version)?);
            let behind = behind.trim_start_matches(BLANKS);
            rest = match behind.strip_prefix(',') {
                // It needs another one behind it.
                Some(next) if !next.trim_start_matches(BLANKS).is_empty() => next.trim_start_matches(BLANKS),
                Some(_) => return None,
                None => behind,
            };
        }
        Some(constraints.into_iter().collect::<Result<_, _>>().map(Self::of))
    }

    fn of(constraints: Vec<Constraint>) -> Self {
        let names_prerelease = constraints.iter().any(|each| !each.version.prerelease.is_empty());
        Self {
            constraints,
            names_prerelease,
        }
    }

    fn allows(&self, version: &Version) -> bool {
        (version.prerelease.is_empty() || self.names_prerelease)
            && self
                .constraints
                .iter()
                .all(|constraint| constraint.allows(version))
    }
}

impl Constraint {
    /// `None` if the text is no constraint.
    fn parse(text: &str) -> Option<Result<Self, SemverError>> {
        let found = ONE.captures(text)?;
        let part = |at| found.get(at).map(|part| part.as_str()).unwrap_or_default();
        let minor = part(4).strip_prefix('.').unwrap_or_default();
        let patch = part(5).strip_prefix('.').unwrap_or_default();
        Some(Self::of(part(1), part(2), [part(3), minor, patch], part(6)))
    }

    fn simple(operator: &str, version: &str) -> Option<Result<Self, SemverError>> {
        if !matches!(
            operator,
            "" | "=" | "!=" | ">" | "<" | ">=" | "=>" | "<=" | "=<" | "~" | "~>" | "^"
        ) {
            return None;
        }
        let rest = version.strip_prefix('v').unwrap_or(version);
        let (numbers, prerelease) = rest.split_at(rest.find('-').unwrap_or(rest.len()));
        let is_number = |part: &str| {
            let is_digits = part.bytes().all(|byte| byte.is_ascii_digit());
            matches!(part, "x" | "X" | "*") || !part.is_empty() && is_digits
        };
        let is_name = |part: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            !part.is_empty() && part.bytes().all(fits)
        };
        let mut parts = [""; 3];
        for (place, part) in numbers.split('.').enumerate() {
            *parts.get_mut(place)? = Some(part).filter(|part| is_number(part))?;
        }
        let has_names = |names: &str| names.split('.').all(is_name);
        if !prerelease.strip_prefix('-').is_none_or(has_names) {
            return None;
        }
        Some(Self::of(operator, version, parts, prerelease))
    }

    /// `text` is the version as it was written.
    fn of(
        operator: &str,
        text: &str,
        [major, minor, patch]: [&str; 3],
        prerelease: &str,
    ) -> Result<Self, SemverError> {
        let is_open = |part: &str| matches!(part, "" | "x" | "X" | "*");
        let (given, text) = if is_open(major) {
            (Given::Nothing, format!("0.0.0{prerelease}"))
        } else if is_open(minor) {
            (Given::Major, format!("{major}.0.0{prerelease}"))
        } else if is_open(patch) {
            (Given::Minor, format!("{major}.{minor}.0{prerelease}"))
        } else {
            (Given::Whole, text.to_owned())
        };
        let operator = match operator {
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterEqual,
            "<=" | "=<" => Operator::LessEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => Operator::Equal,
        };
        match Version::parse(&text) {
            Ok(version) => Ok(Self {
                operator,
                version,
                given,
            }),
            Err(_) => Err(SemverError::ConstraintVersion),
        }
    }

    fn allows(&self, version: &Version) -> bool {
        let order = version.compare(&self.version);
        let wanted = &self.version;
        let partial = self.given != Given::Whole;
        match self.operator {
            Operator::Equal if partial => self.allows_tilde(version),
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => self.differs(version),
            Operator::Greater if !partial => order.is_gt(),
            Operator::Greater if version.major != wanted.major => version.major > wanted.major,
            Operator::Greater => match self.given {
                Given::Major => false,
                Given::Minor => version.minor > wanted.minor,
                Given::Nothing | Given::Whole => order.is_gt(),
            },
            Operator::Less => order.is_lt(),
            Operator::GreaterEqual => order.is_ge(),
            Operator::LessEqual if !partial => order.is_le(),
            Operator::LessEqual => {
                version.major < wanted.major
                    || version.major == wanted.major
                        && (self.given == Given::Major || version.minor <= wanted.minor)
            }
            Operator::Tilde => self.allows_tilde(version),
            Operator::Caret => order.is_ge() && self.allows_caret(version),
        }
    }

    fn differs(&self, version: &Version) -> bool {
        let wanted = &self.version;
        match self.given {
            Given::Whole => version.compare(wanted).is_ne(),
            _ if version.major != wanted.major => true,
            Given::Major => false,
            _ if version.minor != wanted.minor => true,
            Given::Minor => {
                let named = !version.prerelease.is_empty() || !wanted.prerelease.is_empty();
                named && compare_prereleases(&version.prerelease, &wanted.prerelease).is_ne()
            }
            Given::Nothing => version.patch != wanted.patch || version.compare(wanted).is_ne(),
        }
    }

    fn allows_tilde(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if version.compare(wanted).is_lt() {
            return false;
        }
        let zero = wanted.major == 0 && wanted.minor == 0 && wanted.patch == 0;
        if zero && !matches!(self.given, Given::Major | Given::Minor) {
            return true;
        }
        version.major == wanted.major && (version.minor == wanted.minor || self.given == Given::Major)
    }

    fn allows_caret(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if wanted.major > 0 || self.given == Given::Major {
            return version.major == wanted.major;
        }
        if version.major > 0 {
            return false;
        }
        if wanted.minor > 0 || self.given == Given::Minor {
            return version.minor == wanted.minor;
        }
        version.minor == 0 && version.patch == wanted.patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short way says what the expressions say.
    #[test]
    fn simple_constraints() {
        let operators = [
            "", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^", "==", "><",
        ];
        let versions = [
            "1",
            "v1",
            "1.2",
            "v1.2.3",
            "1.2.3",
            "01.2",
            "1.2.3.4",
            "1.",
            ".1",
            "1.2.3-0",
            "1-a",
            "1.2-a.b-c",
            "1.2.3-",
            "1.2.3-01",
            "1.2.3-a..b",
            "1.x",
            "x",
            "*",
            "1.2.3+a",
            "1.2.3-a+b",
            "99999999999999999999",
            "",
            "a",
            "1 2",
            "1.2.3-é",
        ];
        for operator in operators {
            for version in versions {
                for blank in ["", " ", "\t "] {
                    let text = format!("{blank}{operator}{blank}{version}{blank}");
                    let with = |other: &str| {
                        let others = ["", ",", " ", " , ", " - ", ", ,"].map(|between| {
                            [
                                format!("{text}{between}{other}"),
                                format!("{other}{between}{text}"),
                            ]
                        });
                        others.into_iter().flatten()
                    };
                    for text in [with(""), with(">1.2"), with("< v2.*"), with("x")]
                        .into_iter()
                        .flatten()
                    {
                        let Some(short) = Group::simple(&text) else {
                            continue;
                        };
                        let whole = Group::parse(&rewrite_ranges(&text));
                        let shown = |group: Group| format!("{group:?}");
                        assert_eq!(short.map(shown), whole.map(shown), "{text:?}");
                    }
                }
            }
        }
        for simple in [
            ">= 1.25.0-0",
            "1.x",
            "4.45.*",
            ">=1.2.3 <2",
            ">= 1.2, < 2.0.0-0",
            "*",
        ] {
            assert!(
                Group::simple(simple).is_some_and(|found| found.is_ok()),
                "{simple}"
            );
        }
        for other in ["1.2 - 2", "1+a", ">1<2", "1,", ",1", ""] {
            assert!(Group::simple(other).is_none(), "{other}");
        }
    }
}
