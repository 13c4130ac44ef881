//! The contrib operator RotaryEmbedding.

use super::super::attention::rotary::Tables;
use super::super::{NodeSpec, Prepared, one, wrong};
use crate::graph::host;

/// # Source
/// onnxruntime's ContribOperators.md, "com.microsoft.RotaryEmbedding".
pub fn rotary(node: &NodeSpec<'_>) -> Prepared {
    let interleaved = node.attributes.flag("interleaved", false)?;
    let [heads, rotated] = ["num_heads", "rotary_embedding_dim"].map(|name| node.attributes.int(name, 0));
    let (heads, rotated) = (heads?, rotated?);
    if node.attributes.float("scale", 1.0)? != 1.0 || node.attributes.flag("is_packed_batching", false)? {
        return Err("scales and packed batches are not supported".to_string());
    }
    let [heads, rotated] =
        [heads, rotated].map(|value| usize::try_from(value).map_err(|_| format!("{value} is not a size")));
    let (heads, rotated) = (heads?, rotated?);
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let (dtype, shape) = (x.dtype(), host::shape(&x).to_vec());
        let positions = inputs.ints(1)?;
        let (cos, sin) = (inputs.floats(2)?, inputs.floats(3)?);
        let &[_, half] = host::shape(&cos) else { return wrong("cos_cache must be a matrix") };
        // With 4 dimensions, the heads are before the sequence.
        let (x, batch, sequence, count, size) = match shape[..] {
            [batch, count, sequence, size] => (x.permute(&[0, 2, 1, 3]), batch, sequence, count, size),
            [batch, sequence, hidden] => {
                // Without the number of heads, the size of one is that of the angles.
                let size = if rotated > 0 { hidden / heads.max(1) } else { 2 * half };
                if size == 0 || hidden % size != 0 {
                    return wrong(format!("a width of {hidden} cannot be split into heads of {size}"));
                }
                (x, batch, sequence, hidden / size, size)
            }
            _ => return wrong(format!("the input has the shape {shape:?}, expected 3 or 4 dimensions")),
        };
        if 2 * half > size || rotated > 0 && rotated != 2 * half {
            return wrong(format!("cos_cache has {half} angles, which do not fit heads of {size}"));
        }
        let positions = match positions.len() {
            1 => (0..batch * sequence).map(|at| positions[0].saturating_add((at % sequence) as i64)).collect(),
            given if given == batch * sequence => positions,
            given => return wrong(format!("there are {given} positions, expected {}", batch * sequence)),
        };
        let mut numbers = host::to_f32s(x);
        Tables::new(cos, sin, half)?.rotate(&mut numbers, (count, size), &positions, interleaved)?;
        let out = host::tensor(&[batch, sequence, count, size], numbers);
        let out = if shape.len() == 3 { host::reshape(out, &shape) } else { out.permute(&[0, 2, 1, 3]) };
        one(host::cast(host::contiguous(out), dtype))
    }))
}
