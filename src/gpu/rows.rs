//! Softmax, reductions and gathering along a dimension.

use super::elementwise::word;
use super::kernel::{Kernel, Source, wgsl};
use super::queue::{Gpu, spread};
use super::tensor::Tensor;

const ROWS: Source = wgsl!("rows");
const SHARED: Source = wgsl!("rows_shared");
const SINGLE: Source = wgsl!("rows_single");
const GATHER: Source = wgsl!("gather");

/// Elements from which on a row has a workgroup, and not one invocation.
const LONG: usize = 32;

/// How the elements of a row are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest; NaN if there is one.
    Max,
    /// The smallest; NaN if there is one.
    Min,
}

const MAX: &str = "select(b, a, a > b || a != a)";
const MIN: &str = "select(b, a, a < b || a != a)";

impl Gpu {
    /// The softmax along `axis`, or its logarithm.
    pub fn softmax(&self, x: &Tensor, axis: usize, log: bool) -> Option<Tensor> {
        let out = self.empty(x.shape())?;
        let constants = format!(
            "const REDUCES: bool = false;\nconst LOG: bool = {log};\nfn start(first: f32) -> f32 {{\n    return first;\n}}\n\
             fn combine(a: f32, b: f32) -> f32 {{\n    return {MAX};\n}}\n"
        );
        self.rows(x, axis, constants, 1.0, &out)?;
        Some(out)
    }

    /// The reduction along `axis`, which stays as a dimension of 1.
    pub fn reduce(&self, x: &Tensor, axis: usize, reduction: Reduction) -> Option<Tensor> {
        let mut shape = x.shape().to_vec();
        let size = std::mem::replace(shape.get_mut(axis)?, 1);
        let out = self.empty(&shape)?;
        let (start, combine) = match reduction {
            Reduction::Sum | Reduction::Mean => ("0.0", "a + b"),
            Reduction::Max => ("first", MAX),
            Reduction::Min => ("first", MIN),
        };
        let factor = if reduction == Reduction::Mean { 1.0 / size as f32 } else { 1.0 };
        let constants = format!(
            "const REDUCES: bool = true;\nconst LOG: bool = false;\nfn start(first: f32) -> f32 {{\n    return {start};\n}}\n\
             fn combine(a: f32, b: f32) -> f32 {{\n    return {combine};\n}}\n"
        );
        self.rows(x, axis, constants, factor, &out)?;
        Some(out)
    }

    fn rows(&self, x: &Tensor, axis: usize, constants: String, factor: f32, out: &Tensor) -> Option<()> {
        let x = self.contiguous(x)?;
        let size = *x.shape().get(axis)?;
        let inner: usize = x.shape()[axis + 1..].iter().product();
        let rows = x.count() / size;
        let long = size >= LONG;
        let workgroups = spread(if long { rows } else { rows.div_ceil(64) });
        let params = [word(rows)?, word(size)?, word(inner)?, factor.to_bits()];
        let kernel = Kernel {
            source: ROWS,
            library: &[if long { SHARED } else { SINGLE }],
            constants,
            inputs: &[("x", &x)],
            params: &params,
            workgroups,
            ..Kernel::default()
        };
        self.dispatch(&kernel, out)
    }

    /// The slices of `x` at `indices` along `axis`, which must be below its size.
    pub fn gather(&self, x: &Tensor, axis: usize, indices: &[u32]) -> Option<Tensor> {
        let mut shape = x.shape().to_vec();
        let size = std::mem::replace(shape.get_mut(axis)?, indices.len());
        if indices.iter().any(|index| *index as usize >= size) {
            return None;
        }
        let out = self.empty(&shape)?;
        let (x, indices) = (self.contiguous(x)?, self.upload_words(&[indices.len()], indices)?);
        let inner = shape[axis + 1..].iter().product();
        let params = [word(out.count())?, word(size)?, word(shape[axis])?, word(inner)?];
        let inputs = [("x", &x), ("indices: u32", &indices)];
        let workgroups = spread(out.count().div_ceil(256));
        let kernel = Kernel { source: GATHER, inputs: &inputs, params: &params, workgroups, ..Kernel::default() };
        self.dispatch(&kernel, &out)?;
        Some(out)
    }
}
