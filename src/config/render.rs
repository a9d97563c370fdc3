//! werf.yaml through its templates.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use kiel_template::files::FileTree;
use kiel_template::functions::{self, Certificates, Environment};
use kiel_template::value::{CallError, Function, Functions, Object, Str, Type};
use kiel_template::{Error, MissingKey, Options, TemplateSet, Value, json, yaml};

use super::options::{GlobMaker, Inspector, LoadOptions, SharedEnvironment};

/// Stack of the thread that renders; untouched pages cost nothing.
const STACK: usize = 256 << 20;

/// The name that werf gives to the file's own template; errors have it.
pub(super) const TEMPLATE: &str = "werfConfig";

/// Renders `text` with the templates of the templates folder.
pub(super) fn render(
    files: &Arc<dyn FileTree + Send + Sync>,
    text: &str,
    options: &LoadOptions<'_>,
) -> Result<String, Error> {
    std::thread::scope(|scope| {
        let run = || render_here(files, text, options);
        match std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, run)
        {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // Without a thread of its own the shallow limit of this one's stack holds.
            Err(_) => run(),
        }
    })
}

fn render_here(
    files: &Arc<dyn FileTree + Send + Sync>,
    text: &str,
    options: &LoadOptions<'_>,
) -> Result<String, Error> {
    let texts = Rc::new(Texts::default());
    let mut set = TemplateSet::new(Options {
        name: TEMPLATE.to_owned(),
        functions: functions(options, &texts),
        missing_key: MissingKey::Default,
        stack_budget: STACK - (1 << 20),
        ..Options::default()
    });
    for path in files.list(options.templates_dir).unwrap_or_default() {
        let short = path
            .strip_prefix(options.templates_dir)
            .unwrap_or(&path)
            .trim_start_matches('/');
        if !short.ends_with(".tmpl") {
            continue;
        }
        if let Ok(Some(content)) = files.read(&path) {
            set.parse(short, &content[..])?;
        }
    }
    set.parse(TEMPLATE, text)?;
    set.execute(TEMPLATE, &data(files, options, &texts))
}

/// The names of texts that are given to `tpl`: of files' texts their paths.
#[derive(Default)]
struct Texts(RefCell<HashMap<Str, Str>>);

impl Texts {
    fn read(&self, path: &str, text: &Str) {
        let mut names = self.0.borrow_mut();
        names.entry(text.clone()).or_insert_with(|| path.into());
    }

    fn name(&self, text: &Str) -> Str {
        let mut names = self.0.borrow_mut();
        let count = names.len();
        let name = names.entry(text.clone());
        name.or_insert_with(|| format!("tpl-{count}").into()).clone()
    }
}

/// What `.` is.
fn data(files: &Arc<dyn FileTree + Send + Sync>, options: &LoadOptions<'_>, texts: &Rc<Texts>) -> Value {
    let date = Value::map([
        ("Human", Value::from(options.commit_date)),
        ("Unix", Value::from(options.commit_time.to_string())),
    ]);
    let commit = Value::map([("Hash", Value::from(options.commit_id)), ("Date", date)]);
    Value::map([
        ("Env", Value::from(options.env.unwrap_or_default())),
        ("Commit", commit),
        (
            "Files",
            Value::object(Files {
                tree: Arc::clone(files),
                glob: options.glob,
                inspector: Arc::clone(&options.inspector),
                texts: Rc::clone(texts),
            }),
        ),
    ])
}

fn functions(options: &LoadOptions<'_>, texts: &Rc<Texts>) -> Functions {
    let mut functions = functions::all(&shared(&options.environment));
    for name in ["include", "include_debug"] {
        functions.add(name, &[Type::String, Type::Any], |call, args| {
            let name = args[0].as_string().cloned().unwrap_or_default();
            Ok(call.include(&name, &args[1])?.into())
        });
    }
    for name in ["tpl", "tpl_debug"] {
        let texts = Rc::clone(texts);
        functions.add(name, &[Type::String, Type::Any], move |call, args| {
            let text = args[0].as_string().cloned().unwrap_or_default();
            Ok(call.define(&texts.name(&text), &text, &args[1])?.into())
        });
    }
    add_readers(&mut functions);
    let (variables, inspector) = (Arc::clone(&options.variables), Arc::clone(&options.inspector));
    functions.add_variadic("env", &[Type::String], Type::String, move |_, args| {
        let name = args[0].as_str().unwrap_or_default();
        if !inspector.allows_variable(name) {
            return Err(CallError::new(format!(
                "the configuration with potential external dependency found in the werf config: env name {name:?} not \
                 allowed by giterminism"
            )));
        }
        if args.len() > 2 {
            return Err("more than 1 optional argument prohibited".into());
        }
        let default = args.get(1).cloned();
        match (variables(name), default) {
            (Some(value), Some(default)) if value.is_empty() => Ok(default),
            (Some(value), _) => Ok(Value::from(value)),
            (None, Some(default)) => Ok(default),
            (None, None) if inspector.is_loose() => Ok(Value::from("")),
            (None, None) => Err(CallError::new(format!(
                "the environment variable {name:?} must be set or default must be provided"
            ))),
        }
    });
    for debug in ["printf_debug", "dump_debug"] {
        functions.add_variadic(debug, &[], Type::Any, |_, _| Ok(Value::from("")));
    }
    functions
}

/// Readers of texts, where werf's are not Helm's: integers of YAML are integers, a mistake is an error, JSON may be anything.
fn add_readers(functions: &mut Functions) {
    functions.add("fromYaml", &[Type::String], |_, args| {
        let text = String::from_utf8_lossy(args[0].as_string().map_or(&[], |text| text)).into_owned();
        match yaml::from_str_native(&text).map_err(|error| CallError::new(error.to_string()))? {
            Value::Nil => Ok(Value::map(Vec::<(&str, Value)>::new())),
            found @ Value::Map(_) => Ok(found),
            other => {
                let kind = match other {
                    Value::List(_) => "!!seq",
                    _ => "!!str",
                };
                Err(CallError::new(format!(
                    "yaml: unmarshal errors:\n  line 1: cannot unmarshal {kind} into map[string]interface {{}}"
                )))
            }
        }
    });
    functions.add("fromJson", &[Type::String], |_, args| {
        Ok(json::from_str(args[0].as_string().map_or(&[], |text| text)).unwrap_or_default())
    });
}

/// Clock and entropy as the functions take them.
pub(super) fn shared(environment: &SharedEnvironment) -> Rc<dyn Environment> {
    struct Shared(SharedEnvironment);
    impl Environment for Shared {
        fn now(&self) -> jiff::Timestamp {
            self.0.now()
        }
        fn fill_random(&self, bytes: &mut [u8]) {
            self.0.fill_random(bytes);
        }
        fn certificates(&self) -> Option<&dyn Certificates> {
            self.0.certificates()
        }
    }
    Rc::new(Shared(Arc::clone(environment)))
}

/// `.Files`: what is committed.
struct Files {
    tree: Arc<dyn FileTree + Send + Sync>,
    glob: GlobMaker,
    inspector: Arc<dyn Inspector>,
    texts: Rc<Texts>,
}

impl Object for Files {
    fn type_name(&self) -> &'static str {
        "config.Files"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Function> {
        Some(match name {
            "Get" => Function::new(name, &[Type::String], move |_, args| self.get(argument(args))),
            "Exists" => Function::new(name, &[Type::String], move |_, args| {
                let path = argument(args);
                Ok(Value::Bool(self.is_file(path)? || self.is_dir(path)?))
            }),
            "IsDir" => Function::new(name, &[Type::String], move |_, args| {
                Ok(Value::Bool(self.is_dir(argument(args))?))
            }),
            "Glob" => Function::new(name, &[Type::String], move |_, args| self.glob(argument(args))),
            _ => return None,
        })
    }
}

impl Files {
    /// A file that may not be read counts as none.
    fn is_file(&self, path: &str) -> Result<bool, CallError> {
        let path = clean(path);
        let content = self.tree.read(&path).map_err(|error| error.to_string())?;
        let is_there = content.is_some() || self.inspector.ignored_file(&path).is_some();
        Ok(is_there && self.inspector.file(&path).is_ok())
    }

    fn is_dir(&self, path: &str) -> Result<bool, CallError> {
        let found = self.tree.is_dir(&clean(path));
        Ok(found.map_err(|error| error.to_string())?)
    }

    fn get(&self, given: &str) -> Result<Value, CallError> {
        let path = clean(given);
        let refuse = |reason: String| CallError::new(format!("{{{{ .Files.Get {given:?} }}}}: {reason}"));
        self.inspector.file(&path).map_err(refuse)?;
        match self.tree.read(&path).map_err(|error| refuse(error.to_string()))? {
            Some(content) => Ok(self.text(&path, &content)),
            None => match self.inspector.ignored_file(&path) {
                Some(content) => Ok(self.text(&path, &content)),
                None => Err(refuse(not_found(given, self.inspector.is_loose()))),
            },
        }
    }

    fn text(&self, path: &str, content: &[u8]) -> Value {
        let text = Str::from(content);
        self.texts.read(path, &text);
        Value::Str(text)
    }

    /// Path to content, by werf's globs.
    fn glob(&self, pattern: &str) -> Result<Value, CallError> {
        let pattern = clean(pattern);
        let glob = (self.glob)(&pattern)?;
        let dir = folder_of(&pattern);
        self.inspector.files(dir, &*glob)?;
        let (fits, enters) = (
            |path: &str| glob.matches(path),
            |dir: &str| glob.may_match_below(dir),
        );
        let mut found = Vec::new();
        let listed = self.tree.list_some(dir, &fits, &enters);
        for path in listed.map_err(|error| error.to_string())? {
            if let Some(content) = self.tree.read(&path).map_err(|error| error.to_string())? {
                let text = self.text(&path, &content);
                found.push((path, text));
            }
        }
        Ok(Value::map(found))
    }
}

/// werf's words for a file that is not there.
pub(super) fn not_found(path: &str, is_loose: bool) -> String {
    let place = if is_loose { "directory" } else { "git repository" };
    format!("the file {path:?} not found in the project {place}")
}

fn argument(args: &[Value]) -> &str {
    args[0].as_str().unwrap_or_default().trim_start_matches("./")
}

/// Go: what `filepath.Join` makes of the project's folder and a path: a slash before it changes nothing, `..` leads out of
/// the folder.
pub(crate) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The folder that all files are in which a glob may match.
fn folder_of(pattern: &str) -> &str {
    let special = pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(pattern.len());
    pattern[..special]
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder)
}
