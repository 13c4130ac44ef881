//! The cases of `tests/golden/onnx`, whose README says how they are stored.

use std::collections::BTreeMap;
use std::fs;

use burn::tensor::{DType, TensorData};
use pilot_light::graph::Port;
use safetensors::{Dtype, SafeTensors};
use zune_png::PngDecoder;
use zune_png::zune_core::bytestream::ZCursor;

use crate::support::{fetched, golden};

/// The samples of a frame, and those of the frame before it that go with them.
const FRAME: usize = 512;
const CONTEXT: usize = 64;
/// What stands before the samples of this file, which is checked by digest when it is fetched.
const WAV_HEADER: usize = 44;

/// The cases of one model.
pub struct Golden {
    cases: BTreeMap<String, Case>,
    stride: usize,
}

/// What goes into a model and what comes out, by `KIND/PORT`.
#[derive(Default)]
pub struct Case(BTreeMap<String, Kept>);

struct Kept {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Golden {
    pub fn read(name: &str) -> Self {
        let bytes = fs::read(golden(&format!("onnx/{name}.safetensors"))).expect("a golden file");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
        let stride = header.metadata().as_ref().expect("metadata")["stride"].parse().expect("a stride");
        let mut cases: BTreeMap<String, Case> = BTreeMap::new();
        for (name, tensor) in SafeTensors::deserialize(&bytes).expect("tensors").iter() {
            let (case, key) = name.split_once('/').expect("CASE/KIND/PORT");
            let kept = Kept { dtype: tensor.dtype(), shape: tensor.shape().to_vec(), bytes: tensor.data().to_vec() };
            cases.entry(case.to_owned()).or_default().0.insert(key.to_owned(), kept);
        }
        assert!(cases.len() >= 20, "{name} has {} cases", cases.len());
        Self { cases, stride }
    }

    pub fn cases(&self) -> impl Iterator<Item = (&String, &Case)> {
        self.cases.iter()
    }

    /// The largest difference of a case's outputs from those of the reference.
    pub fn difference(&self, case: &Case, outputs: &[(String, TensorData)]) -> f32 {
        let differences = outputs.iter().map(|(name, output)| {
            let numbers = output.try_to_vec::<f32>().expect("floats");
            if let Some(whole) = case.find("out", name) {
                assert_eq!(output.shape().as_slice(), whole.shape, "the shape of {name}");
                return furthest(numbers.into_iter(), whole.floats());
            }
            let dims = case.get("dims", name).integers();
            assert_eq!(output.shape().iter().map(|&dim| dim as i64).collect::<Vec<_>>(), dims, "the shape of {name}");
            let width = *output.shape().last().expect("a dimension");
            let rows = numbers.chunks(width).flat_map(|row| {
                let mean = row.iter().map(|&number| f64::from(number)).sum::<f64>() / width as f64;
                [mean as f32, row.iter().copied().fold(f32::MIN, f32::max)]
            });
            let every = furthest(numbers.iter().copied().step_by(self.stride), case.get("every", name).floats());
            every.max(furthest(rows, case.get("rows", name).floats()))
        });
        differences.fold(0.0, f32::max)
    }
}

impl Case {
    fn find(&self, kind: &str, port: &str) -> Option<&Kept> {
        self.0.get(&format!("{kind}/{port}"))
    }

    fn get(&self, kind: &str, port: &str) -> &Kept {
        self.find(kind, port).unwrap_or_else(|| panic!("no {kind} of {port} is kept"))
    }

    /// What the ports are given.
    pub fn inputs(&self, ports: &[Port]) -> Vec<(String, TensorData)> {
        ports.iter().map(|port| (port.name.clone(), self.input(port))).collect()
    }

    fn input(&self, port: &Port) -> TensorData {
        if let Some(kept) = self.find("in", &port.name) {
            return kept.tensor(port.dtype);
        }
        if let Some(kept) = self.find("speech", &port.name) {
            let [first, count] = kept.indices();
            return frames(first, count);
        }
        let width = self.find("width", &port.name).map_or(0, |kept| kept.integers()[0] as usize);
        if let Some(kept) = self.find("scan", &port.name) {
            return normalised(&cut(kept.indices()), width);
        }
        let kept = self.get("pixels", &port.name);
        let [height, length] = [kept.shape[0], kept.shape[1]];
        normalised(&Picture { pixels: kept.bytes.clone(), height, width: length }, width)
    }
}

impl Kept {
    fn integers(&self) -> Vec<i64> {
        fn read<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> i64) -> Vec<i64> {
            bytes.chunks_exact(N).map(|bytes| number(bytes.try_into().expect("N bytes"))).collect()
        }
        match self.dtype {
            Dtype::U16 => read(&self.bytes, |bytes| u16::from_le_bytes(bytes).into()),
            Dtype::I32 => read(&self.bytes, |bytes| i32::from_le_bytes(bytes).into()),
            Dtype::I64 => read(&self.bytes, i64::from_le_bytes),
            other => panic!("{other:?} are no integers"),
        }
    }

    fn indices<const N: usize>(&self) -> [usize; N] {
        let indices: Vec<usize> = self.integers().iter().map(|&index| index as usize).collect();
        indices.try_into().expect("N numbers")
    }

    fn floats(&self) -> Vec<f32> {
        assert_eq!(self.dtype, Dtype::F32);
        self.bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("4 bytes"))).collect()
    }

    fn tensor(&self, dtype: DType) -> TensorData {
        let shape = self.shape.clone();
        match dtype {
            DType::F32 => TensorData::new(self.floats(), shape),
            DType::I64 => TensorData::new(self.integers(), shape),
            DType::I32 => TensorData::new(self.integers().iter().map(|&number| number as i32).collect(), shape),
            other => panic!("nothing is kept for {other:?}"),
        }
    }
}

/// The largest difference of two lists; a NaN counts as infinitely large.
fn furthest(ours: impl Iterator<Item = f32>, theirs: Vec<f32>) -> f32 {
    let ours: Vec<f32> = ours.collect();
    assert_eq!(ours.len(), theirs.len());
    let differences = ours.iter().zip(&theirs).map(|(ours, theirs)| (ours - theirs).abs());
    differences.fold(0.0, |worst, difference| if difference.is_nan() { f32::INFINITY } else { worst.max(difference) })
}

/// Frames of the speech from the sample `first` on, [count, CONTEXT + FRAME].
fn frames(first: usize, count: usize) -> TensorData {
    let bytes = fs::read(fetched("samples/speech/test.wav")).expect("the speech");
    let samples = bytes[WAV_HEADER..].chunks_exact(2).map(|bytes| f32::from(i16::from_le_bytes([bytes[0], bytes[1]])));
    let padded: Vec<f32> = std::iter::repeat_n(0.0, CONTEXT).chain(samples.map(|sample| sample / 32768.0)).collect();
    let rows = (0..count).flat_map(|frame| &padded[first + frame * FRAME..][..CONTEXT + FRAME]);
    TensorData::new(rows.copied().collect(), [count, CONTEXT + FRAME])
}

/// Grey pixels, or three colours of each.
struct Picture {
    pixels: Vec<u8>,
    height: usize,
    width: usize,
}

/// A piece of a photographed page; see the README.
fn cut([page, x, y, width, height, repeated, turned]: [usize; 7]) -> Picture {
    let name = ["page.png", "text.png"][page];
    let file = fs::read(fetched(&format!("samples/scans/{name}"))).expect("a photograph");
    let mut decoder = PngDecoder::new(ZCursor::new(file));
    let pixels = decoder.decode_raw().expect("a picture");
    let (line, lines) = decoder.dimensions().expect("its size");
    assert_eq!(pixels.len(), line * lines, "one byte for each pixel");
    let rows = (0..height * repeated).map(|row| &pixels[(y + row / repeated) * line + x..][..width]);
    let mut pixels: Vec<u8> =
        rows.flat_map(|row| row.iter().flat_map(|&pixel| std::iter::repeat_n(pixel, repeated))).collect();
    if turned == 1 {
        pixels.reverse();
    }
    Picture { pixels, height: height * repeated, width: width * repeated }
}

/// A picture as the models of PP-OCR take it, with nothing to the right of it up to `width`.
fn normalised(picture: &Picture, width: usize) -> TensorData {
    let channels = picture.pixels.len() / (picture.height * picture.width);
    let width = width.max(picture.width);
    let mut numbers = vec![0.0; 3 * picture.height * width];
    for (index, number) in numbers.iter_mut().enumerate() {
        let (x, y, channel) = (index % width, index / width % picture.height, index / (width * picture.height));
        if x < picture.width {
            let pixel = picture.pixels[(y * picture.width + x) * channels + channel % channels];
            *number = (f32::from(pixel) / 255.0 - 0.5) / 0.5;
        }
    }
    TensorData::new(numbers, [1, 3, picture.height, width])
}
