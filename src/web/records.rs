//! Records: read out of a text step by step, and what a cascade decides on them.

use std::rc::Rc;

use wasm_bindgen::prelude::*;

use super::JsResult;
use super::cascade::{Cascade, JsCascadeConfig, JsDeviceReport, JsExamples, clock};
use super::convert::{from_js, to_js, to_js_error};
use super::generator::{Engine, Generator, JsGoOn, JsTemplateEngine, asking};
use crate::cascade::{self, CascadeConfig, LocalModels, OffsetUnit};
use crate::device::DeviceReport;
use crate::error::Error;
use crate::policy::LocalConfig;
use crate::records::{self, ExtractedRecord, RecordOptions};
use crate::tasks::{AnswerOutput, LocalAnswer};
use crate::{Result, generation};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "RecordOptions")]
    pub type JsRecordOptions;

    #[wasm_bindgen(typescript_type = "ExtractedRecord")]
    pub type JsRecord;

    #[wasm_bindgen(typescript_type = "Decided")]
    pub type JsDecidedRecord;
}

/// A record that is being read out of a text. It keeps its model alive.
#[wasm_bindgen]
pub struct Extraction {
    generator: Rc<generation::Generator>,
    generation: generation::Generation,
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
        let text = self.text.clone();
        let mut record = record_of(self.answer().map_err(to_js_error)?)?;
        record.offsets_to_utf16(&text);
        Ok(to_js(&record)?.unchecked_into())
    }

    /// The examples that the fields of the record are for a calibration, where `truth` is the right record.
    pub fn examples(self, truth: JsRecord) -> JsResult<JsExamples> {
        let truth: ExtractedRecord = from_js("right record", truth)?;
        let record = record_of(self.answer().map_err(to_js_error)?)?;
        Ok(to_js(&cascade::Cascade::record_examples(&record, &truth))?.unchecked_into())
    }
}

impl Extraction {
    fn start(
        generator: &Rc<generation::Generator>,
        text: &str,
        options: JsRecordOptions,
        engine: &JsTemplateEngine,
    ) -> JsResult<Self> {
        let options: RecordOptions = from_js("options", options)?;
        let engine = Engine(engine.unchecked_ref());
        let start = || {
            let ids = records::prompt_ids(generator, &engine, text, &options.schema)?;
            generator.start(ids, &options.generation())
        };
        let generation = start().map_err(to_js_error)?;
        Ok(Self { generator: Rc::clone(generator), generation, text: text.to_string(), schema: options.schema })
    }

    fn answer(self) -> Result<LocalAnswer> {
        records::local_answer(&self.text, &self.schema, &self.generation.finish(&self.generator)?)
    }
}

#[wasm_bindgen]
impl Generator {
    /// Begins a record of a text; `engine` renders the chat template.
    pub fn extract(&self, text: &str, options: JsRecordOptions, engine: &JsTemplateEngine) -> JsResult<Extraction> {
        Extraction::start(&self.0, text, options, engine)
    }
}

#[wasm_bindgen]
impl Cascade {
    /// A cascade over a model that reads records, which runs on the device of `report`.
    #[wasm_bindgen(js_name = ofGenerator)]
    pub fn of_generator(generator: Generator, config: JsCascadeConfig, report: JsDeviceReport) -> JsResult<Self> {
        let mut config: CascadeConfig = from_js("settings of the cascade", config)?;
        let report: DeviceReport = from_js("device report", report)?;
        config.local.resize_with(1, LocalConfig::default);
        for local in &mut config.local {
            local.calibration = local.calibration.take().or_else(|| generator.0.calibration().cloned());
            local.weights_sha256 = generator.0.weights_sha256().cloned();
        }
        let cascade = cascade::Cascade::new(LocalModels::none(), config, report, OffsetUnit::Utf16, clock());
        Ok(Self(cascade.map_err(to_js_error)?, Some(generator.0)))
    }

    /// Whether its local model reads records.
    #[wasm_bindgen(getter, js_name = readsRecords)]
    pub fn reads_records(&self) -> bool {
        self.1.is_some()
    }

    /// Begins a record of a text; `engine` renders the chat template.
    pub fn extract(&self, text: &str, options: JsRecordOptions, engine: &JsTemplateEngine) -> JsResult<Extraction> {
        let generator = self.1.as_ref().ok_or_else(|| Error::unsupported("this cascade reads no records"));
        Extraction::start(generator.map_err(to_js_error)?, text, options, engine)
    }

    /// The first step for the text of a record that was read in `latency_ms`, at this threshold. With `must_stay_local` nothing
    /// leaves the device.
    #[wasm_bindgen(js_name = decideRecord)]
    pub fn decide_record(
        &self,
        extraction: Extraction,
        latency_ms: f64,
        threshold: f64,
        must_stay_local: bool,
    ) -> JsResult<JsDecidedRecord> {
        let (text, schema) = (extraction.text.clone(), extraction.schema.clone());
        let decide = || {
            self.0.set_thresholds(&[threshold])?;
            self.0.decide_record(&text, &schema, extraction.answer()?, latency_ms, must_stay_local)
        };
        Ok(to_js(&decide().map_err(to_js_error)?)?.unchecked_into())
    }

    /// The first step for a text where a remote model's record is wanted as such.
    #[wasm_bindgen(js_name = consultRecord)]
    pub fn consult_record(&self, text: &str, options: JsRecordOptions) -> JsResult<JsDecidedRecord> {
        let options: RecordOptions = from_js("options", options)?;
        let decided = self.0.consult_record(text, &options.schema).map_err(to_js_error)?;
        Ok(to_js(&decided)?.unchecked_into())
    }
}

fn record_of(answer: LocalAnswer) -> JsResult<ExtractedRecord> {
    match answer.output {
        AnswerOutput::Record(record) => Ok(record),
        _ => Err(to_js_error(Error::internal("an extraction gave no record"))),
    }
}
