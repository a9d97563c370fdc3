//! Reads templates of `kubectl get -o jsonpath`, with the errors that client-go has for them.

use kiel_template::format::unquote_text;

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    /// What stands between braces: each step takes what the one before it found.
    Action(Vec<Node>),
    Field(String),
    Wildcard,
    Recursive,
    Slice(Slice),
    Union(Vec<Vec<Node>>),
    Filter(Box<Filter>),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// `range`, `end`; others are errors where they are met.
    Word(String),
}

/// `[FROM:TO:STEP]`; `[N]` is one without `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) from: Option<i64>,
    pub(super) to: End,
    pub(super) step: Option<i64>,
}

/// Where a slice ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// After one item.
    One,
    Open,
    At(i64),
}

/// `[?(LEFT OPERATOR RIGHT)]`; without an operator, whether there is something.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    pub(super) left: Vec<Node>,
    pub(super) compare: Option<(String, Vec<Node>)>,
}

/// The parts of a template.
pub(super) fn parse(template: &str) -> Result<Vec<Node>, String> {
    let (mut nodes, mut rest) = (Vec::new(), template);
    while let Some((text, action)) = rest.split_once('{') {
        if !text.is_empty() {
            nodes.push(Node::Text(text.to_owned()));
        }
        let mut steps = Vec::new();
        rest = parse_action(action, &mut steps)?;
        nodes.push(Node::Action(steps));
    }
    if !rest.is_empty() {
        nodes.push(Node::Text(rest.to_owned()));
    }
    Ok(nodes)
}

/// The steps of an action; what it returns stands behind the brace that ends it.
fn parse_action<'t>(text: &'t str, steps: &mut Vec<Node>) -> Result<&'t str, String> {
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        if let Some(after) = rest.strip_prefix("[?(") {
            rest = parse_filter(after, steps)?;
            continue;
        }
        if let Some(after) = rest.strip_prefix("..") {
            if steps.last() == Some(&Node::Recursive) {
                return Err("invalid multiple recursive descent".to_owned());
            }
            steps.push(Node::Recursive);
            rest = match after.chars().next() {
                Some(next) if is_word(next) => parse_field(after, steps),
                _ => after,
            };
            continue;
        }
        let first = rest.chars().next().filter(|first| !matches!(first, '\n' | '\r'));
        let first = first.ok_or("unclosed action")?;
        let after = &rest[first.len_utf8()..];
        rest = match first {
            ' ' | '@' | '$' => after,
            '[' => parse_brackets(after, steps)?,
            '"' | '\'' => parse_quoted(rest, first, steps)?,
            '.' => parse_field(after, steps),
            '+' | '-' => parse_number(rest, steps)?,
            first if first.is_numeric() => parse_number(rest, steps)?,
            first if is_word(first) => parse_word(rest, steps),
            other => {
                let code = u32::from(other);
                return Err(format!(
                    "unrecognized character in action: U+{code:04X} '{other}'"
                ));
            }
        };
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn ends_word(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '\n' | '\r' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}'
    )
}

fn parse_field<'t>(text: &'t str, steps: &mut Vec<Node>) -> &'t str {
    let mut escaped = false;
    let end = text.find(|c| {
        let taken = escaped;
        escaped = c == '\\' && !taken;
        !taken && ends_word(c)
    });
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    steps.push(match name {
        "*" => Node::Wildcard,
        name => Node::Field(name.replace('\\', "")),
    });
    rest
}

fn parse_word<'t>(text: &'t str, steps: &mut Vec<Node>) -> &'t str {
    let (word, rest) = text.split_at(text.find(ends_word).unwrap_or(text.len()));
    steps.push(match word {
        "true" => Node::Bool(true),
        "false" => Node::Bool(false),
        word => Node::Word(word.to_owned()),
    });
    rest
}

fn parse_number<'t>(text: &'t str, steps: &mut Vec<Node>) -> Result<&'t str, String> {
    let sign = usize::from(text.starts_with(['+', '-']));
    let end = text[sign..].find(|c: char| c != '.' && !c.is_numeric());
    let (number, rest) = text.split_at(end.map_or(text.len(), |end| end + sign));
    steps.push(match (number.parse(), number.parse()) {
        (Ok(number), _) => Node::Int(number),
        (_, Ok(number)) => Node::Float(number),
        _ => return Err(format!("cannot parse number {number}")),
    });
    Ok(rest)
}

fn parse_quoted<'t>(text: &'t str, quote: char, steps: &mut Vec<Node>) -> Result<&'t str, String> {
    let bytes = text.as_bytes();
    let ends =
        |at: &usize| matches!(bytes[*at], b'\n') || (bytes[*at] == quote as u8 && bytes[at - 1] != b'\\');
    let end = (1..bytes.len()).find(ends).filter(|end| bytes[*end] != b'\n');
    let (literal, rest) = text.split_at(end.ok_or("unterminated quoted string")? + 1);
    let value = unquote_text(literal.as_bytes())
        .ok_or_else(|| format!("unquote string {literal} error invalid syntax"))?;
    steps.push(Node::Text(String::from_utf8_lossy(&value).into_owned()));
    Ok(rest)
}

/// What stands in brackets, behind the opening one.
fn parse_brackets<'t>(text: &'t str, steps: &mut Vec<Node>) -> Result<&'t str, String> {
    let end = text.find([']', '\n']).filter(|end| text[*end..].starts_with(']'));
    let (inside, rest) = text.split_at(end.ok_or("unterminated array")?);
    let rest = &rest[1..];
    let inside = if inside == "*" { ":" } else { inside };
    if inside.contains(',') {
        let parts = inside
            .split(',')
            .map(|part| parse_alone(&format!("[{}]", part.trim_matches(' '))));
        steps.push(Node::Union(parts.collect::<Result<_, _>>()?));
        return Ok(rest);
    }
    let quoted = inside
        .strip_prefix('\'')
        .and_then(|inside| inside.strip_suffix('\''));
    match quoted.filter(|name| !name.contains('\'')) {
        // The name is a path of its own.
        Some(name) => steps.extend(parse_alone(&format!(".{name}"))?),
        None => steps.push(Node::Slice(parse_slice(inside)?)),
    }
    Ok(rest)
}

/// The steps of a text that would stand in braces.
fn parse_alone(text: &str) -> Result<Vec<Node>, String> {
    let mut steps = Vec::new();
    parse_action(&format!("{text}}}"), &mut steps)?;
    Ok(steps)
}

fn parse_slice(text: &str) -> Result<Slice, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_bound = |part: &&str| {
        part.strip_prefix('-')
            .unwrap_or(part)
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    };
    if parts.len() > 3 || !parts.iter().all(is_bound) {
        return Err(format!("invalid array index {text}"));
    }
    let bound = |at: usize| match parts.get(at) {
        None | Some(&"") => Ok(None),
        Some(part) => part
            .parse()
            .map(Some)
            .map_err(|_| format!("array index {part} is not a number")),
    };
    Ok(Slice {
        from: bound(0)?,
        to: match (parts.len(), bound(1)?) {
            (1, _) => End::One,
            (_, None) => End::Open,
            (_, Some(at)) => End::At(at),
        },
        step: bound(2)?,
    })
}

/// A filter, behind its `[?(`.
fn parse_filter<'t>(text: &'t str, steps: &mut Vec<Node>) -> Result<&'t str, String> {
    let (mut open, mut closed, mut before) = (None, false, ' ');
    let mut end = None;
    for (at, c) in text.char_indices() {
        match c {
            '\n' => break,
            '"' | '\'' if open.is_none() => open = Some(c),
            '"' | '\'' if before != '\\' && open == Some(c) => closed = true,
            ')' if open.is_some() == closed => {
                end = Some(at);
                break;
            }
            _ => {}
        }
        before = c;
    }
    let (inside, rest) = text.split_at(end.ok_or("unterminated filter")?);
    let rest = rest.strip_prefix(")]").ok_or("unclosed array expect ]")?;
    let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
    let parts = inside.find(is_operator).filter(|at| *at > 0).and_then(|at| {
        let (left, right) = inside.split_at(at);
        // Something is always left for the right side.
        let length = right.find(|c| !is_operator(c)).unwrap_or(right.len() - 1);
        (length > 0).then(|| (left, &right[..length], &right[length..]))
    });
    let filter = match parts {
        Some((left, operator, right)) => Filter {
            left: parse_alone(left)?,
            compare: Some((operator.to_owned(), parse_alone(right)?)),
        },
        None => Filter {
            left: parse_alone(inside)?,
            compare: None,
        },
    };
    steps.push(Node::Filter(Box::new(filter)));
    Ok(rest)
}
