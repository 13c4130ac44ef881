//! GatedActivation: the gate of a decoder's feed-forward layer.

use super::{Accepts, NodeSpec, Op, Prepared, SAME, on_gpu, one, wrong};
use crate::graph::host;
use crate::kernels::activation::Activation;

pub static OPS: &[Op] =
    &[Op::own("GatedActivation", Accepts::Singles, SAME, gated).gpu(on_gpu!(decoder::gated_activation))];

/// The activation of the first input, times the second, element by element. With one input these are the halves of its rows.
///
/// # Source
/// Shazeer 2020 (2002.05202), equation 6, without its products.
fn gated(node: &NodeSpec<'_>) -> Prepared {
    let activation = node.attributes.activation()?;
    Ok(Box::new(move |inputs| {
        let gate = inputs.floats(0)?;
        let mut shape = host::shape(&gate).to_vec();
        let Some(up) = inputs.optional(1) else {
            return match shape.last_mut() {
                Some(last) if *last % 2 == 0 && *last > 0 => {
                    let numbers = halves(host::slice(&gate), *last, activation);
                    *last /= 2;
                    one(host::tensor(&shape, numbers))
                }
                _ => wrong(format!("the shape {shape:?} has no halves")),
            };
        };
        if host::shape(&up) != shape {
            return wrong(format!("the shapes {shape:?} and {:?} differ", host::shape(&up)));
        }
        let (mut numbers, up) = (host::into_vec::<f32>(gate), host::to_f32s(up));
        activation.iter().for_each(|activation| activation.apply(&mut numbers));
        numbers.iter_mut().zip(up).for_each(|(x, up)| *x *= up);
        one(host::tensor(&shape, numbers))
    }))
}

/// The activation of the first halves of rows of `width` numbers, an even number, times the second halves.
pub fn halves(rows: &[f32], width: usize, activation: Option<Activation>) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(rows.len() / 2);
    for row in rows.chunks_exact(width) {
        let (gate, up) = row.split_at(width / 2);
        let start = numbers.len();
        numbers.extend_from_slice(gate);
        activation.iter().for_each(|activation| activation.apply(&mut numbers[start..]));
        numbers[start..].iter_mut().zip(up).for_each(|(x, up)| *x *= up);
    }
    numbers
}
