//! Decoders against the logits and the greedy tokens that another implementation computes.

use std::collections::BTreeMap;

use pilot_light::generation::{GenerationOptions, Generator, Reply};
use pilot_light::models::{Decoder, Logits};
use safetensors::SafeTensors;
use serde::Deserialize;

use crate::support::golden;

/// The tokens of the tiny decoders' vocabularies.
pub const VOCABULARY: usize = 96;
/// Of the largest logit. Both compute in 32 bits.
pub const TOLERANCE: f32 = 2e-5;

/// A text, and what follows its beginning.
#[derive(Deserialize)]
pub struct Golden {
    pub text: Vec<u32>,
    /// Tokens of the text that are the prompt of `greedy`.
    pub prompt: usize,
    pub greedy: Vec<u32>,
}

impl Golden {
    /// The tokens that are continued.
    pub fn prompt(&self) -> &[u32] {
        &self.text[..self.prompt]
    }

    /// The options of a reply as long as what the other implementation gives.
    pub fn options(&self) -> GenerationOptions {
        GenerationOptions { max_new_tokens: self.greedy.len(), ..GenerationOptions::default() }
    }
}

/// The logits behind each token of the texts, by name.
pub fn reference(file: &str) -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(golden(file)).expect("logits");
    let tensors = SafeTensors::deserialize(&bytes).expect("tensors").tensors();
    let floats = |data: &[u8]| data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    tensors.into_iter().map(|(name, tensor)| (name, floats(tensor.data()))).collect()
}

/// The logits behind each token of `ids`, which are read `chunk` at once.
pub fn logits(decoder: &Decoder, ids: &[u32], chunk: usize) -> Vec<f32> {
    let mut cache = decoder.cache().expect("a cache");
    let chunks = ids.chunks(chunk);
    let of_chunk = chunks.map(|chunk| pollster::block_on(decoder.forward(&mut cache, chunk, Logits::All)));
    of_chunk.flat_map(|logits| logits.expect("logits").0).collect()
}

pub fn check_logits(name: &str, found: &[f32], expected: &[f32]) {
    check_logits_within(TOLERANCE, name, found, expected);
}

/// `tolerance` is of the largest logit.
pub fn check_logits_within(tolerance: f32, name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let most = expected.iter().fold(0f32, |most, x| most.max(x.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let (token, id) = (at / VOCABULARY, at % VOCABULARY);
        let off = (found - expected).abs() / most;
        assert!(off <= tolerance, "{name}, token {token}, logit {id}: {found}, expected {expected} ({off})");
    }
}

/// The tokens of a reply, and the reply.
pub fn generate(generator: &Generator, prompt: &[u32], options: &GenerationOptions) -> (Vec<u32>, Reply) {
    let mut generation = generator.start(prompt.to_vec(), options).expect("a start");
    let mut found = Vec::new();
    while generation.finish_reason().is_none() {
        let piece = pollster::block_on(generation.step(generator)).expect("a step");
        found.extend(piece.tokens.iter().map(|token| token.token.id));
    }
    (found, generation.finish(generator).expect("a reply"))
}
