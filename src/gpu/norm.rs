//! Normalisation of rows.

use super::elementwise::word;
use super::kernel::{Kernel, Source, wgsl};
use super::queue::{Gpu, spread};
use super::tensor::Tensor;

const NORM: Source = wgsl!("norm");

/// A normalisation of the last dimension.
#[derive(Clone, Copy)]
pub struct Norm<'a> {
    /// Whether the mean is subtracted: layer normalisation, and else that of the root mean square.
    pub centred: bool,
    /// Added to the variance.
    pub epsilon: f32,
    /// Multiplies a row; `[columns]`.
    pub scale: &'a Tensor,
    /// Is added to a row; `[columns]`.
    pub bias: Option<&'a Tensor>,
    /// Is added to the input first; of its shape.
    pub residual: Option<&'a Tensor>,
}

impl Gpu {
    /// `x` normalised.
    pub fn norm(&self, x: &Tensor, norm: &Norm<'_>) -> Option<Tensor> {
        let Norm { centred, epsilon, scale, bias, residual } = *norm;
        let columns = *x.shape().last()?;
        let vectors = [Some(scale), bias].into_iter().flatten();
        if vectors.into_iter().any(|vector| *vector.shape() != [columns])
            || residual.is_some_and(|residual| residual.shape() != x.shape())
        {
            return None;
        }
        let flat = |tensor: Option<&Tensor>| match tensor {
            None => Some(None),
            Some(tensor) => self.contiguous(tensor).map(Some),
        };
        let (contiguous, residual) = (self.contiguous(x)?, flat(residual)?);
        let (scale, bias) = (self.contiguous(scale)?, flat(bias)?);
        let mut inputs = vec![("x", &contiguous), ("scale", &scale)];
        inputs.extend(bias.as_ref().map(|bias| ("bias", bias)));
        inputs.extend(residual.as_ref().map(|residual| ("residual", residual)));
        let rows = x.count() / columns;
        let lanes = (columns / 4).next_power_of_two().clamp(16, 128);
        let constants = format!(
            "const LANES: u32 = {lanes}u;\nconst CENTRED: bool = {centred};\n\
             fn term(at: u32) -> f32 {{\n    return x[at]{};\n}}\n\
             fn offset(column: u32) -> f32 {{\n    return {};\n}}\n",
            if residual.is_some() { " + residual[at]" } else { "" },
            if bias.is_some() { "bias[column]" } else { "0.0" },
        );
        let out = self.empty(x.shape())?;
        let params = [word(rows)?, word(columns)?, epsilon.to_bits()];
        let workgroups = spread(rows);
        let inputs = &inputs[..];
        let kernel = Kernel { source: NORM, constants, inputs, params: &params, workgroups, ..Kernel::default() };
        self.dispatch(&kernel, &out)?;
        Some(out)
    }
}
