//! Attention in one pass over the keys, without a matrix of scores.

use super::elementwise::word;
use super::kernel::{Kernel, Source, wgsl};
use super::queue::Gpu;
use super::tensor::Tensor;

const ATTENTION: Source = wgsl!("attention");

/// The largest sizes of a key and of a value together, for which an invocation has room.
const LARGEST: usize = 512;
/// Numbers of keys, and of values, in the memory of a workgroup: 8 KB of each.
const SHARED: usize = 2048;

/// `softmax(q kᵀ · scale + mask) v`.
#[derive(Clone, Copy, Default)]
pub struct Attention {
    /// The factor of the scores.
    pub scale: f32,
    /// Whether a query sees no keys behind its own; its own is at `past` and its index.
    pub causal: bool,
    /// The keys before those of the queries, where it is causal.
    pub past: usize,
    /// The keys that a query sees, its own included, where it is causal; `None`: all.
    pub window: Option<usize>,
}

impl Gpu {
    /// Attention of `q`, `[batch, heads, queries, size]`, `k`, `[batch, groups, keys, size]`, and `v`, `[batch, groups, keys,
    /// value size]`, where `groups` divides `heads`. The mask is broadcast to `[batch, heads, queries, keys]`. The output,
    /// `[batch, heads, queries, value size]`, has the heads of a query next to each other in memory.
    pub fn attention(&self, [q, k, v]: [&Tensor; 3], mask: Option<&Tensor>, attention: &Attention) -> Option<Tensor> {
        let (&[batch, heads, queries, size], &[k_batch, groups, keys, k_size]) = (q.shape(), k.shape()) else {
            return None;
        };
        let &[v_batch, v_groups, v_keys, value_size] = v.shape() else { return None };
        let fits = [k_batch, v_batch] == [batch; 2] && v_groups == groups && v_keys == keys && k_size == size;
        if !fits || heads % groups != 0 || size + value_size > LARGEST {
            return None;
        }
        let tile = (SHARED / size.max(value_size).next_multiple_of(4)).clamp(1, 16);
        let lanes = queries.next_power_of_two().clamp(8, 64);
        // The numbers of a row are read one after another.
        let rows = |tensor: &Tensor| {
            if tensor.strides()[3] == 1 { Some(tensor.clone()) } else { self.contiguous(tensor) }
        };
        let (q, k, v) = (rows(q)?, rows(k)?, rows(v)?);
        let mask = match mask {
            None => None,
            Some(mask) => Some(mask.expand(&[batch, heads, queries, keys])?),
        };
        let mut inputs = vec![("q", &q), ("k", &k), ("v", &v)];
        inputs.extend(mask.as_ref().map(|mask| ("mask", mask)));
        let four = |strides: &[usize]| strides.iter().map(|stride| word(*stride)).collect::<Option<Vec<_>>>();
        let mut params = four(&[queries, keys, heads / groups, attention.past])?;
        for tensor in [&q, &k, &v] {
            params.extend(four(tensor.strides())?);
        }
        params.extend(four(mask.as_ref().map_or(&[0; 4], |mask| mask.strides()))?);
        params.extend(four(&[q.offset(), k.offset(), v.offset(), mask.as_ref().map_or(0, Tensor::offset)])?);
        params.extend([attention.scale.to_bits(), word(attention.window.unwrap_or(0))?]);
        let (masked, causal) = (mask.is_some(), attention.causal);
        let constants = format!(
            "const D: u32 = {size}u;\nconst DV: u32 = {value_size}u;\nconst BQ: u32 = {lanes}u;\nconst BK: u32 = {tile}u;\n\
             const CAUSAL: bool = {causal};\nfn mask_at(at: u32) -> f32 {{\n    return {};\n}}\n",
            if masked { "mask[at]" } else { "0.0" }
        );
        let out = self.empty(&[batch, queries, heads, value_size])?;
        let workgroups = [queries.div_ceil(lanes), heads, batch];
        let inputs = &inputs[..];
        let kernel = Kernel { source: ATTENTION, constants, inputs, params: &params, workgroups, ..Kernel::default() };
        self.dispatch(&kernel, &out)?;
        out.permute(&[0, 2, 1, 3])
    }
}
