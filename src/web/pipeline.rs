//! A model for a task, whatever the task: inputs from JavaScript, the task's own run, and its output to JavaScript.

use wasm_bindgen::prelude::*;

use super::convert::{features_to_js, from_js, to_js, to_js_error};
use super::{JsResult, JsRunOptions, JsRunOutput};
use crate::cascade::{OffsetUnit, to_unit};
use crate::error::Error;
use crate::tasks::{Pixels, RunOptions, TaskDefinition, TaskModel, TokenClassification, with_task};

#[wasm_bindgen]
extern "C" {
    /// What the model reads: texts, the bytes of files, samples, pixels.
    #[wasm_bindgen(typescript_type = "string[] | Uint8Array[] | Float32Array[] | Pixels[]")]
    pub type JsInputs;

    /// The personal data of each text.
    #[wasm_bindgen(typescript_type = "PiiSpan[][]")]
    pub type JsPiiSpans;

    /// An image.
    #[wasm_bindgen(typescript_type = "Pixels")]
    type JsPixels;
    #[wasm_bindgen(method, getter, structural)]
    fn data(this: &JsPixels) -> Vec<u8>;
    #[wasm_bindgen(method, getter, structural)]
    fn width(this: &JsPixels) -> u32;
    #[wasm_bindgen(method, getter, structural)]
    fn height(this: &JsPixels) -> u32;
}

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** Vectors: `dims` is `[batch, hidden]`, or `[batch, seq, hidden]` without pooling. */
export interface Features {
    dims: number[];
    data: Float32Array;
}

/** An image, four bytes for each pixel: red, green, blue and opacity. */
export interface Pixels {
    data: Uint8Array;
    width: number;
    height: number;
}
"#;

/// A model loaded for a task.
#[wasm_bindgen]
pub struct Pipeline(pub(super) TaskModel);

#[wasm_bindgen]
impl Pipeline {
    /// The labels that it tells apart; empty where it has none.
    #[wasm_bindgen(getter)]
    pub fn labels(&self) -> Vec<String> {
        self.0.labels().to_vec()
    }

    /// The spans in each of `inputs` that may be personal data, for a cascade that redacts.
    #[wasm_bindgen(js_name = findPii)]
    pub async fn find_pii(&self, inputs: Vec<String>) -> JsResult<JsPiiSpans> {
        let model = self.0.get::<TokenClassification>();
        let model = model.map_err(|_| Error::unsupported("a redactor needs a model for token-classification"));
        let found = model.map_err(to_js_error)?.find_pii(&inputs).await.map_err(to_js_error)?;
        let found = inputs.iter().zip(found).map(|(text, found)| to_unit(text, found, OffsetUnit::Utf16));
        Ok(to_js(&found.collect::<Vec<_>>())?.unchecked_into())
    }

    /// The results of the task for `inputs`, in the shape of the task.
    pub async fn run(&self, inputs: JsInputs, options: JsRunOptions) -> JsResult<JsRunOutput> {
        let inputs: js_sys::Array = inputs.unchecked_into();
        let options: RunOptions = from_js("options", options)?;
        let output = with_task!(self.0.task(), T => run::<T>(&self.0, &inputs, &options).await)?;
        Ok(output.unchecked_into())
    }
}

async fn run<T>(model: &TaskModel, inputs: &js_sys::Array, options: &RunOptions) -> JsResult<JsValue>
where
    T: TaskDefinition<Input: FromJs>,
{
    let options: T::Options = options.read().map_err(to_js_error)?;
    let inputs = inputs.iter().map(T::Input::from_js).collect::<JsResult<Vec<_>>>()?;
    let model = model.get::<T>().map_err(to_js_error)?;
    let mut output = T::run(model, &inputs, &options).await.map_err(to_js_error)?;
    T::offsets_to_utf16(&inputs, &mut output);
    match T::features(&output) {
        Some(features) => features_to_js(features),
        None => to_js(&output),
    }
}

/// An input of a task, from JavaScript.
trait FromJs: Sized {
    fn from_js(value: JsValue) -> JsResult<Self>;
}

impl FromJs for String {
    fn from_js(value: JsValue) -> JsResult<Self> {
        value.as_string().ok_or_else(|| to_js_error(Error::invalid_input("an input must be a string")))
    }
}

impl FromJs for Vec<u8> {
    fn from_js(value: JsValue) -> JsResult<Self> {
        Ok(js_sys::Uint8Array::new(&value).to_vec())
    }
}

impl FromJs for Vec<f32> {
    fn from_js(value: JsValue) -> JsResult<Self> {
        Ok(js_sys::Float32Array::new(&value).to_vec())
    }
}

impl FromJs for Pixels {
    fn from_js(value: JsValue) -> JsResult<Self> {
        let image: JsPixels = value.unchecked_into();
        Ok(Self { data: image.data(), width: image.width() as usize, height: image.height() as usize })
    }
}
