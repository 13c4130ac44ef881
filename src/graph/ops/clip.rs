//! Clip.

use burn::tensor::DType;

use super::support::broadcast::map_floats;
use super::{Accepts, NodeSpec, Op, Prepared, SAME, on_gpu, one, wrong};
use crate::graph::host::{self, HostTensor};

pub static OPS: &[Op] = &[Op::new("Clip", Accepts::Numbers, SAME, clip).gpu(on_gpu!(elementwise::clip))];

fn clip(node: &NodeSpec<'_>) -> Prepared {
    let bounds = [node.attributes.optional_float("min")?, node.attributes.optional_float("max")?];
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let mut bound = |index: usize| match (inputs.optional(index), bounds[index - 1]) {
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
        let first_bit = if dtype == DType::U64 { i64::MIN } else { 0 };
        let number =
            |bound: Option<HostTensor>, or: i64| bound.map_or(or, |bound| host::to_i64s(&bound)[0] ^ first_bit);
        let (low, high) = (number(low, i64::MIN), number(high, i64::MAX));
        let out: Vec<i64> =
            host::to_i64s(&x).into_iter().map(|x| within(x ^ first_bit, low, high) ^ first_bit).collect();
        one(host::from_i64s(dtype, host::shape(&x), &out))
    }))
}

/// The upper bound wins where the lower one exceeds it. NaN stays NaN.
fn within<T: PartialOrd>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}
