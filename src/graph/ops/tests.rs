//! Every operator on inputs that no well-meaning file would have: it answers or refuses, and does not panic. And what
//! its record must say.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::DType;

use super::super::attributes::{Attribute, Attributes};
use super::super::host::{self, BOOL, HostTensor};
use super::super::options::Limits;
use super::super::texts::Texts;
use super::{FAMILIES, InputSpec, Inputs, NodeSpec, Op};
use crate::kernels::activation::Activation;

/// How often each operator is tried.
const TRIES: usize = 2_000;

/// Words that attributes have.
const WORDS: &[(&str, &[&str])] = &[
    ("direction", &["LEFT", "RIGHT", "forward", "reverse", "bidirectional"]),
    ("mode", &["constant", "reflect", "edge", "wrap", "nearest", "linear", "cubic", "DCR", "CRD", "avg", "max"]),
    ("norm", &["MAX", "L1", "L2"]),
    ("post_transform", &["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]),
    ("aggregate_function", &["SUM", "AVERAGE", "MIN", "MAX"]),
    ("case_change_action", &["NONE", "LOWER", "UPPER"]),
    ("round_mode", &["up", "down", "nearest"]),
    ("reduction", &["none", "add", "mul", "max", "min", "mean", "sum"]),
    ("equation", &["ij,jk->ik", "ii->i", "...i,...j", "i,i", "->", "ij->ji"]),
    ("auto_pad", &["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]),
    ("approximate", &["none", "tanh"]),
    ("padding_mode", &["zeros", "border", "reflection"]),
    ("coordinate_transformation_mode", &["half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"]),
];

/// The operators whose attributes are so particular that none are drawn; the golden values and ONNX's tests run them, and those of
/// decoders on GPUs `MatMulOnGpu`.
const NEVER_RUN: &[&str] =
    &["MatMulInt8", "MatMulOnGpu", "MatMulBnb4", "MatMulNBits", "TreeEnsemble", "TfIdfVectorizer"];

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

    /// Some of the attributes that an operator is known to ask for.
    fn attributes(&mut self, known: &BTreeMap<String, &str>) -> Attributes {
        let mut attributes = Attributes::default();
        for (name, type_name) in known {
            // Few files have an attribute of the wrong type.
            let type_name = if self.below(50) == 0 { self.of(&["int", "ints", "float", "string"]) } else { type_name };
            if self.below(2) > 0 {
                attributes.push(name, self.attribute(name, type_name));
            }
        }
        attributes
    }

    fn attribute(&mut self, name: &str, type_name: &str) -> Attribute {
        let float = |draw: &mut Self| draw.of(&[0.0, 1.0, -1.0, 0.5, f32::NAN, f32::INFINITY]);
        match type_name {
            // Most numbers are no types.
            "int" if ["to", "dtype"].contains(&name) => Attribute::Int(self.below(14) as i64),
            "int" => Attribute::Int(self.int()),
            "ints" => Attribute::Ints(self.ints()),
            "float" => Attribute::Float(float(self)),
            "floats" => Attribute::Floats((0..self.below(5)).map(|_| float(self)).collect()),
            "string" => Attribute::String(self.word(name)),
            "strings" => Attribute::Strings((0..self.below(4)).map(|_| self.word(name)).collect()),
            "tensor" => {
                let (dtype, shape) = (self.dtype(), self.shape());
                Attribute::Tensor(host::contiguous(self.tensor(dtype, &shape)))
            }
            "activation" => Attribute::Activation(Activation::Relu),
            // They need a GPU.
            "weights" => Attribute::Other,
            other => panic!("no attribute of type {other} can be drawn: add it"),
        }
    }

    fn word(&mut self, name: &str) -> String {
        let known = WORDS.iter().find(|(of, _)| *of == name).map_or(&["anything"][..], |(_, words)| words);
        self.of(known).to_string()
    }
}

/// Whether its kernel ran: it may still have refused the inputs. What the operator asks for is added to `known`.
fn try_one(op: &'static Op, draw: &mut Draw, known: &mut BTreeMap<String, &'static str>) -> bool {
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
            encoding: None,
            constant: (draw.below(3) == 0).then(|| host::contiguous(value.clone())),
        }));
    }
    let attributes = draw.attributes(known);
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
    let kernel = (op.prepare)(&node);
    known.extend(attributes.asked.take());
    let Ok(kernel) = kernel else { return false };
    let limits = Limits { max_elements: 1 << 12, ..Limits::default() };
    let _ = kernel(&mut Inputs::new(values, &limits, Texts::default()));
    true
}

#[test]
fn no_operator_panics() {
    let (mut panicked, mut never_ran) = (Vec::new(), Vec::new());
    for op in FAMILIES.iter().flat_map(|family| family.iter()) {
        let mut draw = Draw(op.name.bytes().map(u64::from).sum());
        let mut known = BTreeMap::new();
        let tries = || (0..TRIES).filter(|_| try_one(op, &mut draw, &mut known)).count();
        match catch_unwind(AssertUnwindSafe(tries)) {
            Err(_) => panicked.push(op.name),
            Ok(0) => never_ran.push(op.name),
            Ok(_) => {}
        }
    }
    assert!(panicked.is_empty(), "these panic: {panicked:?}");
    assert_eq!(never_ran, NEVER_RUN, "operators whose kernels never ran");
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
    let spec = InputSpec { dtype: Some(DType::F32), encoding: None, constant: None };
    let specs = vec![Some(spec); values.len()];
    let mut attributes = Attributes::default();
    attributes.push("shape", Attribute::Ints(vec![3, 4]));
    let node = NodeSpec { op, opset: 22, attributes: &attributes, inputs: &specs, outputs: 1 };
    let limits = Limits { max_elements: 1 << 12, ..Limits::default() };
    let kernel = (op.prepare)(&node).ok()?;
    let run = || kernel(&mut Inputs::new(values.clone(), &limits, Texts::default())).ok();
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
