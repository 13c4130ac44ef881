//! Where.

use std::ops::{BitAnd, BitXor};

use burn::tensor::DType;

use super::support::broadcast::Nest;
use super::{Accepts, Gives, Inputs, Op, on_gpu, one, wrong};
use crate::error::Result;
use crate::graph::host::{self, BOOL, HostTensor, Number};

pub static OPS: &[Op] = &[Op::new("Where", Accepts::Bools, &[Gives::As(1)], |_| Ok(Box::new(where_op)))
    .encoded()
    .gpu(on_gpu!(|_| Some(Box::new(elementwise::choose))))];

fn where_op(inputs: &mut Inputs<'_>) -> Result<Vec<HostTensor>> {
    let condition = host::contiguous(host::cast(inputs.take(0)?, BOOL));
    let (a, b) = (inputs.contiguous(1)?, inputs.contiguous(2)?);
    if a.dtype() != b.dtype() {
        return wrong(format!("the inputs X and Y have different types: {:?} and {:?}", a.dtype(), b.dtype()));
    }
    let shape = host::broadcast_shape(host::shape(&a), host::shape(&b))?;
    let shape = host::broadcast_shape(&shape, host::shape(&condition))?;
    inputs.count(&shape)?;
    let dtype = a.dtype();
    one(match host::size_of(dtype) {
        1 => choose::<u8>(dtype, &shape, &condition, &a, &b),
        2 => choose::<u16>(dtype, &shape, &condition, &a, &b),
        4 => choose::<u32>(dtype, &shape, &condition, &a, &b),
        _ => choose::<u64>(dtype, &shape, &condition, &a, &b),
    })
}

/// The elements of `a` or of `b`, which have the size of `T`.
fn choose<T: Number + BitAnd<Output = T> + BitXor<Output = T>>(
    dtype: DType,
    shape: &[usize],
    condition: &HostTensor,
    a: &HostTensor,
    b: &HostTensor,
) -> HostTensor {
    let nest = Nest::new(shape, [host::shape(condition), host::shape(a), host::shape(b)]);
    let (condition, a, b) = (host::slice::<u8>(condition), host::slice::<T>(a), host::slice::<T>(b));
    let mut out: Vec<T> = Vec::with_capacity(shape.iter().product());
    let n = nest.inner;
    nest.run(&mut |[c, i, j]| {
        // Without a branch, so that it is vectorised.
        let pick = |c: u8, a: T, b: T| b ^ ((a ^ b) & T::from_i64(-i64::from(c != 0)));
        match nest.inner_steps {
            [0, step_a, step_b] => {
                let (from, at, step) = if condition[c] != 0 { (a, i, step_a) } else { (b, j, step_b) };
                match step {
                    0 => out.extend(std::iter::repeat_n(from[at], n)),
                    _ => out.extend_from_slice(&from[at..at + n]),
                }
            }
            [_, 0, 0] => {
                let (a, b) = (a[i], b[j]);
                out.extend(condition[c..c + n].iter().map(|c| pick(*c, a, b)));
            }
            [_, 0, _] => {
                let a = a[i];
                out.extend(condition[c..c + n].iter().zip(&b[j..j + n]).map(|(c, b)| pick(*c, a, *b)));
            }
            [_, _, 0] => {
                let b = b[j];
                out.extend(condition[c..c + n].iter().zip(&a[i..i + n]).map(|(c, a)| pick(*c, *a, b)));
            }
            _ => {
                let alternatives = a[i..i + n].iter().zip(&b[j..j + n]);
                out.extend(condition[c..c + n].iter().zip(alternatives).map(|(c, (a, b))| pick(*c, *a, *b)));
            }
        }
    });
    host::of_type(dtype, shape, out)
}
