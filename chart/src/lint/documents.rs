//! A rendered file as a stream of documents, as Kubernetes' reader takes it apart: JSON as long as it is JSON, else YAML.

use serde_json::Value;

use crate::decode::{self, DecodeError, Place};
use crate::yaml;

/// What the rules look at in a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
}

/// Documents in order; null ones are nothing. Ends behind the first that can't be read.
pub(super) struct Documents<'t> {
    rest: &'t str,
    json: bool,
    /// How many documents were read.
    count: usize,
    ended: bool,
}

impl<'t> Documents<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        // Go: only the beginning is looked at to tell JSON from YAML.
        let mut start = text.len().min(4096);
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        Self {
            rest: text,
            json: text[..start].trim_start().starts_with('{'),
            count: 0,
            ended: false,
        }
    }

    /// The next document of a JSON stream; nothing at its end.
    fn next_json(&mut self) -> Option<Result<Option<Head>, String>> {
        let mut stream = serde_json::Deserializer::from_str(self.rest).into_iter::<Value>();
        let value = match stream.next()? {
            Ok(value) => value,
            Err(error) => return Some(Err(format!("json: {error}"))),
        };
        self.rest = &self.rest[stream.byte_offset()..];
        // Go: plain JSON takes no numbers and booleans for texts.
        Some(head(&value).map_err(|error| error.to_string()))
    }

    /// The lines up to the next separator.
    fn next_chunk(&mut self) -> Option<Result<String, String>> {
        let mut chunk = String::new();
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if let Some(behind) = line.strip_prefix("---") {
                let behind = behind.trim();
                if !behind.is_empty() && !behind.starts_with('#') {
                    return Some(Err(format!("invalid Yaml document separator: {behind}")));
                }
                if !chunk.is_empty() {
                    return Some(Ok(chunk));
                }
            }
            chunk.push_str(line);
            chunk.push('\n');
        }
        (!chunk.is_empty()).then_some(Ok(chunk))
    }

    fn next_yaml(&mut self) -> Option<Result<Option<Head>, String>> {
        let chunk = match self.next_chunk()? {
            Ok(chunk) => chunk,
            Err(error) => return Some(Err(error)),
        };
        let value = match yaml::to_json(chunk.as_bytes()) {
            Ok(value) => value,
            Err(error) => return Some(Err(error.to_string())),
        };
        Some(head(&value).map_err(|error| error.to_string()))
    }

    fn next_document(&mut self) -> Option<Result<Option<Head>, String>> {
        if self.json {
            let before = self.rest;
            let first = self.next_json()?;
            let Err(json_error) = first else {
                return Some(first);
            };
            if self.count > 1 {
                return Some(Err(json_error));
            }
            self.json = false;
            // Go: white space up to the end of the line is what JSON left behind.
            let blank = before.len() - before.trim_start().len();
            let skip = before[..blank].find('\n').map_or(blank, |at| at + 1);
            self.rest = &before[skip..];
            return Some(self.next_yaml()?.map_err(|_| json_error));
        }
        self.next_yaml()
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Option<Head>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_document();
        self.count += 1;
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

fn head(value: &Value) -> Result<Option<Head>, DecodeError> {
    let place = Place::root("K8sYamlStruct");
    let Some(object) = decode::object(value, &place, "rules.K8sYamlStruct")? else {
        return Ok(None);
    };
    let mut head = Head::default();
    decode::set_text(&mut head.api_version, object, "apiVersion", &place)?;
    decode::set_text(&mut head.kind, object, "Kind", &place)?;
    if let Some(metadata) = decode::field(object, "Metadata") {
        let place = place.field("Metadata");
        if let Some(metadata) = decode::object(metadata, &place, "rules.k8sYamlMetadata")? {
            let place = place.structure("k8sYamlMetadata");
            let mut namespace = String::new();
            decode::set_text(&mut namespace, metadata, "Namespace", &place)?;
            decode::set_text(&mut head.name, metadata, "Name", &place)?;
        }
    }
    Ok(Some(head))
}
