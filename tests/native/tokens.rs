//! Token ids and offsets.

use pilot_light::tokenizer::{Token, Tokenizer};
use serde::Deserialize;

use crate::support::{golden, golden_json, minilm};

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

#[derive(Deserialize)]
struct Tiny {
    texts: Vec<String>,
    input_ids: Vec<Vec<u32>>,
    attention_mask: Vec<Vec<u32>>,
    offsets: Vec<Vec<(usize, usize)>>,
}

fn tokenizer(folder: &std::path::Path) -> Tokenizer {
    let json = std::fs::read_to_string(folder.join("tokenizer.json")).expect("a tokenizer");
    Tokenizer::from_json(&json).expect("a tokenizer")
}

fn check(tokenizer: &Tokenizer, text: &str, ids: &[u32], offsets: &[(usize, usize)]) -> Result<(), String> {
    let encoded = tokenizer.encode(text, usize::MAX).map_err(|error| error.to_string())?;
    if encoded.input_ids != ids {
        return Err(format!("{text:?}: ids {:?}, expected {ids:?}", encoded.input_ids));
    }
    let tokens = tokenizer.encode_with_offsets(text).map_err(|error| error.to_string())?;
    let (before, after) = (tokenizer.prefix_tokens(), tokenizer.special_tokens() - tokenizer.prefix_tokens());
    let inner = before..ids.len() - after;
    let expected: Vec<Token> =
        inner.map(|index| Token { id: ids[index], start: offsets[index].0, end: offsets[index].1 }).collect();
    if tokens == expected {
        return Ok(());
    }
    let differ: Vec<_> = tokens
        .iter()
        .zip(&expected)
        .filter(|(ours, theirs)| ours != theirs)
        .map(|(ours, theirs)| {
            format!(
                "{} {}..{} for {} {}..{}",
                tokenizer.token(ours.id),
                ours.start,
                ours.end,
                tokenizer.token(theirs.id),
                theirs.start,
                theirs.end
            )
        })
        .take(5)
        .collect();
    Err(format!("{text:?}: {} tokens for {}: {differ:?}", tokens.len(), expected.len()))
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
fn tokens_and_offsets_of_every_family() {
    let mut wrong = Vec::new();
    for family in ["bert", "distilbert", "roberta", "xlmr"] {
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
