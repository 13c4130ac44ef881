//! Tokenizers whose stages have regular expressions, which the browser's own engine runs.

use std::collections::BTreeMap;

use pilot_light::tokenizer::Tokenizer;
use serde::Deserialize;

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

/// FNV-1a with 64 bits.
fn fnv1a(data: &[u8]) -> String {
    let digest = data
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |digest: u64, &byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{digest:016x}")
}
