//! Slices.

use std::{
    cell::{Ref, RefCell, RefMut},
    rc::Rc,
};

use super::{ANY_SLICE, SliceType, Value};

/// A Go slice other than `[]uint8`. Cloning shares the elements; a nil slice has none, is printed like an empty
/// one, and differs from it in JSON (`null`) and in deep equality.
///
/// Deviation from Go: a slice of a slice does not share its elements (nothing in a template could see it).
#[derive(Clone)]
pub struct List {
    slice_type: &'static SliceType,
    items: Option<Rc<RefCell<Vec<Value>>>>,
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
            items: Some(Rc::new(RefCell::new(items))),
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
        self.items.as_ref().map_or(0, |items| items.borrow().len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`.
    pub fn get(&self, index: usize) -> Option<Value> {
        self.items.as_ref()?.borrow().get(index).cloned()
    }

    /// The elements, borrowed; `None` for the nil slice. Don't call back into a template while it is held.
    pub fn borrow(&self) -> Option<Ref<'_, Vec<Value>>> {
        self.items.as_ref().map(|items| items.borrow())
    }

    /// The elements for a change that all holders see; `None` for the nil slice.
    pub fn borrow_mut(&self) -> Option<RefMut<'_, Vec<Value>>> {
        self.items.as_ref().map(|items| items.borrow_mut())
    }

    /// The elements as a vector of its own.
    pub fn to_vec(&self) -> Vec<Value> {
        self.items
            .as_ref()
            .map(|items| items.borrow().clone())
            .unwrap_or_default()
    }

    /// Whether both are the same elements in memory.
    pub fn same(&self, other: &Self) -> bool {
        match (&self.items, &other.items) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
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
