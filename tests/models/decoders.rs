//! Text that real models generate, against llama.cpp's: `decoders/make.mjs` of the golden files.

use std::cell::Cell;
use std::future::ready;
use std::pin::Pin;

use pilot_light::generation::{FinishReason, GenerationOptions, Generator, Reply};
use pilot_light::models::Logits;
use pilot_light::{Device, LoadOptions, folder};
use serde::Deserialize;

use crate::support::{fetched, golden_json};

/// The tokens of a text, what llama.cpp makes of it, and what follows its beginning.
#[derive(Deserialize)]
struct Golden {
    ids: Vec<u32>,
    /// The mean negative log-likelihood of all but the first.
    nll: f64,
    /// Tokens of the text that are the prompt of `greedy`.
    prompt: usize,
    greedy: Vec<u32>,
}

fn load(file: &str) -> Generator {
    folder::load_generator(&fetched(file), &Device::cpu(), LoadOptions::default()).expect("the model")
}

const SMOLLM2: &str = "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";

fn smollm2() -> Generator {
    load(SMOLLM2)
}

fn generate(generator: &Generator, prompt: &[u32], options: &GenerationOptions) -> Reply {
    let mut generation = generator.start(prompt.to_vec(), options).expect("a start");
    let mut text = String::new();
    while generation.finish_reason().is_none() {
        text += &pollster::block_on(generation.step(generator)).expect("a step").text;
    }
    let reply = generation.finish(generator).expect("a reply");
    assert_eq!(text, reply.text);
    reply
}

/// The logits behind each token.
fn logits(generator: &Generator, ids: &[u32], chunk: usize) -> Vec<f32> {
    let decoder = generator.decoder();
    let mut cache = decoder.cache().expect("a cache");
    let chunks = ids.chunks(chunk);
    let of_chunk = chunks.map(|chunk| pollster::block_on(decoder.forward(&mut cache, chunk, Logits::All)));
    of_chunk.flat_map(|logits| logits.expect("logits").0).collect()
}

fn log_likelihood(logits: &[f32], id: u32) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
    f64::from(logits[id as usize] - most) - sum.ln()
}

/// What llama.cpp quantises activations to leaves logits this uncertain.
const TIE: f32 = 0.15;

fn check(model: &str, golden: &str) {
    let generator = load(model);
    let golden: Golden = golden_json(golden);
    let vocabulary = generator.decoder().vocabulary();
    let all = logits(&generator, &golden.ids, 64);
    let rows = all.chunks_exact(vocabulary).zip(&golden.ids[1..]);
    let sum: f64 = rows.map(|(logits, id)| -log_likelihood(logits, *id)).sum();
    let nll = sum / (golden.ids.len() - 1) as f64;
    assert!((nll / golden.nll - 1.0).abs() < 0.01, "{model}: {nll}, expected {}", golden.nll);
    // Each token of llama.cpp's text is the likeliest, or as likely within its own uncertainty.
    let text = [&golden.ids[..golden.prompt], &golden.greedy[..]].concat();
    let all = logits(&generator, &text, 64);
    for (at, (logits, id)) in all.chunks_exact(vocabulary).zip(&text[1..]).enumerate().skip(golden.prompt - 1) {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert!(most - logits[*id as usize] < TIE, "{model}, token {at}: {most} and {}", logits[*id as usize]);
    }
}

#[test]
fn smollm2_is_as_likely_as_by_llama_cpp() {
    check(SMOLLM2, "decoders/smollm2.json");
}

#[test]
fn qwen2_is_as_likely_as_by_llama_cpp() {
    let file = "models/qwen2.5-coder-0.5b-instruct/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf";
    check(file, "decoders/qwen2.5-coder.json");
}

#[test]
fn gemma_3_is_as_likely_as_by_llama_cpp() {
    check("models/gemma-3-270m/gemma-3-270m-q4_k_m.gguf", "decoders/gemma3.json");
}

#[test]
fn a_text_is_equal_however_it_is_read() {
    let generator = smollm2();
    let golden: Golden = golden_json("decoders/smollm2.json");
    let ids = &golden.ids[..100];
    let whole = logits(&generator, ids, 100);
    for chunk in [1, 7, 64] {
        assert!(whole == logits(&generator, ids, chunk), "{chunk} at once");
    }
    let options = GenerationOptions { max_new_tokens: 60, ..GenerationOptions::default() };
    for seed in [None, Some(3)] {
        let options = GenerationOptions { do_sample: seed.is_some(), seed: seed.unwrap_or(0), ..options.clone() };
        let plain = generate(&generator, ids, &GenerationOptions { prompt_lookup: false, ..options.clone() });
        assert_eq!((plain.usage.passes, plain.usage.completion_tokens), (60, 60));
        let drafted = generate(&generator, ids, &options);
        assert_eq!(drafted.text, plain.text);
        // A second turn reads its new tokens alone, and gives the same.
        let turn = [ids, &generator.encode(&plain.text).expect("ids"), &golden.ids[100..120]].concat();
        let second = generate(&generator, &turn, &options);
        assert!(second.usage.cached_tokens > 100, "{:?}", second.usage);
        let cold = generate(&smollm2(), &turn, &options);
        assert_eq!((cold.usage.cached_tokens, cold.text), (0, second.text));
    }
}

#[test]
fn a_step_that_is_stopped_can_be_taken_again() {
    let generator = smollm2();
    let golden: Golden = golden_json("decoders/smollm2.json");
    let ids = &golden.ids[..100];
    let options = GenerationOptions { max_new_tokens: 12, ..GenerationOptions::default() };
    let whole = generate(&generator, ids, &options);
    let generator = smollm2();
    let mut generation = generator.start(ids.to_vec(), &options).expect("a start");
    let (mut stopped, mut text) = (0, String::new());
    // Each step is stopped at its first question, its second, its fourth and so on until it comes to its end.
    while generation.finish_reason().is_none() {
        for most in (0..).map(|at| (1 << at) - 1) {
            let asked = Cell::new(0);
            let go_on = || -> Pin<Box<dyn Future<Output = bool>>> {
                asked.set(asked.get() + 1);
                Box::pin(ready(asked.get() <= most))
            };
            match pollster::block_on(generation.step_while(&generator, &go_on)).expect("a step") {
                Some(piece) => {
                    text += &piece.text;
                    break;
                }
                None => stopped += 1,
            }
        }
    }
    let reply = generation.finish(&generator).expect("a reply");
    assert_eq!((text, reply.usage.completion_tokens), (whole.text, whole.usage.completion_tokens));
    // Two chunks of the prompt, with a question some times in each of 30 layers.
    assert!(stopped >= 12, "{stopped}");
}

#[test]
fn a_reply_under_a_schema_is_whole_whatever_its_limit() {
    let generator = smollm2();
    let schema = r#"{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0},
        "tags":{"type":"array","items":{"type":"string"}}},"required":["name","age","tags"],"additionalProperties":false}"#;
    let prompt = generator.encode("Anna Berg is 31 years old. She likes climbing and chess. As JSON: ").expect("ids");
    let options = |max_new_tokens| GenerationOptions {
        max_new_tokens,
        json_schema: Some(schema.to_string()),
        ..GenerationOptions::default()
    };
    let refused = generator.start(prompt.clone(), &options(3)).err().expect("a refusal");
    assert!(refused.to_string().contains("needs"), "{refused}");
    for limit in [20, 30, 120] {
        let reply = generate(&generator, &prompt, &options(limit));
        let record: serde_json::Value = serde_json::from_str(&reply.text).expect("JSON");
        assert!(record["name"].is_string() && record["age"].is_u64() && record["tags"].is_array(), "{}", reply.text);
        assert!(reply.usage.completion_tokens <= limit && reply.usage.forced_tokens > 3, "{:?}", reply.usage);
        assert_eq!(reply.finish_reason == FinishReason::Length, !reply.truncated.is_empty());
    }
    let choice =
        GenerationOptions { choice: vec!["cats".to_string(), "dogs".to_string()], ..GenerationOptions::default() };
    let reply = generate(&generator, &generator.encode("I have two barking ").expect("ids"), &choice);
    assert!(["cats", "dogs"].contains(&reply.text.as_str()), "{}", reply.text);
}
