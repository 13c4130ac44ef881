//! Generators: Constant, ConstantOfShape, EyeLike, OneHot, Range, window functions and random operators.

use std::f64::consts::TAU;

use burn::tensor::DType;

use super::{Accepts, Gives, Inputs, NodeSpec, Op, Prepared, axis_of, one, size, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor, is_float};
use crate::graph::import;

mod random;

pub static OPS: &[Op] = &[
    Op::new("Bernoulli", Accepts::Any, &[Gives::Unknown], random::bernoulli).random(),
    Op::new("BlackmanWindow", Accepts::Integers, WINDOW, |node| window(node, 0.42, 0.5, 0.08)),
    Op::new("Constant", Accepts::Any, &[Gives::Unknown], constant),
    Op::new("ConstantOfShape", Accepts::Integers, &[Gives::Unknown], constant_of_shape),
    Op::new("Dropout", Accepts::Floats, &[Gives::As(0), Gives::Unknown], random::dropout).random(),
    Op::new("EyeLike", Accepts::Any, &[Gives::Unknown], eye_like),
    Op::new("HammingWindow", Accepts::Integers, WINDOW, |node| window(node, 25.0 / 46.0, 21.0 / 46.0, 0.0)),
    Op::new("HannWindow", Accepts::Integers, WINDOW, |node| window(node, 0.5, 0.5, 0.0)),
    Op::new("Multinomial", Accepts::Floats, &[Gives::Says("dtype", DType::I32)], random::multinomial).random(),
    Op::new("OneHot", Accepts::Any, &[Gives::As(2)], one_hot),
    Op::new("RandomNormal", Accepts::Any, RANDOM, |node| random::of_shape(node, random::normal(node)?)).random(),
    Op::new("RandomNormalLike", Accepts::Any, &[Gives::Unknown], |node| random::like(node, random::normal(node)?))
        .random(),
    Op::new("RandomUniform", Accepts::Any, RANDOM, |node| random::of_shape(node, random::uniform(node)?)).random(),
    Op::new("RandomUniformLike", Accepts::Any, &[Gives::Unknown], |node| random::like(node, random::uniform(node)?))
        .random(),
    Op::new("Range", Accepts::Numbers, &[Gives::As(0)], range),
];

const WINDOW: &[Gives] = &[Gives::Says("output_datatype", DType::F32)];

const RANDOM: &[Gives] = &[Gives::Says("dtype", DType::F32)];

/// The element type whose ONNX number is the attribute `name`.
pub fn dtype(node: &NodeSpec<'_>, name: &str) -> Result<Option<DType>, Refusal> {
    let number = node.attributes.optional_int(name)?;
    number.map(import::dtype).transpose().map_err(|error| error.to_string())
}

/// A shape from integers.
pub fn sizes(numbers: &[i64]) -> Result<Vec<usize>> {
    numbers.iter().map(|number| size(*number)).collect()
}

/// The input at `index`, which is a scalar.
fn scalar<T: Copy>(inputs: &mut Inputs<'_>, index: usize, read: fn(&HostTensor) -> Vec<T>) -> Result<T> {
    let tensor = inputs.take(index)?;
    match read(&tensor)[..] {
        [number] => Ok(number),
        _ => wrong(format!("the input {index} has the shape {:?}, expected a scalar", host::shape(&tensor))),
    }
}

/// The input at `index`, which is an integer scalar.
pub fn integer(inputs: &mut Inputs<'_>, index: usize) -> Result<i64> {
    scalar(inputs, index, host::to_i64s)
}

/// The input at `index`, which is a scalar.
pub fn double(inputs: &mut Inputs<'_>, index: usize) -> Result<f64> {
    scalar(inputs, index, host::to_f64s)
}

fn constant(node: &NodeSpec<'_>) -> Prepared {
    let attributes = node.attributes;
    let mut value = attributes.tensor("value")?;
    if let Some(number) = attributes.optional_float("value_float")? {
        value = Some(host::tensor(&[], vec![number]));
    }
    if let Some(numbers) = attributes.floats("value_floats")? {
        value = Some(host::tensor(&[numbers.len()], numbers));
    }
    if let Some(number) = attributes.optional_int("value_int")? {
        value = Some(host::tensor(&[], vec![number]));
    }
    if let Some(numbers) = attributes.ints("value_ints")? {
        value = Some(host::tensor(&[numbers.len()], numbers));
    }
    let value = value.ok_or("the attribute value is missing or of an unsupported type")?;
    Ok(Box::new(move |_| one(value.clone())))
}

fn constant_of_shape(node: &NodeSpec<'_>) -> Prepared {
    let value = node.attributes.tensor("value")?.unwrap_or_else(|| host::tensor(&[1], vec![0f32]));
    if value.layout().num_elements() != 1 {
        return Err("the attribute value must have one element".to_string());
    }
    let value = host::reshape(value, &[]);
    Ok(Box::new(move |inputs| {
        let shape = sizes(&inputs.ints(0)?)?;
        inputs.count(&shape)?;
        one(host::contiguous(host::expand(value.clone(), &shape)?))
    }))
}

fn eye_like(node: &NodeSpec<'_>) -> Prepared {
    let (dtype, k) = (dtype(node, "dtype")?, node.attributes.int("k", 0)?);
    Ok(Box::new(move |inputs| {
        let like = inputs.take(0)?;
        let &[rows, columns] = host::shape(&like) else {
            return wrong(format!("the input has the shape {:?}, expected a matrix", host::shape(&like)));
        };
        let mut out = vec![0; inputs.count(&[rows, columns])?];
        for row in 0..rows {
            let column = k.checked_add(row as i64).and_then(|column| usize::try_from(column).ok());
            if let Some(column) = column.filter(|column| *column < columns) {
                out[row * columns + column] = 1;
            }
        }
        one(host::from_i64s(dtype.unwrap_or(like.dtype()), &[rows, columns], &out))
    }))
}

fn one_hot(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.int("axis", -1)?;
    Ok(Box::new(move |inputs| {
        let indices = inputs.take(0)?;
        let depth = integer(inputs, 1)?;
        let values = inputs.contiguous(2)?;
        if host::shape(&values) != [2] {
            return wrong(format!("the input values has the shape {:?}, expected [2]", host::shape(&values)));
        }
        let mut shape = host::shape(&indices).to_vec();
        let axis = axis_of(axis, shape.len() + 1)?;
        shape.insert(axis, size(depth)?);
        let count = inputs.count(&shape)?;
        let inner: usize = shape[axis + 1..].iter().product();
        let block = shape[axis] * inner;
        let mut is_on = vec![false; count];
        for (position, index) in host::to_i64s(&indices).into_iter().enumerate() {
            let index = if index < 0 { index.saturating_add(depth) } else { index };
            if (0..depth).contains(&index) {
                is_on[position / inner * block + index as usize * inner + position % inner] = true;
            }
        }
        let dtype = values.dtype();
        one(if is_float(dtype) {
            let values = host::to_f64s(&values);
            let out: Vec<f64> = is_on.into_iter().map(|is_on| values[usize::from(is_on)]).collect();
            host::from_f64s(dtype, &shape, &out)
        } else {
            let values = host::to_i64s(&values);
            let out: Vec<i64> = is_on.into_iter().map(|is_on| values[usize::from(is_on)]).collect();
            host::from_i64s(dtype, &shape, &out)
        })
    }))
}

fn range(node: &NodeSpec<'_>) -> Prepared {
    // Computed in double precision.
    node.attributes.get("stash_type");
    Ok(Box::new(move |inputs| {
        let start = inputs.take(0)?;
        let dtype = start.dtype();
        if is_float(dtype) {
            let start = host::to_f64s(&start).first().copied().unwrap_or(f64::NAN);
            let (limit, delta) = (double(inputs, 1)?, double(inputs, 2)?);
            let count = ((limit - start) / delta).ceil().max(0.0);
            if !count.is_finite() || delta == 0.0 {
                return wrong(format!("the range from {start} to {limit} in steps of {delta} is invalid"));
            }
            let count = inputs.count(&[count as usize])?;
            let out: Vec<f64> = (0..count).map(|turn| start + turn as f64 * delta).collect();
            return one(host::from_f64s(dtype, &[count], &out));
        }
        let start = host::to_i64s(&start).first().copied().unwrap_or(0);
        let (limit, delta) = (integer(inputs, 1)?, integer(inputs, 2)?);
        if delta == 0 {
            return wrong("the step of a range is 0");
        }
        let (way, step) = (i128::from(limit) - i128::from(start), i128::from(delta));
        let count = (way / step + i128::from(way % step != 0 && (way < 0) == (step < 0))).max(0);
        let count = inputs.count(&[usize::try_from(count).unwrap_or(usize::MAX)])?;
        let out: Vec<i64> = (0..count as i64).map(|turn| start.wrapping_add(turn.wrapping_mul(delta))).collect();
        one(host::from_i64s(dtype, &[count], &out))
    }))
}

/// `a − b cos(2πi/n) + c cos(4πi/n)`.
fn window(node: &NodeSpec<'_>, a: f64, b: f64, c: f64) -> Prepared {
    let periodic = node.attributes.flag("periodic", true)?;
    let dtype = dtype(node, "output_datatype")?.unwrap_or(DType::F32);
    Ok(Box::new(move |inputs| {
        let count = size(integer(inputs, 0)?)?;
        inputs.count(&[count])?;
        let n = if periodic { count as f64 } else { count as f64 - 1.0 };
        let at = |i: usize| {
            // A symmetric window of one element is its maximum.
            let angle = if n == 0.0 { TAU / 2.0 } else { TAU * i as f64 / n };
            a - b * angle.cos() + c * (2.0 * angle).cos()
        };
        let out: Vec<f64> = (0..count).map(at).collect();
        one(host::from_f64s(dtype, &[count], &out))
    }))
}
