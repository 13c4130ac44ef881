//! LinearClassifier and LinearRegressor.

use super::post_transform::PostTransform;
use super::{Labels, Rows, largest};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host;
use crate::graph::ops::{Inputs, NodeSpec, Prepared, one, wrong};

/// Linear functions of the features.
struct Linear {
    coefficients: Vec<f32>,
    intercepts: Vec<f32>,
    targets: usize,
    post_transform: PostTransform,
}

impl Linear {
    fn new(node: &NodeSpec<'_>, targets: Option<usize>) -> Result<Self, Refusal> {
        let coefficients = node.attributes.floats("coefficients")?.ok_or("the attribute coefficients is missing")?;
        let mut intercepts = node.attributes.floats("intercepts")?.unwrap_or_default();
        let targets = targets.unwrap_or(intercepts.len()).max(1);
        if targets > coefficients.len() {
            return Err(format!("there are {} coefficients for {targets} targets", coefficients.len()));
        }
        intercepts.resize(targets, 0.0);
        Ok(Self { coefficients, intercepts, targets, post_transform: PostTransform::of(node)? })
    }

    /// `[rows, targets]`.
    fn scores(&self, x: &Rows, inputs: &Inputs<'_>) -> Result<Vec<f32>> {
        if x.width.checked_mul(self.targets) != Some(self.coefficients.len()) {
            return wrong(format!(
                "there are {} coefficients for {} targets and {} features",
                self.coefficients.len(),
                self.targets,
                x.width
            ));
        }
        let mut scores = Vec::with_capacity(inputs.count(&[x.count, self.targets])?);
        for row in x.iter() {
            for (target, intercept) in self.intercepts.iter().enumerate() {
                let coefficients = &self.coefficients[target * x.width..][..x.width];
                scores.push(row.iter().zip(coefficients).map(|(x, c)| x * c).sum::<f32>() + intercept);
            }
        }
        Ok(scores)
    }
}

pub fn regressor(node: &NodeSpec<'_>) -> Prepared {
    let targets = node.attributes.int("targets", 1)?;
    let linear = Linear::new(node, usize::try_from(targets).ok())?;
    Ok(Box::new(move |inputs| {
        let x = Rows::take(inputs, 0)?;
        let mut scores = linear.scores(&x, inputs)?;
        scores.chunks_exact_mut(linear.targets).for_each(|row| linear.post_transform.apply(row));
        one(host::tensor(&[x.count, linear.targets], scores))
    }))
}

pub fn classifier(node: &NodeSpec<'_>) -> Prepared {
    let labels = Labels::of(node, "classlabels_ints", "classlabels_strings")?;
    // One class against the rest, or all at once: the coefficients are the same.
    node.attributes.get("multi_class");
    let linear = Linear::new(node, None)?;
    Ok(Box::new(move |inputs| {
        let x = Rows::take(inputs, 0)?;
        let scores = linear.scores(&x, inputs)?;
        let mut chosen = Vec::with_capacity(x.count);
        let mut out = Vec::with_capacity(scores.len());
        for row in scores.chunks_exact(linear.targets) {
            match *row {
                // The score of the second of two classes.
                [score] => {
                    chosen.push(usize::from(score > 0.0));
                    let mut both = [score];
                    linear.post_transform.apply(&mut both);
                    if labels.len() == 2 {
                        out.push(1.0 - both[0]);
                    }
                    out.push(both[0]);
                }
                _ => {
                    chosen.push(largest(row));
                    let start = out.len();
                    out.extend_from_slice(row);
                    linear.post_transform.apply(&mut out[start..]);
                }
            }
        }
        let width = if linear.targets == 1 && labels.len() == 2 { 2 } else { linear.targets };
        Ok(vec![labels.tensor(inputs, &chosen), host::tensor(&[x.count, width], out)])
    }))
}
