//! A panic's message holds no secret.

use std::process::Command;

use kiel::ui::{Mask, mask_messages, print_panic};

/// Run by the test below, in a process of its own.
#[test]
#[ignore = "panics on purpose"]
fn panicking() {
    let mask = Mask::default();
    mask.hide("canary-in-a-panic");
    mask_messages(&mask);
    std::panic::set_hook(Box::new(print_panic));
    let panicked = std::thread::spawn(|| panic!("met canary-in-a-panic here")).join();
    assert!(panicked.is_err());
}

#[test]
fn a_panic_shows_no_secret() {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(["--exact", "panics::panicking", "--ignored", "--nocapture"])
        .output()
        .expect("it runs");
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(
        shown.contains("panicked at") && shown.contains("met *** here"),
        "{shown}"
    );
    assert!(!shown.contains("canary"), "{shown}");
}
