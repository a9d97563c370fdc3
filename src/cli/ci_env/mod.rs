//! `kiel ci-env gitlab | github`: a script with the variables that let all other commands run in a job without flags.
//!
//! The variables are werf's, of the same names. Docker's configuration is copied, so that a login with the job's token
//! stays the job's. Nothing is written where `ci-env` fails, but `exit 1` where a shell evaluates the output.

mod files;
mod script;
mod variables;

use std::path::PathBuf;

use clap::Args;

use self::script::{Form, Section};
use self::variables::Login;
use super::args::ProjectArgs;
use super::error::{CommandError, CommandResult};
use super::images::certificate_folders;
use super::project::Project;
use super::{Context, print};
use crate::config::ConfigError;
use crate::registry::{Credentials, Insecure, Registry, RegistryOptions, keep_login};

/// Print variables for a job of GitLab or GitHub, to be sourced: . $(kiel ci-env gitlab --as-file)
///
/// Logs in to the system's registry with the job's own token, in a copy of Docker's configuration.
#[derive(Debug, Args)]
pub(crate) struct CiEnvCommand {
    /// gitlab or github
    #[arg(value_name = "SYSTEM")]
    system: Vec<String>,
    /// Write the script to a file and print its path
    #[arg(long)]
    as_file: bool,
    /// Write lines NAME=VALUE to a file and print its path
    #[arg(long)]
    as_env_file: bool,
    /// With --as-file or --as-env-file, write to this file and print nothing
    #[arg(long, short = 'o', value_name = "PATH")]
    output_file_path: Option<PathBuf>,
    /// What reads the script: default (any shell of Unix), powershell or cmdexe
    #[arg(long, default_value = "default", value_name = "SHELL")]
    shell: String,
    /// Log in to the system's registry
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", action = clap::ArgAction::Set)]
    login_to_registry: bool,
    /// Take $DOCKER_AUTH_CONFIG as Docker's configuration
    #[arg(long)]
    use_docker_auth_config: bool,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    registry: LoginArgs,
}

/// How the system's registry is reached.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry")]
struct LoginArgs {
    /// Folder with the config.json of Docker that is copied [default: $DOCKER_CONFIG, else ~/.docker]
    #[arg(long, env = "DOCKER_CONFIG", value_name = "DIR")]
    docker_config: Option<PathBuf>,
    /// Use plain HTTP for registries that are not on this host
    #[arg(long)]
    insecure_registry: bool,
    /// Do not check the registries' certificates
    #[arg(long)]
    skip_tls_verify_registry: bool,
    /// File with certificate authorities (PEM) to trust for registries; may be repeated
    #[arg(long, value_name = "FILE")]
    registry_ca: Vec<String>,
}

impl CiEnvCommand {
    /// With `echoes` the script prints its own lines when it is sourced.
    pub(crate) async fn run(self, echoes: bool, context: &Context) -> CommandResult {
        let form = self.form()?;
        let is_evaluated = !self.as_file && !self.as_env_file;
        let is_github = match self.system.as_slice() {
            [system] if system == "gitlab" => false,
            [system] if system == "github" => true,
            [system] => {
                let text = format!("Error: provided ci system {system:?} not supported");
                return Err(CommandError::new(text).hint("there are gitlab and github"));
            }
            others => {
                let text = format!(
                    "Error: requires 1 position argument(s), received {}",
                    others.len()
                );
                return Err(CommandError::new(text).hint("write kiel ci-env gitlab, or kiel ci-env github"));
            }
        };
        match self.script(is_github, form, echoes, context).await {
            Ok(text) if is_evaluated => print(&text),
            Ok(text) => self.write(form, &text, context),
            Err(error) => {
                if is_evaluated {
                    print("exit 1\n")?;
                }
                Err(error)
            }
        }
    }

    fn form(&self) -> Result<Form, CommandError> {
        let form = match self.shell.as_str() {
            "" | "default" => Form::Unix,
            "powershell" => Form::PowerShell,
            "cmdexe" => Form::CommandLine,
            other => {
                return Err(
                    CommandError::new(format!("Error: provided shell {other:?} not supported"))
                        .hint("there are default, powershell and cmdexe"),
                );
            }
        };
        Ok(if self.as_env_file { Form::EnvFile } else { form })
    }

    async fn script(
        &self,
        is_github: bool,
        form: Form,
        echoes: bool,
        context: &Context,
    ) -> Result<String, CommandError> {
        for secret in ["CI_JOB_TOKEN", "GITHUB_TOKEN"] {
            context.mask.hide(context.env.get(secret).unwrap_or_default());
        }
        // A mistake in werf.yaml is found before anything is written.
        let repo = if is_github {
            self.github_repository(context)?
        } else {
            None
        };
        let folder = self.docker_config(context)?;
        let login = if is_github {
            variables::github_login(&context.env)
        } else {
            variables::gitlab_login(&context.env)
        };
        if let Some(login) = login.filter(|_| self.login_to_registry) {
            self.log_in(login, &folder.join("config.json"), context).await?;
        }
        let folder = folder.display().to_string();
        let sections: Vec<Section> = if is_github {
            variables::github(&context.env, &folder, repo.as_deref())
        } else {
            variables::gitlab(&context.env, &folder)
        };
        Ok(script::write(&sections, form, echoes)?)
    }

    /// The default repository, if there is a project to name it.
    fn github_repository(&self, context: &Context) -> Result<Option<String>, CommandError> {
        if context.env.get("GITHUB_REPOSITORY").is_none() {
            return Ok(None);
        }
        if !variables::is_github(&context.env) {
            if context.env.get("WERF_REPO").is_none() {
                context.events.warn(format!(
                    "no repository is set: {} is GitHub's, this server has a registry of its own; set WERF_REPO",
                    variables::GITHUB_REGISTRY
                ));
            }
            return Ok(None);
        }
        match Project::open(&self.project, context) {
            Ok(project) => Ok(variables::github_repository(
                &context.env,
                &project.config.meta.project,
            )),
            Err(error) if matches!(error.cause(), Some(ConfigError::Missing { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn docker_config(&self, context: &Context) -> Result<PathBuf, CommandError> {
        let config = match context.env.get("DOCKER_AUTH_CONFIG") {
            _ if !self.use_docker_auth_config => None,
            Some(config) if serde_json::from_str::<serde_json::Value>(config).is_ok() => Some(config),
            Some(_) => {
                return Err(CommandError::new(
                    "cannot take $DOCKER_AUTH_CONFIG as Docker's configuration: it is no JSON",
                ));
            }
            None => {
                return Err(
                    CommandError::new("cannot take $DOCKER_AUTH_CONFIG: it is not set")
                        .hint("leave out --use-docker-auth-config, or set the variable"),
                );
            }
        };
        let home = || context.env.home().map(|home| home.join(".docker"));
        let from = self.registry.docker_config.clone().or_else(home);
        let folder = files::folder(&context.env.state_home())?;
        Ok(files::docker_config(&folder, &from.unwrap_or_default(), config)?)
    }

    async fn log_in(
        &self,
        login: Login,
        path: &std::path::Path,
        context: &Context,
    ) -> Result<(), CommandError> {
        let host = login.registry.split('/').next().unwrap_or_default();
        let credentials = Credentials::Password {
            user: login.user,
            secret: login.password,
        };
        let mut ca_files = context.env.family("registry-ca");
        ca_files.extend_from_slice(&self.registry.registry_ca);
        let options = RegistryOptions {
            insecure: if self.registry.insecure_registry {
                Insecure::All
            } else {
                Insecure::Never
            },
            skip_tls_verify: self.registry.skip_tls_verify_registry,
            ca_files: ca_files.into_iter().map(PathBuf::from).collect(),
            certificate_folders: certificate_folders(context),
            on_secret: context.secret_sink(),
            logins: [(host.to_owned(), credentials.clone())].into(),
            ..RegistryOptions::default()
        };
        Registry::new(options)?.try_login(host).await.map_err(|error| {
            CommandError::from(error)
                .hint("--login-to-registry=false leaves the login out, for jobs that have one already")
        })?;
        Ok(keep_login(path, host, &credentials).await?)
    }

    fn write(&self, form: Form, text: &str, context: &Context) -> CommandResult {
        if let Some(path) = &self.output_file_path {
            files::write(path, text.as_bytes(), 0o700)?;
            return Ok(std::process::ExitCode::SUCCESS);
        }
        let folder = files::folder(&context.env.state_home())?;
        let kind = if form == Form::EnvFile { ".env" } else { "source" };
        let prefix = format!("{kind}_{}_", jiff::Timestamp::now().as_second());
        let path = files::script(&folder, &prefix, form.extension(), text)?;
        print(&format!("{}\n", path.display()))
    }
}
