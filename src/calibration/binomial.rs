//! P-values for "the mean loss is above alpha": small ones speak against it.

use std::f64::consts::TAU;

/// The p-value of a mean loss above `alpha`, from `n` independent losses of 0 or 1 of which `wrong` are 1: the chance
/// of so few if the mean were `alpha`. For such losses it is the Hoeffding–Bentkus p-value, and exact: Bentkus's
/// inequality needs its factor e no more, and Hoeffding's is weaker.
///
/// # Source
/// Angelopoulos et al. 2021 (2110.01052), on binary losses: P(Binomial(n, α) ≤ n·R̂).
pub fn p_value(wrong: usize, n: usize, alpha: f64) -> f64 {
    binomial_cdf(wrong, n, alpha)
}

/// How many right answers in a row, and no wrong one, are needed for a p-value of at most `delta`.
pub fn least_count(alpha: f64, delta: f64) -> usize {
    (delta.ln() / (-alpha).ln_1p()).ceil() as usize
}

/// The interval in which a share lies with a certainty of at least 1 − `delta`, if `k` of `n` independent draws had it.
///
/// ```
/// let (low, high) = pilot_light::calibration::interval(90, 100, 0.05);
/// assert!((low - 0.824).abs() < 1e-3 && (high - 0.951).abs() < 1e-3);
/// ```
///
/// # Source
/// Clopper and Pearson 1934: the shares of which neither so many nor so few would be too much of a chance.
pub fn interval(k: usize, n: usize, delta: f64) -> (f64, f64) {
    // The chance of at most `k` falls while the share grows, and that of at least `k` is the rest up to `k` − 1.
    let share = |chance: &dyn Fn(f64) -> f64, wanted: f64| {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if chance(middle) > wanted { low = middle } else { high = middle }
        }
        (low + high) / 2.0
    };
    let low = if k == 0 { 0.0 } else { share(&|p| binomial_cdf(k - 1, n, p), 1.0 - delta / 2.0) };
    let high = if k >= n { 1.0 } else { share(&|p| binomial_cdf(k, n, p), delta / 2.0) };
    (low, high)
}

/// P(Binomial(n, p) ≤ k), for 0 < p < 1; the terms are summed away from the mode, so that they fall.
fn binomial_cdf(k: usize, n: usize, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    let odds = p / (1.0 - p);
    if k as f64 <= n as f64 * p {
        sum(probability(k, n, p), (1..=k).rev().map(|i| i as f64 / ((n - i + 1) as f64 * odds)))
    } else {
        1.0 - sum(probability(k + 1, n, p), (k + 1..n).map(|i| (n - i) as f64 * odds / (i + 1) as f64))
    }
}

/// first + first·r₁ + first·r₁·r₂ + …, until what comes no longer matters.
fn sum(first: f64, ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut term, mut sum) = (first, first);
    for ratio in ratios {
        term *= ratio;
        sum += term;
        if term <= sum * f64::EPSILON / 64.0 {
            break;
        }
    }
    sum
}

/// P(Binomial(n, p) = k).
///
/// # Source
/// Loader, *Fast and accurate computation of binomial probabilities* (2000), equation 4.
fn probability(k: usize, n: usize, p: f64) -> f64 {
    let (kf, nf) = (k as f64, n as f64);
    if k == 0 {
        return (nf * (-p).ln_1p()).exp();
    }
    if k == n {
        return (nf * p.ln()).exp();
    }
    let exponent = stirling_error(n) - stirling_error(k) - stirling_error(n - k) - nf * relative_entropy(kf / nf, p);
    (nf / (TAU * kf * (nf - kf))).sqrt() * exponent.exp()
}

/// ln(n!) − ln(√(2πn)·(n/e)ⁿ), for n ≥ 1.
fn stirling_error(n: usize) -> f64 {
    let x = n as f64;
    if n < 16 {
        let factorial: f64 = (1..=n).map(|i| i as f64).product();
        return factorial.ln() - 0.5 * (TAU * x).ln() - x * x.ln() + x;
    }
    let square = x * x;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / (1188.0 * square)) / square) / square) / square)
        / x
}

/// h₁(a, b) = a·ln(a/b) + (1−a)·ln((1−a)/(1−b)), with 0·ln 0 = 0.
fn relative_entropy(a: f64, b: f64) -> f64 {
    let term = |a: f64, b: f64| if a > 0.0 { a * (a / b).ln() } else { 0.0 };
    term(a, b) + term(1.0 - a, 1.0 - b)
}
