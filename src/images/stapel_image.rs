//! The key of a Stapel image: what Git knows of its mappings, and the stages made from it.

use std::collections::BTreeMap;

use kiel_llb::Platform;
use kiel_stapel::key::Key;
use kiel_stapel::spec::{GitMapping, StapelSpec};
use kiel_stapel::stage::{Keys, MappingContent, MappingFiles, Part, PlanInput, StapelPlan, UserStage};
use serde::Serialize;

use super::{ImageFiles, ImagesError, PlannedImage, PlannedKind};
use crate::config::model::{Image, ImageKind};
use crate::git::patterns::{Nothing, PathFilter, PathMatch};
use crate::git::{CommitFiles, GitError, Selection};

/// A Stapel image with its keys, and what it is built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StapelImagePlan {
    /// Its parts with their keys.
    #[serde(flatten)]
    pub plan: StapelPlan,
    /// What it is made of.
    #[serde(skip)]
    pub spec: StapelSpec,
    /// The files of each mapping.
    #[serde(skip)]
    pub content: Vec<MappingSelection>,
    /// The folder of each mapping in the repository.
    #[serde(skip)]
    pub roots: Vec<String>,
}

/// The files of a mapping; paths are relative to its `add`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingSelection {
    /// All of them.
    pub all: Selection,
    /// Those that `stageDependencies.install` names.
    pub install: Selection,
    /// Those that `stageDependencies.beforeSetup` names.
    pub before_setup: Selection,
    /// Those that `stageDependencies.setup` names.
    pub setup: Selection,
}

impl MappingSelection {
    fn files(&self) -> MappingFiles {
        MappingFiles {
            all: self.all.files().clone(),
            install: self.install.files().clone(),
            before_setup: self.before_setup.files().clone(),
            setup: self.setup.files().clone(),
        }
    }

    /// Each file. Reads trees: blocks.
    ///
    /// # Errors
    /// See [`Selection::listing`].
    pub fn content(&self) -> Result<MappingContent, GitError> {
        Ok(MappingContent {
            all: self.all.listing()?,
            install: self.install.listing()?,
            before_setup: self.before_setup.listing()?,
            setup: self.setup.listing()?,
        })
    }
}

/// The keys of the images that are planned already, and of their stages.
#[derive(Default)]
pub(super) struct KnownKeys {
    pub(super) images: BTreeMap<String, Key>,
    stages: BTreeMap<String, Vec<(UserStage, Key)>>,
}

impl KnownKeys {
    pub(super) fn add(&mut self, image: &PlannedImage) {
        self.images.insert(image.name.clone(), image.key());
        let PlannedKind::Stapel(plan) = &image.kind else {
            return;
        };
        let stage = |part: &Part| match part {
            Part::Stage { stage, keyed } => Some((*stage, keyed.key)),
            Part::CopiedImport { .. } | Part::Import { .. } | Part::Archive => None,
        };
        let stages = plan.plan.parts.iter().filter_map(stage).collect();
        self.stages.insert(image.name.clone(), stages);
    }
}

impl Keys for KnownKeys {
    fn image(&self, name: &str) -> Option<Key> {
        self.images.get(name).copied()
    }

    fn stage(&self, name: &str, stage: UserStage) -> Option<Key> {
        let mut stages = self.stages.get(name)?.iter();
        stages.find(|(known, _)| *known == stage).map(|(_, key)| *key)
    }
}

/// What the mappings of an image take, whatever it is built for.
#[derive(Default)]
pub(super) struct Content {
    mappings: Vec<MappingSelection>,
    /// The folder of each in its repository.
    roots: Vec<String>,
}

/// Looks up what the mappings take; a Dockerfile image has none.
pub(super) fn content(image: &Image, files: ImageFiles<'_>) -> Result<Content, ImagesError> {
    let mut content = Content::default();
    let ImageKind::Stapel(spec) = &image.kind else {
        return Ok(content);
    };
    for (index, mapping) in spec.git.iter().enumerate() {
        let tree = if image.remotes.contains_key(&index) {
            let tree = files.remotes.get(&(image.name.clone(), index));
            tree.ok_or_else(|| ImagesError::Remote {
                image: image.name.clone(),
                to: mapping.to.clone(),
            })?
        } else {
            files.sources_of(&image.name).tree()
        };
        // Wherever the project is in it, `add` is a path of the repository, as in werf.
        let files = tree.files_at("");
        content
            .mappings
            .push(mapping_content(image, &spec.git, index, &files)?);
        content.roots.push(super::folder_of(&files, &mapping.add));
    }
    Ok(content)
}

/// Makes the plan; `keys` holds the keys of all images that this one needs.
pub(super) fn plan(
    image: &Image,
    spec: &StapelSpec,
    content: &Content,
    platform: &Platform,
    keys: &KnownKeys,
) -> Result<StapelImagePlan, ImagesError> {
    let known: Vec<MappingFiles> = content.mappings.iter().map(MappingSelection::files).collect();
    let input = PlanInput {
        spec,
        image_spec: image.image_spec.as_ref(),
        cache_version: image.cache_version.as_deref(),
        platform,
        content: &known,
    };
    let plan = kiel_stapel::stage::plan(input, keys).map_err(|source| ImagesError::Stapel {
        image: image.name.clone(),
        source,
    })?;
    Ok(StapelImagePlan {
        plan,
        spec: spec.clone(),
        content: content.mappings.clone(),
        roots: content.roots.clone(),
    })
}

/// What a filter takes, if another takes it too, without what other mappings put into folders of this one: those
/// folders are theirs alone. So is the way to them: a file or link there would stand where a folder has to be.
struct MappingFilter {
    filter: PathFilter,
    named: PathFilter,
    inner: Vec<String>,
}

impl PathMatch for MappingFilter {
    fn matches(&self, path: &str) -> bool {
        let theirs = |folder: &String| {
            path == folder || below(folder, path).is_some() || below(path, folder).is_some()
        };
        self.filter.matches(path) && self.named.matches(path) && !self.inner.iter().any(theirs)
    }

    fn may_match_below(&self, dir: &str) -> bool {
        let theirs = |folder: &String| dir == folder || below(folder, dir).is_some();
        self.filter.may_match_below(dir) && self.named.may_match_below(dir) && !self.inner.iter().any(theirs)
    }

    fn takes_all_below(&self, dir: &str) -> bool {
        let touched = |folder: &String| {
            dir.is_empty() || dir == folder || below(folder, dir).is_some() || below(dir, folder).is_some()
        };
        self.filter.takes_all_below(dir) && self.named.takes_all_below(dir) && !self.inner.iter().any(touched)
    }
}

fn mapping_content(
    image: &Image,
    mappings: &[GitMapping],
    index: usize,
    files: &CommitFiles,
) -> Result<MappingSelection, ImagesError> {
    let mapping = &mappings[index];
    let pattern_error = |source| ImagesError::Pattern {
        image: image.name.clone(),
        source,
    };
    let filter = PathFilter::new(&mapping.include_paths, &mapping.exclude_paths).map_err(pattern_error)?;
    let dir = format!("{}/{}", files.root(), mapping.add.trim_start_matches('/'));
    let inner: Vec<String> = mappings
        .iter()
        .filter_map(|other| below(&mapping.to, &other.to).map(str::to_owned))
        .collect();
    let select = |filter: Box<dyn PathMatch + Send + Sync>| {
        files
            .tree()
            .select(&dir, filter)
            .map_err(|source| ImagesError::Git {
                image: image.name.clone(),
                source,
            })
    };
    let named = |globs: &[String]| -> Result<Box<dyn PathMatch + Send + Sync>, ImagesError> {
        Ok(Box::new(MappingFilter {
            filter: filter.clone(),
            named: PathFilter::new(globs, &[]).map_err(pattern_error)?,
            inner: inner.clone(),
        }))
    };
    let stage = |globs: &[String]| {
        if globs.is_empty() {
            return select(Box::new(Nothing));
        }
        select(named(globs)?)
    };
    let stages = &mapping.stage_dependencies;
    Ok(MappingSelection {
        all: select(named(&[])?)?,
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
