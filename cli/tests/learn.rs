//! `pilot-light learn` as it is typed: a head is learnt from labelled texts, also in two goes, and is a model like others.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use pilot_light::learning::{LearnOptions, Learner, Store};
use pilot_light::tasks::{Task, TextClassification, TextClassificationOptions};
use pilot_light::{Device, LoadOptions, folder};
use serde_json::{Value, json};

use support::folder::Folder;
use support::golden;
use support::server::{reply, serve_by};

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
    learn_with(root, "tiny-bert-seq", more, None)
}

fn learn_with(root: &Path, base: &str, more: &[&str], url: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilot-light"));
    command.current_dir(root).env_remove("PILOT_LIGHT_REMOTE_URL");
    command.envs(url.map(|url| ("PILOT_LIGHT_REMOTE_URL", url)));
    command.args(["learn", "--base", base, "--data", "stream.jsonl", "--state", "state"]);
    command.args(["--alpha", "0.1", "--labels", "weather: rain and sun", "keys"]).args(more);
    command.output().expect("the program runs")
}

/// What the program has stored, and its examples.
fn stored(root: &Folder) -> (Vec<u8>, Store) {
    let state = root.read("state");
    let store = Learner::examples_of(&state).expect("a state");
    (state, store)
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
fn each_option_of_learning_is_an_argument_with_the_same_default() {
    let help = Command::new(env!("CARGO_BIN_EXE_pilot-light")).args(["learn", "--help"]).output().expect("help");
    let help = stdout(&help).replace('\n', " \n");
    let options = serde_json::to_value(LearnOptions::default()).expect("options");
    for (name, value) in options.as_object().expect("an object") {
        let Some((_, described)) = help.split_once(&format!("--{} ", name.replace('_', "-"))) else {
            assert_eq!(name, "importance_weights", "only what is there to be compared with has none");
            continue;
        };
        let described = described.split(" --").next().expect("its description");
        let default = value.as_f64().map(|number| format!("[default: {number}]"));
        assert!(default.is_none_or(|default| described.contains(&default)), "{name} {value}: {described}");
    }
}

#[test]
fn options_and_what_is_known_of_texts_reach_the_learner() {
    let root = Folder::new("learn-options");
    for encoder in ["tiny-bert-seq", "tiny-distilbert-seq"] {
        symlink(golden(encoder), root.0.join(encoder)).expect("the encoder");
    }
    for (more, refused) in [
        (["--check-rate", "0"], "check_rate must be from 0.001 to 1"),
        (["--remote-error", "0.5"], "remote_error must be from 0 to 0.4"),
        (["--store-bytes", "100"], "must have at least"),
        (["--agreement", "votes"], "logprobs"),
    ] {
        root.write("stream.jsonl", rows(1));
        let words = learn(&root.0, &more).stderr;
        let words = String::from_utf8_lossy(&words);
        assert!(words.contains(refused), "{more:?}: {words}");
    }

    // Of what one source says of a label, an eighth of the room for two labels is kept.
    let by_ann = |at: usize| json!({ "text": text(at), "label": LABELS[at % 2], "source": "ann", "agreement": 0.5 });
    root.write("stream.jsonl", (0..80).map(|at| format!("{}\n", by_ann(at))).collect::<String>());
    let room = (64 * (4 * 16 + 128 + 2048)).to_string();
    stdout(&learn(&root.0, &["--keep-texts", "--store-bytes", &room]));
    let (_, store) = stored(&root);
    assert_eq!(store.examples().len(), 16);
    assert!(store.examples().iter().all(|example| example.origin.agreement == 0.5 && example.text.is_some()));

    // Another encoder goes on with the texts, and behind the text that was the last.
    root.write("stream.jsonl", (0..82).map(|at| format!("{}\n", by_ann(at))).collect::<String>());
    let other = stdout(&learn_with(&root.0, "tiny-distilbert-seq", &["--keep-texts"], None));
    assert!(other.starts_with("state: goes on after 80 texts"), "{other}");
    assert_eq!(stored(&root).1.examples().len(), 18);

    // Texts that are no longer kept are gone at once, though nothing is learnt.
    let (_, store) = stored(&root);
    let text = store.examples()[0].text.clone().expect("a text");
    let has_text = || stored(&root).0.windows(text.len()).any(|words| words == text.as_bytes());
    assert!(has_text());
    stdout(&learn_with(&root.0, "tiny-distilbert-seq", &[], None));
    assert!(!has_text());
    let (_, store) = stored(&root);
    assert_eq!(store.examples().iter().filter(|example| example.text.is_some()).count(), 0);
    assert_eq!(store.examples().len(), 18);
}

#[test]
fn the_remote_model_is_asked_how_sure_it_is_where_that_is_wanted() {
    let answer = json!({ "choices": [{
        "message": { "content": "{\"label\":\"keys\"}" },
        "logprobs": { "content": [
            { "token": "{\"label\":\"", "logprob": -1.0 },
            { "token": "keys", "logprob": -0.5 },
            { "token": "\"}", "logprob": -1.0 },
        ] },
    }] });
    for (more, asks, agreement) in [(&["--agreement", "logprobs"][..], true, (-0.5_f64).exp()), (&[], false, 1.0)] {
        let root = Folder::new(&format!("learn-logprobs-{asks}"));
        symlink(golden("tiny-bert-seq"), root.0.join("tiny-bert-seq")).expect("the encoder");
        root.write("stream.jsonl", format!("{}\n", json!({ "text": "key door" })));
        let body = answer.to_string();
        let (url, asked) = serve_by(move |_| Some(reply("200 OK", "application/json", &body)));
        let more = [&["--send-as-they-are"], more].concat();
        stdout(&learn_with(&root.0, "tiny-bert-seq", &more, Some(&url)));
        assert_eq!(asked.recv().expect("a request").contains("\"logprobs\":true"), asks);
        let (_, store) = stored(&root);
        assert!((store.examples()[0].origin.agreement - agreement).abs() < 1e-9, "{store:?}");
    }
}

#[test]
fn several_labels_are_learnt_from_lists_of_them() {
    let root = Folder::new("learn-several");
    symlink(golden("tiny-bert-seq"), root.0.join("tiny-bert-seq")).expect("the encoder");
    // One thing, the other, both or none of them.
    let row = |at: usize| match at % 4 {
        0 | 1 => json!({ "text": text(at), "labels": [LABELS[at % 2]] }),
        2 => json!({ "text": format!("{} {}", text(at), text(at + 1)), "labels": ["keys", "weather"] }),
        _ => json!({ "text": "of the", "labels": [] }),
    };
    root.write("stream.jsonl", (0..900).map(|at| format!("{}\n", row(at))).collect::<String>());
    let said = stdout(&learn(&root.0, &["--multi-label", "--out", "learnt"]));
    assert!(said.contains(", promised"), "{said}");
    let head = root.0.join("learnt");
    let head = folder::load(&head, Task::TextClassification, &Device::cpu(), LoadOptions::default()).expect("the head");
    let texts = [format!("{} {}", text(2), text(3)), "of the".to_string()];
    let options = TextClassificationOptions::default();
    let found = pollster::block_on(head.run::<TextClassification>(&texts, &options)).expect("labels");
    let applies = found.iter().map(|all| all.iter().filter(|one| one.score > 0.5).count()).collect::<Vec<_>>();
    assert_eq!(applies, [2, 0]);
    let single = learn(&root.0, &["--send-as-they-are"]);
    assert!(!single.status.success(), "the data have no single labels");
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
