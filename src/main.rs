//! The kiel command.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Before any thread exists: namespaces are entered by single-threaded processes only.
    if let Some(code) = kiel::buildkit::engine::hidden_mode(&arguments) {
        return code;
    }
    kiel::cli::run(arguments)
}
