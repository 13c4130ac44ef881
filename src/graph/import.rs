//! Import of ONNX: names become slots, attributes and initializers become tensors.

mod functions;
mod old_opsets;
mod tensors;

use std::collections::{HashMap, HashSet};

use burn::tensor::DType;

use functions::{Frame, Given};
pub use tensors::{ExternalFiles, dtype, tensor};

use super::attributes::{Attribute, Attributes};
use super::control::ControlOp;
use super::encoding::Encoding;
use super::host::{self, HostTensor};
use super::ops;
use super::options::Limits;
use super::program::{Block, Node, Operator, Program, Slot};
use super::texts::Texts;
use super::{Data, Dim, Kind, Port, Strings};
use crate::error::{Error, Result};
use crate::formats::onnx::{self, Storage};

/// The calls that are nested for each level of graphs that is allowed. Exporters make a function of each module.
const CALLS_PER_LEVEL: usize = 4;

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
            let constant = tensor(initializer, self.external, self.limits, &mut self.program.texts)?;
            self.define_constant(initializer.name, constant, Encoding::of_number(initializer.element))?;
        }
        let mut block = Block::default();
        for input in &graph.inputs {
            if !self.frame().scopes.last().is_some_and(|scope| scope.contains_key(input.name)) {
                let dtype = input.element.map(dtype).transpose()?;
                let slot = self.define(input.name, dtype)?;
                self.program.set_type(slot, (dtype, input.element.and_then(Encoding::of_number)));
                block.inputs.push(slot);
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
        if from.key() == ("", "Constant", "")
            && let [output] = from.outputs[..]
            && let [(_, Given { value, .. })] = given[..]
            && let Some((constant, encoding)) = self.constant(value)?
        {
            return self.define_constant(output, constant, encoding);
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

    /// The constant that an attribute of Constant is, where it is a tensor or strings.
    fn constant(&mut self, value: &onnx::Attribute<'_>) -> Result<Option<(HostTensor, Option<Encoding>)>> {
        let texts = &mut self.program.texts;
        let index = |texts: &mut Texts, text: &[u8]| texts.index(&String::from_utf8_lossy(text));
        let (shape, indices) = match value {
            onnx::Attribute::Tensor(from) => {
                let constant = tensor(from, self.external, self.limits, texts)?;
                return Ok(Some((constant, Encoding::of_number(from.element))));
            }
            onnx::Attribute::String(text) => (vec![], vec![index(texts, text)]),
            onnx::Attribute::Strings(all) => {
                (vec![all.len()], all.iter().map(|text| index(texts, text)).collect::<Vec<u32>>())
            }
            _ => return Ok(None),
        };
        Ok(Some((host::tensor(&shape, indices), Some(Encoding::Text))))
    }

    fn define_constant(&mut self, name: &'a str, constant: HostTensor, encoding: Option<Encoding>) -> Result<()> {
        let slot = self.define(name, Some(constant.dtype()))?;
        self.program.set_type(slot, (Some(constant.dtype()), encoding));
        self.program.constants.insert(slot, constant);
        Ok(())
    }

    fn attribute(&mut self, value: &onnx::Attribute<'_>) -> Result<Attribute> {
        // Lossy: a string that is not UTF-8 is not one that an operator supports.
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(match value {
            onnx::Attribute::Float(value) => Attribute::Float(*value),
            onnx::Attribute::Int(value) => Attribute::Int(*value),
            onnx::Attribute::String(value) => Attribute::String(text(value)),
            onnx::Attribute::Tensor(value) => match &value.storage {
                Storage::Strings(strings) => Attribute::Strings(strings.iter().map(|value| text(value)).collect()),
                _ => Attribute::Tensor(tensor(value, self.external, self.limits, &mut self.program.texts)?),
            },
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
    use onnx::Nesting;
    let name = info.name.to_string();
    let kind = match info.nesting[..] {
        [] => Kind::Tensor,
        [Nesting::Sequence] => Kind::Sequence,
        [Nesting::Optional] => Kind::OptionalTensor,
        [Nesting::Optional, Nesting::Sequence] => Kind::OptionalSequence,
        [Nesting::Map] | [Nesting::Sequence, Nesting::Map] => Kind::Maps,
        _ => return Err(Error::unsupported(format!("'{name}' is of a type that is not supported"))),
    };
    let Some(element) = info.element else {
        return Err(Error::unsupported(format!("the element type of '{name}' is not declared")));
    };
    let dtype = dtype(element).map_err(|error| Error::new(error.kind(), format!("'{name}': {error}")))?;
    let strings = Encoding::of_number(element) == Some(Encoding::Text);
    Ok(Port { name, kind, strings, dtype, dims: dims(info).filter(|_| kind == Kind::Tensor) })
}

/// The value of a file for `port`.
///
/// # Errors
/// Those of [`tensor`].
pub fn data(value: &onnx::Value<'_>, port: &Port) -> Result<Data> {
    let one = |from: &onnx::Tensor<'_>| {
        let mut texts = Texts::default();
        let tensor = tensor(from, &HashMap::new(), &Limits::default(), &mut texts)?;
        if !port.strings {
            return Ok(Data::Tensor(host::into_data(tensor)));
        }
        let data = host::to_i64s(&tensor).into_iter().map(|index| texts.get(index as u32).to_string()).collect();
        Ok(Data::Strings(Strings { shape: host::shape(&tensor).to_vec(), data }))
    };
    Ok(match value {
        onnx::Value::Tensor(tensor) => one(tensor)?,
        onnx::Value::Sequence(tensors) => Data::Sequence(tensors.iter().map(one).collect::<Result<_>>()?),
        onnx::Value::Nothing => Data::Nothing,
    })
}

/// The declared dimensions.
fn dims(info: &onnx::ValueInfo<'_>) -> Option<Vec<Dim>> {
    let dim = |dim: &onnx::Dim<'_>| match dim {
        onnx::Dim::Value(value) => usize::try_from(*value).map_or(Dim::Free(String::new()), Dim::Fixed),
        onnx::Dim::Param(name) => Dim::Free(name.to_string()),
    };
    Some(info.dims.as_ref()?.iter().map(dim).collect())
}
