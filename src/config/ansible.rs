//! `ansible` of an image: tasks as they stand in the file, and which modules they may use.
//!
//! What a module takes is Ansible's to judge. Promises: a task is one of a module of werf's list or a block of such.

use kiel_stapel::ansible::{Ansible, Task};
use kiel_template::yaml::{self, Node};

use super::reader::{Reader, scalar, value};
use super::schema::nearest_name;

/// The modules that tasks may use, by subject: those of werf, whose result is much the same at every run.
pub(crate) const MODULES: &[(&str, &[&str])] = &[
    ("commands", &["command", "shell", "raw", "script"]),
    (
        "certificates",
        &[
            "openssl_certificate",
            "openssl_csr",
            "openssl_privatekey",
            "openssl_publickey",
        ],
    ),
    (
        "files",
        &[
            "acl",
            "archive",
            "assemble",
            "blockinfile",
            "copy",
            "file",
            "replace",
            "find",
            "ini_file",
            "iso_extract",
            "lineinfile",
            "stat",
            "tempfile",
            "unarchive",
            "xattr",
        ],
    ),
    ("downloads", &["get_url", "slurp", "uri"]),
    (
        "packages of languages",
        &[
            "bower",
            "bundler",
            "composer",
            "cpanm",
            "easy_install",
            "gem",
            "maven_artifact",
            "npm",
            "pear",
            "pip",
            "yarn",
        ],
    ),
    (
        "packages of systems",
        &[
            "apk",
            "apt",
            "apt_key",
            "apt_repository",
            "apt_rpm",
            "dnf",
            "dpkg_selections",
            "debconf",
            "homebrew",
            "homebrew_cask",
            "homebrew_tap",
            "layman",
            "macports",
            "openbsd_pkg",
            "opkg",
            "package",
            "pacman",
            "pkg5",
            "pkg5_publisher",
            "pkgin",
            "pkgng",
            "pkgutil",
            "portage",
            "portinstall",
            "pulp_repo",
            "redhat_subscription",
            "rhn_channel",
            "rhn_register",
            "rpm_key",
            "slackpkg",
            "sorcery",
            "svr4pkg",
            "swdepot",
            "swupd",
            "urpmi",
            "xbps",
            "yum",
            "yum_repository",
            "zypper",
            "zypper_repository",
        ],
    ),
    (
        "system",
        &["cron", "user", "group", "getent", "locale_gen", "timezone"],
    ),
    (
        "flow",
        &["meta", "assert", "debug", "fail", "set_fact", "wait_for"],
    ),
];

/// What a task may have beside its module, in any version of Ansible; `with_…` too.
const KEYWORDS: &[&str] = &[
    "action",
    "always",
    "any_errors_fatal",
    "args",
    "async",
    "become",
    "become_exe",
    "become_flags",
    "become_method",
    "become_user",
    "block",
    "changed_when",
    "check_mode",
    "collections",
    "connection",
    "debugger",
    "delay",
    "delegate_facts",
    "delegate_to",
    "diff",
    "environment",
    "failed_when",
    "ignore_errors",
    "ignore_unreachable",
    "listen",
    "local_action",
    "loop",
    "loop_control",
    "module_defaults",
    "name",
    "no_log",
    "notify",
    "poll",
    "port",
    "register",
    "remote_user",
    "rescue",
    "retries",
    "run_once",
    "tags",
    "throttle",
    "timeout",
    "until",
    "vars",
    "when",
];
/// Full names of modules, which only later versions than that of the default toolchain know.
const COLLECTIONS: [&str; 2] = ["ansible.builtin.", "ansible.legacy."];
const BLOCK: [&str; 3] = ["block", "rescue", "always"];

/// Reads `ansible` of an image, if it is there.
pub(crate) fn read(reader: &mut Reader, image: &Node<'_>) -> Option<Ansible> {
    let node = value(image, "ansible")?;
    if value(image, "shell").is_some() {
        let hint = Some("keep one of them: a command is the task `- shell: COMMAND`".to_owned());
        reader.mistake(node, "an image has both `shell` and `ansible`", hint);
    }
    let toolchain = reader.text(node, "toolchain").filter(|name| !name.is_empty());
    let knows_full_names = toolchain.is_some();
    let mut tasks = |name: &str| read_tasks(reader, node, name, knows_full_names);
    let stages = ["beforeInstall", "install", "beforeSetup", "setup"].map(&mut tasks);
    let [before_install, install, before_setup, setup] = stages;
    Some(Ansible {
        toolchain,
        before_install,
        install,
        before_setup,
        setup,
        cache_version: reader.text(node, "cacheVersion"),
        before_install_cache_version: reader.text(node, "beforeInstallCacheVersion"),
        install_cache_version: reader.text(node, "installCacheVersion"),
        before_setup_cache_version: reader.text(node, "beforeSetupCacheVersion"),
        setup_cache_version: reader.text(node, "setupCacheVersion"),
    })
}

fn read_tasks(reader: &mut Reader, node: &Node<'_>, stage: &str, knows_full_names: bool) -> Vec<Task> {
    let Some(list) = value(node, stage) else {
        return Vec::new();
    };
    check_list(reader, list, stage, knows_full_names);
    let mut tasks = Vec::new();
    for item in list.items().unwrap_or_default() {
        match yaml::node_to_json(item) {
            Ok(task) => tasks.push(Task(task)),
            Err(error) => reader.mistake(item, format!("this is no task: {}", error.problem()), None),
        }
    }
    tasks
}

fn check_list(reader: &mut Reader, list: &Node<'_>, place: &str, knows_full_names: bool) {
    let Some(items) = list.items() else {
        let hint = Some(format!("write `{place}: [{{…}}]`, or each task behind a dash"));
        reader.mistake(list, format!("`{place}` must be a list of tasks"), hint);
        return;
    };
    for item in items {
        check_task(reader, item, knows_full_names);
    }
}

/// Werf looks at modules of its list alone: other keys are Ansible's. What would be no task for any Ansible is told here.
fn check_task(reader: &mut Reader, task: &Node<'_>, knows_full_names: bool) {
    let mut is_block = false;
    for key in BLOCK {
        if let Some(list) = value(task, key) {
            is_block = true;
            check_list(reader, list, key, knows_full_names);
        }
    }
    if is_block {
        if value(task, "block").is_none() {
            let hint = Some("put the tasks that it is for into `block`".to_owned());
            reader.mistake(task, "a task has `rescue` or `always`, and no `block`", hint);
        }
        return;
    }
    let entries = reader.entries(task, "a task");
    let mut found: Vec<&str> = Vec::new();
    let mut unknown: Vec<(&Node<'_>, &str)> = Vec::new();
    for (key, content) in entries.iter().copied() {
        match scalar(key) {
            Some(name) if !content.is_null() && is_module(name, knows_full_names) => found.push(name),
            Some(name) if !KEYWORDS.contains(&name) && !name.starts_with("with_") => {
                unknown.push((key, name));
            }
            _ => {}
        }
    }
    match found.as_slice() {
        [] if entries.is_empty() => reader.mistake(task, "a task without a module", None),
        [] => unsupported(reader, task, &unknown),
        [_] => {
            for (key, name) in unknown {
                if let Some(near) = nearest_name(KEYWORDS, name) {
                    let hint = Some(format!("did you mean `{near}`?"));
                    reader.mistake(key, format!("unknown key `{name}` in a task"), hint);
                }
            }
        }
        [first, second, ..] => {
            let hint = Some("write one task for each".to_owned());
            reader.mistake(
                task,
                format!("invalid ansible task: it has both `{first}` and `{second}`"),
                hint,
            );
        }
    }
}

fn unsupported(reader: &mut Reader, task: &Node<'_>, unknown: &[(&Node<'_>, &str)]) {
    let Some((at, name)) = unknown.first().copied() else {
        let hint = Some("add one, such as `command: …` or `copy: {…}`".to_owned());
        reader.mistake(task, "unsupported ansible task: it names no module", hint);
        return;
    };
    let modules: Vec<&str> = MODULES
        .iter()
        .flat_map(|(_, names)| names.iter().copied())
        .collect();
    let full = COLLECTIONS.iter().find_map(|prefix| name.strip_prefix(prefix));
    let hint = match (name, full) {
        (name, _) if modules.contains(&name) => format!("say what it is to do, or write `{name}: {{}}`"),
        (_, Some(short)) if modules.contains(&short) => {
            format!("write `{short}`; Ansible of the default toolchain knows no full names")
        }
        ("template", _) => "use `copy` with `content`: werf.yaml itself is a template".to_owned(),
        (name, _) => {
            let near = nearest_name(&modules, name).map(|near| format!("did you mean `{near}`?"));
            near.unwrap_or_else(|| {
                "use `command`, `shell` or another module of those that `kiel docs werf-yaml` lists"
                    .to_owned()
            })
        }
    };
    let message = if modules.contains(&name) {
        format!("unsupported ansible task: nothing stands behind `{name}`")
    } else {
        format!("unsupported ansible task: `{name}` is no module that a task may use")
    };
    reader.mistake(at, message, Some(hint));
}

fn is_module(name: &str, knows_full_names: bool) -> bool {
    let full = COLLECTIONS.iter().find_map(|prefix| name.strip_prefix(prefix));
    let name = full.filter(|_| knows_full_names).unwrap_or(name);
    MODULES.iter().any(|(_, names)| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use kiel_stapel::ansible::Task;
    use kiel_stapel::spec::StapelSpec;

    use crate::config::model::ImageKind;
    use crate::config::parse::parse;

    const HEAD: &str = "project: demo\nconfigVersion: 1\n---\nimage: app\nfrom: alpine:3.20\n";

    fn read(text: &str) -> StapelSpec {
        let config = parse("werf.yaml", &format!("{HEAD}{text}")).unwrap_or_else(|error| panic!("{error}"));
        match &config.images[0].kind {
            ImageKind::Stapel(spec) => (**spec).clone(),
            ImageKind::Dockerfile(_) => panic!("it is a Stapel image"),
        }
    }

    #[test]
    fn tasks_are_kept_as_written() {
        let spec = read(
            "ansible:\n  install:\n  - {name: b, copy: {dest: /b, mode: 0644, content: yes}, when: on}\n  - block:\n    - shell: x\n\
             \x20   rescue: [{debug: {msg: z}}]\n    always: [{command: \"true\"}]\n  setup:\n  cacheVersion: 2\n  installCacheVersion: a\n",
        );
        let ansible = spec.ansible.expect("it has tasks");
        let texts: Vec<String> = ansible.install.iter().map(Task::text).collect();
        assert_eq!(
            texts,
            [
                r#"{"name":"b","copy":{"dest":"/b","mode":420,"content":true},"when":true}"#,
                r#"{"block":[{"shell":"x"}],"rescue":[{"debug":{"msg":"z"}}],"always":[{"command":"true"}]}"#,
            ]
        );
        assert_eq!(
            (
                ansible.cache_version.as_deref(),
                ansible.install_cache_version.as_deref()
            ),
            (Some("2"), Some("a"))
        );
        assert_eq!(ansible.toolchain(), kiel_stapel::ansible::TOOLCHAIN);
        assert!(ansible.setup.is_empty());
        let newer = read("ansible: {toolchain: \"a/b:1\", setup: [{ansible.builtin.copy: {dest: /x}}]}\n");
        assert_eq!(newer.toolchain(), Some("a/b:1"));
        assert_eq!(read("ansible: {toolchain: \"a/b:1\"}\n").toolchain(), None);
    }

    #[test]
    fn what_is_no_task_is_told_with_its_line() {
        for (text, want) in [
            (
                "{install: [{git: {repo: a}}]}",
                "6:22: unsupported ansible task: `git` is no module that a task may use; use `command`, `shell` or another module of those that `kiel docs werf-yaml` lists",
            ),
            (
                "{install: [{name: x}]}",
                "6:21: unsupported ansible task: it names no module; add one, such as `command: …` or `copy: {…}`",
            ),
            (
                "{install: [{block: [{comand: x}]}]}",
                "6:31: unsupported ansible task: `comand` is no module that a task may use; did you mean `command`?",
            ),
            (
                "{install: [{template: {src: a}}]}",
                "6:22: unsupported ansible task: `template` is no module that a task may use; use `copy` with `content`: werf.yaml itself is a template",
            ),
            (
                "{install: [{ansible.builtin.copy: {}}]}",
                "6:22: unsupported ansible task: `ansible.builtin.copy` is no module that a task may use; write `copy`; Ansible of the default toolchain knows no full names",
            ),
            (
                "{install: [{debug: }]}",
                "6:22: unsupported ansible task: nothing stands behind `debug`; say what it is to do, or write `debug: {}`",
            ),
            (
                "{install: [{shell: a, command: b}]}",
                "6:21: invalid ansible task: it has both `shell` and `command`; write one task for each",
            ),
            (
                "{install: [{shell: a, wehn: b}]}",
                "6:32: unknown key `wehn` in a task; did you mean `when`?",
            ),
            (
                "{install: [{rescue: [{shell: a}]}]}",
                "6:21: a task has `rescue` or `always`, and no `block`; put the tasks that it is for into `block`",
            ),
            (
                "{install: {shell: a}}",
                "6:20: `install` must be a list of tasks; write `install: [{…}]`, or each task behind a dash",
            ),
            (
                "{install: [a]}",
                "6:21: a task must be a map of keys and values; ",
            ),
            (
                "{instal: []}",
                "6:11: unknown key `instal` in `ansible`; did you mean `install`?",
            ),
            (
                "{install: []}\nshell: {install: a}",
                "6:10: an image has both `shell` and `ansible`; keep one of them: a command is the task `- shell: COMMAND`",
            ),
        ] {
            let mistakes = parse("werf.yaml", &format!("{HEAD}ansible: {text}\n")).expect_err(text);
            let first = &mistakes.list[0];
            let hint = first.hint.as_deref().unwrap_or_default();
            assert_eq!(
                format!("{}:{}: {}; {hint}", first.line, first.column, first.message),
                want
            );
        }
    }
}
