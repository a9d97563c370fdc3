//! A region of lines at the lower end of a terminal that is drawn again in place.
//!
//! Only lines that changed are written, in one write, inside a synchronized update where the terminal knows that. The
//! region is always lower than the terminal, so that it never scrolls away. The cursor, hidden meanwhile, is shown
//! again by [`restore`], which every way out of the program calls.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

const HIDE: &str = "\u{1b}[?25l";
const SHOW: &str = "\u{1b}[?25h";
const BEGIN: &str = "\u{1b}[?2026h";
const END: &str = "\u{1b}[?2026l";
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// A terminal whose cursor this process has hidden.
static HIDDEN: AtomicBool = AtomicBool::new(false);
/// The process is on its way out: it stays as it is.
static ENDED: AtomicBool = AtomicBool::new(false);

/// The region.
#[derive(Debug)]
pub(super) struct Region<W: Write> {
    out: W,
    /// What stands there now; the cursor stands at the beginning of the line below.
    drawn: Vec<String>,
    is_colored: bool,
}

impl<W: Write> Region<W> {
    pub(super) fn new(out: W, is_colored: bool) -> Self {
        Self {
            out,
            drawn: Vec::new(),
            is_colored,
        }
    }

    /// Shows these lines in the region, after `above` was printed over it for good.
    pub(super) fn draw(&mut self, above: &[String], lines: Vec<String>) {
        let mut bytes = String::new();
        if above.is_empty() {
            self.change(&mut bytes, &lines);
        } else {
            up(&mut bytes, self.drawn.len());
            bytes.push_str(CLEAR_BELOW);
            for line in above.iter().chain(&lines) {
                self.push_line(&mut bytes, line);
            }
        }
        self.drawn = lines;
        if !bytes.is_empty() {
            let hide = if ENDED.load(Ordering::SeqCst) { "" } else { HIDE };
            HIDDEN.store(!hide.is_empty(), Ordering::SeqCst);
            self.write(&format!("{BEGIN}{hide}{bytes}{END}"));
        }
    }

    /// Moves over what is the same, writes what is not.
    fn change(&self, bytes: &mut String, lines: &[String]) {
        let common = self.drawn.len().min(lines.len());
        let Some(first) = (0..common)
            .find(|index| self.drawn[*index] != lines[*index])
            .or_else(|| (self.drawn.len() != lines.len()).then_some(common))
        else {
            return;
        };
        up(bytes, self.drawn.len() - first);
        for (index, line) in lines.iter().enumerate().skip(first) {
            if self.drawn.get(index) == Some(line) {
                bytes.push_str("\r\n");
            } else {
                self.push_line(bytes, line);
            }
        }
        if lines.len() < self.drawn.len() {
            bytes.push_str(CLEAR_BELOW);
        }
    }

    fn push_line(&self, bytes: &mut String, line: &str) {
        bytes.push('\r');
        if self.is_colored {
            bytes.push_str(line);
        } else {
            bytes.push_str(&anstream::adapter::strip_str(line).to_string());
        }
        bytes.push_str(CLEAR_LINE);
        bytes.push_str("\r\n");
    }

    /// The terminal has another size: what stands there may have been cut, and is drawn anew.
    pub(super) fn resized(&mut self) {
        let mut bytes = String::new();
        up(&mut bytes, self.drawn.len());
        bytes.push_str(CLEAR_BELOW);
        self.drawn.clear();
        self.write(&bytes);
    }

    /// Removes the region and shows the cursor.
    pub(super) fn clear(&mut self) {
        self.resized();
        self.write(SHOW);
        HIDDEN.store(false, Ordering::SeqCst);
    }

    fn write(&mut self, text: &str) {
        // A terminal that went away must not end the run.
        drop(
            self.out
                .write_all(text.as_bytes())
                .and_then(|()| self.out.flush()),
        );
    }
}

fn up(bytes: &mut String, lines: usize) {
    bytes.push('\r');
    if lines > 0 {
        bytes.push_str(&format!("\u{1b}[{lines}A"));
    }
}

/// Shows the cursor again, if this process has hidden it, and never hides it again: the program ends.
pub(super) fn restore() {
    ENDED.store(true, Ordering::SeqCst);
    if HIDDEN.swap(false, Ordering::SeqCst) {
        // The text of a panic must not stand behind a half-written line.
        drop(std::io::stderr().write_all(format!("{END}{SHOW}\r").as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    /// What each draw writes, and what a terminal of 30 columns and 8 lines shows in the end.
    fn played(draws: &[(&[&str], &[&str])]) -> (Vec<usize>, String) {
        let mut terminal = vt100::Parser::new(
            std::num::NonZero::new(8).unwrap(),
            std::num::NonZero::new(30).unwrap(),
            100,
        );
        let mut sizes = Vec::new();
        let mut drawn = Vec::new();
        for (above, lines) in draws {
            let mut region = Region::new(Vec::new(), false);
            region.drawn = drawn;
            region.draw(&texts(above), texts(lines));
            sizes.push(region.out.len());
            terminal.process(&region.out);
            assert!(region.out.is_empty() || terminal.screen().hide_cursor());
            drawn = region.drawn;
        }
        (sizes, terminal.screen().contents())
    }

    #[test]
    fn only_changed_lines_are_written() {
        let (sizes, screen) = played(&[
            (&[], &["first line", "second line", "third line"]),
            (&[], &["first line", "second line", "third line"]),
            (&[], &["first line", "2", "third line"]),
            (&["a message"], &["first line", "2"]),
            (&[], &["first line", "2", "3", "4"]),
            (&[], &["1"]),
        ]);
        assert_eq!(screen, "a message\n1");
        assert_eq!(sizes[1], 0, "nothing changed, nothing is written");
        assert!(sizes[2] < sizes[0], "{sizes:?}");
    }
}
