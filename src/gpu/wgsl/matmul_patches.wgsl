// The right operand of a product that is a convolution: the patches of an image (im2col), which are in memory nowhere else.
// An inner index is a channel and a place in the window, a column is a place in the output.
//
// `extra`: height, width, width of the output, channels of a group; height and width of the window, strides; padding above
// and to the left, dilations.
fn pixel(base: u32, top: i32, left: i32, column: u32) -> f32 {
    if column >= p.columns {
        return 0.0;
    }
    let y = i32(column / p.extra[0].z * p.extra[1].z) + top;
    let x = i32(column % p.extra[0].z * p.extra[1].w) + left;
    if y < 0 || x < 0 || y >= i32(p.extra[0].x) || x >= i32(p.extra[0].y) {
        return 0.0;
    }
    return b[base + u32(y) * p.extra[0].y + u32(x)];
}

fn load_b(outer: u32, inner: u32, k: u32, column: u32) -> vec4<f32> {
    if k >= p.inner {
        return vec4<f32>();
    }
    let window = p.extra[1].x * p.extra[1].y;
    let channel = k / window;
    let place = k % window;
    let top = i32(place / p.extra[1].y * p.extra[2].z) - i32(p.extra[2].x);
    let left = i32(place % p.extra[1].y * p.extra[2].w) - i32(p.extra[2].y);
    let base = ((outer * p.batch + inner) * p.extra[0].w + channel) * p.extra[0].x * p.extra[0].y;
    return vec4<f32>(
        pixel(base, top, left, column),
        pixel(base, top, left, column + 1u),
        pixel(base, top, left, column + 2u),
        pixel(base, top, left, column + 3u),
    );
}
