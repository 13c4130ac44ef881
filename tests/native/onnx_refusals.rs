//! Invalid ONNX files, written field by field: each is refused with a typed error, at once.

use std::collections::HashMap;

use burn::tensor::TensorData;
use pilot_light::graph::{Graph, GraphOptions, Limits};
use pilot_light::{Device, Error, ErrorKind};

/// The fields of a protobuf message, as `onnx.proto` numbers them.
#[derive(Clone, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    fn int(self, field: u64, value: i64) -> Self {
        self.varint(field << 3).varint(value as u64)
    }

    fn bytes(self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        let mut message = self.varint(field << 3 | 2).varint(bytes.as_ref().len() as u64);
        message.0.extend_from_slice(bytes.as_ref());
        message
    }

    fn message(self, field: u64, message: Self) -> Self {
        self.bytes(field, message.0)
    }
}

fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> Message {
    let message = inputs.iter().fold(Message::default(), |message, name| message.bytes(1, name));
    outputs.iter().fold(message, |message, name| message.bytes(2, name)).bytes(3, format!("a {op}")).bytes(4, op)
}

/// An input or an output with this element type.
fn port(name: &str, element: i64, dims: &[i64]) -> Message {
    let shape = dims.iter().fold(Message::default(), |shape, dim| shape.message(1, Message::default().int(1, *dim)));
    let tensor = Message::default().int(1, element).message(2, shape);
    Message::default().bytes(1, name).message(2, Message::default().message(1, tensor))
}

fn initializer(name: &str, element: i64, dims: &[i64], raw: &[u8]) -> Message {
    let dims = dims.iter().fold(Message::default(), |tensor, dim| tensor.int(1, *dim));
    dims.int(2, element).bytes(8, name).bytes(9, raw)
}

/// A graph from `x`, three floats, to `y`.
fn graph(parts: impl IntoIterator<Item = (u64, Message)>) -> Message {
    let graph = Message::default().message(11, port("x", 1, &[3])).message(12, port("y", 1, &[3]));
    parts.into_iter().fold(graph, |graph, (field, part)| graph.message(field, part))
}

fn model(graph: Message) -> Vec<u8> {
    Message::default().int(1, 8).message(8, Message::default().int(2, 17)).message(7, graph).0
}

fn load(bytes: Vec<u8>) -> Result<Graph, Error> {
    Graph::load(bytes, HashMap::new(), &Device::cpu(), &GraphOptions::default())
}

fn run(graph: &Graph, inputs: Vec<(String, TensorData)>) -> Result<Vec<(String, TensorData)>, Error> {
    pollster::block_on(graph.run(inputs))
}

fn three() -> TensorData {
    TensorData::new(vec![1f32, 2.0, 3.0], [3])
}

fn refused<T>(result: Result<T, Error>, kind: ErrorKind, words: &str) {
    match result {
        Ok(_) => panic!("not refused: {words}"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(words), "'{error}' does not say '{words}'");
        }
    }
}

fn relu() -> Vec<u8> {
    model(graph([(1, node("Relu", &["x"], &["y"]))]))
}

#[test]
fn a_valid_file_runs() {
    let graph = load(relu()).expect("a graph");
    let outputs = run(&graph, vec![("x".to_string(), TensorData::new(vec![-1f32, 0.0, 2.0], [3]))]).expect("a run");
    assert_eq!(outputs[0].1.try_to_vec::<f32>().expect("floats"), [0.0, 0.0, 2.0]);
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let whole = relu();
    for length in 0..whole.len() {
        let result = load(whole[..length].to_vec());
        assert_eq!(result.err().map(|error| error.kind()), Some(ErrorKind::InvalidArtefact), "{length} bytes");
    }
}

#[test]
fn undefined_names_are_refused() {
    let cycle = graph([
        (1, node("Relu", &["b"], &["a"])),
        (1, node("Relu", &["a"], &["b"])),
        (1, node("Add", &["x", "b"], &["y"])),
    ]);
    refused(load(model(cycle)), ErrorKind::InvalidArtefact, "cycle");
    refused(load(model(graph([(1, node("Relu", &["z"], &["y"]))]))), ErrorKind::InvalidArtefact, "'z'");
    refused(load(model(graph([]))), ErrorKind::InvalidArtefact, "'y'");
    let twice = graph([(1, node("Relu", &["x"], &["y"])), (1, node("Neg", &["x"], &["y"]))]);
    refused(load(model(twice)), ErrorKind::InvalidArtefact, "given twice");
}

#[test]
fn all_unsupported_operators_are_named_in_one_error() {
    let parts = [("Frobnicate", "x", "a"), ("Grumble", "a", "b"), ("Relu", "b", "y")];
    let file = model(graph(parts.map(|(op, from, to)| (1, node(op, &[from], &[to])))));
    refused(load(file.clone()), ErrorKind::Unsupported, "Frobnicate of ai.onnx, opset 17");
    refused(load(file.clone()), ErrorKind::Unsupported, "Grumble of ai.onnx, opset 17");
    refused(load(file), ErrorKind::Unsupported, "'a Grumble'");
    let with_attribute =
        node("Relu", &["x"], &["y"]).message(5, Message::default().bytes(1, "slope").int(3, 1).int(20, 2));
    refused(load(model(graph([(1, with_attribute)]))), ErrorKind::Unsupported, "slope");
    let strings = Message::default()
        .message(11, port("x", 8, &[3]))
        .message(12, port("y", 8, &[3]))
        .message(1, node("Identity", &["x"], &["y"]));
    refused(load(model(strings)), ErrorKind::Unsupported, "string");
}

#[test]
fn impossible_sizes_are_refused() {
    let huge = graph([(5, initializer("w", 1, &[1 << 40, 1 << 40], &[])), (1, node("Add", &["x", "w"], &["y"]))]);
    refused(load(model(huge)), ErrorKind::InvalidArtefact, "too large");
    let negative = graph([(5, initializer("w", 1, &[-3], &[])), (1, node("Add", &["x", "w"], &["y"]))]);
    refused(load(model(negative)), ErrorKind::InvalidArtefact, "-3");
    let short = graph([(5, initializer("w", 1, &[3], &[0; 11])), (1, node("Add", &["x", "w"], &["y"]))]);
    refused(load(model(short)), ErrorKind::InvalidArtefact, "11 bytes");
}

#[test]
fn the_memory_of_a_run_is_bounded() {
    for (op, shape) in [("Reshape", vec![1i64 << 20, 1 << 20]), ("Expand", vec![1 << 40, 3]), ("Tile", vec![1 << 40])] {
        let raw: Vec<u8> = shape.iter().flat_map(|dim| dim.to_le_bytes()).collect();
        let file =
            graph([(5, initializer("shape", 7, &[shape.len() as i64], &raw)), (1, node(op, &["x", "shape"], &["y"]))]);
        let graph = load(model(file)).expect("a graph");
        refused(run(&graph, vec![("x".to_string(), three())]), ErrorKind::InvalidInput, op);
    }
}

#[test]
fn nested_graphs_and_nodes_are_bounded() {
    let nested = |depth: usize| {
        let leaf = Message::default().message(1, node("Relu", &["x"], &["y"])).message(12, port("y", 1, &[3]));
        let within = |inner: Message, _| {
            let branch = |name: &str| Message::default().bytes(1, name).message(6, inner.clone()).int(20, 5);
            let both = node("If", &["c"], &["y"]).message(5, branch("then_branch")).message(5, branch("else_branch"));
            Message::default().message(1, both).message(12, port("y", 1, &[3]))
        };
        let inner = (0..depth).fold(leaf, within);
        model(inner.message(11, port("x", 1, &[3])).message(11, port("c", 9, &[])))
    };
    load(nested(3)).expect("a few are fine");
    let limits = Limits { max_depth: 4, ..Limits::default() };
    let options = GraphOptions { limits, ..GraphOptions::default() };
    refused(Graph::load(nested(5), HashMap::new(), &Device::cpu(), &options), ErrorKind::InvalidArtefact, "deeper");

    let empty = Message::default().message(1, Message::default()).0;
    let many = Message::default().bytes(7, empty.repeat(10_000_000));
    refused(load(many.0), ErrorKind::InvalidArtefact, "nodes");
}

#[test]
fn external_data_is_found_by_name_alone() {
    let entry = |key: &str, value: &str| Message::default().bytes(1, key).bytes(2, value);
    let tensor = |location: &str| {
        Message::default()
            .int(1, 3)
            .int(2, 1)
            .bytes(8, "w")
            .message(13, entry("location", location))
            .message(13, entry("offset", "4"))
            .int(14, 1)
    };
    let file = |location: &str| model(graph([(5, tensor(location)), (1, node("Add", &["x", "w"], &["y"]))]));
    for location in ["../../etc/passwd", "/etc/passwd", "weights", ""] {
        refused(load(file(location)), ErrorKind::InvalidArtefact, "was not handed in");
    }
    let weights: Vec<u8> = [9f32, 1.0, 2.0, 3.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    let external = HashMap::from([("weights".to_string(), weights)]);
    let graph = Graph::load(file("weights"), external, &Device::cpu(), &GraphOptions::default()).expect("a graph");
    let outputs = run(&graph, vec![("x".to_string(), three())]).expect("a run");
    assert_eq!(outputs[0].1.try_to_vec::<f32>().expect("floats"), [2.0, 4.0, 6.0]);
    let short = HashMap::from([("weights".to_string(), vec![0; 8])]);
    refused(
        Graph::load(file("weights"), short, &Device::cpu(), &GraphOptions::default()),
        ErrorKind::InvalidArtefact,
        "bytes",
    );
}

#[test]
fn inputs_must_fit_the_model() {
    let graph = load(relu()).expect("a graph");
    let named = |name: &str, data: TensorData| vec![(name.to_string(), data)];
    refused(run(&graph, named("z", three())), ErrorKind::InvalidInput, "no input 'z'");
    refused(run(&graph, Vec::new()), ErrorKind::InvalidInput, "'x' is missing");
    refused(run(&graph, named("x", TensorData::new(vec![1i64, 2, 3], [3]))), ErrorKind::InvalidInput, "type");
    refused(run(&graph, named("x", TensorData::new(vec![1f32; 4], [4]))), ErrorKind::InvalidInput, "[3]");
    refused(run(&graph, [named("x", three()), named("x", three())].concat()), ErrorKind::InvalidInput, "twice");
}
