//! A certificate authority that nobody knows, and what it has signed for this machine.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The authority with one certificate for `localhost` and the loopback addresses; its files go with it.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    /// Makes authority, key and certificate.
    pub(crate) fn new() -> Result<Self> {
        let authority = Self {
            folder: tempfile::tempdir()?,
        };
        let curve = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ];
        let (ca, ca_key) = (authority.file("ca.pem"), authority.file("ca-key.pem"));
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-subj", "/CN=a CA of our own", "-days", "2"]);
        command
            .args(curve)
            .arg("-keyout")
            .arg(&ca_key)
            .arg("-out")
            .arg(&ca);
        run(command)?;
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-subj", "/CN=localhost", "-days", "2"]);
        command.args(curve).args([
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]);
        command.arg("-CA").arg(&ca).arg("-CAkey").arg(&ca_key);
        command.arg("-keyout").arg(authority.key());
        command.arg("-out").arg(authority.certificate());
        run(command)?;
        Ok(authority)
    }

    /// The authority's own certificate: what users are given.
    pub(crate) fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// The certificate for this machine.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.file("certificate.pem")
    }

    /// Its key.
    pub(crate) fn key(&self) -> PathBuf {
        self.file("key.pem")
    }

    /// Puts the authority where Docker looks for that of a registry: `FOLDER/HOST/ca.crt`.
    pub(crate) fn trust_in(&self, folder: &Path, host: &str) -> Result<()> {
        let folder = folder.join(host);
        fs_err::create_dir_all(&folder)?;
        fs_err::copy(self.ca(), folder.join("ca.crt"))?;
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The content of the first block of a PEM file.
pub(crate) fn der(path: &Path) -> Result<Vec<u8>> {
    use base64::Engine as _;
    let text = fs_err::read_to_string(path)?;
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1);
    let body: String = lines.take_while(|line| !line.starts_with("-----END")).collect();
    Ok(base64::engine::general_purpose::STANDARD.decode(body)?)
}

fn run(mut command: Command) -> Result<()> {
    let output = command.output().context("cannot run openssl")?;
    ensure!(
        output.status.success(),
        "openssl: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
