//! The JavaScript interface: the crate's types as classes, its values as plain objects, its errors as errors with a kind.
//! Conversions only: what they mean is decided elsewhere.

mod cascade;
mod convert;
mod generator;
mod graph;
mod learning;
mod pipeline;
mod records;
#[cfg(feature = "bench")]
mod roofline;
mod summaries;
mod threads;

use wasm_bindgen::prelude::*;

use crate::graph::GraphOptions;
use crate::kernels::parallel;
use crate::loader::Loaded;
use crate::tasks::Task;
use convert::{from_js, to_js, to_js_error};
use generator::Generator;
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
    /// The options of a task, which reads them itself and refuses those that it does not have.
    #[wasm_bindgen(typescript_type = "object")]
    pub type JsRunOptions;
    /// The output of a task, in its own shape.
    #[wasm_bindgen(typescript_type = "unknown")]
    pub type JsRunOutput;

    /// Milliseconds since the start of this thread.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn now_ms() -> f64;
}

/// A panic is reported in the console and to the other threads before it stops the instance. Every thread calls this.
#[wasm_bindgen(start)]
pub fn start() {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            parallel::fail();
            console_error_panic_hook::hook(info);
        }));
    });
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
        crate::graph::open_webgpu().await.map(Self).map_err(to_js_error)
    }

    /// The version of this crate.
    pub fn version() -> String {
        env!("CARGO_PKG_VERSION").into()
    }

    /// The same device for one more model.
    #[wasm_bindgen(js_name = forModel)]
    pub fn for_model(&self) -> Self {
        Self(self.0.for_model())
    }

    /// Leaves runs of the model that was loaded onto it to the CPU, if no input has more elements.
    #[wasm_bindgen(js_name = shareWithCpu)]
    pub fn share_with_cpu(&self, elements: usize) {
        self.0.share_with_cpu(elements);
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
    /// A loader for a model that does `task` on `device`.
    #[wasm_bindgen(constructor)]
    pub fn new(device: &Device, task: &str, options: JsLoadOptions) -> JsResult<Self> {
        let task: Task = task.parse().map_err(to_js_error)?;
        Ok(Self(crate::Loader::new(device.0.clone(), task, from_js("load options", options)?)))
    }

    /// A loader for the graph in `file`, with its external data in the files `external` next to it.
    pub fn graph(
        device: &Device,
        file: &str,
        external: Vec<String>,
        options: JsLoadOptions,
        graph: JsGraphOptions,
    ) -> JsResult<Self> {
        let options = from_js("load options", options)?;
        let graph: GraphOptions = from_js("graph options", graph)?;
        let loader = crate::Loader::graph(device.0.clone(), file, external, options, graph);
        loader.map(Self).map_err(to_js_error)
    }

    /// A loader for a model that generates text: the checkpoint in a folder, or its GGUF file `file`, which may be the first
    /// of several parts.
    pub fn generator(device: &Device, file: Option<String>, options: JsLoadOptions) -> JsResult<Self> {
        let options = from_js("load options", options)?;
        crate::Loader::generator(device.0.clone(), file.as_deref(), options).map(Self).map_err(to_js_error)
    }

    /// The files needed next; empty once all are there.
    pub fn wants(&mut self) -> JsResult<FileRequests> {
        Ok(to_js(&self.0.wants().map_err(to_js_error)?)?.unchecked_into())
    }

    /// Announces the length of a file before its first bytes.
    pub fn expect(&mut self, name: &str, bytes: f64) -> JsResult<()> {
        self.0.expect(name, bytes as u64).map_err(to_js_error)
    }

    /// Supplies the next bytes of a file.
    pub fn supply(&mut self, name: &str, bytes: &[u8], last: bool) -> JsResult<()> {
        self.0.supply(name, bytes, last).map_err(to_js_error)
    }

    /// Reports that a file does not exist.
    pub fn missing(&mut self, name: &str) -> JsResult<()> {
        self.0.missing(name).map_err(to_js_error)
    }

    /// The type of the weights that were found, as their file has them.
    #[wasm_bindgen(getter)]
    pub fn dtype(&self) -> String {
        self.0.dtype()
    }

    /// Whether the weights come from an ONNX file with operators on integers, which only the CPU computes.
    #[wasm_bindgen(getter, js_name = hasIntegerOperators)]
    pub fn has_integer_operators(&self) -> bool {
        self.0.has_integer_operators()
    }

    /// Builds the model.
    pub async fn finish(self) -> JsResult<Pipeline> {
        self.0.finish().and_then(Loaded::model).map(Pipeline).map_err(to_js_error)
    }

    /// Builds the model that generates text.
    #[wasm_bindgen(js_name = finishGenerator)]
    pub async fn finish_generator(self) -> JsResult<Generator> {
        self.0.finish().and_then(Loaded::generator).map(Generator::new).map_err(to_js_error)
    }

    /// Builds the graph.
    #[wasm_bindgen(js_name = finishGraph)]
    pub async fn finish_graph(self) -> JsResult<Graph> {
        self.0.finish().and_then(Loaded::graph).map(Graph).map_err(to_js_error)
    }
}
