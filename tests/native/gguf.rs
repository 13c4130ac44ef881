//! GGUF tensors, compared with the format's own library.

use std::fs;

use pilot_light::formats::gguf::{self, Encoding};
use safetensors::SafeTensors;

use crate::support::golden;

#[test]
fn elements_are_those_of_the_library() {
    let file = fs::read(golden("gguf/blocks.gguf")).expect("a golden file");
    let numbers = fs::read(golden("gguf/blocks.safetensors")).expect("a golden file");
    let numbers = SafeTensors::deserialize(&numbers).expect("tensors");
    let file = gguf::read(&file).expect("a file");
    assert_eq!(file.metadata.get_str("general.name").expect("a text"), Some("Matrices of blocks"));
    assert_eq!(file.metadata.get_strings("words").expect("texts"), Some(vec!["a", "few", "words"]));
    let mut seen = Vec::new();
    for tensor in &file.tensors {
        seen.push(tensor.encoding);
        let wanted = numbers.tensor(tensor.name).expect("its numbers");
        assert_eq!(tensor.shape, wanted.shape());
        let wanted: Vec<f32> = wanted.data().as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
        let floats = tensor.floats().expect("floats");
        assert_eq!(floats.len(), wanted.len(), "{}", tensor.name);
        let differs = floats.iter().zip(&wanted).position(|(is, wanted)| is.to_bits() != wanted.to_bits());
        assert_eq!(differs, None, "{}", tensor.name);
        check_rows(tensor, &wanted);
        check_sub_blocks(tensor, &wanted);
    }
    use Encoding::*;
    assert_eq!(seen, [Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, F16, BF16, F32]);
}

fn check_rows(tensor: &gguf::Tensor<'_>, wanted: &[f32]) {
    let length = *tensor.shape.last().expect("a dimension");
    let mut row = vec![0.0; length];
    for (at, wanted) in wanted.chunks_exact(length).enumerate() {
        tensor.row_floats(at, &mut row).expect("a row");
        assert_eq!(row, wanted, "{}", tensor.name);
    }
}

/// The integers, times the scale and with the offset, are the elements but for rounding, and fit their bits.
fn check_sub_blocks(tensor: &gguf::Tensor<'_>, wanted: &[f32]) {
    let mut numbers = [0; 32];
    let Some(count) = tensor.encoding.sub_block() else {
        assert_eq!((tensor.encoding.bits(), tensor.sub_block(0, &mut numbers)), (None, None));
        return;
    };
    let most = match tensor.encoding {
        Encoding::Q4_0 | Encoding::Q4_1 | Encoding::Q4_K => 8,
        Encoding::Q5_0 | Encoding::Q5_1 | Encoding::Q5_K => 16,
        Encoding::Q6_K => 32,
        _ => 128,
    };
    assert_eq!(tensor.encoding.bits(), Some(if most == 8 { 4 } else { 8 }));
    let (mut least, mut largest) = (0, 0);
    for (at, wanted) in wanted.chunks_exact(count).enumerate() {
        let (scale, offset) = tensor.sub_block(at, &mut numbers).expect("a sub-block");
        for (number, wanted) in numbers.iter().zip(wanted) {
            (least, largest) = (least.min(*number), largest.max(*number));
            let is = f32::from(*number) * scale + offset;
            // Half a unit in the last place of each of the terms.
            let room = f32::EPSILON * (f32::from(*number) * scale).abs().max(offset.abs()).max(f32::MIN_POSITIVE);
            assert!((is - wanted).abs() <= 2.0 * room, "{}: {is} is not {wanted}", tensor.name);
        }
    }
    assert!(i32::from(least) >= -most && i32::from(largest) < most, "{}: {least} to {largest}", tensor.name);
    assert!(i32::from(largest) > most / 2, "{}: no large integer", tensor.name);
    assert_eq!(tensor.sub_block(wanted.len() / count, &mut numbers), None);
}
