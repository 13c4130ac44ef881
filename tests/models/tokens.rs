//! Token ids and offsets of tokenizers as people use them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::support::tokens::{Digests, check, tokenizer};
use crate::support::{fetched, golden_json, minilm};

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    input_ids: Vec<u32>,
    offsets: Vec<(usize, usize)>,
}

#[test]
fn minilm_tokens_and_offsets() {
    let Cases { cases } = golden_json("minilm_tokens.json");
    assert_eq!(cases.len(), 55);
    let tokenizer = tokenizer(&minilm());
    let wrong: Vec<String> =
        cases.iter().filter_map(|case| check(&tokenizer, &case.text, &case.input_ids, &case.offsets).err()).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn published_tokenizers_are_equal_to_the_reference() {
    let expected: BTreeMap<String, Digests> = golden_json("tokenizers/real.json");
    let texts: Vec<String> = golden_json("tokenizers/texts.json");
    assert!(expected.len() >= 35 && texts.len() == 300);
    let wrong: Vec<String> =
        expected.iter().flat_map(|(file, digests)| digests.compare(file, &fetched(file), &texts)).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
