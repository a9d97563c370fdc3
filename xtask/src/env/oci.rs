//! Just enough of a registry client to fill the local registry: plain HTTP to a port of the loopback.
//!
//! HTTP/1.0 keeps it small: no chunks, one request per connection. It is no part of kiel, whose own client
//! lives in `src/registry`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Media types of what is pushed and fetched.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// A registry on a port of this machine's loopback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    port: u16,
    timeout: Duration,
}

/// What a registry answered.
pub(crate) struct Answer {
    status: u16,
    head: String,
    /// The body as it came.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Local {
    /// The registry behind a port.
    pub(crate) fn new(port: u16, timeout: Duration) -> Self {
        Self { port, timeout }
    }

    /// Whether a registry answers there.
    pub(crate) fn answers(self) -> bool {
        self.request("GET", "/v2/", &[], &[])
            .is_ok_and(|answer| answer.status == 200)
    }

    /// A manifest by tag or digest.
    pub(crate) fn manifest(self, repository: &str, reference: &str) -> Result<Answer> {
        self.get(&format!("/v2/{repository}/manifests/{reference}"))
    }

    /// A blob by digest.
    pub(crate) fn blob(self, repository: &str, digest: &str) -> Result<Vec<u8>> {
        Ok(self.get(&format!("/v2/{repository}/blobs/{digest}"))?.body)
    }

    fn get(self, path: &str) -> Result<Answer> {
        let answer = self.request("GET", path, &[("Accept", ACCEPTED)], &[])?;
        if answer.status != 200 {
            bail!(
                "cannot get `{path}` from 127.0.0.1:{}: status {}",
                self.port,
                answer.status
            );
        }
        Ok(answer)
    }

    /// Uploads a blob that the registry does not hold yet.
    pub(crate) fn push_blob(self, repository: &str, digest: &str, bytes: &[u8]) -> Result<()> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        if self.request("HEAD", &path, &[], &[])?.status == 200 {
            return Ok(());
        }
        let begun = self.request("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], &[])?;
        let location = begun
            .header("Location")
            .context("cannot begin an upload: no Location in the answer")?;
        let path = location
            .strip_prefix("http://")
            .and_then(|rest| rest.find('/').map(|at| &rest[at..]));
        let path = path.unwrap_or(location);
        let mark = if path.contains('?') { '&' } else { '?' };
        let target = format!("{path}{mark}digest={digest}");
        let done = self.request(
            "PUT",
            &target,
            &[("Content-Type", "application/octet-stream")],
            bytes,
        )?;
        if done.status != 201 {
            bail!("cannot push `{digest}` to `{repository}`: status {}", done.status);
        }
        Ok(())
    }

    /// Sets a tag.
    pub(crate) fn push_manifest(
        self,
        repository: &str,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<()> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let answer = self.request("PUT", &path, &[("Content-Type", media_type)], bytes)?;
        if answer.status != 201 {
            bail!(
                "cannot push `{repository}:{tag}`: status {} {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
        }
        Ok(())
    }

    fn request(self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let failed = || format!("cannot reach the registry on {address}");
        let mut stream = TcpStream::connect_timeout(&address, self.timeout).with_context(failed)?;
        stream.set_read_timeout(Some(self.timeout))?;
        let mut head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).with_context(failed)?;
        stream.write_all(body).with_context(failed)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).with_context(failed)?;
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .with_context(failed)?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head
            .split_whitespace()
            .nth(1)
            .and_then(|status| status.parse().ok())
            .with_context(failed)?;
        Ok(Answer {
            status,
            head,
            body: bytes.split_off(end + 4),
        })
    }
}
