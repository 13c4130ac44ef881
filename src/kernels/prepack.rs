//! Prepacked RHS matrices: packed once, for many products.

use std::ops::Range;

use super::gemm::{Matrix, PANEL, Rhs};

/// A matrix in panels of [`PANEL`] columns, each row-major.
#[derive(Clone, Copy)]
pub struct Panels<'a> {
    rows: usize,
    data: &'a [f32],
}

/// Packs a matrix of this shape. The padding of the last panel may be anything.
pub fn pack((rows, columns): (usize, usize), matrix: Matrix<'_>) -> Vec<f32> {
    let mut data = vec![0.0; columns.next_multiple_of(PANEL) * rows];
    for (panel, data) in data.chunks_exact_mut((rows * PANEL).max(1)).enumerate() {
        matrix.pack(0..rows, panel * PANEL..columns.min((panel + 1) * PANEL), data);
    }
    data
}

impl<'a> Panels<'a> {
    /// What [`pack`] made of a matrix of this shape; `None` where the sizes do not fit.
    pub fn new((rows, columns): (usize, usize), data: &'a [f32]) -> Option<Self> {
        let wanted = columns.checked_next_multiple_of(PANEL)?.checked_mul(rows)?;
        (rows > 0 && data.len() == wanted).then_some(Self { rows, data })
    }
}

impl Rhs for Panels<'_> {
    fn row<'s>(&'s self, row: usize, columns: Range<usize>, scratch: &'s mut [f32]) -> &'s [f32] {
        for (to, column) in scratch.iter_mut().zip(columns) {
            *to = self.data[(column / PANEL * self.rows + row) * PANEL + column % PANEL];
        }
        scratch
    }

    fn pack(&self, rows: Range<usize>, columns: Range<usize>, panels: &mut [f32]) {
        let own = self.data.chunks_exact(self.rows * PANEL).skip(columns.start / PANEL);
        for (to, from) in panels.chunks_exact_mut((rows.len() * PANEL).max(1)).zip(own) {
            to.copy_from_slice(&from[rows.start * PANEL..rows.end * PANEL]);
        }
    }
}
