//! Local models, and what becomes of what they are not sure of.

use std::cell::RefCell;

use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::convert::{from_js, options_from_js, to_js, to_js_error};
use super::pipeline::Pipeline;
use super::{JsResult, JsRunOptions, now_ms};
use crate::calibration::{self, Calibrated, Calibration, Example, Labels, Report, Source};
use crate::cascade::{
    CascadeConfig, Chain, Check, Delegation, Marked, Moment, OffsetUnit, Outcome, Step, truth_in_bytes,
};
use crate::device::DeviceReport;
use crate::drift::Watch;
use crate::error::Error;
use crate::policy::{LocalConfig, Reason, Tier};
use crate::remote::{Question, RemoteEvent};
use crate::tasks::{AnswerOutput, LocalAnswer, RunOptions};
use crate::usage::ledger::Ledger;
use crate::usage::summary::{Summary, summary};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "CascadeConfig")]
    pub type JsCascadeConfig;
    #[wasm_bindgen(typescript_type = "DeviceReport")]
    pub type JsDeviceReport;
    #[wasm_bindgen(typescript_type = "RemoteEvent")]
    pub type JsRemoteEvent;
    #[wasm_bindgen(typescript_type = "Marked")]
    pub type JsMarked;
    #[wasm_bindgen(typescript_type = "Envelope")]
    pub type JsEnvelope;
    #[wasm_bindgen(typescript_type = "Reason")]
    pub type JsReason;
    #[wasm_bindgen(typescript_type = "Judged[]")]
    pub type JsJudged;
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
}

/// The first step for a text.
#[derive(Serialize, tsify::Tsify)]
pub struct Judged {
    step: Step,
    /// Present where it is an answer that is to be checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[tsify(optional)]
    check: Option<Check>,
}

/// What the records of a ledger say.
#[derive(Serialize, tsify::Tsify)]
pub struct LedgerView {
    summary: Summary,
    /// How confidences compare with those at calibration; undefined for a model that was not calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[tsify(optional)]
    watch: Option<Watch>,
    /// All records as one.
    merged: String,
    /// Which of the records are none.
    strange: Vec<usize>,
}

/// Local models, and what becomes of what they are not sure of. Only `decide` and `examples` wait for a model; the rest
/// can be called while they do.
#[wasm_bindgen]
pub struct Cascade {
    chain: Chain,
    delegation: RefCell<Delegation>,
}

#[wasm_bindgen]
impl Cascade {
    /// A cascade over `pipelines`, one behind the other, which run on the device that `report` tells of; where the settings
    /// have a router, the last of them is it.
    #[wasm_bindgen(constructor)]
    pub fn new(pipelines: Vec<Pipeline>, config: JsCascadeConfig, report: JsDeviceReport) -> JsResult<Self> {
        let mut config: CascadeConfig = options_from_js("settings of the cascade", config)?;
        let report: DeviceReport = from_js("device report", report)?;
        let models: Result<Vec<_>, Error> = pipelines.into_iter().map(|pipeline| pipeline.0.text()).collect();
        let mut models = models.map_err(to_js_error)?;
        let router = config.router.and_then(|router| Some((models.pop()?, router.min_gain)));
        let chain = Chain::new(models).and_then(|chain| match router {
            Some((model, min_gain)) => chain.with_router(model, min_gain),
            None => Ok(chain),
        });
        let chain = chain.map_err(to_js_error)?;
        config.local.resize_with(chain.models().len(), LocalConfig::default);
        for (local, model) in config.local.iter_mut().zip(chain.models()) {
            local.calibration = local.calibration.take().or_else(|| model.calibration().cloned());
            local.weights_sha256 = model.weights_sha256().cloned();
        }
        let delegation = Delegation::new(config, report, OffsetUnit::Utf16).map_err(to_js_error)?;
        Ok(Self { chain, delegation: RefCell::new(delegation) })
    }

    /// The confidence from which on the answer of each local model is the answer.
    #[wasm_bindgen(getter)]
    pub fn thresholds(&self) -> Vec<f64> {
        self.delegation.borrow().thresholds()
    }

    /// How far each local model may be trusted, where that is known.
    #[wasm_bindgen(getter)]
    pub fn calibrations(&self) -> JsResult<JsCalibrations> {
        Ok(to_js(&self.delegation.borrow().calibrations())?.unchecked_into())
    }

    /// The first step for each of `inputs`, at these thresholds; those that `must_stay_local` do. And those that are drawn
    /// to be checked.
    pub async fn decide(
        &self,
        inputs: Vec<String>,
        options: JsRunOptions,
        thresholds: Vec<f64>,
        must_stay_local: bool,
    ) -> JsResult<JsJudged> {
        let options: RunOptions = options_from_js("options", options)?;
        self.delegation.borrow_mut().set_thresholds(&thresholds).map_err(to_js_error)?;
        let models = self.chain.models().len();
        let weigh = self.weigh(&options).map_err(to_js_error)?;
        let mut looked = self.chain.look(&inputs, &options, models, weigh, now_ms).await.map_err(to_js_error)?;
        if !must_stay_local {
            self.chain.route(&inputs, &mut looked, now_ms).await.map_err(to_js_error)?;
        }
        let (task, labels) = (self.chain.task(), self.chain.answer_labels(&options).map_err(to_js_error)?);
        let mut delegation = self.delegation.borrow_mut();
        let judge = |(text, looked)| {
            let question = Question { task, labels: labels.clone(), text };
            let step = delegation.judge(question, looked, must_stay_local, moment())?;
            Ok(Judged { step, check: delegation.take_check() })
        };
        let steps: Result<Vec<Judged>, Error> = inputs.into_iter().zip(looked).map(judge).collect();
        Ok(to_js(&steps.map_err(to_js_error)?)?.unchecked_into())
    }

    /// The first step for each of `inputs` of which a general model's answer is wanted as such.
    pub fn consult(&self, inputs: Vec<String>, options: JsRunOptions) -> JsResult<JsJudged> {
        let options: RunOptions = options_from_js("options", options)?;
        let (task, labels) = (self.chain.task(), self.chain.answer_labels(&options).map_err(to_js_error)?);
        let mut delegation = self.delegation.borrow_mut();
        let consult = |text| {
            let question = Question { task, labels: labels.clone(), text };
            Ok(Judged { step: delegation.consult(question, moment())?, check: None })
        };
        let steps: Result<Vec<Judged>, Error> = inputs.into_iter().map(consult).collect();
        Ok(to_js(&steps.map_err(to_js_error)?)?.unchecked_into())
    }

    /// How sure the local model number `tier` is of those of `inputs` that reach it, and whether it is right, by the
    /// right answers `truths`.
    pub async fn examples(
        &self,
        tier: usize,
        inputs: Vec<String>,
        truths: JsTruths,
        options: JsRunOptions,
    ) -> JsResult<JsExamples> {
        let options: RunOptions = options_from_js("options", options)?;
        let truths: Vec<AnswerOutput> = from_js("right answers", truths)?;
        let in_bytes = |(text, truth): (&String, AnswerOutput)| truth_in_bytes(text, truth, OffsetUnit::Utf16);
        let truths: Vec<AnswerOutput> = inputs.iter().zip(truths).map(in_bytes).collect();
        let weigh = self.weigh(&options).map_err(to_js_error)?;
        let found = self.chain.examples(tier, (&inputs, &truths), &options, weigh).await.map_err(to_js_error)?;
        Ok(to_js(&found)?.unchecked_into())
    }

    /// Calibrates the local model number `tier` on `examples`, which it gave under `options`, and from then on trusts it
    /// by what comes of it, if a threshold holds.
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
        let promise = options_from_js("promise", promise)?;
        let options: RunOptions = options_from_js("options", options)?;
        let model = self.chain.models().get(tier);
        let hypotheses = model.map(|model| model.hypotheses(&options)).transpose().map_err(to_js_error)?;
        let source = Source {
            weights_sha256: model.and_then(|model| model.weights_sha256().cloned()),
            behind: self.delegation.borrow().gates(tier),
            hypotheses: hypotheses.unwrap_or_default(),
            ..from_js("source", source)?
        };
        let report = calibration::calibrate(&examples, promise).map_err(to_js_error)?;
        let report = Report { labels, ..report };
        let calibration = Calibration::of(&report, source);
        if let Some(calibration) = &calibration {
            self.delegation.borrow_mut().calibrate(tier, calibration.clone()).map_err(to_js_error)?;
        }
        Ok(to_js(&Calibrated { report, calibration })?.unchecked_into())
    }

    /// The numbers that an envelope was decided from, in words.
    pub fn explain(&self, envelope: JsEnvelope) -> JsResult<String> {
        let outcome: Outcome = from_js("fields of the envelope", envelope)?;
        Ok(outcome.explain())
    }

    /// Sends the question `call`, when its turn comes; `marked` is the personal data in its text.
    pub fn begin(&self, call: u32, stream: bool, marked: Option<JsMarked>) -> JsResult<JsTurn> {
        let marked: Option<Marked> = marked.map(|marked| from_js("marked spans", marked)).transpose()?;
        let turn = self.delegation.borrow_mut().begin(call, stream, marked.as_ref(), moment());
        Ok(to_js(&turn.map_err(to_js_error)?)?.unchecked_into())
    }

    /// What the next `bytes` of the reply to `call` bring.
    pub fn feed(&self, call: u32, bytes: &[u8], last: bool) -> JsResult<JsFed> {
        let fed = self.delegation.borrow_mut().feed(call, bytes, last, moment());
        Ok(to_js(&fed.map_err(to_js_error)?)?.unchecked_into())
    }

    /// The next step, after `event` came of the request for `call`.
    pub fn resume(&self, call: u32, event: JsRemoteEvent) -> JsResult<JsTurn> {
        let event: RemoteEvent = from_js("remote event", event)?;
        let turn = self.delegation.borrow_mut().resume(call, &event, moment());
        Ok(to_js(&turn.map_err(to_js_error)?)?.unchecked_into())
    }

    /// Answers `call` with the local answer, for this reason.
    pub fn decline(&self, call: u32, reason: JsReason, detail: String) -> JsResult<JsTurn> {
        let reason: Reason = from_js("reason", reason)?;
        let turn = self.delegation.borrow_mut().decline(call, reason, detail, moment());
        Ok(to_js(&turn.map_err(to_js_error)?)?.unchecked_into())
    }

    /// Forgets the question `call`; gives the one whose turn it is now.
    pub fn abandon(&self, call: u32) -> Option<u32> {
        self.delegation.borrow_mut().abandon(call, moment())
    }

    /// What was answered since it was asked for last, as a record for `ledger`.
    pub fn record(&self) -> Option<String> {
        self.delegation.borrow_mut().take_record()
    }

    /// What `records` say together. Those that are none, or of another version, are passed over.
    pub fn ledger(&self, records: Vec<String>) -> JsResult<JsLedgerView> {
        let (mut all, mut strange) = (Ledger::default(), Vec::new());
        for (index, record) in records.iter().enumerate() {
            match Ledger::read(record) {
                Ok(ledger) => all.merge(ledger),
                Err(_) => strange.push(index),
            }
        }
        let watch = self.delegation.borrow().watch(&all);
        let view = LedgerView { summary: summary(&all), watch, merged: all.save(), strange };
        Ok(to_js(&view)?.unchecked_into())
    }

    /// Takes over what others of the origin have spent on the general model number `remote`.
    pub fn absorb(&self, remote: usize, json: &str) {
        self.delegation.borrow_mut().absorb(remote, json);
    }

    /// What is known to have been spent on each general model, for `absorb`.
    pub fn spending(&self) -> Vec<String> {
        self.delegation.borrow_mut().spending(moment().now_ms)
    }
}

impl Cascade {
    /// What an answer of a local model under `options` comes to.
    fn weigh(&self, options: &RunOptions) -> Result<impl Fn(usize, &LocalAnswer, f64) -> Tier, Error> {
        let hypotheses = self.chain.models().iter().map(|model| model.hypotheses(options));
        let hypotheses: Vec<Vec<String>> = hypotheses.collect::<Result<_, _>>()?;
        Ok(move |number: usize, answer: &LocalAnswer, latency_ms| {
            let delegation = self.delegation.borrow();
            let tier = delegation.weigh(number, answer, latency_ms);
            Tier { calibrated: tier.calibrated && delegation.is_for(number, &hypotheses[number]), ..tier }
        })
    }
}

/// The time by the clock that all tabs share, since they count their spending by it.
fn moment() -> Moment {
    Moment { now_ms: js_sys::Date::now(), random: js_sys::Math::random() }
}
