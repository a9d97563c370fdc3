//! Cases of `helm template`: a folder with a chart and the arguments of a command line.

#[path = "fixed.rs"]
mod fixed;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use kiel_chart::{
    Capabilities, Chart, HookOutput, KubeVersion, Manifests, Profile, Release, RenderError, RenderInput,
    ValuesFile, ValuesInput, load, render_on_own_stack,
};
use kiel_template::files::{FileError, FileTree};

use fixed::Fixed;

/// A folder of the disk as a tree of files.
pub(crate) struct Folder(pub(crate) PathBuf);

impl FileTree for Folder {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FileError> {
        let path = self.0.join(path);
        if !path.is_file() {
            return Ok(None);
        }
        fs_err::read(path)
            .map(|data| Some(Arc::from(data)))
            .map_err(|error| FileError(error.to_string()))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, FileError> {
        let mut found = Vec::new();
        list(&self.0, dir, &mut found).map_err(|error| FileError(error.to_string()))?;
        found.sort();
        Ok(found)
    }

    fn is_dir(&self, path: &str) -> Result<bool, FileError> {
        Ok(self.0.join(path).is_dir())
    }
}

fn list(root: &Path, dir: &str, found: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs_err::read_dir(root.join(dir))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let path = if dir.is_empty() {
            name
        } else {
            format!("{dir}/{name}")
        };
        if root.join(&path).is_dir() {
            list(root, &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// A command line of `helm template` without its first two words.
pub(crate) struct Arguments {
    values: ValuesInput,
    release: Release,
    capabilities: Capabilities,
    include_crds: bool,
    hooks: HookOutput,
}

impl Arguments {
    /// Reads the arguments; files are relative to `dir`.
    pub(crate) fn parse(dir: &Path, args: &[String]) -> Result<Self> {
        let mut parsed = Self {
            values: ValuesInput::default(),
            release: Release::new("release-name", "default"),
            capabilities: Capabilities::default(),
            include_crds: false,
            hooks: HookOutput::All,
        };
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let (flag, inline) = match arg.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
                _ => (arg.as_str(), None),
            };
            match flag {
                "--include-crds" => parsed.include_crds = true,
                "--skip-tests" => parsed.hooks = HookOutput::WithoutTests,
                "--no-hooks" => parsed.hooks = HookOutput::None,
                "--is-upgrade" => parsed.release.is_upgrade = true,
                _ => {
                    let value = inline.or_else(|| rest.next().cloned()).context("a value")?;
                    parsed.set(dir, flag, value)?;
                }
            }
        }
        for path in parsed.values.set_file_paths().unwrap_or_default() {
            if let Ok(content) = fs_err::read(dir.join(&path)) {
                parsed.values.set_file_contents.insert(path, content);
            }
        }
        Ok(parsed)
    }

    fn set(&mut self, dir: &Path, flag: &str, value: String) -> Result<()> {
        match flag {
            "-f" | "--values" => {
                let content = fs_err::read(dir.join(&value))?;
                self.values.files.push(ValuesFile { name: value, content });
            }
            "--set" => self.values.set.push(value),
            "--set-string" => self.values.set_string.push(value),
            "--set-json" => self.values.set_json.push(value),
            "--set-file" => self.values.set_file.push(value),
            "--set-literal" => self.values.set_literal.push(value),
            "--namespace" => self.release.namespace = value,
            "--kube-version" => self.capabilities.kube_version = KubeVersion::parse(&value)?,
            "--api-versions" => {
                self.capabilities
                    .api_versions
                    .extend(value.split(',').map(str::to_owned));
            }
            other => bail!("unknown flag {other}"),
        }
        Ok(())
    }

    /// What `helm template` prints for the chart in `dir`, or its error without `Error: `.
    pub(crate) fn template(&self, root: &Path, dir: &str) -> Result<String, String> {
        Ok(self
            .render(root, dir)?
            .to_template_output(self.include_crds, self.hooks))
    }

    /// The manifests of the chart in `dir`, or the error.
    pub(crate) fn render(&self, root: &Path, dir: &str) -> Result<Manifests, String> {
        let chart = load(&Folder(root.to_owned()), dir, &Profile::Helm).map_err(|error| error.to_string())?;
        self.try_render(&chart).map_err(|error| error.to_string())
    }

    /// The manifests of a chart that is loaded.
    pub(crate) fn try_render(&self, chart: &Chart) -> Result<Manifests, RenderError> {
        let mut input = RenderInput::new(chart, &self.values, self.release.clone(), Arc::new(Fixed));
        input.capabilities = self.capabilities.clone();
        render_on_own_stack(input)
    }
}
