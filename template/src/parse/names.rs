//! What the texts of a set have again and again, kept once: names, constants, whole actions.

use std::{cell::RefCell, rc::Rc};

use super::node::{Callee, Fields, Invocation, Pipe, ROOT_VARIABLE, Variable};
use crate::{
    builtins::Builtin,
    hash::NameMap,
    value::{Functions, Str},
};

/// What texts have again and again, kept once.
#[derive(Debug)]
pub(crate) struct Names {
    /// Names of fields, and constants.
    texts: RefCell<NameMap<Str, ()>>,
    /// By how they are written: `.a.b.c`.
    fields: RefCell<NameMap<Box<[u8]>, Fields>>,
    /// What names of functions stand for.
    functions: RefCell<NameMap<Rc<str>, Callee>>,
    /// Variables and their numbers.
    variables: RefCell<NameMap<Rc<str>, u32>>,
    /// Actions by what stands between their delimiters.
    actions: RefCell<NameMap<Box<[u8]>, Kept>>,
}

/// An action whose text says everything about it. Charts have the same few again and again; places in them are counted
/// from their own beginning, so that one tree serves all.
#[derive(Debug, Clone)]
pub(super) enum Known {
    Action(Rc<Pipe>),
    If(Rc<Pipe>),
    With(Rc<Pipe>),
    Range(Rc<Pipe>),
    Template(Rc<Invocation>),
    Else,
    End,
}

/// An action and what it has to do with what stands around it.
#[derive(Debug)]
struct Kept {
    action: Known,
    /// The variables that have to be there already.
    used: Box<[u32]>,
    /// Those that are there afterwards.
    declared: Box<[u32]>,
}

impl Default for Names {
    fn default() -> Self {
        // What a large chart has: tables that grow are filled again and again.
        const MANY: usize = 2_000;
        Self {
            texts: RefCell::new(NameMap::with_capacity_and_hasher(MANY, Default::default())),
            fields: RefCell::new(NameMap::with_capacity_and_hasher(MANY, Default::default())),
            functions: RefCell::default(),
            variables: RefCell::new(std::iter::once(("$".into(), ROOT_VARIABLE)).collect()),
            actions: RefCell::new(NameMap::with_capacity_and_hasher(MANY, Default::default())),
        }
    }
}

impl Names {
    pub(super) fn text(&self, text: &[u8]) -> Str {
        let mut texts = self.texts.borrow_mut();
        if let Some((known, ())) = texts.get_key_value(text) {
            return known.clone();
        }
        let text = Str::from(text);
        texts.insert(text.clone(), ());
        text
    }

    /// The names in `.a.b.c`; none for nothing.
    pub(super) fn fields(&self, written: &[u8]) -> Fields {
        if let Some(known) = self.fields.borrow().get(written) {
            return Rc::clone(known);
        }
        let names = written.split(|byte| *byte == b'.').skip(1);
        let fields: Fields = names.map(|name| self.text(name)).collect();
        self.fields
            .borrow_mut()
            .insert(written.into(), Rc::clone(&fields));
        fields
    }

    /// The function of that name among these or the builtins.
    pub(super) fn function(&self, name: &str, known: &Functions) -> Option<(Rc<str>, Callee)> {
        if let Some((name, callee)) = self.functions.borrow().get_key_value(name) {
            return Some((Rc::clone(name), callee.clone()));
        }
        let callee = match known.get(name) {
            Some(function) => Callee::Function(function.clone()),
            None => Callee::Builtin(Builtin::named(name)?),
        };
        let name: Rc<str> = name.into();
        self.functions
            .borrow_mut()
            .insert(Rc::clone(&name), callee.clone());
        Some((name, callee))
    }

    pub(super) fn variable(&self, name: &[u8]) -> Variable {
        let name = String::from_utf8_lossy(name);
        let mut variables = self.variables.borrow_mut();
        if let Some((name, id)) = variables.get_key_value(&*name) {
            return Variable {
                id: *id,
                name: Rc::clone(name),
            };
        }
        let id = u32::try_from(variables.len()).unwrap_or(u32::MAX);
        let name: Rc<str> = name.into();
        variables.insert(Rc::clone(&name), id);
        Variable { id, name }
    }

    /// The action that is written so, if it may stand where these variables are; those that it declares are added.
    pub(super) fn action(&self, text: &[u8], variables: &mut Vec<u32>) -> Option<Known> {
        let actions = self.actions.borrow();
        let kept = actions.get(text)?;
        if !kept.used.iter().all(|id| variables.contains(id)) {
            return None;
        }
        variables.extend_from_slice(&kept.declared);
        Some(kept.action.clone())
    }

    /// Keeps an action, which must have been parsed from exactly this text.
    pub(super) fn keep_action(&self, text: &[u8], action: &Known, used: &[u32], declared: &[u32]) {
        let kept = Kept {
            action: action.clone(),
            used: used.into(),
            declared: declared.into(),
        };
        self.actions.borrow_mut().insert(text.into(), kept);
    }
}
