//! Einsum: products of pairs of tensors, one after another.

use super::super::{Inputs, NodeSpec, Prepared, one, wrong};
use super::{matmul, shape_of};
use crate::error::Result;
use crate::graph::host::{self, HostTensor};
use crate::sort::sort_by;
use burn::backend::flex::Layout;
use burn::tensor::Shape;

/// A tensor with a label for each of its dimensions.
struct Labelled {
    tensor: HostTensor,
    labels: Vec<char>,
}

/// Labels for the dimensions of an ellipsis, counted from the last.
fn ellipsis(rank: usize) -> impl Iterator<Item = char> {
    (0..rank as u32).rev().filter_map(|index| char::from_u32(0xE000 + index))
}

pub fn einsum(node: &NodeSpec<'_>) -> Prepared {
    let equation: String = node.attributes.string("equation", "")?.split_whitespace().collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let known = |term: &str| term.replacen("...", "", 1).chars().all(|label| label.is_ascii_alphabetic());
    let terms: Vec<String> = left.split(',').map(str::to_string).collect();
    let right = right.map(str::to_string);
    if !terms.iter().chain(&right).all(|term| known(term)) || terms.len() != node.inputs.len() {
        return Err(format!("the equation '{equation}' is invalid for {} tensors", node.inputs.len()));
    }
    Ok(Box::new(move |inputs| {
        let tensors = inputs.rest();
        let dtype = tensors.first().map(HostTensor::dtype);
        if tensors.len() != terms.len() || tensors.iter().any(|tensor| Some(tensor.dtype()) != dtype) {
            return wrong("inputs are missing or differ in type");
        }
        let mut operands = Vec::new();
        for (tensor, term) in tensors.into_iter().zip(&terms) {
            operands.push(labelled(tensor, term)?);
        }
        let output = match &right {
            Some(term) => {
                let longest = operands.iter().flat_map(|operand| &operand.labels).filter(|label| !label.is_ascii());
                let rank = longest.map(|label| *label as usize - 0xE000 + 1).max().unwrap_or(0);
                expand_term(term, rank)
            }
            None => implied(&terms, &operands),
        };
        let mut sum: Option<Labelled> = None;
        for index in 0..operands.len() {
            let wanted = |label: &char| {
                output.contains(label) || operands[index + 1..].iter().any(|later| later.labels.contains(label))
            };
            let next = Labelled { tensor: operands[index].tensor.clone(), labels: operands[index].labels.clone() };
            let both = match sum.take() {
                None => next,
                Some(sum) => product(sum, next, &wanted, inputs)?,
            };
            sum = Some(reduce(both, &wanted)?);
        }
        let Some(sum) = sum else { return wrong("there are no inputs") };
        one(arrange(sum, &output)?)
    }))
}

/// The labels of a term, whose ellipsis stands for `rank` dimensions.
fn expand_term(term: &str, rank: usize) -> Vec<char> {
    match term.split_once("...") {
        None => term.chars().collect(),
        Some((before, after)) => before.chars().chain(ellipsis(rank)).chain(after.chars()).collect(),
    }
}

/// The labels of the result where the equation omits them: those that occur once, in alphabetical order.
fn implied(terms: &[String], operands: &[Labelled]) -> Vec<char> {
    let all: Vec<char> = terms.concat().chars().filter(char::is_ascii_alphabetic).collect();
    let mut once: Vec<char> =
        all.iter().copied().filter(|label| all.iter().filter(|other| *other == label).count() == 1).collect();
    sort_by(&mut once, Ord::cmp);
    let mut labels: Vec<char> = operands.iter().flat_map(|operand| &operand.labels).copied().collect();
    labels.retain(|label| !label.is_ascii());
    sort_by(&mut labels, |a, b| b.cmp(a));
    labels.dedup();
    labels.extend(once);
    labels
}

/// A tensor with its term's labels; of a label that occurs twice, the diagonal.
fn labelled(tensor: HostTensor, term: &str) -> Result<Labelled> {
    let shape = host::shape(&tensor).to_vec();
    let named = term.replacen("...", "", 1).len();
    let hidden = if term.contains("...") { shape.len().checked_sub(named) } else { Some(0) };
    let labels = match hidden {
        Some(hidden) if hidden + named == shape.len() => expand_term(term, hidden),
        _ => return wrong(format!("the term {term} does not fit a tensor of the shape {shape:?}")),
    };
    let (mut own, mut sizes, mut strides) = (Vec::new(), Vec::new(), Vec::new());
    for (axis, label) in labels.into_iter().enumerate() {
        let (size, stride) = (shape[axis], tensor.layout().strides()[axis]);
        match own.iter().position(|known| *known == label) {
            None => {
                own.push(label);
                sizes.push(size);
                strides.push(stride);
            }
            Some(index) if sizes[index] == size => strides[index] += stride,
            Some(_) => return wrong(format!("the term {term} has no diagonal in the shape {shape:?}")),
        }
    }
    let layout = Layout::new(Shape::from(sizes), strides, tensor.layout().start_offset());
    Ok(Labelled { tensor: tensor.with_layout(layout), labels: own })
}

/// Sums over the labels that `wanted` rejects.
fn reduce(operand: Labelled, wanted: &dyn Fn(&char) -> bool) -> Result<Labelled> {
    if operand.labels.iter().all(wanted) {
        return Ok(operand);
    }
    let (kept, summed): (Vec<char>, Vec<char>) = operand.labels.iter().partition(|label| wanted(label));
    let order: Vec<char> = kept.iter().chain(&summed).copied().collect();
    let tensor = arrange(operand, &order)?;
    let shape = host::shape(&tensor).to_vec();
    let count = shape[kept.len()..].iter().product();
    let ones = host::from_i64s(tensor.dtype(), &[count, 1], &vec![1; count]);
    let rows = shape[..kept.len()].iter().product();
    let sum = matmul(host::reshape(tensor, &[rows, count]), ones)?;
    Ok(Labelled { tensor: host::reshape(sum, &shape[..kept.len()]), labels: kept })
}

/// `operand` with its dimensions in the order of `labels`.
fn arrange(operand: Labelled, labels: &[char]) -> Result<HostTensor> {
    let axes: Option<Vec<usize>> =
        labels.iter().map(|label| operand.labels.iter().position(|own| own == label)).collect();
    match axes {
        Some(axes) if axes.len() == operand.labels.len() => Ok(operand.tensor.permute(&axes)),
        _ => wrong("the result of the equation has a label that no term has"),
    }
}

/// The product of two tensors, summed over the labels that both have and `wanted` rejects.
fn product(a: Labelled, b: Labelled, wanted: &dyn Fn(&char) -> bool, inputs: &Inputs<'_>) -> Result<Labelled> {
    let only = |labels: &[char], other: &[char]| -> Vec<char> {
        labels.iter().copied().filter(|label| !other.contains(label)).collect()
    };
    let (left, right) = (only(&a.labels, &b.labels), only(&b.labels, &a.labels));
    let (batch, sums): (Vec<char>, Vec<char>) =
        a.labels.iter().copied().filter(|label| b.labels.contains(label)).partition(|label| wanted(label));
    let sizes = |operand: &Labelled, labels: &[char]| -> Vec<usize> {
        let axis = |label: &char| operand.labels.iter().position(|own| own == label).unwrap_or_default();
        labels.iter().map(|label| host::shape(&operand.tensor)[axis(label)]).collect()
    };
    let batch_sizes = host::broadcast_shape(&sizes(&a, &batch), &sizes(&b, &batch))?;
    let sum_sizes = host::broadcast_shape(&sizes(&a, &sums), &sizes(&b, &sums))?;
    let (left_sizes, right_sizes) = (sizes(&a, &left), sizes(&b, &right));
    let joined = |parts: [&[usize]; 3]| [parts[0], parts[1], parts[2]].concat();
    let whole = |operand: Labelled, labels: [&[char]; 3], shape: Vec<usize>| {
        inputs.count(&shape)?;
        host::expand(arrange(operand, &labels.concat())?, &shape)
    };
    let a = whole(a, [&batch, &left, &sums], joined([&batch_sizes, &left_sizes, &sum_sizes]))?;
    let b = whole(b, [&batch, &sums, &right], joined([&batch_sizes, &sum_sizes, &right_sizes]))?;
    let count = |sizes: &[usize]| sizes.iter().product::<usize>();
    let (m, n, k) = (count(&left_sizes), count(&right_sizes), count(&sum_sizes));
    let (a, b) = (host::reshape(a, &[count(&batch_sizes), m, k]), host::reshape(b, &[count(&batch_sizes), k, n]));
    inputs.count(&shape_of(host::shape(&a), host::shape(&b))?)?;
    let tensor = host::reshape(matmul(a, b)?, &joined([&batch_sizes, &left_sizes, &right_sizes]));
    Ok(Labelled { tensor, labels: [batch, left, right].concat() })
}
