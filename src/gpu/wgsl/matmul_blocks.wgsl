// The right operand of a product: weights of 4 bits in panels of 8 columns and blocks of 32, see `weights_nibbles.wgsl`.
//
// `extra`: blocks of a column.
fn weight(block: u32, k: u32) -> f32 {
    let word = words[block + k / 8u * 8u];
    let nibble = (word >> (8u * (k % 4u) + k / 4u % 2u * 4u)) & 15u;
    let floats = unpack2x16float(words[block + 32u]);
    return f32(nibble) * floats.x + floats.y;
}

fn load_b(outer: u32, inner: u32, k: u32, column: u32) -> vec4<f32> {
    if k >= p.inner || column >= p.columns {
        return vec4<f32>();
    }
    // Four columns from a multiple of four on are in one panel, which may have too many of them.
    let block = (column / 8u * p.extra[0].x + k / 32u) * 40u + column % 8u;
    let within = k % 32u;
    return vec4<f32>(
        weight(block, within),
        weight(block + 1u, within),
        weight(block + 2u, within),
        weight(block + 3u, within),
    );
}
