//! Text that real models generate on a GPU, which may be one in software, against the CPU's.

use pilot_light::generation::GenerationOptions;
use pilot_light::graph::open_webgpu;
use pilot_light::models::Logits;
use pilot_light::{Device, LoadOptions, folder};

use crate::support::fetched;

/// What the CPU quantises activations to leaves logits this uncertain; on a GPU they stay floats.
const TIE: f32 = 0.15;
/// Tokens that are chosen at once.
const AT_ONCE: usize = 6;
/// Tokens that are generated.
const TOKENS: usize = 64;

fn most(logits: &[f32]) -> (usize, f32) {
    logits.iter().copied().enumerate().fold((0, f32::MIN), |most, next| if next.1 > most.1 { next } else { most })
}

/// `at_once`: tokens that are chosen at once, one where the embeddings are not the weights of the last layer.
fn check(file: &str, layers: u64, per_layer: u64, at_once: usize, prompt: &str) {
    let _alone = crate::gpu::alone();
    let gpu = pollster::block_on(open_webgpu()).expect("a GPU, which may be one in software");
    let counts = || gpu.gpu_counts().expect("a GPU");
    let (path, before) = (fetched(file), counts().memory);
    let load = |device| {
        let options = LoadOptions { gpu_only: true, ..LoadOptions::default() };
        folder::load_generator(&path, device, options).expect("the model")
    };
    let (on_cpu, on_gpu) = (load(&Device::cpu()), load(&gpu));
    assert!(!on_cpu.decoder().needs_gpu() && on_gpu.decoder().needs_gpu());
    let (file_bytes, loaded) = (std::fs::metadata(&path).expect("the file").len(), counts().memory - before);
    let ids = on_cpu.encode(prompt).expect("ids");
    let forward = |generator: &pilot_light::generation::Generator, cache: &mut _, ids: &[u32]| {
        pollster::block_on(generator.decoder().forward(cache, ids, Logits::Last(1))).expect("logits").0
    };
    let mut caches = [on_cpu.decoder().cache().expect("a cache"), on_gpu.decoder().cache().expect("a cache")];
    let [of_cpu, of_gpu] = &mut caches;
    let mut expected = forward(&on_cpu, of_cpu, &ids);
    let mut found = forward(&on_gpu, of_gpu, &ids);
    let mut largest: f32 = 0.0;
    for turn in 0..TOKENS {
        let (id, logit) = most(&expected);
        assert!(logit - expected[most(&found).0] < TIE, "token {turn}: {:?} and {:?}", most(&found), (id, logit));
        largest = expected.iter().zip(&found).fold(largest, |largest, (a, b)| largest.max((a - b).abs()));
        expected = forward(&on_cpu, of_cpu, &[id as u32]);
        let before = counts();
        found = forward(&on_gpu, of_gpu, &[id as u32]);
        let after = counts();
        assert!(after.dispatches - before.dispatches <= per_layer * layers + 4, "{after:?} after {before:?}");
        assert_eq!(after.reads - before.reads, 1, "{after:?} after {before:?}");
    }
    // Tokens that are chosen on the GPU, several at once.
    let greedy = |count: usize| {
        let mut cache = on_gpu.decoder().cache().expect("a cache");
        let (mut ids, mut found) = (ids.clone(), Vec::new());
        for _ in 0..count {
            let (id, logit) = most(&forward(&on_gpu, &mut cache, &ids));
            found.push((id as u32, logit));
            ids = vec![id as u32];
        }
        found
    };
    let expected = greedy(at_once);
    let mut cache = on_gpu.decoder().cache().expect("a cache");
    let reads = counts().reads;
    let choose = on_gpu.decoder().choose_while(&mut cache, &ids, AT_ONCE, &|| Box::pin(std::future::ready(true)));
    let (chosen, _) = pollster::block_on(choose).expect("tokens").expect("nobody stops it");
    assert_eq!(counts().reads - reads, 1);
    let chosen: Vec<(u32, f32)> = chosen.into_iter().map(|token| token.expect("a number")).collect();
    assert_eq!(Vec::from_iter(chosen.iter().map(|(id, _)| id)), Vec::from_iter(expected.iter().map(|(id, _)| id)));
    assert!(chosen.iter().all(|(_, logprob)| *logprob < 0.0 && *logprob > -10.0), "{chosen:?}");
    assert_eq!(cache.ids()[ids.len()..], Vec::from_iter(chosen[..at_once - 1].iter().map(|(id, _)| *id)));
    // The next token is the same behind keys and values that were made so, and replies are made of such tokens.
    let next = most(&forward(&on_gpu, &mut cache, &[chosen[at_once - 1].0])).0 as u32;
    assert_eq!(next, greedy(at_once + 1)[at_once].0);
    let options = GenerationOptions {
        max_new_tokens: at_once + 1,
        prompt_lookup: false,
        logprobs: Some(0),
        ..Default::default()
    };
    let reads = counts().reads;
    let mut reply = on_gpu.start(ids.clone(), &options).expect("a reply");
    while reply.finish_reason().is_none() {
        pollster::block_on(reply.step(&on_gpu)).expect("a step");
    }
    let reply = reply.finish(&on_gpu).expect("a reply");
    let expected: Vec<u32> = expected.iter().map(|(id, _)| *id).chain([next]).collect();
    assert_eq!(Vec::from_iter(reply.tokens.iter().map(|token| token.token.id)), expected);
    let each = on_gpu.decoder().tokens_at_once();
    assert_eq!(counts().reads - reads, 1 + at_once.div_ceil(each) as u64, "{each} tokens at once");
    let used = counts().memory - before;
    println!("{file}: {file_bytes} bytes, on the GPU {loaded} after loading, {used} in use");
    println!("logits differ by at most {largest}; {:?}", counts());
    assert!(used <= file_bytes * 6 / 5 + (32 << 20));
    assert_eq!(gpu.fault(), None);
}

#[test]
fn smollm2_generates_on_a_gpu_what_it_does_on_the_cpu() {
    let file = "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";
    check(
        file,
        30,
        8,
        AT_ONCE,
        "The history of the lighthouse begins with fires that were lit on the tops of hills, and",
    );
}

#[test]
fn qwen2_generates_on_a_gpu_what_it_does_on_the_cpu() {
    let file = "models/qwen2.5-coder-0.5b-instruct/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf";
    check(file, 24, 8, 1, "// Sorts the numbers in ascending order.\nfn sort(numbers: &mut Vec<i64>) {");
}
