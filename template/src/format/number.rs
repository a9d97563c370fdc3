//! Integers, runes and floats by verb.

use super::{Printer, float::format_float, quote};
use crate::{
    unicode::{append_rune, is_print},
    value::Value,
};

impl Printer<'_> {
    /// An integer by a verb; false when the verb does not print integers.
    pub(super) fn integer(&mut self, magnitude: u64, negative: bool, signed: bool, verb: char) -> bool {
        match verb {
            'v' if self.flags.sharp_v && !signed => {
                let sharp = std::mem::replace(&mut self.flags.sharp, true);
                self.digits(magnitude, negative, 16, verb);
                self.flags.sharp = sharp;
            }
            'v' | 'd' => self.digits(magnitude, negative, 10, verb),
            'b' => self.digits(magnitude, negative, 2, verb),
            'o' | 'O' => self.digits(magnitude, negative, 8, verb),
            'x' | 'X' => self.digits(magnitude, negative, 16, verb),
            'c' | 'q' | 'U' => {
                let bits = if negative {
                    magnitude.wrapping_neg()
                } else {
                    magnitude
                };
                match verb {
                    'c' => self.rune(bits),
                    'q' => self.quoted_rune(bits),
                    _ => self.unicode(bits),
                }
            }
            _ => return false,
        }
        true
    }

    fn digits(&mut self, magnitude: u64, negative: bool, base: u32, verb: char) {
        let flags = &self.flags;
        let mut minimum = 0;
        if let Some(precision) = flags.precision {
            minimum = precision;
            if precision == 0 && magnitude == 0 {
                let zero = std::mem::take(&mut self.flags.zero);
                self.padding(self.flags.width.unwrap_or(0));
                self.flags.zero = zero;
                return;
            }
        } else if flags.zero && !flags.minus {
            minimum = flags.width.unwrap_or(0);
            if negative || flags.plus || flags.space {
                minimum = minimum.saturating_sub(1);
            }
        }
        let digits = match base {
            2 => format!("{magnitude:b}"),
            8 => format!("{magnitude:o}"),
            16 if verb == 'X' => format!("{magnitude:X}"),
            16 => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        let mut text = String::new();
        if negative {
            text.push('-');
        } else if flags.plus {
            text.push('+');
        } else if flags.space {
            text.push(' ');
        }
        if verb == 'O' {
            text.push_str("0o");
        }
        let zeros = minimum.saturating_sub(digits.len());
        if flags.sharp {
            match base {
                2 => text.push_str("0b"),
                8 if zeros == 0 && !digits.starts_with('0') => text.push('0'),
                16 => text.push_str(if verb == 'X' { "0X" } else { "0x" }),
                _ => {}
            }
        }
        text.extend(std::iter::repeat_n('0', zeros));
        text.push_str(&digits);
        self.pad_with_spaces(text.as_bytes());
    }

    fn pad_with_spaces(&mut self, text: &[u8]) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text);
        self.flags.zero = zero;
    }

    fn rune(&mut self, bits: u64) {
        let mut text = Vec::new();
        append_rune(&mut text, u32::try_from(bits).unwrap_or(u32::MAX));
        self.pad(&text);
    }

    fn quoted_rune(&mut self, bits: u64) {
        let mut text = Vec::new();
        quote::append_quoted_rune(
            &mut text,
            u32::try_from(bits).unwrap_or(u32::MAX),
            self.flags.plus,
        );
        self.pad(&text);
    }

    fn unicode(&mut self, bits: u64) {
        let digits = format!("{bits:X}");
        let zeros = self
            .flags
            .precision
            .unwrap_or(4)
            .max(4)
            .saturating_sub(digits.len());
        let mut text = b"U+".to_vec();
        text.resize(text.len() + zeros, b'0');
        text.extend_from_slice(digits.as_bytes());
        if self.flags.sharp
            && let Some(rune) = u32::try_from(bits)
                .ok()
                .filter(|&rune| rune <= 0x10_FFFF && is_print(rune))
        {
            text.extend_from_slice(b" '");
            append_rune(&mut text, rune);
            text.push(b'\'');
        }
        self.pad_with_spaces(&text);
    }

    /// A float by a verb; false when the verb does not print floats.
    pub(super) fn float(&mut self, value: f64, verb: char) -> bool {
        match verb {
            'v' => self.float_with(value, b'g', None),
            'b' => self.float_with(value, b'b', None),
            'g' => self.float_with(value, b'g', None),
            'G' => self.float_with(value, b'G', None),
            'x' => self.float_with(value, b'x', None),
            'X' => self.float_with(value, b'X', None),
            'f' | 'F' => self.float_with(value, b'f', Some(6)),
            'e' => self.float_with(value, b'e', Some(6)),
            'E' => self.float_with(value, b'E', Some(6)),
            _ => return false,
        }
        true
    }

    fn float_with(&mut self, value: f64, verb: u8, default_precision: Option<usize>) {
        let precision = self.flags.precision.or(default_precision);
        let mut number = format_float(value, verb, precision, 64);
        if !number.starts_with(['-', '+']) {
            number.insert(0, '+');
        }
        if self.flags.space && number.starts_with('+') && !self.flags.plus {
            number.replace_range(..1, " ");
        }
        if !value.is_finite() {
            let bare = value.is_nan() && !self.flags.space && !self.flags.plus;
            let text = if bare { &number[1..] } else { &number[..] };
            self.pad_with_spaces(text.as_bytes());
            return;
        }
        if self.flags.sharp && verb != b'b' {
            number = with_trailing_zeros(&number, verb, precision);
        }
        if self.flags.plus || !number.starts_with('+') {
            let width = self.flags.width.unwrap_or(0);
            if self.flags.zero && !self.flags.minus && width > number.len() {
                self.write(&number[..1]);
                self.padding(width - number.len());
                self.write(&number[1..]);
                return;
            }
            self.pad(number.as_bytes());
            return;
        }
        self.pad(&number.as_bytes()[1..]);
    }

    pub(super) fn complex(&mut self, real: f64, imaginary: f64, verb: char, value: &Value) {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            self.bad_verb(value, verb);
            return;
        }
        self.write("(");
        self.float(real, verb);
        let plus = std::mem::replace(&mut self.flags.plus, true);
        self.float(imaginary, verb);
        self.write("i)");
        self.flags.plus = plus;
    }
}

/// The sharp flag: a decimal point always, and for `%g` and `%x` the zeros that the precision asks for.
fn with_trailing_zeros(number: &str, verb: u8, precision: Option<usize>) -> String {
    let mut missing = match verb {
        b'g' | b'G' | b'x' => precision.map_or(6, |digits| digits as i64),
        _ => 0,
    };
    let is_exponent = |letter: char| match letter {
        'p' | 'P' => true,
        'e' | 'E' => !matches!(verb, b'x' | b'X'),
        _ => false,
    };
    let split = number[1..]
        .find(is_exponent)
        .map_or(number.len(), |index| index + 1);
    let (mantissa, tail) = number.split_at(split);
    let mut nonzero = false;
    for letter in mantissa[1..].chars().filter(|&letter| letter != '.') {
        nonzero |= letter != '0';
        missing -= i64::from(nonzero);
    }
    let mut text = mantissa.to_owned();
    if !mantissa.contains('.') {
        if mantissa.len() == 2 && mantissa.ends_with('0') {
            missing -= 1;
        }
        text.push('.');
    }
    text.extend(std::iter::repeat_n('0', usize::try_from(missing).unwrap_or(0)));
    text.push_str(tail);
    text
}
