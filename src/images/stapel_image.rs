//! The key of a Stapel image: what Git knows of its mappings, and the stages made from it.

use std::collections::BTreeMap;

use kiel_llb::Platform;
use kiel_stapel::key::Key;
use kiel_stapel::listing::{FileEntry, Listing};
use kiel_stapel::spec::{GitMapping, StapelSpec};
use kiel_stapel::stage::{MappingContent, PlanInput, StapelPlan, seen};
use serde::Serialize;

use super::ImagesError;
use crate::config::model::Image;
use crate::git::CommitFiles;
use crate::git::patterns::{PathFilter, PathMatch};

/// A Stapel image with its keys, and what it is built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StapelImagePlan {
    /// Its parts with their keys.
    #[serde(flatten)]
    pub plan: StapelPlan,
    /// What it is made of.
    #[serde(skip)]
    pub spec: StapelSpec,
    /// What Git knows of each mapping.
    #[serde(skip)]
    pub content: Vec<MappingContent>,
    /// The folder of each mapping in the repository.
    #[serde(skip)]
    pub roots: Vec<String>,
}

impl StapelImagePlan {
    /// All files of each mapping, relative to its `add`.
    #[must_use]
    pub fn files(&self) -> Vec<Listing> {
        self.content.iter().map(|content| content.all.clone()).collect()
    }

    /// What the image holds of each mapping when the part of this number is made.
    #[must_use]
    pub fn seen(&self, part: usize) -> Vec<Listing> {
        let parts = &self.plan.parts;
        seen(&self.spec.git, &self.content, &parts[..parts.len().min(part + 1)])
    }
}

/// Makes the plan; `keys` holds the keys of all images that this one needs.
pub(super) fn plan(
    image: &Image,
    spec: &StapelSpec,
    files: &CommitFiles,
    platform: &Platform,
    keys: &BTreeMap<String, Key>,
) -> Result<StapelImagePlan, ImagesError> {
    for mapping in &spec.git {
        let named = [&mapping.owner, &mapping.group]
            .into_iter()
            .flatten()
            .find(|owner| owner.parse::<u32>().is_err());
        if let Some(owner) = named {
            return Err(ImagesError::OwnerName {
                image: image.name.clone(),
                to: mapping.to.clone(),
                owner: owner.clone(),
            });
        }
    }
    let mappings = spec.git.iter().enumerate();
    let content = mappings
        .map(|(index, _)| content(image, &spec.git, index, files))
        .collect::<Result<Vec<_>, _>>()?;
    let input = PlanInput {
        spec,
        image_spec: image.image_spec.as_ref(),
        cache_version: image.cache_version.as_deref(),
        platform,
        content: &content,
    };
    let plan = kiel_stapel::stage::plan(input, &|name| keys.get(name).copied()).map_err(|source| {
        ImagesError::Stapel {
            image: image.name.clone(),
            source,
        }
    })?;
    Ok(StapelImagePlan {
        plan,
        spec: spec.clone(),
        content,
        roots: spec
            .git
            .iter()
            .map(|mapping| super::folder_of(files, &mapping.add))
            .collect(),
    })
}

/// Both filters at once.
struct Both<'a>(&'a PathFilter, &'a PathFilter);

impl PathMatch for Both<'_> {
    fn matches(&self, path: &str) -> bool {
        self.0.matches(path) && self.1.matches(path)
    }

    fn may_match_below(&self, dir: &str) -> bool {
        self.0.may_match_below(dir) && self.1.may_match_below(dir)
    }
}

fn content(
    image: &Image,
    mappings: &[GitMapping],
    index: usize,
    files: &CommitFiles,
) -> Result<MappingContent, ImagesError> {
    let mapping = &mappings[index];
    let pattern_error = |source| ImagesError::Pattern {
        image: image.name.clone(),
        source,
    };
    let filter = PathFilter::new(&mapping.include_paths, &mapping.exclude_paths).map_err(pattern_error)?;
    let dir = format!("{}/{}", files.root(), mapping.add.trim_start_matches('/'));
    let inner: Vec<&str> = mappings
        .iter()
        .filter_map(|other| below(&mapping.to, &other.to))
        .collect();
    let list = |filter: &dyn PathMatch| {
        let listing = files
            .tree()
            .listing(dir.trim_matches('/'), filter)
            .map_err(|source| ImagesError::Git {
                image: image.name.clone(),
                source,
            })?;
        Ok::<_, ImagesError>(without(listing, &inner))
    };
    let stage = |globs: &[String]| {
        if globs.is_empty() {
            return Ok(Listing::default());
        }
        let named = PathFilter::new(globs, &[]).map_err(pattern_error)?;
        list(&Both(&filter, &named))
    };
    let all = list(&&filter)?;
    let stages = &mapping.stage_dependencies;
    Ok(MappingContent {
        all,
        install: stage(&stages.install)?,
        before_setup: stage(&stages.before_setup)?,
        setup: stage(&stages.setup)?,
    })
}

/// Where `inner` lies strictly below `outer`: the rest of its path.
fn below<'a>(outer: &str, inner: &'a str) -> Option<&'a str> {
    let rest = inner.strip_prefix(outer.trim_end_matches('/'))?;
    rest.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// Leaves out what another mapping puts into a folder of this one: that folder is the other's alone. So is the way to
/// it: a file or link there would stand where a folder has to be.
fn without(listing: Listing, inner: &[&str]) -> Listing {
    if inner.is_empty() {
        return listing;
    }
    let ours = |entry: &&FileEntry| {
        !inner.iter().any(|folder| {
            entry.path == *folder
                || below(folder, &entry.path).is_some()
                || below(&entry.path, folder).is_some()
        })
    };
    Listing::new(listing.entries().iter().filter(ours).cloned().collect())
}
