// A function of up to four elements, for each element of the output. Every operand has strides of its own, which are 0
// along what is repeated, so that this also copies, transposes, slices, expands and concatenates.
//
// Before it: STRIDED, and `compute`, which reads the operands at four indices.

struct Params {
    count: u32,
    // The dimensions of the output.
    rank: u32,
    // Scalars of the function.
    s0: f32,
    s1: f32,
    out_offset: u32,
    unused0: u32,
    unused1: u32,
    unused2: u32,
    offsets: vec4<u32>,
    shape: array<vec4<u32>, 2>,
    out_strides: array<vec4<u32>, 2>,
    // Of each dimension, the strides of the four operands.
    strides: array<vec4<u32>, 8>,
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
    var at = p.offsets;
    var to = p.out_offset;
    if STRIDED {
        var left = index;
        for (var next = p.rank; next > 0u; next -= 1u) {
            let d = next - 1u;
            let size = p.shape[d / 4u][d % 4u];
            let x = left % size;
            left /= size;
            at += x * p.strides[d];
            to += x * p.out_strides[d / 4u][d % 4u];
        }
    } else {
        at += vec4<u32>(index);
        to += index;
    }
    out[to] = compute(at);
}
