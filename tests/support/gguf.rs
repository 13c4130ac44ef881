//! GGUF files that hold a tokenizer alone or a small model, and lines to compare tokenizers on.

use std::collections::BTreeMap;

use pilot_light::tokenizer::Tokenizer;
use serde::Deserialize;

use super::golden_json;
use super::tokens::fnv1a;

/// A value of the metadata.
#[derive(Clone)]
pub enum Value {
    Bool(bool),
    U32(u32),
    Text(String),
    Texts(Vec<String>),
    Floats(Vec<f32>),
    Integers(Vec<i32>),
}

/// The alignment of tensors, which is the format's where the metadata have no other.
const ALIGNMENT: usize = 32;

/// A tensor of floats: its name, its dimensions with the slowest-varying first, and its elements.
pub type FloatTensor = (String, Vec<usize>, Vec<f32>);

/// A file with these keys and values and no tensors.
pub fn write(pairs: &BTreeMap<&str, Value>) -> Vec<u8> {
    write_with(pairs, &[])
}

/// A file with these keys, values and tensors.
pub fn write_with(pairs: &BTreeMap<&str, Value>, tensors: &[FloatTensor]) -> Vec<u8> {
    let string = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let array = |of: u32, length: usize, bytes: Vec<u8>| {
        [&9u32.to_le_bytes()[..], &of.to_le_bytes(), &(length as u64).to_le_bytes(), &bytes].concat()
    };
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend((tensors.len() as u64).to_le_bytes());
    file.extend((pairs.len() as u64).to_le_bytes());
    for (key, value) in pairs {
        file.extend(string(key));
        file.extend(match value {
            Value::Bool(truth) => [&7u32.to_le_bytes()[..], &[u8::from(*truth)]].concat(),
            Value::U32(number) => [4u32.to_le_bytes(), number.to_le_bytes()].concat(),
            Value::Text(text) => [&8u32.to_le_bytes()[..], &string(text)].concat(),
            Value::Texts(texts) => array(8, texts.len(), texts.iter().flat_map(|text| string(text)).collect()),
            Value::Floats(list) => array(6, list.len(), list.iter().flat_map(|number| number.to_le_bytes()).collect()),
            Value::Integers(list) => {
                array(5, list.len(), list.iter().flat_map(|number| number.to_le_bytes()).collect())
            }
        });
    }
    let mut offset = 0u64;
    for (name, shape, data) in tensors {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "{name}");
        file.extend(string(name));
        file.extend((shape.len() as u32).to_le_bytes());
        shape.iter().rev().for_each(|size| file.extend((*size as u64).to_le_bytes()));
        file.extend(0u32.to_le_bytes());
        file.extend(offset.to_le_bytes());
        offset += (data.len() as u64 * 4).next_multiple_of(ALIGNMENT as u64);
    }
    for (_, _, data) in tensors {
        file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
        data.iter().for_each(|number| file.extend(number.to_le_bytes()));
    }
    file
}

/// A vocabulary of `tests/golden/gguf/vocabularies.json`.
#[derive(Deserialize)]
pub struct Vocabulary {
    pub tokens: Vec<String>,
    pub types: Vec<i32>,
    #[serde(default)]
    pub merges: Vec<String>,
    #[serde(default)]
    pub scores: Vec<f32>,
}

impl Vocabulary {
    /// The metadata of a file with this vocabulary, for the kind `gpt2` where it has merges, else `llama`.
    pub fn metadata(self) -> BTreeMap<&'static str, Value> {
        let kind = if self.merges.is_empty() { "llama" } else { "gpt2" };
        let mut pairs = BTreeMap::from([
            ("tokenizer.ggml.model", Value::Text(kind.into())),
            ("tokenizer.ggml.tokens", Value::Texts(self.tokens)),
            ("tokenizer.ggml.token_type", Value::Integers(self.types)),
        ]);
        if kind == "gpt2" {
            pairs.insert("tokenizer.ggml.merges", Value::Texts(self.merges));
        } else {
            pairs.insert("tokenizer.ggml.scores", Value::Floats(self.scores));
        }
        pairs
    }
}

/// Lines of 1 to 12 fragments each, by a linear congruential generator: those that `tests/golden/gguf/tokens.mjs` makes.
pub fn lines(count: usize) -> Vec<String> {
    let fragments: Vec<String> = golden_json("gguf/fragments.json");
    let mut state: u32 = 17;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let mut line = || {
        let length = 1 + next(12);
        (0..length).map(|_| &*fragments[next(fragments.len())]).collect()
    };
    (0..count).map(|_| line()).collect()
}

/// What llama.cpp makes of the lines: a digest of the ids of each hundred.
#[derive(Deserialize)]
pub struct LineDigests {
    /// Without special tokens in the text.
    segment: Vec<String>,
    /// With them.
    prompt: Vec<String>,
}

/// Lines of a digest.
const GROUP: usize = 100;

impl LineDigests {
    /// What differs, one line for each hundred.
    pub fn compare(&self, name: &str, tokenizer: &Tokenizer) -> Vec<String> {
        let mut wrong = Vec::new();
        for (digests, trusted) in [(&self.segment, false), (&self.prompt, true)] {
            assert!(digests.len() >= 10, "{name}");
            for (at, (lines, digest)) in lines(digests.len() * GROUP).chunks(GROUP).zip(digests).enumerate() {
                let ids = lines.iter().map(|line| match tokenizer.encode_parts(&[(line, trusted)]) {
                    Ok(ids) => ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
                    Err(error) => error.to_string(),
                });
                if fnv1a(ids.collect::<Vec<_>>().join("\n").as_bytes()) != *digest {
                    wrong.push(format!("{name}: a line from {} on, with special tokens: {trusted}", at * GROUP));
                }
            }
        }
        wrong
    }
}
