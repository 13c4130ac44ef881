use proptest::prelude::*;

use super::activations::{SPAN, STEPS};
use super::*;
use crate::kernels::block_quant::Bits;
use crate::kernels::parallel;

/// Numbers as activations are: most are small, a few are not.
fn activations(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| (next() + next() + next()) * if next() > 0.97 { 9.0 } else { 1.0 }).collect()
}

/// The layer of `weights`, whose rows are so many outputs.
fn run(packed: &QuantizedWeights, x: &[f32], bias: &[f32], finish: Option<&Epilogue<'_>>) -> Vec<f32> {
    let layout = BlockLayout { shape: packed.shape, block: GROUP_SIZE, bits: Bits::Eight };
    let linear = layout.linear(&packed.quads, &packed.scales, &packed.sums, &[]).unwrap();
    let mut out = vec![9.0; x.len() / packed.shape.0 * packed.shape.1];
    linear.write(x, bias, finish, &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn products_are_near_those_of_three_loops(
        (rows, inputs, outputs) in (1usize..11, 1usize..300, 1usize..300),
        seed in any::<u32>(),
    ) {
        // So that the parts are computed by two threads.
        parallel::start_helper();
        let (x, weights) = (activations(rows * inputs, seed), activations(inputs * outputs, !seed));
        let bias = activations(outputs, seed ^ 1);
        let packed = QuantizedWeights::quantise((inputs, outputs), Matrix::new(&weights, outputs));
        let negative = |row: &mut [f32]| row.iter_mut().for_each(|x| *x = -*x);
        let out = run(&packed, &x, &bias, Some(&negative));
        for row in 0..rows {
            let x = &x[row * inputs..][..inputs];
            // Half a step of an activation, and of a weight.
            let half = f64::from(SPAN / STEPS) / 2.0 * (x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / inputs as f64).sqrt();
            for (column, is) in out[row * outputs..][..outputs].iter().enumerate() {
                let (mut wanted, mut bound) = (f64::from(bias[column]), 1e-4);
                for (at, x) in x.iter().map(|x| f64::from(*x)).enumerate() {
                    let group = at / GROUP_SIZE * GROUP_SIZE..inputs.min((at / GROUP_SIZE + 1) * GROUP_SIZE);
                    let largest = group.map(|at| weights[at * outputs + column].abs()).fold(0.0, f32::max);
                    let weight = f64::from(weights[at * outputs + column]);
                    wanted += x * weight;
                    bound += half * weight.abs() + (x.abs() + half) * f64::from(largest) / 254.0;
                }
                prop_assert!((wanted + f64::from(*is)).abs() < bound, "{row}, {column}: {is}, {wanted}, {bound}");
            }
        }
        // However the rows are shared out, the result is the same.
        for (x, out) in x.chunks_exact(inputs).zip(out.chunks_exact(outputs)) {
            prop_assert_eq!(run(&packed, x, &bias, Some(&negative)), out);
        }
        // So it is however the outputs are put together.
        let part = |columns: Range<usize>| {
            QuantizedWeights::quantise((inputs, columns.len()), Matrix { data: &weights[columns.start..], ..Matrix::new(&[], outputs) })
        };
        let middle = outputs / 3;
        prop_assert_eq!(QuantizedWeights::concat(vec![part(0..middle), part(middle..outputs)]), packed);
    }
}

const KINDS: [(Bits, Precision); 4] = [
    (Bits::Four, Precision::Normal),
    (Bits::Four, Precision::High),
    (Bits::Eight, Precision::Normal),
    (Bits::Eight, Precision::High),
];

/// A layer of blocks is what three loops over its weights give, and the same however its rows are shared out.
fn check_blocks(
    (bits, precision): (Bits, Precision),
    (rows, inputs, outputs): (usize, usize, usize),
    block: usize,
    offset: f32,
    seed: u32,
) {
    let middle = match bits {
        Bits::Four => 8,
        Bits::Eight => 128,
    };
    let blocks = inputs.div_ceil(block);
    let number =
        |output: usize, at: usize| ((output * 31 + at * 17 + seed as usize) % (2 * middle)) as i32 - middle as i32;
    let pair = |output: usize, at: usize| {
        let turn = (output * blocks + at) % 7;
        (0.01 + turn as f32 / 100.0, offset * (turn as f32 - 2.0))
    };
    let packed = BlockLinear::new((inputs, outputs), block, bits, |output, at, numbers| {
        // Behind the last input too.
        numbers.iter_mut().enumerate().for_each(|(index, to)| *to = number(output, at * block + index) as i8);
        pair(output, at)
    });
    let packed = packed.unwrap();
    let (x, bias) = (activations(rows * inputs, seed), activations(outputs, !seed));
    let negative = |row: &mut [f32]| row.iter_mut().for_each(|x| *x = -*x);
    let mut out = vec![9.0; rows * outputs];
    let linear = packed.linear().with(precision);
    linear.write(&x, &bias, Some(&negative), &mut out);
    for (x, out) in x.chunks_exact(inputs).zip(out.chunks_exact(outputs)) {
        let squares = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        let most = |x: &[f32]| x.iter().fold(0.0, |most, x| f64::from(x.abs()).max(most));
        // Half a step of an activation.
        let half = match precision {
            Precision::High => 2.0 * most(x) / 8190.0 / 2.0,
            Precision::Normal => f64::from(SPAN / STEPS) / 2.0 * (squares / inputs as f64).sqrt(),
        };
        for (output, is) in out.iter().enumerate() {
            let (mut wanted, mut bound) = (f64::from(bias[output]), 1e-4);
            for (at, x) in x.iter().enumerate() {
                let (scale, offset) = pair(output, at / block);
                let weight = f64::from(number(output, at)) * f64::from(scale) + f64::from(offset);
                wanted += f64::from(*x) * weight;
                bound += half * weight.abs() + f64::from(x.abs()) * weight.abs() * 1e-5;
            }
            assert!(
                (wanted + f64::from(*is)).abs() < bound,
                "{bits:?} {precision:?} {output}: {is}, {wanted}, {bound}"
            );
        }
        let mut alone = vec![9.0; outputs];
        linear.write(x, &bias, Some(&negative), &mut alone);
        assert_eq!(alone, out);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn blocks_are_those_of_three_loops(
        (rows, inputs, outputs) in (1usize..11, 1usize..300, 1usize..200),
        block in 1usize..9,
        seed in 0u32..1000,
    ) {
        parallel::start_helper();
        for kind in KINDS {
            for offset in [0.0, 0.1] {
                check_blocks(kind, (rows, inputs, outputs), 8 * block, offset, seed);
            }
        }
    }
}

#[test]
fn blocks_are_shared_out_by_rows_too() {
    parallel::start_helper();
    for kind in KINDS {
        check_blocks(kind, (64, 270, 33), 128, 0.1, 3);
        check_blocks(kind, (70, 300, 32), 256, 0.0, 4);
    }
}

#[test]
fn what_is_no_number_breaks_its_row_of_blocks_alone() {
    let packed = BlockLinear::new((32, 3), 32, Bits::Four, |_, _, numbers| {
        numbers.fill(2);
        (0.5, 1.0)
    });
    let mut x = [1.0; 64];
    x[3] = f32::NAN;
    let packed = packed.unwrap();
    for precision in [Precision::Normal, Precision::High] {
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            x[3] = broken;
            let mut out = [0.0; 6];
            packed.linear().with(precision).write(&x, &[], None, &mut out);
            let [first, second] = [&out[..3], &out[3..]];
            assert!(first.iter().all(|x| !x.is_finite()), "{precision:?} {broken}: {out:?}");
            assert!(second.iter().all(|x| (x - 64.0).abs() < 1e-3), "{precision:?} {broken}: {out:?}");
        }
    }
}

/// A layer of blocks of 4 bits is what three loops over its weights give, and the same however its rows are shared out.
fn check_int4((rows, blocks, outputs): (usize, usize, usize), seed: u32) {
    let inputs = 32 * blocks;
    let number = |output: usize, at: usize| ((output * 31 + at * 17 + seed as usize) % 16) as u8;
    // Exact in 16 bits.
    let pair = |output: usize, at: usize| {
        let turn = (output * blocks + at) % 7;
        (0.0625 * (1 + turn) as f32, 0.25 * turn as f32 - 0.5)
    };
    let weights = Int4Weights::new((inputs, outputs), |output, at, numbers| {
        numbers.iter_mut().enumerate().for_each(|(index, to)| *to = number(output, at * 32 + index));
        pair(output, at)
    });
    let words = weights.unwrap().into_words();
    let linear = Int4Linear::new((inputs, outputs), &words).unwrap();
    let (x, bias) = (activations(rows * inputs, seed), activations(outputs, !seed));
    let negative = |row: &mut [f32]| row.iter_mut().for_each(|x| *x = -*x);
    let mut out = vec![9.0; rows * outputs];
    linear.write(&x, &bias, Some(&negative), &mut out);
    for (x, out) in x.chunks_exact(inputs).zip(out.chunks_exact(outputs)) {
        for (output, is) in out.iter().enumerate() {
            let mut row = vec![0.0; inputs];
            linear.read_output(output, &mut row).unwrap();
            let (mut wanted, mut bound) = (f64::from(bias[output]), 1e-4);
            for (at, x) in x.iter().enumerate() {
                let (scale, smallest) = pair(output, at / 32);
                let weight = f32::from(number(output, at)) * scale + smallest;
                assert_eq!(row[at], weight);
                wanted += f64::from(*x) * f64::from(weight);
            }
            for (x, row) in x.chunks(32).zip(row.chunks(32)) {
                // Half a step of an activation.
                let half = x.iter().fold(0.0, |most, x| x.abs().max(most)) / 127.0 / 2.0;
                bound += row.iter().zip(x).map(|(w, x)| f64::from((half + x.abs() * 1e-5) * w.abs())).sum::<f64>();
            }
            assert!((wanted + f64::from(*is)).abs() < bound, "{output}: {is}, {wanted}, {bound}");
        }
        let mut alone = vec![9.0; outputs];
        linear.write(x, &bias, Some(&negative), &mut alone);
        assert_eq!(alone, out);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn blocks_of_4_bits_are_those_of_three_loops(
        sizes in (1usize..11, 1usize..9, 1usize..200),
        seed in 0u32..1000,
    ) {
        parallel::start_helper();
        check_int4(sizes, seed);
    }
}

/// Blocks of one weight each.
fn int4_of(outputs: usize, number: u8, pair: (f32, f32)) -> Vec<i32> {
    let weights = Int4Weights::new((32, outputs), |_, _, numbers| {
        numbers.fill(number);
        pair
    });
    weights.unwrap().into_words()
}

#[test]
fn blocks_of_4_bits_are_shared_out_by_rows_too() {
    parallel::start_helper();
    check_int4((64, 9, 33), 3);
}

#[test]
fn what_is_not_finite_breaks_its_row_of_4_bits_alone() {
    let words = int4_of(3, 10, (0.5, -3.0));
    for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = [1.0; 64];
        x[3] = broken;
        let mut out = [0.0; 6];
        Int4Linear::new((32, 3), &words).unwrap().write(&x, &[], None, &mut out);
        let [first, second] = [&out[..3], &out[3..]];
        assert!(first.iter().all(|x| !x.is_finite()), "{broken}: {out:?}");
        assert!(second.iter().all(|x| (x - 64.0).abs() < 1e-3), "{broken}: {out:?}");
    }
}

#[test]
fn activations_too_small_for_a_scale_are_zeros() {
    let (words, mut out) = (int4_of(1, 0, (2.0, -15.0)), [9.0]);
    Int4Linear::new((32, 1), &words).unwrap().write(&[1e-40; 32], &[0.5], None, &mut out);
    assert_eq!(out, [0.5]);
}

#[test]
fn weights_of_4_bits_that_do_not_fit_are_refused() {
    let new = |shape| Int4Weights::new(shape, |_, _, _| (1.0, 0.0)).is_some();
    assert!(new((32, 2)) && !new((48, 2)) && !new((0, 2)) && !new((32, 0)));
    let words = int4_of(3, 1, (1.0, 0.0));
    assert!(Int4Linear::new((32, 3), &words).is_some());
    for shape in [(32, 9), (64, 3), (0, 3), (32, 0), (31, 3)] {
        assert!(Int4Linear::new(shape, &words).is_none(), "{shape:?}");
    }
    assert!(Int4Linear::new((32, 3), &words[1..]).is_none());
}

#[test]
fn blocks_that_bytes_do_not_fit_are_refused() {
    let new = |shape, block| BlockLinear::new(shape, block, Bits::Four, |_, _, _| (1.0, 0.0)).is_some();
    assert!(new((32, 2), 32));
    assert!(!new((32, 2), 12) && !new((32, 2), 0) && !new((0, 2), 32) && !new((32, 0), 32));
    assert!(!new((32, 2), 1 << 17));
}

#[test]
fn what_is_large_is_not_cut_off() {
    let mut x = vec![0.5; 384];
    (x[7], x[100]) = (-300.0, 200.0);
    let weights: Vec<f32> = (0..384).map(|at| (at % 7) as f32 - 3.0).collect();
    let out = run(&QuantizedWeights::quantise((384, 1), Matrix::new(&weights, 1)), &x, &[], None);
    let wanted: f32 = x.iter().zip(&weights).map(|(x, weight)| x * weight).sum();
    assert!((out[0] / wanted - 1.0).abs() < 0.01, "{} {wanted}", out[0]);
}

#[test]
fn rows_of_zeros_give_the_bias_and_nan_stays_nan() {
    let packed = QuantizedWeights::quantise((5, 3), Matrix::new(&[0.5; 15], 3));
    let x = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, f32::NAN, 1.0, 1.0, 1.0];
    let out = run(&packed, &x, &[1.0, 2.0, 3.0], None);
    assert_eq!(out[..3], [1.0, 2.0, 3.0]);
    assert!(out[3..].iter().all(|x| x.is_nan()));
    let zero = QuantizedWeights::quantise((5, 3), Matrix::new(&[0.0; 15], 3));
    assert_eq!(run(&zero, &x[..5], &[], None), [0.0; 3]);
}

#[test]
fn what_is_infinite_breaks_its_row_alone() {
    let packed = QuantizedWeights::quantise((5, 3), Matrix::new(&[0.5; 15], 3));
    let out = run(&packed, &[1.0, 1.0, f32::INFINITY, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0], &[], None);
    assert!(out[..3].iter().all(|x| !x.is_finite()) && out[3..].iter().all(|x| (x - 5.0).abs() < 1e-3));
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let (quads, panels) = ([0; 2 * PANEL], [0.0; PANEL]);
    let fits = |shape, quads: &[i32], scales: &[f32]| {
        let layout = BlockLayout { shape, block: GROUP_SIZE, bits: Bits::Eight };
        layout.linear(quads, scales, &panels, &[]).is_some()
    };
    assert!(fits((8, 8), &quads, &panels));
    assert!(!fits((9, 8), &quads, &panels) && !fits((8, 9), &quads, &panels));
    assert!(!fits((0, 8), &[], &[]) && !fits((usize::MAX, usize::MAX), &quads, &panels));
    assert!(!fits((8, 8), &quads[1..], &panels) && !fits((8, 8), &quads, &panels[1..]));
    let layout = BlockLayout { shape: (8, 8), block: GROUP_SIZE, bits: Bits::Eight };
    assert!(layout.linear(&quads, &panels, &panels, &[0.0; 3]).is_none());
}

#[test]
fn the_weights_of_an_output_are_read_back() {
    for bits in [Bits::Four, Bits::Eight] {
        let (inputs, outputs, block) = (70, 11, 16);
        let number = |output: usize, at: usize| (output * 5 + at * 3) as i32 % 15 - 8;
        let pair = |output: usize, at: usize| (0.25 + output as f32, (at % 3) as f32 - 1.0);
        let packed = BlockLinear::new((inputs, outputs), block, bits, |output, at, numbers| {
            numbers.iter_mut().enumerate().for_each(|(index, to)| *to = number(output, at * block + index) as i8);
            pair(output, at)
        });
        let packed = packed.unwrap();
        let mut row = vec![9.0; inputs];
        for output in 0..outputs {
            packed.linear().read_output(output, &mut row).unwrap();
            for (at, is) in row.iter().enumerate() {
                let (scale, offset) = pair(output, at / block);
                assert_eq!(*is, number(output, at) as f32 * scale + offset, "{bits:?} {output} {at}");
            }
        }
        assert!(packed.linear().read_output(outputs, &mut row).is_none());
        assert!(packed.linear().read_output(0, &mut row[1..]).is_none());
    }
}
