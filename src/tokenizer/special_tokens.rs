//! Special tokens: those that control a model, and what each is for.
//!
//! # Source
//! The names: `llama_vocab::impl::load` of llama.cpp. It takes tokens of these names for control tokens, whatever the file
//! says of their type.

use std::collections::HashSet;

/// The ids of tokens that have a role, where the vocabulary has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpecialIds {
    /// The beginning of a text.
    pub bos: Option<u32>,
    /// The end of a text.
    pub eos: Option<u32>,
    /// The end of a turn of a conversation.
    pub eot: Option<u32>,
    /// Before the text before the place that is to be filled in.
    pub fim_prefix: Option<u32>,
    /// Before the text behind that place.
    pub fim_suffix: Option<u32>,
    /// Before what is filled in.
    pub fim_middle: Option<u32>,
    /// All that end what is generated, in ascending order.
    pub end_of_generation: Vec<u32>,
    /// Whether a text begins with [`bos`](Self::bos).
    pub adds_bos: bool,
}

const EOT: [&str; 12] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "\u{2581}<EOT>",
    "[EOT]",
    "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>",
    "<end_of_utterance>",
    "<turn|>",
];
const FIM_PREFIX: [&str; 6] =
    ["<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<\u{ff5c}fim\u{2581}begin\u{ff5c}>", "<PRE>", "\u{2581}<PRE>"];
const FIM_SUFFIX: [&str; 6] =
    ["<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<\u{ff5c}fim\u{2581}hole\u{ff5c}>", "<SUF>", "\u{2581}<SUF>"];
const FIM_MIDDLE: [&str; 6] =
    ["<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<\u{ff5c}fim\u{2581}end\u{ff5c}>", "<MID>", "\u{2581}<MID>"];
/// Others that end what is generated: of messages, and of files where code is filled in.
const ENDS: [&str; 13] = [
    "<|eom_id|>",
    "<|return|>",
    "<|call|>",
    "[EOS]",
    "<eos>",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<|repo_name|>",
    "<|fim_repo|>",
    "<reponame>",
    "<|file_sep|>",
    "<PAD>",
];

impl SpecialIds {
    /// Looks up by name what is not there yet; `id` gives the id of a token.
    pub(super) fn look_up(&mut self, id: impl Fn(&str) -> Option<u32>) {
        let find = |names: &[&str]| names.iter().find_map(|name| id(name));
        self.eot = self.eot.or_else(|| find(&EOT));
        self.fim_prefix = self.fim_prefix.or_else(|| find(&FIM_PREFIX));
        self.fim_suffix = self.fim_suffix.or_else(|| find(&FIM_SUFFIX));
        self.fim_middle = self.fim_middle.or_else(|| find(&FIM_MIDDLE));
        let ends = EOT.iter().chain(&ENDS).filter_map(|name| id(name));
        self.end_of_generation.extend(ends.chain(self.eos).chain(self.eot));
        crate::sort::sort(&mut self.end_of_generation);
        self.end_of_generation.dedup();
    }

    /// All of them.
    pub(super) fn all(&self) -> HashSet<u32> {
        let roles = [self.bos, self.eos, self.eot, self.fim_prefix, self.fim_suffix, self.fim_middle];
        roles.into_iter().flatten().chain(self.end_of_generation.iter().copied()).collect()
    }
}
