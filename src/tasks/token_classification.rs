//! Tokens into labels: names, places, personal data, with their places in the text.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Pipeline, largest, softmax};
use crate::error::{Error, Result};
use crate::graph::ComputeCost;
use crate::models::Head;
use crate::tokenizer::{Encoding, Token};

/// Whether neighbouring tokens of one entity are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Aggregation {
    /// They are not.
    #[default]
    None,
    /// They are, as transformers' strategy of this name does: neighbours with the same label, where a
    /// label that begins with `B-` begins a new entity. But no entity ends and another of its kind begins in the middle
    /// of a word: some models say `B-` to every piece of one.
    Simple,
}

/// A token that is part of an entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Entity {
    /// Its label, such as `B-PER`.
    pub entity: String,
    /// The label's probability.
    pub score: f64,
    /// Its place among the text's tokens, special ones counted.
    pub index: usize,
    /// The token.
    pub word: String,
    /// Where it begins: a byte of the text in Rust, a UTF-16 unit in JavaScript.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// An entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct EntityGroup {
    /// Its label without `B-` or `I-`.
    pub entity_group: String,
    /// The mean of its tokens' scores; a remote model gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub score: Option<f64>,
    /// Its words, as the text has them.
    pub word: String,
    /// Where it begins: a byte of the text in Rust, a UTF-16 unit in JavaScript.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// A token, its likeliest label and that label's probability.
struct Labelled {
    token: Token,
    label: usize,
    score: f64,
}

/// The label of tokens that are part of nothing.
pub(super) const OUTSIDE: &str = "O";
/// Windows of a single text; beyond them a text is refused, since it would keep the device for minutes.
const MAX_WINDOWS: usize = 64;

impl Pipeline {
    pub(super) async fn entities(&self, texts: &[String]) -> Result<Vec<Vec<Entity>>> {
        let first = self.tokenizer.prefix_tokens();
        let entity = |(index, labelled): (usize, &Labelled)| Entity {
            entity: self.labels[labelled.label].clone(),
            score: labelled.score,
            index: first + index,
            word: self.tokenizer.token(labelled.token.id),
            start: labelled.token.start,
            end: labelled.token.end,
        };
        let (found, _) = self.label_tokens(texts).await?;
        Ok(found
            .iter()
            .map(|tokens| {
                tokens
                    .iter()
                    .enumerate()
                    .filter(|(_, labelled)| self.labels[labelled.label] != OUTSIDE)
                    .map(entity)
                    .collect()
            })
            .collect())
    }

    /// The entities of each text, the score of its least certain token, and what it took.
    pub(super) async fn entity_groups(&self, texts: &[String]) -> Result<Vec<(Vec<EntityGroup>, f64, ComputeCost)>> {
        let (found, works) = self.label_tokens(texts).await?;
        Ok(texts
            .iter()
            .zip(found)
            .zip(works)
            .map(|((text, tokens), work)| {
                let confidence = tokens.iter().map(|labelled| labelled.score).fold(1.0, f64::min);
                (group(text, &self.labels, &tokens), confidence, work)
            })
            .collect())
    }

    /// The likeliest label of every token of each text, and what each text took.
    async fn label_tokens(&self, texts: &[String]) -> Result<(Vec<Vec<Labelled>>, Vec<ComputeCost>)> {
        let read = |token, odds: &[f64]| {
            let (label, score) = largest(odds).unwrap_or((0, 0.0));
            Labelled { token, label, score }
        };
        self.read_tokens(texts, read).await
    }

    /// What `read` makes of every token of each text and the probabilities of its labels. A text that is longer
    /// than the model takes is read in windows that overlap. And what each text took.
    pub(super) async fn read_tokens<T>(
        &self,
        texts: &[String],
        read: impl Fn(Token, &[f64]) -> T,
    ) -> Result<(Vec<Vec<T>>, Vec<ComputeCost>)> {
        let before = self.tokenizer.prefix_tokens();
        let room = self.max_length - self.tokenizer.special_tokens();
        let mut tokens = Vec::with_capacity(texts.len());
        let mut inputs = Vec::new();
        let mut windows = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let of_text = self.tokenizer.encode_with_offsets(text)?;
            for window in plan_windows(of_text.len(), room)? {
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
            let rows = rows.chunks_exact(width).skip(before + window.keep.start - window.start);
            for (place, row) in window.keep.clone().zip(rows) {
                let odds = match &self.head {
                    Head::Token(linear) => softmax(&linear.forward(row)),
                    _ => softmax(row),
                };
                found[*index][place] = Some(read(tokens[*index][place], &odds));
            }
        };
        let mut works = vec![ComputeCost::default(); texts.len()];
        let of_windows = self.for_each_output(&inputs, visit).await?;
        windows.iter().zip(of_windows).for_each(|((index, _), work)| works[*index] += work);
        let whole = found.into_iter().map(|of_text| of_text.into_iter().collect::<Option<Vec<T>>>());
        let whole = whole.collect::<Option<_>>().ok_or_else(|| Error::internal("a token of the text was not read"))?;
        Ok((whole, works))
    }
}

/// A part of a text that goes through the model by itself.
struct Window {
    start: usize,
    length: usize,
    /// The tokens whose labels are taken from it: the others are nearer to the middle of a neighbour.
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

/// Joins neighbours of one entity.
fn group(text: &str, labels: &[String], tokens: &[Labelled]) -> Vec<EntityGroup> {
    let mut groups: Vec<EntityGroup> = Vec::new();
    let mut scores: Vec<f64> = Vec::new();
    let mut open: Option<&str> = None;
    for Labelled { token, label, score } in tokens {
        let (begins, name) = split_label(&labels[*label]);
        if name == OUTSIDE {
            open = None;
            continue;
        }
        match groups.last_mut() {
            Some(last) if open == Some(name) && (!begins || goes_on(text, last.end, token.start)) => {
                scores.push(*score);
                last.end = last.end.max(token.end);
                last.word = text[last.start..last.end].to_string();
            }
            _ => {
                scores = vec![*score];
                let word = text[token.start..token.end].to_string();
                groups.push(EntityGroup {
                    entity_group: name.to_string(),
                    score: None,
                    word,
                    start: token.start,
                    end: token.end,
                });
            }
        }
        if let Some(last) = groups.last_mut() {
            last.score = Some(scores.iter().sum::<f64>() / scores.len() as f64);
        }
        open = Some(name);
    }
    groups
}

/// Whether what ends at `end` goes on at `start` in the middle of a word. Scripts that put no space between
/// words have no such middle that could be seen.
fn goes_on(text: &str, end: usize, start: usize) -> bool {
    let (before, after) = (text[..end].chars().next_back(), text[start..].chars().next());
    let in_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() && letter < '\u{2e80}');
    end == start && in_word(before) && in_word(after)
}

/// Whether a label says that an entity begins here, and the entity's own name.
pub(super) fn split_label(label: &str) -> (bool, &str) {
    match (label.strip_prefix("B-"), label.strip_prefix("I-")) {
        (Some(name), _) => (true, name),
        (_, Some(name)) => (false, name),
        _ => (false, label),
    }
}

/// The kinds of entities that `labels` tell apart.
pub fn group_names(labels: &[String]) -> Vec<String> {
    let names: BTreeSet<&str> =
        labels.iter().map(|label| split_label(label).1).filter(|&name| name != OUTSIDE).collect();
    names.into_iter().map(String::from).collect()
}

/// Turns places counted in bytes of `text` into ones counted in units of UTF-16, as JavaScript counts.
pub fn to_utf16<'a>(text: &str, places: impl Iterator<Item = &'a mut usize>) {
    // Every byte of a character but its first stands at the character's end, where no place is.
    let mut units = Vec::with_capacity(text.len() + 1);
    let mut unit = 0;
    for letter in text.chars() {
        units.resize(units.len() + 1, unit);
        unit += letter.len_utf16();
        units.resize(units.len() + letter.len_utf8() - 1, unit);
    }
    units.push(unit);
    for place in places {
        *place = units.get(*place).copied().unwrap_or(unit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_with_one_label_are_joined() {
        let labels = ["O", "B-PER", "I-PER", "B-LOC"].map(String::from);
        let text = "Ann Lee Bo Rome";
        let token = |start, end, label, score| Labelled { token: Token { id: 0, start, end }, label, score };
        let tokens = [token(0, 3, 1, 0.5), token(4, 7, 2, 1.0), token(8, 10, 1, 0.75), token(11, 15, 3, 1.0)];
        let groups = group(text, &labels, &tokens);
        let flat: Vec<_> =
            groups.iter().map(|group| (group.entity_group.as_str(), group.word.as_str(), group.score)).collect();
        assert_eq!(flat, [("PER", "Ann Lee", Some(0.75)), ("PER", "Bo", Some(0.75)), ("LOC", "Rome", Some(1.0))]);
    }

    #[test]
    fn no_entity_begins_in_the_middle_of_a_word() {
        let labels = ["O", "B-A", "I-A", "B-B"].map(String::from);
        let token = |start, end, label| Labelled { token: Token { id: 0, start, end }, label, score: 1.0 };
        let words = |text: &str, tokens: &[Labelled]| -> Vec<String> {
            group(text, &labels, tokens).into_iter().map(|group| group.word).collect()
        };
        assert_eq!(words("Springfield", &[token(0, 6, 1), token(6, 11, 1)]), ["Springfield"]);
        assert_eq!(words("é7", &[token(0, 2, 1), token(2, 3, 1)]), ["é7"]);
        assert_eq!(
            words("a-b c", &[token(0, 1, 1), token(1, 2, 1), token(2, 3, 1), token(4, 5, 1)]),
            ["a", "-", "b", "c"]
        );
        assert_eq!(words("ab", &[token(0, 1, 1), token(1, 2, 3)]), ["a", "b"]);
        assert_eq!(words("张李", &[token(0, 3, 1), token(3, 6, 1)]), ["张", "李"]);
    }

    #[test]
    fn what_is_outside_parts_entities() {
        let labels = ["O", "PER"].map(String::from);
        let token = |start, end, label| Labelled { token: Token { id: 0, start, end }, label, score: 1.0 };
        let groups = group("a b c", &labels, &[token(0, 1, 1), token(2, 3, 0), token(4, 5, 1)]);
        assert_eq!(groups.len(), 2);
    }

    proptest! {
        #[test]
        fn windows_cover_every_token_once(count in 0usize..600, room in 1usize..100) {
            if let Ok(windows) = plan_windows(count, room) {
                let kept: Vec<usize> = windows.iter().flat_map(|window| window.keep.clone()).collect();
                prop_assert_eq!(kept, (0..count).collect::<Vec<_>>());
                for window in windows {
                    prop_assert!(window.length <= room && window.start <= window.keep.start);
                    prop_assert!(window.keep.end <= window.start + window.length);
                }
            }
        }
    }
}
