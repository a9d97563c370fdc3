//! Arguments that several of Helm's commands share.

use std::io::Read as _;

use clap::Args;
use kiel_chart::{ValuesFile, ValuesInput};

use tokio::runtime::Handle;

use super::{HelmError, go_files, slices};
use crate::cli::args::ValuesArgs;
use crate::registry::{Download, Registry, RegistryOptions, Url};

/// Largest file of values that is taken from the web, in bytes.
const MAX_VALUES_SIZE: u64 = 64 << 20;

/// Helm's flags for values.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Values")]
pub(in crate::cli) struct HelmValuesArgs {
    /// File with values, `-` for standard input, or a URL; may be repeated
    #[arg(long, short = 'f', value_name = "PATH")]
    values: Vec<String>,
    /// Values, such as a.b[0]=c,d=e; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Values that stay text; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set_string: Vec<String>,
    /// Values that are files' contents; may be repeated
    #[arg(long, value_name = "KEY=PATH")]
    set_file: Vec<String>,
    /// Values as JSON; may be repeated
    #[arg(long, value_name = "KEY=JSON")]
    set_json: Vec<String>,
    /// Value taken as it is; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set_literal: Vec<String>,
}

impl HelmValuesArgs {
    /// Whether a file comes from the web.
    pub(super) fn is_fetched(&self) -> bool {
        self.values
            .iter()
            .chain(&self.set_file)
            .any(|name| name.contains("://"))
    }

    /// Reads the files.
    pub(in crate::cli) fn read(&self) -> Result<ValuesInput, HelmError> {
        let mut input = ValuesInput {
            set: self.set.clone(),
            set_string: self.set_string.clone(),
            set_file: self.set_file.clone(),
            set_json: self.set_json.clone(),
            set_literal: self.set_literal.clone(),
            ..ValuesInput::default()
        };
        let flag = "-f, --values";
        for name in slices::split_all(flag, &self.values)? {
            let content = read_file(&name)?;
            input.files.push(ValuesFile { name, content });
        }
        // A flag that can't be read fails where it is applied, after those before it.
        for path in input.set_file_paths().unwrap_or_default() {
            let content = read_file(&path)
                .map_err(|HelmError(text)| HelmError(format!("failed parsing --set-file data: {text}")))?;
            input.set_file_contents.insert(path, content);
        }
        Ok(input)
    }
}

impl From<&ValuesArgs> for HelmValuesArgs {
    fn from(args: &ValuesArgs) -> Self {
        Self {
            values: args.values.clone(),
            set: args.set.clone(),
            set_string: args.set_string.clone(),
            set_file: args.set_file.clone(),
            set_json: args.set_json.clone(),
            set_literal: args.set_literal.clone(),
        }
    }
}

/// A file's content, or standard input's for `-`.
fn read_file(name: &str) -> Result<Vec<u8>, HelmError> {
    if name.trim() == "-" {
        let mut content = Vec::new();
        std::io::stdin().lock().read_to_end(&mut content)?;
        return Ok(content);
    }
    if name.starts_with("http://") || name.starts_with("https://") {
        return fetch(name);
    }
    go_files::read(name)
}

/// A file from the web, as Helm takes values from there: without a login.
fn fetch(name: &str) -> Result<Vec<u8>, HelmError> {
    let wanted = Download {
        url: Url::parse(name)?,
        limit: MAX_VALUES_SIZE,
        accept: None,
        login: None,
    };
    let registry = Registry::new(RegistryOptions::default())?;
    let fetched = tokio::task::block_in_place(|| Handle::current().block_on(registry.download(&wanted)))?;
    Ok(fetched.to_vec())
}
