//! Prompts of a generator: conversations by its template, and code with a gap.

use super::Generator;
use super::chat::{Message, PromptTokenizer, SpecialToken, TemplateEngine, TemplateOptions, prompt_ids};
use crate::error::{Error, Result};

/// In front of a text so that no space is put before it; Meta's code for CodeLlama has the same character.
const MARK: &str = "\u{263a}";

impl Generator {
    /// The tokens of the prompt for `messages`, by the model's chat template. No text of theirs becomes a control token.
    ///
    /// # Errors
    /// Unsupported: the model has no chat template. Those of [`prompt_ids`].
    pub fn chat_prompt(
        &self,
        engine: &dyn TemplateEngine,
        messages: &[Message],
        options: &TemplateOptions,
    ) -> Result<Vec<u32>> {
        let Some(template) = self.template() else {
            return Err(Error::unsupported("the model has no chat template: expected a prompt, got messages"));
        };
        let tokenizer = self.tokenizer();
        let ids = 0..tokenizer.vocabulary_size() as u32;
        let special_tokens: Vec<SpecialToken> = ids
            .filter(|id| tokenizer.is_special(*id))
            .map(|id| SpecialToken { text: tokenizer.token(id), id })
            .collect();
        let special = tokenizer.special_ids();
        let tokenizer = PromptTokenizer {
            special_tokens: &special_tokens,
            bos: special.bos.filter(|_| special.adds_bos),
            encode: &|text| tokenizer.encode_segment(text),
        };
        prompt_ids(template, engine, &tokenizer, messages, options)
    }

    /// The tokens of a prompt that asks for what is between `prefix` and `suffix`, in which nothing is a control token.
    ///
    /// # Source
    /// Bavarian et al. 2022, <https://arxiv.org/abs/2207.14255>: prefix, suffix, middle, as llama.cpp's `/infill` has them.
    /// `infilling_prompt_tokens` of CodeLlama: no space is put before the suffix.
    ///
    /// # Errors
    /// Unsupported: the model has no tokens to fill in the middle. Those of the tokenizer.
    pub fn infill_prompt(&self, prefix: &str, suffix: &str) -> Result<Vec<u32>> {
        let special = self.tokenizer().special_ids();
        let (Some(before), Some(behind), Some(middle)) = (special.fim_prefix, special.fim_suffix, special.fim_middle)
        else {
            return Err(Error::unsupported("the model has no tokens to fill in the middle, which a suffix needs"));
        };
        let mut ids: Vec<u32> = special.bos.filter(|_| special.adds_bos).into_iter().collect();
        ids.push(before);
        ids.extend(self.tokenizer().encode_segment(prefix)?);
        ids.push(behind);
        ids.extend(self.encode_continuation(suffix)?);
        ids.push(middle);
        Ok(ids)
    }

    /// The tokens of a user's text that goes on from another one: without the space that some tokenizers put before texts.
    fn encode_continuation(&self, text: &str) -> Result<Vec<u32>> {
        let tokenizer = self.tokenizer();
        if !tokenizer.starts_with_space() {
            return tokenizer.encode_segment(text);
        }
        let mark = tokenizer.encode_segment(MARK)?;
        let ids = tokenizer.encode_segment(&format!("{MARK}{text}"))?;
        match ids.strip_prefix(&mark[..]) {
            Some(rest) => Ok(rest.to_vec()),
            None => tokenizer.encode_segment(text),
        }
    }
}
