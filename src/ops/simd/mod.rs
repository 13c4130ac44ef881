//! The innermost loops of products, written once for each set of instructions: relaxed SIMD of WebAssembly (the cargo
//! feature `relaxed-simd`), its baseline SIMD, and none in particular.
//!
//! A module that contains one relaxed instruction is refused whole by a browser without them, so that they are a build
//! of its own, and a feature.

#[cfg_attr(all(target_family = "wasm", feature = "relaxed-simd"), path = "relaxed.rs")]
#[cfg_attr(all(target_family = "wasm", not(feature = "relaxed-simd")), path = "baseline.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "portable.rs")]
mod kernels;

pub use kernels::floats;

/// Columns of a panel.
pub const PANEL: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tiles_of_floats_are_those_of_three_loops(
            left in prop::collection::vec(prop::array::uniform4(-2f32..2.0), 0..80),
            turn in 1usize..50,
        ) {
            let right: Vec<[f32; PANEL]> =
                (0..left.len()).map(|k| std::array::from_fn(|at| ((k * turn + at) % 23) as f32 / 23.0 - 0.4)).collect();
            let mut sums: [[f32; PANEL]; 4] = std::array::from_fn(|row| [row as f32; PANEL]);
            floats(&left, &right, &mut sums);
            for (row, sums) in sums.iter().enumerate() {
                for (column, is) in sums.iter().enumerate() {
                    let terms = left.iter().zip(&right);
                    let wanted: f64 = terms.map(|(left, right)| f64::from(left[row]) * f64::from(right[column])).sum();
                    let difference = (f64::from(*is) - wanted - row as f64).abs();
                    prop_assert!(difference < 1e-5 * (left.len() + 1) as f64, "{row}, {column}: {difference}");
                }
            }
        }
    }
}
