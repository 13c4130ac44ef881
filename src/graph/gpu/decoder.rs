//! The layers of decoders: attention with keys and values that stay on the GPU, and gates.

use super::{Call, Run, elementwise};
use crate::gpu::{Attention, Cache, Heads, Rotary, Tensor};
use crate::graph::ops::{CACHE_STEP, DecoderAttention, NodeSpec};
use crate::graph::value::Value;

/// `GatedActivation`.
pub fn gated_activation(node: &NodeSpec<'_>) -> Option<Run> {
    let activation = elementwise::activation(node)?;
    Some(Box::new(move |call| {
        let (gate, up) = (call.floats(0)?, call.optional_floats(1)?);
        let (gate, up) = match up {
            Some(up) => (gate, up),
            None => {
                let axis = gate.shape().len().checked_sub(1)?;
                let width = gate.shape()[axis];
                if width % 2 != 0 {
                    return None;
                }
                (gate.narrow(axis, 0, width / 2)?, gate.narrow(axis, width / 2, width / 2)?)
            }
        };
        let same = gate.shape() == up.shape();
        same.then(|| call.gpu.map(&format!("{activation} * b"), &[&gate, &up], [0.0; 2], gate.shape()))?
    }))
}

/// `CachedAttention`. The new keys and values are written in place where nothing else uses those so far.
pub fn cached_attention(node: &NodeSpec<'_>) -> Option<Run> {
    let DecoderAttention { settings, interleaved, epsilon } = DecoderAttention::new(node).ok()?;
    let heads = Heads { heads: settings.heads, groups: settings.groups, size: settings.size };
    Some(Box::new(move |call| {
        let x = rows(call)?;
        let &[tokens, _] = x.shape() else { return None };
        let &[before] = &call.ints(5)?[..] else { return None };
        let before = usize::try_from(before).ok()?;
        let total = before.checked_add(tokens)?;
        let state = |index| state(call, index, heads, before, total);
        let cache = Cache { keys: state(3)?, values: state(4)? };
        let (cos, sin) = (call.floats(6)?, call.floats(7)?);
        let norms = match (call.optional_floats(8)?, call.optional_floats(9)?) {
            (Some(q), Some(k)) => Some([q, k]),
            (None, None) => None,
            _ => return None,
        };
        let norms = norms.as_ref().map(|[q, k]| ([q, k], epsilon));
        let rotary = Rotary { tables: [&cos, &sin], interleaved, norms };
        let q = call.gpu.rotate_and_append(&x, heads, &rotary, &cache, before)?;
        let attention = Attention { scale: settings.scale, causal: true, past: before, window: settings.window };
        let mixed = call.gpu.cached_attention(&q, &cache, &attention)?;
        call.others.replace(vec![cache.keys, cache.values]);
        mixed.reshape(&[1, tokens, heads.heads * heads.size])
    }))
}

/// Queries, keys and values of each token, side by side.
fn rows(call: &Call<'_>) -> Option<Tensor> {
    let all = match (call.floats(0)?, call.optional_floats(1)?, call.optional_floats(2)?) {
        (x, None, None) => x,
        (q, Some(k), Some(v)) => call.gpu.concat(&[&q, &k, &v], 2)?,
        _ => return None,
    };
    let &[1, tokens, width] = all.shape() else { return None };
    call.gpu.reshaped(&all, &[tokens, width])
}

/// The keys or the values of `before` tokens, with room for `total`, which may be written to.
fn state(call: &Call<'_>, index: usize, heads: Heads, before: usize, total: usize) -> Option<Tensor> {
    let Heads { groups, size, .. } = heads;
    let &[of, room, width] = call.value(index)?.shape() else { return None };
    if (of, width) != (groups, size) || before > room {
        return None;
    }
    if let Some(Value::Gpu(own)) = call.value(index)
        && own.tensor.is_alone()
        && total <= room
    {
        return Some(own.tensor.clone());
    }
    let shape = [groups, total.max(room).next_multiple_of(CACHE_STEP), size];
    let grown = if call.fits(&shape) { call.gpu.empty(&shape)? } else { return None };
    if before > 0 {
        let used = call.floats(index)?.narrow(1, 0, before)?;
        call.gpu.copy(&used, &grown.narrow(1, 0, before)?)?;
    }
    Some(grown)
}
