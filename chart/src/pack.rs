//! Charts to archives, as `helm package` lays them out; what `load_archive` reads.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use kiel_template::Value;

use crate::metadata::Metadata;
use crate::model::Chart;

/// What Helm puts into the head of its archives.
const MARK: &[u8] = b"+aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo=";

/// Why a chart can't be packed.
#[derive(Debug, thiserror::Error)]
#[error("cannot pack chart `{name}`: {reason}")]
pub struct PackError {
    name: String,
    reason: String,
}

/// The archive of a chart with all its dependencies; `time` is that of its files, in seconds since 1970.
///
/// # Errors
/// A name or a path that archives can't hold.
pub fn pack(chart: &Chart, time: u64) -> Result<Vec<u8>, PackError> {
    let failed = |error: std::io::Error| PackError {
        name: chart.name().to_owned(),
        reason: error.to_string(),
    };
    let zipper = GzBuilder::new()
        .extra(MARK)
        .comment("Helm")
        .write(Vec::new(), Compression::default());
    let mut tar = tar::Builder::new(zipper);
    add(&mut tar, chart, "", time).map_err(failed)?;
    let mut zipper = tar.into_inner().map_err(failed)?;
    zipper.flush().map_err(failed)?;
    zipper.finish().map_err(failed)
}

fn add<W: std::io::Write>(
    tar: &mut tar::Builder<W>,
    chart: &Chart,
    prefix: &str,
    time: u64,
) -> std::io::Result<()> {
    let base = format!("{prefix}{}/", chart.name());
    let mut put = |name: &str, data: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(time);
        tar.append_data(&mut header, format!("{base}{name}"), data)
    };
    put("Chart.yaml", chart_file(&chart.metadata).as_bytes())?;
    if chart.metadata.api_version == "v2"
        && let Some(lock) = &chart.lock
    {
        put("Chart.lock", lock.to_yaml().as_bytes())?;
    }
    if let Some(values) = &chart.values_text {
        put("values.yaml", values)?;
    }
    if let Some(schema) = &chart.schema {
        put("values.schema.json", schema)?;
    }
    for file in chart.templates.iter().chain(&chart.files) {
        put(&file.name, &file.data)?;
    }
    let prefix = format!("{base}charts/");
    chart
        .dependencies
        .iter()
        .try_for_each(|dependency| add(tar, dependency, &prefix, time))
}

/// Go: the dependencies of an old chart stand in its other file.
fn chart_file(metadata: &Metadata) -> String {
    let mut json = metadata.to_json();
    if metadata.api_version == "v1"
        && let Some(fields) = json.as_object_mut()
    {
        fields.shift_remove("dependencies");
    }
    kiel_template::yaml::to_string(&Value::from_json(&json)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tree::TestTree;
    use crate::{Profile, load, load_archive};

    #[test]
    fn what_is_packed_is_read_again() {
        let files = [
            (
                "Chart.yaml",
                "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies:\n- {name: sub, version: 1.x}\n",
            ),
            (
                "Chart.lock",
                "dependencies:\n- {name: sub, version: 1.0.0}\ndigest: sha256:aa\ngenerated: \"2024-01-02T03:04:05Z\"\n",
            ),
            ("values.yaml", "# kept\na: 1\n"),
            ("values.schema.json", "{}"),
            ("templates/t.yaml", "x"),
            ("README.md", "r"),
            (
                "charts/sub/Chart.yaml",
                "apiVersion: v1\nname: sub\nversion: 1.0.0\n",
            ),
            (
                "charts/sub/requirements.yaml",
                "dependencies:\n- {name: z, version: \"1\"}\n",
            ),
            ("charts/sub/templates/s.yaml", "y"),
        ];
        let chart = load(&TestTree::new("c", &files), "c", &Profile::Helm).unwrap();
        let archive = pack(&chart, 1_700_000_000).unwrap();
        assert_eq!(archive, pack(&chart, 1_700_000_000).unwrap());
        let read = load_archive(&archive).unwrap();
        assert_eq!(format!("{read:?}"), format!("{chart:?}"));
    }
}
