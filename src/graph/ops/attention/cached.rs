//! CachedAttention: the attention of a decoder over the keys and values of the tokens so far, which it keeps.

use std::ops::Range;

use burn::tensor::DType;

use super::super::{Inputs, NodeSpec, Prepared, wrong};
use super::rotary::Tables;
use crate::error::{Error, Result};
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};
use crate::kernels::decoding::{Cache, Settings, attend};
use crate::kernels::norm;

/// Keys and values for this many tokens are allocated at once.
pub const STEP: usize = 256;

/// The attributes.
pub struct DecoderAttention {
    /// Heads and scale.
    pub settings: Settings,
    /// Whether pairs of neighbours are rotated, and not the halves of a head.
    pub interleaved: bool,
    /// Added to the variance where queries and keys are normalised.
    pub epsilon: f32,
}

/// The inputs are `q`, `[1, sequence, heads · size]`, `k` and `v`, `[1, sequence, groups · size]`, the keys and values so
/// far, `[groups, room, size]`, the number of tokens that these are of, the cosines and sines of the new positions,
/// `[sequence, half]`, and optionally the scales of the normalisation of each head of `q` and `k`, `[size]`. Without `k` and
/// `v` the rows of `q` have theirs behind the queries.
///
/// The outputs are the attention, `[1, sequence, heads · size]`, and the keys and values with the new ones, which are
/// written in place where nothing else uses them.
pub fn attention(node: &NodeSpec<'_>) -> Prepared {
    let attention = DecoderAttention::new(node)?;
    Ok(Box::new(move |inputs| attention.run(inputs)))
}

impl DecoderAttention {
    /// Reads them.
    ///
    /// # Errors
    /// One is out of range.
    pub fn new(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        let attributes = node.attributes;
        let positive = |name: &str| -> Result<usize, Refusal> {
            let value = attributes.int(name, 0)?;
            let size = usize::try_from(value).ok().filter(|size| (1..1 << 16).contains(size));
            size.ok_or(format!("the attribute {name} is {value}, which is out of range"))
        };
        let (heads, groups, size) = (positive("heads")?, positive("groups")?, positive("size")?);
        if heads % groups != 0 {
            return Err(format!("{heads} heads cannot share {groups} keys"));
        }
        let settings = Settings {
            heads,
            groups,
            size,
            scale: attributes.optional_float("scale")?.unwrap_or(1.0 / (size as f32).sqrt()),
            window: usize::try_from(attributes.int("window", 0)?).ok().filter(|window| *window > 0),
        };
        Ok(Self {
            settings,
            interleaved: attributes.flag("interleaved", false)?,
            epsilon: attributes.float("epsilon", 1e-6)?,
        })
    }

    fn run(&self, inputs: &mut Inputs<'_>) -> Result<Vec<HostTensor>> {
        let Settings { heads, groups, size, .. } = self.settings;
        let (sequence, [mut q, mut k, v]) = self.heads(inputs)?;
        let (keys, values) = (inputs.take(3)?, inputs.take(4)?);
        let before = inputs.ints(5)?;
        let &[before] = &before[..] else { return wrong("the number of tokens so far must be one number") };
        let before = super::super::size(before)?;
        let (cos, sin) = (inputs.floats(6)?, inputs.floats(7)?);
        for (index, numbers) in [(8, &mut q), (9, &mut k)] {
            let Some(scale) = inputs.optional(index).map(host::to_f32s) else { continue };
            if scale.len() != size {
                return wrong(format!("the scales of heads have the length {}, expected {size}", scale.len()));
            }
            norm::root_mean_square(numbers, &scale, self.epsilon);
        }
        let half = host::shape(&cos).last().copied().unwrap_or(0);
        if 2 * half > size {
            return wrong(format!("there are {half} angles, which do not fit heads of {size}"));
        }
        let tables = Tables::new(cos, sin, half)?;
        let positions: Vec<i64> = (0..sequence as i64).collect();
        tables.rotate(&mut q, (heads, size), &positions, self.interleaved)?;
        tables.rotate(&mut k, (groups, size), &positions, self.interleaved)?;

        let total = before.checked_add(sequence).ok_or_else(|| Error::invalid_input("there are too many tokens"))?;
        let (mut keys, mut values) = (self.state(keys, before)?, self.state(values, before)?);
        let room = total.max(keys.room).next_multiple_of(STEP);
        inputs.count(&[groups, room, size])?;
        for (cache, new) in [(&mut keys, &k), (&mut values, &v)] {
            cache.grow(before, if total > cache.room { room } else { cache.room })?;
            cache.append(before, new);
        }
        let mut out = vec![0.0; inputs.count(&[sequence, heads * size])?];
        attend(&self.settings, &q, &keys, &values, before, &mut out);
        let shape = |cache: &Cache| [groups, cache.room, size];
        let (of_keys, of_values) = (shape(&keys), shape(&values));
        Ok(vec![
            host::tensor(&[1, sequence, heads * size], out),
            host::tensor(&of_keys, keys.numbers),
            host::tensor(&of_values, values.numbers),
        ])
    }

    /// Queries, keys and values, and of how many tokens they are.
    fn heads(&self, inputs: &mut Inputs<'_>) -> Result<(usize, [Vec<f32>; 3])> {
        let Settings { heads, groups, size, .. } = self.settings;
        let (own, shared) = (heads * size, groups * size);
        let q = inputs.take(0)?;
        let misfit = |shapes: &[&[usize]]| {
            wrong(format!("queries, keys and values have the shapes {shapes:?}, which do not fit"))
        };
        match (inputs.optional(1), inputs.optional(2)) {
            (Some(k), Some(v)) => match (host::shape(&q), host::shape(&k), host::shape(&v)) {
                (&[1, sequence, width], &[1, of_k, of_keys], &[1, of_v, of_values])
                    if [width, of_keys, of_values] == [own, shared, shared] && [of_k, of_v] == [sequence; 2] =>
                {
                    Ok((sequence, [q, k, v].map(host::to_f32s)))
                }
                (q, k, v) => misfit(&[q, k, v]),
            },
            (None, None) => match *host::shape(&q) {
                [1, sequence, width] if width == own + 2 * shared => {
                    let q = host::to_f32s(q);
                    let part = |columns: Range<usize>| {
                        q.chunks_exact(width).flat_map(|row| &row[columns.clone()]).copied().collect()
                    };
                    Ok((sequence, [part(0..own), part(own..own + shared), part(own + shared..width)]))
                }
                ref shape => misfit(&[shape]),
            },
            _ => wrong("keys and values must both be there, or both with the queries"),
        }
    }

    /// A state, which has at least `before` tokens.
    fn state(&self, state: HostTensor, before: usize) -> Result<Cache> {
        let Settings { groups, size, .. } = self.settings;
        match *host::shape(&state) {
            [of, room, width] if of == groups && width == size && before <= room && state.dtype() == DType::F32 => {
                Ok(Cache { groups, size, room, numbers: host::into_vec(state) })
            }
            _ => wrong(format!(
                "the keys or values so far have the shape {:?}, expected [{groups}, at least {before}, {size}]",
                host::shape(&state)
            )),
        }
    }
}
