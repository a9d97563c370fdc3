//! Calls functions, methods and builtins: arity, argument evaluation and conversion, with Go's rules.

use super::{At, Fallible, Slot, State};
use crate::{
    builtins::{self, Builtin, Param},
    parse::{ActionText, Operand, Term},
    value::{BYTE_SLICE, Call, CallError, Function, Kind, List, Map, Type, Value},
};

use smallvec::SmallVec;

impl<'t> State<'_, '_, 't> {
    /// Calls a function or a bound method. `args[0]`, if there is one, names the function itself.
    pub(super) fn call(
        &mut self,
        dot: &Slot,
        function: &Function,
        at: At<'t>,
        name: &str,
        args: &'t [Operand],
        last: Option<Slot>,
    ) -> Fallible<Slot> {
        let args = args.get(1..).unwrap_or_default();
        let signature = function.signature();
        let fixed = signature.params.len();
        self.check_arity(
            name,
            fixed,
            signature.variadic.is_some(),
            args.len(),
            last.is_some(),
        )?;
        let param = |index: usize| {
            signature
                .params
                .get(index)
                .copied()
                .or(signature.variadic)
                .unwrap_or(Type::Any)
        };
        let mut values: SmallVec<[Value; 4]> = SmallVec::new();
        for (index, arg) in args.iter().enumerate() {
            values.push(self.argument(dot, param(index), arg)?);
        }
        if let Some(last) = last {
            values.push(self.convert(last, param(args.len()))?);
        }
        for value in &mut values {
            if let Value::Object(object) = value
                && let Some(passed) = object.passed()
            {
                *value = passed;
            }
        }
        if let Err(message) = self.machine.limits.before(name, &values) {
            return Err(self.call_failed(at, name, message.into()));
        }
        match function.call(&mut Call::new(self.machine), &values) {
            Ok(value) => match self.machine.limits.made(name, &value) {
                Ok(()) => Ok(Slot::result(value)),
                Err(message) => Err(self.call_failed(at, name, message.into())),
            },
            Err(error) => Err(self.call_failed(at, name, error)),
        }
    }

    fn call_failed(&mut self, at: At<'t>, name: &str, error: CallError) -> Box<crate::Error> {
        self.place(at);
        let message = format!("error calling {name}: {}", error.message());
        self.error_because(&message, error.source)
    }

    fn check_arity(
        &self,
        name: &str,
        fixed: usize,
        variadic: bool,
        given: usize,
        piped: bool,
    ) -> Fallible<()> {
        let count = given + usize::from(piped);
        if variadic {
            if count < fixed {
                let message = format!("wrong number of args for {name}: want at least {fixed} got {given}");
                return Err(self.error(&message));
            }
        } else if count != fixed {
            let message = format!("wrong number of args for {name}: want {fixed} got {count}");
            return Err(self.error(&message));
        }
        Ok(())
    }

    pub(super) fn call_builtin(
        &mut self,
        dot: &Slot,
        builtin: Builtin,
        at: At<'t>,
        args: &'t [Operand],
        last: Option<Slot>,
    ) -> Fallible<Slot> {
        let args = args.get(1..).unwrap_or_default();
        let name = builtin.name();
        let (fixed, variadic) = builtin.arity();
        self.check_arity(name, fixed, variadic, args.len(), last.is_some())?;
        if matches!(builtin, Builtin::And | Builtin::Or) {
            return self.short_circuit(dot, builtin == Builtin::Or, args, last);
        }
        let mut slots = Vec::with_capacity(args.len() + 1);
        for (index, arg) in args.iter().enumerate() {
            slots.push(match builtin.param(index) {
                Param::Raw => self.raw_argument(dot, arg)?,
                Param::Typed(want) => Slot::of(self.argument(dot, want, arg)?),
            });
        }
        if let Some(last) = last {
            slots.push(match builtin.param(args.len()) {
                Param::Raw => last,
                Param::Typed(want) => Slot::of(self.convert(last, want)?),
            });
        }
        let result = if builtin == Builtin::Call {
            let callee = match (args.first(), slots.first()) {
                (Some(arg), _) => shown(arg, self.action_text()),
                // Go: the text of the piped value's reflect.Value.
                (None, Some(Slot::Value(Value::Str(text)))) => text.to_string(),
                (None, slot) => format!("<{} Value>", slot.map_or("", Slot::type_name)),
            };
            self.call_value(&callee, slots)
        } else {
            builtins::run(builtin, slots).map_err(CallError::new)
        };
        let result = result.and_then(|slot| {
            if let Some(value) = slot.value() {
                self.machine.limits.made(name, value)?;
            }
            Ok(slot)
        });
        result.map_err(|error| self.call_failed(at, name, error))
    }

    /// `and` and `or`: the first argument that decides, else the last one.
    fn short_circuit(
        &mut self,
        dot: &Slot,
        or: bool,
        args: &'t [Operand],
        last: Option<Slot>,
    ) -> Fallible<Slot> {
        let mut value = Slot::Invalid;
        for arg in args {
            value = self.raw_argument(dot, arg)?;
            if value.truth() == or {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// The builtin `call`.
    fn call_value(&mut self, callee: &str, slots: Vec<Slot>) -> Result<Slot, CallError> {
        let mut slots = slots.into_iter();
        let function = match slots.next().and_then(|slot| slot.value().cloned()) {
            None => return Err("call of nil".into()),
            Some(Value::Func(function)) => function,
            Some(other) => {
                return Err(format!("non-function {callee} of type {}", other.type_name()).into());
            }
        };
        let signature = function.signature();
        let (fixed, got) = (signature.params.len(), slots.len());
        if signature.variadic.is_some() && got < fixed {
            return Err(format!("wrong number of args for {callee}: got {got} want at least {fixed}").into());
        }
        if signature.variadic.is_none() && got != fixed {
            return Err(format!("wrong number of args for {callee}: got {got} want {fixed}").into());
        }
        let mut values = Vec::with_capacity(got);
        for (index, slot) in slots.enumerate() {
            let want = signature
                .params
                .get(index)
                .copied()
                .or(signature.variadic)
                .unwrap_or(Type::Any);
            let value = prepare(slot, want).map_err(|message| format!("arg {index}: {message}"))?;
            values.push(value);
        }
        function
            .call(&mut Call::new(self.machine), &values)
            .map(Slot::result)
    }

    /// An argument whose static type is kept.
    pub(super) fn raw_argument(&mut self, dot: &Slot, arg: &'t Operand) -> Fallible<Slot> {
        self.place(At::Operand(arg));
        match &arg.term {
            Term::Dot => Ok(dot.clone()),
            Term::Nil => Ok(Slot::Invalid),
            Term::Field(fields) => self.fields(dot, dot.clone(), arg, fields, &[], None),
            Term::Variable(variable, fields) => self.variable(dot, arg, *variable, fields, &[], None),
            Term::Pipe(pipe) => self.pipeline(dot, pipe),
            Term::Function(callee) => self.function(dot, callee, At::Operand(arg), &[], None),
            Term::Chain(chain) => {
                let (node, fields) = &**chain;
                let receiver = self.chain_receiver(dot, arg, node)?;
                self.fields(dot, receiver, arg, fields, &[], None)
            }
            _ => self.constant(arg),
        }
    }

    /// An argument for a parameter of type `want`.
    fn argument(&mut self, dot: &Slot, want: Type, arg: &'t Operand) -> Fallible<Value> {
        match &arg.term {
            Term::Bool(_) | Term::String { .. } | Term::Number(_) => {
                self.place(At::Operand(arg));
                self.typed_constant(want, arg)
            }
            Term::Nil => {
                self.place(At::Operand(arg));
                if want.can_be_nil() {
                    Ok(zero(want))
                } else {
                    Err(self.error(&format!("cannot assign nil to {want}")))
                }
            }
            _ => {
                let slot = self.raw_argument(dot, arg)?;
                self.convert(slot, want)
            }
        }
    }

    fn typed_constant(&mut self, want: Type, arg: &'t Operand) -> Fallible<Value> {
        let expected = match want.kind() {
            Kind::Interface => return self.constant(arg).map(Slot::into_value),
            Kind::Bool => match &arg.term {
                Term::Bool(value) => return Ok(Value::Bool(*value)),
                _ => "bool",
            },
            Kind::String => match &arg.term {
                Term::String { value, .. } => return Ok(Value::Str(value.clone())),
                _ => "string",
            },
            Kind::Int(kind) => match &arg.term {
                Term::Number(number) if let Some(value) = number.int => return Ok(Value::Int(value, kind)),
                _ => "integer",
            },
            Kind::Uint(kind) => match &arg.term {
                Term::Number(number) if let Some(value) = number.uint => return Ok(Value::Uint(value, kind)),
                _ => "unsigned integer",
            },
            Kind::Float64 => match &arg.term {
                Term::Number(number) if let Some(value) = number.float => return Ok(Value::Float(value)),
                _ => "float",
            },
            Kind::Complex128 => match &arg.term {
                Term::Number(number) if let Some((re, im)) = number.complex => {
                    return Ok(Value::Complex(re, im));
                }
                _ => "complex",
            },
            _ => {
                let shown = shown(arg, self.action_text());
                return Err(self.error(&format!("can't handle {shown} for arg of type {want}")));
            }
        };
        let shown = shown(arg, self.action_text());
        Err(self.error(&format!("expected {expected}; found {shown}")))
    }

    /// Checks that a value may be given to a parameter of type `want`, and makes it of that type.
    fn convert(&mut self, slot: Slot, want: Type) -> Fallible<Value> {
        match slot {
            Slot::Invalid if want.can_be_nil() => Ok(zero(want)),
            Slot::Invalid => Err(self.error(&format!("invalid value; expected {want}"))),
            Slot::Value(value) | Slot::Interface(value) if want == Type::Any => Ok(value),
            Slot::Interface(Value::Nil) => Err(self.error(&format!(
                "wrong type for value; expected {want}; got interface {{}}"
            ))),
            Slot::Value(value) | Slot::Interface(value) => assign(&value, want).ok_or_else(|| {
                let got = value.type_name();
                self.error(&format!("wrong type for value; expected {want}; got {got}"))
            }),
        }
    }
}

fn shown(operand: &Operand, source: ActionText<'_>) -> String {
    let mut text = String::new();
    operand.write(source, &mut text);
    text
}

/// Go: `prepareArg`: for `call`, where integers may change their type.
fn prepare(slot: Slot, want: Type) -> Result<Value, String> {
    let value = match slot.unwrapped() {
        Slot::Invalid if want.can_be_nil() => return Ok(zero(want)),
        Slot::Invalid => return Err(format!("value is nil; should be of type {want}")),
        Slot::Value(value) | Slot::Interface(value) => value,
    };
    #[allow(
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "Go converts with wrap-around"
    )]
    let converted = match (&value, want) {
        (Value::Int(number, _), Type::Int(kind)) => Some(Value::Int(*number, kind)),
        (Value::Int(number, _), Type::Uint(kind)) => Some(Value::Uint(*number as u64, kind)),
        (Value::Uint(number, _), Type::Uint(kind)) => Some(Value::Uint(*number, kind)),
        (Value::Uint(number, _), Type::Int(kind)) => Some(Value::Int(*number as i64, kind)),
        _ => assign(&value, want),
    };
    converted.ok_or_else(|| format!("value has type {}; should be {want}", value.type_name()))
}

/// The zero value of a type.
pub(crate) fn zero(of: Type) -> Value {
    match of {
        Type::Nil | Type::Any | Type::Named(..) | Type::Func => Value::Nil,
        Type::Bool => Value::Bool(false),
        Type::Int(kind) => Value::Int(0, kind),
        Type::Uint(kind) => Value::Uint(0, kind),
        Type::Float64 => Value::Float(0.0),
        Type::Complex128 => Value::Complex(0.0, 0.0),
        Type::String => Value::from(""),
        Type::Slice(slice) if slice.name == BYTE_SLICE.name => Value::from_bytes(&[]),
        Type::Slice(slice) => Value::List(List::nil(slice)),
        Type::Map(map) => Value::Map(Map::nil(map)),
    }
}

/// The value as one of type `want`, where Go lets it be assigned; between a defined type and its plain form too.
pub(super) fn assign(value: &Value, want: Type) -> Option<Value> {
    match (value, want) {
        (_, Type::Any) => Some(value.clone()),
        (Value::Map(map), Type::Map(want)) => {
            let has = map.map_type();
            if has.name == want.name {
                return Some(value.clone());
            }
            ((!has.defined || !want.defined) && has.elem == want.elem)
                .then(|| Value::Map(map.with_type(want)))
        }
        (Value::List(list), Type::Slice(want)) => {
            let has = list.slice_type();
            if has.name == want.name {
                return Some(value.clone());
            }
            ((!has.defined || !want.defined) && has.elem == want.elem)
                .then(|| Value::List(list.with_type(want)))
        }
        // Go: one dereference of a pointer is made where that fits.
        (Value::Object(object), Type::Named(name, _)) => {
            let has = object.type_name();
            (has == name || has.strip_prefix('*') == Some(name)).then(|| value.clone())
        }
        (Value::Nil, _) => want.can_be_nil().then(|| zero(want)),
        _ => (value.type_of() == want).then(|| value.clone()),
    }
}
