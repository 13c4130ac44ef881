//! Text generation: prompts from JavaScript, and replies that grow step by step.

use std::pin::Pin;
use std::rc::Rc;

use js_sys::{Function, Promise};
use serde::Deserialize;
use serde_json::{Map, Value};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::JsResult;
use super::convert::{from_js, to_js, to_js_error};
use crate::error::{Error, ErrorKind, Result};
use crate::generation::chat::{Message, TemplateEngine, TemplateOptions, parse_tool_calls};
use crate::generation::{GenerationOptions, Prompt as FittedPrompt};

#[wasm_bindgen]
extern "C" {
    /// What is to be continued or answered.
    #[wasm_bindgen(typescript_type = "GenerationPrompt")]
    pub type JsPrompt;

    #[wasm_bindgen(typescript_type = "GenerationOptions")]
    pub type JsGenerationOptions;

    #[wasm_bindgen(typescript_type = "Reply")]
    pub type JsReply;

    #[wasm_bindgen(typescript_type = "ParsedToolCalls")]
    pub type JsToolCalls;

    /// Is asked from time to time whether to go on.
    #[wasm_bindgen(typescript_type = "() => Promise<boolean>")]
    pub type JsGoOn;

    /// What a step has added to a reply; `undefined` where it was stopped.
    #[wasm_bindgen(typescript_type = "Piece | undefined")]
    pub type JsStep;

    /// Renders a chat template with its variables, a JSON object.
    #[wasm_bindgen(typescript_type = "(template: string, variables: string) => string")]
    pub type JsTemplateEngine;
}

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A call of a tool, in the shape of OpenAI's chat completions; the arguments are JSON. */
export interface ToolCall {
    id: string;
    type: 'function';
    function: { name: string; arguments: string };
}

/** A message of a conversation, in the shape of OpenAI's chat completions. */
export interface ChatMessage {
    /** Such as `system`, `user`, `assistant` or `tool`. */
    role: string;
    content?: string | { type: 'text'; text: string }[] | null;
    name?: string;
    tool_calls?: ToolCall[];
    tool_call_id?: string;
    reasoning_content?: string;
}

/** A conversation that is to be answered, and what its chat template is given. */
export interface ChatPrompt {
    messages: ChatMessage[];
    /** The tools that may be called, in the shape of OpenAI's chat completions. */
    tools?: object[];
    documents?: object[];
    /** Whether the last message is to be continued. */
    continue_final_message?: boolean;
    /** Variables of the model's own template, such as `enable_thinking`. */
    variables?: Record<string, unknown>;
}

/** A text to be continued, in which special tokens are recognised; a gap to be filled; or a conversation. */
export type GenerationPrompt =
    | { text: string }
    | { infill: { prefix: string; suffix: string } }
    | { chat: ChatPrompt };

/** What a reply says besides the tools that it calls. */
export interface ParsedToolCalls {
    content: string | null;
    tool_calls: ToolCall[];
}
"#;

/// What is to be continued or answered.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Prompt {
    Text(String),
    Infill(Infill),
    Chat(Chat),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Infill {
    prefix: String,
    suffix: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chat {
    messages: Vec<Message>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    documents: Vec<Value>,
    #[serde(default)]
    continue_final_message: bool,
    #[serde(default)]
    variables: Map<String, Value>,
}

/// A model that generates text.
#[wasm_bindgen]
pub struct Generator(pub(super) Rc<crate::generation::Generator>);

#[wasm_bindgen]
impl Generator {
    pub(super) fn new(generator: crate::generation::Generator) -> Self {
        Self(Rc::new(generator))
    }

    /// The most tokens of a prompt and its reply.
    #[wasm_bindgen(getter)]
    pub fn context(&self) -> usize {
        self.0.context()
    }

    /// Whether weights are on a GPU alone, so that it can only be run there.
    #[wasm_bindgen(getter, js_name = needsGpu)]
    pub fn needs_gpu(&self) -> bool {
        self.0.decoder().needs_gpu()
    }

    /// The tokens of a prompt; `engine` renders the chat template.
    pub fn tokens(&self, prompt: JsPrompt, engine: &JsTemplateEngine) -> JsResult<Vec<u32>> {
        let options = GenerationOptions::default();
        Ok(self.fitted(from_js("prompt", prompt)?, &options, engine).map_err(to_js_error)?.ids)
    }

    /// The bytes of the token `id`; none for a special token.
    #[wasm_bindgen(js_name = tokenBytes)]
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        self.0.tokenizer().token_bytes(id).unwrap_or_default().into_owned()
    }

    /// Begins a reply.
    pub fn start(
        &self,
        prompt: JsPrompt,
        options: JsGenerationOptions,
        engine: &JsTemplateEngine,
    ) -> JsResult<Generation> {
        let options: GenerationOptions = from_js("options", options)?;
        let prompt = self.fitted(from_js("prompt", prompt)?, &options, engine).map_err(to_js_error)?;
        let generation = self.0.start(prompt, &options).map_err(to_js_error)?;
        Ok(Generation { generator: Rc::clone(&self.0), generation })
    }

    /// The tokens of a prompt, within what the options leave room for.
    fn fitted(&self, prompt: Prompt, given: &GenerationOptions, engine: &JsTemplateEngine) -> Result<FittedPrompt> {
        let chat = match prompt {
            Prompt::Text(text) => return Ok(self.0.fit(self.0.encode(&text)?, given)),
            Prompt::Infill(Infill { prefix, suffix }) => return Ok(self.0.infill_prompt(&prefix, &suffix)?.into()),
            Prompt::Chat(chat) => chat,
        };
        let options = TemplateOptions {
            tools: chat.tools,
            documents: chat.documents,
            add_generation_prompt: !chat.continue_final_message,
            continue_final_message: chat.continue_final_message,
            variables: chat.variables,
        };
        let engine = Engine(engine.unchecked_ref());
        let encode = |messages: &[Message]| self.0.chat_prompt(&engine, messages, &options);
        self.0.fit_messages(&chat.messages, given, chat.continue_final_message, &encode)
    }
}

/// A reply that is being generated. It keeps its model alive.
#[wasm_bindgen]
pub struct Generation {
    generator: Rc<crate::generation::Generator>,
    generation: crate::generation::Generation,
}

#[wasm_bindgen]
impl Generation {
    /// Whether the reply is complete.
    #[wasm_bindgen(getter)]
    pub fn complete(&self) -> bool {
        self.generation.finish_reason().is_some()
    }

    /// Goes on by one pass of the model. Asks `go_on` some times in each layer, and waits for its answer: the reply is as
    /// before where that is `false`.
    pub async fn step(&mut self, go_on: JsGoOn) -> JsResult<JsStep> {
        let piece = self.generation.step_while(&self.generator, &asking(go_on)).await.map_err(to_js_error)?;
        match piece {
            None => Ok(JsValue::UNDEFINED.unchecked_into()),
            Some(piece) => Ok(to_js(&piece)?.unchecked_into()),
        }
    }

    /// The reply as far as it has come.
    pub fn finish(self) -> JsResult<JsReply> {
        Ok(to_js(&self.generation.finish(&self.generator).map_err(to_js_error)?)?.unchecked_into())
    }
}

/// The tools that the text of a reply calls, and what it says besides.
#[wasm_bindgen(js_name = parseToolCalls)]
pub fn tool_calls(text: &str) -> JsResult<JsToolCalls> {
    let (content, calls) = parse_tool_calls(text);
    Ok(to_js(&serde_json::json!({ "content": content, "tool_calls": calls }))?.unchecked_into())
}

/// Asks JavaScript whether to go on.
pub(super) fn asking(go_on: JsGoOn) -> impl Fn() -> Pin<Box<dyn Future<Output = bool>>> {
    let go_on: Function = go_on.unchecked_into();
    move || {
        let answer = go_on.call0(&JsValue::UNDEFINED);
        Box::pin(async {
            // One that throws cannot say so.
            let Ok(promise) = answer else { return false };
            JsFuture::from(Promise::resolve(&promise)).await.is_ok_and(|answer| answer.is_truthy())
        })
    }
}

/// The page's engine of templates.
pub(super) struct Engine<'a>(pub(super) &'a js_sys::Function);

impl TemplateEngine for Engine<'_> {
    fn render(&self, template: &str, context: &Value) -> Result<String> {
        let rendered = self.0.call2(&JsValue::UNDEFINED, &template.into(), &context.to_string().into());
        let text = rendered.map_err(|thrown| thrown_error(&thrown))?;
        text.as_string().ok_or_else(|| Error::internal("the template engine gave no text"))
    }
}

/// What JavaScript has thrown.
fn thrown_error(thrown: &JsValue) -> Error {
    let field = |name: &str| js_sys::Reflect::get(thrown, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let kind: ErrorKind = from_js("kind", field("kind")).unwrap_or(ErrorKind::Internal);
    Error::new(kind, field("message").as_string().unwrap_or_else(|| "the template engine failed".to_string()))
}
