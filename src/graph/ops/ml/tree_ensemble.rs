//! TreeEnsemble, TreeEnsembleClassifier and TreeEnsembleRegressor.

use super::post_transform::PostTransform;
use super::tree::{Aggregate, Trees};
use super::{Labels, tree_attributes};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host;
use crate::graph::ops::{Inputs, NodeSpec, Prepared, one, wrong};

/// Rows of features, in as many bits as they have.
fn rows(inputs: &mut Inputs<'_>, trees: &Trees) -> Result<(Vec<f64>, usize, usize)> {
    let x = inputs.take(0)?;
    let (count, width) = match *host::shape(&x) {
        [width] => (1, width),
        [count, width] => (count, width),
        ref shape => return wrong(format!("the features have the shape {shape:?}, expected rows of features")),
    };
    if width < trees.width() {
        return wrong(format!("there are {width} features, expected at least {}", trees.width()));
    }
    Ok((host::to_f64s(&x), count, width))
}

fn aggregate(name: &str) -> Result<Aggregate, Refusal> {
    Ok(match name {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => return Err(format!("the attribute aggregate_function is '{other}', which is not supported")),
    })
}

fn targets(node: &NodeSpec<'_>) -> Result<usize, Refusal> {
    let targets = node.attributes.int("n_targets", 1)?;
    usize::try_from(targets)
        .ok()
        .filter(|targets| (1..=1 << 16).contains(targets))
        .ok_or(format!("the attribute n_targets is {targets}, expected 1 to {}", 1 << 16))
}

/// A kernel that gives a number for each target.
fn regression(
    trees: Trees,
    aggregate: Aggregate,
    base: Vec<f64>,
    targets: usize,
    transform: PostTransform,
) -> Prepared {
    trees.check(targets)?;
    Ok(Box::new(move |inputs| {
        let (x, count, width) = rows(inputs, &trees)?;
        let mut out = Vec::with_capacity(inputs.count(&[count, targets])?);
        for row in 0..count {
            let scores = aggregate.scores(&trees, &x[row * width..][..width], targets);
            let base = |target: usize| base.get(target).copied().unwrap_or(0.0);
            out.extend(scores.into_iter().enumerate().map(|(at, score)| (score.unwrap_or(0.0) + base(at)) as f32));
            transform.apply(&mut out[row * targets..]);
        }
        one(host::tensor(&[count, targets], out))
    }))
}

pub fn regressor(node: &NodeSpec<'_>) -> Prepared {
    let trees = tree_attributes::by_ids(node, "target")?;
    let aggregate = aggregate(node.attributes.string("aggregate_function", "SUM")?)?;
    let base = tree_attributes::numbers(node, "base_values")?;
    regression(trees, aggregate, base, targets(node)?, PostTransform::of(node)?)
}

pub fn ensemble(node: &NodeSpec<'_>) -> Prepared {
    let trees = tree_attributes::by_places(node)?;
    let aggregates = [Aggregate::Average, Aggregate::Sum, Aggregate::Min, Aggregate::Max];
    let number = node.attributes.int("aggregate_function", 1)?;
    let aggregate = usize::try_from(number).ok().and_then(|at| aggregates.get(at).copied());
    let aggregate = aggregate.ok_or(format!("the attribute aggregate_function is {number}, expected 0 to 3"))?;
    let transform = PostTransform::from_number(node.attributes.int("post_transform", 0)?)?;
    let targets = targets(node)?;
    let dtype = node.dtype(0);
    let kernel = regression(trees, aggregate, Vec::new(), targets, transform)?;
    Ok(Box::new(move |inputs| {
        let outputs = kernel(inputs)?;
        let cast = |output: host::HostTensor| match dtype {
            Some(dtype) => host::cast(output, dtype),
            None => output,
        };
        Ok(outputs.into_iter().map(cast).collect())
    }))
}

pub fn classifier(node: &NodeSpec<'_>) -> Prepared {
    let trees = tree_attributes::by_ids(node, "class")?;
    let labels = Labels::of(node, "classlabels_int64s", "classlabels_strings")?;
    let base = tree_attributes::numbers(node, "base_values")?;
    let transform = PostTransform::of(node)?;
    let classes = labels.len();
    trees.check(classes)?;
    let scorer = Scorer {
        // All weights are for one of two classes.
        one_score: classes == 2
            && trees.weights.iter().all(|(class, _)| Some(class) == trees.weights.first().map(|(class, _)| class)),
        positive: trees.weights.iter().all(|(_, weight)| *weight >= 0.0),
        base,
        transform,
    };
    Ok(Box::new(move |inputs| {
        let (x, count, width) = rows(inputs, &trees)?;
        let (mut out, mut chosen) = (Vec::new(), Vec::with_capacity(count));
        inputs.count(&[count, classes])?;
        for row in 0..count {
            let scores = Aggregate::Sum.scores(&trees, &x[row * width..][..width], classes);
            chosen.push(if classes == 2 { scorer.two(scores, &mut out) } else { scorer.many(scores, &mut out) });
        }
        let width = out.len() / count.max(1);
        Ok(vec![labels.tensor(inputs, &chosen), host::tensor(&[count, width], out)])
    }))
}

/// How the scores of classes become a label and probabilities.
///
/// # Source
/// onnxruntime's `tree_ensemble_aggregator.h`: the specification does not say what two classes with one score are.
struct Scorer {
    one_score: bool,
    positive: bool,
    base: Vec<f64>,
    transform: PostTransform,
}

impl Scorer {
    /// Adds the probabilities of a row to `out`, and gives the index of its label.
    fn many(&self, mut scores: Vec<Option<f64>>, out: &mut Vec<f32>) -> usize {
        if self.base.len() == scores.len() {
            scores.iter_mut().zip(&self.base).for_each(|(score, base)| *score = Some(score.unwrap_or(0.0) + base));
        }
        let mut best: Option<usize> = None;
        for (index, score) in scores.iter().enumerate() {
            if score.is_some() && best.is_none_or(|best| *score > scores[best]) {
                best = Some(index);
            }
        }
        self.write(scores.into_iter().map(|score| score.unwrap_or(0.0) as f32).collect(), out);
        best.unwrap_or(0)
    }

    /// The same for two classes.
    fn two(&self, scores: Vec<Option<f64>>, out: &mut Vec<f32>) -> usize {
        let [mut first, mut second] = [scores[0], scores[1]];
        match self.base[..] {
            [_, base] if second.is_some() && self.one_score => {
                let sum = base + second.unwrap_or(0.0);
                (first, second) = (Some(-sum), Some(sum));
            }
            [base_first, base_second] => {
                first = Some(first.unwrap_or(0.0) + base_first);
                second = Some(second.unwrap_or(0.0) + base_second);
            }
            [base] => first = Some(first.unwrap_or(0.0) + base),
            _ => {}
        }
        let weight = second.or(first).unwrap_or(0.0);
        let threshold = if self.one_score && self.positive { 0.5 } else { 0.0 };
        let label = if self.one_score || second.is_none() {
            usize::from(weight > threshold)
        } else {
            usize::from(second > first)
        };
        let scores = match second {
            Some(second) => vec![first.unwrap_or(0.0) as f32, second as f32],
            None => {
                let score = weight as f32;
                match (self.positive, self.transform) {
                    (true, PostTransform::None) => vec![1.0 - score, score],
                    (true, _) => vec![1.0 - score, score],
                    (false, _) => vec![-score, score],
                }
            }
        };
        self.write(scores, out);
        label
    }

    fn write(&self, mut scores: Vec<f32>, out: &mut Vec<f32>) {
        self.transform.apply(&mut scores);
        out.append(&mut scores);
    }
}
