//! Attention, RotaryEmbedding and LinearAttention.

use burn::tensor::DType;

use super::{Accepts, Gives, NodeSpec, Op, Prepared, SAME, on_gpu, one, wrong};
use crate::error::Result;
use crate::graph::cost::CostRule;
use crate::graph::host::{self, HostTensor};
use heads::{Heads, Mask, attend};

pub mod cached;
pub mod heads;
mod linear;
pub mod rotary;
mod standard;

pub static OPS: &[Op] = &[
    Op::own("Attention", Accepts::Singles, SAME, own).costs(CostRule::Attention).gpu(on_gpu!(matmul::attention)),
    Op::own("CachedAttention", Accepts::Singles, SAME, cached::attention)
        .costs(CostRule::CachedAttention)
        .gpu(on_gpu!(decoder::cached_attention)),
    Op::new(
        "Attention",
        Accepts::Singles,
        &[Gives::As(0), Gives::As(0), Gives::As(2), Gives::As(0)],
        standard::attention,
    )
    .costs(CostRule::Attention),
    Op::new("RotaryEmbedding", Accepts::Singles, SAME, rotary::rotary),
    Op::new("LinearAttention", Accepts::Singles, SAME, linear::attention),
];

/// `softmax(q kᵀ · scale + mask) v` of tensors of the shape `[batch, heads, sequence, size]`.
fn own(node: &NodeSpec<'_>) -> Prepared {
    let scale = node.attributes.optional_float("scale")?;
    Ok(Box::new(move |inputs| {
        let q = inputs.take(0)?;
        let dtype = q.dtype();
        let heads = Heads::new(four(q)?, four(inputs.take(1)?)?, four(inputs.take(2)?)?, scale)?;
        let mask = inputs.optional(3).map(|mask| Mask::new(mask, &heads)).transpose()?;
        let shape = heads.shape();
        let mut out = vec![0.0; inputs.count(&shape)?];
        let adjust = |at: (usize, usize, usize), scores: &mut [f32]| {
            if let Some(mask) = &mask {
                mask.add(at, scores);
            }
        };
        attend(&heads, &mut out, false, adjust);
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}

/// A tensor of 4 dimensions as 32-bit floats.
fn four(tensor: HostTensor) -> Result<HostTensor> {
    match host::shape(&tensor).len() {
        4 => Ok(host::cast(tensor, DType::F32)),
        rank => wrong(format!("an operand has {rank} dimensions, expected 4")),
    }
}
