//! Functions of elements, broadcast to each other; copies.

use super::kernel::{Kernel, Source, wgsl};
use super::queue::{Gpu, spread};
use super::tensor::Tensor;

const ELEMENTWISE: Source = wgsl!("elementwise");
/// Functions that expressions may name.
pub(super) const FUNCTIONS: Source = wgsl!("functions");

/// Operands of a function.
const OPERANDS: usize = 4;
/// Dimensions, once neighbours that are one in memory are joined.
const RANK: usize = 8;
const NAMES: [&str; OPERANDS] = ["in_a", "in_b", "in_c", "in_d"];

impl Gpu {
    /// `expression` of the elements `a` (or `x`), `b`, `c` and `d` of the operands and of the scalars `p.s0` and `p.s1`, for tensors
    /// that are broadcast to `shape`.
    pub fn map(&self, expression: &str, operands: &[&Tensor], scalars: [f32; 2], shape: &[usize]) -> Option<Tensor> {
        let out = self.empty(shape)?;
        self.map_into(expression, operands, scalars, &out)?;
        Some(out)
    }

    /// [`Self::map`] into the elements of `out`.
    pub(super) fn map_into(
        &self,
        expression: &str,
        operands: &[&Tensor],
        scalars: [f32; 2],
        out: &Tensor,
    ) -> Option<()> {
        if operands.is_empty() || operands.len() > OPERANDS {
            return None;
        }
        let views = operands.iter().map(|operand| operand.expand(out.shape())).collect::<Option<Vec<_>>>()?;
        let all: Vec<&Tensor> = std::iter::once(out).chain(&views).collect();
        let dims = joined(&all);
        let strided = dims.len() > 1 || dims.iter().any(|(_, strides)| strides.iter().any(|stride| *stride != 1));
        if dims.len() > RANK {
            return None;
        }
        let mut params = vec![word(out.count())?, word(dims.len())?, scalars[0].to_bits(), scalars[1].to_bits()];
        params.extend([word(out.offset())?, 0, 0, 0]);
        let offsets = views.iter().map(|view| word(view.offset())).collect::<Option<Vec<_>>>()?;
        params.extend(padded(offsets, OPERANDS));
        let sizes = dims.iter().map(|(size, _)| word(*size)).collect::<Option<Vec<_>>>()?;
        params.extend(padded(sizes, RANK));
        let own = dims.iter().map(|(_, strides)| word(strides[0])).collect::<Option<Vec<_>>>()?;
        params.extend(padded(own, RANK));
        for (_, strides) in &dims {
            let operands = strides[1..].iter().map(|stride| word(*stride)).collect::<Option<Vec<_>>>()?;
            params.extend(padded(operands, OPERANDS));
        }
        let mut constants = format!("const STRIDED: bool = {strided};\n");
        constants += "fn compute(at: vec4<u32>) -> f32 {\n";
        for (index, letter) in ["a", "b", "c", "d"].into_iter().enumerate().take(views.len()) {
            constants += &format!("    let {letter} = {}[at[{index}]];\n", NAMES[index]);
        }
        constants += &format!("    let x = a;\n    return {expression};\n}}\n");
        let inputs: Vec<_> = NAMES.into_iter().zip(&views).collect();
        let kernel = Kernel {
            source: ELEMENTWISE,
            library: &[FUNCTIONS],
            constants,
            inputs: &inputs,
            params: &params,
            workgroups: spread(out.count().div_ceil(256)),
            ..Kernel::default()
        };
        self.dispatch(&kernel, out)
    }

    /// Copies the elements of `from` to `to`, a tensor of the same shape.
    pub fn copy(&self, from: &Tensor, to: &Tensor) -> Option<()> {
        self.map_into("a", &[from], [0.0; 2], to)
    }

    /// The same tensor in row-major order, from the beginning of its buffer; without a copy where it is.
    pub fn contiguous(&self, tensor: &Tensor) -> Option<Tensor> {
        if tensor.is_contiguous() {
            return Some(tensor.clone());
        }
        self.map("a", &[tensor], [0.0; 2], tensor.shape())
    }

    /// The same elements in another shape; a copy where no view has it. `None` where it has another number of elements.
    pub fn reshaped(&self, tensor: &Tensor, shape: &[usize]) -> Option<Tensor> {
        tensor.reshape(shape).or_else(|| self.contiguous(tensor)?.reshape(shape))
    }

    /// The tensors one after another along `axis`; they have the same sizes along the others.
    pub fn concat(&self, parts: &[&Tensor], axis: usize) -> Option<Tensor> {
        let mut shape = parts.first()?.shape().to_vec();
        *shape.get_mut(axis)? = 0;
        for part in parts {
            let others = (0..part.shape().len()).filter(|at| *at != axis);
            if part.shape().len() != shape.len() || others.into_iter().any(|at| part.shape()[at] != shape[at]) {
                return None;
            }
            shape[axis] += part.shape()[axis];
        }
        let out = self.empty(&shape)?;
        let mut start = 0;
        for part in parts {
            self.map_into("a", &[part], [0.0; 2], &out.narrow(axis, start, part.shape()[axis])?)?;
            start += part.shape()[axis];
        }
        Some(out)
    }

    /// `x` with `pads[axis]` elements of `value` before and behind each dimension.
    pub fn pad(&self, x: &Tensor, pads: &[(usize, usize)], value: f32) -> Option<Tensor> {
        let sizes = x.shape().iter().zip(pads);
        let shape = sizes.map(|(size, (before, after))| size.checked_add(*before)?.checked_add(*after));
        let shape = shape.collect::<Option<Vec<_>>>().filter(|shape| shape.len() == x.shape().len())?;
        let out = self.empty(&shape)?;
        // One operand is needed; its elements are not used.
        let one = x.reshape(&[x.count()]).map_or_else(|| self.contiguous(x)?.reshape(&[x.count()]), Some)?;
        self.map_into("p.s0 + select(0.0, a, false)", &[&one.narrow(0, 0, 1)?], [value, 0.0], &out)?;
        let mut inside = out.clone();
        for (axis, (before, _)) in pads.iter().enumerate() {
            inside = inside.narrow(axis, *before, x.shape()[axis])?;
        }
        self.map_into("a", &[x], [0.0; 2], &inside)?;
        Some(out)
    }
}

/// The dimensions of tensors of one shape, each with its size and the strides; neighbours that are one dimension in the
/// memory of all of them are joined.
fn joined(tensors: &[&Tensor]) -> Vec<(usize, Vec<usize>)> {
    let shape = tensors.first().map_or(&[][..], |tensor| tensor.shape());
    let mut dims: Vec<(usize, Vec<usize>)> = Vec::new();
    for (axis, size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
        let strides: Vec<usize> = tensors.iter().map(|tensor| tensor.strides()[axis]).collect();
        match dims.last_mut() {
            Some((all, last)) if last.iter().zip(&strides).all(|(outer, own)| *outer == own * size) => {
                (*all, *last) = (*all * size, strides);
            }
            _ => dims.push((*size, strides)),
        }
    }
    dims
}

/// A number as a parameter.
pub(super) fn word(number: usize) -> Option<u32> {
    u32::try_from(number).ok()
}

fn padded(mut words: Vec<u32>, count: usize) -> Vec<u32> {
    words.resize(count, 0);
    words
}
