//! Running a command.
//!
//! Every mount's own changes are dropped: the root is the only output. The mount points that the engine made for
//! them don't stay in the result.

use crate::pb;
use crate::vertex::{Inputs, Output, Platform};

/// How commands that run at the same time use one cache mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// All at once.
    Shared,
    /// Each its own copy.
    Private,
    /// One after the other.
    Locked,
}

/// A command under construction.
#[derive(Debug)]
pub struct Exec {
    op: pb::ExecOp,
    inputs: Inputs,
}

impl Exec {
    /// A command on `root` (`None`: the empty filesystem), as user 0 in `/`, without variables.
    #[must_use]
    pub fn new<S: AsRef<str>>(root: Option<&Output>, args: &[S]) -> Self {
        let mut inputs = Inputs::default();
        let mount = pb::Mount {
            input: inputs.index(root),
            dest: "/".to_owned(),
            output: 0,
            ..pb::Mount::default()
        };
        let meta = pb::Meta {
            args: args.iter().map(|arg| arg.as_ref().to_owned()).collect(),
            cwd: "/".to_owned(),
            remove_mount_stubs_recursive: true,
            ..pb::Meta::default()
        };
        Self {
            op: pb::ExecOp {
                meta: Some(meta),
                mounts: vec![mount],
                ..pb::ExecOp::default()
            },
            inputs,
        }
    }

    fn meta(&mut self) -> &mut pb::Meta {
        self.op.meta.get_or_insert_with(pb::Meta::default)
    }

    fn mount(mut self, mount: pb::Mount) -> Self {
        // -1: what is written to a mount is no output.
        self.op.mounts.push(pb::Mount { output: -1, ..mount });
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.meta().env.push(format!("{name}={value}"));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, path: &str) -> Self {
        path.clone_into(&mut self.meta().cwd);
        self
    }

    /// Sets the user, `user[:group]`.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.meta().user);
        self
    }

    /// Adds a line to the command's `/etc/hosts`.
    #[must_use]
    pub fn host(mut self, host: &str, ip: &str) -> Self {
        self.meta().extra_hosts.push(pb::HostIp {
            host: host.to_owned(),
            ip: ip.to_owned(),
        });
        self
    }

    /// Sets the network.
    #[must_use]
    pub fn network(mut self, mode: pb::NetMode) -> Self {
        self.op.network = mode as i32;
        self
    }

    /// Shows `selector` of another filesystem at `dest`, read-only.
    #[must_use]
    pub fn bind(mut self, source: &Output, selector: &str, dest: &str) -> Self {
        let input = self.inputs.index(Some(source));
        self.mount(pb::Mount {
            input,
            selector: selector.to_owned(),
            dest: dest.to_owned(),
            readonly: true,
            ..pb::Mount::default()
        })
    }

    /// A folder that the engine keeps under `id` between commands; it begins with the files of `base`, and there is one
    /// for each base.
    #[must_use]
    pub fn cache(mut self, id: &str, base: Option<&Output>, sharing: Sharing, dest: &str) -> Self {
        let sharing = match sharing {
            Sharing::Shared => pb::CacheSharingOpt::Shared,
            Sharing::Private => pb::CacheSharingOpt::Private,
            Sharing::Locked => pb::CacheSharingOpt::Locked,
        };
        let input = self.inputs.index(base);
        self.mount(pb::Mount {
            input,
            dest: dest.to_owned(),
            mount_type: pb::MountType::Cache as i32,
            cache_opt: Some(pb::CacheOpt {
                id: id.to_owned(),
                sharing: sharing as i32,
            }),
            ..pb::Mount::default()
        })
    }

    /// A folder in memory, empty at the start.
    #[must_use]
    pub fn tmpfs(self, dest: &str) -> Self {
        self.mount(pb::Mount {
            input: -1,
            dest: dest.to_owned(),
            mount_type: pb::MountType::Tmpfs as i32,
            tmpfs_opt: Some(pb::TmpfsOpt::default()),
            ..pb::Mount::default()
        })
    }

    /// The session's secret `id` as a file that user 0 can read.
    #[must_use]
    pub fn secret(self, id: &str, dest: &str) -> Self {
        self.mount(pb::Mount {
            input: -1,
            dest: dest.to_owned(),
            mount_type: pb::MountType::Secret as i32,
            secret_opt: Some(pb::SecretOpt {
                id: id.to_owned(),
                mode: 0o400,
                ..pb::SecretOpt::default()
            }),
            ..pb::Mount::default()
        })
    }

    /// The session's SSH agent `id` as a socket.
    #[must_use]
    pub fn ssh(self, id: &str, dest: &str) -> Self {
        self.mount(pb::Mount {
            input: -1,
            dest: dest.to_owned(),
            mount_type: pb::MountType::Ssh as i32,
            ssh_opt: Some(pb::SshOpt {
                id: id.to_owned(),
                mode: 0o600,
                ..pb::SshOpt::default()
            }),
            ..pb::Mount::default()
        })
    }

    /// The filesystem as the command leaves it.
    #[must_use]
    pub fn root(self, platform: &Platform, name: &str) -> Output {
        Output::make(
            pb::op::Op::Exec(self.op),
            self.inputs.into_outputs(),
            Some(platform),
            name,
        )
    }
}
