//! A DistilBERT tagger with its published tokenizer, against the reference tokenizer and onnxruntime.

use std::collections::HashMap;

use burn::tensor::TensorData;
use pilot_light::Device;
use pilot_light::graph::{Graph, GraphOptions};
use serde::Deserialize;

use crate::support::tokens::tokenizer;
use crate::support::{fetched, golden_json};

#[derive(Deserialize)]
struct Case {
    text: String,
    tags: Vec<usize>,
}

#[test]
fn the_grammar_tagger_gives_the_tags_of_the_reference() {
    let cases: Vec<Case> = golden_json("tokenizers/tagger.json");
    assert_eq!(cases.len(), 50);
    let folder = fetched("samples/grammar-tagger");
    let tokenizer = tokenizer(&folder);
    let bytes = std::fs::read(folder.join("tagger.onnx")).expect("the model");
    let graph = Graph::load(bytes, HashMap::new(), &Device::cpu(), &GraphOptions::default()).expect("a graph");
    let largest = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).expect("a tag");
    for Case { text, tags } in cases {
        let ids: Vec<i64> =
            tokenizer.encode(&text, 512).expect("tokens").input_ids.into_iter().map(i64::from).collect();
        let shape = [1, ids.len()];
        let inputs = [("attention_mask", vec![1; ids.len()]), ("input_ids", ids)];
        let inputs = inputs.map(|(name, values)| (name.to_string(), TensorData::new(values, shape)));
        let outputs = pollster::block_on(graph.run(inputs.to_vec())).expect("outputs");
        let logits = outputs[0].1.try_to_vec::<f32>().expect("floats");
        let found: Vec<usize> = logits.chunks(213).map(largest).collect();
        assert_eq!(found, tags, "{text:?}");
    }
}
