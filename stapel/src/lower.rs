//! Lowering: what an engine must do for one stage or import, as LLB.
//!
//! The filesystems it works on come from outside; commands get the variables that they are given and nothing of
//! the machine that builds. Names given to steps are what a user sees while they run.

use std::collections::BTreeMap;

use kiel_llb::{CopyOptions, Exec, FileChain, Output, Owner, Platform, Sharing, pb};

use crate::spec::{Import, Mount, MountKind, Network, Shell, StapelSpec};
use crate::stage::UserStage;

/// Where a stage's script is while it runs; nothing of it stays in the image.
const SCRIPT_FOLDER: &str = "/.kiel";

/// What commands run with.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Variables, in order.
    pub env: &'a [(String, String)],
    /// Names the project's cache mounts.
    pub project: &'a str,
    /// What to build for.
    pub platform: &'a Platform,
    /// What `fromPath` mounts hold, by the path as written; nothing where there is none.
    pub host: &'a BTreeMap<String, HostPath>,
}

/// Files of the machine for a mount.
#[derive(Debug, Clone)]
pub enum HostPath {
    /// A folder: the root of a filesystem.
    Folder(Output),
    /// A file: the one of this name in a filesystem's root.
    File(Output, String),
}

impl Shell {
    /// The commands of a stage.
    #[must_use]
    pub fn commands(&self, stage: UserStage) -> &[String] {
        match stage {
            UserStage::BeforeInstall => &self.before_install,
            UserStage::Install => &self.install,
            UserStage::BeforeSetup => &self.before_setup,
            UserStage::Setup => &self.setup,
        }
    }
}

/// A user stage on `root`: all its commands in one shell, which ends at the first that fails.
///
/// The shell is bash where the image has it, else `/bin/sh`; user 0, folder `/`. Each command is printed before it runs.
#[must_use]
pub fn lower_stage(
    spec: &StapelSpec,
    stage: UserStage,
    root: Option<&Output>,
    around: Surroundings<'_>,
    name: &str,
) -> Output {
    let launcher = format!(
        "if command -v bash >/dev/null 2>&1; then exec bash -e {SCRIPT_FOLDER}/commands; fi\nexec /bin/sh -e {SCRIPT_FOLDER}/commands\n"
    );
    let scripts = FileChain::new(None)
        .mkfile("/run", 0o644, launcher.as_bytes())
        .mkfile("/commands", 0o644, script(spec.shell.commands(stage)).as_bytes())
        .root(around.platform, &format!("{name}: commands"));
    let start = Exec::new(root, &["/bin/sh".to_owned(), format!("{SCRIPT_FOLDER}/run")]);
    let exec = around
        .env
        .iter()
        .fold(start, |exec, (variable, value)| exec.env(variable, value))
        .user("0:0");
    let exec = exec.bind(&scripts, "/", SCRIPT_FOLDER);
    let exec = spec
        .secrets
        .iter()
        .fold(exec, |exec, id| exec.secret(id, &format!("/run/secrets/{id}")));
    let exec = spec
        .mounts
        .iter()
        .fold(exec, |exec, mount| with_mount(exec, mount, around));
    let exec = match spec.network {
        Some(Network::Host) => exec.network(pb::NetMode::Host),
        Some(Network::None) => exec.network(pb::NetMode::None),
        None => exec,
    };
    exec.root(around.platform, name)
}

/// Commands may write to all of them. A copy of the machine's folder goes on as they leave it, until that folder is
/// another: an engine keeps one cache for each content that it began with.
fn with_mount(exec: Exec, mount: &Mount, around: Surroundings<'_>) -> Exec {
    let project = around.project;
    match &mount.kind {
        MountKind::TmpDir => exec.tmpfs(&mount.to),
        MountKind::BuildDir => {
            let id = format!("kiel/{project}{}", mount.to);
            exec.cache(&id, None, Sharing::Shared, &mount.to)
        }
        MountKind::FromPath(path) => {
            let id = format!("kiel/{project}:from_path:{path}");
            match around.host.get(path) {
                Some(HostPath::File(files, name)) => exec.bind(files, &format!("/{name}"), &mount.to),
                Some(HostPath::Folder(files)) => exec.cache(&id, Some(files), Sharing::Shared, &mount.to),
                None => exec.cache(&id, None, Sharing::Shared, &mount.to),
            }
        }
    }
}

fn script(commands: &[String]) -> String {
    let quoted = |command: &str| command.trim_end().replace('\'', r"'\''");
    commands
        .iter()
        .map(|command| format!("printf '%s\\n' '$ {}'\n{command}\n", quoted(command)))
        .collect()
}

/// An import: the files of `source`, on nothing (a layer of its own) or on the image.
#[must_use]
pub fn lower_import(
    import: &Import,
    source: &Output,
    onto: Option<&Output>,
    platform: &Platform,
    name: &str,
) -> Output {
    let owner = (import.owner.is_some() || import.group.is_some()).then(|| Owner {
        user: import.owner.clone(),
        group: import.group.clone(),
    });
    let options = CopyOptions {
        include: import.include_paths.clone(),
        exclude: import.exclude_paths.clone(),
        owner,
    };
    FileChain::new(onto)
        .copy(source, &import.add, &import.to, &options)
        .root(platform, name)
}
