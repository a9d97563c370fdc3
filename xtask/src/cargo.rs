//! Cargo, with its intermediate files in the cache folder.
//!
//! Each checkout has a folder of its own, so that two of them don't disturb each other; a new one starts from
//! the compiled dependencies of another, so that a clean checkout does not compile everything again. The
//! workspace's own crates are never taken over: cargo tells their versions apart by file times only.
//! Whoever sets `CARGO_TARGET_DIR` or `CARGO_BUILD_BUILD_DIR` decides alone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::cache::{Cache, checkout, variable};
use crate::{say, shell};

/// How the names of the workspace's own crates begin.
const OWN: [&str; 3] = ["kiel", "xtask", "libkiel"];
/// File that tells whose a folder of intermediates is.
const OWNER: &str = "checkout";

/// `cargo`, in the checkout.
pub(crate) fn command(cache: &Cache, arguments: &[&str]) -> Result<Command> {
    let mut command = shell::command("cargo", arguments);
    command.current_dir(checkout());
    if variable("CARGO_TARGET_DIR").is_none() && variable("CARGO_BUILD_BUILD_DIR").is_none() {
        command.env("CARGO_BUILD_BUILD_DIR", intermediates(cache)?);
    }
    Ok(command)
}

/// The folder that cargo puts programs in.
pub(crate) fn programs() -> PathBuf {
    let folder = variable("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    checkout().join(folder).join("debug")
}

/// This checkout's folder of intermediates, seeded from another one's where it is new.
fn intermediates(cache: &Cache) -> Result<PathBuf> {
    let all = cache.folder("cargo")?;
    let own = checkout().to_string_lossy();
    let name = hex::encode(Sha256::digest(own.as_bytes()))[..12].to_owned();
    let folder = all.join(name);
    if folder.exists() {
        return Ok(folder);
    }
    let started = Instant::now();
    match other(&all)? {
        Some((donor, true)) => {
            forget_own(&donor)?;
            fs_err::rename(&donor, &folder)?;
            say::step(
                "compiled dependencies",
                "taken over from a checkout that is gone",
                started.elapsed(),
            );
        }
        Some((donor, false)) => {
            copy(&donor, &folder)?;
            say::step(
                "compiled dependencies",
                "copied from another checkout",
                started.elapsed(),
            );
        }
        None => fs_err::create_dir_all(&folder)?,
    }
    fs_err::write(folder.join(OWNER), own.as_bytes())?;
    Ok(folder)
}

/// Another checkout's folder, and whether that checkout is gone. The latest one where there are several; the
/// others whose checkouts are gone are deleted, each is gigabytes.
fn other(all: &Path) -> Result<Option<(PathBuf, bool)>> {
    let mut folders = Vec::new();
    for entry in fs_err::read_dir(all)? {
        let path = entry?.path();
        let Ok(owner) = fs_err::read_to_string(path.join(OWNER)) else {
            continue;
        };
        let time = path
            .join("debug")
            .metadata()
            .and_then(|data| data.modified())
            .ok();
        folders.push((!Path::new(&owner).exists(), time, path));
    }
    folders.sort();
    let chosen = folders.pop().map(|(gone, _, path)| (path, gone));
    for (_, _, path) in folders.into_iter().filter(|(gone, ..)| *gone) {
        fs_err::remove_dir_all(path)?;
    }
    Ok(chosen)
}

/// Copies fingerprints before what they vouch for, while no build of the other checkout runs.
fn copy(donor: &Path, folder: &Path) -> Result<()> {
    let lock = donor.join("debug/.cargo-lock");
    let file = lock
        .exists()
        .then(|| fs_err::File::open(&lock))
        .transpose()?
        .map(fs_err::File::into_file);
    if let Some(file) = &file
        && file.try_lock_shared().is_err()
    {
        say::note("waiting for the build of another checkout, to copy its compiled dependencies");
        file.lock_shared()?;
    }
    let part = folder.with_extension("part");
    if part.exists() {
        fs_err::remove_dir_all(&part)?;
    }
    fs_err::create_dir_all(part.join("debug"))?;
    for below in [".fingerprint", "build", "deps"] {
        let from = donor.join("debug").join(below);
        if from.exists() {
            let mut cp = shell::command("cp", ["-a", "--reflink=auto"]);
            shell::run(cp.arg(from).arg(part.join("debug")))?;
        }
    }
    forget_own(&part)?;
    fs_err::rename(&part, folder)?;
    Ok(())
}

/// Removes what belongs to the workspace's own crates.
fn forget_own(folder: &Path) -> Result<()> {
    for below in [".fingerprint", "build", "deps", "incremental"] {
        let folder = folder.join("debug").join(below);
        if !folder.exists() {
            continue;
        }
        for entry in fs_err::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if !OWN.iter().any(|own| name.to_string_lossy().starts_with(own)) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs_err::remove_dir_all(entry.path())?;
            } else {
                fs_err::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}
