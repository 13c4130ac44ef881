//! Resampling to 16 kHz, with a windowed sinc.

use std::f64::consts::PI;

use super::SAMPLE_RATE;
use crate::error::{Error, Result};

/// Zero crossings of the kernel on each side.
const CROSSINGS: f64 = 32.0;
/// The half-amplitude frequency of the filter, as a share of the lower Nyquist frequency; the rest is its slope.
const ROLL_OFF: f64 = 0.914;
/// The most positions between two input samples that output samples may have.
const MAX_PHASES: usize = 1000;

/// Resamples `samples` from `rate` to 16 kHz, with a sinc under a Blackman window whose slope ends where aliasing would
/// begin. A browser's `OfflineAudioContext` does the same faster.
///
/// ```
/// let second = vec![0.5; 48_000];
/// assert_eq!(pilot_light::tasks::resample(&second, 48_000)?.len(), 16_000);
/// # Ok::<(), pilot_light::Error>(())
/// ```
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
        return Err(Error::unsupported(format!(
            "the sample rate must be 4 to 192 kHz with a small ratio to 16 kHz, got {rate} Hz"
        )));
    }
    // As a share of the input's rate, as are the frequencies in the kernel.
    let cutoff = ROLL_OFF * (phases as f64 / step as f64).min(1.0);
    let reach = (CROSSINGS / cutoff).ceil();
    let taps = 2 * reach as usize;
    let kernels: Vec<f32> = (0..phases).flat_map(|phase| kernel(phase as f64 / phases as f64, cutoff, taps)).collect();
    let count = (samples.len() as u64 * phases as u64).div_ceil(step as u64) as usize;
    let mut resampled = Vec::with_capacity(count);
    let (mut index, mut phase) = (0, 0);
    for _ in 0..count {
        // The tap of the input sample at `index` is the one before the middle.
        let first = index as isize + 1 - reach as isize;
        let skipped = first.min(0).unsigned_abs();
        let window = &samples[(first.max(0) as usize).min(samples.len())..];
        let kernel = &kernels[phase * taps..][skipped.min(taps)..taps.max(skipped)];
        resampled.push(window.iter().zip(kernel).map(|(sample, tap)| sample * tap).sum());
        phase += step;
        index += phase / phases;
        phase %= phases;
    }
    Ok(resampled)
}

/// The taps for an output sample at `fraction` behind an input sample; their sum is 1.
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
