//! Conversions between Rust and JavaScript values.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};

use crate::error::Error;
use crate::remote::lone_surrogates;
use crate::tasks::Features;

/// `value` as plain objects and arrays.
pub fn to_js(value: &impl Serialize) -> Result<JsValue, JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value.serialize(&serializer).map_err(|error| to_js_error(Error::internal(error.to_string())))
}

/// A plain object as a value; `what` names it in an error. By way of JSON, because serde-wasm-bindgen looks up only the fields
/// that it knows, and so ignores a misspelt option; and with it each type would be compiled for two readers. Lone surrogates are
/// replaced, as everywhere where a text of JavaScript comes in.
pub fn from_js<T: DeserializeOwned>(what: &str, value: impl JsCast) -> Result<T, JsValue> {
    let wrong = |why: String| to_js_error(Error::invalid_input(format!("the {what} are not right: {why}")));
    let json =
        js_sys::JSON::stringify(value.unchecked_ref()).map_err(|_| wrong("they are not a plain object".to_string()))?;
    serde_json::from_str(&lone_surrogates::replaced(&String::from(json))).map_err(|error| wrong(error.to_string()))
}

/// Vectors, with a typed array of their numbers.
pub fn features_to_js(features: &Features) -> Result<JsValue, JsValue> {
    let object = js_sys::Object::new();
    js_sys::Reflect::set(&object, &"dims".into(), &to_js(&features.dims)?)?;
    js_sys::Reflect::set(&object, &"data".into(), &js_sys::Float32Array::from(features.data.as_slice()))?;
    Ok(object.into())
}

/// `error` as a JavaScript error with its kind.
pub fn to_js_error(error: Error) -> JsValue {
    let thrown = js_sys::Error::new(error.message());
    thrown.set_name("PilotLightError");
    let kind = to_js(&error.kind()).unwrap_or(JsValue::UNDEFINED);
    // Setting a property of an error that was just made cannot fail.
    let _ = js_sys::Reflect::set(&thrown, &"kind".into(), &kind);
    let _ = js_sys::Reflect::set(&thrown, &"retryable".into(), &error.is_retryable().into());
    let _ = js_sys::Reflect::set(&thrown, &"index".into(), &error.index().map(|index| index as f64).into());
    thrown.into()
}
