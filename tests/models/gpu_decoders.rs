//! Text that real models generate on a GPU, which may be one in software, against the CPU's.

use pilot_light::graph::open_webgpu;
use pilot_light::models::Logits;
use pilot_light::{Device, LoadOptions, folder};

use crate::support::fetched;

/// What the CPU quantises activations to leaves logits this uncertain; on a GPU they stay floats.
const TIE: f32 = 0.15;
/// Tokens that are generated.
const TOKENS: usize = 64;

fn most(logits: &[f32]) -> (usize, f32) {
    logits.iter().copied().enumerate().fold((0, f32::MIN), |most, next| if next.1 > most.1 { next } else { most })
}

fn check(file: &str, layers: u64, per_layer: u64, prompt: &str) {
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
    let used = counts().memory - before;
    println!("{file}: {file_bytes} bytes, on the GPU {loaded} after loading, {used} in use");
    println!("logits differ by at most {largest}; {:?}", counts());
    assert!(used <= file_bytes * 6 / 5 + (32 << 20));
    assert_eq!(gpu.fault(), None);
}

#[test]
fn smollm2_generates_on_a_gpu_what_it_does_on_the_cpu() {
    let file = "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";
    check(file, 30, 8, "The history of the lighthouse begins with fires that were lit on the tops of hills, and");
}

#[test]
fn qwen2_generates_on_a_gpu_what_it_does_on_the_cpu() {
    let file = "models/qwen2.5-coder-0.5b-instruct/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf";
    check(file, 24, 8, "// Sorts the numbers in ascending order.\nfn sort(numbers: &mut Vec<i64>) {");
}
