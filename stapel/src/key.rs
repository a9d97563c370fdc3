//! Keys and the records that they are computed from: `docs/keys.md` sections 1 to 3.
//!
//! A [`Record`] is a serializable value, so what a key was made from can be printed, stored and compared.
//! Promises: equal records have equal keys on every machine; a field without content is as if it were not there.

use std::fmt;
use std::str::FromStr;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::listing::{FileMode, Listing};

const LENGTH: usize = 28;

/// A key: 28 bytes, shown as 56 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; LENGTH]);

/// A text that is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read key `{0}`: a key is 56 lower-case hex digits")]
pub struct KeyError(String);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; LENGTH];
        let lower = text.bytes().all(|byte| !byte.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if lower => Ok(Self(bytes)),
            _ => Err(KeyError(text.to_owned())),
        }
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A value of a [`Record`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Number(u64),
    /// A boolean.
    Flag(bool),
    /// A list.
    List(Vec<Value>),
    /// Named values in a fixed order.
    Record(Record),
}

impl Value {
    fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Number(_) => false,
            Self::Flag(flag) => !flag,
            Self::List(items) => items.is_empty(),
            Self::Record(record) => record.0.is_empty(),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => encode_text(text, out),
            Self::Number(number) => out.extend(number.to_le_bytes()),
            Self::Flag(flag) => out.push(u8::from(*flag)),
            Self::List(items) => {
                encode_length(items.len(), out);
                items.iter().for_each(|item| item.encode(out));
            }
            Self::Record(record) => record.encode_into(out),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        Self::Text(key.to_string())
    }
}

impl From<Record> for Value {
    fn from(record: Record) -> Self {
        Self::Record(record)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Record(record) => record.serialize(serializer),
        }
    }
}

/// Named values in the order in which they were added; what has no content is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record(Vec<(String, Value)>);

impl Record {
    /// A record that is hashed: its first field is the domain.
    #[must_use]
    pub fn of(domain: &str) -> Self {
        Self::default().with("domain", domain)
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.0.push((name.to_owned(), value));
        }
        self
    }

    /// Adds a field if there is a value.
    #[must_use]
    pub fn maybe<V: Into<Value>>(self, name: &str, value: Option<V>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a list.
    #[must_use]
    pub fn list<V: Into<Value>>(self, name: &str, items: impl IntoIterator<Item = V>) -> Self {
        self.with(name, Value::List(items.into_iter().map(Into::into).collect()))
    }

    /// Adds a map: pairs sorted by name.
    #[must_use]
    pub fn map<'a>(self, name: &str, pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort();
        self.list(
            name,
            pairs
                .into_iter()
                .map(|(key, value)| Value::List(vec![key.into(), value.into()])),
        )
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> &[(String, Value)] {
        &self.0
    }

    /// The bytes that are hashed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    /// The record's key.
    #[must_use]
    pub fn key(&self) -> Key {
        key_of(&self.encode())
    }

    fn encode_into(&self, out: &mut Vec<u8>) {
        encode_length(self.0.len(), out);
        for (name, value) in &self.0 {
            encode_text(name, out);
            value.encode(out);
        }
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0
            .iter()
            .try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

/// A set of files, as far as its key goes: section 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Files {
    /// None.
    Nothing,
    /// One that is a mapping of its own.
    File {
        /// Kind and executable bit.
        mode: FileMode,
        /// Id of its blob.
        id: String,
    },
    /// A folder, by the id of the tree that Git would write for what counts in it.
    Tree(String),
}

impl Files {
    /// The key of these files.
    #[must_use]
    pub fn key(&self) -> Key {
        let record = Record::of("kiel files 1");
        match self {
            Self::Nothing => record,
            Self::File { mode, id } => record.list("file", [mode.as_octal(), id.as_str()]),
            Self::Tree(id) => record.with("tree", id),
        }
        .key()
    }
}

impl From<&Listing> for Files {
    fn from(listing: &Listing) -> Self {
        match listing.entries() {
            [] => Self::Nothing,
            [entry] if entry.path.is_empty() => Self::File {
                mode: entry.mode,
                id: entry.id.clone(),
            },
            _ => Self::Tree(listing.tree_id()),
        }
    }
}

fn key_of(bytes: &[u8]) -> Key {
    let mut key = [0; LENGTH];
    key.copy_from_slice(&blake3::hash(bytes).as_bytes()[..LENGTH]);
    Key(key)
}

fn encode_length(length: usize, out: &mut Vec<u8>) {
    out.extend((length as u64).to_le_bytes());
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    encode_length(text.len(), out);
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_without_content_is_as_if_it_were_not_there() {
        let plain = Record::of("x").with("a", "1");
        let full = Record::of("x")
            .with("a", "1")
            .with("b", "")
            .maybe("c", None::<&str>)
            .list("d", Vec::<&str>::new())
            .with("e", Value::Flag(false))
            .with("f", Record::default());
        assert_eq!(plain.key(), full.key());
    }

    #[test]
    fn borders_between_values_count() {
        let two = |a: &str, b: &str| Record::of("x").list("l", [a, b]).key();
        assert_ne!(two("ab", "c"), two("a", "bc"));
        assert_ne!(
            Record::of("x").with("a", "b").key(),
            Record::of("xa").with("", "b").key()
        );
        assert_ne!(
            Record::of("x").list("a", ["1"]).list("b", ["2"]).key(),
            Record::of("x").list("a", ["1", "2"]).key()
        );
    }

    #[test]
    fn keys_are_read_back() {
        let key = Record::of("x").key();
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.to_string().len(), 56);
        for bad in ["", "00", &key.to_string().to_uppercase(), &format!("{key}0")] {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }
}
