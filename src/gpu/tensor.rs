//! Tensors on the GPU: a buffer, and how its elements are laid out.

use super::memory::Buffer;

/// 32-bit floats on the GPU, as strided elements of a buffer. Cheap to clone. It has at least one element.
#[derive(Clone)]
pub struct Tensor {
    pub(super) buffer: Buffer,
    shape: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
}

impl Tensor {
    /// All of `buffer`, in row-major order.
    pub(super) fn new(buffer: Buffer, shape: &[usize]) -> Self {
        Self { buffer, shape: shape.to_vec(), strides: row_major(shape), offset: 0 }
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The distances between neighbours along each dimension, in elements.
    pub(super) fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// The index of the first element.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Whether the elements are the first ones of the buffer, in row-major order.
    pub(super) fn is_contiguous(&self) -> bool {
        let dims = self.shape.iter().zip(&self.strides).zip(row_major(&self.shape));
        self.offset == 0 && dims.into_iter().all(|((size, own), wanted)| *size == 1 || *own == wanted)
    }

    /// Whether no other tensor has its buffer.
    pub fn is_alone(&self) -> bool {
        self.buffer.is_alone()
    }

    /// The dimensions in the order `axes`, each of which occurs once.
    pub fn permute(&self, axes: &[usize]) -> Option<Self> {
        let mut seen = vec![false; self.shape.len()];
        for axis in axes {
            *seen.get_mut(*axis)? = true;
        }
        if axes.len() != seen.len() || seen.contains(&false) {
            return None;
        }
        let of = |list: &[usize]| axes.iter().map(|axis| list[*axis]).collect();
        Some(Self { shape: of(&self.shape), strides: of(&self.strides), ..self.clone() })
    }

    /// The elements from `start` on along `axis`, `count` of them.
    pub fn narrow(&self, axis: usize, start: usize, count: usize) -> Option<Self> {
        let size = *self.shape.get(axis)?;
        if count == 0 || start.checked_add(count)? > size {
            return None;
        }
        let mut view = self.clone();
        view.shape[axis] = count;
        view.offset += start * self.strides[axis];
        Some(view)
    }

    /// Repeats dimensions of 1, with new ones in front, up to `shape`.
    pub fn expand(&self, shape: &[usize]) -> Option<Self> {
        let added = shape.len().checked_sub(self.shape.len())?;
        let mut strides = vec![0; added];
        for ((size, stride), wanted) in self.shape.iter().zip(&self.strides).zip(&shape[added..]) {
            match (size, wanted) {
                (size, wanted) if size == wanted => strides.push(*stride),
                (1, _) => strides.push(0),
                _ => return None,
            }
        }
        Some(Self { shape: shape.to_vec(), strides, ..self.clone() })
    }

    /// The same elements in another shape; `None` where that has no strides, or another number of elements.
    pub fn reshape(&self, shape: &[usize]) -> Option<Self> {
        if shape.iter().product::<usize>() != self.count() {
            return None;
        }
        // Runs of dimensions that are one in memory; each must be made of whole new dimensions.
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (size, stride) in self.shape.iter().zip(&self.strides).filter(|(size, _)| **size != 1) {
            match runs.last_mut() {
                Some((all, last)) if *last == size * stride => (*all, *last) = (*all * size, *stride),
                _ => runs.push((*size, *stride)),
            }
        }
        let mut strides = vec![0; shape.len()];
        let mut runs = runs.into_iter().rev();
        let (mut left, mut stride) = runs.next().unwrap_or((1, 1));
        for (to, size) in strides.iter_mut().zip(shape).rev() {
            if left == 1 && *size != 1 {
                (left, stride) = runs.next()?;
            }
            if left % size != 0 {
                return None;
            }
            *to = stride;
            (left, stride) = (left / size, stride * size);
        }
        Some(Self { shape: shape.to_vec(), strides, ..self.clone() })
    }
}

/// The strides of a tensor in row-major order.
fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}
