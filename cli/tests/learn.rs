//! `pilot-light learn` as it is typed: a head is learnt from labelled texts, also in two goes, and is a model like others.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use pilot_light::tasks::{Task, TextClassification, TextClassificationOptions};
use pilot_light::{Device, LoadOptions, folder};
use serde_json::{Value, json};

use support::folder::Folder;
use support::golden;

#[path = "../../tests/support/mod.rs"]
mod support;

const LABELS: [&str; 2] = ["weather", "keys"];

/// A text about one of two things.
fn text(at: usize) -> String {
    let (weather, keys) = (["rain", "snow", "wind", "sun"], ["key", "door", "lock", "house"]);
    let words = if at.is_multiple_of(2) { weather } else { keys };
    (0..3).map(|word| words[(at / 2 + at / 7 * word) % 4]).collect::<Vec<_>>().join(" ")
}

fn rows(count: usize) -> String {
    (0..count).map(|at| format!("{}\n", json!({ "text": text(at), "label": LABELS[at % 2] }))).collect()
}

fn learn(root: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilot-light"));
    command.current_dir(root).env_remove("PILOT_LIGHT_REMOTE_URL");
    command.args(["learn", "--base", "tiny-bert-seq", "--data", "stream.jsonl", "--state", "state"]);
    command.args(["--alpha", "0.1", "--labels", "weather: rain and sun", "keys"]).args(more);
    command.output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_head_is_learnt_in_two_goes_and_is_a_model_like_others() {
    let root = Folder::new("learn");
    symlink(golden("tiny-bert-seq"), root.0.join("tiny-bert-seq")).expect("the encoder");
    root.write("stream.jsonl", rows(350));
    let first = stdout(&learn(&root.0, &[]));
    assert!(first.contains("100 of 350 texts: ") && first.contains("350 of 350 texts: "), "{first}");
    root.write("stream.jsonl", rows(900));
    let second = stdout(&learn(&root.0, &["--out", "learnt"]));
    assert!(second.starts_with("state: goes on after 350 texts"), "{second}");
    assert!(second.contains(", promised"), "{second}");
    assert!(!second.contains("350 of 900"), "{second}");

    let manifest = fs::read_to_string(root.0.join("learnt/pilot.json")).expect("the manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["provenance"]["counters"]["texts"], 900);
    let head = root.0.join("learnt");
    let head = folder::load(&head, Task::TextClassification, &Device::cpu(), LoadOptions::default()).expect("the head");
    let texts: Vec<String> = (0..40).map(text).collect();
    let options = TextClassificationOptions { top_k: Some(1) };
    let found = pollster::block_on(head.run::<TextClassification>(&texts, &options)).expect("labels");
    let right = found.iter().enumerate().filter(|(at, ranked)| ranked[0].label == LABELS[at % 2]).count();
    assert!(right >= 38, "{right} of 40");

    // What was learnt for other labels is not written over.
    let before = fs::read(root.0.join("state")).expect("the state");
    let other = learn(&root.0, &["other"]);
    assert!(
        !other.status.success() && String::from_utf8_lossy(&other.stderr).contains("the labels weather, keys, other")
    );
    assert_eq!(fs::read(root.0.join("state")).expect("the state"), before);
}

#[test]
fn texts_without_a_label_do_not_leave_unasked() {
    let root = Folder::new("learn-unlabelled");
    symlink(golden("tiny-bert-seq"), root.0.join("tiny-bert-seq")).expect("the encoder");
    root.write("stream.jsonl", format!("{}\n", json!({ "text": "rain" })));
    let refused = learn(&root.0, &[]);
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && words.contains("--redactor") && words.contains("--send-as-they-are"),
        "{words}"
    );
}
