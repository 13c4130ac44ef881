//! Gemma 3, as far as it reads text.
//!
//! # Source
//! Gemma Team 2025 (2503.19786), section 2; `Gemma3TextModel` of transformers.

use super::decoder::{
    AttentionNames, Build, Decoder, DecoderArchitecture, DecoderConfig, DecoderSizes, DecoderWeights, Name, Rope,
    Windowed,
};
use crate::device::Device;
use crate::error::Result;
use crate::graph::{AttentionSettings, Operand};
use crate::kernels::Activation;

/// The row of the table of decoders.
pub const ARCHITECTURE: DecoderArchitecture =
    DecoderArchitecture { model_types: &["gemma3_text"], gguf: &["gemma3"], build };

/// Every sixth layer has no window.
const PERIOD: usize = 6;
/// The layers of the model with 27 billion weights.
const LARGEST: usize = 62;
/// The base of the rotary frequencies of layers without a window, unless the configuration says another.
const THETA: f32 = 1_000_000.0;
/// The same of layers with a window.
const LOCAL_THETA: f32 = 10_000.0;

const fn name(checkpoint: &'static str, gguf: &'static str) -> Name {
    Name { checkpoint, gguf }
}

const EMBEDDINGS: Name = name("model.embed_tokens", "token_embd");
const NORM: Name = name("model.norm", "output_norm");
const HEAD: Name = name("lm_head", "output");
const BEFORE_ATTENTION: Name = name("input_layernorm", "attn_norm");
const AFTER_ATTENTION: Name = name("post_attention_layernorm", "post_attention_norm");
const BEFORE_FEED_FORWARD: Name = name("pre_feedforward_layernorm", "ffn_norm");
const AFTER_FEED_FORWARD: Name = name("post_feedforward_layernorm", "post_ffw_norm");
const GATE: Name = name("mlp.gate_proj", "ffn_gate");
const UP: Name = name("mlp.up_proj", "ffn_up");
const DOWN: Name = name("mlp.down_proj", "ffn_down");
const ATTENTION: AttentionNames = AttentionNames {
    q: name("self_attn.q_proj", "attn_q"),
    k: name("self_attn.k_proj", "attn_k"),
    v: name("self_attn.v_proj", "attn_v"),
    output: name("self_attn.o_proj", "attn_output"),
    norms: Some([name("self_attn.q_norm", "attn_q_norm"), name("self_attn.k_norm", "attn_k_norm")]),
};

fn build(mut config: DecoderConfig, weights: &mut DecoderWeights<'_>, device: &Device) -> Result<Decoder> {
    config.check_activation(&["gelu_pytorch_tanh"])?;
    // GGUF files have the scales with the 1 that a checkpoint's are to be increased by.
    let plus = if weights.is_gguf() { 0.0 } else { 1.0 };
    if config.windowed == Windowed::From(0) {
        config.windowed = Windowed::AllBut(PERIOD);
    }
    let global = Rope::new(config.rotated, config.theta.unwrap_or(THETA), &config.scaling)?;
    let local = Rope::new(config.rotated, config.local_theta.unwrap_or(LOCAL_THETA), &config.local_scaling)?;
    let head = if weights.is_gguf() { "output.weight" } else { "lm_head.weight" };
    let tied = config.tied.unwrap_or(true) || !weights.contains(head);
    let sizes @ DecoderSizes { layers, hidden, head, .. } = config.sizes;
    // The largest one, whose files do not say it.
    let of_largest = (layers == LARGEST && weights.is_gguf()).then(|| hidden as f32 / config.heads as f32);
    let query_scalar = config.query_scalar.or(of_largest).unwrap_or(head as f32);
    let (mut build, mut x) = Build::new(sizes, 2, weights);
    let embeddings = build.embeddings(EMBEDDINGS, tied)?;
    let norm = |build: &mut Build<'_, '_>, layer, name, x| -> Result<Operand> {
        let scale = build.vector(layer, name, hidden, plus)?;
        Ok(build.graph.rms_norm(x, scale, config.epsilon))
    };
    for index in 0..layers {
        let (layer, window) = (Some(index), config.window(index));
        let settings = AttentionSettings {
            heads: config.heads,
            groups: sizes.groups,
            size: head,
            scale: 1.0 / query_scalar.sqrt(),
            window,
            interleaved: false,
            epsilon: config.epsilon,
        };
        let normal = norm(&mut build, layer, BEFORE_ATTENTION, x)?;
        let attended =
            build.attention(index, &ATTENTION, &settings, usize::from(window.is_some()), plus, normal, None)?;
        let attended = norm(&mut build, layer, AFTER_ATTENTION, attended)?;
        x = build.graph.add(x, attended);
        let normal = norm(&mut build, layer, BEFORE_FEED_FORWARD, x)?;
        let inner = build.gated(layer, [GATE, UP], [hidden, config.intermediate], Activation::GeluTanh, normal)?;
        let outer = build.linear(layer, DOWN, [config.intermediate, hidden], inner)?;
        let outer = norm(&mut build, layer, AFTER_FEED_FORWARD, outer)?;
        x = build.graph.add(x, outer);
    }
    let last = |build: &mut Build<'_, '_>, x| norm(build, None, NORM, x);
    build.finish(x, last, embeddings, HEAD, (hidden as f32).sqrt(), vec![global, local], device)
}
