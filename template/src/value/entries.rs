//! The content of a map: mostly few entries, so that a sorted list serves best; a tree where there are many.

use std::collections::{BTreeMap, btree_map};

use super::{Str, Value};

/// More entries than this are kept in a tree where they come in any order.
const MAX_LISTED: usize = 64;

/// A map's content, in the bytewise key order in which Go prints and ranges.
#[derive(Clone)]
pub struct Entries(Kept);

#[derive(Clone)]
enum Kept {
    /// Sorted by key.
    List(Vec<(Str, Value)>),
    Tree(BTreeMap<Str, Value>),
}

impl Entries {
    /// No entries.
    pub const fn new() -> Self {
        Self(Kept::List(Vec::new()))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::List(list) => list.len(),
            Kept::Tree(tree) => tree.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        match &self.0 {
            // Lengths tell nearly all keys apart, without a look at their bytes.
            Kept::List(list) if list.len() <= MAX_LISTED => list
                .iter()
                .find(|(known, _)| known.len() == key.len() && known.as_bytes() == key)
                .map(|(_, value)| value),
            Kept::List(list) => find(list, key).ok().map(|place| &list[place].1),
            Kept::Tree(tree) => tree.get(key),
        }
    }

    /// Whether there is such a key.
    pub fn contains_key(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// Sets a key; what it was before.
    pub fn insert(&mut self, key: Str, value: Value) -> Option<Value> {
        let list = match &mut self.0 {
            Kept::Tree(tree) => return tree.insert(key, value),
            Kept::List(list) => list,
        };
        match find(list, &key) {
            Ok(place) => Some(std::mem::replace(&mut list[place].1, value)),
            Err(place) if place == list.len() || list.len() < MAX_LISTED => {
                list.insert(place, (key, value));
                None
            }
            Err(_) => self.tree().insert(key, value),
        }
    }

    /// The entries as a tree from now on.
    fn tree(&mut self) -> &mut BTreeMap<Str, Value> {
        if let Kept::List(list) = &mut self.0 {
            self.0 = Kept::Tree(std::mem::take(list).into_iter().collect());
        }
        match &mut self.0 {
            Kept::Tree(tree) => tree,
            Kept::List(_) => unreachable!("the list has just become a tree"),
        }
    }

    /// Removes a key; what it was.
    pub fn remove(&mut self, key: &[u8]) -> Option<Value> {
        match &mut self.0 {
            Kept::List(list) if list.len() <= MAX_LISTED => {
                let place = find(list, key).ok()?;
                Some(list.remove(place).1)
            }
            _ => self.tree().remove(key),
        }
    }

    /// The entries in key order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(match &self.0 {
            Kept::List(list) => Walk::List(list.iter()),
            Kept::Tree(tree) => Walk::Tree(tree.iter()),
        })
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &Str> {
        self.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.iter().map(|(_, value)| value)
    }
}

fn find(list: &[(Str, Value)], key: &[u8]) -> Result<usize, usize> {
    list.binary_search_by(|(known, _)| known.as_bytes().cmp(key))
}

impl Default for Entries {
    fn default() -> Self {
        Self::new()
    }
}

/// Of equal keys the last one counts.
impl FromIterator<(Str, Value)> for Entries {
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(entries: I) -> Self {
        let mut list: Vec<_> = entries.into_iter().collect();
        if !list.is_sorted_by(|(a, _), (b, _)| a < b) {
            list.sort_by(|(a, _), (b, _)| a.cmp(b));
            list.dedup_by(|later, earlier| {
                let is_same = later.0 == earlier.0;
                if is_same {
                    std::mem::swap(later, earlier);
                }
                is_same
            });
        }
        Self(Kept::List(list))
    }
}

impl<const N: usize> From<[(Str, Value); N]> for Entries {
    fn from(entries: [(Str, Value); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = (&'a Str, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The entries of a map in key order.
pub struct Iter<'a>(Walk<'a>);

enum Walk<'a> {
    List(std::slice::Iter<'a, (Str, Value)>),
    Tree(btree_map::Iter<'a, Str, Value>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::List(list) => list.next().map(|(key, value)| (key, value)),
            Walk::Tree(tree) => tree.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Walk::List(list) => list.size_hint(),
            Walk::Tree(tree) => tree.size_hint(),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same as a tree, whatever the order and the number of entries.
    #[test]
    fn entries_are_a_sorted_map() {
        for count in [0_usize, 1, 5, 63, 64, 65, 200] {
            let keys: Vec<Str> = (0..count)
                .map(|n| Str::from(format!("{:03}", n * 37 % 101)))
                .collect();
            let mut want = BTreeMap::new();
            let mut inserted = Entries::new();
            for (number, key) in keys.iter().enumerate() {
                let value = || Value::int(number as i64);
                let old = inserted.insert(key.clone(), value());
                assert_eq!(old.is_some(), want.insert(key.clone(), value()).is_some());
            }
            let collected: Entries = keys
                .iter()
                .enumerate()
                .map(|(number, key)| (key.clone(), Value::int(number as i64)))
                .collect();
            for entries in [&mut inserted, &mut collected.clone()] {
                assert_eq!(entries.len(), want.len());
                let same = |(a, b): ((&Str, &Value), (&Str, &Value))| a.0 == b.0 && a.1.deep_equal(b.1);
                assert!(entries.iter().zip(&want).all(same));
                for key in &keys {
                    assert!(entries.contains_key(key));
                }
                assert!(entries.get(b"x").is_none() && entries.remove(b"x").is_none());
                for key in &keys {
                    entries.remove(key);
                }
                assert!(entries.is_empty());
            }
        }
    }
}
