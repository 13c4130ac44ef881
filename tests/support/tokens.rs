//! Token ids and offsets against those of the reference.

use std::path::Path;

use pilot_light::tokenizer::{Token, Tokenizer};

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
