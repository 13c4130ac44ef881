// The slices of `x` at some indices along a dimension: `out[o, j, i] = x[o, indices[j], i]`.

struct Params {
    count: u32,
    // The size of the dimension, the number of indices, the elements of a slice.
    size: u32,
    taken: u32,
    inner: u32,
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = (group.y * groups.x + group.x) * 256u + local;
    if index >= p.count {
        return;
    }
    let inner = index % p.inner;
    let taken = index / p.inner % p.taken;
    let outer = index / p.inner / p.taken;
    out[index] = x[(outer * p.size + indices[taken]) * p.inner + inner];
}
