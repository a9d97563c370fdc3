//! Folders of an image that are links, such as `/bin → usr/bin`: Git content that goes below them is written to the
//! folder behind, as a command in the image would write it. `docs/keys.md` section 8.1.
//!
//! They are looked up once, when a mapping is first laid onto an image, and go on with its stages in a label.

use std::collections::{BTreeMap, BTreeSet};

use kiel_stapel::listing::Listing;
use kiel_stapel::spec::GitMapping;
use serde_json::{Value, json};

use super::git_layers::{parents, target};
use crate::git::layer::{Content, LayerEntry, Owner};

/// The label of a stage's image.
const LABEL: &str = "dev.kiel.links";

/// What is a link to a folder in many images.
const OFTEN: [&str; 8] = [
    "bin", "sbin", "lib", "lib32", "lib64", "libx32", "var/run", "var/lock",
];

/// Links and the folders that they lead to, both relative to the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Links(BTreeMap<String, String>);

impl Links {
    pub(crate) fn new(links: BTreeMap<String, String>) -> Self {
        Self(links)
    }

    /// What a stage's config says.
    pub(crate) fn read_label(config: &Value) -> Self {
        let label = config["config"]["Labels"][LABEL].as_str().unwrap_or_default();
        Self(serde_json::from_str(label).unwrap_or_default())
    }

    /// Notes the links in a stage's config; takes the note of the stage before out where there are none.
    pub(crate) fn write_label(&self, config: &mut Value) {
        super::saw::set_label(
            config,
            LABEL,
            (!self.0.is_empty()).then(|| json!(self.0).to_string()),
        );
    }

    /// Moves entries behind the links; a folder that is a link stays one.
    pub(crate) fn follow(&self, entries: &mut Vec<LayerEntry>) {
        if self.0.is_empty() {
            return;
        }
        let mut kept = BTreeSet::new();
        for entry in entries.iter_mut() {
            let is_folder = matches!(entry.content, Content::Folder | Content::Kept);
            if is_folder && let Some(real) = self.0.get(&entry.path) {
                entry.path.clone_from(real);
                entry.content = Content::Kept;
            } else if let Some(real) = self.behind(&entry.path) {
                entry.path = real;
            } else {
                continue;
            }
            kept.extend(parents(&entry.path));
        }
        let there: BTreeSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        kept.retain(|path| !there.contains(path.as_str()));
        entries.extend(kept.into_iter().map(|path| LayerEntry {
            path,
            content: Content::Kept,
            owner: Owner::default(),
        }));
    }

    /// Whether a folder of a mapping is a link in the image.
    pub(crate) fn is_link(&self, folder: &str) -> bool {
        self.0.contains_key(folder)
    }

    /// Where a folder really lies.
    pub(crate) fn real_folder(&self, folder: &str) -> String {
        let linked = self.0.get(folder).cloned();
        linked.unwrap_or_else(|| self.real_file(folder))
    }

    /// Where a file really lies.
    pub(crate) fn real_file(&self, path: &str) -> String {
        self.behind(path).unwrap_or_else(|| path.to_owned())
    }

    /// Where a path below a link lies.
    fn behind(&self, path: &str) -> Option<String> {
        let mut above = path.rmatch_indices('/').map(|(end, _)| end);
        above.find_map(|end| {
            let real = self.0.get(&path[..end])?;
            Some(format!("{real}{}", &path[end..]).trim_matches('/').to_owned())
        })
    }
}

/// The folders of the image that a mapping writes into.
pub(crate) fn folders(mapping: &GitMapping, files: &Listing) -> BTreeSet<String> {
    files
        .entries()
        .iter()
        .flat_map(|file| parents(&target(mapping, file)))
        .collect()
}

/// The folders of an image that a mapping may write into, as far as its parameters tell: its own, those above it, and,
/// below `/`, those that often are links.
pub(crate) fn often(mapping: &GitMapping) -> BTreeSet<String> {
    let to = mapping.to.trim_matches('/');
    let below = |link: &&&str| to.is_empty() || link.starts_with(&format!("{to}/"));
    let links = OFTEN.iter().filter(below).map(|link| (*link).to_owned());
    let mut folders: BTreeSet<String> = parents(to).into_iter().chain(links).collect();
    folders.insert(to.to_owned());
    folders
}

/// Whether one of the folders is a link in many images.
pub(crate) fn are_suspect(folders: &BTreeSet<String>) -> bool {
    OFTEN.iter().any(|link| folders.contains(*link))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiel_stapel::listing::{FileEntry, FileMode};

    fn listing(paths: &[&str]) -> Listing {
        let entry = |path: &&str| FileEntry {
            path: (*path).to_owned(),
            mode: FileMode::Regular,
            id: "0".repeat(40),
        };
        Listing::new(paths.iter().map(entry).collect())
    }

    fn links(pairs: &[(&str, &str)]) -> Links {
        Links(
            pairs
                .iter()
                .map(|(link, to)| ((*link).into(), (*to).into()))
                .collect(),
        )
    }

    #[test]
    fn folders_that_are_often_links_are_suspect() {
        for (to, path, suspect) in [
            ("/", "bin/x", true),
            ("/lib/x.so", "", true),
            ("/var/run/app", "a/b", true),
            ("/", "binary/x", false),
            ("/bin", "", false),
            ("/usr/bin", "x", false),
            ("/app", "lib/x", false),
        ] {
            let mapping = GitMapping {
                to: to.into(),
                ..GitMapping::default()
            };
            assert_eq!(
                are_suspect(&folders(&mapping, &listing(&[path]))),
                suspect,
                "{to} {path}"
            );
        }
    }

    #[test]
    fn entries_go_behind_links() {
        let links = links(&[("bin", "usr/bin"), ("bin/deep", "srv"), ("root", "")]);
        let entry = |path: &str, content| LayerEntry {
            path: path.into(),
            content,
            owner: Owner::default(),
        };
        let mut entries = vec![
            entry("bin", Content::Folder),
            entry("bin/x", Content::Whiteout),
            entry("bin/deep/y/z", Content::Whiteout),
            entry("root/a", Content::Whiteout),
            entry("usr", Content::Folder),
            entry("deep", Content::Folder),
        ];
        links.follow(&mut entries);
        let found: Vec<(&str, bool)> = entries
            .iter()
            .map(|entry| (entry.path.as_str(), entry.content == Content::Kept))
            .collect();
        let want = [
            ("usr/bin", true),
            ("usr/bin/x", false),
            ("srv/y/z", false),
            ("a", false),
            ("usr", false),
            ("deep", false),
            ("srv", true),
            ("srv/y", true),
        ];
        assert_eq!(found, want);
        let mut file = vec![entry("bin", Content::Whiteout)];
        links.follow(&mut file);
        assert_eq!(file[0].path, "bin", "a file takes the place of a link");
    }

    #[test]
    fn the_label_tells_links() {
        let mut config = json!({"config": {}});
        let found = links(&[("bin", "usr/bin")]);
        found.write_label(&mut config);
        assert_eq!(config["config"]["Labels"][LABEL], r#"{"bin":"usr/bin"}"#);
        assert_eq!(Links::read_label(&config), found);
        Links::default().write_label(&mut config);
        assert_eq!(config, json!({"config": {}}));
    }
}
