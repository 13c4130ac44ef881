// Quantises rows of activations as the CPU's integer kernels do (`kernels/qlinear`), and gives what the integers stand for. A
// workgroup has one row, whose range is at most `span` root mean squares.
//
// Before it: LANES, the invocations of a workgroup.

struct Params {
    rows: u32,
    columns: u32,
    nan: u32,
    span: f32,
    steps: f32,
    largest: f32,
}

// NaN and infinities are told by their bits, since a compiler may take them not to exist.
const INFINITE: u32 = 0x7f800000u;

var<workgroup> row_least: array<f32, LANES>;
var<workgroup> row_most: array<f32, LANES>;
var<workgroup> row_squares: array<f32, LANES>;
var<workgroup> row_bits: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= p.rows {
        return;
    }
    let base = row * p.columns;
    var least = 0.0;
    var most = 0.0;
    var squares = 0.0;
    var bits = 0u;
    for (var column = local; column < p.columns; column += LANES) {
        let number = x[base + column];
        least = min(least, number);
        most = max(most, number);
        squares += number * number;
        bits = max(bits, bitcast<u32>(number) & 0x7fffffffu);
    }
    row_least[local] = least;
    row_most[local] = most;
    row_squares[local] = squares;
    row_bits[local] = bits;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if local < half {
            row_least[local] = min(row_least[local], row_least[local + half]);
            row_most[local] = max(row_most[local], row_most[local + half]);
            row_squares[local] += row_squares[local + half];
            row_bits[local] = max(row_bits[local], row_bits[local + half]);
        }
        workgroupBarrier();
    }
    let range = p.span * sqrt(row_squares[0] / f32(p.columns));
    let above = max(row_least[0], -0.5 * range);
    let high = min(row_most[0], above + range);
    let low = max(row_least[0], high - range);
    var step = (high - low) / p.steps;
    var by = 0.0;
    if step > 0.0 {
        by = 1.0 / step;
    }
    let zero = round(-low * by);
    // The zero point is added behind the rounding, so that no bits are lost before it; a half is rounded to what is even with it.
    let odd = zero - 2.0 * floor(0.5 * zero);
    if row_bits[0] >= INFINITE {
        step = bitcast<f32>(p.nan);
    }
    for (var column = local; column < p.columns; column += LANES) {
        let rounded = round(x[base + column] * by + odd) - odd + zero;
        out[base + column] = (clamp(rounded, -p.largest - 1.0, p.largest) - zero) * step;
    }
}
