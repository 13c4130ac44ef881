//! Chat templates: where a model's files have them, and what a template is given.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::message::Message;
use crate::error::{Error, Result};

/// Renders Jinja templates as transformers does.
///
/// Natively [`Minijinja`](super::Minijinja) is one. In a page an engine in JavaScript does the same, over the same tests.
pub trait TemplateEngine {
    /// The text that `template` makes of the variables in `context`, an object.
    ///
    /// # Errors
    ///
    /// `InvalidArtefact` for a template that does not compile or does not end, `InvalidInput` with the template's own words
    /// where it refuses the messages (`raise_exception`), and `InvalidInput` where it cannot render them.
    fn render(&self, template: &str, context: &Value) -> Result<String>;
}

/// A model's chat template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatTemplate {
    /// The template in Jinja.
    pub source: String,
    /// The template for conversations with tools, where there is another for them.
    pub tool_use: Option<String>,
    /// The special tokens that a template may write, by their names: `bos_token`, `eos_token` ...
    pub special_tokens: Vec<(String, String)>,
}

/// What a template is given besides the messages.
#[derive(Clone, Debug, Default)]
pub struct TemplateOptions {
    /// The tools that may be called, as OpenAI's API has them: `{"type": "function", "function": {…}}`.
    pub tools: Vec<Value>,
    /// Documents to answer from, each with `title` and `text`.
    pub documents: Vec<Value>,
    /// Whether to end with what begins the assistant's reply.
    pub add_generation_prompt: bool,
    /// Whether the last message is to be continued, so that nothing comes after its content.
    pub continue_final_message: bool,
    /// Variables that this template knows, such as `enable_thinking`.
    pub variables: Map<String, Value>,
}

/// A special token in `tokenizer_config.json`: its text, or a record of it.
#[derive(Deserialize)]
#[serde(untagged)]
enum TokenText {
    Text(String),
    Added { content: String },
}

/// `chat_template` in `tokenizer_config.json`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

/// The names of special tokens that transformers gives to a template.
const SPECIAL_TOKENS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// What marks the end of the message that is to be continued, in transformers too. A template may trim the blank.
const CONTINUE_TAG: &str = "CONTINUE_FINAL_MESSAGE_TAG ";

impl ChatTemplate {
    /// From a folder's `tokenizer_config.json`, and `chat_template.jinja` or `chat_template.json` where the folder has it,
    /// which counts more. `None` if none of them has a template.
    ///
    /// # Errors
    ///
    /// `InvalidArtefact` if a file is not JSON, has a template of another type, or has several without a default.
    pub fn from_files(tokenizer_config: &str, template_file: Option<&str>) -> Result<Option<Self>> {
        let config: Map<String, Value> = read(tokenizer_config, "tokenizer_config.json")?;
        let mut special_tokens = Vec::new();
        for name in SPECIAL_TOKENS {
            let Some(value) = config.get(name).filter(|value| !value.is_null()) else { continue };
            let text = match TokenText::deserialize(value) {
                Ok(TokenText::Text(text) | TokenText::Added { content: text }) => text,
                Err(_) => {
                    let message = format!("{name} of tokenizer_config.json: expected a text or a token with a content");
                    return Err(Error::invalid_artefact(message));
                }
            };
            special_tokens.push((name.to_owned(), text));
        }
        let templates = match template_file {
            Some(file) => Some(file_templates(file)?),
            None => config.get("chat_template").filter(|value| !value.is_null()).map(templates).transpose()?,
        };
        templates.map(|templates| Self::new(templates, special_tokens)).transpose()
    }

    /// From a GGUF file's metadata: `tokenizer.chat_template`, and the texts of its special tokens by their names in a
    /// template (`bos_token` for `tokenizer.ggml.bos_token_id`, and so on).
    pub fn from_gguf(template: &str, special_tokens: Vec<(String, String)>) -> Self {
        Self { source: template.to_owned(), tool_use: None, special_tokens }
    }

    /// The prompt for `messages`.
    ///
    /// # Errors
    ///
    /// Those of the engine; `InvalidInput` if there is no message, or if the last one cannot be continued.
    pub fn render(
        &self,
        engine: &dyn TemplateEngine,
        messages: &[Message],
        options: &TemplateOptions,
    ) -> Result<String> {
        self.render_context(engine, self.context(messages, options)?, options)
    }

    /// The text for the variables that [`Self::context`] made.
    pub(super) fn render_context(
        &self,
        engine: &dyn TemplateEngine,
        mut context: Map<String, Value>,
        options: &TemplateOptions,
    ) -> Result<String> {
        if !options.continue_final_message {
            return engine.render(self.source(options), &context.into());
        }
        let last = context.get_mut("messages").and_then(Value::as_array_mut).and_then(|messages| messages.last_mut());
        let content = last.and_then(|last| last.get_mut("content")).and_then(mark_end).ok_or_else(|| {
            Error::invalid_input("continue_final_message: expected a text in the last message, got none")
        })?;
        let text = engine.render(self.source(options), &context.into())?;
        continued(&text, &content).ok_or_else(|| {
            Error::invalid_input("continue_final_message: the chat template does not write the last message as it is")
        })
    }

    /// The template for a conversation with these options.
    pub(super) fn source(&self, options: &TemplateOptions) -> &str {
        match &self.tool_use {
            Some(source) if !options.tools.is_empty() => source,
            _ => &self.source,
        }
    }

    /// The variables of the template.
    ///
    /// # Source
    ///
    /// `apply_chat_template` and `render_jinja_template` of transformers 5.23.
    pub(super) fn context(&self, messages: &[Message], options: &TemplateOptions) -> Result<Map<String, Value>> {
        if messages.is_empty() {
            return Err(Error::invalid_input("messages: expected at least one, got none"));
        }
        if options.add_generation_prompt && options.continue_final_message {
            let message = "add_generation_prompt and continue_final_message: expected at most one of them, got both";
            return Err(Error::invalid_input(message));
        }
        let messages = messages.iter().map(variables_of).collect::<Result<Vec<_>>>()?;
        let list = |values: &Vec<Value>| if values.is_empty() { Value::Null } else { Value::from(values.clone()) };
        let mut context = Map::new();
        for (name, text) in &self.special_tokens {
            context.insert(name.clone(), text.clone().into());
        }
        context.insert("tools".into(), list(&options.tools));
        context.insert("documents".into(), list(&options.documents));
        context.insert("add_generation_prompt".into(), options.add_generation_prompt.into());
        context.extend(options.variables.clone());
        context.insert("messages".into(), messages.into());
        Ok(context)
    }

    fn new(templates: Templates, special_tokens: Vec<(String, String)>) -> Result<Self> {
        match templates {
            Templates::One(source) => Ok(Self { source, tool_use: None, special_tokens }),
            Templates::Named(named) => {
                let find = |name: &str| named.iter().find(|it| it.name == name).map(|it| it.template.clone());
                let tool_use = find("tool_use");
                let source = find("default").ok_or_else(|| {
                    let names: Vec<&str> = named.iter().map(|it| it.name.as_str()).collect();
                    let message = format!("chat_template: expected one named 'default', got {names:?}");
                    Error::invalid_artefact(message)
                })?;
                Ok(Self { source, tool_use, special_tokens })
            }
        }
    }
}

/// `chat_template.jinja`, or the older `chat_template.json`.
fn file_templates(file: &str) -> Result<Templates> {
    // No template begins like a JSON object: `{` and a blank or a quotation mark would be text of the prompt.
    match serde_json::from_str::<Map<String, Value>>(file) {
        Ok(config) => templates(config.get("chat_template").unwrap_or(&Value::Null)),
        Err(_) => Ok(Templates::One(file.to_owned())),
    }
}

fn templates(value: &Value) -> Result<Templates> {
    Templates::deserialize(value).map_err(|_| {
        let message = "chat_template: expected a text or a list of templates, each with a name and a template";
        Error::invalid_artefact(message)
    })
}

fn read<T: for<'de> Deserialize<'de>>(json: &str, file: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::invalid_artefact(format!("{file}: {error}")))
}

/// A message as templates read it.
fn variables_of(message: &Message) -> Result<Value> {
    let mut variables = Map::new();
    if let Some(reasoning) = &message.reasoning_content {
        // The names under which templates look for it.
        variables.insert("thinking".into(), reasoning.clone().into());
    }
    let written = serde_json::to_value(message).map_err(|error| Error::internal(error.to_string()))?;
    if let Value::Object(written) = written {
        variables.extend(written);
    }
    for call in variables.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        // Templates write arguments with `tojson`, which of a text would be a text in quotation marks.
        if let Some(arguments) = call.pointer_mut("/function/arguments")
            && let Some(Ok(parsed @ Value::Object(_))) = arguments.as_str().map(serde_json::from_str)
        {
            *arguments = parsed;
        }
    }
    Ok(variables.into())
}

/// Puts [`CONTINUE_TAG`] after the last text of a content, and gives that text.
fn mark_end(content: &mut Value) -> Option<String> {
    let text = match content {
        Value::Array(parts) => parts.iter_mut().rev().find_map(|part| part.get_mut("text"))?,
        text => text,
    };
    let before = text.as_str()?.to_owned();
    *text = format!("{before}{CONTINUE_TAG}").into();
    Some(before)
}

/// `rendered` up to the end of `content`, if that is in it.
fn continued(rendered: &str, content: &str) -> Option<String> {
    let (before, after) = rendered.split_at(rendered.rfind(CONTINUE_TAG.trim_end())?);
    // Where the blank is gone, the template trims contents.
    let before = if after.starts_with(CONTINUE_TAG) { before } else { before.trim_end() };
    before.contains(content.trim()).then(|| before.to_owned())
}
