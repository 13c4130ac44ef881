//! Parts of a matrix that several threads write to at once.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

use super::for_each_piece;

/// Some rows and columns of a matrix, to be written to by one thread.
pub struct Tile<'a, T> {
    /// The first column of the first row.
    start: *mut T,
    /// How far apart rows are.
    stride: usize,
    rows: usize,
    columns: usize,
    matrix: PhantomData<&'a mut [T]>,
}

// SAFETY: It is a mutable borrow of the numbers in it, which no other tile has, and may go where such a borrow may.
unsafe impl<T: Send> Send for Tile<'_, T> {}

impl<'a, T> Tile<'a, T> {
    /// `rows` of `columns` numbers each, in `matrix`, whose rows are `stride` apart.
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
    /// The tile does not have them.
    #[inline(always)]
    pub fn row(&mut self, row: usize, columns: Range<usize>) -> &mut [T] {
        assert!(row < self.rows && columns.start <= columns.end && columns.end <= self.columns);
        // SAFETY: The tile has this row and these columns, so they lie within the matrix, and are borrowed through it.
        unsafe {
            let start = self.start.add(row * self.stride + columns.start);
            std::slice::from_raw_parts_mut(start, columns.end - columns.start)
        }
    }

    /// Some of its rows and columns.
    ///
    /// # Panics
    /// The tile does not have them.
    pub fn part(&mut self, rows: Range<usize>, columns: Range<usize>) -> Tile<'_, T> {
        // SAFETY: Until the part is dropped, this tile cannot be used.
        unsafe { self.alias(rows, columns) }
    }

    /// Calls `work` with each part that is a piece of `rows` and a piece of `columns`.
    ///
    /// # Panics
    /// The pieces of either overlap, or are not in order, or the tile does not have them.
    pub fn for_each_part(
        &mut self,
        rows: &[Range<usize>],
        columns: &[Range<usize>],
        work: impl Fn(Range<usize>, Range<usize>, Tile<'_, T>) + Sync,
    ) where
        T: Send,
    {
        assert!(apart(rows) && apart(columns), "no two parts have a number in common");
        let whole = Whole(self);
        for_each_piece(rows.len() * columns.len(), |piece| {
            let (rows, columns) = (&rows[piece / columns.len()], &columns[piece % columns.len()]);
            // SAFETY: No two pieces have both a row and a column in common, each is worked on once, and this tile
            // cannot be used until all of them are done.
            let part = unsafe { whole.tile().alias(rows.clone(), columns.clone()) };
            work(rows.clone(), columns.clone(), part);
        });
    }

    /// A part that borrows nothing.
    ///
    /// # Safety
    /// While the part lives, nobody else uses what is in it.
    unsafe fn alias<'b>(&self, rows: Range<usize>, columns: Range<usize>) -> Tile<'b, T> {
        assert!(rows.start <= rows.end && rows.end <= self.rows);
        assert!(columns.start <= columns.end && columns.end <= self.columns);
        let place = if rows.is_empty() { 0 } else { rows.start * self.stride + columns.start };
        // SAFETY: Of a tile that has a row, `place` is within the matrix or right behind its end.
        let start = unsafe { self.start.add(place) };
        Tile { start, stride: self.stride, rows: rows.len(), columns: columns.len(), matrix: PhantomData }
    }
}

/// A tile that threads take parts of.
struct Whole<'a, 'b, T>(&'a Tile<'b, T>);

// SAFETY: Through it a tile's sizes are read and parts are made, no two of which have a number in common; those go to
// other threads as a mutable borrow does.
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
    fn parts_are_where_they_are_said_to_be() {
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
    fn what_is_not_there_is_refused() {
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
