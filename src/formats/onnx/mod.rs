//! The ONNX format: a bounded reader that borrows large data from the file.
//!
//! # Source
//! The ONNX specification, `onnx.proto`, whose field numbers are in the `match`es below.

mod function;
mod tensor;
mod value;
mod weights;
mod wire;

pub use function::{Function, Key};
pub use tensor::{Element, External, Storage, Tensor};
pub use value::{Nesting, Value, ValueInfo};

use crate::error::{Error, ErrorKind, Result};
use wire::fields;

/// A file.
#[derive(Debug, Default)]
pub struct Model<'a> {
    /// The version of each operator set that it uses, by domain; the default domain is the empty string.
    pub opsets: Vec<(&'a str, i64)>,
    /// What it computes.
    pub graph: Graph<'a>,
    /// Metadata, by key.
    pub metadata: Vec<(&'a str, &'a str)>,
    /// The functions that its nodes may use as operators.
    pub functions: Vec<Function<'a>>,
}

/// Nodes in topological order, with inputs and outputs.
#[derive(Debug, Default)]
pub struct Graph<'a> {
    /// The operations.
    pub nodes: Vec<Node<'a>>,
    /// Constant tensors.
    pub initializers: Vec<Tensor<'a>>,
    /// Its inputs. Those that are initializers as well have a default.
    pub inputs: Vec<ValueInfo<'a>>,
    /// Its outputs.
    pub outputs: Vec<ValueInfo<'a>>,
}

/// A node.
#[derive(Debug, Default)]
pub struct Node<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// The operator.
    pub op_type: &'a str,
    /// The operator's domain.
    pub domain: &'a str,
    /// Which function is meant, where several have the operator's name.
    pub overload: &'a str,
    /// The names of its inputs; empty for one that is left out.
    pub inputs: Vec<&'a str>,
    /// The names of its outputs; empty for one that is not used.
    pub outputs: Vec<&'a str>,
    /// Its attributes by name.
    pub attributes: Vec<(&'a str, Attribute<'a>)>,
}

/// The value of an attribute.
#[derive(Debug)]
pub enum Attribute<'a> {
    /// A float.
    Float(f32),
    /// An integer.
    Int(i64),
    /// A string, in any encoding.
    String(&'a [u8]),
    /// A tensor.
    Tensor(Box<Tensor<'a>>),
    /// A subgraph.
    Graph(Box<Graph<'a>>),
    /// Floats.
    Floats(Vec<f32>),
    /// Integers.
    Ints(Vec<i64>),
    /// Strings.
    Strings(Vec<&'a [u8]>),
    /// The value of the attribute with this name of the function's call.
    Reference(&'a str),
    /// One that is not read here: sparse tensors, types, lists of tensors and of graphs.
    Other,
}

/// A dimension as the file has it.
#[derive(Debug)]
pub enum Dim<'a> {
    /// A number.
    Value(i64),
    /// A name; empty where the file gives none.
    Param(&'a str),
}

/// Bounds on what is read.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Nodes, with those of subgraphs.
    pub nodes: usize,
    /// Levels of nested graphs.
    pub depth: usize,
}

/// Names, initializers and attributes allowed per allowed node.
const PER_NODE: usize = 16;
/// Inputs, outputs and attributes allowed in one node.
const MOST_OF_A_NODE: usize = 4096;

/// Reads a file.
///
/// # Errors
/// Invalid artefact: it is malformed, has no graph, or exceeds `bounds`.
pub fn read(bytes: &[u8], bounds: Bounds) -> Result<Model<'_>> {
    let mut reader = Reader { nodes: bounds.nodes, parts: bounds.nodes.saturating_mul(PER_NODE), depth: bounds.depth };
    let mut model = Model::default();
    let mut graph = None;
    for field in fields(bytes) {
        match field? {
            (7, value) => graph = Some(reader.graph(value.bytes()?)?),
            (8, value) => {
                reader.part()?;
                model.opsets.push(opset(value.bytes()?)?);
            }
            (14, value) => {
                reader.part()?;
                model.metadata.push(entry(value.bytes()?)?);
            }
            (25, value) => {
                reader.part()?;
                model.functions.push(reader.function(value.bytes()?)?);
            }
            _ => {}
        }
    }
    model.graph = graph.ok_or_else(|| Error::invalid_artefact("the file has no ONNX graph"))?;
    Ok(model)
}

fn opset(bytes: &[u8]) -> Result<(&str, i64)> {
    let mut opset = ("", 0);
    for field in fields(bytes) {
        match field? {
            (1, value) => opset.0 = domain(value.str()?),
            (2, value) => opset.1 = value.int()?,
            _ => {}
        }
    }
    Ok(opset)
}

/// The default domain has two names.
fn domain(name: &str) -> &str {
    if name == "ai.onnx" { "" } else { name }
}

/// A key and its value.
fn entry(bytes: &[u8]) -> Result<(&str, &str)> {
    let mut entry = ("", "");
    for field in fields(bytes) {
        match field? {
            (1, value) => entry.0 = value.str()?,
            (2, value) => entry.1 = value.str()?,
            _ => {}
        }
    }
    Ok(entry)
}

/// What remains of the bounds.
struct Reader {
    nodes: usize,
    parts: usize,
    depth: usize,
}

impl Reader {
    /// Counts a name, an initializer or an attribute.
    fn part(&mut self) -> Result<()> {
        self.parts =
            self.parts.checked_sub(1).ok_or_else(|| too_large("has more names, initializers and attributes"))?;
        Ok(())
    }

    fn graph<'a>(&mut self, bytes: &'a [u8]) -> Result<Graph<'a>> {
        self.depth = self.depth.checked_sub(1).ok_or_else(|| too_large("nests graphs deeper"))?;
        let mut graph = Graph::default();
        for field in fields(bytes) {
            let (number, value) = field?;
            match number {
                1 => {
                    self.nodes = self.nodes.checked_sub(1).ok_or_else(|| too_large("has more nodes"))?;
                    graph.nodes.push(self.node(value.bytes()?)?);
                    continue;
                }
                5 => graph.initializers.push(Tensor::read(value.bytes()?)?),
                11 => graph.inputs.push(ValueInfo::read(value.bytes()?)?),
                12 => graph.outputs.push(ValueInfo::read(value.bytes()?)?),
                15 => return Err(Error::unsupported("sparse initializers are not supported")),
                _ => continue,
            }
            self.part()?;
        }
        self.depth += 1;
        Ok(graph)
    }

    fn node<'a>(&mut self, bytes: &'a [u8]) -> Result<Node<'a>> {
        let mut node = Node::default();
        for field in fields(bytes) {
            let (number, value) = field?;
            match number {
                1 => node.inputs.push(value.str()?),
                2 => node.outputs.push(value.str()?),
                3 => node.name = value.str()?,
                4 => node.op_type = value.str()?,
                5 => node.attributes.push(self.attribute(value.bytes()?)?),
                7 => node.domain = domain(value.str()?),
                8 => node.overload = value.str()?,
                _ => continue,
            }
            self.part()?;
            if node.inputs.len() + node.outputs.len() + node.attributes.len() > MOST_OF_A_NODE {
                return Err(too_large("has a node with more parts"));
            }
        }
        Ok(node)
    }

    fn attribute<'a>(&mut self, bytes: &'a [u8]) -> Result<(&'a str, Attribute<'a>)> {
        let (mut name, mut reference, mut kind, mut single) = ("", "", 0, None);
        // The last of the fields with a value: the kind where the file is so old that it does not say.
        let mut last = 0;
        let (mut float, mut int, mut string) = (0.0, 0, &[][..]);
        let (mut floats, mut ints, mut strings) = (Vec::new(), Vec::new(), Vec::new());
        for field in fields(bytes) {
            let field = field?;
            if let (number @ 2..=9, _) = field {
                last = i64::from(number) - 1;
            }
            match field {
                (1, value) => name = value.str()?,
                (2, value) => float = value.float()?,
                (3, value) => int = value.int()?,
                (4, value) => string = value.bytes()?,
                (5, value) => single = Some(Attribute::Tensor(Box::new(Tensor::read(value.bytes()?)?))),
                (6, value) => single = Some(Attribute::Graph(Box::new(self.graph(value.bytes()?)?))),
                (7, value) => value.floats(&mut floats)?,
                (8, value) => value.ints(&mut ints)?,
                (9, value) => {
                    self.part()?;
                    strings.push(value.bytes()?);
                }
                (20, value) => kind = value.int()?,
                (21, value) => reference = value.str()?,
                _ => {}
            }
        }
        if !reference.is_empty() {
            return Ok((name, Attribute::Reference(reference)));
        }
        // The kinds of `AttributeProto.AttributeType`.
        let value = match (if kind == 0 { last } else { kind }, single) {
            (1, _) => Attribute::Float(float),
            (2, _) => Attribute::Int(int),
            (3, _) => Attribute::String(string),
            (4 | 5, Some(single)) => single,
            (4 | 5, None) => {
                return Err(Error::invalid_artefact(format!("the attribute {name} has a type but no value")));
            }
            (6, _) => Attribute::Floats(floats),
            (7, _) => Attribute::Ints(ints),
            (8, _) => Attribute::Strings(strings),
            _ => Attribute::Other,
        };
        Ok((name, value))
    }
}

fn too_many_dimensions() -> Error {
    Error::invalid_artefact(format!("a tensor has more than {} dimensions", tensor::MAX_RANK))
}

fn too_large(what: &str) -> Error {
    Error::new(ErrorKind::InvalidArtefact, format!("the file {what} than the limits allow"))
}
