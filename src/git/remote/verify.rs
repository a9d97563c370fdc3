//! Whether what a server has sent is a commit's files: all of them there, with names of files, and not endlessly many.

use std::collections::HashMap;

use gix::ObjectId;
use gix::objs::TreeRefIter;
use gix::objs::tree::EntryKind;

/// No commit has more files; a tree that holds the same tree again and again can be small and have any number.
const MOST_FILES: u64 = 5_000_000;

/// Paths on Linux are not deeper.
const DEEPEST: usize = 1000;

/// Looks at every tree once and asks for every file. The reason why not, else.
pub(super) fn verify(repo: &gix::Repository, id: &str) -> Result<(), String> {
    let id = ObjectId::from_hex(id.as_bytes()).map_err(|error| error.to_string())?;
    let commit = repo
        .find_object(id)
        .and_then(gix::Object::peel_to_commit)
        .map_err(|error| format!("the commit {id} is not in it: {error}"))?;
    let tree = commit.tree_id().map_err(|error| error.to_string())?.detach();
    let mut walk = Walk {
        repo,
        counts: HashMap::new(),
    };
    walk.folder(tree, 0)?;
    Ok(())
}

struct Walk<'a> {
    repo: &'a gix::Repository,
    /// How many files each tree has that was looked at.
    counts: HashMap<ObjectId, u64>,
}

impl Walk<'_> {
    fn folder(&mut self, id: ObjectId, depth: usize) -> Result<u64, String> {
        if let Some(count) = self.counts.get(&id) {
            return Ok(*count);
        }
        if depth > DEEPEST {
            return Err(format!("folders are nested more than {DEEPEST} deep"));
        }
        let tree = self.repo.find_tree(id).map_err(|error| error.to_string())?;
        let content = tree.detach().data;
        let mut count = 0_u64;
        for entry in TreeRefIter::from_bytes(&content, id.kind()) {
            let entry = entry.map_err(|error| format!("the tree {id} is damaged: {error}"))?;
            if !is_name(entry.filename) {
                return Err(format!(
                    "the tree {id} has an entry `{}`, which is no file's name",
                    entry.filename.escape_ascii()
                ));
            }
            match entry.mode.kind() {
                EntryKind::Tree => {
                    let below = self.folder(entry.oid.to_owned(), depth + 1)?;
                    count = count.saturating_add(below);
                }
                EntryKind::Commit => count += 1,
                EntryKind::Blob | EntryKind::BlobExecutable | EntryKind::Link => {
                    if !self.repo.has_object(entry.oid) {
                        return Err(format!("the file {} is not in it", entry.oid));
                    }
                    count += 1;
                }
            }
            if count > MOST_FILES {
                return Err(format!("it has more than {MOST_FILES} files"));
            }
        }
        self.counts.insert(id, count);
        Ok(count)
    }
}

/// As git fsck has it.
fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && !name.eq_ignore_ascii_case(b".git")
        && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_files() {
        for (name, want) in [
            ("a", true),
            (".gitignore", true),
            ("...", true),
            ("a\nb", true),
            ("", false),
            (".", false),
            ("..", false),
            (".GIT", false),
            ("a/b", false),
            ("a\0", false),
        ] {
            assert_eq!(is_name(name.as_bytes()), want, "{name:?}");
        }
    }
}
