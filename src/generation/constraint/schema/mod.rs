//! A JSON schema as a language: the JSON texts without spaces that are valid under it.
//!
//! Properties are in the order of the schema. Only declared properties are written, as with OpenAI's structured outputs, unless
//! `additionalProperties` allows others or the schema has no `properties`. Numbers have at most 15 digits on each side of the
//! point, names of additional properties at most 64 characters. An enumeration is written as the schema has it.
//!
//! # Source
//! JSON Schema, draft 2020-12: Core, Validation.

mod containers;
mod disjoint;
mod keywords;
mod merge;
mod scalars;

use super::grammar::{Expr, Grammar, UNBOUNDED};
use super::json::{Json, step};
use super::utf8::{self, Encoding};
use super::{Constraint, choice, number};
use crate::error::{Error, Result};
use keywords::Keywords;

/// The most memory that a compiled schema may take, in bytes.
const MAX_MEMORY: usize = 64 << 20;
/// How deep schemas are nested at most, with those that `$ref` and `allOf` bring in.
const MAX_DEPTH: usize = 100;

/// Compiles a schema.
///
/// # Errors
/// If it is not a schema, has a keyword that is not supported, or cannot be met; with its JSON pointer.
pub fn compile(schema: &str) -> Result<Constraint> {
    let schema: Json = serde_json::from_str(schema)
        .map_err(|error| Error::invalid_input(format!("expected a schema in JSON, got text that is not: {error}")))?;
    let mut grammar = Grammar::new();
    let character = utf8::json_character(&mut grammar);
    let plain = utf8::character(&mut grammar, &utf8::plain(), Encoding::Plain);
    let mut compiler = Compiler {
        root: &schema,
        grammar,
        character,
        plain,
        rules: Vec::new(),
        pending: Vec::new(),
        any: None,
        depth: 0,
        unmet: None,
    };
    let root = compiler.refer("")?;
    while let Some(pointer) = compiler.pending.pop() {
        let body = compiler.schema(compiler.target(&pointer)?, &pointer)?;
        if body == Expr::NOTHING {
            return Err(compiler.cannot_be_met());
        }
        let rule = compiler.refer(&pointer)?;
        compiler.grammar.define(rule, body);
    }
    compiler.finish(root)
}

/// An error about the schema that `pointer` leads to.
fn at(pointer: &str, error: Error) -> Error {
    error.context(if pointer.is_empty() { "the schema".to_owned() } else { format!("the schema at {pointer}") })
}

fn invalid(pointer: &str, message: String) -> Error {
    at(pointer, Error::invalid_input(message))
}

fn unsupported(pointer: &str, message: String) -> Error {
    at(pointer, Error::unsupported(message))
}

struct Compiler<'a> {
    root: &'a Json,
    grammar: Grammar,
    /// A character of a string.
    character: Expr,
    /// A character that is not special.
    plain: Expr,
    /// The rules of schemas that are referred to, by their pointers.
    rules: Vec<(String, Expr)>,
    /// The rules that are not defined yet.
    pending: Vec<String>,
    /// The rule of any value.
    any: Option<Expr>,
    depth: usize,
    /// The schema that could not be met, and why.
    unmet: Option<Error>,
}

impl<'a> Compiler<'a> {
    /// The values of `schema`. [`Expr::NOTHING`] if it cannot be met, and then `unmet` says why.
    fn schema(&mut self, schema: &Json, pointer: &str) -> Result<Expr> {
        match schema {
            Json::Bool(true) => return Ok(self.any()),
            Json::Bool(false) => return Ok(self.unmet(pointer, "no value is valid under false".to_owned())),
            _ => {}
        }
        let keywords = Keywords::new(schema, pointer)?;
        if let Some(target) = keywords.only_reference()? {
            return self.refer(&target);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("schemas are nested more than {MAX_DEPTH} levels deep, with those of $ref and allOf");
            return Err(unsupported(pointer, message));
        }
        self.check_size(pointer)?;
        let found = match self.flatten(schema, pointer, 0)? {
            Json::Bool(true) => self.any(),
            Json::Bool(false) => self.unmet(pointer, "no value is valid under false".to_owned()),
            flat => self.flat_schema(&flat, pointer)?,
        };
        self.depth -= 1;
        Ok(found)
    }

    /// The values of a schema without `$ref` and `allOf`.
    fn flat_schema(&mut self, schema: &Json, pointer: &str) -> Result<Expr> {
        let keywords = Keywords::new(schema, pointer)?;
        if let Some(name) = ["anyOf", "oneOf"].into_iter().find(|&name| keywords.get(name).is_some()) {
            return self.union(&keywords, name, pointer);
        }
        if let Some(values) = keywords.values()? {
            return self.enumeration(&keywords, &values, pointer);
        }
        let Some(types) = keywords.types()? else { return Ok(self.any()) };
        let mut options = Vec::new();
        for name in types {
            let found = match name {
                "null" => self.grammar.literal(b"null"),
                "boolean" => choice::literals(&mut self.grammar, vec![b"false".to_vec(), b"true".to_vec()]),
                "integer" | "number" => self.number(&keywords, name == "integer", pointer)?,
                "string" => self.string(&keywords, pointer)?,
                "array" => self.array(&keywords, pointer)?,
                _ => self.object(&keywords, pointer)?,
            };
            if found == Expr::NOTHING {
                return Ok(found);
            }
            options.push(found);
        }
        Ok(self.grammar.choice(&options))
    }

    /// The values of any of the schemas of `anyOf` or `oneOf`, each together with the other keywords.
    fn union(&mut self, keywords: &Keywords, name: &str, pointer: &str) -> Result<Expr> {
        let branches = keywords.schemas(name)?.unwrap_or_default();
        if name == "oneOf" {
            self.check_disjoint(branches, pointer)?;
        }
        let siblings = keywords.without(name);
        let mut options = Vec::new();
        for (number, branch) in branches.iter().enumerate() {
            let pointer = step(&step(pointer, name), number);
            options.push(match &siblings {
                Json::Object(members) if members.is_empty() => self.schema(branch, &pointer)?,
                _ => {
                    let branch = self.flatten(branch, &pointer, 0)?;
                    match merge::merge(&siblings, &branch, &pointer)? {
                        Some(merged) => self.schema(&merged, &pointer)?,
                        None => Expr::NOTHING,
                    }
                }
            });
        }
        let found = self.grammar.choice(&options);
        if found == Expr::NOTHING && self.unmet.is_none() {
            return Ok(self.unmet(pointer, format!("no branch of '{name}' agrees with the other keywords")));
        }
        Ok(found)
    }

    /// The rule of the schema that `pointer` leads to.
    fn refer(&mut self, pointer: &str) -> Result<Expr> {
        if let Some(known) = self.rules.iter().find(|known| known.0 == pointer) {
            return Ok(known.1);
        }
        self.target(pointer)?;
        let rule = self.grammar.declare();
        self.rules.push((pointer.to_owned(), rule));
        self.pending.push(pointer.to_owned());
        Ok(rule)
    }

    fn target(&self, pointer: &str) -> Result<&'a Json> {
        let missing = || Error::invalid_input(format!("the schema refers to #{pointer}, which it does not have"));
        self.root.pointer(pointer).ok_or_else(missing)
    }

    /// Any value.
    fn any(&mut self) -> Expr {
        if let Some(rule) = self.any {
            return rule;
        }
        let rule = self.grammar.declare();
        self.any = Some(rule);
        let mut options = [&b"null"[..], b"true", b"false"].map(|literal| self.grammar.literal(literal)).to_vec();
        options.push(number::any(&mut self.grammar));
        options.push(self.any_string());
        options.push(self.array_of(&[], Some(rule), 0, UNBOUNDED));
        options.push(self.object_of(&[], Some(rule)));
        let body = self.grammar.choice(&options);
        self.grammar.define(rule, body);
        rule
    }

    fn unmet(&mut self, pointer: &str, why: String) -> Expr {
        self.unmet.get_or_insert_with(|| invalid(pointer, format!("it cannot be met: {why}")));
        Expr::NOTHING
    }

    fn cannot_be_met(&mut self) -> Error {
        self.unmet.take().unwrap_or_else(|| Error::invalid_input("the schema cannot be met"))
    }

    fn check_size(&self, pointer: &str) -> Result<()> {
        if self.grammar.memory() <= MAX_MEMORY {
            return Ok(());
        }
        Err(unsupported(pointer, format!("the schema takes more than {} MB when it is compiled", MAX_MEMORY >> 20)))
    }

    fn finish(mut self, root: Expr) -> Result<Constraint> {
        let pointer_of =
            |rule: Expr| self.rules.iter().find(|known| known.1 == rule).map_or("", |known| known.0.as_str());
        if let Some(rule) = self.grammar.rule_without_beginning() {
            return Err(invalid(pointer_of(rule), "it refers to itself with nothing in between".to_owned()));
        }
        if let Some(&rule) = self.grammar.measure_rules().first() {
            let why = "it cannot be met: each value contains another, without end".to_owned();
            return Err(invalid(pointer_of(rule), why));
        }
        Constraint::new(self.grammar, root, Some(self.character))
    }
}
