//! Where a registry may send its client: not from https to http, and not from a public host into a private network.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use reqwest::Url;

use super::token::host_name;

/// Where a proxy looks names up, this machine's own answer may never come.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(3);

/// How far an address reaches. A redirect never leads to a nearer one than it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// Link-local: instance metadata services live here.
    Link,
    Loopback,
    Private,
    Public,
}

/// Checks a redirect. Names are resolved, so that a public name of a private address is seen as what it is.
pub(super) async fn check(from: &Url, to: &Url) -> Result<(), &'static str> {
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => return Err("plain http, though the registry is not"),
        _ => return Err("neither https nor http"),
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err("a URL with credentials in it");
    }
    if from.host_str() == to.host_str() {
        return Ok(());
    }
    let (Some(from), Some(to)) = (reach(from).await, reach(to).await) else {
        return Ok(());
    };
    match to {
        Reach::Link if from != Reach::Link => Err("a link-local address"),
        Reach::Loopback if from > Reach::Loopback => Err("this machine itself"),
        Reach::Private if from > Reach::Private => Err("in a private network, though the registry is public"),
        _ => Ok(()),
    }
}

/// The nearest of a URL's addresses; `None` when its name cannot be resolved here (as behind a proxy).
async fn reach(url: &Url) -> Option<Reach> {
    let host = url.host_str()?.trim_matches(['[', ']']);
    if let Ok(address) = host.parse() {
        return Some(reach_of(address));
    }
    let port = url.port_or_known_default()?;
    let addresses = tokio::time::timeout(LOOK_UP_LIMIT, tokio::net::lookup_host((host, port))).await;
    addresses.ok()?.ok()?.map(|address| reach_of(address.ip())).min()
}

fn reach_of(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) if v4.is_link_local() => Reach::Link,
        IpAddr::V4(v4) if v4.is_loopback() || v4.is_unspecified() => Reach::Loopback,
        IpAddr::V4(v4) if v4.is_private() || v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64 => {
            Reach::Private
        }
        IpAddr::V4(_) => Reach::Public,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => reach_of(IpAddr::V4(v4)),
            None => reach_of_v6(v6),
        },
    }
}

fn reach_of_v6(address: Ipv6Addr) -> Reach {
    if address.is_unicast_link_local() {
        Reach::Link
    } else if address.is_loopback() || address.is_unspecified() {
        Reach::Loopback
    } else if address.is_unique_local() {
        Reach::Private
    } else {
        Reach::Public
    }
}

/// Whether a registry's name is of this machine; plain http needs no flag there, as with docker.
pub(crate) fn is_loopback_name(registry: &str) -> bool {
    let name = host_name(registry).trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn redirects_never_lead_into_a_nearer_network() {
        for (from, to, want) in [
            ("https://8.8.8.8/", "https://9.9.9.9/x", Ok(())),
            ("https://10.0.0.1/", "https://10.0.0.2/x", Ok(())),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:9000/x", Ok(())),
            ("http://127.0.0.1:5000/", "http://127.0.0.2:9000/x", Ok(())),
            (
                "https://8.8.8.8/",
                "http://9.9.9.9/x",
                Err("plain http, though the registry is not"),
            ),
            (
                "https://8.8.8.8/",
                "https://169.254.169.254/x",
                Err("a link-local address"),
            ),
            (
                "http://127.0.0.1:5000/",
                "http://169.254.169.254/x",
                Err("a link-local address"),
            ),
            (
                "https://8.8.8.8/",
                "https://127.0.0.1/x",
                Err("this machine itself"),
            ),
            (
                "https://8.8.8.8/",
                "https://[::ffff:127.0.0.1]/x",
                Err("this machine itself"),
            ),
            (
                "https://10.0.0.1/",
                "https://localhost/x",
                Err("this machine itself"),
            ),
            (
                "https://8.8.8.8/",
                "https://10.0.0.1/x",
                Err("in a private network, though the registry is public"),
            ),
            (
                "https://8.8.8.8/",
                "file:///etc/passwd",
                Err("neither https nor http"),
            ),
        ] {
            let (from, to) = (Url::parse(from).unwrap(), Url::parse(to).unwrap());
            assert_eq!(check(&from, &to).await, want, "{from} -> {to}");
        }
    }

    #[test]
    fn only_this_machine_is_plain_without_a_flag() {
        for yes in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.1.2.3",
            "[::1]:5000",
        ] {
            assert!(is_loopback_name(yes), "{yes}");
        }
        for no in ["localhost.example.com", "10.0.0.1:5000", "docker.io"] {
            assert!(!is_loopback_name(no), "{no}");
        }
    }
}
