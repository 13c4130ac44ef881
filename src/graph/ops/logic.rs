//! Logical and bitwise operators.

use super::binary_elementwise::pair;
use super::{Accepts, BOOLS, Op, Prepared, SAME, one};
use crate::graph::host::{self, BOOL};
use crate::graph::ops::support::broadcast::{zip, zip_lanes};

pub static OPS: &[Op] = &[
    Op::new("And", Accepts::Bools, BOOLS, |_| booleans(|a, b| a & b)),
    Op::new("BitwiseAnd", Accepts::Integers, SAME, |_| bits(|a, b| a & b)),
    Op::new("BitwiseNot", Accepts::Integers, SAME, |_| {
        Ok(Box::new(|inputs| {
            let x = inputs.take(0)?;
            let out: Vec<i64> = host::to_i64s(&x).into_iter().map(|x| !x).collect();
            one(host::from_i64s(x.dtype(), host::shape(&x), &out))
        }))
    }),
    Op::new("BitwiseOr", Accepts::Integers, SAME, |_| bits(|a, b| a | b)),
    Op::new("BitwiseXor", Accepts::Integers, SAME, |_| bits(|a, b| a ^ b)),
    Op::new("Not", Accepts::Bools, BOOLS, |_| {
        Ok(Box::new(|inputs| {
            let x = host::contiguous(host::cast(inputs.take(0)?, BOOL));
            one(host::bools(host::shape(&x), host::slice::<u8>(&x).iter().map(|x| x ^ 1).collect()))
        }))
    }),
    Op::new("Or", Accepts::Bools, BOOLS, |_| booleans(|a, b| a | b)),
    Op::new("Xor", Accepts::Bools, BOOLS, |_| booleans(|a, b| a ^ b)),
];

fn booleans(f: fn(u8, u8) -> u8) -> Prepared {
    Ok(Box::new(move |inputs| {
        let (a, b) = pair(inputs)?;
        let (shape, out) = zip(&host::cast(a, BOOL), &host::cast(b, BOOL), f)?;
        one(host::bools(&shape, out))
    }))
}

fn bits(f: fn(i64, i64) -> i64) -> Prepared {
    Ok(Box::new(move |inputs| {
        let (a, b) = pair(inputs)?;
        // Floats get here only where their type was not known at load.
        one(zip_lanes(&a, &b, |_, _| f64::NAN, f)?)
    }))
}
