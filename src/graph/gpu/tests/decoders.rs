//! Products with packed weights, and the layers of decoders.

use super::*;
use crate::graph::gpu::{GpuTensor, GpuWeights};
use crate::graph::{Blocks, Builder, GraphOptions, LinearEpilogue};
use crate::kernels::block_quant::Bits;
use crate::kernels::gemm::Matrix;
use crate::kernels::qlinear::{
    BlockLayout, BlockLinear, GROUP_SIZE, Int4Linear, Int4Weights, Precision, QuantizedWeights,
};
use crate::kernels::reduce;

/// The constants and attributes of a product with packed weights.
struct PackedCase {
    name: &'static str,
    constants: Vec<HostTensor>,
    attributes: Attributes,
    /// The dequantised weights, `[outputs, inputs]`.
    weights: Vec<f32>,
}

impl PackedCase {
    /// Weights of 8 bits that were quantised here.
    fn quantised(draw: &mut Draw, (inputs, outputs): (usize, usize)) -> Self {
        let weights = draw.floats(&[inputs, outputs]);
        let matrix = Matrix::new(host::slice(&weights), outputs);
        let mut attributes = Attributes::default();
        let QuantizedWeights { quads, scales, sums, .. } = QuantizedWeights::quantise((inputs, outputs), matrix);
        let layout = BlockLayout { shape: (inputs, outputs), block: GROUP_SIZE, bits: Bits::Eight };
        let linear = layout.linear(&quads, &scales, &sums, &[]).expect("sizes that fit");
        let weights = rows((inputs, outputs), |output, row| linear.read_output(output, row));
        let quantised = QuantizedWeights { shape: (inputs, outputs), quads, scales, sums };
        let constants = ops::int8::constants(quantised, &mut attributes).into();
        Self { name: "MatMulInt8", constants, attributes, weights }
    }

    /// Weights in blocks, of 8 bits.
    fn bytes(draw: &mut Draw, shape: (usize, usize), block: usize, offset: f32) -> Self {
        let weights = BlockLinear::new(shape, block, Bits::Eight, |_, _, numbers| {
            numbers.iter_mut().for_each(|number| *number = draw.below(255) as u8 as i8);
            (1e-4 * (1 + draw.below(9)) as f32, offset * draw.below(5) as f32)
        });
        let weights = weights.expect("sizes that fit");
        let mut attributes = Attributes::default();
        let dequantised = rows(shape, |output, row| weights.linear().read_output(output, row));
        let (constants, offsets) = ops::int8::block_constants(weights.layout(), weights.into_parts(), &mut attributes);
        attributes.push(ops::PRECISE, Attribute::Int(Precision::High as i64));
        let constants = constants.into_iter().chain(offsets).collect();
        Self { name: "MatMulInt8", constants, attributes, weights: dequantised }
    }

    /// Weights in blocks, of 4 bits.
    fn nibbles(draw: &mut Draw, shape: (usize, usize)) -> Self {
        let weights = Int4Weights::new(shape, |_, _, numbers| {
            numbers.iter_mut().for_each(|number| *number = draw.below(16) as u8);
            (1e-3 * (1 + draw.below(9)) as f32, -5e-3 * draw.below(9) as f32)
        });
        let words = weights.expect("whole blocks").into_words();
        let linear = Int4Linear::new(shape, &words).expect("sizes that fit");
        let dequantised = rows(shape, |output, row| linear.read_output(output, row));
        let mut attributes = Attributes::default();
        attributes.push("inputs", Attribute::Int(shape.0 as i64));
        attributes.push("outputs", Attribute::Int(shape.1 as i64));
        let constants = vec![host::tensor(&[words.len()], words)];
        Self { name: "MatMulInt4", constants, attributes, weights: dequantised }
    }

    /// With a bias and an activation, and with a residual or gated.
    fn check(&self, draw: &mut Draw, x: &HostTensor, outputs: usize, activation: Option<Activation>, gated: bool) {
        let shape = host::shape(x).to_vec();
        let mut case = Case::of(OWN_DOMAIN, self.name).constants(&[1, 2, 3, 5]).parameters(1).tolerance(1e-3);
        if self.name == "MatMulInt4" {
            case = case.constants(&[1]);
        }
        case.attributes = self.attributes.clone();
        case.attributes.set_activation(activation);
        if gated {
            case.attributes.push(ops::int8::GATED, Attribute::Int(1));
        }
        let bias = draw.floats(&[outputs]);
        let last = shape.len() - 1;
        let residual = (!gated).then(|| draw.floats(&[&shape[..last], &[outputs]].concat()));
        let constants = self.constants.iter().cloned().map(Some);
        let mut inputs = vec![Some(x.clone())];
        match self.name {
            "MatMulInt4" => inputs.extend(constants.chain([Some(bias.clone()), residual.clone()])),
            _ => {
                inputs.extend(constants);
                let offsets = inputs.get(4).cloned().flatten();
                inputs.truncate(4);
                inputs.extend([Some(bias.clone()), offsets, residual.clone()]);
            }
        }
        let (x, width) = (host::slice::<f32>(x), shape[last]);
        let mut numbers = Vec::new();
        for row in x.chunks_exact(width) {
            let term =
                |weights: &[f32]| row.iter().zip(weights).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>();
            let sums = self.weights.chunks_exact(width).zip(host::slice::<f32>(&bias));
            let mut sums: Vec<f32> = sums.map(|(weights, bias)| term(weights) as f32 + bias).collect();
            let (first, second) = sums.split_at_mut(if gated { outputs / 2 } else { outputs });
            activation.iter().for_each(|activation| activation.apply(first));
            first.iter_mut().zip(second).for_each(|(x, factor)| *x *= *factor);
            numbers.extend_from_slice(first);
        }
        let residual = residual.map(host::to_f32s).unwrap_or_default();
        numbers.iter_mut().zip(residual).for_each(|(x, term)| *x += term);
        let columns = if gated { outputs / 2 } else { outputs };
        case.check_gpu(&inputs, &host::tensor(&[&shape[..last], &[columns]].concat(), numbers));
    }
}

/// Small activations, so that sums are, whose rounding would count in a product of two.
fn activations(draw: &mut Draw, rows: usize, inputs: usize) -> HostTensor {
    let numbers = host::to_f32s(draw.floats(&[1, rows, inputs]));
    host::tensor(&[1, rows, inputs], numbers.into_iter().map(|x| x / 20.0).collect::<Vec<_>>())
}

/// The rows that `read` writes, one for each output.
fn rows((inputs, outputs): (usize, usize), read: impl Fn(usize, &mut [f32]) -> Option<()>) -> Vec<f32> {
    let mut all = vec![0.0; inputs * outputs];
    all.chunks_exact_mut(inputs).enumerate().for_each(|(output, row)| read(output, row).expect("an output"));
    all
}

#[test]
fn products_with_packed_weights() {
    let mut draw = Draw(11);
    let functions = [None, Some(Activation::Gelu), Some(Activation::Swish(1.0))];
    let sizes = [(32, 8), (64, 24), (576, 80), (96, 1032), (2080, 16), (4096, 48)];
    for (index, shape @ (inputs, outputs)) in sizes.into_iter().enumerate() {
        let cases = [
            PackedCase::quantised(&mut draw, shape),
            PackedCase::bytes(&mut draw, shape, 32, 0.0),
            PackedCase::bytes(&mut draw, shape, 16, 0.001),
            PackedCase::nibbles(&mut draw, shape),
        ];
        for case in &cases {
            for rows in [1, 3, 4, 7, 66] {
                let x = activations(&mut draw, rows, inputs);
                case.check(&mut draw, &x, outputs, functions[(index + rows) % functions.len()], false);
                case.check(&mut draw, &x, outputs, Some(Activation::Swish(1.0)), true);
            }
        }
    }
    // Sizes that are not whole panels or quads.
    for shape @ (inputs, outputs) in [(30, 13), (131, 7)] {
        let case = PackedCase::quantised(&mut draw, shape);
        for rows in [1, 9] {
            let x = activations(&mut draw, rows, inputs);
            case.check(&mut draw, &x, outputs, None, false);
        }
    }
}

#[test]
fn what_is_not_a_number_spoils_its_row_alone() {
    let mut draw = Draw(12);
    for rows in [3, 9] {
        for case in [PackedCase::quantised(&mut draw, (64, 16)), PackedCase::nibbles(&mut draw, (64, 16))] {
            let mut numbers = host::to_f32s(activations(&mut draw, rows, 64));
            numbers[64 + 5] = f32::NAN;
            // A row of zeros has no range.
            numbers[128..192].fill(0.0);
            case.check(&mut draw, &host::tensor(&[rows, 64], numbers), 16, None, false);
        }
    }
}

/// The attention of a decoder on both devices, token by token.
struct Attentions {
    attributes: Attributes,
    heads: [usize; 3],
    norms: Option<[HostTensor; 2]>,
    joined: bool,
}

impl Attentions {
    fn check(&self, draw: &mut Draw, chunks: &[usize], angles: usize) {
        let [heads, groups, size] = self.heads;
        let op = ops::find(OWN_DOMAIN, "CachedAttention").expect("an operator of the table");
        let float = || Some(InputSpec { dtype: Some(DType::F32), encoding: None, constant: None });
        let specs: Vec<_> = (0..10).map(|_| float()).collect();
        let node = NodeSpec { op, opset: ops::NEWEST_OPSET, attributes: &self.attributes, inputs: &specs, outputs: 3 };
        let limits = Limits::default();
        let (cpu, _) = ops::prepare(&node).expect("the CPU's kernel");
        let gpu = GpuKernel::prepare(&node, &device()).expect("a GPU kernel");
        let empty = || host::tensor(&[groups, 0, size], Vec::<f32>::new());
        let mut states = [empty(), empty()];
        let mut on_gpu = [Value::from(empty()), Value::from(empty())];
        let mut before = 0;
        for (turn, count) in chunks.iter().copied().enumerate() {
            let widths = if self.joined { vec![heads + 2 * groups] } else { vec![heads, groups, groups] };
            let mut inputs: Vec<_> = widths.iter().map(|heads| Some(draw.floats(&[1, count, heads * size]))).collect();
            inputs.resize(3, None);
            let tables = [draw.floats(&[count, angles]), draw.floats(&[count, angles])];
            let norms = self.norms.clone().map_or([None, None], |norms| norms.map(Some));
            let rest = || {
                let before = Some(host::tensor(&[1], vec![before as i64]));
                [vec![before], tables.clone().map(Some).to_vec(), norms.clone().to_vec()].concat()
            };
            let all = [inputs.clone(), states.clone().map(Some).to_vec(), rest()].concat();
            let expected = cpu(&mut Inputs::new(all, &limits, Texts::default())).expect("the CPU's result");
            let as_values = |inputs: Vec<Option<HostTensor>>| inputs.into_iter().map(|input| input.map(Value::from));
            let mut values: Vec<_> = as_values(inputs).collect();
            // A copy of the states before the last turn, whose memory must not change, room for more tokens included.
            let bits = |state: &Value| -> Vec<u32> {
                let state = pollster::block_on(state.clone().into_host()).expect("a result");
                host::slice::<f32>(&state).iter().map(|x| x.to_bits()).collect()
            };
            let kept = (turn + 1 == chunks.len()).then(|| on_gpu.clone());
            let before_turn: Vec<_> = kept.iter().flatten().map(bits).collect();
            values.extend(std::mem::replace(&mut on_gpu, [Value::Nothing, Value::Nothing]).map(Some));
            values.extend(as_values(rest()));
            let mut found =
                gpu.run(&values, &limits).expect("no error").expect("a kernel for these shapes").into_iter();
            let mut next = || found.next().expect("three outputs");
            let mixed = next();
            on_gpu = [next(), next()];
            before += count;
            let case = Case::of(OWN_DOMAIN, "CachedAttention").tolerance(1e-4);
            case.compare(&expected[0], &pollster::block_on(mixed.into_host()).expect("a result"));
            let used = |state: &HostTensor, count| host::contiguous(state.clone().narrow(1, 0, count));
            for (expected, found) in expected[1..].iter().zip(&on_gpu) {
                let found = pollster::block_on(found.clone().into_host()).expect("a result");
                case.compare(&used(expected, before), &used(&found, before));
            }
            let after_turn: Vec<_> = kept.iter().flatten().map(bits).collect();
            assert!(before_turn == after_turn, "a copy of the states was written to");
            states = [expected[1].clone(), expected[2].clone()];
        }
        assert_eq!(device().fault(), None);
    }
}

#[test]
fn attention_with_kept_keys_and_values_is_that_of_the_cpu() {
    let mut draw = Draw(13);
    for (index, (heads, groups, size, angles, window)) in
        [(9, 3, 64, 32, 0), (4, 4, 16, 8, 5), (2, 1, 128, 32, 0), (4, 1, 256, 128, 100), (3, 3, 6, 2, 0)]
            .into_iter()
            .enumerate()
    {
        let mut attributes = Attributes::default();
        for (name, number) in [("heads", heads), ("groups", groups), ("size", size), ("window", window)] {
            attributes.push(name, Attribute::Int(number as i64));
        }
        attributes.push("interleaved", Attribute::Int((index % 2) as i64));
        attributes.push("scale", Attribute::Float(1.0 / (size as f32).sqrt()));
        attributes.push("epsilon", Attribute::Float(1e-5));
        let norms = (index % 3 == 1).then(|| [draw.floats(&[size]), draw.floats(&[size])]);
        let case = Attentions { attributes, heads: [heads, groups, size], norms, joined: index != 2 };
        case.check(&mut draw, &[7, 1, 1, 3, 40, 1, 230, 1, 2], angles);
    }
}

#[test]
fn gates() {
    let mut draw = Draw(14);
    let mut case = Case::of(OWN_DOMAIN, "GatedActivation").tolerance(1e-4);
    case.attributes.set_activation(Some(Activation::Swish(1.0)));
    case.check(&[Some(draw.floats(&[1, 5, 12]))]);
    case.check(&[Some(draw.floats(&[1, 5, 12])), Some(draw.floats(&[1, 5, 12]))]);
}

#[test]
fn weights_on_the_gpu_alone_give_the_same() {
    let mut draw = Draw(16);
    let (shape, bias) = ((64, 24), draw.floats(&[24]));
    for case in [PackedCase::nibbles(&mut draw, shape), PackedCase::bytes(&mut draw, shape, 16, 0.001)] {
        let block = (case.name == "MatMulInt8").then_some(16);
        let weights = GpuWeights::reserve(&device(), shape, block, block.is_some()).expect("memory on a GPU");
        let floats = |index: usize, range: std::ops::Range<usize>| match case.constants.get(index) {
            Some(numbers) => &host::slice::<f32>(numbers)[range],
            None => &[],
        };
        let words = host::slice::<i32>(&case.constants[0]);
        for panel in 0..3 {
            let (each, scales) = (words.len() / 3, panel * 32..(panel + 1) * 32);
            let words = &words[panel * each..(panel + 1) * each];
            let offsets = if case.constants.len() > 3 { floats(3, scales.clone()) } else { &[] };
            weights.write(panel, words, floats(1, scales), offsets).expect("panels that fit");
        }
        // The embedding of a token whose output this is.
        let gpu = device().gpu().expect("a GPU").clone();
        for output in [0, 7, 8, 23] {
            let tensor = gpu.upload(&[1, 2], &[output as f32, -0.5]).expect("a tensor");
            let row = weights.row(&GpuTensor { tensor, gpu: gpu.clone(), bools: false }, 3.0).expect("a kernel");
            let expected = case.weights[output * 64..(output + 1) * 64].iter().map(|weight| 3.0 * weight).collect();
            let found = pollster::block_on(row.read()).expect("numbers");
            Case::of(OWN_DOMAIN, case.name).tolerance(1e-6).compare(&host::tensor(&[1, 1, 64], expected), &found);
        }
        let x = activations(&mut draw, 5, 64);
        let product = |on_gpu: bool, blocks: Blocks| {
            let mut builder = Builder::default();
            let (input, bias) = (builder.input("x", DType::F32), builder.floats(&[24], host::to_f32s(bias.clone())));
            let out = builder.linear_blocks(input, blocks, Some(bias), LinearEpilogue::default());
            let options = GraphOptions { gpu_min_elements: 1, ..GraphOptions::default() };
            let graph = builder.finish(&[("out", out)], &device().for_model(), &options).expect("a graph");
            assert_eq!(graph.needs_gpu(), on_gpu);
            let x = host::into_data(x.clone());
            let (out, cost) = pollster::block_on(graph.run_counted(vec![("x".to_string(), x)])).expect("a run");
            (out[0].1.try_to_vec::<f32>().expect("floats"), cost)
        };
        let (found, cost) = product(true, Blocks::on_gpu(weights));
        let case_on_cpu = Case::of(OWN_DOMAIN, case.name).tolerance(1e-4);
        let expected: Vec<f32> = host::slice::<f32>(&x)
            .chunks_exact(64)
            .flat_map(|x| {
                let sums = case.weights.chunks_exact(64).zip(host::slice::<f32>(&bias));
                sums.map(|(w, bias)| x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>() + bias).collect::<Vec<_>>()
            })
            .collect();
        case_on_cpu.compare(&host::tensor(&[5, 24], expected), &host::tensor(&[5, 24], found));
        assert_eq!(cost.operations, 2 * 5 * 64 * 24);
        assert!(cost.bytes > 64 * 24 / 2, "{cost:?}");
    }
    // The CPU has no memory for them.
    assert!(GpuWeights::reserve(&Device::cpu(), shape, None, false).is_none());
    assert_eq!(device().fault(), None);
}

#[test]
fn layers_that_are_joined_give_the_same() {
    let mut draw = Draw(15);
    let mut weights = |outputs: usize, offset: f32| {
        let layer = BlockLinear::new((64, outputs), 32, Bits::Eight, |_, _, numbers| {
            numbers.iter_mut().for_each(|number| *number = draw.below(255) as u8 as i8);
            (0.01, offset)
        });
        Blocks::int8(layer.expect("sizes that fit"))
    };
    let parts = [weights(16, 0.0), weights(8, 0.5), weights(13, 0.0)];
    let rows = |blocks: &Blocks, outputs| rows((64, outputs), |output, row| blocks.read_output(output, row));
    let expected = [rows(&parts[0], 16), rows(&parts[1], 8), rows(&parts[2], 13)].concat();
    let joined = Blocks::concat(parts.to_vec()).unwrap_or_else(|_| panic!("they are alike"));
    assert_eq!(rows(&joined, 37), expected);
    // One that does not end with a panel can only be the last.
    assert!(Blocks::concat(vec![weights(13, 0.0), weights(8, 0.0)]).is_err());
}

#[test]
fn the_likeliest_is_the_first_of_the_largest() {
    let device = device();
    let gpu = device.gpu().expect("a GPU");
    let check = |rows: usize, x: &[f32]| {
        let columns = x.len() / rows;
        let tensor = gpu.upload(&[rows, columns], x).expect("a tensor");
        let found = pollster::block_on(gpu.read(&gpu.likeliest(&tensor).expect("a kernel"))).expect("numbers");
        for (row, found) in x.chunks_exact(columns).zip(found.as_chunks::<2>().0) {
            let index = reduce::first_largest(row, |_| true);
            assert_eq!(found[0], index.map_or(-1.0, |index| index as f32), "of {columns}");
            let Some(index) = index else { continue };
            let most = f64::from(row[index as usize]);
            let expected = -row.iter().map(|x| (f64::from(*x) - most).exp()).sum::<f64>().ln();
            let same = (f64::from(found[1]) - expected).abs() < 1e-4 || found[1].is_nan() && expected.is_nan();
            assert!(same, "{} of {columns}, expected {expected}", found[1]);
        }
    };
    for (rows, columns) in [(1, 1), (3, 5), (1, 2048), (2, 2049), (1, 151_936), (4, 49_152)] {
        let x: Vec<f32> = (0..rows * columns).map(|at| ((at * 7919) % 10_007) as f32 / 500.0 - 10.0).collect();
        check(rows, &x);
        // Equal ones, and some that are far below.
        check(rows, &vec![-7.5; rows * columns]);
        check(rows, &Vec::from_iter(x.iter().map(|x| x.round() * 1e4)));
    }
    let mut x = Vec::from_iter((0..5000).map(|at| (at * 37 % 101) as f32 / 50.0 - 1.0));
    x[10] = f32::NAN;
    check(1, &x);
    x[4000] = 1e30;
    check(1, &x);
    check(2, &[f32::NAN; 5000]);
    check(1, &[f32::NEG_INFINITY; 300]);
    x[17] = f32::INFINITY;
    check(1, &x);
    assert_eq!(device.fault(), None);
}
