//! Summaries of a model that generates text, written step by step.

use std::rc::Rc;

use wasm_bindgen::prelude::*;

use super::JsResult;
use super::convert::{from_js, to_js, to_js_error};
use super::generator::{Engine, Generator, JsTemplateEngine};
use crate::tasks;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "Partial<SummarizationOptions>")]
    pub type JsSummarizationOptions;

    #[wasm_bindgen(typescript_type = "Summary")]
    pub type JsSummary;
}

#[wasm_bindgen]
impl Generator {
    /// Begins a summary of a text; `engine` renders the chat template.
    pub fn summarize(
        &self,
        text: &str,
        options: JsSummarizationOptions,
        engine: &JsTemplateEngine,
    ) -> JsResult<AbstractiveSummary> {
        let options = from_js("options", options)?;
        let engine = Engine(engine.unchecked_ref());
        let summary = tasks::AbstractiveSummary::new(&self.0, &engine, text, options).map_err(to_js_error)?;
        Ok(AbstractiveSummary { generator: Rc::clone(&self.0), summary, text: text.to_string() })
    }
}

/// A summary that is being written. It keeps its model alive.
#[wasm_bindgen]
pub struct AbstractiveSummary {
    generator: Rc<crate::generation::Generator>,
    summary: tasks::AbstractiveSummary,
    text: String,
}

#[wasm_bindgen]
impl AbstractiveSummary {
    /// Whether the summary is there.
    #[wasm_bindgen(getter)]
    pub fn complete(&self) -> bool {
        self.summary.is_complete()
    }

    /// Goes on by one pass of the model, and gives what is added to the summary.
    pub async fn step(&mut self, engine: JsTemplateEngine) -> JsResult<String> {
        let engine = Engine(engine.unchecked_ref());
        self.summary.step(&self.generator, &engine).await.map_err(to_js_error)
    }

    /// The summary.
    pub fn finish(self) -> JsResult<JsSummary> {
        let mut summary = self.summary.finish().map_err(to_js_error)?;
        summary.offsets_to_utf16(&self.text);
        Ok(to_js(&summary)?.unchecked_into())
    }
}
