// Layer and root mean square normalisation of rows, each by one workgroup.
//
// Before it: LANES, CENTRED (layer normalisation), `term` (an element, with the residual added), `offset` (the bias).

struct Params {
    rows: u32,
    columns: u32,
    epsilon: f32,
}

var<workgroup> partial: array<f32, LANES>;

// The sum of a number of each invocation.
fn sum_of_all(local: u32, number: f32) -> f32 {
    partial[local] = number;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if local < half {
            partial[local] += partial[local + half];
        }
        workgroupBarrier();
    }
    let sum = partial[0];
    workgroupBarrier();
    return sum;
}

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
    let count = f32(p.columns);
    var sum = 0.0;
    var mean = 0.0;
    for (var column = local; column < p.columns; column += LANES) {
        let number = term(base + column);
        // An invocation reads back what it wrote itself.
        out[base + column] = number;
        sum += number;
    }
    if CENTRED {
        mean = sum_of_all(local, sum) / count;
    }
    var squares = 0.0;
    for (var column = local; column < p.columns; column += LANES) {
        let centred = out[base + column] - mean;
        squares += centred * centred;
    }
    let factor = 1.0 / sqrt(sum_of_all(local, squares) / count + p.epsilon);
    for (var column = local; column < p.columns; column += LANES) {
        out[base + column] = (out[base + column] - mean) * factor * scale[column] + offset(column);
    }
}
