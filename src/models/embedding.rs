//! Embedding tables, of floats or of 8 bits.

use crate::formats::safetensors::Array;

/// The largest quantised number.
const LARGEST: f32 = 127.0;

/// An embedding table, `[rows, width]`.
pub(super) enum Table {
    /// Floats.
    Floats(Vec<f32>),
    /// Quantised to 8 bits, with a scale for each row.
    Bytes {
        /// The numbers.
        numbers: Vec<i8>,
        /// The factor of each row.
        scales: Vec<f32>,
    },
}

impl Table {
    /// Copies the row `at` into `row`, which is as wide as the table; `None` where there is no such row.
    pub(super) fn read(&self, at: usize, row: &mut [f32]) -> Option<()> {
        match self {
            Self::Floats(numbers) => row.copy_from_slice(numbers.chunks_exact(row.len()).nth(at)?),
            Self::Bytes { numbers, scales } => {
                let (numbers, scale) = (numbers.chunks_exact(row.len()).nth(at)?, scales.get(at)?);
                row.iter_mut().zip(numbers).for_each(|(to, number)| *to = f32::from(*number) * scale);
            }
        }
        Some(())
    }
}

/// Quantises a table, `[rows, width]`: its numbers, and the scales of its rows, `[rows]`.
pub(super) fn quantise(table: &Array) -> (Array<i8>, Array) {
    let rows = || table.data.chunks_exact(table.shape[1].max(1));
    let largest = |row: &[f32]| row.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    let scales: Vec<f32> = rows().map(|row| largest(row) / LARGEST).collect();
    // A row of zeros has the scale 0: its numbers are NaN here, which the conversion makes 0.
    let number = |x: f32, scale: f32| (x / scale).round_ties_even() as i8;
    let numbers = rows().zip(&scales).flat_map(|(row, scale)| row.iter().map(move |x| number(*x, *scale))).collect();
    let numbers = Array { shape: table.shape.clone(), data: numbers };
    (numbers, Array { shape: vec![scales.len()], data: scales })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_back_within_half_a_step() {
        let data: Vec<f32> = (0..12).map(|at| if at < 8 { (at as f32 - 5.3) * 0.7 } else { 0.0 }).collect();
        let (numbers, scales) = quantise(&Array { shape: vec![3, 4], data: data.clone() });
        let table = Table::Bytes { numbers: numbers.data, scales: scales.data };
        let mut row = [9.0; 4];
        for at in 0..3 {
            table.read(at, &mut row).unwrap();
            let wanted = &data[4 * at..4 * at + 4];
            let half = wanted.iter().fold(0f32, |largest, x| largest.max(x.abs())) / 254.0 + 1e-6;
            assert!(row.iter().zip(wanted).all(|(is, wanted)| (is - wanted).abs() <= half), "{row:?} {wanted:?}");
        }
        assert!(table.read(3, &mut row).is_none());
    }
}
