//! What decoding needs of a tokenizer: prompts whose texts cannot control the model, and the bytes of tokens.

use std::borrow::Cow;

use super::{SpecialIds, Tokenizer};
use crate::error::Result;

impl Tokenizer {
    /// The ids of a prompt, in which special tokens such as `<|im_end|>` are recognised. None are put around it.
    ///
    /// # Errors
    /// As for [`Self::encode`].
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_parts(&[(text, true)])
    }

    /// The ids of a text of a user: a special token in it is what its characters are. None are put around it.
    ///
    /// # Errors
    /// As for [`Self::encode`].
    pub fn encode_segment(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_parts(&[(text, false)])
    }

    /// The ids of a prompt that is put together from parts: special tokens are recognised where they lie within one part
    /// with `true`. Apart from that the ids are those of the whole, as tokens may reach over the ends of parts.
    ///
    /// # Errors
    /// As for [`Self::encode`].
    ///
    /// ```
    /// use pilot_light::tokenizer::Tokenizer;
    ///
    /// let json = r#"{ "model": { "type": "WordLevel", "vocab": { "[END]": 0, "[": 1, "END": 2, "]": 3, "hi": 4 } },
    ///     "pre_tokenizer": { "type": "Whitespace" }, "added_tokens": [{ "id": 0, "content": "[END]", "special": true }] }"#;
    /// let tokenizer = Tokenizer::from_json(json)?;
    /// assert_eq!(tokenizer.encode_parts(&[("hi [END]", false), ("[END]", true)])?, [4, 1, 2, 3, 0]);
    /// # Ok::<(), pilot_light::Error>(())
    /// ```
    pub fn encode_parts(&self, parts: &[(&str, bool)]) -> Result<Vec<u32>> {
        let text: Cow<'_, str> = match parts {
            [(text, _)] => (*text).into(),
            parts => parts.iter().map(|(text, _)| *text).collect::<String>().into(),
        };
        let mut end = 0;
        let mut trusted = Vec::new();
        for (text, is_trusted) in parts {
            let start = end;
            end += text.len();
            trusted.extend(is_trusted.then_some(start..end));
        }
        let allowed =
            |span: std::ops::Range<usize>| trusted.iter().any(|part| part.start <= span.start && span.end <= part.end);
        Ok(self.tokens(&text, &allowed)?.into_iter().map(|token| token.id).collect())
    }

    /// The bytes that the token `id` contributes to a text: none for special tokens; `None` for an unknown id. The bytes of
    /// tokens one after the other are the text that they are, but for the space that some tokenizers put before a text
    /// ([`starts_with_space`](Self::starts_with_space)).
    pub fn token_bytes(&self, id: u32) -> Option<Cow<'_, [u8]>> {
        let token = self.content(id)?;
        Some(match &self.decoder {
            _ if self.is_special(id) => Cow::Borrowed(&[]),
            Some(decoder) => decoder.token_bytes(token).into(),
            None => token.as_bytes().into(),
        })
    }

    /// Whether the bytes of a text's tokens begin with a space that is not in the text.
    pub fn starts_with_space(&self) -> bool {
        self.decoder.as_ref().is_some_and(|decoder| decoder.strips_space())
    }

    /// One more than the largest id.
    pub fn vocabulary_size(&self) -> usize {
        self.added.ids().max(self.model.vocabulary().ids()) as usize
    }

    /// The id of a token, written as the vocabulary has it.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.added.id(token).or_else(|| self.model.vocabulary().id(token))
    }

    /// Whether the token is no part of a text: it controls the model, stands for what is unknown, or is not used.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.contains(&id)
    }

    /// The ids of the tokens that have a role.
    pub fn special_ids(&self) -> &SpecialIds {
        &self.special_ids
    }
}
