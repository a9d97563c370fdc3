//! The other repositories of a run: how they are reached, and what includes and git mappings take of them.

use std::collections::BTreeMap;

use super::Context;
use super::args::ProjectArgs;
use super::error::CommandError;
use super::project::Project;
use super::secrets::hide_secret;
use crate::config::includes::without_credentials;
use crate::config::model::{Config, GitAuth, GitRemote, Image, ImageKind, SecretSource};
use crate::diagnostic::{Diagnostic, Mistakes};
use crate::git::SourceTree;
use crate::git::patterns::{PathFilter, PathMatch as _};
use crate::git::remote::{Address, Credentials, RemoteError, RemoteOptions, Remotes};
use crate::images::RemoteTrees;

/// A repository with what opens it.
pub(crate) struct Source {
    pub(crate) address: Address,
    pub(crate) credentials: Option<Credentials>,
}

/// Reaches nothing yet.
pub(crate) fn remotes(args: &ProjectArgs, context: &Context) -> Result<Remotes, CommandError> {
    let mut keys = context.env.family("ssh-key");
    keys.extend_from_slice(&args.ssh_key);
    let home = context.env.home().unwrap_or_default();
    let keys = keys.into_iter().map(|key| match key.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => key.into(),
    });
    Ok(Remotes::new(RemoteOptions {
        cache: context.env.state_home().join("git"),
        ssh_keys: keys.collect(),
        cancel: context.cancel.clone(),
        runtime: tokio::runtime::Handle::try_current()
            .map_err(|error| CommandError::new(format!("cannot reach other repositories: {error}")))?,
    }))
}

/// Where a repository is, and its credentials; those are masked from here on.
pub(crate) fn source(
    remote: &GitRemote,
    args: &ProjectArgs,
    context: &Context,
) -> Result<Source, CommandError> {
    let home = context.env.home();
    let (address, of_address) =
        Address::parse(&remote.url, &args.dir, home.as_deref()).map_err(remote_error)?;
    let credentials = match &remote.auth {
        Some(auth) => Some(credentials(remote, auth, args, context)?),
        None => of_address,
    };
    if let Some(credentials) = &credentials {
        hide_secret(credentials.password.as_bytes(), &context.mask);
    }
    Ok(Source { address, credentials })
}

fn credentials(
    remote: &GitRemote,
    auth: &GitAuth,
    args: &ProjectArgs,
    context: &Context,
) -> Result<Credentials, CommandError> {
    let refuse = |text: String| {
        let url = without_credentials(&remote.url);
        CommandError::new(format!(
            "cannot read the password for the Git repository `{url}`: {text}"
        ))
    };
    let password = match &auth.password {
        SecretSource::Value(text) => text.clone(),
        SecretSource::Env(name) => match context.env.get_raw(name).filter(|text| !text.is_empty()) {
            Some(text) => text.to_owned(),
            None => return Err(refuse(format!("the variable {name} is not set"))),
        },
        SecretSource::File(path) => {
            let path = super::giterminism::machine_path(&args.dir, path, &context.env);
            let text = fs_err::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    Ok(Credentials {
        username: auth.username.clone(),
        password,
    })
}

/// Masks the passwords that stand in addresses of a text, which messages about it show.
pub(crate) fn hide_addresses(text: &str, context: &Context) {
    for (at, scheme) in text.match_indices("://") {
        let rest = &text[at + scheme.len()..];
        let end = rest
            .find(|c: char| c == '/' || c.is_whitespace())
            .unwrap_or(rest.len());
        let password = rest[..end]
            .rsplit_once('@')
            .and_then(|(user, _)| user.split_once(':'));
        if let Some((_, password)) = password {
            hide_secret(password.as_bytes(), &context.mask);
        }
    }
}

/// An interrupted run is no failure.
pub(crate) fn remote_error(error: RemoteError) -> CommandError {
    match error {
        RemoteError::Interrupted => CommandError::interrupted(),
        error => error.into(),
    }
}

/// A failure at its line of a file.
pub(crate) fn at_line(
    file: &str,
    text: &str,
    remote: &GitRemote,
    error: &CommandError,
    hint: Option<String>,
) -> Mistakes {
    Mistakes {
        file: file.to_owned(),
        text: text.to_owned(),
        list: vec![Diagnostic {
            line: remote.line,
            column: remote.column,
            message: error.sentence(),
            hint,
        }],
    }
}

impl Project {
    /// The files that git mappings of these images, and of those that they need, take of other repositories. Blocks.
    pub(crate) fn remote_trees(
        &self,
        names: &[String],
        context: &Context,
    ) -> Result<RemoteTrees, CommandError> {
        let mut trees: RemoteTrees = BTreeMap::new();
        for image in with_needs(&self.config, names) {
            let Some(image) = self.config.image(&image) else {
                continue;
            };
            for (index, remote) in &image.remotes {
                let wanted = wanted(image, *index)?;
                let tree = self.remote_tree(remote, &wanted, context).map_err(|error| {
                    if error.is_interruption() {
                        return error;
                    }
                    CommandError::new(at_line(&self.shown, &self.rendered, remote, &error, None).to_string())
                })?;
                trees.insert((image.name.clone(), *index), tree);
            }
        }
        Ok(trees)
    }

    /// `wanted` says which submodules may have files that count.
    fn remote_tree(
        &self,
        remote: &GitRemote,
        wanted: &dyn Fn(&str) -> bool,
        context: &Context,
    ) -> Result<SourceTree, CommandError> {
        let Source { address, credentials } = source(remote, &self.args, context)?;
        let id = self
            .remotes
            .pin(&address, credentials.as_ref(), &remote.reference)
            .map_err(remote_error)?;
        self.remotes
            .tree_with_submodules(&address, credentials.as_ref(), &id, wanted)
            .map_err(remote_error)
    }
}

/// Whether files below a folder of a mapping's repository may be taken.
fn wanted(image: &Image, index: usize) -> Result<impl Fn(&str) -> bool, CommandError> {
    let mapping = match &image.kind {
        ImageKind::Stapel(spec) => spec.git.get(index),
        ImageKind::Dockerfile(_) => None,
    };
    let filter = mapping.map(|mapping| {
        let filter = PathFilter::new(&mapping.include_paths, &mapping.exclude_paths);
        filter.map(|filter| (mapping.add.trim_matches('/').to_owned(), filter))
    });
    let filter = filter.transpose()?;
    let below = |path: &str, folder: &str| match folder {
        "" => Some(path.to_owned()),
        _ if path == folder => Some(String::new()),
        _ => path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned),
    };
    Ok(move |path: &str| {
        filter
            .as_ref()
            .is_some_and(|(add, filter)| match below(path, add) {
                Some(inside) => inside.is_empty() || filter.may_match_below(&inside),
                None => below(add, path).is_some(),
            })
    })
}

/// These images and all that they need, directly or not.
fn with_needs(config: &Config, names: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open: Vec<String> = names.iter().rev().cloned().collect();
    while let Some(name) = open.pop() {
        if found.contains(&name) {
            continue;
        }
        if let Some(image) = config.image(&name) {
            open.extend(image.needs().into_iter().rev().map(str::to_owned));
        }
        found.push(name);
    }
    found
}
