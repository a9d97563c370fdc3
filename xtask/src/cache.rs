//! The one cache folder, outside the tree: `KIEL_CACHE`, else `$XDG_CACHE_HOME/kiel`, else `~/.cache/kiel`.
//!
//! | folder | what |
//! |---|---|
//! | `bin/` | programs, `NAME-VERSION` |
//! | `root/` | Debian packages, unpacked |
//! | `images/` | base images as gzipped layers |
//! | `pki/` | the test cluster's keys and certificates |
//! | `cargo/` | cargo's intermediate files, a folder per checkout |
//! | `env/` | state of the running environment; `env/vars` tells where everything is |
//!
//! Everything in it can be deleted at any time while no environment is up; the next command makes it again.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Paths below the cache folder.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache folder that the environment's variables name; made if it is missing.
    pub(crate) fn open() -> Result<Self> {
        let root = match (
            variable("KIEL_CACHE"),
            variable("XDG_CACHE_HOME"),
            variable("HOME"),
        ) {
            (Some(own), _, _) => PathBuf::from(own),
            (None, Some(xdg), _) => PathBuf::from(xdg).join("kiel"),
            (None, None, Some(home)) => PathBuf::from(home).join(".cache/kiel"),
            (None, None, None) => anyhow::bail!("cannot find a cache folder: set KIEL_CACHE or HOME"),
        };
        fs_err::create_dir_all(&root)?;
        Ok(Self {
            root: fs_err::canonicalize(root)?,
        })
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the folder.
    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.join(below)
    }

    /// A folder below the cache folder, made if it is missing.
    pub(crate) fn folder(&self, below: &str) -> Result<PathBuf> {
        let path = self.root.join(below);
        fs_err::create_dir_all(&path)?;
        Ok(path)
    }
}

/// A variable of the process's environment; an empty one counts as absent.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of xtask that reads the environment"
)]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A variable as text, or its default.
pub(crate) fn variable_or(name: &str, default: &str) -> Result<String> {
    match variable(name) {
        None => Ok(default.to_owned()),
        Some(value) => value
            .into_string()
            .ok()
            .with_context(|| format!("variable `{name}` is not UTF-8")),
    }
}

/// The root of the checkout that this program was compiled in.
pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the checkout")
}
