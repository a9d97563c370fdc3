//! The cluster's keys, certificates and kubeconfigs: elliptic curve keys, made by `openssl` in parallel.
//!
//! Kept in the cache, so that a kubeconfig stays valid when the environment is started again.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, anyhow};

use super::settings::Settings;
use crate::{say, shell};

/// One certificate: whose it is and what it may be used for.
struct Certificate {
    name: &'static str,
    subject: &'static str,
    usage: &'static str,
    /// Further names of a server, in openssl's form.
    names: String,
    /// Whether a kubeconfig is written for it.
    kubeconfig: bool,
}

/// Makes what is missing in the folder of keys.
pub(crate) fn prepare(settings: &Settings, openssl: &Path) -> Result<()> {
    let started = Instant::now();
    let folder = &settings.pki;
    let stamp = folder.join("made-for");
    let wanted = format!("{} {}", settings.node(), settings.service_net);
    if fs_err::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        say::step("keys and certificates", "cache", started.elapsed());
        return Ok(());
    }
    if folder.exists() {
        fs_err::remove_dir_all(folder)?;
    }
    fs_err::create_dir_all(folder)?;
    restrict(folder)?;
    let maker = Maker { folder, openssl };
    maker.authority()?;
    maker.service_account()?;
    let certificates = certificates(settings);
    std::thread::scope(|scope| {
        let threads: Vec<_> = certificates
            .iter()
            .map(|certificate| scope.spawn(|| maker.certificate(certificate)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("openssl's thread panicked"))?)
    })?;
    for certificate in certificates.iter().filter(|certificate| certificate.kubeconfig) {
        maker.kubeconfig(settings, certificate.name)?;
    }
    fs_err::write(stamp, wanted)?;
    say::step("keys and certificates", "made", started.elapsed());
    Ok(())
}

fn certificates(settings: &Settings) -> Vec<Certificate> {
    let node = settings.node();
    let client = |name, subject, kubeconfig| Certificate {
        name,
        subject,
        usage: "clientAuth",
        names: String::new(),
        kubeconfig,
    };
    vec![
        Certificate {
            name: "apiserver",
            subject: "/CN=kube-apiserver",
            usage: "serverAuth",
            names: format!(
                "IP:127.0.0.1,IP:{node},IP:{}.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,\
                 DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local",
                settings.service_net
            ),
            kubeconfig: false,
        },
        Certificate {
            name: "kubelet",
            subject: "/O=system:nodes/CN=system:node:node",
            usage: "clientAuth,serverAuth",
            names: format!("IP:127.0.0.1,IP:{node},DNS:node"),
            kubeconfig: true,
        },
        client("admin", "/O=system:masters/CN=admin", true),
        // In the masters' group: one client for all controllers, not a token and a rate limit for each.
        client(
            "controllers",
            "/O=system:masters/CN=system:kube-controller-manager",
            true,
        ),
        client("scheduler", "/CN=system:kube-scheduler", true),
        client(
            "kubelet-client",
            "/O=system:masters/CN=kube-apiserver-kubelet-client",
            false,
        ),
        client("proxy", "/CN=system:kube-proxy", true),
        client("dns", "/CN=system:coredns", true),
        client("front-proxy", "/CN=front-proxy-client", false),
    ]
}

struct Maker<'a> {
    folder: &'a Path,
    openssl: &'a Path,
}

impl Maker<'_> {
    fn openssl(&self, arguments: &str) -> Result<()> {
        let mut command = shell::command(self.openssl, arguments.split_whitespace());
        shell::run(command.current_dir(self.folder)).map(drop)
    }

    fn key(&self, name: &str) -> Result<()> {
        self.openssl(&format!(
            "ecparam -name prime256v1 -genkey -noout -out {name}.key"
        ))
    }

    fn authority(&self) -> Result<()> {
        self.key("ca")?;
        self.openssl("req -x509 -new -key ca.key -days 3650 -subj /CN=kiel-env-ca -out ca.crt")
    }

    fn service_account(&self) -> Result<()> {
        self.key("sa")?;
        self.openssl("ec -in sa.key -pubout -out sa.pub")
    }

    fn certificate(&self, certificate: &Certificate) -> Result<()> {
        let Certificate {
            name,
            subject,
            usage,
            names,
            ..
        } = certificate;
        self.key(name)?;
        self.openssl(&format!(
            "req -new -key {name}.key -subj {subject} -out {name}.csr"
        ))?;
        let mut extensions = format!(
            "keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n"
        );
        if !names.is_empty() {
            extensions.push_str(&format!("subjectAltName={names}\n"));
        }
        fs_err::write(self.folder.join(format!("{name}.ext")), extensions)?;
        // A serial of its own: certificates are signed at the same time and must not share a counter.
        let serial: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -set_serial 0x{serial} -days 3650 \
             -extfile {name}.ext -out {name}.crt"
        ))
    }

    fn kubeconfig(&self, settings: &Settings, name: &str) -> Result<()> {
        let path = |file: String| -> PathBuf { self.folder.join(file) };
        let encoded = |file: String| -> Result<String> {
            let mut command = shell::command("base64", ["-w0"]);
            shell::run(command.arg(path(file)))
        };
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: kiel-env\n\
             clusters: [{{name: kiel-env, cluster: {{server: 'https://{}:6443', certificate-authority-data: {}}}}}]\n\
             users: [{{name: {name}, user: {{client-certificate-data: {}, client-key-data: {}}}}}]\n\
             contexts: [{{name: kiel-env, context: {{cluster: kiel-env, user: {name}}}}}]\n",
            settings.node(),
            encoded("ca.crt".into())?,
            encoded(format!("{name}.crt"))?,
            encoded(format!("{name}.key"))?,
        );
        fs_err::write(path(format!("{name}.kubeconfig")), text)?;
        Ok(())
    }
}

fn restrict(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs_err::set_permissions(
        folder,
        std::fs::Permissions::from_mode(0o700),
    )?)
}
