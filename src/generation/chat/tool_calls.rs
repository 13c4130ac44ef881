//! Tool calls in replies, as templates teach models to write them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::message::{FunctionCall, ToolCall};

const HERMES: (&str, &str) = ("<tool_call>", "</tool_call>");
const MISTRAL: &str = "[TOOL_CALLS]";
const MISTRAL_ARGUMENTS: &str = "[ARGS]";
const LLAMA: &str = "<|python_tag|>";

/// The special tokens that are a part of calls. Others are no part of a reply's text.
///
/// ```
/// use pilot_light::generation::chat::is_tool_call_token;
///
/// assert!(is_tool_call_token("[TOOL_CALLS]") && !is_tool_call_token("[INST]"));
/// ```
pub fn is_tool_call_token(token: &str) -> bool {
    [HERMES.0, HERMES.1, MISTRAL, MISTRAL_ARGUMENTS, LLAMA].contains(&token)
}

/// A call as models write it. Llama calls the arguments parameters.
#[derive(Deserialize)]
struct Written {
    name: String,
    #[serde(alias = "parameters")]
    arguments: Option<Box<RawValue>>,
    id: Option<String>,
}

/// What a reply says, and the tools that it calls: `<tool_call>{…}</tool_call>` (Hermes, Qwen), `[TOOL_CALLS][…]` and
/// `[TOOL_CALLS]name[ARGS]{…}` (Mistral), or nothing but `{"name": …, "parameters": …}` (Llama 3.1, also after
/// `<|python_tag|>`, and several with `;` between).
///
/// What cannot be read as a call stays in the content, to the letter. Calls without an id are numbered, with nine letters and
/// digits as Mistral's templates want them.
pub fn parse_tool_calls(text: &str) -> (Option<String>, Vec<ToolCall>) {
    let (content, calls) = if text.contains(HERMES.0) {
        hermes(text)
    } else if let Some((before, after)) = text.split_once(MISTRAL) {
        mistral(text, before, after)
    } else {
        llama(text)
    };
    if calls.is_empty() {
        return ((!text.is_empty()).then(|| text.to_owned()), Vec::new());
    }
    let content = content.trim();
    let calls = calls.into_iter().enumerate().map(|(index, call)| call.numbered(index)).collect();
    ((!content.is_empty()).then(|| content.to_owned()), calls)
}

fn hermes(text: &str) -> (String, Vec<Written>) {
    let (mut content, mut calls) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(HERMES.0) {
        content.push_str(before);
        let json = after.trim_start();
        match prefix::<Written>(json) {
            // The end of the reply may have cut the closing tag off.
            Some((call, end)) if end.is_empty() || end.starts_with(HERMES.1) => {
                calls.push(call);
                rest = end.strip_prefix(HERMES.1).unwrap_or(end);
            }
            _ => {
                content.push_str(HERMES.0);
                rest = after;
            }
        }
    }
    content.push_str(rest);
    (content, calls)
}

fn mistral(text: &str, before: &str, after: &str) -> (String, Vec<Written>) {
    if let Some((calls, rest)) = prefix::<Vec<Written>>(after.trim_start()) {
        return (format!("{before}{rest}"), calls);
    }
    let mut calls = Vec::new();
    let mut rest = Some(after);
    while let Some(part) = rest {
        let Some((name, arguments)) = part.split_once(MISTRAL_ARGUMENTS) else { break };
        let Some((arguments, end)) = prefix::<Box<RawValue>>(arguments.trim_start()) else { break };
        calls.push(Written { name: name.trim().to_owned(), arguments: Some(arguments), id: None });
        if end.is_empty() {
            return (before.to_owned(), calls);
        }
        rest = end.strip_prefix(MISTRAL);
    }
    (text.to_owned(), Vec::new())
}

fn llama(text: &str) -> (String, Vec<Written>) {
    let mut rest = text.trim();
    rest = rest.strip_prefix(LLAMA).unwrap_or(rest).trim_start();
    let mut calls = Vec::new();
    while !rest.is_empty() {
        match prefix::<Written>(rest) {
            // An object with a name may be any other JSON that was asked for.
            Some((call, end)) if call.arguments.as_ref().is_some_and(|it| it.get().starts_with('{')) => {
                calls.push(call);
                rest = end.trim_start_matches(';').trim_start();
            }
            _ => return (text.to_owned(), Vec::new()),
        }
    }
    (String::new(), calls)
}

/// The value that `json` begins with, and what comes after it and its blanks.
fn prefix<'j, T: Deserialize<'j>>(json: &'j str) -> Option<(T, &'j str)> {
    let mut values = serde_json::Deserializer::from_str(json).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, json.get(values.byte_offset()..)?.trim_start()))
}

impl Written {
    fn numbered(self, index: usize) -> ToolCall {
        let arguments = self.arguments.map_or_else(|| "{}".into(), |arguments| text_of(&arguments));
        ToolCall {
            id: self.id.unwrap_or_else(|| format!("call{index:05}")),
            kind: "function".into(),
            function: FunctionCall { name: self.name, arguments },
        }
    }
}

/// Arguments that are a text already are that text.
fn text_of(json: &RawValue) -> String {
    serde_json::from_str(json.get()).unwrap_or_else(|_| json.get().to_owned())
}
