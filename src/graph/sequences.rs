//! Operators on sequences, optional values and maps.

use std::sync::Arc;

use burn::tensor::DType;

use super::attributes::Refusal;
use super::data::MapKey;
use super::host;
use super::ops::{axis_of, wrong};
use super::plan::Plan;
use super::program::{Node, Program};
use super::run::Run;
use super::value::Value;
use crate::error::{Error, Result};

/// An operator whose inputs or outputs are not just tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceOp {
    ConcatFromSequence,
    Optional,
    OptionalGetElement,
    OptionalHasElement,
    SequenceAt,
    SequenceConstruct,
    SequenceEmpty,
    SequenceErase,
    SequenceInsert,
    SequenceLength,
    SequenceMap,
    SplitToSequence,
    ZipMap,
}

impl SequenceOp {
    const ALL: [Self; 13] = [
        Self::ConcatFromSequence,
        Self::Optional,
        Self::OptionalGetElement,
        Self::OptionalHasElement,
        Self::SequenceAt,
        Self::SequenceConstruct,
        Self::SequenceEmpty,
        Self::SequenceErase,
        Self::SequenceInsert,
        Self::SequenceLength,
        Self::SequenceMap,
        Self::SplitToSequence,
        Self::ZipMap,
    ];

    /// The one of this name.
    pub fn find(domain: &str, name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.domain() == domain && op.name() == name)
    }

    pub fn domain(self) -> &'static str {
        if self == Self::ZipMap { super::ops::ML_DOMAIN } else { "" }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::ConcatFromSequence => "ConcatFromSequence",
            Self::Optional => "Optional",
            Self::OptionalGetElement => "OptionalGetElement",
            Self::OptionalHasElement => "OptionalHasElement",
            Self::SequenceAt => "SequenceAt",
            Self::SequenceConstruct => "SequenceConstruct",
            Self::SequenceEmpty => "SequenceEmpty",
            Self::SequenceErase => "SequenceErase",
            Self::SequenceInsert => "SequenceInsert",
            Self::SequenceLength => "SequenceLength",
            Self::SequenceMap => "SequenceMap",
            Self::SplitToSequence => "SplitToSequence",
            Self::ZipMap => "ZipMap",
        }
    }

    /// Whether its output has elements of the type of its first input.
    pub fn keeps_type(self) -> bool {
        !matches!(self, Self::OptionalHasElement | Self::SequenceLength | Self::SequenceEmpty | Self::ZipMap)
    }
}

/// A prepared operator.
pub struct Sequence {
    op: SequenceOp,
    axis: i64,
    new_axis: bool,
    keepdims: bool,
    /// The body of SequenceMap.
    body: Option<Plan>,
    /// The keys of ZipMap.
    keys: Vec<MapKey>,
}

/// Checks a node, and reads its attributes.
pub fn prepare(op: SequenceOp, node: &Node, body: Option<Plan>) -> Result<Sequence, Refusal> {
    let attributes = &node.attributes;
    if op == SequenceOp::SequenceMap && body.is_none() {
        return Err("the subgraph body is missing".to_string());
    }
    let strings = attributes.strings("classlabels_strings")?;
    let keys = match attributes.ints("classlabels_int64s")? {
        Some(ints) if strings.is_empty() => ints.into_iter().map(MapKey::Int).collect(),
        _ => strings.into_iter().map(MapKey::Text).collect(),
    };
    Ok(Sequence {
        op,
        axis: attributes.int("axis", 0)?,
        new_axis: attributes.flag("new_axis", false)?,
        keepdims: attributes.flag("keepdims", true)?,
        body,
        keys,
    })
}

/// The type of the first output's elements, where it is not that of the first input's.
pub fn output_type(op: SequenceOp) -> Option<DType> {
    match op {
        SequenceOp::OptionalHasElement => Some(host::BOOL),
        SequenceOp::SequenceLength => Some(DType::I64),
        SequenceOp::ZipMap => Some(DType::F32),
        _ => None,
    }
}

fn sequence(value: Option<Value>) -> Result<Arc<Vec<Value>>> {
    match value {
        Some(Value::Sequence(values)) => Ok(values),
        _ => Err(Error::invalid_input("expected a sequence, got something else")),
    }
}

async fn number(value: Option<Value>) -> Result<Option<i64>> {
    let Some(value) = value else { return Ok(None) };
    match host::to_i64s(&value.into_host().await?)[..] {
        [number] => Ok(Some(number)),
        ref numbers => wrong(format!("expected one number, got {}", numbers.len())),
    }
}

/// The index of `position`, which counts from the end where it is negative, among `count`.
fn place(position: i64, count: usize) -> Result<usize> {
    let at = if position < 0 { position.checked_add(count as i64) } else { Some(position) };
    let at = at.and_then(|at| usize::try_from(at).ok()).filter(|at| *at < count);
    at.ok_or_else(|| Error::invalid_input(format!("the position {position} is out of range for {count} elements")))
}

impl Sequence {
    /// Runs it on `inputs`.
    ///
    /// # Source
    /// The ONNX specification, the operators of these names.
    pub async fn run(&self, run: &mut Run<'_>, inputs: Vec<Option<Value>>) -> Result<Vec<Value>> {
        let count = inputs.len();
        let mut inputs = inputs.into_iter();
        let mut next = || inputs.next().flatten();
        let one = |value: Value| Ok(vec![value]);
        let list = |values: Vec<Value>| Ok(vec![Value::Sequence(Arc::new(values))]);
        match self.op {
            SequenceOp::SequenceEmpty => list(Vec::new()),
            SequenceOp::SequenceConstruct => {
                let all: Option<Vec<Value>> = inputs.collect();
                list(all.ok_or_else(|| Error::invalid_artefact("an element of the sequence is missing"))?)
            }
            SequenceOp::SequenceLength => one(host::tensor(&[], vec![sequence(next())?.len() as i64]).into()),
            SequenceOp::SequenceAt => {
                let values = sequence(next())?;
                let position = number(next()).await?.unwrap_or(0);
                one(values[place(position, values.len())?].clone())
            }
            SequenceOp::SequenceInsert => {
                let values = sequence(next())?;
                let new = next().ok_or_else(|| Error::invalid_artefact("the element to insert is missing"))?;
                let at = match number(next()).await? {
                    Some(position) if position != values.len() as i64 => place(position, values.len())?,
                    _ => values.len(),
                };
                run.check_shape(&[values.len() + 1])?;
                let mut values = Arc::unwrap_or_clone(values);
                values.insert(at, new);
                list(values)
            }
            SequenceOp::SequenceErase => {
                let values = sequence(next())?;
                let position = number(next()).await?.unwrap_or(-1);
                let at = place(position, values.len())?;
                let mut values = Arc::unwrap_or_clone(values);
                values.remove(at);
                list(values)
            }
            SequenceOp::SplitToSequence => {
                let x = next()
                    .ok_or_else(|| Error::invalid_artefact("the tensor to split is missing"))?
                    .into_host()
                    .await?;
                let parts = next();
                let shape = host::shape(&x).to_vec();
                let axis = axis_of(self.axis, shape.len())?;
                let alone = parts.is_none() && !self.keepdims;
                let sizes = match parts {
                    None => vec![1; shape[axis]],
                    Some(parts) => {
                        let parts = parts.into_host().await?;
                        let scalar = host::shape(&parts).is_empty();
                        let sizes =
                            host::to_i64s(&parts).into_iter().map(super::ops::size).collect::<Result<Vec<_>>>()?;
                        match sizes[..] {
                            [0] if scalar => return wrong("the size of the parts is 0"),
                            [size] if scalar => {
                                let parts = shape[axis].div_ceil(size);
                                (0..parts).map(|part| size.min(shape[axis] - part * size)).collect()
                            }
                            _ => sizes,
                        }
                    }
                };
                if sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size)) != Some(shape[axis]) {
                    return wrong(format!("a dimension of {} cannot be split into {sizes:?}", shape[axis]));
                }
                let (mut start, mut out) = (0, Vec::with_capacity(sizes.len()));
                for size in sizes {
                    let part = host::contiguous(x.narrow(axis, start, size));
                    let mut shape = host::shape(&part).to_vec();
                    if alone {
                        shape.remove(axis);
                    }
                    out.push(host::reshape(part, &shape).into());
                    start += size;
                }
                list(out)
            }
            SequenceOp::ConcatFromSequence => {
                let mut parts = Vec::new();
                for value in sequence(next())?.iter() {
                    parts.push(value.clone().into_host().await?);
                }
                let rank = parts.first().map_or(0, |part| host::shape(part).len());
                let axis = axis_of(self.axis, rank + usize::from(self.new_axis))?;
                if self.new_axis {
                    let with = |part: host::HostTensor| {
                        let mut shape = host::shape(&part).to_vec();
                        shape.insert(axis.min(shape.len()), 1);
                        host::reshape(part, &shape)
                    };
                    parts = parts.into_iter().map(with).collect();
                }
                run.check_count(parts.len(), parts.first())?;
                one(super::ops::concat(parts, axis)?.into())
            }
            SequenceOp::Optional => one(next().unwrap_or(Value::Nothing)),
            SequenceOp::OptionalHasElement => {
                let has = !matches!(next(), None | Some(Value::Nothing));
                one(host::bools(&[], vec![u8::from(has)]).into())
            }
            SequenceOp::OptionalGetElement => match next() {
                None | Some(Value::Nothing) => wrong("the optional value is empty"),
                Some(value) => one(value),
            },
            SequenceOp::SequenceMap => self.map(run, inputs.collect(), count).await,
            SequenceOp::ZipMap => {
                let x = next().ok_or_else(|| Error::invalid_artefact("the scores are missing"))?.into_host().await?;
                let width = host::shape(&x).last().copied().unwrap_or(0);
                if width != self.keys.len() {
                    return wrong(format!("there are {width} scores for {} labels", self.keys.len()));
                }
                let scores = host::to_f32s(x);
                let map = |row: &[f32]| Value::Map(self.keys.iter().cloned().zip(row.iter().copied()).collect());
                list(scores.chunks_exact(width.max(1)).map(map).collect())
            }
        }
    }

    /// The body for each element of the first sequence. Other sequences are taken element by element, tensors as they are.
    async fn map(&self, run: &mut Run<'_>, inputs: Vec<Option<Value>>, count: usize) -> Result<Vec<Value>> {
        let body = self.body.as_ref().ok_or_else(|| Error::internal("SequenceMap has no body"))?;
        let length = sequence(inputs.first().cloned().flatten())?.len();
        let mut outputs = vec![Vec::with_capacity(length); body.outputs.len()];
        for at in 0..length {
            let mut given = Vec::with_capacity(count);
            for input in &inputs {
                given.push(match input {
                    Some(Value::Sequence(values)) => match values.get(at) {
                        Some(value) => Some(value.clone()),
                        None => return wrong("the sequences differ in length"),
                    },
                    other => other.clone(),
                });
            }
            for (list, value) in outputs.iter_mut().zip(run.block(body, given).await?) {
                list.push(value);
            }
        }
        Ok(outputs.into_iter().map(|list| Value::Sequence(Arc::new(list))).collect())
    }
}

/// Gives the inputs of SequenceMap's body, and the outputs of a node, the types of what they are made of.
pub fn give_types(op: SequenceOp, node: &Node, program: &mut Program) {
    if op == SequenceOp::SequenceMap {
        let Some((_, block)) = node.blocks.first() else { return };
        for (outer, inner) in node.outputs.iter().zip(&block.outputs) {
            if let Some(outer) = outer {
                program.copy_type(*inner, *outer);
            }
        }
        return;
    }
    let (Some(Some(output)), input) = (node.outputs.first(), node.inputs.first().copied().flatten()) else { return };
    match input {
        Some(input) if op.keeps_type() => program.copy_type(input, *output),
        _ => program.types[*output] = output_type(op),
    }
}
