// Eight weights of 8 bits of a column of a panel, `unit` units of eight from the first.
//
// `extra`: words of a column of a panel, blocks that share a scale, units of a block.
fn bytes(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

fn weights(panel: u32, lane: u32, unit: u32) -> Weights {
    let at = (panel * p.extra.x + 2u * unit) * 8u + lane;
    let scale = (panel * p.extra.y + unit / p.extra.z) * 8u + lane;
    var high = vec4<f32>();
    if 2u * unit + 1u < p.extra.x {
        high = bytes(words[at + 8u]);
    }
    return Weights(bytes(words[at]), high, scales[scale], offset_at(scale));
}
