//! A model for a task, whatever it reads.

use wasm_bindgen::prelude::*;

use super::convert::{options_from_js, output_to_js, to_js, to_js_error};
use super::{JsResult, JsRunOptions, JsRunOutput};
use crate::cascade::{MarkedSpan, OffsetUnit};
use crate::error::Error;
use crate::loader::Loaded;
use crate::tasks::{ImageToTextOptions, RunOptions, SpeechOptions};

#[wasm_bindgen]
extern "C" {
    /// What the model reads: texts, the bytes of files, samples, pixels.
    #[wasm_bindgen(typescript_type = "string[] | Uint8Array[] | Float32Array[] | Pixels[]")]
    pub type JsInputs;

    /// The personal data of each text.
    #[wasm_bindgen(typescript_type = "MarkedSpan[][]")]
    pub type JsMarkedTexts;

    /// A picture.
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
const OUTPUTS: &str = r#"
/** Vectors: `dims` is `[batch, hidden]`, or `[batch, seq, hidden]` without pooling. */
export interface Features {
    dims: number[];
    data: Float32Array;
}

/** A picture, four bytes for each pixel: red, green, blue and how opaque it is. */
export interface Pixels {
    data: Uint8Array;
    width: number;
    height: number;
}

/** The results of a run, one for each input, in the shape of its task. */
export type RunOutput =
    | Features
    | Classification[][]
    | Entity[][]
    | EntityGroup[][]
    | ZeroShot[]
    | FileClassification[]
    | SpeechSegment[][]
    | ImageText[];
"#;

/// A model loaded for a task.
#[wasm_bindgen]
pub struct Pipeline(pub(super) Loaded);

#[wasm_bindgen]
impl Pipeline {
    /// The labels that it tells apart; empty where it has none.
    #[wasm_bindgen(getter)]
    pub fn labels(&self) -> Vec<String> {
        match &self.0 {
            Loaded::Text(model) => model.labels().to_vec(),
            Loaded::File(model) => model.labels().to_vec(),
            Loaded::Voice(_) | Loaded::Image(_) | Loaded::Graph(_) => Vec::new(),
        }
    }

    /// The places in each of `inputs` that may be personal data, for a cascade that redacts.
    #[wasm_bindgen(js_name = personalData)]
    pub async fn personal_data(&self, inputs: Vec<String>) -> JsResult<JsMarkedTexts> {
        let Loaded::Text(model) = &self.0 else {
            return Err(to_js_error(Error::unsupported("a redactor needs a model for token-classification")));
        };
        let found = model.personal_data(&inputs).await.map_err(to_js_error)?;
        let marked = inputs.iter().zip(found).map(|(text, found)| MarkedSpan::all(text, found, OffsetUnit::Utf16));
        Ok(to_js(&marked.collect::<Vec<_>>())?.unchecked_into())
    }

    /// The result of the task for each of `inputs`.
    pub async fn run(&self, inputs: JsInputs, options: JsRunOptions) -> JsResult<JsRunOutput> {
        let inputs: js_sys::Array = inputs.unchecked_into();
        let output = match &self.0 {
            Loaded::Text(model) => {
                let options: RunOptions = options_from_js("options", options)?;
                let texts = inputs.iter().map(text).collect::<JsResult<Vec<_>>>()?;
                let output = model.run(&texts, &options).await.map_err(to_js_error)?;
                output_to_js(&texts, output)?
            }
            Loaded::File(model) => {
                let RunOptions { top_k, .. } = options_from_js("options", options)?;
                let mut found = Vec::new();
                for bytes in inputs.iter() {
                    let bytes = js_sys::Uint8Array::new(&bytes).to_vec();
                    found.push(model.classify(&bytes, top_k).await.map_err(to_js_error)?);
                }
                to_js(&found)?
            }
            Loaded::Voice(model) => {
                let options: SpeechOptions = options_from_js("options", options)?;
                let mut found = Vec::new();
                for samples in inputs.iter() {
                    let samples = js_sys::Float32Array::new(&samples).to_vec();
                    found.push(model.detect(&samples, SAMPLE_RATE, &options).await.map_err(to_js_error)?);
                }
                to_js(&found)?
            }
            Loaded::Image(model) => {
                let options: ImageToTextOptions = options_from_js("options", options)?;
                let mut found = Vec::new();
                for picture in inputs.iter() {
                    let picture: JsPixels = picture.unchecked_into();
                    let (width, height) = (picture.width() as usize, picture.height() as usize);
                    found.push(model.read(&picture.data(), width, height, &options).await.map_err(to_js_error)?);
                }
                to_js(&found)?
            }
            Loaded::Graph(_) => return Err(to_js_error(Error::internal("a graph by itself is for no task"))),
        };
        Ok(output.unchecked_into())
    }
}

/// Samples in a second, as the page decodes sound.
const SAMPLE_RATE: usize = 16_000;

fn text(value: JsValue) -> JsResult<String> {
    value.as_string().ok_or_else(|| to_js_error(Error::invalid_input("an input is no string")))
}
