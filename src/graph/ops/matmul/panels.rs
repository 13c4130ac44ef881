//! MatMulPanels: products with constant matrices that the prepack pass has packed into panels.

use burn::tensor::DType;

use super::super::{NodeSpec, Prepared, one, wrong};
use crate::graph::attributes::{Attribute, Attributes};
use crate::graph::host::{self, HostTensor};
use crate::kernels::gemm::{Gemm, Init, Matrix, PANEL};
use crate::kernels::prepack::{Panels, pack};

/// The constant of `matrix`, which is `rows × columns`; adds its sizes to `attributes`.
pub fn constant((rows, columns): (usize, usize), matrix: Matrix<'_>, attributes: &mut Attributes) -> HostTensor {
    attributes.push("columns", Attribute::Int(columns as i64));
    host::tensor(&[columns.div_ceil(PANEL), rows, PANEL], pack((rows, columns), matrix))
}

/// The inputs are `x`, the constant, and an optional bias; an activation may follow.
pub fn matmul(node: &NodeSpec<'_>) -> Prepared {
    let activation = node.attributes.activation()?;
    let columns =
        usize::try_from(node.attributes.int("columns", 0)?).map_err(|_| "the attribute columns is negative")?;
    let packed = node.constant(1).filter(|tensor| tensor.dtype() == DType::F32);
    let Some(&[_, rows, _]) = packed.map(host::shape) else {
        return Err("the input 1 must be a packed constant".to_string());
    };
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let (dtype, mut shape) = (x.dtype(), host::shape(&x).to_vec());
        let packed = inputs.contiguous(1)?;
        let right = Panels::new((rows, columns), host::slice(&packed));
        let (Some(right), Some(last)) = (right, shape.last_mut()) else {
            return wrong("the sizes of the packed matrix do not fit");
        };
        if *last != rows {
            return wrong(format!("the input has rows of the length {last}, expected {rows}"));
        }
        *last = columns;
        let mut out = vec![0.0; inputs.count(&shape)?];
        let bias = inputs.optional(2).map(host::to_f32s);
        if bias.as_ref().is_some_and(|bias| bias.len() != columns) {
            return wrong(format!("the bias has the wrong length, expected {columns}"));
        }
        let x = host::contiguous(host::cast(x, DType::F32));
        let sizes = (out.len() / columns.max(1), columns, rows);
        let mut product = Gemm::new(sizes, Matrix::new(host::slice(&x), rows), &right);
        let apply = |numbers: &mut [f32]| activation.iter().for_each(|activation| activation.apply(numbers));
        product.init = bias.as_deref().map_or(Init::Zero, Init::Columns);
        product.epilogue = activation.is_some().then_some(&apply);
        product.write(&mut out, columns);
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}
