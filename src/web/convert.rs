//! Values across the border.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};

use crate::error::Error;
use crate::tasks::{Features, RunOutput, to_utf16};

/// `value` as plain objects.
pub fn to_js(value: &impl Serialize) -> Result<JsValue, JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value.serialize(&serializer).map_err(|error| to_js_error(Error::internal(error.to_string())))
}

/// A plain object as a value; `what` names it where it makes no sense.
pub fn from_js<T: DeserializeOwned>(what: &str, value: impl JsCast) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value.unchecked_into())
        .map_err(|error| to_js_error(Error::invalid_input(format!("the {what} are not right: {error}"))))
}

/// What a user wrote, as a value. By way of JSON, because serde-wasm-bindgen looks up the fields that it knows and
/// so passes over a misspelt one.
pub fn options_from_js<T: DeserializeOwned>(what: &str, value: impl JsCast) -> Result<T, JsValue> {
    let wrong = |why: String| to_js_error(Error::invalid_input(format!("the {what} are not right: {why}")));
    let json =
        js_sys::JSON::stringify(value.unchecked_ref()).map_err(|_| wrong("they are no plain object".to_string()))?;
    serde_json::from_str(&String::from(json)).map_err(|error| wrong(error.to_string()))
}

/// The results of a run; places in texts are counted as JavaScript counts.
pub fn output_to_js(texts: &[String], output: RunOutput) -> Result<JsValue, JsValue> {
    match output {
        RunOutput::Features(features) => features_to_js(&features),
        RunOutput::Classifications(found) => to_js(&found),
        RunOutput::Entities(mut found) => {
            for (text, entities) in texts.iter().zip(&mut found) {
                to_utf16(text, entities.iter_mut().flat_map(|entity| [&mut entity.start, &mut entity.end]));
            }
            to_js(&found)
        }
        RunOutput::EntityGroups(mut found) => {
            for (text, groups) in texts.iter().zip(&mut found) {
                to_utf16(text, groups.iter_mut().flat_map(|group| [&mut group.start, &mut group.end]));
            }
            to_js(&found)
        }
        RunOutput::ZeroShots(found) => to_js(&found),
    }
}

fn features_to_js(features: &Features) -> Result<JsValue, JsValue> {
    let object = js_sys::Object::new();
    js_sys::Reflect::set(&object, &"dims".into(), &to_js(&features.dims)?)?;
    js_sys::Reflect::set(&object, &"data".into(), &js_sys::Float32Array::from(features.data.as_slice()))?;
    Ok(object.into())
}

/// `error` as a JavaScript error with its kind.
pub fn to_js_error(error: Error) -> JsValue {
    let thrown = js_sys::Error::new(&error.to_string());
    thrown.set_name("PilotLightError");
    let kind = to_js(&error.kind()).unwrap_or(JsValue::UNDEFINED);
    // Setting a property of an error that was just made cannot fail.
    let _ = js_sys::Reflect::set(&thrown, &"kind".into(), &kind);
    let _ = js_sys::Reflect::set(&thrown, &"retryable".into(), &error.is_retryable().into());
    thrown.into()
}
