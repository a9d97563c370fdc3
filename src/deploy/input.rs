//! What deploy is given: a rendered chart, without knowledge of how it was rendered.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One document with the file it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The template's path (`app/templates/web.yaml`), for messages.
    pub source: String,
    /// The document's YAML.
    pub text: String,
}

/// A rendered chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Rendered {
    /// Ordinary documents.
    pub documents: Vec<Source>,
    /// Documents with the annotation `helm.sh/hook`.
    pub hooks: Vec<Source>,
    /// Documents of `crds/`.
    pub crds: Vec<Source>,
    /// NOTES.txt, rendered.
    pub notes: Option<String>,
    /// The `chart` member of the release record.
    pub chart: Value,
    /// The user's values, for the record.
    pub config: Value,
    /// The ordinary documents as one text, as Helm records and prints it.
    pub manifest_text: String,
}
