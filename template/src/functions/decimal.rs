//! Decimal arithmetic of the precision that Sprig's float functions show.

use std::cmp::Ordering;

/// Digits behind the point that a division yields.
const DIVISION_PLACES: i32 = 16;

/// `digits · 10^exponent`, digits least significant first.
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i32,
}

type Calculated = Result<Decimal, &'static str>;

impl Decimal {
    /// The shortest decimal that reads back as the number; `None` if it is not finite.
    pub(super) fn from_float(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let text = format!("{:e}", value.abs());
        let (mantissa, exponent) = text.split_once('e')?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = whole
            .bytes()
            .chain(fraction.bytes())
            .rev()
            .map(|byte| byte - b'0')
            .collect();
        let exponent = exponent.parse::<i32>().ok()? - i32::try_from(fraction.len()).ok()?;
        Some(
            Self {
                negative: value < 0.0,
                digits,
                exponent,
            }
            .trimmed(),
        )
    }

    /// The nearest float.
    pub(super) fn to_float(&self) -> f64 {
        let digits: String = self
            .digits
            .iter()
            .rev()
            .map(|digit| char::from(b'0' + digit))
            .collect();
        let sign = if self.negative { "-" } else { "" };
        let digits = if digits.is_empty() { "0" } else { &digits };
        let value = format!("{sign}{digits}e{}", self.exponent).parse().unwrap_or(0.0);
        if value == 0.0 { 0.0 } else { value }
    }

    /// The sum.
    pub(super) fn add(self, other: &Self) -> Calculated {
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.scaled(exponent), other.scaled(exponent));
        let (negative, digits) = if self.negative == other.negative {
            (self.negative, sum(&a, &b))
        } else if compare(&a, &b) == Ordering::Less {
            (other.negative, difference(&b, &a))
        } else {
            (self.negative, difference(&a, &b))
        };
        Ok(Self {
            negative,
            digits,
            exponent,
        }
        .trimmed())
    }

    /// The difference.
    pub(super) fn sub(self, other: &Self) -> Calculated {
        let mut other = other.clone();
        other.negative = !other.negative;
        self.add(&other)
    }

    /// The product.
    pub(super) fn mul(self, other: &Self) -> Calculated {
        let mut digits = vec![0u8; self.digits.len() + other.digits.len()];
        for (i, a) in self.digits.iter().enumerate() {
            let mut carry = 0;
            for (j, b) in other.digits.iter().enumerate() {
                let sum = digits[i + j] + a * b + carry;
                digits[i + j] = sum % 10;
                carry = sum / 10;
            }
            digits[i + other.digits.len()] += carry;
        }
        let negative = self.negative != other.negative;
        Ok(Self {
            negative,
            digits,
            exponent: self.exponent + other.exponent,
        }
        .trimmed())
    }

    /// The quotient with 16 places, halves rounded away from zero.
    pub(super) fn div(self, other: &Self) -> Calculated {
        if other.digits.is_empty() {
            return Err("decimal division by 0");
        }
        let exponent = -DIVISION_PLACES - 1;
        let shift = exponent + other.exponent;
        let (dividend, divisor) = if self.exponent >= shift {
            (self.scaled(shift), other.digits.clone())
        } else {
            (self.digits.clone(), other.scaled_by(shift - self.exponent))
        };
        let mut digits = quotient(&dividend, &divisor);
        let round_up = digits.first().is_some_and(|last| *last >= 5);
        if !digits.is_empty() {
            digits.remove(0);
        }
        if round_up {
            digits = sum(&digits, &[1]);
        }
        let negative = self.negative != other.negative;
        Ok(Self {
            negative,
            digits,
            exponent: -DIVISION_PLACES,
        }
        .trimmed())
    }

    /// The digits when the exponent is `exponent`, which is not larger than the own one.
    fn scaled(&self, exponent: i32) -> Vec<u8> {
        self.scaled_by(self.exponent - exponent)
    }

    fn scaled_by(&self, places: i32) -> Vec<u8> {
        if self.digits.is_empty() {
            return Vec::new();
        }
        let mut digits = vec![0; usize::try_from(places).unwrap_or(0)];
        digits.extend_from_slice(&self.digits);
        digits
    }

    fn trimmed(mut self) -> Self {
        trim(&mut self.digits);
        self.negative &= !self.digits.is_empty();
        self
    }
}

fn trim(digits: &mut Vec<u8>) {
    while digits.last() == Some(&0) {
        digits.pop();
    }
}

fn compare(a: &[u8], b: &[u8]) -> Ordering {
    a.len()
        .cmp(&b.len())
        .then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(a.len().max(b.len()) + 1);
    let mut carry = 0;
    for at in 0..=a.len().max(b.len()) {
        let sum = a.get(at).unwrap_or(&0) + b.get(at).unwrap_or(&0) + carry;
        digits.push(sum % 10);
        carry = sum / 10;
    }
    trim(&mut digits);
    digits
}

/// `a - b` where `a` is not smaller.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(a.len());
    let mut borrow = 0;
    for (at, digit) in a.iter().enumerate() {
        let take = b.get(at).unwrap_or(&0) + borrow;
        borrow = u8::from(*digit < take);
        digits.push(digit + 10 * borrow - take);
    }
    trim(&mut digits);
    digits
}

fn quotient(dividend: &[u8], divisor: &[u8]) -> Vec<u8> {
    let mut digits = vec![0; dividend.len()];
    let mut remainder: Vec<u8> = Vec::new();
    for at in (0..dividend.len()).rev() {
        remainder.insert(0, dividend[at]);
        trim(&mut remainder);
        while compare(&remainder, divisor) != Ordering::Less {
            remainder = difference(&remainder, divisor);
            digits[at] += 1;
        }
    }
    digits
}
