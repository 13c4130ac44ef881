// Functions of one number. Comparisons, unlike `min` and `max`, keep NaN.

fn at_least(x: f32, low: f32) -> f32 {
    return select(x, low, x < low);
}

fn at_most(x: f32, high: f32) -> f32 {
    return select(x, high, x > high);
}

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-x));
}

// Some drivers compute it by exponentials, which overflow for large numbers, where it is 1 in 32 bits, and leave little of
// small ones, where its series has more.
fn bounded_tanh(x: f32) -> f32 {
    let s = x * x;
    let series = x * (1.0 + s * (-0.33333333 + s * (0.13333333 + s * (-0.053968254 + s * 0.021869489))));
    return select(tanh(at_most(at_least(x, -15.0), 15.0)), series, abs(x) < 0.25);
}

// The language asks for no more than 21 bits behind the point around 1, where the result is small.
fn precise_log(x: f32) -> f32 {
    let y = x - 1.0;
    let series = y * (1.0 + y * (-0.5 + y * (0.33333333 + y * (-0.25 + y * (0.2 - y * 0.16666667)))));
    return select(log(x), series, abs(y) < 0.0625);
}

// The polynomials of the CPU's error function, `kernels/gelu.rs`.
fn erf(number: f32) -> f32 {
    let x = at_most(at_least(number, -4.0), 4.0);
    let s = x * x;
    var above = -2.726142e-10;
    above = above * s + 2.7706814e-8;
    above = above * s - 2.101024e-6;
    above = above * s - 5.6925065e-5;
    above = above * s - 7.3499063e-4;
    above = above * s - 2.9546e-3;
    above = above * s - 1.6096033e-2;
    var below = -1.4566072e-5;
    below = below * s - 2.1337406e-4;
    below = below * s - 1.682827e-3;
    below = below * s - 7.3733292e-3;
    below = below * s - 1.4264739e-2;
    return x * above / below;
}

fn gelu(x: f32) -> f32 {
    return 0.5 * x * (1.0 + erf(x * 0.70710678));
}

fn gelu_tanh(x: f32) -> f32 {
    return 0.5 * x * (1.0 + bounded_tanh(0.7978846 * (x + 0.044715 * x * x * x)));
}

fn swish(x: f32, alpha: f32) -> f32 {
    return x * sigmoid(alpha * x);
}

fn hard_sigmoid(x: f32, alpha: f32, beta: f32) -> f32 {
    return at_most(at_least(alpha * x + beta, 0.0), 1.0);
}
