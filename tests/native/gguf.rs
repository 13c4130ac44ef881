//! GGUF blocks, compared with the format's own library.

use std::fs;

use pilot_light::ErrorKind;
use pilot_light::formats::gguf::{self, Encoding};
use pilot_light::models::PackedLinear;
use safetensors::SafeTensors;

use crate::support::golden;

#[test]
fn layers_agree_with_the_library() {
    let file = fs::read(golden("gguf/blocks.gguf")).expect("a golden file");
    let numbers = fs::read(golden("gguf/blocks.safetensors")).expect("a golden file");
    let numbers = SafeTensors::deserialize(&numbers).expect("tensors");
    let tensors = gguf::read(&file).expect("tensors");
    let mut seen = Vec::new();
    for tensor in tensors.iter().filter(|tensor| tensor.name != "floats") {
        seen.push(tensor.encoding);
        let wanted = numbers.tensor(tensor.name).expect("its numbers");
        assert_eq!(tensor.shape, wanted.shape());
        let weights: Vec<f32> = wanted.data().as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
        check(&PackedLinear::new(tensor).expect("a layer"), &weights, tensor.name);
    }
    assert_eq!(seen, [Encoding::Q4_0, Encoding::Q4_1, Encoding::Q8_0]);
}

#[track_caller]
fn check(layer: &PackedLinear, weights: &[f32], name: &str) {
    let (inputs, outputs) = layer.shape();
    // Each row uses all 128 quantisation steps, so that only the order of float sums differs.
    let step = |at: usize| match at % inputs {
        0 => 0,
        1 => 127,
        _ => at * 37 % 128,
    };
    let x: Vec<f32> = (0..5 * inputs).map(|at| step(at) as f32 - 63.0).collect();
    let is = layer.forward(&x).expect("rows");
    let mut largest: f32 = 0.0;
    let mut worst: f32 = 0.0;
    for (x, is) in x.chunks_exact(inputs).zip(is.chunks_exact(outputs)) {
        for (weights, is) in weights.chunks_exact(inputs).zip(is) {
            let wanted: f32 = x.iter().zip(weights).map(|(x, weight)| x * weight).sum();
            (largest, worst) = (largest.max(wanted.abs()), worst.max((is - wanted).abs()));
        }
    }
    assert!(worst < 1e-5 * largest, "{name}: {worst} of {largest}");
    println!("{name}: at most {worst:.1e} of {largest:.1e}");
}

#[test]
fn tensors_that_are_not_matrices_of_blocks_are_refused() {
    let file = fs::read(golden("gguf/blocks.gguf")).expect("a golden file");
    let tensors = gguf::read(&file).expect("tensors");
    let kind = |tensor: &gguf::Tensor<'_>| PackedLinear::new(tensor).err().expect("refused").kind();
    let floats = tensors.iter().find(|tensor| tensor.name == "floats").expect("floats");
    assert_eq!(kind(floats), ErrorKind::Unsupported);
    for shape in [vec![], vec![96], vec![0, 96], vec![19, 0], vec![20, 96], vec![19, 97], vec![19, 96, 1]] {
        assert_eq!(kind(&gguf::Tensor { shape, ..tensors[0].clone() }), ErrorKind::InvalidArtefact);
    }
    let layer = PackedLinear::new(&tensors[0]).expect("a layer");
    assert_eq!(layer.forward(&[0.0; 97]).expect_err("refused").kind(), ErrorKind::InvalidInput);
    assert!(layer.forward(&[]).expect("no rows").is_empty());
}
