//! Sort keys: elements of every type as 64-bit integers in the same order, which are compared in their place.

use burn::tensor::DType;

use crate::graph::host::{self, HostTensor, is_float};

/// Integers in the order of the elements. NaN comes after all numbers.
pub fn keys(tensor: &HostTensor) -> Vec<i64> {
    if is_float(tensor.dtype()) {
        // Adding 0 turns −0 into 0, which is equal.
        let key = |x: f64| flip_if_negative((if x.is_nan() { f64::NAN } else { x } + 0.0).to_bits() as i64);
        return host::to_f64s(tensor).into_iter().map(key).collect();
    }
    let first_bit = if tensor.dtype() == DType::U64 { i64::MIN } else { 0 };
    host::to_i64s(tensor).into_iter().map(|x| x ^ first_bit).collect()
}

/// The elements with these keys.
pub fn from_keys(dtype: DType, shape: &[usize], keys: &[i64]) -> HostTensor {
    if is_float(dtype) {
        let numbers: Vec<f64> = keys.iter().map(|key| f64::from_bits(flip_if_negative(*key) as u64)).collect();
        return host::from_f64s(dtype, shape, &numbers);
    }
    let first_bit = if dtype == DType::U64 { i64::MIN } else { 0 };
    let numbers: Vec<i64> = keys.iter().map(|key| key ^ first_bit).collect();
    host::from_i64s(dtype, shape, &numbers)
}

/// The bits of a double as an integer in the same order, and the inverse: without it, more negative doubles have greater
/// bits.
fn flip_if_negative(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The sizes before, along and after `axis`.
pub fn split(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}
