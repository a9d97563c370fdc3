//! `kiel helm push`: an archive to a registry, where Helm finds it.

use std::path::Path;

use clap::Args;
use jiff::tz::TimeZone;

use super::globals::HelmGlobals;
use super::remote::{AccessArgs, UnsafeArgs, charts, note, registry_of};
use super::{HelmError, HelmResult, go_files};
use crate::charts::{self, is_oci};
use crate::cli::Context;

/// Upload an archive to a registry
#[derive(Debug, Args)]
pub(crate) struct PushCommand {
    /// The archive
    #[arg(value_name = "CHART")]
    chart: String,
    /// oci://HOST/PATH, below which the chart's name and version are added
    #[arg(value_name = "REMOTE")]
    remote: String,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    risks: UnsafeArgs,
}

impl PushCommand {
    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let Self { chart, remote, .. } = &self;
        if !is_oci(remote) {
            let scheme = remote.split_once("://").map_or("", |(scheme, _)| scheme);
            return Err(HelmError(format!("scheme {scheme:?} not supported")));
        }
        let path = Path::new(chart);
        let kind = fs_err::metadata(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => HelmError(format!("{chart}: no such file")),
            _ => error.into(),
        })?;
        if kind.is_dir() {
            return Err(HelmError(
                "cannot push directory, must provide chart archive (.tgz)".to_owned(),
            ));
        }
        let loaded = charts::load(path)?;
        let archive = fs_err::read(path)?;
        let beside = format!("{chart}.prov");
        let provenance = match fs_err::exists(&beside)? {
            true => Some(go_files::read(&beside)?),
            false => None,
        };
        let created = rfc3339(kind.modified()?)?;
        let registries: Vec<String> = registry_of(&format!("{}/x", remote.trim_end_matches('/')))
            .into_iter()
            .collect();
        let charts = charts(
            globals,
            &self.access.entry(&self.risks),
            self.risks.plain_http(),
            &registries,
            context,
        );
        let provenance = provenance.map(Into::into);
        let pushed = charts
            .push(archive.into(), &loaded.metadata, provenance, remote, &created)
            .await?;
        note(&pushed);
        Ok(())
    }
}

/// Go: the local time by RFC 3339, in whole seconds.
fn rfc3339(time: std::time::SystemTime) -> Result<String, HelmError> {
    let time = jiff::Timestamp::try_from(time)?.to_zoned(TimeZone::system());
    let form = if time.offset().seconds() == 0 {
        "%Y-%m-%dT%H:%M:%SZ"
    } else {
        "%Y-%m-%dT%H:%M:%S%:z"
    };
    Ok(time.strftime(form).to_string())
}
