//! Whole files of secret values: every scalar leaf is a ciphertext, all else is plain.
//!
//! Every function here replaces leaves in the text and leaves the rest byte for byte: comments, order, anchors, blank
//! lines, quotes of keys.

use std::collections::HashMap;

use kiel_template::yaml::{Node, NodeKind, Resolved, ScalarStyle};

use super::cipher::{Cipher, Key};
use super::error::SecretError;
use super::leaves::{Found, Source};
use super::scalar::{plaintext, quoted, written};

/// A decrypted value.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Keys and indexes, joined by dots.
    pub path: String,
    /// What was encrypted.
    pub plain: Vec<u8>,
    /// The ciphertext.
    pub text: String,
}

/// Decrypts every leaf; each becomes a text in double quotes, for whoever reads it as YAML. Lines stay what they are.
///
/// # Errors
/// It is no YAML, or a leaf cannot be decrypted.
pub fn decrypt_values(text: &str, file: &str, key: &Key) -> Result<(String, Vec<Leaf>), SecretError> {
    decrypt_as(text, file, key, |plain, _| match std::str::from_utf8(plain) {
        Ok(_) => quoted(plain),
        Err(_) => written(plain, super::scalar::Place::Line),
    })
}

/// Decrypts every leaf; each is written as one would write it by hand.
///
/// # Errors
/// As [`decrypt_values`].
pub fn readable_values(text: &str, file: &str, key: &Key) -> Result<(String, Vec<Leaf>), SecretError> {
    decrypt_as(text, file, key, |plain, leaf| written(plain, leaf.place))
}

fn decrypt_as(
    text: &str,
    file: &str,
    key: &Key,
    write: impl Fn(&[u8], &Found<'_, '_>) -> String,
) -> Result<(String, Vec<Leaf>), SecretError> {
    let source = Source::new(text);
    let documents = source.documents(file)?;
    let (mut edits, mut leaves) = (Vec::new(), Vec::new());
    for found in source.leaves(&documents) {
        let (cipher_text, plain) = decrypt_leaf(&found, file, key)?;
        edits.push((found.bytes.clone(), write(&plain, &found)));
        leaves.push(Leaf {
            path: found.path,
            plain,
            text: cipher_text.to_owned(),
        });
    }
    Ok((source.replace(edits), leaves))
}

fn decrypt_leaf<'n>(found: &Found<'n, '_>, file: &str, key: &Key) -> Result<(&'n str, Vec<u8>), SecretError> {
    let decrypted = match &found.node.kind {
        NodeKind::Scalar { text, .. } => match other_than_text(found.node) {
            None => key.decrypt(text).map(|plain| (text.as_ref(), plain)),
            // Digits alone, or with one `e`, are a ciphertext as good as any.
            Some(_) if text.len() >= 68 => key.decrypt(text).map(|plain| (text.as_ref(), plain)),
            Some(kind) => Err(SecretError::NotText(kind)),
        },
        _ => Err(SecretError::NotText("a list or a map")),
    };
    decrypted.map_err(|source| SecretError::Value {
        file: file.to_owned(),
        path: found.path.clone(),
        line: found.node.line,
        source: Box::new(source),
    })
}

fn other_than_text(node: &Node<'_>) -> Option<&'static str> {
    match node.resolved() {
        Ok(Some(Resolved::Bool(_))) => Some("a truth value"),
        Ok(Some(Resolved::Int(_) | Resolved::Uint(_) | Resolved::Float(_))) => Some("a number"),
        _ => None,
    }
}

/// Encrypts every leaf of a plain file.
///
/// # Errors
/// It is no YAML, or the machine gives no random numbers.
pub fn encrypt_values(text: &str, file: &str, key: &Key, cipher: Cipher) -> Result<String, SecretError> {
    encrypt_with(text, file, |_, plain| key.encrypt(cipher, plain))
}

/// Encrypts what the user has made of [`readable_values`]: a leaf whose plaintext is what it was keeps its ciphertext,
/// also where it has moved.
///
/// # Errors
/// As [`encrypt_values`].
pub fn merge_edited(
    edited: &str,
    before: &[Leaf],
    file: &str,
    key: &Key,
    cipher: Cipher,
) -> Result<String, SecretError> {
    let here: HashMap<&str, &Leaf> = before.iter().map(|leaf| (leaf.path.as_str(), leaf)).collect();
    let source = Source::new(edited);
    let documents = source.documents(file)?;
    let stay: Vec<String> = source
        .leaves(&documents)
        .iter()
        .filter(|found| {
            let old = here.get(found.path.as_str());
            old.is_some_and(|old| Some(&old.plain) == plaintext(found.node).as_ref())
        })
        .map(|found| found.path.clone())
        .collect();
    // Those that have left their place, by what they say.
    let mut moved: HashMap<&[u8], Vec<&Leaf>> = HashMap::new();
    for leaf in before.iter().filter(|leaf| !stay.contains(&leaf.path)) {
        moved.entry(&leaf.plain).or_default().push(leaf);
    }
    encrypt_with(edited, file, |path, plain| {
        if let Some(old) = here.get(path).filter(|old| old.plain == plain) {
            return Ok(old.text.clone());
        }
        match moved.get_mut(plain).and_then(Vec::pop) {
            Some(old) => Ok(old.text.clone()),
            None => key.encrypt(cipher, plain),
        }
    })
}

/// Encrypts every leaf of an encrypted file anew, with another key or another cipher.
///
/// # Errors
/// As [`decrypt_values`].
pub fn rotate_values(
    text: &str,
    file: &str,
    old: &Key,
    new: &Key,
    cipher: Option<Cipher>,
) -> Result<String, SecretError> {
    let source = Source::new(text);
    let documents = source.documents(file)?;
    let mut edits = Vec::new();
    for found in source.leaves(&documents) {
        let (before, plain) = decrypt_leaf(&found, file, old)?;
        if !before.is_empty() {
            let cipher = cipher.unwrap_or_else(|| Cipher::of(before));
            edits.push((found.bytes, as_leaf(new.encrypt(cipher, &plain)?)));
        }
    }
    Ok(source.replace(edits))
}

fn encrypt_with(
    text: &str,
    file: &str,
    mut encrypt: impl FnMut(&str, &[u8]) -> Result<String, SecretError>,
) -> Result<String, SecretError> {
    let source = Source::new(text);
    let documents = source.documents(file)?;
    let mut edits = Vec::new();
    for found in source.leaves(&documents) {
        let Some(plain) = plaintext(found.node) else {
            continue;
        };
        let mut range = found.bytes.clone();
        if found.node.tag.is_some() {
            // A tag tells what the plain text was; the ciphertext is a text.
            range.start = tag_start(source.text, range.start);
        }
        edits.push((range, as_leaf(encrypt(&found.path, &plain)?)));
    }
    Ok(source.replace(edits))
}

/// Where the tag in front of a value begins.
fn tag_start(text: &str, value: usize) -> usize {
    let before = text[..value].trim_end();
    match before.rfind(char::is_whitespace) {
        Some(at) if before[at..].trim_start().starts_with('!') => at + 1,
        _ => value,
    }
}

/// A ciphertext that no YAML reader takes for anything but a text.
fn as_leaf(text: String) -> String {
    let node = Node {
        kind: NodeKind::Scalar {
            text: text.as_str().into(),
            style: ScalarStyle::Plain,
        },
        tag: None,
        line: 1,
        column: 1,
        end_line: 1,
        end_column: 1,
        start: 0,
        end: 0,
    };
    if text.is_empty() || other_than_text(&node).is_some() {
        return format!("\"{text}\"");
    }
    text
}
