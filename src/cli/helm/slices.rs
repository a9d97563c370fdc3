//! Flags that take several texts at once, as Go's flag library reads them: as a line of CSV.
//!
//! `a,b` is two texts, `"a,b"` one; a flag that is no such line is refused before anything is done.

use kiel_template::format::quote_str;

use super::HelmError;

/// The texts of all uses of a flag, in order. `flag` is its name in messages, such as `-f, --values`.
pub(super) fn split_all(flag: &str, uses: &[String]) -> Result<Vec<String>, HelmError> {
    let mut texts = Vec::new();
    for written in uses {
        let split = split(written).map_err(|problem| {
            let written = quote_str(written.as_bytes());
            let flag = quote_str(flag.as_bytes());
            HelmError(format!("invalid argument {written} for {flag} flag: {problem}"))
        })?;
        texts.extend(split);
    }
    Ok(texts)
}

/// The fields of the first line of CSV.
fn split(text: &str) -> Result<Vec<String>, String> {
    let text = text.strip_suffix('\r').unwrap_or(text);
    let mut rest = text;
    while let Some(next) = rest.strip_prefix('\n').or_else(|| rest.strip_prefix("\r\n")) {
        rest = next;
    }
    if rest.is_empty() {
        return if text.is_empty() {
            Ok(Vec::new())
        } else {
            Err("EOF".to_owned())
        };
    }
    let mut fields = Vec::new();
    loop {
        let field = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted),
            None => plain_field(rest),
        };
        let (field, after) = field.map_err(|(left, problem)| {
            let before = &text[..text.len() - left];
            let line = before.matches('\n').count() + 1;
            let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
            format!("parse error on line {line}, column {column}: {problem}")
        })?;
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

/// A field and what stands behind it, or how much was left when it went wrong.
type Field<'t> = Result<(String, &'t str), (usize, &'static str)>;

fn plain_field(text: &str) -> Field<'_> {
    let end = text.find([',', '\n']).unwrap_or(text.len());
    let field = text[..end].strip_suffix('\r').unwrap_or(&text[..end]);
    match field.find('"') {
        Some(quote) => Err((text.len() - quote, "bare \" in non-quoted-field")),
        None => Ok((field.to_owned(), &text[end..])),
    }
}

/// One whose opening quote was read.
fn quoted_field(text: &str) -> Field<'_> {
    const WRONG: &str = "extraneous or missing \" in quoted-field";
    let (mut field, mut rest) = (String::new(), text);
    loop {
        let Some(quote) = rest.find('"') else {
            return Err((0, WRONG));
        };
        field.push_str(&rest[..quote]);
        let after = &rest[quote + 1..];
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None if after.is_empty() || after.starts_with([',', '\n']) || after.starts_with("\r\n") => {
                return Ok((field, after));
            }
            None => return Err((after.len() + 1, WRONG)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_fields_of_a_line() {
        let check = |text: &str, want: Result<&[&str], &str>| {
            let got = split(text);
            let got = got.as_ref().map(|fields| {
                let fields = fields.iter();
                fields.map(String::as_str).collect::<Vec<_>>()
            });
            match (got, want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{text}"),
                (Err(got), Err(want)) => assert_eq!(got, want, "{text}"),
                (got, want) => panic!("{text}: {got:?}, want {want:?}"),
            }
        };
        check("", Ok(&[]));
        check("a.yaml", Ok(&["a.yaml"]));
        check("a,,b,", Ok(&["a", "", "b", ""]));
        check(r#""a,b",c"#, Ok(&["a,b", "c"]));
        check(r#""a""b""#, Ok(&[r#"a"b"#]));
        check(
            r#""a"#,
            Err("parse error on line 1, column 3: extraneous or missing \" in quoted-field"),
        );
        check(
            r#""a"b"#,
            Err("parse error on line 1, column 3: extraneous or missing \" in quoted-field"),
        );
        check(
            r#"a"b"#,
            Err("parse error on line 1, column 2: bare \" in non-quoted-field"),
        );
    }
}
