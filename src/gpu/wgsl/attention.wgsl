// Attention in one pass over the keys. An invocation has one query; a workgroup reads BK keys and values at a time. The
// softmax is relative to the largest score so far: what was summed before is scaled down where a larger one is found.
//
// Before it: D and DV (the size of a key and of a value), BQ (queries of a workgroup), BK (keys at a time), CAUSAL,
// and `mask_at` an index of the mask.
//
// Source: Milakov and Gimelshein 2018 (1805.02867), algorithm 3; Dao et al. 2022 (2205.14135), algorithm 1.

struct Params {
    queries: u32,
    keys: u32,
    // Heads of queries for each of keys.
    shared_by: u32,
    // How many keys come before the first query's own, where attention is causal.
    past: u32,
    // Strides: of the batch, of a head, of a row; the last one of the mask is of a column.
    q: vec4<u32>,
    k: vec4<u32>,
    v: vec4<u32>,
    mask: vec4<u32>,
    // Of q, k, v and mask.
    offsets: vec4<u32>,
    scale: f32,
    // The keys that a query sees, its own included; 0: all.
    window: u32,
}

const D4: u32 = (D + 3u) / 4u;
const DV4: u32 = (DV + 3u) / 4u;
const K_SIZE: u32 = BK * D4;
const V_SIZE: u32 = BK * DV4;
const LOWEST: f32 = -3.4028234e38;

var<workgroup> k_tile: array<vec4<f32>, K_SIZE>;
var<workgroup> v_tile: array<vec4<f32>, V_SIZE>;

fn load_q(at: u32, c: u32) -> vec4<f32> {
    var four = vec4<f32>();
    if 4u * c + 3u < D {
        four = vec4<f32>(q[at + 4u * c], q[at + 4u * c + 1u], q[at + 4u * c + 2u], q[at + 4u * c + 3u]);
    } else {
        four.x = q[at + 4u * c];
        if 4u * c + 1u < D { four.y = q[at + 4u * c + 1u]; }
        if 4u * c + 2u < D { four.z = q[at + 4u * c + 2u]; }
    }
    return four;
}

fn load_k(at: u32, c: u32) -> vec4<f32> {
    var four = vec4<f32>();
    if 4u * c + 3u < D {
        four = vec4<f32>(k[at + 4u * c], k[at + 4u * c + 1u], k[at + 4u * c + 2u], k[at + 4u * c + 3u]);
    } else {
        four.x = k[at + 4u * c];
        if 4u * c + 1u < D { four.y = k[at + 4u * c + 1u]; }
        if 4u * c + 2u < D { four.z = k[at + 4u * c + 2u]; }
    }
    return four;
}

fn load_v(at: u32, c: u32) -> vec4<f32> {
    var four = vec4<f32>();
    if 4u * c + 3u < DV {
        four = vec4<f32>(v[at + 4u * c], v[at + 4u * c + 1u], v[at + 4u * c + 2u], v[at + 4u * c + 3u]);
    } else {
        four.x = v[at + 4u * c];
        if 4u * c + 1u < DV { four.y = v[at + 4u * c + 1u]; }
        if 4u * c + 2u < DV { four.z = v[at + 4u * c + 2u]; }
    }
    return four;
}

fn visible(query: u32, key: u32) -> bool {
    if !CAUSAL {
        return true;
    }
    let own = p.past + query;
    return key <= own && (p.window == 0u || key + p.window > own);
}

@compute @workgroup_size(BQ)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let query = group.x * BQ + local;
    let head = group.y;
    let batch = group.z;
    let shared_head = head / p.shared_by;
    let is_query = query < p.queries;
    let k_base = p.offsets.y + batch * p.k.x + shared_head * p.k.y;
    let v_base = p.offsets.z + batch * p.v.x + shared_head * p.v.y;
    let mask_base = p.offsets.w + batch * p.mask.x + head * p.mask.y + query * p.mask.z;
    var own: array<vec4<f32>, D4>;
    var sum: array<vec4<f32>, DV4>;
    if is_query {
        let at = p.offsets.x + batch * p.q.x + head * p.q.y + query * p.q.z;
        for (var c = 0u; c < D4; c += 1u) {
            own[c] = load_q(at, c);
        }
    }
    for (var c = 0u; c < DV4; c += 1u) {
        sum[c] = vec4<f32>();
    }
    var largest = LOWEST;
    var total = 0.0;
    for (var first = 0u; first < p.keys; first += BK) {
        let count = min(BK, p.keys - first);
        for (var i = local; i < count * D4; i += BQ) {
            k_tile[i] = load_k(k_base + (first + i / D4) * p.k.z, i % D4);
        }
        for (var i = local; i < count * DV4; i += BQ) {
            v_tile[i] = load_v(v_base + (first + i / DV4) * p.v.z, i % DV4);
        }
        workgroupBarrier();
        if is_query {
            var scores: array<f32, BK>;
            var top = largest;
            for (var j = 0u; j < count; j += 1u) {
                var score = LOWEST;
                if visible(query, first + j) {
                    score = 0.0;
                    for (var c = 0u; c < D4; c += 1u) {
                        score += dot(own[c], k_tile[j * D4 + c]);
                    }
                    score *= p.scale;
                    score += mask_at(mask_base + (first + j) * p.mask.w);
                    top = max(top, score);
                }
                scores[j] = score;
            }
            let kept = exp(largest - top);
            total *= kept;
            for (var c = 0u; c < DV4; c += 1u) {
                sum[c] *= kept;
            }
            for (var j = 0u; j < count; j += 1u) {
                if visible(query, first + j) {
                    let weight = exp(scores[j] - top);
                    total += weight;
                    for (var c = 0u; c < DV4; c += 1u) {
                        sum[c] += weight * v_tile[j * DV4 + c];
                    }
                }
            }
            largest = top;
        }
        workgroupBarrier();
    }
    if is_query {
        // The output has the heads of a query next to each other.
        let to = ((batch * p.queries + query) * groups.y + head) * DV;
        for (var c = 0u; c < DV4; c += 1u) {
            let mixed = sum[c] / total;
            out[to + 4u * c] = mixed.x;
            if 4u * c + 1u < DV { out[to + 4u * c + 1u] = mixed.y; }
            if 4u * c + 2u < DV { out[to + 4u * c + 2u] = mixed.z; }
            if 4u * c + 3u < DV { out[to + 4u * c + 3u] = mixed.w; }
        }
    }
}
