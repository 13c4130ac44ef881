//! Products of matrices of 32-bit floats. Written for the 128-bit SIMD of WebAssembly: half as fast again there as the
//! `gemm` crate, which Burn calls, or faster. The right factor is asked for piece by piece, so that it may be unpacked,
//! or gathered from an image, on the way.

use std::ops::Range;

use super::parallel::{Tile, split, whole};
use super::simd;
pub use super::simd::PANEL;

/// Rows of a tile, whose sums stay in registers.
const TILE: usize = 4;
/// Rows of the right factor that are packed at once: a panel of them stays in the innermost cache.
const DEPTH: usize = 240;
/// Columns of the right factor that are packed at once.
const WIDTH: usize = 256;

/// Products of fewer multiplications are over before another thread has begun.
pub const LEAST_SHARED: usize = 1 << 17;

/// The right factor of a product.
pub trait Rows: Sync {
    /// `columns` of the row `row`, in `scratch`, which is as long, or where they are anyway.
    fn row<'s>(&'s self, row: usize, columns: Range<usize>, scratch: &'s mut [f32]) -> &'s [f32];

    /// Packs `rows` of `columns` into panels of [`PANEL`] columns, one panel after another, row by row. The last panel
    /// may be filled up with anything.
    fn pack(&self, rows: Range<usize>, columns: Range<usize>, panels: &mut [f32]) {
        pack_rows(self, rows, columns, panels);
    }
}

fn pack_rows(right: &(impl Rows + ?Sized), rows: Range<usize>, columns: Range<usize>, panels: &mut [f32]) {
    let mut scratch = [0.0; WIDTH];
    let depth = rows.len();
    for (at, row) in rows.enumerate() {
        let numbers = right.row(row, columns.clone(), &mut scratch[..columns.len()]);
        let (whole, rest) = numbers.as_chunks::<PANEL>();
        let mut place = at * PANEL;
        for numbers in whole {
            panels[place..place + PANEL].copy_from_slice(numbers);
            place += depth * PANEL;
        }
        if !rest.is_empty() {
            panels[place..place + rest.len()].copy_from_slice(rest);
        }
    }
}

/// A matrix within `data`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    /// The numbers, of which the first is that of the first row and column.
    pub data: &'a [f32],
    /// How far apart rows are.
    pub row_stride: usize,
    /// How far apart columns are.
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` numbers, one after another.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        Self { data, row_stride: columns, column_stride: 1 }
    }

    /// Columns of `rows` numbers, one after another.
    pub fn transposed(data: &'a [f32], rows: usize) -> Self {
        Self { data, row_stride: 1, column_stride: rows }
    }

    /// The number in this row and column.
    pub fn get(&self, row: usize, column: usize) -> f32 {
        self.data[row * self.row_stride + column * self.column_stride]
    }
}

impl Rows for Matrix<'_> {
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
        for (place, column) in columns.clone().step_by(PANEL).enumerate() {
            let panel = &mut panels[place * PANEL * depth..][..PANEL * depth];
            // A column that is not there is read as the last one that is.
            let sources: [&[f32]; PANEL] = std::array::from_fn(|at| {
                &self.data[(column + at).min(columns.end - 1) * self.column_stride + rows.start..][..depth]
            });
            for (at, row) in panel.chunks_exact_mut(PANEL).enumerate() {
                row.iter_mut().zip(&sources).for_each(|(to, from)| *to = from[at]);
            }
        }
    }
}

/// What the sums of a product begin with.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// Nought.
    Zero,
    /// A number for each row.
    Rows(&'a [f32]),
    /// A number for each column.
    Columns(&'a [f32]),
    /// What the result has already.
    Result,
}

/// What is done to a piece of a row.
pub type Finish<'a> = dyn Fn(&mut [f32]) + Sync + 'a;

/// The product of a matrix of `m` rows and one of `n` columns, by way of `k`.
pub struct Product<'a> {
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// Columns of the left factor, and rows of the right.
    pub k: usize,
    /// The left factor.
    pub left: Matrix<'a>,
    /// The right factor.
    pub right: &'a dyn Rows,
    /// What the left factor is multiplied by.
    pub scale: f32,
    /// What the sums begin with.
    pub start: Start<'a>,
    /// What is done to each piece of a row of the result when it is complete.
    pub finish: Option<&'a Finish<'a>>,
}

impl<'a> Product<'a> {
    /// Nothing but the product.
    pub fn new((m, n, k): (usize, usize, usize), left: Matrix<'a>, right: &'a dyn Rows) -> Self {
        Self { m, n, k, left, right, scale: 1.0, start: Start::Zero, finish: None }
    }

    /// Computes it into `out`, whose rows are `stride` apart.
    pub fn write(&self, out: &mut [f32], stride: usize) {
        self.write_tile(&mut Tile::new(out, stride, self.m, self.n));
    }

    /// Computes it into `out`, which has as many rows and columns, in parts that threads share.
    pub fn write_tile(&self, out: &mut Tile<'_, f32>) {
        let (mut rows, mut columns) = (whole(self.m), whole(self.n));
        if self.m.saturating_mul(self.n).saturating_mul(self.k) >= LEAST_SHARED {
            // Each part packs its factors anew: the longer side is cut, so that the shorter one is packed more often.
            if self.m < self.n {
                columns = split(self.n, PANEL, 8 * PANEL);
            } else {
                rows = split(self.m, TILE, 4 * TILE);
            }
        }
        out.for_each_part(&rows, &columns, |rows, columns, mut out| {
            if self.n <= FEW && self.left.column_stride == 1 && self.k > 0 {
                self.write_few_columns(rows, &mut out);
            } else {
                self.write_part(rows, columns, &mut out);
            }
        });
    }

    /// Computes `rows` of `columns` into `out`.
    fn write_part(&self, rows: Range<usize>, columns: Range<usize>, out: &mut Tile<'_, f32>) {
        let width = columns.len().min(WIDTH).next_multiple_of(PANEL);
        let mut panels = vec![0.0; width * self.k.min(DEPTH)];
        let mut left = vec![0.0; TILE * self.k.min(DEPTH)];
        for column in columns.clone().step_by(WIDTH) {
            let some = column..columns.end.min(column + WIDTH);
            for depth in (0..self.k.max(1)).step_by(DEPTH) {
                let depths = depth..self.k.min(depth + DEPTH);
                let panels = &mut panels[..some.len().next_multiple_of(PANEL) * depths.len()];
                self.right.pack(depths.clone(), some.clone(), panels);
                let last = depths.end == self.k;
                for row in rows.clone().step_by(TILE) {
                    let few = row..rows.end.min(row + TILE);
                    let (top, side) = (row - rows.start, column - columns.start);
                    let mut out = out.part(top..top + few.len(), side..side + some.len());
                    match few.len() {
                        1 => self.tiles::<1>(few.clone(), &some, &depths, &mut left, panels, &mut out),
                        2 => self.tiles::<2>(few.clone(), &some, &depths, &mut left, panels, &mut out),
                        _ => self.tiles::<{ TILE }>(few.clone(), &some, &depths, &mut left, panels, &mut out),
                    }
                    if let (true, Some(finish)) = (last, self.finish) {
                        (0..few.len()).for_each(|row| finish(out.row(row, 0..some.len())));
                    }
                }
            }
        }
    }

    /// The tiles of a few rows, into `out`, which has these rows and columns.
    #[inline]
    fn tiles<const R: usize>(
        &self,
        rows: Range<usize>,
        columns: &Range<usize>,
        depths: &Range<usize>,
        left: &mut [f32],
        panels: &[f32],
        out: &mut Tile<'_, f32>,
    ) {
        let left = &mut left[..R * depths.len()];
        self.pack_left::<R>(&rows, depths, left);
        for (place, column) in columns.clone().step_by(PANEL).enumerate() {
            let width = PANEL.min(columns.end - column);
            let here = place * PANEL..place * PANEL + width;
            let panel = &panels[place * PANEL * depths.len()..][..PANEL * depths.len()];
            let mut sums = [[0.0; PANEL]; R];
            let start = if depths.start == 0 { self.start } else { Start::Result };
            for ((at, row), sums) in rows.clone().enumerate().zip(&mut sums) {
                match start {
                    Start::Zero => {}
                    Start::Rows(bias) => *sums = [bias[row]; PANEL],
                    Start::Columns(bias) => copy(&bias[column..column + width], sums),
                    Start::Result => copy(out.row(at, here.clone()), sums),
                }
            }
            simd::floats(left.as_chunks::<R>().0, panel.as_chunks::<PANEL>().0, &mut sums);
            for (at, sums) in sums.iter().take(rows.len()).enumerate() {
                copy(&sums[..width], out.row(at, here.clone()));
            }
        }
    }

    /// Interleaves `rows` of the left factor.
    fn pack_left<const R: usize>(&self, rows: &Range<usize>, depths: &Range<usize>, packed: &mut [f32]) {
        let Matrix { data, row_stride, column_stride } = self.left;
        for (place, row) in rows.clone().enumerate() {
            let numbers = data.get(row * row_stride + depths.start * column_stride..).unwrap_or_default();
            let packed = packed.chunks_exact_mut(R).map(|packed| &mut packed[place]);
            let scale = self.scale;
            if column_stride == 1 {
                packed.zip(numbers).for_each(|(to, from)| *to = *from * scale);
            } else {
                packed.zip(numbers.iter().step_by(column_stride)).for_each(|(to, from)| *to = *from * scale);
            }
        }
    }

    /// Computes `rows` where a row of the result is shorter than a tile: each number is a product of two rows.
    fn write_few_columns(&self, rows: Range<usize>, out: &mut Tile<'_, f32>) {
        let mut columns = vec![0.0; self.n * self.k];
        let mut scratch = [0.0; FEW];
        for row in 0..self.k {
            let numbers = self.right.row(row, 0..self.n, &mut scratch[..self.n]);
            columns.iter_mut().skip(row).step_by(self.k).zip(numbers).for_each(|(to, from)| *to = from * self.scale);
        }
        for (at, row) in rows.enumerate() {
            let left = &self.left.data[row * self.left.row_stride..][..self.k];
            let out = out.row(at, 0..self.n);
            for (column, (out, numbers)) in out.iter_mut().zip(columns.chunks_exact(self.k)).enumerate() {
                let start = match self.start {
                    Start::Zero => 0.0,
                    Start::Rows(bias) => bias[row],
                    Start::Columns(bias) => bias[column],
                    Start::Result => *out,
                };
                *out = start + dot(left, numbers);
            }
            if let Some(finish) = self.finish {
                finish(out);
            }
        }
    }
}

/// Columns of a result that are so few that tiles would be wasted on them.
const FEW: usize = 2;

/// The product of two rows of the same length.
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

/// Copies as many as there are; whole panels without a call.
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

    fn numbers(count: usize, turn: usize) -> Vec<f32> {
        (0..count).map(|at| (at * 7 % turn) as f32 / turn as f32 - 0.4).collect()
    }

    /// Every way to lay out the factors gives what three loops give.
    fn check((m, n, k): (usize, usize, usize)) {
        let (a, b, bias) = (numbers(m * k, 17), numbers(n * k, 13), numbers(m.max(n), 5));
        for (left, right) in [
            (Matrix::new(&a, k), Matrix::new(&b, n)),
            (Matrix::transposed(&a, m), Matrix::new(&b, n)),
            (Matrix::new(&a, k), Matrix::transposed(&b, k)),
        ] {
            for start in [Start::Zero, Start::Rows(&bias), Start::Columns(&bias), Start::Result] {
                let mut product = Product::new((m, n, k), left, &right);
                (product.scale, product.start) = (0.5, start);
                product.finish = Some(&|row| row.iter_mut().for_each(|x| *x = -*x));
                let stride = n + 3;
                let mut out = vec![9.0; m * stride];
                product.write(&mut out, stride);
                for (at, is) in out.iter().enumerate() {
                    let (row, column) = (at / stride, at % stride);
                    if column >= n {
                        assert_eq!(*is, 9.0, "what is between the rows");
                        continue;
                    }
                    let term = |at: usize| {
                        f64::from(left.data[row * left.row_stride + at * left.column_stride])
                            * f64::from(right.data[at * right.row_stride + column * right.column_stride])
                    };
                    let start = match start {
                        Start::Zero => 0.0,
                        Start::Rows(bias) => bias[row],
                        Start::Columns(bias) => bias[column],
                        Start::Result => 9.0,
                    };
                    let wanted = -(0.5 * (0..k).map(term).sum::<f64>() + f64::from(start));
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
            for right in [Matrix::new(&b, n), Matrix::transposed(&b, k)] {
                let product = Product::new((m, n, k), Matrix::new(&a, k), &right);
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
