//! Rotary positions.

use super::super::{NodeSpec, Prepared, one, wrong};
use super::standard::split;
use crate::graph::host;

/// # Source
/// The ONNX specification of RotaryEmbedding; Su et al. 2021 (2104.09864), equation 34.
pub fn rotary(node: &NodeSpec<'_>) -> Prepared {
    let interleaved = node.attributes.flag("interleaved", false)?;
    let heads = node.attributes.int("num_heads", 0)?;
    let heads = usize::try_from(heads).ok().filter(|heads| *heads > 0);
    let turned = node.attributes.int("rotary_embedding_dim", 0)?;
    let turned = usize::try_from(turned).map_err(|_| format!("its rotary_embedding_dim is {turned}"))?;
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let (dtype, flat) = (x.dtype(), host::shape(&x).len() == 3);
        let shape = host::shape(&x).to_vec();
        // `[batch, sequence, heads, size]`, as the numbers of 3 dimensions lie anyway.
        let x = split(x, heads)?.permute(&[0, 2, 1, 3]);
        let &[batch, sequence, count, size] = host::shape(&x) else { return wrong("it has no heads") };
        let mut numbers = host::to_f32s(x);
        let turned = if turned == 0 { size } else { turned };
        let half = turned / 2;
        if turned > size || turned % 2 != 0 {
            return wrong(format!("{turned} of {size} numbers cannot be turned in pairs"));
        }
        let (cos, sin) = (inputs.floats(1)?, inputs.floats(2)?);
        let rows = cos.layout().num_elements() / half.max(1);
        if host::shape(&cos) != host::shape(&sin) || rows * half != cos.layout().num_elements() {
            return wrong("the cosines and sines do not fit");
        }
        let places = match inputs.optional_ints(3) {
            Some(places) if places.len() == batch * sequence => places,
            // One offset for all.
            Some(places) if places.len() == 1 => {
                (0..batch * sequence).map(|at| places[0].saturating_add((at % sequence) as i64)).collect()
            }
            None if rows == batch * sequence => (0..rows as i64).collect(),
            _ => return wrong("the places do not fit"),
        };
        let (cos, sin) = (host::slice::<f32>(&cos), host::slice::<f32>(&sin));
        for (token, place) in numbers.chunks_exact_mut((count * size).max(1)).zip(places) {
            let Some(place) = usize::try_from(place).ok().filter(|place| *place < rows) else {
                return wrong(format!("there is no place {place} among {rows}"));
            };
            let (cos, sin) = (&cos[place * half..][..half], &sin[place * half..][..half]);
            for head in token.chunks_exact_mut(size) {
                for at in 0..half {
                    let (a, b) = if interleaved { (2 * at, 2 * at + 1) } else { (at, at + half) };
                    let (real, imaginary) = (head[a], head[b]);
                    head[a] = cos[at] * real - sin[at] * imaginary;
                    head[b] = sin[at] * real + cos[at] * imaginary;
                }
            }
        }
        let out = host::tensor(&[batch, sequence, count, size], numbers);
        let out = if flat { host::reshape(out, &shape) } else { out.permute(&[0, 2, 1, 3]) };
        one(host::cast(out, dtype))
    }))
}
