fn element(batch: u32, channel: u32, to: vec2<u32>) -> f32 {
    let groups = p.channels / p.group_outputs;
    let first = (batch * groups + channel / p.group_outputs) * p.group_inputs;
    var sum = 0.0;
    for (var input = 0u; input < p.group_inputs; input += 1u) {
        let plane = (first + input) * p.height * p.width;
        let weights = (channel * p.group_inputs + input) * p.window.x * p.window.y;
        for (var ky = 0u; ky < p.window.x; ky += 1u) {
            let y = i32(to.x * p.strides.x + ky * p.dilations.x) - i32(p.pads.x);
            if y < 0 || y >= i32(p.height) {
                continue;
            }
            for (var kx = 0u; kx < p.window.y; kx += 1u) {
                let x = i32(to.y * p.strides.y + kx * p.dilations.y) - i32(p.pads.y);
                if x >= 0 && x < i32(p.width) {
                    sum += a[plane + u32(y) * p.width + u32(x)] * b[weights + ky * p.window.y + kx];
                }
            }
        }
    }
    return activate(sum + bias_of(channel));
}
