//! DFT, STFT and MelWeightMatrix.

use std::f64::consts::TAU;

use burn::tensor::DType;

use super::generate::{double, dtype, integer};
use super::{Accepts, Gives, Inputs, NodeSpec, Op, Prepared, SAME, axis_of, one, size, wrong};
use crate::error::{Error, Result};
use crate::graph::host::{self, HostTensor};

pub static OPS: &[Op] = &[
    Op::new("DFT", Accepts::Floats, SAME, dft),
    Op::new("MelWeightMatrix", Accepts::Integers, &[Gives::Says("output_datatype", DType::F32)], mel),
    Op::new("STFT", Accepts::Floats, SAME, stft),
];

/// The most operations of a transform: more would take too long in a page.
const MAX_STEPS: u64 = 1 << 34;

/// The real and the imaginary part.
type Complex = [f64; 2];

fn times(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

/// The Fourier transform of sequences of one length.
///
/// # Source
/// Cooley and Tukey 1965, "An algorithm for the machine calculation of complex Fourier series": a sequence is split
/// by the prime factors of its length.
struct Fourier {
    /// The powers of the root of unity (twiddle factors).
    roots: Vec<Complex>,
    /// The prime factors of the length.
    factors: Vec<usize>,
}

impl Fourier {
    /// A transform for `count` sequences of the length `length`.
    ///
    /// # Errors
    /// Unsupported: they would take too long, as lengths with a large prime factor do.
    fn new(length: usize, inverse: bool, count: usize) -> Result<Self> {
        let (mut factors, mut rest, mut factor) = (Vec::new(), length, 2);
        while rest > 1 {
            if factor * factor > rest {
                factor = rest;
            }
            while rest % factor == 0 {
                factors.push(factor);
                rest /= factor;
            }
            factor += 1;
        }
        let steps = [length, count]
            .iter()
            .try_fold(factors.iter().sum::<usize>() as u64, |steps, more| steps.checked_mul(*more as u64));
        if steps.is_none_or(|steps| steps > MAX_STEPS) {
            return Err(Error::unsupported(format!(
                "{count} Fourier transforms of the length {length} would take too long"
            )));
        }
        let turn = if inverse { TAU } else { -TAU } / length as f64;
        let roots = (0..length).map(|at| (turn * at as f64).sin_cos()).map(|(sin, cos)| [cos, sin]).collect();
        Ok(Self { roots, factors })
    }

    /// The transform of `x`, which has that length.
    fn run(&self, x: &[Complex]) -> Vec<Complex> {
        let mut out = x.to_vec();
        self.step(x, 1, &self.factors, &mut out, &mut Vec::new());
        out
    }

    /// The transform of every `stride`th element of `x`, into `out`.
    fn step(&self, x: &[Complex], stride: usize, factors: &[usize], out: &mut [Complex], parts: &mut Vec<Complex>) {
        let Some((&factor, factors)) = factors.split_first() else {
            out[0] = x[0];
            return;
        };
        let length = out.len() / factor;
        for (at, out) in out.chunks_exact_mut(length).enumerate() {
            self.step(&x[at * stride..], stride * factor, factors, out, parts);
        }
        let all = self.roots.len();
        for at in 0..length {
            parts.clear();
            parts.extend((0..factor).map(|part| times(out[part * length + at], self.roots[part * at * stride % all])));
            for turn in 0..factor {
                let mut sum = [0.0; 2];
                for (part, number) in parts.iter().enumerate() {
                    let [re, im] = times(*number, self.roots[part * turn % factor * (all / factor)]);
                    sum = [sum[0] + re, sum[1] + im];
                }
                out[turn * length + at] = sum;
            }
        }
    }
}

/// The last dimension: 1 for real numbers, 2 for complex ones.
fn parts_of(shape: &[usize]) -> Result<usize> {
    match shape.last() {
        Some(&parts @ (1 | 2)) if shape.len() > 1 => Ok(parts),
        _ => wrong(format!("the last dimension of the shape {shape:?} must be 1 (real) or 2 (complex)")),
    }
}

/// # Source
/// The ONNX specification, operator DFT; the inverse of a one-sided spectrum is real.
fn dft(node: &NodeSpec<'_>) -> Prepared {
    let inverse = node.attributes.flag("inverse", false)?;
    let onesided = node.attributes.flag("onesided", false)?;
    let fixed = if node.opset < 20 { node.attributes.int("axis", 1)? } else { -2 };
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let mut shape = host::shape(&x).to_vec();
        let parts = parts_of(&shape)?;
        let length = if inputs.len() > 1 { inputs.optional_ints(1) } else { None };
        let axis = inputs.optional_ints(2).and_then(|axis| axis.first().copied()).unwrap_or(fixed);
        let axis = axis_of(axis, shape.len())?;
        if axis == shape.len() - 1 {
            return wrong("the axis is that of real and imaginary parts, which cannot be transformed along");
        }
        let real = inverse && onesided;
        let n = shape[axis];
        let length = match length.as_deref() {
            Some([length]) => size(*length)?,
            Some(_) => return wrong("the length of the transform must be a scalar"),
            None if real => 2 * n.saturating_sub(1),
            None => n,
        };
        let outer: usize = shape[..axis].iter().product();
        let inner: usize = shape[axis + 1..shape.len() - 1].iter().product();
        let out_length = if onesided && !inverse { length / 2 + 1 } else { length };
        let out_parts = if real { 1 } else { 2 };
        shape[axis] = out_length;
        if let Some(last) = shape.last_mut() {
            *last = out_parts;
        }
        let mut out = vec![0.0; inputs.count(&shape)?];
        if length == 0 {
            return wrong("the length of the transform is 0");
        }
        inputs.count(&[length])?;
        let fourier = Fourier::new(length, inverse, outer * inner)?;
        let scale = if inverse { 1.0 / length as f64 } else { 1.0 };
        let numbers = host::to_f64s(&x);
        let mut sequence = vec![[0.0; 2]; length];
        for column in 0..outer * inner {
            let (block, at) = (column / inner, column % inner);
            sequence.fill([0.0; 2]);
            for (index, number) in sequence.iter_mut().enumerate().take(n) {
                let from = ((block * n + index) * inner + at) * parts;
                *number = [numbers[from], if parts == 2 { numbers[from + 1] } else { 0.0 }];
            }
            if real {
                mirror(&mut sequence);
            }
            for (index, number) in fourier.run(&sequence).iter().enumerate().take(out_length) {
                let to = ((block * out_length + index) * inner + at) * out_parts;
                out[to..to + out_parts].iter_mut().zip(number).for_each(|(out, number)| *out = number * scale);
            }
        }
        one(host::from_f64s(x.dtype(), &shape, &out))
    }))
}

/// The second half of the spectrum of a real signal, from the first.
fn mirror(spectrum: &mut [Complex]) {
    let n = spectrum.len();
    spectrum[0][1] = 0.0;
    if n.is_multiple_of(2) {
        spectrum[n / 2][1] = 0.0;
    }
    for at in n / 2 + 1..n {
        let [re, im] = spectrum[n - at];
        spectrum[at] = [re, -im];
    }
}

fn stft(node: &NodeSpec<'_>) -> Prepared {
    let onesided = node.attributes.flag("onesided", true)?;
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let (batch, n, parts) = match *host::shape(&x) {
            [batch, n] => (batch, n, 1),
            [batch, n, parts @ (1 | 2)] => (batch, n, parts),
            ref shape => return wrong(format!("the signal has the shape {shape:?}, expected [batch, length, 1 or 2]")),
        };
        let step = size(integer(inputs, 1)?)?;
        let window = inputs.optional(2).map(|window| host::to_f64s(&window));
        let length = match (inputs.optional_ints(3).as_deref(), &window) {
            (Some([length]), _) => size(*length)?,
            (Some(_), _) => return wrong("the frame length must be a scalar"),
            (None, Some(window)) => window.len(),
            (None, None) => n,
        };
        if step == 0 || length == 0 || length > n {
            return wrong(format!("a signal of the length {n} has no frames of {length} in steps of {step}"));
        }
        let frames = 1 + (n - length) / step;
        let bins = if onesided { length / 2 + 1 } else { length };
        let shape = [batch, frames, bins, 2];
        let mut out = Vec::with_capacity(inputs.count(&shape)?);
        let fourier = Fourier::new(length, false, batch * frames)?;
        let numbers = host::to_f64s(&x);
        let weight = |at: usize| window.as_ref().map_or(1.0, |window| window.get(at).copied().unwrap_or(0.0));
        for frame in 0..batch * frames {
            let start = frame / frames * n + frame % frames * step;
            let number = |at: usize| {
                let from = (start + at) * parts;
                [weight(at) * numbers[from], if parts == 2 { weight(at) * numbers[from + 1] } else { 0.0 }]
            };
            let frame: Vec<Complex> = (0..length).map(number).collect();
            out.extend(fourier.run(&frame).into_iter().take(bins).flatten());
        }
        one(host::from_f64s(x.dtype(), &shape, &out))
    }))
}

fn mel(node: &NodeSpec<'_>) -> Prepared {
    let dtype = dtype(node, "output_datatype")?.unwrap_or(DType::F32);
    Ok(Box::new(move |inputs| one(mel_matrix(inputs, dtype)?)))
}

/// # Source
/// The ONNX specification's reference implementation of MelWeightMatrix.
fn mel_matrix(inputs: &mut Inputs<'_>, dtype: DType) -> Result<HostTensor> {
    let (bands, length, rate) = (size(integer(inputs, 0)?)?, size(integer(inputs, 1)?)?, double(inputs, 2)?);
    let (low, high) = (double(inputs, 3)?, double(inputs, 4)?);
    let bins = length / 2 + 1;
    let mut out = vec![0.0; inputs.count(&[bins, bands])?];
    let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
    let step = (mel(high) - mel(low)) / (bands as f64 + 2.0);
    let bin = |band: usize| {
        let hertz = 700.0 * (10f64.powf((band as f64 * step + mel(low)) / 2595.0) - 1.0);
        let bin = ((length as f64 + 1.0) * hertz / rate).floor();
        if (0.0..bins as f64).contains(&bin) {
            return Ok(bin as usize);
        }
        wrong(format!("the frequency {hertz} Hz is outside a spectrum of {bins} bins at {rate} Hz"))
    };
    for band in 0..bands {
        let (left, centre, right) = (bin(band)?, bin(band + 1)?, bin(band + 2)?);
        if left == centre {
            out[centre * bands + band] = 1.0;
        }
        for at in left..=centre {
            if left < centre {
                out[at * bands + band] = (at - left) as f64 / (centre - left) as f64;
            }
        }
        for at in centre..right {
            out[at * bands + band] = (right - at) as f64 / (right - centre) as f64;
        }
    }
    Ok(host::from_f64s(dtype, &[bins, bands], &out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fourier_transform_is_its_sum() {
        for length in [1, 2, 7, 60, 64, 77] {
            let number = |at: usize| [(at * at % 11) as f64, (at * 7 % 5) as f64];
            let x: Vec<Complex> = (0..length).map(number).collect();
            let found = Fourier::new(length, false, 1).unwrap().run(&x);
            for (k, found) in found.iter().enumerate() {
                let mut sum = [0.0; 2];
                for (at, number) in x.iter().enumerate() {
                    let (sin, cos) = (-TAU * (k * at) as f64 / length as f64).sin_cos();
                    let [re, im] = times(*number, [cos, sin]);
                    sum = [sum[0] + re, sum[1] + im];
                }
                assert!((0..2).all(|part| (found[part] - sum[part]).abs() < 1e-9), "{length}, {k}: {found:?}, {sum:?}");
            }
        }
    }

    #[test]
    fn what_takes_too_long_is_refused() {
        assert!(Fourier::new(1 << 20, false, 1).is_ok());
        assert!(Fourier::new((1 << 27) - 39, false, 1).is_err(), "a prime");
        assert!(Fourier::new(usize::MAX >> 1, false, 4).is_err());
    }
}
