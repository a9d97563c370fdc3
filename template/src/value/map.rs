//! Maps with string keys, sorted by key.

use std::{
    cell::{Ref, RefCell, RefMut},
    rc::Rc,
};

use super::{ANY_MAP, Entries, MapType, Str, Value};

/// A Go map with string keys. Cloning shares the content; changes are seen by all holders.
#[derive(Clone)]
pub struct Map {
    map_type: &'static MapType,
    entries: Option<Rc<RefCell<Entries>>>,
}

impl Map {
    /// An empty `map[string]interface {}`.
    pub fn new() -> Self {
        Self::typed(&ANY_MAP, Entries::new())
    }

    /// A map of the given type; the values must be of its element type.
    pub fn typed(map_type: &'static MapType, entries: Entries) -> Self {
        Self {
            map_type,
            entries: Some(Rc::new(RefCell::new(entries))),
        }
    }

    /// The nil map of the given type: it reads as empty and cannot be written.
    pub const fn nil(map_type: &'static MapType) -> Self {
        Self {
            map_type,
            entries: None,
        }
    }

    /// The same content under another type, as an assignment between a named map type and its plain one.
    #[must_use]
    pub fn with_type(&self, map_type: &'static MapType) -> Self {
        Self {
            map_type,
            entries: self.entries.clone(),
        }
    }

    /// The map's type.
    pub fn map_type(&self) -> &'static MapType {
        self.map_type
    }

    /// Whether this is the nil map.
    pub fn is_nil(&self) -> bool {
        self.entries.is_none()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, |entries| entries.borrow().len())
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `key`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.entries.as_ref()?.borrow().get(key.as_ref()).cloned()
    }

    /// Whether there is such a key.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.entries
            .as_ref()
            .is_some_and(|entries| entries.borrow().contains_key(key.as_ref()))
    }

    /// Sets a key for all holders. False for the nil map (Go panics: "assignment to entry in nil map").
    pub fn insert(&self, key: impl Into<Str>, value: Value) -> bool {
        let Some(entries) = &self.entries else {
            return false;
        };
        // The old value is dropped after the borrow: it may hold this very map.
        let old = entries.borrow_mut().insert(key.into(), value);
        drop(old);
        true
    }

    /// Removes a key for all holders.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.entries.as_ref()?.borrow_mut().remove(key.as_ref())
    }

    /// The content, borrowed; `None` for the nil map. Don't call back into a template while it is held.
    pub fn borrow(&self) -> Option<Ref<'_, Entries>> {
        self.entries.as_ref().map(|entries| entries.borrow())
    }

    /// The content for a change that all holders see; `None` for the nil map.
    pub fn borrow_mut(&self) -> Option<RefMut<'_, Entries>> {
        self.entries.as_ref().map(|entries| entries.borrow_mut())
    }

    /// The keys in order.
    pub fn keys(&self) -> Vec<Str> {
        self.entries
            .as_ref()
            .map(|entries| entries.borrow().keys().cloned().collect())
            .unwrap_or_default()
    }

    /// The entries in key order, as a snapshot.
    pub fn to_vec(&self) -> Vec<(Str, Value)> {
        self.entries
            .as_ref()
            .map(|entries| {
                entries
                    .borrow()
                    .iter()
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect()
            })
            .unwrap_or_default()
    }

    /// A map of the same type with content of its own and the same (shared) values.
    #[must_use]
    pub fn shallow_copy(&self) -> Self {
        self.map_values(Value::clone)
    }

    /// Whether both are the same map in memory.
    pub fn same(&self, other: &Self) -> bool {
        match (&self.entries, &other.entries) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    pub(super) fn map_values(&self, mut change: impl FnMut(&Value) -> Value) -> Self {
        match &self.entries {
            Some(entries) => Self::typed(
                self.map_type,
                entries
                    .borrow()
                    .iter()
                    .map(|(key, value)| (key.clone(), change(value)))
                    .collect(),
            ),
            None => self.clone(),
        }
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Into<Str>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        Self::typed(
            &ANY_MAP,
            entries
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
        )
    }
}
