//! `werf-includes.yaml` and `werf-includes.lock`: files of other repositories that stand beside a project's own.
//!
//! Reads both files and writes the lock; which files they mean and where those come from is not known here. Sentences
//! are werf's, which scripts look for. An unknown key is a warning, since werf takes files that have some.

use std::fmt::Write as _;

use kiel_template::yaml::{self, Node};

use super::model::{GitAuth, GitReference, GitRemote, SecretSource};
use super::reader::{Reader, read_strict, scalar, value};
use super::schema::nearest_name;
use crate::diagnostic::Mistakes;

/// The file's name, in the project's folder.
pub const FILE: &str = "werf-includes.yaml";

/// The lock's name, beside it.
pub const LOCK: &str = "werf-includes.lock";

const KEYS: [&str; 9] = [
    "git",
    "basicAuth",
    "branch",
    "tag",
    "commit",
    "add",
    "to",
    "includePaths",
    "excludePaths",
];

/// One entry of `includes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// The repository and which of its commits.
    pub remote: GitRemote,
    /// The folder there, absolute.
    pub add: String,
    /// Where its files go, absolute in the project.
    pub to: String,
    /// Globs of the files that count; all, where there is none.
    pub include_paths: Vec<String>,
    /// Globs of the files that don't.
    pub exclude_paths: Vec<String>,
}

/// A file that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Includes {
    /// Its entries, in order.
    pub list: Vec<Include>,
    /// Keys that nobody knows, as sentences.
    pub warnings: Vec<String>,
}

/// One entry of the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// The repository, as in `werf-includes.yaml`.
    pub git: String,
    /// The reference, as there.
    pub reference: GitReference,
    /// The commit's id.
    pub commit: String,
}

impl GitReference {
    /// The name that was written: of a branch, a tag or a commit.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Default => "HEAD",
            Self::Branch(name) | Self::Tag(name) | Self::Commit(name) => name,
        }
    }
}

impl Includes {
    /// Reads `werf-includes.yaml`.
    ///
    /// # Errors
    /// All of its mistakes.
    pub fn parse(text: &str) -> Result<Self, Mistakes> {
        let mut read = Self::default();
        let list = read_file(FILE, text, |reader, node| {
            let (include, unknown) = read_include(reader, node);
            read.warnings.extend(unknown);
            include
        })?;
        read.list = list;
        Ok(read)
    }
}

/// Reads `werf-includes.lock`.
///
/// # Errors
/// All of its mistakes.
pub fn parse_lock(text: &str) -> Result<Vec<Locked>, Mistakes> {
    read_file(LOCK, text, |reader, node| {
        let git = reader.required(node, "git", "an entry of the lock");
        let commit = reader.required(node, "commit", "an entry of the lock");
        let reference = match (reader.text(node, "tag"), reader.text(node, "branch")) {
            (Some(tag), _) => GitReference::Tag(tag),
            (None, Some(branch)) => GitReference::Branch(branch),
            (None, None) => GitReference::Commit(commit.clone().unwrap_or_default()),
        };
        let (git, commit) = (git?, commit?);
        if !is_id(&commit) {
            let at = value(node, "commit").unwrap_or(node);
            let hint = Some("write the lock by `kiel includes update`".to_owned());
            reader.mistake(at, format!("`{commit}` is no commit's id"), hint);
        }
        Some(Locked {
            git,
            reference,
            commit,
        })
    })
}

/// Whether a text is a whole id of a Git object.
#[must_use]
pub fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The lock's text as Go writes it.
#[must_use]
pub fn lock_text(entries: &[Locked]) -> String {
    if entries.is_empty() {
        return "includes: []\n".to_owned();
    }
    let mut text = "includes:\n".to_owned();
    for entry in entries {
        // Writing to a String cannot fail.
        _ = writeln!(text, "    - git: {}", quoted(&entry.git));
        match &entry.reference {
            GitReference::Branch(branch) => _ = writeln!(text, "      branch: {}", quoted(branch)),
            GitReference::Tag(tag) => _ = writeln!(text, "      tag: {}", quoted(tag)),
            GitReference::Commit(_) | GitReference::Default => {}
        }
        _ = writeln!(text, "      commit: {}", quoted(&entry.commit));
    }
    text
}

/// A text as a scalar of YAML: plain where it reads back as that text.
fn quoted(text: &str) -> String {
    let value = serde_json::Value::String(text.to_owned());
    yaml::json_to_wide_string(&value).map_or_else(|_| value.to_string(), |text| text.trim_end().to_owned())
}

/// Reads the entries of `includes`.
fn read_file<T>(
    file: &str,
    text: &str,
    mut entry: impl FnMut(&mut Reader, &Node<'_>) -> Option<T>,
) -> Result<Vec<T>, Mistakes> {
    read_strict(file, text, |reader, node| {
        let mut list = Vec::new();
        let Some(node) = node else { return list };
        for (key, found) in reader.entries(node, "the file") {
            match (key.text(), found.items()) {
                (Some("includes"), Some(items)) => {
                    list.extend(items.iter().filter_map(|item| entry(reader, item)));
                }
                (Some("includes"), None) if found.is_null() => {}
                (Some("includes"), None) => reader.mistake(found, "`includes` must be a list", None),
                _ => {}
            }
        }
        list
    })
}

fn read_include(reader: &mut Reader, node: &Node<'_>) -> (Option<Include>, Vec<String>) {
    let mut unknown = Vec::new();
    for (key, _) in reader.entries(node, "an include") {
        let name = key.text().unwrap_or_default();
        if !KEYS.contains(&name) {
            let near = nearest_name(&KEYS, name).map(|known| format!("; did you mean `{known}`?"));
            let near = near.unwrap_or_default();
            unknown.push(format!(
                "{FILE}:{}: the key `{name}` is not known and has no effect{near}",
                key.line
            ));
        }
    }
    let Some(git) = reader.text(node, "git").filter(|git| !git.is_empty()) else {
        let hint = Some("add `git: URL`, or the path of a repository of this machine".to_owned());
        reader.mistake(node, "`git` field is required", hint);
        return (None, unknown);
    };
    let shown = without_credentials(&git);
    let add = folder(reader, node, "add", &shown);
    let to = folder(reader, node, "to", &shown);
    let include_paths = globs(reader, node, "includePaths", &shown);
    let exclude_paths = globs(reader, node, "excludePaths", &shown);
    let references: Vec<GitReference> = [
        reader.text(node, "branch").map(GitReference::Branch),
        reader.text(node, "tag").map(GitReference::Tag),
        reader.text(node, "commit").map(GitReference::Commit),
    ]
    .into_iter()
    .flatten()
    .filter(|reference| !reference.name().is_empty())
    .collect();
    let reference = match references.as_slice() {
        [reference] => Some(reference.clone()),
        _ => {
            let message = format!("include {shown}: specify only `branch` or `tag` or `commit`");
            reader.mistake(node, message, Some("add or keep one of them".to_owned()));
            None
        }
    };
    let auth = read_auth(reader, node);
    let at = value(node, "git").unwrap_or(node);
    let include = reference.zip(add.zip(to)).map(|(reference, (add, to))| Include {
        remote: GitRemote {
            url: git,
            reference,
            auth,
            line: at.line,
            column: at.column,
        },
        add,
        to,
        include_paths,
        exclude_paths,
    });
    (include, unknown)
}

/// An absolute folder that must be there.
fn folder(reader: &mut Reader, node: &Node<'_>, key: &str, shown: &str) -> Option<String> {
    let Some(path) = reader.text(node, key).filter(|path| !path.is_empty()) else {
        let message = format!("include {shown}: `{key}` field is required");
        reader.mistake(node, message, Some(format!("add `{key}: /`, or a folder")));
        return None;
    };
    let at = value(node, key).unwrap_or(node);
    if !path.starts_with('/') {
        let message =
            format!("include {shown}: `{key}` must be an absolute path relative to the repository root");
        reader.mistake(at, message, Some(format!("write `{key}: /{path}`")));
        return None;
    }
    if path.split('/').any(|part| part == "..") {
        let message = format!("include {shown}: `{key}` must not lead upwards");
        reader.mistake(at, message, Some("leave out the `..`".to_owned()));
        return None;
    }
    Some(path)
}

fn globs(reader: &mut Reader, node: &Node<'_>, key: &str, shown: &str) -> Vec<String> {
    let globs = reader.texts(node, key).unwrap_or_default();
    if let Some(glob) = globs.iter().find(|glob| glob.starts_with('/')) {
        let at = value(node, key).unwrap_or(node);
        let message = format!("include {shown}: `{key}` must be relative paths to the repository root");
        let hint = Some(format!("write `{}`", glob.trim_start_matches('/')));
        reader.mistake(at, message, hint);
    }
    globs
}

/// `basicAuth` of an include or a mapping.
pub(crate) fn read_auth(reader: &mut Reader, node: &Node<'_>) -> Option<GitAuth> {
    let at = value(node, "basicAuth")?;
    let username = reader.text(at, "username").filter(|name| !name.is_empty());
    if username.is_none() {
        let hint = Some("add `username: NAME`; with a token most servers take any name".to_owned());
        reader.mistake(at, "username should be specified when using git basic auth", hint);
    }
    let hint = || Some("write `password: {env: VARIABLE}`, `{src: FILE}` or `{value: TEXT}`".to_owned());
    let Some(password) = value(at, "password") else {
        reader.mistake(at, "basic auth has no password", hint());
        return None;
    };
    if scalar(password).is_some() {
        reader.mistake(
            password,
            "the password of basic auth must say where it is",
            hint(),
        );
        return None;
    }
    let given = ["env", "src", "value"].map(|key| reader.text(password, key));
    let source = match given {
        [Some(name), None, None] => SecretSource::Env(name),
        [None, Some(path), None] => SecretSource::File(path),
        [None, None, Some(text)] => SecretSource::Value(text),
        _ => {
            let message = "specify only env or src or value as basic auth password source";
            reader.mistake(password, message, hint());
            return None;
        }
    };
    username.map(|username| GitAuth {
        username,
        password: source,
    })
}

/// An address without the name and password that it may hold.
#[must_use]
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let list = Includes::parse(text).expect_err("it has mistakes").list;
        list.into_iter().map(|mistake| mistake.message).collect()
    }

    #[test]
    fn entries_are_read() {
        let text = "includes:\n- git: https://u:p@git.example.org/a/b\n  tag: v1\n  add: /x\n  to: /\n  excludePaths: [a]\n  \
                    basicAuth: {username: me, password: {env: TOKEN}}\n- {git: ../b, commit: abc, add: /, to: /y, fo: 1}\n";
        let read = Includes::parse(text).expect("it is right");
        assert_eq!(read.list.len(), 2);
        let first = &read.list[0];
        assert_eq!(first.remote.reference, GitReference::Tag("v1".into()));
        assert_eq!(
            (first.add.as_str(), first.to.as_str(), first.exclude_paths.len()),
            ("/x", "/", 1)
        );
        let auth = first.remote.auth.as_ref().expect("it has some");
        assert_eq!(auth.password, SecretSource::Env("TOKEN".into()));
        assert_eq!(
            read.warnings,
            ["werf-includes.yaml:8: the key `fo` is not known and has no effect; did you mean `to`?"]
        );
        assert_eq!(
            Includes::parse("").expect("nothing is included"),
            Includes::default()
        );
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let text = "includes:\n- branch: b\n  add: /\n  to: /\n- git: https://u:p@h/x\n  branch: b\n  tag: t\n  add: x\n  \
                    includePaths: [/a]\n";
        let list = Includes::parse(text).expect_err("it has mistakes").list;
        let found: Vec<(usize, &str)> = list
            .iter()
            .map(|mistake| (mistake.line, mistake.message.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (2, "`git` field is required"),
                (
                    8,
                    "include https://h/x: `add` must be an absolute path relative to the repository root"
                ),
                (5, "include https://h/x: `to` field is required"),
                (
                    9,
                    "include https://h/x: `includePaths` must be relative paths to the repository root"
                ),
                (
                    5,
                    "include https://h/x: specify only `branch` or `tag` or `commit`"
                ),
            ]
        );
        assert_eq!(
            mistakes("includes: [{git: a, tag: t, add: /../a, to: /, basicAuth: {password: x}}]\n"),
            [
                "include a: `add` must not lead upwards",
                "username should be specified when using git basic auth",
                "the password of basic auth must say where it is"
            ]
        );
    }

    #[test]
    fn the_lock_is_written_as_it_is_read() {
        let id = "a13f7dd92273429bb4a870579127b5e028ecb3b4";
        let entry = |git: &str, reference| Locked {
            git: git.into(),
            reference,
            commit: id.into(),
        };
        let entries = [
            entry("https://h/x", GitReference::Branch("main".into())),
            entry("/srv/git: x", GitReference::Tag("1.0".into())),
            entry("y", GitReference::Commit(id.into())),
        ];
        let text = lock_text(&entries);
        assert!(
            text.starts_with(&format!(
                "includes:\n    - git: https://h/x\n      branch: main\n      commit: {id}\n"
            )),
            "{text}"
        );
        assert_eq!(parse_lock(&text).expect("it is a lock"), entries);
        assert!(parse_lock("includes: [{git: a, tag: b, commit: ../../x}]\n").is_err());
    }
}
