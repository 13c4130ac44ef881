//! Token ids and offsets of all-MiniLM-L6-v2's tokenizer.

use serde::Deserialize;

use crate::support::tokens::{check, tokenizer};
use crate::support::{golden_json, minilm};

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
