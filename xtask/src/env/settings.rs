//! What can be moved when it collides with something else on the machine, and where the state lives.
//!
//! | variable | default | what |
//! |---|---|---|
//! | `KIEL_ENV_NAME` | `kiel` | name of the network namespace, the link and the cgroups |
//! | `KIEL_ENV_NET` | `10.200.0` | the link between host and node, a /30 |
//! | `KIEL_ENV_POD_NET` | `10.244.0` | the pods' addresses, a /24 |
//! | `KIEL_ENV_SERVICE_NET` | `10.96` | the Services' addresses, a /16 |
//! | `KIEL_ENV_REGISTRY_PORT` | `5050` | the registry, on the loopback |

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cache::{Cache, variable_or};

/// The environment's names, addresses and folders.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Name of the network namespace and of the cgroups.
    pub(crate) name: String,
    /// First three numbers of the link between host (`.1`) and node (`.2`).
    pub(crate) net: String,
    /// First three numbers of the pods' addresses.
    pub(crate) pod_net: String,
    /// First two numbers of the Services' addresses.
    pub(crate) service_net: String,
    /// Port of the registry.
    pub(crate) registry_port: u16,
    /// Folder of the running environment's state; deleted by `env down`.
    pub(crate) state: PathBuf,
    /// Folder of programs under their plain names.
    pub(crate) programs: PathBuf,
    /// Keys and certificates.
    pub(crate) pki: PathBuf,
}

impl Settings {
    /// Reads the variables.
    pub(crate) fn read(cache: &Cache) -> Result<Self> {
        let port = variable_or("KIEL_ENV_REGISTRY_PORT", "5050")?;
        let settings = Self {
            name: variable_or("KIEL_ENV_NAME", "kiel")?,
            net: variable_or("KIEL_ENV_NET", "10.200.0")?,
            pod_net: variable_or("KIEL_ENV_POD_NET", "10.244.0")?,
            service_net: variable_or("KIEL_ENV_SERVICE_NET", "10.96")?,
            registry_port: port
                .parse()
                .with_context(|| format!("KIEL_ENV_REGISTRY_PORT `{port}` is no port"))?,
            state: cache.path("env/state"),
            programs: cache.path("env/bin"),
            pki: cache.path("pki"),
        };
        anyhow::ensure!(
            settings.name.len() <= 11 && settings.name.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "KIEL_ENV_NAME `{}` must be at most 11 letters and digits",
            settings.name
        );
        Ok(settings)
    }

    /// The node's address, where the API server listens on port 6443.
    pub(crate) fn node(&self) -> String {
        format!("{}.2", self.net)
    }

    /// The host's address on the link to the node.
    pub(crate) fn host(&self) -> String {
        format!("{}.1", self.net)
    }

    /// The cluster's name server.
    pub(crate) fn dns(&self) -> String {
        format!("{}.0.10", self.service_net)
    }

    /// The host's end of the link.
    pub(crate) fn link(&self) -> String {
        format!("{}-h", self.name)
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.pki.join("admin.kubeconfig")
    }

    /// Refuses a name under which another cache folder's environment runs: what bears it is not ours.
    pub(crate) fn claim_name(&self) -> Result<()> {
        let claim = self.claim();
        if let Ok(owner) = fs_err::read_to_string(&claim) {
            let other = PathBuf::from(owner);
            anyhow::ensure!(
                other == self.state || !other.exists(),
                "cannot use the name `{}`: an environment with its state in {} has it; choose another with \
                 KIEL_ENV_NAME",
                self.name,
                other.display()
            );
        }
        Ok(fs_err::write(claim, self.state.as_os_str().as_encoded_bytes())?)
    }

    /// Gives the name free.
    pub(crate) fn release_name(&self) -> Result<()> {
        Ok(fs_err::remove_file(self.claim())?)
    }

    fn claim(&self) -> PathBuf {
        PathBuf::from(format!("/run/{}-environment", self.name))
    }
}
