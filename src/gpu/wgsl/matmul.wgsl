// A matrix product in tiles: a workgroup computes BM rows and BN columns, an invocation TM rows and 4 columns of them.
//
// Before it: BM, BN, BK, TM (4 or 8), A_INNER_FIRST and B_INNER_FIRST (whether neighbours along the inner dimension are
// read by neighbouring invocations), `epilogue`, `matmul_params.wgsl`, and for the right operand `load_b`.

const TX: u32 = BN / 4u;
const TY: u32 = BM / TM;
const THREADS: u32 = TX * TY;
const A_ROWS: u32 = BM / 4u;
const A_SIZE: u32 = BK * A_ROWS;
const B_SIZE: u32 = BK * TX;

// By inner index, then four rows or four columns.
var<workgroup> a_tile: array<vec4<f32>, A_SIZE>;
var<workgroup> b_tile: array<vec4<f32>, B_SIZE>;

// Four rows of the left operand from `row` on, at the inner index `k`.
fn load_a(base: u32, row: u32, k: u32) -> vec4<f32> {
    var four = vec4<f32>();
    if k < p.inner {
        let at = base + row * p.a.z + k * p.a.w;
        if row + 3u < p.rows {
            four = vec4<f32>(a[at], a[at + p.a.z], a[at + 2u * p.a.z], a[at + 3u * p.a.z]);
        } else {
            if row < p.rows { four.x = a[at]; }
            if row + 1u < p.rows { four.y = a[at + p.a.z]; }
            if row + 2u < p.rows { four.z = a[at + 2u * p.a.z]; }
        }
    }
    return four;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let outer = group.z / p.batch;
    let inner = group.z % p.batch;
    let first_column = group.x * BN;
    let first_row = group.y * BM;
    let a_base = p.offsets.x + outer * p.a.x + inner * p.a.y;
    let x = local % TX;
    let y = local / TX;
    var c0 = vec4<f32>();
    var c1 = vec4<f32>();
    var c2 = vec4<f32>();
    var c3 = vec4<f32>();
    var c4 = vec4<f32>();
    var c5 = vec4<f32>();
    var c6 = vec4<f32>();
    var c7 = vec4<f32>();
    for (var first = 0u; first < p.inner; first += BK) {
        for (var i = local; i < A_SIZE; i += THREADS) {
            var k = i / A_ROWS;
            var rows = i % A_ROWS;
            if A_INNER_FIRST {
                k = i % BK;
                rows = i / BK;
            }
            a_tile[k * A_ROWS + rows] = load_a(a_base, first_row + 4u * rows, first + k);
        }
        for (var i = local; i < B_SIZE; i += THREADS) {
            var k = i / TX;
            var columns = i % TX;
            if B_INNER_FIRST {
                k = i % BK;
                columns = i / BK;
            }
            b_tile[k * TX + columns] = load_b(outer, inner, first + k, first_column + 4u * columns);
        }
        workgroupBarrier();
        for (var k = 0u; k < BK; k += 1u) {
            let b4 = b_tile[k * TX + x];
            let low = a_tile[k * A_ROWS + y * (TM / 4u)];
            c0 += low.x * b4;
            c1 += low.y * b4;
            c2 += low.z * b4;
            c3 += low.w * b4;
            if TM == 8u {
                let high = a_tile[k * A_ROWS + y * (TM / 4u) + TM / 4u - 1u];
                c4 += high.x * b4;
                c5 += high.y * b4;
                c6 += high.z * b4;
                c7 += high.w * b4;
            }
        }
        workgroupBarrier();
    }
    let row = first_row + y * TM;
    let column = first_column + 4u * x;
    store(c0, outer, inner, row, column);
    store(c1, outer, inner, row + 1u, column);
    store(c2, outer, inner, row + 2u, column);
    store(c3, outer, inner, row + 3u, column);
    if TM == 8u {
        store(c4, outer, inner, row + 4u, column);
        store(c5, outer, inner, row + 5u, column);
        store(c6, outer, inner, row + 6u, column);
        store(c7, outer, inner, row + 7u, column);
    }
}
