//! Functions and methods that templates call, with Go signatures.
//!
//! The signature is declared, so that the engine checks and converts arguments with Go's rules and messages
//! before the body runs: a body may rely on `args` matching its parameters (a [`Type::Any`] parameter may be
//! [`Value::Nil`]; a map or slice parameter may be the nil map or slice).

use std::{fmt, rc::Rc};

use crate::hash::NameMap;

use super::{Str, Type, Value};

/// What a function runs.
pub type Body = dyn Fn(&mut Call<'_>, &[Value]) -> Result<Value, CallError>;

/// The parameters of a function.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The fixed parameters.
    pub params: Vec<Type>,
    /// The element type of a final `...T` parameter.
    pub variadic: Option<Type>,
}

/// A function or a bound method. Cloning is cheap.
#[derive(Clone)]
pub struct Function(Rc<Inner>);

struct Inner {
    name: Box<str>,
    signature: Signature,
    body: Box<Body>,
}

impl Function {
    /// A function of fixed arity.
    pub fn new(
        name: &str,
        params: &[Type],
        body: impl Fn(&mut Call<'_>, &[Value]) -> Result<Value, CallError> + 'static,
    ) -> Self {
        Self::with_signature(name, params, None, Box::new(body))
    }

    /// A function whose last parameter is `...rest`.
    pub fn variadic(
        name: &str,
        params: &[Type],
        rest: Type,
        body: impl Fn(&mut Call<'_>, &[Value]) -> Result<Value, CallError> + 'static,
    ) -> Self {
        Self::with_signature(name, params, Some(rest), Box::new(body))
    }

    fn with_signature(name: &str, params: &[Type], variadic: Option<Type>, body: Box<Body>) -> Self {
        Self(Rc::new(Inner {
            name: name.into(),
            signature: Signature {
                params: params.to_vec(),
                variadic,
            },
            body,
        }))
    }

    /// The name it was made with.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The parameters.
    pub fn signature(&self) -> &Signature {
        &self.0.signature
    }

    /// Runs the body; the arguments must match the signature.
    pub fn call(&self, call: &mut Call<'_>, args: &[Value]) -> Result<Value, CallError> {
        (self.0.body)(call, args)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.0.name)
    }
}

/// The functions of a template set, by name.
#[derive(Debug, Clone, Default)]
pub struct Functions(NameMap<Box<str>, Function>);

impl Functions {
    /// No functions; Go's builtins are always there and can be hidden by functions of the same name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a function of fixed arity.
    pub fn add(
        &mut self,
        name: &str,
        params: &[Type],
        body: impl Fn(&mut Call<'_>, &[Value]) -> Result<Value, CallError> + 'static,
    ) {
        self.insert(name, Function::new(name, params, body));
    }

    /// Adds or replaces a function whose last parameter is `...rest`.
    pub fn add_variadic(
        &mut self,
        name: &str,
        params: &[Type],
        rest: Type,
        body: impl Fn(&mut Call<'_>, &[Value]) -> Result<Value, CallError> + 'static,
    ) {
        self.insert(name, Function::variadic(name, params, rest, body));
    }

    /// Adds or replaces a function.
    pub fn insert(&mut self, name: &str, function: Function) {
        self.0.insert(name.into(), function);
    }

    /// Removes a function.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The function of that name.
    pub fn get(&self, name: &str) -> Option<&Function> {
        self.0.get(name)
    }

    /// Adds all of `other`, replacing equal names.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.keys().map(AsRef::as_ref).collect();
        names.sort_unstable();
        names
    }
}

/// Why a function failed: the text of Go's error or panic, without the engine's `error calling x: `.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    message: String,
    pub(crate) source: Option<Box<crate::Error>>,
}

impl CallError {
    /// An error with this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn wrap(message: String, source: crate::Error) -> Self {
        Self {
            message,
            source: Some(Box::new(source)),
        }
    }
}

impl From<String> for CallError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for CallError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<crate::Error> for CallError {
    fn from(error: crate::Error) -> Self {
        Self::wrap(error.to_string(), error)
    }
}

/// The running engine, as functions reach it through [`Call`].
pub trait Renderer {
    /// See [`Call::include`].
    fn include(&mut self, name: &Str, data: &Value) -> Result<Str, CallError>;
    /// See [`Call::tpl`].
    fn tpl(&mut self, text: &Str, data: &Value) -> Result<Str, CallError>;
    /// See [`Call::define`].
    fn define(&mut self, name: &Str, text: &Str, data: &Value) -> Result<Str, CallError>;
    /// See [`Call::count`].
    fn count(&mut self, steps: u64) -> Result<(), CallError>;
    /// See [`Call::invoke`].
    fn invoke(&mut self, function: &Function, args: &[Value]) -> Result<Value, CallError>;
}

/// What a function may ask of the engine that calls it.
pub struct Call<'a>(Option<&'a mut dyn Renderer>);

impl<'a> Call<'a> {
    /// A call out of a running engine.
    pub fn new(renderer: &'a mut dyn Renderer) -> Self {
        Self(Some(renderer))
    }

    /// A call without an engine, for calling functions outside a render: `include` and `tpl` fail.
    pub fn detached() -> Self {
        Self(None)
    }

    /// Helm's `include`: the output of a named template. More than 1000 nested calls of one name fail.
    pub fn include(&mut self, name: &Str, data: &Value) -> Result<Str, CallError> {
        self.renderer()?.include(name, data)
    }

    /// Helm's `tpl`: the output of a template text, which sees every template of the set and whose own
    /// definitions live as long as this call. Literal `<no value>`s are removed from the result.
    pub fn tpl(&mut self, text: &Str, data: &Value) -> Result<Str, CallError> {
        self.renderer()?.tpl(text, data)
    }

    /// werf's `tpl`: adds a template of this name, whose definitions are seen by all that is executed later, and returns its
    /// output as it is. A text always has the same name.
    pub fn define(&mut self, name: &Str, text: &Str, data: &Value) -> Result<Str, CallError> {
        self.renderer()?.define(name, text, data)
    }

    /// Counts work that the engine cannot see in arguments and result, in steps of about 50 nanoseconds; the error
    /// says that an execution took too many.
    pub fn count(&mut self, steps: u64) -> Result<(), CallError> {
        self.0.as_mut().map_or(Ok(()), |renderer| renderer.count(steps))
    }

    /// Calls another function with arguments that are checked against its signature.
    pub fn invoke(&mut self, function: &Function, args: &[Value]) -> Result<Value, CallError> {
        self.renderer()?.invoke(function, args)
    }

    fn renderer(&mut self) -> Result<&mut dyn Renderer, CallError> {
        match &mut self.0 {
            Some(renderer) => Ok(&mut **renderer),
            None => Err("no template is being executed".into()),
        }
    }
}
