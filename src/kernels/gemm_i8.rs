//! 8-bit integer GEMM with zero points (MatMulInteger): exact, and twice as fast as that of floats, because one
//! instruction multiplies pairs of 16-bit integers and adds the products.

use std::ops::Range;

/// Rows of a tile, whose accumulators stay in registers.
const ROWS: usize = 4;
/// Columns of a panel.
const PANEL: usize = 8;
/// Pairs of RHS rows that are unpacked at once: a panel of them stays in the L1 cache.
const DEPTH: usize = 240;
/// Panels that are unpacked at once.
const WIDTH: usize = 32;

/// A pair of rows of a panel.
type Pair<T> = [[T; 2]; PANEL];

/// A prepacked RHS.
pub struct PackedRhs {
    rows: usize,
    columns: usize,
    /// `[panels, pairs of rows]`
    bytes: Vec<Pair<u8>>,
    /// What is added to the unsigned bytes: the negated zero points, for each column of each panel, twice.
    shifts: Vec<Pair<i16>>,
}

/// 8-bit integers, signed or unsigned.
#[derive(Clone, Copy)]
pub struct Int8Slice<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Whether they are signed.
    pub signed: bool,
}

impl Int8Slice<'_> {
    /// The bits to flip to make a byte unsigned, and the offset that this adds.
    fn lift(self) -> (u8, i16) {
        if self.signed { (128, 128) } else { (0, 0) }
    }

    /// The integers minus their zero points. Each of `zeros` holds for an equal share of them, in order.
    pub fn centred(self, zeros: &[i16]) -> Vec<i16> {
        let (flip, lift) = self.lift();
        let each = (self.bytes.len() / zeros.len().max(1)).max(1);
        let mut all = Vec::with_capacity(self.bytes.len());
        for (bytes, zero) in self.bytes.chunks(each).zip(zeros) {
            let shift = lift + zero;
            all.extend(bytes.iter().map(|byte| i16::from(byte ^ flip) - shift));
        }
        all
    }
}

impl PackedRhs {
    /// Packs a row-major matrix of this shape, with a zero point for each column; `None` where the sizes do not fit.
    pub fn new((rows, columns): (usize, usize), numbers: Int8Slice<'_>, zeros: &[i16]) -> Option<Self> {
        if rows.checked_mul(columns) != Some(numbers.bytes.len()) || zeros.len() != columns {
            return None;
        }
        let (flip, lift) = numbers.lift();
        let (pairs, panels) = (rows.div_ceil(2), columns.div_ceil(PANEL));
        let mut bytes = vec![[[0; 2]; PANEL]; pairs * panels];
        for (row, numbers) in numbers.bytes.chunks_exact(columns.max(1)).enumerate() {
            for (panel, numbers) in numbers.chunks(PANEL).enumerate() {
                let pair = &mut bytes[panel * pairs + row / 2];
                pair.iter_mut().zip(numbers).for_each(|(pair, byte)| pair[row % 2] = byte ^ flip);
            }
        }
        let mut shifts = vec![[[0; 2]; PANEL]; panels];
        for (column, zero) in zeros.iter().enumerate() {
            shifts[column / PANEL][column % PANEL] = [-(lift + zero); 2];
        }
        Some(Self { rows, columns, bytes, shifts })
    }

    /// The rows and the columns.
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Unpacks pairs of rows of `panels` to 16 bits, one panel after another.
    fn unpack(&self, panels: Range<usize>, pairs: Range<usize>, out: &mut Vec<Pair<i16>>) {
        out.clear();
        let all = self.rows.div_ceil(2);
        for panel in panels {
            let shifts = &self.shifts[panel];
            out.extend(self.bytes[panel * all..][pairs.clone()].iter().map(|pair| {
                let mut wide = [[0; 2]; PANEL];
                // The row after an odd last one is padding: it is multiplied by zero.
                let numbers = pair.as_flattened().iter().zip(shifts.as_flattened());
                wide.as_flattened_mut().iter_mut().zip(numbers).for_each(|(to, (byte, shift))| {
                    *to = i16::from(*byte) + shift;
                });
                wide
            }));
        }
    }

    /// The product of `lhs`, which has `rows` rows, with this matrix, into `out`, which is all zeros. Sums wrap around.
    pub fn multiply(&self, lhs: &[i16], rows: usize, out: &mut [i32]) {
        let (k, n) = (self.rows, self.columns);
        let (pairs, panels) = (k.div_ceil(2), n.div_ceil(PANEL));
        let mut unpacked = Vec::with_capacity(WIDTH.min(panels) * DEPTH.min(pairs));
        let mut packed = vec![0; ROWS * DEPTH.min(pairs)];
        for panel in (0..panels).step_by(WIDTH) {
            let some = panel..panels.min(panel + WIDTH);
            for first in (0..pairs).step_by(DEPTH) {
                let depth = first..pairs.min(first + DEPTH);
                self.unpack(some.clone(), depth.clone(), &mut unpacked);
                for row in (0..rows).step_by(ROWS) {
                    let count = ROWS.min(rows - row);
                    let packed = &mut packed[..ROWS * depth.len()];
                    for at in 0..count {
                        let numbers = &lhs[(row + at) * k..][2 * depth.start..k.min(2 * depth.end)];
                        pack(numbers, packed[at..].iter_mut().step_by(ROWS));
                    }
                    for (panel, rhs) in some.clone().zip(unpacked.chunks_exact(depth.len())) {
                        let sums = tile(packed, rhs);
                        let width = PANEL.min(n - panel * PANEL);
                        for (at, sums) in sums.iter().take(count).enumerate() {
                            let out = &mut out[(row + at) * n + panel * PANEL..][..width];
                            if first == 0 {
                                out.copy_from_slice(&sums[..width]);
                            } else {
                                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = out.wrapping_add(*sum));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Packs pairs of integers into 32 bits each, the first in the lower half.
fn pack<'a>(numbers: &[i16], to: impl Iterator<Item = &'a mut i32>) {
    let (pairs, rest) = numbers.as_chunks::<2>();
    let last = rest.first().map(|last| [*last, 0]);
    for (to, [low, high]) in to.zip(pairs.iter().copied().chain(last)) {
        *to = i32::from(low) & 0xffff | i32::from(high) << 16;
    }
}

/// The sums of a tile. `lhs` has a pair of each row in step.
#[cfg(target_family = "wasm")]
fn tile(lhs: &[i32], rhs: &[Pair<i16>]) -> [[i32; PANEL]; ROWS] {
    use std::arch::wasm32::{i16x8, i32x4, i32x4_add, i32x4_dot_i16x8, i32x4_extract_lane as lane, i32x4_splat};
    let mut all = [[i32x4(0, 0, 0, 0); 2]; ROWS];
    for (lhs, [a, b, c, d, e, f, g, h]) in lhs.as_chunks::<ROWS>().0.iter().zip(rhs) {
        let low = i16x8(a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]);
        let high = i16x8(e[0], e[1], f[0], f[1], g[0], g[1], h[0], h[1]);
        for (sums, lhs) in all.iter_mut().zip(lhs) {
            let lhs = i32x4_splat(*lhs);
            sums[0] = i32x4_add(sums[0], i32x4_dot_i16x8(lhs, low));
            sums[1] = i32x4_add(sums[1], i32x4_dot_i16x8(lhs, high));
        }
    }
    all.map(|[a, b]| {
        [lane::<0>(a), lane::<1>(a), lane::<2>(a), lane::<3>(a), lane::<0>(b), lane::<1>(b), lane::<2>(b), lane::<3>(b)]
    })
}

/// The sums of a tile. `lhs` has a pair of each row in step.
#[cfg(not(target_family = "wasm"))]
fn tile(lhs: &[i32], rhs: &[Pair<i16>]) -> [[i32; PANEL]; ROWS] {
    let mut all = [[0i32; PANEL]; ROWS];
    for (lhs, rhs) in lhs.as_chunks::<ROWS>().0.iter().zip(rhs) {
        for (sums, lhs) in all.iter_mut().zip(lhs) {
            let (low, high) = (i32::from(*lhs as i16), lhs >> 16);
            for (sum, rhs) in sums.iter_mut().zip(rhs) {
                *sum = sum.wrapping_add(low * i32::from(rhs[0]) + high * i32::from(rhs[1]));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The product is that of three loops, for signed and unsigned integers.
    fn check((m, n, k): (usize, usize, usize), signed: [bool; 2]) {
        let bytes = |count: usize, step: usize| (0..count).map(|at| (at * step % 256) as u8).collect::<Vec<_>>();
        let (a, b) = (bytes(m * k, 37), bytes(k * n, 101));
        let number = |byte: u8, signed: bool| if signed { i32::from(byte as i8) } else { i32::from(byte) };
        let zero = |at: usize| (at % 200) as i16 - 100;
        let (zeros_a, zeros_b): (Vec<i16>, Vec<i16>) = ((0..m).map(zero).collect(), (0..n).map(zero).collect());
        let lhs = Int8Slice { bytes: &a, signed: signed[0] }.centred(&zeros_a);
        let weights = PackedRhs::new((k, n), Int8Slice { bytes: &b, signed: signed[1] }, &zeros_b).unwrap();
        let mut out = vec![0; m * n];
        weights.multiply(&lhs, m, &mut out);
        for (at, is) in out.iter().enumerate() {
            let (row, column) = (at / n, at % n);
            let term = |at: usize| {
                (number(a[row * k + at], signed[0]) - i32::from(zeros_a[row]))
                    * (number(b[at * n + column], signed[1]) - i32::from(zeros_b[column]))
            };
            assert_eq!(*is, (0..k).map(term).sum::<i32>(), "{m}×{n}×{k} at {row}, {column}");
        }
    }

    #[test]
    fn products_are_those_of_three_loops() {
        for signed in [[false, false], [false, true], [true, true]] {
            for shape in [(1, 1, 1), (5, 9, 7), (4, 8, 480), (3, 270, 483), (9, 3, 1000), (2, 3, 0)] {
                check(shape, signed);
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let numbers = Int8Slice { bytes: &[0; 6], signed: false };
        assert!(PackedRhs::new((2, 2), numbers, &[0; 2]).is_none());
        assert!(PackedRhs::new((3, 2), numbers, &[0; 3]).is_none());
        assert!(PackedRhs::new((usize::MAX, 2), numbers, &[0; 2]).is_none());
    }
}
