//! `summarization`: what a text says in short, by its own sentences or in a decoder's words.
//!
//! [`Summarization`] is extractive: an embedder chooses sentences by their centrality. [`AbstractiveSummary`] has a decoder
//! write the summary. Both say what of the text was read, and which names and numbers the text does not have.

mod abstractive;
mod centrality;
mod chunks;
mod sentences;
mod support;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

pub use abstractive::AbstractiveSummary;

use super::token_classification::to_utf16;
use super::{Source, TaskDefinition, TextModel};
use crate::error::{Error, Result};
use crate::generation::FinishReason;
use crate::models::OutputKind;
use support::Source as SourceWords;

/// `summarization` by the central sentences of a text, with any model for `feature-extraction`.
pub struct Summarization;

/// Options of `summarization`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct SummarizationOptions {
    /// How long the summary is: 1, 3 or 5 sentences, or 3, 5 or 7 points; `medium` by default.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub length: SummaryLength,
    /// What it looks like; sentences by default.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub kind: SummaryType,
    /// The most tokens that a decoder writes: 80, 160 or 320 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_new_tokens: Option<usize>,
}

/// How long a summary is.
///
/// # Source
/// The Summarizer API of Chrome, `length`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum SummaryLength {
    /// 1 sentence, or 3 points.
    Short,
    /// 3 sentences, or 5 points.
    #[default]
    Medium,
    /// 5 sentences, or 7 points.
    Long,
}

/// What a summary looks like.
///
/// # Source
/// The Summarizer API of Chrome, `type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum SummaryType {
    /// Sentences.
    #[default]
    Tldr,
    /// Lines that begin with `- `.
    KeyPoints,
}

/// How a summary was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum SummaryMethod {
    /// Of sentences of the text.
    Extractive,
    /// In the words of a decoder.
    Abstractive,
}

/// A summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Summary {
    /// The summary.
    pub summary_text: String,
    /// How it was made.
    pub method: SummaryMethod,
    /// The sentences of an extractive one, in the order of the text.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub sentences: Vec<SummarySentence>,
    /// What of the text was read, in its order; one span where all of it was.
    pub coverage: Vec<SummarySpan>,
    /// The sentences that say names or numbers which the text does not have.
    pub unsupported: Vec<Unsupported>,
    /// Why the decoder ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub finish_reason: Option<FinishReason>,
    /// What the decoder took.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub usage: Option<SummaryUsage>,
}

/// A sentence of an extractive summary.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct SummarySentence {
    /// Where it begins in the text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Its centrality as a share of the largest, from 0 to 1.
    pub score: f32,
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct SummarySpan {
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// A sentence that says what the text does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Unsupported {
    /// The names and numbers that the text does not have.
    pub words: Vec<String>,
    /// The sentence.
    pub sentence: String,
    /// Whether it was left out of the summary. It was not where nothing else would be left.
    pub dropped: bool,
}

/// What a decoder took for a summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct SummaryUsage {
    /// Parts of the text, and summaries of them, that were summarised.
    pub replies: usize,
    /// Tokens of their prompts.
    pub prompt_tokens: usize,
    /// Tokens that were written.
    pub completion_tokens: usize,
}

/// The most sentences of a text: the matrix of their similarities has 64 MB.
const MAX_SENTENCES: usize = 4096;
/// A sentence of fewer words, such as a heading, is only chosen where there is nothing else.
const LEAST_WORDS: usize = 5;

impl SummarizationOptions {
    /// Sentences or points.
    fn count(&self) -> usize {
        let index = self.length as usize;
        match self.kind {
            SummaryType::Tldr => [1, 3, 5][index],
            SummaryType::KeyPoints => [3, 5, 7][index],
        }
    }

    /// Sentences as the summary has them.
    fn join(&self, sentences: impl Iterator<Item: AsRef<str>>) -> String {
        let mut joined = String::new();
        for sentence in sentences {
            let sentence = sentence.as_ref();
            match self.kind {
                SummaryType::Tldr if joined.is_empty() => {}
                SummaryType::Tldr => joined.push(' '),
                SummaryType::KeyPoints => {
                    joined.push_str(if joined.is_empty() { "- " } else { "\n- " });
                }
            }
            joined.push_str(match self.kind {
                SummaryType::Tldr => sentence,
                SummaryType::KeyPoints => sentence.trim_start_matches(['-', '*', '•', ' ']),
            });
        }
        joined
    }
}

impl From<Range<usize>> for SummarySpan {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

impl Summary {
    /// Converts its offsets in `text` from bytes to UTF-16 units, in which JavaScript counts.
    pub fn offsets_to_utf16(&mut self, text: &str) {
        let sentences = self.sentences.iter_mut().flat_map(|it| [&mut it.start, &mut it.end]);
        let offsets = sentences.chain(self.coverage.iter_mut().flat_map(|it| [&mut it.start, &mut it.end]));
        to_utf16(text, offsets);
    }
}

impl TaskDefinition for Summarization {
    const NAME: &'static str = "summarization";
    type Model = TextModel;
    type Input = String;
    type Options = SummarizationOptions;
    type Output = Vec<Summary>;

    fn source() -> Source<TextModel> {
        Source::Text(OutputKind::HiddenStates)
    }

    async fn run(model: &TextModel, texts: &[String], options: &SummarizationOptions) -> Result<Vec<Summary>> {
        if options.max_new_tokens.is_some() {
            return Err(Error::invalid_input("max_new_tokens: expected a model that generates text, got an embedder"));
        }
        let mut summaries = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            summaries.push(extract(model, text, options).await.map_err(|error| error.at(index))?);
        }
        Ok(summaries)
    }

    fn offsets_to_utf16(inputs: &[String], output: &mut Vec<Summary>) {
        inputs.iter().zip(output).for_each(|(text, summary)| summary.offsets_to_utf16(text));
    }
}

/// The central sentences of `text`.
async fn extract(model: &TextModel, text: &str, options: &SummarizationOptions) -> Result<Summary> {
    let tokens = |text: &str| model.tokenizer.encode_with_offsets(text);
    let pieces = chunks::pieces(text, model.room()?, &tokens)?;
    if pieces.len() > MAX_SENTENCES {
        let count = pieces.len();
        return Err(Error::invalid_input(format!("expected a text of at most {MAX_SENTENCES} sentences, got {count}")));
    }
    let parts: Vec<String> = pieces.iter().map(|piece| text[piece.range.clone()].to_string()).collect();
    let inputs = model.encode(&parts)?;
    let (vectors, _) = model.embeddings(&inputs).await?;
    let similarities = centrality::similarities(&vectors);
    let scores = centrality::centrality(&similarities, parts.len());
    let is_long = |index: &usize| parts[*index].unicode_words().count() >= LEAST_WORDS;
    let mut candidates: Vec<usize> = (0..parts.len()).filter(is_long).collect();
    if candidates.is_empty() {
        candidates = (0..parts.len()).collect();
    }
    let mut chosen = centrality::choose(&scores, &similarities, &candidates, options.count());
    crate::sort::sort(&mut chosen);
    let largest = scores.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let sentence = |&index: &usize| {
        let Range { start, end } = pieces[index].range;
        SummarySentence { start, end, score: (scores[index] / largest) as f32 }
    };
    let summary_text =
        options.join(chosen.iter().map(|index| parts[*index].split_whitespace().collect::<Vec<_>>().join(" ")));
    // A sentence is there as it is in the text, but what it is checked by is the same for both methods.
    let unsupported = SourceWords::new(text).check(&summary_text).into_iter().filter(|it| !it.unsupported.is_empty());
    let read = pieces.iter().zip(&inputs).filter(|(_, input)| !input.truncated).map(|(piece, _)| piece.range.clone());
    Ok(Summary {
        method: SummaryMethod::Extractive,
        sentences: chosen.iter().map(sentence).collect(),
        coverage: chunks::joined(text, read),
        unsupported: unsupported
            .map(|checked| Unsupported {
                sentence: summary_text[checked.sentence].to_string(),
                words: checked.unsupported,
                dropped: false,
            })
            .collect(),
        summary_text,
        finish_reason: None,
        usage: None,
    })
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests;
