//! How the weights of a file were quantised.
//!
//! # Source
//! `general.file_type` of <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>; its numbers are those of `llama_ftype` in
//! llama.cpp's `include/llama.h`.

use std::collections::BTreeMap;

use super::{Encoding, Header};

const KEY: &str = "general.file_type";

impl Header<'_> {
    /// How the weights were quantised, as the file says and as files are named, in lower case: `q4_k_m`; `fp32`, `fp16` and `bf16`
    /// for floats. Where it does not say so, or by a number that is not known here, the encoding of most of the elements.
    pub fn file_type(&self) -> String {
        let said = self.metadata.get_u32(KEY).ok().flatten().and_then(name);
        said.map_or_else(|| self.most_elements(), str::to_string)
    }

    fn most_elements(&self) -> String {
        let mut counts: BTreeMap<Encoding, usize> = BTreeMap::new();
        for tensor in &self.tensors {
            let count = counts.entry(tensor.encoding).or_default();
            *count = count.saturating_add(tensor.shape.iter().product());
        }
        match counts.into_iter().max_by_key(|(_, count)| *count) {
            None | Some((Encoding::F32, _)) => "fp32".to_string(),
            Some((Encoding::F16, _)) => "fp16".to_string(),
            Some((encoding, _)) => encoding.to_string().to_lowercase(),
        }
    }
}

/// The name of a number of `llama_ftype`, of those whose encodings are read here.
fn name(number: u32) -> Option<&'static str> {
    Some(match number {
        0 => "fp32",
        1 => "fp16",
        2 => "q4_0",
        3 => "q4_1",
        7 => "q8_0",
        8 => "q5_0",
        9 => "q5_1",
        14 => "q4_k_s",
        15 => "q4_k_m",
        16 => "q5_k_s",
        17 => "q5_k_m",
        18 => "q6_k",
        32 => "bf16",
        _ => return None,
    })
}
