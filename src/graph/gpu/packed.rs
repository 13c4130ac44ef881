//! Products with weights of 8 and 4 bits, which stay packed. Activations are not quantised, whatever their precision on the CPU.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::{GpuTensor, Run, elementwise};
use crate::device::Device;
use crate::gpu::{Gpu, Packed, PackedLayout, PackedPanels, Product};
use crate::graph::host::{self, HostTensor};
use crate::graph::ops::{NodeSpec, int8};
use crate::kernels::qlinear::GROUP_SIZE;

/// Packed weights that are on a GPU alone.
pub struct GpuWeights {
    gpu: Gpu,
    packed: Packed,
}

impl GpuWeights {
    /// Memory for weights of `shape.1` outputs of `shape.0` inputs; of 8 bits where so many inputs of `block` share a scale, with
    /// `offsets` or without. `None` on the CPU, and where their sizes do not fit.
    pub fn reserve(device: &Device, shape: (usize, usize), block: Option<usize>, offsets: bool) -> Option<Self> {
        let gpu = device.gpu()?.clone();
        let packed = gpu.reserve_packed(PackedLayout { shape, block, offsets })?;
        Some(Self { gpu, packed })
    }

    /// Writes panels of 8 outputs from the one at the index `first` on: integers, and where they do not lie in them scales and
    /// offsets. `None` where they do not fit.
    pub fn write(&self, first: usize, words: &[i32], scales: &[f32], offsets: &[f32]) -> Option<()> {
        self.gpu.write_packed(&self.packed, first, &PackedPanels { words, scales, offsets })
    }

    /// Layers with the same inputs as one, whose outputs lie side by side; `None` where they are not packed alike.
    pub fn concat(all: &[&Self]) -> Option<Self> {
        let gpu = all.first()?.gpu.clone();
        let packed = gpu.concat_packed(&Vec::from_iter(all.iter().map(|weights| &weights.packed)))?;
        Some(Self { gpu, packed })
    }

    /// The weights of the output that `choice` begins with, each times `factor`: `[1, 1, inputs]`.
    pub fn row(&self, choice: &GpuTensor, factor: f32) -> Option<GpuTensor> {
        let row = self.gpu.packed_row(&self.packed, &choice.tensor, factor)?;
        let tensor = row.reshape(&[1, 1, self.shape().0])?;
        Some(GpuTensor { tensor, gpu: self.gpu.clone(), bools: false })
    }

    /// Inputs and outputs.
    pub fn shape(&self) -> (usize, usize) {
        self.packed.layout().shape
    }

    /// The bytes of their memory.
    pub fn bytes(&self) -> usize {
        self.packed.bytes()
    }
}

impl fmt::Debug for GpuWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GpuWeights").field(&self.packed.layout()).finish()
    }
}

/// The weights of a node.
enum Weights {
    /// In the CPU's memory, and on the GPU from the first run on.
    Constants {
        constants: Vec<HostTensor>,
        layout: PackedLayout,
        uploaded: OnceLock<Option<Packed>>,
    },
    OnGpu(Arc<GpuWeights>),
}

impl Weights {
    fn packed(&self, gpu: &Gpu) -> Option<&Packed> {
        let Self::Constants { constants, layout, uploaded } = self else {
            let Self::OnGpu(weights) = self else { return None };
            return Some(&weights.packed);
        };
        let upload = || {
            let floats = |index: usize| constants.get(index).map_or(&[][..], host::slice::<f32>);
            let (words, scales, offsets) = (host::slice(constants.first()?), floats(1), floats(2));
            let packed = gpu.reserve_packed(*layout)?;
            gpu.write_packed(&packed, 0, &PackedPanels { words, scales, offsets })?;
            Some(packed)
        };
        uploaded.get_or_init(upload).as_ref()
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
    constant_product(node, constants.collect::<Option<_>>()?, Some(block), [4, 6])
}

/// `MatMulInt4`.
pub fn int4(node: &NodeSpec<'_>) -> Option<Run> {
    constant_product(node, vec![node.constant(1)?.clone()], None, [2, 3])
}

/// `MatMulOnGpu`.
pub fn on_gpu(node: &NodeSpec<'_>) -> Option<Run> {
    let weights = node.attributes.gpu_weights().ok()??;
    product(node, weights.shape(), Weights::OnGpu(weights), [1, 2])
}

/// A product with these constants; `bias` and `residual` are inputs.
fn constant_product(
    node: &NodeSpec<'_>,
    constants: Vec<HostTensor>,
    block: Option<usize>,
    inputs: [usize; 2],
) -> Option<Run> {
    let constants: Vec<_> = constants.into_iter().map(host::contiguous).collect();
    let layout = PackedLayout { shape: int8::sizes(node).ok()?, block, offsets: constants.len() > 2 };
    product(node, layout.shape, Weights::Constants { constants, layout, uploaded: OnceLock::new() }, inputs)
}

/// A product with weights of these inputs and outputs; `bias` and `residual` are inputs.
fn product(
    node: &NodeSpec<'_>,
    (_, outputs): (usize, usize),
    weights: Weights,
    [bias, residual]: [usize; 2],
) -> Option<Run> {
    let (activation, gated) = (elementwise::activation(node)?, node.attributes.flag(int8::GATED, false).ok()?);
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        let (bias, residual) = (call.optional_vector(bias, outputs)?, call.optional_floats(residual)?);
        let &[ref batch @ .., _] = x.shape() else { return None };
        if !call.fits(&[batch, &[outputs]].concat()) {
            return None;
        }
        let product =
            Product { bias: bias.as_ref(), activation: &activation, residual: residual.as_ref(), ..Product::default() };
        call.gpu.matmul_packed(&x, weights.packed(call.gpu)?, &product, gated)
    }))
}
