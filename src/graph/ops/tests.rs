//! Every operator on inputs that no well-meaning file would have: it answers or refuses, and does not panic. And what
//! its record must say.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::DType;

use super::super::attributes::{Attribute, Attributes};
use super::super::host::{self, BOOL, HostTensor};
use super::super::options::Limits;
use super::{FAMILIES, InputSpec, Inputs, NodeSpec, Op};

/// How often each operator is tried.
const TRIES: usize = 2_000;

/// Attributes of one integer.
const INTS: &[&str] = &[
    "axis",
    "axes",
    "keepdims",
    "k",
    "to",
    "dtype",
    "exclusive",
    "reverse",
    "largest",
    "batch_dims",
    "blocksize",
    "group",
    "ceil_mode",
    "count_include_pad",
    "storage_order",
    "p",
    "align_corners",
    "num_outputs",
    "hidden_size",
    "upper",
    "num_heads",
    "kv_num_heads",
    "q_num_heads",
    "num_groups",
    "size",
    "start",
    "end",
    "block_size",
    "bits",
    "K",
    "N",
    "inverse",
    "onesided",
    "periodic",
    "transA",
    "transB",
    "noop_with_empty_axes",
    "select_last_index",
    "is_causal",
    "sample_size",
    "allowzero",
    "center_point_box",
    "interleaved",
    "rotary_embedding_dim",
    "fmod",
    "output_height",
    "output_width",
    "sampling_ratio",
    "layout",
    "linear_before_reset",
    "offset_group",
    "ignore_index",
    "stash_type",
];
/// Attributes of several.
const LISTS: &[&str] = &[
    "axes",
    "perm",
    "shape",
    "split",
    "kernel_shape",
    "strides",
    "pads",
    "dilations",
    "starts",
    "ends",
    "repeats",
    "output_padding",
    "output_shape",
];
/// Words that attributes have.
const WORDS: &[(&str, &[&str])] = &[
    ("direction", &["LEFT", "RIGHT", "forward", "reverse", "bidirectional"]),
    ("mode", &["constant", "reflect", "edge", "wrap", "nearest", "linear", "cubic", "DCR", "CRD", "avg", "max"]),
    ("reduction", &["none", "add", "mul", "max", "min", "mean", "sum"]),
    ("equation", &["ij,jk->ik", "ii->i", "...i,...j", "i,i", "->", "ij->ji"]),
    ("auto_pad", &["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]),
    ("approximate", &["none", "tanh"]),
    ("padding_mode", &["zeros", "border", "reflection"]),
    ("coordinate_transformation_mode", &["half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"]),
];
const FLOATS: &[&str] = &["alpha", "beta", "epsilon", "min", "max", "scale", "seed", "spatial_scale", "bias", "lambd"];

/// A generator of random numbers, always the same.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn int(&mut self) -> i64 {
        match self.below(12) {
            0 => self.of(&[i64::MAX, i64::MIN, i64::MAX - 1, 1 << 40, -(1 << 40), 1 << 31, 1000]),
            1 | 2 => -1 - self.below(4) as i64,
            _ => self.below(5) as i64,
        }
    }

    fn ints(&mut self) -> Vec<i64> {
        (0..self.below(5)).map(|_| self.int()).collect()
    }

    fn dtype(&mut self) -> DType {
        self.of(&[DType::F32, DType::F32, DType::F32, DType::I64, DType::I64, DType::I32, DType::U8, DType::U64, BOOL])
    }

    fn shape(&mut self) -> Vec<usize> {
        (0..self.below(5)).map(|_| self.of(&[0, 1, 1, 2, 2, 3, 3, 4])).collect()
    }

    fn tensor(&mut self, dtype: DType, shape: &[usize]) -> HostTensor {
        let count = shape.iter().product();
        let tensor = if host::is_float(dtype) {
            let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30, -1e-30];
            let mut number = || if self.below(10) == 0 { self.of(&odd) } else { self.int().clamp(-9, 9) as f64 * 0.5 };
            host::from_f64s(dtype, shape, &(0..count).map(|_| number()).collect::<Vec<_>>())
        } else {
            host::from_i64s(dtype, shape, &(0..count).map(|_| self.int()).collect::<Vec<_>>())
        };
        // Half of what flows through a graph are views.
        if self.below(2) == 0 { tensor } else { tensor.permute(&(0..shape.len()).rev().collect::<Vec<_>>()) }
    }

    fn attributes(&mut self) -> Attributes {
        let mut attributes = Attributes::default();
        for name in LISTS {
            if self.below(3) == 0 {
                attributes.push(name, Attribute::Ints(self.ints()));
            }
        }
        for name in INTS {
            if self.below(2) == 0 && !attributes.has(name) {
                let types = ["to", "dtype"].contains(name);
                attributes.push(name, Attribute::Int(if types { self.below(14) as i64 } else { self.int() }));
            }
        }
        for (name, words) in WORDS {
            if self.below(2) == 0 {
                attributes.push(name, Attribute::String(self.of(words).to_string()));
            }
        }
        for name in FLOATS {
            if self.below(3) == 0 {
                attributes.push(name, Attribute::Float(self.of(&[0.0, 1.0, -1.0, 0.5, f32::NAN, f32::INFINITY])));
            }
        }
        attributes
    }
}

/// Whether it answered.
fn try_one(op: &'static Op, draw: &mut Draw) -> bool {
    let (dtype, shape) = (draw.dtype(), draw.shape());
    let mut values: Vec<Option<HostTensor>> = Vec::new();
    for index in 0..draw.below(7) {
        // Inputs that fit each other get further.
        let dtype = if draw.below(3) == 0 { draw.dtype() } else { dtype };
        let shape = if draw.below(2) == 0 { draw.shape() } else { shape.clone() };
        values.push((index == 0 || draw.below(6) > 0).then(|| draw.tensor(dtype, &shape)));
    }
    let mut specs = Vec::new();
    for value in &values {
        specs.push(value.as_ref().map(|value| InputSpec {
            dtype: Some(value.dtype()),
            constant: (draw.below(3) == 0).then(|| host::contiguous(value.clone())),
        }));
    }
    let attributes = draw.attributes();
    let node = NodeSpec {
        op,
        opset: draw.of(&[7, 9, 10, 11, 13, 18, 20, 22, 24]),
        attributes: &attributes,
        inputs: &specs,
        outputs: 1 + draw.below(3),
    };
    if node.dtype(0).is_some_and(|dtype| !op.accepts.has(dtype)) {
        return false;
    }
    let Ok(kernel) = (op.prepare)(&node) else { return false };
    let limits = Limits { max_elements: 1 << 12, ..Limits::default() };
    kernel(&mut Inputs::new(values, &limits)).is_ok()
}

#[test]
fn no_operator_panics() {
    let mut panicked = Vec::new();
    for op in FAMILIES.iter().flat_map(|family| family.iter()) {
        let mut draw = Draw(op.name.bytes().map(u64::from).sum());
        let tries = || (0..TRIES).filter(|_| try_one(op, &mut draw)).count();
        if catch_unwind(AssertUnwindSafe(tries)).is_err() {
            panicked.push(op.name);
        }
    }
    assert!(panicked.is_empty(), "these panic: {panicked:?}");
}

/// The operators that multiply matrices, by the families that hold nothing else but the exceptions.
#[test]
fn every_operator_that_multiplies_matrices_has_a_cost() {
    // Products whose count depends on more than shapes, and operators of the families that multiply nothing.
    let exceptions = ["Einsum", "LinearAttention", "RotaryEmbedding"];
    let families =
        [super::matmul::OPS, super::conv::OPS, super::attention::OPS, super::rnn::OPS, super::deform_conv::OPS];
    let named = ["MatMul", "Conv", "Gemm", "Attention"];
    for op in FAMILIES.iter().flat_map(|family| family.iter()) {
        let in_family = families.iter().any(|family| family.iter().any(|member| member.is(op)));
        let multiplies = in_family || named.iter().any(|name| op.name.contains(name));
        assert_eq!(op.cost.is_some(), multiplies && !exceptions.contains(&op.name), "{}", op.name);
    }
}

/// A node that `op` may be run as, with some attributes that it may have, and inputs.
fn run_twice(op: &'static Op, draw: &mut Draw) -> Option<bool> {
    let values: Vec<_> = (0..1 + draw.below(3)).map(|_| Some(draw.tensor(DType::F32, &[3, 4]))).collect();
    let spec = InputSpec { dtype: Some(DType::F32), constant: None };
    let specs = vec![Some(spec); values.len()];
    let mut attributes = Attributes::default();
    attributes.push("shape", Attribute::Ints(vec![3, 4]));
    let node = NodeSpec { op, opset: 22, attributes: &attributes, inputs: &specs, outputs: 1 };
    let limits = Limits { max_elements: 1 << 12, ..Limits::default() };
    let kernel = (op.prepare)(&node).ok()?;
    let run = || kernel(&mut Inputs::new(values.clone(), &limits)).ok();
    let [first, second] = [run()?, run()?].map(|outputs| {
        let numbers = outputs.iter().flat_map(host::to_f64s);
        numbers.map(f64::to_bits).collect::<Vec<_>>()
    });
    Some(first == second)
}

#[test]
fn operators_are_random_where_their_record_says_so_and_nowhere_else() {
    // Whose outputs are equal for these inputs: a probability below 0 or above 1, a ratio without training mode.
    let hidden = ["Bernoulli", "Dropout"];
    for op in FAMILIES.iter().flat_map(|family| family.iter()) {
        let mut draw = Draw(op.name.bytes().map(u64::from).sum());
        let equal: Vec<bool> = (0..40).filter_map(|_| run_twice(op, &mut draw)).collect();
        let differs = equal.contains(&false);
        assert!(op.random || !differs, "{} gives unequal outputs for equal inputs", op.name);
        assert!(!op.random || differs || hidden.contains(&op.name), "{} is not random", op.name);
    }
}
