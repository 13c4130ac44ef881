//! Matrix products with packed weights: integers of 8 or 4 bits in panels of 8 columns, as the CPU's kernels have them
//! (`kernels/qlinear`). They stay packed in memory and are unpacked in registers.
//!
//! Activations stay floats, which the CPU's kernels quantise. Rounding them here as well would not make both devices agree: a sum
//! in another order rounds some activations to other integers, and after a few layers all of them.

use super::elementwise::{FUNCTIONS, word};
use super::matmul::{Product, Right, Sizes, TransposeNone};
use super::queue::{Gpu, Kernel, spread};
use super::tensor::Tensor;

const MATVEC: &str = include_str!("wgsl/matvec.wgsl");
const WEIGHTS_BYTES: &str = include_str!("wgsl/weights_bytes.wgsl");
const WEIGHTS_NIBBLES: &str = include_str!("wgsl/weights_nibbles.wgsl");
const MATMUL_BYTES: &str = include_str!("wgsl/matmul_bytes.wgsl");
const MATMUL_BLOCKS: &str = include_str!("wgsl/matmul_blocks.wgsl");

/// Columns of a panel.
const PANEL: usize = 8;
/// Inputs of a block of 4-bit weights.
const BLOCK: usize = 32;
/// Words of a block of a panel.
const BLOCK_WORDS: usize = 40;
/// The most rows that `MATVEC` multiplies.
const FEW: usize = 4;
/// Panels from which on a workgroup has two.
const MANY_PANELS: usize = 1024;

/// Weights of `shape.1` outputs of `shape.0` inputs, in the CPU's memory.
pub struct PackedWeights<'a> {
    /// Inputs and outputs.
    pub shape: (usize, usize),
    /// The integers.
    pub words: &'a [i32],
    /// Scales, where they do not lie in the words.
    pub scales: Option<Scales<'a>>,
}

/// The scales of 8-bit weights.
#[derive(Clone, Copy)]
pub struct Scales<'a> {
    /// Inputs that share a scale, a multiple of 8.
    pub block: usize,
    /// `[panels, blocks, 8]`
    pub scales: &'a [f32],
    /// What is added to a weight, as the scales; empty where it is nothing.
    pub offsets: &'a [f32],
}

/// Packed weights on a GPU.
pub struct Packed {
    shape: (usize, usize),
    /// Words of a column of a panel, blocks, and inputs of a block.
    layout: [usize; 3],
    /// The columns, in as many parts as bindings make necessary.
    parts: Vec<Part>,
}

struct Part {
    first: usize,
    columns: usize,
    words: Tensor,
    /// Scales and offsets.
    floats: Option<(Tensor, Option<Tensor>)>,
}

impl Part {
    fn inputs<'a>(&'a self, x: Option<&'a Tensor>) -> Vec<(&'static str, &'a Tensor)> {
        let mut inputs = Vec::from_iter(x.map(|x| ("x", x)));
        inputs.push(("words: u32", &self.words));
        if let Some((scales, offsets)) = &self.floats {
            inputs.push(("scales", scales));
            inputs.extend(offsets.as_ref().map(|offsets| ("offsets", offsets)));
        }
        inputs
    }

    fn has_offsets(&self) -> bool {
        self.floats.as_ref().is_none_or(|(_, offsets)| offsets.is_some())
    }

    /// `offset_at` a scale, where weights do not have it.
    fn constants(&self) -> String {
        let at = match &self.floats {
            Some((_, Some(_))) => "offsets[scale]",
            _ => "0.0",
        };
        let has_offsets = self.has_offsets();
        format!("const OFFSETS: bool = {has_offsets};\nfn offset_at(scale: u32) -> f32 {{\n    return {at};\n}}\n")
    }
}

impl Gpu {
    /// Packed weights in the GPU's memory; `None` where their sizes do not fit.
    pub fn upload_packed(&self, weights: &PackedWeights<'_>) -> Option<Packed> {
        let PackedWeights { shape: shape @ (inputs, outputs), words, scales } = *weights;
        let panels = outputs.div_ceil(PANEL);
        let layout = match scales {
            Some(Scales { block, .. }) if block > 0 && block.is_multiple_of(8) => {
                [inputs.div_ceil(4), inputs.div_ceil(block), block]
            }
            None if inputs.is_multiple_of(BLOCK) => [inputs / BLOCK * BLOCK_WORDS / PANEL, inputs / BLOCK, BLOCK],
            _ => return None,
        };
        let [depth, blocks, _] = layout;
        let (panel_words, panel_scales) = (depth * PANEL, blocks * PANEL);
        let fits = |numbers: &[f32]| numbers.len() == panels * panel_scales;
        if panels == 0 || panel_words == 0 || words.len() != panels * panel_words {
            return None;
        }
        if scales.is_some_and(|own| !fits(own.scales) || !own.offsets.is_empty() && !fits(own.offsets)) {
            return None;
        }
        let each = (self.most_words() / panel_words.max(panel_scales)).max(1);
        let part = |first: usize| {
            let last = panels.min(first + each);
            let floats = |numbers: &[f32]| {
                self.upload(&[(last - first) * panel_scales], &numbers[first * panel_scales..last * panel_scales])
            };
            let own = bytemuck::cast_slice(&words[first * panel_words..last * panel_words]);
            let floats = match scales {
                None => None,
                Some(Scales { scales, offsets: [], .. }) => Some((floats(scales)?, None)),
                Some(Scales { scales, offsets, .. }) => Some((floats(scales)?, Some(floats(offsets)?))),
            };
            let columns = outputs.min(last * PANEL) - first * PANEL;
            Some(Part { first: first * PANEL, columns, words: self.upload_words(&[own.len()], own)?, floats })
        };
        let parts = (0..panels).step_by(each).map(part).collect::<Option<_>>()?;
        Some(Packed { shape, layout, parts })
    }

    /// `x · weightsᵀ` of `[.., inputs]`: `[.., outputs]`. The bias is a vector. With `gated` the activation of the first half
    /// of the outputs, times the second: `[.., outputs / 2]`.
    pub fn matmul_packed(&self, x: &Tensor, weights: &Packed, product: &Product<'_>, gated: bool) -> Option<Tensor> {
        let ((inputs, outputs), &[ref batch @ .., inner]) = (weights.shape, x.shape()) else { return None };
        let of_outputs = |bias: &Tensor| bias.shape() == [outputs] && bias.is_contiguous();
        if inner != inputs || !product.bias.is_none_or(of_outputs) || gated && outputs % 2 != 0 {
            return None;
        }
        let rows = batch.iter().product();
        let columns = if gated { outputs / 2 } else { outputs };
        let shape = [batch, &[columns]].concat();
        if product.residual.is_some_and(|residual| gated || residual.shape() != shape) {
            return None;
        }
        let x = self.reshaped(&self.contiguous(x)?, &[rows, inner])?;
        // Both halves of a gated row begin at a panel.
        let in_panels = weights.parts.len() == 1 && outputs.is_multiple_of(2 * PANEL);
        if rows <= FEW && (!gated || in_panels) {
            return self.matvec(&x, weights, product, gated)?.reshape(&shape);
        }
        let x = x.reshape(&[1, 1, rows, inner])?;
        let (activation, residual) = match product.residual {
            Some(residual) => (product.activation, Some(self.reshaped(residual, &[1, 1, rows, columns])?)),
            None if gated => ("x", None),
            None => (product.activation, None),
        };
        let mut parts = Vec::with_capacity(weights.parts.len());
        for part in &weights.parts {
            let (first, count) = (part.first, part.columns);
            let bias = product.bias.map(|bias| bias.narrow(0, first, count)).transpose_none()?;
            let residual = residual.as_ref().map(|residual| residual.narrow(3, first, count)).transpose_none()?;
            let own = Product { bias: bias.as_ref(), residual: residual.as_ref(), activation, ..Product::default() };
            parts.push(self.matmul_part(&x, weights, part, &own)?);
        }
        let all = match &parts[..] {
            [one] => one.clone(),
            parts => self.concat(&Vec::from_iter(parts), 3)?,
        };
        if !gated {
            return all.reshape(&shape);
        }
        let halves = [all.narrow(3, 0, columns)?, all.narrow(3, columns, columns)?];
        let expression = format!("{} * b", product.activation);
        self.map(&expression, &[&halves[0], &halves[1]], [0.0; 2], &[1, 1, rows, columns])?.reshape(&shape)
    }

    /// A part of the columns of a product of many rows.
    fn matmul_part(&self, x: &Tensor, weights: &Packed, part: &Part, product: &Product<'_>) -> Option<Tensor> {
        let (&[_, _, rows, inner], [depth, blocks, block]) = (x.shape(), weights.layout) else { return None };
        let (source, layout) = match part.floats {
            Some(_) => (MATMUL_BYTES, [depth, blocks, block]),
            None => (MATMUL_BLOCKS, [blocks, 0, 0]),
        };
        let mut extra = [0; 16];
        for (to, size) in extra.iter_mut().zip(layout) {
            *to = word(size)?;
        }
        let inputs = part.inputs(None);
        let right =
            Right { source, prelude: part.constants(), inputs, strides: [0; 4], offset: 0, inner_first: false, extra };
        self.product(x, &right, &Sizes { batch: [1, 1], rows, columns: part.columns, inner }, product)
    }

    /// The product of few rows.
    fn matvec(&self, x: &Tensor, weights: &Packed, product: &Product<'_>, gated: bool) -> Option<Tensor> {
        let (&[rows, inner], (_, outputs)) = (x.shape(), weights.shape) else { return None };
        let columns = if gated { outputs / 2 } else { outputs };
        let out = self.empty(&[rows, columns])?;
        let residual = match product.residual {
            Some(residual) => Some(self.contiguous(residual)?),
            None => None,
        };
        let at_once = rows.next_power_of_two();
        let [depth, blocks, block] = weights.layout;
        for part in &weights.parts {
            let panels = part.columns.div_ceil(PANEL);
            let (of_group, apart) = match gated {
                true => (2, panels / 2),
                false => (if panels >= MANY_PANELS { 2 } else { 1 }, 1),
            };
            let mut inputs = part.inputs(Some(x));
            inputs.extend(product.bias.map(|bias| ("bias", bias)));
            inputs.extend(residual.as_ref().map(|residual| ("residual", residual)));
            let bias = if product.bias.is_some() { " + bias[column]" } else { "" };
            let sum = if residual.is_some() { " + residual[to]" } else { "" };
            let mut constants = format!(
                "const ROWS: u32 = {at_once}u;\nconst PANELS: u32 = {of_group}u;\nconst GATED: bool = {gated};\n\
                 fn linear(product: f32, column: u32) -> f32 {{\n    return product{bias};\n}}\n\
                 fn epilogue(product: f32, to: u32, column: u32) -> f32 {{\n    let x = linear(product, column);\n    \
                 return {}{sum};\n}}\n",
                product.activation
            );
            constants.extend([part.constants().as_str(), FUNCTIONS]);
            let (unpack, extra) = match part.floats {
                Some(_) => (WEIGHTS_BYTES, [depth, blocks, block / 8]),
                None => (WEIGHTS_NIBBLES, [blocks, 0, 0]),
            };
            constants += unpack;
            let sizes = [rows, columns, inner, part.first, panels, apart];
            let mut params = sizes.into_iter().map(word).collect::<Option<Vec<_>>>()?;
            params.extend([0, 0]);
            for size in extra {
                params.push(word(size)?);
            }
            let workgroups = spread(if gated { apart } else { panels.div_ceil(of_group) });
            let (params, writes) = (&params[..], &[][..]);
            let kernel =
                Kernel { name: "matvec", source: MATVEC, constants, inputs: &inputs, writes, params, workgroups };
            self.dispatch(&kernel, &out)?;
        }
        Some(out)
    }
}
