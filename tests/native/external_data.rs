//! ONNX models of a folder whose weights are in files of their own.

use std::fs;

use pilot_light::graph::GraphOptions;
use pilot_light::tasks::{FeatureExtraction, FeatureExtractionOptions, Pooling, Task};
use pilot_light::{Device, ErrorKind, LoadOptions, Loader};

use crate::support::folder::Folder;
use crate::support::golden;
use crate::support::onnx::{Message, graph, model, node, port};

/// The words of the tokenizer.
const WORDS: usize = 160;

/// A tensor of two numbers for each word, whose bytes are in the file `location`.
fn table(name: &str, location: &str, offset: usize) -> Message {
    let entry = |key: &str, value: &str| Message::default().bytes(1, key).bytes(2, value);
    let tensor = Message::default().int(1, WORDS as i64).int(1, 2).int(2, 1).bytes(8, name).int(14, 1);
    let tensor = tensor.message(13, entry("location", location)).message(13, entry("offset", &offset.to_string()));
    tensor.message(13, entry("length", &(WORDS * 8).to_string()))
}

/// The bytes of a tensor whose rows are `factor · [id, −id]`.
fn rows(factor: f32) -> Vec<u8> {
    (0..WORDS).flat_map(|id| [factor * id as f32, -factor * id as f32]).flat_map(f32::to_le_bytes).collect()
}

/// An encoder whose hidden states are the sum of the rows of two tables.
fn encoder(first: Message, second: Message) -> Vec<u8> {
    let free = |name: &str, element: i64| {
        let dims = ["batch", "sequence"]
            .iter()
            .fold(Message::default(), |shape, dim| shape.message(1, Message::default().bytes(2, dim)));
        let tensor = Message::default().int(1, element).message(2, dims);
        Message::default().bytes(1, name).message(2, Message::default().message(1, tensor))
    };
    let parts = Message::default()
        .message(11, free("input_ids", 7))
        .message(
            12,
            Message::default()
                .bytes(1, "last_hidden_state")
                .message(2, Message::default().message(1, Message::default().int(1, 1))),
        )
        .message(5, first)
        .message(5, second)
        .message(1, node("Gather", &["a", "input_ids"], &["x"]))
        .message(1, node("Gather", &["b", "input_ids"], &["y"]))
        .message(1, node("Add", &["x", "y"], &["last_hidden_state"]));
    model(parts)
}

/// A folder of such an encoder.
fn folder(test: &str, encoder: &[u8]) -> Folder {
    let folder = Folder::new(test);
    fs::create_dir_all(folder.0.join("onnx/parts")).expect("a folder");
    folder.write("config.json", r#"{"model_type":"never-heard-of"}"#);
    folder.write("tokenizer.json", fs::read(golden("tiny-bert-seq/tokenizer.json")).expect("a tokenizer"));
    folder.write("onnx/model.onnx", encoder);
    folder
}

/// The first numbers of the hidden states of `[CLS]` and `[SEP]`, whose ids are 2 and 3.
fn ends(folder: &Folder) -> [f32; 2] {
    let model = crate::support::load(&folder.0, Task::FeatureExtraction);
    let options = FeatureExtractionOptions { pooling: Pooling::None, normalize: false, ..Default::default() };
    let features = pollster::block_on(model.run::<FeatureExtraction>(&["The rain".to_string()], &options));
    let features = features.expect("features");
    [features.data[0], features.data[features.data.len() - 2]]
}

#[test]
fn weights_next_to_the_model_are_loaded() {
    let one_file =
        folder("one-file", &encoder(table("a", "model.onnx_data", 0), table("b", "model.onnx_data", WORDS * 8)));
    one_file.write("onnx/model.onnx_data", [rows(1.0), rows(10.0)].concat());
    assert_eq!(ends(&one_file), [22.0, 33.0]);

    let two_files = folder("two-files", &encoder(table("a", "model.onnx_data", 0), table("b", "model.onnx_data_1", 0)));
    two_files.write("onnx/model.onnx_data", rows(1.0)).write("onnx/model.onnx_data_1", rows(100.0));
    assert_eq!(ends(&two_files), [202.0, 303.0]);

    let deeper = folder("sub-folder", &encoder(table("a", "parts/a.bin", 0), table("b", "weights", 0)));
    deeper.write("onnx/parts/a.bin", rows(1.0)).write("onnx/weights", rows(1000.0));
    assert_eq!(ends(&deeper), [2002.0, 3003.0]);
}

#[test]
fn a_missing_or_short_file_is_named() {
    let two = encoder(table("a", "model.onnx_data", 0), table("b", "model.onnx_data_1", 0));
    let missing = folder("missing-data", &two);
    missing.write("onnx/model.onnx_data", rows(1.0));
    let error = missing.refusal(Task::FeatureExtraction);
    assert_eq!(error.kind(), ErrorKind::InvalidArtefact);
    assert!(error.to_string().contains("onnx/model.onnx_data_1 is missing"), "{error}");
    missing.write("onnx/model.onnx_data_1", &rows(1.0)[1..]);
    let error = missing.refusal(Task::FeatureExtraction);
    assert!(error.to_string().contains("'model.onnx_data_1'"), "{error}");
}

#[test]
fn weights_outside_of_the_folder_are_refused() {
    for location in ["../model.onnx_data", "/etc/passwd", "parts/../../x", "https://a/b", "a?b", "parts//x", "", ".."] {
        let outside = folder("outside", &encoder(table("a", location, 0), table("b", "weights", 0)));
        outside.write("onnx/weights", rows(1.0));
        let error = outside.refusal(Task::FeatureExtraction);
        assert_eq!(error.kind(), ErrorKind::InvalidArtefact, "{location}");
        assert!(error.to_string().contains(&format!("'{location}', expected a path within its folder")), "{error}");
    }
}

#[test]
fn a_graph_by_itself_finds_its_weights() {
    let bytes = encoder(table("a", "first", 0), table("b", "parts/second", 0));
    // The first file is requested with the model, the other one when the model names it.
    let mut loader = Loader::graph(
        Device::cpu(),
        "model.onnx?v=1",
        vec!["first".to_string()],
        LoadOptions::default(),
        GraphOptions::default(),
    )
    .expect("a loader");
    let mut rounds = Vec::new();
    loop {
        let round: Vec<String> = loader.wants().expect("requests").into_iter().map(|file| file.name).collect();
        if round.is_empty() {
            break;
        }
        for name in &round {
            let bytes = if name.starts_with("model") { bytes.clone() } else { rows(1.0) };
            loader.supply(name, &bytes, true).expect("a request");
        }
        rounds.push(round);
    }
    assert_eq!(rounds, [vec!["first", "model.onnx?v=1"], vec!["parts/second"]]);
    assert!(loader.finish().and_then(|loaded| loaded.graph()).is_ok());
}

#[test]
fn weights_of_a_function_and_of_a_subgraph_are_loaded() {
    let constant = |name: &str, location: &str| {
        let value = Message::default().bytes(1, "value").message(5, table("", location, 0)).int(20, 4);
        node("Constant", &[], &[name]).message(5, value)
    };
    let branch = |name: &str, location: &str| {
        let inner =
            Message::default().message(1, constant("r", location)).message(12, port("r", 1, &[WORDS as i64, 2]));
        Message::default().bytes(1, name).message(6, inner).int(20, 5)
    };
    let either =
        node("If", &["c"], &["t"]).message(5, branch("then_branch", "one")).message(5, branch("else_branch", "two"));
    let function = Message::default().bytes(1, "f").bytes(10, "own").bytes(4, "a").bytes(5, "b");
    let function = function.message(9, Message::default().int(2, 17)).message(7, constant("w", "three"));
    let function = function.message(7, node("Add", &["a", "w"], &["b"]));
    let inner = graph([(11, port("c", 9, &[])), (1, either), (1, node("f", &["t"], &["u"]).bytes(7, "own"))]);
    let file = Message(model(inner)).message(25, function);
    let mut loader =
        Loader::graph(Device::cpu(), "m.onnx", Vec::new(), LoadOptions::default(), GraphOptions::default())
            .expect("a loader");
    assert_eq!(loader.wants().expect("a request").len(), 1);
    loader.supply("m.onnx", &file.0, true).expect("a file");
    let names: Vec<String> = loader.wants().expect("requests").into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["one", "three", "two"]);
}
