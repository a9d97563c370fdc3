//! Letter case of single characters, as Go maps it: one character to one character.

/// Go: `strings.ToUpper`.
pub(super) fn to_upper(text: &str) -> String {
    text.chars().map(upper).collect()
}

/// Go: `strings.ToLower`.
pub(super) fn to_lower(text: &str) -> String {
    text.chars().map(lower).collect()
}

/// Go: `unicode.ToUpper`.
pub(super) fn upper(character: char) -> char {
    simple_upper(character, character.to_uppercase())
}

/// Go: `unicode.ToLower`.
pub(super) fn lower(character: char) -> char {
    // The full mapping of the dotted I has two characters.
    if character == '\u{130}' {
        'i'
    } else {
        only(character.to_lowercase()).unwrap_or(character)
    }
}

/// Go: `unicode.ToTitle`.
pub(super) fn to_title(character: char) -> char {
    match character {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        // Georgian letters have upper case but no title case.
        '\u{10d0}'..='\u{10fa}' | '\u{10fd}'..='\u{10ff}' => character,
        _ => upper(character),
    }
}

/// The simple mapping where the full one has several characters: none, but for the Greek letters with an
/// iota below.
fn simple_upper(character: char, full: std::char::ToUppercase) -> char {
    only(full).unwrap_or_else(|| {
        let code = u32::from(character);
        let mapped = match code {
            0x1f80..=0x1faf => code | 8,
            0x1fb3 | 0x1fc3 | 0x1ff3 => code + 9,
            _ => code,
        };
        char::from_u32(mapped).unwrap_or(character)
    })
}

fn only(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next();
    if mapped.next().is_some() { None } else { first }
}
