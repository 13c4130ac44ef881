//! Prepacked 8-bit weights, quantised from floats.

use crate::kernels::gemm::Matrix;
use crate::kernels::simd::PANEL;

/// The largest quantised weight.
const LARGEST: f32 = 127.0;
/// Inputs that share a scale.
pub const GROUP_SIZE: usize = 128;

/// The quantised weights of a linear layer.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedWeights {
    /// Inputs and outputs.
    pub shape: (usize, usize),
    /// `[panels, inputs / 4, PANEL]`: four inputs of an output each.
    pub quads: Vec<i32>,
    /// `[panels, groups of inputs, PANEL]`
    pub scales: Vec<f32>,
    /// The sum of each output's weights, which a zero point multiplies.
    pub sums: Vec<f32>,
}

/// The shapes of the parts of [`QuantizedWeights`].
pub struct Shapes {
    /// `[panels, inputs / 4, PANEL]`
    pub quads: [usize; 3],
    /// `[panels, groups, PANEL]`
    pub scales: [usize; 3],
    /// `[panels, PANEL]`
    pub sums: [usize; 2],
}

impl Shapes {
    /// The shapes for a layer with this many inputs and outputs.
    pub fn new((inputs, outputs): (usize, usize)) -> Self {
        let panels = outputs.div_ceil(PANEL);
        Self {
            quads: [panels, inputs.div_ceil(4), PANEL],
            scales: [panels, inputs.div_ceil(GROUP_SIZE), PANEL],
            sums: [panels, PANEL],
        }
    }
}

impl QuantizedWeights {
    /// Quantises `weights`, an `inputs × outputs` matrix.
    pub fn quantise((inputs, outputs): (usize, usize), weights: Matrix<'_>) -> Self {
        let Shapes { quads: [panels, depth, _], scales: [_, groups, _], .. } = Shapes::new((inputs, outputs));
        let mut quads = Vec::with_capacity(panels * depth * PANEL);
        let (mut scales, mut sums) = (Vec::with_capacity(panels * groups * PANEL), Vec::with_capacity(panels * PANEL));
        for panel in 0..panels {
            let columns = panel * PANEL..outputs.min((panel + 1) * PANEL);
            // Padding rows and columns are zero.
            let weight = |row: usize, at: usize| {
                let there = row < inputs && panel * PANEL + at < columns.end;
                if there { weights.get(row, panel * PANEL + at) } else { 0.0 }
            };
            let mut sum = [0.0; PANEL];
            for group in 0..groups {
                let rows = group * GROUP_SIZE..inputs.min((group + 1) * GROUP_SIZE);
                let mut largest = [0f32; PANEL];
                for row in rows.clone() {
                    (0..PANEL).for_each(|at| largest[at] = largest[at].max(weight(row, at).abs()));
                }
                let scale = largest.map(|largest| largest / LARGEST);
                for row in rows.step_by(4) {
                    let mut bytes = [[0; 4]; PANEL];
                    for at in 0..PANEL {
                        for (index, byte) in bytes[at].iter_mut().enumerate() {
                            let number = (weight(row + index, at) / scale[at]).round_ties_even();
                            // Where all weights are zero this is NaN, which becomes zero.
                            *byte = number as i8 as u8;
                            sum[at] += f32::from(*byte as i8) * scale[at];
                        }
                    }
                    quads.extend(bytes.map(i32::from_le_bytes));
                }
                scales.extend(scale);
            }
            sums.extend(sum);
        }
        Self { shape: (inputs, outputs), quads, scales, sums }
    }

    /// Layers with the same inputs as one, whose outputs lie side by side.
    pub fn concat(parts: Vec<Self>) -> Self {
        let parts = match <[Self; 1]>::try_from(parts) {
            Ok([one]) => return one,
            Err(parts) => parts,
        };
        let inputs = parts.first().map_or(0, |part| part.shape.0);
        let shape = (inputs, parts.iter().map(|part| part.shape.1).sum());
        // Whole panels are simply appended.
        if parts.iter().rev().skip(1).all(|part| part.shape.1.is_multiple_of(PANEL)) {
            let mut all = Self { shape, quads: Vec::new(), scales: Vec::new(), sums: Vec::new() };
            for part in parts {
                all.quads.extend(part.quads);
                all.scales.extend(part.scales);
                all.sums.extend(part.sums);
            }
            return all;
        }
        let Shapes { quads: [panels, depth, _], scales: [_, groups, _], .. } = Shapes::new(shape);
        let mut all = Self {
            shape,
            quads: vec![0; panels * depth * PANEL],
            scales: vec![0.0; panels * groups * PANEL],
            sums: vec![0.0; panels * PANEL],
        };
        let mut to = 0;
        for part in &parts {
            for from in 0..part.shape.1 {
                copy_column(&mut all.quads, to, &part.quads, from, depth);
                copy_column(&mut all.scales, to, &part.scales, from, groups);
                copy_column(&mut all.sums, to, &part.sums, from, 1);
                to += 1;
            }
        }
        all
    }
}

/// Copies a column of panels that have `rows` rows.
fn copy_column<T: Copy>(to: &mut [T], column: usize, from: &[T], old: usize, rows: usize) {
    let offset = |column: usize, row: usize| (column / PANEL * rows + row) * PANEL + column % PANEL;
    (0..rows).for_each(|row| to[offset(column, row)] = from[offset(old, row)]);
}
