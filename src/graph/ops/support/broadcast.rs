//! Broadcasting: elementwise functions over tensors that are broadcast to each other.

use bytemuck::Pod;

use crate::error::Result;
use crate::graph::host::{self, HostTensor, Number};

/// A loop nest over several tensors, whose innermost loop is left to the caller.
pub struct Nest<const N: usize> {
    /// The iterations of each outer loop.
    outer: Vec<usize>,
    /// The step of each tensor in each outer loop, in elements.
    steps: Vec<[usize; N]>,
    /// The iterations of the innermost loop.
    pub inner: usize,
    /// The step of each tensor in the innermost loop: 0 or 1.
    pub inner_steps: [usize; N],
}

impl<const N: usize> Nest<N> {
    /// The loops over contiguous tensors of `shapes`, each broadcast to `shape`.
    // Every operator has loops of its own: what they share is not compiled into each.
    #[inline(never)]
    pub fn new(shape: &[usize], shapes: [&[usize]; N]) -> Self {
        let own = shapes.map(host::strides);
        let step = |tensor: usize, axis: usize| match (axis + shapes[tensor].len()).checked_sub(shape.len()) {
            Some(axis) if shapes[tensor][axis] != 1 => own[tensor][axis],
            _ => 0,
        };
        // Neighbouring dimensions in which every tensor has one even step are joined to one loop.
        let mut loops: Vec<(usize, [usize; N])> = Vec::new();
        for (axis, &size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
            let steps = std::array::from_fn(|tensor| step(tensor, axis));
            match loops.last_mut() {
                Some((outer, outer_steps)) if (0..N).all(|tensor| outer_steps[tensor] == steps[tensor] * size) => {
                    *outer *= size;
                    *outer_steps = steps;
                }
                _ => loops.push((size, steps)),
            }
        }
        let (inner, inner_steps) = loops.pop().unwrap_or((1, [0; N]));
        let (outer, steps) = loops.into_iter().unzip();
        Self { outer, steps, inner, inner_steps }
    }

    /// Calls `each` with the offsets at which the innermost loop begins.
    #[inline(never)]
    pub fn run(&self, each: &mut dyn FnMut([usize; N])) {
        let mut iteration = vec![0; self.outer.len()];
        let mut offsets = [0; N];
        let iterations: usize = self.outer.iter().product();
        for _ in 0..if self.inner == 0 { 0 } else { iterations } {
            each(offsets);
            for axis in (0..iteration.len()).rev() {
                iteration[axis] += 1;
                (0..N).for_each(|tensor| offsets[tensor] += self.steps[axis][tensor]);
                if iteration[axis] < self.outer[axis] {
                    break;
                }
                (0..N).for_each(|tensor| offsets[tensor] -= self.steps[axis][tensor] * iteration[axis]);
                iteration[axis] = 0;
            }
        }
    }
}

/// `f` of each pair of elements of `a` and `b`, whose type is `T` or has its size; and the shape.
///
/// # Errors
/// Invalid input: they cannot be broadcast to each other.
pub fn zip<T: Pod, R: Copy>(a: &HostTensor, b: &HostTensor, f: impl Fn(T, T) -> R) -> Result<(Vec<usize>, Vec<R>)> {
    let (shape_a, shape_b) = (host::shape(a), host::shape(b));
    let shape = host::broadcast_shape(shape_a, shape_b)?;
    let (a, b) = (host::slice::<T>(a), host::slice::<T>(b));
    let nest = Nest::new(&shape, [shape_a, shape_b]);
    let mut out = Vec::with_capacity(shape.iter().product());
    let n = nest.inner;
    nest.run(&mut |[i, j]| match nest.inner_steps {
        [0, 0] => out.extend(std::iter::repeat_n(f(a[i], b[j]), n)),
        [0, _] => {
            let a = a[i];
            out.extend(b[j..j + n].iter().map(|b| f(a, *b)));
        }
        [_, 0] => {
            let b = b[j];
            out.extend(a[i..i + n].iter().map(|a| f(*a, b)));
        }
        _ => out.extend(a[i..i + n].iter().zip(&b[j..j + n]).map(|(a, b)| f(*a, *b))),
    });
    Ok((shape, out))
}

/// `f` of each pair of 32-bit floats; in place in `a` where that has no other user and the shape of the result.
///
/// # Errors
/// Invalid input: they cannot be broadcast to each other.
pub fn zip_floats(mut a: HostTensor, b: HostTensor, f: impl Fn(f32, f32) -> f32) -> Result<HostTensor> {
    let shape = host::broadcast_shape(host::shape(&a), host::shape(&b))?;
    if host::shape(&a) != shape || !a.is_unique() {
        // The mirrored case, in place in `b`, is rare: exporters put the larger operand first.
        let (shape, out) = zip::<f32, f32>(&a, &b, f)?;
        return Ok(host::tensor(&shape, out));
    }
    let nest = Nest::new(&shape, [&shape, host::shape(&b)]);
    let numbers = host::slice::<f32>(&b);
    let Some(out) = a.try_storage_mut::<f32>() else { return Ok(a) };
    let n = nest.inner;
    nest.run(&mut |[i, j]| match nest.inner_steps {
        [_, 0] => {
            let b = numbers[j];
            out[i..i + n].iter_mut().for_each(|a| *a = f(*a, b));
        }
        _ => out[i..i + n].iter_mut().zip(&numbers[j..j + n]).for_each(|(a, b)| *a = f(*a, *b)),
    });
    Ok(a)
}

/// `f` of each 32-bit float; in place where `x` has no other user.
pub fn map_floats(x: HostTensor, f: impl Fn(f32) -> f32) -> HostTensor {
    map_slice(x, &mut |numbers| numbers.iter_mut().for_each(|x| *x = f(*x)))
}

// Compiled once: of each operator, nothing but its loop remains.
#[inline(never)]
fn map_slice(x: HostTensor, each: &mut dyn FnMut(&mut [f32])) -> HostTensor {
    let mut x = host::contiguous(x);
    if let Some(numbers) = x.try_storage_mut::<f32>() {
        each(numbers);
        return x;
    }
    let mut out = host::slice::<f32>(&x).to_vec();
    each(&mut out);
    host::tensor(host::shape(&x), out)
}

/// `a` and `b` as 64-bit integers or doubles, whichever represents their type.
pub fn zip_lanes(
    a: &HostTensor,
    b: &HostTensor,
    floats: fn(f64, f64) -> f64,
    integers: fn(i64, i64) -> i64,
) -> Result<HostTensor> {
    let dtype = a.dtype();
    if host::is_float(dtype) {
        let (a, b) = (lane(a, host::to_f64s(a)), lane(b, host::to_f64s(b)));
        let (shape, out) = zip(&a, &b, floats)?;
        return Ok(host::from_f64s(dtype, &shape, &out));
    }
    let (a, b) = (lane(a, host::to_i64s(a)), lane(b, host::to_i64s(b)));
    let (shape, out) = zip(&a, &b, integers)?;
    Ok(host::from_i64s(dtype, &shape, &out))
}

fn lane<T: Number>(like: &HostTensor, numbers: Vec<T>) -> HostTensor {
    host::tensor(host::shape(like), numbers)
}
