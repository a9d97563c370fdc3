//! From a Dockerfile's bytes to its instructions: directives, comments, continuation lines, here-documents.
//!
//! Follows BuildKit's parser where it decides what a text means. It does not know instructions beyond their keyword:
//! an unknown one is the engine's to refuse.

/// An instruction with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// Upper case.
    pub(crate) keyword: String,
    /// What follows the keyword, continuation lines joined, without blanks around it.
    pub(crate) rest: String,
    /// The here-documents, each with its delimiter line, as written.
    pub(crate) heredocs: Vec<String>,
    /// The line on which it begins, from 1.
    pub(crate) line: usize,
}

impl Instruction {
    /// The text that counts in a key.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} {}", self.keyword, self.rest).trim_end().to_owned();
        for body in &self.heredocs {
            text.push('\n');
            text.push_str(body);
        }
        text
    }
}

/// A Dockerfile as instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lexed {
    /// The image that `# syntax=` names.
    pub(crate) syntax: Option<String>,
    /// The character that continues lines and escapes.
    pub(crate) escape: char,
    pub(crate) instructions: Vec<Instruction>,
}

/// A here-document that does not end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unterminated {
    pub(crate) line: usize,
    pub(crate) delimiter: String,
}

/// Splits a Dockerfile.
pub(crate) fn lex(content: &[u8]) -> Result<Lexed, Unterminated> {
    let text = String::from_utf8_lossy(content);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines: Vec<&str> = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .collect();
    let (syntax, escape) = directives(&lines);
    let mut lexed = Lexed {
        syntax,
        escape,
        instructions: Vec::new(),
    };
    let mut at = 0;
    while at < lines.len() {
        let first = at;
        let Some(joined) = join(&lines, &mut at, escape) else {
            continue;
        };
        let (keyword, rest) = joined.split_once([' ', '\t']).unwrap_or((&joined, ""));
        let mut instruction = Instruction {
            keyword: keyword.to_uppercase(),
            rest: rest.trim().to_owned(),
            heredocs: Vec::new(),
            line: first + 1,
        };
        take_heredocs(&mut instruction, &lines, &mut at, escape)?;
        lexed.instructions.push(instruction);
    }
    Ok(lexed)
}

/// Directives stand in comments before everything else; each counts once.
fn directives(lines: &[&str]) -> (Option<String>, char) {
    let (mut syntax, mut escape) = (None, '\\');
    for line in lines {
        let Some(comment) = line.trim_start().strip_prefix('#') else {
            break;
        };
        let Some((name, value)) = comment.split_once('=') else {
            break;
        };
        match name.trim().to_lowercase().as_str() {
            "syntax" if syntax.is_none() => syntax = Some(value.trim().to_owned()),
            "escape" if value.trim() == "`" => escape = '`',
            "escape" | "check" => {}
            _ => break,
        }
    }
    (syntax, escape)
}

/// Joins the lines of the instruction that begins at `at`; nothing for a comment or an empty line.
fn join(lines: &[&str], at: &mut usize, escape: char) -> Option<String> {
    let first = lines[*at].trim_start();
    *at += 1;
    if first.is_empty() || first.starts_with('#') {
        return None;
    }
    let (mut joined, mut goes_on) = continued(first, escape);
    while goes_on && *at < lines.len() {
        let line = lines[*at];
        *at += 1;
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let (part, more) = continued(line, escape);
        joined.push_str(&part);
        goes_on = more;
    }
    Some(joined.trim_end().to_owned())
}

/// Cuts the escape character at a line's end; two of them are none.
fn continued(line: &str, escape: char) -> (String, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => (rest.to_owned(), true),
        _ => (line.to_owned(), false),
    }
}

fn take_heredocs(
    instruction: &mut Instruction,
    lines: &[&str],
    at: &mut usize,
    escape: char,
) -> Result<(), Unterminated> {
    let keyword = match instruction.keyword.as_str() {
        "ONBUILD" => instruction
            .rest
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_uppercase(),
        keyword => keyword.to_owned(),
    };
    if !["RUN", "COPY", "ADD"].contains(&keyword.as_str()) {
        return Ok(());
    }
    for heredoc in words(&instruction.rest, escape)
        .iter()
        .filter_map(|word| Heredoc::of(word))
    {
        let begin = *at;
        let end = lines[begin..].iter().position(|line| heredoc.ends_at(line));
        let Some(end) = end.map(|offset| begin + offset) else {
            return Err(Unterminated {
                line: instruction.line,
                delimiter: heredoc.delimiter,
            });
        };
        instruction.heredocs.push(lines[begin..=end].join("\n"));
        *at = end + 1;
    }
    Ok(())
}

struct Heredoc {
    delimiter: String,
    strips_tabs: bool,
}

impl Heredoc {
    /// `[fd]<<[-]WORD`, the word quoted or not.
    fn of(word: &str) -> Option<Self> {
        let rest = word
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .strip_prefix("<<")?;
        let (strips_tabs, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
        let delimiter: String = rest.chars().filter(|c| !['"', '\''].contains(c)).collect();
        (!delimiter.is_empty() && !rest.contains('<')).then_some(Self {
            delimiter,
            strips_tabs,
        })
    }

    fn ends_at(&self, line: &str) -> bool {
        let line = if self.strips_tabs {
            line.trim_start_matches('\t')
        } else {
            line
        };
        line == self.delimiter
    }
}

/// Whether a word begins a here-document.
pub(crate) fn is_heredoc(word: &str) -> bool {
    Heredoc::of(word).is_some()
}

/// Splits at blanks outside of quotes; quotes stay.
pub(crate) fn words(text: &str, escape: char) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (c, open) if c == escape && open != Some('\'') => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(content: &str) -> Vec<String> {
        lex(content.as_bytes())
            .unwrap()
            .instructions
            .iter()
            .map(Instruction::text)
            .collect()
    }

    #[test]
    fn comments_and_continuations() {
        let content = "# syntax = docker/dockerfile:1\n# escape=`\nfrom a\n\n# note\nrun x `\n  # inner\n\n  y ` \n z\nENV a=b\\\nLABEL b\n";
        let lexed = lex(content.as_bytes()).unwrap();
        assert_eq!(
            (lexed.syntax.as_deref(), lexed.escape),
            (Some("docker/dockerfile:1"), '`')
        );
        assert_eq!(texts(content), ["FROM a", "RUN x   y  z", "ENV a=b\\", "LABEL b"]);
        assert_eq!(lexed.instructions[1].line, 6);
    }

    #[test]
    fn a_directive_after_something_else_is_a_comment() {
        assert_eq!(lex(b"\n# syntax=x\nFROM a").unwrap().syntax, None);
        assert_eq!(lex(b"# hello\n# syntax=x\nFROM a").unwrap().syntax, None);
    }

    #[test]
    fn heredocs_belong_to_their_instruction() {
        let content = "FROM a\nRUN <<EOF cat <<-'B C' >x\n# not a comment\nFROM b\nEOF\n\tx\n\tB C\nCOPY <<a.txt /x\nhi\na.txt\nRUN cat <<<x\nCMD <<EOF";
        assert_eq!(
            texts(content),
            [
                "FROM a",
                "RUN <<EOF cat <<-'B C' >x\n# not a comment\nFROM b\nEOF\n\tx\n\tB C",
                "COPY <<a.txt /x\nhi\na.txt",
                "RUN cat <<<x",
                "CMD <<EOF"
            ]
        );
        assert_eq!(
            lex(b"RUN <<EOF\nx").unwrap_err(),
            Unterminated {
                line: 1,
                delimiter: "EOF".into()
            }
        );
    }

    #[test]
    fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
        assert_eq!(
            texts("\u{feff}FROM a\r\nRUN x \\\r\n  y\r\n"),
            texts("FROM a\nRUN x \\\n  y\n")
        );
    }
}
