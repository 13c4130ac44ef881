//! Attention of ONNX.

use burn::tensor::DType;

use super::super::{NodeSpec, Prepared, wrong};
use super::heads::{Heads, Mask, attend_in_order};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};
use crate::kernels::exp::tanh;

/// The scores that the fourth output has.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Raw,
    Capped,
    Masked,
    Weights,
}

/// The attributes.
struct Settings {
    causal: bool,
    scale: Option<f32>,
    cap: f32,
    heads: Option<(usize, usize)>,
    wanted: Wanted,
}

impl Settings {
    fn new(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        // Softmax is always computed in 32 bits.
        node.attributes.get("softmax_precision");
        let heads = match [node.attributes.optional_int("q_num_heads")?, node.attributes.optional_int("kv_num_heads")?]
        {
            [Some(q @ 1..), Some(kv @ 1..)] => Some((q as usize, kv as usize)),
            _ => None,
        };
        Ok(Self {
            causal: node.attributes.flag("is_causal", false)?,
            scale: node.attributes.optional_float("scale")?,
            cap: node.attributes.float("softcap", 0.0)?,
            heads,
            wanted: match node.attributes.int("qk_matmul_output_mode", 0)? {
                0 => Wanted::Raw,
                1 => Wanted::Capped,
                2 => Wanted::Masked,
                3 => Wanted::Weights,
                mode => return Err(format!("the attribute qk_matmul_output_mode is {mode}, which is not supported")),
            },
        })
    }
}

/// A tensor as `[batch, heads, sequence, size]`: with 4 dimensions, or with 3 and the heads in the last.
pub fn split(tensor: HostTensor, heads: Option<usize>) -> Result<HostTensor> {
    let tensor = host::cast(tensor, DType::F32);
    match (host::shape(&tensor), heads) {
        ([_, _, _, _], _) => Ok(tensor),
        (&[batch, sequence, hidden], Some(heads)) if heads <= hidden && hidden % heads == 0 => {
            Ok(host::reshape(tensor, &[batch, sequence, heads, hidden / heads]).permute(&[0, 2, 1, 3]))
        }
        (shape, _) => wrong(format!("a tensor of the shape {shape:?} cannot be split into heads")),
    }
}

pub fn attention(node: &NodeSpec<'_>) -> Prepared {
    let settings = Settings::new(node)?;
    let (with_scores, more) = (node.outputs > 3, node.outputs > 1);
    Ok(Box::new(move |inputs| {
        let q = inputs.take(0)?;
        let (dtype, flat) = (q.dtype(), host::shape(&q).len() == 3);
        let q = split(q, settings.heads.map(|heads| heads.0))?;
        let mut cached = |index: usize| -> Result<(HostTensor, usize)> {
            let new = split(inputs.take(index)?, settings.heads.map(|heads| heads.1))?;
            let Some(past) = inputs.optional(index + 3) else { return Ok((new, 0)) };
            let past = split(past, None)?;
            let before = host::shape(&past)[2];
            Ok((super::super::concat(vec![past, new], 2)?, before))
        };
        let ((k, before), (v, _)) = (cached(1)?, cached(2)?);
        let present = [k.clone(), v.clone()];
        let heads = Heads::new(q, k, v, settings.scale)?;
        let mask = inputs.optional(3).map(|mask| Mask::new(mask, &heads)).transpose()?;
        let (shape, keys) = (heads.shape(), heads.keys());
        let lengths = inputs.optional_ints(6);
        if lengths.as_ref().is_some_and(|lengths| lengths.len() != shape[0]) {
            return wrong("the input nonpad_kv_seqlen must have one length for each batch element");
        }
        let mut out = vec![0.0; inputs.count(&shape)?];
        let score_shape = [shape[0], shape[1], shape[2], keys];
        let mut stored = vec![0.0; if with_scores { inputs.count(&score_shape)? } else { 0 }];
        let keep = |stored: &mut [f32], (batch, head, query): (usize, usize, usize), scores: &[f32]| {
            let offset = ((batch * shape[1] + head) * shape[2] + query) * keys;
            stored[offset..offset + keys].copy_from_slice(scores);
        };
        let wants = |wanted: Wanted| with_scores && settings.wanted == wanted;
        // Both closures store scores, but never in the same run.
        let mut weights = vec![0.0; if wants(Wanted::Weights) { stored.len() } else { 0 }];
        let adjust = |at: (usize, usize, usize), scores: &mut [f32]| {
            if wants(Wanted::Raw) {
                keep(&mut stored, at, scores);
            }
            if settings.cap > 0.0 {
                scores.iter_mut().for_each(|score| *score = settings.cap * tanh(*score / settings.cap));
            }
            if wants(Wanted::Capped) {
                keep(&mut stored, at, scores);
            }
            if let Some(mask) = &mask {
                mask.add(at, scores);
            }
            if settings.causal {
                let seen = (before + at.2 + 1).min(keys);
                scores[seen..].fill(f32::NEG_INFINITY);
            }
            if let Some(lengths) = &lengths {
                let there = usize::try_from(lengths[at.0]).unwrap_or(0).min(keys);
                scores[there..].fill(f32::NEG_INFINITY);
            }
            if wants(Wanted::Masked) {
                keep(&mut stored, at, scores);
            }
        };
        attend_in_order(&heads, &mut out, flat, adjust, |at, scores| {
            if wants(Wanted::Weights) {
                keep(&mut weights, at, scores);
            }
        });
        if wants(Wanted::Weights) {
            stored = weights;
        }
        let [batch, count, sequence, size] = [shape[0], shape[1], shape[2], shape[3]];
        let shape = if flat { vec![batch, sequence, count * size] } else { shape };
        let mut outputs = vec![host::cast(host::tensor(&shape, out), dtype)];
        if more {
            outputs.extend(present.map(|tensor| host::cast(host::contiguous(tensor), dtype)));
        }
        if with_scores {
            outputs.push(host::cast(host::tensor(&score_shape, stored), dtype));
        }
        Ok(outputs)
    }))
}
