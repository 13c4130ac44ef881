// The right operand of a product: a matrix of floats by its strides. Four columns from `column` on, at the inner index `k`.
fn load_b(outer: u32, inner: u32, k: u32, column: u32) -> vec4<f32> {
    var four = vec4<f32>();
    if k < p.inner {
        let at = p.offsets.y + outer * p.b.x + inner * p.b.y + k * p.b.z + column * p.b.w;
        if column + 3u < p.columns {
            four = vec4<f32>(b[at], b[at + p.b.w], b[at + 2u * p.b.w], b[at + 3u * p.b.w]);
        } else {
            if column < p.columns { four.x = b[at]; }
            if column + 1u < p.columns { four.y = b[at + p.b.w]; }
            if column + 2u < p.columns { four.z = b[at + 2u * p.b.w]; }
        }
    }
    return four;
}
