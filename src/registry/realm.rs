//! Which token services a registry may name, and which of them may see its credentials.
//!
//! A registry's 401 names a *realm*: the address of the service that trades credentials for tokens. Credentials go to
//! a realm of the registry's own domain, of one of the pairs known here, or that the user has named. Any other gets no
//! credentials; without any to send it is asked all the same, over https, as reading what is public needs it.

use std::net::IpAddr;

use reqwest::Url;

use super::http::name_of;
use super::redirect;
use super::token::host_name;

/// Registries whose token service is in another domain, by the domain of both.
const PAIRS: [(&str, &str); 2] = [("scw.cloud", "api.scaleway.com"), ("nvcr.io", "authn.nvidia.com")];
/// Domains under which everybody can have a name; so one name there says nothing about another.
const SHARED: [&str; 22] = [
    "amazonaws.com",
    "appspot.com",
    "azurecr.io",
    "azurewebsites.net",
    "cloudapp.azure.com",
    "cloudfront.net",
    "duckdns.org",
    "fly.dev",
    "github.io",
    "gitlab.io",
    "herokuapp.com",
    "netlify.app",
    "ngrok.app",
    "ngrok.io",
    "nip.io",
    "onrender.com",
    "pages.dev",
    "run.app",
    "sslip.io",
    "trycloudflare.com",
    "vercel.app",
    "workers.dev",
];
/// What stands before a country's two letters where names are given out one step further down.
const SECOND_LEVEL: [&str; 12] = [
    "ac", "co", "com", "edu", "go", "gob", "gov", "ne", "net", "nom", "or", "org",
];

/// Who asks, and what is allowed to it.
pub(super) struct Asker<'a> {
    /// The registry as it is reached, with its port.
    pub(super) registry: &'a str,
    /// Whether it is reached over plain http.
    pub(super) is_plain: bool,
    /// Whether there are credentials that the realm would see.
    pub(super) has_credentials: bool,
    /// The hosts that the user has named, with or without port.
    pub(super) named: &'a [String],
}

/// Why a realm gets nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: &'static str,
    /// What the user would have to name to allow it; nothing where no flag does.
    pub(super) host: Option<String>,
}

/// Whether a registry may name this token service.
pub(super) async fn check(asker: &Asker<'_>, realm: &Url) -> Result<(), Refusal> {
    if by_name(asker, realm)? == Standing::Trusted {
        return Ok(());
    }
    // What an inner service answers would be sent to the registry as a token.
    let scheme = if asker.is_plain { "http" } else { "https" };
    let Ok(from) = Url::parse(&format!("{scheme}://{}/", asker.registry)) else {
        return Ok(());
    };
    redirect::check(&from, realm).await.map_err(|reason| Refusal {
        reason,
        host: Some(name_of(realm)),
    })
}

/// What is known of a token service by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The registry's own host, or one that the user has named.
    Trusted,
    /// Another one, which must not be in a nearer network than the registry.
    Related,
}

fn by_name(asker: &Asker<'_>, realm: &Url) -> Result<Standing, Refusal> {
    let refuse = |reason| Err(Refusal { reason, host: None });
    match realm.scheme() {
        "https" => {}
        "http" if asker.is_plain => {}
        "http" => return refuse("plain http, though the registry is not"),
        _ => return refuse("neither https nor http"),
    }
    if !realm.username().is_empty() || realm.password().is_some() {
        return refuse("a URL with credentials in it");
    }
    let Some(host) = realm.host_str() else {
        return refuse("a URL without a host");
    };
    let (own, with_port) = (host_name(asker.registry), name_of(realm));
    if host == own || asker.named.iter().any(|name| name == host || *name == with_port) {
        return Ok(Standing::Trusted);
    }
    let is_related = same_domain(host, own) || is_pair(own, host);
    if is_related || (!asker.has_credentials && !asker.is_plain) {
        return Ok(Standing::Related);
    }
    Err(Refusal {
        reason: "not in the registry's own domain",
        host: Some(with_port),
    })
}

fn is_pair(registry: &str, realm: &str) -> bool {
    let in_domain = |domain: &str| {
        registry
            .strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    PAIRS
        .iter()
        .any(|(domain, service)| in_domain(domain) && *service == realm)
}

/// Whether two names belong to the same owner's domain; addresses and names of one label belong to nobody.
fn same_domain(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    domain(&a).is_some_and(|domain_a| domain(&b) == Some(domain_a))
}

/// The part of a name that an owner has got: one label more than what is given out.
fn domain(name: &str) -> Option<&str> {
    if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return None;
    }
    let given_out = SHARED
        .iter()
        .find(|shared| {
            name.strip_suffix(**shared)
                .is_some_and(|rest| rest.ends_with('.'))
        })
        .map_or_else(|| given_out_by_country(name), |shared| shared.len());
    let rest = name.len().checked_sub(given_out + 1)?;
    let start = name[..rest].rfind('.').map_or(0, |dot| dot + 1);
    (start < rest && !SHARED.contains(&name)).then(|| &name[start..])
}

/// The length of the end of a name under which a top-level domain gives out names: `com`, `co.uk`.
fn given_out_by_country(name: &str) -> usize {
    let mut labels = name.rsplit('.');
    let top = labels.next().unwrap_or_default();
    match labels.next() {
        Some(second) if top.len() == 2 && SECOND_LEVEL.contains(&second) => second.len() + 1 + top.len(),
        _ => top.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker<'a>(registry: &'a str, is_plain: bool, has_credentials: bool, named: &'a [String]) -> Asker<'a> {
        Asker {
            registry,
            is_plain,
            has_credentials,
            named,
        }
    }

    #[test]
    fn credentials_stay_with_their_registry() {
        let foreign = Err("not in the registry's own domain");
        let plain = Err("plain http, though the registry is not");
        let named = ["auth.example.org".to_owned(), "127.0.0.3:5001".to_owned()];
        for (registry, is_plain, realm, want) in [
            (
                "registry-1.docker.io",
                false,
                "https://auth.docker.io/token",
                Ok(Standing::Related),
            ),
            (
                "registry.gitlab.com",
                false,
                "https://gitlab.com/jwt/auth",
                Ok(Standing::Related),
            ),
            (
                "rg.fr-par.scw.cloud",
                false,
                "https://api.scaleway.com/x",
                Ok(Standing::Related),
            ),
            ("evilscw.cloud", false, "https://api.scaleway.com/x", foreign),
            (
                "r.example.com:5000",
                false,
                "https://r.example.com:5001/auth",
                Ok(Standing::Trusted),
            ),
            (
                "r.example.com",
                false,
                "https://auth.example.org/token",
                Ok(Standing::Trusted),
            ),
            (
                "127.0.0.1:5000",
                true,
                "http://127.0.0.1:5001/auth",
                Ok(Standing::Trusted),
            ),
            (
                "127.0.0.1:5000",
                true,
                "http://127.0.0.3:5001/auth",
                Ok(Standing::Trusted),
            ),
            ("127.0.0.1:5000", true, "http://127.0.0.3:5002/auth", foreign),
            ("r.example.com", false, "https://evil.test/token", foreign),
            (
                "r.shop.co.uk",
                false,
                "https://auth.shop.co.uk/token",
                Ok(Standing::Related),
            ),
            ("r.shop.co.uk", false, "https://evil.co.uk/token", foreign),
            ("shop.azurecr.io", false, "https://evil.azurecr.io/token", foreign),
            ("r.example.com", false, "https://169.254.169.254/latest", foreign),
            ("127.0.0.1:5000", true, "http://127.0.0.2/auth", foreign),
            ("r.example.com", false, "http://r.example.com/token", plain),
            ("r.example.com", false, "http://auth.example.org/token", plain),
            (
                "r.example.com",
                false,
                "file:///etc/passwd",
                Err("neither https nor http"),
            ),
            (
                "r.example.com",
                false,
                "https://a:b@r.example.com/",
                Err("a URL with credentials in it"),
            ),
        ] {
            let found = by_name(
                &asker(registry, is_plain, true, &named),
                &Url::parse(realm).unwrap(),
            );
            assert_eq!(
                found.map_err(|refusal| refusal.reason),
                want,
                "{registry} {realm}"
            );
        }
    }

    #[tokio::test]
    async fn without_credentials_public_services_are_asked() {
        let inner = Err("in a private network, though the registry is public");
        let foreign = Err("not in the registry's own domain");
        for (registry, is_plain, realm, want) in [
            ("8.8.8.8", false, "https://9.9.9.9/token", Ok(())),
            ("8.8.8.8", false, "https://10.0.0.1/token", inner),
            (
                "127.0.0.1:5000",
                false,
                "https://169.254.169.254/",
                Err("a link-local address"),
            ),
            ("127.0.0.1:5000", true, "http://127.0.0.2/token", foreign),
        ] {
            let found = check(
                &asker(registry, is_plain, false, &[]),
                &Url::parse(realm).unwrap(),
            )
            .await;
            assert_eq!(
                found.map_err(|refusal| refusal.reason),
                want,
                "{registry} {realm}"
            );
        }
    }

    #[test]
    fn domains_have_owners() {
        for (name, want) in [
            ("registry-1.docker.io", Some("docker.io")),
            ("docker.io", Some("docker.io")),
            ("a.b.shop.co.uk", Some("shop.co.uk")),
            ("co.uk", None),
            ("r.shop.io", Some("shop.io")),
            ("x.y.azurecr.io", Some("y.azurecr.io")),
            ("azurecr.io", None),
            ("localhost", None),
            ("10.0.0.1", None),
            ("[::1]", None),
            ("io", None),
        ] {
            assert_eq!(domain(name), want, "{name}");
        }
        assert!(same_domain("A.Example.com", "b.example.COM"));
    }
}
