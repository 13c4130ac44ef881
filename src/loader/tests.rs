//! Which files are requested, round after round.

use proptest::prelude::*;

use super::files::is_plain;
use super::*;
use crate::error::ErrorKind;

const BERT: &str = r#"{"model_type":"bert","hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":8,
    "vocab_size":10,"max_position_embeddings":16}"#;
const WORDS: &str = r#"{"model":{"type":"WordLevel","vocab":{"a":0,"b":1},"unk_token":"a"}}"#;
const OTHER: &str = r#"{"model_type":"never-heard-of"}"#;

/// The rounds of a folder that has these files and no others, and how the last one ended.
fn rounds(task: Task, dtype: Option<DType>, files: &[(&str, &str)]) -> (Vec<Vec<String>>, Result<()>) {
    rounds_of(Loader::new(Device::cpu(), task, LoadOptions { dtype, ..LoadOptions::default() }), files)
}

fn rounds_of(mut loader: Loader, files: &[(&str, &str)]) -> (Vec<Vec<String>>, Result<()>) {
    supply_all(&mut loader, files)
}

fn supply_all(loader: &mut Loader, files: &[(&str, &str)]) -> (Vec<Vec<String>>, Result<()>) {
    let mut rounds = Vec::new();
    loop {
        let wanted = match loader.wants() {
            Ok(wanted) if wanted.is_empty() => return (rounds, Ok(())),
            Ok(wanted) => wanted,
            Err(error) => return (rounds, Err(error)),
        };
        rounds.push(wanted.iter().map(|request| request.name.clone()).collect());
        for request in wanted {
            let supplied = match files.iter().find(|(name, _)| *name == request.name) {
                Some((_, content)) => loader.supply(&request.name, content.as_bytes(), true),
                None => loader.missing(&request.name),
            };
            if let Err(error) = supplied {
                return (rounds, Err(error));
            }
        }
    }
}

fn last(rounds: &[Vec<String>]) -> Vec<&str> {
    rounds.last().into_iter().flatten().map(String::as_str).collect()
}

#[test]
fn onnx_files_are_looked_for_one_after_the_other() {
    let files = [("config.json", BERT), ("tokenizer.json", WORDS), ("onnx/model_q4.onnx", "")];
    let (found, end) = rounds(Task::TokenClassification, None, &files);
    assert!(end.is_ok());
    assert_eq!(found[0], ["config.json", "pilot.json"]);
    assert_eq!(found[1], ["model.safetensors", "tokenizer.json", "tokenizer_config.json"]);
    let alone: Vec<_> = found[2..].iter().flatten().map(String::as_str).collect();
    assert_eq!(
        alone,
        ["model.safetensors.index.json", "onnx/model.onnx", "onnx/model_quantized.onnx", "onnx/model_q4.onnx"]
    );
}

#[test]
fn a_type_that_is_asked_for_is_the_only_one_that_is_looked_for() {
    let files = [("config.json", BERT), ("tokenizer.json", WORDS), ("onnx/model_fp16.onnx", "")];
    let (found, end) = rounds(Task::FeatureExtraction, Some(DType::Fp16), &files);
    assert!(end.is_ok());
    assert_eq!(
        last(&found),
        [
            "1_Pooling/config.json",
            "config_sentence_transformers.json",
            "modules.json",
            "onnx/model_fp16.onnx",
            "sentence_bert_config.json",
            "tokenizer.json",
            "tokenizer_config.json"
        ]
    );
    let (_, end) = rounds(Task::FeatureExtraction, Some(DType::Int8), &files);
    let error = end.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("onnx/model_int8.onnx"), "{error}");
}

#[test]
fn what_nobody_has_quantised_is_quantised_here() {
    let found = |files: &[(&str, &str)]| {
        let all = [&[("config.json", BERT), ("tokenizer.json", WORDS)], files].concat();
        let (found, end) = rounds(Task::FeatureExtraction, Some(DType::Q8), &all);
        assert!(end.is_ok());
        found[2..].concat()
    };
    assert!(found(&[("onnx/model_quantized.onnx", ""), ("onnx/model.onnx", "")]).is_empty());
    let asked = ["model.safetensors", "model.safetensors.index.json", "onnx/model.onnx"];
    assert_eq!(found(&[("onnx/model.onnx", "")]), asked);
}

#[test]
fn an_architecture_that_is_not_known_needs_an_onnx_file() {
    let files = [("config.json", OTHER), ("tokenizer.json", WORDS), ("onnx/model.onnx", "")];
    let (found, end) = rounds(Task::FeatureExtraction, None, &files);
    assert!(end.is_ok());
    assert_eq!(
        last(&found),
        [
            "1_Pooling/config.json",
            "config_sentence_transformers.json",
            "modules.json",
            "onnx/model.onnx",
            "sentence_bert_config.json",
            "tokenizer.json",
            "tokenizer_config.json"
        ]
    );
    let (_, end) = rounds(Task::FeatureExtraction, None, &files[..2]);
    let error = end.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("never-heard-of"), "{error}");
}

#[test]
fn a_decoder_is_looked_for_as_an_encoder_is() {
    let found = |config: &str, dtype: Option<DType>, files: &[&str]| {
        let loader = Loader::generator(Device::cpu(), None, LoadOptions { dtype, ..LoadOptions::default() }).unwrap();
        let files = files.iter().map(|name| (*name, ""));
        let files: Vec<_> = [("config.json", config), ("tokenizer.json", WORDS)].into_iter().chain(files).collect();
        let (found, end) = rounds_of(loader, &files);
        let weights = |name: &String| name.contains("model");
        (found.concat().into_iter().filter(weights).collect::<Vec<_>>().join(" "), end)
    };
    let llama = r#"{"model_type":"llama"}"#;
    let (names, end) = found(llama, None, &["onnx/model_q4.onnx"]);
    assert!(end.is_ok());
    assert_eq!(
        names,
        "model.safetensors model.safetensors.index.json onnx/model.onnx onnx/model_quantized.onnx onnx/model_q4.onnx"
    );
    let (names, end) = found(OTHER, None, &["onnx/model.onnx"]);
    assert!(end.is_ok());
    assert_eq!(names, "onnx/model.onnx");
    let (names, end) = found(llama, Some(DType::Q4f16), &["onnx/model_q4f16.onnx"]);
    assert!(end.is_ok());
    assert_eq!(names, "onnx/model_q4f16.onnx");
    let (names, end) = found(llama, Some(DType::Q8), &["onnx/model.onnx"]);
    assert!(end.is_ok());
    assert_eq!(names, "onnx/model_quantized.onnx model.safetensors model.safetensors.index.json onnx/model.onnx");
    for (config, dtype, words) in [
        (OTHER, None, "never-heard-of"),
        (llama, None, "model.safetensors"),
        (llama, Some(DType::Q4), "onnx/model_q4.onnx"),
    ] {
        let error = found(config, dtype, &[]).1.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_manifest_that_names_weights_names_all_there_are() {
    let digest = "0".repeat(64);
    let manifest = format!(r#"{{"files":{{"onnx/model_q4.onnx":{{"bytes":0,"sha256":"{digest}"}}}}}}"#);
    let files =
        [("config.json", BERT), ("pilot.json", &manifest), ("tokenizer.json", WORDS), ("onnx/model_q4.onnx", "")];
    let (found, end) = rounds(Task::TokenClassification, None, &files);
    assert!(end.is_ok());
    assert_eq!(found.len(), 2);
    assert_eq!(found[1], ["onnx/model_q4.onnx", "tokenizer.json", "tokenizer_config.json"]);
}

#[test]
fn tasks_with_models_of_their_own_ask_for_their_files() {
    let files = |task| {
        let (found, end) =
            rounds(task, None, &[("det.onnx", ""), ("rec.onnx", ""), ("model.onnx", ""), ("config.min.json", "{}")]);
        (found.concat(), end.err().map(|error| error.to_string()))
    };
    assert_eq!(files(Task::FileClassification).0, ["pilot.json", "config.min.json", "model.onnx"]);
    assert_eq!(
        files(Task::ImageToText),
        (["pilot.json", "cls.onnx", "det.onnx", "rec.onnx"].map(String::from).into(), None)
    );
    let (_, error) = files(Task::VoiceActivityDetection);
    assert_eq!(error.unwrap(), "the file silero_vad_16k_sequence.onnx is missing");
    let (_, end) = rounds(Task::ImageToText, Some(DType::Q8), &[]);
    assert_eq!(end.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_graph_is_requested_with_its_external_data() {
    let graph = |file: &str, external: &[&str], dtype| {
        let external = external.iter().map(|name| (*name).to_string()).collect();
        Loader::graph(
            Device::cpu(),
            file,
            external,
            LoadOptions { dtype, ..LoadOptions::default() },
            GraphOptions::default(),
        )
    };
    let names = |file: &str, dtype| -> Vec<String> {
        let mut loader = graph(file, &["weights"], dtype).unwrap();
        loader.wants().unwrap().into_iter().map(|request| request.name).collect()
    };
    assert_eq!(names("model.onnx", None), ["model.onnx", "weights"]);
    assert_eq!(names("model.onnx", Some(DType::Q4)), ["model_q4.onnx", "weights"]);
    assert_eq!(names("model_q4.onnx?v=1", Some(DType::Q4)), ["model_q4.onnx?v=1", "weights"]);
    assert_eq!(names("model.onnx", Some(DType::Fp32)), ["model.onnx", "weights"]);
    for name in ["../weights", "a/b", "", "..", "a?b", "c:d", "a\\b", "%2e%2e", "model.onnx"] {
        let refused = graph("model.onnx", &[name], None).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{name}");
    }
    assert_eq!(graph("model.pb", &[], Some(DType::Q4)).err().unwrap().kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_type_of_weights_is_that_of_their_file() {
    let graph = |file: &str| {
        let options = GraphOptions::default();
        Loader::graph(Device::cpu(), file, Vec::new(), LoadOptions::default(), options).unwrap()
    };
    for (file, name, integers) in [
        ("model.onnx", "fp32", false),
        ("model_fp16.onnx", "fp16", false),
        ("a/model_q4f16.onnx?v=1", "q4f16", false),
        ("model_quantized.onnx", "q8", true),
        ("model_uint8.onnx", "uint8", true),
    ] {
        assert_eq!((graph(file).dtype().as_str(), graph(file).has_integer_operators()), (name, integers), "{file}");
    }
    let weights = |dtype: &str, bytes: usize| {
        let header = format!(
            r#"{{"a":{{"dtype":"{dtype}","shape":[4],"data_offsets":[0,{0}]}},"b":{{"dtype":"F32","shape":[1],"data_offsets":[{0},{1}]}}}}"#,
            4 * bytes,
            4 * bytes + 4
        );
        let head = (header.len() as u64).to_le_bytes();
        let file = [&head[..], header.as_bytes(), &vec![0; 4 * bytes + 4]].concat();
        String::from_utf8(file).unwrap()
    };
    for (dtype, bytes, name) in [("F32", 4, "fp32"), ("F16", 2, "fp16"), ("BF16", 2, "bf16")] {
        let weights = weights(dtype, bytes);
        let files = [("config.json", BERT), ("tokenizer.json", WORDS), ("model.safetensors", weights.as_str())];
        let mut loader = Loader::new(Device::cpu(), Task::FeatureExtraction, LoadOptions::default());
        assert!(supply_all(&mut loader, &files).1.is_ok());
        assert_eq!(loader.dtype(), name);
        let files = [("config.json", r#"{"model_type":"llama"}"#), files[1], files[2]];
        let mut loader = Loader::generator(Device::cpu(), None, LoadOptions::default()).unwrap();
        assert!(supply_all(&mut loader, &files).1.is_ok());
        assert_eq!(loader.dtype(), name);
    }
}

#[test]
fn the_type_of_a_model_with_fixed_files_is_that_of_most_of_its_weights() {
    // A model's graph is its field 7, a tensor field 5 of that, and dimensions, type and bytes are fields 1, 2 and 9.
    let field = |tag: char, bytes: &str| format!("{tag}{}{bytes}", char::from(bytes.len() as u8));
    let tensor = |kind: u8, count: u8, bytes: u8| {
        let data = field('\x4a', &"\0".repeat((count * bytes).into()));
        field('\x2a', &format!("\x08{}\x10{}{data}", char::from(count), char::from(kind)))
    };
    for (kind, bytes, name) in [(1, 4, "fp32"), (10, 2, "fp16"), (16, 2, "bf16"), (3, 1, "int8"), (2, 1, "uint8")] {
        let model = field('\x3a', &[tensor(kind, 9, bytes), tensor(1, 8, 4)].concat());
        let mut loader = Loader::new(Device::cpu(), Task::FileClassification, LoadOptions::default());
        assert_eq!(loader.dtype(), "fp32");
        let (_, supplied) = supply_all(&mut loader, &[("config.min.json", "{}"), ("model.onnx", &model)]);
        assert!(supplied.is_ok(), "{supplied:?}");
        assert_eq!(loader.dtype(), name);
    }
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    for name in ["config.json", "tokenizer.json", "pilot.json"] {
        let mut files = [
            ("config.json", BERT.to_string()),
            ("pilot.json", r#"{"files":{}}"#.to_string()),
            ("tokenizer.json", WORDS.to_string()),
            ("onnx/model.onnx", String::new()),
        ];
        let (_, marked) = files.iter_mut().find(|(file, _)| *file == name).unwrap();
        marked.insert(0, '\u{FEFF}');
        let files: Vec<_> = files.iter().map(|(name, content)| (*name, content.as_str())).collect();
        let (_, end) = rounds(Task::FeatureExtraction, None, &files);
        assert!(end.is_ok(), "{name}: {end:?}");
    }
}

#[test]
fn a_text_in_another_encoding_is_refused_by_its_name() {
    for (content, found) in [
        (&b"\xFF\xFE{\0}\0"[..], "got UTF-16"),
        (b"\xFE\xFF\0{\0}", "got UTF-16"),
        (b"{\"model_type\":\"caf\xE9\"}", "got another encoding"),
        (b"\xEF\xBB\xBF{\"a\":\"\xE9\"}", "got another encoding"),
    ] {
        let mut loader = Loader::new(Device::cpu(), Task::FeatureExtraction, LoadOptions::default());
        loader.wants().unwrap();
        let error = loader.supply("config.json", content, true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArtefact);
        assert!(error.to_string().contains("config.json") && error.to_string().contains(found), "{error}");
    }
}

#[test]
fn no_memory_is_an_error_that_says_nothing_about_the_file() {
    let mut loader =
        Loader::graph(Device::cpu(), "model.onnx", Vec::new(), LoadOptions::default(), GraphOptions::default())
            .unwrap();
    loader.wants().unwrap();
    let error = loader.expect("model.onnx", u64::MAX).unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidInput, true), "{error}");
    assert_eq!(error.to_string(), "not enough memory for model.onnx");
    assert_eq!(loader.expect("other", 1).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(loader.supply("model.onnx", b"no model", true).is_ok());
    assert!(loader.finish().is_err());
}

proptest! {
    #[test]
    fn a_plain_name_stays_in_its_folder(name in "[./%a-c\\\\:?#]{0,8}") {
        if is_plain(&name) {
            prop_assert!(std::path::Path::new(&name).components().count() == 1);
            prop_assert!(!name.contains('/') && name != "..");
        }
    }
}
