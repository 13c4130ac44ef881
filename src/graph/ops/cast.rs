//! Cast, CastLike and BitCast.

use burn::tensor::DType;

use super::{Accepts, Gives, NodeSpec, Op, Prepared, one, wrong};
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, BOOL, HostTensor};
use crate::graph::import;

pub static OPS: &[Op] = &[
    Op::new("BitCast", Accepts::Any, &[Gives::Says("to", DType::F32)], bit_cast),
    Op::new("Cast", Accepts::Any, &[Gives::Says("to", DType::F32)], cast),
    Op::new("CastLike", Accepts::Any, &[Gives::As(1)], cast_like),
];

fn target(node: &NodeSpec<'_>) -> Result<DType, Refusal> {
    let number = node.attributes.optional_int("to")?.ok_or("the attribute to is missing")?;
    import::dtype(number).map_err(|error| error.to_string())
}

/// Reads the attributes that are for 8-bit floats, which are not supported.
fn ignore_eight_bits(node: &NodeSpec<'_>) {
    node.attributes.get("saturate");
    node.attributes.get("round_mode");
}

fn cast(node: &NodeSpec<'_>) -> Prepared {
    ignore_eight_bits(node);
    let dtype = target(node)?;
    Ok(Box::new(move |inputs| one(host::cast(inputs.take(0)?, dtype))))
}

fn cast_like(node: &NodeSpec<'_>) -> Prepared {
    ignore_eight_bits(node);
    Ok(Box::new(move |inputs| {
        let (x, like) = (inputs.take(0)?, inputs.take(1)?);
        one(host::cast(x, like.dtype()))
    }))
}

fn bit_cast(node: &NodeSpec<'_>) -> Prepared {
    let dtype = target(node)?;
    let fits = move |from: DType| host::size_of(from) == host::size_of(dtype) && (dtype != BOOL || from == BOOL);
    if let Some(from) = node.dtype(0).filter(|from| !fits(*from)) {
        return Err(format!("{from:?} cannot be bit-cast to {dtype:?}: their sizes differ"));
    }
    Ok(Box::new(move |inputs| {
        let x = inputs.contiguous(0)?;
        if !fits(x.dtype()) {
            return wrong(format!("{:?} cannot be bit-cast to {dtype:?}: their sizes differ", x.dtype()));
        }
        let layout = x.layout().clone();
        one(HostTensor::new(host::into_bytes(x), layout, dtype))
    }))
}
