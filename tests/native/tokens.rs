//! Token ids and offsets.

use std::collections::BTreeMap;

use pilot_light::tokenizer::Tokenizer;
use serde::Deserialize;

use crate::support::tokens::{Digests, check, described, tokenizer};
use crate::support::{families, golden, golden_json};

#[derive(Deserialize)]
struct Tiny {
    texts: Vec<String>,
    input_ids: Vec<Vec<u32>>,
    attention_mask: Vec<Vec<u32>>,
    offsets: Vec<Vec<(usize, usize)>>,
}

#[test]
fn tokens_and_offsets_of_every_family() {
    let mut wrong = Vec::new();
    for family in families() {
        for head in ["seq", "token"] {
            let folder = format!("tiny-{family}-{head}");
            let golden_values: Tiny = golden_json(&format!("{folder}/golden.json"));
            let tokenizer = tokenizer(&golden(&folder));
            for (index, text) in golden_values.texts.iter().enumerate() {
                let length = golden_values.attention_mask[index].iter().sum::<u32>() as usize;
                let ids = &golden_values.input_ids[index][..length];
                wrong.extend(
                    check(&tokenizer, text, ids, &golden_values.offsets[index])
                        .err()
                        .map(|error| format!("{folder}: {error}")),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_long_text_is_cut_and_says_so() {
    let tokenizer = tokenizer(&golden("tiny-bert-seq"));
    let encoded = tokenizer.encode(&"rain ".repeat(1000), 16).expect("an encoding");
    assert_eq!((encoded.input_ids.len(), encoded.truncated), (16, true));
    assert!(!tokenizer.encode("rain", 16).expect("an encoding").truncated);
}

#[test]
fn tokenizers_of_many_families_are_equal_to_the_reference() {
    let expected: BTreeMap<String, Digests> = golden_json("tokenizers/trained.json");
    let texts: Vec<String> = golden_json("tokenizers/texts.json");
    assert!(expected.len() >= 60 && texts.len() == 300);
    let file = |name: &str| golden(&format!("tokenizers/trained/{name}.json"));
    let wrong: Vec<String> =
        expected.iter().flat_map(|(name, digests)| digests.compare(name, &file(name), &texts)).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[derive(Deserialize)]
struct Case {
    name: String,
    tokenizer: Box<serde_json::value::RawValue>,
    text: String,
    tokens: String,
}

#[test]
fn reported_texts_have_the_tokens_and_offsets_of_the_reference() {
    let cases: Vec<Case> = golden_json("tokenizers/cases.json");
    assert!(cases.len() >= 30);
    for Case { name, tokenizer, text, tokens } in cases {
        let tokenizer = Tokenizer::from_json(tokenizer.get()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(described(&tokenizer, &text), tokens, "{name}: {text:?}");
    }
}
