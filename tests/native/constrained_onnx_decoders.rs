//! Replies under a schema, a pattern or a choice by a decoder in an ONNX file: the likeliest tokens of those that may follow.

use std::collections::HashMap;
use std::sync::Arc;

use pilot_light::Device;
use pilot_light::generation::constraint::{Constraint, Matcher, TokenTrie};
use pilot_light::generation::{FinishReason, GenerationOptions, Generator};
use pilot_light::graph::{Graph, GraphOptions};
use pilot_light::models::{ConfigFile, Decoder, Logits};
use pilot_light::tokenizer::Tokenizer;
use serde_json::{Map, Value, json};

use crate::onnx_decoders::{floats, port};
use crate::support::onnx::{Message, initializer, model, node};
use crate::tiny_decoders::generate;

/// Tokens of more than one byte.
const WORDS: [&str; 9] = ["{\"", "\":", "\",\"", "true", "false", "name", "age", "bad", "10"];
/// Bytes, words, and the token that ends a text.
const VOCABULARY: u32 = 256 + WORDS.len() as u32 + 1;
const END: u32 = VOCABULARY - 1;
/// Numbers in a hidden state.
const HIDDEN: i64 = 16;
const SCHEMA: &str = r#"{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0},
    "mood":{"enum":["good","bad"]},"tags":{"type":"array","items":{"type":"boolean"},"maxItems":3}},
    "required":["name","age","mood","tags"],"additionalProperties":false}"#;

/// A number from -1 to 1 that nothing is known of.
fn random(at: usize) -> f32 {
    let mixed = (at as u32).wrapping_mul(2_654_435_761) ^ 0x5bd1_e995;
    (mixed.wrapping_mul(mixed >> 16 | 1) >> 8) as f32 / (1 << 23) as f32 - 1.0
}

/// The logits depend on the sum of all embeddings so far. With `shares_scales` the hidden states of all tokens that are read at once
/// are quantised by one scale.
fn decoder(shares_scales: bool) -> Decoder {
    let ints = |name: &str, dims: &[i64], numbers: &[i64]| {
        initializer(name, 7, dims, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
    };
    let attribute = |node: Message, name: &str, number: i64| {
        node.message(5, Message::default().bytes(1, name).int(3, number).int(20, 2))
    };
    let (size, vocabulary) = (HIDDEN.to_string(), i64::from(VOCABULARY));
    let cached = |name: &str, tokens: &str| port(name, 1, &format!("batch 1 {tokens} {size}"));
    let concat = |past: &str, present: &str| attribute(node("Concat", &[past, "new"], &[present]), "axis", 2);
    let head: Vec<u8> = (0..HIDDEN * vocabulary).map(|at| (128.0 + 100.0 * random(at as usize + 1)) as u8).collect();
    let mut parts = vec![
        (11, port("input_ids", 7, "batch sequence")),
        (11, cached("past_key_values.0.key", "past")),
        (11, cached("past_key_values.0.value", "past")),
        (12, port("logits", 1, &format!("batch sequence {VOCABULARY}"))),
        (12, cached("present.0.key", "total")),
        (12, cached("present.0.value", "total")),
        (5, floats("table", &[vocabulary, HIDDEN], random)),
        (5, ints("axis", &[], &[2])),
        (5, ints("one", &[1], &[1])),
        (5, ints("two", &[1], &[2])),
        (5, ints("end", &[1], &[i64::MAX])),
        (1, node("Gather", &["table", "input_ids"], &["x"])),
        (1, node("Unsqueeze", &["x", "one"], &["new"])),
        (1, concat("past_key_values.0.key", "present.0.key")),
        (1, concat("past_key_values.0.value", "present.0.value")),
        (1, node("CumSum", &["present.0.value", "axis"], &["sums"])),
        (1, node("Shape", &["input_ids"], &["shape"])),
        (1, node("Slice", &["shape", "one", "two"], &["count"])),
        (1, node("Neg", &["count"], &["start"])),
        (1, node("Slice", &["sums", "start", "end", "two"], &["last"])),
        (1, node("Squeeze", &["last", "one"], &["seen"])),
        (1, node("Sin", &["seen"], &["hidden"])),
    ];
    if shares_scales {
        parts.extend([
            (5, initializer("head", 2, &[HIDDEN, vocabulary], &head)),
            (5, initializer("middle", 2, &[], &[128])),
            (1, node("DynamicQuantizeLinear", &["hidden"], &["bytes", "scale", "zero"])),
            (1, node("MatMulInteger", &["bytes", "head", "zero", "middle"], &["products"])),
            (1, attribute(node("Cast", &["products"], &["floats"]), "to", 1)),
            (1, node("Mul", &["floats", "scale"], &["logits"])),
        ]);
    } else {
        let head = floats("head", &[HIDDEN, vocabulary], |at| f32::from(head[at]) - 128.0);
        parts.extend([(5, head), (1, node("MatMul", &["hidden", "head"], &["logits"]))]);
    }
    let graph = parts.into_iter().fold(Message::default(), |graph, (field, part)| graph.message(field, part));
    let graph = Graph::load(model(graph), HashMap::new(), &Device::cpu(), &GraphOptions::default()).expect("a graph");
    let config = json!({ "vocab_size": VOCABULARY, "max_position_embeddings": 256, "num_key_value_heads": 1 });
    Decoder::from_graph(graph, &ConfigFile::from_json(&config.to_string()).expect("JSON")).expect("a decoder")
}

/// The decoder with a tokenizer whose tokens are bytes and some words.
fn generator(shares_scales: bool) -> Generator {
    let printed = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut others = 256u32..;
    let letter = |byte: u8| if printed(byte) { Some(char::from(byte)) } else { char::from_u32(others.next()?) };
    let letters = (0..=255).filter_map(letter).map(String::from);
    let words = letters.chain(WORDS.map(String::from));
    let vocabulary: Map<String, Value> = words.enumerate().map(|(id, word)| (word, id.into())).collect();
    let level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    let end = json!({ "id": END, "content": "<end>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true });
    let tokenizer = json!({ "version": "1.0", "added_tokens": [end], "pre_tokenizer": level, "decoder": level,
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] } });
    let tokenizer = Tokenizer::from_json(&tokenizer.to_string()).expect("a tokenizer");
    Generator::new(decoder(shares_scales), tokenizer, None, &[END]).expect("a generator")
}

/// The likeliest of the tokens that may follow, one after the other; each is chosen by a pass of its own.
fn likeliest(generator: &Generator, prompt: &[u32], constraint: &Constraint, limit: usize) -> Vec<u32> {
    let decoder = generator.decoder();
    let bytes = |id: u32| generator.tokenizer().token_bytes(id).expect("a token").into_owned();
    let trie = Arc::new(TokenTrie::new((0..END).map(|id| (id, bytes(id)))).expect("a trie"));
    let mut matcher = Matcher::new(constraint, &trie, limit).expect("a matcher");
    let (mut ids, mut cache) = (prompt.to_vec(), decoder.cache().expect("a cache"));
    loop {
        for id in matcher.forced(limit + prompt.len() - ids.len()) {
            matcher.accept(&bytes(id)).expect("a forced token");
            ids.push(id);
        }
        let left = limit + prompt.len() - ids.len();
        if matcher.must_stop() || left == 0 {
            return ids.split_off(prompt.len());
        }
        // Where activations share a scale, it matters what is read at once.
        if decoder.is_batch_invariant() {
            cache = decoder.cache().expect("a cache");
        }
        let pending = &ids[cache.ids().len()..];
        let (logits, _) = pollster::block_on(decoder.forward(&mut cache, pending, Logits::Last(1))).expect("logits");
        let may_end = matcher.is_complete();
        let mask = matcher.allowed(left);
        let allowed = (0..VOCABULARY).filter(|id| mask.contains(*id) || may_end && *id == END);
        let best = allowed.max_by(|a, b| logits[*a as usize].total_cmp(&logits[*b as usize])).expect("a token");
        ids.push(best);
        if best == END {
            return ids.split_off(prompt.len());
        }
        matcher.accept(&bytes(best)).expect("an allowed token");
    }
}

#[test]
fn replies_under_a_constraint_have_the_likeliest_tokens_that_may_follow() {
    let prompt: Vec<u32> = (0..48).map(|at| at * 37 % VOCABULARY).collect();
    let texts = ["good".to_string(), "bad".to_string(), "[0]".to_string()];
    let pattern = "(ab|c[0-9]){4,12}d";
    let cases = [
        (
            Constraint::json_schema(SCHEMA),
            GenerationOptions { json_schema: Some(SCHEMA.to_string()), ..GenerationOptions::default() },
        ),
        (
            Constraint::regex(pattern),
            GenerationOptions { regex: Some(pattern.to_string()), ..GenerationOptions::default() },
        ),
        (Constraint::choice(&texts), GenerationOptions { choice: texts.to_vec(), ..GenerationOptions::default() }),
    ];
    let schema = serde_json::from_str(SCHEMA).expect("JSON");
    for shares_scales in [false, true] {
        let generator = generator(shares_scales);
        assert_eq!(generator.decoder().is_batch_invariant(), !shares_scales);
        for limit in [44, 60, 120] {
            for (constraint, options) in &cases {
                let constraint = constraint.as_ref().expect("a constraint");
                let options = GenerationOptions { max_new_tokens: limit, ..options.clone() };
                let expected = likeliest(&generator, &prompt, constraint, limit);
                // The second time what the prompt begins with is there, unless activations share a scale.
                for again in [false, true] {
                    let (tokens, reply) = generate(&generator, &prompt, &options);
                    assert_eq!(tokens, expected, "{shares_scales}, {limit}, {again}: {}", reply.text);
                    assert!(constraint.matches(&reply.text), "{limit}: {}", reply.text);
                    assert_eq!(reply.finish_reason == FinishReason::Length, !reply.truncated.is_empty());
                    let one_by_one = tokens.len() - reply.usage.forced_tokens;
                    if shares_scales {
                        assert_eq!((reply.usage.cached_tokens, reply.usage.passes), (0, one_by_one));
                    } else {
                        assert!(reply.usage.passes <= one_by_one, "{:?}", reply.usage);
                        assert!(!again || reply.usage.cached_tokens > 40, "{:?}", reply.usage);
                    }
                    if options.json_schema.is_some() {
                        let record: Value = serde_json::from_str(&reply.text).expect("JSON");
                        assert!(jsonschema::is_valid(&schema, &record), "{}", reply.text);
                        assert!(reply.usage.forced_tokens > 8, "{:?}", reply.usage);
                    }
                }
            }
        }
        let refused =
            GenerationOptions { json_schema: Some(SCHEMA.to_string()), max_new_tokens: 5, ..Default::default() };
        let refused = generator.start(prompt.clone(), &refused).err().expect("a refusal");
        assert!(refused.to_string().contains("needs"), "{refused}");
    }
}
