//! `pilot-light calibrate` and `evaluate` as they are typed: labels from a remote model, entities, and labels that a
//! model was not trained on. They need what `cargo xtask models` fetches, so plain `cargo test` leaves them out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pilot_light::manifest::Manifest;
use pilot_light::tasks::{AnswerOutput, LocalAnswer, RunOptions, Task, ZeroShotClassificationOptions};
use pilot_light::{Device, LoadOptions, folder};
use serde_json::{Value, json};

use support::folder::Folder;
use support::server::{reply, serve, serve_by};
use support::{fetched, golden_json, load, minilm, root};

#[path = "../../tests/support/mod.rs"]
mod support;

fn head(name: &str) -> PathBuf {
    root().join("models").join(name)
}

/// A copy of the head for sentiment without its calibration.
fn sentiment(test: &str) -> Folder {
    let copy = Folder::new(test);
    for name in ["config.json", "head.safetensors"] {
        copy.write(name, fs::read(head("sentiment").join(name)).expect("the head"));
    }
    copy
}

fn pilot_light(arguments: &[&str], paths: &[(&str, &Path)], url: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilot-light"));
    command.args(arguments).env_remove("PILOT_LIGHT_REMOTE_KEY");
    command.env("PILOT_LIGHT_REMOTE_URL", url).env("PILOT_LIGHT_REMOTE_MODEL", "the general one");
    paths.iter().for_each(|(name, path)| _ = command.arg(name).arg(path));
    command.output().expect("the program runs")
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn failed(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines(rows: impl IntoIterator<Item = Value>) -> String {
    rows.into_iter().map(|row| format!("{row}\n")).collect()
}

/// The texts with what the head says of them, made wrong in one of three where it is unsure.
fn answers(texts: &[String]) -> Vec<(String, String)> {
    let (cpu, options) = (Device::cpu(), LoadOptions::default());
    let base = minilm();
    let model = folder::load_with_base(&head("sentiment"), Some(&base), Task::TextClassification, &cpu, options);
    let answers = pollster::block_on(model.expect("the head").answer(texts, &RunOptions::default())).expect("answers");
    let label = |(at, answer): (usize, LocalAnswer)| match &answer.output {
        AnswerOutput::Label(found) if answer.confidence < 0.75 && at % 3 == 0 => {
            if found.label == "positive" { "negative" } else { "positive" }.to_string()
        }
        AnswerOutput::Label(found) => found.label.clone(),
        other => panic!("{other:?}"),
    };
    texts.iter().cloned().zip(answers.into_iter().enumerate().map(label)).collect()
}

/// The text that a request asks about.
fn text_of(asked: &str) -> String {
    let (_, body) = asked.split_once("\r\n\r\n").expect("a body");
    let body: Value = serde_json::from_str(body).expect("JSON");
    body["messages"][1]["content"].as_str().expect("a text").to_string()
}

fn says(label: &str) -> String {
    let content = json!({ "label": label }).to_string();
    let usage = json!({ "prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110 });
    let body = json!({ "choices": [{ "message": { "content": content } }], "usage": usage });
    reply("200 OK", "application/json", &body.to_string())
}

/// The settings of a remote model that costs a hundredth of a cent a question.
fn with_cap(usd_per_day: f64) -> String {
    let price = json!({ "prompt_usd_per_million": 1, "completion_usd_per_million": 0, "as_of": "2026-11-25" });
    json!({ "retries": 0, "caps": { "usd_per_day": usd_per_day }, "price": price }).to_string()
}

#[test]
fn labels_come_from_a_general_model_and_are_paid_for_once() {
    let texts: Vec<String> = golden_json("sentences.json");
    let mut refused = false;
    let answers = answers(&texts);
    let (url, asked) = serve_by(move |asked| match text_of(asked) {
        text if text == answers[7].0 && !refused => {
            refused = true;
            Some(reply("400 No", "application/json", "{}"))
        }
        text => answers.iter().find(|(known, _)| *known == text).map(|(_, label)| says(label)),
    });

    let folder = sentiment("asking");
    folder.write("texts.jsonl", lines(texts.iter().map(|text| json!({ "text": text }))));
    let path = |name: &str| folder.0.join(name);
    let base = minilm();
    let calibrate = |data: &str| {
        let (labels, remote, data, report) =
            (path("labels.jsonl"), path("remote.json"), path(data), path("report.html"));
        let paths = [
            ("--model", folder.0.as_path()),
            ("--base", &base),
            ("--data", &data),
            ("--labels-from-remote", &labels),
            ("--remote", &remote),
            ("--report", &report),
        ];
        pilot_light(&["calibrate", "--alpha", "0.2", "--privacy", "allow"], &paths, &url)
    };
    let kept = || String::from_utf8(folder.read("labels.jsonl")).expect("text").lines().count();

    // What may be spent is enough for some of them.
    folder.write("remote.json", with_cap(0.005));
    let stopped = failed(&calibrate("texts.jsonl"));
    assert!(stopped.contains("cap on money a day") && stopped.contains("goes on from there"), "{stopped}");
    let (some, requests) = (kept(), asked.try_iter().count());
    assert!((10..60).contains(&some) && requests == some + 1, "{some} answers to {requests} questions");
    // The day's money is spent, however often one begins.
    failed(&calibrate("texts.jsonl"));
    assert_eq!((kept(), asked.try_iter().count()), (some, 0));

    // One that was interrupted in the middle of a line goes on as well.
    let whole = folder.read("labels.jsonl");
    folder.write("labels.jsonl", [whole.as_slice(), br#"{"text": "half a li"#].concat());
    folder.write("remote.json", with_cap(1.0));
    let report = succeeded(&calibrate("texts.jsonl"));
    // The one that was not answered is asked about again, and the others are not.
    let bodies: Vec<String> = asked.try_iter().collect();
    assert_eq!((bodies.len(), kept()), (texts.len() - some, texts.len()));
    assert!(bodies[0].contains(&serde_json::to_string(&texts[7]).expect("JSON")), "{}", bodies[0]);
    assert!(report.contains("200 labels are the answers of the general one"), "{report}");
    let page = String::from_utf8(folder.read("report.html")).expect("text");
    assert!(page.contains("200 labels are the answers of the general one"));
    let manifest = Manifest::from_json(&String::from_utf8(folder.read("pilot.json")).expect("text")).expect("one");
    let labels = manifest.calibration.expect("a calibration").labels;
    assert_eq!((labels.given, labels.asked, labels.unanswered), (0, 200, 0));
    assert_eq!(labels.models, ["the general one"]);

    // The file is one of labelled texts itself, and does not forget whose labels they are.
    let again = succeeded(&calibrate("labels.jsonl"));
    assert!(again.contains("200 labels are the answers of the general one"), "{again}");
    assert_eq!(asked.try_iter().count(), 0);
}

#[test]
fn what_is_not_answered_is_left_out_and_counted() {
    let texts: Vec<String> = golden_json("sentences.json");
    let mut replies: Vec<String> = answers(&texts).iter().map(|(_, label)| says(label)).collect();
    let refused = reply("400 No", "application/json", "{}");
    (replies[3], replies[90]) = (refused.clone(), refused);
    let (url, _asked) = serve(replies);
    let folder = sentiment("unanswered");
    folder.write("texts.jsonl", lines(texts.iter().map(|text| json!({ "text": text }))));
    folder.write("remote.json", r#"{"retries":0}"#);
    let [data, labels, remote] = ["texts.jsonl", "labels.jsonl", "remote.json"].map(|name| folder.0.join(name));
    let base = minilm();
    let paths = [
        ("--model", folder.0.as_path()),
        ("--base", &base),
        ("--data", &data),
        ("--labels-from-remote", &labels),
        ("--remote", &remote),
    ];
    let report = succeeded(&pilot_light(&["calibrate", "--alpha", "0.2", "--privacy", "allow"], &paths, &url));
    assert!(report.contains("198 labels are the answers") && report.contains("2 texts were left out"), "{report}");
}

#[test]
fn no_text_leaves_against_the_policy() {
    let folder = sentiment("policy");
    let text = "my name is jakob müller and i live in münchen";
    folder.write("texts.jsonl", lines([json!({ "text": text })]));
    let [data, labels] = ["texts.jsonl", "labels.jsonl"].map(|name| folder.0.join(name));
    let (base, redactor) = (minilm(), fetched("models/rampart"));
    let paths =
        [("--model", folder.0.as_path()), ("--base", &base), ("--data", &data), ("--labels-from-remote", &labels)];
    let (url, asked) = serve(vec![says("positive")]);
    let none = failed(&pilot_light(&["calibrate"], &paths, &url));
    assert!(none.contains("--redactor"), "{none}");
    let local = failed(&pilot_light(&["calibrate", "--privacy", "local-only"], &paths, &url));
    assert!(local.contains("local-only"), "{local}");
    assert_eq!(asked.try_iter().count(), 0);
    let with_redactor = [&paths[..], &[("--redactor", redactor.as_path())]].concat();
    // A single example calibrates nothing, but it was asked about.
    let few = failed(&pilot_light(&["calibrate"], &with_redactor, &url));
    assert!(few.contains("too few"), "{few}");
    let body = asked.try_iter().next().expect("a question");
    assert!(body.contains("[GIVEN_NAME_1]") && !body.contains("jakob") && !body.contains("münchen"), "{body}");
    assert!(String::from_utf8(folder.read("labels.jsonl")).expect("text").contains(text), "the label is the text's");
}

/// The entities that Rampart finds are the truth, but for one of three texts that have some.
#[test]
fn entities_are_right_as_a_set() {
    let rampart = fetched("models/rampart");
    let model = load(&rampart, Task::TokenClassification);
    let names = ["Jane Doe", "Łukasz Żak", "jakob müller", "Maria Rossi", "Chen Wei", "Amina Yusuf"];
    let texts: Vec<String> = (0..60)
        .map(|at| format!("{} 😀 wrote from {} Main Street about number {at}.", names[at % names.len()], at + 1))
        .collect();
    let answers = pollster::block_on(model.answer(&texts, &RunOptions::default())).expect("answers");
    let rows = texts.iter().zip(answers).enumerate().map(|(at, (text, answer))| {
        let AnswerOutput::Entities(mut entities) = answer.output else { panic!("a label") };
        assert!(!entities.is_empty(), "{text}");
        entities.reverse();
        if at % 3 == 0 {
            entities.pop();
        }
        json!({ "text": text, "entities": entities })
    });
    let folder = Folder::new("entities");
    folder.write("rows.jsonl", lines(rows));
    let rows = folder.0.join("rows.jsonl");
    let paths = [("--model", rampart.as_path()), ("--data", &rows)];
    let found = succeeded(&pilot_light(&["evaluate", "--task", "token-classification"], &paths, ""));
    assert!(found.contains("accuracy  0.6667"), "{found}");

    let wrong =
        json!({ "text": "Łódź", "entities": [{ "entity_group": "CITY", "start": 0, "end": 4, "word": "Łódź" }] });
    folder.write("rows.jsonl", lines([wrong]));
    let refused = failed(&pilot_light(&["evaluate", "--task", "token-classification"], &paths, ""));
    assert!(refused.contains("'Łódź' is not from byte 0 to 4"), "{refused}");
    folder.write("rows.jsonl", lines([json!({ "text": "a", "label": "CITY" })]));
    let refused = failed(&pilot_light(&["evaluate", "--task", "token-classification"], &paths, ""));
    assert!(refused.contains("finds entities"), "{refused}");
}

#[test]
fn a_calibration_for_made_up_labels_says_which_they_are() {
    let texts: Vec<String> = golden_json("sentences.json");
    let labels = ["the weather", "work", "food", "travel"].map(String::from).to_vec();
    let options = ZeroShotClassificationOptions { candidate_labels: labels.clone(), ..Default::default() };
    let options = RunOptions::new(&options).expect("options");
    let model = load(&minilm(), Task::ZeroShotClassification);
    let answers = pollster::block_on(model.answer(&texts, &options)).expect("answers");
    let mut sorted: Vec<f64> = answers.iter().map(|answer| answer.confidence).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted[sorted.len() / 2];
    let rows = texts.iter().zip(answers).enumerate().map(|(at, (text, answer))| {
        let AnswerOutput::Label(found) = answer.output else { panic!("entities") };
        let other = labels.iter().find(|label| **label != found.label).expect("another");
        let label = if answer.confidence < middle && at % 3 == 0 { other } else { &found.label };
        json!({ "text": text, "label": label })
    });
    let folder = Folder::new("zero-shot");
    folder.write("rows.jsonl", lines(rows));
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"] {
        fs::hard_link(minilm().join(name), folder.0.join(name))
            .or_else(|_| fs::copy(minilm().join(name), folder.0.join(name)).map(|_| ()))
            .expect("a copy");
    }
    let rows = folder.0.join("rows.jsonl");
    let mut arguments = vec!["calibrate", "--task", "zero-shot-classification", "--alpha", "0.2"];
    arguments.extend(labels.iter().flat_map(|label| ["--candidate-label", label]));
    let report = succeeded(&pilot_light(&arguments, &[("--model", folder.0.as_path()), ("--data", &rows)], ""));
    assert!(report.contains("200 labels came with the examples"), "{report}");
    let manifest = Manifest::from_json(&String::from_utf8(folder.read("pilot.json")).expect("text")).expect("one");
    let calibration = manifest.calibration.expect("a calibration");
    assert_eq!(calibration.hypotheses[0], "This example is the weather.");
    assert!(calibration.is_for(&model.hypotheses(&options).expect("sentences")));
}
