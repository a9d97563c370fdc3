//! `kiel helm pull`: charts from repositories, registries and the web, as archives or unpacked.

use std::path::{Path, PathBuf};

use clap::Args;

use super::globals::HelmGlobals;
use super::remote::{ChartPathArgs, note, say};
use super::{HelmError, HelmResult};
use crate::charts::{self, Downloaded, Provenance};
use crate::cli::Context;

/// Download charts and, if wanted, unpack them
#[derive(Debug, Args)]
pub(crate) struct PullCommand {
    /// REPOSITORY/CHART, a URL, or oci://HOST/PATH
    #[arg(value_name = "CHART", required = true)]
    names: Vec<String>,
    /// Unpack the chart
    #[arg(long)]
    untar: bool,
    /// Folder to unpack to, below --destination
    #[arg(long, default_value = ".", value_name = "DIR")]
    untardir: PathBuf,
    /// Folder for the archive
    #[arg(long, short = 'd', default_value = ".", value_name = "DIR")]
    destination: PathBuf,
    /// The provenance file too, unchecked unless --verify is given
    #[arg(long)]
    prov: bool,
    #[command(flatten)]
    chart: ChartPathArgs,
}

impl PullCommand {
    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        for name in &self.names {
            self.pull(name, globals, context).await?;
        }
        Ok(())
    }

    async fn pull(&self, name: &str, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let charts = self.chart.charts(name, globals, context);
        let found = charts.get(name, &self.chart.query(self.prov)).await?;
        note(&found.notes);
        let verified = self.chart.verification.check_download(&found, &context.env)?;
        if self.untar {
            self.unpack(name, &found.archive)?;
        } else {
            self.save(&found)?;
        }
        if let Provenance::Missing { url, reason } = &found.provenance {
            let archive = url.strip_suffix(".prov").unwrap_or(url);
            let shown = if self.chart.has_repository() {
                archive
            } else {
                name
            };
            say(&format!(
                "WARNING: Verification not found for {shown}: {reason}\n"
            ));
        }
        if let Some(verified) = verified {
            say(&verified.to_string());
        }
        Ok(())
    }

    fn save(&self, found: &Downloaded) -> HelmResult {
        write(&self.destination.join(&found.file_name), &found.archive)?;
        if let Provenance::Found(content) = &found.provenance {
            let name = format!("{}.prov", found.file_name);
            write(&self.destination.join(name), content)?;
        }
        Ok(())
    }

    fn unpack(&self, name: &str, archive: &[u8]) -> HelmResult {
        let folder = self.destination.join(&self.untardir);
        // Go: paths are cleaned when they are joined.
        let folder: PathBuf = folder.components().collect();
        let last = name.rsplit('/').next().unwrap_or_default();
        let taken = if folder == Path::new(".") || folder.as_os_str().is_empty() {
            PathBuf::from(last)
        } else {
            folder.join(last)
        };
        if fs_err::symlink_metadata(&taken).is_ok() {
            return Err(HelmError(format!(
                "failed to untar: a file or directory with the name {} already exists",
                taken.display()
            )));
        }
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &folder
        };
        charts::expand(archive, folder)?;
        Ok(())
    }
}

fn write(path: &Path, content: &[u8]) -> HelmResult {
    fs_err::write(path, content).map_err(|error| match error.kind() {
        // Go: os.PathError.
        std::io::ErrorKind::NotFound => {
            HelmError(format!("open {}: no such file or directory", path.display()))
        }
        _ => error.into(),
    })
}
