//! Log-probabilities in the shapes of chat completions and of completions.

use pilot_light::generation::{GeneratedToken, Generator, TokenProbability};
use serde_json::{Map, Value, json};

/// What OpenAI's API gives for what has no number.
const LEAST: f32 = -9999.0;

/// `logprobs` of a choice of a chat.
pub fn chat(generator: &Generator, tokens: &[GeneratedToken]) -> Value {
    let content = written(tokens).map(|token| {
        let mut entry = entry(&token.bytes, &token.token);
        let top = token.top.iter().map(|token| self::entry(&bytes(generator, token.id), token));
        entry["top_logprobs"] = top.collect();
        entry
    });
    json!({ "content": content.collect::<Value>(), "refusal": null })
}

/// `logprobs` of a choice of a completion. The first token is `offset` characters behind the beginning of the text; gives
/// where the next one will be.
pub fn completion(generator: &Generator, tokens: &[GeneratedToken], mut offset: usize) -> (Value, usize) {
    let (mut texts, mut offsets, mut tops) = (Vec::new(), Vec::new(), Vec::new());
    for token in written(tokens) {
        let text = text(&token.bytes);
        offsets.push(offset);
        offset += text.chars().count();
        texts.push(text);
        let mut top = Map::new();
        for token in &token.top {
            // Several tokens may be the same text: the likeliest comes first.
            top.entry(self::text(&bytes(generator, token.id))).or_insert_with(|| logprob(token));
        }
        tops.push(Value::Object(top));
    }
    let logprobs: Vec<_> = written(tokens).map(|token| logprob(&token.token)).collect();
    let has_tops = tops.iter().any(|top| top.as_object().is_some_and(|top| !top.is_empty()));
    let tops = if has_tops { tops.into() } else { Value::Null };
    (json!({ "tokens": texts, "token_logprobs": logprobs, "top_logprobs": tops, "text_offset": offsets }), offset)
}

/// The tokens that are part of the text.
fn written(tokens: &[GeneratedToken]) -> impl Iterator<Item = &GeneratedToken> {
    tokens.iter().filter(|token| !token.bytes.is_empty())
}

fn entry(bytes: &[u8], token: &TokenProbability) -> Value {
    json!({ "token": text(bytes), "logprob": logprob(token), "bytes": bytes })
}

fn logprob(token: &TokenProbability) -> Value {
    let number = if token.logprob.is_finite() { token.logprob } else { LEAST };
    number.into()
}

/// The bytes of a token; of one that controls the model, its name.
fn bytes(generator: &Generator, id: u32) -> Vec<u8> {
    let tokenizer = generator.tokenizer();
    let bytes = tokenizer.token_bytes(id).unwrap_or_default().into_owned();
    if bytes.is_empty() { tokenizer.token(id).into_bytes() } else { bytes }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
