//! What a model that generates text does besides: summaries, and records out of texts.

use std::rc::Rc;

use wasm_bindgen::prelude::*;

use super::JsResult;
use super::convert::{options_from_js, to_js, to_js_error};
use super::generator::{Engine, Generator, JsGoOn, JsTemplateEngine, asking};
use crate::records::{self, ExtractedRecord, RecordOptions};
use crate::tasks;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "Partial<SummarizationOptions>")]
    pub type JsSummarizationOptions;

    #[wasm_bindgen(typescript_type = "Summary")]
    pub type JsSummary;

    #[wasm_bindgen(typescript_type = "RecordOptions")]
    pub type JsRecordOptions;

    #[wasm_bindgen(typescript_type = "ExtractedRecord")]
    pub type JsRecord;
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
        let options = options_from_js("options", options)?;
        let engine = Engine(engine.unchecked_ref());
        let summary = tasks::AbstractiveSummary::new(&self.0, &engine, text, options).map_err(to_js_error)?;
        Ok(AbstractiveSummary { generator: Rc::clone(&self.0), summary, text: text.to_string() })
    }

    /// Begins a record of a text; `engine` renders the chat template.
    pub fn extract(&self, text: &str, options: JsRecordOptions, engine: &JsTemplateEngine) -> JsResult<Extraction> {
        let options: RecordOptions = options_from_js("options", options)?;
        let engine = Engine(engine.unchecked_ref());
        let start = || {
            let ids = records::prompt_ids(&self.0, &engine, text, &options.schema)?;
            self.0.start(ids, &options.generation())
        };
        let generation = start().map_err(to_js_error)?;
        let (text, schema) = (text.to_string(), options.schema.clone());
        Ok(Extraction { generator: Rc::clone(&self.0), generation, text, schema })
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

    /// Goes on by one pass of the model.
    pub async fn step(&mut self, engine: JsTemplateEngine) -> JsResult<()> {
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

/// A record that is being read out of a text. It keeps its model alive.
#[wasm_bindgen]
pub struct Extraction {
    generator: Rc<crate::generation::Generator>,
    generation: crate::generation::Generation,
    text: String,
    schema: String,
}

#[wasm_bindgen]
impl Extraction {
    /// Whether the record is there.
    #[wasm_bindgen(getter)]
    pub fn complete(&self) -> bool {
        self.generation.finish_reason().is_some()
    }

    /// Goes on by one pass of the model, as a step of a reply does.
    pub async fn step(&mut self, go_on: JsGoOn) -> JsResult<()> {
        self.generation.step_while(&self.generator, &asking(go_on)).await.map(drop).map_err(to_js_error)
    }

    /// The record. Its spans count UTF-16 units.
    pub fn finish(self) -> JsResult<JsRecord> {
        let read = || {
            let mut record =
                ExtractedRecord::read(&self.text, &self.schema, &self.generation.finish(&self.generator)?)?;
            record.offsets_to_utf16(&self.text);
            Ok(record)
        };
        let record: crate::Result<ExtractedRecord> = read();
        Ok(to_js(&record.map_err(to_js_error)?)?.unchecked_into())
    }
}
