//! Interpolation along one axis: source indices and weights.
//!
//! # Source
//! The ONNX specification, operator Resize, version 19, and its reference implementation.

use crate::graph::ops::resize::Scaled;

/// The mapping of output indices to input coordinates.
#[derive(Clone, Copy, PartialEq)]
pub enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    CropAndResize,
}

impl Coordinates {
    /// The input coordinate of the output index `at`; `None` where it is extrapolated. In 32-bit floats, as onnxruntime
    /// computes it: at exact halves that makes a difference of one index.
    pub fn coordinate(self, axis: &Scaled, at: usize) -> Option<f32> {
        let (x, input) = (at as f32, axis.input as f32);
        let output = axis.scale * input;
        let half = (x + 0.5) / axis.scale - 0.5;
        Some(match self {
            Self::HalfPixel => half,
            Self::HalfPixelSymmetric => half + input / 2.0 * (1.0 - axis.output as f32 / output),
            Self::PytorchHalfPixel if axis.output == 1 => 0.0,
            Self::PytorchHalfPixel => half,
            Self::AlignCorners if output == 1.0 => 0.0,
            Self::AlignCorners => x * (input - 1.0) / (output - 1.0),
            Self::Asymmetric => x / axis.scale,
            Self::CropAndResize => {
                let (start, end) = axis.roi;
                let within = if output == 1.0 { 0.5 } else { x / (output - 1.0) };
                let coordinate = start * (input - 1.0) + within * (end - start) * (input - 1.0);
                return (0.0..=input - 1.0).contains(&coordinate).then_some(coordinate);
            }
        })
    }
}

/// The rounding of nearest-neighbour interpolation.
#[derive(Clone, Copy, PartialEq)]
pub enum Nearest {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
    /// onnxruntime's for operator sets before 11, which do not specify it.
    Before11,
}

impl Nearest {
    /// The nearest index to `coordinate`, within the input.
    pub fn index(self, coordinate: f32, axis: &Scaled) -> Option<usize> {
        let nearest = match self {
            Self::RoundPreferFloor => (coordinate - 0.5).ceil(),
            Self::RoundPreferCeil => (coordinate + 0.5).floor(),
            Self::Floor => coordinate.floor(),
            Self::Ceil => coordinate.ceil(),
            Self::Before11 if axis.scale < 1.0 => coordinate.ceil(),
            Self::Before11 => coordinate.floor(),
        };
        Some((nearest.max(0.0) as usize).min(axis.input.checked_sub(1)?))
    }
}

/// The interpolation filter.
#[derive(Clone, Copy)]
pub struct Filter {
    /// The coefficient of cubic interpolation; `None` for linear.
    pub cubic: Option<f64>,
    /// Whether downsampling filters over all covered elements (antialiasing).
    pub antialias: bool,
    /// Whether elements outside have the weight 0, instead of repeating the edge.
    pub exclude_outside: bool,
}

impl Filter {
    /// The weight at this distance.
    fn weight(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self.cubic {
            None => (1.0 - x).max(0.0),
            Some(a) if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            Some(a) if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
            Some(_) => 0.0,
        }
    }
}

/// The source indices and weights of each output index, equally many for each.
pub struct Taps {
    each: usize,
    taps: Vec<(usize, f32)>,
    /// Whether an output index is extrapolated.
    outside: Vec<bool>,
}

impl Taps {
    /// The indices and weights along `axis`, which is not empty.
    pub fn new(axis: &Scaled, coordinates: Coordinates, filter: Filter) -> Self {
        let scale = if filter.antialias { f64::from(axis.scale).min(1.0) } else { 1.0 };
        let radius = if filter.cubic.is_some() { 2.0 } else { 1.0 };
        let first = (-radius / scale).floor() as i64 + 1;
        let each = (2 - 2 * first) as usize;
        let last = axis.input as i64 - 1;
        let mut taps = Vec::with_capacity(axis.output * each);
        let mut outside = Vec::with_capacity(axis.output);
        let mut weights = vec![0.0; each];
        for at in 0..axis.output {
            let coordinate = coordinates.coordinate(axis, at);
            outside.push(coordinate.is_none());
            let coordinate = coordinate.unwrap_or(0.0);
            let whole = coordinate.floor();
            let start = (whole as i64).saturating_add(first);
            let neighbour = |tap: usize| start.saturating_add(tap as i64);
            for (tap, weight) in weights.iter_mut().enumerate() {
                let excluded = filter.exclude_outside && !(0..=last).contains(&neighbour(tap));
                let distance = (first + tap as i64) as f64 - f64::from(coordinate - whole);
                *weight = if excluded { 0.0 } else { filter.weight(distance * scale) };
            }
            let sum: f64 = weights.iter().sum();
            // Where all elements are excluded, the sum is zero.
            let sum = if sum == 0.0 { 1.0 } else { sum };
            let tap = |(tap, weight): (usize, &f64)| (neighbour(tap).clamp(0, last) as usize, (weight / sum) as f32);
            taps.extend(weights.iter().enumerate().map(tap));
        }
        Self { each, taps, outside }
    }

    /// Interpolates along the middle one of three dimensions, of the size `dim`, with `inner` elements after it.
    pub fn apply(&self, numbers: &[f32], dim: usize, inner: usize, extrapolation: f32) -> Vec<f32> {
        let outer = numbers.len() / (dim * inner).max(1);
        let mut out = Vec::with_capacity(outer * self.outside.len() * inner);
        let plain = inner == 1 && self.each == 2 && !self.outside.contains(&true);
        for block in numbers.chunks_exact((dim * inner).max(1)) {
            if plain {
                // The case of bilinear images: one `extend` of known length instead of one per element.
                let (pairs, _) = self.taps.as_chunks::<2>();
                out.extend(pairs.iter().map(|[(a, u), (b, v)]| block[*a] * u + block[*b] * v));
                continue;
            }
            for (taps, outside) in self.taps.chunks_exact(self.each).zip(&self.outside) {
                match *taps {
                    _ if *outside => out.extend(std::iter::repeat_n(extrapolation, inner)),
                    _ if inner == 1 => out.push(taps.iter().map(|(index, weight)| block[*index] * weight).sum()),
                    [(a, u), (b, v)] => {
                        let (a, b) = (&block[a * inner..][..inner], &block[b * inner..][..inner]);
                        out.extend(a.iter().zip(b).map(|(a, b)| a * u + b * v));
                    }
                    _ => {
                        let start = out.len();
                        out.resize(start + inner, 0.0);
                        for (index, weight) in taps.iter().filter(|(_, weight)| *weight != 0.0) {
                            let row = &block[index * inner..][..inner];
                            out[start..].iter_mut().zip(row).for_each(|(sum, x)| *sum += x * weight);
                        }
                    }
                }
            }
        }
        out
    }
}
