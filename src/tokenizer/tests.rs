//! Tests of what is refused and how texts are cut. `tests/native` and `tests/models` compare tokens with the reference.

use serde_json::{Value, json};

use super::*;

fn words() -> Value {
    json!({ "model": { "type": "WordLevel", "vocab": { "a": 0, "b": 1, "[UNK]": 2 }, "unk_token": "[UNK]" },
        "pre_tokenizer": { "type": "Whitespace" } })
}

fn error(file: &Value) -> String {
    Tokenizer::from_json(&file.to_string()).err().expect("an error").to_string()
}

#[test]
fn other_files_are_refused() {
    for file in ["", "[]", "{}", r#"{"model": 3}"#, r#"{"version": "2.0"}"#, r#"{"model": {"vocab": 1}}"#] {
        assert!(Tokenizer::from_json(file).is_err(), "{file}");
    }
}

#[test]
fn a_stage_that_cannot_be_built_is_refused_by_name() {
    for (stage, field, said) in [
        ("normalizer", json!({ "type": "Transliterate" }), ["normalizer", "Transliterate"]),
        (
            "normalizer",
            json!({ "type": "Replace", "pattern": { "Regex": "(" }, "content": "" }),
            ["normalizer", "\"(\""],
        ),
        (
            "normalizer",
            json!({ "type": "Precompiled", "precompiled_charsmap": "!" }),
            ["normalizer", "precompiled_charsmap"],
        ),
        (
            "pre_tokenizer",
            json!({ "type": "Split", "pattern": { "Regex": "[" }, "behavior": "Removed" }),
            ["pre_tokenizer", "\"[\""],
        ),
        (
            "pre_tokenizer",
            json!({ "type": "Split", "pattern": { "String": "x" }, "behavior": "Kept" }),
            ["pre_tokenizer", "Kept"],
        ),
        ("pre_tokenizer", json!({ "type": "Jieba" }), ["pre_tokenizer", "Jieba"]),
        (
            "post_processor",
            json!({ "type": "TemplateProcessing", "single": ["[CLS]", "$A"] }),
            ["post_processor", "[CLS]"],
        ),
        ("decoder", json!({ "type": "Upside" }), ["decoder", "Upside"]),
        ("truncation", json!({ "max_length": "many" }), ["truncation", "many"]),
        ("added_tokens", json!([{ "id": 3 }]), ["added_tokens", "content"]),
        ("model", json!({ "type": "BPE", "vocab": { "a": 0 } }), ["model", "merges"]),
        ("model", json!({ "type": "BPE", "vocab": { "a": 0 }, "merges": ["a b"] }), ["merges", "\"b\""]),
        ("model", json!({ "type": "BPE", "vocab": { "a": 0 }, "merges": [["a"]] }), ["model", "two tokens"]),
        ("model", json!({ "type": "Unigram", "vocab": { "a": 0 } }), ["vocab", "Unigram"]),
        ("model", json!({ "type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 7 }), ["unk_id", "7"]),
        ("model", json!({ "type": "Morfessor", "vocab": {} }), ["model", "Morfessor"]),
    ] {
        let mut file = words();
        file[stage] = field;
        let message = error(&file);
        assert!(said.iter().all(|said| message.contains(said)), "{message}");
    }
}

#[test]
fn texts_are_cut_where_the_files_say() {
    let mut file = words();
    file["truncation"] = json!({ "max_length": 2, "strategy": "LongestFirst", "stride": 0, "direction": "Left" });
    let mut tokenizer = Tokenizer::from_json(&file.to_string()).unwrap();
    assert_eq!(tokenizer.max_length(), Some(2));
    let encoding = tokenizer.encode("a a b", 2).unwrap();
    assert_eq!(encoding, Encoding { input_ids: vec![0, 1], truncated: true });

    tokenizer.configure(r#"{"model_max_length": 1e30, "truncation_side": null}"#).unwrap();
    assert_eq!(tokenizer.max_length(), Some(2));
    tokenizer.configure(r#"{"model_max_length": 512, "truncation_side": "right"}"#).unwrap();
    assert_eq!(tokenizer.max_length(), Some(512));
    assert_eq!(tokenizer.encode("a a b", 2).unwrap().input_ids, [0, 0]);
}

#[test]
fn a_word_without_a_token_is_refused_with_the_text() {
    let file = json!({ "model": { "type": "WordLevel", "vocab": { "a": 0 } } });
    let tokenizer = Tokenizer::from_json(&file.to_string()).unwrap();
    assert!(tokenizer.encode("a", 9).is_ok());
    let error = tokenizer.encode("b", 9).unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::InvalidInput);
}

#[test]
fn tokens_are_decoded() {
    let decoders = [
        (Value::Null, "##a"),
        (json!({ "type": "WordPiece", "prefix": "##", "cleanup": true }), "##a"),
        (json!({ "type": "Strip", "content": "#", "start": 1, "stop": 0 }), "#a"),
        (
            json!({ "type": "Sequence", "decoders": [{ "type": "Replace", "pattern": { "String": "#" }, "content": "-" }, { "type": "Fuse" }] }),
            "--a",
        ),
    ];
    for (decoder, expected) in decoders {
        let mut file = words();
        file["model"]["vocab"] = json!({ "##a": 0 });
        file["decoder"] = decoder;
        let tokenizer = Tokenizer::from_json(&file.to_string()).unwrap();
        assert_eq!(tokenizer.token(0), expected);
        assert_eq!(tokenizer.token(5), "");
    }
}

#[test]
fn special_tokens_are_those_that_the_files_say() {
    let mut file = words();
    file["model"]["vocab"] =
        json!({ "a": 0, "<s>": 1, "</s>": 2, "<|im_end|>": 3, "<b>": 4, "[UNK]": 5, "<": 6, "s": 7, ">": 8 });
    file["added_tokens"] = json!([
        { "id": 1, "content": "<s>", "special": true },
        { "id": 2, "content": "</s>", "special": true },
        { "id": 3, "content": "<|im_end|>", "special": false },
        { "id": 4, "content": "<b>", "special": false },
        { "id": 9, "content": "<new>", "special": true },
    ]);
    let mut tokenizer = Tokenizer::from_json(&file.to_string()).unwrap();
    let special: Vec<u32> = (0..12).filter(|id| tokenizer.is_special(*id)).collect();
    assert_eq!((special, tokenizer.vocabulary_size(), tokenizer.id_of("<new>")), (vec![1, 2, 3, 9], 10, Some(9)));
    assert_eq!(tokenizer.encode_prompt("a <s><b>").unwrap(), [0, 1, 4]);
    assert_eq!(tokenizer.encode_segment("a <b>").unwrap(), [0, 4]);
    assert!(!tokenizer.encode_segment("a<s>a<new>").unwrap().iter().any(|id| [1, 9].contains(id)));
    let bytes = [0, 1, 4, 12].map(|id| tokenizer.token_bytes(id).map(std::borrow::Cow::into_owned));
    assert_eq!(bytes, [Some(b"a".into()), Some(Vec::new()), Some(b"<b>".into()), None]);
    assert_eq!(tokenizer.special_ids().end_of_generation, [3]);

    let config = r#"{"bos_token": {"content": "<s>"}, "eos_token": "</s>", "add_bos_token": true, "pad_token": null}"#;
    tokenizer.configure(config).unwrap();
    let ids = tokenizer.special_ids();
    assert_eq!((ids.bos, ids.eos, ids.eot, ids.adds_bos), (Some(1), Some(2), Some(3), true));
    assert_eq!(ids.end_of_generation, [2, 3]);
    tokenizer.configure(r#"{"bos_token": "<b>"}"#).unwrap();
    assert_eq!((tokenizer.special_ids().bos, tokenizer.special_ids().adds_bos), (Some(4), false));
}
