//! Character classes.

use super::translate::Translator;

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// What Go knows, in lower case and without `_`: categories, their long names, and scripts. Go: scripts whose names
/// have two words are not found.
const CATEGORIES: &str = "c cc cf cn co cs l lc ll lm lo lt lu m mc me mn n nd nl no p pc pd pe pf pi po ps s sc sk sm so \
    z zl zp zs any assigned ascii other control cntrl format unassigned privateuse surrogate letter casedletter \
    lowercaseletter modifierletter otherletter titlecaseletter uppercaseletter mark combiningmark spacingmark \
    enclosingmark nonspacingmark number decimalnumber digit letternumber othernumber punctuation punct \
    connectorpunctuation dashpunctuation closepunctuation finalpunctuation initialpunctuation otherpunctuation \
    openpunctuation symbol currencysymbol modifiersymbol mathsymbol othersymbol separator lineseparator \
    paragraphseparator spaceseparator";
const SCRIPTS: &str = "adlam ahom arabic armenian avestan balinese bamum batak bengali bhaiksuki bopomofo brahmi braille \
    buginese buhid carian chakma cham cherokee chorasmian common coptic cuneiform cypriot cyrillic deseret devanagari \
    dogra duployan elbasan elymaic ethiopic georgian glagolitic gothic grantha greek gujarati gurmukhi han hangul \
    hanunoo hatran hebrew hiragana inherited javanese kaithi kannada katakana kawi kharoshthi khmer khojki khudawadi \
    lao latin lepcha limbu lisu lycian lydian mahajani makasar malayalam mandaic manichaean marchen medefaidrin miao \
    modi mongolian mro multani myanmar nabataean nandinagari newa nko nushu ogham oriya osage osmanya palmyrene \
    phoenician rejang runic samaritan saurashtra sharada shavian siddham sinhala sogdian soyombo sundanese syriac \
    tagalog tagbanwa takri tamil tangsa tangut telugu thaana thai tibetan tifinagh tirhuta toto ugaritic vai vithkuqi \
    wancho yezidi yi";

/// A class's name as the crate reads it, which knows more names than Go.
fn known_name(name: &str) -> Option<String> {
    let plain: String = name
        .chars()
        .filter(|character| !matches!(character, '_' | '-' | ' '))
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let known = [CATEGORIES, SCRIPTS]
        .iter()
        .any(|names| names.split_ascii_whitespace().any(|known| known == plain));
    known.then_some(plain)
}

impl Translator<'_> {
    /// `[…]`. Inside, everything that is not one of Go's constructs is literal, `[` and `&` too.
    pub(super) fn class(&mut self) -> Result<(), String> {
        let start = self.rest;
        self.rest = &self.rest[1..];
        self.out.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.rest = rest;
            self.out.push('^');
        }
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            if self.rest.is_empty() {
                return Err(format!("missing closing ]: `{start}`"));
            }
            first = false;
            if self.rest.starts_with("[:") && self.posix_class()? {
                continue;
            }
            match self.rest.as_bytes() {
                [b'\\', b'd' | b'D' | b's' | b'S' | b'w' | b'W', ..] => {
                    self.perl_class();
                    continue;
                }
                [b'\\', b'p' | b'P', ..] => {
                    self.unicode_class()?;
                    continue;
                }
                _ => {}
            }
            self.range(start)?;
        }
        self.rest = &self.rest[1..];
        self.out.push(']');
        Ok(())
    }

    fn range(&mut self, class: &str) -> Result<(), String> {
        let start = self.rest;
        let low = self.class_character(class)?;
        let mut high = low;
        if self.rest.starts_with('-') && self.rest.len() > 1 && !self.rest.starts_with("-]") {
            self.rest = &self.rest[1..];
            high = self.class_character(class)?;
            if high < low {
                let text = &start[..start.len() - self.rest.len()];
                return Err(format!("invalid character class range: `{text}`"));
            }
        }
        self.literal(low);
        if high != low {
            self.out.push('-');
            self.literal(high);
        }
        Ok(())
    }

    fn class_character(&mut self, class: &str) -> Result<char, String> {
        match self.rest.chars().next() {
            None => Err(format!("missing closing ]: `{class}`")),
            Some('\\') => self.escaped_character(),
            Some(character) => {
                self.rest = &self.rest[character.len_utf8()..];
                Ok(character)
            }
        }
    }

    /// `[:alpha:]`; false if there is no `:]`, and the bracket is literal.
    fn posix_class(&mut self) -> Result<bool, String> {
        let Some(end) = self.rest[2..].find(":]") else {
            return Ok(false);
        };
        let whole = &self.rest[..2 + end + 2];
        let name = &self.rest[2..2 + end];
        if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(format!("invalid character class range: `{whole}`"));
        }
        self.out.push_str(whole);
        self.rest = &self.rest[whole.len()..];
        Ok(true)
    }

    /// `\d` and its kin, which mean ASCII in Go; written for the inside of a class.
    pub(super) fn perl_class(&mut self) {
        self.out.push_str(match self.rest.as_bytes().get(1) {
            Some(b'd') => "0-9",
            Some(b'D') => "[^0-9]",
            Some(b's') => r"\t\n\x0c\r\x20",
            Some(b'S') => r"[^\t\n\x0c\r\x20]",
            Some(b'w') => "0-9A-Za-z_",
            _ => "[^0-9A-Za-z_]",
        });
        self.rest = &self.rest[2..];
    }

    /// `\pL` or `\p{Greek}`.
    pub(super) fn unicode_class(&mut self) -> Result<(), String> {
        let start = self.rest;
        let body = &start[2..];
        let length = match body.chars().next() {
            Some('{') => match body.find('}') {
                Some(end) => end + 1,
                None => return Err(format!("invalid character class range: `{start}`")),
            },
            Some(letter) => letter.len_utf8(),
            None => return Err(format!("invalid character class range: `{start}`")),
        };
        let whole = &start[..2 + length];
        let name = whole[2..].trim_start_matches('{').trim_end_matches('}');
        let (caret, name) = match name.strip_prefix('^') {
            Some(name) if length > 1 => (true, name),
            _ => (false, name),
        };
        let negated = whole.starts_with("\\P") != caret;
        let Some(name) = known_name(name) else {
            return Err(format!("invalid character class range: `{whole}`"));
        };
        match (name.as_str(), negated) {
            // No text holds surrogates, and the crate knows none.
            ("cs" | "surrogate", false) => self.out.push_str(r"[^\x{0}-\x{10FFFF}]"),
            ("cs" | "surrogate", true) => self.out.push_str(r"[\x{0}-\x{10FFFF}]"),
            (name, true) => self.out.push_str(&format!("\\P{{{name}}}")),
            (name, false) => self.out.push_str(&format!("\\p{{{name}}}")),
        }
        self.rest = &start[whole.len()..];
        Ok(())
    }
}
