// Bilinear interpolation between the centres of pixels.
fn element(batch: u32, channel: u32, to: vec2<u32>) -> f32 {
    let plane = (batch * p.channels + channel) * p.height * p.width;
    let y = (f32(to.x) + 0.5) * f32(p.height) / f32(p.out_height) - 0.5;
    let x = (f32(to.y) + 0.5) * f32(p.width) / f32(p.out_width) - 0.5;
    let top = u32(clamp(i32(floor(y)), 0, i32(p.height) - 1)) * p.width;
    let bottom = u32(clamp(i32(floor(y)) + 1, 0, i32(p.height) - 1)) * p.width;
    let left = u32(clamp(i32(floor(x)), 0, i32(p.width) - 1));
    let right = u32(clamp(i32(floor(x)) + 1, 0, i32(p.width) - 1));
    let above = mix(a[plane + top + left], a[plane + top + right], x - floor(x));
    let below = mix(a[plane + bottom + left], a[plane + bottom + right], x - floor(x));
    return mix(above, below, y - floor(y));
}
