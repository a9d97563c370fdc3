//! What the texts of a set have again and again, kept once: names, constants, whole actions.

use std::{cell::RefCell, hash::Hasher as _, ops::Range, rc::Rc, sync::Arc};

use super::node::{Body, Callee, Fields, Invocation, Pipe, ROOT_VARIABLE, Variable};
use crate::{
    builtins::Builtin,
    hash::{NameHasher, NameMap},
    value::{Functions, Str},
};

/// What texts have again and again, kept once.
#[derive(Debug)]
pub(crate) struct Names {
    /// Names of fields, and constants.
    texts: RefCell<NameMap<Str, ()>>,
    /// By the hash of how they are written: `.a.b.c`. Of two with one hash the later is kept.
    fields: RefCell<NameMap<u64, Fields>>,
    /// What names of functions stand for.
    functions: RefCell<NameMap<Box<str>, Rc<Callee>>>,
    variables: RefCell<VariableNames>,
    actions: RefCell<Actions>,
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

/// The names of variables, `$` left out.
#[derive(Debug, Default)]
struct VariableNames {
    /// In the order of their numbers.
    names: Vec<Rc<str>>,
    numbers: NameMap<Rc<str>, Variable>,
}

/// Actions by the text that stands between their delimiters.
#[derive(Debug)]
struct Actions {
    kept: Vec<Kept>,
    /// Where they are in the list, by their texts' hashes. Of two with one hash the later is kept.
    places: NameMap<u64, u32>,
}

/// An action, where it was written first, and what it has to do with what stands around it.
#[derive(Debug)]
struct Kept {
    action: Known,
    source: Arc<[u8]>,
    start: u32,
    length: u32,
    /// If there are any.
    variables: Option<Box<Variables>>,
}

#[derive(Debug)]
struct Variables {
    /// Those that have to be there already.
    used: Box<[Variable]>,
    /// Those that are there afterwards.
    declared: Box<[Variable]>,
}

impl Kept {
    fn text(&self) -> &[u8] {
        let (start, length) = (self.start as usize, self.length as usize);
        &self.source[start..start + length]
    }
}

impl Default for Names {
    fn default() -> Self {
        // What a large chart has: tables that grow are filled again and again.
        const MANY: usize = 2_000;
        Self {
            texts: RefCell::new(NameMap::with_capacity_and_hasher(MANY, Default::default())),
            fields: RefCell::new(NameMap::with_capacity_and_hasher(MANY, Default::default())),
            functions: RefCell::default(),
            variables: RefCell::default(),
            actions: RefCell::new(Actions {
                kept: Vec::with_capacity(3 * MANY),
                places: NameMap::with_capacity_and_hasher(3 * MANY, Default::default()),
            }),
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
        let hash = hash(written);
        let names = written.split(|byte| *byte == b'.').skip(1);
        if let Some(known) = self.fields.borrow().get(&hash)
            && names.clone().eq(known.iter().map(Str::as_bytes))
        {
            return Rc::clone(known);
        }
        let fields: Fields = names.map(|name| self.text(name)).collect();
        self.fields.borrow_mut().insert(hash, Rc::clone(&fields));
        fields
    }

    /// The function of that name among these or the builtins.
    pub(super) fn function(&self, name: &str, known: &Functions) -> Option<Rc<Callee>> {
        if let Some(callee) = self.functions.borrow().get(name) {
            return Some(Rc::clone(callee));
        }
        let body = match known.get(name) {
            Some(function) => Body::Function(function.clone()),
            None => Body::Builtin(Builtin::named(name)?),
        };
        let callee = Rc::new(Callee {
            name: name.into(),
            body,
        });
        self.functions
            .borrow_mut()
            .insert(name.into(), Rc::clone(&callee));
        Some(callee)
    }

    pub(super) fn variable(&self, name: &[u8]) -> Variable {
        if name == b"$" {
            return ROOT_VARIABLE;
        }
        let name = String::from_utf8_lossy(name);
        let VariableNames { names, numbers } = &mut *self.variables.borrow_mut();
        if let Some(variable) = numbers.get(&*name) {
            return *variable;
        }
        // Number 0 is `$`.
        let variable = Variable(u32::try_from(names.len() + 1).unwrap_or(u32::MAX));
        let name: Rc<str> = name.into();
        names.push(Rc::clone(&name));
        numbers.insert(name, variable);
        variable
    }

    pub(crate) fn variable_name(&self, variable: Variable) -> Rc<str> {
        let known = &self.variables.borrow().names;
        let name = (variable.0 as usize)
            .checked_sub(1)
            .and_then(|index| known.get(index));
        name.map_or_else(|| "$".into(), Rc::clone)
    }

    /// The action that is written so, if it may stand where these variables are; those that it declares are added.
    pub(super) fn action(&self, text: &[u8], variables: &mut Vec<Variable>) -> Option<Known> {
        let actions = self.actions.borrow();
        let place = *actions.places.get(&hash(text))?;
        let kept = actions.kept.get(place as usize)?;
        if kept.text() != text {
            return None;
        }
        if let Some(around) = &kept.variables {
            if !around.used.iter().all(|variable| variables.contains(variable)) {
                return None;
            }
            variables.extend_from_slice(&around.declared);
        }
        Some(kept.action.clone())
    }

    /// Keeps an action, which must have been parsed from exactly this part of the source.
    pub(super) fn keep_action(
        &self,
        source: &Arc<[u8]>,
        place: Range<usize>,
        action: &Known,
        used: &[Variable],
        declared: &[Variable],
    ) {
        let (Ok(start), Ok(length)) = (u32::try_from(place.start), u32::try_from(place.len())) else {
            return;
        };
        let mut actions = self.actions.borrow_mut();
        let Ok(next) = u32::try_from(actions.kept.len()) else {
            return;
        };
        let plain = used.is_empty() && declared.is_empty();
        actions.kept.push(Kept {
            action: action.clone(),
            source: Arc::clone(source),
            start,
            length,
            variables: (!plain).then(|| {
                Box::new(Variables {
                    used: used.into(),
                    declared: declared.into(),
                })
            }),
        });
        actions.places.insert(hash(&source[place]), next);
    }
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = NameHasher::default();
    hasher.write(text);
    hasher.finish()
}
