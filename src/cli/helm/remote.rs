//! Flags about servers that Helm's commands share, and the way to charts that follows from them.

use std::path::PathBuf;

use clap::Args;
use kiel_chart::Chart;

use super::HelmError;
use super::globals::HelmGlobals;
use super::signing::VerifyArgs;
use crate::charts::{
    self, ChartQuery, ChartReference, Charts, ChartsOptions, HelmFiles, Located, RepositoryEntry, is_oci,
};
use crate::cli::{Context, dependencies, images};
use crate::registry::{Credentials, Insecure, RegistryOptions};
use crate::ui;

/// How servers are reached.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Servers")]
pub(super) struct AccessArgs {
    /// User for the repository or registry
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    username: String,
    /// Password for the repository or registry
    #[arg(long, default_value = "", hide_default_value = true, value_name = "PASSWORD")]
    password: String,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Whose certificates are taken, and which one is shown.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Servers")]
pub(super) struct TrustArgs {
    /// File with the certificate by which the user is known
    #[arg(long, default_value = "", hide_default_value = true, value_name = "PATH")]
    pub(super) cert_file: String,
    /// File with the certificate's key
    #[arg(long, default_value = "", hide_default_value = true, value_name = "PATH")]
    pub(super) key_file: String,
    /// File with the authorities to trust beside the machine's own
    #[arg(long, default_value = "", hide_default_value = true, value_name = "PATH")]
    pub(super) ca_file: String,
}

/// What is taken without being safe.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Servers")]
pub(super) struct UnsafeArgs {
    /// Do not check certificates
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Use plain http for a registry
    #[arg(long)]
    plain_http: bool,
}

/// Which version of a chart, and from where.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Chart")]
pub(super) struct ChartPathArgs {
    /// Version or constraint, such as 1.2.3 or ^1.2 [default: the newest that is no prerelease]
    #[arg(long, default_value = "", hide_default_value = true, value_name = "VERSION")]
    pub(super) version: String,
    /// Prereleases too: as --version '>0.0.0-0'
    #[arg(long)]
    devel: bool,
    /// URL of the repository that has the chart
    #[arg(long, default_value = "", hide_default_value = true, value_name = "URL")]
    repo: String,
    /// Send user and password to whatever host the repository names
    #[arg(long)]
    pass_credentials: bool,
    #[command(flatten)]
    pub(super) verification: VerifyArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    risks: UnsafeArgs,
}

/// Where the user's files are.
pub(super) fn files(globals: &HelmGlobals, context: &Context) -> HelmFiles {
    let mut files = dependencies::helm_files(&context.env);
    for (given, path) in [
        (&globals.registry_config, &mut files.registry_config),
        (&globals.repository_config, &mut files.repository_config),
        (&globals.repository_cache, &mut files.repository_cache),
    ] {
        if let Some(given) = given.as_deref().filter(|given| !given.is_empty()) {
            *path = PathBuf::from(given);
        }
    }
    files
}

/// The way to charts; user and password are for these registries.
pub(super) fn charts(
    globals: &HelmGlobals,
    entry: &RepositoryEntry,
    plain_http: bool,
    registries: &[String],
    context: &Context,
) -> Charts {
    let files = files(globals, context);
    let env = &context.env;
    let docker = env.get("DOCKER_CONFIG").map(PathBuf::from);
    let mut registry = RegistryOptions {
        docker_config: docker.or_else(|| Some(env.home()?.join(".docker"))),
        credential_files: vec![files.registry_config.clone()],
        ..registry_options(plain_http, context)
    };
    context.mask.hide(&entry.password);
    if !entry.username.is_empty() && !entry.password.is_empty() {
        for name in registries {
            let credentials = Credentials::Password {
                user: entry.username.clone(),
                secret: entry.password.clone(),
            };
            registry.logins.insert(name.clone(), credentials);
        }
    }
    Charts::new(ChartsOptions {
        registry,
        registry_access: entry.clone(),
        files,
        cache: Some(dependencies::cache(env)),
        skip_refresh: false,
    })
}

/// How registries are reached: as by kiel's own commands, whose variables count here too.
pub(super) fn registry_options(plain_http: bool, context: &Context) -> RegistryOptions {
    let files = context.env.family("registry-ca").into_iter().map(PathBuf::from);
    RegistryOptions {
        certificate_folders: images::certificate_folders(context),
        ca_files: files.collect(),
        token_hosts: context.env.family("registry-token-host"),
        insecure: if plain_http {
            Insecure::All
        } else {
            Insecure::Never
        },
        on_secret: context.secret_sink(),
        ..RegistryOptions::default()
    }
}

/// The registry that a reference names, if it is one.
pub(super) fn registry_of(reference: &str) -> Option<String> {
    let reference = is_oci(reference).then(|| ChartReference::parse(reference))?;
    Some(reference.ok()?.registry().to_owned())
}

impl AccessArgs {
    /// The flags as an entry of nobody's repository.
    pub(super) fn entry(&self, risks: &UnsafeArgs) -> RepositoryEntry {
        RepositoryEntry {
            username: self.username.clone(),
            password: self.password.clone(),
            ..self.trust.entry(risks.insecure_skip_tls_verify)
        }
    }
}

impl UnsafeArgs {
    pub(super) fn plain_http(&self) -> bool {
        self.plain_http
    }
}

impl TrustArgs {
    pub(super) fn entry(&self, takes_any: bool) -> RepositoryEntry {
        RepositoryEntry {
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            ca_file: self.ca_file.clone(),
            insecure_skip_tls_verify: takes_any,
            ..RepositoryEntry::default()
        }
    }
}

impl ChartPathArgs {
    /// How servers are reached.
    pub(super) fn access(&self) -> (AccessArgs, UnsafeArgs) {
        (self.access.clone(), self.risks.clone())
    }

    /// The way to this chart.
    pub(super) fn charts(&self, name: &str, globals: &HelmGlobals, context: &Context) -> Charts {
        let registries: Vec<String> = registry_of(name).into_iter().collect();
        let query = self.query(false);
        charts(
            globals,
            &query.access,
            self.risks.plain_http,
            &registries,
            context,
        )
    }

    /// Whether `--repo` names the repository.
    pub(super) fn has_repository(&self) -> bool {
        !self.repo.is_empty()
    }

    /// What is asked for; the provenance file too where charts have to be signed.
    pub(super) fn query(&self, with_provenance: bool) -> ChartQuery {
        let version = match self.version.as_str() {
            "" if self.devel => ">0.0.0-0",
            version => version,
        };
        ChartQuery {
            version: version.to_owned(),
            access: RepositoryEntry {
                url: self.repo.clone(),
                pass_credentials_all: self.pass_credentials,
                ..self.access.entry(&self.risks)
            },
            with_provenance: with_provenance || self.verification.is_wanted(),
        }
    }

    /// Finds a chart wherever it is.
    pub(super) async fn locate(
        &self,
        name: &str,
        globals: &HelmGlobals,
        context: &Context,
    ) -> Result<Located, HelmError> {
        let charts = self.charts(name, globals, context);
        let located = charts.locate(name, &self.query(false)).await?;
        match &located {
            Located::Path(_) => self.verification.check_file(name.trim(), &context.env)?,
            Located::Archive(found) => {
                note(&found.notes);
                self.verification.check_download(found, &context.env)?;
            }
        }
        Ok(located)
    }

    /// Loads a chart from wherever it is.
    pub(super) async fn load(
        &self,
        name: &str,
        globals: &HelmGlobals,
        context: &Context,
    ) -> Result<Chart, HelmError> {
        open(&self.locate(name, globals, context).await?)
    }
}

/// Loads a chart that was found.
pub(super) fn open(located: &Located) -> Result<Chart, HelmError> {
    Ok(match located {
        Located::Path(path) => charts::load(path)?,
        Located::Archive(found) => kiel_chart::load_archive(&found.archive)?,
    })
}

/// As [`open`], for who asks [`Chart::unreadable`] before the chart's files are used.
pub(super) fn open_late(located: &Located) -> Result<Chart, HelmError> {
    match located {
        Located::Path(path) => Ok(charts::load_late(path)?),
        Located::Archive(_) => open(located),
    }
}

/// Tells something beside the output.
pub(super) fn note(text: &str) {
    let text = text.trim_end_matches('\n');
    if !text.is_empty() {
        ui::print(text);
    }
}

/// Tells something as part of the output; who reads it no longer misses nothing.
pub(super) fn say(text: &str) {
    let _closed = ui::data(text);
}
