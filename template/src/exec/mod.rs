//! Executes parsed templates, as Go's `text/template` does: the walk over nodes, scopes and control flow.
//!
//! Errors carry the node that Go would name: `at` is set wherever Go sets it, and, as in Go, it is not put back
//! after an argument has been evaluated.

mod call;
mod eval;
mod limits;
mod machine;
mod slot;

use crate::{
    error::{Error, ErrorKind},
    format,
    parse::{ActionText, Branch, Command, Invocation, Node, Operand, Pipe, ROOT_VARIABLE, Tree, Variable},
    value::Value,
};

pub(crate) use call::zero;
pub(crate) use limits::{MAX_ITEMS, MAX_TEXT, MAX_WRITTEN};
pub(crate) use machine::Machine;
pub use machine::without_no_value;
pub(crate) use slot::Slot;

/// Go's limit on templates that call templates.
const MAX_DEPTH: usize = 100_000;

/// Errors are rare and large; results are many and small.
type Fallible<T> = Result<T, Box<Error>>;

/// The node that an error would be reported at.
#[derive(Clone, Copy)]
enum At<'t> {
    Nothing,
    Action(&'t Pipe),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
    Invocation(&'t Invocation),
}

/// How a list of nodes ended.
#[derive(PartialEq, Eq)]
enum Flow {
    Normal,
    Break,
    Continue,
}

/// The execution of one template.
struct State<'m, 'e, 't> {
    machine: &'m mut Machine<'e>,
    tree: &'t Tree,
    at: At<'t>,
    /// The action in which that is.
    at_base: u32,
    /// The action that is being evaluated.
    base: u32,
    /// The stack of variables; the innermost of a name counts.
    variables: Vec<(Variable, Slot)>,
    /// How many templates called each other up to here.
    depth: usize,
}

impl<'t> State<'_, '_, 't> {
    /// Errors are reported at this node of the action from now on.
    fn place(&mut self, at: At<'t>) {
        self.at = at;
        self.at_base = self.base;
    }

    /// The text of the action that is being evaluated.
    fn action_text(&self) -> ActionText<'t> {
        self.tree.source.action(self.base)
    }

    fn error(&self, message: &str) -> Box<Error> {
        self.error_because(message, None)
    }

    fn error_because(&self, message: &str, cause: Option<Box<Error>>) -> Box<Error> {
        let mut context = String::new();
        let text = self.tree.source.action(self.at_base);
        let pos = match self.at {
            At::Nothing => {
                return Box::new(Error {
                    text: format!("template: {}: {message}", self.tree.name),
                    kind: ErrorKind::Execute,
                    template: self.tree.name.to_string(),
                    line: 0,
                    column: None,
                    cause,
                });
            }
            At::Action(pipe) => {
                context.push_str("{{");
                pipe.write(text, &mut context);
                context.push_str("}}");
                pipe.pos
            }
            At::Pipe(pipe) => {
                pipe.write(text, &mut context);
                pipe.pos
            }
            At::Command(command) => {
                command.write(text, &mut context);
                command.pos
            }
            At::Operand(operand) => {
                operand.write(text, &mut context);
                operand.pos
            }
            At::Invocation(invocation) => {
                invocation.write(text, &mut context);
                invocation.pos
            }
        };
        let source = &self.tree.source;
        let (line, column) = source.place(pos.saturating_add(self.at_base));
        let template = format::quote_str(&self.tree.name);
        Box::new(Error {
            text: format!(
                "template: {}:{line}:{column}: executing {template} at <{context}>: {message}",
                source.name
            ),
            kind: ErrorKind::Execute,
            template: source.name.to_string(),
            line,
            column: Some(column),
            cause,
        })
    }

    /// Counts a step, and looks at the output.
    fn step(&mut self) -> Fallible<()> {
        if !self.machine.limits.step(1) {
            return Err(self.error(&limits::too_many()));
        }
        if self.machine.out.len() > MAX_TEXT {
            return Err(self.error(&format!("output is longer than the limit of {MAX_TEXT}")));
        }
        Ok(())
    }

    fn walk(&mut self, dot: &Slot, list: &'t [Node]) -> Fallible<Flow> {
        for node in list {
            self.step()?;
            match node {
                Node::Text(place) | Node::Literal(place) => {
                    self.machine.out.extend_from_slice(self.tree.source.text(place));
                }
                Node::Action(base, pipe) => {
                    self.base = *base;
                    let value = self.pipeline(dot, pipe)?;
                    if pipe.declared.is_empty() {
                        self.print(pipe, &value)?;
                    }
                }
                Node::If(branch) => match self.branch(dot, branch, false)? {
                    Flow::Normal => {}
                    flow => return Ok(flow),
                },
                Node::With(branch) => match self.branch(dot, branch, true)? {
                    Flow::Normal => {}
                    flow => return Ok(flow),
                },
                Node::Range(branch) => match self.range(dot, branch)? {
                    Flow::Normal => {}
                    flow => return Ok(flow),
                },
                Node::Template(base, invocation) => {
                    self.base = *base;
                    self.invoke_template(dot, invocation)?;
                }
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::Normal)
    }

    fn branch(&mut self, dot: &Slot, branch: &'t Branch, with: bool) -> Fallible<Flow> {
        let mark = self.variables.len();
        self.base = branch.base;
        let value = self.pipeline(dot, &branch.pipe)?;
        let flow = if value.truth() {
            self.walk(if with { &value } else { dot }, &branch.list)
        } else if let Some(otherwise) = &branch.otherwise {
            self.walk(dot, otherwise)
        } else {
            Ok(Flow::Normal)
        };
        self.variables.truncate(mark);
        flow
    }

    fn range(&mut self, dot: &Slot, branch: &'t Branch) -> Fallible<Flow> {
        let outer = self.variables.len();
        let flow = self.range_in_scope(dot, branch);
        self.variables.truncate(outer);
        flow
    }

    fn range_in_scope(&mut self, dot: &Slot, branch: &'t Branch) -> Fallible<Flow> {
        self.base = branch.base;
        let subject = self.pipeline(dot, &branch.pipe)?;
        let iterated = match subject.value() {
            None => false,
            Some(value) => self.iterate(value, branch)?.ok_or_else(|| {
                let shown = format::display_pointed(value);
                self.error(&format!("range can't iterate over {shown}"))
            })?,
        };
        match &branch.otherwise {
            // A `break` there, which an outer loop allows, ends this loop only, as in Go.
            Some(otherwise) if !iterated => Ok(match self.walk(dot, otherwise)? {
                Flow::Break => Flow::Normal,
                flow => flow,
            }),
            _ => Ok(Flow::Normal),
        }
    }

    /// Runs the body for each element. Whether there were any; `None` when the value has no elements at all.
    fn iterate(&mut self, value: &Value, branch: &'t Branch) -> Fallible<Option<bool>> {
        let integer = match value {
            Value::Int(count, _) => Some(*count),
            Value::Uint(count, _) => Some(i64::try_from(*count).unwrap_or(i64::MAX)),
            Value::Object(object) => object.integer(),
            _ => None,
        };
        if let Some(count) = integer {
            return self.iterate_integer(value, count, branch).map(Some);
        }
        match value {
            Value::List(list) => {
                let elements_any = list.slice_type().elem == crate::value::Type::Any;
                let count = list.len();
                for index in 0..count {
                    // The body may change the slice's elements, as `sortAlpha` does.
                    let Some(element) = list.get(index) else { break };
                    let element = if elements_any {
                        Slot::Interface(element)
                    } else {
                        Slot::of(element)
                    };
                    if self.iteration(branch, Slot::Value(Value::int(index as i64)), &element)? {
                        break;
                    }
                }
                Ok(Some(count > 0))
            }
            Value::Bytes(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    let element = Slot::Value(Value::Uint(u64::from(*byte), crate::value::UintKind::Uint8));
                    if self.iteration(branch, Slot::Value(Value::int(index as i64)), &element)? {
                        break;
                    }
                }
                Ok(Some(!bytes.is_empty()))
            }
            Value::Map(map) => {
                let values_any = map.map_type().elem == crate::value::Type::Any;
                let entries = map.to_vec();
                let any = !entries.is_empty();
                for (key, element) in entries {
                    let element = if values_any {
                        Slot::Interface(element)
                    } else {
                        Slot::of(element)
                    };
                    if self.iteration(branch, Slot::Value(Value::Str(key)), &element)? {
                        break;
                    }
                }
                Ok(Some(any))
            }
            _ => Ok(None),
        }
    }

    fn iterate_integer(&mut self, value: &Value, count: i64, branch: &'t Branch) -> Fallible<bool> {
        if branch.pipe.declared.len() > 1 {
            let shown = format::display(value);
            return Err(self.error(&format!(
                "can't use {shown} to iterate over more than one variable"
            )));
        }
        for number in 0..count {
            let element = match value {
                Value::Uint(_, kind) => Value::Uint(number.unsigned_abs(), *kind),
                Value::Int(_, kind) => Value::Int(number, *kind),
                _ => Value::int(number),
            };
            if self.iteration(branch, Slot::Invalid, &Slot::Value(element))? {
                break;
            }
        }
        Ok(count > 0)
    }

    /// Runs the body once; true when it broke out of the loop.
    fn iteration(&mut self, branch: &'t Branch, index: Slot, element: &Slot) -> Fallible<bool> {
        self.step()?;
        let pipe = &branch.pipe;
        let mark = self.variables.len();
        match (pipe.declared.as_slice(), pipe.assign) {
            ([], _) => {}
            ([one], true) => self.assign(*one, element.clone())?,
            ([first, second, ..], true) => {
                self.assign(*first, index)?;
                self.assign(*second, element.clone())?;
            }
            ([_], false) => self.variables[mark - 1].1 = element.clone(),
            ([_, _, ..], false) => {
                self.variables[mark - 1].1 = element.clone();
                self.variables[mark - 2].1 = index;
            }
        }
        let flow = self.walk(element, &branch.list)?;
        self.variables.truncate(mark);
        Ok(flow == Flow::Break)
    }

    fn invoke_template(&mut self, dot: &Slot, invocation: &'t Invocation) -> Fallible<()> {
        self.place(At::Invocation(invocation));
        let Some(tree) = self.machine.lookup(&invocation.name) else {
            let name = format::quote_str(&invocation.name);
            return Err(self.error(&format!("template {name} not defined")));
        };
        if self.depth >= MAX_DEPTH || self.machine.stack.nearly_exhausted() {
            return Err(self.error(&format!("exceeded maximum template depth ({MAX_DEPTH})")));
        }
        if !self.machine.limits.step(limits::STEPS_OF_A_TEMPLATE) {
            return Err(self.error(&limits::too_many()));
        }
        let dot = match &invocation.pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Slot::Invalid,
        };
        self.machine.run(&tree, &dot, self.depth + 1)
    }

    fn print(&mut self, pipe: &'t Pipe, slot: &Slot) -> Fallible<()> {
        self.place(At::Action(pipe));
        match slot.value() {
            None => self.machine.out.extend_from_slice(b"<no value>"),
            Some(Value::Func(_)) => {
                let mut shown = String::from("{{");
                pipe.write(self.action_text(), &mut shown);
                shown.push_str("}}");
                let name = slot.type_name();
                return Err(self.error(&format!("can't print {shown} of type {name}")));
            }
            Some(value) => format::print_indirect(&mut self.machine.out, value),
        }
        Ok(())
    }
}

/// Executes a tree with a state of its own.
fn run(machine: &mut Machine<'_>, tree: &Tree, dot: &Slot, depth: usize) -> Fallible<()> {
    let mut state = State {
        machine,
        tree,
        at: At::Nothing,
        at_base: 0,
        base: 0,
        variables: vec![(ROOT_VARIABLE, dot.clone())],
        depth,
    };
    state.walk(dot, &tree.root).map(|_| ())
}
