// A row has one invocation.
const LANES: u32 = 1u;

fn row_of(group: u32, local: u32) -> u32 {
    return group * 64u + local;
}

fn combination_of_all(local: u32, number: f32) -> f32 {
    return number;
}

fn sum_of_all(local: u32, number: f32) -> f32 {
    return number;
}
