//! Operators that prepare features: ArrayFeatureExtractor, Binarizer, FeatureVectorizer, Imputer, Normalizer, Scaler.

use super::Rows;
use crate::graph::host;
use crate::graph::ops::{NodeSpec, Prepared, one, size, wrong};

/// The features at some indices of the last dimension.
pub fn array_feature_extractor(_: &NodeSpec<'_>) -> Prepared {
    Ok(Box::new(move |inputs| {
        let (x, wanted) = (inputs.contiguous(0)?, inputs.ints(1)?);
        let Some((&width, outer)) = host::shape(&x).split_last() else { return wrong("a scalar has no features") };
        let wanted = wanted.into_iter().map(size).collect::<crate::error::Result<Vec<_>>>()?;
        if let Some(index) = wanted.iter().find(|index| **index >= width) {
            return wrong(format!("the index {index} is out of range for {width} features"));
        }
        // One row of features has a dimension of its own in the output.
        let mut shape = if outer.is_empty() { vec![1] } else { outer.to_vec() };
        shape.push(wanted.len());
        inputs.count(&shape)?;
        host::with_unit!(x.dtype(), U => {
            let rows = host::slice::<U>(&x).chunks_exact(width.max(1));
            let out: Vec<U> = rows.flat_map(|row| wanted.iter().map(|index| row[*index])).collect();
            one(host::of_type(x.dtype(), &shape, out))
        })
    }))
}

/// 1 for what is above the threshold, 0 for the rest.
pub fn binarizer(node: &NodeSpec<'_>) -> Prepared {
    let threshold = f64::from(node.attributes.float("threshold", 0.0)?);
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let out: Vec<f64> = host::to_f64s(&x).into_iter().map(|x| f64::from(u8::from(x > threshold))).collect();
        one(host::from_f64s(x.dtype(), host::shape(&x), &out))
    }))
}

/// The inputs' features one after another, each input cut or filled up with zeros to its dimension.
pub fn feature_vectorizer(node: &NodeSpec<'_>) -> Prepared {
    let widths = node.attributes.ints("inputdimensions")?.unwrap_or_default();
    Ok(Box::new(move |inputs| {
        let mut parts = Vec::new();
        for (index, width) in widths.iter().enumerate().take(inputs.len()) {
            parts.push((Rows::take(inputs, index)?, size(*width)?));
        }
        let count = parts.first().map_or(0, |(part, _)| part.count);
        if parts.len() != inputs.len() || parts.iter().any(|(part, _)| part.count != count) {
            return wrong("the inputs must have equally many rows, and one of inputdimensions each");
        }
        let Some(width) = parts.iter().try_fold(0usize, |sum, (_, width)| sum.checked_add(*width)) else {
            return wrong("the sum of inputdimensions is too large for this machine");
        };
        let mut out = Vec::with_capacity(inputs.count(&[count, width])?);
        for row in 0..count {
            for (part, width) in &parts {
                let numbers = &part.numbers[row * part.width..][..part.width.min(*width)];
                out.extend_from_slice(numbers);
                out.extend(std::iter::repeat_n(0.0, width - numbers.len()));
            }
        }
        one(host::tensor(&[count, width], out))
    }))
}

/// Replaces one value, by one number or by one for each feature.
pub fn imputer(node: &NodeSpec<'_>) -> Prepared {
    let floats = node.attributes.floats("imputed_value_floats")?;
    let ints = node.attributes.ints("imputed_value_int64s")?;
    let missing = f64::from(node.attributes.float("replaced_value_float", 0.0)?);
    let missing_int = node.attributes.int("replaced_value_int64", 0)?;
    let (imputed, missing): (Vec<f64>, f64) = match (floats, ints) {
        (Some(floats), _) => (floats.into_iter().map(f64::from).collect(), missing),
        (None, Some(ints)) => (ints.into_iter().map(|value| value as f64).collect(), missing_int as f64),
        (None, None) => return Err("the imputed values are missing".to_string()),
    };
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let width = host::shape(&x).last().copied().unwrap_or(1);
        if imputed.len() != 1 && imputed.len() != width {
            return wrong(format!("there are {} imputed values for {width} features", imputed.len()));
        }
        let is_missing = |x: f64| x == missing || x.is_nan() && missing.is_nan();
        let replace = |(at, x): (usize, f64)| if is_missing(x) { imputed[at % imputed.len()] } else { x };
        let out: Vec<f64> = host::to_f64s(&x).into_iter().enumerate().map(replace).collect();
        one(host::from_f64s(x.dtype(), host::shape(&x), &out))
    }))
}

/// Divides each row by its norm. A row whose norm is 0 is left as it is.
pub fn normalizer(node: &NodeSpec<'_>) -> Prepared {
    let norm: fn(&[f32]) -> f32 = match node.attributes.string("norm", "MAX")? {
        "MAX" => |row| row.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        "L1" => |row| row.iter().map(|x| x.abs()).sum(),
        "L2" => |row| row.iter().map(|x| x * x).sum::<f32>().sqrt(),
        other => return Err(format!("the attribute norm is '{other}', expected MAX, L1 or L2")),
    };
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let shape = host::shape(&x).to_vec();
        let mut numbers = host::to_f32s(x);
        for row in numbers.chunks_exact_mut(shape.last().copied().unwrap_or(1).max(1)) {
            let norm = norm(row);
            if norm != 0.0 {
                row.iter_mut().for_each(|x| *x /= norm);
            }
        }
        one(host::tensor(&shape, numbers))
    }))
}

/// `(x - offset) · scale`, with one of each or one for each feature.
pub fn scaler(node: &NodeSpec<'_>) -> Prepared {
    let offsets = node.attributes.floats("offset")?.unwrap_or_else(|| vec![0.0]);
    let scales = node.attributes.floats("scale")?.unwrap_or_else(|| vec![1.0]);
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let shape = host::shape(&x).to_vec();
        let width = shape.last().copied().unwrap_or(1);
        if [&offsets, &scales].iter().any(|list| list.len() != 1 && list.len() != width) {
            return wrong(format!(
                "there are {} offsets and {} scales for {width} features",
                offsets.len(),
                scales.len()
            ));
        }
        let mut numbers = host::to_f32s(x);
        for (at, x) in numbers.iter_mut().enumerate() {
            let column = at % width.max(1);
            *x = (*x - offsets[column % offsets.len()]) * scales[column % scales.len()];
        }
        one(host::tensor(&shape, numbers))
    }))
}
