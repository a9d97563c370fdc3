//! The work tree as if all of it had been committed: what is new, changed and deleted in it, and in the submodules
//! that are checked out, each of which would have a commit of its own and be recorded with that.
//!
//! Which commits these would be is left open; what is known by trees is the same as after commits.

use super::patterns::PathMatch;
use super::submodules::{DEPTH, Mounting, Within};
use super::{GitError, Repository, Scope, SourceTree};

impl Repository {
    /// The files of `tree`, a commit of this repository, with those of the work tree and of the submodules in it that
    /// `filter` takes; it sees paths relative to the repository's root.
    ///
    /// # Errors
    /// A file or an object cannot be read, or a file goes through an external filter.
    pub fn with_work_tree(&self, tree: &SourceTree, filter: &dyn PathMatch) -> Result<SourceTree, GitError> {
        self.with_work_tree_at(tree, filter, DEPTH)
    }

    pub(super) fn with_work_tree_at(
        &self,
        tree: &SourceTree,
        filter: &dyn PathMatch,
        depth: usize,
    ) -> Result<SourceTree, GitError> {
        let tree = tree.plain();
        let changes = self.changes(tree, &[Scope { dir: "", filter }], &[])?;
        let tree = self.overlay_of(tree, &changes.into_keys().collect())?;
        let taken = Some(filter);
        self.mounted(
            &tree,
            Mounting {
                taken,
                depth,
                before: None,
            },
        )
    }

    /// Where the submodules are that are checked out and that `filter` takes, those within others too: paths with commits.
    #[must_use]
    pub fn submodule_commits(&self, filter: &dyn PathMatch) -> Vec<(String, String)> {
        self.submodule_commits_at(filter, DEPTH)
    }

    fn submodule_commits_at(&self, filter: &dyn PathMatch, depth: usize) -> Vec<(String, String)> {
        let Some(depth) = depth.checked_sub(1) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (folder, inner) in self.checked_out() {
            let Some(head) = inner.head().ok().filter(|_| filter.matches(&folder)) else {
                continue;
            };
            let within = Within {
                filter,
                folder: &folder,
            };
            let below = inner.submodule_commits_at(&within, depth);
            found.extend(
                below
                    .into_iter()
                    .map(|(path, id)| (format!("{folder}/{path}"), id)),
            );
            found.push((folder, head.id));
        }
        found
    }

    /// The paths that make the difference between a commit and [`Self::with_work_tree`], those in submodules too.
    /// A submodule that is checked out at another commit is one of them.
    ///
    /// # Errors
    /// An index, an object or a file of a work tree cannot be read.
    pub fn work_tree_changes(
        &self,
        tree: &SourceTree,
        filter: &dyn PathMatch,
    ) -> Result<Vec<String>, GitError> {
        self.work_tree_changes_at(tree, filter, DEPTH)
    }

    fn work_tree_changes_at(
        &self,
        tree: &SourceTree,
        filter: &dyn PathMatch,
        depth: usize,
    ) -> Result<Vec<String>, GitError> {
        let mut paths = self.uncommitted(tree.plain(), &[Scope { dir: "", filter }], &[])?;
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(paths);
        };
        for (folder, inner) in self.checked_out() {
            // One without a commit has nothing that could be recorded.
            let Some(head) = inner.head().ok().filter(|_| filter.matches(&folder)) else {
                continue;
            };
            let within = Within {
                filter,
                folder: &folder,
            };
            let below = inner.work_tree_changes_at(&inner.source_tree(&head), &within, depth)?;
            paths.extend(below.into_iter().map(|path| format!("{folder}/{path}")));
        }
        Ok(paths)
    }
}
