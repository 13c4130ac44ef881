//! Control flow: If, Loop and Scan, which run subgraphs.

use std::collections::HashMap;

use burn::tensor::DType;

use super::Dim;
use super::attributes::Refusal;
use super::host::{self, HostTensor};
use super::ops::{axis_of, wrong};
use super::plan::Plan;
use super::program::{Declared, Node, Program};
use super::run::Run;
use super::sequences::{self, Sequence, SequenceOp};
use super::value::Value;
use crate::error::{Error, Result};

/// A loop with more iterations than this is taken to be endless.
const MAX_ITERATIONS: i64 = 1 << 24;

/// A prepared control flow operator.
pub enum Control {
    If { then: Plan, otherwise: Plan },
    Loop { body: Plan, carried: usize, outputs: Outputs },
    Scan { body: Plan, scanned: Vec<Scanned>, stacked: Vec<Scanned>, outputs: Outputs },
    Sequence(Box<Sequence>),
}

/// What is known of the outputs of a body that has never run.
pub struct Outputs {
    types: Vec<Option<DType>>,
    declared: Declared,
}

/// The axis along which a tensor is split or stacked, and whether in reverse.
#[derive(Clone, Copy)]
pub struct Scanned {
    axis: i64,
    backwards: bool,
}

/// An operator that runs graphs within the graph, or whose values are not all tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlOp {
    If,
    Loop,
    Scan,
    Sequence(SequenceOp),
}

impl ControlOp {
    /// The one of this name.
    pub fn find(domain: &str, name: &str) -> Option<Self> {
        let control = [Self::If, Self::Loop, Self::Scan].into_iter().find(|op| domain.is_empty() && op.name() == name);
        control.or_else(|| SequenceOp::find(domain, name).map(Self::Sequence))
    }

    /// Its domain.
    pub fn domain(self) -> &'static str {
        if let Self::Sequence(op) = self { op.domain() } else { "" }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::If => "If",
            Self::Loop => "Loop",
            Self::Scan => "Scan",
            Self::Sequence(op) => op.name(),
        }
    }
}

/// Checks that the graphs of a node with the operator `op` fit it, and gives their inputs the types of the node's own.
///
/// # Errors
/// They do not fit.
pub fn check(op: ControlOp, node: &mut Node, program: &mut Program) -> Result<(), Refusal> {
    let names: &[&str] = match op {
        ControlOp::If => &["then_branch", "else_branch"],
        ControlOp::Loop | ControlOp::Scan | ControlOp::Sequence(SequenceOp::SequenceMap) => &["body"],
        ControlOp::Sequence(_) => &[],
    };
    for name in names {
        if !node.blocks.iter().any(|(known, _)| known == name) {
            return Err(format!("the subgraph {name} is missing"));
        }
    }
    let outputs = node.outputs.len();
    for (name, block) in &node.blocks {
        let found = block.outputs.len();
        let (inputs, wanted) = match op {
            ControlOp::If => (0, outputs),
            ControlOp::Loop => (node.inputs.len().max(2), outputs + 1),
            ControlOp::Scan | ControlOp::Sequence(_) => (node.inputs.len(), outputs),
        };
        if block.inputs.len() != inputs || found < wanted {
            return Err(format!(
                "the subgraph {name} has {} inputs and {found} outputs, expected {inputs} and {wanted}",
                block.inputs.len()
            ));
        }
        let (fixed, given) = match op {
            ControlOp::Loop => (&[Some(DType::I64), Some(host::BOOL)][..], node.inputs.get(2..).unwrap_or_default()),
            _ => (&[][..], &node.inputs[..]),
        };
        for (slot, dtype) in block.inputs.iter().zip(fixed) {
            program.types[*slot] = *dtype;
        }
        for (slot, given) in block.inputs.iter().skip(fixed.len()).zip(given) {
            if let Some(given) = given {
                program.copy_type(*given, *slot);
            }
        }
    }
    if op == ControlOp::Scan {
        if node.opset < 9 {
            return Err("its form before opset 9 is not supported".to_string());
        }
        let count = node.attributes.int("num_scan_inputs", 0)?;
        if count < 1 || count as usize > node.inputs.len() || node.inputs.len() - count as usize > outputs {
            return Err(format!("the attribute num_scan_inputs is {count}, which does not fit the inputs and outputs"));
        }
    }
    Ok(())
}

/// Gives the node's outputs the types of its subgraph's.
pub fn give_types(op: ControlOp, node: &Node, program: &mut Program) {
    if let ControlOp::Sequence(op) = op {
        return sequences::give_types(op, node, program);
    }
    // The first output of a loop's graph is its condition.
    let skipped = usize::from(op == ControlOp::Loop);
    let Some((_, block)) = node.blocks.first() else { return };
    for (outer, inner) in node.outputs.iter().zip(block.outputs.iter().skip(skipped)) {
        if let Some(outer) = outer {
            program.copy_type(*inner, *outer);
        }
    }
}

/// Prepares `node`, whose subgraphs are planned.
pub fn prepare(op: ControlOp, node: &Node, program: &Program, mut plans: Vec<(String, Plan)>) -> Result<Control> {
    let mut take = |name: &str| {
        let index = plans.iter().position(|(known, _)| known == name);
        let index = index.ok_or_else(|| Error::internal(format!("{} has no {name}", node.description())))?;
        Ok::<_, Error>(plans.swap_remove(index).1)
    };
    let outputs = |body: &Plan| Outputs {
        types: body.outputs.iter().map(|slot| program.types[*slot]).collect(),
        declared: node.blocks.first().map(|(_, block)| block.declared.clone()).unwrap_or_default(),
    };
    Ok(match op {
        ControlOp::Sequence(op) => {
            let body = take("body").ok();
            let refuse = |reason| Error::unsupported(format!("{}: {reason}", node.description()));
            Control::Sequence(Box::new(sequences::prepare(op, node, body).map_err(refuse)?))
        }
        ControlOp::If => Control::If { then: take("then_branch")?, otherwise: take("else_branch")? },
        ControlOp::Loop => {
            let body = take("body")?;
            let outputs = outputs(&body);
            Control::Loop { body, carried: node.inputs.len().saturating_sub(2), outputs }
        }
        ControlOp::Scan => {
            let refuse = |reason| Error::unsupported(format!("{}: {reason}", node.description()));
            let ints = |name| node.attributes.ints(name).map_err(refuse);
            let count = node.attributes.int("num_scan_inputs", 0).map_err(refuse)? as usize;
            let stacked = node.outputs.len() - (node.inputs.len() - count);
            let scanned = |axes: Option<Vec<i64>>, directions: Option<Vec<i64>>, count: usize| {
                let at = |list: &Option<Vec<i64>>, index| list.as_ref().and_then(|list| list.get(index).copied());
                let scanned = |index| Scanned {
                    axis: at(&axes, index).unwrap_or(0),
                    backwards: at(&directions, index) == Some(1),
                };
                (0..count).map(scanned).collect()
            };
            let body = take("body")?;
            Control::Scan {
                outputs: outputs(&body),
                body,
                scanned: scanned(ints("scan_input_axes")?, ints("scan_input_directions")?, count),
                stacked: scanned(ints("scan_output_axes")?, ints("scan_output_directions")?, stacked),
            }
        }
    })
}

impl Control {
    /// Runs it on `inputs`.
    pub async fn run(&self, run: &mut Run<'_>, inputs: Vec<Option<Value>>) -> Result<Vec<Value>> {
        match self {
            Self::If { then, otherwise } => {
                let condition = flag(inputs.into_iter().next().flatten()).await?;
                run.block(if condition { then } else { otherwise }, Vec::new()).await
            }
            Self::Sequence(sequence) => sequence.run(run, inputs).await,
            Self::Loop { body, carried, outputs } => run_loop(run, body, *carried, outputs, inputs).await,
            Self::Scan { body, scanned, stacked, outputs } => {
                scan(run, body, (scanned, stacked), outputs, inputs).await
            }
        }
    }
}

async fn flag(value: Option<Value>) -> Result<bool> {
    let Some(value) = value else { return wrong("the condition is missing") };
    let tensor = value.into_host().await?;
    match host::to_i64s(&tensor)[..] {
        [flag] => Ok(flag != 0),
        _ => wrong(format!("the condition has the shape {:?}, expected a scalar", host::shape(&tensor))),
    }
}

/// # Source
/// The ONNX specification, operator Loop.
async fn run_loop(
    run: &mut Run<'_>,
    body: &Plan,
    carried: usize,
    known: &Outputs,
    inputs: Vec<Option<Value>>,
) -> Result<Vec<Value>> {
    let mut inputs = inputs.into_iter();
    let trip_count = match inputs.next().flatten() {
        None => i64::MAX,
        Some(value) => match host::to_i64s(&value.into_host().await?)[..] {
            [trip_count] => trip_count,
            _ => return wrong("the trip count must be a scalar"),
        },
    };
    let mut condition = match inputs.next().flatten() {
        None => true,
        Some(value) => flag(Some(value)).await?,
    };
    let mut state = inputs
        .map(|value| value.ok_or_else(|| Error::invalid_artefact("a loop-carried value is missing")))
        .collect::<Result<Vec<_>>>()?;
    let mut scans: Vec<Vec<HostTensor>> = vec![Vec::new(); body.outputs.len() - 1 - carried];
    let mut iteration = 0;
    while condition && iteration < trip_count {
        if iteration == MAX_ITERATIONS {
            return wrong(format!("a loop has not ended after {MAX_ITERATIONS} iterations"));
        }
        let mut given = vec![
            Some(host::tensor(&[], vec![iteration]).into()),
            Some(host::bools(&[], vec![u8::from(condition)]).into()),
        ];
        given.extend(state.into_iter().map(Some));
        let mut outputs = run.block(body, given).await?.into_iter();
        condition = flag(outputs.next()).await?;
        state = outputs.by_ref().take(carried).collect();
        for (scan, output) in scans.iter_mut().zip(outputs) {
            scan.push(output.into_host().await?);
            run.check_count(scan.len(), scan.last())?;
        }
        iteration += 1;
    }
    let stacked = if iteration == 0 {
        let shapes = [&[][..], &[]].into_iter().chain(state.iter().map(Value::shape));
        let sizes = known.sizes(run, shapes);
        let empty = |index| known.empty(run, 1 + carried + index, 0, &sizes).map(Value::from);
        (0..scans.len()).map(empty).collect::<Result<Vec<_>>>()?
    } else {
        let forwards = Scanned { axis: 0, backwards: false };
        scans.into_iter().map(|scan| stack(scan, forwards).map(Value::from)).collect::<Result<_>>()?
    };
    Ok(state.into_iter().chain(stacked).collect())
}

/// # Source
/// The ONNX specification, operator Scan, version 9 and later.
async fn scan(
    run: &mut Run<'_>,
    body: &Plan,
    (scanned, stacked): (&[Scanned], &[Scanned]),
    known: &Outputs,
    inputs: Vec<Option<Value>>,
) -> Result<Vec<Value>> {
    let mut state = inputs
        .into_iter()
        .map(|value| value.ok_or_else(|| Error::invalid_artefact("an input of Scan is missing")))
        .collect::<Result<Vec<_>>>()?;
    let carried = state.len() - scanned.len();
    let mut sequences = Vec::with_capacity(scanned.len());
    for value in state.split_off(carried) {
        sequences.push(value.into_host().await?);
    }
    let mut length = None;
    for (sequence, scanned) in sequences.iter().zip(scanned) {
        let shape = host::shape(sequence);
        let found = shape[axis_of(scanned.axis, shape.len())?];
        if length.replace(found).is_some_and(|length| length != found) {
            return wrong("the scan inputs differ in length");
        }
    }
    let length = length.unwrap_or(0);
    let mut scans: Vec<Vec<HostTensor>> = vec![Vec::new(); stacked.len()];
    for iteration in 0..length {
        let mut given: Vec<Option<Value>> = state.into_iter().map(Some).collect();
        for (sequence, scanned) in sequences.iter().zip(scanned) {
            let index = if scanned.backwards { length - 1 - iteration } else { iteration };
            given.push(Some(take_slice(sequence, scanned.axis, index)?.into()));
        }
        let mut outputs = run.block(body, given).await?.into_iter();
        state = outputs.by_ref().take(carried).collect();
        for (scan, output) in scans.iter_mut().zip(outputs) {
            scan.push(output.into_host().await?);
            run.check_count(scan.len(), scan.last())?;
        }
    }
    let stacked = if length == 0 {
        let mut shapes: Vec<Vec<usize>> = state.iter().map(|value| value.shape().to_vec()).collect();
        for (sequence, scanned) in sequences.iter().zip(scanned) {
            let mut shape = host::shape(sequence).to_vec();
            shape.remove(axis_of(scanned.axis, shape.len())?);
            shapes.push(shape);
        }
        let sizes = known.sizes(run, shapes.iter().map(Vec::as_slice));
        let empty = |(index, scanned): (usize, &Scanned)| known.empty(run, carried + index, scanned.axis, &sizes);
        stacked.iter().enumerate().map(empty).collect::<Result<Vec<_>>>()?
    } else {
        scans.into_iter().zip(stacked).map(|(scan, stacked)| stack(scan, *stacked)).collect::<Result<_>>()?
    };
    Ok(state.into_iter().chain(stacked.into_iter().map(Value::from)).collect())
}

impl Outputs {
    /// The sizes of named dimensions: those of the graph's inputs, and those of the body's inputs, which have `shapes`.
    fn sizes<'a>(&'a self, run: &Run<'a>, shapes: impl Iterator<Item = &'a [usize]>) -> HashMap<&'a str, usize> {
        let mut sizes: HashMap<&str, usize> = run.sizes.iter().copied().collect();
        for (dims, shape) in self.declared.inputs.iter().zip(shapes) {
            sizes.extend(named_sizes(dims.as_deref().unwrap_or_default(), shape));
        }
        sizes
    }

    /// The output at `index`, of which the body made no slice: its declared shape, with the length 0 along `axis`. A
    /// dimension of unknown size is 0, as it is in onnxruntime.
    fn empty(&self, run: &Run<'_>, index: usize, axis: i64, sizes: &HashMap<&str, usize>) -> Result<HostTensor> {
        let dims = self.declared.outputs.get(index).and_then(Option::as_deref).unwrap_or_default();
        let size = |dim: &Dim| match dim {
            Dim::Fixed(size) => *size,
            Dim::Free(name) => sizes.get(name.as_str()).copied().unwrap_or(0),
        };
        let mut shape: Vec<usize> = dims.iter().map(size).collect();
        shape.insert(axis_of(axis, shape.len() + 1)?, 0);
        run.check_shape(&shape)?;
        let dtype = self.types.get(index).copied().flatten().unwrap_or(DType::F32);
        Ok(host::from_i64s(dtype, &shape, &[]))
    }
}

/// The names in `dims` with their sizes in `shape`.
pub fn named_sizes<'a>(dims: &'a [Dim], shape: &[usize]) -> impl Iterator<Item = (&'a str, usize)> {
    dims.iter().zip(shape).filter_map(|(dim, size)| match dim {
        Dim::Free(name) if !name.is_empty() => Some((name.as_str(), *size)),
        _ => None,
    })
}

/// The slice of `tensor` at `index` along `axis`, without that axis.
fn take_slice(tensor: &HostTensor, axis: i64, index: usize) -> Result<HostTensor> {
    let shape = host::shape(tensor);
    let axis = axis_of(axis, shape.len())?;
    let mut without = shape.to_vec();
    without.remove(axis);
    Ok(host::reshape(tensor.narrow(axis, index, 1), &without))
}

/// `parts` stacked along a new axis. There is at least one.
fn stack(mut parts: Vec<HostTensor>, scanned: Scanned) -> Result<HostTensor> {
    if scanned.backwards {
        parts.reverse();
    }
    let shape = host::shape(&parts[0]).to_vec();
    let axis = axis_of(scanned.axis, shape.len() + 1)?;
    let mut with = shape.clone();
    with.insert(axis, 1);
    if parts.iter().any(|part| host::shape(part) != shape) {
        return wrong("a scan output of a loop changes its shape between iterations");
    }
    super::ops::concat(parts.into_iter().map(|part| host::reshape(part, &with)).collect(), axis)
}
