// Eight weights of a column, their scale, and what is added to each.
struct Weights {
    low: vec4<f32>,
    high: vec4<f32>,
    scale: f32,
    offset: f32,
}
