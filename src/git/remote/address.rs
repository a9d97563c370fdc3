//! Where a repository is: on this machine, behind HTTP, behind SSH.

use std::path::{Component, Path, PathBuf};

use reqwest::Url;

use super::RemoteError;

/// A name and a password for a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password or token.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// Where a repository is. Prints itself without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A folder of this machine.
    Local(PathBuf),
    /// `http` or `https`, without credentials, query and fragment.
    Http(Url),
    /// A program `git-upload-pack` on another machine.
    Ssh {
        /// `[USER@]HOST`
        host: String,
        /// Where it listens, if not where SSH does.
        port: Option<u16>,
        /// The repository's path there.
        path: String,
    },
}

impl Address {
    /// Reads what stands in a file: a path, relative to `dir`, where there is such a folder; else an address as Git
    /// takes it, with the credentials that it may hold.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(
        text: &str,
        dir: &Path,
        home: Option<&Path>,
    ) -> Result<(Self, Option<Credentials>), RemoteError> {
        let wrong = |reason: &'static str| RemoteError::Address {
            url: crate::config::includes::without_credentials(text),
            reason,
        };
        let path = match (text.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => dir.join(text.strip_prefix("file://").unwrap_or(text)),
        };
        let Some((scheme, _)) = text.split_once("://").filter(|(scheme, _)| *scheme != "file") else {
            if path.is_dir() {
                return Ok((Self::Local(cleaned(&path)), None));
            }
            return match text.split_once(':') {
                // Git: two colons name a program that helps it.
                Some((host, path))
                    if !host.contains('/') && !path.starts_with(':') && !text.starts_with("file://") =>
                {
                    Ok((Self::ssh(host, None, path).ok_or_else(|| wrong(NO_SSH))?, None))
                }
                _ => Err(wrong("there is no such folder, and it is no address")),
            };
        };
        let url = Url::parse(text).map_err(|_| wrong("it is no address"))?;
        let port = url.port();
        let credentials = credentials(&url);
        match scheme {
            "http" | "https" => {
                let mut url = url;
                // Both can only fail where there is no host.
                _ = url.set_username("");
                _ = url.set_password(None);
                url.set_query(None);
                url.set_fragment(None);
                Ok((Self::Http(url), credentials))
            }
            "ssh" | "git+ssh" | "ssh+git" => {
                let host = url.host_str().unwrap_or_default();
                let host = match url.username() {
                    "" => host.to_owned(),
                    user => format!("{user}@{host}"),
                };
                let address = Self::ssh(&host, port, url.path()).ok_or_else(|| wrong(NO_SSH))?;
                Ok((address, None))
            }
            _ => Err(wrong(
                "only https, http, ssh and paths of this machine are supported",
            )),
        }
    }

    /// The repository at an address that begins with `./` or `../`, as Git reads it: relative to this one.
    pub(super) fn beside(&self, relative: &str) -> Option<Self> {
        let joined = |base: &str| {
            let (mut base, mut rest) = (base.trim_end_matches('/'), relative);
            loop {
                if let Some(behind) = rest.strip_prefix("../") {
                    // A path of SSH may have no folder that is named.
                    base = match base.rsplit_once('/') {
                        Some((above, _)) => above,
                        None if base.is_empty() => return None,
                        None => "",
                    };
                    rest = behind;
                } else if let Some(behind) = rest.strip_prefix("./") {
                    rest = behind;
                } else {
                    break;
                }
            }
            let slash = if base.is_empty() { "" } else { "/" };
            Some(format!("{base}{slash}{rest}"))
        };
        match self {
            Self::Local(_) => None,
            Self::Http(base) => {
                let mut url = base.clone();
                url.set_path(&joined(base.path())?);
                Some(Self::Http(url))
            }
            Self::Ssh { host, port, path } => {
                let is_absolute = path.starts_with('/');
                let joined = joined(path)?;
                let slash = if is_absolute && !joined.starts_with('/') {
                    "/"
                } else {
                    ""
                };
                Self::ssh(host, *port, &format!("{slash}{joined}"))
            }
        }
    }

    /// Whether what one repository's server is told may be told to the other's.
    pub(super) fn is_at_server_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(one), Self::Http(other)) => one.origin() == other.origin(),
            _ => false,
        }
    }

    /// What begins with a dash would be an option of the programs that get it.
    fn ssh(host: &str, port: Option<u16>, path: &str) -> Option<Self> {
        let good = |c: char| c.is_ascii_alphanumeric() || "._-@[]:".contains(c);
        let is_host =
            !host.is_empty() && !host.starts_with('-') && !host.contains("@-") && host.chars().all(good);
        let is_path = !path.is_empty() && !path.starts_with('-') && !path.contains(['\0', '\n']);
        // Git: `/~user/x` is the path of a user's home.
        let path = path
            .strip_prefix('/')
            .filter(|path| path.starts_with('~'))
            .unwrap_or(path);
        (is_host && is_path).then(|| Self::Ssh {
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }
}

/// Absolute, without `.` and `x/..`.
fn cleaned(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = cleaned.pop(),
            part => cleaned.push(part),
        }
    }
    cleaned
}

const NO_SSH: &str = "it is no address of SSH; write ssh://USER@HOST/PATH";

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Http(url) => f.write_str(url.as_str()),
            Self::Ssh { host, port, path } => {
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                write!(f, "ssh://{host}{port}/{}", path.trim_start_matches('/'))
            }
        }
    }
}

fn credentials(url: &Url) -> Option<Credentials> {
    let password = url.password()?;
    Some(Credentials {
        username: decoded(url.username()),
        password: decoded(password),
    })
}

/// Without the `%` of addresses.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let pair = more.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &more[2..];
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Address, Option<Credentials>), RemoteError> {
        Address::parse(text, Path::new("/"), None)
    }

    #[test]
    fn addresses_are_read_as_git_reads_them() {
        for (text, shown) in [
            (
                "https://git.example.org/a/b.git?x#y",
                "https://git.example.org/a/b.git",
            ),
            ("http://git.example.org:8080/a", "http://git.example.org:8080/a"),
            ("git@git.example.org:a/b.git", "ssh://git@git.example.org/a/b.git"),
            (
                "ssh://git@git.example.org:22022/a/b",
                "ssh://git@git.example.org:22022/a/b",
            ),
            ("ssh://h/~me/b", "ssh://h/~me/b"),
            ("tmp", "/tmp"),
            ("/tmp", "/tmp"),
            ("./tmp/../tmp/", "/tmp"),
            ("file:///tmp", "/tmp"),
        ] {
            let (address, credentials) = parse(text).expect(text);
            assert_eq!(address.to_string(), shown, "{text}");
            assert_eq!(credentials, None, "{text}");
        }
        let (address, credentials) = parse("https://me:p%40ss@h/x").expect("an address");
        assert_eq!(address.to_string(), "https://h/x");
        let credentials = credentials.expect("it has some");
        assert_eq!(
            (credentials.username.as_str(), credentials.password.as_str()),
            ("me", "p@ss")
        );
        assert!(!format!("{credentials:?}").contains("p@ss"));
    }

    #[test]
    fn relative_addresses_are_read_as_git_reads_them() {
        for (base, relative, want) in [
            ("https://h/a/b.git", "../c.git", Some("https://h/a/c.git")),
            ("https://h/a/b.git/", "../../c", Some("https://h/c")),
            ("https://h/a", "./c", Some("https://h/a/c")),
            ("https://h/a", ".././../c", None),
            ("https://h:8080/a/b", "../x/../c", Some("https://h:8080/a/c")),
            ("git@h:a/b.git", "../c.git", Some("ssh://git@h/a/c.git")),
            ("git@h:b.git", "../c.git", Some("ssh://git@h/c.git")),
            ("git@h:b.git", "../../c.git", None),
            (
                "ssh://git@h:2222/a/b.git",
                "../../c.git",
                Some("ssh://git@h:2222/c.git"),
            ),
            ("git@h:b.git", "../-c", None),
            ("/tmp", "../c", None),
        ] {
            let (base, _) = parse(base).expect("an address");
            let found = base.beside(relative).map(|found| found.to_string());
            assert_eq!(found.as_deref(), want, "{base} {relative}");
        }
        let same = |one: &str, other: &str| {
            let parse = |text| parse(text).expect("an address").0;
            parse(one).is_at_server_of(&parse(other))
        };
        assert!(same("https://h/a", "https://h:443/b"));
        for other in ["http://h/a", "https://h.example/a", "https://h:8443/a", "git@h:a"] {
            assert!(!same("https://h/a", other), "{other}");
        }
    }

    #[test]
    fn what_would_run_or_read_something_else_is_refused() {
        for text in [
            "-oProxyCommand=x:y",
            "a@-oProxyCommand=x:y",
            "ssh://-oProxyCommand=x/y",
            "h:-x",
            "h;reboot:x",
            "git://h/x",
            "ext::sh -c x",
            "ftp://h/x",
            "/no/such/folder",
            "file:///no/such/folder",
            "https://u:secret@",
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
