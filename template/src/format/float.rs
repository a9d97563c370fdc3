//! Floats as text: Go's `strconv.FormatFloat`.

/// Go: `strconv.FormatFloat(value, verb, precision, bits)`: `verb` is one of `beEfgGxX`, no precision means the
/// fewest digits that identify the value as one of `bits` (32 or 64).
pub fn format_float(value: f64, verb: u8, precision: Option<usize>, bits: u32) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-Inf" } else { "+Inf" }.into();
    }
    let mut out = String::new();
    if value.is_sign_negative() {
        out.push('-');
    }
    let magnitude = value.abs();
    match verb {
        b'b' => binary(&mut out, magnitude, bits),
        b'x' | b'X' => hexadecimal(&mut out, magnitude, precision, verb),
        b'f' => fixed(&mut out, magnitude, precision, bits),
        b'e' | b'E' => {
            let digits = Digits::of(magnitude, precision.map(|digits| digits + 1), bits);
            let precision = precision.unwrap_or_else(|| digits.count().max(1) - 1);
            exponential(&mut out, &digits, precision, verb);
        }
        _ => general(&mut out, magnitude, precision, bits, verb),
    }
    out
}

/// No float64 has more digits than this, before or after the point.
const EXACT: usize = 1_100;
/// Fewer places behind the point leave no two texts of that length for one number.
const SHORTEST_TIE: usize = 14;

fn push_zeros(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n('0', count));
}

/// The shortest digits of a number, where its exact value lies in the middle between two of them: Go takes the even one.
fn to_even(shortest: String, magnitude: f64) -> String {
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let places = mantissa.split_once('.').map_or(0, |(_, places)| places.len());
    let last = mantissa.bytes().next_back().unwrap_or(b'0');
    if places < SHORTEST_TIE || (last - b'0').is_multiple_of(2) {
        return shortest;
    }
    let exact = format!("{magnitude:.EXACT$e}");
    let kept = mantissa.len() - 1;
    let digits = exact.split('e').next().unwrap_or_default();
    let rest = digits.get(kept + 1..).unwrap_or_default();
    let is_tie = rest.trim_end_matches('0') == "5";
    let even = digits.as_bytes().get(kept).filter(|digit| **digit + 1 == last);
    match even.filter(|_| is_tie) {
        Some(even) => format!("{}{}e{exponent}", &mantissa[..kept], char::from(*even)),
        None => shortest,
    }
}

/// Significant decimal digits without trailing zeros, and where the decimal point stands before them.
struct Digits {
    digits: Vec<u8>,
    point: i32,
}

impl Digits {
    fn of(magnitude: f64, significant: Option<usize>, bits: u32) -> Self {
        if magnitude == 0.0 {
            return Self {
                digits: Vec::new(),
                point: 0,
            };
        }
        let text = match significant {
            Some(significant) => format!("{magnitude:.*e}", significant.clamp(1, EXACT) - 1),
            #[allow(
                clippy::cast_possible_truncation,
                reason = "the caller says the value is a float32"
            )]
            None if bits == 32 => format!("{:e}", magnitude as f32),
            None => to_even(format!("{magnitude:e}"), magnitude),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let exponent: i32 = exponent.parse().unwrap_or(0);
        Self {
            digits,
            point: exponent + 1,
        }
    }

    fn count(&self) -> usize {
        self.digits.len()
    }

    fn at(&self, index: usize) -> char {
        self.digits.get(index).map_or('0', |&digit| char::from(digit))
    }

    fn exponent(&self) -> i32 {
        if self.digits.is_empty() { 0 } else { self.point - 1 }
    }
}

fn exponential(out: &mut String, digits: &Digits, precision: usize, verb: u8) {
    out.push(digits.at(0));
    if precision > 0 {
        out.push('.');
        out.extend((1..=precision).map(|index| digits.at(index)));
    }
    push_exponent(out, char::from(verb), digits.exponent());
}

fn push_exponent(out: &mut String, letter: char, exponent: i32) {
    out.push(letter);
    out.push(if exponent < 0 { '-' } else { '+' });
    out.push_str(&format!("{:02}", exponent.unsigned_abs()));
}

fn fixed(out: &mut String, magnitude: f64, precision: Option<usize>, bits: u32) {
    match precision {
        Some(precision) => {
            out.push_str(&format!("{magnitude:.*}", precision.min(EXACT)));
            push_zeros(out, precision.saturating_sub(EXACT));
        }
        None => {
            let digits = Digits::of(magnitude, None, bits);
            let decimals = usize::try_from(digits.count() as i64 - i64::from(digits.point)).unwrap_or(0);
            push_fixed(out, &digits, decimals);
        }
    }
}

fn push_fixed(out: &mut String, digits: &Digits, decimals: usize) {
    let digit = |position: i64| usize::try_from(position).map_or('0', |index| digits.at(index));
    let point = i64::from(digits.point);
    if point > 0 {
        out.extend((0..point).map(digit));
    } else {
        out.push('0');
    }
    if decimals > 0 {
        out.push('.');
        out.extend((0..decimals as i64).map(|index| digit(point + index)));
    }
}

fn general(out: &mut String, magnitude: f64, precision: Option<usize>, bits: u32, verb: u8) {
    let significant = precision.map(|precision| precision.max(1));
    let digits = Digits::of(magnitude, significant, bits);
    let count = digits.count();
    let mut precision = significant.unwrap_or(count);
    let point = i64::from(digits.point);
    // Go: the shortest form changes to exponents as if six digits had been asked for.
    let limit = match significant {
        None => 6,
        Some(significant) if significant > count && count as i64 >= point => count as i64,
        Some(significant) => significant as i64,
    };
    let exponent = i64::from(digits.point) - 1;
    if exponent < -4 || exponent >= limit {
        precision = precision.min(count);
        exponential(out, &digits, precision.max(1) - 1, verb + b'e' - b'g');
        return;
    }
    if precision as i64 > point {
        precision = count;
    }
    push_fixed(
        out,
        &digits,
        usize::try_from(precision as i64 - point).unwrap_or(0),
    );
}

/// Mantissa and exponent, so that value = mantissa × 2^exponent.
fn decompose(magnitude: f64, bits: u32) -> (u64, i32) {
    if bits == 32 {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the caller says the value is a float32"
        )]
        let raw = (magnitude as f32).to_bits();
        let (biased, fraction) = ((raw >> 23) & 0xFF, raw & 0x7F_FFFF);
        return match biased {
            0 => (u64::from(fraction), -149),
            _ => (u64::from(fraction | 0x80_0000), biased as i32 - 150),
        };
    }
    let raw = magnitude.to_bits();
    let (biased, fraction) = ((raw >> 52) & 0x7FF, raw & 0xF_FFFF_FFFF_FFFF);
    match biased {
        0 => (fraction, -1074),
        _ => (fraction | 0x10_0000_0000_0000, biased as i32 - 1075),
    }
}

fn binary(out: &mut String, magnitude: f64, bits: u32) {
    let (mantissa, exponent) = decompose(magnitude, bits);
    out.push_str(&format!("{mantissa}p{exponent:+}"));
}

fn hexadecimal(out: &mut String, magnitude: f64, precision: Option<usize>, verb: u8) {
    let (mut mantissa, mut exponent) = decompose(magnitude, 64);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // The leading one at bit 60: fifteen hexadecimal digits follow the point.
        let shift = mantissa.leading_zeros() as i32 - 3;
        mantissa <<= shift;
        exponent += 60 - shift;
    }
    if let Some(precision) = precision.filter(|&precision| precision < 15) {
        let shift = precision * 4;
        let extra = (mantissa << shift) & 0xFFF_FFFF_FFFF_FFFF;
        mantissa >>= 60 - shift;
        // Round to nearest, ties to even.
        if extra | (mantissa & 1) > 0x800_0000_0000_0000 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    out.push('0');
    out.push(char::from(verb));
    out.push(if mantissa >> 60 & 1 == 1 { '1' } else { '0' });
    let all = format!("{:015x}", mantissa & 0xFFF_FFFF_FFFF_FFFF);
    let digits = match precision {
        Some(precision) => {
            let mut digits = all[..precision.min(all.len())].to_owned();
            push_zeros(&mut digits, precision.saturating_sub(all.len()));
            digits
        }
        None => all.trim_end_matches('0').to_owned(),
    };
    if !digits.is_empty() {
        out.push('.');
        if verb == b'X' {
            out.push_str(&digits.to_uppercase());
        } else {
            out.push_str(&digits);
        }
    }
    push_exponent(out, if verb == b'X' { 'P' } else { 'p' }, exponent);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_laid_out_as_in_go() {
        let check = |value: f64, verb: u8, precision: Option<usize>, want: &str| {
            assert_eq!(
                format_float(value, verb, precision, 64),
                want,
                "{value:e} {}",
                char::from(verb)
            );
        };
        for (value, want) in [
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (123_456.7, "123456.7"),
            (12_345_678.0, "1.2345678e+07"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-0.0, "-0"),
            (3.0, "3"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            check(value, b'g', None, want);
        }
        check(1.005, b'f', Some(2), "1.00");
        check(2.5, b'f', Some(0), "2");
        check(1e21, b'f', None, "1000000000000000000000");
        check(0.000_001, b'f', None, "0.000001");
        check(123_456.0, b'e', Some(2), "1.23e+05");
        check(0.0, b'e', Some(3), "0.000e+00");
        check(1234.5, b'g', Some(3), "1.23e+03");
        check(100_000.0, b'g', Some(6), "100000");
        check(1_000_000.0, b'G', Some(6), "1E+06");
        check(1.0, b'x', None, "0x1p+00");
        check(0.1, b'x', None, "0x1.999999999999ap-04");
        check(0.1, b'X', Some(3), "0X1.99AP-04");
        check(1.999_999, b'x', Some(0), "0x1p+01");
        check(1.0, b'b', None, "4503599627370496p-52");
        assert_eq!(format_float(1.1, b'g', None, 32), "1.1");
        assert_eq!(format_float(20_230_101.0, b'g', None, 32), "2.02301e+07");
    }
}
