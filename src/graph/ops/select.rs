//! Where, Clip, Cast, CastLike and BitCast.

use std::ops::{BitAnd, BitXor};

use super::{Accepts, Gives, Inputs, NodeSpec, Op, Prepared, SAME, on_gpu, one, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, BOOL, HostTensor, Number};
use crate::graph::import;
use crate::graph::ops::support::broadcast::{Nest, map_floats};
use burn::tensor::DType;

pub static OPS: &[Op] = &[
    Op::new("BitCast", Accepts::Any, &[Gives::Says("to", DType::F32)], bit_cast),
    Op::new("Cast", Accepts::Any, &[Gives::Says("to", DType::F32)], cast),
    Op::new("CastLike", Accepts::Any, &[Gives::As(1)], cast_like),
    Op::new("Clip", Accepts::Numbers, SAME, clip).gpu(on_gpu!(elementwise::clip)),
    Op::new("Where", Accepts::Bools, &[Gives::As(1)], |_| Ok(Box::new(where_op)))
        .gpu(on_gpu!(|_| Some(Box::new(elementwise::choose)))),
];

fn target(node: &NodeSpec<'_>) -> Result<DType, Refusal> {
    let number = node.attributes.optional_int("to")?.ok_or("the attribute to is missing")?;
    import::dtype(number).map_err(|error| error.to_string())
}

/// Reads the attributes that are for 8-bit floats, which are not supported.
fn ignore_eight_bits(node: &NodeSpec<'_>) {
    node.attributes.get("saturate");
    node.attributes.get("round_mode");
}

fn cast(node: &NodeSpec<'_>) -> Prepared {
    ignore_eight_bits(node);
    let dtype = target(node)?;
    Ok(Box::new(move |inputs| one(host::cast(inputs.take(0)?, dtype))))
}

fn cast_like(node: &NodeSpec<'_>) -> Prepared {
    ignore_eight_bits(node);
    Ok(Box::new(move |inputs| {
        let (x, like) = (inputs.take(0)?, inputs.take(1)?);
        one(host::cast(x, like.dtype()))
    }))
}

fn bit_cast(node: &NodeSpec<'_>) -> Prepared {
    let dtype = target(node)?;
    let fits = move |from: DType| host::size_of(from) == host::size_of(dtype) && (dtype != BOOL || from == BOOL);
    if let Some(from) = node.dtype(0).filter(|from| !fits(*from)) {
        return Err(format!("{from:?} cannot be bit-cast to {dtype:?}: their sizes differ"));
    }
    Ok(Box::new(move |inputs| {
        let x = inputs.contiguous(0)?;
        if !fits(x.dtype()) {
            return wrong(format!("{:?} cannot be bit-cast to {dtype:?}: their sizes differ", x.dtype()));
        }
        let layout = x.layout().clone();
        one(HostTensor::new(x.into_data().into_parts().0, layout, dtype))
    }))
}

fn clip(node: &NodeSpec<'_>) -> Prepared {
    let bounds = [node.attributes.optional_float("min")?, node.attributes.optional_float("max")?];
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let mut bound = |place: usize| match (inputs.optional(place), bounds[place - 1]) {
            (Some(bound), _) if bound.layout().num_elements() == 1 => Ok(Some(host::cast(bound, x.dtype()))),
            (Some(bound), _) => wrong(format!("a bound has the shape {:?}, expected a scalar", host::shape(&bound))),
            (None, bound) => Ok(bound.map(|bound| host::from_f64s(x.dtype(), &[], &[bound.into()]))),
        };
        let (low, high) = (bound(1)?, bound(2)?);
        let dtype = x.dtype();
        if host::is_float(dtype) {
            let number = |bound: Option<HostTensor>, or: f64| bound.map_or(or, |bound| host::to_f64s(&bound)[0]);
            let (low, high) = (number(low, f64::NEG_INFINITY), number(high, f64::INFINITY));
            if dtype == DType::F32 {
                let (low, high) = (low as f32, high as f32);
                return one(map_floats(x, |x| within(x, low, high)));
            }
            let out: Vec<f64> = host::to_f64s(&x).into_iter().map(|x| within(x, low, high)).collect();
            return one(host::from_f64s(dtype, host::shape(&x), &out));
        }
        // Unsigned integers have the order of signed ones once their first bit is flipped.
        let turn = if dtype == DType::U64 { i64::MIN } else { 0 };
        let number = |bound: Option<HostTensor>, or: i64| bound.map_or(or, |bound| host::to_i64s(&bound)[0] ^ turn);
        let (low, high) = (number(low, i64::MIN), number(high, i64::MAX));
        let out: Vec<i64> = host::to_i64s(&x).into_iter().map(|x| within(x ^ turn, low, high) ^ turn).collect();
        one(host::from_i64s(dtype, host::shape(&x), &out))
    }))
}

/// The upper bound wins where the lower one exceeds it. NaN stays NaN.
fn within<T: PartialOrd>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

fn where_op(inputs: &mut Inputs<'_>) -> Result<Vec<HostTensor>> {
    let condition = host::contiguous(host::cast(inputs.take(0)?, BOOL));
    let (a, b) = (inputs.contiguous(1)?, inputs.contiguous(2)?);
    if a.dtype() != b.dtype() {
        return wrong(format!("the inputs X and Y have different types: {:?} and {:?}", a.dtype(), b.dtype()));
    }
    let shape = host::broadcast_shape(host::shape(&a), host::shape(&b))?;
    let shape = host::broadcast_shape(&shape, host::shape(&condition))?;
    inputs.count(&shape)?;
    let dtype = a.dtype();
    one(match host::size_of(dtype) {
        1 => choose::<u8>(dtype, &shape, &condition, &a, &b),
        2 => choose::<u16>(dtype, &shape, &condition, &a, &b),
        4 => choose::<u32>(dtype, &shape, &condition, &a, &b),
        _ => choose::<u64>(dtype, &shape, &condition, &a, &b),
    })
}

/// The elements of `a` or of `b`, which have the size of `T`.
fn choose<T: Number + BitAnd<Output = T> + BitXor<Output = T>>(
    dtype: DType,
    shape: &[usize],
    condition: &HostTensor,
    a: &HostTensor,
    b: &HostTensor,
) -> HostTensor {
    let nest = Nest::new(shape, [host::shape(condition), host::shape(a), host::shape(b)]);
    let (condition, a, b) = (host::slice::<u8>(condition), host::slice::<T>(a), host::slice::<T>(b));
    let mut out: Vec<T> = Vec::with_capacity(shape.iter().product());
    let n = nest.inner;
    nest.run(|[c, i, j]| {
        // Without a branch, so that it is vectorised.
        let pick = |c: u8, a: T, b: T| b ^ ((a ^ b) & T::from_i64(-i64::from(c != 0)));
        match nest.inner_steps {
            [0, step_a, step_b] => {
                let (from, at, step) = if condition[c] != 0 { (a, i, step_a) } else { (b, j, step_b) };
                match step {
                    0 => out.extend(std::iter::repeat_n(from[at], n)),
                    _ => out.extend_from_slice(&from[at..at + n]),
                }
            }
            [_, 0, 0] => {
                let (a, b) = (a[i], b[j]);
                out.extend(condition[c..c + n].iter().map(|c| pick(*c, a, b)));
            }
            [_, 0, _] => {
                let a = a[i];
                out.extend(condition[c..c + n].iter().zip(&b[j..j + n]).map(|(c, b)| pick(*c, a, *b)));
            }
            [_, _, 0] => {
                let b = b[j];
                out.extend(condition[c..c + n].iter().zip(&a[i..i + n]).map(|(c, a)| pick(*c, *a, b)));
            }
            _ => {
                let alternatives = a[i..i + n].iter().zip(&b[j..j + n]);
                out.extend(condition[c..c + n].iter().zip(alternatives).map(|(c, (a, b))| pick(*c, *a, *b)));
            }
        }
    });
    host::of_type(dtype, shape, out)
}
