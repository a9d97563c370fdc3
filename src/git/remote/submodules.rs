//! Submodules of other repositories: fetched by the commit that is recorded, as those repositories are.
//!
//! Where they are a file of a stranger's says. So it cannot name this machine's folders, and its submodules get a name
//! and a password only at the server that these are for. One that cannot be fetched is an error where a file of it
//! counts, and none elsewhere; of those that cannot count nothing is asked for.

use std::cell::Cell;
use std::path::Path;

use super::super::submodules::{Absence, DEPTH, Found, Link, mount};
use super::super::{Repository, SourceTree};
use super::{Address, Credentials, RemoteError, Remotes};

/// No repository has more submodules, with those that lie in others.
const MOST: usize = 1000;

/// A repository that has submodules.
struct Around<'a> {
    remotes: &'a Remotes,
    address: &'a Address,
    credentials: Option<&'a Credentials>,
    /// Whether files of a submodule may count.
    wanted: &'a dyn Fn(&str) -> bool,
    /// Where the repository lies within the outermost one, with a slash at its end, or empty.
    prefix: String,
    /// How many submodules may still come.
    left: &'a Cell<usize>,
    depth: usize,
}

impl Remotes {
    /// As [`Self::tree`], with the files of the submodules that are `wanted` by their paths: fetched, or, of a
    /// repository of this machine, those that are there. Where a file of another one counts, that is an error.
    ///
    /// # Errors
    /// As [`Self::tree`], or `.gitmodules` cannot be read.
    pub fn tree_with_submodules(
        &self,
        address: &Address,
        credentials: Option<&Credentials>,
        id: &str,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<SourceTree, RemoteError> {
        let tree = self.tree(address, credentials, id)?;
        if matches!(address, Address::Local(_)) {
            let inner = tree.shared_repo().clone();
            let place = inner.path().to_owned();
            return Ok(Repository::at(inner, place).with_submodules(&tree)?);
        }
        let around = Around {
            remotes: self,
            address,
            credentials,
            wanted,
            prefix: String::new(),
            left: &Cell::new(MOST),
            depth: DEPTH,
        };
        around.mounted(&tree)
    }
}

impl Around<'_> {
    fn mounted(&self, tree: &SourceTree) -> Result<SourceTree, RemoteError> {
        mount(tree, |link| self.find(link))
    }

    fn find(&self, link: &Link) -> Result<Found, RemoteError> {
        let path = format!("{}{}", self.prefix, link.path);
        let absent = |reason: String| Ok(Found::Absent(Absence::Fetch(reason)));
        if !(self.wanted)(&path) {
            return absent("it was not asked for".to_owned());
        }
        let (Some(depth), Some(left)) = (self.depth.checked_sub(1), self.left.get().checked_sub(1)) else {
            return absent("there are too many of them".to_owned());
        };
        self.left.set(left);
        match self.fetch(link, format!("{path}/"), depth) {
            Ok(tree) => Ok(Found::Files(tree)),
            Err(error @ (RemoteError::Interrupted | RemoteError::Cache { .. })) => Err(error),
            Err(error) => absent(sentence(&error)),
        }
    }

    fn fetch(&self, link: &Link, prefix: String, depth: usize) -> Result<SourceTree, RemoteError> {
        let (address, own) = self.address_of(&link.url)?;
        let known = self.credentials.filter(|_| address.is_at_server_of(self.address));
        let credentials = own.as_ref().or(known);
        let tree = self
            .remotes
            .tree(&address, credentials, &link.commit.to_string())?;
        let below = Around {
            address: &address,
            credentials,
            prefix,
            depth,
            ..*self
        };
        below.mounted(&tree)
    }

    fn address_of(&self, url: &str) -> Result<(Address, Option<Credentials>), RemoteError> {
        let wrong = |reason| RemoteError::Address {
            url: crate::config::includes::without_credentials(url),
            reason,
        };
        if url.starts_with("./") || url.starts_with("../") {
            let found = self.address.beside(url);
            return found
                .map(|address| (address, None))
                .ok_or_else(|| wrong("it leads out of its server"));
        }
        match Address::parse(url, Path::new("/"), None)? {
            (Address::Local(_), _) => Err(wrong("it is a folder of another machine")),
            found => Ok(found),
        }
    }
}

/// The message with its causes.
fn sentence(error: &RemoteError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
