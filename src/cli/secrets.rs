//! The project's secrets for a render: flags, key, decrypted values and files. Whatever is decrypted is masked from then
//! on in everything that is shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use kiel_chart::ValuesFile;
use kiel_template::Value;
use kiel_template::files::FileTree as _;
use kiel_template::value::{Functions, Str, Type};

use super::Context;
use super::args::RegistryArgs;
use super::chart::read_project_file;
use super::error::CommandError;
use super::project::Project;
use crate::secrets::{Key, KeySources, Leaf, SecretError, decrypt_values, find_key};
use crate::ui::Mask;

/// Where the key for secrets comes from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Secrets")]
pub(crate) struct SecretKeyArgs {
    /// The key for secrets; better given as a variable [default: .werf_secret_key of the project folder, else
    /// global_secret_key of $WERF_HOME or ~/.werf]
    #[arg(long, value_name = "KEY")]
    secret_key: Option<String>,
    /// File with the key for secrets
    #[arg(long, value_name = "PATH")]
    secret_key_file: Option<PathBuf>,
    /// Command for the shell that prints the key for secrets
    #[arg(long, value_name = "COMMAND")]
    secret_key_command: Option<String>,
}

/// Secret values for the chart. They win over all other values.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Secrets")]
pub(crate) struct SecretArgs {
    /// File with encrypted values, relative to the project folder; may be repeated
    #[arg(long, value_name = "PATH")]
    secret_values: Vec<String>,
    /// Leave out the chart's secret-values.yaml
    #[arg(long)]
    disable_default_secret_values: bool,
    /// Give the chart Docker's config.json in base64 as .Values.dockerconfigjson, for a Secret to pull images by
    #[arg(long)]
    set_docker_config_json_value: bool,
    /// Leave secret values and files encrypted
    #[arg(long)]
    ignore_secret_key: bool,
    #[command(flatten)]
    key: SecretKeyArgs,
}

/// What a chart may see of secrets.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    /// Decrypted files of values, in rising order.
    pub(crate) values: Vec<ValuesFile>,
    /// `.Values.dockerconfigjson`
    pub(crate) docker_config: Option<String>,
    /// Decrypted files by their path below `secret/`.
    files: Arc<BTreeMap<String, Vec<u8>>>,
}

impl SecretKeyArgs {
    /// The key, from the first place that has one.
    pub(crate) fn find(&self, dir: &Path, context: &Context) -> Result<Key, SecretError> {
        let env = &context.env;
        let home = env
            .get("WERF_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(env.home()?.join(".werf")));
        let mut defaults = vec![dir.join(".werf_secret_key")];
        defaults.extend(home.map(|home| home.join("global_secret_key")));
        let variable = "WERF_SECRET_KEY".to_owned();
        if let Some(key) = &self.secret_key {
            context.mask.hide(key);
        }
        let key = find_key(&KeySources {
            given: self.secret_key.clone().map(|key| (variable.clone(), key)),
            variable,
            file: self.secret_key_file.clone(),
            command: self.secret_key_command.clone(),
            defaults,
        })?;
        context.mask.hide(&key.to_text());
        Ok(key)
    }
}

impl SecretArgs {
    /// Reads and decrypts what the commit has, and Docker's logins where they are wanted. Without secrets no key is
    /// asked for.
    pub(crate) fn read(
        &self,
        dir: &Path,
        project: &Project,
        registry: &RegistryArgs,
        context: &Context,
    ) -> Result<Secrets, CommandError> {
        let mut secrets = self.read_commit(dir, project, context)?;
        if self.set_docker_config_json_value {
            let folder = registry.docker_config.clone();
            let folder = folder.or_else(|| Some(context.env.home()?.join(".docker")));
            let content = fs_err::read(folder.unwrap_or_default().join("config.json"))?;
            hide_secret(&content, &context.mask);
            secrets.docker_config = Some(STANDARD.encode(content));
        }
        Ok(secrets)
    }

    fn read_commit(&self, dir: &Path, project: &Project, context: &Context) -> Result<Secrets, CommandError> {
        let chart_dir = project.config.meta.deploy.helm_chart_dir.trim_matches('/');
        let mut encrypted = Vec::new();
        let default = format!("{chart_dir}/secret-values.yaml");
        if !self.disable_default_secret_values
            && let Some(content) = project.files.read(&default)?
        {
            encrypted.push((default, content.to_vec()));
        }
        let mut given = context.env.family("secret-values");
        given.extend_from_slice(&self.secret_values);
        for path in given {
            let content = read_project_file(project, &path)?;
            encrypted.push((path, content));
        }
        let below = format!("{chart_dir}/secret");
        let paths = if project.files.is_dir(&below)? {
            project.files.list(&below)?
        } else {
            Vec::new()
        };
        if encrypted.is_empty() && paths.is_empty() {
            return Ok(Secrets::default());
        }
        let key = match self.ignore_secret_key {
            true => None,
            false => Some(self.key.find(dir, context)?),
        };
        let mut secrets = Secrets::default();
        for (name, content) in encrypted {
            let content = match &key {
                Some(key) => decrypt_file_of_values(&name, &content, key, &context.mask)?,
                None => content,
            };
            secrets.values.push(ValuesFile { name, content });
        }
        let mut files = BTreeMap::new();
        for path in paths {
            let Some(content) = project.files.read(&path)? else {
                continue;
            };
            let content = match &key {
                Some(key) => decrypt_file(&path, &content, key, &context.mask)?,
                None => content.to_vec(),
            };
            let name = path.strip_prefix(&below).unwrap_or(&path).trim_start_matches('/');
            files.insert(name.to_owned(), content);
        }
        secrets.files = Arc::new(files);
        Ok(secrets)
    }
}

impl Secrets {
    /// `werf_secret_file "path/below/secret"`.
    pub(crate) fn add_function(&self, functions: &mut Functions) {
        let files = Arc::clone(&self.files);
        functions.add("werf_secret_file", &[Type::String], move |_, args| {
            let path = args[0].as_str().unwrap_or_default();
            if path.starts_with('/') {
                return Err(format!("expected relative secret file path, given path {path}").into());
            }
            match files.get(path) {
                Some(content) => Ok(Value::string(Str::from(content.as_slice()))),
                None => {
                    let names: Vec<&str> = files.keys().map(String::as_str).collect();
                    Err(format!(
                        "secret file {path:?} not found, you may use one of the following: {:?}",
                        names.join(", ")
                    )
                    .into())
                }
            }
        });
    }
}

fn decrypt_file_of_values(
    name: &str,
    content: &[u8],
    key: &Key,
    mask: &Mask,
) -> Result<Vec<u8>, SecretError> {
    let text = std::str::from_utf8(content).map_err(|_| SecretError::Yaml {
        file: name.to_owned(),
        problem: "it is not UTF-8".to_owned(),
    })?;
    let (text, leaves) = decrypt_values(text, name, key)?;
    hide_leaves(&leaves, mask);
    Ok(text.into_bytes())
}

/// Masks decrypted values.
pub(crate) fn hide_leaves(leaves: &[Leaf], mask: &Mask) {
    leaves.iter().for_each(|leaf| hide_secret(&leaf.plain, mask));
}

/// Masks a plaintext, and the form that it has in a Secret.
pub(crate) fn hide_secret(plain: &[u8], mask: &Mask) {
    if plain.len() < 4 {
        return;
    }
    mask.hide(&STANDARD.encode(plain));
    if let Ok(text) = std::str::from_utf8(plain) {
        mask.hide(text);
        mask.hide(text.trim());
        // As messages quote it, and diffs.
        let json = serde_json::Value::from(text);
        let yaml = kiel_template::yaml::json_to_wide_string(&json).unwrap_or_default();
        for quoted in [format!("{text:?}"), json.to_string(), yaml] {
            mask.hide(quoted.trim_end().trim_matches(['"', '\'']));
        }
    }
}

/// Decrypts a file that is encrypted as a whole.
pub(crate) fn decrypt_file(
    name: &str,
    content: &[u8],
    key: &Key,
    mask: &Mask,
) -> Result<Vec<u8>, SecretError> {
    let decrypted = match std::str::from_utf8(content) {
        Ok(text) => key.decrypt(text.trim()),
        Err(_) => Err(SecretError::NotEncrypted),
    };
    let plain = decrypted.map_err(|source| SecretError::File {
        file: name.to_owned(),
        source: Box::new(source),
    })?;
    hide_secret(&plain, mask);
    Ok(plain)
}
