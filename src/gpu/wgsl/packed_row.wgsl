// The weights of one output, dequantised: the embedding of the token that was chosen. An invocation has eight of them.
//
// Before it: `weights` of a column.

struct Params {
    inner: u32,
    // The first column of these weights, and how many they are.
    first: u32,
    columns: u32,
    // What each is multiplied by.
    factor: f32,
    // What `weights` finds its numbers by.
    extra: vec4<u32>,
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let unit = (group.y * groups.x + group.x) * 64u + local;
    let index = choice[0];
    if 8u * unit >= p.inner || index < f32(p.first) || index >= f32(p.first + p.columns) {
        return;
    }
    let column = u32(index) - p.first;
    let w = weights(column / 8u, column % 8u, unit);
    for (var i = 0u; i < 8u; i += 1u) {
        let at = 8u * unit + i;
        if at < p.inner {
            let number = select(w.high[i % 4u], w.low[i % 4u], i < 4u);
            out[at] = (number * w.scale + w.offset) * p.factor;
        }
    }
}
