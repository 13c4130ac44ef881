//! Text generation: a decoder and its tokenizer, and replies that grow step by step.
//!
//! ```text
//! Generator::start -> Generation; Generation::step, again and again -> Piece; Generation::finish -> Reply
//! ```
//!
//! A step reads at most [`CHUNK`] tokens of a prompt, or chooses a few tokens. Between steps the caller may stop, show what
//! is there, or let another reply go on: nothing is computed but in steps.

pub mod chat;
pub mod constraint;
mod lookup;
mod options;
mod prefixes;
mod random;
mod reply;
mod sampler;
mod text;

use std::sync::{Mutex, PoisonError};

pub use options::GenerationOptions;
pub use reply::{FinishReason, GeneratedToken, Piece, Reply, Usage};
pub use sampler::TokenProbability;

use crate::error::{Error, Result};
use crate::graph::ComputeCost;
use crate::models::{Decoder, KeyValueCache, Logits};
use crate::tokenizer::Tokenizer;
use chat::ChatTemplate;
use prefixes::Prefixes;
use sampler::Sampler;
use text::TextStream;

/// Tokens of a prompt that are read at once.
pub const CHUNK: usize = 64;
/// The bytes of keys and values that are kept for texts which begin in the same way.
const KEPT_BYTES: usize = 256 << 20;

/// A model that generates text.
pub struct Generator {
    decoder: Decoder,
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    /// The tokens that end a text.
    ends: Vec<u32>,
    prefixes: Mutex<Prefixes>,
}

/// A reply that is being generated.
pub struct Generation {
    options: GenerationOptions,
    /// The prompt and what was generated.
    ids: Vec<u32>,
    /// Tokens of the prompt.
    prompt: usize,
    /// Tokens of the prompt whose keys and values were there.
    cached: usize,
    /// `None` after an error.
    cache: Option<KeyValueCache>,
    sampler: Sampler,
    text: TextStream,
    tokens: Vec<GeneratedToken>,
    finish: Option<FinishReason>,
    /// Passes of the model that chose tokens.
    passes: usize,
    cost: ComputeCost,
}

impl Generator {
    /// A model of a decoder and its tokenizer, with the template of conversations where there is one. The tokens `ends` end a
    /// text, next to those that the tokenizer knows of.
    ///
    /// # Errors
    /// Invalid artefact: there is no token that ends a text.
    pub fn new(decoder: Decoder, tokenizer: Tokenizer, template: Option<ChatTemplate>, ends: &[u32]) -> Result<Self> {
        let ends = [ends, &tokenizer.special_ids().end_of_generation].concat();
        if ends.is_empty() {
            return Err(Error::invalid_artefact("the model has no token that ends a text"));
        }
        Ok(Self { decoder, tokenizer, template, ends, prefixes: Mutex::new(Prefixes::new(KEPT_BYTES)) })
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The template of conversations, where the model has one.
    pub fn template(&self) -> Option<&ChatTemplate> {
        self.template.as_ref()
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The most tokens of a prompt and its reply.
    pub fn context(&self) -> usize {
        self.decoder.sizes().context
    }

    /// The tokens of a prompt as it is, in which special tokens are recognised, with the beginning of a text where the
    /// tokenizer puts one before texts.
    ///
    /// # Errors
    /// Those of the tokenizer.
    pub fn encode(&self, prompt: &str) -> Result<Vec<u32>> {
        let mut ids = self.tokenizer.encode_prompt(prompt)?;
        let special = self.tokenizer.special_ids();
        if let Some(bos) = special.bos.filter(|bos| special.adds_bos && ids.first() != Some(bos)) {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    /// Begins a reply to the tokens `prompt`.
    ///
    /// # Errors
    /// Invalid input: an option is out of range, the prompt is empty, or it leaves no room for a token within the context.
    pub fn start(&self, prompt: Vec<u32>, options: &GenerationOptions) -> Result<Generation> {
        options.check()?;
        if prompt.is_empty() {
            return Err(Error::invalid_input("the prompt has no tokens"));
        }
        if prompt.len() >= self.context() {
            return Err(Error::invalid_input(format!(
                "the prompt has {} tokens, and the model reads at most {} with its reply",
                prompt.len(),
                self.context()
            )));
        }
        let cache = self.prefixes()?.take(&self.decoder, &prompt)?;
        Ok(Generation {
            options: options.clone(),
            prompt: prompt.len(),
            cached: cache.ids().len(),
            cache: Some(cache),
            sampler: Sampler::new(options, &prompt),
            text: TextStream::new(&options.stop),
            ids: prompt,
            tokens: Vec::new(),
            finish: None,
            passes: 0,
            cost: ComputeCost::default(),
        })
    }

    fn prefixes(&self) -> Result<std::sync::MutexGuard<'_, Prefixes>> {
        // What it holds is whole between its methods, so one that panicked has broken nothing.
        Ok(self.prefixes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Generation {
    /// Why the reply is complete; `None` while it is not.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.finish
    }

    /// Tokens of the prompt that were read, of all of them.
    pub fn prompt_progress(&self) -> (usize, usize) {
        let read = self.cache.as_ref().map_or(0, |cache| cache.ids().len());
        (read.min(self.prompt), self.prompt)
    }

    /// Goes on by one pass of the model.
    ///
    /// # Errors
    /// Invalid input: the reply is complete, or a step failed before; there is not enough memory. Device lost.
    pub async fn step(&mut self, generator: &Generator) -> Result<Piece> {
        if self.finish.is_some() {
            return Err(Error::invalid_input("the reply is complete"));
        }
        let Some(mut cache) = self.cache.take() else {
            return Err(Error::invalid_input("a step of this reply failed, so that it cannot go on"));
        };
        let read = cache.ids().len();
        let pending = &self.ids[read..];
        if pending.len() > CHUNK {
            let chunk = pending[..CHUNK].to_vec();
            let (_, cost) = generator.decoder.forward(&mut cache, &chunk, Logits::Last).await?;
            self.cost += cost;
            self.cache = Some(cache);
            return Ok(Piece::default());
        }
        // What is chosen now, and a token behind the draft, must fit the context and the limit.
        let room = (generator.context() - self.ids.len()).min(self.options.max_new_tokens - self.tokens.len());
        let wants_draft = self.options.prompt_lookup && read >= self.prompt;
        let draft = if wants_draft { lookup::draft(&self.ids, room - 1).to_vec() } else { Vec::new() };
        let mut chunk = pending.to_vec();
        let first = chunk.len() - 1;
        chunk.extend(&draft);
        let wanted = if draft.is_empty() { Logits::Last } else { Logits::All };
        let (mut logits, cost) = generator.decoder.forward(&mut cache, &chunk, wanted).await?;
        self.cost += cost;
        self.passes += 1;
        let vocabulary = generator.decoder.sizes().vocabulary;
        let rows = logits.chunks_exact_mut(vocabulary).skip(if draft.is_empty() { 0 } else { first });
        let before = self.tokens.len();
        for (row, logits) in rows.enumerate() {
            let id = self.choose(generator, logits)?;
            if self.finish.is_some() || draft.get(row) != Some(&id) {
                break;
            }
        }
        // Of the draft, what was not chosen is forgotten.
        let same = cache.ids()[read..].iter().zip(&self.ids[read..]).take_while(|(a, b)| a == b).count();
        cache.truncate(read + same);
        self.cache = Some(cache);
        let text = if self.finish.is_some() { self.text.finish() } else { self.text.take() };
        Ok(Piece { text, tokens: self.tokens[before..].to_vec() })
    }

    /// Chooses the next token by its logits.
    fn choose(&mut self, generator: &Generator, logits: &mut [f32]) -> Result<u32> {
        let chosen = self.sampler.choose(logits, None);
        let Some(chosen) = chosen else {
            return Err(Error::internal("the model gave no number for any token"));
        };
        let id = chosen.token.id;
        if generator.ends.contains(&id) {
            self.finish = Some(FinishReason::Stop);
            self.tokens.push(GeneratedToken { bytes: Vec::new(), token: chosen.token, top: chosen.top });
            return Ok(id);
        }
        self.ids.push(id);
        let bytes = generator.tokenizer.token_bytes(id).unwrap_or_default().into_owned();
        let stopped = self.text.push(&bytes);
        self.tokens.push(GeneratedToken { bytes, token: chosen.token, top: chosen.top });
        if stopped {
            self.finish = Some(FinishReason::Stop);
        } else if self.tokens.len() >= self.options.max_new_tokens || self.ids.len() >= generator.context() {
            self.finish = Some(FinishReason::Length);
        }
        Ok(id)
    }

    /// The reply as far as it has come. Its keys and values are kept for texts that begin in the same way.
    pub fn finish(mut self, generator: &Generator) -> Result<Reply> {
        // Of a reply that was stopped: what was held.
        let _ = self.text.finish();
        if let Some(cache) = self.cache.take() {
            generator.prefixes()?.put(cache);
        }
        let sum: f32 = self.tokens.iter().map(|token| token.token.logprob).sum();
        let count = self.tokens.len();
        Ok(Reply {
            text: self.text.text().to_string(),
            finish_reason: self.finish.unwrap_or(FinishReason::Aborted),
            usage: Usage {
                prompt_tokens: self.prompt,
                cached_tokens: self.cached,
                completion_tokens: count,
                passes: self.passes,
            },
            confidence: if count == 0 { 0.0 } else { (sum / count as f32).exp() },
            tokens: if self.options.logprobs.is_some() { self.tokens } else { Vec::new() },
            cost: self.cost,
        })
    }
}
