//! RotaryEmbedding.

use super::super::{NodeSpec, Prepared, one, wrong};
use super::standard::split;
use crate::error::Result;
use crate::graph::host::{self, HostTensor};

/// # Source
/// The ONNX specification of RotaryEmbedding; Su et al. 2021 (2104.09864), equation 34.
pub fn rotary(node: &NodeSpec<'_>) -> Prepared {
    let interleaved = node.attributes.flag("interleaved", false)?;
    let heads = node.attributes.int("num_heads", 0)?;
    let heads = usize::try_from(heads).ok().filter(|heads| *heads > 0);
    let rotated = node.attributes.int("rotary_embedding_dim", 0)?;
    let rotated = usize::try_from(rotated)
        .map_err(|_| format!("the attribute rotary_embedding_dim is {rotated}, which is not supported"))?;
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let (dtype, flat) = (x.dtype(), host::shape(&x).len() == 3);
        let shape = host::shape(&x).to_vec();
        // `[batch, sequence, heads, size]`, which is the memory order of 3-dimensional inputs.
        let x = split(x, heads)?.permute(&[0, 2, 1, 3]);
        let &[batch, sequence, count, size] = host::shape(&x) else { return wrong("it has no heads") };
        let mut numbers = host::to_f32s(x);
        let rotated = if rotated == 0 { size } else { rotated };
        let half = rotated / 2;
        if rotated > size || rotated % 2 != 0 {
            return wrong(format!("rotary_embedding_dim is {rotated}, expected an even number of at most {size}"));
        }
        let tables = Tables::new(inputs.floats(1)?, inputs.floats(2)?, half)?;
        let positions = match inputs.optional_ints(3) {
            Some(positions) if positions.len() == batch * sequence => positions,
            // One offset for the whole batch.
            Some(positions) if positions.len() == 1 => {
                (0..batch * sequence).map(|at| positions[0].saturating_add((at % sequence) as i64)).collect()
            }
            None if tables.rows == batch * sequence => (0..tables.rows as i64).collect(),
            _ => return wrong("the shape of position_ids does not fit"),
        };
        tables.rotate(&mut numbers, (count, size), &positions, interleaved)?;
        let out = host::tensor(&[batch, sequence, count, size], numbers);
        let out = if flat { host::reshape(out, &shape) } else { out.permute(&[0, 2, 1, 3]) };
        one(host::cast(out, dtype))
    }))
}

/// The cosines and sines of the angles of each position.
pub struct Tables {
    cos: HostTensor,
    sin: HostTensor,
    /// The angles of a position.
    half: usize,
    /// The positions.
    pub rows: usize,
}

impl Tables {
    /// # Errors
    /// Invalid input: the tables do not have rows of `half` numbers.
    pub fn new(cos: HostTensor, sin: HostTensor, half: usize) -> Result<Self> {
        let rows = cos.layout().num_elements() / half.max(1);
        if host::shape(&cos) != host::shape(&sin) || rows * half != cos.layout().num_elements() {
            return wrong("the shapes of cos_cache and sin_cache do not fit");
        }
        Ok(Self { cos, sin, half, rows })
    }

    /// Rotates the first numbers of each head of tokens, which are `heads` of `size` numbers each, at `positions`.
    ///
    /// # Errors
    /// Invalid input: a position is out of range.
    pub fn rotate(
        &self,
        numbers: &mut [f32],
        (heads, size): (usize, usize),
        positions: &[i64],
        interleaved: bool,
    ) -> Result<()> {
        let (half, rows) = (self.half, self.rows);
        let (cos, sin) = (host::slice::<f32>(&self.cos), host::slice::<f32>(&self.sin));
        for (token, &position) in numbers.chunks_exact_mut((heads * size).max(1)).zip(positions) {
            let Some(position) = usize::try_from(position).ok().filter(|position| *position < rows) else {
                return wrong(format!("the index {position} is out of range for the size {rows}"));
            };
            let (cos, sin) = (&cos[position * half..][..half], &sin[position * half..][..half]);
            for head in token.chunks_exact_mut(size) {
                for at in 0..half {
                    let (a, b) = if interleaved { (2 * at, 2 * at + 1) } else { (at, at + half) };
                    let (real, imaginary) = (head[a], head[b]);
                    head[a] = cos[at] * real - sin[at] * imaginary;
                    head[b] = sin[at] * real + cos[at] * imaginary;
                }
            }
        }
        Ok(())
    }
}
