//! GEMM: matrix products of 32-bit floats. Written for the 128-bit SIMD of WebAssembly, where it is at least half as fast
//! again as the `gemm` crate, which Burn calls. The right-hand side (RHS) is read block by block, so that it may be
//! dequantised, or gathered from an image (im2col), while it is packed.

use std::ops::Range;

use super::parallel::{Tile, split, whole};
use super::simd;
pub use super::simd::PANEL;

/// Rows of a tile, whose accumulators stay in registers.
const TILE: usize = 4;
/// Rows of the RHS that are packed at once: a panel of them stays in the L1 cache.
const DEPTH: usize = 240;
/// Columns of the RHS that are packed at once.
const WIDTH: usize = 256;

/// Products of fewer multiplications are finished before another thread has started.
pub const LEAST_SHARED: usize = 1 << 17;

/// The RHS of a product.
pub trait Rhs: Sync {
    /// `columns` of the row `row`: a slice of the matrix itself where they are contiguous there, else a copy in `scratch`,
    /// which has the same length.
    fn row<'s>(&'s self, row: usize, columns: Range<usize>, scratch: &'s mut [f32]) -> &'s [f32];

    /// Packs `rows` of `columns` into panels of [`PANEL`] columns, one panel after another, row by row. The padding
    /// of the last panel may be anything.
    fn pack(&self, rows: Range<usize>, columns: Range<usize>, panels: &mut [f32]) {
        pack_rows(self, rows, columns, panels);
    }
}

fn pack_rows(rhs: &(impl Rhs + ?Sized), rows: Range<usize>, columns: Range<usize>, panels: &mut [f32]) {
    let mut scratch = [0.0; WIDTH];
    let depth = rows.len();
    for (at, row) in rows.enumerate() {
        let numbers = rhs.row(row, columns.clone(), &mut scratch[..columns.len()]);
        let (whole, rest) = numbers.as_chunks::<PANEL>();
        let mut offset = at * PANEL;
        for numbers in whole {
            panels[offset..offset + PANEL].copy_from_slice(numbers);
            offset += depth * PANEL;
        }
        if !rest.is_empty() {
            panels[offset..offset + rest.len()].copy_from_slice(rest);
        }
    }
}

/// A matrix within `data`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    /// The elements, from that of the first row and column on.
    pub data: &'a [f32],
    /// The distance between rows, in elements.
    pub row_stride: usize,
    /// The distance between columns, in elements.
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row-major, with `columns` columns.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        Self { data, row_stride: columns, column_stride: 1 }
    }

    /// Column-major, with `rows` rows.
    pub fn transposed(data: &'a [f32], rows: usize) -> Self {
        Self { data, row_stride: 1, column_stride: rows }
    }

    /// The element in this row and column.
    pub fn get(&self, row: usize, column: usize) -> f32 {
        self.data[row * self.row_stride + column * self.column_stride]
    }
}

impl Rhs for Matrix<'_> {
    fn row<'s>(&'s self, row: usize, columns: Range<usize>, scratch: &'s mut [f32]) -> &'s [f32] {
        let numbers = &self.data[row * self.row_stride + columns.start * self.column_stride..];
        if self.column_stride == 1 {
            return &numbers[..columns.len()];
        }
        scratch.iter_mut().zip(numbers.iter().step_by(self.column_stride)).for_each(|(to, from)| *to = *from);
        scratch
    }

    fn pack(&self, rows: Range<usize>, columns: Range<usize>, panels: &mut [f32]) {
        if self.row_stride != 1 || self.column_stride == 1 {
            return pack_rows(self, rows, columns, panels);
        }
        let depth = rows.len();
        for (index, column) in columns.clone().step_by(PANEL).enumerate() {
            let panel = &mut panels[index * PANEL * depth..][..PANEL * depth];
            // Behind the last column its elements are repeated as padding.
            let sources: [&[f32]; PANEL] = std::array::from_fn(|at| {
                &self.data[(column + at).min(columns.end - 1) * self.column_stride + rows.start..][..depth]
            });
            for (at, row) in panel.chunks_exact_mut(PANEL).enumerate() {
                row.iter_mut().zip(&sources).for_each(|(to, from)| *to = from[at]);
            }
        }
    }
}

/// The initial values of the accumulators.
#[derive(Clone, Copy)]
pub enum Init<'a> {
    /// Zero.
    Zero,
    /// One number for each row.
    Rows(&'a [f32]),
    /// One number for each column.
    Columns(&'a [f32]),
    /// What the output holds already (BLAS: beta = 1).
    Output,
}

/// Applied to each part of an output row once its sums are complete.
pub type Epilogue<'a> = dyn Fn(&mut [f32]) + Sync + 'a;

/// The product of an `m × k` matrix and a `k × n` one.
pub struct Gemm<'a> {
    /// Rows of the output.
    pub m: usize,
    /// Columns of the output.
    pub n: usize,
    /// Columns of the LHS and rows of the RHS.
    pub k: usize,
    /// The left-hand side (LHS).
    pub lhs: Matrix<'a>,
    /// The RHS.
    pub rhs: &'a dyn Rhs,
    /// A factor of the product (BLAS: alpha).
    pub scale: f32,
    /// The initial values of the accumulators.
    pub init: Init<'a>,
    /// Applied to each part of an output row when it is complete.
    pub epilogue: Option<&'a Epilogue<'a>>,
}

impl<'a> Gemm<'a> {
    /// The plain product.
    pub fn new((m, n, k): (usize, usize, usize), lhs: Matrix<'a>, rhs: &'a dyn Rhs) -> Self {
        Self { m, n, k, lhs, rhs, scale: 1.0, init: Init::Zero, epilogue: None }
    }

    /// Computes it into `out`, whose rows are `stride` apart.
    pub fn write(&self, out: &mut [f32], stride: usize) {
        self.write_tile(&mut Tile::new(out, stride, self.m, self.n));
    }

    /// Computes it into `out`, which is `m × n`, split between the threads.
    pub fn write_tile(&self, out: &mut Tile<'_, f32>) {
        let (mut rows, mut columns) = (whole(self.m), whole(self.n));
        if self.m.saturating_mul(self.n).saturating_mul(self.k) >= LEAST_SHARED {
            // Each part packs its own LHS and RHS. The longer side is split, so that it is the shorter one that is packed again.
            if self.m < self.n {
                columns = split(self.n, PANEL, 8 * PANEL);
            } else {
                rows = split(self.m, TILE, 4 * TILE);
            }
        }
        out.for_each_part(&rows, &columns, |rows, columns, mut out| {
            if self.n <= FEW && self.lhs.column_stride == 1 && self.k > 0 {
                self.write_few_columns(rows, &mut out);
            } else {
                self.write_part(rows, columns, &mut out);
            }
        });
    }

    /// Computes these rows and columns into `out`.
    fn write_part(&self, rows: Range<usize>, columns: Range<usize>, out: &mut Tile<'_, f32>) {
        let width = columns.len().min(WIDTH).next_multiple_of(PANEL);
        let mut panels = vec![0.0; width * self.k.min(DEPTH)];
        let mut lhs = vec![0.0; TILE * self.k.min(DEPTH)];
        for column in columns.clone().step_by(WIDTH) {
            let some = column..columns.end.min(column + WIDTH);
            for depth in (0..self.k.max(1)).step_by(DEPTH) {
                let depths = depth..self.k.min(depth + DEPTH);
                let panels = &mut panels[..some.len().next_multiple_of(PANEL) * depths.len()];
                self.rhs.pack(depths.clone(), some.clone(), panels);
                let last = depths.end == self.k;
                for row in rows.clone().step_by(TILE) {
                    let few = row..rows.end.min(row + TILE);
                    let (top, side) = (row - rows.start, column - columns.start);
                    let mut out = out.part(top..top + few.len(), side..side + some.len());
                    match few.len() {
                        1 => self.tiles::<1>(few.clone(), &some, &depths, &mut lhs, panels, &mut out),
                        2 => self.tiles::<2>(few.clone(), &some, &depths, &mut lhs, panels, &mut out),
                        _ => self.tiles::<{ TILE }>(few.clone(), &some, &depths, &mut lhs, panels, &mut out),
                    }
                    if let (true, Some(epilogue)) = (last, self.epilogue) {
                        (0..few.len()).for_each(|row| epilogue(out.row(row, 0..some.len())));
                    }
                }
            }
        }
    }

    /// The tiles of at most `R` rows, into `out`, which has these rows and columns.
    #[inline]
    fn tiles<const R: usize>(
        &self,
        rows: Range<usize>,
        columns: &Range<usize>,
        depths: &Range<usize>,
        lhs: &mut [f32],
        panels: &[f32],
        out: &mut Tile<'_, f32>,
    ) {
        let lhs = &mut lhs[..R * depths.len()];
        self.pack_lhs::<R>(&rows, depths, lhs);
        for (index, column) in columns.clone().step_by(PANEL).enumerate() {
            let width = PANEL.min(columns.end - column);
            let here = index * PANEL..index * PANEL + width;
            let panel = &panels[index * PANEL * depths.len()..][..PANEL * depths.len()];
            let mut sums = [[0.0; PANEL]; R];
            let init = if depths.start == 0 { self.init } else { Init::Output };
            for ((at, row), sums) in rows.clone().enumerate().zip(&mut sums) {
                match init {
                    Init::Zero => {}
                    Init::Rows(bias) => *sums = [bias[row]; PANEL],
                    Init::Columns(bias) => copy(&bias[column..column + width], sums),
                    Init::Output => copy(out.row(at, here.clone()), sums),
                }
            }
            simd::floats(lhs.as_chunks::<R>().0, panel.as_chunks::<PANEL>().0, &mut sums);
            for (at, sums) in sums.iter().take(rows.len()).enumerate() {
                copy(&sums[..width], out.row(at, here.clone()));
            }
        }
    }

    /// Packs `rows` of the LHS: their elements interleaved.
    fn pack_lhs<const R: usize>(&self, rows: &Range<usize>, depths: &Range<usize>, packed: &mut [f32]) {
        let Matrix { data, row_stride, column_stride } = self.lhs;
        for (index, row) in rows.clone().enumerate() {
            let numbers = data.get(row * row_stride + depths.start * column_stride..).unwrap_or_default();
            let packed = packed.chunks_exact_mut(R).map(|packed| &mut packed[index]);
            let scale = self.scale;
            if column_stride == 1 {
                packed.zip(numbers).for_each(|(to, from)| *to = *from * scale);
            } else {
                packed.zip(numbers.iter().step_by(column_stride)).for_each(|(to, from)| *to = *from * scale);
            }
        }
    }

    /// Computes `rows` where the output has fewer columns than a tile: each element is a dot product.
    fn write_few_columns(&self, rows: Range<usize>, out: &mut Tile<'_, f32>) {
        let mut columns = vec![0.0; self.n * self.k];
        let mut scratch = [0.0; FEW];
        for row in 0..self.k {
            let numbers = self.rhs.row(row, 0..self.n, &mut scratch[..self.n]);
            columns.iter_mut().skip(row).step_by(self.k).zip(numbers).for_each(|(to, from)| *to = from * self.scale);
        }
        for (at, row) in rows.enumerate() {
            let lhs = &self.lhs.data[row * self.lhs.row_stride..][..self.k];
            let out = out.row(at, 0..self.n);
            for (column, (out, numbers)) in out.iter_mut().zip(columns.chunks_exact(self.k)).enumerate() {
                let init = match self.init {
                    Init::Zero => 0.0,
                    Init::Rows(bias) => bias[row],
                    Init::Columns(bias) => bias[column],
                    Init::Output => *out,
                };
                *out = init + dot(lhs, numbers);
            }
            if let Some(epilogue) = self.epilogue {
                epilogue(out);
            }
        }
    }
}

/// Outputs of at most so many columns are computed by dot products: tiles would be mostly padding.
const FEW: usize = 2;

/// The dot product of two slices of the same length.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let ((whole_a, rest_a), (whole_b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in whole_a.iter().zip(whole_b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0] + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

/// Copies a row of a panel, whole ones without a call.
#[inline(always)]
fn copy(from: &[f32], to: &mut [f32]) {
    if from.len() == PANEL && to.len() == PANEL {
        return to.copy_from_slice(&from[..PANEL]);
    }
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, modulus: usize) -> Vec<f32> {
        (0..count).map(|at| (at * 7 % modulus) as f32 / modulus as f32 - 0.4).collect()
    }

    /// Every layout of LHS and RHS gives what three loops give.
    fn check((m, n, k): (usize, usize, usize)) {
        let (a, b, bias) = (numbers(m * k, 17), numbers(n * k, 13), numbers(m.max(n), 5));
        for (lhs, rhs) in [
            (Matrix::new(&a, k), Matrix::new(&b, n)),
            (Matrix::transposed(&a, m), Matrix::new(&b, n)),
            (Matrix::new(&a, k), Matrix::transposed(&b, k)),
        ] {
            for init in [Init::Zero, Init::Rows(&bias), Init::Columns(&bias), Init::Output] {
                let mut product = Gemm::new((m, n, k), lhs, &rhs);
                (product.scale, product.init) = (0.5, init);
                product.epilogue = Some(&|row| row.iter_mut().for_each(|x| *x = -*x));
                let stride = n + 3;
                let mut out = vec![9.0; m * stride];
                product.write(&mut out, stride);
                for (at, is) in out.iter().enumerate() {
                    let (row, column) = (at / stride, at % stride);
                    if column >= n {
                        assert_eq!(*is, 9.0, "between the rows");
                        continue;
                    }
                    let term = |at: usize| {
                        f64::from(lhs.data[row * lhs.row_stride + at * lhs.column_stride])
                            * f64::from(rhs.data[at * rhs.row_stride + column * rhs.column_stride])
                    };
                    let init = match init {
                        Init::Zero => 0.0,
                        Init::Rows(bias) => bias[row],
                        Init::Columns(bias) => bias[column],
                        Init::Output => 9.0,
                    };
                    let wanted = -(0.5 * (0..k).map(term).sum::<f64>() + f64::from(init));
                    assert!((f64::from(*is) - wanted).abs() < 1e-4, "{m}×{n}×{k} at {row}, {column}: {is}, {wanted}");
                }
            }
        }
    }

    #[test]
    fn products_are_those_of_three_loops() {
        for shape in [(1, 1, 1), (3, 2, 5), (2, 3, 7), (5, 8, 240), (7, 19, 241), (9, 257, 500), (4, 5, 0), (0, 3, 4)] {
            check(shape);
        }
    }

    #[test]
    fn threads_give_the_numbers_of_one_to_the_last_bit() {
        super::super::parallel::start_helper();
        for (m, n, k) in [(16, 1152, 384), (600, 384, 100), (1000, 2, 300), (67, 67, 400)] {
            let (a, b) = (numbers(m * k, 17), numbers(n * k, 13));
            for rhs in [Matrix::new(&b, n), Matrix::transposed(&b, k)] {
                let product = Gemm::new((m, n, k), Matrix::new(&a, k), &rhs);
                let mut wanted = vec![0.0; m * n];
                let mut whole = Tile::new(&mut wanted, n, m, n);
                if n <= FEW {
                    product.write_few_columns(0..m, &mut whole);
                } else {
                    product.write_part(0..m, 0..n, &mut whole);
                }
                for _ in 0..20 {
                    let mut out = vec![0.0; m * n];
                    product.write(&mut out, n);
                    assert!(out == wanted, "{m}×{n}×{k}");
                }
            }
        }
    }
}
