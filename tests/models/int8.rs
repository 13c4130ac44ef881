//! Encoders in 8 bits against the same in 32.

use std::collections::BTreeMap;
use std::path::Path;

use pilot_light::formats::safetensors::{self, Array, Tensor};
use pilot_light::tasks::{FeatureExtraction, FeatureExtractionOptions, Pooling, Task, TextModel};
use pilot_light::{DType, Device, ErrorKind, LoadOptions, convert, folder};

use crate::support::folder::Folder;
use crate::support::{cosine, golden_json, load, minilm};

fn load_int8(folder: &Path, task: Task) -> TextModel {
    let options = LoadOptions { dtype: Some(DType::Int8), ..LoadOptions::default() };
    folder::load(folder, task, &Device::cpu(), options).expect("the model")
}

fn embed(model: &TextModel, texts: &[String]) -> Vec<Vec<f32>> {
    let options = FeatureExtractionOptions { pooling: Pooling::Mean, normalize: true, ..Default::default() };
    let features = pollster::block_on(model.run::<FeatureExtraction>(texts, &options)).expect("a result");
    features.data.chunks_exact(features.dims[1]).map(<[f32]>::to_vec).collect()
}

#[test]
fn embeddings_agree_with_those_of_32_bits() {
    let sentences: Vec<String> = golden_json("sentences.json");
    let exact = embed(&load(&minilm(), Task::FeatureExtraction), &sentences);
    let ours = embed(&load_int8(&minilm(), Task::FeatureExtraction), &sentences);
    let cosines: Vec<f64> = exact.iter().zip(&ours).map(|(a, b)| cosine(a, b)).collect();
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    let worst = cosines.iter().copied().fold(1.0, f64::min);
    println!("{} sentences: mean cosine {mean:.5}, worst {worst:.5}", cosines.len());
    assert!(mean >= 0.999 && worst >= 0.995, "{mean} {worst}");
}

#[test]
fn a_converted_folder_is_a_quarter_as_large_and_gives_the_same_numbers() {
    let out = Folder::new("converted");
    let to = out.0.join("int8");
    let converted = convert::to_int8(&minilm(), &to).expect("the folder");
    assert!(converted.after < converted.before * 27 / 100, "{converted:?}");
    let texts: Vec<String> = golden_json::<Vec<String>>("sentences.json").into_iter().take(20).collect();
    let quantised = embed(&load_int8(&minilm(), Task::FeatureExtraction), &texts);
    // Without being told what it is, and being told.
    assert_eq!(embed(&load(&to, Task::FeatureExtraction), &texts), quantised);
    assert_eq!(embed(&load_int8(&to, Task::FeatureExtraction), &texts), quantised);

    let options = LoadOptions { dtype: Some(DType::Fp32), ..LoadOptions::default() };
    let refused = folder::load(&to, Task::FeatureExtraction, &Device::cpu(), options).err();
    assert_eq!(refused.expect("no floats").kind(), ErrorKind::Unsupported);
    let kind = |from: &Path, to: &Path| convert::to_int8(from, to).expect_err("refused").kind();
    assert_eq!(kind(&to, &out.0.join("twice")), ErrorKind::Unsupported);
    assert_eq!(kind(&minilm(), &to), ErrorKind::InvalidInput, "it is not empty");
    assert_eq!(kind(Path::new("models/spam"), &out.0.join("head")), ErrorKind::Unsupported);
    assert_eq!(kind(&out.0, &out.0.join("nothing")), ErrorKind::InvalidArtefact);
}

#[test]
fn what_does_not_fit_in_a_converted_file_is_refused() {
    let out = Folder::new("unfit");
    let to = out.0.join("int8");
    convert::to_int8(&minilm(), &to).expect("the folder");
    std::fs::remove_file(to.join("pilot.json")).expect("no digests");
    let mut tensors = BTreeMap::new();
    folder::read_weights(&to.join("model.safetensors"), &mut |name, tensor| {
        tensors.insert(name, tensor);
        Ok(())
    })
    .expect("the tensors");
    let layer = "encoder.layer.3.output.dense.weight";
    let words = "embeddings.word_embeddings.weight";
    for name in [layer, &format!("{layer}.scales"), &format!("{layer}.sums"), words, &format!("{words}.scales")] {
        for wrong in [
            None,
            Some(Tensor::Bytes(Array { shape: vec![3], data: vec![1, 2, 3] })),
            Some(Tensor::Words(Array { shape: vec![1, 1, 8], data: vec![0; 8] })),
            Some(Tensor::Floats(Array { shape: vec![1], data: vec![1.0] })),
        ] {
            let kept = tensors.remove(name).expect("the tensor");
            let all = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
            let bytes = safetensors::write(all.chain(wrong.as_ref().map(|wrong| (name, wrong)))).expect("a file");
            std::fs::write(to.join("model.safetensors"), bytes).expect("written");
            let options = LoadOptions::default();
            let loaded = folder::load(&to, Task::FeatureExtraction, &Device::cpu(), options);
            assert_eq!(loaded.err().map(|error| error.kind()), Some(ErrorKind::InvalidArtefact), "{name} {wrong:?}");
            tensors.insert(name.to_string(), kept);
        }
    }
}
