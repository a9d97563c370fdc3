//! Evaluates pipelines, commands and their operands.

use super::{At, Fallible, Slot, State, call::zero};
use crate::{
    parse::{Body, Callee, Command, Number, Operand, Pipe, Term, Variable},
    set::MissingKey,
    value::{Str, Type, Value},
};

impl<'t> State<'_, '_, 't> {
    /// The pipeline's value, out of its interface; declared variables are pushed.
    pub(super) fn pipeline(&mut self, dot: &Slot, pipe: &'t Pipe) -> Fallible<Slot> {
        self.place(At::Pipe(pipe));
        if self.machine.stack.exhausted() {
            return Err(self.error("expression is nested too deeply"));
        }
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(dot, command, value.take())?.unwrapped());
        }
        let value = value.unwrap_or(Slot::Invalid);
        for variable in &pipe.declared {
            if pipe.assign {
                self.assign(*variable, value.clone())?;
            } else {
                self.variables.push((*variable, value.clone()));
            }
        }
        Ok(value)
    }

    /// Overwrites the innermost variable of that name.
    pub(super) fn assign(&mut self, variable: Variable, value: Slot) -> Fallible<()> {
        match self
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| *known == variable)
        {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => Err(self.undefined(variable)),
        }
    }

    fn undefined(&self, variable: Variable) -> Box<crate::Error> {
        let name = self.tree.source.names.variable_name(variable);
        self.error(&format!("undefined variable: {name}"))
    }

    fn command(&mut self, dot: &Slot, command: &'t Command, last: Option<Slot>) -> Fallible<Slot> {
        let first = &command.args[0];
        match &first.term {
            Term::Field(fields) => {
                self.place(At::Operand(first));
                self.fields(dot, dot.clone(), first, fields, &command.args, last)
            }
            Term::Chain(chain) => {
                let (node, fields) = &**chain;
                let receiver = self.chain_receiver(dot, first, node)?;
                self.fields(dot, receiver, first, fields, &command.args, last)
            }
            Term::Function(callee) => {
                self.place(At::Operand(first));
                self.function(dot, callee, At::Command(command), &command.args, last)
            }
            Term::Pipe(pipe) => {
                self.not_a_function(&command.args, last.as_ref())?;
                self.pipeline(dot, pipe)
            }
            Term::Variable(variable, fields) => {
                self.variable(dot, first, *variable, fields, &command.args, last)
            }
            constant => {
                self.place(At::Operand(first));
                self.not_a_function(&command.args, last.as_ref())?;
                match constant {
                    Term::Dot => Ok(dot.clone()),
                    Term::Nil => Err(self.error("nil is not a command")),
                    _ => self.constant(first),
                }
            }
        }
    }

    pub(super) fn function(
        &mut self,
        dot: &Slot,
        callee: &Callee,
        at: At<'t>,
        args: &'t [Operand],
        last: Option<Slot>,
    ) -> Fallible<Slot> {
        match &callee.body {
            Body::Builtin(builtin) => self.call_builtin(dot, *builtin, at, args, last),
            Body::Function(function) => self.call(dot, function, at, &callee.name, args, last),
        }
    }

    fn not_a_function(&self, args: &[Operand], last: Option<&Slot>) -> Fallible<()> {
        if args.len() > 1 || last.is_some() {
            let mut shown = String::new();
            args[0].write(self.action_text(), &mut shown);
            return Err(self.error(&format!("can't give argument to non-function {shown}")));
        }
        Ok(())
    }

    /// A literal that is neither dot nor nil.
    pub(super) fn constant(&mut self, operand: &'t Operand) -> Fallible<Slot> {
        Ok(Slot::Value(match &operand.term {
            Term::Bool(value) => Value::Bool(*value),
            Term::String { value, .. } => Value::Str(value.clone()),
            Term::Number(number) => {
                self.place(At::Operand(operand));
                self.ideal(number)?
            }
            _ => {
                let mut shown = String::new();
                operand.write(self.action_text(), &mut shown);
                return Err(self.error(&format!("can't evaluate command {shown:?}")));
            }
        }))
    }

    /// A number where no type is asked for: its text decides.
    fn ideal(&self, number: &Number) -> Fallible<Value> {
        let text = &*number.text;
        let has_prefix = text.len() > 2 && (text.starts_with("0x") || text.starts_with("0X"));
        let hex_int = has_prefix && !text.contains(['p', 'P']);
        if let Some((real, imaginary)) = number.complex {
            return Ok(Value::Complex(real, imaginary));
        }
        match (number.float, number.int) {
            (Some(value), _)
                if !hex_int && !text.starts_with('\'') && text.contains(['.', 'e', 'E', 'p', 'P']) =>
            {
                Ok(Value::Float(value))
            }
            (_, Some(value)) => Ok(Value::int(value)),
            _ => Err(self.error(&format!("{text} overflows int"))),
        }
    }

    pub(super) fn variable(
        &mut self,
        dot: &Slot,
        operand: &'t Operand,
        variable: Variable,
        fields: &'t [Str],
        args: &'t [Operand],
        last: Option<Slot>,
    ) -> Fallible<Slot> {
        self.place(At::Operand(operand));
        let found = self.variables.iter().rev().find(|(known, _)| *known == variable);
        let value = match found {
            Some((_, value)) => value.clone(),
            None => return Err(self.undefined(variable)),
        };
        if fields.is_empty() {
            self.not_a_function_or_alone(args, last.as_ref())?;
            return Ok(value);
        }
        self.fields(dot, value, operand, fields, args, last)
    }

    fn not_a_function_or_alone(&self, args: &[Operand], last: Option<&Slot>) -> Fallible<()> {
        if args.is_empty() {
            Ok(())
        } else {
            self.not_a_function(args, last)
        }
    }

    pub(super) fn chain_receiver(
        &mut self,
        dot: &Slot,
        chain: &'t Operand,
        node: &'t Operand,
    ) -> Fallible<Slot> {
        self.place(At::Operand(chain));
        self.raw_argument(dot, node)
    }

    /// Walks `.a.b.c`; the last one gets the arguments if it is a method.
    pub(super) fn fields(
        &mut self,
        dot: &Slot,
        receiver: Slot,
        node: &'t Operand,
        fields: &'t [Str],
        args: &'t [Operand],
        last: Option<Slot>,
    ) -> Fallible<Slot> {
        let Some((final_field, path)) = fields.split_last() else {
            return Ok(receiver);
        };
        let mut receiver = receiver;
        for field in path {
            receiver = self.field(dot, &receiver, node, field, &[], None)?;
        }
        self.field(dot, &receiver, node, final_field, args, last)
    }

    /// Method before struct field before map key.
    fn field(
        &mut self,
        dot: &Slot,
        receiver: &Slot,
        node: &'t Operand,
        name: &Str,
        args: &'t [Operand],
        last: Option<Slot>,
    ) -> Fallible<Slot> {
        let value = match receiver {
            Slot::Invalid => {
                if self.machine.set.missing_key() == MissingKey::Error {
                    let key = crate::format::quote_str(name);
                    return Err(self.error(&format!("nil data; no entry for key {key}")));
                }
                return Ok(Slot::Invalid);
            }
            Slot::Interface(Value::Nil) => {
                return Err(self.error(&format!("nil pointer evaluating interface {{}}.{name}")));
            }
            Slot::Value(value) | Slot::Interface(value) => value,
        };
        let has_args = args.len() > 1 || last.is_some();
        // Go: methods that can be called have an upper case name.
        let may_be_method = name.first().is_some_and(u8::is_ascii_uppercase);
        let method = match value {
            _ if !may_be_method => None,
            Value::Object(object) => std::rc::Rc::clone(object).method(&name.to_lossy()),
            Value::Map(map) if map.map_type().defined => (map.map_type().method)(value, &name.to_lossy()),
            Value::List(list) if list.slice_type().defined => {
                (list.slice_type().method)(value, &name.to_lossy())
            }
            _ => None,
        };
        if let Some(method) = method {
            return self.call(dot, &method, At::Operand(node), &name.to_lossy(), args, last);
        }
        match value {
            Value::Object(object) => {
                if let Some(field) = object.field(&name.to_lossy()) {
                    if has_args {
                        let message = format!("{name} has arguments but cannot be invoked as function");
                        return Err(self.error(&message));
                    }
                    return Ok(Slot::result(field));
                }
                let type_name = object.type_name();
                if object.fields().iter().any(|(field, _)| *field == name.to_lossy()) {
                    let message = format!("{name} is an unexported field of struct type {type_name}");
                    return Err(self.error(&message));
                }
            }
            Value::Map(map) => {
                if has_args {
                    return Err(self.error(&format!("{name} is not a method but has arguments")));
                }
                let elem = map.map_type().elem;
                return match map.get(name) {
                    Some(found) if elem == Type::Any => Ok(Slot::Interface(found)),
                    Some(found) => Ok(Slot::result(found)),
                    None => self.missing(name, elem),
                };
            }
            _ => {}
        }
        let name = name.to_lossy();
        let type_name = receiver.type_name();
        Err(self.error(&format!("can't evaluate field {name} in type {type_name}")))
    }

    fn missing(&self, name: &Str, elem: Type) -> Fallible<Slot> {
        match self.machine.set.missing_key() {
            MissingKey::Default => Ok(Slot::Invalid),
            MissingKey::Zero if elem == Type::Any => Ok(Slot::Interface(Value::Nil)),
            MissingKey::Zero => Ok(Slot::result(zero(elem))),
            MissingKey::Error => {
                let key = crate::format::quote_str(name);
                Err(self.error(&format!("map has no entry for key {key}")))
            }
        }
    }
}
