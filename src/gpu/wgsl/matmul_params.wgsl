// What the kernels of matrix products share: their parameters, and how a result is written.

struct Params {
    rows: u32,
    columns: u32,
    inner: u32,
    // The second of two batch dimensions.
    batch: u32,
    // Strides: of the two batch dimensions, of a row, of a column.
    a: vec4<u32>,
    b: vec4<u32>,
    bias: vec4<u32>,
    // Of a, b, bias and residual.
    offsets: vec4<u32>,
    alpha: f32,
    beta: f32,
    unused0: u32,
    unused1: u32,
    // What the right operand is unpacked or gathered by.
    extra: array<vec4<u32>, 4>,
}

// Four columns of a row, from `column` on.
fn store(product: vec4<f32>, outer: u32, inner: u32, row: u32, column: u32) {
    if row >= p.rows {
        return;
    }
    let base = ((outer * p.batch + inner) * p.rows + row) * p.columns;
    let bias = p.offsets.z + outer * p.bias.x + inner * p.bias.y + row * p.bias.z;
    if column < p.columns { out[base + column] = epilogue(product.x, base + column, bias + column * p.bias.w); }
    if column + 1u < p.columns { out[base + column + 1u] = epilogue(product.y, base + column + 1u, bias + (column + 1u) * p.bias.w); }
    if column + 2u < p.columns { out[base + column + 2u] = epilogue(product.z, base + column + 2u, bias + (column + 2u) * p.bias.w); }
    if column + 3u < p.columns { out[base + column + 3u] = epilogue(product.w, base + column + 3u, bias + (column + 3u) * p.bias.w); }
}
