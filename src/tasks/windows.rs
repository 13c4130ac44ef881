//! Long texts in overlapping windows: labels for every token of a text of any length.

use super::TextModel;
use super::scores::softmax;
use crate::error::{Error, Result};
use crate::graph::ComputeCost;
use crate::models::Head;
use crate::tokenizer::{Encoding, Token};

/// Windows of a single text; a longer text is refused, since it would keep the device for minutes.
const MAX_WINDOWS: usize = 64;

impl TextModel {
    /// What `read` makes of every token of each text and the probabilities of its labels, and what each text cost. A text
    /// that is longer than the model takes is read in windows that overlap.
    pub(super) async fn read_tokens<T>(
        &self,
        texts: &[String],
        read: impl Fn(Token, &[f64]) -> T,
    ) -> Result<(Vec<Vec<T>>, Vec<ComputeCost>)> {
        let prefix = self.tokenizer.prefix_tokens();
        let room = self.max_length - self.tokenizer.special_tokens();
        let mut tokens = Vec::with_capacity(texts.len());
        let mut inputs = Vec::new();
        let mut windows = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let of_text = self.tokenizer.encode_with_offsets(text)?;
            for window in plan_windows(of_text.len(), room).map_err(|error| error.at(index))? {
                let ids: Vec<u32> =
                    of_text[window.start..window.start + window.length].iter().map(|token| token.id).collect();
                inputs.push(Encoding { input_ids: self.tokenizer.wrap(&ids), truncated: false });
                windows.push((index, window));
            }
            tokens.push(of_text);
        }
        // The windows of a text may come in any order, and each keeps tokens that no other does.
        let mut found: Vec<Vec<Option<T>>> =
            tokens.iter().map(|of_text| of_text.iter().map(|_| None).collect()).collect();
        let visit = |input: usize, rows: &[f32], width: usize| {
            let (index, window) = &windows[input];
            let rows = rows.chunks_exact(width).skip(prefix + window.keep.start - window.start);
            for (at, row) in window.keep.clone().zip(rows) {
                let probabilities = match &self.head {
                    Some(Head::Token(linear)) => softmax(&linear.forward(row)),
                    _ => softmax(row),
                };
                found[*index][at] = Some(read(tokens[*index][at], &probabilities));
            }
        };
        let mut costs = vec![ComputeCost::default(); texts.len()];
        let of_windows = self.for_each_output(&inputs, visit).await?;
        windows.iter().zip(of_windows).for_each(|((index, _), cost)| costs[*index] += cost);
        let whole = found.into_iter().map(|of_text| of_text.into_iter().collect::<Option<Vec<T>>>());
        let whole = whole.collect::<Option<_>>().ok_or_else(|| Error::internal("a token of the text was not read"))?;
        Ok((whole, costs))
    }
}

/// A part of a text that goes through the model by itself.
struct Window {
    start: usize,
    length: usize,
    /// The tokens whose labels are taken from it; the others are nearer to the middle of a neighbour.
    keep: std::ops::Range<usize>,
}

/// Windows of at most `room` tokens over `count`, which overlap by a quarter.
fn plan_windows(count: usize, room: usize) -> Result<Vec<Window>> {
    let overlap = room / 4;
    let step = (room - overlap).max(1);
    let windows = count.saturating_sub(overlap).div_ceil(step);
    if windows > MAX_WINDOWS {
        return Err(Error::invalid_input(format!(
            "the text has {count} tokens, more than the {} that are read at once; hand it in in parts",
            MAX_WINDOWS * step + overlap
        )));
    }
    Ok((0..windows.max(usize::from(count > 0)))
        .map(|index| {
            let start = index * step;
            let length = room.min(count - start);
            let from = if index == 0 { 0 } else { start + overlap / 2 };
            let to = if start + length == count { count } else { start + step + overlap / 2 };
            Window { start, length, keep: from..to }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn windows_cover_every_token_once(count in 0usize..600, room in 1usize..100) {
            if let Ok(windows) = plan_windows(count, room) {
                let covered: Vec<usize> = windows.iter().flat_map(|window| window.keep.clone()).collect();
                prop_assert_eq!(covered, (0..count).collect::<Vec<_>>());
                for window in windows {
                    prop_assert!(window.length <= room && window.start <= window.keep.start);
                    prop_assert!(window.keep.end <= window.start + window.length);
                }
            }
        }
    }
}
