// Eight weights of 4 bits of a column of a panel, `unit` units of eight from the first. A block of a panel is 40 words: four
// for each column, with the weights of two quads in the halves of their bytes, and one with the scale and the smallest weight.
//
// `extra`: blocks of a column.
fn weights(panel: u32, lane: u32, unit: u32) -> Weights {
    let block = (panel * p.extra.x + unit / 4u) * 40u + lane;
    let word = vec4<u32>(words[block + unit % 4u * 8u]) >> vec4<u32>(0u, 8u, 16u, 24u);
    let floats = unpack2x16float(words[block + 32u]);
    let high = vec4<f32>((word >> vec4<u32>(4u)) & vec4<u32>(15u));
    return Weights(vec4<f32>(word & vec4<u32>(15u)), high, floats.x, floats.y);
}
