//! Real ONNX models with real inputs, against onnxruntime.

use std::collections::HashMap;

use pilot_light::Device;
use pilot_light::models::graph::{Graph, GraphOptions};

use crate::onnx_golden::Golden;
use crate::support::fetched;

const TOLERANCE: f32 = 1e-3;

#[track_caller]
fn check(name: &str, model: &str) {
    let bytes = std::fs::read(fetched(&format!("models/{model}"))).expect("the model");
    let graph = Graph::load(bytes, HashMap::new(), &Device::cpu(), &GraphOptions::default()).expect("a graph");
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
