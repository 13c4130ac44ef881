//! TfIdfVectorizer: counts of n-grams.

use std::collections::HashMap;

use burn::tensor::DType;

use super::{Accepts, Gives, NodeSpec, Op, Prepared, one, wrong};
use crate::graph::attributes::Refusal;
use crate::graph::host;

pub static OPS: &[Op] = &[Op::new("TfIdfVectorizer", Accepts::Integers, &[Gives::Is(DType::F32)], tf_idf_vectorizer)];

/// # Source
/// The ONNX specification, operator TfIdfVectorizer, version 9.
fn tf_idf_vectorizer(node: &NodeSpec<'_>) -> Prepared {
    let attributes = node.attributes;
    let ints = |name: &str| -> Result<Vec<i64>, Refusal> { Ok(attributes.ints(name)?.unwrap_or_default()) };
    let length = |name: &str, least: i64| -> Result<usize, Refusal> {
        let value = attributes.int(name, -1)?;
        usize::try_from(value)
            .ok()
            .filter(|_| value >= least)
            .ok_or_else(|| format!("the attribute {name} is {value}, which is out of range"))
    };
    if !attributes.strings("pool_strings")?.is_empty() {
        return Err("pools of strings are not supported".into());
    }
    let (pool, starts, columns) = (ints("pool_int64s")?, ints("ngram_counts")?, ints("ngram_indexes")?);
    let weights = attributes.floats("weights")?;
    let (least, most, skips) =
        (length("min_gram_length", 1)?, length("max_gram_length", 1)?, length("max_skip_count", 0)?);
    let (counts, weighs) = match attributes.string("mode", "")? {
        "TF" => (true, false),
        "IDF" => (false, true),
        "TFIDF" => (true, true),
        mode => return Err(format!("the attribute mode is '{mode}', which is not supported")),
    };
    let mut known = HashMap::new();
    let mut columns = columns.into_iter();
    for (at, start) in starts.iter().enumerate() {
        let (start, end) = (*start, starts.get(at + 1).copied().unwrap_or(pool.len() as i64));
        let part = usize::try_from(start).ok().zip(usize::try_from(end).ok()).and_then(|(a, b)| pool.get(a..b));
        let part = part.ok_or_else(|| {
            format!("the attribute ngram_counts is {starts:?}, which does not fit a pool of {}", pool.len())
        })?;
        for gram in part.chunks_exact(at + 1) {
            let column = columns.next().and_then(|column| usize::try_from(column).ok());
            known.insert(
                gram.to_vec(),
                column.ok_or("the attribute ngram_indexes has fewer indices than the pool has n-grams")?,
            );
        }
    }
    let width = known.values().max().map_or(0, |column| column.saturating_add(1));
    if weights.as_ref().is_some_and(|weights| weights.len() < width) {
        return Err(format!("the attribute weights has the wrong length, expected {width}"));
    }
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let (rows, row, shape) = match *host::shape(&tensor) {
            [] => (1, 1, vec![width]),
            [row] => (1, row, vec![width]),
            [rows, row] => (rows, row, vec![rows, width]),
            _ => return wrong("the input must have 1 or 2 dimensions: a sequence, or a batch of them"),
        };
        let mut out = vec![0.0f32; inputs.count(&shape)?];
        let numbers = host::to_i64s(&tensor);
        for at in 0..rows {
            let (numbers, out) = (&numbers[at * row..][..row], &mut out[at * width..][..width]);
            for length in least..=most.min(row) {
                // A unigram has no gaps to be skipped.
                for step in 1..=if length == 1 { 1 } else { skips.saturating_add(1).min(row) } {
                    let span = (length - 1).saturating_mul(step);
                    for start in 0..row.saturating_sub(span) {
                        let gram: Vec<i64> = numbers[start..].iter().step_by(step).take(length).copied().collect();
                        if let Some(column) = known.get(&gram) {
                            out[*column] += 1.0;
                        }
                    }
                }
            }
            for (column, count) in out.iter_mut().enumerate() {
                let weight = weights.as_ref().filter(|_| weighs).map_or(1.0, |weights| weights[column]);
                *count = weight * if counts { *count } else { count.min(1.0) };
            }
        }
        one(host::tensor(&shape, out))
    }))
}
