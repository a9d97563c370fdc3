use super::*;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn print_puts_spaces_between_operands_that_are_no_strings() {
    let (one, two) = (Value::int(1), Value::int(2));
    assert_eq!(
        text(&sprint(&[
            one.clone(),
            two.clone(),
            "a".into(),
            "b".into(),
            Value::int(3)
        ])),
        "1 2ab3"
    );
    assert_eq!(
        text(&sprint(&["a".into(), one.clone(), two.clone(), "b".into()])),
        "a1 2b"
    );
    assert_eq!(text(&sprintln(&["a".into(), one, Value::Nil])), "a 1 <nil>\n");
}

#[test]
fn digits_in_the_middle_are_even() {
    for (number, want) in [
        (264_320_013_649_844.62, "2.6432001364984462e+14"),
        (5e-324, "5e-324"),
        (123_456_789_012_345.67, "1.2345678901234567e+14"),
        (9_007_199_254_740_993.0, "9.007199254740992e+15"),
    ] {
        assert_eq!(text(&sprint(&[Value::Float(number)])), want);
    }
}

#[test]
fn a_cycle_is_printed_to_an_end() {
    let map = Map::new();
    map.insert("self", Value::Map(map.clone()));
    let holder = Value::Map(map.clone());
    let printed = sprint(&[holder]).len();
    map.remove("self");
    assert!(printed > MAX_NESTING);
}
