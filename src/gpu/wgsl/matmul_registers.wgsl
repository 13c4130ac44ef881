// A matrix product in registers alone: an invocation computes 8 rows and 8 columns, of which 4 are next to each other. An
// adapter in software runs it several times as fast as tiles, where each barrier costs as much as the products in between.
//
// Before it: LANES (invocations of a workgroup), B_INNER_FIRST (whether neighbours along the inner dimension of the right operand
// are neighbours in memory), `epilogue` and `matmul_params.wgsl`. Both operands are read by four neighbours: their strides,
// offsets and sizes are multiples of four.

// Four rows from `row` on as the columns of a matrix, with four inner indices from 4k on.
fn load_a(base: u32, row: u32, k: u32) -> mat4x4<f32> {
    // Rows too many are computed from the last one, and not written.
    let last = p.rows - 1u;
    let stride = p.a.z / 4u;
    return mat4x4<f32>(
        a[base + min(row, last) * stride + k],
        a[base + min(row + 1u, last) * stride + k],
        a[base + min(row + 2u, last) * stride + k],
        a[base + min(row + 3u, last) * stride + k],
    );
}

// Four inner indices from 4k on as the columns of a matrix, with four columns from 4 · `column` on.
fn load_b(base: u32, k: u32, column: u32) -> mat4x4<f32> {
    let inside = min(column, p.columns / 4u - 1u);
    if B_INNER_FIRST {
        let stride = p.b.w / 4u;
        let at = base + 4u * inside * stride + k;
        return transpose(mat4x4<f32>(b[at], b[at + stride], b[at + 2u * stride], b[at + 3u * stride]));
    }
    let stride = p.b.z / 4u;
    let at = base + 4u * k * stride + inside;
    return mat4x4<f32>(b[at], b[at + stride], b[at + 2u * stride], b[at + 3u * stride]);
}

fn store_rows(rows: mat4x4<f32>, outer: u32, inner: u32, row: u32, column: u32) {
    store(rows[0], outer, inner, row, 4u * column);
    store(rows[1], outer, inner, row + 1u, 4u * column);
    store(rows[2], outer, inner, row + 2u, 4u * column);
    store(rows[3], outer, inner, row + 3u, 4u * column);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let outer = group.z / p.batch;
    let inner = group.z % p.batch;
    let row = 8u * group.y;
    let left = 2u * LANES * group.x + local;
    let right = left + LANES;
    let a_base = (p.offsets.x + outer * p.a.x + inner * p.a.y) / 4u;
    let b_base = (p.offsets.y + outer * p.b.x + inner * p.b.y) / 4u;
    var upper_left = mat4x4<f32>();
    var upper_right = mat4x4<f32>();
    var lower_left = mat4x4<f32>();
    var lower_right = mat4x4<f32>();
    for (var k = 0u; k < p.inner / 4u; k += 1u) {
        let upper = load_a(a_base, row, k);
        let lower = load_a(a_base, row + 4u, k);
        let b_left = load_b(b_base, k, left);
        upper_left += b_left * upper;
        lower_left += b_left * lower;
        let b_right = load_b(b_base, k, right);
        upper_right += b_right * upper;
        lower_right += b_right * lower;
    }
    store_rows(upper_left, outer, inner, row, left);
    store_rows(upper_right, outer, inner, row, right);
    store_rows(lower_left, outer, inner, row + 4u, left);
    store_rows(lower_right, outer, inner, row + 4u, right);
}
