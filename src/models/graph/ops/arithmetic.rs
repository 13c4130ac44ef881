//! Functions of two numbers: arithmetic and comparisons.

use burn::tensor::DType;

use super::zip::{zip, zip_floats, zip_lanes};
use super::{Accepts, BOOLS, Inputs, Op, Prepared, SAME, one};
use crate::error::Result;
use crate::models::graph::host::{self, HostTensor};

pub const OPS: &[Op] = &[
    Op::new("Add", Accepts::Numbers, SAME, |_| arithmetic(|a, b| a + b, |a, b| a + b, i64::wrapping_add)),
    Op::new("Sub", Accepts::Numbers, SAME, |_| arithmetic(|a, b| a - b, |a, b| a - b, i64::wrapping_sub)),
    Op::new("Mul", Accepts::Numbers, SAME, |_| arithmetic(|a, b| a * b, |a, b| a * b, i64::wrapping_mul)),
    Op::new("Equal", Accepts::Any, BOOLS, |_| comparison(|a, b| a == b, |a, b| a == b)),
    Op::new("Greater", Accepts::Numbers, BOOLS, |_| comparison(|a, b| a > b, |a, b| a > b)),
    Op::new("GreaterOrEqual", Accepts::Numbers, BOOLS, |_| comparison(|a, b| a >= b, |a, b| a >= b)),
    Op::new("Less", Accepts::Numbers, BOOLS, |_| comparison(|a, b| a < b, |a, b| a < b)),
    Op::new("LessOrEqual", Accepts::Numbers, BOOLS, |_| comparison(|a, b| a <= b, |a, b| a <= b)),
];

/// `singles` for 32-bit floats, fast; the others for the rest.
fn arithmetic(
    singles: impl Fn(f32, f32) -> f32 + Copy + Send + Sync + 'static,
    floats: fn(f64, f64) -> f64,
    integers: fn(i64, i64) -> i64,
) -> Prepared {
    Ok(Box::new(move |inputs| {
        let (a, b) = pair(inputs)?;
        if a.dtype() == DType::F32 {
            return one(zip_floats(a, b, singles)?);
        }
        one(zip_lanes(&a, &b, floats, integers)?)
    }))
}

/// Unsigned 64-bit integers are compared as such.
fn comparison(floats: fn(f64, f64) -> bool, integers: fn(i128, i128) -> bool) -> Prepared {
    Ok(Box::new(move |inputs| {
        let (a, b) = pair(inputs)?;
        let (shape, out) = if host::is_float(a.dtype()) {
            let (a, b) = (doubles(&a), doubles(&b));
            zip(&a, &b, |a: f64, b: f64| u8::from(floats(a, b)))?
        } else {
            let wide = |dtype: DType, value: i64| {
                if dtype == DType::U64 { i128::from(value as u64) } else { i128::from(value) }
            };
            let dtype = a.dtype();
            let (a, b) = (host::cast(a, DType::I64), host::cast(b, DType::I64));
            zip(&a, &b, |a: i64, b: i64| u8::from(integers(wide(dtype, a), wide(dtype, b))))?
        };
        one(host::bools(&shape, out))
    }))
}

fn doubles(tensor: &HostTensor) -> HostTensor {
    host::tensor(host::shape(tensor), host::to_f64s(tensor))
}

/// The two operands, in the order of their indices.
///
/// # Errors
/// Invalid input: they have different types, or what comes of them would be too large.
pub fn pair(inputs: &mut Inputs<'_>) -> Result<(HostTensor, HostTensor)> {
    let (a, b) = (inputs.contiguous(0)?, inputs.contiguous(1)?);
    if a.dtype() != b.dtype() {
        return super::wrong(format!("the operands have the types {:?} and {:?}", a.dtype(), b.dtype()));
    }
    inputs.count(&host::broadcast_shape(host::shape(&a), host::shape(&b))?)?;
    Ok((a, b))
}
