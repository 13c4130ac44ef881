//! Tokenizers from the metadata of GGUF files.
//!
//! # Source
//! `llama_vocab::impl::load` of llama.cpp for the keys, `llm_tokenizer_bpe` for the patterns, `llm_tokenizer_spm` for
//! SentencePiece's BPE. What follows a special token gets a space of its own, where texts begin with one, as there.

use super::added_tokens::{AddedToken, AddedTokens};
use super::decoders::Decoder;
use super::models::{Bpe, Merge, Model, ScoreBpe};
use super::normalizers::Normalizer;
use super::pattern::Pattern;
use super::pieces::Behavior;
use super::post_processors::Framing;
use super::pre_tokenizers::PreTokenizer;
use super::vocabulary::Vocabulary;
use super::{SpecialIds, Tokenizer, Truncation};
use crate::error::{Error, Result};
use crate::formats::gguf::Metadata;

const MODEL_KEY: &str = "tokenizer.ggml.model";
const PRE_KEY: &str = "tokenizer.ggml.pre";
const TOKENS_KEY: &str = "tokenizer.ggml.tokens";
const TYPES_KEY: &str = "tokenizer.ggml.token_type";
const SCORES_KEY: &str = "tokenizer.ggml.scores";
const MERGES_KEY: &str = "tokenizer.ggml.merges";
const UNKNOWN_KEY: &str = "tokenizer.ggml.unknown_token_id";
/// Whether a text begins with a space, and whether others at its ends and behind a space go.
const SPACE_KEY: &str = "tokenizer.ggml.add_space_prefix";
const EXTRA_SPACE_KEY: &str = "tokenizer.ggml.remove_extra_whitespaces";

/// SentencePiece's mark for a space.
const MARK: &str = "\u{2581}";

/// Types of tokens, by the format's numbers.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;
const BYTE: i64 = 6;

/// GPT-2's pattern.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// A digit.
const DIGIT: &str = r"\p{N}";
/// That of Llama 3, with numbers in groups of up to three digits.
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// That of Qwen2, with each digit by itself.
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How texts are split for a model: names that files have for it, patterns that are applied one after the other, and whether
/// a piece that is in the vocabulary is that token, whatever its merges.
struct Split {
    names: &'static [&'static str],
    patterns: &'static [&'static str],
    ignores_merges: bool,
}

const SPLITS: [Split; 6] = [
    Split {
        names: &["default"],
        patterns: &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
        ignores_merges: false,
    },
    Split {
        names: &[
            "gpt-2",
            "phi-2",
            "mpt",
            "olmo",
            "roberta-bpe",
            "modern-bert",
            "gigachat",
            "mellum",
            "jais",
            "trillion",
        ],
        patterns: &[GPT2],
        ignores_merges: false,
    },
    Split {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
        patterns: &[DIGIT, GPT2],
        ignores_merges: false,
    },
    Split {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "lfm2"],
        patterns: &[LLAMA3],
        ignores_merges: true,
    },
    Split {
        names: &["qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez"],
        patterns: &[QWEN2],
        ignores_merges: false,
    },
    Split {
        names: &["deepseek-coder"],
        patterns: &[
            r"[\r\n]",
            r"\s?\p{L}+",
            r"\s?\p{P}+",
            r"[\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+",
            DIGIT,
        ],
        ignores_merges: false,
    },
];

impl Tokenizer {
    /// The tokenizer of a GGUF file: byte-level BPE (`gpt2`) or SentencePiece's BPE (`llama`).
    ///
    /// # Errors
    /// Unsupported: another kind of model or of pre-tokenizer, which is named. Invalid artefact: a key is missing, has
    /// another type, or does not fit the others.
    pub fn from_gguf(metadata: &Metadata<'_>) -> Result<Self> {
        let model = required(MODEL_KEY, metadata.get_str(MODEL_KEY)?)?;
        let split = match model {
            "gpt2" => Some(split(metadata)?),
            "llama" => None,
            other => return Err(Error::unsupported(format!("{MODEL_KEY}: expected gpt2 or llama, got {other:?}"))),
        };
        let tokens = required(TOKENS_KEY, metadata.get_strings(TOKENS_KEY)?)?;
        if tokens.is_empty() {
            return Err(Error::invalid_artefact(format!("{TOKENS_KEY}: expected a token, got none")));
        }
        let mut types = metadata.get_integers(TYPES_KEY)?.unwrap_or_else(|| vec![0; tokens.len()]);
        check_length(TYPES_KEY, types.len(), tokens.len())?;
        let mut vocabulary = Vocabulary::default();
        if !tokens.iter().zip(0..).all(|(token, id)| vocabulary.insert(token, id)) {
            return Err(Error::unsupported(format!("{TOKENS_KEY}: {} tokens are too many", tokens.len())));
        }
        let mut special_ids = special_ids(metadata, split, tokens.len())?;
        special_ids.look_up(|name| vocabulary.id(name));
        for id in special_ids.all() {
            types[id as usize] = CONTROL;
        }
        let added = added_tokens(&tokens, &types);
        // So that no characters of a text become them.
        added.iter().filter(|(_, token)| token.special).for_each(|(_, token)| vocabulary.hide(&token.content));
        let special = (0..).zip(&types).filter(|(_, of)| matches!(**of, UNKNOWN | CONTROL | UNUSED));
        let special = special.map(|(id, _)| id).collect();
        let begins_with_space = split.is_none() && metadata.get_bool(SPACE_KEY)?.unwrap_or(true);
        let (model, normalizer, pre_tokenizer, decoder) = match split {
            Some(split) => {
                let merges = required(MERGES_KEY, metadata.get_strings(MERGES_KEY)?)?;
                let model =
                    byte_level_bpe(&vocabulary, &merges, split.ignores_merges).map_err(|error| wrong(&error))?;
                (Model::bpe(vocabulary, model), None, Some(pre_tokenizer(split)?), Decoder::ByteLevel)
            }
            None => {
                let mut scores = required(SCORES_KEY, metadata.get_floats(SCORES_KEY)?)?;
                check_length(SCORES_KEY, scores.len(), tokens.len())?;
                scores.iter_mut().zip(&types).filter(|(_, of)| **of == BYTE).for_each(|(score, _)| *score = f32::NAN);
                let model = ScoreBpe::new(scores, token_id(metadata, UNKNOWN_KEY, tokens.len())?.or(Some(0)));
                let normalizer = escape_spaces(metadata, begins_with_space)?;
                (Model::score_bpe(vocabulary, model), Some(normalizer), None, unescape_spaces(begins_with_space))
            }
        };
        Ok(Self {
            added: AddedTokens::new(added, |text| Ok(text.into())).map_err(|error| wrong(&error))?,
            normalizer,
            pre_tokenizer,
            model,
            framing: Framing::default(),
            decoder: Some(decoder),
            special_ids,
            special,
            truncation: Truncation::default(),
        })
    }
}

/// How the texts of the file's model are split.
fn split(metadata: &Metadata<'_>) -> Result<&'static Split> {
    let pre = metadata.get_str(PRE_KEY)?.unwrap_or("default");
    SPLITS.iter().find(|split| split.names.contains(&pre)).ok_or_else(|| {
        let known: Vec<&str> = SPLITS.iter().flat_map(|split| split.names).copied().collect();
        Error::unsupported(format!("{PRE_KEY}: expected one of {}, got {pre:?}", known.join(", ")))
    })
}

/// The tokens with a role that the file says itself. Those that it does not say are SentencePiece's, where it is of that kind.
fn special_ids(metadata: &Metadata<'_>, split: Option<&Split>, tokens: usize) -> Result<SpecialIds> {
    let id = |name: &str| token_id(metadata, &format!("tokenizer.ggml.{name}_token_id"), tokens);
    // With a name that older files have.
    let either = |name: &str, old: &str| Ok::<_, Error>(id(name)?.or(id(old)?));
    let by_default = |id: u32| split.is_none().then_some(id).filter(|id| (*id as usize) < tokens);
    let bos = id("bos")?.or(by_default(1));
    let adds_bos = metadata.get_bool("tokenizer.ggml.add_bos_token")?;
    let mut ends = Vec::new();
    for name in ["eom", "fim_pad", "fim_rep", "fim_sep"] {
        ends.extend(id(name)?);
    }
    Ok(SpecialIds {
        bos,
        eos: id("eos")?.or(by_default(2)),
        eot: id("eot")?,
        fim_prefix: either("fim_pre", "prefix")?,
        fim_suffix: either("fim_suf", "suffix")?,
        fim_middle: either("fim_mid", "middle")?,
        end_of_generation: ends,
        adds_bos: bos.is_some() && adds_bos.unwrap_or(split.is_none_or(|split| split.ignores_merges)),
    })
}

/// The id of a token that `key` gives.
fn token_id(metadata: &Metadata<'_>, key: &str, tokens: usize) -> Result<Option<u32>> {
    match metadata.get_u32(key)? {
        Some(id) if id as usize >= tokens => Err(wrong(&format!("{key}: expected an id below {tokens}, got {id}"))),
        id => Ok(id),
    }
}

/// The tokens that are found in a text before it is split: special ones, and those that a user defined.
fn added_tokens(tokens: &[&str], types: &[i64]) -> Vec<(u32, AddedToken)> {
    let tokens = (0..).zip(tokens).zip(types).filter(|((_, content), _)| !content.is_empty());
    let added = tokens.filter(|(_, of)| matches!(**of, UNKNOWN | CONTROL | USER_DEFINED));
    let token = |((id, content), of): ((u32, &&str), &i64)| {
        (id, AddedToken { content: (*content).into(), special: *of != USER_DEFINED, ..AddedToken::default() })
    };
    added.map(token).collect()
}

fn byte_level_bpe(vocabulary: &Vocabulary, merges: &[&str], ignore_merges: bool) -> std::result::Result<Bpe, String> {
    let mut pairs = Vec::with_capacity(merges.len());
    for merge in merges {
        // The first token may begin with a space, where it is not byte-level.
        let at = merge.char_indices().skip(1).find(|(_, letter)| *letter == ' ').map(|(at, _)| at);
        let (left, right) = at
            .and_then(|at| Some((merge.get(..at)?, merge.get(at + 1..)?)))
            .ok_or_else(|| format!("{MERGES_KEY}: expected two tokens, got {merge:?}"))?;
        pairs.push(Merge::Pair(left.into(), right.into()));
    }
    let mut model = Bpe::new(vocabulary, &pairs, String::new())?;
    model.ignore_merges = ignore_merges;
    Ok(model)
}

fn pre_tokenizer(split: &Split) -> Result<PreTokenizer> {
    let (last, others) = split.patterns.split_last().unwrap_or((&GPT2, &[]));
    let use_regex = *last == GPT2;
    let mut stages = Vec::new();
    for pattern in others.iter().chain((!use_regex).then_some(last)) {
        stages.push(match *pattern {
            DIGIT => PreTokenizer::Digits { individual_digits: true },
            pattern => PreTokenizer::Split { pattern: regex(pattern)?, behavior: Behavior::Isolated, invert: false },
        });
    }
    stages.push(PreTokenizer::ByteLevel { add_prefix_space: false, use_regex });
    Ok(PreTokenizer::Sequence { pretokenizers: stages })
}

/// Spaces as SentencePiece marks them.
fn escape_spaces(metadata: &Metadata<'_>, begins_with_space: bool) -> Result<Normalizer> {
    let replace = |pattern, content: &str| Normalizer::Replace { pattern, content: content.into() };
    let mut normalizers = Vec::new();
    if metadata.get_bool(EXTRA_SPACE_KEY)? == Some(true) {
        normalizers.push(replace(regex(r"\A +| +\z")?, ""));
        normalizers.push(replace(regex(" {2,}")?, " "));
    }
    if begins_with_space {
        normalizers.push(Normalizer::Prepend { prepend: " ".into() });
    }
    normalizers.push(replace(Pattern::Text(" ".into()), MARK));
    Ok(Normalizer::Sequence { normalizers })
}

fn unescape_spaces(begins_with_space: bool) -> Decoder {
    let spaces = Decoder::Replace { pattern: Pattern::Text(MARK.into()), content: " ".into() };
    let mut decoders = vec![spaces, Decoder::ByteFallback, Decoder::Fuse];
    decoders.extend(begins_with_space.then_some(Decoder::Strip { content: ' ', start: 1, stop: 0 }));
    Decoder::Sequence { decoders }
}

fn regex(source: &str) -> Result<Pattern> {
    Pattern::regex(source).map_err(|error| Error::internal(format!("tokenizer: {error}")))
}

fn required<T>(key: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Metadata::missing(key))
}

/// There may be more values than tokens, as files are padded.
fn check_length(key: &str, values: usize, tokens: usize) -> Result<()> {
    match values < tokens {
        true => Err(wrong(&format!("{key}: expected {tokens} values, one for each token, got {values}"))),
        false => Ok(()),
    }
}

fn wrong(error: &str) -> Error {
    Error::invalid_artefact(format!("the tokenizer of the GGUF file is not right: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::pattern::javascript;

    #[test]
    fn a_browser_has_all_patterns() {
        for pattern in SPLITS.iter().flat_map(|split| split.patterns).chain(&[r"\A +| +\z", " {2,}"]) {
            assert!(javascript::translate(pattern).is_ok(), "{pattern}");
            assert!(regex(pattern).is_ok(), "{pattern}");
        }
    }
}
