//! What a configuration may depend on besides its files: handed in, never looked up.

use std::sync::Arc;

use kiel_template::functions::Environment;

/// Reads an environment variable; `None` where it is not set.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Clock and entropy, from outside.
pub type SharedEnvironment = Arc<dyn Environment + Send + Sync>;

/// Makes a matcher of a glob by werf's rules; they live with Git, which this folder does not know.
pub type GlobMaker = fn(&str) -> Result<Box<dyn Fn(&str) -> bool>, String>;

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
    /// Clock and entropy for the template functions that have them.
    pub environment: SharedEnvironment,
}
