//! `kiel helm registry`: logins to registries, in the file that Helm keeps them in.

use std::io::{IsTerminal as _, Read as _};

use clap::{Args, Subcommand};

use super::globals::HelmGlobals;
use super::remote::{TrustArgs, files, registry_options};
use super::{HelmError, HelmResult};
use crate::cli::Context;
use crate::registry::{Credentials, DOCKER_HUB, Registry, RegistryOptions, forget_login, keep_login};
use crate::ui;

/// What is done about a login.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommands {
    /// Try a login and keep it
    Login(Box<LoginCommand>),
    /// Forget a login
    Logout(LogoutCommand),
}

/// Which login.
#[derive(Debug, Args)]
pub(crate) struct LoginCommand {
    /// The registry, such as registry.example.com:5000
    #[arg(value_name = "HOST")]
    host: String,
    /// User
    #[arg(
        long,
        short = 'u',
        default_value = "",
        hide_default_value = true,
        value_name = "NAME"
    )]
    username: String,
    /// Password or identity token
    #[arg(
        long,
        short = 'p',
        default_value = "",
        hide_default_value = true,
        value_name = "PASSWORD"
    )]
    password: String,
    /// Read the password or identity token from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Do not check the registry's certificate
    #[arg(long)]
    insecure: bool,
    /// Use plain http
    #[arg(long)]
    plain_http: bool,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Which login.
#[derive(Debug, Args)]
pub(crate) struct LogoutCommand {
    /// The registry
    #[arg(value_name = "HOST")]
    host: String,
}

impl RegistryCommands {
    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        match self {
            Self::Login(command) => command.run(globals, context).await,
            Self::Logout(command) => {
                let path = files(globals, context).registry_config;
                forget_login(&path, name_of(&command.host)).await?;
                ui::print(&format!("Removing login credentials for {}", command.host));
                Ok(())
            }
        }
    }
}

impl LoginCommand {
    async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let host = stripped(&self.host);
        let (user, secret) = self.user_and_password()?;
        context.mask.hide(&secret);
        let credentials = if user.is_empty() {
            Credentials::Identity(secret)
        } else {
            Credentials::Password { user, secret }
        };
        let name = name_of(host);
        let mut options = RegistryOptions {
            skip_tls_verify: self.insecure,
            ..registry_options(self.plain_http, context)
        };
        if !self.trust.ca_file.is_empty() {
            options.ca_files.push(self.trust.ca_file.clone().into());
        }
        if !self.trust.cert_file.is_empty() && !self.trust.key_file.is_empty() {
            let TrustArgs {
                cert_file, key_file, ..
            } = &self.trust;
            options.client_certificate = Some((cert_file.into(), key_file.into()));
        }
        options.logins.insert(name.to_owned(), credentials.clone());
        Registry::new(options)?
            .try_login(name)
            .await
            .map_err(|error| HelmError(format!("authenticating to {host:?}: {error}")))?;
        let path = files(globals, context).registry_config;
        keep_login(&path, name, &credentials).await?;
        ui::print("Login Succeeded");
        Ok(())
    }

    fn user_and_password(&self) -> Result<(String, String), HelmError> {
        if self.password_stdin {
            return Ok((self.username.clone(), read_input()?));
        }
        if !self.password.is_empty() {
            ui::print("WARNING: Using --password via the CLI is insecure. Use --password-stdin.");
            return Ok((self.username.clone(), self.password.clone()));
        }
        let user = match self.username.as_str() {
            "" => ask("Username: ", false)?.trim().to_owned(),
            user => user.to_owned(),
        };
        let (question, missing) = if user.is_empty() {
            ("Token: ", "token required")
        } else {
            ("Password: ", "password required")
        };
        let secret = ask(question, true)?;
        if secret.is_empty() {
            return Err(HelmError(missing.to_owned()));
        }
        Ok((user, secret))
    }
}

/// The name under which credentials go.
fn name_of(host: &str) -> &str {
    match host {
        "registry-1.docker.io" | "index.docker.io" => DOCKER_HUB,
        host => host,
    }
}

/// Go: a scheme and a path are dropped, as former versions of Helm took them.
fn stripped(host: &str) -> &str {
    let plain = ["oci://", "http://", "https://"]
        .into_iter()
        .find_map(|scheme| host.strip_prefix(scheme));
    let plain = plain.unwrap_or(host);
    plain.split_once('/').map_or(plain, |(host, _)| host)
}

/// All of standard input, without its line break.
pub(super) fn read_input() -> Result<String, HelmError> {
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// A line that the user types, unseen if it is secret.
pub(super) fn ask(question: &str, is_secret: bool) -> Result<String, HelmError> {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    ui::data(question)?;
    let stdin = std::io::stdin();
    let shown = (is_secret && stdin.is_terminal())
        .then(|| tcgetattr(&stdin))
        .transpose()?;
    if let Some(shown) = &shown {
        let mut hidden = shown.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&stdin, SetArg::TCSANOW, &hidden)?;
    }
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    if let Some(shown) = &shown {
        tcsetattr(&stdin, SetArg::TCSANOW, shown)?;
    }
    if is_secret {
        ui::data("\n")?;
    }
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
