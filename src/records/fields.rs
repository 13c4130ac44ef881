//! The scalars of a reply in JSON, and the probabilities of the tokens that they were written in.

use serde_json::Value;

use super::{FieldSource, RecordField};
use crate::error::{Error, Result};
use crate::generation::Reply;
use crate::generation::constraint::Path;

/// The logarithms of the probabilities of a field's tokens.
struct Scored {
    pointer: String,
    sum: f32,
    count: usize,
    /// The last token that was counted.
    last: usize,
}

/// The fields of `value`, which `reply` wrote. A token that has bytes of several fields counts for each of them.
pub(super) fn scored(value: &Value, reply: &Reply) -> Result<Vec<RecordField>> {
    let mut path = Path::default();
    let mut scored: Vec<Scored> = Vec::new();
    for (number, token) in reply.tokens.iter().enumerate() {
        for &byte in &token.bytes {
            if let Some(pointer) = path.scalar(byte) {
                if scored.last().is_none_or(|last| last.pointer != pointer) {
                    scored.push(Scored { pointer, sum: 0.0, count: 0, last: usize::MAX });
                }
                if let Some(field) = scored.last_mut().filter(|field| !token.forced && field.last != number) {
                    field.sum += token.token.logprob;
                    field.count += 1;
                    field.last = number;
                }
            }
            path.push(byte);
        }
    }
    let field = |Scored { pointer, sum, count, .. }: Scored| {
        let value = value.pointer(&pointer).cloned();
        let value = value.ok_or_else(|| Error::invalid_input("the tokens of the reply are not those of its text"))?;
        Ok(RecordField {
            value,
            confidence: if count == 0 { 1.0 } else { (sum / count as f32).exp() },
            span: None,
            source: FieldSource::Decoder,
            truncated: reply.truncated.contains(&pointer),
            pointer,
        })
    };
    scored.into_iter().map(field).collect()
}
