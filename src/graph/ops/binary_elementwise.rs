//! Binary elementwise operators: arithmetic and comparisons.

use burn::tensor::DType;

use super::{Accepts, BOOLS, Inputs, NodeSpec, Op, Prepared, SAME, on_gpu, one, wrong};
use crate::error::Result;
use crate::graph::host::{self, HostTensor};
use crate::graph::ops::support::broadcast::{map_floats, zip, zip_floats, zip_lanes};

pub static OPS: &[Op] = &[
    Op::new("Add", Accepts::Numbers, SAME, |_| arithmetic(|a, b| a + b, |a, b| a + b, i64::wrapping_add))
        .gpu(on_gpu!(|_| elementwise::binary("+"))),
    Op::new("BitShift", Accepts::Integers, SAME, bit_shift),
    Op::new("Div", Accepts::Numbers, SAME, |_| {
        division(|a, b| a / b, |a, b| a / b, i64::wrapping_div, |a, b| (a as u64 / b as u64) as i64)
    })
    .gpu(on_gpu!(|_| elementwise::binary("/"))),
    Op::new("Equal", Accepts::Any, BOOLS, |_| comparison(|a, b| a == b, |a, b| a == b)).encoded(),
    Op::new("Greater", Accepts::Numbers, BOOLS, |_| comparison(|a, b| a > b, |a, b| a > b))
        .gpu(on_gpu!(|_| elementwise::compare(">"))),
    Op::new("GreaterOrEqual", Accepts::Numbers, BOOLS, |_| comparison(|a, b| a >= b, |a, b| a >= b)),
    Op::new("Less", Accepts::Numbers, BOOLS, |_| comparison(|a, b| a < b, |a, b| a < b))
        .gpu(on_gpu!(|_| elementwise::compare("<"))),
    Op::new("LessOrEqual", Accepts::Numbers, BOOLS, |_| comparison(|a, b| a <= b, |a, b| a <= b)),
    Op::new("Max", Accepts::Numbers, SAME, |_| {
        joined(
            |a, b| if b > a || b.is_nan() { b } else { a },
            |a, b| if b > a || b.is_nan() { b } else { a },
            i64::max,
            |a, b| (a as u64).max(b as u64) as i64,
        )
    }),
    Op::new("Mean", Accepts::Floats, SAME, |_| mean()),
    Op::new("Min", Accepts::Numbers, SAME, |_| {
        joined(
            |a, b| if b < a || b.is_nan() { b } else { a },
            |a, b| if b < a || b.is_nan() { b } else { a },
            i64::min,
            |a, b| (a as u64).min(b as u64) as i64,
        )
    }),
    Op::new("Mod", Accepts::Numbers, SAME, modulo),
    Op::new("Mul", Accepts::Numbers, SAME, |_| arithmetic(|a, b| a * b, |a, b| a * b, i64::wrapping_mul))
        .gpu(on_gpu!(|_| elementwise::binary("*"))),
    Op::new("Pow", Accepts::Numbers, SAME, |_| Ok(Box::new(power)))
        .gpu(on_gpu!(|_| Some(Box::new(elementwise::square)))),
    Op::new("PRelu", Accepts::Numbers, SAME, |_| {
        arithmetic(
            |x, slope| if x < 0.0 { slope * x } else { x },
            |x, slope| if x < 0.0 { slope * x } else { x },
            |x, slope| if x < 0 { slope.wrapping_mul(x) } else { x },
        )
    }),
    Op::new("Sub", Accepts::Numbers, SAME, |_| arithmetic(|a, b| a - b, |a, b| a - b, i64::wrapping_sub))
        .gpu(on_gpu!(|_| elementwise::binary("-"))),
    Op::new("Sum", Accepts::Floats, SAME, |_| sum()),
];

/// `singles` for 32-bit floats; the others for the other types.
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

/// As [`arithmetic`], but refuses integer division by zero. `unsigned` is for unsigned 64-bit integers.
fn division(
    singles: impl Fn(f32, f32) -> f32 + Copy + Send + Sync + 'static,
    floats: fn(f64, f64) -> f64,
    integers: fn(i64, i64) -> i64,
    unsigned: fn(i64, i64) -> i64,
) -> Prepared {
    Ok(Box::new(move |inputs| {
        let (a, b) = pair(inputs)?;
        if a.dtype() == DType::F32 {
            return one(zip_floats(a, b, singles)?);
        }
        if !host::is_float(a.dtype()) && host::to_i64s(&b).contains(&0) {
            return wrong("integer division by zero");
        }
        one(zip_lanes(&a, &b, floats, if a.dtype() == DType::U64 { unsigned } else { integers })?)
    }))
}

/// # Source
/// The ONNX specification, operator Mod: the sign is that of the divisor, or with `fmod` that of the dividend.
fn modulo(node: &NodeSpec<'_>) -> Prepared {
    let unsigned = |a: i64, b: i64| (a as u64 % b as u64) as i64;
    if node.attributes.flag("fmod", false)? {
        return division(|a, b| a % b, |a, b| a % b, i64::wrapping_rem, unsigned);
    }
    let integers = |a: i64, b: i64| {
        let rest = a.wrapping_rem(b);
        if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
    };
    division(|a, b| a - b * (a / b).floor(), |a, b| a - b * (a / b).floor(), integers, unsigned)
}

fn bit_shift(node: &NodeSpec<'_>) -> Prepared {
    let shift: fn(i64, i64) -> i64 = match node.attributes.string("direction", "")? {
        "LEFT" => |a, b| u32::try_from(b).map_or(0, |b| (a as u64).checked_shl(b).unwrap_or(0) as i64),
        "RIGHT" => |a, b| u32::try_from(b).map_or(0, |b| (a as u64).checked_shr(b).unwrap_or(0) as i64),
        other => return Err(format!("the attribute direction is '{other}', which is not supported")),
    };
    arithmetic(|a, _| a, |a, _| a, shift)
}

/// Any number of operands, joined in order. `unsigned` is for unsigned 64-bit integers.
fn joined(
    singles: impl Fn(f32, f32) -> f32 + Copy + Send + Sync + 'static,
    floats: fn(f64, f64) -> f64,
    integers: fn(i64, i64) -> i64,
    unsigned: fn(i64, i64) -> i64,
) -> Prepared {
    Ok(Box::new(move |inputs| {
        let mut operands = inputs.rest().into_iter().map(host::contiguous);
        let Some(mut joined) = operands.next() else { return wrong("there are no operands") };
        for operand in operands {
            let (a, b) = checked(inputs, joined, operand)?;
            joined = match a.dtype() {
                DType::F32 => zip_floats(a, b, singles)?,
                dtype => zip_lanes(&a, &b, floats, if dtype == DType::U64 { unsigned } else { integers })?,
            };
        }
        one(joined)
    }))
}

fn sum() -> Prepared {
    joined(|a, b| a + b, |a, b| a + b, i64::wrapping_add, i64::wrapping_add)
}

fn mean() -> Prepared {
    let sum = sum()?;
    Ok(Box::new(move |inputs| {
        let count = inputs.len() as f64;
        let sum = sum(inputs)?.remove(0);
        let count = host::from_f64s(sum.dtype(), &[], &[count]);
        one(match sum.dtype() {
            DType::F32 => zip_floats(sum, count, |a, b| a / b)?,
            _ => zip_lanes(&sum, &count, |a, b| a / b, |a, b| a.checked_div(b).unwrap_or(0))?,
        })
    }))
}

/// `base` to the power of `exponent`, whose types may differ; the result has that of `base`.
fn power(inputs: &mut Inputs<'_>) -> Result<Vec<HostTensor>> {
    let (base, exponent) = (inputs.contiguous(0)?, inputs.contiguous(1)?);
    let shape = host::broadcast_shape(host::shape(&base), host::shape(&exponent))?;
    inputs.count(&shape)?;
    let dtype = base.dtype();
    if !host::is_float(dtype) && !host::is_float(exponent.dtype()) {
        let (base, exponent) = (host::cast(base, DType::I64), host::cast(exponent, DType::I64));
        let (shape, out) = zip(&base, &exponent, integer_power)?;
        return one(host::from_i64s(dtype, &shape, &out));
    }
    if dtype != DType::F32 {
        let (shape, out) = zip(&doubles(&base), &doubles(&exponent), f64::powf)?;
        return one(host::from_f64s(dtype, &shape, &out));
    }
    let exponent = host::cast(exponent, DType::F32);
    match host::slice::<f32>(&exponent) {
        // The common powers, which need no logarithm.
        [2.0] if host::shape(&base) == shape => one(map_floats(base, |x| x * x)),
        [3.0] if host::shape(&base) == shape => one(map_floats(base, |x| x * x * x)),
        [0.5] if host::shape(&base) == shape => one(map_floats(base, f32::sqrt)),
        _ => one(zip_floats(base, exponent, f32::powf)?),
    }
}

/// By squaring. Fractions are truncated.
fn integer_power(mut base: i64, mut exponent: i64) -> i64 {
    if exponent < 0 {
        return match base {
            1 => 1,
            -1 => 1 - 2 * (exponent & 1),
            _ => 0,
        };
    }
    let mut power = 1i64;
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = power.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    power
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

/// The two operands, contiguous.
///
/// # Errors
/// Invalid input: their types differ, or the result would be too large.
pub fn pair(inputs: &mut Inputs<'_>) -> Result<(HostTensor, HostTensor)> {
    let (a, b) = (inputs.contiguous(0)?, inputs.contiguous(1)?);
    checked(inputs, a, b)
}

fn checked(inputs: &Inputs<'_>, a: HostTensor, b: HostTensor) -> Result<(HostTensor, HostTensor)> {
    if a.dtype() != b.dtype() {
        return wrong(format!("the operands have different types: {:?} and {:?}", a.dtype(), b.dtype()));
    }
    inputs.count(&host::broadcast_shape(host::shape(&a), host::shape(&b))?)?;
    Ok((a, b))
}
