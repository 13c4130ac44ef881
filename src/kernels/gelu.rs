//! GELU, its tanh approximation, and the error function. Burn calls the C library's error function, which no compiler
//! turns into SIMD. Here it is a quotient of polynomials, which every compiler vectorises.

use std::f32::consts::FRAC_1_SQRT_2;

use super::exp::tanh;

/// √(2/π), the factor inside the tanh of GELU's approximation.
///
/// # Source
/// Hendrycks and Gimpel 2016 (1606.08415), section 2.
pub const TANH_FACTOR: f64 = 0.797_884_560_802_865_4;
/// The factor of `x³` inside the tanh of GELU's approximation. The same source.
pub const TANH_CUBE: f64 = 0.044_715;

/// `x Φ(x)`, where Φ is the cumulative distribution function of the normal distribution.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))
}

/// GELU by its tanh approximation: `0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
#[inline(always)]
pub fn gelu_tanh(x: f32) -> f32 {
    0.5 * x * (1.0 + tanh(TANH_FACTOR as f32 * (x + TANH_CUBE as f32 * x * x * x)))
}

/// The error function, with an error below 5e-7.
///
/// # Source
/// The rational approximation on [−4, 4] of Eigen's `generic_fast_erf_float`, whose coefficients these are. Beyond 4
/// the function is 1 within 2e-8.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let p = -2.726_142e-10;
    let p = p * s + 2.770_681_4e-8;
    let p = p * s + -2.101_024e-6;
    let p = p * s + -5.692_506_5e-5;
    let p = p * s + -7.349_906_3e-4;
    let p = p * s + -2.954_6e-3;
    let p = p * s + -1.609_603_3e-2;
    let q = -1.456_607_2e-5;
    let q = q * s + -2.133_740_6e-4;
    let q = q * s + -1.682_827e-3;
    let q = q * s + -7.373_329_2e-3;
    let q = q * s + -1.426_473_9e-2;
    x * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error function by its series at zero, in double precision.
    ///
    /// # Source
    /// Abramowitz and Stegun, 7.1.6, whose terms are all positive.
    fn reference(x: f64) -> f64 {
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
    }

    #[test]
    fn the_error_function_is_that_of_its_series() {
        for step in -60_000..=60_000 {
            let x = step as f32 / 1e4;
            let difference = (f64::from(erf(x)) - reference(f64::from(x))).abs();
            assert!(difference < 5e-7, "{x}: {difference:e}");
        }
    }

    #[test]
    fn nan_stays_nan_and_the_ends_are_right() {
        assert!(gelu(f32::NAN).is_nan());
        assert_eq!(gelu(f32::INFINITY), f32::INFINITY);
        assert_eq!(gelu(0.0), 0.0);
        assert!(gelu(-100.0).abs() < 1e-5);
    }
}
