//! The JavaScript interface: the crate's types as classes, its values as plain objects, its errors as
//! errors with a kind. Nothing is decided here.

mod convert;
mod graph;
mod pipeline;

use wasm_bindgen::prelude::*;

use crate::delegation::{CascadeConfig, Delegation, OffsetUnit, Step};
use crate::device::DeviceReport;
use crate::loader::Loaded;
use crate::models::graph::GraphOptions;
use crate::remote::{Question, RemoteEvent};
use crate::tasks::{self, RunOptions, Task};
use convert::{from_js, options_from_js, to_js, to_js_error};
use graph::Graph;
use pipeline::Pipeline;

type JsResult<T> = Result<T, JsValue>;

#[wasm_bindgen]
extern "C" {
    /// Plain objects of the types that are generated from the Rust definitions.
    #[wasm_bindgen(typescript_type = "FileRequest[]")]
    pub type FileRequests;
    #[wasm_bindgen(typescript_type = "LoadOptions")]
    pub type JsLoadOptions;
    #[wasm_bindgen(typescript_type = "GraphOptions")]
    pub type JsGraphOptions;
    #[wasm_bindgen(typescript_type = "RunOptions | Partial<SpeechOptions> | Partial<ImageToTextOptions>")]
    pub type JsRunOptions;
    #[wasm_bindgen(typescript_type = "RunOutput")]
    pub type JsRunOutput;
    #[wasm_bindgen(typescript_type = "CascadeConfig")]
    pub type JsCascadeConfig;
    #[wasm_bindgen(typescript_type = "DeviceReport")]
    pub type JsDeviceReport;
    #[wasm_bindgen(typescript_type = "RemoteEvent")]
    pub type JsRemoteEvent;
    #[wasm_bindgen(typescript_type = "Step")]
    pub type JsStep;
    #[wasm_bindgen(typescript_type = "Step[]")]
    pub type JsSteps;

    /// Milliseconds since some moment of this thread's life.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn now_ms() -> f64;
}

/// A panic is told in the console before it stops the instance.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// The device that models are loaded onto.
#[wasm_bindgen]
pub struct Device(crate::Device);

#[wasm_bindgen]
impl Device {
    /// The CPU.
    pub fn cpu() -> Self {
        Self(crate::Device::cpu())
    }

    /// A GPU that agrees with the CPU on a golden input.
    pub async fn webgpu() -> JsResult<Self> {
        crate::Device::webgpu().await.map(Self).map_err(to_js_error)
    }

    /// What it is.
    #[wasm_bindgen(getter, unchecked_return_type = "'wasm' | 'webgpu'")]
    pub fn kind(&self) -> JsResult<JsValue> {
        to_js(&self.0.kind())
    }

    /// The name of the GPU; empty for the CPU.
    #[wasm_bindgen(getter)]
    pub fn adapter(&self) -> String {
        self.0.adapter().to_string()
    }

    /// What went wrong with the device since it was opened; results from before are good.
    pub fn fault(&self) -> Option<String> {
        self.0.fault()
    }
}

/// Collects a model's files and builds the model.
#[wasm_bindgen]
pub struct Loader(crate::Loader);

#[wasm_bindgen]
impl Loader {
    /// A loader for a model that is to do `task` on `device`.
    #[wasm_bindgen(constructor)]
    pub fn new(device: &Device, task: &str, options: JsLoadOptions) -> JsResult<Self> {
        let task: Task = task.parse().map_err(to_js_error)?;
        Ok(Self(crate::Loader::new(device.0.clone(), task, options_from_js("load options", options)?)))
    }

    /// A loader for the graph in `file`, which names the files `external` beside itself.
    pub fn graph(
        device: &Device,
        file: &str,
        external: Vec<String>,
        options: JsLoadOptions,
        graph: JsGraphOptions,
    ) -> JsResult<Self> {
        let options = options_from_js("load options", options)?;
        let graph: GraphOptions = options_from_js("graph options", graph)?;
        let loader = crate::Loader::graph(device.0.clone(), file, external, options, graph);
        loader.map(Self).map_err(to_js_error)
    }

    /// The files wanted next; none once all are there.
    pub fn wants(&mut self) -> JsResult<FileRequests> {
        Ok(to_js(&self.0.wants().map_err(to_js_error)?)?.unchecked_into())
    }

    /// Says how long a file is, before its first bytes come.
    pub fn expect(&mut self, name: &str, bytes: f64) -> JsResult<()> {
        self.0.expect(name, bytes as u64).map_err(to_js_error)
    }

    /// Hands in the next bytes of a file.
    pub fn supply(&mut self, name: &str, bytes: &[u8], last: bool) -> JsResult<()> {
        self.0.supply(name, bytes, last).map_err(to_js_error)
    }

    /// Says that a file is not there.
    pub fn missing(&mut self, name: &str) -> JsResult<()> {
        self.0.missing(name).map_err(to_js_error)
    }

    /// The type of the weights that were found.
    #[wasm_bindgen(getter, unchecked_return_type = "DType")]
    pub fn dtype(&self) -> String {
        self.0.dtype().name().to_string()
    }

    /// Builds the model.
    pub async fn finish(self) -> JsResult<Pipeline> {
        self.0.finish().map(Pipeline).map_err(to_js_error)
    }

    /// Builds the graph.
    #[wasm_bindgen(js_name = finishGraph)]
    pub async fn finish_graph(self) -> JsResult<Graph> {
        self.0.finish().and_then(Loaded::graph).map(Graph).map_err(to_js_error)
    }
}

/// A model, and what becomes of what it is not sure of.
#[wasm_bindgen]
pub struct Cascade {
    pipeline: tasks::Pipeline,
    delegation: Delegation,
}

#[wasm_bindgen]
impl Cascade {
    /// A cascade over `pipeline`, which runs on the device that `report` tells of.
    #[wasm_bindgen(constructor)]
    pub fn new(pipeline: Pipeline, config: JsCascadeConfig, report: JsDeviceReport) -> JsResult<Self> {
        let config: CascadeConfig = options_from_js("settings of the cascade", config)?;
        let report: DeviceReport = from_js("device report", report)?;
        let delegation = Delegation::new(config, report, OffsetUnit::Utf16).map_err(to_js_error)?;
        let pipeline = pipeline.0.text().map_err(to_js_error)?;
        pipeline.check_answers().map_err(to_js_error)?;
        Ok(Self { pipeline, delegation })
    }

    /// The confidence from which on the local answer is the answer.
    #[wasm_bindgen(getter)]
    pub fn threshold(&self) -> f64 {
        self.delegation.threshold()
    }

    /// Sets it.
    #[wasm_bindgen(setter)]
    pub fn set_threshold(&mut self, threshold: f64) -> JsResult<()> {
        self.delegation.set_threshold(threshold).map_err(to_js_error)
    }

    /// The first step for each of `inputs`.
    pub async fn decide(&mut self, inputs: Vec<String>, options: JsRunOptions) -> JsResult<JsSteps> {
        let options: RunOptions = options_from_js("options", options)?;
        let started = now_ms();
        let answers = self.pipeline.answer(&inputs, &options).await.map_err(to_js_error)?;
        let latency_ms = (now_ms() - started) / inputs.len().max(1) as f64;
        let (task, labels) = (self.pipeline.task(), self.pipeline.answer_labels(&options));
        let steps: Vec<Step> = inputs
            .into_iter()
            .zip(answers)
            .map(|(text, answer)| {
                let question = Question { task, labels: labels.clone(), text };
                self.delegation.judge(question, answer, latency_ms)
            })
            .collect();
        Ok(to_js(&steps)?.unchecked_into())
    }

    /// The next step, after `event` came of the request `call`.
    pub fn resume(&mut self, call: u32, event: JsRemoteEvent) -> JsResult<JsStep> {
        let event: RemoteEvent = from_js("remote event", event)?;
        let step = self.delegation.resume(call, &event).map_err(to_js_error)?;
        Ok(to_js(&step)?.unchecked_into())
    }

    /// Forgets the request `call`.
    pub fn abandon(&mut self, call: u32) {
        self.delegation.abandon(call);
    }
}
