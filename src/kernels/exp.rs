//! The exponential, logistic and hyperbolic tangent functions. Those of the C library are calls, which no compiler turns
//! into SIMD. Here they are polynomials, which every compiler vectorises.

use std::f32::consts::LOG2_E;

/// `eˣ`, with a relative error below 2e-7.
///
/// # Source
/// The range reduction and the polynomial of Cephes' `expf`. The power of two is applied in two halves, so that
/// results that are too large become infinite and results that are too small become subnormal.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// Added to a small float, it leaves the nearest integer in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-104.0, 89.0);
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4;
    let r = r + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    // For NaN these bits are arbitrary, and the product is NaN.
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    p * power(half) * power(n.wrapping_sub(half))
}

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, with a relative error below 3e-7.
///
/// # Source
/// The rational approximation of Eigen's `generic_fast_tanh_float`, whose coefficients these are.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let x = x.clamp(-7.905_311, 7.905_311);
    let s = x * x;
    let p = -2.760_768_5e-16;
    let p = p * s + 2.000_188e-13;
    let p = p * s + -8.604_672e-11;
    let p = p * s + 5.122_297e-8;
    let p = p * s + 1.485_722_4e-5;
    let p = p * s + 6.372_619_4e-4;
    let p = p * s + 4.893_524_6e-3;
    let q = 1.198_258_4e-6;
    let q = q * s + 1.185_347_1e-4;
    let q = q * s + 2.268_434_6e-3;
    let q = q * s + 4.893_525e-3;
    x * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest relative error of `ours` against `theirs`.
    fn worst(ours: fn(f32) -> f32, theirs: fn(f64) -> f64, range: f32) -> f64 {
        let error = |step: i32| {
            let x = step as f32 / 1e5 * range;
            let wanted = theirs(x.into());
            if wanted == 0.0 { f64::from(ours(x).abs()) } else { (f64::from(ours(x)) / wanted - 1.0).abs() }
        };
        (-100_000..=100_000).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn they_agree_with_the_c_library() {
        for (name, worst, most) in [
            ("exp", worst(exp, f64::exp, 87.0), 2e-7),
            ("exp near zero", worst(exp, f64::exp, 0.5), 1.2e-7),
            ("sigmoid", worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 87.0), 3e-7),
            ("tanh", worst(tanh, f64::tanh, 20.0), 4e-7),
            ("tanh near zero", worst(tanh, f64::tanh, 1e-3), 3e-7),
        ] {
            assert!(worst < most, "{name}: {worst:e}");
        }
    }

    #[test]
    fn the_ends_are_right() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(88.8), f32::INFINITY);
        assert!(exp(88.7).is_finite());
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        // Subnormal numbers have few digits.
        assert!((f64::from(exp(-100.0)) - (-100f64).exp()).abs() < 1.5e-45);
        assert_eq!((sigmoid(-200.0), sigmoid(200.0)), (0.0, 1.0));
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
        assert!((tanh(f32::INFINITY) - 1.0).abs() < 2e-7);
    }
}
