//! `ansible:` of a Stapel image: tasks, and the files by which Ansible runs those of one stage.
//!
//! Tasks are kept as they stand in werf.yaml; which modules they may use is checked where the file is read. The paths
//! are those of werf, so that the image of its toolchain fits, and tasks that name them go on working.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::stage::UserStage;

/// The toolchain of werf: Python and Ansible with all that they need, below [`TOOLCHAIN_FOLDER`].
pub const TOOLCHAIN: &str = "registry.werf.io/werf/stapel:0.6.2";
/// What holds all that commands see and the image does not keep.
pub const FOLDER: &str = "/.werf";
/// Where the toolchain is, in its image and while tasks run.
pub const TOOLCHAIN_FOLDER: &str = "/.werf/stapel";
/// Where playbook, inventory and configuration are.
pub const WORK_FOLDER: &str = "/.werf/ansible-workdir";
/// Where Ansible writes while it runs.
pub const SCRATCH_FOLDER: &str = "/.werf/ansible-tmpdir";

/// Prints tasks and what they wrote: its first line is that of a command of `shell`.
const CALLBACK: &str = include_str!("ansible/kiel.py");

/// `ansible:`, the tasks of the four user stages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ansible {
    /// `toolchain`: the image that holds Ansible, as written; [`TOOLCHAIN`] where absent.
    pub toolchain: Option<String>,
    /// Tasks before Git content is there.
    pub before_install: Vec<Task>,
    /// Tasks of `install`.
    pub install: Vec<Task>,
    /// Tasks of `beforeSetup`.
    pub before_setup: Vec<Task>,
    /// Tasks of `setup`.
    pub setup: Vec<Task>,
    /// `cacheVersion`, for all four stages.
    pub cache_version: Option<String>,
    /// `beforeInstallCacheVersion`.
    pub before_install_cache_version: Option<String>,
    /// `installCacheVersion`.
    pub install_cache_version: Option<String>,
    /// `beforeSetupCacheVersion`.
    pub before_setup_cache_version: Option<String>,
    /// `setupCacheVersion`.
    pub setup_cache_version: Option<String>,
}

/// A task or block, its keys in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Task(pub Value);

impl Ansible {
    /// The tasks of a stage.
    #[must_use]
    pub fn tasks(&self, stage: UserStage) -> &[Task] {
        match stage {
            UserStage::BeforeInstall => &self.before_install,
            UserStage::Install => &self.install,
            UserStage::BeforeSetup => &self.before_setup,
            UserStage::Setup => &self.setup,
        }
    }

    /// The image that holds Ansible.
    #[must_use]
    pub fn toolchain(&self) -> &str {
        self.toolchain.as_deref().unwrap_or(TOOLCHAIN)
    }
}

impl Task {
    /// JSON without blanks, keys in the order of the file: what counts in a key.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// What it is called: its name, else the first of its keys.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = self.0.get("name").and_then(Value::as_str);
        let first = || self.0.as_object().and_then(|keys| keys.keys().next());
        name.or_else(|| first().map(String::as_str)).unwrap_or("?")
    }
}

/// The files of [`WORK_FOLDER`], by path relative to it.
pub(crate) fn files(tasks: &[Task]) -> Vec<(&'static str, String)> {
    vec![
        ("ansible.cfg", settings()),
        ("callback/kiel.py", CALLBACK.to_owned()),
        (
            "hosts",
            format!(
                "localhost ansible_connection=local ansible_python_interpreter={}\n",
                python()
            ),
        ),
        ("playbook.yml", playbook(tasks)),
    ]
}

/// The command that runs the tasks.
pub(crate) fn command() -> [String; 3] {
    [
        python(),
        format!("{TOOLCHAIN_FOLDER}/embedded/bin/ansible-playbook"),
        format!("{WORK_FOLDER}/playbook.yml"),
    ]
}

/// What the command has beside the image's variables, whose PATH is given.
pub(crate) fn variables(path: &str) -> Vec<(&'static str, String)> {
    let last = ["sbin", "embedded/sbin", "bin", "embedded/bin"];
    let last: Vec<String> = last
        .iter()
        .map(|folder| format!("{TOOLCHAIN_FOLDER}/{folder}"))
        .collect();
    let overlay = format!("{TOOLCHAIN_FOLDER}/ansible_tools_overlay");
    vec![
        ("ANSIBLE_CONFIG", format!("{WORK_FOLDER}/ansible.cfg")),
        ("ANSIBLE_HOME", format!("{SCRATCH_FOLDER}/home")),
        ("ANSIBLE_ASYNC_DIR", format!("{SCRATCH_FOLDER}/async")),
        ("LANG", "C.UTF-8".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("LD_LIBRARY_PATH", format!("{overlay}/lib")),
        ("PATH", format!("{overlay}/bin:{path}:{}", last.join(":"))),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ("PYTHONIOENCODING", "utf-8".to_owned()),
    ]
}

fn python() -> String {
    format!("{TOOLCHAIN_FOLDER}/embedded/bin/python")
}

fn settings() -> String {
    format!(
        "[defaults]\n\
         inventory = {WORK_FOLDER}/hosts\n\
         transport = local\n\
         retry_files_enabled = False\n\
         callback_plugins = {WORK_FOLDER}/callback\n\
         stdout_callback = kiel\n\
         nocolor = True\n\
         nocows = True\n\
         module_compression = ZIP_STORED\n\
         local_tmp = {SCRATCH_FOLDER}/local\n\
         remote_tmp = {SCRATCH_FOLDER}/remote\n\
         [privilege_escalation]\n\
         become = True\n\
         become_method = sudo\n\
         become_exe = {TOOLCHAIN_FOLDER}/embedded/bin/sudo\n\
         become_flags = -E -H\n"
    )
}

/// JSON that every YAML reader takes for the same: characters beyond ASCII are escaped as YAML has it.
fn playbook(tasks: &[Task]) -> String {
    let tasks: Vec<&Value> = tasks.iter().map(|task| &task.0).collect();
    let play = json!([{ "hosts": "all", "gather_facts": false, "tasks": tasks }]);
    let mut text = String::new();
    for letter in format!("{play:#}\n").chars() {
        match u32::from(letter) {
            0x20..=0x7e | 0x0a => text.push(letter),
            code @ ..=0xffff => text.push_str(&format!("\\u{code:04x}")),
            code => text.push_str(&format!("\\U{code:08x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playbook_has_the_tasks_as_written() {
        let task: Task =
            serde_json::from_str(r#"{"shell":"echo é\u007f😀\t\"x\"","name":"n"}"#).expect("JSON");
        assert_eq!(task.name(), "n");
        assert_eq!(
            task.text(),
            "{\"shell\":\"echo é\u{7f}😀\\t\\\"x\\\"\",\"name\":\"n\"}"
        );
        assert_eq!(
            playbook(&[task]),
            r#"[
  {
    "hosts": "all",
    "gather_facts": false,
    "tasks": [
      {
        "shell": "echo \u00e9\u007f\U0001f600\t\"x\"",
        "name": "n"
      }
    ]
  }
]
"#
        );
    }

    #[test]
    fn the_image_s_programs_stand_before_those_of_the_toolchain() {
        let path = variables("/bin").into_iter().find(|(name, _)| *name == "PATH");
        assert_eq!(
            path.map(|(_, path)| path).as_deref(),
            Some(
                "/.werf/stapel/ansible_tools_overlay/bin:/bin:/.werf/stapel/sbin:/.werf/stapel/embedded/sbin:\
                 /.werf/stapel/bin:/.werf/stapel/embedded/bin"
            )
        );
    }
}
