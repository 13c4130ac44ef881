//! The contrib operators Attention and QAttention (with their projection) and MultiHeadAttention.

use burn::tensor::DType;

use super::super::attention::heads::{Heads, Mask, attend};
use super::super::matmul::{Epilogue, floats, shape_of};
use super::super::quantize::{centred, number};
use super::super::{Inputs, NodeSpec, Prepared, wrong};
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

    /// The attention, and the keys and values, with those of the past before them.
    fn run(
        &self,
        inputs: &Inputs<'_>,
        [q, k, v]: [HostTensor; 3],
        masks: [Option<HostTensor>; 2],
        past: [Option<HostTensor>; 2],
    ) -> Result<[HostTensor; 3]> {
        let joined = |new: HostTensor, past: Option<HostTensor>| match past {
            None => Ok(new),
            Some(past) => super::super::concat(vec![host::cast(past, DType::F32), new], 2),
        };
        let [past_keys, past_values] = past;
        let (k, v) = (joined(self.split(k)?, past_keys)?, joined(self.split(v)?, past_values)?);
        let present = [k.clone(), v.clone()];
        let heads = Heads::new(self.split(q)?, k, v, self.scale)?;
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
        let [keys, values] = present;
        Ok([host::tensor(&[batch, queries, count * size], out), keys, values])
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

/// The projection of the input to queries, keys and values, `[batch, sequence, width]`, and what follows it in Attention
/// and QAttention. Inputs are a mask, the past and an attention bias, by their indices.
fn after_projection(
    settings: &Settings,
    sizes: Option<&[i64]>,
    inputs: &mut Inputs<'_>,
    all: HostTensor,
    [mask, past, bias]: [usize; 3],
    outputs: usize,
) -> Result<Vec<HostTensor>> {
    let &[batch, _, width] = host::shape(&all) else { return wrong("the input must be [batch, sequence, hidden]") };
    let sizes = match sizes {
        Some(sizes) => sizes.iter().map(|size| super::super::size(*size)).collect::<Result<Vec<_>>>()?,
        None => vec![width / 3; 3],
    };
    let &[q, k, v] = &sizes[..] else { return wrong("the attribute qkv_hidden_sizes must have three sizes") };
    if q.checked_add(k).and_then(|sum| sum.checked_add(v)) != Some(width) {
        return wrong(format!("the sizes {sizes:?} do not fit a projection of the width {width}"));
    }
    let qkv = [all.narrow(2, 0, q), all.narrow(2, q, k), all.narrow(2, q + k, v)];
    let masks = [inputs.optional(mask), inputs.optional(bias).map(|bias| host::cast(bias, DType::F32))];
    // Keys and values of the past are one tensor: `[2, batch, heads, sequence, size]`.
    let past = match inputs.optional(past) {
        None => [None, None],
        Some(past) => {
            let &[2, of_batch, heads, before, size] = host::shape(&past) else {
                return wrong(format!(
                    "the past has the shape {:?}, expected [2, batch, heads, sequence, size]",
                    host::shape(&past)
                ));
            };
            if (of_batch, heads) != (batch, settings.heads) {
                return wrong(format!(
                    "the past has {of_batch} × {heads} heads, expected {batch} × {}",
                    settings.heads
                ));
            }
            let part = |at| host::reshape(past.narrow(0, at, 1), &[batch, heads, before, size]);
            [Some(part(0)), Some(part(1))]
        }
    };
    let [out, keys, values] = settings.run(inputs, qkv, masks, past)?;
    if outputs < 2 {
        return Ok(vec![out]);
    }
    let stacked = [keys, values].map(host::contiguous).map(|tensor| {
        let shape = [&[1][..], host::shape(&tensor)].concat();
        host::reshape(tensor, &shape)
    });
    Ok(vec![out, super::super::concat(stacked.into(), 0)?])
}

/// Attention, whose queries, keys and values are projections of the input.
pub fn attention(node: &NodeSpec<'_>) -> Prepared {
    let settings = Settings::new(node)?;
    let sizes = node.attributes.ints("qkv_hidden_sizes")?;
    if node.attributes.flag("do_rotary", false)? {
        return Err("rotary embeddings are not supported".to_string());
    }
    let outputs = node.outputs;
    Ok(Box::new(move |inputs| {
        let (x, weights) = (inputs.take(0)?, inputs.take(1)?);
        let dtype = x.dtype();
        let bias = optional_floats(inputs, 2);
        inputs.count(&shape_of(host::shape(&x), host::shape(&weights))?)?;
        let finish = Epilogue { bias: bias.as_deref(), ..Epilogue::default() };
        let all = floats(host::cast(x, DType::F32), host::cast(weights, DType::F32), &finish)?;
        let results = after_projection(&settings, sizes.as_deref(), inputs, all, [3, 4, 5], outputs)?;
        Ok(results.into_iter().map(|tensor| host::cast(tensor, dtype)).collect())
    }))
}

/// [`attention`] with integers, whose product with the weights is scaled.
pub fn quantised(node: &NodeSpec<'_>) -> Prepared {
    let settings = Settings::new(node)?;
    if node.attributes.flag("do_rotary", false)? {
        return Err("rotary embeddings are not supported".to_string());
    }
    let outputs = node.outputs;
    Ok(Box::new(move |inputs| {
        let (x, weights, bias) = (inputs.take(0)?, inputs.take(1)?, inputs.floats(2)?);
        inputs.count(&shape_of(host::shape(&x), host::shape(&weights))?)?;
        let scale = number(inputs, 3)?;
        let scales = host::to_f32s(inputs.take(4)?);
        let (zero_x, zero_weights) = (inputs.optional(6), inputs.optional(7));
        let product = floats(centred(x, zero_x, 0)?, centred(weights, zero_weights, 1)?, &Epilogue::default())?;
        let (shape, mut numbers) = (host::shape(&product).to_vec(), host::to_f32s(product));
        let bias = host::slice::<f32>(&bias);
        let width = shape.last().copied().unwrap_or(0);
        if bias.len() != width || scales.len() != 1 && scales.len() != width {
            return wrong(format!("there are {} biases and {} scales for {width} columns", bias.len(), scales.len()));
        }
        for row in numbers.chunks_exact_mut(width.max(1)) {
            for (at, x) in row.iter_mut().enumerate() {
                *x = *x * scale * scales[at % scales.len()] + bias[at];
            }
        }
        after_projection(&settings, None, inputs, host::tensor(&shape, numbers), [5, 8, 9], outputs)
    }))
}

/// MultiHeadAttention, whose queries, keys and values are inputs.
pub fn heads(node: &NodeSpec<'_>) -> Prepared {
    let settings = Settings::new(node)?;
    if node.has(8) || node.has(9) || node.outputs > 3 {
        return Err("shared buffers, beams and scores as outputs are not supported".to_string());
    }
    if !node.has(1) || !node.has(2) {
        return Err("queries, keys and values packed in one tensor are not supported".to_string());
    }
    let outputs = node.outputs;
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
        let past = [inputs.optional(6), inputs.optional(7)];
        let results = settings.run(inputs, qkv, masks, past)?;
        Ok(results.into_iter().take(outputs).map(|tensor| host::contiguous(host::cast(tensor, dtype))).collect())
    }))
}
