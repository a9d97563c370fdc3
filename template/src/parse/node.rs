//! The parsed form of a template, and how Go prints it back in messages.

use std::{fmt::Write as _, ops::Range, rc::Rc, sync::Arc};

use super::Names;
use crate::{
    builtins::Builtin,
    format::quote_str,
    value::{Function, Str},
};

use smallvec::SmallVec;

/// One template: a file's text outside its definitions, or one definition.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) name: Str,
    pub(crate) source: Rc<Source>,
    pub(crate) root: List,
}

/// The text that trees were parsed from.
#[derive(Debug)]
pub(crate) struct Source {
    /// The name it was parsed under: messages point into it.
    pub(crate) name: Str,
    pub(crate) text: Arc<[u8]>,
    /// What its variables are called.
    pub(crate) names: Rc<Names>,
}

impl Source {
    /// The action that begins there.
    pub(crate) fn action(&self, base: u32) -> ActionText<'_> {
        ActionText { source: self, base }
    }

    /// A part of the text.
    pub(crate) fn text(&self, place: &Range<u32>) -> &[u8] {
        self.text
            .get(place.start as usize..place.end as usize)
            .unwrap_or_default()
    }

    /// Line (from 1) and column (bytes, from 0) of a byte.
    pub(crate) fn place(&self, pos: u32) -> (usize, usize) {
        let before = &self.text[..(pos as usize).min(self.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count();
        (line, column)
    }
}

/// The text of an action: places in pipelines are counted from its beginning.
#[derive(Clone, Copy)]
pub(crate) struct ActionText<'s> {
    source: &'s Source,
    base: u32,
}

impl<'s> ActionText<'s> {
    fn text(self, place: &Range<u32>) -> &'s [u8] {
        let at = |pos: u32| pos.saturating_add(self.base);
        self.source.text(&(at(place.start)..at(place.end)))
    }

    fn write_variable(self, variable: Variable, out: &mut String) {
        out.push_str(&self.source.names.variable_name(variable));
    }
}

/// A sequence of text and actions.
pub(crate) type List = Box<[Node]>;

#[derive(Debug)]
pub(crate) enum Node {
    /// Where it is in the source.
    Text(Range<u32>),
    /// An action that is a raw string and nothing else: where its content is in the source.
    Literal(Range<u32>),
    /// From where its places are counted, and what it is.
    Action(u32, Rc<Pipe>),
    If(Box<Branch>),
    With(Box<Branch>),
    Range(Box<Branch>),
    Template(u32, Rc<Invocation>),
    Break,
    Continue,
}

/// `if`, `with` and `range`.
#[derive(Debug)]
pub(crate) struct Branch {
    /// From where the pipeline's places are counted.
    pub(crate) base: u32,
    pub(crate) pipe: Rc<Pipe>,
    pub(crate) list: List,
    pub(crate) otherwise: Option<List>,
}

/// `{{template "name" pipe}}`
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) pos: u32,
    pub(crate) name: Str,
    pub(crate) pipe: Option<Pipe>,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: u32,
    /// `=` instead of `:=`.
    pub(crate) assign: bool,
    pub(crate) declared: SmallVec<[Variable; 2]>,
    /// Mostly one.
    pub(crate) commands: SmallVec<[Command; 1]>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) pos: u32,
    /// Never empty.
    pub(crate) args: SmallVec<[Operand; 1]>,
}

/// A variable's name, as a number that is equal for equal names; [`Names`] knows its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variable(pub(super) u32);

/// `$`
pub(crate) const ROOT_VARIABLE: Variable = Variable(0);

/// The names of `.a.b.c`, shared by all places that have the same.
pub(crate) type Fields = Rc<[Str]>;

/// Something that has a value, at a place.
#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) pos: u32,
    pub(crate) term: Term,
}

#[derive(Debug)]
pub(crate) enum Term {
    Dot,
    Nil,
    Bool(bool),
    /// Its literal begins at the operand's place and ends here.
    String {
        end: u32,
        value: Str,
    },
    Number(Box<Number>),
    Field(Fields),
    Variable(Variable, Fields),
    Function(Rc<Callee>),
    Chain(Box<(Operand, Fields)>),
    Pipe(Box<Pipe>),
}

/// A function by the name that it is called by.
#[derive(Debug)]
pub(crate) struct Callee {
    pub(crate) name: Box<str>,
    pub(crate) body: Body,
}

/// What a function's name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Builtin(Builtin),
    Function(Function),
}

/// A numeric constant in every form that its text allows.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Number {
    pub(crate) text: Box<str>,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
}

/// Go: `parse.IsEmptyTree`: nothing but space and comments.
pub(crate) fn is_empty(tree: &Tree) -> bool {
    tree.root.iter().all(|node| match node {
        // Go trims Unicode space here; bytes that are not UTF-8 are not space.
        Node::Text(place) => {
            std::str::from_utf8(tree.source.text(place)).is_ok_and(|text| text.trim().is_empty())
        }
        _ => false,
    })
}

impl Pipe {
    pub(crate) fn write(&self, source: ActionText<'_>, out: &mut String) {
        for (index, variable) in self.declared.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            source.write_variable(*variable, out);
        }
        if !self.declared.is_empty() {
            out.push_str(if self.assign { " = " } else { " := " });
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                out.push_str(" | ");
            }
            command.write(source, out);
        }
    }
}

impl Command {
    pub(crate) fn write(&self, source: ActionText<'_>, out: &mut String) {
        for (index, arg) in self.args.iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            arg.write_nested(source, out);
        }
    }
}

impl Operand {
    pub(crate) fn write(&self, source: ActionText<'_>, out: &mut String) {
        match &self.term {
            Term::Dot => out.push('.'),
            Term::Nil => out.push_str("nil"),
            Term::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Term::String { end, .. } => {
                out.push_str(&String::from_utf8_lossy(source.text(&(self.pos..*end))));
            }
            Term::Number(number) => out.push_str(&number.text),
            Term::Field(fields) => write_fields(out, fields),
            Term::Variable(variable, fields) => {
                source.write_variable(*variable, out);
                write_fields(out, fields);
            }
            Term::Function(callee) => out.push_str(&callee.name),
            Term::Chain(chain) => {
                let (node, fields) = &**chain;
                node.write_nested(source, out);
                write_fields(out, fields);
            }
            Term::Pipe(pipe) => pipe.write(source, out),
        }
    }

    /// With parentheses around a pipeline.
    fn write_nested(&self, source: ActionText<'_>, out: &mut String) {
        if matches!(self.term, Term::Pipe(_)) {
            out.push('(');
            self.write(source, out);
            out.push(')');
        } else {
            self.write(source, out);
        }
    }
}

impl Invocation {
    pub(crate) fn write(&self, source: ActionText<'_>, out: &mut String) {
        let _ = write!(out, "{{{{template {}", quote_str(&self.name));
        if let Some(pipe) = &self.pipe {
            out.push(' ');
            pipe.write(source, out);
        }
        out.push_str("}}");
    }
}

fn write_fields(out: &mut String, fields: &[Str]) {
    for field in fields {
        out.push('.');
        out.push_str(&field.to_lossy());
    }
}
