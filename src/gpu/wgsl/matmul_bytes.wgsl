// The right operand of a product: weights of 8 bits in panels of 8 columns, four of a column in a word.
//
// `extra`: words of a column of a panel, blocks that share a scale, weights of a block.
fn weight(word: u32, k: u32, scale: u32) -> f32 {
    return f32(bitcast<i32>(word << (24u - 8u * (k % 4u))) >> 24u) * scales[scale] + offset_at(scale);
}

fn load_b(outer: u32, inner: u32, k: u32, column: u32) -> vec4<f32> {
    if k >= p.inner || column >= p.columns {
        return vec4<f32>();
    }
    // Four columns from a multiple of four on are in one panel, which may have too many of them.
    let at = (column / 8u * p.extra[0].x + k / 4u) * 8u + column % 8u;
    let scale = (column / 8u * p.extra[0].y + k / p.extra[0].z) * 8u + column % 8u;
    return vec4<f32>(
        weight(words[at], k, scale),
        weight(words[at + 1u], k, scale + 1u),
        weight(words[at + 2u], k, scale + 2u),
        weight(words[at + 3u], k, scale + 3u),
    );
}
