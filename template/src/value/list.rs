//! Slices.

use std::{
    cell::{Ref, RefCell, RefMut},
    ops::Range,
    rc::Rc,
};

use super::held::{self, LONG};
use super::{ANY_SLICE, SliceType, Value};

/// A Go slice other than `[]uint8`. Cloning shares the elements, as does a slice of a slice; a nil slice has none, is
/// printed like an empty one, and differs from it in JSON (`null`) and in deep equality.
///
/// Deviation from Go: its capacity ends with the elements that were ever in it; what Go reserves beyond is not there.
#[derive(Clone)]
pub struct List {
    slice_type: &'static SliceType,
    items: Option<Rc<Items>>,
}

/// A part of elements that others may share.
struct Items {
    all: Rc<Elements>,
    part: Range<usize>,
    /// Where its capacity ends.
    end: usize,
}

/// The elements, and how many bytes of them are counted as held.
struct Elements {
    values: RefCell<Vec<Value>>,
    counted: usize,
}

impl Items {
    fn new(values: Vec<Value>) -> Self {
        let bytes = values.len().saturating_mul(size_of::<Value>());
        let counted = if bytes >= LONG { bytes } else { 0 };
        if counted > 0 {
            held::add(counted);
        }
        Self {
            part: 0..values.len(),
            end: values.len(),
            all: Rc::new(Elements {
                values: RefCell::new(values),
                counted,
            }),
        }
    }

    fn borrow(&self) -> Ref<'_, [Value]> {
        Ref::map(self.all.values.borrow(), |values| {
            values.get(self.part.clone()).unwrap_or_default()
        })
    }
}

impl Drop for Elements {
    fn drop(&mut self) {
        if self.counted > 0 {
            held::remove(self.counted);
        }
    }
}

impl List {
    /// A `[]interface {}`.
    pub fn new(items: Vec<Value>) -> Self {
        Self::typed(&ANY_SLICE, items)
    }

    /// A slice of the given type; the items must be of its element type.
    pub fn typed(slice_type: &'static SliceType, items: Vec<Value>) -> Self {
        Self {
            slice_type,
            items: Some(Rc::new(Items::new(items))),
        }
    }

    /// The nil slice of the given type.
    pub const fn nil(slice_type: &'static SliceType) -> Self {
        Self {
            slice_type,
            items: None,
        }
    }

    /// The same elements under another type.
    #[must_use]
    pub fn with_type(&self, slice_type: &'static SliceType) -> Self {
        Self {
            slice_type,
            items: self.items.clone(),
        }
    }

    /// The slice's type.
    pub fn slice_type(&self) -> &'static SliceType {
        self.slice_type
    }

    /// Whether this is the nil slice.
    pub fn is_nil(&self) -> bool {
        self.items.is_none()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.items.as_ref().map_or(0, |items| items.part.len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many elements a slice of it may have.
    pub fn capacity(&self) -> usize {
        self.items
            .as_ref()
            .map_or(0, |items| items.end - items.part.start)
    }

    /// A part of it that shares the elements, with a capacity up to `end`; `None` where that is not within its own.
    #[must_use]
    pub fn slice(&self, part: Range<usize>, end: usize) -> Option<Self> {
        if part.start > part.end || part.end > end || end > self.capacity() {
            return None;
        }
        let items = self.items.as_ref().map(|items| {
            Rc::new(Items {
                all: Rc::clone(&items.all),
                part: items.part.start + part.start..items.part.start + part.end,
                end: items.part.start + end,
            })
        });
        Some(Self {
            slice_type: self.slice_type,
            items,
        })
    }

    /// The element at `index`.
    pub fn get(&self, index: usize) -> Option<Value> {
        self.items.as_ref()?.borrow().get(index).cloned()
    }

    /// The elements, borrowed; `None` for the nil slice. Don't call back into a template while it is held.
    pub fn borrow(&self) -> Option<Ref<'_, [Value]>> {
        self.items.as_ref().map(|items| items.borrow())
    }

    /// The elements for a change that all holders see; `None` for the nil slice.
    pub fn borrow_mut(&self) -> Option<RefMut<'_, [Value]>> {
        self.items.as_ref().map(|items| {
            RefMut::map(items.all.values.borrow_mut(), |values| {
                values.get_mut(items.part.clone()).unwrap_or_default()
            })
        })
    }

    /// The elements as a vector of its own.
    pub fn to_vec(&self) -> Vec<Value> {
        self.items
            .as_ref()
            .map(|items| items.borrow().to_vec())
            .unwrap_or_default()
    }

    /// Whether both are the same elements in memory.
    pub fn same(&self, other: &Self) -> bool {
        match (&self.items, &other.items) {
            (Some(a), Some(b)) => Rc::ptr_eq(&a.all, &b.all) && a.part == b.part,
            (None, None) => true,
            _ => false,
        }
    }

    pub(super) fn map_items(&self, change: impl FnMut(&Value) -> Value) -> Self {
        match &self.items {
            Some(items) => Self::typed(self.slice_type, items.borrow().iter().map(change).collect()),
            None => self.clone(),
        }
    }
}
