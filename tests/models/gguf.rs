//! GGUF files as people use them: their tokenizers, compared with llama.cpp's and with those of `tokenizer.json`.

use std::collections::BTreeMap;
use std::fs;

use pilot_light::formats::gguf::{self, Encoding};
use pilot_light::tokenizer::Tokenizer;
use serde_json::Value as Json;

use crate::support::gguf::{LineDigests, Value, lines, write};
use crate::support::{fetched, golden_json};

/// The files, and their names in `tests/golden/gguf/tokens.json`.
const FILES: [(&str, &str); 3] = [
    ("smollm2", "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"),
    ("qwen2.5-coder", "models/qwen2.5-coder-0.5b-instruct/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
    ("gemma3", "models/gemma-3-270m/gemma-3-270m-q4_k_m.gguf"),
];

#[test]
fn tokens_are_those_of_llama_cpp() {
    let digests: BTreeMap<String, LineDigests> = golden_json("gguf/tokens.json");
    for (name, file) in FILES {
        let bytes = fs::read(fetched(file)).expect("a file");
        let file = gguf::read(&bytes).expect("a file");
        let tokenizer = Tokenizer::from_gguf(&file.metadata).expect("a tokenizer");
        let wrong = digests[name].compare(name, &tokenizer);
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
        for line in lines(10_000) {
            let ids = tokenizer.encode_segment(&line).expect("ids");
            assert!(ids.iter().all(|id| !tokenizer.is_special(*id)), "{name}: {line:?}");
            let bytes: Vec<u8> =
                ids.iter().flat_map(|id| tokenizer.token_bytes(*id).expect("bytes").into_owned()).collect();
            match name {
                "gemma3" => assert_eq!(bytes, line.replace('\u{2581}', " ").as_bytes(), "{line:?}"),
                // Its vocabulary lacks a few control characters.
                "smollm2" if line.contains('\u{1}') => {}
                _ => assert_eq!(bytes, line.as_bytes(), "{name}: {line:?}"),
            }
        }
    }
}

#[test]
fn tokens_have_their_roles() {
    let [smollm2, qwen, gemma3] = FILES.map(|(_, file)| {
        let bytes = fs::read(fetched(file)).expect("a file");
        let file = gguf::read(&bytes).expect("a file");
        Tokenizer::from_gguf(&file.metadata).expect("a tokenizer").special_ids().clone()
    });
    assert_eq!((smollm2.bos, smollm2.eos, smollm2.eot, smollm2.adds_bos), (Some(1), Some(2), Some(2), false));
    // The file does not say these.
    let fim = [qwen.fim_prefix, qwen.fim_suffix, qwen.fim_middle];
    assert_eq!(fim, [151_659, 151_661, 151_660].map(Some));
    assert_eq!(qwen.end_of_generation, [151_643, 151_645, 151_662, 151_663, 151_664]);
    assert_eq!((gemma3.bos, gemma3.eos, gemma3.eot, gemma3.adds_bos), (Some(2), Some(1), Some(106), true));
}

#[test]
fn all_tensors_are_read() {
    for (name, file) in FILES {
        let bytes = fs::read(fetched(file)).expect("a file");
        let file = gguf::read(&bytes).expect("a file");
        assert!(file.tensors.len() > 200, "{name}");
        for tensor in &file.tensors {
            assert!(!matches!(tensor.encoding, Encoding::Other(_)), "{name}: {}", tensor.name);
            // Whole weights would take minutes here.
            let mut row = vec![0.0; *tensor.shape.last().expect("a dimension")];
            let rows: usize = tensor.shape[..tensor.shape.len() - 1].iter().product();
            for at in [0, rows - 1] {
                tensor.row_floats(at, &mut row).expect("a row");
                assert!(row.iter().all(|x| x.is_finite()), "{name}: {}", tensor.name);
            }
            assert!(row.iter().any(|x| *x != 0.0) || tensor.name.contains("embd"), "{name}: {}", tensor.name);
        }
    }
}

/// Files as llama.cpp's converter makes them of `tokenizer.json` give the same ids as that.
#[test]
fn tokens_are_those_of_tokenizer_json() {
    for (file, kind) in [("tokenizer-llama2", "llama"), ("tokenizer-llama3", "gpt2"), ("tokenizer-gemma3", "llama")] {
        let json = fs::read_to_string(fetched(&format!("samples/{file}/tokenizer.json"))).expect("a tokenizer");
        let reference = Tokenizer::from_json(&json).expect("a tokenizer");
        let pairs = converted(&serde_json::from_str(&json).expect("JSON"), kind, file);
        let bytes = write(&pairs);
        let tokenizer = Tokenizer::from_gguf(&gguf::read(&bytes).expect("a file").metadata).expect("a tokenizer");
        assert_eq!(tokenizer.vocabulary_size(), reference.vocabulary_size(), "{file}");
        // In Gemma's file a mark in a text is a space as well, where there are several.
        let has_marks = |line: &String| file == "tokenizer-gemma3" && line.contains('\u{2581}');
        for line in lines(2000).into_iter().filter(|line| !has_marks(line)) {
            let ids = tokenizer.encode_segment(&line).expect("ids");
            assert_eq!(ids, reference.encode_segment(&line).expect("ids"), "{file}: {line:?}");
            let prompt = tokenizer.encode_prompt(&line).expect("ids");
            assert_eq!(prompt, reference.encode_prompt(&line).expect("ids"), "{file}: {line:?}");
            for id in ids {
                assert_eq!(tokenizer.token_bytes(id), reference.token_bytes(id), "{file}: {id}");
            }
        }
    }
}

/// The metadata of a file with the vocabulary of a `tokenizer.json`.
fn converted(json: &Json, kind: &str, file: &str) -> BTreeMap<&'static str, Value> {
    let mut tokens: BTreeMap<u64, String> = BTreeMap::new();
    for (token, id) in json["model"]["vocab"].as_object().expect("a vocabulary") {
        tokens.insert(id.as_u64().expect("an id"), token.clone());
    }
    let mut types: BTreeMap<u64, i32> = BTreeMap::new();
    for token in json["added_tokens"].as_array().expect("tokens") {
        let id = token["id"].as_u64().expect("an id");
        types.insert(id, if token["special"] == true { 3 } else { 4 });
        // Spaces in them are not marked.
        let content = token["content"].as_str().expect("a text");
        tokens.insert(id, if kind == "llama" { content.replace('\u{2581}', " ") } else { content.into() });
    }
    let is_byte = |token: &str| token.len() == 6 && token.starts_with("<0x") && token.ends_with('>');
    let type_of = |(id, token): (&u64, &String)| {
        types.get(id).copied().unwrap_or(if kind == "llama" && is_byte(token) { 6 } else { 1 })
    };
    let mut pairs = BTreeMap::from([
        ("tokenizer.ggml.model", Value::Text(kind.into())),
        ("tokenizer.ggml.token_type", Value::Integers(tokens.iter().map(type_of).collect())),
        ("tokenizer.ggml.add_space_prefix", Value::Bool(file == "tokenizer-llama2")),
    ]);
    let merges = json["model"]["merges"].as_array().expect("merges");
    let pair = |merge: &Json| match merge {
        Json::String(line) => line.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())),
        list => Some((list[0].as_str()?.into(), list[1].as_str()?.into())),
    };
    let merges: Vec<(String, String)> = merges.iter().filter_map(pair).collect();
    if kind == "gpt2" {
        let merges = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
        pairs.insert("tokenizer.ggml.merges", Value::Texts(merges));
        pairs.insert("tokenizer.ggml.pre", Value::Text("llama-bpe".into()));
    } else {
        // A token's score is the lower, the later the first merge to it.
        let mut ranks: BTreeMap<String, usize> = BTreeMap::new();
        for (rank, (left, right)) in merges.iter().enumerate() {
            ranks.entry(format!("{left}{right}")).or_insert(rank);
        }
        let score = |token: &String| ranks.get(token).map_or(-1e9, |rank| -(*rank as f32));
        pairs.insert("tokenizer.ggml.scores", Value::Floats(tokens.values().map(score).collect()));
    }
    pairs.insert("tokenizer.ggml.tokens", Value::Texts(tokens.into_values().collect()));
    pairs
}
