//! Contrib operators: onnxruntime's own.
//!
//! # Source
//! onnxruntime's `docs/ContribOperators.md`.

// As in `unary_elementwise`.
#![expect(clippy::redundant_closure)]

use burn::tensor::DType;

use super::{Accepts, Gives, Inputs, NodeSpec, Op, Prepared, SAME, on_gpu, one, wrong};
use crate::error::Result;
use crate::graph::cost::CostRule;
use crate::graph::host::{self, HostTensor};
use crate::graph::ops::support::broadcast::map_floats;
use crate::kernels::activation::Activation;
use crate::kernels::gelu::{gelu, gelu_tanh};

mod attention;
mod bnb4;
mod embed;
mod gather_block_quantized;
mod group_query_attention;
mod linear;
pub mod matmul_nbits;
mod product;
mod rotary;

const fn op(
    name: &'static str,
    accepts: Accepts,
    gives: &'static [Gives],
    prepare: fn(&NodeSpec<'_>) -> Prepared,
) -> Op {
    Op::contrib(name, accepts, gives, prepare)
}

const FLOAT: &[Gives] = &[Gives::Is(DType::F32)];

pub static OPS: &[Op] = &[
    op("Attention", Accepts::Singles, SAME, attention::attention).costs(CostRule::PackedAttention),
    op("BiasGelu", Accepts::Singles, SAME, |_| biased(|x| gelu(x))),
    op("DynamicQuantizeMatMul", Accepts::Singles, FLOAT, product::dynamic_quantize_matmul).costs(CostRule::MatMul),
    op(
        "EmbedLayerNormalization",
        Accepts::Integers,
        &[Gives::As(2), Gives::Is(DType::I32), Gives::As(2)],
        embed::embed,
    ),
    op("FastGelu", Accepts::Singles, SAME, |_| biased(|x| gelu_tanh(x))),
    op("FusedMatMul", Accepts::Singles, SAME, product::fused_matmul).costs(CostRule::MatMul),
    op("Gelu", Accepts::Singles, SAME, |_| biased(|x| gelu(x))),
    op("GatherBlockQuantized", Accepts::Integers, &[Gives::As(2)], gather_block_quantized::gather).encoded(),
    op("GroupQueryAttention", Accepts::Singles, SAME, group_query_attention::attention).costs(CostRule::Attention),
    op("MatMulBnb4", Accepts::Singles, SAME, bnb4::matmul).costs(CostRule::MatMul),
    op("MatMulIntegerToFloat", Accepts::Integers, FLOAT, product::matmul_integer_to_float).costs(CostRule::MatMul),
    op("MatMulNBits", Accepts::Singles, SAME, matmul_nbits::matmul)
        .costs(CostRule::MatMul)
        .gpu(on_gpu!(matmul_nbits::matmul)),
    op("MultiHeadAttention", Accepts::Singles, SAME, attention::heads).costs(CostRule::Attention),
    op("QAttention", Accepts::Integers, FLOAT, attention::quantised).costs(CostRule::PackedAttention),
    op("QLinearAdd", Accepts::Integers, SAME, |_| linear::pair(|a, b| a + b)),
    op("QLinearConcat", Accepts::Any, &[Gives::As(1)], linear::concat),
    op("QLinearGlobalAveragePool", Accepts::Integers, SAME, linear::global_average_pool),
    op("QLinearLeakyRelu", Accepts::Integers, SAME, |node| {
        let alpha = node.attributes.float("alpha", 0.01)?;
        linear::map(move |x| if x < 0.0 { alpha * x } else { x })
    }),
    op("QLinearMul", Accepts::Integers, SAME, |_| linear::pair(|a, b| a * b)),
    op("QLinearSigmoid", Accepts::Integers, SAME, |_| linear::map(crate::kernels::exp::sigmoid)),
    op("QuickGelu", Accepts::Singles, SAME, |node| {
        let activation = Activation::Swish(node.attributes.float("alpha", 1.702)?);
        Ok(Box::new(move |inputs| {
            let x = inputs.take(0)?;
            let (dtype, shape, mut numbers) = (x.dtype(), host::shape(&x).to_vec(), host::to_f32s(x));
            activation.apply(&mut numbers);
            one(host::cast(host::tensor(&shape, numbers), dtype))
        }))
    }),
    op("RotaryEmbedding", Accepts::Singles, SAME, rotary::rotary),
    op("SkipLayerNormalization", Accepts::Singles, SAME, |node| embed::skip(node, true)),
    op("SkipSimplifiedLayerNormalization", Accepts::Singles, SAME, |node| embed::skip(node, false)),
    op("SimplifiedLayerNormalization", Accepts::Singles, SAME, super::norm::root_mean_square),
];

/// `f` of the sum of the input and an optional bias.
fn biased(f: impl Fn(f32) -> f32 + Send + Sync + 'static) -> Prepared {
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let dtype = x.dtype();
        let bias = inputs.optional(1).map(host::to_f32s);
        let mut x = host::cast(x, DType::F32);
        if let Some(bias) = bias {
            x = add_bias(x, &bias)?;
        }
        one(host::cast(map_floats(x, &f), dtype))
    }))
}

/// `x` with `bias` added along the last dimension.
///
/// # Errors
/// Invalid input: the bias does not have its length.
fn add_bias(x: HostTensor, bias: &[f32]) -> Result<HostTensor> {
    let shape = host::shape(&x).to_vec();
    if shape.last() != Some(&bias.len()) {
        return wrong(format!("a bias of the length {} does not fit the shape {shape:?}", bias.len()));
    }
    let mut numbers = host::to_f32s(x);
    for row in numbers.chunks_exact_mut(bias.len().max(1)) {
        row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
    }
    Ok(host::tensor(&shape, numbers))
}

/// The optional input at `index`, as 32-bit floats.
fn optional_floats(inputs: &mut Inputs<'_>, index: usize) -> Option<Vec<f32>> {
    inputs.optional(index).map(host::to_f32s)
}
