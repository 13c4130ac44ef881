// What a decoder does with queries, keys and values before its attention: normalises queries and keys, rotates them by their
// position, and writes keys and values behind those of the tokens before. A workgroup has one head of a token.
//
// Before it: LANES, SIZE (of a head), INTERLEAVED (whether pairs of neighbours are rotated, and not the halves of a head),
// NORMS, and `scale` of a number of a head.
//
// Source: Su et al. 2021 (2104.09864), equation 34.

struct Params {
    // Heads of queries, and of keys and values, which come one after another in a row of `x`.
    heads: u32,
    groups: u32,
    // The numbers of a head that are rotated, by two.
    angles: u32,
    // Tokens before, and those that the memory of a head has room for.
    before: u32,
    room: u32,
    epsilon: f32,
    unused0: u32,
    unused1: u32,
}

var<workgroup> head: array<f32, SIZE>;
var<workgroup> partial: array<f32, LANES>;

fn rotated(token: u32, i: u32) -> f32 {
    if i >= 2u * p.angles {
        return head[i];
    }
    var angle = i % p.angles;
    var is_first = i < p.angles;
    var other = angle;
    if is_first { other = i + p.angles; }
    if INTERLEAVED {
        angle = i / 2u;
        is_first = i % 2u == 0u;
        other = i ^ 1u;
    }
    let at = token * p.angles + angle;
    if is_first {
        return cos_of[at] * head[i] - sin_of[at] * head[other];
    }
    return sin_of[at] * head[other] + cos_of[at] * head[i];
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let own = group.x;
    let token = group.y;
    let of_values = own >= p.heads + p.groups;
    let of_keys = own >= p.heads && !of_values;
    let from_at = (token * (p.heads + 2u * p.groups) + own) * SIZE;
    var squares = 0.0;
    for (var i = local; i < SIZE; i += LANES) {
        let number = x[from_at + i];
        head[i] = number;
        squares += number * number;
    }
    partial[local] = squares;
    workgroupBarrier();
    if NORMS && !of_values {
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            if local < half {
                partial[local] += partial[local + half];
            }
            workgroupBarrier();
        }
        let factor = 1.0 / sqrt(partial[0] / f32(SIZE) + p.epsilon);
        for (var i = local; i < SIZE; i += LANES) {
            head[i] = head[i] * factor * scale(of_keys, i);
        }
        workgroupBarrier();
    }
    for (var i = local; i < SIZE; i += LANES) {
        if of_values {
            values[((own - p.heads - p.groups) * p.room + p.before + token) * SIZE + i] = head[i];
        } else if of_keys {
            keys[((own - p.heads) * p.room + p.before + token) * SIZE + i] = rotated(token, i);
        } else {
            out[(token * p.heads + own) * SIZE + i] = rotated(token, i);
        }
    }
}
