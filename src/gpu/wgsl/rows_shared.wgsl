// A row has the 64 invocations of a workgroup.
const LANES: u32 = 64u;

var<workgroup> partial: array<f32, 64>;

fn row_of(group: u32, local: u32) -> u32 {
    return group;
}

fn combination_of_all(local: u32, number: f32) -> f32 {
    partial[local] = number;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if local < half {
            partial[local] = combine(partial[local], partial[local + half]);
        }
        workgroupBarrier();
    }
    let all = partial[0];
    workgroupBarrier();
    return all;
}

fn sum_of_all(local: u32, number: f32) -> f32 {
    partial[local] = number;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if local < half {
            partial[local] += partial[local + half];
        }
        workgroupBarrier();
    }
    let all = partial[0];
    workgroupBarrier();
    return all;
}
