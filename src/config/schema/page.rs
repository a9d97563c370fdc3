//! The reference pages of werf.yaml and werf-giterminism.yaml as Markdown, from the tables that the readers use.

use std::fmt::Write as _;

use kiel_stapel::ansible::{SCRATCH_FOLDER, TOOLCHAIN, TOOLCHAIN_FOLDER, WORK_FOLDER};

use super::{DOCKERFILE, Key, Kind, META, STAPEL, Support};
use crate::config::ansible::MODULES;
use crate::config::giterminism::{RULES, RuleType};

/// `docs/reference/werf_yaml.md`
#[must_use]
pub fn page() -> String {
    let mut text = String::from(
        "# werf.yaml\n\nMade by `kiel docs werf-yaml`; do not edit. Editors get a JSON Schema from `kiel config schema`.\n\n\
         The file (`werf.yaml`, else `werf.yml`) is a template; what comes out are documents with `---` between them: one with\n\
         `configVersion`, and one for each image. Examples show the map that holds the key.\n",
    );
    section(&mut text, "The meta document", META);
    section(&mut text, "An image with a Dockerfile", DOCKERFILE);
    section(&mut text, "A Stapel image", STAPEL);
    tasks(&mut text);
    text
}

/// What the page shows of tasks.
const TASKS: &str = "\
image: app
from: alpine:3.20
git:
- {add: /, to: /app, stageDependencies: {install: [requirements.txt]}}
ansible:
  beforeInstall:
  - name: packages
    apk: {name: [python3, py3-pip], update_cache: true}
  install:
  - name: dependencies
    command: pip install -r requirements.txt
    args: {chdir: /app}
    register: pip
  - block:
    - command: python3 -m compileall /app
    rescue:
    - debug: {var: pip}
    when: pip is changed
  setup:
  - name: settings
    copy:
      content: |
        port=80
      dest: /app/settings
      mode: 0644
";

fn tasks(text: &mut String) {
    // Writing to a String cannot fail.
    _ = write!(
        text,
        "\n## Tasks of Ansible\n\n```yaml\n{TASKS}```\n\n\
         The tasks of a stage are run on the image itself, as user 0, by one `ansible-playbook` with a connection `local`, without\n\
         facts. Go's templates are rendered first: what Ansible is to fill in is written `{{{{ \"{{{{ item }}}}\" }}}}`. A task has one of these\n\
         modules (with `toolchain`, also by its full name, such as `ansible.builtin.copy`), or is a `block` of such tasks with `rescue`\n\
         and `always`:\n\n"
    );
    for (subject, modules) in MODULES {
        let names: Vec<String> = modules.iter().map(|name| format!("`{name}`")).collect();
        _ = writeln!(text, "* {subject}: {}", names.join(", "));
    }
    _ = write!(
        text,
        "\nAnsible comes from `{TOOLCHAIN}`, werf's own image: Ansible 2.7 and Python 2.7,\n\
         for linux/amd64. `toolchain` names another, such as one with a newer Ansible; like the base it counts as written.\n\
         Nothing of it gets into the image. It has to have, for the platform that is built for:\n\n\
         | path | is |\n|---|---|\n\
         | `{TOOLCHAIN_FOLDER}/embedded/bin/python` | Python that runs whatever the image holds: with its own C library or none; modules run by it too |\n\
         | `{TOOLCHAIN_FOLDER}/embedded/bin/ansible-playbook` | the Python program, started by that Python |\n\
         | `{TOOLCHAIN_FOLDER}/embedded/bin/sudo` | only for tasks with `become_user` |\n\
         | `{TOOLCHAIN_FOLDER}/ansible_tools_overlay/{{bin,lib}}` | programs and libraries that stand before the image's own in PATH and LD_LIBRARY_PATH; may be absent |\n\
         | `{TOOLCHAIN_FOLDER}/{{sbin,embedded/sbin,bin,embedded/bin}}` | programs that stand behind the image's own in PATH; may be absent |\n\n\
         The image itself needs `/bin/sh`. `{WORK_FOLDER}` holds `playbook.yml`, `hosts` and `ansible.cfg`, and\n\
         `{SCRATCH_FOLDER}` what Ansible writes while it runs; both are gone afterwards.\n"
    );
}

fn section(text: &mut String, title: &str, keys: &[Key]) {
    // Writing to a String cannot fail.
    _ = write!(
        text,
        "\n## {title}\n\n| key | type | default | meaning | example |\n|---|---|---|---|---|\n"
    );
    rows(text, "", keys);
}

fn rows(text: &mut String, above: &str, keys: &[Key]) {
    for key in keys {
        let about = match (key.same_as, key.support) {
            (Some(other), _) => format!("Same as `{other}`"),
            (None, Support::Yes) => key.about.to_owned(),
            (None, Support::NoEffect) => format!("Without effect. {}", key.about),
        };
        let cells = [key.default, &about].map(|cell| cell.replace('|', "\\|"));
        _ = writeln!(
            text,
            "| `{above}{}` | {} | {} | {} | `{}` |",
            key.name,
            kind(key.kind),
            cells[0],
            cells[1],
            key.example.replace('|', "\\|")
        );
        let brackets = if key.kind == Kind::Maps { "[]" } else { "" };
        rows(text, &format!("{above}{}{brackets}.", key.name), key.keys);
    }
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        Kind::Switch => "true or false".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Texts | Kind::Commands => "text or list".to_owned(),
        Kind::TextMap => "map of texts".to_owned(),
        Kind::Map => "map".to_owned(),
        Kind::Maps => "list of maps".to_owned(),
        Kind::Tasks => "list of tasks".to_owned(),
        Kind::Any => "anything".to_owned(),
    }
}

/// `docs/reference/giterminism.md`
#[must_use]
pub fn giterminism_page() -> String {
    let mut text = String::from(
        "# werf-giterminism.yaml\n\nMade by `kiel docs giterminism`; do not edit. What is checked, and when, stands in\n\
         [giterminism](../giterminism.md).\n\n| key | type | default | allows | example |\n|---|---|---|---|---|\n\
         | `giterminismConfigVersion` | `1` | | has to be there | `giterminismConfigVersion: 1` |\n",
    );
    for rule in RULES {
        let (kind, default) = match rule.kind {
            RuleType::Switch => ("true or false", "`false`"),
            RuleType::List => ("list", "`[]`"),
        };
        _ = writeln!(
            text,
            "| `{}` | {kind} | {default} | {} | `{}` |",
            rule.key,
            rule.allows,
            rule.example()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use kiel_template::yaml;

    use super::*;
    use crate::config::giterminism::Giterminism;
    use crate::config::parse::parse;

    /// A file around an example of a key at this path: images that it may name stand behind it.
    fn around(path: &[&Key], example: &str, root: &[Key]) -> String {
        let mut text = example.to_owned();
        for (depth, key) in path.iter().enumerate().rev() {
            let value = if key.kind == Kind::Maps {
                format!("[{text}]")
            } else {
                text
            };
            text = format!("{}: {value}", key.name);
            // What a map needs beside the key.
            text = match (depth, key.name) {
                (0, _) if root == META => format!("project: demo, configVersion: 1, {text}"),
                (0, _) if root == DOCKERFILE => format!("image: app, dockerfile: Dockerfile, {text}"),
                (0, _) => format!("image: app, from: \"alpine:3.20\", {text}"),
                (_, "stageDependencies") => format!("to: /app, {text}"),
                (_, "imports") => format!(
                    "from: other, {} {text}",
                    if root == STAPEL { "before: install," } else { "" }
                ),
                (_, "basicAuth") => format!("url: \"https://example.com/a\", tag: v1, to: /app, {text}"),
                (_, "password") => format!("username: a, {text}"),
                (_, "limit") => format!("branch: main, {text}"),
                _ => text,
            };
            text = format!("{{{text}}}");
        }
        let meta = if root == META {
            ""
        } else {
            "project: demo\nconfigVersion: 1\n---\n"
        };
        format!("{meta}{text}\n---\nimage: other\nfrom: \"alpine:3.20\"\n")
    }

    fn check(path: &[&Key], keys: &'static [Key], root: &'static [Key], seen: &mut usize) {
        for key in keys {
            let text = around(path, key.example, root);
            parse("werf.yaml", &text).unwrap_or_else(|mistakes| panic!("`{}`: {mistakes}", key.name));
            let example = yaml::parse_documents(key.example).expect("YAML");
            let entries = example[0].merged_entries().expect("a map");
            assert!(
                entries.iter().any(|(name, _)| name.text() == Some(key.name)),
                "{} lacks the key",
                key.example
            );
            assert!(!key.about.is_empty() || key.same_as.is_some(), "{}", key.name);
            *seen += 1;
            let below: Vec<&Key> = path.iter().copied().chain([key]).collect();
            check(&below, key.keys, root, seen);
        }
    }

    #[test]
    fn every_example_is_read() {
        let mut seen = 0;
        for root in [META, DOCKERFILE, STAPEL] {
            check(&[], root, root, &mut seen);
        }
        assert!(seen > 150, "{seen}");
    }

    #[test]
    fn the_example_with_tasks_is_read() {
        let text = format!("project: demo\nconfigVersion: 1\n---\n{TASKS}");
        parse("werf.yaml", &text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    }

    #[test]
    fn every_example_of_giterminism_is_read() {
        for rule in RULES {
            let text = format!("giterminismConfigVersion: 1\n{}\n", rule.example());
            let read =
                Giterminism::parse(&text).unwrap_or_else(|mistakes| panic!("{}: {mistakes}", rule.key));
            assert!(
                read.allows(rule.key) || !read.list(rule.key).is_empty(),
                "{}",
                rule.key
            );
        }
    }
}
