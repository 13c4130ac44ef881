//! Threads in a page: workers that run the same module on the same memory.

use js_sys::{Array, WebAssembly};
use wasm_bindgen::prelude::*;

use crate::kernels::parallel;

#[wasm_bindgen]
extern "C" {
    /// The arguments of a thread.
    #[wasm_bindgen(typescript_type = "[WebAssembly.Module, WebAssembly.Memory]")]
    pub type JsInstance;
}

/// This module and its memory, which a worker instantiates.
#[wasm_bindgen]
pub fn instance() -> JsInstance {
    let module: WebAssembly::Module = wasm_bindgen::module().unchecked_into();
    Array::of2(&module, &wasm_bindgen::memory()).unchecked_into()
}

/// The number of threads, the calling one included.
#[wasm_bindgen]
pub fn threads() -> usize {
    parallel::threads()
}

/// Makes the calling worker a compute thread. It does not return.
#[wasm_bindgen]
pub fn help() {
    parallel::help()
}
