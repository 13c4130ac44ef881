//! Messages and tool calls, in the shape of OpenAI's chat completions.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// A message of a conversation.
///
/// # Source
///
/// OpenAI's API reference, "Create chat completion"; `reasoning_content` as DeepSeek's and vLLM's servers have it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it: `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: String,
    /// What is said. A message of tool calls may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// The name of the participant or of the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The tools that the assistant calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Which call a `tool` message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// What the assistant thought before it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
}

impl Message {
    /// A message of text alone.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: Some(Content::Text(content.into())), ..Self::default() }
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// A text.
    Text(String),
    /// Several parts.
    Parts(Vec<Part>),
}

/// A part of a content. Pictures and sound are refused: no model here takes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// A text.
    Text {
        /// The text.
        text: String,
    },
}

/// A call of a tool by the assistant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Which call it is; its result names it.
    #[serde(default)]
    pub id: String,
    /// What kind of tool it is: `function`.
    #[serde(rename = "type", default = "function")]
    pub kind: String,
    /// The function and its arguments.
    pub function: FunctionCall,
}

/// A function's name and arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The function's name.
    pub name: String,
    /// The arguments as JSON text. Read from an object as well, which becomes its text.
    #[serde(deserialize_with = "json_text")]
    pub arguments: String,
}

fn function() -> String {
    "function".into()
}

/// A string as it is, any other value as its JSON text.
fn json_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    if raw.get().starts_with('"') {
        serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)
    } else {
        Ok(raw.get().into())
    }
}
