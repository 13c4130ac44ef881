//! Conversations through chat templates, against what transformers makes of them.

use pilot_light::generation::chat::{ChatTemplate, Message, Minijinja, TemplateOptions};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The clock of `tests/golden/templates/make.py`: 6 July 2024, 15:04:09.
const ENGINE: Minijinja = Minijinja { local_time_s: 1_720_278_249 };

/// The special tokens of templates that come without a tokenizer.
pub const TOKENS: &str = r#"{"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}"#;

/// What is before a template's own words in an error.
const REFUSED: &str = "the chat template refuses the messages: ";

/// A conversation of `tests/golden/templates/conversations.json`.
#[derive(Deserialize)]
pub struct Conversation {
    pub name: String,
    messages: Vec<Message>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    documents: Vec<Value>,
    add_generation_prompt: bool,
    #[serde(default)]
    continue_final_message: bool,
    #[serde(flatten)]
    variables: Map<String, Value>,
}

/// What a template makes of a conversation.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Rendered {
    Text(String),
    /// The template refuses it in these words.
    Raised(String),
    /// It cannot be rendered. The words are the implementation's own.
    Fails(String),
}

impl Rendered {
    /// Whether it is what is expected: the words of an implementation may be any.
    pub fn is(&self, expected: &Self) -> bool {
        self == expected || matches!((self, expected), (Self::Fails(_), Self::Fails(_)))
    }

    /// As `published.json` has it.
    pub fn digest(&self) -> String {
        match self {
            Self::Text(text) => super::tokens::fnv1a(text.as_bytes()),
            Self::Raised(message) => format!("raised {}", super::tokens::fnv1a(message.as_bytes())),
            Self::Fails(_) => "fails".into(),
        }
    }
}

/// Renders one.
pub fn render(template: &ChatTemplate, conversation: &Conversation) -> Rendered {
    let options = TemplateOptions {
        tools: conversation.tools.clone(),
        documents: conversation.documents.clone(),
        add_generation_prompt: conversation.add_generation_prompt,
        continue_final_message: conversation.continue_final_message,
        variables: conversation.variables.clone(),
    };
    match template.render(&ENGINE, &conversation.messages, &options) {
        Ok(text) => Rendered::Text(text),
        Err(error) => {
            let message = error.to_string();
            match message.strip_prefix(REFUSED) {
                Some(words) => Rendered::Raised(words.to_owned()),
                None => Rendered::Fails(message),
            }
        }
    }
}

/// A template by itself.
pub fn template(source: &str) -> ChatTemplate {
    ChatTemplate::from_files(TOKENS, Some(source)).expect("a template").expect("a template")
}
