//! Blockwise quantised weights of layers, as a graph has them.

use std::sync::Arc;

use super::attributes::{Attribute, Attributes};
use super::gpu::GpuWeights;
use super::host::{self, HostTensor};
use super::ops::{PRECISE, int8};
use crate::kernels::qlinear::{BlockLayout, BlockLinear, BlockParts, Int4Linear, Int4Weights, Precision};
use crate::kernels::simd::PANEL;

/// Blockwise quantised weights as constants, which a layer and an embedding table may share.
#[derive(Clone)]
pub(crate) enum Blocks {
    /// Of 8 bits.
    Int8(Box<Int8Blocks>),
    /// Of 4 bits.
    Int4 { words: HostTensor, shape: (usize, usize) },
    /// Of either, on a GPU alone.
    OnGpu(Arc<GpuWeights>),
}

/// Blockwise quantised weights of 8 bits.
#[derive(Clone)]
pub(crate) struct Int8Blocks {
    pub(super) constants: [HostTensor; 3],
    pub(super) offsets: Option<HostTensor>,
    pub(super) attributes: Attributes,
    layout: BlockLayout,
}

impl Blocks {
    /// Weights of 8 bits.
    pub(crate) fn int8(weights: BlockLinear) -> Self {
        Self::of_parts(weights.layout(), weights.into_parts())
    }

    fn of_parts(layout: BlockLayout, parts: BlockParts) -> Self {
        let mut attributes = Attributes::default();
        let (constants, offsets) = int8::block_constants(layout, parts, &mut attributes);
        attributes.push(PRECISE, Attribute::Int(Precision::High as i64));
        Self::Int8(Box::new(Int8Blocks { constants, offsets, attributes, layout }))
    }

    /// Weights of 4 bits.
    pub(crate) fn int4(weights: Int4Weights) -> Self {
        let (shape, words) = (weights.shape(), weights.into_words());
        Self::Int4 { words: host::tensor(&[words.len()], words), shape }
    }

    /// Weights that are on a GPU alone.
    pub(crate) fn on_gpu(weights: GpuWeights) -> Self {
        Self::OnGpu(Arc::new(weights))
    }

    /// Whether they are on a GPU alone.
    pub(crate) fn is_on_gpu(&self) -> bool {
        matches!(self, Self::OnGpu(_))
    }

    /// The weights that are on a GPU alone.
    pub(crate) fn gpu_weights(&self) -> Option<&Arc<GpuWeights>> {
        if let Self::OnGpu(weights) = self { Some(weights) } else { None }
    }

    /// Layers with the same inputs as one, whose outputs lie side by side. Gives them back where they are not alike.
    pub(crate) fn concat(parts: Vec<Self>) -> std::result::Result<Self, Vec<Self>> {
        let (mut parts, mut inputs, mut outputs) = (parts, None, 0);
        let count = parts.len();
        let alike = parts.windows(2).all(|pair| pair[0].is_like(&pair[1]));
        for (at, part) in parts.iter().enumerate() {
            let (of_part, own) = part.shape();
            // Whole panels are simply appended.
            let whole = own.is_multiple_of(PANEL) || at + 1 == count;
            if !alike || !whole || *inputs.get_or_insert(of_part) != of_part {
                return Err(parts);
            }
            outputs += own;
        }
        let shape = (inputs.unwrap_or(0), outputs);
        match parts.first() {
            Some(Self::OnGpu(_)) => {
                let own =
                    parts.iter().filter_map(|part| if let Self::OnGpu(part) = part { Some(&**part) } else { None });
                GpuWeights::concat(&Vec::from_iter(own)).map(|all| Self::OnGpu(Arc::new(all))).ok_or(parts)
            }
            Some(Self::Int8(first)) => {
                let layout = BlockLayout { shape, ..first.layout };
                let has_offsets = parts.iter().any(|part| matches!(part, Self::Int8(part) if part.offsets.is_some()));
                let mut all = BlockParts::default();
                for part in parts {
                    let Self::Int8(part) = part else { continue };
                    let Int8Blocks { constants: [quads, scales, sums], offsets, .. } = *part;
                    let count = scales.layout().num_elements();
                    all.quads.extend(host::into_vec::<i32>(quads));
                    all.scales.extend(host::into_vec::<f32>(scales));
                    all.sums.extend(host::into_vec::<f32>(sums));
                    match offsets.filter(|_| has_offsets) {
                        Some(offsets) => all.offsets.extend(host::into_vec::<f32>(offsets)),
                        None if has_offsets => all.offsets.resize(all.offsets.len() + count, 0.0),
                        None => {}
                    }
                }
                // Memory of WebAssembly never shrinks: none is kept in reserve.
                all.quads.shrink_to_fit();
                all.scales.shrink_to_fit();
                Ok(Self::of_parts(layout, all))
            }
            Some(Self::Int4 { .. }) => {
                let mut all = Vec::new();
                for part in parts.drain(..) {
                    let Self::Int4 { words, .. } = part else { continue };
                    all.extend(host::into_vec::<i32>(words));
                }
                all.shrink_to_fit();
                Ok(Self::Int4 { words: host::tensor(&[all.len()], all), shape })
            }
            None => Err(parts),
        }
    }

    /// Whether a weight of both is packed in the same way.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int8(own), Self::Int8(other)) => own.layout.block == other.layout.block,
            (own, other) => std::mem::discriminant(own) == std::mem::discriminant(other),
        }
    }

    /// Inputs and outputs.
    fn shape(&self) -> (usize, usize) {
        match self {
            Self::Int8(blocks) => blocks.layout.shape,
            Self::Int4 { shape, .. } => *shape,
            Self::OnGpu(weights) => weights.shape(),
        }
    }

    /// Dequantises the weights of one output into `row`; `None` where there is no such output, or it is on a GPU.
    pub(crate) fn read_output(&self, output: usize, row: &mut [f32]) -> Option<()> {
        match self {
            Self::Int8(blocks) => {
                let Int8Blocks { constants: [quads, scales, sums], offsets, layout, .. } = &**blocks;
                let offsets = offsets.as_ref().map_or(&[][..], host::slice::<f32>);
                let linear = layout.linear(host::slice(quads), host::slice(scales), host::slice(sums), offsets)?;
                linear.read_output(output, row)
            }
            Self::Int4 { words, shape } => Int4Linear::new(*shape, host::slice(words))?.read_output(output, row),
            Self::OnGpu(_) => None,
        }
    }
}
