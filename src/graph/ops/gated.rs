//! GatedActivation: the gate of a decoder's feed-forward layer.

use burn::tensor::DType;

use super::{Accepts, NodeSpec, Op, Prepared, SAME, one, wrong};
use crate::graph::host;

pub static OPS: &[Op] = &[Op::own("GatedActivation", Accepts::Singles, SAME, gated)];

/// The activation of the first input, times the second, element by element.
///
/// # Source
/// Shazeer 2020 (2002.05202), equation 6, without its products.
fn gated(node: &NodeSpec<'_>) -> Prepared {
    let activation = node.attributes.activation()?;
    Ok(Box::new(move |inputs| {
        let (gate, up) = (inputs.floats(0)?, inputs.floats(1)?);
        if host::shape(&gate) != host::shape(&up) {
            return wrong(format!("the shapes {:?} and {:?} differ", host::shape(&gate), host::shape(&up)));
        }
        let shape = host::shape(&gate).to_vec();
        let mut numbers = host::into_vec::<f32>(host::cast(gate, DType::F32));
        activation.iter().for_each(|activation| activation.apply(&mut numbers));
        numbers.iter_mut().zip(host::slice::<f32>(&up)).for_each(|(x, up)| *x *= up);
        one(host::tensor(&shape, numbers))
    }))
}
