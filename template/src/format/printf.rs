//! Format strings.

use super::{Flags, Printer};
use crate::{unicode::decode_rune, value::Value};

/// Beyond this Go takes a width or precision for a mistake.
const LARGEST: i64 = 1_000_000;

/// Go: `fmt.Sprintf(format, args...)`.
pub fn sprintf(format: &[u8], args: &[Value]) -> Vec<u8> {
    let mut out = Vec::with_capacity(format.len() + 16);
    let mut scan = Scan {
        printer: Printer::new(&mut out),
        format,
        args,
        at: 0,
        arg: 0,
        reordered: false,
        good_index: true,
        after_index: false,
    };
    scan.run();
    out
}

struct Scan<'a, 'o> {
    printer: Printer<'o>,
    format: &'a [u8],
    args: &'a [Value],
    /// Next byte of the format.
    at: usize,
    /// Next operand.
    arg: usize,
    /// Whether an index like `[3]` was used anywhere.
    reordered: bool,
    /// Whether the indexes of the current verb are usable.
    good_index: bool,
    /// Whether the previous item was an index.
    after_index: bool,
}

impl Scan<'_, '_> {
    fn run(&mut self) {
        while self.at < self.format.len() {
            let rest = &self.format[self.at..];
            let literal = rest.iter().position(|&byte| byte == b'%').unwrap_or(rest.len());
            self.printer.out.extend_from_slice(&rest[..literal]);
            self.at += literal;
            if self.at >= self.format.len() {
                break;
            }
            self.at += 1;
            if !self.verb() {
                break;
            }
        }
        self.extra();
    }

    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    /// One verb with its flags; false at the end of the format.
    fn verb(&mut self) -> bool {
        self.good_index = true;
        self.after_index = false;
        self.flags();
        self.index();
        self.width();
        self.precision();
        if !self.after_index {
            self.index();
        }
        if self.at >= self.format.len() {
            self.printer.write("%!(NOVERB)");
            return false;
        }
        let (rune, size) = decode_rune(&self.format[self.at..]);
        self.at += size;
        let verb = char::from_u32(rune).unwrap_or(char::REPLACEMENT_CHARACTER);
        if verb == '%' {
            self.printer.out.push(b'%');
        } else if !self.good_index {
            self.mistake(verb, "(BADINDEX)");
        } else if self.arg >= self.args.len() {
            self.mistake(verb, "(MISSING)");
        } else {
            let flags = &mut self.printer.flags;
            if matches!(verb, 'v' | 'w') {
                flags.sharp_v = std::mem::take(&mut flags.sharp);
                flags.plus_v = std::mem::take(&mut flags.plus);
            }
            self.printer.print_arg(&self.args[self.arg], verb);
            self.arg += 1;
        }
        true
    }

    fn mistake(&mut self, verb: char, text: &str) {
        self.printer.write("%!");
        self.printer
            .out
            .extend_from_slice(verb.encode_utf8(&mut [0; 4]).as_bytes());
        self.printer.write(text);
    }

    fn flags(&mut self) {
        let mut flags = Flags::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        self.printer.flags = flags;
    }

    fn width(&mut self) {
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.integer_operand() {
                Some(width) => {
                    if width < 0 {
                        self.printer.flags.minus = true;
                        self.printer.flags.zero = false;
                    }
                    self.printer.flags.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => self.printer.write("%!(BADWIDTH)"),
            }
            self.after_index = false;
            return;
        }
        self.printer.flags.width = self.number();
        if self.after_index && self.printer.flags.width.is_some() {
            self.good_index = false;
        }
    }

    fn precision(&mut self) {
        // Go looks for a byte after the point too: a trailing point is a verb.
        if self.peek() != Some(b'.') || self.at + 1 >= self.format.len() {
            return;
        }
        self.at += 1;
        if self.after_index {
            self.good_index = false;
        }
        self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.integer_operand() {
                Some(precision) if precision >= 0 => {
                    self.printer.flags.precision = usize::try_from(precision).ok();
                }
                _ => self.printer.write("%!(BADPREC)"),
            }
            self.after_index = false;
        } else {
            self.printer.flags.precision = Some(self.number().unwrap_or(0));
        }
    }

    /// Digits at this place. Too large a number swallows the rest of the format, as in Go.
    fn number(&mut self) -> Option<usize> {
        let mut number: Option<i64> = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if number.unwrap_or(0) > LARGEST {
                self.at = self.format.len();
                return None;
            }
            number = Some(number.unwrap_or(0) * 10 + i64::from(digit - b'0'));
            self.at += 1;
        }
        number.and_then(|number| usize::try_from(number).ok())
    }

    fn integer_operand(&mut self) -> Option<i64> {
        let operand = self.args.get(self.arg)?;
        self.arg += 1;
        let number = match operand {
            Value::Int(number, _) => *number,
            Value::Uint(number, _) => i64::try_from(*number).ok()?,
            Value::Object(object) => object.integer()?,
            _ => return None,
        };
        (-LARGEST..=LARGEST).contains(&number).then_some(number)
    }

    /// An index like `[3]` at this place.
    fn index(&mut self) {
        self.after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let Some(close) = rest
            .iter()
            .position(|&byte| byte == b']')
            .filter(|_| rest.len() >= 3)
        else {
            self.good_index = false;
            self.at += 1;
            return;
        };
        let number = std::str::from_utf8(&rest[1..close])
            .ok()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse::<usize>().ok());
        self.at += close + 1;
        match number {
            Some(number) if (1..=self.args.len()).contains(&number) => {
                self.arg = number - 1;
                self.after_index = true;
            }
            other => {
                self.good_index = false;
                self.after_index = other.is_some();
            }
        }
    }

    fn extra(&mut self) {
        if self.reordered || self.arg >= self.args.len() {
            return;
        }
        self.printer.flags = Flags::default();
        self.printer.write("%!(EXTRA ");
        for (index, arg) in self.args[self.arg..].iter().enumerate() {
            if index > 0 {
                self.printer.write(", ");
            }
            if arg.is_nil() {
                self.printer.write("<nil>");
            } else {
                self.printer.write(arg.type_name());
                self.printer.write("=");
                self.printer.print_arg(arg, 'v');
            }
        }
        self.printer.write(")");
    }
}
