//! The Kubernetes API over `kubectl proxy` on a Unix socket: plain HTTP/1.1 without TLS, so that this crate needs
//! no HTTP library. One connection per client, kept alive; answers and watches are JSON.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A client; connects when it is first used, and again after an error.
pub(crate) struct Client {
    socket: PathBuf,
    connection: Option<BufReader<UnixStream>>,
}

impl Client {
    pub(crate) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_path_buf(),
            connection: None,
        }
    }

    /// Sends a request; gives the status and the answer. A connection that the server has closed meanwhile is
    /// made again once.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<(u16, Value)> {
        let fresh = self.connection.is_none();
        let answer = self.try_send(method, path, body);
        let answer = if answer.is_err() && !fresh {
            self.try_send(method, path, body)
        } else {
            answer
        };
        answer.with_context(|| format!("cannot {method} {path}"))
    }

    fn try_send(&mut self, method: &str, path: &str, body: Option<(&str, &Value)>) -> Result<(u16, Value)> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => BufReader::new(UnixStream::connect(&self.socket)?),
        };
        write_request(connection.get_mut(), method, path, body)?;
        let (status, kind) = read_head(&mut connection)?;
        let mut text = Vec::new();
        let mut rest = Body {
            connection,
            kind,
            left: 0,
        };
        if let Kind::Sized(size) = rest.kind {
            rest.left = size;
        }
        rest.read_to_end(&mut text)?;
        if !matches!(rest.kind, Kind::UntilClosed) {
            self.connection = Some(rest.connection);
        }
        Ok((status, serde_json::from_slice(&text).unwrap_or(Value::Null)))
    }

    /// The lines of a watch, until the server ends it; on a connection of its own.
    pub(crate) fn watch(&self, path: &str) -> Result<impl Iterator<Item = Result<Value>> + use<>> {
        let mut connection = BufReader::new(UnixStream::connect(&self.socket)?);
        write_request(connection.get_mut(), "GET", path, None)?;
        let (status, kind) = read_head(&mut connection)?;
        if status != 200 {
            bail!("cannot watch {path}: status {status}");
        }
        let left = if let Kind::Sized(size) = kind { size } else { 0 };
        let lines = BufReader::new(Body {
            connection,
            kind,
            left,
        })
        .lines();
        Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
    }
}

fn write_request(
    stream: &mut UnixStream,
    method: &str,
    path: &str,
    body: Option<(&str, &Value)>,
) -> Result<()> {
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n").into_bytes();
    if let Some((kind, body)) = body {
        let body = body.to_string();
        let length = body.len();
        request.extend(format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n").into_bytes());
        request.extend(body.into_bytes());
    } else {
        request.extend(b"\r\n");
    }
    Ok(stream.write_all(&request)?)
}

/// How the end of a body is found.
#[derive(Clone, Copy)]
enum Kind {
    Sized(usize),
    Chunked,
    UntilClosed,
    Ended,
}

fn read_head(connection: &mut impl BufRead) -> Result<(u16, Kind)> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("`{}` is no HTTP answer", line.trim_end()))?;
    let mut kind = Kind::UntilClosed;
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Ok((status, kind));
        };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", size) => kind = Kind::Sized(size.parse()?),
            ("transfer-encoding", "chunked") => kind = Kind::Chunked,
            _ => {}
        }
    }
}

struct Body {
    connection: BufReader<UnixStream>,
    kind: Kind,
    /// What is left of the body, or of the chunk.
    left: usize,
}

impl Body {
    fn next_chunk(&mut self) -> std::io::Result<()> {
        let mut line = String::new();
        self.connection.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16)
            .map_err(|_| std::io::Error::other("the size of a chunk cannot be read"))?;
        if size == 0 {
            self.connection.read_line(&mut line)?;
            self.kind = Kind::Ended;
        }
        self.left = size;
        Ok(())
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            match self.kind {
                Kind::Chunked => self.next_chunk()?,
                Kind::UntilClosed => return self.connection.read(buffer),
                Kind::Sized(_) | Kind::Ended => {}
            }
            if self.left == 0 {
                return Ok(0);
            }
        }
        let room = buffer.len().min(self.left);
        let got = self.connection.read(&mut buffer[..room])?;
        if got == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= got;
        if self.left == 0 && matches!(self.kind, Kind::Chunked) {
            self.connection.read_line(&mut String::new())?;
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// Answers of a server, each on a connection that stays open.
    fn serve(answers: Vec<&'static str>) -> (tempfile::TempDir, Client) {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("api");
        let listener = UnixListener::bind(&socket).expect("binds");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("clones"));
            for answer in answers {
                let mut line = String::from("x");
                while !line.trim().is_empty() {
                    line.clear();
                    reader.read_line(&mut line).expect("a request");
                }
                stream.write_all(answer.as_bytes()).expect("written");
            }
        });
        let client = Client::new(&socket);
        (folder, client)
    }

    #[test]
    fn answers_of_all_kinds() {
        let sized = "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:2}\r\n0\r\n\r\n";
        let (_folder, mut client) = serve(vec![sized, chunked]);
        let (status, value) = client.send("GET", "/one", None).expect("answers");
        assert_eq!((status, value["a"].as_i64()), (404, Some(1)));
        let (status, value) = client.send("GET", "/two", None).expect("answers");
        assert_eq!((status, value["a"].as_i64()), (200, Some(2)));
    }

    #[test]
    fn a_watch_gives_lines() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n8\r\n1}\n{\"a\":\r\n\
                       3\r\n2}\n\r\n0\r\n\r\n";
        let (_folder, client) = serve(vec![chunked]);
        let lines = client.watch("/w").expect("begins");
        let got: Vec<i64> = lines
            .map(|line| line.expect("a line")["a"].as_i64().expect("a number"))
            .collect();
        assert_eq!(got, [1, 2]);
    }
}
