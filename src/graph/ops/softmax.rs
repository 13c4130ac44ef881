//! Softmax and LogSoftmax.

use burn::tensor::DType;

use super::{Accepts, NodeSpec, Op, Prepared, SAME, axis_of, on_gpu, one};
use crate::graph::host::{self, HostTensor};
use crate::kernels::softmax;

pub static OPS: &[Op] = &[
    Op::new("Softmax", Accepts::Floats, SAME, |node| along(node, softmax::softmax, doubles))
        .gpu(on_gpu!(reduce::softmax)),
    Op::new("LogSoftmax", Accepts::Floats, SAME, |node| {
        along(node, softmax::log_softmax, |row| {
            doubles(row);
            row.iter_mut().for_each(|x| *x = x.ln());
        })
    })
    .gpu(on_gpu!(reduce::log_softmax)),
];

/// `singles` of each row along the axis, or `doubles` for 64-bit floats. Before opset 13, all dimensions from the axis on
/// were one row.
fn along(node: &NodeSpec<'_>, singles: fn(&mut [f32]), doubles: fn(&mut [f64])) -> Prepared {
    let flat = node.opset < 13;
    let axis = node.attributes.int("axis", if flat { 1 } else { -1 })?;
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let shape = host::shape(&x).to_vec();
        if shape.is_empty() {
            // As in NumPy, a scalar is a row of one.
            return one(host::reshape(rows_of(host::reshape(x, &[1]), 1, singles, doubles), &[]));
        }
        let axis = axis_of(axis, shape.len())?;
        if flat {
            return one(rows_of(x, shape[axis..].iter().product(), singles, doubles));
        }
        let mut order: Vec<usize> = (0..shape.len()).collect();
        order.swap(axis, shape.len() - 1);
        // Exchanging two axes twice restores the order.
        one(rows_of(x.permute(&order), shape[axis], singles, doubles).permute(&order))
    }))
}

fn rows_of(x: HostTensor, length: usize, singles: fn(&mut [f32]), doubles: fn(&mut [f64])) -> HostTensor {
    let (dtype, shape) = (x.dtype(), host::shape(&x).to_vec());
    if dtype == DType::F64 {
        let mut numbers = host::to_f64s(&x);
        numbers.chunks_exact_mut(length.max(1)).for_each(doubles);
        return host::tensor(&shape, numbers);
    }
    let mut numbers = host::to_f32s(x);
    numbers.chunks_exact_mut(length.max(1)).for_each(singles);
    host::cast(host::tensor(&shape, numbers), dtype)
}

fn doubles(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|x| *x = (*x - largest).exp());
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
}
