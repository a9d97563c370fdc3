//! Engines whose state a kill has left broken.

use anyhow::{Context, Result, ensure};

use super::engine::Bench;
use super::images;
use super::project::{Project, registry};

/// Folders of snapshots that the engine's database does not know, as an engine leaves them that is killed while it
/// makes a snapshot.
pub(crate) async fn snapshots(bench: Bench) -> Result<()> {
    let mut project = super::project(bench).await?;
    let first = project.build().await?;
    project.bench.wait_for_end()?;
    let engine = fs_err::read_dir(&project.bench.state)?
        .next()
        .context("an engine's state")??
        .path();
    let snapshots = engine.join("root/runc-overlayfs/snapshots/snapshots");
    let known = fs_err::read_dir(&snapshots)?
        .map(|entry| {
            Ok(entry?
                .file_name()
                .to_string_lossy()
                .parse::<u32>()
                .unwrap_or_default())
        })
        .collect::<Result<Vec<u32>>>()?;
    let last = known.iter().max().context("a snapshot")?;
    for id in last + 1..last + 4 {
        fs_err::create_dir_all(snapshots.join(id.to_string()).join("fs/usr/left"))?;
    }
    // Other commands on the same base: new snapshots are made.
    let mut changed = Project {
        repository: project.bench.repository("again")?,
        images: images(),
        registry: registry()?,
        ..project
    };
    changed.commit(&[("src/deps", Some("two\n")), ("web/in/a", Some("b\n"))])?;
    let second = changed.build().await?;
    ensure!(second.images.len() == first.images.len());
    changed.image(&second, "app").await?;
    let left = snapshots.join((last + 1).to_string()).join("fs/usr/left");
    ensure!(!left.exists(), "it stood in the way");
    Ok(())
}
