//! Decoders in ONNX files, as transformers.js has them, against onnxruntime: `tests/golden/onnx-decoders`; and graphs that
//! are not such decoders.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::future::ready;
use std::path::Path;
use std::pin::Pin;

use pilot_light::generation::{GenerationOptions, Generator};
use pilot_light::graph::{Graph, GraphOptions, TensorData};
use pilot_light::models::{ConfigFile, Decoder, Logits};
use pilot_light::{DType, Device, ErrorKind, LoadOptions, folder};

use crate::support::folder::Folder;
use crate::support::onnx::{Message, initializer, model, node};
use crate::support::{golden, golden_json};
use crate::tiny_decoders::{self as decoders, Golden, check_logits, check_logits_within, generate, logits};

fn goldens() -> BTreeMap<String, Golden> {
    let goldens: BTreeMap<String, Golden> = golden_json("onnx-decoders/golden.json");
    assert_eq!(goldens.len(), 10);
    goldens
}

fn load(name: &str, dtype: Option<DType>) -> Generator {
    load_folder(&golden(&format!("onnx-decoders/{name}")), dtype).expect(name)
}

fn load_folder(folder: &Path, dtype: Option<DType>) -> pilot_light::Result<Generator> {
    folder::load_generator(folder, &Device::cpu(), LoadOptions { dtype, ..LoadOptions::default() })
}

fn copy(name: &str, test: &str) -> Folder {
    Folder::copy_of(&format!("onnx-decoders/{name}"), test)
}

/// The decoder as onnxruntime computes it: with products of floats.
fn decoder(name: &str, file: &str) -> Decoder {
    let folder = golden(&format!("onnx-decoders/{name}"));
    let read = |name: &str| std::fs::read(folder.join("onnx").join(name));
    let data = format!("{file}_data");
    let external = read(&data).ok().map(|bytes| (data, bytes)).into_iter().collect();
    let bytes = read(file).expect("a file");
    let graph = Graph::load(bytes, external, &Device::cpu(), &GraphOptions::default()).expect("a graph");
    let config = std::fs::read_to_string(folder.join("config.json")).expect("a file");
    Decoder::from_graph(graph, &ConfigFile::from_json(&config).expect("a configuration")).expect(name)
}

#[test]
fn onnx_decoders_give_the_logits_and_tokens_of_onnxruntime() {
    let reference = decoders::reference("onnx-decoders/logits.safetensors");
    for (name, golden) in goldens() {
        // A type that is not looked for must be requested.
        let (file, dtype) = match name.rsplit_once('-') {
            Some((_, "q4")) => ("model_q4.onnx", None),
            Some((_, "q8")) => ("model_quantized.onnx", None),
            Some((_, "q4f16")) => ("model_q4f16.onnx", Some(DType::Q4f16)),
            Some((_, "bnb4")) => ("model_bnb4.onnx", Some(DType::Bnb4)),
            _ => ("model.onnx", None),
        };
        let decoder = decoder(&name, file);
        // onnxruntime computes 16-bit floats as such.
        let tolerance = if file == "model_q4f16.onnx" { 1e-2 } else { decoders::TOLERANCE };
        // Of activations that share a scale, those that are read at once are quantised alike.
        let chunks = if decoder.is_batch_invariant() { &[72, 64, 7, 1][..] } else { &[72] };
        for chunk in chunks.iter().copied() {
            let found = logits(&decoder, &golden.text, chunk);
            check_logits_within(tolerance, &format!("{name} by {chunk}"), &found, &reference[&name]);
        }
        let generator = load(&name, dtype);
        let options = GenerationOptions { prompt_lookup: false, ..golden.options() };
        assert_eq!(generate(&generator, golden.prompt(), &options).0, golden.greedy, "{name}");
    }
}

#[test]
fn a_past_in_a_buffer_for_all_tokens_gives_the_same() {
    let file = golden("onnx-decoders/groups/onnx/model.onnx");
    let bytes = std::fs::read(file).expect("a file");
    let graph = Graph::load(bytes, HashMap::new(), &Device::cpu(), &GraphOptions::default()).expect("a graph");
    let (golden, room) = (&goldens()["groups"], 96);
    let expected = &decoders::reference("onnx-decoders/logits.safetensors")["groups"];
    let mut past: Vec<(String, TensorData)> = Vec::new();
    for layer in 0..2 {
        for kind in ["key", "value"] {
            let empty = TensorData::new(vec![0.0f32; 2 * room * 16], [1, 2, room, 16]);
            past.push((format!("past_key_values.{layer}.{kind}"), empty));
        }
    }
    let mut found = Vec::new();
    let mut before = 0;
    for ids in golden.text.chunks(10) {
        let ids: Vec<i64> = ids.iter().map(|id| i64::from(*id)).collect();
        let (count, total) = (ids.len(), before + ids.len());
        let mut inputs = past;
        inputs.push(("input_ids".to_string(), TensorData::new(ids, [1, count])));
        inputs.push(("attention_mask".to_string(), TensorData::new(vec![1i64; total], [1, total])));
        past = Vec::new();
        for (name, tensor) in pollster::block_on(graph.run(inputs)).expect("a run") {
            if name == "logits" {
                found.extend(tensor.try_into_vec::<f32>().expect("floats"));
            } else {
                assert_eq!(tensor.shape()[..], [1, 2, room, 16], "{name}");
                past.push((name.replace("present", "past_key_values"), tensor));
            }
        }
        before = total;
    }
    check_logits("groups", &found, expected);
}

#[test]
fn drafts_and_common_beginnings_give_the_same() {
    for name in ["groups-q4", "groups", "heads", "exported"] {
        let (generator, golden) = (load(name, None), &goldens()[name]);
        // A text that has been generated before is found in the prompt.
        let prompt = [&golden.text[..golden.prompt], &golden.greedy, &golden.text[..golden.prompt]].concat();
        let options = GenerationOptions { max_new_tokens: 30, ..GenerationOptions::default() };
        let plain = generate(&generator, &prompt, &GenerationOptions { prompt_lookup: false, ..options.clone() });
        let drafted = generate(&load(name, None), &prompt, &options);
        assert_eq!(drafted.0, plain.0, "{name}");
        // Another text with the same beginning is read from where it differs, and the first one again from its end.
        let other = [&prompt[..40], &golden.text[30..45]].concat();
        for (text, cached) in [(&other, 40), (&prompt, prompt.len() - 1), (&other, other.len() - 1)] {
            let warm = generate(&generator, text, &options);
            let cold = generate(&load(name, None), text, &options);
            assert_eq!((warm.1.usage.cached_tokens, cold.1.usage.cached_tokens), (cached, 0), "{name}");
            assert_eq!(warm.0, cold.0, "{name}");
        }
    }
}

#[test]
fn where_activations_share_a_scale_each_reply_is_computed_alike() {
    let golden = &goldens()["exported-q8"];
    let prompt = [&golden.text[..golden.prompt], &golden.greedy, &golden.text[..golden.prompt]].concat();
    let options = GenerationOptions { max_new_tokens: 30, ..GenerationOptions::default() };
    let generator = load("exported-q8", None);
    let first = generate(&generator, &prompt, &options);
    let again = generate(&generator, &prompt, &options);
    let plain = generate(&generator, &prompt, &GenerationOptions { prompt_lookup: false, ..options });
    assert_eq!((&again.0, &plain.0), (&first.0, &first.0));
    assert_eq!(again.1.usage.cached_tokens, 0);
}

#[test]
fn a_type_that_is_requested_is_the_one_that_is_read() {
    let folder = copy("groups-q4", "onnx-types");
    let generator = |dtype| load_folder(&folder.0, Some(dtype));
    assert!(generator(DType::Q4).is_ok());
    for (dtype, file) in [(DType::Fp16, "onnx/model_fp16.onnx"), (DType::Q4f16, "onnx/model_q4f16.onnx")] {
        let error = generator(dtype).err().expect("a refusal");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(file), "{error}");
    }
    std::fs::remove_file(folder.0.join("onnx/model_q4.onnx_data")).expect("a file");
    let error = generator(DType::Q4).err().expect("a refusal");
    assert!(error.to_string().contains("onnx/model_q4.onnx_data"), "{error}");
}

#[test]
fn an_architecture_that_is_not_known_runs_from_its_onnx_file() {
    let (folder, golden) = (copy("groups", "onnx-unknown"), &goldens()["groups"]);
    folder.edit("config.json", r#""model_type": "llama""#, r#""model_type": "never-heard-of""#);
    let generator = load_folder(&folder.0, None).expect("a model");
    assert_eq!(generate(&generator, golden.prompt(), &golden.options()).0, golden.greedy);
}

/// A small decoder, of which each part may be another one.
struct Parts<'a> {
    ids: &'a str,
    past: [&'a str; 2],
    present: [&'a str; 2],
    past_dims: [&'a str; 2],
    present_dims: &'a str,
    logits: &'a str,
    logits_dims: &'a str,
    config: &'a str,
}

const PARTS: Parts<'_> = Parts {
    ids: "input_ids",
    past: ["past_key_values.0.key", "past_key_values.0.value"],
    present: ["present.0.key", "present.0.value"],
    past_dims: ["batch 1 past 4"; 2],
    present_dims: "batch 1 total 4",
    logits: "logits",
    logits_dims: "batch sequence 8",
    config: r#"{"vocab_size": 8, "max_position_embeddings": 256, "num_key_value_heads": 1}"#,
};

/// The width of the layer that takes long.
const WIDE: usize = 1024;

/// An input or an output with dimensions that are numbers or names.
pub fn port(name: &str, element: i64, dims: &str) -> Message {
    let dims = dims.split(' ').fold(Message::default(), |shape, dim| {
        let message = match dim.parse() {
            Ok(size) => Message::default().int(1, size),
            Err(_) => Message::default().bytes(2, dim),
        };
        shape.message(1, message)
    });
    let tensor = Message::default().int(1, element).message(2, dims);
    Message::default().bytes(1, name).message(2, Message::default().message(1, tensor))
}

pub fn floats(name: &str, dims: &[i64], number: impl Fn(usize) -> f32) -> Message {
    let count = dims.iter().product::<i64>() as usize;
    initializer(name, 1, dims, &(0..count).flat_map(|at| number(at).to_le_bytes()).collect::<Vec<u8>>())
}

impl Parts<'_> {
    /// The logits depend on all tokens so far, by the sum of the values. Between the past values and the new ones is a layer
    /// that takes long, so that a run that is stopped there has lost them.
    fn decoder(&self) -> pilot_light::Result<Decoder> {
        let ints = |name: &str, numbers: &[i64]| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            initializer(name, 7, &[numbers.len() as i64], &bytes)
        };
        let axis =
            |node: Message, axis: i64| node.message(5, Message::default().bytes(1, "axis").int(3, axis).int(20, 2));
        let wide = WIDE as i64;
        let of = |at: usize| ((at * 37 + 11) % 41) as f32 / 41.0 - 0.5;
        let graph = Message::default()
            .message(11, port(self.ids, 7, "batch sequence"))
            .message(11, port(self.past[0], 1, self.past_dims[0]))
            .message(11, port(self.past[1], 1, self.past_dims[1]))
            .message(12, port(self.logits, 1, self.logits_dims))
            .message(12, port(self.present[0], 1, self.present_dims))
            .message(12, port(self.present[1], 1, self.present_dims))
            .message(5, floats("table", &[8, 4], of))
            .message(5, floats("up", &[4, wide], of))
            .message(5, floats("middle", &[wide, wide], |at| of(at) / 8.0))
            .message(5, floats("down", &[wide, 8], |at| of(at) / 8.0))
            .message(5, floats("head", &[4, 8], of))
            .message(5, floats("two", &[1], |_| 2.0))
            .message(5, ints("heads", &[1]))
            .message(1, node("Gather", &["table", self.ids], &["x"]))
            .message(1, node("Unsqueeze", &["x", "heads"], &["new"]))
            .message(1, axis(node("Concat", &[self.past[0], "new"], &[self.present[0]]), 2))
            .message(1, node("Mul", &[self.past[1], "two"], &["doubled"]))
            .message(1, node("MatMul", &["x", "up"], &["wide"]))
            .message(1, node("MatMul", &["wide", "middle"], &["wider"]))
            .message(1, node("MatMul", &["wider", "down"], &["narrow"]))
            .message(1, node("Div", &["doubled", "two"], &["halved"]))
            .message(1, axis(node("Concat", &["halved", "new"], &[self.present[1]]), 2))
            .message(
                1,
                node("ReduceMean", &[self.present[1]], &["mean"])
                    .message(5, Message::default().bytes(1, "axes").int(8, 2).int(20, 7)),
            )
            .message(1, node("MatMul", &["mean", "head"], &["seen"]))
            .message(1, node("Squeeze", &["seen", "heads"], &["seen_of_all"]))
            .message(1, node("Add", &["narrow", "seen_of_all"], &[self.logits]));
        let graph = Graph::load(model(graph), HashMap::new(), &Device::cpu(), &GraphOptions::default())?;
        Decoder::from_graph(graph, &ConfigFile::from_json(self.config)?)
    }

    fn refusal(&self) -> pilot_light::Error {
        self.decoder().err().expect("a refusal")
    }
}

#[test]
fn a_pass_that_is_stopped_can_be_taken_again() {
    let decoder = PARTS.decoder().expect("a decoder");
    let ids: Vec<u32> = (0..96).map(|at| at * 5 % 8).collect();
    let forward = |cache: &mut _, ids: &[u32]| pollster::block_on(decoder.forward(cache, ids, Logits::Last(1)));
    let mut whole = decoder.cache().expect("a cache");
    forward(&mut whole, &ids[..32]).expect("logits");
    let expected = forward(&mut whole, &ids[32..]).expect("logits").0;
    let mut cache = decoder.cache().expect("a cache");
    forward(&mut cache, &ids[..32]).expect("logits");
    let asked = Cell::new(false);
    let stop = || -> Pin<Box<dyn Future<Output = bool>>> {
        asked.set(true);
        Box::pin(ready(false))
    };
    let stopped = pollster::block_on(decoder.forward_while(&mut cache, &ids[32..], Logits::Last(1), &stop));
    assert!(asked.get() && stopped.expect("no error").is_none());
    // The doubled past was neither its past nor its present.
    assert!(cache.ids().is_empty());
    forward(&mut cache, &ids[..32]).expect("logits");
    assert_eq!(forward(&mut cache, &ids[32..]).expect("logits").0, expected);
}

#[test]
fn names_of_other_exporters_are_found() {
    let past = ["past_key_0", "past_value_0"];
    let other = Parts { past, present: ["present_key_0", "present_value_0"], ..PARTS };
    let free = Parts { past_dims: ["batch heads past size"; 2], present_dims: "batch heads total size", ..PARTS };
    let config = r#"{"vocab_size": 8, "n_positions": 256, "n_ctx": 256, "num_key_value_heads": 1, "head_dim": 4}"#;
    for parts in [&other, &Parts { config, ..free }] {
        let decoder = parts.decoder().expect("a decoder");
        assert_eq!((decoder.vocabulary(), decoder.context()), (8, 256));
        assert_eq!(logits(&decoder, &[1, 2, 3], 2), logits(&PARTS.decoder().expect("a decoder"), &[1, 2, 3], 2));
    }
}

#[test]
fn a_graph_that_is_not_a_decoder_is_refused_by_name() {
    let artefact = |parts: Parts<'_>, words: &[&str]| {
        let error = parts.refusal();
        assert_eq!(error.kind(), ErrorKind::InvalidArtefact, "{error}");
        assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
    };
    artefact(Parts { present: ["other", PARTS.present[1]], ..PARTS }, &["present.0.key", "past_key_values.0.key"]);
    artefact(Parts { present: ["present.1.key", PARTS.present[1]], ..PARTS }, &["present.1.key"]);
    artefact(
        Parts { present: ["present.0.keys", "present_value_0"], past: ["past.0.key", "past.1.value"], ..PARTS },
        &["past_key_values.0.value"],
    );
    artefact(Parts { logits: "scores", ..PARTS }, &["logits", "scores"]);
    artefact(Parts { logits_dims: "batch 8", ..PARTS }, &["logits", "2", "3"]);
    artefact(Parts { logits_dims: "batch sequence 9", ..PARTS }, &["logits", "9", "vocab_size", "8"]);
    artefact(Parts { past_dims: ["batch past 4", PARTS.past_dims[1]], ..PARTS }, &["past_key_values.0.key", "3", "4"]);
    artefact(Parts { past_dims: [PARTS.past_dims[0], "batch 2 past 4"], ..PARTS }, &["past_key_values.0.value", "2"]);
    artefact(
        Parts { past_dims: ["batch 2 past 4"; 2], present_dims: "batch 2 total 4", ..PARTS },
        &["past_key_values.0.key", "2", "num_key_value_heads"],
    );
    artefact(Parts { config: r#"{"vocab_size": 8}"#, ..PARTS }, &["max_position_embeddings"]);
    let unsupported = |parts: Parts<'_>, words: &[&str]| {
        let error = parts.refusal();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
    };
    unsupported(Parts { ids: "inputs_embeds", ..PARTS }, &["inputs_embeds", "input_ids"]);
    unsupported(Parts { past: ["past_conv.0", PARTS.past[1]], ..PARTS }, &["past_conv.0"]);
    unsupported(Parts { past_dims: ["batch 1 64 4"; 2], ..PARTS }, &["past_key_values.0.key"]);
}

#[test]
fn an_output_that_is_not_what_it_was_declared_to_be_is_refused_by_name() {
    // The graph gives heads of 4 numbers.
    let wrong = Parts { past_dims: ["batch 1 past 5"; 2], present_dims: "batch 1 total 5", ..PARTS };
    let decoder = wrong.decoder().expect("a decoder");
    let mut cache = decoder.cache().expect("a cache");
    let error = pollster::block_on(decoder.forward(&mut cache, &[1, 2], Logits::Last(1))).expect_err("a refusal");
    assert!(error.to_string().contains("Concat"), "{error}");
    assert!(cache.ids().is_empty());
    let wide = Parts {
        logits_dims: "batch sequence vocabulary",
        config: r#"{"vocab_size": 9, "max_position_embeddings": 9}"#,
        ..PARTS
    };
    let decoder = wide.decoder().expect("a decoder");
    let mut cache = decoder.cache().expect("a cache");
    let error = pollster::block_on(decoder.forward(&mut cache, &[1, 2], Logits::Last(1))).expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::InvalidArtefact, "{error}");
    assert!(error.to_string().contains("'logits' has the shape [1, 2, 8], expected [1, 2, 9]"), "{error}");
}
