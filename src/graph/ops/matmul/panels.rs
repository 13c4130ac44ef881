//! Products with constant matrices that were packed when they were loaded.

use burn::tensor::DType;

use super::super::{NodeSpec, Prepared, one, wrong};
use super::activation;
use crate::graph::attributes::{Attribute, Attributes};
use crate::graph::host::{self, HostTensor};
use crate::kernels::gemm::{Matrix, PANEL, Product, Start};
use crate::kernels::prepack::{Panels, pack};

/// The constant of `matrix`, of so many rows and columns; to `attributes` what tells them is added.
pub fn constant((rows, columns): (usize, usize), matrix: Matrix<'_>, attributes: &mut Attributes) -> HostTensor {
    attributes.push("columns", Attribute::Int(columns as i64));
    host::tensor(&[columns.div_ceil(PANEL), rows, PANEL], pack((rows, columns), matrix))
}

/// `x`, the constant, a bias or none, and what is done to the sum.
pub fn matmul(node: &NodeSpec<'_>) -> Prepared {
    let activation = activation(node)?;
    let columns = usize::try_from(node.attributes.int("columns", 0)?).map_err(|_| "its columns are negative")?;
    let packed = node.constant(1).filter(|tensor| tensor.dtype() == DType::F32);
    let Some(&[_, rows, _]) = packed.map(host::shape) else { return Err("its matrix is not packed".to_string()) };
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let (dtype, mut shape) = (x.dtype(), host::shape(&x).to_vec());
        let packed = inputs.contiguous(1)?;
        let right = Panels::new((rows, columns), host::slice(&packed));
        let (Some(right), Some(last)) = (right, shape.last_mut()) else { return wrong("its matrix does not fit") };
        if *last != rows {
            return wrong(format!("it takes rows of {rows} numbers, not of {last}"));
        }
        *last = columns;
        let mut out = vec![0.0; inputs.count(&shape)?];
        let bias = inputs.optional(2).map(host::to_f32s);
        if bias.as_ref().is_some_and(|bias| bias.len() != columns) {
            return wrong(format!("the bias does not have {columns} numbers"));
        }
        let x = host::contiguous(host::cast(x, DType::F32));
        let sizes = (out.len() / columns.max(1), columns, rows);
        let mut product = Product::new(sizes, Matrix::new(host::slice(&x), rows), &right);
        let apply = |numbers: &mut [f32]| activation.iter().for_each(|activation| activation.apply(numbers));
        product.start = bias.as_deref().map_or(Start::Zero, Start::Columns);
        product.finish = activation.is_some().then_some(&apply);
        product.write(&mut out, columns);
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}
