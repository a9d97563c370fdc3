//! Parses templates into trees, with Go's grammar and messages.
//!
//! Functions are looked up here, so that executing a template never searches for one by name.

mod names;
mod node;
mod number;

use std::{rc::Rc, sync::Arc};

pub(crate) use names::Names;
pub(crate) use node::{
    ActionText, Body, Branch, Callee, Command, Fields, Invocation, List, Node, Number, Operand, Pipe,
    ROOT_VARIABLE, Source, Term, Tree, Variable, is_empty,
};
pub(crate) use number::parse_hex_float;

use crate::{
    error::{Error, ErrorKind},
    format::{quote_str, unquote},
    lex::{Kind, Lexer, Token},
    stack::Stack,
    value::{Functions, Str},
};

use names::Known;
use smallvec::SmallVec;

/// The longest constant that is kept once for all places that have it, in bytes.
const MAX_SHARED: usize = 64;

/// How deep parentheses may nest; Go's limit.
const MAX_PARENS: usize = 10_000;

/// The templates of one text, in the order in which they were completed.
pub(crate) type Trees = Vec<Rc<Tree>>;

/// What a text is parsed with.
#[derive(Clone, Copy)]
pub(crate) struct Syntax<'a> {
    pub(crate) left: &'a str,
    pub(crate) right: &'a str,
    pub(crate) functions: &'a Functions,
    pub(crate) stack: &'a Stack,
    pub(crate) names: &'a Rc<Names>,
}

/// Parses a text and the definitions in it.
pub(crate) fn parse(name: &Str, text: &Arc<[u8]>, syntax: Syntax<'_>) -> Result<Trees, Error> {
    let source = Rc::new(Source {
        name: name.clone(),
        text: Arc::clone(text),
        names: Rc::clone(syntax.names),
    });
    let mut shared = Shared {
        lexer: Lexer::new(text, syntax.left, syntax.right),
        syntax,
        source,
        trees: Vec::new(),
        operands: Vec::new(),
        nodes: Vec::new(),
    };
    shared.lexer.break_keyword = syntax.functions.get("break").is_none();
    shared.lexer.continue_keyword = syntax.functions.get("continue").is_none();
    let mut parser = Parser::new(&mut shared);
    let root = parser.top_level().map_err(|error| *error)?;
    parser.add(name.clone(), root).map_err(|error| *error)?;
    Ok(shared.trees)
}

/// What the parsers of a text and of its definitions share.
struct Shared<'a> {
    lexer: Lexer<'a>,
    syntax: Syntax<'a>,
    source: Rc<Source>,
    trees: Trees,
    /// The operands of commands and the nodes of lists that are not complete yet: none is allocated larger than it
    /// needs, nor again as it grows.
    operands: Vec<Operand>,
    nodes: Vec<Node>,
}

/// Parses one tree.
struct Parser<'p, 'a> {
    shared: &'p mut Shared<'a>,
    /// Up to three tokens of look-ahead, the last one first.
    tokens: [Token; 3],
    peeked: usize,
    /// The variables in scope.
    variables: Vec<Variable>,
    /// The variables of earlier actions that this one has.
    used: SmallVec<[Variable; 4]>,
    /// Where the action begins that is being parsed: places in it are counted from here.
    base: usize,
    /// How many variables there were before it.
    mark: usize,
    /// Where the delimiter of the action is that is being parsed, inside of one.
    action: Option<usize>,
    range_depth: usize,
    paren_depth: usize,
}

/// What ends a list of nodes.
enum Ending {
    End,
    Else { chained: bool },
}

impl<'p, 'a> Parser<'p, 'a> {
    fn new(shared: &'p mut Shared<'a>) -> Self {
        let none = Token {
            kind: Kind::Eof,
            pos: 0,
            end: 0,
        };
        Self {
            shared,
            tokens: [none; 3],
            peeked: 0,
            variables: vec![ROOT_VARIABLE],
            used: SmallVec::new(),
            base: 0,
            mark: 0,
            action: None,
            range_depth: 0,
            paren_depth: 0,
        }
    }

    /// A place in the action that is being parsed.
    fn position(&self, pos: usize) -> u32 {
        position(pos.saturating_sub(self.base))
    }

    // Tokens

    fn next(&mut self) -> Token {
        if self.peeked > 0 {
            self.peeked -= 1;
        } else {
            self.tokens[0] = self.shared.lexer.next();
        }
        self.tokens[self.peeked]
    }

    fn backup(&mut self) {
        self.peeked += 1;
    }

    /// Puts a token back before the last one.
    fn backup2(&mut self, first: Token) {
        self.tokens[1] = first;
        self.peeked = 2;
    }

    fn backup3(&mut self, first: Token, second: Token) {
        self.tokens[1] = second;
        self.tokens[2] = first;
        self.peeked = 3;
    }

    fn peek(&mut self) -> &Token {
        if self.peeked == 0 {
            self.peeked = 1;
            self.tokens[0] = self.shared.lexer.next();
        }
        &self.tokens[self.peeked - 1]
    }

    fn next_non_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token {
        let token = self.next_non_space();
        self.backup();
        token
    }

    fn text(&self, token: &Token) -> &'a [u8] {
        &self.shared.lexer.input[token.pos..token.end]
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token, Box<Error>> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            Err(self.unexpected(&token, context))
        }
    }

    // Errors

    fn error(&self, message: &str) -> Box<Error> {
        let name = self.shared.source.name.to_string();
        let line = self.shared.lexer.line(self.tokens[0].pos);
        Box::new(Error {
            text: format!("template: {name}:{line}: {message}"),
            kind: ErrorKind::Parse,
            template: name,
            line,
            column: None,
            cause: None,
        })
    }

    fn unexpected(&self, token: &Token, context: &str) -> Box<Error> {
        let shown = token.describe(&self.shared.lexer);
        if token.kind != Kind::Error {
            return self.error(&format!("unexpected {shown} in {context}"));
        }
        let lexer = &self.shared.lexer;
        let begun = self.action.map(|pos| lexer.line(pos));
        let Some(begun) = begun.filter(|line| *line != lexer.line(token.pos)) else {
            return self.error(&shown);
        };
        let place = format!(" started at {}:{begun}", self.shared.source.name);
        let action = if shown.ends_with(" action") {
            ""
        } else {
            " in action"
        };
        self.error(&format!("{shown}{action}{place}"))
    }

    fn check_stack(&self) -> Result<(), Box<Error>> {
        if self.shared.syntax.stack.exhausted() {
            return Err(self.error("max expression depth exceeded"));
        }
        Ok(())
    }

    // Templates

    /// Adds a finished tree. A second definition of a name is an error unless one of both is empty.
    fn add(&mut self, name: Str, root: List) -> Result<(), Box<Error>> {
        let tree = Rc::new(Tree {
            name,
            source: Rc::clone(&self.shared.source),
            root,
        });
        let known = self.shared.trees.iter_mut().find(|known| known.name == tree.name);
        match known {
            None => self.shared.trees.push(tree),
            Some(known) if is_empty(known) => *known = tree,
            Some(_) if is_empty(&tree) => {}
            Some(_) => {
                let name = quote_str(&tree.name);
                return Err(self.error(&format!("template: multiple definition of template {name}")));
            }
        }
        Ok(())
    }

    fn top_level(&mut self) -> Result<List, Box<Error>> {
        let begin = self.shared.nodes.len();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim && self.shared.lexer.may_define() {
                let delimiter = self.next();
                if self.next_non_space().kind == Kind::Define {
                    Parser::new(self.shared).definition()?;
                    continue;
                }
                self.backup2(delimiter);
            }
            match self.text_or_action()? {
                Ok(node) => self.shared.nodes.push(node),
                Err(Ending::End) => return Err(self.error("unexpected {{end}}")),
                Err(Ending::Else { .. }) => return Err(self.error("unexpected {{else}}")),
            }
        }
        Ok(self.shared.nodes.drain(begin..).collect())
    }

    /// After `define`.
    fn definition(&mut self) -> Result<(), Box<Error>> {
        let context = "define clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, context)?;
        self.expect(Kind::RightDelim, context)?;
        let root = self.whole_list(context)?;
        self.add(name, root)
    }

    /// A list that ends at `{{end}}`.
    fn whole_list(&mut self, context: &str) -> Result<List, Box<Error>> {
        match self.item_list()? {
            (list, Ending::End) => Ok(list),
            (_, Ending::Else { .. }) => Err(self.error(&format!("unexpected {{{{else}}}} in {context}"))),
        }
    }

    fn template_name(&mut self, token: &Token, context: &str) -> Result<Str, Box<Error>> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return Err(self.unexpected(token, context));
        }
        unquote(self.text(token))
            .map(Str::from)
            .ok_or_else(|| self.error("invalid syntax"))
    }

    fn item_list(&mut self) -> Result<(List, Ending), Box<Error>> {
        self.check_stack()?;
        let begin = self.shared.nodes.len();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Ok(node) => self.shared.nodes.push(node),
                Err(ending) => return Ok((self.shared.nodes.drain(begin..).collect(), ending)),
            }
        }
        Err(self.error("unexpected EOF"))
    }

    fn text_or_action(&mut self) -> Result<Result<Node, Ending>, Box<Error>> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Ok(Node::Text(position(token.pos)..position(token.end)))),
            Kind::LeftDelim => {
                self.action = Some(token.pos);
                let node = self.known_or_new_action(&token);
                if node.is_ok() {
                    self.action = None;
                }
                node
            }
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    /// After a left delimiter. What is written as an earlier action is not parsed again.
    fn known_or_new_action(&mut self, delimiter: &Token) -> Result<Result<Node, Ending>, Box<Error>> {
        self.mark = self.variables.len();
        if self.peeked > 0 {
            self.base = delimiter.end;
            return self.action(None);
        }
        if let Some((content, end)) = self.shared.lexer.raw_action() {
            self.tokens[0] = end;
            return Ok(Ok(Node::Literal(position(content.start)..position(content.end))));
        }
        if let Some(end) = self.shared.lexer.end_action() {
            self.tokens[0] = end;
            return Ok(Err(Ending::End));
        }
        self.base = self.shared.lexer.place();
        let Some(text) = self.shared.lexer.action_text() else {
            return self.action(None);
        };
        match self.shared.syntax.names.action(text, &mut self.variables) {
            Some(known) => {
                self.tokens[0] = self.shared.lexer.skip_action(text.len());
                self.body(known)
            }
            None => self.action(Some(text)),
        }
    }

    /// `text` is what the action is kept by, should it end there.
    fn action(&mut self, text: Option<&[u8]>) -> Result<Result<Node, Ending>, Box<Error>> {
        self.used.clear();
        let token = self.next_non_space();
        let action = match token.kind {
            Kind::Block => return self.block().map(Ok),
            Kind::Break => {
                self.loop_control("{{break}}")?;
                return Ok(Ok(Node::Break));
            }
            Kind::Continue => {
                self.loop_control("{{continue}}")?;
                return Ok(Ok(Node::Continue));
            }
            Kind::Else => match self.otherwise()? {
                Ending::Else { chained: false } => Known::Else,
                ending => return Ok(Err(ending)),
            },
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                Known::End
            }
            Kind::If => Known::If(self.pipeline("if", Kind::RightDelim)?.into()),
            Kind::Range => Known::Range(self.pipeline("range", Kind::RightDelim)?.into()),
            Kind::With => Known::With(self.pipeline("with", Kind::RightDelim)?.into()),
            Kind::Template => Known::Template(self.invocation()?.into()),
            _ => {
                self.backup();
                Known::Action(self.pipeline("command", Kind::RightDelim)?.into())
            }
        };
        if let Some(text) = text
            && self.peeked == 0
            && self.tokens[0].kind == Kind::RightDelim
            && self.tokens[0].pos == self.base + text.len()
        {
            let declared = &self.variables[self.mark..];
            let place = self.base..self.base + text.len();
            let names = self.shared.syntax.names;
            names.keep_action(&self.shared.source.text, place, &action, &self.used, declared);
        }
        self.body(action)
    }

    /// What follows an action that opens something, up to its end.
    fn body(&mut self, action: Known) -> Result<Result<Node, Ending>, Box<Error>> {
        let (base, scope) = (position(self.base), self.mark);
        Ok(Ok(match action {
            Known::End => return Ok(Err(Ending::End)),
            Known::Else => return Ok(Err(Ending::Else { chained: false })),
            Known::Action(pipe) => Node::Action(base, pipe),
            Known::Template(invocation) => Node::Template(base, invocation),
            Known::If(pipe) => Node::If(Box::new(self.branch("if", pipe, scope)?)),
            Known::Range(pipe) => Node::Range(Box::new(self.branch("range", pipe, scope)?)),
            Known::With(pipe) => Node::With(Box::new(self.branch("with", pipe, scope)?)),
        }))
    }

    fn loop_control(&mut self, shown: &str) -> Result<(), Box<Error>> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return Err(self.unexpected(&token, shown));
        }
        if self.range_depth == 0 {
            return Err(self.error(&format!("{shown} outside {{{{range}}}}")));
        }
        Ok(())
    }

    fn otherwise(&mut self) -> Result<Ending, Box<Error>> {
        if matches!(self.peek_non_space().kind, Kind::If | Kind::With) {
            return Ok(Ending::Else { chained: true });
        }
        self.expect(Kind::RightDelim, "else")?;
        Ok(Ending::Else { chained: false })
    }

    /// After the pipeline, whose variables begin at `scope`.
    fn branch(&mut self, context: &str, pipe: Rc<Pipe>, scope: usize) -> Result<Branch, Box<Error>> {
        let base = position(self.base);
        let depth = usize::from(context == "range");
        self.range_depth += depth;
        let (list, ending) = self.item_list()?;
        self.range_depth -= depth;
        let otherwise = match ending {
            Ending::End => None,
            Ending::Else { chained } => Some(self.else_list(context, chained)?),
        };
        self.variables.truncate(scope);
        Ok(Branch {
            base,
            pipe,
            list,
            otherwise,
        })
    }

    /// `{{else if}}` in an `if` and `{{else with}}` in a `with` are a nested branch that shares the end.
    fn else_list(&mut self, context: &str, chained: bool) -> Result<List, Box<Error>> {
        if chained {
            let kind = self.peek().kind;
            let scope = self.variables.len();
            if context == "if" && kind == Kind::If {
                self.next();
                let pipe = self.pipeline("if", Kind::RightDelim)?;
                return Ok([Node::If(Box::new(self.branch("if", pipe.into(), scope)?))].into());
            }
            if context == "with" && kind == Kind::With {
                self.next();
                let pipe = self.pipeline("with", Kind::RightDelim)?;
                return Ok([Node::With(Box::new(self.branch("with", pipe.into(), scope)?))].into());
            }
        }
        match self.item_list()? {
            (list, Ending::End) => Ok(list),
            (_, Ending::Else { .. }) => Err(self.error("expected end; found {{else}}")),
        }
    }

    fn block(&mut self) -> Result<Node, Box<Error>> {
        let context = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, context)?;
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let (base, pos) = (position(self.base), self.position(token.pos));
        let mut inner = Parser::new(self.shared);
        let root = inner.whole_list(context)?;
        inner.add(name.clone(), root)?;
        let invocation = Invocation {
            pos,
            name,
            pipe: Some(pipe),
        };
        Ok(Node::Template(base, invocation.into()))
    }

    fn invocation(&mut self) -> Result<Invocation, Box<Error>> {
        let context = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, context)?;
        let mut pipe = None;
        if self.next_non_space().kind != Kind::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(context, Kind::RightDelim)?);
        }
        Ok(Invocation {
            pos: self.position(token.pos),
            name,
            pipe,
        })
    }

    // Pipelines

    fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe, Box<Error>> {
        self.check_stack()?;
        let mut pipe = Pipe {
            pos: 0,
            assign: false,
            declared: SmallVec::new(),
            commands: SmallVec::new(),
        };
        let first = self.peek_non_space();
        pipe.pos = self.position(first.pos);
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => {
                    self.check_pipeline(&pipe, context)?;
                    return Ok(pipe);
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.backup();
                    pipe.commands.push(self.command()?);
                }
                _ => return Err(self.unexpected(&token, context)),
            }
        }
    }

    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Result<(), Box<Error>> {
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            self.next();
            let after = *self.peek();
            let next = self.peek_non_space();
            let comma = next.kind == Kind::Char && self.text(&next) == b",";
            if matches!(next.kind, Kind::Assign | Kind::Declare) {
                pipe.assign = next.kind == Kind::Assign;
                self.next_non_space();
                self.declare(pipe, &variable);
                return Ok(());
            }
            if comma {
                self.next_non_space();
                self.declare(pipe, &variable);
                if context == "range" && pipe.declared.len() < 2 {
                    match self.peek_non_space().kind {
                        Kind::Variable | Kind::RightDelim | Kind::RightParen => continue,
                        _ => return Err(self.error("range can only initialize variables")),
                    }
                }
                return Err(self.error(&format!("too many declarations in {context}")));
            }
            if after.kind == Kind::Space {
                self.backup3(variable, after);
            } else {
                self.backup2(variable);
            }
            return Ok(());
        }
    }

    fn declare(&mut self, pipe: &mut Pipe, token: &Token) {
        let variable = self.shared.syntax.names.variable(self.text(token));
        self.variables.push(variable);
        pipe.declared.push(variable);
    }

    fn check_pipeline(&self, pipe: &Pipe, context: &str) -> Result<(), Box<Error>> {
        if pipe.commands.is_empty() {
            return Err(self.error(&format!("missing value for {context}")));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(
                command.args[0].term,
                Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::String { .. }
            ) {
                let stage = index + 1;
                return Err(self.error(&format!("non executable command in pipeline stage {stage}")));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Result<Command, Box<Error>> {
        let first = self.peek_non_space();
        let pos = self.position(first.pos);
        let begin = self.shared.operands.len();
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                self.shared.operands.push(operand);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.backup(),
                Kind::Pipe => {}
                _ => return Err(self.unexpected(&token, "operand")),
            }
            break;
        }
        let args: SmallVec<_> = self.shared.operands.drain(begin..).collect();
        if args.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(Command { pos, args })
    }

    /// A term and the fields after it.
    fn operand(&mut self) -> Result<Option<Operand>, Box<Error>> {
        let Some(operand) = self.term()? else {
            return Ok(None);
        };
        if self.peek().kind != Kind::Field {
            return Ok(Some(operand));
        }
        let first = self.peek().pos;
        let fields = self.fields(first, first);
        let pos = self.position(first);
        let term = match operand.term {
            Term::Variable(variable, _) => Term::Variable(variable, fields),
            Term::Bool(_) | Term::String { .. } | Term::Number(_) | Term::Nil | Term::Dot => {
                let mut shown = String::new();
                operand.write(self.shared.source.action(position(self.base)), &mut shown);
                let shown = quote_str(shown.as_bytes());
                return Err(self.error(&format!("unexpected . after term {shown}")));
            }
            _ => Term::Chain(Box::new((operand, fields))),
        };
        Ok(Some(Operand { pos, term }))
    }

    fn term(&mut self) -> Result<Option<Operand>, Box<Error>> {
        let token = self.next_non_space();
        let text = self.text_or_empty(&token);
        let term = match token.kind {
            Kind::Identifier => self.function(text)?,
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Variable => {
                let variable = self.shared.syntax.names.variable(text);
                match self.variables.iter().position(|known| *known == variable) {
                    None => {
                        let name = quote_str(text);
                        return Err(self.error(&format!("undefined variable {name}")));
                    }
                    Some(place) if place > 0 && place < self.mark => self.used.push(variable),
                    Some(_) => {}
                }
                Term::Variable(variable, self.shared.syntax.names.fields(b""))
            }
            Kind::Field => {
                let fields = self.fields(token.pos, token.end);
                // Go: a chain of fields stands where its second one does.
                let pos = if fields.len() > 1 { token.end } else { token.pos };
                return Ok(Some(Operand {
                    pos: self.position(pos),
                    term: Term::Field(fields),
                }));
            }
            Kind::Bool => Term::Bool(text == b"true"),
            Kind::CharConstant | Kind::Complex | Kind::Number => Term::Number(Box::new(
                number::parse_number(text, token.kind).map_err(|message| self.error(&message))?,
            )),
            Kind::LeftParen => {
                if self.paren_depth >= MAX_PARENS {
                    return Err(self.error("max expression depth exceeded"));
                }
                self.paren_depth += 1;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.paren_depth -= 1;
                return Ok(Some(Operand {
                    pos: pipe.pos,
                    term: Term::Pipe(Box::new(pipe)),
                }));
            }
            Kind::String | Kind::RawString => Term::String {
                end: self.position(token.end),
                value: self.constant(text)?,
            },
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        Ok(Some(Operand {
            pos: self.position(token.pos),
            term,
        }))
    }

    /// The names of the fields from `start` on, of which those up to `end` are taken already.
    fn fields(&mut self, start: usize, mut end: usize) -> Fields {
        while self.peek().kind == Kind::Field {
            end = self.next().end;
        }
        self.shared
            .syntax
            .names
            .fields(&self.shared.lexer.input[start..end])
    }

    /// The text that a literal stands for.
    fn constant(&self, literal: &[u8]) -> Result<Str, Box<Error>> {
        let names = self.shared.syntax.names;
        let plain = match literal {
            [b'`', text @ .., b'`'] if !text.contains(&b'\r') => Some(text),
            [b'"', text @ .., b'"']
                if text
                    .iter()
                    .all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\') =>
            {
                Some(text)
            }
            _ => None,
        };
        match plain {
            Some(text) if text.len() <= MAX_SHARED => Ok(names.text(text)),
            Some(text) => Ok(Str::from(text)),
            None => unquote(literal)
                .map(Str::from)
                .ok_or_else(|| self.error("invalid syntax")),
        }
    }

    fn text_or_empty(&self, token: &Token) -> &'a [u8] {
        self.shared
            .lexer
            .input
            .get(token.pos..token.end)
            .unwrap_or_default()
    }

    fn function(&self, name: &[u8]) -> Result<Term, Box<Error>> {
        let name = String::from_utf8_lossy(name);
        let syntax = &self.shared.syntax;
        match syntax.names.function(&name, syntax.functions) {
            Some(callee) => Ok(Term::Function(callee)),
            None => Err(self.error(&format!("function {} not defined", quote_str(name.as_bytes())))),
        }
    }
}

/// Texts of 4 GiB and more are not templates.
fn position(pos: usize) -> u32 {
    u32::try_from(pos).unwrap_or(u32::MAX)
}
