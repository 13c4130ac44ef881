//! Blockwise quantised weights of 4 or 8 bits, with a scale and a zero point for each block. They stay packed, and are
//! dequantised while a product packs its RHS.

use std::ops::Range;

use super::gemm::{PANEL, Rhs};

/// A matrix of blockwise quantised weights, `rows` × `columns`.
pub struct BlockQuantized {
    bits: Bits,
    rows: usize,
    columns: usize,
    /// Rows of a block; a block is part of one column.
    block: usize,
    /// `[panels, rows or pairs of rows, PANEL]`
    bytes: Vec<u8>,
    /// `[panels, blocks]`
    scales: Vec<[f32; PANEL]>,
    zeros: Vec<[f32; PANEL]>,
}

/// The width of a weight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bits {
    /// Two in a byte, the first in the lower half.
    Four,
    /// One in a byte.
    Eight,
}

impl Bits {
    /// The bytes of `count` weights.
    pub fn bytes(self, count: usize) -> usize {
        match self {
            Self::Four => count.div_ceil(2),
            Self::Eight => count,
        }
    }

    /// The weight `at` of `bytes`.
    pub fn get(self, bytes: &[u8], at: usize) -> u8 {
        match self {
            Self::Four => bytes[at / 2] >> (at % 2 * 4) & 15,
            Self::Eight => bytes[at],
        }
    }
}

impl BlockQuantized {
    /// `bytes` holds one column after another, each in blocks of `block` rows; the padding of the last block may be
    /// anything. `scales` and `zeros` have one number for each block of each column. `None` where the sizes do not fit.
    pub fn new(
        bits: Bits,
        (rows, columns): (usize, usize),
        block: usize,
        bytes: &[u8],
        scales: &[f32],
        zeros: &[f32],
    ) -> Option<Self> {
        if !fit(bits, (rows, columns), block, bytes, [scales, zeros]) {
            return None;
        }
        let blocks = rows.div_ceil(block);
        let stride = bits.bytes(block) * blocks;
        let panels = columns.div_ceil(PANEL);
        let mut packed = vec![0; panels * PANEL * stride];
        let mut pair = [vec![[0.0; PANEL]; panels * blocks], vec![[0.0; PANEL]; panels * blocks]];
        for column in 0..columns {
            let (panel, lane) = (column / PANEL, column % PANEL);
            let to = packed[panel * PANEL * stride..][..PANEL * stride].iter_mut().skip(lane).step_by(PANEL);
            to.zip(&bytes[column * stride..][..stride]).for_each(|(to, from)| *to = *from);
            for (pair, from) in pair.iter_mut().zip([scales, zeros]) {
                for at in 0..blocks {
                    pair[panel * blocks + at][lane] = from[column * blocks + at];
                }
            }
        }
        let [scales, zeros] = pair;
        Some(Self { bits, rows, columns, block, bytes: packed, scales, zeros })
    }

    /// The rows and the columns.
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Dequantises `rows` of the panel `panel`.
    fn panel(&self, panel: usize, rows: Range<usize>, out: &mut [f32]) {
        let blocks = self.rows.div_ceil(self.block);
        let stride = self.bits.bytes(self.block) * blocks * PANEL;
        let bytes = &self.bytes[panel * stride..][..stride];
        let mut row = rows.start;
        let mut out = out.chunks_exact_mut(PANEL);
        while row < rows.end {
            let block = row / self.block;
            let end = rows.end.min((block + 1) * self.block);
            let (scale, zero) = (&self.scales[panel * blocks + block], &self.zeros[panel * blocks + block]);
            match self.bits {
                Bits::Eight => {
                    for (byte, out) in bytes[row * PANEL..end * PANEL].as_chunks().0.iter().zip(&mut out) {
                        widen(out, byte, scale, zero);
                    }
                }
                Bits::Four => {
                    for byte in bytes[row / 2 * PANEL..end.div_ceil(2) * PANEL].as_chunks::<PANEL>().0 {
                        let halves = [byte.map(|byte| byte & 15), byte.map(|byte| byte >> 4)];
                        // Blocks and ranges begin with a whole byte. Only the last row may be half of one.
                        halves.iter().zip(&mut out).for_each(|(half, out)| widen(out, half, scale, zero));
                    }
                }
            }
            row = end;
        }
    }
}

/// Whether `bytes`, and each of `pairs`, have the lengths that [`BlockQuantized::new`] expects.
pub fn fit(bits: Bits, (rows, columns): (usize, usize), block: usize, bytes: &[u8], pairs: [&[f32]; 2]) -> bool {
    if block == 0 || !block.is_multiple_of(2) {
        return false;
    }
    let count = rows.div_ceil(block).checked_mul(columns);
    count.and_then(|count| count.checked_mul(bits.bytes(block))) == Some(bytes.len())
        && pairs.iter().all(|numbers| Some(numbers.len()) == count)
}

#[inline(always)]
fn widen(out: &mut [f32], bytes: &[u8; PANEL], scale: &[f32; PANEL], zero: &[f32; PANEL]) {
    let mut wide = [0.0; PANEL];
    for at in 0..PANEL {
        wide[at] = (f32::from(bytes[at]) - zero[at]) * scale[at];
    }
    out.copy_from_slice(&wide);
}

impl Rhs for BlockQuantized {
    fn row<'s>(&'s self, row: usize, columns: Range<usize>, scratch: &'s mut [f32]) -> &'s [f32] {
        // A pair of rows begins at an even one.
        let first = row / 2 * 2;
        let mut pair = [0.0; 2 * PANEL];
        for (at, column) in columns.enumerate() {
            let rows = first..self.rows.min(first + 2);
            self.panel(column / PANEL, rows.clone(), &mut pair[..rows.len() * PANEL]);
            scratch[at] = pair[(row - first) * PANEL + column % PANEL];
        }
        scratch
    }

    fn pack(&self, rows: Range<usize>, columns: Range<usize>, panels: &mut [f32]) {
        let size = PANEL * rows.len();
        for (panel, out) in (columns.start / PANEL..).zip(panels.chunks_exact_mut(size.max(1))) {
            self.panel(panel, rows.clone(), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::gemm::{Gemm, Matrix};

    /// The product with packed weights is that with the weights dequantised one by one.
    fn check(bits: Bits, (m, n, k): (usize, usize, usize), block: usize) {
        let blocks = k.div_ceil(block);
        let bytes: Vec<u8> = (0..n * blocks * bits.bytes(block)).map(|at| (at * 37 % 251) as u8).collect();
        let scales: Vec<f32> = (0..n * blocks).map(|at| 0.01 + at as f32 % 7.0 / 100.0).collect();
        let zeros: Vec<f32> = (0..n * blocks).map(|at| (at % 5) as f32).collect();
        let packed = BlockQuantized::new(bits, (k, n), block, &bytes, &scales, &zeros).unwrap();
        let x: Vec<f32> = (0..m * k).map(|at| (at % 11) as f32 - 5.0).collect();
        let mut out = vec![0.0; m * n];
        Gemm::new((m, n, k), Matrix::new(&x, k), &packed).write(&mut out, n);
        for (at, is) in out.iter().enumerate() {
            let (row, column) = (at / n, at % n);
            let weight = |at: usize| {
                let index = column * blocks + at / block;
                let bytes = &bytes[index * bits.bytes(block)..];
                (f64::from(bits.get(bytes, at % block)) - f64::from(zeros[index])) * f64::from(scales[index])
            };
            let wanted: f64 = (0..k).map(|at| f64::from(x[row * k + at]) * weight(at)).sum();
            assert!((f64::from(*is) - wanted).abs() < 1e-3 * wanted.abs().max(1.0), "{bits:?} {at}: {is} {wanted}");
        }
    }

    #[test]
    fn products_are_those_of_the_weights() {
        for bits in [Bits::Four, Bits::Eight] {
            check(bits, (1, 3, 16), 16);
            check(bits, (5, 19, 70), 32);
            check(bits, (3, 2, 33), 16);
            check(bits, (2, 300, 500), 32);
            check(bits, (4, 9, 257), 64);
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(BlockQuantized::new(Bits::Four, (32, 2), 32, &[0; 31], &[1.0; 2], &[0.0; 2]).is_none());
        assert!(BlockQuantized::new(Bits::Four, (32, 2), 0, &[], &[], &[]).is_none());
        assert!(BlockQuantized::new(Bits::Eight, (usize::MAX, usize::MAX), 2, &[], &[], &[]).is_none());
    }
}
