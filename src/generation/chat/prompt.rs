//! Prompts: from messages to token ids.

use serde_json::{Map, Value};

use super::guard::{Guard, Piece, SpecialToken};
use super::message::Message;
use super::template::{ChatTemplate, TemplateEngine, TemplateOptions};
use crate::error::{Error, Result};

/// What of a tokenizer makes ids of a prompt.
#[derive(Clone, Copy)]
pub struct PromptTokenizer<'a> {
    /// The control tokens.
    pub special_tokens: &'a [SpecialToken],
    /// The token that the tokenizer puts before a text, where it puts one.
    pub bos: Option<u32>,
    /// The ids of a text between two control tokens, in which nothing is a control token.
    pub encode: &'a dyn Fn(&str) -> Result<Vec<u32>>,
}

/// Roles that templates ask for by name. Any other may be a text of somebody's, and is guarded as one.
const ROLES: [&str; 10] = [
    "system",
    "developer",
    "user",
    "assistant",
    "model",
    "tool",
    "function",
    "ipython",
    "observation",
    "tool_response",
];

/// The ids of the prompt for `messages`.
///
/// What the messages, the tools and the documents say never becomes a control token, whatever it is. The token for the
/// beginning of a text is there once, be it the template's or the tokenizer's.
///
/// # Errors
///
/// Those of [`ChatTemplate::render`] and of the tokenizer; `Unsupported` if the tokenizer makes a control token of plain text.
pub fn prompt_ids(
    template: &ChatTemplate,
    engine: &dyn TemplateEngine,
    tokenizer: &PromptTokenizer<'_>,
    messages: &[Message],
    options: &TemplateOptions,
) -> Result<Vec<u32>> {
    let mut context = template.context(messages, options)?;
    let source = template.source(options);
    let mut texts = vec![source];
    context.values().for_each(|value| strings(value, &mut texts));
    let guard = Guard::new(tokenizer.special_tokens, texts.into_iter())?;
    mark(&mut context, template, &guard);
    let rendered = template.render_context(engine, context, options)?;
    let mut ids: Vec<u32> = tokenizer.bos.into_iter().collect();
    for piece in guard.pieces(&rendered) {
        match piece {
            Piece::Token(id) if ids == [id] && tokenizer.bos == Some(id) => {}
            Piece::Token(id) => ids.push(id),
            Piece::Text(text) => {
                let encoded = (tokenizer.encode)(&text)?;
                if guard.tokens_in(&text).any(|token| encoded.contains(&token.id)) {
                    let message =
                        "the tokenizer makes a control token of plain text, which the messages may not contain";
                    return Err(Error::unsupported(message));
                }
                ids.extend(encoded);
            }
        }
    }
    Ok(ids)
}

/// The strings in `value`, keys included.
fn strings<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            found.push(key);
            strings(value, found);
        }),
        _ => {}
    }
}

/// Marks what the caller gave. The template's own tokens stay.
fn mark(context: &mut Map<String, Value>, template: &ChatTemplate, guard: &Guard<'_>) {
    for (name, value) in context.iter_mut() {
        let of_template = template.special_tokens.iter().any(|(token, text)| token == name && value == text);
        match value {
            Value::Array(messages) if name == "messages" => {
                messages.iter_mut().filter_map(Value::as_object_mut).for_each(|message| mark_message(message, guard));
            }
            _ if of_template => {}
            // Templates compare these, and write them as JSON, between quotation marks.
            value => mark_strings(value, guard, &|text| guard.mark(text)),
        }
    }
}

fn mark_message(message: &mut Map<String, Value>, guard: &Guard<'_>) {
    for (name, value) in message.iter_mut() {
        let known = name == "role" && value.as_str().is_some_and(|role| ROLES.contains(&role));
        if !known {
            mark_strings(value, guard, &|text| guard.mark_joined(text));
        }
    }
}

fn mark_strings(value: &mut Value, guard: &Guard<'_>, mark: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = mark(text),
        Value::Array(items) => items.iter_mut().for_each(|item| mark_strings(item, guard, mark)),
        Value::Object(fields) => {
            if fields.keys().any(|key| guard.finds(key)) {
                *fields = std::mem::take(fields).into_iter().map(|(key, value)| (guard.mark(&key), value)).collect();
            }
            for (name, value) in fields.iter_mut() {
                // What kind of part or of tool it is, is for the template to compare.
                if name != "type" || value.as_str().is_none_or(|kind| guard.finds(kind)) {
                    mark_strings(value, guard, mark);
                }
            }
        }
        _ => {}
    }
}
