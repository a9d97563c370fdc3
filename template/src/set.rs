//! A set of templates that call each other, and how it is parsed and executed.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use crate::{
    error::{Error, ErrorKind},
    exec::{MAX_WRITTEN, Machine},
    hash::NameMap,
    parse::{Names, Syntax, Tree, Trees, is_empty, parse},
    stack::Stack,
    value::{Functions, Str, Value},
};

/// What a key that a map lacks evaluates to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// No value: printed as `<no value>`; a field of it is no value again.
    #[default]
    Default,
    /// The zero value of the map's element type: Helm's choice.
    Zero,
    /// An error.
    Error,
}

/// How a template set is parsed and executed.
#[derive(Debug, Clone)]
pub struct Options {
    /// The set's own name: Helm's is `gotpl`. Texts given to `tpl` have this name too.
    pub name: String,
    /// The left delimiter; empty for `{{`.
    pub left: String,
    /// The right delimiter; empty for `}}`.
    pub right: String,
    /// What missing keys are.
    pub missing_key: MissingKey,
    /// The functions beside Go's builtins.
    pub functions: Functions,
    /// How many bytes of the thread's stack parsing and executing may use, counted from the call of
    /// [`TemplateSet::parse`] or [`TemplateSet::execute`]. Recursion beyond it is an error instead of a crash,
    /// so leave a margin of 256 KiB to the real size. Helm's and Go's own limits (1 000 nested `include`s of a
    /// name, 100 000 nested `template`s) are reached first only on a large stack: render on a thread with
    /// hundreds of MiB, which cost nothing until they are used.
    pub stack_budget: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: String::new(),
            left: String::new(),
            right: String::new(),
            missing_key: MissingKey::default(),
            functions: Functions::new(),
            stack_budget: 1 << 20,
        }
    }
}

/// Templates by name. Cloning is cheap and shares the parsed trees; a clone's later texts are its own.
#[derive(Clone)]
pub struct TemplateSet {
    options: Rc<Options>,
    namespace: Rc<Namespace>,
    /// Trees of texts given to `tpl`: charts render the same values again and again.
    parsed: Rc<RefCell<NameMap<Str, Rc<Trees>>>>,
    /// How many bytes templates of the set and of its clones have written.
    written: Rc<Cell<usize>>,
    /// What they have spent on keys and passwords.
    keys: Rc<Cell<u64>>,
    names: Rc<Names>,
}

impl Default for TemplateSet {
    /// A set without templates, with Go's own functions only.
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl TemplateSet {
    /// A set without templates.
    pub fn new(options: Options) -> Self {
        Self {
            options: Rc::new(options),
            namespace: Rc::new(Namespace::default()),
            parsed: Rc::default(),
            written: Rc::default(),
            keys: Rc::default(),
            names: Rc::default(),
        }
    }

    /// Parses a text and adds it, and the definitions in it, to the set. Later definitions of a name replace
    /// earlier ones unless they are empty.
    pub fn parse(&mut self, name: &str, text: impl AsRef<[u8]>) -> Result<(), Error> {
        self.parse_shared(name, &Arc::from(text.as_ref()))
    }

    /// As [`TemplateSet::parse`], for a text that is not copied.
    pub fn parse_shared(&mut self, name: &str, text: &Arc<[u8]>) -> Result<(), Error> {
        let stack = Stack::new(self.options.stack_budget);
        let trees = parse(&name.into(), text, self.syntax(&stack))?;
        Rc::make_mut(&mut self.namespace).add(&trees);
        Ok(())
    }

    /// Whether there is a template of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.namespace.get(name.as_bytes()).is_some()
    }

    /// The names of all templates, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.namespace.own.keys().map(ToString::to_string).collect();
        names.sort_unstable();
        names
    }

    /// The output of a template. Bytes that are not UTF-8 (a string cut inside a rune) become U+FFFD; see
    /// [`TemplateSet::execute_bytes`].
    pub fn execute(&self, name: &str, data: &Value) -> Result<String, Error> {
        let bytes = self.execute_bytes(name, data)?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// The output of a template, byte for byte.
    pub fn execute_bytes(&self, name: &str, data: &Value) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.execute_into(&mut out, name, data)?;
        Ok(out)
    }

    /// The output of a template, byte for byte, in place of what `out` held: one buffer serves many templates.
    pub fn execute_into(&self, out: &mut Vec<u8>, name: &str, data: &Value) -> Result<(), Error> {
        let mut machine = Machine::new(self, std::mem::take(out));
        let result = machine.execute(&name.into(), data);
        *out = machine.into_output();
        result?;
        let written = self.written.get().saturating_add(out.len());
        self.written.set(written);
        if written > MAX_WRITTEN {
            return Err(Error {
                text: format!(
                    "template: {name}: the output of all templates is longer than the limit of {MAX_WRITTEN}"
                ),
                kind: ErrorKind::Execute,
                template: name.to_owned(),
                line: 0,
                column: None,
                cause: None,
            });
        }
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        &self.options.name
    }

    pub(crate) fn missing_key(&self) -> MissingKey {
        self.options.missing_key
    }

    pub(crate) fn stack_budget(&self) -> usize {
        self.options.stack_budget
    }

    pub(crate) fn keys(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.keys)
    }

    pub(crate) fn namespace(&self) -> Rc<Namespace> {
        Rc::clone(&self.namespace)
    }

    /// The trees of a text that is not part of the set.
    pub(crate) fn parse_cached(&self, name: &Str, text: &Str, stack: &Stack) -> Result<Rc<Trees>, Error> {
        if let Some(trees) = self.parsed.borrow().get(text.as_bytes()) {
            return Ok(Rc::clone(trees));
        }
        let trees = Rc::new(parse(name, &Arc::from(text.as_bytes()), self.syntax(stack))?);
        self.parsed.borrow_mut().insert(text.clone(), Rc::clone(&trees));
        Ok(trees)
    }

    fn syntax<'a>(&'a self, stack: &'a Stack) -> Syntax<'a> {
        Syntax {
            left: &self.options.left,
            right: &self.options.right,
            functions: &self.options.functions,
            stack,
            names: &self.names,
        }
    }
}

/// Names and trees. A `tpl` text lays one over the namespace it runs in, so that nothing is copied.
#[derive(Clone, Default)]
pub(crate) struct Namespace {
    parent: Option<Rc<Namespace>>,
    own: NameMap<Str, Rc<Tree>>,
}

impl Namespace {
    /// The trees over another namespace.
    pub(crate) fn over(parent: &Rc<Self>, trees: &Trees) -> Self {
        let mut namespace = Self {
            parent: Some(Rc::clone(parent)),
            own: NameMap::with_capacity_and_hasher(trees.len(), Default::default()),
        };
        namespace.add(trees);
        namespace
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<Rc<Tree>> {
        let mut namespace = self;
        loop {
            if let Some(tree) = namespace.own.get(name) {
                return Some(Rc::clone(tree));
            }
            namespace = namespace.parent.as_deref()?;
        }
    }

    pub(crate) fn add(&mut self, trees: &Trees) {
        for tree in trees {
            if !is_empty(tree) || self.get(&tree.name).is_none() {
                self.own.insert(tree.name.clone(), Rc::clone(tree));
            }
        }
    }
}
