//! Matrix products with packed weights: integers of 8 or 4 bits in panels of 8 columns, as the CPU's kernels have them
//! (`kernels/qlinear`). They stay packed in memory and are unpacked in registers.
//!
//! Activations stay floats, which the CPU's kernels quantise. Rounding them here as well would not make both devices agree: a sum
//! in another order rounds some activations to other integers, and after a few layers all of them.

use super::elementwise::{FUNCTIONS, word};
use super::kernel::{Kernel, Source, wgsl};
use super::matmul::{Product, Right, Sizes, TransposeNone};
use super::queue::{Gpu, spread};
use super::tensor::Tensor;

const MATVEC: Source = wgsl!("matvec");
const PACKED_ROW: Source = wgsl!("packed_row");
const WEIGHTS: Source = wgsl!("weights");
const WEIGHTS_BYTES: Source = wgsl!("weights_bytes");
const WEIGHTS_NIBBLES: Source = wgsl!("weights_nibbles");
const MATMUL_BYTES: Source = wgsl!("matmul_bytes");
const MATMUL_BLOCKS: Source = wgsl!("matmul_blocks");

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

/// The sizes of packed weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedLayout {
    /// Inputs and outputs.
    pub shape: (usize, usize),
    /// Inputs that share a scale, a multiple of 8, where weights have 8 bits; those of 4 bits have their scales in their words.
    pub block: Option<usize>,
    /// Whether something is added to weights of 8 bits.
    pub offsets: bool,
}

/// Some panels of packed weights, in the CPU's memory.
#[derive(Clone, Copy)]
pub struct PackedPanels<'a> {
    /// The integers.
    pub words: &'a [i32],
    /// `[panels, blocks, 8]`; empty where scales lie in the words.
    pub scales: &'a [f32],
    /// As the scales; empty where all are zero.
    pub offsets: &'a [f32],
}

/// Packed weights on a GPU.
pub struct Packed {
    layout: PackedLayout,
    /// Words of a column of a panel, blocks, and inputs of a block.
    sizes: [usize; 3],
    /// Panels of a part.
    each: usize,
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

impl Packed {
    /// Their sizes.
    pub fn layout(&self) -> PackedLayout {
        self.layout
    }

    /// Words and scales of a panel.
    fn of_panel(&self) -> (usize, usize) {
        let [depth, blocks, _] = self.sizes;
        (depth * PANEL, if self.layout.block.is_some() { blocks * PANEL } else { 0 })
    }

    /// What gives eight weights of a column of a part, and what that finds its numbers by.
    fn unpacking(&self, part: &Part) -> Option<(Source, [u32; 4])> {
        let [depth, blocks, block] = self.sizes;
        let (source, sizes) = match part.floats {
            Some(_) => (WEIGHTS_BYTES, [depth, blocks, block / 8]),
            None => (WEIGHTS_NIBBLES, [blocks, 0, 0]),
        };
        let [a, b, c] = sizes.map(word);
        Some((source, [a?, b?, c?, 0]))
    }

    /// The bytes of its memory.
    pub fn bytes(&self) -> usize {
        let part =
            |part: &Part| part.buffers().iter().map(|(tensor, _)| tensor.count() * size_of::<u32>()).sum::<usize>();
        self.parts.iter().map(part).sum()
    }
}

impl Part {
    /// Its memory: the integers, the scales and the offsets, each with whether it is the first.
    fn buffers(&self) -> Vec<(&Tensor, bool)> {
        let mut all = vec![(&self.words, true)];
        if let Some((scales, offsets)) = &self.floats {
            all.extend(std::iter::once(scales).chain(offsets).map(|tensor| (tensor, false)));
        }
        all
    }

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
    /// Memory for packed weights, zeros until [`Self::write_packed`]; `None` where their sizes do not fit.
    pub fn reserve_packed(&self, layout: PackedLayout) -> Option<Packed> {
        let (inputs, outputs) = layout.shape;
        let panels = outputs.div_ceil(PANEL);
        let sizes = match layout.block {
            Some(block) if block > 0 && block.is_multiple_of(8) => [inputs.div_ceil(4), inputs.div_ceil(block), block],
            None if inputs.is_multiple_of(BLOCK) => [inputs / BLOCK * BLOCK_WORDS / PANEL, inputs / BLOCK, BLOCK],
            _ => return None,
        };
        let mut packed = Packed { layout, sizes, each: 0, parts: Vec::new() };
        let (words, scales) = packed.of_panel();
        if panels == 0 || words == 0 {
            return None;
        }
        packed.each = (self.most_words() / words.max(scales)).max(1);
        for first in (0..panels).step_by(packed.each) {
            let last = panels.min(first + packed.each);
            let floats = || self.fixed((last - first) * scales);
            let floats = match (scales, layout.offsets) {
                (0, _) => None,
                (_, false) => Some((floats()?, None)),
                (_, true) => Some((floats()?, Some(floats()?))),
            };
            let columns = outputs.min(last * PANEL) - first * PANEL;
            let words = self.fixed((last - first) * words)?;
            packed.parts.push(Part { first: first * PANEL, columns, words, floats });
        }
        Some(packed)
    }

    /// Writes panels from the one at the index `first` on, before any product with these weights; `None` where they do not fit.
    pub fn write_packed(&self, packed: &Packed, first: usize, panels: &PackedPanels<'_>) -> Option<()> {
        let (words, scales) = packed.of_panel();
        let count = panels.words.len() / words;
        let fits = |numbers: &[f32]| numbers.len() == count * scales;
        let has_offsets = !panels.offsets.is_empty();
        if !panels.words.len().is_multiple_of(words) || first + count > packed.layout.shape.1.div_ceil(PANEL) {
            return None;
        }
        if !fits(panels.scales) || has_offsets && !(packed.layout.offsets && fits(panels.offsets)) {
            return None;
        }
        let mut at = 0;
        while at < count {
            let (part, from) = ((first + at) / packed.each, (first + at) % packed.each);
            let until = count.min(at + packed.each - from);
            let part = packed.parts.get(part)?;
            self.write(&part.words, from * words, bytemuck::cast_slice(&panels.words[at * words..until * words]));
            let floats = |to: &Tensor, numbers: &[f32]| {
                self.write(to, from * scales, bytemuck::cast_slice(&numbers[at * scales..until * scales]));
            };
            if let Some((own, offsets)) = &part.floats {
                floats(own, panels.scales);
                if let Some(offsets) = offsets.as_ref().filter(|_| has_offsets) {
                    floats(offsets, panels.offsets);
                }
            }
            at = until;
        }
        Some(())
    }

    /// Packed weights of the same inputs as one, whose outputs lie side by side; `None` where they are not packed alike, or panels
    /// are not whole.
    pub fn concat_packed(&self, all: &[&Packed]) -> Option<Packed> {
        let (first, last) = (all.first()?.layout, all.len() - 1);
        let alike = |(at, packed): (usize, &&Packed)| {
            let PackedLayout { shape: (inputs, outputs), block, .. } = packed.layout;
            (inputs, block) == (first.shape.0, first.block) && (at == last || outputs.is_multiple_of(PANEL))
        };
        if !all.iter().enumerate().all(alike) {
            return None;
        }
        let outputs = all.iter().map(|packed| packed.layout.shape.1).sum();
        let offsets = all.iter().any(|packed| packed.layout.offsets);
        let joined = self.reserve_packed(PackedLayout { shape: (first.shape.0, outputs), offsets, ..first })?;
        let (words, scales) = joined.of_panel();
        let mut panel = 0;
        for part in all.iter().flat_map(|packed| &packed.parts) {
            let count = part.columns.div_ceil(PANEL);
            let mut at = 0;
            while at < count {
                let (to, from) = (joined.parts.get(panel / joined.each)?, panel % joined.each);
                let some = (count - at).min(joined.each - from);
                for ((source, is_words), (target, _)) in part.buffers().into_iter().zip(to.buffers()) {
                    let each = if is_words { words } else { scales };
                    self.copy_words((source, at * each..(at + some) * each), (target, from * each))?;
                }
                (at, panel) = (at + some, panel + some);
            }
        }
        Some(joined)
    }

    /// `x · weightsᵀ` of `[.., inputs]`: `[.., outputs]`. The bias is a vector. With `gated` the activation of the first half
    /// of the outputs, times the second: `[.., outputs / 2]`.
    pub fn matmul_packed(&self, x: &Tensor, weights: &Packed, product: &Product<'_>, gated: bool) -> Option<Tensor> {
        let ((inputs, outputs), &[ref batch @ .., inner]) = (weights.layout.shape, x.shape()) else { return None };
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
        let (&[_, _, rows, inner], [depth, blocks, block]) = (x.shape(), weights.sizes) else { return None };
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
        let (&[rows, inner], (_, outputs)) = (x.shape(), weights.layout.shape) else { return None };
        let columns = if gated { outputs / 2 } else { outputs };
        let out = self.empty(&[rows, columns])?;
        let residual = match product.residual {
            Some(residual) => Some(self.contiguous(residual)?),
            None => None,
        };
        let at_once = rows.next_power_of_two();
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
            constants += &part.constants();
            let (unpack, extra) = weights.unpacking(part)?;
            let sizes = [rows, columns, inner, part.first, panels, apart];
            let mut params = sizes.into_iter().map(word).collect::<Option<Vec<_>>>()?;
            params.extend([0, 0]);
            params.extend(extra);
            let workgroups = spread(if gated { apart } else { panels.div_ceil(of_group) });
            let kernel = Kernel {
                source: MATVEC,
                library: &[FUNCTIONS, WEIGHTS, unpack],
                constants,
                inputs: &inputs,
                params: &params,
                workgroups,
                ..Kernel::default()
            };
            self.dispatch(&kernel, &out)?;
        }
        Some(out)
    }

    /// The weights of the output whose index `choice` begins with, each times `factor`: `[inputs]`. Where there is no such output
    /// they are whatever was there before.
    pub fn packed_row(&self, weights: &Packed, choice: &Tensor, factor: f32) -> Option<Tensor> {
        let inputs = weights.layout.shape.0;
        let (out, choice) = (self.empty(&[inputs])?, self.contiguous(choice)?);
        for part in &weights.parts {
            let (unpack, extra) = weights.unpacking(part)?;
            let mut params = vec![word(inputs)?, word(part.first)?, word(part.columns)?, factor.to_bits()];
            params.extend(extra);
            let kernel = Kernel {
                source: PACKED_ROW,
                library: &[WEIGHTS, unpack],
                constants: part.constants(),
                inputs: &[&[("choice", &choice)], &part.inputs(None)[..]].concat(),
                params: &params,
                workgroups: [inputs.div_ceil(8 * 64), 1, 1],
                ..Kernel::default()
            };
            self.dispatch(&kernel, &out)?;
        }
        Some(out)
    }
}
