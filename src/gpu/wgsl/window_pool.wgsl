// Before it: MAXIMUM, or else an average, and COUNTS_PADS of an average.
fn element(batch: u32, channel: u32, to: vec2<u32>) -> f32 {
    let plane = (batch * p.channels + channel) * p.height * p.width;
    var found = 0.0;
    var count = 0.0;
    for (var ky = 0u; ky < p.window.x; ky += 1u) {
        let y = i32(to.x * p.strides.x + ky * p.dilations.x) - i32(p.pads.x);
        for (var kx = 0u; kx < p.window.y; kx += 1u) {
            let x = i32(to.y * p.strides.y + kx * p.dilations.y) - i32(p.pads.y);
            if y < 0 || x < 0 || y >= i32(p.height) || x >= i32(p.width) {
                continue;
            }
            let number = a[plane + u32(y) * p.width + u32(x)];
            if MAXIMUM {
                found = select(number, found, count > 0.0 && (found > number || found != found));
            } else {
                found += number;
            }
            count += 1.0;
        }
    }
    if MAXIMUM {
        return found;
    }
    if COUNTS_PADS {
        count = f32(p.window.x * p.window.y);
    }
    return found / count;
}
