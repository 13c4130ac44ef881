//! Losses: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss, which some models are exported with.

use super::{Accepts, Inputs, NodeSpec, Op, SAME, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};

pub static OPS: &[Op] = &[
    Op::new("NegativeLogLikelihoodLoss", Accepts::Floats, SAME, |node| {
        let loss = Loss::of(node)?;
        Ok(Box::new(move |inputs| {
            let scores = inputs.take(0)?;
            Ok(vec![loss.run(&scores, &host::to_f64s(&scores), inputs)?])
        }))
    }),
    Op::new("SoftmaxCrossEntropyLoss", Accepts::Floats, SAME, |node| {
        let loss = Loss::of(node)?;
        Ok(Box::new(move |inputs| {
            let scores = inputs.take(0)?;
            let logs = log_softmax(&scores);
            let loss = loss.run(&scores, &logs, inputs)?;
            Ok(vec![loss, host::from_f64s(scores.dtype(), host::shape(&scores), &logs)])
        }))
    }),
];

/// The reduction of losses.
#[derive(Clone, Copy, PartialEq)]
enum Reduction {
    None,
    Mean,
    Sum,
}

struct Loss {
    /// The class that is ignored.
    ignored: Option<i64>,
    reduction: Reduction,
}

impl Loss {
    fn of(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        let reduction = match node.attributes.string("reduction", "mean")? {
            "none" => Reduction::None,
            "mean" => Reduction::Mean,
            "sum" => Reduction::Sum,
            other => return Err(format!("the attribute reduction is '{other}', which is not supported")),
        };
        Ok(Self { ignored: node.attributes.optional_int("ignore_index")?, reduction })
    }

    /// The loss of the log-probabilities `logs`, which have the shape of `scores`, with classes along axis 1.
    fn run(&self, scores: &HostTensor, logs: &[f64], inputs: &mut Inputs<'_>) -> Result<HostTensor> {
        let shape = host::shape(scores);
        let targets = inputs.take(1)?;
        let wanted: Vec<usize> = shape.iter().take(1).chain(shape.iter().skip(2)).copied().collect();
        if shape.len() < 2 || host::shape(&targets) != wanted {
            return wrong(format!(
                "the targets have the shape {:?}, which does not fit scores of the shape {shape:?}",
                host::shape(&targets)
            ));
        }
        let classes = shape[1];
        let inner: usize = shape[2..].iter().product();
        let weights = inputs.optional(2).map_or_else(|| vec![1.0; classes], |weights| host::to_f64s(&weights));
        if weights.len() != classes {
            return wrong(format!("there are {} weights, expected {classes}", weights.len()));
        }
        let (mut losses, mut weight) = (Vec::new(), 0.0);
        for (index, class) in host::to_i64s(&targets).into_iter().enumerate() {
            if self.ignored == Some(class) {
                losses.push(0.0);
                continue;
            }
            let Some(class) = usize::try_from(class).ok().filter(|class| *class < classes) else {
                return wrong(format!("the class {class} is out of range for {classes} classes"));
            };
            let log = logs[(index / inner * classes + class) * inner + index % inner];
            losses.push(-log * weights[class]);
            weight += weights[class];
        }
        let sum: f64 = losses.iter().sum();
        Ok(match self.reduction {
            Reduction::None => host::from_f64s(scores.dtype(), &wanted, &losses),
            Reduction::Mean => host::from_f64s(scores.dtype(), &[], &[sum / weight]),
            Reduction::Sum => host::from_f64s(scores.dtype(), &[], &[sum]),
        })
    }
}

/// The log-softmax along axis 1.
fn log_softmax(scores: &HostTensor) -> Vec<f64> {
    let shape = host::shape(scores);
    let classes = shape.get(1).copied().unwrap_or(1);
    let inner: usize = shape.iter().skip(2).product();
    let mut numbers = host::to_f64s(scores);
    for block in numbers.chunks_exact_mut((classes * inner).max(1)) {
        for at in 0..inner {
            let column = || (0..classes).map(|class| class * inner + at);
            let max = column().map(|at| block[at]).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = column().map(|at| (block[at] - max).exp()).sum();
            column().for_each(|at| block[at] -= max + sum.ln());
        }
    }
    numbers
}
