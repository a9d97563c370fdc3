//! A real registry (distribution) on loopback.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::authority::Authority;

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
    program: PathBuf,
    more: String,
    folder: tempfile::TempDir,
    authority: Option<Authority>,
}

/// What a registry asks of its clients.
pub(crate) enum Login {
    /// Nothing.
    None,
    /// The password `p-kiel` of the account `kiel`.
    Password,
    /// What this part of its configuration says.
    Other(String),
}

/// `kiel` with password `p-kiel`, hashed by bcrypt.
const HTPASSWD: &str = "kiel:$2b$05$abcdefghijklmnopqrstuuEIPafB8E6Jz4XkJUl5QRRNysbdiTNA6\n";

impl Server {
    /// Starts a registry, with the account `kiel`/`p-kiel` if `password` is set.
    pub(crate) fn start(program: &Path, password: bool) -> Result<Self> {
        Self::start_with(
            program,
            if password { &Login::Password } else { &Login::None },
            None,
        )
    }

    /// Starts a registry with a certificate that nobody knows.
    pub(crate) fn start_with_tls(program: &Path) -> Result<Self> {
        let authority = Authority::new()?;
        let mut server = Self::start_with(program, &Login::None, Some(&authority))?;
        server.authority = Some(authority);
        Ok(server)
    }

    /// Starts a registry on a free port.
    pub(crate) fn start_with(program: &Path, login: &Login, authority: Option<&Authority>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let tls = authority.map_or_else(String::new, |authority| {
            let (key, certificate) = (authority.key(), authority.certificate());
            format!(
                "  tls: {{certificate: {}, key: {}}}\n",
                certificate.display(),
                key.display()
            )
        });
        let login = match login {
            Login::None => String::new(),
            Login::Password => {
                let path = folder.path().join("htpasswd");
                fs_err::write(&path, HTPASSWD)?;
                format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", path.display())
            }
            Login::Other(config) => config.clone(),
        };
        let data = folder.path().join("data");
        let (child, address) = run(
            program,
            folder.path(),
            &data,
            "127.0.0.1:0",
            &format!("{tls}{login}"),
        )?;
        Ok(Self {
            child,
            address,
            program: program.to_owned(),
            more: format!("{tls}{login}"),
            folder,
            authority: None,
        })
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again on its port, with what it had stored.
    pub(crate) fn restart(&mut self) -> Result<()> {
        let data = self.folder.path().join("data");
        (self.child, _) = run(
            &self.program,
            self.folder.path(),
            &data,
            &self.address,
            &self.more,
        )?;
        Ok(())
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

fn run(program: &Path, folder: &Path, data: &Path, address: &str, more: &str) -> Result<(Child, String)> {
    let config = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp:\n  addr: {address}\n{more}",
        data.display()
    );
    let path = folder.join("config.yml");
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
    let mut said = Vec::new();
    for line in lines.by_ref() {
        let line = line?;
        if let Some((_, rest)) = line.split_once("listening on ") {
            address = rest.split(['"', ' ', ',']).next().map(str::to_owned);
            break;
        }
        said.push(line);
    }
    // A full pipe would stop the registry.
    std::thread::spawn(move || lines.for_each(drop));
    let address = address.with_context(|| format!("the registry does not listen: {}", said.join("\n")))?;
    Ok((child, address))
}
