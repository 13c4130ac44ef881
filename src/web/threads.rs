//! Threads of a page: workers that run the same module over the same memory.

use js_sys::{Array, WebAssembly};
use wasm_bindgen::prelude::*;

use crate::kernels::parallel;

#[wasm_bindgen]
extern "C" {
    /// What a thread is started with.
    #[wasm_bindgen(typescript_type = "[WebAssembly.Module, WebAssembly.Memory]")]
    pub type JsInstance;
}

/// This module and its memory, from which a worker makes an instance of its own.
#[wasm_bindgen]
pub fn instance() -> JsInstance {
    let module: WebAssembly::Module = wasm_bindgen::module().unchecked_into();
    Array::of2(&module, &wasm_bindgen::memory()).unchecked_into()
}

/// How many threads there are, the calling one included.
#[wasm_bindgen]
pub fn threads() -> usize {
    parallel::threads()
}

/// Has the calling worker help the thread that computes, for ever.
#[wasm_bindgen]
pub fn help() {
    parallel::help()
}
