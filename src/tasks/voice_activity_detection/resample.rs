//! Sound of other rates at 16 kHz.

use std::f64::consts::PI;

use super::SAMPLE_RATE;
use crate::error::{Error, Result};

/// Zero crossings of the kernel on each side.
const CROSSINGS: f64 = 32.0;
/// Where the filter has halved, as a share of what both rates can hold; the rest is its slope.
const ROLL_OFF: f64 = 0.914;
/// Places between two input samples that output samples may fall on.
const MAX_PHASES: usize = 1000;

/// `samples` at `rate` as samples at 16 kHz: a sinc under a Blackman window, whose slope ends where what would
/// be folded back begins. A browser's `OfflineAudioContext` does the same faster.
///
/// # Errors
/// Unsupported: a rate below 4 or above 192 kHz, or one that has no small ratio to 16 kHz.
pub fn resample(samples: &[f32], rate: usize) -> Result<Vec<f32>> {
    if rate == SAMPLE_RATE {
        return Ok(samples.to_vec());
    }
    let divisor = gcd(rate.max(1), SAMPLE_RATE);
    let (step, phases) = (rate / divisor, SAMPLE_RATE / divisor);
    if !(4_000..=192_000).contains(&rate) || phases > MAX_PHASES {
        return Err(Error::unsupported(format!("sound of {rate} samples a second")));
    }
    // Of the input's rate, as frequencies in the kernel are.
    let cutoff = ROLL_OFF * (phases as f64 / step as f64).min(1.0);
    let reach = (CROSSINGS / cutoff).ceil();
    let taps = 2 * reach as usize;
    let kernels: Vec<f32> = (0..phases).flat_map(|phase| kernel(phase as f64 / phases as f64, cutoff, taps)).collect();
    let count = (samples.len() as u64 * phases as u64).div_ceil(step as u64) as usize;
    let mut resampled = Vec::with_capacity(count);
    let (mut place, mut phase) = (0, 0);
    for _ in 0..count {
        // The tap of the input sample at `place` is the one before the middle.
        let first = place as isize + 1 - reach as isize;
        let skipped = first.min(0).unsigned_abs();
        let heard = &samples[(first.max(0) as usize).min(samples.len())..];
        let kernel = &kernels[phase * taps..][skipped.min(taps)..taps.max(skipped)];
        resampled.push(heard.iter().zip(kernel).map(|(sample, tap)| sample * tap).sum());
        phase += step;
        place += phase / phases;
        phase %= phases;
    }
    Ok(resampled)
}

/// The taps for an output sample that falls `fraction` behind an input sample; they sum to 1.
fn kernel(fraction: f64, cutoff: f64, taps: usize) -> Vec<f32> {
    let half = taps as f64 / 2.0;
    let weight = |index: usize| {
        let distance = index as f64 + 1.0 - half - fraction;
        let angle = PI * distance / half;
        let window = if distance.abs() < half { 0.42 + 0.5 * angle.cos() + 0.08 * (2.0 * angle).cos() } else { 0.0 };
        let phase = PI * cutoff * distance;
        window * if phase.abs() < 1e-9 { 1.0 } else { phase.sin() / phase }
    };
    let weights: Vec<f64> = (0..taps).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
