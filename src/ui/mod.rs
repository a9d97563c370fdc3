//! Shows events on standard error: as a tree that is drawn in place on a terminal, as plain lines, or as JSON; writes
//! the whole logs of build steps and containers to files; tells at the end once what happened.
//!
//! Promises that a registered secret never appears, that nothing of what programs print is interpreted by a terminal,
//! and that memory is bounded whatever they print. Does not know what the events are about.

mod board;
mod json;
mod logs;
mod mask;
mod plain;
mod show;
mod summary;
mod terminal;
mod text;
mod tree;

pub use self::logs::LogFiles;
pub use self::mask::Mask;
pub(crate) use self::show::is_terminal;
pub use self::show::{Form, Options, Shown, show};
pub use self::text::{plain_line, plain_text};

use std::borrow::Cow;
use std::sync::OnceLock;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Warnings only.
    Quiet,
    /// What happens to images and resources, and the output of what runs.
    Normal,
    /// Also each step of a build.
    Verbose,
}

/// What messages of this process must not show.
static MASK: OnceLock<Mask> = OnceLock::new();

/// Masks every message of this process from now on, those of panics too; the first mask stays.
pub fn mask_messages(mask: &Mask) {
    _ = MASK.set(mask.clone());
}

fn without_secrets(text: &str) -> Cow<'_, str> {
    MASK.get()
        .map_or(Cow::Borrowed(text), |mask| Cow::Owned(mask.apply(text)))
}

/// One line on standard error, without secrets. A reader that went away must not end the run.
pub fn print(line: &str) {
    print_masked(&without_secrets(line));
}

/// One line on standard error that holds no secrets any more.
fn print_masked(line: &str) {
    use std::io::Write as _;
    drop(writeln!(anstream::stderr().lock(), "{line}"));
}

/// A file's content on standard output; text as [`data`], anything else as it is.
pub fn bytes(content: &[u8]) -> std::io::Result<()> {
    match std::str::from_utf8(content) {
        Ok(text) => data(text),
        Err(_) => {
            use std::io::Write as _;
            let mut out = std::io::stdout().lock();
            match out.write_all(content).and_then(|()| out.flush()) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
                other => other,
            }
        }
    }
}

/// Text on standard output: data, not messages. A reader that went away is no error. A terminal gets it without
/// escape sequences, everyone else as it is.
pub fn data(text: &str) -> std::io::Result<()> {
    use std::io::{IsTerminal as _, Write as _};
    let mut out = std::io::stdout().lock();
    let shown = if out.is_terminal() {
        plain_text(text)
    } else {
        text.into()
    };
    match out.write_all(shown.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// A question on standard error, to be answered on the same line.
pub fn prompt(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut err = anstream::stderr().lock();
    write!(err, "{text}")?;
    err.flush()
}

/// As [`data`], for reports: without secrets.
pub fn report(text: &str) -> std::io::Result<()> {
    data(&without_secrets(text))
}

/// As [`report`], for a value that is printed as JSON: its texts are masked, its form stays.
pub fn report_json(value: &impl serde::Serialize) -> std::io::Result<()> {
    let mut value = serde_json::to_value(value)?;
    mask_texts(&mut value);
    data(&format!("{value:#}\n"))
}

fn mask_texts(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = without_secrets(text).into_owned(),
        serde_json::Value::Array(items) => items.iter_mut().for_each(mask_texts),
        serde_json::Value::Object(entries) => entries.values_mut().for_each(mask_texts),
        _ => {}
    }
}

/// A panic's message without secrets, and the terminal as it was before it.
pub fn print_panic(panic: &std::panic::PanicHookInfo<'_>) {
    restore_terminal();
    let thread = std::thread::current();
    print(&format!(
        "thread '{}' {panic}",
        thread.name().unwrap_or("unnamed")
    ));
    let trace = std::backtrace::Backtrace::capture();
    if trace.status() == std::backtrace::BacktraceStatus::Captured {
        print(&trace.to_string());
    }
}

/// The final error as JSON, for `Form::Json`.
pub fn print_json_error(message: &str, hint: Option<&str>, logs: &[String]) {
    print_masked(&json::error(message, hint, logs, &show::time_now()));
}

/// Leaves the terminal as it was found: to be called by whatever ends the process out of turn.
pub fn restore_terminal() {
    terminal::restore();
}

/// The same for who can't wait: a terminal that stands still takes nothing.
pub fn restore_terminal_now() {
    let (done, restored) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        terminal::restore();
        _ = done.send(());
    });
    _ = restored.recv_timeout(std::time::Duration::from_millis(300));
}
