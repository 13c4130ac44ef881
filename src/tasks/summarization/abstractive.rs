//! Summaries in the words of a decoder: of every part of a text, then of these summaries, until one is left.

use std::collections::VecDeque;

use super::chunks::{chunks, joined, pieces};
use super::support::{Checked, Source};
use super::{
    SummarizationOptions, Summary, SummaryLength, SummaryMethod, SummarySpan, SummaryType, SummaryUsage, Unsupported,
};
use crate::error::{Error, Result};
use crate::generation::chat::{Message, TemplateEngine, TemplateOptions};
use crate::generation::{FinishReason, Generation, GenerationOptions, Generator};

/// The most tokens of a text that are summarised at once, where the context has room for them: small models lose what is in the
/// middle of longer ones.
///
/// # Source
/// Liu et al. 2023, "Lost in the Middle", <https://arxiv.org/abs/2307.03172>.
const CHUNK_TOKENS: usize = 1024;
/// The fewest tokens of a text that are worth a summary.
const LEAST_TOKENS: usize = 16;

/// A summary that a decoder is writing, step by step.
///
/// All of the text is read, in chunks that are cut at sentences. A sentence of a reply with a name or a number that the text does
/// not have is left out, where that leaves any.
pub struct AbstractiveSummary {
    options: SummarizationOptions,
    source: Source,
    coverage: Vec<SummarySpan>,
    /// The most tokens of a text that is summarised at once.
    chunk: usize,
    /// The most tokens of the summary, and of one of a part.
    reply: [usize; 2],
    /// Texts of the current round that are still to be summarised.
    texts: VecDeque<String>,
    /// Whether the current round gives the summary itself.
    is_last: bool,
    /// Summaries of this round.
    parts: Vec<String>,
    current: Option<Generation>,
    /// The reply that becomes the summary, as far as it is there.
    written: String,
    /// Bytes of the summary that were given out.
    given: usize,
    usage: SummaryUsage,
    finished: Option<Finished>,
}

/// What the last reply became.
struct Finished {
    text: String,
    reason: FinishReason,
    unsupported: Vec<Unsupported>,
}

impl AbstractiveSummary {
    /// Begins a summary of `text`. `engine` renders the chat template, where the model has one.
    ///
    /// # Errors
    /// Invalid input: there is no text, or the context has no room for a part of it. Those of the chat template and of the
    /// tokenizer.
    pub fn new(
        generator: &Generator,
        engine: &dyn TemplateEngine,
        text: &str,
        options: SummarizationOptions,
    ) -> Result<Self> {
        let context = generator.context();
        let default = [80, 160, 320][options.length as usize];
        let reply = options.max_new_tokens.unwrap_or(default).min(context / 4);
        let overhead = prompt(generator, engine, "", &options)?.len();
        let chunk = context.saturating_sub(overhead + reply).min(CHUNK_TOKENS);
        if chunk < LEAST_TOKENS || reply == 0 {
            return Err(Error::invalid_input(format!(
                "expected room for {LEAST_TOKENS} tokens of the text and one of its summary, got a context of {context} and a \
                 max_new_tokens of {reply}"
            )));
        }
        let tokens = |text: &str| generator.tokenizer().encode_with_offsets(text);
        let ranges = chunks(&pieces(text, chunk, &tokens)?, chunk);
        if ranges.is_empty() {
            return Err(Error::invalid_input("expected a text to summarise, got an empty one"));
        }
        Ok(Self {
            options,
            source: Source::new(text),
            chunk,
            // Several summaries of parts fit into a chunk, so that each round has fewer than the last.
            reply: [reply, reply.min(chunk / 4)],
            is_last: ranges.len() == 1,
            texts: ranges.iter().map(|range| text[range.clone()].to_string()).collect(),
            coverage: joined(text, ranges.into_iter()),
            parts: Vec::new(),
            current: None,
            written: String::new(),
            given: 0,
            usage: SummaryUsage::default(),
            finished: None,
        })
    }

    /// Whether the summary is there.
    pub fn is_complete(&self) -> bool {
        self.finished.is_some()
    }

    /// Goes on by one pass of the model, and gives what is added to the summary: its sentences, each as soon as it is complete and
    /// found in the text; mostly nothing.
    ///
    /// # Errors
    /// Invalid input: the summary is complete. Those of [`Generation::step`].
    pub async fn step(&mut self, generator: &Generator, engine: &dyn TemplateEngine) -> Result<String> {
        let mut generation = match self.current.take() {
            Some(generation) => generation,
            None => self.begin(generator, engine)?,
        };
        let piece = generation.step(generator).await?;
        if generation.finish_reason().is_none() {
            self.current = Some(generation);
            if !self.is_last || piece.text.is_empty() {
                return Ok(String::new());
            }
            self.written.push_str(&piece.text);
            let settled = self.settled(&self.written);
            return Ok(self.added(&settled));
        }
        let reply = generation.finish(generator)?;
        self.usage.replies += 1;
        self.usage.prompt_tokens += reply.usage.prompt_tokens;
        self.usage.completion_tokens += reply.usage.completion_tokens;
        let (text, unsupported) = self.checked(&reply.text, reply.finish_reason);
        if self.is_last {
            let added = self.added(&text);
            self.finished = Some(Finished { text, reason: reply.finish_reason, unsupported });
            return Ok(added);
        }
        self.parts.push(text);
        if self.texts.is_empty() {
            self.next_round(generator)?;
        }
        Ok(String::new())
    }

    /// The summary. What has been read is kept for texts that begin in the same way.
    ///
    /// # Errors
    /// Invalid input: it is not complete.
    pub fn finish(self) -> Result<Summary> {
        let Some(Finished { text, reason, unsupported }) = self.finished else {
            return Err(Error::invalid_input("the summary is not complete"));
        };
        Ok(Summary {
            summary_text: text,
            method: SummaryMethod::Abstractive,
            sentences: Vec::new(),
            coverage: self.coverage,
            unsupported,
            finish_reason: Some(reason),
            usage: Some(self.usage),
        })
    }

    fn begin(&mut self, generator: &Generator, engine: &dyn TemplateEngine) -> Result<Generation> {
        let Some(text) = self.texts.pop_front() else {
            return Err(Error::invalid_input("the summary is complete, or a step of it failed"));
        };
        let of_part =
            SummarizationOptions { length: SummaryLength::Medium, kind: SummaryType::Tldr, max_new_tokens: None };
        let options = if self.is_last { self.options } else { of_part };
        let max_new_tokens = self.reply[usize::from(!self.is_last)];
        generator.start(
            prompt(generator, engine, &text, &options)?,
            &GenerationOptions { max_new_tokens, ..GenerationOptions::default() },
        )
    }

    /// Puts the summaries of this round together to the texts of the next one, at least two to each.
    fn next_round(&mut self, generator: &Generator) -> Result<()> {
        let mut groups: Vec<(String, usize, usize)> = Vec::new();
        for part in std::mem::take(&mut self.parts) {
            let tokens = generator.tokenizer().encode_segment(&part)?.len() + 1;
            match groups.last_mut().filter(|(_, count, sum)| *count < 2 || sum + tokens <= self.chunk) {
                Some((text, count, sum)) => {
                    text.push('\n');
                    text.push_str(&part);
                    *count += 1;
                    *sum += tokens;
                }
                None => groups.push((part, 1, tokens)),
            }
        }
        self.is_last = groups.len() == 1;
        self.texts = groups.into_iter().map(|(text, ..)| text).collect();
        Ok(())
    }

    /// What of the summary was not given out, of `text`, which is the summary or its beginning.
    fn added(&mut self, text: &str) -> String {
        let added = text.get(self.given..).unwrap_or_default().to_string();
        self.given += added.len();
        added
    }

    /// The beginning of the summary that does not change any more, whatever is written behind `reply`: the sentences that others
    /// follow. Where a sentence ends is known with the first letter behind it.
    pub(super) fn settled(&self, reply: &str) -> String {
        let sentences = self.source.check(reply);
        let has_letters = |checked: &Checked| reply[checked.sentence.clone()].contains(char::is_alphabetic);
        let count = sentences.iter().rposition(has_letters).unwrap_or(0);
        let kept = sentences[..count].iter().filter(|checked| checked.unsupported.is_empty());
        self.options.join(kept.map(|checked| &reply[checked.sentence.clone()]))
    }

    /// What is kept of a reply, and the sentences that the text does not support.
    pub(super) fn checked(&self, reply: &str, reason: FinishReason) -> (String, Vec<Unsupported>) {
        let mut sentences = self.source.check(reply);
        // The limit has cut the last one.
        if reason == FinishReason::Length && sentences.len() > 1 {
            sentences.pop();
        }
        let keeps_some = sentences.iter().any(|checked| checked.unsupported.is_empty());
        let (kept, refused): (Vec<_>, Vec<_>) = sentences.into_iter().partition(|it| it.unsupported.is_empty());
        let unsupported: Vec<Unsupported> = refused
            .into_iter()
            .map(|checked| Unsupported {
                sentence: reply[checked.sentence].to_string(),
                words: checked.unsupported,
                dropped: keeps_some,
            })
            .collect();
        let text = if keeps_some {
            let options = if self.is_last { self.options } else { SummarizationOptions::default() };
            options.join(kept.iter().map(|checked| &reply[checked.sentence.clone()]))
        } else {
            reply.trim().to_string()
        };
        (text, unsupported)
    }
}

/// The tokens that ask for a summary of `text`.
fn prompt(
    generator: &Generator,
    engine: &dyn TemplateEngine,
    text: &str,
    options: &SummarizationOptions,
) -> Result<Vec<u32>> {
    let count = options.count();
    let wanted = match (options.kind, count) {
        (SummaryType::Tldr, 1) => "Summarize the following text in one sentence.".to_string(),
        (SummaryType::Tldr, _) => format!("Summarize the following text in {count} sentences."),
        (SummaryType::KeyPoints, _) => {
            format!(
                "List the {count} most important points of the following text, each on a line that begins with \"- \"."
            )
        }
    };
    let request = format!("{wanted} Say only what the text says.\n\n{text}");
    if generator.template().is_none() {
        return generator.encode(&format!("{request}\n\nSummary:"));
    }
    let template = TemplateOptions { add_generation_prompt: true, ..TemplateOptions::default() };
    generator.chat_prompt(engine, &[Message::new("user", request)], &template)
}
