//! Real ONNX models with real inputs, against onnxruntime.

use std::collections::HashMap;

use pilot_light::Device;
use pilot_light::graph::{Graph, GraphOptions};

use crate::onnx_golden::Golden;
use crate::support::fetched;

const TOLERANCE: f32 = 1e-3;

fn load(model: &str, options: &GraphOptions) -> Graph {
    let bytes = std::fs::read(fetched(&format!("models/{model}"))).expect("the model");
    Graph::load(bytes, HashMap::new(), &Device::cpu(), options).expect("a graph")
}

#[track_caller]
fn check(name: &str, model: &str) {
    let graph = load(model, &GraphOptions::default());
    let golden = Golden::read(name);
    let mut worst: f32 = 0.0;
    for (number, case) in golden.cases() {
        let outputs = pollster::block_on(graph.run(case.inputs(graph.inputs()))).expect("outputs");
        let names: Vec<_> = outputs.iter().map(|(name, _)| name).collect();
        assert_eq!(names, graph.outputs().iter().map(|port| &port.name).collect::<Vec<_>>());
        let difference = golden.difference(case, &outputs);
        assert!(difference <= TOLERANCE, "{name}, case {number}: {difference}");
        worst = worst.max(difference);
    }
    println!("{name}: at most {worst:.1e} from onnxruntime");
}

#[test]
fn rampart_finds_personal_data() {
    check("rampart", "rampart/onnx/model_q4.onnx");
}

/// Its weights are those of the file; what 8 bits change is how finely activations are resolved.
#[test]
fn rampart_finds_nearly_the_same_in_integers() {
    let options = [false, true].map(|int8| GraphOptions { int8, ..GraphOptions::default() });
    let [floats, integers] = options.map(|options| load("rampart/onnx/model_q4.onnx", &options));
    let (mut tokens, mut others, mut worst) = (0, 0, 0f32);
    for (_, case) in Golden::read("rampart").cases() {
        let rows = |graph: &Graph| {
            let outputs = pollster::block_on(graph.run(case.inputs(graph.inputs()))).expect("outputs");
            let width = *outputs[0].1.shape().last().expect("a dimension");
            let logits = outputs[0].1.try_to_vec::<f32>().expect("floats");
            logits.chunks(width).map(<[f32]>::to_vec).collect::<Vec<_>>()
        };
        for (a, b) in rows(&floats).iter().zip(&rows(&integers)) {
            let label = |row: &[f32]| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]));
            (tokens, others) = (tokens + 1, others + usize::from(label(a) != label(b)));
            worst = a.iter().zip(b).fold(worst, |worst, (a, b)| worst.max((a - b).abs()));
        }
    }
    println!("rampart in integers: {others} of {tokens} labels are others, logits at most {worst} apart");
    assert!(worst > 1e-4 && others * 50 <= tokens, "{others} of {tokens} labels, logits {worst} apart");
}

#[test]
fn magika_knows_types_of_files() {
    check("magika", "magika/model.onnx");
}

#[test]
fn silero_hears_speech_in_a_sequence() {
    check("silero-sequence", "silero-vad/silero_vad_16k_sequence.onnx");
}

#[test]
fn silero_hears_speech_frame_by_frame() {
    check("silero-op15", "silero-vad/silero_vad_16k_op15.onnx");
}

#[test]
fn text_is_detected() {
    check("det", "pp-ocrv4/det.onnx");
}

#[test]
fn text_is_recognised() {
    check("rec", "pp-ocrv4/rec.onnx");
}

#[test]
fn the_direction_of_text_is_told() {
    check("cls", "pp-ocrv4/cls.onnx");
}
