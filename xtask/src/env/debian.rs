//! Debian packages, downloaded with the machine's own apt sources and unpacked, not installed.
//!
//! The versions are those of the machine's release (bookworm and trixie are known to work). Only setuid
//! programs (`newuidmap`) are installed, since an ordinary user could not use an unpacked copy.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::{say, shell};

/// What the node is made of, besides the programs that are compiled.
const NODE: &[&str] = &[
    "etcd-server",
    "containerd",
    "runc",
    "containernetworking-plugins",
    "iptables",
    "conntrack",
];
/// Programs of the host that the environment needs, and the packages they come from where they are missing.
const HOST: &[(&str, &str)] = &[("ip", "iproute2"), ("openssl", "openssl")];
/// Folders of programs below the unpacked root.
const PROGRAM_FOLDERS: [&str; 4] = ["usr/sbin", "usr/bin", "sbin", "bin"];

/// The unpacked packages.
pub(crate) struct Root {
    /// The folder they were unpacked in.
    pub(crate) path: PathBuf,
}

impl Root {
    /// Unpacks what is missing; where everything is there already, this only looks.
    pub(crate) fn prepare(cache: &Cache) -> Result<Self> {
        let started = Instant::now();
        let mut packages = NODE.to_vec();
        packages.extend(
            HOST.iter()
                .filter(|(program, _)| shell::which(program).is_none())
                .map(|(_, package)| package),
        );
        let root = Self::cached(cache);
        let stamp = root.path.join(".packages");
        let wanted = packages.join("\n");
        if fs_err::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            say::step("Debian packages", "cache", started.elapsed());
            return Ok(root);
        }
        let temporary = tempfile::tempdir_in(cache.root())?;
        let archives = download(&packages, temporary.path(), Missing::OnThisMachine)?;
        let unpacked = temporary.path().join("root");
        for archive in &archives {
            shell::run(
                shell::command("dpkg-deb", ["--extract"])
                    .arg(archive)
                    .arg(&unpacked),
            )?;
        }
        if root.path.exists() {
            fs_err::remove_dir_all(&root.path)?;
        }
        fs_err::rename(&unpacked, &root.path)?;
        root.write_wrappers()?;
        fs_err::write(&stamp, wanted)?;
        say::step(
            "Debian packages",
            &format!("{} unpacked", archives.len()),
            started.elapsed(),
        );
        Ok(root)
    }

    /// The folder in the cache, whatever it holds.
    pub(crate) fn cached(cache: &Cache) -> Self {
        Self {
            path: cache.path("root"),
        }
    }

    /// An unpacked program.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf> {
        PROGRAM_FOLDERS
            .iter()
            .map(|folder| self.path.join(folder).join(name))
            .find(|file| file.exists())
            .or_else(|| shell::which(name))
            .with_context(|| format!("cannot find `{name}` in {} or on PATH", self.path.display()))
    }

    /// The folder of programs that find their unpacked libraries; it belongs on the node's PATH.
    pub(crate) fn wrappers(&self) -> PathBuf {
        self.path.join("wrappers")
    }

    /// Programs that need libraries beside them get a script that tells where those are.
    fn write_wrappers(&self) -> Result<()> {
        let folder = self.wrappers();
        fs_err::create_dir_all(&folder)?;
        let multi = self.path.join("usr/sbin/xtables-nft-multi");
        let tables = [
            "iptables",
            "iptables-save",
            "iptables-restore",
            "ip6tables",
            "ip6tables-save",
            "ip6tables-restore",
        ];
        for name in tables {
            self.write_wrapper(name, &format!("{} {name}", multi.display()))?;
        }
        for name in ["conntrack", "ip", "openssl"] {
            let program = PROGRAM_FOLDERS
                .iter()
                .map(|folder| self.path.join(folder).join(name))
                .find(|file| file.exists());
            if let Some(program) = program {
                self.write_wrapper(name, &program.display().to_string())?;
            }
        }
        Ok(())
    }

    fn write_wrapper(&self, name: &str, call: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let mut libraries = Vec::new();
        for folder in ["usr/lib", "lib"] {
            let folder = self.path.join(folder);
            libraries.push(folder.join(format!("{}-linux-gnu", std::env::consts::ARCH)));
        }
        let tables = libraries
            .iter()
            .map(|folder| folder.join("xtables"))
            .find(|folder| folder.exists());
        let script = format!(
            "#!/bin/sh\nexport LD_LIBRARY_PATH={}\nexport XTABLES_LIBDIR={}\nexec {call} \"$@\"\n",
            libraries
                .iter()
                .map(|folder| folder.display().to_string())
                .collect::<Vec<_>>()
                .join(":"),
            tables.unwrap_or_default().display(),
        );
        let file = self.wrappers().join(name);
        fs_err::write(&file, script)?;
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
        Ok(())
    }
}

/// Makes `newuidmap` and `newgidmap` usable by ordinary users: the package is installed where it is missing.
pub(crate) fn install_uidmap() -> Result<()> {
    let started = Instant::now();
    if shell::which("newuidmap").is_some() && shell::which("newgidmap").is_some() {
        say::step("newuidmap, newgidmap", "PATH", started.elapsed());
        return Ok(());
    }
    with_lists(|| {
        let mut apt = shell::command(
            "apt-get",
            ["install", "-y", "-qq", "--no-install-recommends", "uidmap"],
        );
        shell::run(apt.env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
    })?;
    say::step(
        "newuidmap, newgidmap",
        "Debian package uidmap, installed",
        started.elapsed(),
    );
    Ok(())
}

/// Which dependencies are downloaded with the packages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Those that this machine has not installed.
    OnThisMachine,
    /// All of them, down to the C library: a root file system of its own.
    Everywhere,
    /// As before, of another architecture, whose lists are read apart from the machine's.
    Foreign(&'static str),
}

/// Downloads packages and dependencies into `folder/archives`, and gives the files, sorted by name.
pub(crate) fn download(packages: &[&str], folder: &Path, missing: Missing) -> Result<Vec<PathBuf>> {
    let archives = folder.join("archives");
    fs_err::create_dir_all(archives.join("partial"))?;
    let nothing = folder.join("no-packages");
    fs_err::write(&nothing, "")?;
    let mut options = vec![
        "Debug::NoLocking=1".to_owned(),
        "APT::Sandbox::User=root".to_owned(),
        format!("Dir::Cache::archives={}", archives.display()),
    ];
    if missing != Missing::OnThisMachine {
        options.push(format!("Dir::State::status={}", nothing.display()));
    }
    if let Missing::Foreign(architecture) = missing {
        let lists = folder.join("lists");
        fs_err::create_dir_all(lists.join("partial"))?;
        options.push(format!("Dir::State::lists={}", lists.display()));
        options.push(format!("APT::Architecture={architecture}"));
        options.push(format!("APT::Architectures={architecture}"));
    }
    let apt = |arguments: &[&str]| {
        let mut apt = shell::command("apt-get", ["-qq", "-y"]);
        for option in &options {
            apt.args(["-o", option]);
        }
        shell::run(apt.args(arguments)).map(drop)
    };
    let fetch = || {
        let arguments = [
            "--download-only",
            "--no-install-recommends",
            "--reinstall",
            "install",
        ];
        apt(&[&arguments[..], packages].concat())
    };
    match missing {
        Missing::Foreign(_) => apt(&["update"]).and_then(|()| fetch()),
        _ => with_lists(fetch),
    }
    .with_context(|| format!("cannot download the Debian packages {}", packages.join(", ")))?;
    archives_in(&archives)
}

/// Downloads packages without what they depend on into `folder`, and gives the files, sorted by name.
pub(crate) fn download_alone(packages: &[&str], folder: &Path) -> Result<Vec<PathBuf>> {
    fs_err::create_dir_all(folder)?;
    with_lists(|| {
        let mut apt = shell::command("apt-get", ["-qq", "-o", "APT::Sandbox::User=root", "download"]);
        shell::run(apt.args(packages).current_dir(folder)).map(drop)
    })
    .with_context(|| format!("cannot download the Debian packages {}", packages.join(", ")))?;
    archives_in(folder)
}

fn archives_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = BTreeSet::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            files.insert(path);
        }
    }
    Ok(files.into_iter().collect())
}

/// Tries once more after `apt-get update`: a fresh machine has no lists, an old one has outdated names.
fn with_lists(action: impl Fn() -> Result<()>) -> Result<()> {
    if action().is_ok() {
        return Ok(());
    }
    let started = Instant::now();
    shell::run(&mut shell::command("apt-get", ["update", "-qq"]))?;
    say::step("Debian's package lists", "updated", started.elapsed());
    action()
}
