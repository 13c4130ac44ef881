//! The JavaScript interface of a cascade: conversions around [`cascade::Cascade`]. Nothing is decided here.

use std::rc::Rc;

use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::convert::{from_js, to_js, to_js_error};
use super::pipeline::Pipeline;
use super::{JsResult, JsRunOptions, now_ms};
use crate::calibration::{Example, Labels, Source};
use crate::cascade::labelling::{Labelling, LabellingOutcome, LabellingStep};
use crate::cascade::{self, CascadeConfig, Clock, DecidedAnswer, Now, OffsetUnit, PiiFindings, Provenance};
use crate::device::DeviceReport;
use crate::error::Error;
use crate::generation::Generator;
use crate::policy::Reason;
use crate::remote::RemoteEvent;
use crate::tasks::{AnswerOutput, RunOptions};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "CascadeConfig")]
    pub type JsCascadeConfig;
    #[wasm_bindgen(typescript_type = "DeviceReport")]
    pub type JsDeviceReport;
    #[wasm_bindgen(typescript_type = "RemoteEvent")]
    pub type JsRemoteEvent;
    #[wasm_bindgen(typescript_type = "PiiFindings")]
    pub type JsPiiFindings;
    #[wasm_bindgen(typescript_type = "Envelope")]
    pub type JsEnvelope;
    #[wasm_bindgen(typescript_type = "Reason")]
    pub type JsReason;
    #[wasm_bindgen(typescript_type = "Decided[]")]
    pub type JsDecided;
    #[wasm_bindgen(typescript_type = "Turn")]
    pub type JsTurn;
    #[wasm_bindgen(typescript_type = "Fed")]
    pub type JsFed;
    #[wasm_bindgen(typescript_type = "Example[]")]
    pub type JsExamples;
    #[wasm_bindgen(typescript_type = "AnswerOutput[]")]
    pub type JsTruths;
    #[wasm_bindgen(typescript_type = "Labels")]
    pub type JsLabels;
    #[wasm_bindgen(typescript_type = "Guarantee")]
    pub type JsGuarantee;
    #[wasm_bindgen(typescript_type = "Source")]
    pub type JsSource;
    #[wasm_bindgen(typescript_type = "LedgerView")]
    pub type JsLedgerView;
    #[wasm_bindgen(typescript_type = "(Calibration | null)[]")]
    pub type JsCalibrations;
    #[wasm_bindgen(typescript_type = "Calibrated")]
    pub type JsCalibrated;
    #[wasm_bindgen(typescript_type = "Provenance")]
    pub type JsProvenance;
    #[wasm_bindgen(typescript_type = "Labelling")]
    pub type JsLabelling;
    #[wasm_bindgen(typescript_type = "LabellingOutcome[]")]
    pub type JsLabellingOutcomes;
    #[wasm_bindgen(typescript_type = "LabellingTurn")]
    pub type JsLabellingTurn;
}

/// Local models in front of remote ones. Only `decide` and `scoreExamples` wait for a model; everything else can be called
/// while they do.
///
/// Where the local model generates text it reads records step by step (`records.rs`), and the cascade decides on what was read.
#[wasm_bindgen]
pub struct Cascade(pub(super) cascade::Cascade, pub(super) Option<Rc<Generator>>);

#[wasm_bindgen]
impl Cascade {
    /// A cascade over `pipelines`, one behind the other, which run on the device of `report`; where the settings have a
    /// router, the last of them is it.
    #[wasm_bindgen(constructor)]
    pub fn new(pipelines: Vec<Pipeline>, config: JsCascadeConfig, report: JsDeviceReport) -> JsResult<Self> {
        let config: CascadeConfig = from_js("settings of the cascade", config)?;
        let report: DeviceReport = from_js("device report", report)?;
        let models: Result<Vec<_>, Error> = pipelines.into_iter().map(|pipeline| pipeline.0.text()).collect();
        let models = models.map_err(to_js_error)?;
        let cascade = cascade::Cascade::from_models(models, config, report, OffsetUnit::Utf16, clock());
        Ok(Self(cascade.map_err(to_js_error)?, None))
    }

    /// The confidence at which the answer of each local model is accepted.
    #[wasm_bindgen(getter)]
    pub fn thresholds(&self) -> Vec<f64> {
        self.0.thresholds()
    }

    /// The calibration of each local model, where it has one.
    #[wasm_bindgen(getter)]
    pub fn calibrations(&self) -> JsResult<JsCalibrations> {
        Ok(to_js(&self.0.calibrations())?.unchecked_into())
    }

    /// The first step for each of `inputs`, at these thresholds. With `must_stay_local` nothing leaves the device.
    pub async fn decide(
        &self,
        inputs: Vec<String>,
        options: JsRunOptions,
        thresholds: Vec<f64>,
        must_stay_local: bool,
        provenance: JsProvenance,
    ) -> JsResult<JsDecided> {
        let options: RunOptions = from_js("options", options)?;
        let provenance: Provenance = from_js("what is known of the texts", provenance)?;
        self.0.set_thresholds(&thresholds).map_err(to_js_error)?;
        let decided = self.0.decide_from(&inputs, &options, must_stay_local, &provenance).await.map_err(to_js_error)?;
        Ok(to_js(&decided)?.unchecked_into())
    }

    /// The first step for each of `inputs` where the answer of a remote model is wanted as such.
    pub fn consult(&self, inputs: Vec<String>, options: JsRunOptions) -> JsResult<JsDecided> {
        let options: RunOptions = from_js("options", options)?;
        Ok(to_js(&self.0.consult(&inputs, &options).map_err(to_js_error)?)?.unchecked_into())
    }

    /// The confidence of the local model number `tier` in its answers to those of `inputs` that reach it, and whether they
    /// are right by `truths`.
    #[wasm_bindgen(js_name = scoreExamples)]
    pub async fn score_examples(
        &self,
        tier: usize,
        inputs: Vec<String>,
        truths: JsTruths,
        options: JsRunOptions,
    ) -> JsResult<JsExamples> {
        let options: RunOptions = from_js("options", options)?;
        let truths: Vec<AnswerOutput> = from_js("right answers", truths)?;
        let examples = self.0.score_examples(tier, &inputs, truths, &options).await.map_err(to_js_error)?;
        Ok(to_js(&examples)?.unchecked_into())
    }

    /// Calibrates the local model number `tier` on `examples`, which it gave under `options`.
    pub fn calibrate(
        &self,
        tier: usize,
        examples: JsExamples,
        labels: JsLabels,
        promise: JsGuarantee,
        source: JsSource,
        options: JsRunOptions,
    ) -> JsResult<JsCalibrated> {
        let examples: Vec<Example> = from_js("examples", examples)?;
        let labels: Labels = from_js("labels", labels)?;
        let promise = from_js("promise", promise)?;
        let source: Source = from_js("source", source)?;
        let options: RunOptions = from_js("options", options)?;
        let calibrated = self.0.calibrate(tier, &examples, labels, promise, source, &options);
        Ok(to_js(&calibrated.map_err(to_js_error)?)?.unchecked_into())
    }

    /// The numbers that an envelope was decided from, in words.
    pub fn explain(&self, envelope: JsEnvelope) -> JsResult<String> {
        let answer: DecidedAnswer = from_js("fields of the envelope", envelope)?;
        Ok(answer.explain())
    }

    /// Enqueues the question `call`; `found` is the personal data in its text.
    pub fn enqueue(&self, call: u32, stream: bool, found: Option<JsPiiFindings>) -> JsResult<JsTurn> {
        let found: Option<PiiFindings> = found.map(|found| from_js("personal data", found)).transpose()?;
        let turn = self.0.enqueue(call, stream, found.as_ref()).map_err(to_js_error)?;
        Ok(to_js(&turn)?.unchecked_into())
    }

    /// The next step for the question `call`, which waited.
    pub fn resume(&self, call: u32) -> JsResult<JsTurn> {
        Ok(to_js(&self.0.resume(call).map_err(to_js_error)?)?.unchecked_into())
    }

    /// What the next `bytes` of the reply to `call` bring.
    pub fn feed(&self, call: u32, bytes: &[u8], last: bool) -> JsResult<JsFed> {
        Ok(to_js(&self.0.feed(call, bytes, last).map_err(to_js_error)?)?.unchecked_into())
    }

    /// The next step, after `event` came of the request for `call`.
    pub fn receive(&self, call: u32, event: JsRemoteEvent) -> JsResult<JsTurn> {
        let event: RemoteEvent = from_js("remote event", event)?;
        Ok(to_js(&self.0.receive(call, &event).map_err(to_js_error)?)?.unchecked_into())
    }

    /// Ends the question `call` without a remote answer, for this reason.
    pub fn decline(&self, call: u32, reason: JsReason, detail: String) -> JsResult<JsTurn> {
        let reason: Reason = from_js("reason", reason)?;
        Ok(to_js(&self.0.decline(call, reason, detail).map_err(to_js_error)?)?.unchecked_into())
    }

    /// Forgets the question `call`; returns the number of the one whose turn it is now.
    pub fn abandon(&self, call: u32) -> Option<u32> {
        self.0.abandon(call)
    }

    /// What was answered since the last call, as a record for `readUsage`.
    #[wasm_bindgen(js_name = takeRecord)]
    pub fn take_record(&self) -> Option<String> {
        self.0.take_record()
    }

    /// What `records` say together. Those that are invalid, or of another version, are skipped.
    #[wasm_bindgen(js_name = readUsage)]
    pub fn read_usage(&self, records: Vec<String>) -> JsResult<JsLedgerView> {
        Ok(to_js(&self.0.read_usage(&records))?.unchecked_into())
    }

    /// The first state and step of labelling so many `texts`, of which `batch` are asked about together.
    #[wasm_bindgen(js_name = startLabelling)]
    pub fn start_labelling(&self, texts: usize, batch: usize) -> JsResult<JsLabellingTurn> {
        step_of(Labelling::new(texts, batch), &[])
    }

    /// The next state and step of labelling, after the last step had these outcomes.
    #[wasm_bindgen(js_name = advanceLabelling)]
    pub fn advance_labelling(&self, state: JsLabelling, outcomes: JsLabellingOutcomes) -> JsResult<JsLabellingTurn> {
        let state: Labelling = from_js("state of labelling", state)?;
        let outcomes: Vec<LabellingOutcome> = from_js("outcomes", outcomes)?;
        step_of(state, &outcomes)
    }

    /// Merges a spend log of another cascade of the origin for the remote model number `remote`.
    pub fn absorb(&self, remote: usize, log: &str) {
        self.0.absorb(remote, log);
    }

    /// The spend log of each remote model, for `absorb`.
    pub fn spending(&self) -> Vec<String> {
        self.0.spending()
    }
}

/// A step of labelling, and the state after it.
#[derive(Serialize, tsify::Tsify)]
pub struct LabellingTurn {
    state: Labelling,
    step: LabellingStep,
}

fn step_of(mut state: Labelling, outcomes: &[LabellingOutcome]) -> JsResult<JsLabellingTurn> {
    let step = state.advance(outcomes);
    Ok(to_js(&LabellingTurn { state, step })?.unchecked_into())
}

/// The clocks of the page. All tabs share `Date.now`, by which they count their spending.
pub(super) fn clock() -> Clock {
    Clock { now: || Now { now_ms: js_sys::Date::now(), random: js_sys::Math::random() }, monotonic_ms: now_ms }
}
