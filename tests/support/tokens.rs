//! Token ids and offsets against those of the reference.

use std::path::Path;

use pilot_light::tokenizer::{Token, Tokenizer};
use serde::Deserialize;

/// The tokenizer in a folder.
pub fn tokenizer(folder: &Path) -> Tokenizer {
    let json = std::fs::read_to_string(folder.join("tokenizer.json")).expect("a tokenizer");
    Tokenizer::from_json(&json).expect("a tokenizer")
}

/// Says what differs, if anything does.
pub fn check(tokenizer: &Tokenizer, text: &str, ids: &[u32], offsets: &[(usize, usize)]) -> Result<(), String> {
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

/// What the reference makes of the texts of `tests/golden/tokenizers`.
#[derive(Deserialize)]
pub struct Digests {
    special_tokens: Vec<u32>,
    /// A digest of what [`described`] gives, for each text.
    texts: Vec<String>,
}

impl Digests {
    /// What differs for the tokenizer `name` in `file`, one line for each text.
    pub fn compare(&self, name: &str, file: &Path, texts: &[String]) -> Vec<String> {
        let json = std::fs::read_to_string(file).expect("a tokenizer");
        let tokenizer = match Tokenizer::from_json(&json) {
            Ok(tokenizer) => tokenizer,
            Err(error) => return vec![format!("{name}: {error}")],
        };
        assert_eq!(self.texts.len(), texts.len(), "{name}");
        let wrong = texts.iter().zip(&self.texts).filter_map(|(text, digest)| {
            let tokens = described(&tokenizer, text);
            (fnv1a(tokens.as_bytes()) != *digest).then(|| format!("{name}: {text:?}: {tokens}"))
        });
        let special_tokens = tokenizer.wrap(&[]);
        let special =
            (special_tokens != self.special_tokens).then(|| format!("{name}: special tokens {special_tokens:?}"));
        special.into_iter().chain(wrong).collect()
    }
}

/// The tokens of a text with their offsets: `12:0:5 7:5:6`.
pub fn described(tokenizer: &Tokenizer, text: &str) -> String {
    match tokenizer.encode_with_offsets(text) {
        Ok(tokens) => {
            let tokens = tokens.iter().map(|token| format!("{}:{}:{}", token.id, token.start, token.end));
            tokens.collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    }
}

/// FNV-1a with 64 bits.
pub fn fnv1a(data: &[u8]) -> String {
    let digest = data
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |digest: u64, &byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{digest:016x}")
}
