//! A real registry (distribution) on loopback.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The program of this name in `KIEL_TEST_BIN`, else on PATH.
#[expect(clippy::disallowed_methods, reason = "a test's environment is its input")]
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("KIEL_TEST_BIN")
        .into_iter()
        .chain(std::env::var_os("PATH"));
    let folders: Vec<PathBuf> = folders
        .flat_map(|list| std::env::split_paths(&list).collect::<Vec<_>>())
        .collect();
    folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// A registry process with its own storage; it ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    _folder: tempfile::TempDir,
}

/// `kiel` with password `p-kiel`, hashed by bcrypt.
const HTPASSWD: &str = "kiel:$2b$05$abcdefghijklmnopqrstuuEIPafB8E6Jz4XkJUl5QRRNysbdiTNA6\n";

impl Server {
    /// Starts a registry, with the account `kiel`/`p-kiel` if `password` is set.
    pub(crate) fn start(program: &Path, password: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut more = String::new();
        if password {
            let path = folder.path().join("htpasswd");
            fs_err::write(&path, HTPASSWD)?;
            more = format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", path.display());
        }
        Self::run(program, folder, &more)
    }

    /// Starts a registry with a certificate that nobody knows.
    #[allow(dead_code, reason = "not every test file needs it")]
    pub(crate) fn start_with_tls(program: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (key, certificate) = (
            folder.path().join("key.pem"),
            folder.path().join("certificate.pem"),
        );
        let output = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ])
            .args([
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-days",
                "2",
                "-keyout",
            ])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .context("cannot run openssl")?;
        ensure!(
            output.status.success(),
            "openssl: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let (key, certificate) = (key.display(), certificate.display());
        let more = format!("  tls: {{certificate: {certificate}, key: {key}}}\n");
        Self::run(program, folder, &more)
    }

    fn run(program: &Path, folder: tempfile::TempDir, more: &str) -> Result<Self> {
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:0\n{more}",
            folder.path().join("data").display()
        );
        let path = folder.path().join("config.yml");
        fs_err::write(&path, config)?;
        let mut child = Command::new(program)
            .arg("serve")
            .arg(&path)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("stderr is piped")?).lines();
        let mut address = None;
        for line in lines.by_ref() {
            let line = line?;
            if let Some((_, rest)) = line.split_once("listening on ") {
                address = rest.split(['"', ' ', ',']).next().map(str::to_owned);
                break;
            }
        }
        // A full pipe would stop the registry.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.context("the registry does not listen")?;
        Ok(Self {
            child,
            address,
            _folder: folder,
        })
    }

    /// A docker configuration folder with the account for this registry.
    pub(crate) fn docker_config(&self, password: &str) -> Result<tempfile::TempDir> {
        let folder = tempfile::tempdir()?;
        let config =
            serde_json::json!({"auths": {&self.address: {"username": "kiel", "password": password}}});
        fs_err::write(folder.path().join("config.json"), config.to_string())?;
        Ok(folder)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
