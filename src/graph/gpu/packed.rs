//! Products with weights of 8 and 4 bits, which stay packed. Activations are not quantised, whatever their precision on the CPU.

use std::sync::OnceLock;

use super::{Call, Run, elementwise};
use crate::gpu::{Packed, PackedWeights, Product, Scales};
use crate::graph::host::{self, HostTensor};
use crate::graph::ops::{NodeSpec, int8};
use crate::kernels::qlinear::GROUP_SIZE;

/// The weights of a node, until they are on the GPU and from then on.
struct Weights {
    constants: Vec<HostTensor>,
    shape: (usize, usize),
    /// Inputs that share a scale, where scales do not lie in the words.
    block: Option<usize>,
    uploaded: OnceLock<Option<Packed>>,
}

impl Weights {
    fn packed(&self, call: &Call<'_>) -> Option<&Packed> {
        let upload = || {
            let floats = |index: usize| self.constants.get(index).map_or(&[][..], host::slice::<f32>);
            let scales = self.block.map(|block| Scales { block, scales: floats(1), offsets: floats(2) });
            let words = host::slice(self.constants.first()?);
            call.gpu.upload_packed(&PackedWeights { shape: self.shape, words, scales })
        };
        self.uploaded.get_or_init(upload).as_ref()
    }
}

/// `MatMulInt8`.
pub fn int8(node: &NodeSpec<'_>) -> Option<Run> {
    let block = match node.attributes.optional_int("block").ok()? {
        Some(block) => usize::try_from(block).ok()?,
        None => GROUP_SIZE,
    };
    let constants = [Some(1), Some(2), node.has(5).then_some(5)];
    let constants = constants.into_iter().flatten().map(|index| node.constant(index).cloned());
    product(node, constants.collect::<Option<_>>()?, Some(block), [4, 6])
}

/// `MatMulInt4`.
pub fn int4(node: &NodeSpec<'_>) -> Option<Run> {
    product(node, vec![node.constant(1)?.clone()], None, [2, 3])
}

/// A product with these constants; `bias` and `residual` are inputs.
fn product(
    node: &NodeSpec<'_>,
    constants: Vec<HostTensor>,
    block: Option<usize>,
    [bias, residual]: [usize; 2],
) -> Option<Run> {
    let (activation, gated) = (elementwise::activation(node)?, node.attributes.flag(int8::GATED, false).ok()?);
    let constants = constants.into_iter().map(host::contiguous).collect();
    let (shape, uploaded) = (int8::sizes(node).ok()?, OnceLock::new());
    let weights = Weights { constants, shape, block, uploaded };
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        let (bias, residual) = (call.optional_vector(bias, weights.shape.1)?, call.optional_floats(residual)?);
        let &[ref batch @ .., _] = x.shape() else { return None };
        if !call.fits(&[batch, &[weights.shape.1]].concat()) {
            return None;
        }
        let product =
            Product { bias: bias.as_ref(), activation: &activation, residual: residual.as_ref(), ..Product::default() };
        call.gpu.matmul_packed(&x, weights.packed(call)?, &product, gated)
    }))
}
