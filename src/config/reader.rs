//! Typed reading of YAML nodes that collects mistakes in place of stopping at the first.

use indexmap::IndexMap;
use kiel_template::yaml::{self, Node, Resolved};

use super::model::{External, ExternalKind};
use super::schema::{DOCKERFILE, Key, Kind, STAPEL, find, nearest};
use crate::diagnostic::{Diagnostic, Mistakes};

/// Reads a strict YAML file of one document: what `read` makes of it (of nothing, where there is none), or all of the
/// file's mistakes.
pub(crate) fn read_strict<T: Default>(
    file: &str,
    text: &str,
    read: impl FnOnce(&mut Reader, Option<&Node<'_>>) -> T,
) -> Result<T, Mistakes> {
    let mut reader = Reader::default();
    let mut made = T::default();
    match yaml::parse_documents(text) {
        Ok(nodes) => made = read(&mut reader, nodes.first().filter(|node| !node.is_null())),
        Err(error) => reader.mistakes.push(Diagnostic {
            line: error.line().unwrap_or(1),
            column: error.column().unwrap_or(1),
            message: format!("this is no YAML: {}", error.problem()),
            hint: None,
        }),
    }
    if reader.mistakes.is_empty() {
        return Ok(made);
    }
    Err(Mistakes {
        file: file.to_owned(),
        text: text.to_owned(),
        list: reader.mistakes,
    })
}

/// The mistakes found so far; every reading function adds to them and returns what it could read.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) mistakes: Vec<Diagnostic>,
    /// What of that document depends on more than the commit.
    pub(crate) external: Vec<External>,
    /// What works and is gone in werf v3.
    pub(crate) outdated: Vec<Diagnostic>,
    /// Lines of the file before the document that is read.
    pub(crate) lines_before: usize,
}

impl Reader {
    /// Notes that something depends on more than the commit.
    pub(crate) fn external(&mut self, node: &Node<'_>, what: ExternalKind) {
        let (line, column) = (node.line + self.lines_before, node.column);
        self.external.push(External { what, line, column });
    }

    /// Notes what works and is gone in werf v3, with the line that replaces it.
    pub(crate) fn outdated(&mut self, node: &Node<'_>, what: &str, instead: String) {
        self.outdated.push(Diagnostic {
            line: node.line + self.lines_before,
            column: node.column,
            message: format!("{what} is gone in werf v3"),
            hint: Some(instead),
        });
    }

    /// Adds a mistake at a node.
    pub(crate) fn mistake(&mut self, node: &Node<'_>, message: impl Into<String>, hint: Option<String>) {
        let (line, column) = (node.line + self.lines_before, node.column);
        self.mistakes.push(Diagnostic {
            line,
            column,
            message: message.into(),
            hint,
        });
    }

    /// Holds a map against the list of its keys, and everything below it.
    pub(crate) fn check_keys(&mut self, node: &Node<'_>, keys: &'static [Key], place: &str) {
        for (key_node, value) in self.entries(node, place) {
            let Some(name) = scalar(key_node) else {
                self.mistake(key_node, format!("a key of {place} must be text"), None);
                continue;
            };
            let Some(key) = find(keys, name) else {
                // A misspelled `dockerfile` makes a Stapel image of what was meant to be none.
                let near =
                    nearest(keys, name).or_else(|| nearest(DOCKERFILE, name).filter(|_| keys == STAPEL));
                let hint = near.map(|known| format!("did you mean `{known}`?"));
                self.mistake(key_node, format!("unknown key `{name}` in {place}"), hint);
                continue;
            };
            self.check_shape(value, key);
        }
    }

    fn check_shape(&mut self, value: &Node<'_>, key: &'static Key) {
        if value.is_null() {
            return;
        }
        let place = format!("`{}`", key.name);
        match (key.kind, value.items()) {
            (Kind::Maps, Some(items)) => {
                for item in items {
                    self.check_keys(item, key.keys, &place);
                }
            }
            (Kind::Map | Kind::Maps, _) => self.check_keys(value, key.keys, &place),
            _ => {}
        }
    }

    /// The entries of a map, merges applied; none, with a mistake, where it is something else.
    pub(crate) fn entries<'n>(
        &mut self,
        node: &'n Node<'n>,
        place: &str,
    ) -> Vec<(&'n Node<'n>, &'n Node<'n>)> {
        node.merged_entries().unwrap_or_else(|_| {
            self.mistake(node, format!("{place} must be a map of keys and values"), None);
            Vec::new()
        })
    }

    /// A scalar's text, whatever its type: `1` is "1", as in Go when it reads into a string.
    pub(crate) fn text(&mut self, map: &Node<'_>, name: &str) -> Option<String> {
        let node = value(map, name)?;
        let text = scalar(node);
        if text.is_none() {
            self.mistake(node, format!("`{name}` must be text"), None);
        }
        text.map(ToOwned::to_owned)
    }

    /// Text that must be there.
    pub(crate) fn required(&mut self, map: &Node<'_>, name: &str, place: &str) -> Option<String> {
        if value(map, name).is_none() {
            self.mistake(
                map,
                format!("{place} has no `{name}`"),
                Some(format!("add `{name}: …`")),
            );
        }
        self.text(map, name)
    }

    /// A boolean of YAML 1.1: `yes` and `off` too.
    pub(crate) fn boolean(&mut self, map: &Node<'_>, name: &str) -> Option<bool> {
        let node = value(map, name)?;
        if let Ok(Some(Resolved::Bool(value))) = node.resolved() {
            return Some(value);
        }
        self.mistake(node, format!("`{name}` must be true or false"), None);
        None
    }

    /// A whole number that is not negative.
    pub(crate) fn number(&mut self, map: &Node<'_>, name: &str) -> Option<u64> {
        let node = value(map, name)?;
        let number = scalar(node).and_then(|text| text.parse().ok());
        if number.is_none() {
            self.mistake(node, format!("`{name}` must be a whole number"), None);
        }
        number
    }

    /// A list of texts; one text is a list of one.
    pub(crate) fn texts(&mut self, map: &Node<'_>, name: &str) -> Option<Vec<String>> {
        let node = value(map, name)?;
        if let Some(text) = scalar(node) {
            return Some(vec![text.to_owned()]);
        }
        let Some(items) = node.items() else {
            self.mistake(node, format!("`{name}` must be a list of texts"), None);
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match scalar(item) {
                Some(text) => texts.push(text.to_owned()),
                None => self.mistake(item, format!("`{name}` must be a list of texts"), None),
            }
        }
        Some(texts)
    }

    /// As [`Self::texts`], of what is text and not a number or a truth value: Go reads these into lists that take
    /// anything, and refuses what is none.
    pub(crate) fn strings(&mut self, map: &Node<'_>, name: &str) -> Option<Vec<String>> {
        let node = value(map, name)?;
        let items = node.items().unwrap_or(std::slice::from_ref(node));
        if let Some(other) = items
            .iter()
            .find(|item| scalar(item).is_some() && !is_string(item))
        {
            let text = scalar(other).unwrap_or_default();
            let hint = Some(format!("write it in quotes: \"{text}\""));
            self.mistake(other, format!("`{text}` in `{name}` is no text"), hint);
            return None;
        }
        self.texts(map, name)
    }

    /// A map of texts; a null is an empty text.
    pub(crate) fn text_map(&mut self, map: &Node<'_>, name: &str) -> IndexMap<String, String> {
        let mut texts = IndexMap::new();
        let Some(node) = value(map, name) else {
            return texts;
        };
        for (key, entry) in self.entries(node, &format!("`{name}`")) {
            match (scalar(key), scalar(entry)) {
                (Some(key), Some(text)) => _ = texts.insert(key.to_owned(), text.to_owned()),
                (Some(key), None) if entry.is_null() => _ = texts.insert(key.to_owned(), String::new()),
                _ => self.mistake(entry, format!("a value of `{name}` must be text"), None),
            }
        }
        texts
    }
}

/// The value of a key; a null counts as absent.
pub(crate) fn value<'n>(map: &'n Node<'n>, name: &str) -> Option<&'n Node<'n>> {
    let entries = map.merged_entries().ok()?;
    let (_, value) = entries
        .into_iter()
        .rev()
        .find(|(key, _)| key.text() == Some(name))?;
    (!value.is_null()).then_some(value)
}

/// The items of a key that takes a list of maps; one map is a list of one.
pub(crate) fn maps<'n>(map: &'n Node<'n>, name: &str) -> Vec<&'n Node<'n>> {
    match value(map, name) {
        None => Vec::new(),
        Some(node) => node
            .items()
            .map_or_else(|| vec![node], |items| items.iter().collect()),
    }
}

/// Whether YAML takes a scalar for a text.
pub(crate) fn is_string(node: &Node<'_>) -> bool {
    matches!(node.resolved(), Ok(Some(Resolved::Text(_))))
}

/// A scalar's text as written, unless it is null.
pub(crate) fn scalar<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    node.text().filter(|_| !node.is_null())
}
