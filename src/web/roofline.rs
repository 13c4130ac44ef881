//! The peaks of the machine, for the benchmark.

use wasm_bindgen::prelude::*;

use super::JsResult;
use super::convert::to_js_error;
use crate::error::Error;
use crate::kernels::roofline;

/// Reads the memory of a model's size so often; how many bytes these were.
#[wasm_bindgen(js_name = readMemory)]
pub fn read_memory(turns: usize) -> f64 {
    roofline::read_memory(turns)
}

/// Does as much as the innermost loop of a product does in so many `turns`, on numbers that lie in registers or in the
/// innermost cache; how many operations these were. A multiplication and an addition are two.
#[wasm_bindgen]
pub fn peak(
    #[wasm_bindgen(unchecked_param_type = "'fp32' | 'int8'")] dtype: &str,
    #[wasm_bindgen(unchecked_param_type = "'registers' | 'cache'")] place: &str,
    turns: usize,
) -> JsResult<f64> {
    match (dtype, place) {
        ("fp32", "registers") => Ok(roofline::floats_in_registers(turns)),
        ("fp32", "cache") => Ok(roofline::floats_in_cache(turns)),
        ("int8", "registers") => Ok(roofline::integers_in_registers(turns)),
        ("int8", "cache") => Ok(roofline::integers_in_cache(turns)),
        _ => Err(to_js_error(Error::invalid_input(format!("there is no peak of {dtype} in {place}")))),
    }
}
