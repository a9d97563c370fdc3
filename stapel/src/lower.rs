//! Lowering: what an engine must do for one stage or import, as LLB.
//!
//! The filesystems it works on come from outside; commands get the variables that they are given and nothing of
//! the machine that builds. Names given to steps are what a user sees while they run.

use std::collections::BTreeMap;

use kiel_llb::{CopyOptions, Exec, FileChain, Output, Owner, Platform, Sharing, pb};

use crate::ansible::{self, Task};
use crate::spec::{Import, Instructions, Mount, MountKind, Network, StapelSpec};
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
    /// The image that holds Ansible, for a stage that has tasks.
    pub toolchain: Option<&'a Output>,
}

/// Files of the machine for a mount.
#[derive(Debug, Clone)]
pub enum HostPath {
    /// A folder: the root of a filesystem.
    Folder(Output),
    /// A file: the one of this name in a filesystem's root.
    File(Output, String),
}

/// A user stage on `root`: its commands in one shell, which ends at the first that fails, or its tasks by Ansible.
///
/// User 0, folder `/`. Each command or task is printed before it runs.
#[must_use]
pub fn lower_stage(
    spec: &StapelSpec,
    stage: UserStage,
    root: Option<&Output>,
    around: Surroundings<'_>,
    name: &str,
) -> Output {
    let exec = match spec.instructions(stage) {
        Instructions::Commands(commands) => shell(commands, root, around, name),
        Instructions::Tasks(tasks, _) => ansible(tasks, root, around, name),
    };
    let exec = exec.user("0:0");
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

/// The shell is bash where the image has it, else `/bin/sh`.
fn shell(commands: &[String], root: Option<&Output>, around: Surroundings<'_>, name: &str) -> Exec {
    let launcher = format!(
        "if command -v bash >/dev/null 2>&1; then exec bash -e {SCRIPT_FOLDER}/commands; fi\nexec /bin/sh -e {SCRIPT_FOLDER}/commands\n"
    );
    let scripts = FileChain::new(None)
        .mkfile("/run", 0o644, launcher.as_bytes())
        .mkfile("/commands", 0o644, script(commands).as_bytes())
        .root(around.platform, &format!("{name}: commands"));
    let start = Exec::new(root, &["/bin/sh".to_owned(), format!("{SCRIPT_FOLDER}/run")]);
    let exec = around
        .env
        .iter()
        .fold(start, |exec, (variable, value)| exec.env(variable, value));
    exec.bind(&scripts, "/", SCRIPT_FOLDER)
}

/// All that Ansible is and writes lies below one folder, which is no part of the image.
fn ansible(tasks: &[Task], root: Option<&Output>, around: Surroundings<'_>, name: &str) -> Exec {
    let inside = |path: &str| path.trim_start_matches(ansible::FOLDER).to_owned();
    let work = inside(ansible::WORK_FOLDER);
    let folders = [
        work.clone(),
        format!("{work}/callback"),
        inside(ansible::TOOLCHAIN_FOLDER),
        inside(ansible::SCRATCH_FOLDER),
    ];
    let files = folders
        .iter()
        .fold(FileChain::new(None), |chain, folder| chain.mkdir(folder, 0o755));
    let files = ansible::files(tasks)
        .into_iter()
        .fold(files, |chain, (path, text)| {
            chain.mkfile(&format!("{work}/{path}"), 0o644, text.as_bytes())
        })
        .root(around.platform, &format!("{name}: tasks"));
    let path = around.env.iter().find(|(variable, _)| variable == "PATH");
    let own = ansible::variables(path.map_or("", |(_, path)| path));
    let start = Exec::new(root, &ansible::command());
    let kept = around.env.iter();
    let exec = kept
        .filter(|(variable, _)| !own.iter().any(|(name, _)| name == variable))
        .fold(start, |exec, (variable, value)| exec.env(variable, value));
    let exec = own
        .iter()
        .fold(exec, |exec, (variable, value)| exec.env(variable, value))
        .bind(&files, "/", ansible::FOLDER)
        .tmpfs(ansible::SCRATCH_FOLDER);
    match around.toolchain {
        Some(toolchain) => exec.bind(toolchain, ansible::TOOLCHAIN_FOLDER, ansible::TOOLCHAIN_FOLDER),
        None => exec,
    }
}

/// Commands may write to all of them. A copy of the machine's folder goes on as they leave it, until that folder is
/// another: an engine keeps one cache for each content that it began with.
fn with_mount(exec: Exec, mount: &Mount, around: Surroundings<'_>) -> Exec {
    // What commands of one architecture leave there is not for another.
    let owner = format!("kiel/{}/{}", around.project, around.platform);
    match &mount.kind {
        MountKind::TmpDir => exec.tmpfs(&mount.to),
        MountKind::BuildDir => {
            let id = format!("{owner}{}", mount.to);
            exec.cache(&id, None, Sharing::Shared, &mount.to)
        }
        MountKind::FromPath(path) => {
            let id = format!("{owner}:from_path:{path}");
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
