//! What a cascade has learnt, to and from JavaScript. Nothing is decided here.

use wasm_bindgen::prelude::*;

use super::JsResult;
use super::cascade::Cascade;
use super::convert::{to_js, to_js_error};
use crate::cascade::Sharing;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "LearningReport")]
    pub type JsLearningReport;
}

/// The files of a head.
#[wasm_bindgen(getter_with_clone)]
pub struct HeadFiles {
    /// `config.json`.
    pub config: String,
    /// `head.safetensors`.
    pub weights: Vec<u8>,
}

#[wasm_bindgen]
impl Cascade {
    /// Begins to learn, from `state` or anew. Another one of the page learns where this one does not lead. Returns whether it goes on
    /// from something else than `state`.
    pub async fn learn(&self, state: Option<Vec<u8>>, leads: bool) -> JsResult<bool> {
        let sharing = if leads { Sharing::Leads } else { Sharing::Follows };
        self.0.learn(state.as_deref(), sharing).await.map_err(to_js_error)
    }

    /// All that was learnt, for `learn`.
    #[wasm_bindgen(js_name = learningState)]
    pub fn learning_state(&self) -> JsResult<Vec<u8>> {
        self.0.learning_state().map_err(to_js_error)
    }

    /// Adds the examples of the state of another one.
    #[wasm_bindgen(js_name = joinLearning)]
    pub async fn join_learning(&self, state: Vec<u8>) -> JsResult<()> {
        self.0.join_learning(&state).await.map_err(to_js_error)
    }

    /// What was learnt, and what holds now.
    #[wasm_bindgen(js_name = learningReport)]
    pub fn learning_report(&self) -> JsResult<JsLearningReport> {
        Ok(to_js(&self.0.learning_report().map_err(to_js_error)?)?.unchecked_into())
    }

    /// Trains for about so many multiplications and additions; returns whether there is more to do.
    pub fn train(&self, operations: f64) -> JsResult<bool> {
        self.0.train(operations as u64).map_err(to_js_error)
    }

    /// Returns to the head before.
    #[wasm_bindgen(js_name = rollBack)]
    pub fn roll_back(&self) -> JsResult<()> {
        self.0.roll_back().map_err(to_js_error)
    }

    /// The labels that came since the last call, each for `giveLabel`.
    #[wasm_bindgen(js_name = takeLabels)]
    pub fn take_labels(&self) -> Vec<js_sys::Uint8Array> {
        self.0.take_labels().iter().map(|label| js_sys::Uint8Array::from(label.as_slice())).collect()
    }

    /// Learns a label that another one has taken.
    #[wasm_bindgen(js_name = giveLabel)]
    pub fn give_label(&self, label: &[u8]) -> JsResult<()> {
        self.0.give_label(label).map_err(to_js_error)
    }

    /// The files of the head in charge; `folder` is that of its encoder, where the local model is no head itself.
    #[wasm_bindgen(js_name = exportHead)]
    pub fn export_head(&self, folder: &str) -> JsResult<HeadFiles> {
        let files = self.0.export_head(folder).map_err(to_js_error)?;
        Ok(HeadFiles { config: files.config, weights: files.weights })
    }
}
