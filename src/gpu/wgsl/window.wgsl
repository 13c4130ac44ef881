// What slides a window over two dimensions and is no product: convolutions with few outputs in a group, transposed
// convolutions, pooling. An invocation computes one element.
//
// Before it: `element`, of the batch and channel, and of the place in the output.

struct Params {
    count: u32,
    // Channels of the output, and of a group of it and of the input.
    channels: u32,
    group_outputs: u32,
    group_inputs: u32,
    // Height and width of the input and of the output.
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    // Of the window: height and width, strides, padding above and to the left, dilations.
    window: vec2<u32>,
    strides: vec2<u32>,
    pads: vec2<u32>,
    dilations: vec2<u32>,
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
    let x = index % p.out_width;
    let y = index / p.out_width % p.out_height;
    let plane = index / p.out_width / p.out_height;
    out[index] = element(plane / p.channels, plane % p.channels, vec2<u32>(y, x));
}
