//! Llama and its descendants: Llama 2 and 3, CodeLlama, Mistral, Zephyr, SmolLM2, Qwen2 and Qwen3.
//!
//! # Source
//! Touvron et al. 2023 (2302.13971), section 2.2; `LlamaModel`, `MistralModel`, `Qwen2Model` and `Qwen3Model` of
//! transformers.

use super::decoder::{
    AttentionNames, Build, Decoder, DecoderArchitecture, DecoderConfig, DecoderSizes, DecoderWeights, Name, Rope,
};
use crate::device::Device;
use crate::error::Result;
use crate::graph::{AttentionSettings, Operand};
use crate::kernels::Activation;

/// The row of the table of decoders.
pub const ARCHITECTURE: DecoderArchitecture = DecoderArchitecture {
    model_types: &["llama", "mistral", "qwen2", "qwen3"],
    gguf: &["llama", "qwen2", "qwen3"],
    build,
};

/// The base of the rotary frequencies, unless the configuration says another.
const THETA: f32 = 10_000.0;

const fn name(checkpoint: &'static str, gguf: &'static str) -> Name {
    Name { checkpoint, gguf }
}

const EMBEDDINGS: Name = name("model.embed_tokens", "token_embd");
const NORM: Name = name("model.norm", "output_norm");
const HEAD: Name = name("lm_head", "output");
const INPUT_NORM: Name = name("input_layernorm", "attn_norm");
const FEED_FORWARD_NORM: Name = name("post_attention_layernorm", "ffn_norm");
const GATE: Name = name("mlp.gate_proj", "ffn_gate");
const UP: Name = name("mlp.up_proj", "ffn_up");
const DOWN: Name = name("mlp.down_proj", "ffn_down");
const NORMS: [Name; 2] = [name("self_attn.q_norm", "attn_q_norm"), name("self_attn.k_norm", "attn_k_norm")];

fn build(config: DecoderConfig, weights: &mut DecoderWeights<'_>, device: &Device) -> Result<Decoder> {
    config.check_activation(&["silu", "swish"])?;
    let head = if weights.is_gguf() { "output.weight" } else { "lm_head.weight" };
    let tied = config.tied == Some(true) || !weights.contains(head);
    let first = if weights.is_gguf() { "blk.0.attn_q_norm.weight" } else { "model.layers.0.self_attn.q_norm.weight" };
    let norms = weights.contains(first).then_some(NORMS);
    let rope = Rope::new(config.rotated, config.theta.unwrap_or(THETA), &config.scaling)?;
    let sizes @ DecoderSizes { layers, hidden, head, .. } = config.sizes;
    let (mut build, mut x) = Build::new(sizes, 1, weights);
    let embeddings = build.embeddings(EMBEDDINGS, tied)?;
    let norm = |build: &mut Build<'_, '_>, layer, name, x| -> Result<Operand> {
        let scale = build.vector(layer, name, hidden, 0.0)?;
        Ok(build.graph.rms_norm(x, scale, config.epsilon))
    };
    let attention = AttentionNames {
        q: name("self_attn.q_proj", "attn_q"),
        k: name("self_attn.k_proj", "attn_k"),
        v: name("self_attn.v_proj", "attn_v"),
        output: name("self_attn.o_proj", "attn_output"),
        norms,
    };
    for index in 0..layers {
        let layer = Some(index);
        let settings = AttentionSettings {
            heads: config.heads,
            groups: sizes.groups,
            size: head,
            scale: 1.0 / (head as f32).sqrt(),
            window: config.window(index),
            interleaved: config.interleaved,
            epsilon: config.epsilon,
        };
        let normal = norm(&mut build, layer, INPUT_NORM, x)?;
        x = build.attention(index, &attention, &settings, 0, 0.0, normal, Some(x))?;
        let normal = norm(&mut build, layer, FEED_FORWARD_NORM, x)?;
        let inner = build.gated(layer, [GATE, UP], [hidden, config.intermediate], Activation::Swish(1.0), normal)?;
        x = build.linear_plus(layer, DOWN, [config.intermediate, hidden], inner, x)?;
    }
    let last = |build: &mut Build<'_, '_>, x| norm(build, None, NORM, x);
    build.finish(x, last, embeddings, HEAD, 1.0, vec![rope], device)
}
