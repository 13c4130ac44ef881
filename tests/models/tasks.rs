//! Files, speech and pictures, with the models that `cargo xtask models` obtains, against what the packages that
//! those come from say of the same inputs; see `tests/golden/tasks`.

use std::collections::HashMap;
use std::f64::consts::PI;

use pilot_light::graph::{Graph, GraphOptions};
use pilot_light::tasks::{
    Aggregation, EntityGroup, FileClassifier, ImageReader, ImageToTextOptions, SpeechEvent, SpeechOptions,
    SpeechStream, Task, TokenClassification, TokenClassificationOptions, TokenClassificationOutput,
    VoiceActivityDetector,
};
use pilot_light::{Device, ErrorKind};
use pollster::block_on;
use serde::Deserialize;

use crate::support::{fetched, golden, golden_json, load};

#[path = "../golden/tasks/qoi.rs"]
mod qoi;

fn graph(folder: &str, file: &str) -> Graph {
    let path = fetched(&format!("models/{folder}/{file}"));
    let bytes = std::fs::read(path).expect("a model");
    Graph::load(bytes, HashMap::new(), &Device::cpu(), &GraphOptions::default()).expect("a graph")
}

#[derive(Deserialize)]
struct Personal {
    text: String,
    entities: Vec<EntityGroup>,
}

#[test]
fn personal_data_is_found_where_onnxruntime_finds_it() {
    let model = load(&fetched("models/rampart"), Task::TokenClassification);
    let golden: Vec<Personal> = golden_json("tasks/personal_data.json");
    let texts: Vec<String> = golden.iter().map(|case| case.text.clone()).collect();
    let options = TokenClassificationOptions { aggregation_strategy: Aggregation::Simple };
    let output = block_on(model.run::<TokenClassification>(&texts, &options)).expect("entities");
    let TokenClassificationOutput::EntityGroups(found) = output else { panic!("no groups") };
    let mut worst = 0.0f64;
    for (found, case) in found.into_iter().zip(golden) {
        let bare = |group: &EntityGroup| EntityGroup { score: None, ..group.clone() };
        let (ours, theirs): (Vec<_>, Vec<_>) =
            (found.iter().map(bare).collect(), case.entities.iter().map(bare).collect());
        assert_eq!(ours, theirs, "{}", case.text);
        for (ours, theirs) in found.iter().zip(&case.entities) {
            worst = worst.max((ours.score.expect("a score") - theirs.score.expect("a score")).abs());
        }
    }
    println!("largest difference: {worst:.2e}");
    assert!(worst < 1e-3, "{worst}");
}

#[derive(Deserialize)]
struct Files {
    cases: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    scores: Option<HashMap<String, f64>>,
    label: String,
    score: f64,
}

#[test]
fn files_are_what_magika_says() {
    let config = std::fs::read_to_string(fetched("models/magika/config.min.json"));
    let classifier = FileClassifier::new(graph("magika", "model.onnx"), &config.expect("a text")).expect("the model");
    let files: Files = golden_json("tasks/files.json");
    let mut worst = 0.0f64;
    for file in files.cases {
        let bytes = std::fs::read(golden("tasks/files").join(&file.name)).expect("a file");
        let found = block_on(classifier.classify(&bytes, None)).expect("an answer");
        assert_eq!(found.label, file.label, "{}", file.name);
        worst = worst.max((found.score - file.score).abs());
        for label in &found.labels {
            let score = file.scores.as_ref().map(|scores| scores.get(&label.label).copied().unwrap_or(0.0));
            worst = worst.max((label.score - score.unwrap_or(1.0)).abs());
        }
    }
    println!("largest difference: {worst:.2e}");
    assert!(worst < 1e-4, "{worst}");
}

#[derive(Deserialize)]
struct Sounds {
    voice: Voice,
}

#[derive(Deserialize)]
struct Voice {
    seconds: f64,
    probabilities: Vec<f32>,
    spans: Vec<(f64, f64)>,
}

/// The same as `voice` of `tests/golden/tasks/speech.py`.
fn voice(seconds: f64) -> Vec<f32> {
    let wave = |frequency: f64, time: f64| (2.0 * PI * frequency * time).sin();
    let bump = |distance: f64| (-distance * distance).exp();
    let sample = |index: usize| {
        let time = index as f64 / 16_000.0;
        let pitch = 120.0 + 20.0 * wave(0.7, time);
        let phase = 2.0 * PI * 120.0 * time - 20.0 / 0.7 * (2.0 * PI * 0.7 * time).cos();
        let (first, second) = (500.0 + 250.0 * wave(1.9, time), 1500.0 + 600.0 * wave(1.3, time));
        let harmonic = |number: f64| {
            let frequency = number * pitch;
            (bump((frequency - first) / 130.0) + 0.5 * bump((frequency - second) / 180.0)) * (number * phase).sin()
        };
        let sound: f64 = (1..=30).map(|number| harmonic(f64::from(number))).sum();
        let speaks = (0.6..2.9).contains(&(time % 4.0)) && time % 4.0 > 0.6;
        let syllables = if speaks { wave(2.1, time).max(0.0) } else { 0.0 };
        (0.1 * sound * syllables + 0.001 * wave(50.0, time)) as f32
    };
    (0..(seconds * 16_000.0) as usize).map(sample).collect()
}

#[test]
fn speech_is_heard_where_silero_hears_it() {
    let detector =
        VoiceActivityDetector::new(graph("silero-vad", "silero_vad_16k_sequence.onnx")).expect("Silero's model");
    let golden: Voice = golden_json::<Sounds>("tasks/speech.json").voice;
    let samples = voice(golden.seconds);
    let probabilities = block_on(detector.probabilities(&samples)).expect("probabilities");
    assert_eq!(probabilities.len(), golden.probabilities.len());
    let differences = probabilities.iter().zip(&golden.probabilities).map(|(ours, theirs)| (ours - theirs).abs());
    let worst = differences.fold(0.0, f32::max);
    println!("largest difference: {worst:.2e}");
    assert!(worst < 1e-3, "{worst}");

    let options = SpeechOptions::default();
    let segments = block_on(detector.detect(&samples, 16_000, &options)).expect("segments");
    let places: Vec<_> = segments.iter().map(|segment| (segment.start * 16_000.0, segment.end * 16_000.0)).collect();
    assert_eq!(places, golden.spans);

    let mut stream = SpeechStream::new(&options).expect("a stream");
    let (mut events, mut streamed) = (Vec::new(), Vec::new());
    // Pieces as a microphone gives them, and one that is long.
    for piece in [&samples[..1000], &samples[1000..1000], &samples[1000..1128], &samples[1128..]] {
        let update = block_on(stream.push(&detector, piece)).expect("an update");
        events.extend(update.events);
        streamed.extend(update.probabilities);
    }
    let update = block_on(stream.finish(&detector)).expect("an update");
    events.extend(update.events);
    streamed.extend(update.probabilities);
    assert_eq!(streamed.len(), probabilities.len());
    assert!(streamed.iter().zip(&probabilities).all(|(a, b)| (a - b).abs() < 1e-5));
    let starts = events.iter().filter(|event| matches!(event, SpeechEvent::Start { .. })).count();
    assert!(starts >= segments.len() && events.len() == 2 * starts);
}

#[test]
fn sound_that_makes_no_sense_is_refused() {
    let detector =
        VoiceActivityDetector::new(graph("silero-vad", "silero_vad_16k_sequence.onnx")).expect("Silero's model");
    let options = SpeechOptions::default();
    let refusal = |samples: &[f32], rate| block_on(detector.detect(samples, rate, &options)).expect_err("a refusal");
    assert_eq!(refusal(&[0.0; 4], 44_100).kind(), ErrorKind::Unsupported);
    assert_eq!(refusal(&[0.0, f32::NAN], 16_000).kind(), ErrorKind::InvalidInput);
    for length in [0, 1, 511, 512, 513] {
        assert_eq!(block_on(detector.detect(&vec![0.0; length], 16_000, &options)).expect("nothing"), []);
    }
    let error = VoiceActivityDetector::new(graph("magika", "model.onnx")).err().expect("a refusal");
    assert_eq!(error.kind(), ErrorKind::InvalidArtefact);
}

#[derive(Deserialize)]
struct Image {
    name: String,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    r#box: [[f32; 2]; 4],
    text: String,
    score: f64,
}

#[test]
fn pictures_say_what_rapidocr_reads() {
    let model = |file| graph("pp-ocrv4", file);
    let reader = ImageReader::new(model("det.onnx"), Some(model("cls.onnx")), model("rec.onnx")).expect("the models");
    let (mut read, mut worst_box, mut worst_score) = (0, 0.0f32, 0.0f64);
    for image in golden_json::<Vec<Image>>("tasks/images.json") {
        let bytes = std::fs::read(golden("tasks/images").join(format!("{}.qoi", image.name))).expect("a picture");
        let (rgba, width, height) = qoi::decode(&bytes);
        let started = std::time::Instant::now();
        let options = ImageToTextOptions::default();
        let found = block_on(reader.read(&rgba, width, height, &options)).expect("its text");
        println!("{}: {:.1} s", image.name, started.elapsed().as_secs_f64());
        let texts: Vec<_> = image.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(found.generated_text, texts.join("\n"), "{}", image.name);
        for (ours, theirs) in found.lines.iter().zip(&image.lines) {
            let corners = ours.corners.iter().flatten().zip(theirs.r#box.iter().flatten());
            worst_box = corners.map(|(a, b)| (a - b).abs()).fold(worst_box, f32::max);
            worst_score = worst_score.max((ours.score - theirs.score).abs());
            read += 1;
        }
    }
    println!("{read} lines; largest difference of a corner {worst_box}, of a score {worst_score:.2e}");
    assert_eq!(read, 59);
    assert!(worst_box <= 2.0 && worst_score < 0.01, "{worst_box} {worst_score}");
}
