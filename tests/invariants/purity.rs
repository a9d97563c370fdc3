//! The crates `llb`, `stapel`, `template` and `chart` have no IO, clock, environment, randomness or async.

use std::path::Path;

use anyhow::Result;

use super::direction::section;
use super::{none, source};

const CRATES: [&str; 4] = ["llb", "stapel", "template", "chart"];
/// What must not be named, below `std`.
const STD: [&str; 9] = [
    "fs",
    "env",
    "net",
    "process",
    "os",
    "time::SystemTime",
    "time::Instant",
    "thread::sleep",
    "io::stdin",
];
/// Crates whose purpose is IO, a clock, randomness or async.
const LIBRARIES: [&str; 16] = [
    "tokio",
    "fs_err",
    "tempfile",
    "reqwest",
    "hyper",
    "futures",
    "async_std",
    "smol",
    "rand",
    "getrandom",
    "gix",
    "kube",
    "nix",
    "tonic",
    "walkdir",
    "chrono",
];

pub(crate) fn check() -> Result<()> {
    let mut broken = Vec::new();
    for name in CRATES {
        for file in source::files(&format!("{name}/src"), "rs")? {
            let test = file.file_stem().is_some_and(|stem| stem == "tests")
                || file.components().any(|part| part.as_os_str() == "tests");
            if test {
                continue;
            }
            let code = source::code(&source::read(&file)?);
            for path in source::paths(&code, "std") {
                if STD
                    .iter()
                    .any(|bad| path == *bad || path.starts_with(&format!("{bad}::")))
                {
                    broken.push(format!("{} names std::{path}", file.display()));
                }
            }
            for library in LIBRARIES {
                if !source::paths(&code, library).is_empty() {
                    broken.push(format!("{} names {library}", file.display()));
                }
            }
        }
        let manifest = source::read(Path::new(&format!("{name}/Cargo.toml")))?;
        for dependency in section(&manifest, "[dependencies]") {
            if LIBRARIES.contains(&dependency.replace('-', "_").as_str()) {
                broken.push(format!("{name}/Cargo.toml depends on {dependency}"));
            }
        }
    }
    none("pure crates name what is not pure", broken)
}
