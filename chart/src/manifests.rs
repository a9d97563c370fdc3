//! Rendered text as manifests: what a chart gives to the cluster, in the order of installation.
//!
//! Text is kept as the templates wrote it; it is parsed beside that, never written anew.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kiel_template::files::Content;
use serde_json::Value;

use crate::decode::{self, DecodeError, Place};
use crate::hook::Hook;
use crate::model::Chart;
use crate::order::install_rank;
use crate::split::split_documents;
use crate::warning::Warning;
use crate::yaml::{self, YamlError};

/// The entries of a manifest that decide what happens to it.
const HEAD: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// More documents than that are not looked at, of all templates together.
const MAX_DOCUMENTS: usize = 100_000;

/// Longer documents are not looked at, in bytes; no cluster takes a tenth of it.
const MAX_DOCUMENT: usize = 16 << 20;

/// Why rendered text is no manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The text is no YAML.
    #[error("YAML parse error on {path}: {source}")]
    Yaml {
        /// The template that wrote it.
        path: String,
        /// Why.
        source: YamlError,
    },
    /// There is more of it than is looked at.
    #[error("cannot read the manifests of `{path}`: {reason}")]
    TooMuch {
        /// The template that wrote it.
        path: String,
        /// Of what there is too much.
        reason: String,
    },
    /// A field that every manifest has is of another type.
    #[error("YAML parse error on {path}: {source}")]
    Head {
        /// The template that wrote it.
        path: String,
        /// Why.
        source: DecodeError,
    },
}

/// One manifest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// The template that wrote it: `app/templates/service.yaml`.
    pub source: String,
    /// Its text, without separators and white space around it.
    pub text: String,
    /// `apiVersion`, or nothing.
    pub api_version: String,
    /// `kind`, or nothing: a document of comments only is kept, as Helm does.
    pub kind: String,
    /// `metadata.name`, or nothing.
    pub name: String,
    /// `metadata.namespace` as written.
    pub namespace: Option<String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// What makes it a hook.
    pub hook: Option<Hook>,
}

/// Which hooks an output shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookOutput {
    /// None.
    None,
    /// All but tests.
    WithoutTests,
    /// All.
    All,
}

/// What a chart renders to.
#[derive(Debug, Clone, Default)]
pub struct Manifests {
    /// What belongs to the release, in the order of installation.
    pub documents: Vec<Document>,
    /// Hooks by the order of their kinds; their weights count only within an event.
    pub hooks: Vec<Document>,
    /// The text of the root chart's `NOTES.txt`.
    pub notes: Option<String>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    /// The chart alone, with dependencies and imports as in effect.
    pub(crate) chart: Option<Chart>,
    pub(crate) crd_files: Vec<CrdFile>,
}

/// A file of `crds/`, which is not rendered.
#[derive(Debug, Clone)]
pub(crate) struct CrdFile {
    pub(crate) source: String,
    pub(crate) data: Content,
}

impl CrdFile {
    fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.data)
    }
}

impl Manifests {
    /// The bytes that `helm template` prints.
    pub fn to_template_output(&self, include_crds: bool, hooks: HookOutput) -> String {
        let crds = self.crd_files.iter().filter(|_| include_crds);
        let crds = crds.map(|file| file.source.len() + file.data.size());
        let documents = self.documents.iter().chain(self.hooks_for(hooks));
        let documents = documents.map(|document| document.source.len() + document.text.len());
        // Room for all of it: to grow a text of megabytes is to copy it again and again.
        let room = crds.chain(documents).map(|length| length + BLOCK_FRAME).sum();
        let mut manifest = String::with_capacity(room);
        if include_crds {
            for file in &self.crd_files {
                push_block(&mut manifest, &file.source, &file.text());
            }
        }
        self.push_documents(&mut manifest);
        let mut output = trimmed(manifest);
        output.push('\n');
        for document in self.hooks_for(hooks) {
            push_block(&mut output, &document.source, &document.text);
        }
        output
    }

    /// What a post-renderer gets: the release's manifest, with the files of `crds/` if wanted.
    pub fn to_post_renderer(&self, include_crds: bool) -> String {
        let mut manifest = String::new();
        for file in self.crd_files.iter().filter(|_| include_crds) {
            push_block(&mut manifest, &file.source, &file.text());
        }
        self.push_documents(&mut manifest);
        manifest
    }

    /// As [`Manifests::to_template_output`], where a post-renderer has made `manifest` of the release's.
    pub fn to_output_of(&self, manifest: &str, hooks: HookOutput) -> String {
        let mut output = format!("{}\n", manifest.trim());
        for document in self.hooks_for(hooks) {
            push_block(&mut output, &document.source, &document.text);
        }
        output
    }

    /// The files of `crds/` as `helm template --output-dir` writes them; none unless wanted.
    pub fn crd_files(&self, include_crds: bool) -> Vec<(String, String)> {
        let files = self.crd_files.iter().filter(|_| include_crds);
        files
            .map(|file| {
                let mut block = String::new();
                push_block(&mut block, &file.source, &file.text());
                (file.source.clone(), block)
            })
            .collect()
    }

    /// What `helm template --output-dir` writes: a file's name and a text to add to it, in order.
    pub fn to_template_files(&self, include_crds: bool, hooks: HookOutput) -> Vec<(String, String)> {
        let crds = self.crd_files.iter().filter(|_| include_crds);
        let crds = crds.map(|file| (&file.source, file.text()));
        let documents = self.documents.iter().chain(self.hooks_for(hooks));
        let documents = documents.map(|document| (&document.source, Cow::Borrowed(document.text.as_str())));
        let block = |(source, text): (&String, Cow<'_, str>)| {
            let mut block = String::new();
            push_block(&mut block, source, &text);
            (source.clone(), block)
        };
        crds.chain(documents).map(block).collect()
    }

    fn hooks_for(&self, shown: HookOutput) -> impl Iterator<Item = &Document> {
        self.hooks.iter().filter(move |document| match shown {
            HookOutput::None => false,
            HookOutput::WithoutTests => !document.hook.as_ref().is_some_and(Hook::is_test),
            HookOutput::All => true,
        })
    }

    /// The `manifest` member of Helm's release record.
    pub fn to_release_manifest(&self) -> String {
        let mut manifest = String::new();
        self.push_documents(&mut manifest);
        manifest
    }

    fn push_documents(&self, manifest: &mut String) {
        for document in &self.documents {
            push_block(manifest, &document.source, &document.text);
        }
    }

    /// The documents of `crds/`, the chart's first, then its dependencies'. Nothing reads them before they are asked
    /// for: Helm prints a file that is no YAML.
    ///
    /// # Errors
    /// Where such a file is no YAML.
    pub fn crds(&self) -> Result<Vec<Document>, ManifestError> {
        let mut documents = Vec::new();
        for file in &self.crd_files {
            for text in split_documents(&file.text()) {
                let document = Document::parse(&file.source, text)?;
                if !document.object()?.is_null() {
                    documents.push(document);
                }
            }
        }
        Ok(documents)
    }

    /// The `chart` member of Helm's release record, with dependencies and imports as in effect.
    pub fn chart_json(&self) -> Value {
        self.chart.as_ref().map_or(Value::Null, Chart::to_release_json)
    }

    /// Sorts the rendered files (by path) into documents and hooks.
    ///
    /// `not_text` is the first file that is not UTF-8.
    pub(crate) fn add_rendered(
        &mut self,
        files: BTreeMap<String, String>,
        not_text: Option<(String, YamlError)>,
    ) -> Result<(), ManifestError> {
        let (broken, fault) = not_text.unzip();
        let mut count = 0;
        for (path, content) in files {
            let base = path.rsplit('/').next().unwrap_or_default();
            if base.starts_with('_') {
                continue;
            }
            if let Some(source) = fault
                .as_ref()
                .filter(|_| broken.as_deref() == Some(path.as_str()))
            {
                let source = source.clone();
                return Err(ManifestError::Yaml { path, source });
            }
            for text in split_documents(&content) {
                count += 1;
                check_size(&path, text, count)?;
                let mut document = Document::parse(&path, text)?;
                match Hook::of(&document) {
                    None => self.documents.push(document),
                    Some(Ok(hook)) => {
                        document.hook = Some(hook);
                        self.hooks.push(document);
                    }
                    Some(Err(unknown)) => {
                        let Document { kind, name, .. } = document;
                        let text = format!("{path}: skipping {kind} `{name}`: {unknown}");
                        self.warnings.push(Warning::logged_as(
                            &format!("manifest_sorter.go:199: info: skipping {unknown}"),
                            text,
                        ));
                    }
                }
            }
        }
        self.documents
            .sort_by(|a, b| install_rank(&a.kind).cmp(&install_rank(&b.kind)));
        self.hooks
            .sort_by(|a, b| install_rank(&a.kind).cmp(&install_rank(&b.kind)));
        Ok(())
    }
}

fn check_size(path: &str, text: &str, count: usize) -> Result<(), ManifestError> {
    let reason = if text.len() > MAX_DOCUMENT {
        format!("a document is longer than the limit of {MAX_DOCUMENT}")
    } else if count > MAX_DOCUMENTS {
        format!("there are more documents than the limit of {MAX_DOCUMENTS}")
    } else {
        return Ok(());
    };
    Err(ManifestError::TooMuch {
        path: path.to_owned(),
        reason,
    })
}

/// The text without the white space around it.
fn trimmed(mut text: String) -> String {
    text.truncate(text.trim_end().len());
    let start = text.len() - text.trim_start().len();
    if start > 0 {
        text.drain(..start);
    }
    text
}

/// What a block has beside its source's name and its text.
const BLOCK_FRAME: usize = "---\n# Source: \n\n".len();

fn push_block(output: &mut String, source: &str, text: &str) {
    output.push_str("---\n# Source: ");
    output.push_str(source);
    output.push('\n');
    output.push_str(text);
    output.push('\n');
}

impl Document {
    /// Reads the parts of a manifest that decide what happens to it.
    fn parse(path: &str, text: &str) -> Result<Self, ManifestError> {
        let head = yaml::to_json_entries(text, |key| HEAD.iter().any(|field| decode::is_named(key, field)));
        let head = head.map_err(|source| ManifestError::Yaml {
            path: path.to_owned(),
            source,
        })?;
        let mut document = Self {
            source: path.to_owned(),
            text: text.to_owned(),
            api_version: String::new(),
            kind: String::new(),
            name: String::new(),
            namespace: None,
            annotations: BTreeMap::new(),
            hook: None,
        };
        document.read_head(&head).map_err(|source| ManifestError::Head {
            path: path.to_owned(),
            source,
        })?;
        Ok(document)
    }

    /// The whole document as the JSON that goes to the cluster; null where there are only comments.
    ///
    /// # Errors
    /// None that was not met when the document was made; a changed text may be no YAML.
    pub fn object(&self) -> Result<Value, ManifestError> {
        yaml::to_json(self.text.as_bytes()).map_err(|source| ManifestError::Yaml {
            path: self.source.clone(),
            source,
        })
    }

    fn read_head(&mut self, object: &Value) -> Result<(), DecodeError> {
        const METADATA: &str =
            r#"struct { Name string "json:\"name\""; Annotations map[string]string "json:\"annotations\"" }"#;
        let place = Place::root("SimpleHead");
        let Some(object) = decode::object(object, &place, "releaseutil.SimpleHead")? else {
            return Ok(());
        };
        decode::set_text(&mut self.api_version, object, "apiVersion", &place)?;
        decode::set_text(&mut self.kind, object, "kind", &place)?;
        let Some(metadata) = decode::field(object, "metadata") else {
            return Ok(());
        };
        let place = place.field("metadata");
        let Some(metadata) = decode::object(metadata, &place, METADATA)? else {
            return Ok(());
        };
        let place = place.structure("");
        decode::set_text(&mut self.name, metadata, "name", &place)?;
        if let Some(annotations) = decode::field(metadata, "annotations") {
            self.annotations = decode::text_map(annotations, &place.field("annotations"))?;
        }
        self.namespace = decode::field(metadata, "namespace")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
