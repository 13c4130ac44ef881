//! Chat: messages in OpenAI's shape, the Jinja templates that make prompts of them, and tool calls in replies.
//!
//! ```text
//! messages -> guard -> template engine -> text with control tokens -> ids, the messages' own text as plain text
//! ```

#[cfg(feature = "chat")]
mod engine;
mod guard;
mod message;
#[cfg(feature = "chat")]
mod metered;
mod prompt;
#[cfg(feature = "chat")]
mod python;
mod template;
mod tool_calls;

#[cfg(feature = "chat")]
pub use engine::Minijinja;
pub use guard::{Guard, SpecialToken};
pub use message::{Content, FunctionCall, Message, Part, ToolCall};
pub use prompt::{PromptTokenizer, prompt_ids};
pub use template::{ChatTemplate, TemplateEngine, TemplateOptions};
pub use tool_calls::{is_tool_call_token, parse_tool_calls};

#[cfg(test)]
mod tests;
