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
mod overflow;
mod prefixes;
mod prompts;
mod random;
mod reply;
mod sampler;
mod text;

use std::future::ready;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use options::GenerationOptions;
pub use overflow::{Dropped, Overflow, Prompt};
pub use reply::{FinishReason, GeneratedToken, Piece, Reply, ReplyUsage};
pub use sampler::TokenProbability;

use crate::calibration::Calibration;
use crate::error::{Error, Result};
use crate::graph::{ComputeCost, GoOn};
use crate::models::{Decoder, KeyValueCache, Logits};
use crate::tokenizer::Tokenizer;
use chat::ChatTemplate;
use constraint::{Matcher, TokenTrie};
use lookup::Drafts;
use prefixes::Prefixes;
use sampler::{Chosen, Sampler};
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
    /// The bytes of the vocabulary, once a reply has a constraint.
    trie: OnceLock<Arc<TokenTrie>>,
    calibration: Option<Calibration>,
    weights_sha256: Option<String>,
}

/// A reply that is being generated.
pub struct Generation {
    options: GenerationOptions,
    /// The prompt and what was generated.
    ids: Vec<u32>,
    /// Tokens of the prompt.
    prompt: usize,
    /// What was left out of it.
    dropped: Option<Dropped>,
    /// Tokens of the prompt whose keys and values were there.
    cached: usize,
    /// `None` after an error.
    cache: Option<KeyValueCache>,
    sampler: Sampler,
    text: TextStream,
    matcher: Option<Matcher>,
    tokens: Vec<GeneratedToken>,
    /// Tokens that a piece was given of.
    given: usize,
    forced: usize,
    finish: Option<FinishReason>,
    /// Passes of the model that chose tokens.
    drafts: Drafts,
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
        let prefixes = Mutex::new(Prefixes::new(if decoder.is_batch_invariant() { KEPT_BYTES } else { 0 }));
        let (trie, calibration, weights_sha256) = (OnceLock::new(), None, None);
        Ok(Self { decoder, tokenizer, template, ends, prefixes, trie, calibration, weights_sha256 })
    }

    /// The same model with the calibration of the records that it reads out of texts, and the SHA-256 of its weights.
    #[must_use]
    pub fn with_calibration(self, calibration: Option<Calibration>, weights_sha256: Option<String>) -> Self {
        Self { calibration, weights_sha256, ..self }
    }

    /// The calibration of the records that it reads out of texts, where it has one.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// The SHA-256 of its weights in hexadecimal, where its manifest has it.
    pub fn weights_sha256(&self) -> Option<&String> {
        self.weights_sha256.as_ref()
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
        self.decoder.context()
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

    /// What a token is in a reply: its bytes, none for a special token, unless that is a part of a tool call.
    fn reply_bytes(&self, id: u32) -> Vec<u8> {
        if self.tokenizer.is_special(id) {
            let token = self.tokenizer.token(id);
            return if chat::is_tool_call_token(&token) { token.into_bytes() } else { Vec::new() };
        }
        self.tokenizer.token_bytes(id).unwrap_or_default().into_owned()
    }

    /// Begins a reply to `prompt`. A prompt beyond the context is made to fit by [`Self::fit`] or [`Self::fit_messages`].
    ///
    /// # Errors
    /// Invalid input: an option is out of range, the prompt is empty, it leaves no room for a token within the context, or a
    /// text as it must be needs more tokens than it may have. Unsupported: a part of a JSON schema or of a pattern.
    pub fn start(&self, prompt: impl Into<Prompt>, options: &GenerationOptions) -> Result<Generation> {
        options.check()?;
        let Prompt { ids: prompt, dropped } = prompt.into();
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
        let budget = options.max_new_tokens.min(self.context() - prompt.len());
        let matcher = match options.constraint()? {
            Some(constraint) => Some(Matcher::new(&constraint, self.trie()?, budget)?),
            None => None,
        };
        let cache = self.prefixes()?.take(&self.decoder, &prompt)?;
        Ok(Generation {
            options: options.clone(),
            prompt: prompt.len(),
            dropped,
            cached: cache.ids().len(),
            cache: Some(cache),
            sampler: Sampler::new(options, &prompt),
            text: TextStream::new(&options.stop),
            ids: prompt,
            matcher,
            tokens: Vec::new(),
            given: 0,
            forced: 0,
            finish: None,
            drafts: Drafts::default(),
            passes: 0,
            cost: ComputeCost::default(),
        })
    }

    /// The bytes of the vocabulary.
    fn trie(&self) -> Result<&Arc<TokenTrie>> {
        if let Some(trie) = self.trie.get() {
            return Ok(trie);
        }
        let size = self.decoder.vocabulary().min(self.tokenizer.vocabulary_size()) as u32;
        let tokens = (0..size).filter_map(|id| Some((id, self.tokenizer.token_bytes(id)?)));
        let trie = TokenTrie::new(tokens.filter(|(id, bytes)| !bytes.is_empty() && !self.ends.contains(id)))?;
        Ok(self.trie.get_or_init(|| Arc::new(trie)))
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
        let piece = self.step_while(generator, &|| Box::pin(ready(true))).await?;
        piece.ok_or_else(|| Error::internal("a step ended that nobody has stopped"))
    }

    /// As [`Self::step`], with `go_on` asked some times in each layer of the model whether to go on. `None` where it said no:
    /// the reply is as before the step, which can be taken again.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub async fn step_while(&mut self, generator: &Generator, go_on: &GoOn<'_>) -> Result<Option<Piece>> {
        if self.finish.is_some() {
            return Err(Error::invalid_input("the reply is complete"));
        }
        // What a constraint begins with is read with the prompt.
        if self.tokens.is_empty() && self.force(generator)? && self.finish.is_some() {
            return Ok(Some(self.piece()));
        }
        let Some(mut cache) = self.cache.take() else {
            return Err(Error::invalid_input("a step of this reply failed, so that it cannot go on"));
        };
        let read = cache.ids().len();
        let pending = &self.ids[read..];
        if pending.len() > CHUNK {
            let chunk = pending[..CHUNK].to_vec();
            let outcome = generator.decoder.forward_while(&mut cache, &chunk, Logits::Last(0), go_on).await?;
            self.cache = Some(cache);
            let Some((_, cost)) = outcome else { return Ok(None) };
            self.cost += cost;
            return Ok(Some(self.piece()));
        }
        // What is chosen now, and a token behind the draft, must fit the context and the limit.
        let room = (generator.context() - self.ids.len()).min(self.options.max_new_tokens - self.tokens.len());
        // A draft changes how many tokens are read at once, which must not change the reply.
        let is_allowed = self.options.prompt_lookup && generator.decoder.is_batch_invariant();
        let wants_draft = is_allowed && read >= self.prompt;
        let draft = if wants_draft { self.drafts.draft(&self.ids, room - 1).to_vec() } else { Vec::new() };
        let at_once = generator.decoder.tokens_at_once();
        if at_once > 0 && draft.is_empty() && self.matcher.is_none() && self.sampler.is_plain() {
            // The first token is shown as soon as it is there.
            let count = if read < self.prompt { 1 } else { at_once.min(room) };
            return self.step_on_gpu(generator, cache, count, go_on).await;
        }
        let mut chunk = pending.to_vec();
        let first = chunk.len() - 1;
        chunk.extend(&draft);
        // Those that choose what follows the last pending token, and each of the draft.
        let wanted = Logits::Last(1 + draft.len());
        let Some((mut logits, cost)) = generator.decoder.forward_while(&mut cache, &chunk, wanted, go_on).await? else {
            self.cache = Some(cache);
            return Ok(None);
        };
        self.cost += cost;
        self.passes += 1;
        let vocabulary = generator.decoder.vocabulary();
        for (row, logits) in logits.chunks_exact_mut(vocabulary).enumerate() {
            let id = self.choose(generator, logits)?;
            let forced = self.force(generator)?;
            if self.finish.is_some() || forced || draft.get(row) != Some(&id) {
                break;
            }
        }
        // Of the draft, what was not chosen is forgotten.
        let same = cache.ids()[read..].iter().zip(&self.ids[read..]).take_while(|(a, b)| a == b).count();
        if !draft.is_empty() {
            self.drafts.learn(same.saturating_sub(first + 1).min(draft.len()));
        }
        // Of what was forced behind a choice the draft may have all. The next choice needs the last token's logits.
        cache.truncate((read + same).min(self.ids.len() - 1));
        self.cache = Some(cache);
        Ok(Some(self.piece()))
    }

    /// A step whose tokens, at most `count`, are chosen on the GPU.
    async fn step_on_gpu(
        &mut self,
        generator: &Generator,
        mut cache: KeyValueCache,
        count: usize,
        go_on: &GoOn<'_>,
    ) -> Result<Option<Piece>> {
        let pending = self.ids[cache.ids().len()..].to_vec();
        let Some((chosen, cost)) = generator.decoder.choose_while(&mut cache, &pending, count, go_on).await? else {
            self.cache = Some(cache);
            return Ok(None);
        };
        self.cost += cost;
        self.passes += chosen.len();
        for token in chosen {
            let (id, logprob) = token.ok_or_else(no_number)?;
            self.sampler.count(id);
            self.take(generator, Chosen { token: TokenProbability { id, logprob }, top: Vec::new() })?;
            if self.finish.is_some() {
                break;
            }
        }
        // What was chosen behind the end is forgotten. The next choice needs the last token's logits.
        cache.truncate(self.ids.len() - 1);
        self.cache = Some(cache);
        Ok(Some(self.piece()))
    }

    /// What was added since the last piece.
    fn piece(&mut self) -> Piece {
        let text = if self.finish.is_some() { self.text.finish() } else { self.text.take() };
        let given = std::mem::replace(&mut self.given, self.tokens.len());
        Piece { text, tokens: self.tokens[given..].to_vec() }
    }

    /// Chooses the next token by its logits.
    fn choose(&mut self, generator: &Generator, logits: &mut [f32]) -> Result<u32> {
        let budget = self.budget(generator);
        let chosen = match &mut self.matcher {
            None => self.sampler.choose(logits, None),
            Some(matcher) => {
                let may_end = matcher.is_complete();
                let mask = matcher.allowed(budget);
                let allows = |id| mask.contains(id) || may_end && generator.ends.contains(&id);
                self.sampler.choose(logits, Some(&allows))
            }
        };
        let chosen = chosen.ok_or_else(no_number)?;
        let id = chosen.token.id;
        self.take(generator, chosen)?;
        Ok(id)
    }

    /// Takes a token that was chosen.
    fn take(&mut self, generator: &Generator, chosen: Chosen) -> Result<()> {
        let id = chosen.token.id;
        if generator.ends.contains(&id) {
            self.finish = Some(FinishReason::Stop);
            self.tokens.push(GeneratedToken { bytes: Vec::new(), token: chosen.token, top: chosen.top, forced: false });
            return Ok(());
        }
        self.append(generator, chosen, false)
    }

    /// Tokens that may still be generated.
    fn budget(&self, generator: &Generator) -> usize {
        let room = generator.context().saturating_sub(self.ids.len());
        room.min(self.options.max_new_tokens.saturating_sub(self.tokens.len()))
    }

    /// Appends the tokens that the constraint leaves no choice of. `false` where it leaves one of each.
    fn force(&mut self, generator: &Generator) -> Result<bool> {
        let budget = self.budget(generator);
        let Some(matcher) = self.matcher.as_mut().filter(|_| self.finish.is_none()) else { return Ok(false) };
        let forced = matcher.forced(budget);
        for id in &forced {
            self.sampler.count(*id);
            self.forced += 1;
            let token = TokenProbability { id: *id, logprob: 0.0 };
            self.append(generator, Chosen { token, top: Vec::new() }, true)?;
        }
        Ok(!forced.is_empty())
    }

    /// Appends a token to the text.
    fn append(&mut self, generator: &Generator, chosen: Chosen, forced: bool) -> Result<()> {
        let Chosen { token, top } = chosen;
        self.ids.push(token.id);
        let bytes = generator.reply_bytes(token.id);
        let mut ended = self.text.push(&bytes);
        if let Some(matcher) = &mut self.matcher {
            matcher.accept(&bytes)?;
            ended = matcher.must_stop();
        }
        self.tokens.push(GeneratedToken { bytes, token, top, forced });
        if ended {
            self.finish = Some(FinishReason::Stop);
        } else if self.budget(generator) == 0 {
            self.finish = Some(FinishReason::Length);
        }
        Ok(())
    }

    /// The reply as far as it has come. Its keys and values are kept for texts that begin in the same way.
    pub fn finish(mut self, generator: &Generator) -> Result<Reply> {
        // Of a reply that was stopped: what was held.
        let _ = self.text.finish();
        if let Some(cache) = self.cache.take() {
            generator.prefixes()?.put(cache);
        }
        let sum: f32 = self.tokens.iter().map(|token| token.token.logprob).sum();
        let (count, chosen) = (self.tokens.len(), self.tokens.len() - self.forced);
        let truncated = self.matcher.map_or(Vec::new(), |matcher| matcher.closed_by_budget().to_vec());
        let finish = match self.finish {
            Some(FinishReason::Stop) if !truncated.is_empty() => FinishReason::Length,
            finish => finish.unwrap_or(FinishReason::Aborted),
        };
        Ok(Reply {
            text: self.text.text().to_string(),
            finish_reason: finish,
            truncated,
            dropped: self.dropped,
            usage: ReplyUsage {
                prompt_tokens: self.prompt,
                cached_tokens: self.cached,
                completion_tokens: count,
                forced_tokens: self.forced,
                passes: self.passes,
            },
            confidence: if chosen == 0 { f32::from(count > 0) } else { (sum / chosen as f32).exp() },
            tokens: if self.options.logprobs.is_some() { self.tokens } else { Vec::new() },
            cost: self.cost,
        })
    }
}

fn no_number() -> Error {
    Error::internal("the model gave no number for any token that may follow")
}
