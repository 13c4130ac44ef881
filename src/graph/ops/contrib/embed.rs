//! EmbedLayerNormalization and SkipLayerNormalization.

use super::super::{NodeSpec, Prepared, wrong};
use super::{add_bias, optional_floats};
use crate::error::Result;
use crate::graph::host::{self, HostTensor};
use crate::kernels::{norm, reduce};
use burn::tensor::DType;

/// The layer normalisation of the sum of input, skip and bias; then its statistics, and the sum.
pub fn skip(node: &NodeSpec<'_>, centred: bool) -> Prepared {
    let epsilon = node.attributes.float("epsilon", 1e-12)?;
    // `beta` comes before the bias where means are subtracted.
    let bias_index = if centred { 4 } else { 3 };
    Ok(Box::new(move |inputs| {
        let (x, skipped) = (inputs.take(0)?, inputs.floats(1)?);
        let (dtype, shape) = (x.dtype(), host::shape(&x).to_vec());
        let mut sum = host::to_f32s(x);
        let (gamma, beta) = (host::to_f32s(inputs.take(2)?), if centred { optional_floats(inputs, 3) } else { None });
        // The skip input may be broadcast over the batch.
        let skipped = host::slice::<f32>(&skipped);
        if skipped.is_empty() != sum.is_empty() || !sum.len().is_multiple_of(skipped.len().max(1)) {
            return wrong("the shape of the input skip does not fit");
        }
        for part in sum.chunks_exact_mut(skipped.len().max(1)) {
            part.iter_mut().zip(skipped).for_each(|(x, skipped)| *x += skipped);
        }
        if let Some(bias) = optional_floats(inputs, bias_index) {
            sum = host::to_f32s(add_bias(host::tensor(&shape, sum), &bias)?);
        }
        let kept = sum.clone();
        let normal = normalised(sum, &shape, &gamma, beta.as_deref(), epsilon, centred)?;
        let mut reduced = shape.clone();
        if let Some(last) = reduced.last_mut() {
            *last = 1;
        }
        let unwanted = || host::tensor::<f32>(&[0], Vec::new());
        let outputs = [host::tensor(&shape, normal), unwanted(), unwanted(), host::tensor(&shape, kept)];
        Ok(outputs.into_iter().map(|output| host::cast(output, dtype)).collect())
    }))
}

fn normalised(
    mut x: Vec<f32>,
    shape: &[usize],
    gamma: &[f32],
    beta: Option<&[f32]>,
    epsilon: f32,
    centred: bool,
) -> Result<Vec<f32>> {
    let row = gamma.len();
    if shape.last() != Some(&row) || beta.is_some_and(|beta| beta.len() != row) {
        return wrong(format!("scale and bias do not fit the shape {shape:?}"));
    }
    for x in x.chunks_exact_mut(row.max(1)) {
        if centred {
            norm::normalise(x, epsilon);
        } else {
            let by = 1.0 / (reduce::squares(x, 0.0) / row as f32 + epsilon).sqrt();
            x.iter_mut().for_each(|x| *x *= by);
        }
        norm::affine(x, gamma, beta);
    }
    Ok(x)
}

/// The layer normalisation of the sum of word, position and segment embeddings; the numbers of words; and the sum.
pub fn embed(node: &NodeSpec<'_>) -> Prepared {
    let epsilon = node.attributes.float("epsilon", 1e-12)?;
    // Determines the shape of the second output alone.
    node.attributes.get("mask_index_type");
    Ok(Box::new(move |inputs| {
        let words = inputs.take(0)?;
        let &[batch, sequence] = host::shape(&words) else {
            return wrong("the input input_ids must be [batch, sequence]");
        };
        let words = host::to_i64s(&words);
        let segments = inputs.optional_ints(1);
        let (table, positions_table) = (inputs.take(2)?, inputs.take(3)?);
        let (dtype, size) = (table.dtype(), host::shape(&table).last().copied().unwrap_or(0));
        let segments_table = inputs.optional(4);
        let (gamma, beta) = (host::to_f32s(inputs.take(5)?), host::to_f32s(inputs.take(6)?));
        let mask = inputs.optional_ints(7);
        let positions = inputs.optional_ints(8).unwrap_or_else(|| (0..sequence as i64).collect());
        let shape = [batch, sequence, size];
        let mut sum = vec![0.0; inputs.count(&shape)?];
        add(&mut sum, size, table, &words)?;
        // Position ids may be broadcast over the batch.
        if positions.is_empty() != words.is_empty() || !words.len().is_multiple_of(positions.len().max(1)) {
            return wrong("the shapes of position_ids and input_ids do not fit");
        }
        let positions: Vec<i64> = (0..words.len()).map(|at| positions[at % positions.len()]).collect();
        add(&mut sum, size, positions_table, &positions)?;
        if let (Some(table), Some(segments)) = (segments_table, segments) {
            add(&mut sum, size, table, &segments)?;
        }
        let kept = sum.clone();
        let normal = normalised(sum, &shape, &gamma, Some(&beta), epsilon, true)?;
        let mut lengths = vec![0; batch];
        if let Some(mask) = mask {
            if mask.len() != words.len() {
                return wrong("the shapes of mask and input_ids do not fit");
            }
            let rows = mask.chunks_exact(sequence.max(1));
            lengths.iter_mut().zip(rows).for_each(|(length, row)| *length = row.iter().sum::<i64>() as i32);
        }
        let [normal, kept] = [normal, kept].map(|numbers| host::cast(host::tensor(&shape, numbers), dtype));
        Ok(vec![normal, host::tensor(&[batch], lengths), kept])
    }))
}

/// Adds the rows of `table` with the indices `rows` to the rows of `sum`.
fn add(sum: &mut [f32], size: usize, table: HostTensor, rows: &[i64]) -> Result<()> {
    let table = host::contiguous(host::cast(table, DType::F32));
    let &[count, width] = host::shape(&table) else { return wrong("an embedding table must be a matrix") };
    if width != size || rows.len() * size != sum.len() {
        return wrong("the shapes of embedding tables and their indices do not fit");
    }
    for (sum, row) in sum.chunks_exact_mut(size.max(1)).zip(rows) {
        let Some(row) = usize::try_from(*row).ok().filter(|row| *row < count) else {
            return wrong(format!("the index {row} is out of range for an embedding table of {count} rows"));
        };
        let row = &host::slice::<f32>(&table)[row * size..][..size];
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    Ok(())
}
