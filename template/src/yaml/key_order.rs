//! The order in which go-yaml writes the keys of a mapping: natural, so that `a9` comes before `a10`.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

static LETTER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\p{L}").expect("the pattern is constant"));
static DIGIT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\p{Nd}").expect("the pattern is constant"));

/// Sorts entries by key. The relation is not a strict order for all sets of keys, so the sort is one that no
/// relation can upset.
pub(super) fn sort<T>(entries: &mut Vec<(Cow<'_, str>, T)>, version_3: bool) {
    if entries.len() < 2 {
        return;
    }
    let mut right = entries.split_off(entries.len() / 2);
    sort(entries, version_3);
    sort(&mut right, version_3);
    let left = std::mem::take(entries);
    entries.reserve(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some((a, _)), Some((b, _))) = (left.peek(), right.peek()) {
        entries.extend(if less(b, a, version_3) {
            right.next()
        } else {
            left.next()
        });
    }
    entries.extend(left);
    entries.extend(right);
}

/// Whether `a` comes before `b`: decided at the first character that differs. A letter comes after anything
/// else, runs of digits compare as numbers, the rest by code point.
fn less(a: &str, b: &str, version_3: bool) -> bool {
    if a.is_ascii() && b.is_ascii() {
        let (a, b): (Vec<char>, Vec<char>) = (
            a.bytes().map(char::from).collect(),
            b.bytes().map(char::from).collect(),
        );
        return characters_less(&a, &b, version_3);
    }
    characters_less(
        &a.chars().collect::<Vec<_>>(),
        &b.chars().collect::<Vec<_>>(),
        version_3,
    )
}

fn characters_less(a: &[char], b: &[char], version_3: bool) -> bool {
    let Some(at) = a.iter().zip(b).position(|(a, b)| a != b) else {
        return a.len() < b.len();
    };
    match (is_letter(a[at]), is_letter(b[at])) {
        (true, true) => return a[at] < b[at],
        (false, false) => {}
        // Version 3: behind a digit it is the letter that comes first.
        (_, b_is_letter) => {
            let behind_digit = version_3 && at > 0 && is_digit(a[at - 1]);
            return b_is_letter != behind_digit;
        }
    }
    let mut start = 0;
    if a[at] == '0' || b[at] == '0' {
        // Behind other digits a zero is a digit like any other, not a leading one.
        let preceding = a[..at].iter().rev().take_while(|&&character| is_digit(character));
        start = i64::from(preceding.into_iter().any(|&character| character != '0'));
    }
    let (a_number, a_digits) = digits(&a[at..], start);
    let (b_number, b_digits) = digits(&b[at..], start);
    if a_number != b_number {
        a_number < b_number
    } else if a_digits != b_digits {
        a_digits < b_digits
    } else {
        a[at] < b[at]
    }
}

fn digits(characters: &[char], start: i64) -> (i64, usize) {
    let run = characters.iter().take_while(|&&character| is_digit(character));
    run.fold((start, 0), |(number, count), &character| {
        let digit = i64::from(u32::from(character)) - i64::from(b'0');
        (number.wrapping_mul(10).wrapping_add(digit), count + 1)
    })
}

fn is_letter(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphabetic();
    }
    LETTER.is_match(character.encode_utf8(&mut [0; 4]))
}

fn is_digit(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_digit();
    }
    DIGIT.is_match(character.encode_utf8(&mut [0; 4]))
}
