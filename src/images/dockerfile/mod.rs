//! Dockerfiles as far as keys need them: stages, which of them are reachable, their bases, and which files they take.
//!
//! The build itself is the frontend's. What is not understood here makes a key depend on more, never on less: an
//! unresolved variable in a source takes the whole context, one in `--from` every stage before.

mod expand;
mod lexer;
mod onbuild;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use kiel_llb::Platform;
use serde::Serialize;

use expand::expand;
pub(crate) use lexer::Instruction;
use lexer::{Lexed, is_heredoc, lex, words};
pub(crate) use onbuild::context_triggers;
pub(crate) use sources::Sources;

/// Why a Dockerfile has no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerfileError {
    /// A here-document does not end.
    #[error(
        "line {line}: the here-document `{delimiter}` has no end; a line that holds only `{delimiter}` ends it"
    )]
    Heredoc {
        /// Where it begins.
        line: usize,
        /// What should end it.
        delimiter: String,
    },
    /// There is no FROM.
    #[error("it has no FROM instruction")]
    NoFrom,
    /// An instruction other than ARG stands before the first FROM.
    #[error("line {line}: `{keyword}` stands before the first FROM; only ARG may")]
    BeforeFrom {
        /// Where.
        line: usize,
        /// Which.
        keyword: String,
    },
    /// A FROM without a name, or whose arguments are not given.
    #[error(
        "line {line}: cannot tell the base image of `FROM {text}`; give its arguments a value under `args`"
    )]
    Base {
        /// Where.
        line: usize,
        /// As written.
        text: String,
    },
    /// The target is no stage.
    #[error("there is no stage `{target}`; its stages are: {stages}")]
    Target {
        /// As given.
        target: String,
        /// The names that there are.
        stages: String,
    },
}

/// What a reachable stage is based on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    Scratch,
    Stage(usize),
    /// A name of a registry, or the stand-in of a dependency.
    Image(String),
}

/// A stage of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) index: usize,
    pub(crate) name: Option<String>,
    /// The text of its FROM, arguments resolved.
    pub(crate) from: String,
    pub(crate) base: Base,
    /// What it runs on.
    pub(crate) platform: BasePlatform,
    pub(crate) instructions: Vec<Instruction>,
    /// The stages that it reads, its base among them.
    needs: BTreeSet<usize>,
    /// Names in `--from` that are no stages.
    images: BTreeSet<String>,
    sources: Sources,
}

/// What a stage of a Dockerfile runs on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BasePlatform {
    /// What the image is built for.
    Target,
    /// What the engine runs on: `--platform=$BUILDPLATFORM`.
    Engine,
    /// As written.
    #[serde(serialize_with = "crate::images::as_text")]
    Fixed(Platform),
}

/// What counts of a Dockerfile for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dockerfile {
    pub(crate) syntax: Option<String>,
    pub(crate) escape: char,
    /// Texts of the ARGs before the first FROM.
    pub(crate) globals: Vec<String>,
    /// The reachable stages in the file's order.
    pub(crate) stages: Vec<Stage>,
    /// Names that an ARG of the globals or of a reachable stage declares.
    pub(crate) declared: BTreeSet<String>,
    /// The files of the context that they take.
    pub(crate) sources: Sources,
}

impl Dockerfile {
    /// Reads a Dockerfile for a target; `args` are all given build arguments.
    pub(crate) fn read(
        content: &[u8],
        target: Option<&str>,
        args: &BTreeMap<String, String>,
        platform: &Platform,
    ) -> Result<Self, DockerfileError> {
        let lexed = lex(content).map_err(|error| DockerfileError::Heredoc {
            line: error.line,
            delimiter: error.delimiter,
        })?;
        let mut reader = Reader::new(&lexed, args, platform);
        for instruction in lexed.instructions {
            reader.take(instruction)?;
        }
        reader.finish(target, lexed.syntax)
    }

    /// The external base images of the reachable stages, each once for each platform.
    pub(crate) fn bases(&self) -> BTreeSet<(&str, &BasePlatform)> {
        self.stages
            .iter()
            .filter_map(|stage| match &stage.base {
                Base::Image(name) => Some((name.as_str(), &stage.platform)),
                Base::Scratch | Base::Stage(_) => None,
            })
            .collect()
    }

    /// The images that reachable stages take files from.
    pub(crate) fn images(&self) -> BTreeSet<&str> {
        self.stages
            .iter()
            .flat_map(|stage| &stage.images)
            .map(String::as_str)
            .collect()
    }
}

struct Reader<'a> {
    escape: char,
    args: &'a BTreeMap<String, String>,
    platform: BTreeMap<String, String>,
    globals: BTreeMap<String, String>,
    global_texts: Vec<String>,
    global_names: BTreeSet<String>,
    stages: Vec<Stage>,
    /// Per stage: what its ARG and ENV set at this point, for its children and its sources.
    env: Vec<BTreeMap<String, Option<String>>>,
    stage_args: Vec<BTreeMap<String, Option<String>>>,
}

impl<'a> Reader<'a> {
    fn new(lexed: &Lexed, args: &'a BTreeMap<String, String>, platform: &Platform) -> Self {
        let mut known = BTreeMap::new();
        for side in ["TARGET", "BUILD"] {
            known.insert(format!("{side}PLATFORM"), platform.to_string());
            known.insert(format!("{side}OS"), platform.os.clone());
            known.insert(format!("{side}ARCH"), platform.architecture.clone());
            known.insert(
                format!("{side}VARIANT"),
                platform.variant.clone().unwrap_or_default(),
            );
        }
        Self {
            escape: lexed.escape,
            args,
            platform: known,
            globals: BTreeMap::new(),
            global_texts: Vec::new(),
            global_names: BTreeSet::new(),
            stages: Vec::new(),
            env: Vec::new(),
            stage_args: Vec::new(),
        }
    }

    fn take(&mut self, instruction: Instruction) -> Result<(), DockerfileError> {
        match (instruction.keyword.as_str(), self.stages.is_empty()) {
            ("FROM", _) => self.from(&instruction),
            ("ARG", true) => {
                self.global_arg(&instruction);
                Ok(())
            }
            (_, true) => Err(DockerfileError::BeforeFrom {
                line: instruction.line,
                keyword: instruction.keyword,
            }),
            _ => {
                self.within(&instruction);
                if let Some(stage) = self.stages.last_mut() {
                    stage.instructions.push(instruction);
                }
                Ok(())
            }
        }
    }

    fn global_arg(&mut self, instruction: &Instruction) {
        self.global_texts.push(instruction.text());
        for (name, default) in assignments(&instruction.rest, self.escape) {
            let default = default.and_then(|text| expand(&text, self.escape, &|name| self.global(name)));
            if let Some(value) = self.args.get(&name).cloned().or(default) {
                self.globals.insert(name.clone(), value);
            }
            self.global_names.insert(name);
        }
    }

    fn global(&self, name: &str) -> Option<String> {
        self.globals
            .get(name)
            .or_else(|| self.platform.get(name))
            .cloned()
    }

    fn from(&mut self, instruction: &Instruction) -> Result<(), DockerfileError> {
        let error = || DockerfileError::Base {
            line: instruction.line,
            text: instruction.rest.clone(),
        };
        // An argument without a value is empty in FROM.
        let lookup = |name: &str| Some(self.global(name).unwrap_or_default());
        let resolve = |word: &String| expand(word, self.escape, &lookup).ok_or_else(error);
        let written = words(&instruction.rest, self.escape);
        let words: Vec<String> = written.iter().map(resolve).collect::<Result<_, _>>()?;
        let flags = words.iter().take_while(|word| word.starts_with("--")).count();
        let platform = written[..flags]
            .iter()
            .zip(&words)
            .find_map(|(written, word)| Some((written, word.strip_prefix("--platform=")?)))
            .map_or(BasePlatform::Target, |(written, word)| {
                // Keys take what is built for in place of the engine's own platform.
                let is_engines = written.contains("BUILDPLATFORM") || written.contains("BUILDARCH");
                match word.parse() {
                    _ if is_engines => BasePlatform::Engine,
                    Ok(platform) => BasePlatform::Fixed(platform),
                    Err(_) => BasePlatform::Target,
                }
            });
        let base = words
            .get(flags)
            .filter(|base| !base.is_empty())
            .ok_or_else(error)?
            .clone();
        let name = match &words[flags + 1..] {
            [word, name] if word.eq_ignore_ascii_case("as") => Some(name.to_lowercase()),
            _ => None,
        };
        let parent = self
            .stages
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(&base.to_lowercase()));
        let base = match parent {
            Some(index) => Base::Stage(index),
            None if base == "scratch" => Base::Scratch,
            None => Base::Image(base),
        };
        self.env
            .push(parent.map(|index| self.env[index].clone()).unwrap_or_default());
        self.stage_args.push(BTreeMap::new());
        self.stages.push(Stage {
            index: self.stages.len(),
            name,
            from: format!("FROM {}", words.join(" ")),
            base,
            platform,
            instructions: Vec::new(),
            needs: parent.into_iter().collect(),
            images: BTreeSet::new(),
            sources: Sources::default(),
        });
        Ok(())
    }

    /// Variables, stages and sources of an instruction within a stage.
    fn within(&mut self, instruction: &Instruction) {
        let rest = instruction.rest.clone();
        match instruction.keyword.as_str() {
            "ARG" => self.stage_arg(&rest),
            "ENV" => self.stage_env(&rest),
            "COPY" | "ADD" => self.copy(&instruction.keyword, &rest),
            "RUN" => self.run(&rest),
            "ONBUILD" => {
                let (keyword, inner) = rest.split_once([' ', '\t']).unwrap_or((&rest, ""));
                match keyword.to_uppercase().as_str() {
                    keyword @ ("COPY" | "ADD") => self.copy(keyword, inner.trim()),
                    "RUN" => self.run(inner.trim()),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn stage_arg(&mut self, rest: &str) {
        for (name, default) in assignments(rest, self.escape) {
            let default = match default {
                Some(text) => self.value(&text),
                None => self.global(&name),
            };
            let value = self.args.get(&name).cloned().or(default);
            if let Some(args) = self.stage_args.last_mut() {
                args.insert(name, value);
            }
        }
    }

    fn stage_env(&mut self, rest: &str) {
        let mut pairs = assignments(rest, self.escape);
        if pairs.first().is_some_and(|(_, value)| value.is_none()) {
            // ENV NAME the rest of the line
            let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            pairs = vec![(name.to_owned(), Some(value.trim().to_owned()))];
        }
        let values: Vec<_> = pairs
            .into_iter()
            .map(|(name, text)| (name, text.and_then(|text| self.value(&text))))
            .collect();
        if let Some(env) = self.env.last_mut() {
            env.extend(values);
        }
    }

    /// A word's value at this point of the current stage, where it is sure.
    fn value(&self, word: &str) -> Option<String> {
        let lookup = |name: &str| {
            let env = self.env.last().and_then(|env| env.get(name));
            let arg = self.stage_args.last().and_then(|args| args.get(name));
            env.or(arg).cloned().flatten()
        };
        expand(word, self.escape, &lookup)
    }

    fn copy(&mut self, keyword: &str, rest: &str) {
        let (flags, rest) = flags(rest, self.escape);
        if let Some(from) = flags.iter().find_map(|flag| flag.strip_prefix("--from=")) {
            return self.need(from);
        }
        let mut paths = match serde_json::from_str::<Vec<String>>(rest) {
            Ok(paths) => paths,
            Err(_) => rest.split_whitespace().map(str::to_owned).collect(),
        };
        paths.pop();
        let whole = flags.iter().any(|flag| flag.starts_with("--parents"));
        for path in paths
            .iter()
            .filter(|path| !(is_heredoc(path) || keyword == "ADD" && is_remote(path)))
        {
            let value = if path.contains('$') {
                self.value(path)
            } else {
                Some(path.clone())
            };
            self.source(value.filter(|_| !whole).as_deref());
        }
    }

    fn source(&mut self, path: Option<&str>) {
        let Some(stage) = self.stages.last_mut() else {
            return;
        };
        match path {
            Some(path) => stage.sources.add(path),
            None => stage.sources.add_whole(),
        }
    }

    fn run(&mut self, rest: &str) {
        let (flags, _) = flags(rest, self.escape);
        for mount in flags.iter().filter_map(|flag| flag.strip_prefix("--mount=")) {
            let option = |names: &[&str]| {
                let fields = mount.split(',').filter_map(|field| field.split_once('='));
                fields
                    .filter(|(name, _)| names.contains(&name.trim().to_lowercase().as_str()))
                    .map(|(_, value)| value.to_owned())
                    .next_back()
            };
            if let Some(from) = option(&["from"]) {
                self.need(&from);
                continue;
            }
            if option(&["type"]).is_none_or(|kind| kind == "bind" || kind.contains('$')) {
                // Quotes in a field: not understood.
                let source = option(&["source", "src"]).unwrap_or_default();
                let value = self.value(&source).filter(|_| !mount.contains('"'));
                self.source(value.as_deref());
            }
        }
    }

    /// Marks the stage that a `from` names as needed; an unknown name is an image.
    fn need(&mut self, from: &str) {
        let current = self.stages.len().saturating_sub(1);
        let value = if from.contains('$') {
            self.value(from)
        } else {
            Some(from.to_owned())
        };
        let all = value.is_none();
        let value = value.unwrap_or_default().to_lowercase();
        let by_name = self.stages[..current]
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(&value));
        let by_number = value.parse::<usize>().ok().filter(|index| *index < current);
        let found: Vec<usize> = if all {
            (0..current).collect()
        } else {
            by_name.or(by_number).into_iter().collect()
        };
        if let Some(stage) = self.stages.last_mut() {
            if found.is_empty() && !all {
                stage.images.insert(from.to_owned());
            }
            stage.needs.extend(found);
        }
    }

    fn finish(self, target: Option<&str>, syntax: Option<String>) -> Result<Dockerfile, DockerfileError> {
        let last = self.stages.len().checked_sub(1).ok_or(DockerfileError::NoFrom)?;
        let target = match target {
            None | Some("") => last,
            Some(target) => {
                let name = target.to_lowercase();
                let by_name = self
                    .stages
                    .iter()
                    .rposition(|stage| stage.name.as_deref() == Some(&name));
                let by_number = name.parse::<usize>().ok().filter(|index| *index <= last);
                by_name.or(by_number).ok_or_else(|| self.no_target(target))?
            }
        };
        let mut reachable = BTreeSet::new();
        let mut open = vec![target];
        while let Some(index) = open.pop() {
            if reachable.insert(index) {
                open.extend(&self.stages[index].needs);
            }
        }
        let mut declared = self.global_names;
        for index in &reachable {
            declared.extend(self.stage_args[*index].keys().cloned());
        }
        let stages: Vec<Stage> = self
            .stages
            .into_iter()
            .filter(|stage| reachable.contains(&stage.index))
            .collect();
        let sources = stages
            .iter()
            .fold(Sources::default(), |all, stage| all.and(&stage.sources));
        Ok(Dockerfile {
            syntax,
            escape: self.escape,
            globals: self.global_texts,
            stages,
            declared,
            sources,
        })
    }

    fn no_target(&self, target: &str) -> DockerfileError {
        let names = self
            .stages
            .iter()
            .map(|stage| stage.name.clone().unwrap_or_else(|| stage.index.to_string()));
        DockerfileError::Target {
            target: target.to_owned(),
            stages: names.collect::<Vec<_>>().join(", "),
        }
    }
}

/// `NAME` and `NAME=value` words.
fn assignments(rest: &str, escape: char) -> Vec<(String, Option<String>)> {
    words(rest, escape)
        .into_iter()
        .map(|word| match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        })
        .collect()
}

/// The `--name=value` words at the start, and what follows them.
fn flags(rest: &str, escape: char) -> (Vec<String>, &str) {
    let mut found = Vec::new();
    let mut rest = rest.trim_start();
    while rest.starts_with("--") {
        let Some(word) = words(rest, escape).into_iter().next() else {
            break;
        };
        rest = rest.get(word.len()..).unwrap_or_default().trim_start();
        found.push(word);
    }
    (found, rest)
}

fn is_remote(source: &str) -> bool {
    source.contains("://") || source.starts_with("git@")
}

#[cfg(test)]
mod tests;
