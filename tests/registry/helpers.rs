//! Credential helpers: they run in a process of their own, with a search path of its own.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use kiel::registry::{Registry, RegistryOptions};

use super::runtime;

/// The argument that makes this program ask for credentials: for what depends on the environment.
pub(crate) const CREDENTIALS: &str = "__credentials";

pub(crate) fn credentials_mode() -> Option<std::process::ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != CREDENTIALS {
        return None;
    }
    let (folder, host) = (arguments.next()?, arguments.next()?);
    let ask = || -> Result<Registry> {
        let docker_config = Some(PathBuf::from(folder));
        Ok(Registry::new(RegistryOptions {
            docker_config,
            ..RegistryOptions::default()
        })?)
    };
    let found = ask().and_then(|registry| Ok(runtime()?.block_on(registry.credentials(&host))?));
    eprintln!(
        "{found:?} {}",
        found.as_ref().err().map(ToString::to_string).unwrap_or_default()
    );
    Some(std::process::ExitCode::SUCCESS)
}

pub(crate) fn helpers() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let helper = |name: &str, script: &str| -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(format!("docker-credential-{name}"));
        fs_err::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        Ok(fs_err::set_permissions(
            path,
            std::fs::Permissions::from_mode(0o755),
        )?)
    };
    helper(
        "good",
        r#"read host; echo "{\"ServerURL\":\"$host\",\"Username\":\"$host\",\"Secret\":\"s3cret\"}""#,
    )?;
    helper("none", "echo credentials not found in native keychain; exit 1")?;
    helper("fails", "echo s3cret; echo s3cret >&2; exit 3")?;
    helper("junk", "echo s3cret")?;
    let config = serde_json::json!({"credsStore": "none", "credHelpers":
        {"good.test": "good", "fails.test": "fails", "junk.test": "junk", "path.test": "../good"}});
    fs_err::write(folder.path().join("config.json"), config.to_string())?;
    for (host, want) in [
        ("good.test", "user: \"good.test\""),
        ("other.test", "Ok(None)"),
        (
            "fails.test",
            "from `docker-credential-fails`: it ended with exit status: 3",
        ),
        ("junk.test", "its answer is not valid JSON"),
        ("path.test", "its name is not a program's name"),
    ] {
        let output = std::process::Command::new(std::env::current_exe()?)
            .args([CREDENTIALS, &folder.path().to_string_lossy(), host])
            .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
            .output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(text.contains(want) && !text.contains("s3cret"), "{host}: {text}");
    }
    Ok(())
}
