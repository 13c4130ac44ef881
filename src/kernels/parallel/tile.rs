//! Tiles: disjoint parts of a matrix that several threads write to at once.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

use super::for_each_piece;

/// Some rows and columns of a matrix, to be written to by one thread.
pub struct Tile<'a, T> {
    /// The first column of the first row.
    start: *mut T,
    /// The distance between rows, in elements.
    stride: usize,
    rows: usize,
    columns: usize,
    matrix: PhantomData<&'a mut [T]>,
}

// SAFETY: It is a mutable borrow of its elements, which no other tile has, and may be sent where such a borrow may.
unsafe impl<T: Send> Send for Tile<'_, T> {}

impl<'a, T> Tile<'a, T> {
    /// `rows` × `columns` elements of `matrix`, whose rows are `stride` apart.
    ///
    /// # Panics
    /// `matrix` is shorter than that, or rows overlap.
    pub fn new(matrix: &'a mut [T], stride: usize, rows: usize, columns: usize) -> Self {
        let long = rows == 0 || (rows - 1) * stride + columns <= matrix.len();
        assert!(long && (rows < 2 || columns <= stride), "a tile lies within its matrix");
        Self { start: matrix.as_mut_ptr(), stride, rows, columns, matrix: PhantomData }
    }

    /// `columns` of a row.
    ///
    /// # Panics
    /// They are not within the tile.
    #[inline(always)]
    pub fn row(&mut self, row: usize, columns: Range<usize>) -> &mut [T] {
        assert!(row < self.rows && columns.start <= columns.end && columns.end <= self.columns);
        // SAFETY: The row and the columns are within the tile, so they are within the matrix, and are borrowed through it.
        unsafe {
            let start = self.start.add(row * self.stride + columns.start);
            std::slice::from_raw_parts_mut(start, columns.end - columns.start)
        }
    }

    /// The part with these rows and columns.
    ///
    /// # Panics
    /// They are not within the tile.
    pub fn part(&mut self, rows: Range<usize>, columns: Range<usize>) -> Tile<'_, T> {
        // SAFETY: This tile cannot be used until the part is dropped.
        unsafe { self.alias(rows, columns) }
    }

    /// Calls `work` with the part of each range of `rows` and each range of `columns`, on several threads.
    ///
    /// # Panics
    /// The ranges of either overlap or are not in order, or are not within the tile.
    pub fn for_each_part(
        &mut self,
        rows: &[Range<usize>],
        columns: &[Range<usize>],
        work: impl Fn(Range<usize>, Range<usize>, Tile<'_, T>) + Sync,
    ) where
        T: Send,
    {
        assert!(apart(rows) && apart(columns), "no two parts overlap");
        let whole = Whole(self);
        for_each_piece(rows.len() * columns.len(), |piece| {
            let (rows, columns) = (&rows[piece / columns.len()], &columns[piece % columns.len()]);
            // SAFETY: No two parts have both a row and a column in common, each is worked on once, and this tile cannot be
            // used until all of them are done.
            let part = unsafe { whole.tile().alias(rows.clone(), columns.clone()) };
            work(rows.clone(), columns.clone(), part);
        });
    }

    /// A part that does not borrow the tile.
    ///
    /// # Safety
    /// While the part lives, its elements are used by nothing else.
    unsafe fn alias<'b>(&self, rows: Range<usize>, columns: Range<usize>) -> Tile<'b, T> {
        assert!(rows.start <= rows.end && rows.end <= self.rows);
        assert!(columns.start <= columns.end && columns.end <= self.columns);
        let offset = if rows.is_empty() { 0 } else { rows.start * self.stride + columns.start };
        // SAFETY: In a tile that has a row, `offset` is within the matrix or one past its end.
        let start = unsafe { self.start.add(offset) };
        Tile { start, stride: self.stride, rows: rows.len(), columns: columns.len(), matrix: PhantomData }
    }
}

/// A tile whose parts go to threads.
struct Whole<'a, 'b, T>(&'a Tile<'b, T>);

// SAFETY: Through it a tile's sizes are read and disjoint parts are made, which go to other threads as mutable borrows
// do.
unsafe impl<T: Send> Sync for Whole<'_, '_, T> {}

impl<'b, T> Whole<'_, 'b, T> {
    fn tile(&self) -> &Tile<'b, T> {
        self.0
    }
}

fn apart(ranges: &[Range<usize>]) -> bool {
    ranges.windows(2).all(|pair| pair[0].end <= pair[1].start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_at_their_rows_and_columns() {
        let mut matrix = vec![0; 3 * 7 + 5];
        let mut tile = Tile::new(&mut matrix, 7, 4, 5);
        tile.for_each_part(&[0..1, 1..4], &[0..2, 2..5], |rows, columns, mut part| {
            for row in rows.clone() {
                for (at, number) in part.row(row - rows.start, 0..columns.len()).iter_mut().enumerate() {
                    *number += 10 * (row + 1) + columns.start + at;
                }
            }
        });
        tile.part(2..4, 1..3).row(1, 1..2)[0] = 99;
        for (at, is) in matrix.iter().enumerate() {
            let (row, column) = (at / 7, at % 7);
            let wanted = if (row, column) == (3, 2) { 99 } else { 10 * (row + 1) + column };
            assert_eq!(*is, if column < 5 { wanted } else { 0 }, "{row}, {column}");
        }
    }

    #[test]
    fn rows_and_columns_outside_are_refused() {
        let refused = |work: fn(&mut Tile<'_, u8>)| {
            let mut matrix = [0; 12];
            let mut tile = Tile::new(&mut matrix, 4, 3, 4);
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&mut tile))).is_err());
        };
        refused(|tile| tile.row(3, 0..1).fill(1));
        refused(|tile| tile.row(0, 0..5).fill(1));
        refused(|tile| tile.part(1..3, 0..2).row(2, 0..1).fill(1));
        refused(|tile| tile.part(0..4, 0..1).row(0, 0..1).fill(1));
        refused(|tile| tile.for_each_part(&[0..2, 1..3], &[0..2, 2..4], |_, _, _| {}));
        for stride in [3, 4] {
            assert!(std::panic::catch_unwind(|| Tile::new(&mut [0; 11], stride, 3, 4).rows).is_err());
        }
    }
}
