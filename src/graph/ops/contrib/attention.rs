//! The contrib operators Attention (with its projection) and MultiHeadAttention.

use burn::tensor::DType;

use super::super::attention::heads::{Heads, Mask, attend};
use super::super::matmul::{Epilogue, floats, shape_of};
use super::super::{Inputs, NodeSpec, Prepared, one, wrong};
use super::{add_bias, optional_floats};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};

/// The attributes of both.
struct Settings {
    heads: usize,
    scale: Option<f32>,
    causal: bool,
    /// Added to the scores of masked keys.
    masked: f32,
}

impl Settings {
    fn new(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        let heads = node.attributes.int("num_heads", 0)?;
        let scale = node.attributes.optional_float("scale")?.filter(|scale| *scale != 0.0);
        if node.outputs > 1 {
            return Err("past and present keys and values are not supported".to_string());
        }
        Ok(Self {
            heads: usize::try_from(heads)
                .ok()
                .filter(|heads| *heads > 0)
                .ok_or(format!("the attribute num_heads is {heads}, expected a positive number"))?,
            scale,
            causal: node.attributes.flag("unidirectional", false)?,
            masked: node.attributes.float("mask_filter_value", -10_000.0)?,
        })
    }

    /// The last dimension split into heads: `[batch, heads, sequence, size]`.
    fn split(&self, x: HostTensor) -> Result<HostTensor> {
        match host::shape(&x) {
            [_, _, _, _] => Ok(x),
            &[batch, sequence, size] if size % self.heads == 0 => {
                Ok(host::reshape(x, &[batch, sequence, self.heads, size / self.heads]).permute(&[0, 2, 1, 3]))
            }
            shape => wrong(format!("a tensor of the shape {shape:?} cannot be split into {} heads", self.heads)),
        }
    }

    fn run(&self, inputs: &Inputs<'_>, qkv: [HostTensor; 3], masks: [Option<HostTensor>; 2]) -> Result<HostTensor> {
        let [q, k, v] = qkv;
        let heads = Heads::new(self.split(q)?, self.split(k)?, self.split(v)?, self.scale)?;
        let shape = heads.shape();
        let [batch, count, queries, size] = [shape[0], shape[1], shape[2], shape[3]];
        let [keys, bias] = masks;
        let keys = keys.map(|mask| self.mask(mask, batch, heads.keys())).transpose()?;
        let mut masks = Vec::new();
        for mask in [keys, bias].into_iter().flatten() {
            masks.push(Mask::new(mask, &heads)?);
        }
        let mut out = vec![0.0; inputs.count(&shape)?];
        let before = heads.keys().saturating_sub(queries);
        let adjust = |at: (usize, usize, usize), scores: &mut [f32]| {
            masks.iter().for_each(|mask| mask.add(at, scores));
            if self.causal {
                let seen = (before + at.2 + 1).min(scores.len());
                scores[seen..].fill(f32::NEG_INFINITY);
            }
        };
        attend(&heads, &mut out, true, adjust);
        Ok(host::tensor(&[batch, queries, count * size], out))
    }

    /// A mask of keys, as what is added to scores. The input is `[batch]`, the numbers of keys, or has zeros for masked
    /// keys.
    fn mask(&self, mask: HostTensor, batch: usize, keys: usize) -> Result<HostTensor> {
        let (shape, numbers) = (host::shape(&mask).to_vec(), host::to_i64s(&mask));
        let added = |on: bool| if on { 0.0 } else { self.masked };
        if shape == [batch] {
            let row = |length: &i64| (0..keys as i64).map(|key| added(key < *length)).collect::<Vec<f32>>();
            return Ok(host::tensor(&[batch, 1, 1, keys], numbers.iter().flat_map(row).collect()));
        }
        let numbers = numbers.iter().map(|on| added(*on != 0)).collect();
        let shape = match shape[..] {
            [batch, keys] => vec![batch, 1, 1, keys],
            [batch, queries, keys] => vec![batch, 1, queries, keys],
            [_, _, _, _] => shape,
            _ => return wrong(format!("a mask of the shape {shape:?} is not supported")),
        };
        Ok(host::tensor(&shape, numbers))
    }
}

/// Attention, whose queries, keys and values are projections of the input.
pub fn packed(node: &NodeSpec<'_>) -> Prepared {
    let settings = Settings::new(node)?;
    let sizes = node.attributes.ints("qkv_hidden_sizes")?;
    if node.attributes.flag("do_rotary", false)? || node.has(4) {
        return Err("rotary embeddings and past keys and values are not supported".to_string());
    }
    Ok(Box::new(move |inputs| {
        let (x, weights) = (inputs.take(0)?, inputs.take(1)?);
        let dtype = x.dtype();
        let bias = optional_floats(inputs, 2);
        inputs.count(&shape_of(host::shape(&x), host::shape(&weights))?)?;
        let finish = Epilogue { bias: bias.as_deref(), ..Epilogue::default() };
        let all = floats(host::cast(x, DType::F32), host::cast(weights, DType::F32), &finish)?;
        let &[_, _, width] = host::shape(&all) else { return wrong("the input must be [batch, sequence, hidden]") };
        let sizes = match &sizes {
            Some(sizes) => sizes.iter().map(|size| super::super::size(*size)).collect::<Result<Vec<_>>>()?,
            None => vec![width / 3; 3],
        };
        let &[q, k, v] = &sizes[..] else { return wrong("the attribute qkv_hidden_sizes must have three sizes") };
        if q.checked_add(k).and_then(|sum| sum.checked_add(v)) != Some(width) {
            return wrong(format!("the sizes {sizes:?} do not fit a projection of the width {width}"));
        }
        let qkv = [all.narrow(2, 0, q), all.narrow(2, q, k), all.narrow(2, q + k, v)];
        let masks = [inputs.optional(3), inputs.optional(5).map(|bias| host::cast(bias, DType::F32))];
        one(host::cast(settings.run(inputs, qkv, masks)?, dtype))
    }))
}

/// MultiHeadAttention, whose queries, keys and values are inputs.
pub fn heads(node: &NodeSpec<'_>) -> Prepared {
    let settings = Settings::new(node)?;
    if node.has(6) || node.has(7) {
        return Err("past keys and values are not supported".to_string());
    }
    if !node.has(1) || !node.has(2) {
        return Err("queries, keys and values packed in one tensor are not supported".to_string());
    }
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let dtype = x.dtype();
        let mut qkv = [host::cast(x, DType::F32), inputs.floats(1)?, inputs.floats(2)?];
        if let Some(bias) = optional_floats(inputs, 3) {
            let mut bias = &bias[..];
            for x in &mut qkv {
                let size = host::shape(x).last().copied().unwrap_or(0);
                let Some((own, rest)) = bias.split_at_checked(size) else {
                    return wrong("the bias has the wrong length");
                };
                // A tensor that has heads already gets no bias.
                if host::shape(x).len() == 3 {
                    *x = add_bias(x.clone(), own)?;
                    bias = rest;
                }
            }
        }
        let masks = [inputs.optional(4), inputs.optional(5).map(|bias| host::cast(bias, DType::F32))];
        one(host::cast(settings.run(inputs, qkv, masks)?, dtype))
    }))
}
