//! A real registry (distribution) on loopback, and a fake server for faults that a real one does not have.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:0\n",
            folder.path().join("data").display()
        );
        if password {
            let path = folder.path().join("htpasswd");
            fs_err::write(&path, HTPASSWD)?;
            config += &format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", path.display());
        }
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
                address = rest.split(['"', ' ']).next().map(str::to_owned);
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

/// A request as the fake server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
}

/// A server that answers by a function, raw bytes to raw bytes; empty bytes reset the connection.
pub(crate) struct Fake {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Fake {
    /// Answers the n-th request with `answer(request, n)`.
    pub(crate) async fn start(
        answer: impl Fn(&Seen, usize) -> Vec<u8> + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (seen.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer) = (log.clone(), answer.clone());
                tokio::spawn(async move { drop(serve(stream, &log, answer.as_ref()).await) });
            }
        });
        Ok(Self { address, seen, task })
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics while holding it").clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Seen>>,
    answer: &(impl Fn(&Seen, usize) -> Vec<u8> + Sync),
) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let text = String::from_utf8(head)?;
    let header = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let length: usize = header("content-length").map_or(Ok(0), |text| text.parse())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let seen = Seen {
        line: text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_end_matches(" HTTP/1.1")
            .to_owned(),
        authorization: header("authorization"),
    };
    let number = {
        let mut log = log.lock().expect("no test panics while holding it");
        log.push(seen.clone());
        log.len()
    };
    let bytes = answer(&seen, number);
    if bytes.is_empty() {
        bail!("reset");
    }
    stream.write_all(&bytes).await?;
    stream.shutdown().await?;
    Ok(())
}

/// An HTTP answer with these header lines.
pub(crate) fn http(status: u16, headers: &[String], body: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for header in headers {
        head += &format!("{header}\r\n");
    }
    head += "\r\n";
    [head.as_bytes(), body].concat()
}
