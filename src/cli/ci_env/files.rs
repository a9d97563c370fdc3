//! What a job's script leaves on the machine: the script itself, and a folder with Docker's configuration that the
//! job may log in with. Both are their owner's alone, and gone after a week.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use fs_err::os::unix::fs::{OpenOptionsExt as _, symlink};

/// No job runs longer.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The folder for scripts and configurations; what is old in it goes.
pub(super) fn folder(state_home: &Path) -> io::Result<PathBuf> {
    let folder = state_home.join("tmp/ci_env");
    make_folder(&folder)?;
    for entry in fs::read_dir(&folder)?.flatten() {
        let age = entry.metadata().and_then(|found| found.modified());
        let is_old = age.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > KEPT));
        if is_old {
            // Another job may be at it too.
            drop(fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path())));
        }
    }
    Ok(folder)
}

/// A folder with a copy of Docker's configuration, or with this one. What else Docker keeps beside it is linked.
pub(super) fn docker_config(folder: &Path, from: &Path, config: Option<&str>) -> io::Result<PathBuf> {
    let made = tempfile::Builder::new()
        .prefix("docker_config_")
        .tempdir_in(folder)?;
    let to = made.path();
    match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(entries) => {
            let from = std::path::absolute(from)?;
            for entry in entries {
                let name = entry?.file_name();
                if name != "config.json" {
                    symlink(from.join(&name), to.join(&name))?;
                }
            }
        }
    }
    let content = match config {
        Some(config) => Some(config.as_bytes().to_vec()),
        None => match fs::read(from.join("config.json")) {
            Ok(content) => Some(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        },
    };
    if let Some(content) = content {
        write(&to.join("config.json"), &content, 0o600)?;
    }
    Ok(made.keep())
}

/// Writes the script to a new file of a folder.
pub(super) fn script(folder: &Path, prefix: &str, extension: &str, text: &str) -> io::Result<PathBuf> {
    use std::io::Write as _;
    let mut file = tempfile::Builder::new()
        .prefix(prefix)
        .suffix(extension)
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    let (_, path) = file.keep()?;
    Ok(path)
}

/// Writes the script to the user's file, which it replaces.
pub(super) fn write(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    options.open(path)?.write_all(text)
}

fn make_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_folder_is_there_again_and_its_own_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let docker = home.path().join("docker");
        fs::create_dir_all(docker.join("contexts/meta")).unwrap();
        fs::write(docker.join("config.json"), "{}").unwrap();
        let folder = folder(home.path()).unwrap();
        let made = docker_config(&folder, &docker, None).unwrap();
        fs::write(made.join("config.json"), "{\"auths\": {}}").unwrap();
        assert_eq!(fs::read_to_string(docker.join("config.json")).unwrap(), "{}");
        assert!(made.join("contexts/meta").is_dir());
        let given = docker_config(&folder, &home.path().join("nowhere"), Some("{\"a\": 1}")).unwrap();
        assert_eq!(
            fs::read_to_string(given.join("config.json")).unwrap(),
            "{\"a\": 1}"
        );
    }

    #[test]
    fn what_is_a_week_old_goes() {
        let home = tempfile::tempdir().unwrap();
        let made = folder(home.path()).unwrap();
        let (old, new) = (made.join("source_old"), made.join("source_new"));
        fs::write(&old, "").unwrap();
        fs::write(&new, "").unwrap();
        let before = std::time::SystemTime::now() - KEPT - Duration::from_secs(60);
        fs::OpenOptions::new()
            .write(true)
            .open(&old)
            .unwrap()
            .set_modified(before)
            .unwrap();
        folder(home.path()).unwrap();
        assert!(!old.exists() && new.exists());
    }
}
