// The right operand of a product: weights of 4 bits in blocks, 8 in a word, each block with a scale and a zero point.
//
// `extra`: words of a column, blocks of a column, weights of a block.
fn weight(k: u32, column: u32) -> f32 {
    if column >= p.columns {
        return 0.0;
    }
    let nibble = (b[column * p.extra[0].x + k / 8u] >> (4u * (k % 8u))) & 15u;
    let block = column * p.extra[0].y + k / p.extra[0].z;
    return (f32(nibble) - zeros[block]) * scales[block];
}

fn load_b(outer: u32, inner: u32, k: u32, column: u32) -> vec4<f32> {
    if k >= p.inner {
        return vec4<f32>();
    }
    return vec4<f32>(weight(k, column), weight(k, column + 1u), weight(k, column + 2u), weight(k, column + 3u));
}
