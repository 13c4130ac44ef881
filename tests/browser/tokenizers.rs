//! Tokenizers whose stages the browser's own engine runs: regular expressions and normalisation.

use std::collections::BTreeMap;

use pilot_light::tokenizer::Tokenizer;
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

#[derive(Deserialize)]
struct Digests {
    texts: Vec<String>,
}

/// Tokenizers of `tests/golden/tokenizers/trained`, by their names.
macro_rules! trained {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../golden/tokenizers/trained/", $name, ".json")))),+]
    };
}

/// Compares the tokens and offsets of all texts with the reference's.
pub fn patterns_are_those_of_the_reference() {
    let expected: BTreeMap<String, Digests> =
        serde_json::from_str(include_str!("../golden/tokenizers/trained.json")).expect("digests");
    let texts: Vec<String> = serde_json::from_str(include_str!("../golden/tokenizers/texts.json")).expect("texts");
    let mut wrong = Vec::new();
    for (name, file) in trained![
        "split-cl100k",
        "split-cl100k-possessive",
        "split-o200k",
        "split-kimi",
        "split-clip",
        "split-bloom",
        "split-deepseek",
        "split-lookahead",
        "split-merged",
        "falcon",
        "clip",
        "qwen2",
        "xlm-roberta",
        "t5",
        "llama",
        "words-nmt",
        "words-replace",
        "words-precompiled",
        "bytes-normalizer",
    ] {
        let tokenizer = Tokenizer::from_json(file).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (text, digest) in texts.iter().zip(&expected[name].texts) {
            let tokens = tokenizer.encode_with_offsets(text).expect("tokens");
            let tokens: Vec<_> =
                tokens.iter().map(|token| format!("{}:{}:{}", token.id, token.start, token.end)).collect();
            if fnv1a(tokens.join(" ").as_bytes()) != *digest {
                wrong.push(format!("{name}: {text:?}: {tokens:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Compares the normalisation forms of all characters that the browser knows with those of the `unicode-normalization` crate.
pub fn normal_forms_are_those_of_the_reference() {
    // A token for each byte, in the letters of GPT-2.
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut others = '\u{100}'..;
    let letter = |byte: u8| if printable(&byte) { byte.into() } else { others.next().expect("a letter") };
    let vocabulary: BTreeMap<char, usize> = (0..=u8::MAX).map(letter).zip(0..).collect();
    let unassigned = js_sys::RegExp::new(r"\p{Cn}", "u");
    let assigned = |letter: &char| !unassigned.test(&letter.to_string());
    // Behind a letter and before marks of two classes, so that it is composed and put in order.
    let texts = ('\0'..='\u{3ffff}').filter(assigned).map(|letter| format!("a{letter}\u{301}\u{323}\n"));
    let texts: Vec<String> = texts.collect();
    assert!(texts.len() > 150_000, "{}", texts.len());
    for form in ["NFC", "NFD", "NFKC", "NFKD"] {
        let tokenizer = serde_json::json!({
            "added_tokens": [],
            "normalizer": { "type": form },
            "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "use_regex": false },
            "model": { "type": "BPE", "vocab": vocabulary, "merges": [] },
        });
        let tokenizer = Tokenizer::from_json(&tokenizer.to_string()).expect("a tokenizer");
        for texts in texts.chunks(64) {
            let text = texts.concat();
            let expected: String = match form {
                "NFC" => text.nfc().collect(),
                "NFD" => text.nfd().collect(),
                "NFKC" => text.nfkc().collect(),
                _ => text.nfkd().collect(),
            };
            let tokens = tokenizer.encode_with_offsets(&text).expect("tokens");
            let bytes: Vec<u8> = tokens.iter().map(|token| token.id as u8).collect();
            assert_eq!(String::from_utf8_lossy(&bytes), expected, "{form} of {text:?}");
        }
    }
}

/// FNV-1a with 64 bits.
fn fnv1a(data: &[u8]) -> String {
    let digest = data
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |digest: u64, &byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{digest:016x}")
}
