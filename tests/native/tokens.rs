//! Token ids and offsets.

use serde::Deserialize;

use crate::support::tokens::{check, tokenizer};
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
