//! Changing files without running a command: copy, make, remove.

use crate::pb;
use crate::pb::file_action::Action;
use crate::vertex::{Inputs, Output, Platform};

/// Who a file belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// Name or number; absent: user 0.
    pub user: Option<String>,
    /// Name or number; absent: group 0.
    pub group: Option<String>,
}

/// How [`FileChain::copy`] takes files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CopyOptions {
    /// Only what matches one of these, relative to the source; none: everything.
    pub include: Vec<String>,
    /// Not what matches one of these.
    pub exclude: Vec<String>,
    /// New owner; absent: as in the source.
    pub owner: Option<Owner>,
}

/// File actions in a row, each on the result of the one before, as one operation.
#[derive(Debug)]
pub struct FileChain {
    base: i64,
    owners: Option<i64>,
    inputs: Inputs,
    // Input and secondary input are filled in at the end, when the number of inputs is known.
    actions: Vec<(i64, Action)>,
}

impl FileChain {
    /// Begins with a filesystem; `None`: the empty one.
    #[must_use]
    pub fn new(base: Option<&Output>) -> Self {
        let mut inputs = Inputs::default();
        let base = inputs.index(base);
        Self {
            base,
            owners: (base >= 0).then_some(base),
            inputs,
            actions: Vec::new(),
        }
    }

    /// Looks names of users and groups up in `/etc/passwd` and `/etc/group` of this filesystem, not in the chain's own.
    #[must_use]
    pub fn owners_of(mut self, filesystem: &Output) -> Self {
        self.owners = Some(self.inputs.index(Some(filesystem)));
        self
    }

    /// Copies `from` of another filesystem to `to`: a folder's content, or a file. Folders above `to` are made.
    /// `from` may not be there when there are include patterns; links on the way to it are followed.
    #[must_use]
    pub fn copy(mut self, source: &Output, from: &str, to: &str, options: &CopyOptions) -> Self {
        let secondary = self.inputs.index(Some(source));
        let action = pb::FileActionCopy {
            src: from.to_owned(),
            dest: to.to_owned(),
            owner: self.owner(options.owner.as_ref()),
            mode: -1,
            follow_symlink: true,
            dir_copy_contents: true,
            create_dest_path: true,
            timestamp: -1,
            include_patterns: options.include.clone(),
            exclude_patterns: options.exclude.clone(),
            ..pb::FileActionCopy::default()
        };
        self.actions.push((secondary, Action::Copy(action)));
        self
    }

    /// Writes a file.
    #[must_use]
    pub fn mkfile(mut self, path: &str, mode: u32, data: &[u8]) -> Self {
        let action = pb::FileActionMkFile {
            path: path.to_owned(),
            mode: i32::try_from(mode).unwrap_or(0o644),
            data: data.to_vec(),
            timestamp: -1,
            ..pb::FileActionMkFile::default()
        };
        self.actions.push((-1, Action::Mkfile(action)));
        self
    }

    /// Makes a folder and those above it.
    #[must_use]
    pub fn mkdir(mut self, path: &str, mode: u32) -> Self {
        let action = pb::FileActionMkDir {
            path: path.to_owned(),
            mode: i32::try_from(mode).unwrap_or(0o755),
            make_parents: true,
            timestamp: -1,
            ..pb::FileActionMkDir::default()
        };
        self.actions.push((-1, Action::Mkdir(action)));
        self
    }

    /// Removes a file or folder; it need not be there.
    #[must_use]
    pub fn rm(mut self, path: &str) -> Self {
        let action = pb::FileActionRm {
            path: path.to_owned(),
            allow_not_found: true,
            allow_wildcard: false,
        };
        self.actions.push((-1, Action::Rm(action)));
        self
    }

    /// The filesystem after the last action.
    #[must_use]
    pub fn root(self, platform: &Platform, name: &str) -> Output {
        let inputs = self.inputs.into_outputs();
        let count = i64::try_from(inputs.len()).unwrap_or(i64::MAX);
        let last = self.actions.len().saturating_sub(1);
        let actions = self
            .actions
            .into_iter()
            .enumerate()
            .map(|(at, (secondary_input, action))| pb::FileAction {
                // An action's result is numbered after the operation's inputs.
                input: if at == 0 {
                    self.base
                } else {
                    count + i64::try_from(at).unwrap_or(i64::MAX) - 1
                },
                secondary_input,
                output: if at == last { 0 } else { -1 },
                action: Some(action),
            });
        let op = pb::FileOp {
            actions: actions.collect(),
        };
        Output::make(pb::op::Op::File(op), inputs, Some(platform), name)
    }

    fn owner(&self, owner: Option<&Owner>) -> Option<pb::ChownOpt> {
        let owner = owner?;
        let option = |name: Option<&str>| {
            let user = match name.map_or(Ok(0), str::parse) {
                Ok(id) => pb::user_opt::User::ById(id),
                Err(_) => pb::user_opt::User::ByName(pb::NamedUserOpt {
                    name: name.unwrap_or_default().to_owned(),
                    input: self.owners.unwrap_or(-1),
                }),
            };
            Some(pb::UserOpt { user: Some(user) })
        };
        Some(pb::ChownOpt {
            user: option(owner.user.as_deref()),
            group: option(owner.group.as_deref()),
        })
    }
}
