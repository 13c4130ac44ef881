//! Jinja natively: minijinja, set up as transformers sets up Jinja2.

use std::error::Error as _;
use std::fmt;
use std::thread;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind as JinjaKind, UndefinedBehavior, Value as JinjaValue};
use serde_json::Value;

use super::metered::{self, MeteredTemplate};
use super::python;
use super::template::TemplateEngine;
use crate::error::{Error, Result};

/// How much a template may do: about this many instructions, and 64 times as many bytes of text. The longest template that
/// was seen takes some ten thousand for a conversation of a few turns.
const FUEL: u64 = 4_000_000;

/// The longest template, in bytes: more than six times as long as any that was seen.
const LONGEST: usize = 128 << 10;
/// The stack of a rendering, in bytes, of which the system gives what is used. minijinja goes down as many levels as an expression has
/// links (`1+1+1`), which [`LONGEST`] bounds; it counts brackets and blocks alone.
const STACK: usize = 512 << 20;

/// The engine of native builds.
#[derive(Clone, Copy, Debug)]
pub struct Minijinja {
    /// The time in seconds since 1970, on the clock of the place: what `strftime_now` writes.
    pub local_time_s: i64,
}

/// What a template said when it refused its messages.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

impl TemplateEngine for Minijinja {
    fn render(&self, template: &str, context: &Value) -> Result<String> {
        if template.len() > LONGEST {
            return Err(Error::invalid_artefact(format!(
                "the chat template has {} bytes, expected at most {LONGEST}",
                template.len()
            )));
        }
        thread::scope(|scope| {
            let render = || self.render_here(template, context);
            let rendering = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, render);
            let rendering = rendering
                .map_err(|error| Error::invalid_input(format!("no memory to render the chat template: {error}")))?;
            rendering.join().unwrap_or_else(|_| Err(Error::internal("the engine of chat templates panicked")))
        })
    }
}

impl Minijinja {
    /// Renders it on the stack of this thread.
    fn render_here(self, template: &str, context: &Value) -> Result<String> {
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        let syntax = syntax.map_err(|error| Error::internal(described(&error)))?;
        let environment = environment(self.local_time_s);
        // Jinja2 reads every end of a line as one character.
        let template = generation_as_scope(&template.replace("\r\n", "\n").replace('\r', "\n"));
        let wrong = |error: minijinja::Error| {
            Error::invalid_artefact(format!("the chat template does not compile: {}", described(&error)))
        };
        let template = metered::with_lists_at_run_time(&template, syntax.clone()).map_err(wrong)?;
        let compiled = MeteredTemplate::new(&template, syntax).map_err(wrong)?;
        compiled.render(&environment, JinjaValue::from(Serde(context))).map_err(|error| render_error(&error))
    }
}

fn environment<'source>(local_time_s: i64) -> Environment<'source> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_fuel(Some(FUEL));
    environment.add_function("raise_exception", |message: &JinjaValue| -> Result<JinjaValue, minijinja::Error> {
        let message = message.to_string();
        Err(minijinja::Error::new(JinjaKind::InvalidOperation, message.clone()).with_source(Raised(message)))
    });
    environment.add_function("strftime_now", move |format: &str| python::strftime(format, local_time_s));
    python::add_to(&mut environment);
    metered::add_to(&mut environment);
    environment
}

/// Jinja2 renders `{% generation %}` (transformers' extension) like a block with variables of its own, which is what
/// `{% with %}` is, blanks around it included.
fn generation_as_scope(template: &str) -> String {
    let mut result = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        result.push_str(before);
        rest = tag;
        let inner = tag.trim_start_matches(['-', '+']).trim_start();
        let Some(end) = inner.find("%}") else { continue };
        let replacement = match inner[..end].trim_end_matches(['-', '+']).trim_end() {
            "generation" => "with",
            "endgeneration" => "endwith",
            _ => continue,
        };
        let name = tag.len() - inner.len();
        result.push_str(&tag[..name]);
        result.push_str(replacement);
        rest = inner[..].trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    }
    result.push_str(rest);
    result
}

fn render_error(error: &minijinja::Error) -> Error {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(Raised(message)) = inner.downcast_ref() {
            return Error::invalid_input(format!("the chat template refuses the messages: {message}"));
        }
        source = inner.source();
    }
    match error.kind() {
        JinjaKind::OutOfFuel => Error::invalid_artefact(format!("the chat template does not end after {FUEL} steps")),
        _ => Error::invalid_input(format!("the chat template cannot render the messages: {}", described(error))),
    }
}

fn described(error: &minijinja::Error) -> String {
    let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
    let detail = error.detail().map_or_else(String::new, |detail| format!(": {detail}"));
    format!("{}{line}{detail}", error.kind())
}
