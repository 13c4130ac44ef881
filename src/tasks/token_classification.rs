//! `token-classification`: named entities, with their offsets in the text.

use serde::{Deserialize, Serialize};

use super::scores::largest;
use super::{AnswerKind, AnswerOutput, LocalAnswer, Source, TaskDefinition, TextModel};
use crate::error::Result;
use crate::graph::ComputeCost;
use crate::models::OutputKind;
use crate::tokenizer::Token;

/// `token-classification`: the entities in texts, such as names, places and personal data.
///
/// ```
/// use pilot_light::tasks::{Aggregation, Task, TokenClassification, TokenClassificationOptions, TokenClassificationOutput};
/// use pilot_light::{Device, LoadOptions, folder};
///
/// let path = "tests/golden/tiny-bert-token".as_ref();
/// let model = folder::load(path, Task::TokenClassification, &Device::cpu(), LoadOptions::default())?;
/// let texts = ["The café is open.".to_string()];
/// let options = TokenClassificationOptions { aggregation_strategy: Aggregation::Simple };
/// let output = pollster::block_on(model.run::<TokenClassification>(&texts, &options))?;
/// let TokenClassificationOutput::EntityGroups(found) = output else { unreachable!() };
/// for group in &found[0] {
///     assert_eq!(group.word, texts[0][group.start..group.end]);
/// }
/// # Ok::<(), pilot_light::Error>(())
/// ```
pub struct TokenClassification;

/// Options of `token-classification`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct TokenClassificationOptions {
    /// Whether neighbouring tokens of one entity are joined.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub aggregation_strategy: Aggregation,
}

/// Whether neighbouring tokens of one entity are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Aggregation {
    /// They are not.
    #[default]
    None,
    /// They are, as with transformers' strategy of this name: neighbours with the same label, where a label that begins
    /// with `B-` begins a new entity. But no entity ends and another of its kind begins in the middle of a word: some
    /// models give `B-` to every piece of one.
    Simple,
}

/// The entities of each text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TokenClassificationOutput {
    /// Without aggregation: tokens.
    Entities(Vec<Vec<Entity>>),
    /// With it: entities of one or more tokens.
    EntityGroups(Vec<Vec<EntityGroup>>),
}

/// A token that is part of an entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Entity {
    /// Its label, such as `B-PER`.
    pub entity: String,
    /// The label's probability.
    pub score: f64,
    /// Its index among the text's tokens, special ones counted.
    pub index: usize,
    /// The token.
    pub word: String,
    /// The offset of its start: in bytes of the text in Rust, in UTF-16 units in JavaScript.
    pub start: usize,
    /// The offset of its end, exclusive.
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
    /// The offset of its start: in bytes of the text in Rust, in UTF-16 units in JavaScript.
    pub start: usize,
    /// The offset of its end, exclusive.
    pub end: usize,
}

/// A token, its likeliest label and that label's probability.
struct Labelled {
    token: Token,
    label: usize,
    score: f64,
}

/// The label of tokens outside of entities.
pub(super) const OUTSIDE: &str = "O";

impl TaskDefinition for TokenClassification {
    const NAME: &'static str = "token-classification";
    const ANSWER: Option<AnswerKind> = Some(AnswerKind::Entities);
    type Model = TextModel;
    type Input = String;
    type Options = TokenClassificationOptions;
    type Output = TokenClassificationOutput;

    fn source() -> Source<TextModel> {
        Source::Text(OutputKind::TokenLogits)
    }

    async fn run(model: &TextModel, texts: &[String], options: &Self::Options) -> Result<TokenClassificationOutput> {
        match options.aggregation_strategy {
            Aggregation::None => Ok(TokenClassificationOutput::Entities(entities(model, texts).await?)),
            Aggregation::Simple => {
                let found = entity_groups(model, texts).await?;
                Ok(TokenClassificationOutput::EntityGroups(found.into_iter().map(|found| found.0).collect()))
            }
        }
    }

    fn labels(model: &TextModel) -> &[String] {
        model.labels()
    }

    fn offsets_to_utf16(texts: &[String], output: &mut TokenClassificationOutput) {
        match output {
            TokenClassificationOutput::Entities(found) => {
                for (text, entities) in texts.iter().zip(found) {
                    to_utf16(text, entities.iter_mut().flat_map(|entity| [&mut entity.start, &mut entity.end]));
                }
            }
            TokenClassificationOutput::EntityGroups(found) => {
                for (text, groups) in texts.iter().zip(found) {
                    to_utf16(text, groups.iter_mut().flat_map(|group| [&mut group.start, &mut group.end]));
                }
            }
        }
    }

    fn answer_labels(model: &TextModel, _: &Self::Options) -> Vec<String> {
        group_names(&model.labels)
    }

    async fn answer(model: &TextModel, texts: &[String], _: &Self::Options) -> Result<Vec<LocalAnswer>> {
        let found = entity_groups(model, texts).await?;
        let answer = |(groups, confidence, cost)| LocalAnswer {
            output: AnswerOutput::Entities(groups),
            confidence,
            truncated: false,
            work: cost,
        };
        Ok(found.into_iter().map(answer).collect())
    }
}

async fn entities(model: &TextModel, texts: &[String]) -> Result<Vec<Vec<Entity>>> {
    let first = model.tokenizer.prefix_tokens();
    let entity = |(index, labelled): (usize, &Labelled)| Entity {
        entity: model.labels[labelled.label].clone(),
        score: labelled.score,
        index: first + index,
        word: model.tokenizer.token(labelled.token.id),
        start: labelled.token.start,
        end: labelled.token.end,
    };
    let is_entity = |(_, labelled): &(usize, &Labelled)| model.labels[labelled.label] != OUTSIDE;
    let (found, _) = label_tokens(model, texts).await?;
    Ok(found.iter().map(|tokens| tokens.iter().enumerate().filter(is_entity).map(entity).collect()).collect())
}

/// The entities of each text, the score of its least certain token, and what it cost.
async fn entity_groups(model: &TextModel, texts: &[String]) -> Result<Vec<(Vec<EntityGroup>, f64, ComputeCost)>> {
    let (found, costs) = label_tokens(model, texts).await?;
    let grouped = texts.iter().zip(found).zip(costs).map(|((text, tokens), cost)| {
        let confidence = tokens.iter().map(|labelled| labelled.score).fold(1.0, f64::min);
        (group(text, &model.labels, &tokens), confidence, cost)
    });
    Ok(grouped.collect())
}

/// The likeliest label of every token of each text, and what each text cost.
async fn label_tokens(model: &TextModel, texts: &[String]) -> Result<(Vec<Vec<Labelled>>, Vec<ComputeCost>)> {
    let read = |token, probabilities: &[f64]| {
        let (label, score) = largest(probabilities).unwrap_or((0, 0.0));
        Labelled { token, label, score }
    };
    model.read_tokens(texts, read).await
}

/// Joins neighbouring tokens of one entity.
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
            Some(last) if open == Some(name) && (!begins || continues(text, last.end, token.start)) => {
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

/// Whether an entity that ends at `end` continues at `start` in the middle of a word. In scripts without spaces between
/// words that cannot be seen.
fn continues(text: &str, end: usize, start: usize) -> bool {
    let (before, after) = (text[..end].chars().next_back(), text[start..].chars().next());
    let in_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() && letter < '\u{2e80}');
    end == start && in_word(before) && in_word(after)
}

/// Whether a label marks the start of an entity (`B-`), and the label without its prefix.
pub(super) fn split_label(label: &str) -> (bool, &str) {
    match (label.strip_prefix("B-"), label.strip_prefix("I-")) {
        (Some(name), _) => (true, name),
        (_, Some(name)) => (false, name),
        _ => (false, label),
    }
}

/// The kinds of entities among `labels`.
fn group_names(labels: &[String]) -> Vec<String> {
    let names = crate::sort::set(labels.iter().map(|label| split_label(label).1).filter(|&name| name != OUTSIDE));
    names.into_iter().map(String::from).collect()
}

/// Converts offsets in bytes of `text` to UTF-16 units, in which JavaScript counts.
///
/// ```
/// let (mut start, mut end) = (5, 9);
/// pilot_light::tasks::to_utf16("😀 Łódź", [&mut start, &mut end].into_iter());
/// assert_eq!((start, end), (3, 5));
/// ```
pub fn to_utf16<'a>(text: &str, offsets: impl Iterator<Item = &'a mut usize>) {
    // Every byte of a character but its first is mapped to the character's end; no offset is there.
    let mut units = Vec::with_capacity(text.len() + 1);
    let mut unit = 0;
    for letter in text.chars() {
        units.resize(units.len() + 1, unit);
        unit += letter.len_utf16();
        units.resize(units.len() + letter.len_utf8() - 1, unit);
    }
    units.push(unit);
    for offset in offsets {
        *offset = units.get(*offset).copied().unwrap_or(unit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
