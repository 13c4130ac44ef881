//! Exponential functions on the CPU that compilers turn into SIMD; the C library's are not.

/// `eˣ`, within 2 units in the last place; below −86.99 it is nought.
///
/// # Source
/// Cephes' `expf`: 2ⁿ times a polynomial of the rest.
#[inline]
pub fn exp(x: f32) -> f32 {
    // Adding it leaves an integer in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.5, 89.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * 0.693_359_4;
    let r = r + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    // 2ⁿ⁻¹, whose bits are there even where those of 2ⁿ are not.
    let power = f32::from_bits(rounded.to_bits().wrapping_add(126) << 23);
    p * power * 2.0
}

/// `1 / (1 + e⁻ˣ)`.
#[inline]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, within 4 units in the last place.
///
/// # Source
/// The rational approximation on [−7.9, 7.9] of Eigen's `generic_fast_tanh_float`, whose coefficients these are.
#[inline]
pub fn tanh(x: f32) -> f32 {
    let x = x.clamp(-7.905_311, 7.905_311);
    let s = x * x;
    let p = -2.760_768_5e-16;
    let p = p * s + 2.000_188e-13;
    let p = p * s + -8.604_672e-11;
    let p = p * s + 5.122_297e-8;
    let p = p * s + 1.485_722_4e-5;
    let p = p * s + 6.372_619_3e-4;
    let p = p * s + 4.893_525e-3;
    let q = 1.198_258_4e-6;
    let q = q * s + 1.185_347_1e-4;
    let q = q * s + 2.268_434_6e-3;
    let q = q * s + 4.893_525e-3;
    x * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each `f` of the numbers from −100 to 100 is that of `reference` but for a relative error of `most`.
    fn check(f: fn(f32) -> f32, reference: fn(f64) -> f64, most: f64) {
        for step in -100_000..=100_000 {
            let x = step as f32 / 1e3;
            let (is, wanted) = (f64::from(f(x)), reference(f64::from(x)));
            assert!((is - wanted).abs() <= most * wanted.abs() + 2e-38, "{x}: {is:e}, not {wanted:e}");
        }
    }

    #[test]
    fn they_are_those_of_double_precision() {
        check(|x| if x > 88.7 { 0.0 } else { exp(x) }, |x| if x as f32 > 88.7 { 0.0 } else { x.exp() }, 2e-7);
        check(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 3e-7);
        check(tanh, f64::tanh, 4e-7);
    }

    #[test]
    fn the_ends_are_exact() {
        for f in [exp, sigmoid, tanh] {
            assert!(f(f32::NAN).is_nan());
        }
        assert_eq!((exp(-1e9), exp(f32::NEG_INFINITY), exp(0.0)), (0.0, 0.0, 1.0));
        assert_eq!(exp(89.0), f32::INFINITY);
        assert_eq!((sigmoid(-200.0), sigmoid(200.0)), (0.0, 1.0));
        assert_eq!((tanh(0.0), tanh(f32::INFINITY)), (0.0, 1.0));
    }
}
