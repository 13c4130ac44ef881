//! multilingual-e5-small with its SentencePiece tokenizer, against its encoder written out in numpy (`tests/golden/e5.py`).
//!
//! The package that carries it has it in 4 bits, in a format of its own, which `e5.c` in the package reads. Here it becomes the
//! files that Hugging Face's libraries would write.

use std::collections::HashMap;

use pilot_light::tasks::{FeatureExtraction, FeatureExtractionOptions, Pooling, Task, TextModel};
use pilot_light::{Device, LoadOptions, Loader};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{cosine, fetched, golden_json};

#[derive(Deserialize)]
struct Case {
    prompt: String,
    text: String,
    tokens: usize,
    embedding: Vec<f32>,
}

#[test]
fn embeddings_agree_with_the_reference() {
    let cases: Vec<Case> = golden_json("e5.json");
    assert_eq!(cases.len(), 50);
    let model =
        load(&Packed::read(&std::fs::read(fetched("samples/multilingual-e5-small/model.bin")).expect("a file")));
    let mut worst = 1.0;
    for Case { prompt, text, tokens, embedding } in cases {
        let prompted = format!("{prompt}: {text}");
        assert_eq!(model.count_tokens(&prompted).expect("tokens"), tokens, "{text:?}");
        let options = FeatureExtractionOptions { pooling: Pooling::Mean, normalize: true, ..Default::default() };
        let found = pollster::block_on(model.run::<FeatureExtraction>(&[prompted], &options)).expect("a result");
        let cosine = cosine(&found.data, &embedding);
        worst = cosine.min(worst);
        assert!(cosine >= 0.9999, "{text:?}: {cosine}");
    }
    println!("lowest cosine to the reference: {worst:.8}");
}

/// The model of a packed file, loaded as a folder of a checkpoint would be.
fn load(packed: &Packed) -> TextModel {
    let mut loader = Loader::new(Device::cpu(), Task::FeatureExtraction, LoadOptions::default());
    loop {
        let round = loader.wants().expect("requests");
        if round.is_empty() {
            return loader.finish().and_then(|loaded| loaded.text()).expect("a model");
        }
        for request in round {
            let supplied = match &*request.name {
                "config.json" => loader.supply(&request.name, packed.config().to_string().as_bytes(), true),
                "tokenizer.json" => loader.supply(&request.name, packed.tokenizer().to_string().as_bytes(), true),
                "model.safetensors" => packed.weights(&mut |bytes, last| {
                    loader.supply(&request.name, bytes, last).expect("weights");
                }),
                _ => loader.missing(&request.name),
            };
            supplied.expect("a file");
        }
    }
}

/// A tensor of the file: in blocks of 4 bits (`true`) or of 32-bit floats, where it begins, and how many numbers it has.
type Entry = (bool, usize, usize);

/// A packed file.
struct Packed<'a> {
    bytes: &'a [u8],
    /// Hidden size, layers, heads, inner size, words, positions, types of tokens.
    sizes: [usize; 7],
    /// The pieces of the Unigram model, with their scores.
    pieces: Vec<(&'a str, f32)>,
    tensors: HashMap<&'a str, Entry>,
}

impl<'a> Packed<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut input = bytes;
        let mut take = |length: usize| -> &'a [u8] {
            let (taken, rest) = input.split_at(length);
            input = rest;
            taken
        };
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        assert_eq!(take(8), b"E5S1\x01\0\0\0");
        let sizes = [(); 7].map(|()| number(take(4)));
        // The epsilon of the norms and the length of a block; then the number of pieces, and which are special.
        assert_eq!(take(4), 1e-12f32.to_le_bytes());
        assert_eq!(number(take(4)), 32);
        let count = number(take(4));
        assert_eq!([(); 4].map(|()| number(take(4))), [0, 2, 1, 3]);
        let length = number(take(8));
        let offsets: Vec<usize> = take(4 * (count + 1)).chunks(4).map(number).collect();
        let scores: Vec<f32> = take(4 * count).chunks(4).map(float).collect();
        let texts = std::str::from_utf8(take(length)).expect("pieces");
        let pieces = offsets.windows(2).map(|ends| &texts[ends[0]..ends[1]]).zip(scores).collect();
        // What the normalizer makes of single characters; `tokenizer` has the same, and pairs.
        take(4);
        let length = number(take(4));
        take(length);
        let tensors = (0..number(take(4))).map(|_| {
            let length = number(take(2));
            let name = std::str::from_utf8(take(length)).expect("a name");
            let blocks = take(1) == [1];
            let (numbers, at) = (number(take(4)), number(take(8)));
            take(8);
            (name, (blocks, at, numbers))
        });
        Self { bytes, sizes, pieces, tensors: tensors.collect() }
    }

    fn config(&self) -> Value {
        let [hidden, layers, heads, inner, words, positions, types] = self.sizes;
        json!({
            "model_type": "bert", "architectures": ["BertModel"], "hidden_act": "gelu", "layer_norm_eps": 1e-12,
            "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
            "intermediate_size": inner, "vocab_size": words, "max_position_embeddings": positions,
            "type_vocab_size": types, "pad_token_id": 0,
        })
    }

    /// XLM-RoBERTa's tokenizer with the pieces of the file. Its normalizer, SentencePiece's `nmt_nfkc`, is in the file as far
    /// as it reads single characters; it is taken whole from another published tokenizer, which gives the same for each.
    fn tokenizer(&self) -> Value {
        let published = fetched("samples/tokenizer-bergamot/enpt-1693087644/tokenizer.json");
        let published: Value = serde_json::from_reader(std::fs::File::open(published).expect("a file")).expect("JSON");
        let normalizers = &published["normalizer"]["normalizers"];
        let special = |content: &str, id: usize| {
            json!({
                "id": id, "content": content, "special": true, "normalized": false, "single_word": false, "lstrip": false,
                "rstrip": false,
            })
        };
        let token = |content: &str| json!({ "SpecialToken": { "id": content, "type_id": 0 } });
        json!({
            "version": "1.0",
            "added_tokens": [special("<s>", 0), special("<pad>", 1), special("</s>", 2), special("<unk>", 3)],
            "normalizer": { "type": "Sequence", "normalizers": [normalizers[0], normalizers[1]] },
            "pre_tokenizer": published["pre_tokenizer"],
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [token("<s>"), { "Sequence": { "id": "A", "type_id": 0 } }, token("</s>")],
                "pair": [],
                "special_tokens": {
                    "<s>": { "id": "<s>", "ids": [0], "tokens": ["<s>"] },
                    "</s>": { "id": "</s>", "ids": [2], "tokens": ["</s>"] },
                },
            },
            "model": { "type": "Unigram", "unk_id": 3, "vocab": self.pieces },
        })
    }

    /// Gives the pieces of a safetensors file with 32-bit floats to `write`, and says which is the last.
    fn weights(&self, write: &mut dyn FnMut(&[u8], bool)) -> Result<(), pilot_light::Error> {
        let names = self.names();
        let mut header = serde_json::Map::new();
        let mut end = 0;
        for (name, shape, _) in &names {
            let start = end;
            end += 4 * shape.iter().product::<usize>();
            header.insert(name.clone(), json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] }));
        }
        let header = Value::from(header).to_string();
        write(&(header.len() as u64).to_le_bytes(), false);
        write(header.as_bytes(), false);
        for (_, shape, entry) in names {
            assert_eq!(shape.iter().product::<usize>(), entry.2);
            self.numbers(entry, write);
        }
        write(&[], true);
        Ok(())
    }

    /// The names of BERT's tensors, with their shapes and what they are in the file.
    fn names(&self) -> Vec<(String, Vec<usize>, Entry)> {
        let [hidden, layers, _, inner, words, positions, types] = self.sizes;
        let mut names = Vec::new();
        let mut add = |name: String, shape: &[usize], packed: String| {
            names.push((name, shape.to_vec(), self.tensors[&*packed]));
        };
        for (name, rows, packed) in
            [("word", words, "word"), ("position", positions, "pos"), ("token_type", types, "type")]
        {
            add(format!("embeddings.{name}_embeddings.weight"), &[rows, hidden], format!("emb.{packed}"));
        }
        for (kind, packed) in [("weight", "w"), ("bias", "b")] {
            add(format!("embeddings.LayerNorm.{kind}"), &[hidden], format!("emb.ln.{packed}"));
        }
        for layer in 0..layers {
            for (name, outputs, inputs, packed) in [
                ("attention.self.query", hidden, hidden, "q"),
                ("attention.self.key", hidden, hidden, "k"),
                ("attention.self.value", hidden, hidden, "v"),
                ("attention.output.dense", hidden, hidden, "ao"),
                ("attention.output.LayerNorm", hidden, 0, "aln"),
                ("intermediate.dense", inner, hidden, "fi"),
                ("output.dense", hidden, inner, "fo"),
                ("output.LayerNorm", hidden, 0, "oln"),
            ] {
                let name = format!("encoder.layer.{layer}.{name}");
                let shape = if inputs == 0 { vec![outputs] } else { vec![outputs, inputs] };
                add(format!("{name}.weight"), &shape, format!("l{layer}.{packed}.w"));
                add(format!("{name}.bias"), &[outputs], format!("l{layer}.{packed}.b"));
            }
        }
        names
    }

    /// Gives the numbers of a tensor to `write`. A block has a scale of 16 bits and 32 numbers of 4, the first half of them
    /// in the low bits of the bytes.
    fn numbers(&self, (blocks, at, count): Entry, write: &mut dyn FnMut(&[u8], bool)) {
        let bytes = &self.bytes[at..];
        if !blocks {
            return write(&bytes[..4 * count], false);
        }
        for rows in bytes[..count / 32 * 18].chunks(18 * 1024) {
            let mut numbers = Vec::with_capacity(rows.len() / 18 * 128);
            for block in rows.chunks(18) {
                let scale = half::f16::from_le_bytes([block[0], block[1]]).to_f32();
                for digit in block[2..].iter().map(|byte| byte & 15).chain(block[2..].iter().map(|byte| byte >> 4)) {
                    numbers.extend((scale * (f32::from(digit) - 8.0)).to_le_bytes());
                }
            }
            write(&numbers, false);
        }
    }
}

fn float(bytes: &[u8]) -> f32 {
    f32::from_le_bytes(bytes.try_into().expect("four bytes"))
}
