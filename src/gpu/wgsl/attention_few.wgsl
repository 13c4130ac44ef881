// Attention of a few queries over many keys, as it is for each token of a reply: a workgroup has one query of one head. The keys
// are read LANES at a time; the softmax is relative to the largest score so far.
//
// Before it: LANES, D (the size of a head, a multiple of four).
//
// Source: Milakov and Gimelshein 2018 (1805.02867), algorithm 3.

struct Params {
    // Heads of queries for each of keys, and tokens that the memory of a head has room for.
    shared_by: u32,
    room: u32,
    // Keys before the first query's own.
    before: u32,
    // The keys that a query sees, its own included; 0: all.
    window: u32,
    scale: f32,
}

// Invocations share the keys of a tile where the numbers of a value are fewer than they are.
const SLICES: u32 = max(LANES / D, 1u);
const OWN: u32 = (D + LANES - 1u) / LANES;
const LOWEST: f32 = -3.4028234e38;

const D4: u32 = D / 4u;

var<workgroup> query: array<vec4<f32>, D4>;
var<workgroup> weight: array<f32, LANES>;
var<workgroup> partial: array<f32, LANES>;

fn score(key_at: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < D4; i += 1u) {
        sum += dot(query[i], keys[key_at + i]);
    }
    return sum * p.scale;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = (group.y * groups.x + group.x) * D;
    let base = group.x / p.shared_by * p.room;
    let end = p.before + group.y + 1u;
    var first = 0u;
    if p.window != 0u && end > p.window {
        first = end - p.window;
    }
    for (var i = local; i < D4; i += LANES) {
        query[i] = q[at / 4u + i];
    }
    workgroupBarrier();
    let slice = local / D;
    var sums: array<f32, OWN>;
    for (var i = 0u; i < OWN; i += 1u) {
        sums[i] = 0.0;
    }
    var total = 0.0;
    var largest = LOWEST;
    for (; first < end; first += LANES) {
        let key = first + local;
        var own = LOWEST;
        if key < end {
            own = score((base + key) * D4);
        }
        partial[local] = own;
        workgroupBarrier();
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            if local < half {
                partial[local] = max(partial[local], partial[local + half]);
            }
            workgroupBarrier();
        }
        let top = max(largest, partial[0]);
        weight[local] = select(0.0, exp(own - top), key < end);
        workgroupBarrier();
        let kept = exp(largest - top);
        total *= kept;
        for (var i = 0u; i < OWN; i += 1u) {
            sums[i] *= kept;
        }
        if slice < SLICES {
            for (var j = slice; j < min(LANES, end - first); j += SLICES) {
                total += weight[j];
                let value_at = (base + first + j) * D;
                for (var i = 0u; i < OWN; i += 1u) {
                    let number = local % D + i * LANES;
                    if number < D {
                        sums[i] += weight[j] * values[value_at + number];
                    }
                }
            }
        }
        largest = top;
        workgroupBarrier();
    }
    // The sums of the slices.
    weight[local] = total;
    for (var i = 0u; i < OWN; i += 1u) {
        partial[local] = sums[i];
        workgroupBarrier();
        let number = local % D + i * LANES;
        if slice == 0u && number < D {
            var sum = 0.0;
            var all = 0.0;
            for (var k = 0u; k < SLICES; k += 1u) {
                sum += partial[local + k * D];
                all += weight[local + k * D];
            }
            out[at + number] = sum / all;
        }
        workgroupBarrier();
    }
}
