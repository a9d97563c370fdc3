//! The kiel command.

use std::ffi::OsString;
use std::process::ExitCode;

/// A render makes hundreds of thousands of small things, on a thread of its own, which costs the C library's allocator
/// a fifth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Before any thread exists: namespaces are entered by single-threaded processes only.
    if let Some(code) = kiel::buildkit::engine::hidden_mode(&arguments) {
        return code;
    }
    kiel::cli::run(arguments)
}
