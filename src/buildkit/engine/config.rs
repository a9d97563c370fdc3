//! buildkitd's configuration file. It is fixed when an engine starts, so its text names the engine's state.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::EngineOptions;
use crate::registry::{DOCKER_HUB, Digest, is_loopback_name};

#[derive(Default)]
struct Host {
    mirrors: Vec<String>,
    is_plain: bool,
    is_tls: bool,
    is_unverified: bool,
    ca_files: Vec<String>,
}

/// The configuration for these options: equal options, equal text.
pub(super) fn render(options: &EngineOptions) -> String {
    let mut text = String::from(
        "# Written by kiel.\ninsecure-entitlements = [\"network.host\"]\n[worker.oci]\nenabled = true\nsnapshotter = \"overlayfs\"\n[worker.containerd]\nenabled = false\n",
    );
    // A user namespace of root's has its own attributes on the layers: an engine in one has its own state.
    for emulator in &options.emulators {
        writeln!(text, "# Emulated: {}", emulator.architecture).expect("writing to a text does not fail");
    }
    text.push_str(&registries(options));
    text
}

/// The part of it about registries: what another engine's configuration needs for them.
pub(super) fn registries(options: &EngineOptions) -> String {
    let mut text = String::new();
    for (name, host) in hosts(options) {
        write_host(&mut text, &name, &host);
    }
    text
}

/// The folder's name of an engine with this configuration.
pub(super) fn state_name(config: &str) -> String {
    format!("engine-{}", &Digest::of(config.as_bytes()).hex()[..16])
}

fn hosts(options: &EngineOptions) -> BTreeMap<String, Host> {
    let registry = &options.registry;
    let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
    for mirror in &registry.mirrors {
        let name = mirror.host_str().unwrap_or_default();
        let name = mirror
            .port()
            .map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        let path = mirror.path().trim_end_matches('/');
        hosts
            .entry(DOCKER_HUB.to_owned())
            .or_default()
            .mirrors
            .push(format!("{name}{path}"));
        let ca_files = ca_files(options, &name);
        let host = hosts.entry(name).or_default();
        host.is_plain = mirror.scheme() == "http";
        host.is_unverified = registry.skip_tls_verify && !host.is_plain;
        if !host.is_plain {
            host.ca_files = ca_files;
        }
    }
    // Those that have authorities of their own on this machine, in this run or not: so runs share one engine.
    let with_authorities = registry.hosts_with_authorities();
    for name in options.registry_hosts.iter().chain(&with_authorities) {
        // BuildKit does not do both for one host.
        let is_plain = registry.insecure.allows(name);
        let is_unverified = registry.skip_tls_verify && !is_plain;
        let is_tls = options.tls_hosts.contains(name) && is_loopback_name(name);
        let ca_files = ca_files(options, name);
        if is_plain || is_tls || is_unverified || !ca_files.is_empty() {
            let host = hosts.entry(name.clone()).or_default();
            host.is_tls = is_tls;
            host.is_plain |= is_plain && !is_tls;
            host.is_unverified = is_unverified && !host.is_plain;
            host.ca_files = ca_files;
        }
    }
    if !registry.ca_files.is_empty() {
        hosts.entry(DOCKER_HUB.to_owned()).or_default().ca_files = ca_files(options, DOCKER_HUB);
    }
    hosts
}

fn ca_files(options: &EngineOptions, name: &str) -> Vec<String> {
    let files = options.registry.ca_files_of(name).into_iter();
    files.map(|path| path.display().to_string()).collect()
}

fn write_host(text: &mut String, name: &str, host: &Host) {
    let list = |items: &[String]| {
        items
            .iter()
            .map(|item| quote(item))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut line = |line: String| writeln!(text, "{line}").expect("writing to a string does not fail");
    line(format!("[registry.{}]", quote(name)));
    if !host.mirrors.is_empty() {
        line(format!("mirrors = [{}]", list(&host.mirrors)));
    }
    if host.is_plain {
        line("http = true".to_owned());
    }
    if host.is_tls {
        line("http = false".to_owned());
    }
    if host.is_unverified {
        line("insecure = true".to_owned());
    }
    if !host.ca_files.is_empty() {
        line(format!("ca = [{}]", list(&host.ca_files)));
    }
}

/// A basic string of TOML.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(c)).expect("writing to a string does not fail");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;
    use crate::registry::{Insecure, RegistryOptions, Url};

    fn options(registry: RegistryOptions, hosts: &[&str]) -> EngineOptions {
        EngineOptions {
            emulators: Vec::new(),
            state_home: PathBuf::new(),
            buildkitd: PathBuf::new(),
            runc: PathBuf::new(),
            registry,
            registry_hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            tls_hosts: BTreeSet::new(),
            environment: BTreeMap::new(),
            kiel: None,
        }
    }

    #[test]
    fn mirrors_and_plain_hosts_are_told() {
        let registry = RegistryOptions {
            insecure: Insecure::Hosts(["r:5000".to_owned()].into()),
            skip_tls_verify: true,
            mirrors: vec![Url::parse("http://127.0.0.1:5050/hub/").unwrap()],
            ..RegistryOptions::default()
        };
        let text = render(&options(registry, &["r:5000", "s"]));
        let (_, hosts) = text.split_once("enabled = false\n").unwrap();
        assert_eq!(
            hosts,
            "[registry.\"127.0.0.1:5050\"]\nhttp = true\n[registry.\"docker.io\"]\nmirrors = [\"127.0.0.1:5050/hub\"]\n\
             [registry.\"r:5000\"]\nhttp = true\n[registry.\"s\"]\ninsecure = true\n"
        );
    }

    #[test]
    fn authorities_are_told_and_loopback_speaks_tls_where_it_was_found_to() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("r.example.com:5000");
        fs_err::create_dir(&own).unwrap();
        fs_err::write(own.join("ca.crt"), "").unwrap();
        let registry = RegistryOptions {
            certificate_folders: vec![folder.path().to_owned()],
            ..RegistryOptions::default()
        };
        let mut options = options(registry, &["127.0.0.1:5001", "127.0.0.1:5002", "s"]);
        options.tls_hosts = ["127.0.0.1:5001".to_owned(), "s".to_owned()].into();
        let file = own.join("ca.crt");
        let own = format!(
            "[registry.\"r.example.com:5000\"]\nca = [\"{}\"]\n",
            file.display()
        );
        assert_eq!(
            registries(&options),
            format!("[registry.\"127.0.0.1:5001\"]\nhttp = false\n{own}")
        );
        options.registry.ca_files = vec!["/ca.pem".into()];
        options.registry_hosts = ["s".to_owned()].into();
        let both = own.replace("ca = [", "ca = [\"/ca.pem\", ");
        let given = |host| format!("[registry.\"{host}\"]\nca = [\"/ca.pem\"]\n");
        assert_eq!(registries(&options), given("docker.io") + &both + &given("s"));
    }

    #[test]
    fn equal_configurations_share_a_state() {
        let plain = render(&options(RegistryOptions::default(), &[]));
        // Hosts without special rules don't split the cache.
        assert_eq!(
            plain,
            render(&options(RegistryOptions::default(), &["r.example.com"]))
        );
        let insecure = RegistryOptions {
            insecure: Insecure::All,
            ..RegistryOptions::default()
        };
        let other = render(&options(insecure, &["r.example.com"]));
        assert_ne!(state_name(&plain), state_name(&other));
        assert_eq!(state_name(&plain).len(), "engine-".len() + 16);
        assert_eq!(quote("a\"\\\n"), "\"a\\\"\\\\\\u000A\"");
    }
}
