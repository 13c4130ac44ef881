// Softmax and reductions along a dimension. A row is `size` elements, `inner` apart; it has LANES invocations.
//
// Before it: LANES (1 or 64), `row_of` an invocation, `start` and `combine` of a reduction, `combination_of_all` and
// `sum_of_all` invocations of a row, REDUCES, LOG of a softmax.

struct Params {
    rows: u32,
    size: u32,
    inner: u32,
    // What the result of a reduction is multiplied by.
    factor: f32,
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = row_of(group.y * groups.x + group.x, local);
    let lane = local % LANES;
    if row >= p.rows {
        return;
    }
    let base = row / p.inner * p.size * p.inner + row % p.inner;
    var found = start(x[base]);
    for (var i = lane; i < p.size; i += LANES) {
        found = combine(found, x[base + i * p.inner]);
    }
    found = combination_of_all(local, found);
    if REDUCES {
        if lane == 0u {
            out[row] = found * p.factor;
        }
        return;
    }
    var sum = 0.0;
    for (var i = lane; i < p.size; i += LANES) {
        sum += exp(x[base + i * p.inner] - found);
    }
    sum = sum_of_all(local, sum);
    for (var i = lane; i < p.size; i += LANES) {
        let at = base + i * p.inner;
        if LOG {
            out[at] = x[at] - found - log(sum);
        } else {
            out[at] = exp(x[at] - found) / sum;
        }
    }
}
