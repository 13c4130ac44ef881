//! A graph by itself: its inputs and outputs, and tensors as plain objects.

use burn::tensor::{BoolStore, DType, TensorData};
use wasm_bindgen::prelude::*;

use super::JsResult;
use super::convert::{to_js, to_js_error};
use super::generator::{JsGoOn, asking};
use crate::error::{Error, Result};
use crate::graph::{Data, Dim, Kind, Port, Session, Strings};

#[wasm_bindgen]
extern "C" {
    /// What a model takes or gives.
    #[wasm_bindgen(typescript_type = "RawPort[]")]
    pub type JsPorts;

    /// Tensors with their names.
    #[wasm_bindgen(typescript_type = "RawTensor[]")]
    pub type JsTensors;

    /// A tensor with its name.
    #[wasm_bindgen(typescript_type = "RawTensor")]
    pub type JsTensor;
    #[wasm_bindgen(method, getter, structural)]
    fn name(this: &JsTensor) -> String;
    #[wasm_bindgen(method, getter, structural, js_name = type)]
    fn dtype(this: &JsTensor) -> String;
    #[wasm_bindgen(method, getter, structural)]
    fn dims(this: &JsTensor) -> Vec<u32>;
    #[wasm_bindgen(method, getter, structural)]
    fn bytes(this: &JsTensor) -> Option<Vec<u8>>;
    #[wasm_bindgen(method, getter, structural)]
    fn texts(this: &JsTensor) -> Option<Vec<String>>;
}

#[wasm_bindgen(typescript_custom_section)]
const TENSORS: &str = r#"
/** A type of elements, as onnxruntime names it. */
export type TensorType =
    | 'float32' | 'float16' | 'float64'
    | 'int64' | 'int32' | 'int16' | 'int8'
    | 'uint64' | 'uint32' | 'uint16' | 'uint8'
    | 'bool' | 'string';

/** What a model takes or gives; a dimension that may be any number has a name, empty where the file gives none. */
export interface RawPort {
    name: string;
    type: TensorType;
    dims?: (number | string)[];
}

/** A tensor as its bytes, in the order of this machine, or as its strings. */
export interface RawTensor {
    name: string;
    type: TensorType;
    dims: number[];
    bytes?: Uint8Array;
    texts?: string[];
}
"#;

/// A model, ready to be run.
#[wasm_bindgen]
pub struct Graph(pub(super) crate::graph::Graph);

#[wasm_bindgen]
impl Graph {
    /// Its inputs.
    #[wasm_bindgen(getter)]
    pub fn inputs(&self) -> JsResult<JsPorts> {
        ports_to_js(self.0.inputs())
    }

    /// Its outputs.
    #[wasm_bindgen(getter)]
    pub fn outputs(&self) -> JsResult<JsPorts> {
        ports_to_js(self.0.outputs())
    }

    /// Its outputs for `inputs`.
    pub async fn run(&self, inputs: Vec<JsTensor>) -> JsResult<JsTensors> {
        let inputs = inputs.iter().map(data_from_js).collect::<Result<_>>().map_err(to_js_error)?;
        let (outputs, _) = self.0.run_data(&mut Session::default(), inputs).await.map_err(to_js_error)?;
        let tensors = js_sys::Array::new();
        for (name, data) in outputs {
            tensors.push(&data_to_js(&name, &data)?);
        }
        Ok(tensors.unchecked_into())
    }

    /// Runs it for the time that takes, without its outputs. Asks `go_on` from time to time, and waits for its answer; gives
    /// whether it was never `false`.
    pub async fn completes(&self, inputs: Vec<JsTensor>, go_on: JsGoOn) -> JsResult<bool> {
        let inputs = inputs.iter().map(data_from_js).collect::<Result<_>>().map_err(to_js_error)?;
        let outputs = self.0.run_while(&mut Session::default(), inputs, Some(&asking(go_on))).await;
        Ok(outputs.map_err(to_js_error)?.is_some())
    }
}

/// The type of strings.
const STRING: &str = "string";

/// The types of numbers, with their names.
const TYPES: [(&str, DType); 12] = [
    ("float32", DType::F32),
    ("float16", DType::F16),
    ("float64", DType::F64),
    ("int64", DType::I64),
    ("int32", DType::I32),
    ("int16", DType::I16),
    ("int8", DType::I8),
    ("uint64", DType::U64),
    ("uint32", DType::U32),
    ("uint16", DType::U16),
    ("uint8", DType::U8),
    ("bool", DType::Bool(BoolStore::Native)),
];

fn type_name(dtype: DType) -> JsResult<&'static str> {
    // All storage types of booleans are `bool`.
    let dtype = if matches!(dtype, DType::Bool(_)) { DType::Bool(BoolStore::Native) } else { dtype };
    let found = TYPES.iter().find(|(_, known)| *known == dtype);
    found
        .map(|(name, _)| *name)
        .ok_or_else(|| to_js_error(Error::unsupported(format!("JavaScript has no numbers of the type {dtype:?}"))))
}

fn ports_to_js(ports: &[Port]) -> JsResult<JsPorts> {
    let all = js_sys::Array::new();
    for Port { name, kind, strings, dtype, dims } in ports {
        if *kind != Kind::Tensor {
            let message = format!("'{name}': sequences, maps and optional values are not supported in JavaScript");
            return Err(to_js_error(Error::unsupported(message)));
        }
        let port = js_sys::Object::new();
        js_sys::Reflect::set(&port, &"name".into(), &name.into())?;
        let type_name = if *strings { STRING } else { type_name(*dtype)? };
        js_sys::Reflect::set(&port, &"type".into(), &type_name.into())?;
        if let Some(dims) = dims {
            let dim = |dim: &Dim| match dim {
                Dim::Fixed(size) => JsValue::from_f64(*size as f64),
                Dim::Free(name) => name.into(),
            };
            js_sys::Reflect::set(&port, &"dims".into(), &dims.iter().map(dim).collect::<js_sys::Array>())?;
        }
        all.push(&port);
    }
    Ok(all.unchecked_into())
}

fn data_from_js(tensor: &JsTensor) -> Result<(String, Data)> {
    let (name, type_name) = (tensor.name(), tensor.dtype());
    if type_name == STRING {
        let shape = tensor.dims().into_iter().map(|dim| dim as usize).collect();
        return Ok((name, Data::Strings(Strings { shape, data: tensor.texts().unwrap_or_default() })));
    }
    let Some((_, dtype)) = TYPES.iter().find(|(known, _)| *known == type_name) else {
        return Err(Error::invalid_input(format!("{name} has the unknown type '{type_name}'")));
    };
    let dims: Vec<usize> = tensor.dims().into_iter().map(|dim| dim as usize).collect();
    let mut bytes = tensor.bytes().unwrap_or_default();
    if type_name == "bool" {
        bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
    }
    let data = TensorData::try_from_bytes_vec(bytes, dims, *dtype)
        .map_err(|error| Error::invalid_input(format!("{name} is not right: {error}")))?;
    Ok((name, Data::Tensor(data)))
}

fn data_to_js(name: &str, data: &Data) -> JsResult<JsValue> {
    match data {
        Data::Tensor(data) => tensor_to_js(name, data),
        Data::Strings(Strings { shape, data }) => {
            let tensor = new_tensor(name, STRING, shape)?;
            js_sys::Reflect::set(&tensor, &"texts".into(), &to_js(data)?)?;
            Ok(tensor.into())
        }
        // A model that has such an output is refused when it is loaded.
        _ => Err(to_js_error(Error::internal(format!("the output '{name}' is not a tensor")))),
    }
}

fn tensor_to_js(name: &str, data: &TensorData) -> JsResult<JsValue> {
    let bytes = match data.dtype() {
        // In JavaScript a boolean is a byte.
        DType::Bool(BoolStore::U32) => {
            let bools: Vec<u8> = data.as_bytes().chunks_exact(4).map(|word| u8::from(word != [0; 4])).collect();
            js_sys::Uint8Array::from(bools.as_slice())
        }
        _ => js_sys::Uint8Array::from(data.as_bytes()),
    };
    let tensor = new_tensor(name, type_name(data.dtype())?, data.shape())?;
    js_sys::Reflect::set(&tensor, &"bytes".into(), &bytes)?;
    Ok(tensor.into())
}

/// A tensor without its elements.
fn new_tensor(name: &str, type_name: &str, shape: &[usize]) -> JsResult<js_sys::Object> {
    let tensor = js_sys::Object::new();
    js_sys::Reflect::set(&tensor, &"name".into(), &name.into())?;
    js_sys::Reflect::set(&tensor, &"type".into(), &type_name.into())?;
    js_sys::Reflect::set(&tensor, &"dims".into(), &to_js(&shape.to_vec())?)?;
    Ok(tensor)
}
