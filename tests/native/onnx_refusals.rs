//! Invalid ONNX files, written field by field: each is refused with a typed error, at once.

use std::collections::HashMap;

use burn::tensor::TensorData;
use pilot_light::graph::{Data, Graph, GraphOptions, Limits, Session, Strings};
use pilot_light::{Device, Error, ErrorKind};

use crate::support::onnx::{Message, graph, initializer, model, node, port};

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
    let from_to = |element: i64, op: &str| {
        let ports = Message::default().message(11, port("x", element, &[3])).message(12, port("y", element, &[3]));
        model(ports.message(1, node(op, &["x"], &["y"])))
    };
    refused(load(from_to(14, "Identity")), ErrorKind::Unsupported, "complex64");
    // Strings and small numbers pass through a graph, but are not computed with.
    for element in [8, 17, 22] {
        assert!(load(from_to(element, "Identity")).is_ok());
        refused(load(from_to(element, "Neg")), ErrorKind::Unsupported, "element type");
    }
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

/// A function of the domain `own`, from `a` to `b`.
fn function(name: &str, inner: Message) -> Message {
    let own = Message::default().bytes(1, "own").int(2, 1);
    let opsets = Message::default().message(9, Message::default().int(2, 17)).message(9, own);
    opsets.bytes(1, name).bytes(10, "own").bytes(4, "a").bytes(5, "b").message(7, inner)
}

fn with_functions(calls: Message, functions: impl IntoIterator<Item = Message>) -> Vec<u8> {
    let file = Message::default().int(1, 8).message(8, Message::default().int(2, 17)).message(7, graph([(1, calls)]));
    functions.into_iter().fold(file, |file, function| file.message(25, function)).0
}

#[test]
fn functions_that_cannot_be_inlined_are_refused() {
    let call = |name: &str, from: &str, to: &str| node(name, &[from], &[to]).bytes(7, "own");
    let itself = function("f", call("f", "a", "b"));
    refused(
        load(with_functions(call("f", "x", "y"), [itself])),
        ErrorKind::InvalidArtefact,
        "'f' of the domain 'own' calls itself",
    );
    let circle = [function("f", call("g", "a", "b")), function("g", call("f", "a", "b"))];
    refused(load(with_functions(call("f", "x", "y"), circle)), ErrorKind::InvalidArtefact, "calls itself");
    let unknown = function("f", node("Frobnicate", &["a"], &["b"]));
    refused(
        load(with_functions(call("f", "x", "y"), [unknown])),
        ErrorKind::Unsupported,
        "Frobnicate of ai.onnx, opset 17",
    );
    let two = node("f", &["x", "x"], &["y"]).bytes(7, "own");
    let relu = || function("f", node("Relu", &["a"], &["b"]));
    refused(load(with_functions(two, [relu()])), ErrorKind::InvalidArtefact, "has 1 inputs and 1 outputs");
    let blind = function("f", node("Relu", &["x"], &["b"]));
    refused(load(with_functions(call("f", "x", "y"), [blind])), ErrorKind::InvalidArtefact, "'x'");
    let new = Message::default().message(9, Message::default().int(2, 99)).bytes(1, "f").bytes(10, "own");
    let new = new.bytes(4, "a").bytes(5, "b").message(7, node("Relu", &["a"], &["b"]));
    refused(load(with_functions(call("f", "x", "y"), [new])), ErrorKind::Unsupported, "f: the file uses version 99");
    let reference =
        node("LeakyRelu", &["x"], &["y"]).message(5, Message::default().bytes(1, "alpha").bytes(21, "alpha"));
    refused(load(model(graph([(1, reference)]))), ErrorKind::InvalidArtefact, "'alpha' of a function");
}

#[test]
fn what_functions_become_is_bounded() {
    let call = |name: &str, from: &str, to: &str| node(name, &[from], &[to]).bytes(7, "own");
    // Each calls the next one twice: 2^40 nodes of 80.
    let twice = |level: usize| {
        let next = format!("f{}", level + 1);
        function(&format!("f{level}"), call(&next, "a", "t")).message(7, call(&next, "t", "b"))
    };
    let last = function("f40", node("Relu", &["a"], &["b"]));
    let doubling = (0..40).map(twice).chain([last]);
    refused(load(with_functions(call("f0", "x", "y"), doubling)), ErrorKind::InvalidArtefact, "nodes");
    let chain = (0..10_000).map(|level| function(&format!("f{level}"), call(&format!("f{}", level + 1), "a", "b")));
    refused(load(with_functions(call("f0", "x", "y"), chain)), ErrorKind::InvalidArtefact, "deeper");
}

#[test]
fn old_operators_that_cannot_be_rewritten_are_refused() {
    let old = |node: Message| {
        let file = Message::default().int(1, 3).message(8, Message::default().int(2, 6));
        load(file.message(7, graph([(1, node)])).0)
    };
    let training = Message::default().bytes(1, "is_test").int(3, 0).int(20, 2);
    let norm = node("BatchNormalization", &["x", "x", "x", "x", "x"], &["y"]).message(5, training);
    refused(old(norm), ErrorKind::Unsupported, "training mode");
    let to = Message::default().bytes(1, "to").bytes(4, "COMPLEX64").int(20, 3);
    refused(old(node("Cast", &["x"], &["y"]).message(5, to)), ErrorKind::Unsupported, "'COMPLEX64'");
    let none = Message::default().int(1, 3).message(8, Message::default().int(2, 0));
    let relu = graph([(1, node("Relu", &["x"], &["y"]))]);
    refused(load(none.message(7, relu).0), ErrorKind::Unsupported, "version 0 of ONNX's operator set, expected 1 to");
}

#[test]
fn strings_are_not_taken_for_numbers() {
    let ports = Message::default().message(11, port("x", 8, &[2])).message(12, port("y", 8, &[2]));
    let graph = load(model(ports.message(1, node("Identity", &["x"], &["y"])))).expect("a graph");
    let run_data = |data: Data| {
        let inputs = vec![("x".to_string(), data)];
        pollster::block_on(graph.run_data(&mut Session::default(), inputs)).map(|(outputs, _)| outputs)
    };
    let strings = |shape: &[usize], data: &[&str]| {
        Data::Strings(Strings { shape: shape.to_vec(), data: data.iter().map(|text| (*text).to_string()).collect() })
    };
    let given = strings(&[2], &["", "é"]);
    assert_eq!(run_data(given.clone()).expect("a run"), [("y".to_string(), given)]);
    refused(run_data(strings(&[2], &["one"])), ErrorKind::InvalidInput, "has 1 strings");
    refused(run_data(strings(&[3], &["a", "b", "c"])), ErrorKind::InvalidInput, "[2]");
    for other in [Data::Tensor(TensorData::new(vec![1u32, 2], [2])), Data::Sequence(Vec::new()), Data::Nothing] {
        refused(run_data(other), ErrorKind::InvalidInput, "expected Tensor of strings");
    }
    let numbers = vec![("x".to_string(), TensorData::new(vec![1u32, 2], [2]))];
    refused(run(&graph, numbers), ErrorKind::InvalidInput, "of another kind");
}

#[test]
fn trees_that_are_no_trees_are_refused() {
    let ints = |name: &str, values: &[i64]| {
        let list = values.iter().fold(Message::default().bytes(1, name), |list, value| list.int(8, *value));
        list.int(20, 7)
    };
    let floats = |name: &str, values: &[f32]| {
        let packed: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Message::default().bytes(1, name).bytes(7, packed).int(20, 6)
    };
    let modes = ["BRANCH_LEQ", "LEAF", "LEAF"]
        .iter()
        .fold(Message::default().bytes(1, "nodes_modes"), |list, mode| list.bytes(9, mode));
    let forest = |yes: &[i64], target: i64| {
        let parts = [
            ints("nodes_treeids", &[0, 0, 0]),
            ints("nodes_nodeids", &[0, 1, 2]),
            ints("nodes_featureids", &[1, 0, 0]),
            ints("nodes_truenodeids", yes),
            ints("nodes_falsenodeids", &[2, 0, 0]),
            floats("nodes_values", &[0.5, 0.0, 0.0]),
            modes.clone().int(20, 8),
            ints("target_treeids", &[0, 0]),
            ints("target_nodeids", &[1, 2]),
            ints("target_ids", &[0, target]),
            floats("target_weights", &[10.0, 20.0]),
        ];
        let tree = node("TreeEnsembleRegressor", &["x"], &["y"]).bytes(7, "ai.onnx.ml");
        let tree = parts.into_iter().fold(tree, |tree, part| tree.message(5, part));
        let ports = Message::default().message(11, port("x", 1, &[2, 2])).message(12, port("y", 1, &[2, 1]));
        load(model(ports.message(1, tree)))
    };
    let graph = forest(&[1, 0, 0], 0).expect("a tree");
    let rows = TensorData::new(vec![0f32, 0.5, 9.0, 0.6], [2, 2]);
    let outputs = run(&graph, vec![("x".to_string(), rows)]).expect("a run");
    assert_eq!(outputs[0].1.try_to_vec::<f32>().expect("floats"), [10.0, 20.0]);
    refused(forest(&[0, 0, 0], 0), ErrorKind::Unsupported, "cycle");
    refused(forest(&[2, 0, 0], 0), ErrorKind::Unsupported, "two parents");
    refused(forest(&[7, 0, 0], 0), ErrorKind::Unsupported, "has no node 7");
    refused(forest(&[1, 0, 0], 5), ErrorKind::Unsupported, "target 5");
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
