//! What a configuration may depend on besides its files: handed in, never looked up.

use std::sync::Arc;

use kiel_template::functions::Environment;

/// Reads an environment variable; `None` where it is not set.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Clock and entropy, from outside.
pub type SharedEnvironment = Arc<dyn Environment + Send + Sync>;

/// Makes a matcher of a glob by werf's rules; they live with Git, which this folder does not know.
pub type GlobMaker = fn(&str) -> Result<Box<dyn PathGlob>, String>;

/// A glob that was read.
pub trait PathGlob {
    /// Whether the whole path matches.
    fn matches(&self, path: &str) -> bool;

    /// Whether a path below the folder can match; `true` where that is not known.
    fn may_match_below(&self, dir: &str) -> bool {
        let _ = dir;
        true
    }
}

/// A function of whole paths, which tells nothing of folders.
impl<F: Fn(&str) -> bool> PathGlob for F {
    fn matches(&self, path: &str) -> bool {
        self(path)
    }
}

/// Says what the templates of werf.yaml may read.
pub trait Inspector: Send + Sync {
    /// Refuses a file that is not as the commit has it, in werf's words.
    ///
    /// # Errors
    /// Why it may not be read.
    fn file(&self, path: &str) -> Result<(), String>;

    /// The same for all files below `dir` that the glob matches; it sees them with `dir` before them.
    ///
    /// # Errors
    /// Why they may not be read.
    fn files(&self, dir: &str, glob: &dyn PathGlob) -> Result<(), String>;

    /// A file that Git ignores, where nothing is refused.
    fn ignored_file(&self, path: &str) -> Option<Vec<u8>> {
        let _ = path;
        None
    }

    /// Whether a variable may be read.
    fn allows_variable(&self, name: &str) -> bool;

    /// Whether nothing is refused: a variable that is not set is empty then.
    fn is_loose(&self) -> bool;
}

/// Refuses nothing.
#[derive(Debug, Clone, Copy)]
pub struct Everything;

impl Inspector for Everything {
    fn file(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn files(&self, _: &str, _: &dyn PathGlob) -> Result<(), String> {
        Ok(())
    }

    fn allows_variable(&self, _: &str) -> bool {
        true
    }

    fn is_loose(&self) -> bool {
        false
    }
}

/// What a configuration may depend on besides its files.
pub struct LoadOptions<'a> {
    /// `--config`
    pub file: Option<&'a str>,
    /// `--config-templates-dir`
    pub templates_dir: &'a str,
    /// `--env`
    pub env: Option<&'a str>,
    /// The commit's id.
    pub commit_id: &'a str,
    /// The commit's date as Go prints it.
    pub commit_date: &'a str,
    /// Seconds since 1970.
    pub commit_time: i64,
    /// Takes the place of `project`.
    pub project: Option<&'a str>,
    /// For the template function `env`.
    pub variables: Variables,
    /// For `.Files.Glob`.
    pub glob: GlobMaker,
    /// What `.Files` and `env` may read.
    pub inspector: Arc<dyn Inspector>,
    /// Clock and entropy for the template functions that have them.
    pub environment: SharedEnvironment,
}
