//! Import of ONNX: names become slots, attributes and initializers become tensors.

mod functions;
mod old_opsets;

use std::collections::{HashMap, HashSet};

use burn::tensor::{DType, bf16, f16};

use functions::{Frame, Given};

use super::attributes::{Attribute, Attributes};
use super::control::ControlOp;
use super::host::{self, HostTensor};
use super::ops;
use super::options::Limits;
use super::program::{Block, Node, Operator, Program, Slot};
use super::{Dim, Port};
use crate::error::{Error, Result};
use crate::formats::onnx::{self, Element, Storage};

/// The calls that are nested for each level of graphs that is allowed. Exporters make a function of each module.
const CALLS_PER_LEVEL: usize = 4;

/// The external data files of an ONNX file, by name.
pub type ExternalFiles = HashMap<String, Vec<u8>>;

/// The element type with this number in ONNX.
///
/// # Errors
/// Unsupported: another number.
pub fn dtype(number: i64) -> Result<DType> {
    Ok(match Element::from_number(number)? {
        Element::F32 => DType::F32,
        Element::U8 => DType::U8,
        Element::I8 => DType::I8,
        Element::U16 => DType::U16,
        Element::I16 => DType::I16,
        Element::I32 => DType::I32,
        Element::I64 => DType::I64,
        Element::Bool => host::BOOL,
        Element::F16 => DType::F16,
        Element::F64 => DType::F64,
        Element::U32 => DType::U32,
        Element::U64 => DType::U64,
        Element::BF16 => DType::BF16,
    })
}

/// A tensor of a file in memory.
///
/// # Errors
/// Invalid artefact: its size does not fit its dimensions or exceeds the limits, or its external data were not handed in.
/// Unsupported: its type.
pub fn tensor(from: &onnx::Tensor<'_>, external: &ExternalFiles, limits: &Limits) -> Result<HostTensor> {
    let wrong = |what: String| Error::invalid_artefact(format!("the tensor '{}' {what}", from.name));
    let dtype = dtype(from.element)
        .map_err(|error| Error::new(error.kind(), format!("the tensor '{}': {error}", from.name)))?;
    let shape = from
        .dims
        .iter()
        .map(|dim| usize::try_from(*dim).map_err(|_| wrong(format!("has the dimension {dim}"))))
        .collect::<Result<Vec<_>>>()?;
    let count = host::count(&shape, limits.max_elements).map_err(|error| wrong(format!("is too large: {error}")))?;
    let held = |found: usize| {
        if found == count {
            Ok(())
        } else {
            Err(wrong(format!("has {found} elements, expected {count} for its shape {shape:?}")))
        }
    };
    let bytes = match &from.storage {
        Storage::Raw(bytes) => *bytes,
        Storage::External(data) => external_bytes(data, external).ok_or_else(|| {
            wrong(format!("has external data in the file '{}', which was not handed in or is too short", data.location))
        })?,
        Storage::Floats(numbers) => {
            held(numbers.len())?;
            let numbers: Vec<f64> = numbers.iter().map(|number| f64::from(*number)).collect();
            return Ok(host::from_f64s(dtype, &shape, &numbers));
        }
        Storage::Doubles(numbers) => {
            held(numbers.len())?;
            return Ok(host::from_f64s(dtype, &shape, numbers));
        }
        Storage::Ints(numbers) => {
            held(numbers.len())?;
            return Ok(match dtype {
                // 16-bit floats are written as integers with their bits.
                DType::F16 => host::tensor(&shape, numbers.iter().map(|bits| f16::from_bits(*bits as u16)).collect()),
                DType::BF16 => host::tensor(&shape, numbers.iter().map(|bits| bf16::from_bits(*bits as u16)).collect()),
                _ => host::from_i64s(dtype, &shape, numbers),
            });
        }
        Storage::Strings => {
            return Err(Error::unsupported(format!("the tensor '{}' has strings, which are not supported", from.name)));
        }
        Storage::Empty => &[],
    };
    if bytes.len() != count * host::size_of(dtype) {
        return Err(wrong(format!("has {} bytes, expected {}", bytes.len(), count * host::size_of(dtype))));
    }
    if dtype == host::BOOL {
        return Ok(host::bools(&shape, bytes.iter().map(|byte| u8::from(*byte != 0)).collect()));
    }
    host::with_type!(dtype, T => Ok(host::of_type::<T>(dtype, &shape, bytemuck::pod_collect_to_vec(bytes))))
}

fn external_bytes<'a>(data: &onnx::External<'_>, external: &'a ExternalFiles) -> Option<&'a [u8]> {
    // Never opened as a path: the files are those that were handed in, by name.
    let rest = external.get(data.location)?.get(usize::try_from(data.offset).ok()?..)?;
    match data.length {
        None => Some(rest),
        Some(length) => rest.get(..usize::try_from(length).ok()?),
    }
}

/// Checks the version of the default operator set of a file or a function.
///
/// # Errors
/// Unsupported: it is too old or too new.
pub fn check_opsets(opsets: &[(&str, i64)]) -> Result<()> {
    match opsets.iter().find(|(domain, _)| domain.is_empty()) {
        Some((_, version)) if !(ops::OLDEST_OPSET..=ops::NEWEST_OPSET).contains(version) => {
            Err(Error::unsupported(format!(
                "the file uses version {version} of ONNX's operator set, expected {} to {}",
                ops::OLDEST_OPSET,
                ops::NEWEST_OPSET
            )))
        }
        _ => Ok(()),
    }
}

/// Reads a file into a program. Functions of the file are inlined.
///
/// # Errors
/// Invalid artefact: names that are not defined before their use (as in a cycle), or defined twice; a function that calls
/// itself. Unsupported: inputs that are not tensors.
pub fn program(model: &onnx::Model<'_>, external: &ExternalFiles, limits: &Limits) -> Result<Program> {
    let functions = model.functions.iter().map(|function| (function.key(), function)).collect();
    let (program, frames) = (Program::default(), vec![Frame::of_graph(&model.opsets)]);
    let mut import = Import { functions, external, limits, program, frames, nodes: 0, depth: 0 };
    import.program.block = import.block(&model.graph)?;
    let mut program = import.program;
    let initial: HashSet<&str> = model.graph.initializers.iter().map(|initializer| initializer.name).collect();
    program.inputs =
        model.graph.inputs.iter().filter(|info| !initial.contains(info.name)).map(port).collect::<Result<_>>()?;
    program.outputs = model.graph.outputs.iter().map(port).collect::<Result<_>>()?;
    Ok(program)
}

struct Import<'a> {
    functions: HashMap<onnx::Key<'a>, &'a onnx::Function<'a>>,
    external: &'a ExternalFiles,
    limits: &'a Limits,
    program: Program,
    /// The frame of the graph, and that of each function whose call is being inlined.
    frames: Vec<Frame<'a>>,
    /// The nodes so far, with those of functions, which are counted for each call.
    nodes: usize,
    /// The levels of graphs and calls.
    depth: usize,
}

impl<'a> Import<'a> {
    fn block(&mut self, graph: &'a onnx::Graph<'a>) -> Result<Block> {
        self.enter()?;
        self.frame().scopes.push(HashMap::new());
        for initializer in &graph.initializers {
            let constant = tensor(initializer, self.external, self.limits)?;
            let slot = self.define(initializer.name, Some(constant.dtype()))?;
            self.program.constants.insert(slot, constant);
        }
        let mut block = Block::default();
        for input in &graph.inputs {
            if !self.frame().scopes.last().is_some_and(|scope| scope.contains_key(input.name)) {
                let dtype = input.element.map(dtype).transpose()?;
                block.inputs.push(self.define(input.name, dtype)?);
                block.declared.inputs.push(dims(input));
            }
        }
        for node in &graph.nodes {
            self.node(node, &mut block.nodes)?;
        }
        let output = |output: &onnx::ValueInfo<'a>| {
            let slot = self.slot(output.name, "an output")?;
            slot.ok_or_else(|| Error::invalid_artefact(format!("the output '{}' is left out", output.name)))
        };
        block.outputs = graph.outputs.iter().map(output).collect::<Result<_>>()?;
        block.declared.outputs = graph.outputs.iter().map(dims).collect();
        self.frame().scopes.pop();
        self.depth -= 1;
        Ok(block)
    }

    /// Counts a level of graphs and calls.
    fn enter(&mut self) -> Result<()> {
        let most = self.limits.max_depth.saturating_mul(CALLS_PER_LEVEL);
        if self.depth == most {
            return Err(Error::invalid_artefact(format!(
                "the file nests functions and graphs deeper than {most} levels"
            )));
        }
        self.depth += 1;
        Ok(())
    }

    /// Imports a node. It becomes the nodes of a function's body where it calls one.
    fn node(&mut self, from: &'a onnx::Node<'a>, into: &mut Vec<Node>) -> Result<()> {
        let words = || format!("the node '{}' ({})", from.name, from.op_type);
        let input = |name: &&'a str| match *name {
            "" => Ok(None),
            name => self.slot(name, &words()),
        };
        let inputs = from.inputs.iter().map(input).collect::<Result<Vec<_>>>()?;
        let given = self.given(from)?;
        if let Some(function) = self.functions.get(&from.key()).copied() {
            return self.call(from, function, inputs, given, into);
        }
        self.nodes += 1;
        if self.nodes > self.limits.max_nodes {
            return Err(Error::invalid_artefact(
                "the file has more nodes than the limits allow, with its functions inlined",
            ));
        }
        let (mut attributes, mut blocks) = (Attributes::default(), Vec::new());
        for (name, Given { value, frames }) in given {
            match value {
                onnx::Attribute::Graph(graph) => {
                    // Its names are those of the place where it is written.
                    let inner = self.frames.split_off(frames);
                    blocks.push((name.to_string(), self.block(graph)?));
                    self.frames.extend(inner);
                }
                value => attributes.push(name, self.attribute(value)?),
            }
        }
        let output = |import: &mut Self, name: &&'a str| match *name {
            "" => Ok(None),
            name => import.define(name, None).map(Some),
        };
        let outputs = from.outputs.iter().map(|name| output(self, name)).collect::<Result<_>>()?;
        let (domain, name) = (from.domain, from.op_type);
        let opset = self.opset(domain)?;
        let operator = match (ControlOp::find(domain, name), ops::find(domain, name)) {
            (Some(control), _) => Operator::Control(control),
            (None, Some(op)) => Operator::Known(op),
            (None, None) => Operator::Unknown { domain: domain.to_string(), name: name.to_string() },
        };
        let mut node = Node { name: from.name.to_string(), operator, opset, attributes, inputs, outputs, blocks };
        if domain.is_empty() && opset < old_opsets::FIRST_CURRENT {
            self.upgrade(&mut node, into)?;
        }
        into.push(node);
        Ok(())
    }

    fn attribute(&self, value: &onnx::Attribute<'_>) -> Result<Attribute> {
        // Lossy: a string that is not UTF-8 is not one that an operator supports.
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(match value {
            onnx::Attribute::Float(value) => Attribute::Float(*value),
            onnx::Attribute::Int(value) => Attribute::Int(*value),
            onnx::Attribute::String(value) => Attribute::String(text(value)),
            onnx::Attribute::Tensor(value) => Attribute::Tensor(tensor(value, self.external, self.limits)?),
            onnx::Attribute::Floats(values) => Attribute::Floats(values.clone()),
            onnx::Attribute::Ints(values) => Attribute::Ints(values.clone()),
            onnx::Attribute::Strings(values) => Attribute::Strings(values.iter().map(|value| text(value)).collect()),
            onnx::Attribute::Graph(_) | onnx::Attribute::Reference(_) | onnx::Attribute::Other => Attribute::Other,
        })
    }

    /// The version of the operator set of `domain` here.
    fn opset(&self, domain: &str) -> Result<i64> {
        let in_frame =
            |frame: &Frame<'a>| frame.opsets.iter().find(|(own, _)| *own == domain).map(|(_, version)| *version);
        let found = self.frames.last().and_then(in_frame).or_else(|| self.frames.first().and_then(in_frame));
        match (found, domain) {
            (Some(version), _) => Ok(version),
            // Exporters often omit the operator sets of other domains.
            (None, domain) if !domain.is_empty() => Ok(1),
            _ => Err(Error::invalid_artefact("the file does not declare the version of the default operator set")),
        }
    }

    /// The names that the innermost function, or the graph, defines.
    fn frame(&mut self) -> &mut Frame<'a> {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Defines `name` in the innermost scope.
    fn define(&mut self, name: &'a str, dtype: Option<DType>) -> Result<Slot> {
        let slot = self.program.new_slot(dtype);
        self.bind(name, Some(slot))?;
        Ok(slot)
    }

    /// Makes `name` the name of `slot` in the innermost scope.
    fn bind(&mut self, name: &'a str, slot: Option<Slot>) -> Result<()> {
        let scope = self.frame().scopes.last_mut().ok_or_else(|| Error::internal("there is no scope"))?;
        match scope.insert(name, slot) {
            None => Ok(()),
            Some(_) => Err(Error::invalid_artefact(format!("'{name}' is given twice"))),
        }
    }

    /// The slot of `name` in the innermost scope that defines it; `None` for an input of a function that its call leaves
    /// out.
    fn slot(&self, name: &str, user: &str) -> Result<Option<Slot>> {
        let mut scopes = self.frames.last().into_iter().flat_map(|frame| frame.scopes.iter().rev());
        scopes.find_map(|scope| scope.get(name).copied()).ok_or_else(|| {
            Error::invalid_artefact(format!(
                "{user} uses '{name}', which is not defined before it: it is missing, or the graph has a cycle"
            ))
        })
    }
}

fn port(info: &onnx::ValueInfo<'_>) -> Result<Port> {
    let name = info.name.to_string();
    let Some(element) = info.element.filter(|_| info.is_tensor) else {
        return Err(Error::unsupported(format!(
            "'{name}' is not a tensor of a known type: sequences and optional values are not supported"
        )));
    };
    let dtype = dtype(element).map_err(|error| Error::new(error.kind(), format!("'{name}': {error}")))?;
    Ok(Port { name, dtype, dims: dims(info) })
}

/// The declared dimensions.
fn dims(info: &onnx::ValueInfo<'_>) -> Option<Vec<Dim>> {
    let dim = |dim: &onnx::Dim<'_>| match dim {
        onnx::Dim::Value(value) => usize::try_from(*value).map_or(Dim::Free(String::new()), Dim::Fixed),
        onnx::Dim::Param(name) => Dim::Free(name.to_string()),
    };
    Some(info.dims.as_ref()?.iter().map(dim).collect())
}
