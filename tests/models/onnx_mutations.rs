//! Thousands of broken ONNX files: each gives an error or numbers, and none a panic.

use std::collections::HashMap;
use std::fs;

use burn::tensor::TensorData;
use pilot_light::graph::{Dim, Graph, GraphOptions, Limits, Port};
use pilot_light::{Device, ErrorKind};
use safetensors::SafeTensors;

use crate::protobuf::{self, Value};
use crate::support::{fetched, golden};

/// How often each test of an operator is broken; `PILOT_LIGHT_MUTATIONS` may say more.
const TIMES: usize = 4;
const LIMITS: Limits = Limits { max_nodes: 1_000, max_elements: 1 << 16, max_depth: 4 };

/// Splitmix64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `bound`, which is not zero.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        self.below(bytes.len().max(1))
    }
}

/// `bytes` with something wrong, or something of `other`.
fn broken(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    if random.below(4) == 0 { torn(bytes, other, random) } else { reworded(bytes, other, random) }
}

/// A file whose fields are whole, and of which a few say something else.
fn reworded(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut message = protobuf::read(bytes).expect("a message");
    let mut theirs = protobuf::read(other).expect("a message");
    for _ in 0..=random.below(3) {
        let index = random.below(protobuf::count(&message).max(1));
        let Some((fields, place)) = protobuf::find(&mut message, index) else { break };
        match random.below(12) {
            0 => drop(fields.remove(place)),
            1 => fields.insert(place, fields[place].clone()),
            2 => {
                let with = random.below(fields.len());
                fields.swap(place, with);
            }
            3 => {
                let index = random.below(protobuf::count(&theirs).max(1));
                if let Some((theirs, at)) = protobuf::find(&mut theirs, index) {
                    fields[place].value = theirs[at].value.clone();
                }
            }
            _ => reword(&mut fields[place].value, random),
        }
    }
    protobuf::write(&message)
}

/// Dimensions, axes, types and indices that make no sense, and numbers that are not finite.
fn reword(value: &mut Value, random: &mut Random) {
    match value {
        Value::Varint(number) => {
            let least = i64::MIN.cast_unsigned();
            let numbers = [0, 1, 2, 3, 7, 1 << 20, 1 << 31, 1 << 40, u64::MAX, u64::MAX - 1, least, least - 1];
            *number = match random.below(numbers.len() + 2) {
                0 => number.wrapping_add(1),
                1 => number.wrapping_sub(1),
                index => numbers[index - 2],
            };
        }
        Value::Fixed(digits) => digits.fill([0, 0x7f, 0xff][random.below(3)]),
        Value::Bytes(bytes) if bytes.is_empty() => bytes.push(random.below(256) as u8),
        Value::Bytes(bytes) => {
            let place = random.place(bytes);
            match random.below(5) {
                0 => bytes.truncate(place),
                1 => bytes.extend_from_within(place..),
                2 => bytes.insert(place, random.below(128) as u8),
                3 => bytes.fill([0, 0x7f, 0xff][random.below(3)]),
                _ => bytes[place] = random.below(256) as u8,
            }
        }
        Value::Message(fields) => fields.truncate(random.below(fields.len() + 1)),
    }
}

/// A file that is cut, patched and overwritten anywhere.
fn torn(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut broken = bytes.to_vec();
    match random.below(6) {
        0 => {
            for _ in 0..=random.below(8) {
                let place = random.place(&broken);
                broken[place] ^= 1 << random.below(8);
            }
        }
        1 => broken.truncate(random.place(bytes)),
        // Lengths and dimensions, as protobuf writes numbers: many, none, and more than there can be.
        2 => {
            let place = random.place(&broken);
            broken[place] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)];
        }
        3 => {
            let place = random.place(&broken);
            let mut number = vec![0xff; random.below(10)];
            number.push([0x01, 0x7f][random.below(2)]);
            broken.splice(place..=place, number);
        }
        4 => {
            let (from, to) = (random.place(&broken), random.place(&broken));
            broken.drain(from.min(to)..from.max(to));
        }
        _ => {
            let (from, to) = (random.place(other), random.place(other));
            let place = random.place(&broken);
            broken.splice(place..place, other[from.min(to)..from.max(to)].iter().copied());
        }
    }
    broken
}

/// The same bytes over and over for a port, where that is not too much: zeros, ones, less than nothing, no numbers.
fn filled(port: &Port, free: usize, byte: u8) -> Option<(String, TensorData)> {
    let dims: Vec<usize> = match &port.dims {
        Some(dims) => dims.iter().map(|dim| if let Dim::Fixed(size) = dim { *size } else { free }).collect(),
        None => vec![free],
    };
    let count = dims.iter().try_fold(1_usize, |count, &dim| count.checked_mul(dim))?;
    let byte = if port.dtype.is_bool() { byte & 1 } else { byte };
    let bytes = vec![byte; (count <= LIMITS.max_elements).then(|| count * port.dtype.size())?];
    Some((port.name.clone(), TensorData::try_from_bytes_vec(bytes, dims, port.dtype).ok()?))
}

/// What became of a file.
#[derive(Default, Debug)]
struct Outcomes {
    refused: usize,
    failed: usize,
    ran: usize,
}

impl Outcomes {
    fn note(&mut self, bytes: Vec<u8>, name: &str, random: &mut Random) {
        let options = GraphOptions { limits: LIMITS, ..GraphOptions::default() };
        let graph = match Graph::load(bytes, HashMap::new(), &Device::cpu(), &options) {
            Ok(graph) => graph,
            Err(error) => {
                let expected = matches!(error.kind(), ErrorKind::InvalidArtefact | ErrorKind::Unsupported);
                assert!(expected, "{name}: {error:?}");
                self.refused += 1;
                return;
            }
        };
        let (free, byte) = (random.below(4), [0, 1, 0x7f, 0xff][random.below(4)]);
        let Some(inputs) = graph.inputs().iter().map(|port| filled(port, free, byte)).collect() else { return };
        match pollster::block_on(graph.run(inputs)) {
            Ok(_) => self.ran += 1,
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::Internal, "{name}: {error:?}");
                self.failed += 1;
            }
        }
    }
}

/// The models of `tests/golden/operators`, by name.
fn golden_operators() -> Vec<(String, Vec<u8>)> {
    let bytes = fs::read(golden("operators/operators.safetensors")).expect("a golden file");
    let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
    let mut models: Vec<_> = tensors.iter().map(|(name, tensor)| (name.to_owned(), tensor.data().to_vec())).collect();
    models.retain(|(name, _)| name.ends_with("/model"));
    models.sort();
    models
}

#[test]
fn no_broken_file_panics() {
    let folder = fetched("conformance/onnx-1.22.0/node");
    let mut names: Vec<_> = fs::read_dir(folder).expect("the tests").map(|entry| entry.expect("one").path()).collect();
    names.sort();
    let mut models: Vec<_> = names.iter().map(|path| fs::read(path.join("model.onnx")).expect("a model")).collect();
    for (name, model) in golden_operators() {
        names.push(name.into());
        models.push(model);
    }
    let times = std::env::var("PILOT_LIGHT_MUTATIONS").map_or(TIMES, |times| times.parse().expect("a number"));
    let mut random = Random(1);
    let mut outcomes = Outcomes::default();
    for (model, path) in models.iter().zip(&names) {
        for number in 0..times {
            let other = &models[random.below(models.len())];
            // The number finds a file again that did something unexpected.
            let bytes = broken(model, other, &mut random);
            outcomes.note(bytes, &format!("{}, {number}", path.display()), &mut random);
        }
    }
    println!("{outcomes:?}");
    let all = outcomes.refused + outcomes.failed + outcomes.ran;
    assert!(all >= 3_000, "only {all} files were broken");
    assert!(
        outcomes.ran >= 500 && outcomes.failed >= 100,
        "hardly any could be run, so that hardly anything was tested: {outcomes:?}"
    );
}

#[test]
fn every_beginning_of_a_file_is_refused_or_read() {
    let bytes = fs::read(fetched("models/pp-ocrv4/cls.onnx")).expect("a model");
    let (mut random, mut outcomes) = (Random(2), Outcomes::default());
    for length in (0..bytes.len()).step_by(bytes.len() / 300) {
        outcomes.note(bytes[..length].to_vec(), &format!("the first {length} bytes"), &mut random);
    }
    assert!(outcomes.refused > 0, "{outcomes:?}");
}
