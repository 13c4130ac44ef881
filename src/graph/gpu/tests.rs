//! Every operator that has a GPU kernel, against the CPU's, which is authoritative: random shapes, views, NaN and infinities.
//! Needs a GPU, which may be one in software.

mod decoders;

use std::sync::OnceLock;

use burn::tensor::DType;

use super::{GpuKernel, GpuTensor};
use crate::device::Device;
use crate::graph::attributes::{Attribute, Attributes};
use crate::graph::host::{self, HostTensor};
use crate::graph::ops::{self, InputSpec, Inputs, NodeSpec, OWN_DOMAIN, Op};
use crate::graph::options::Limits;
use crate::graph::texts::Texts;
use crate::graph::value::Value;
use crate::kernels::activation::Activation;

fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let open = || pollster::block_on(crate::graph::open_webgpu()).expect("a GPU, which may be one in software");
    DEVICE.get_or_init(open).clone()
}

/// A generator of random numbers, always the same.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }

    fn floats(&mut self, shape: &[usize]) -> HostTensor {
        let count = shape.iter().product();
        host::tensor(shape, (0..count).map(|_| self.below(4001) as f32 / 1000.0 - 2.0).collect::<Vec<f32>>())
    }

    /// Among them NaN, infinities and large numbers.
    fn odd(&mut self, shape: &[usize]) -> HostTensor {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 1e-30, 0.0, -100.0, 100.0];
        let mut numbers = host::to_f32s(self.floats(shape));
        for number in &mut numbers {
            if self.below(8) == 0 {
                *number = odd[self.below(odd.len())];
            }
        }
        host::tensor(shape, numbers)
    }

    fn shape(&mut self, rank: usize) -> Vec<usize> {
        (0..rank).map(|_| 1 + self.below(7)).collect()
    }
}

/// An operator with its attributes.
struct Case {
    op: &'static Op,
    attributes: Attributes,
    /// The inputs that the graph has as constants.
    constants: &'static [usize],
    /// The index from which on inputs are parameters, which are in the CPU's memory.
    parameters: usize,
    tolerance: f32,
}

impl Case {
    fn new(name: &str) -> Self {
        Self::of("", name)
    }

    fn of(domain: &str, name: &str) -> Self {
        let op = ops::find(domain, name).expect("an operator of the table");
        Self { op, attributes: Attributes::default(), constants: &[], parameters: usize::MAX, tolerance: 2e-5 }
    }

    fn with(mut self, name: &str, value: Attribute) -> Self {
        self.attributes.push(name, value);
        self
    }

    fn constants(self, constants: &'static [usize]) -> Self {
        Self { constants, ..self }
    }

    fn parameters(self, parameters: usize) -> Self {
        Self { parameters, ..self }
    }

    fn tolerance(self, tolerance: f32) -> Self {
        Self { tolerance, ..self }
    }

    /// Runs it on both devices.
    fn check(&self, inputs: &[Option<HostTensor>]) {
        let specs = self.specs(inputs);
        let limits = Limits::default();
        let (cpu, _) = ops::prepare(&self.node(&specs)).expect("the CPU's kernel");
        let expected = cpu(&mut Inputs::new(inputs.to_vec(), &limits, Texts::default())).expect("the CPU's result");
        self.check_gpu(inputs, &expected[0]);
    }

    /// Runs it on the GPU, twice: as it is, and on views whose elements lie in another order.
    fn check_gpu(&self, inputs: &[Option<HostTensor>], expected: &HostTensor) {
        let gpu = GpuKernel::prepare(&self.node(&self.specs(inputs)), &device()).expect("a GPU kernel");
        for views in [false, true] {
            let value = |(index, input): (usize, &Option<HostTensor>)| {
                let input = input.clone()?;
                if !views || index >= self.parameters || input.dtype() != DType::F32 || host::shape(&input).contains(&0)
                {
                    return Some(Value::from(input));
                }
                let rank = host::shape(&input).len();
                let reversed: Vec<usize> = (0..rank).rev().collect();
                let turned = host::contiguous(input.permute(&reversed));
                let gpu = device().gpu()?.clone();
                let tensor = gpu.upload(host::shape(&turned), host::slice(&turned))?.permute(&reversed)?;
                Some(Value::from(GpuTensor { tensor, gpu, bools: false }))
            };
            let values: Vec<_> = inputs.iter().enumerate().map(value).collect();
            let found = gpu.run(&values, &Limits::default()).expect("no error").expect("a kernel for these shapes");
            let found = pollster::block_on(found.into_iter().next().expect("an output").into_host()).expect("a result");
            self.compare(expected, &found);
            assert_eq!(device().fault(), None, "{}", self.op.name);
        }
    }

    fn specs(&self, inputs: &[Option<HostTensor>]) -> Vec<Option<InputSpec>> {
        let spec = |(index, input): (usize, &Option<HostTensor>)| {
            let constant = self.constants.contains(&index).then(|| input.clone()).flatten();
            input.as_ref().map(|tensor| InputSpec { dtype: Some(tensor.dtype()), encoding: None, constant })
        };
        inputs.iter().enumerate().map(spec).collect()
    }

    fn node<'a>(&'a self, inputs: &'a [Option<InputSpec>]) -> NodeSpec<'a> {
        NodeSpec { op: self.op, opset: ops::NEWEST_OPSET, attributes: &self.attributes, inputs, outputs: 1 }
    }

    fn compare(&self, expected: &HostTensor, found: &HostTensor) {
        let name = self.op.name;
        assert_eq!(host::shape(found), host::shape(expected), "{name}");
        assert_eq!(found.dtype(), expected.dtype(), "{name}");
        let (expected, found) = (host::to_f64s(expected), host::to_f64s(found));
        for (index, (expected, found)) in expected.iter().zip(&found).enumerate() {
            let near = (expected - found).abs() <= f64::from(self.tolerance) * expected.abs().max(1.0);
            let same = expected == found || expected.is_nan() && found.is_nan();
            assert!(same || near, "{name}: {found} at {index}, expected {expected}");
        }
    }
}

fn ints(numbers: &[i64]) -> Option<HostTensor> {
    Some(host::tensor(&[numbers.len()], numbers.to_vec()))
}

#[test]
fn functions_of_one_number() {
    let mut draw = Draw(1);
    let names = [
        "Abs",
        "Ceil",
        "Cos",
        "Erf",
        "Exp",
        "Floor",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Neg",
        "Reciprocal",
        "Relu",
        "Sigmoid",
        "Sin",
        "Swish",
        "Tanh",
        "Identity",
    ];
    for name in names.into_iter().filter(|name| ops::find("", name).is_some_and(|op| op.gpu.is_some())) {
        for rank in [0, 1, 3, 5] {
            let shape = draw.shape(rank);
            // The sine of a large number has no precision.
            let x = if ["Cos", "Sin"].contains(&name) { draw.floats(&shape) } else { draw.odd(&shape) };
            Case::new(name).tolerance(2e-4).check(&[Some(x)]);
        }
    }
    for name in ["Log", "Sqrt"] {
        let x = host::tensor(&[5], vec![0.25f32, 1.0, 3.5, f32::INFINITY, 1e-20]);
        Case::new(name).tolerance(1e-4).check(&[Some(x)]);
    }
    let tanh = Attribute::String("tanh".to_string());
    Case::new("Gelu").with("approximate", tanh).tolerance(2e-4).check(&[Some(draw.odd(&[3, 300]))]);
    let bound = |number: f32| Some(host::tensor(&[], vec![number]));
    Case::new("Clip").parameters(1).check(&[Some(draw.odd(&[5, 7])), bound(-0.5), bound(1.5)]);
    Case::new("Pow").parameters(1).check(&[Some(draw.odd(&[5, 7])), bound(2.0)]);
}

#[test]
fn functions_of_two_numbers() {
    let mut draw = Draw(2);
    for name in ["Add", "Sub", "Mul", "Div", "Greater", "Less"] {
        for round in 0..6 {
            let mut a = draw.shape(4);
            let mut b = a[draw.below(3)..].to_vec();
            a[draw.below(4)] = 1;
            let at = draw.below(b.len());
            b[at] = 1;
            let b = if round == 5 { vec![] } else { b };
            Case::new(name).check(&[Some(draw.odd(&a)), Some(draw.odd(&b))]);
            Case::new(name).check(&[Some(draw.odd(&b)), Some(draw.odd(&a))]);
        }
    }
    let mask = host::bools(&[3, 1, 4], (0..12).map(|bit| u8::from(bit % 3 == 0)).collect());
    Case::new("Where").check(&[Some(mask), Some(draw.odd(&[2, 1, 5, 4])), Some(draw.odd(&[5, 1]))]);
}

#[test]
fn many_elements_take_more_than_a_row_of_workgroups() {
    // 65,535 workgroups of 256.
    let x = host::tensor(&[17_000_001], (0..17_000_001).map(|x| (x % 1013) as f32).collect::<Vec<_>>());
    Case::new("Neg").check(&[Some(x)]);
}

#[test]
fn layouts() {
    let mut draw = Draw(3);
    let x = draw.odd(&[3, 4, 5, 6]);
    let perm = |axes: &[i64]| Attribute::Ints(axes.to_vec());
    Case::new("Transpose").with("perm", perm(&[2, 0, 3, 1])).check(&[Some(x.clone())]);
    Case::new("Reshape").check(&[Some(x.clone()), ints(&[12, -1, 2])]);
    Case::new("Flatten").check(&[Some(x.clone())]);
    Case::new("Unsqueeze").check(&[Some(x.clone()), ints(&[0, 3])]);
    Case::new("Squeeze").check(&[Some(draw.odd(&[1, 3, 1, 4])), ints(&[0, 2])]);
    Case::new("Expand").check(&[Some(draw.odd(&[3, 1, 5])), ints(&[2, 3, 4, 5])]);
    Case::new("Slice").check(&[Some(x.clone()), ints(&[1, -3]), ints(&[3, 100]), ints(&[1, -1])]);
    let parts = [2, 1, 4].map(|size| Some(draw.odd(&[3, size, 5])));
    Case::new("Concat").with("axis", Attribute::Int(1)).check(&parts);
    let value = Some(host::tensor(&[], vec![7.5f32]));
    Case::new("Pad").parameters(1).check(&[Some(x.clone()), ints(&[0, 1, 2, 0, 3, 0, 1, 2]), value]);
    Case::new("Pad").parameters(1).check(&[Some(x), ints(&[0, 1, 2, 0, 3, 0, 1, 2])]);
}

#[test]
fn rows() {
    let mut draw = Draw(4);
    for shape in [&[7, 5][..], &[3, 100], &[2, 300, 3], &[2, 3, 33, 2], &[1, 1]] {
        for axis in 0..shape.len() as i64 {
            let attribute = Attribute::Int(axis);
            Case::new("Softmax").with("axis", attribute.clone()).check(&[Some(draw.floats(shape))]);
            Case::new("LogSoftmax").with("axis", attribute).check(&[Some(draw.floats(shape))]);
            for name in ["ReduceMax", "ReduceMin", "ReduceMean", "ReduceSum"] {
                Case::new(name).tolerance(1e-4).check(&[Some(draw.floats(shape)), ints(&[axis])]);
            }
        }
        let keep = || ("keepdims", Attribute::Int(0));
        Case::new("ReduceMean").with(keep().0, keep().1).tolerance(1e-4).check(&[Some(draw.floats(shape))]);
    }
    for shape in [[40, 5], [4, 50]] {
        Case::new("Softmax").check(&[Some(draw.odd(&shape))]);
        Case::new("ReduceSum").tolerance(1e-4).check(&[Some(draw.odd(&shape)), ints(&[1])]);
    }
}

#[test]
fn norms() {
    let mut draw = Draw(5);
    for shape in [&[3, 384][..], &[2, 5, 7], &[1, 1024], &[300, 16]] {
        let columns = shape[shape.len() - 1];
        let mut vector = || Some(draw.floats(&[columns]));
        let (scale, bias) = (vector(), vector());
        for odd in [false, true] {
            let mut x = || Some(if odd { draw.odd(shape) } else { draw.floats(shape) });
            let inputs = [x(), scale.clone(), bias.clone()];
            Case::new("LayerNormalization").tolerance(1e-4).check(&inputs);
            Case::new("LayerNormalization").tolerance(1e-4).check(&inputs[..2]);
            Case::new("RMSNormalization").tolerance(1e-4).check(&inputs[..2]);
            let sum = [x(), x(), scale.clone(), bias.clone()];
            Case::of(OWN_DOMAIN, "AddLayerNormalization").tolerance(1e-4).check(&sum);
        }
    }
    let mut part = || Some(draw.floats(&[6]));
    let (scale, bias, mean) = (part(), part(), part());
    let variance = Some(host::tensor(&[6], vec![0.5f32, 1.0, 0.1, 2.0, 0.0, 3.0]));
    Case::new("BatchNormalization").tolerance(1e-3).check(&[
        Some(draw.floats(&[2, 6, 4, 3])),
        scale,
        bias,
        mean,
        variance,
    ]);
}

#[test]
fn products() {
    let mut draw = Draw(6);
    let sizes = [
        (1, 1, 1),
        (1, 7, 33),
        (3, 64, 16),
        (5, 65, 17),
        (16, 384, 384),
        (17, 100, 31),
        (64, 64, 64),
        (65, 130, 40),
        (128, 1536, 48),
        (130, 33, 384),
    ];
    for (rows, columns, inner) in sizes {
        let (a, b) = (draw.floats(&[rows, inner]), draw.floats(&[inner, columns]));
        let product = Case::new("MatMul").tolerance(1e-4);
        product.check(&[Some(a.clone()), Some(b.clone())]);
        product.check(&[Some(draw.floats(&[2, 3, rows, inner])), Some(b.clone())]);
        product.check(&[Some(draw.floats(&[2, 1, rows, inner])), Some(draw.floats(&[3, inner, columns]))]);
        let bias = draw.floats(&[columns]);
        let activations = [
            None,
            Some(Activation::Gelu),
            Some(Activation::GeluTanh),
            Some(Activation::Relu),
            Some(Activation::Tanh),
            Some(Activation::Swish(1.5)),
            Some(Activation::Clip(-1.0, f32::INFINITY)),
            Some(Activation::HardSwish(0.2, 0.5)),
        ];
        // All of them where tiles are cut off; the others have the same shaders.
        for activation in activations.into_iter().take(if inner == 17 { activations.len() } else { 2 }) {
            let mut case = Case::of(OWN_DOMAIN, "MatMulBias").tolerance(1e-4);
            case.attributes.set_activation(activation);
            case.check(&[Some(draw.floats(&[1, rows, inner])), Some(b.clone()), Some(bias.clone())]);
        }
        for (trans_a, trans_b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let turn = |tensor: &HostTensor, turned: i64| {
                Some(if turned == 1 { host::contiguous(tensor.permute(&[1, 0])) } else { tensor.clone() })
            };
            let gemm =
                Case::new("Gemm").with("transA", Attribute::Int(trans_a)).with("transB", Attribute::Int(trans_b));
            let gemm = gemm.with("alpha", Attribute::Float(0.5)).with("beta", Attribute::Float(-2.0)).tolerance(1e-4);
            let (a, b) = (turn(&a, trans_a), turn(&b, trans_b));
            gemm.check(&[a.clone(), b.clone(), Some(draw.floats(&[rows, 1]))]);
            gemm.check(&[a.clone(), b.clone(), Some(draw.floats(&[columns]))]);
            gemm.check(&[a, b]);
        }
    }
    // What is not a number stays in its row and column.
    let (a, b) = (draw.odd(&[20, 9]), draw.floats(&[9, 70]));
    Case::new("MatMul").check(&[Some(a), Some(b)]);
}

#[test]
fn attentions() {
    let mut draw = Draw(7);
    let sizes = [
        (1, 2, 2, 5, 5, 32),
        (2, 4, 2, 16, 16, 64),
        (1, 3, 1, 1, 70, 16),
        (2, 2, 2, 70, 33, 30),
        (1, 1, 1, 9, 40, 128),
    ];
    for (batch, heads, groups, queries, keys, size) in sizes {
        let scale = Attribute::Float(1.0 / (size as f32).sqrt());
        let q = Some(draw.floats(&[batch, heads, queries, size]));
        let k = Some(draw.floats(&[batch, groups, keys, size]));
        let v = Some(draw.floats(&[batch, groups, keys, size / 2 + 1]));
        let case = Case::of(OWN_DOMAIN, "Attention").with("scale", scale);
        case.check(&[q.clone(), k.clone(), v.clone()]);
        for shape in [&[batch, 1, 1, keys][..], &[heads, queries, keys], &[keys], &[1, 1, queries, 1]] {
            case.check(&[q.clone(), k.clone(), v.clone(), Some(draw.floats(shape))]);
        }
        // Padding, and nothing but padding.
        let padded: Vec<f32> = (0..batch * keys).map(|key| if key % keys < 3 { 0.0 } else { -1e9 }).collect();
        case.check(&[q.clone(), k.clone(), v.clone(), Some(host::tensor(&[batch, 1, 1, keys], padded))]);
        let hidden = vec![f32::NEG_INFINITY; keys];
        case.check(&[q.clone(), k.clone(), v.clone(), Some(host::tensor(&[keys], hidden))]);
        case.check(&[q, k, v, Some(draw.odd(&[batch, 1, queries, keys]))]);
    }
}

#[test]
fn windows() {
    let mut draw = Draw(8);
    let list = |numbers: &[i64]| Attribute::Ints(numbers.to_vec());
    for (channels, outputs, groups) in [(3, 8, 1), (8, 8, 8), (6, 4, 2), (4, 2, 1), (16, 70, 1)] {
        for (window, strides, pads, dilations) in [
            ([3, 3], [1, 1], [1, 1, 1, 1], [1, 1]),
            ([1, 1], [1, 1], [0; 4], [1, 1]),
            ([2, 3], [2, 1], [0, 2, 1, 0], [2, 1]),
        ] {
            let x = Some(draw.floats(&[2, channels, 11, 9]));
            let weights = Some(draw.floats(&[outputs, channels / groups, window[0], window[1]]));
            let conv = Case::of(OWN_DOMAIN, "Conv").with("group", Attribute::Int(groups as i64));
            let mut conv = conv
                .with("strides", list(&strides))
                .with("pads", list(&pads))
                .with("dilations", list(&dilations))
                .constants(&[1])
                .tolerance(1e-4);
            conv.check(&[x.clone(), weights.clone()]);
            conv.attributes.set_activation(Some(Activation::Relu));
            conv.check(&[x, weights, Some(draw.floats(&[outputs]))]);
        }
    }
    let conv =
        Case::new("Conv").with("pads", list(&[2, 1])).with("strides", list(&[2])).constants(&[1]).tolerance(1e-4);
    conv.check(&[Some(draw.floats(&[2, 5, 30])), Some(draw.floats(&[7, 5, 4]))]);
    for (groups, strides, pads) in [(1, [1, 1], [0; 4]), (2, [2, 3], [1; 4])] {
        let conv = Case::new("ConvTranspose").with("group", Attribute::Int(groups));
        let conv = conv.with("strides", list(&strides)).with("pads", list(&pads)).constants(&[1]).tolerance(1e-4);
        conv.check(&[
            Some(draw.floats(&[2, 4, 5, 6])),
            Some(draw.floats(&[4, 3, 3, 4])),
            Some(draw.floats(&[3 * groups as usize])),
        ]);
    }
    for (name, padding) in [("MaxPool", 0), ("AveragePool", 0), ("AveragePool", 1)] {
        for (strides, pads) in [([1, 1], [0; 4]), ([2, 3], [1; 4])] {
            let mut pool = Case::new(name).with("kernel_shape", list(&[3, 2]));
            pool = pool.with("strides", list(&strides)).with("pads", list(&pads));
            if padding == 1 {
                pool = pool.with("count_include_pad", Attribute::Int(1));
            }
            pool.check(&[Some(draw.floats(&[2, 3, 8, 9]))]);
        }
    }
    Case::new("GlobalAveragePool").tolerance(1e-4).check(&[Some(draw.floats(&[2, 3, 8, 9]))]);
    let word = |word: &str| Attribute::String(word.to_string());
    let scales = Some(host::tensor(&[4], vec![1.0f32, 1.0, 2.0, 3.0]));
    let resize = Case::new("Resize").parameters(1).with("mode", word("linear")).tolerance(1e-4);
    resize.check(&[Some(draw.floats(&[2, 3, 4, 5])), None, scales.clone()]);
    let resize = Case::new("Resize").parameters(1).with("coordinate_transformation_mode", word("asymmetric"));
    resize.with("nearest_mode", word("floor")).check(&[Some(draw.floats(&[2, 3, 4, 5])), None, scales]);
}
