//! LinearAttention: a recurrent state in place of all keys and values.

use burn::tensor::DType;

use super::super::{NodeSpec, Prepared, wrong};
use super::standard::split;
use crate::error::Result;
use crate::graph::host::{self, HostTensor};
use crate::kernels::gemm::dot;

/// # Source
/// The ONNX specification of LinearAttention, "update_rule".
pub fn attention(node: &NodeSpec<'_>) -> Prepared {
    let (gated, delta) = match node.attributes.string("update_rule", "gated_delta")? {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        rule => return Err(format!("the attribute update_rule is {rule}, which is not supported")),
    };
    let heads = |name: &str| -> Result<usize, String> {
        let heads = node.attributes.int(name, 0)?;
        usize::try_from(heads)
            .ok()
            .filter(|heads| *heads > 0)
            .ok_or(format!("the attribute {name} is {heads}, expected a positive number"))
    };
    let (count, groups) = (heads("q_num_heads")?, heads("kv_num_heads")?);
    if count % groups != 0 {
        return Err(format!("{count} query heads are not a multiple of {groups} key heads"));
    }
    let scale = node.attributes.float("scale", 0.0)?;
    // The steps that are computed at once: always one here.
    node.attributes.get("chunk_size");
    Ok(Box::new(move |inputs| {
        let q = inputs.take(0)?;
        let dtype = q.dtype();
        let mut sequence =
            |index, heads| -> Result<HostTensor> { Ok(host::contiguous(split(inputs.take(index)?, Some(heads))?)) };
        let (q, k, v) = (host::contiguous(split(q, Some(count))?), sequence(1, groups)?, sequence(2, groups)?);
        let (&[batch, _, steps, size], &[_, _, _, value_size]) = (host::shape(&q), host::shape(&v)) else {
            return wrong("queries and values must have heads");
        };
        if size == 0
            || host::shape(&k) != [batch, groups, steps, size]
            || host::shape(&v) != [batch, groups, steps, value_size]
        {
            return wrong("the shapes of queries, keys and values do not fit");
        }
        let state_shape = [batch, groups, size, value_size];
        let states = inputs.count(&state_shape)?;
        let mut state = match inputs.optional(3) {
            None => vec![0.0; states],
            Some(state) if host::shape(&state) == state_shape => host::to_f32s(state),
            Some(_) => return wrong("the shape of the state does not fit"),
        };
        // One number for each element of a key, or one for each head.
        let decay = inputs.optional(4).filter(|_| gated).map(|decay| host::contiguous(host::cast(decay, DType::F32)));
        let rate = inputs.optional(5).filter(|_| delta).map(|rate| host::contiguous(host::cast(rate, DType::F32)));
        let per = |tensor: &Option<HostTensor>, wanted: &[usize]| -> Result<usize> {
            let Some(tensor) = tensor else { return Ok(0) };
            match host::shape(tensor) {
                &[b, t, width] if (b, t) == (batch, steps) && wanted.contains(&width) => Ok(width),
                shape => wrong(format!("a gate has the shape {shape:?}, which does not fit")),
            }
        };
        let decays = per(&decay, &[groups, groups * size])?;
        let rates = per(&rate, &[1, groups])?;
        if (gated && decays == 0) || (delta && rates == 0) {
            return wrong("the input decay or beta is missing");
        }
        let numbers = |tensor: &Option<HostTensor>| tensor.as_ref().map_or(Vec::new(), |x| host::to_f32s(x.clone()));
        let (decay, rate) = (numbers(&decay), numbers(&rate));
        let scale = if scale == 0.0 { 1.0 / (size as f32).sqrt() } else { scale };
        let mut out = vec![0.0; inputs.count(&[batch, steps, count * value_size])?];
        let (q, k, v) = (host::slice::<f32>(&q), host::slice::<f32>(&k), host::slice::<f32>(&v));
        // The transposed state, so that the products with a key are dot products of contiguous rows.
        let mut columns = vec![0.0; size * value_size];
        for at in 0..batch * groups {
            let (image, group) = (at / groups, at % groups);
            let state = &mut state[at * size * value_size..][..size * value_size];
            for (index, column) in columns.iter_mut().enumerate() {
                *column = state[index % size * value_size + index / size];
            }
            for step in 0..steps {
                let row = image * steps + step;
                let k = &k[(at * steps + step) * size..][..size];
                let v = &v[(at * steps + step) * value_size..][..value_size];
                if gated {
                    let of_head = |at: usize| if decays == groups { group } else { group * size + at };
                    let factors: Vec<f32> = (0..size).map(|at| decay[row * decays + of_head(at)].exp()).collect();
                    for column in columns.chunks_exact_mut(size) {
                        column.iter_mut().zip(&factors).for_each(|(x, factor)| *x *= factor);
                    }
                }
                for (column, v) in columns.chunks_exact_mut(size).zip(v) {
                    let new = if delta {
                        let rate = rate[row * rates + if rates == 1 { 0 } else { group }];
                        rate * (v - dot(column, k))
                    } else {
                        *v
                    };
                    column.iter_mut().zip(k).for_each(|(x, k)| *x += k * new);
                }
                for head in group * (count / groups)..(group + 1) * (count / groups) {
                    let q = &q[((image * count + head) * steps + step) * size..][..size];
                    let out = &mut out[(row * count + head) * value_size..][..value_size];
                    for (out, column) in out.iter_mut().zip(columns.chunks_exact(size)) {
                        *out = scale * dot(column, q);
                    }
                }
            }
            for (index, column) in columns.iter().enumerate() {
                state[index % size * value_size + index / size] = *column;
            }
        }
        let out = host::tensor(&[batch, steps, count * value_size], out);
        Ok(vec![host::cast(out, dtype), host::cast(host::tensor(&state_shape, state), dtype)])
    }))
}
