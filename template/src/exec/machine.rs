//! What all templates of one execution share: output, namespace, limits; and what functions may ask for.

use std::{borrow::Cow, rc::Rc};

use super::limits::{Limits, MAX_TPL, too_many};
use super::{Fallible, Slot, call::assign, run};
use crate::{
    error::{Error, ErrorKind},
    format::quote_str,
    parse::Tree,
    set::{Namespace, TemplateSet},
    stack::Stack,
    value::{Call, CallError, Function, Renderer, Str, Value},
};

/// Helm's limit on `include` of one name within itself; here on all of them together.
const MAX_INCLUDES: usize = 1_000;

/// What an `include` costs beside the nodes of its template.
const STEPS_OF_AN_INCLUDE: u64 = 50;

/// One execution of a template set.
pub(crate) struct Machine<'e> {
    pub(super) out: Vec<u8>,
    pub(super) stack: Stack,
    pub(super) limits: Limits,
    pub(super) set: &'e TemplateSet,
    namespace: Rc<Namespace>,
    /// How many `include` are within each other at the moment.
    nested_includes: usize,
    /// How many `tpl` are within each other at the moment.
    nested_texts: usize,
}

impl<'e> Machine<'e> {
    /// The output goes into `out`, which is emptied.
    pub(crate) fn new(set: &'e TemplateSet, mut out: Vec<u8>) -> Self {
        out.clear();
        Self {
            out,
            stack: Stack::new(set.stack_budget()),
            limits: Limits::new(set.keys()),
            nested_texts: 0,
            set,
            namespace: set.namespace(),
            nested_includes: 0,
        }
    }

    /// Executes the template of that name.
    pub(crate) fn execute(&mut self, name: &Str, data: &Value) -> Result<(), Error> {
        self.execute_named(name, data).map_err(|error| *error)
    }

    pub(crate) fn into_output(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn lookup(&self, name: &[u8]) -> Option<Rc<Tree>> {
        self.namespace.get(name)
    }

    pub(super) fn run(&mut self, tree: &Rc<Tree>, dot: &Slot, depth: usize) -> Fallible<()> {
        run(self, tree, dot, depth)
    }

    fn execute_named(&mut self, name: &Str, data: &Value) -> Fallible<()> {
        let Some(tree) = self.lookup(name) else {
            let root = quote_str(self.set.name().as_bytes());
            return Err(Box::new(Error {
                text: format!(
                    "template: no template {} associated with template {root}",
                    quote_str(name)
                ),
                kind: ErrorKind::Missing,
                template: name.to_string(),
                line: 0,
                column: None,
                cause: None,
            }));
        };
        self.run(&tree, &Slot::of(data.clone()), 0)
    }

    /// Runs something and takes what it wrote out of the output.
    fn captured<T>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Fallible<()>,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Fallible<T> {
        let start = self.out.len();
        let result = write(self).map(|()| take(&self.out[start..]));
        self.out.truncate(start);
        result
    }
}

impl Renderer for Machine<'_> {
    fn include(&mut self, name: &Str, data: &Value) -> Result<Str, CallError> {
        if self.nested_includes > MAX_INCLUDES || self.stack.nearly_exhausted() {
            return Err(CallError::new(format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            )));
        }
        if !self.limits.step(STEPS_OF_AN_INCLUDE) {
            return Err(CallError::new(too_many()));
        }
        self.nested_includes += 1;
        let written = self.captured(
            |machine| machine.execute_named(name, data),
            |text| Str::from(text),
        );
        self.nested_includes -= 1;
        Ok(written.map_err(|error| *error)?)
    }

    fn tpl(&mut self, text: &Str, data: &Value) -> Result<Str, CallError> {
        let failed = |prefix: &str, error: Error| {
            CallError::wrap(format!("{prefix} {}: {error}", quote_str(text)), error)
        };
        let name = Str::from(self.set.name());
        if self.nested_texts >= MAX_TPL || self.stack.nearly_exhausted() {
            return Err(CallError::new("tpl is nested too deeply"));
        }
        let trees = self
            .set
            .parse_cached(&name, text, &self.stack)
            .map_err(|error| failed("cannot parse template", error))?;
        let overlay = Namespace::over(&self.namespace, &trees);
        let Some(tree) = trees.iter().find(|tree| tree.name == name) else {
            return Err(CallError::new("the text has no template"));
        };
        let outer = std::mem::replace(&mut self.namespace, Rc::new(overlay));
        self.nested_texts += 1;
        let written = self.captured(
            |machine| machine.run(tree, &Slot::of(data.clone()), 0),
            |text| Str::from(&*without_no_value(text)),
        );
        self.namespace = outer;
        self.nested_texts -= 1;
        written.map_err(|error| failed("error during tpl function execution for", *error))
    }

    fn define(&mut self, name: &Str, text: &Str, data: &Value) -> Result<Str, CallError> {
        if self.nested_texts >= MAX_TPL || self.stack.nearly_exhausted() {
            return Err(CallError::new("tpl is nested too deeply"));
        }
        let trees = self.set.parse_cached(name, text, &self.stack)?;
        Rc::make_mut(&mut self.namespace).add(&trees);
        self.nested_texts += 1;
        let written = self.captured(
            |machine| machine.execute_named(name, data),
            |text| Str::from(text),
        );
        self.nested_texts -= 1;
        Ok(written.map_err(|error| *error)?)
    }

    fn count(&mut self, steps: u64) -> Result<(), CallError> {
        if self.limits.step(steps) {
            Ok(())
        } else {
            Err(CallError::new(too_many()))
        }
    }

    fn invoke(&mut self, function: &Function, args: &[Value]) -> Result<Value, CallError> {
        let signature = function.signature();
        let fixed = signature.params.len();
        if args.len() < fixed || signature.variadic.is_none() && args.len() != fixed {
            let (name, got) = (function.name(), args.len());
            return Err(CallError::new(format!(
                "wrong number of args for {name}: got {got} want {fixed}"
            )));
        }
        let mut converted = Vec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            let Some(want) = signature.params.get(index).copied().or(signature.variadic) else {
                break;
            };
            converted.push(assign(arg, want).ok_or_else(|| {
                CallError::new(format!(
                    "arg {index}: value has type {}; should be {want}",
                    arg.type_name()
                ))
            })?);
        }
        function.call(&mut Call::new(self), &converted)
    }
}

/// The text without the literal `<no value>`: Helm takes it out of what `tpl` returns and out of every file.
pub fn without_no_value(text: &[u8]) -> Cow<'_, [u8]> {
    const NOTHING: &[u8] = b"<no value>";
    let mut out: Option<Vec<u8>> = None;
    let mut kept = 0;
    let mut at = 0;
    while let Some(offset) = memchr::memchr(b'<', &text[at..]) {
        at += offset;
        if text[at..].starts_with(NOTHING) {
            out.get_or_insert_default().extend_from_slice(&text[kept..at]);
            at += NOTHING.len();
            kept = at;
        } else {
            at += 1;
        }
    }
    match out {
        None => Cow::Borrowed(text),
        Some(mut out) => {
            out.extend_from_slice(&text[kept..]);
            Cow::Owned(out)
        }
    }
}
