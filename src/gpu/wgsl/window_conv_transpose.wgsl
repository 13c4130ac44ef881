// Gathers, for a place in the output, the places in the input whose windows cover it.
fn element(batch: u32, channel: u32, to: vec2<u32>) -> f32 {
    let groups = p.channels / p.group_outputs;
    let group = channel / p.group_outputs;
    var sum = 0.0;
    for (var ky = 0u; ky < p.window.x; ky += 1u) {
        let y = i32(to.x + p.pads.x) - i32(ky * p.dilations.x);
        if y < 0 || y % i32(p.strides.x) != 0 || y / i32(p.strides.x) >= i32(p.height) {
            continue;
        }
        for (var kx = 0u; kx < p.window.y; kx += 1u) {
            let x = i32(to.y + p.pads.y) - i32(kx * p.dilations.y);
            if x < 0 || x % i32(p.strides.y) != 0 || x / i32(p.strides.y) >= i32(p.width) {
                continue;
            }
            let place = u32(y / i32(p.strides.x)) * p.width + u32(x / i32(p.strides.y));
            for (var input = 0u; input < p.group_inputs; input += 1u) {
                let source = group * p.group_inputs + input;
                let plane = (batch * groups * p.group_inputs + source) * p.height * p.width;
                let weights = (source * p.group_outputs + channel % p.group_outputs) * p.window.x * p.window.y;
                sum += a[plane + place] * b[weights + ky * p.window.y + kx];
            }
        }
    }
    return activate(sum + bias_of(channel));
}
