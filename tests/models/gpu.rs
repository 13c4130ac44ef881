//! all-MiniLM-L6-v2 on a GPU, which may be one in software: the numbers, and what the GPU is given to do for them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pilot_light::graph::open_webgpu;
use pilot_light::tasks::{FeatureExtraction, FeatureExtractionOptions, Features, Pooling, Task, TextModel};
use pilot_light::{DType, Device, LoadOptions};

use crate::minilm::{by_hand, reference};
use crate::support::{cosine, golden_json, minilm};

/// What a GPU is given to do is counted for all: tests that have one run one after the other.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn embed(model: &TextModel, texts: &[String]) -> Features {
    let options = FeatureExtractionOptions { pooling: Pooling::Mean, normalize: true, ..Default::default() };
    pollster::block_on(model.run::<FeatureExtraction>(texts, &options)).expect("a result")
}

#[test]
fn embeddings_on_a_gpu_agree_with_the_reference_in_one_submission() {
    let _alone = alone();
    let device = pollster::block_on(open_webgpu()).expect("a GPU, which may be one in software");
    let model = pilot_light::folder::load(&minilm(), Task::FeatureExtraction, &device, LoadOptions::default());
    let model = model.expect("the model");
    let counts = || device.gpu_counts().expect("a GPU");

    // 16 tokens: of 14 words, and the two that stand around a text.
    let text = vec!["the quick brown fox and the lazy dog ran over the old green hill".to_string()];
    embed(&model, &text);
    let before = counts();
    embed(&model, &text);
    let after = counts();
    println!("{after:?} after {before:?}");
    assert!(after.dispatches - before.dispatches <= 56);
    assert!((after.bytes - before.bytes) * 2 <= by_hand(16).bytes * 3);
    assert_eq!(after.submits - before.submits, 1);
    assert_eq!(after.reads - before.reads, 1);
    assert_eq!(after.pipelines, before.pipelines, "nothing is compiled twice");

    let sentences: Vec<String> = golden_json("sentences.json");
    let (reference, found) = (reference(), embed(&model, &sentences));
    let rows = reference.data.chunks_exact(384).zip(found.data.chunks_exact(384));
    let worst = rows.map(|(expected, found)| cosine(expected, found)).fold(1.0, f64::min);
    println!("lowest cosine to the reference: {worst:.8}; {} pipelines", counts().pipelines);
    assert!(worst >= 0.9999, "{worst}");
    assert!(counts().pipelines <= 24);

    // Short texts may be left to the CPU; it gives the same.
    let on_gpu = embed(&model, &text);
    let before = counts();
    device.share_with_cpu(16);
    let on_cpu = embed(&model, &text);
    assert_eq!(counts(), before, "the GPU has nothing to do");
    assert!(cosine(&on_gpu.data, &on_cpu.data) >= 0.999_999);
    embed(&model, &[format!("{} again", text[0])]);
    assert!(counts().dispatches > before.dispatches);
    assert_eq!(device.fault(), None);
}

#[test]
fn embeddings_by_weights_of_8_bits_are_nearer_to_the_reference_than_the_cpus() {
    let _alone = alone();
    let device = pollster::block_on(open_webgpu()).expect("a GPU, which may be one in software");
    let options = LoadOptions { dtype: Some(DType::Int8), ..LoadOptions::default() };
    let on = |device| pilot_light::folder::load(&minilm(), Task::FeatureExtraction, device, options.clone());
    let (on_cpu, on_gpu) = (on(&Device::cpu()).expect("the model"), on(&device).expect("the model"));
    let sentences: Vec<String> = golden_json("sentences.json");
    let before = device.gpu_counts().expect("a GPU");
    let (cpu, gpu) = (embed(&on_cpu, &sentences), embed(&on_gpu, &sentences));
    let after = device.gpu_counts().expect("a GPU");
    assert_eq!(after.submits - before.submits, after.reads - before.reads, "no layer goes back to the CPU");
    let reference = reference();
    let worst = |found: &Features| {
        let rows = reference.data.chunks_exact(384).zip(found.data.chunks_exact(384));
        rows.map(|(expected, found)| cosine(expected, found)).fold(1.0, f64::min)
    };
    let (of_cpu, of_gpu) = (worst(&cpu), worst(&gpu));
    println!("lowest cosine to the reference: {of_gpu:.6} on the GPU, {of_cpu:.6} on the CPU");
    assert!(of_gpu >= of_cpu && of_gpu >= 0.998, "{of_gpu}, {of_cpu}");
    assert_eq!(device.fault(), None);
}
