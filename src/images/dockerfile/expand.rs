//! Variables in a Dockerfile's words.
//!
//! Knows `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME-word}`, `${NAME:+word}` and `${NAME+word}`. What it does not
//! know, and variables that the file itself doesn't set, have no answer: the caller takes the careful way.

/// Replaces the variables of a word and removes its quotes; nothing where that can't be done for sure.
pub(crate) fn expand(word: &str, escape: char, lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut expander = Expander {
        chars: word.chars().collect(),
        at: 0,
        escape,
        lookup,
    };
    expander.run(None)
}

struct Expander<'a> {
    chars: Vec<char>,
    at: usize,
    escape: char,
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Expander<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied();
        self.at += 1;
        c
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// Up to `end`, or to the end of the text.
    fn run(&mut self, end: Option<char>) -> Option<String> {
        let mut out = String::new();
        let mut in_double = false;
        while let Some(c) = self.next() {
            match c {
                c if Some(c) == end && !in_double => return Some(out),
                '\'' if !in_double => loop {
                    match self.next()? {
                        '\'' => break,
                        c => out.push(c),
                    }
                },
                '"' => in_double = !in_double,
                c if c == self.escape => out.push(self.next()?),
                '$' => out.push_str(&self.variable()?),
                c => out.push(c),
            }
        }
        (end.is_none() && !in_double).then_some(out)
    }

    fn variable(&mut self) -> Option<String> {
        if self.peek() != Some('{') {
            let name = self.name();
            return if name.is_empty() {
                None
            } else {
                (self.lookup)(&name)
            };
        }
        self.at += 1;
        let name = self.name();
        if name.is_empty() {
            return None;
        }
        let known = |this: &Self| (this.lookup)(&name);
        let colon = self.peek() == Some(':');
        if colon {
            self.at += 1;
        }
        match self.next()? {
            '}' if !colon => known(self),
            '-' => {
                let word = self.run(Some('}'))?;
                // Unset here may be set by the base image: only a value that is there decides.
                known(self).map(|value| if colon && value.is_empty() { word } else { value })
            }
            '+' => {
                let word = self.run(Some('}'))?;
                known(self).map(|value| {
                    if colon && value.is_empty() {
                        String::new()
                    } else {
                        word
                    }
                })
            }
            _ => None,
        }
    }

    fn name(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, want: Option<&str>) {
        let lookup = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "E" => Some(String::new()),
            _ => None,
        };
        assert_eq!(expand(word, '\\', &lookup).as_deref(), want, "{word}");
    }

    #[test]
    fn known_variables_are_replaced_and_unknown_ones_have_no_answer() {
        check("x/$A/${A}y", Some("x/1/1y"));
        check("${A:-2}${E:-2}${E-2}", Some("12"));
        check("${A:+2}${E:+2}${E+3}", Some("23"));
        check("'$A'\"$A\"\\$A", Some("$A1$A"));
        check("${E:-${A}}", Some("1"));
        for unknown in ["$B", "${B:-1}", "${A#1}", "${A", "$", "'a", "\"a", "${A:?x}"] {
            check(unknown, None);
        }
    }
}
