//! A cascade that learns, over a real encoder: from labels alone, and from a head; its state, and the head that it exports.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use pilot_light::cascade::{
    Cascade, CascadeConfig, Clock, Envelope, LearnConfig, LearnLabel, LocalModels, Now, OffsetUnit, RemoteConfig,
    Route, Sharing, Step,
};
use pilot_light::device::DeviceReport;
use pilot_light::learning::LearnOptions;
use pilot_light::policy::{Policy, Privacy};
use pilot_light::remote::RemoteEvent;
use pilot_light::tasks::{
    Answer, AnswerOutput, Answers, RunOptions, Task, TextClassification, TextClassificationOptions,
};
use pilot_light::{Device, ErrorKind, LoadOptions, folder};
use pollster::block_on;
use serde_json::{Value, json};

use crate::support::folder::Folder;
use crate::support::{golden, load};

const LABELS: [&str; 2] = ["weather", "keys"];

thread_local! {
    /// Counts the readings of the clock.
    static READ: Cell<u64> = const { Cell::new(0) };
}

fn clock() -> Clock {
    Clock {
        now: || {
            READ.set(READ.get() + 1);
            // Numbers that never come twice, and look random.
            let random = (READ.get() as f64 * 0.618_033_988_749_895).fract();
            Now { now_ms: READ.get() as f64, random }
        },
        monotonic_ms: || 0.0,
    }
}

fn config(labels: &[&str]) -> CascadeConfig {
    let remote: RemoteConfig = serde_json::from_value(json!({ "model": "any", "retries": 0 })).unwrap();
    let labels = labels.iter().map(|label| LearnLabel { label: label.to_string(), description: None });
    let options = LearnOptions { alpha: 0.1, ..LearnOptions::default() };
    let learn =
        LearnConfig { labels: labels.collect(), encoder: "tiny".to_string(), options, ..LearnConfig::default() };
    let policy = Policy { privacy: Privacy::Allow, ..Policy::default() };
    CascadeConfig { remotes: vec![remote], policy, learn: Some(learn), ..CascadeConfig::default() }
}

fn cascade(config: CascadeConfig) -> Cascade {
    cascade_of("tiny-bert-seq", config)
}

fn cascade_of(model: &str, config: CascadeConfig) -> Cascade {
    cascade_in(&golden(model), config)
}

fn cascade_in(folder: &Path, config: CascadeConfig) -> Cascade {
    let model = load(folder, Task::FeatureExtraction);
    Cascade::from_models(vec![model], config, DeviceReport::processor(), OffsetUnit::Bytes, clock()).unwrap()
}

/// A text about one of two things.
fn text(at: usize) -> String {
    let (weather, keys) = (["rain", "snow", "wind", "sun"], ["key", "door", "lock", "house"]);
    let words = if at.is_multiple_of(2) { weather } else { keys };
    (0..3).map(|word| words[(at / 2 + at / 7 * word) % 4]).collect::<Vec<_>>().join(" ")
}

/// Asks about one text, and answers as a remote model would where it is delegated.
fn ask(cascade: &Cascade, at: usize) -> Envelope {
    ask_about(cascade, text(at), LABELS[at % 2])
}

/// The same of any text, which the remote model gives this label.
fn ask_about(cascade: &Cascade, text: String, label: &str) -> Envelope {
    let decided = block_on(cascade.decide(&[text], &RunOptions::default(), false)).unwrap().remove(0);
    let checks = decided.check.map(|check| check.call);
    let answer = |call| match cascade.enqueue(call, false, None).unwrap().step {
        Step::Send(_) => {
            let content = json!({ "label": label }).to_string();
            let body = json!({ "choices": [{ "message": { "content": content } }] }).to_string();
            let event =
                RemoteEvent::Response { status: 200, retry_after: None, content_type: None, body, elapsed_ms: 1.0 };
            cascade.receive(call, &event).unwrap().step
        }
        step => panic!("{step:?}"),
    };
    if let Some(call) = checks {
        assert!(matches!(answer(call), Step::Consulted(_)));
    }
    let envelope = match decided.step {
        Step::Done(envelope) => envelope,
        Step::Delegate { call, .. } => match answer(call) {
            Step::Done(envelope) => envelope,
            step => panic!("{step:?}"),
        },
        step => panic!("{step:?}"),
    };
    while cascade.train(1_000_000).unwrap() {}
    *envelope
}

#[test]
fn it_begins_with_labels_alone_and_ends_with_a_head_that_classifies_the_same() {
    let learning = cascade(config(&LABELS));
    let refused = block_on(learning.decide(&[text(0)], &RunOptions::default(), false)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
    block_on(learning.learn(None, Sharing::Alone)).unwrap();
    let first = ask(&learning, 0);
    assert_eq!((first.route, first.calibrated), (Route::Remote, false));
    let stays = (1..1500).find(|&at| ask(&learning, at).route == Route::Local).expect("one stays");
    let report = learning.learning_report().unwrap();
    assert!(report.promised && report.version > 0 && report.examples.iter().sum::<usize>() >= 48, "{report:?}");
    assert_eq!(report.labels, LABELS);

    // What was learnt goes on in another cascade, and nowhere where the labels are others.
    let state = learning.learning_state().unwrap();
    let other = cascade(config(&LABELS));
    block_on(other.learn(Some(&state), Sharing::Alone)).unwrap();
    assert_eq!(other.learning_report().unwrap(), report);
    let foreign = cascade(config(&["weather", "other"]));
    block_on(foreign.learn(None, Sharing::Alone)).unwrap();
    let refused = block_on(foreign.learn(Some(&state), Sharing::Alone)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
    assert_eq!(foreign.learning_report().unwrap().version, 0, "what was there stays");

    // The head that is exported gives the same scores to the last bit.
    let root = std::env::temp_dir().join(format!("pilot-light-learning-{}", std::process::id()));
    let folder = root.join("learnt");
    fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(golden("tiny-bert-seq"), root.join("tiny-bert-seq")).unwrap();
    let files = learning.export_head("tiny-bert-seq").unwrap();
    fs::write(folder.join("config.json"), &files.config).unwrap();
    fs::write(folder.join("head.safetensors"), &files.weights).unwrap();
    let head = folder::load(&folder, Task::TextClassification, &Device::cpu(), LoadOptions::default()).unwrap();
    assert_eq!(head.labels(), LABELS);
    let mut local = 0;
    for at in stays..stays + 60 {
        let AnswerOutput::Label(found) = ask(&learning, at).output else { panic!("a label") };
        let texts = [text(at)];
        let ranked = block_on(head.run::<TextClassification>(&texts, &TextClassificationOptions::default())).unwrap();
        if let Some(score) = found.score {
            let same = ranked[0].iter().find(|ranked| ranked.label == found.label).unwrap();
            assert_eq!(same.score.to_bits(), score.to_bits());
            local += 1;
        }
    }
    assert!(local > 10, "{local} were local");

    // It is also a model to begin with.
    let mut begun = config(&[]);
    begun.remotes.clear();
    let models = LocalModels::new(vec![head]).unwrap();
    let begun = Cascade::new(models, begun, DeviceReport::processor(), OffsetUnit::Bytes, clock()).unwrap();
    block_on(begun.learn(None, Sharing::Alone)).unwrap();
    assert_eq!(begun.export_head("elsewhere").unwrap(), files, "the head and its encoder's folder are the model's own");
    fs::remove_dir_all(root).unwrap();
}

fn encoded_by(encoder: &str, keep_texts: bool) -> CascadeConfig {
    let mut config = config(&LABELS);
    let learn = config.learn.as_mut().unwrap();
    (learn.encoder, learn.options.keep_texts) = (encoder.to_string(), keep_texts);
    config
}

#[test]
fn a_head_for_several_labels_is_exported_and_begun_with() {
    let several = || {
        let mut config = config(&LABELS);
        config.learn.as_mut().unwrap().multi_label = true;
        config
    };
    let learning = cascade(several());
    block_on(learning.learn(None, Sharing::Alone)).unwrap();
    let both = format!("{} {}", text(0), text(1));
    let decide = |text: &str| block_on(learning.decide(&[text.to_string()], &RunOptions::default(), true)).unwrap();
    let local = |text: &str| match decide(text).remove(0).step {
        Step::Done(envelope) => envelope.output,
        step => panic!("{step:?}"),
    };
    let texts = || [text(0), text(1), both.clone(), "of the".to_string(), text(4), text(7)];
    for at in 0..60 {
        let text = texts()[at % 6].clone();
        let decided = block_on(learning.decide(&[text], &RunOptions::default(), false)).unwrap().remove(0);
        let Step::Delegate { call, .. } = decided.step else { panic!("nothing is promised yet") };
        assert!(matches!(learning.enqueue(call, false, None).unwrap().step, Step::Send(_)));
        let labels: [&[&str]; 6] = [&LABELS[..1], &LABELS[1..], &LABELS, &[], &LABELS[..1], &LABELS[1..]];
        let content = json!({ "labels": labels[at % 6] }).to_string();
        let body = json!({ "choices": [{ "message": { "content": content } }] }).to_string();
        let event = RemoteEvent::Response { status: 200, retry_after: None, content_type: None, body, elapsed_ms: 1.0 };
        learning.receive(call, &event).unwrap();
    }
    while learning.train(1_000_000).unwrap() {}
    let report = learning.learning_report().unwrap();
    assert_eq!((report.multi_label, report.examples, report.unlabelled), (true, vec![30, 30], 10));

    let root = std::env::temp_dir().join(format!("pilot-light-several-{}", std::process::id()));
    let folder = root.join("learnt");
    fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(golden("tiny-bert-seq"), root.join("tiny-bert-seq")).unwrap();
    let files = learning.export_head("tiny-bert-seq").unwrap();
    assert!(files.config.contains("multi_label_classification"));
    fs::write(folder.join("config.json"), &files.config).unwrap();
    fs::write(folder.join("head.safetensors"), &files.weights).unwrap();
    let head = || folder::load(&folder, Task::TextClassification, &Device::cpu(), LoadOptions::default()).unwrap();
    let model = head();
    let mut scored = 0;
    for text in texts() {
        let AnswerOutput::Labels(Answers { labels }) = local(&text) else { panic!("one label") };
        let options = TextClassificationOptions::default();
        let ranked = block_on(model.run::<TextClassification>(&[text], &options)).unwrap().remove(0);
        for Answer { label, score } in labels {
            let same = ranked.iter().find(|ranked| ranked.label == label).unwrap();
            assert_eq!(Some(same.score.to_bits()), score.map(f64::to_bits));
            scored += 1;
        }
    }
    assert!(scored > 2, "{scored}");

    // It begins a cascade of the same kind, and none of another.
    let begun = |config: CascadeConfig| {
        let config =
            CascadeConfig { learn: config.learn.map(|learn| LearnConfig { labels: vec![], ..learn }), ..config };
        Cascade::from_models(vec![head()], config, DeviceReport::processor(), OffsetUnit::Bytes, clock()).unwrap()
    };
    let same = begun(several());
    block_on(same.learn(None, Sharing::Alone)).unwrap();
    assert_eq!(same.export_head("elsewhere").unwrap(), files);
    let refused = block_on(begun(config(&LABELS)).learn(None, Sharing::Alone)).unwrap_err();
    assert_eq!(refused.to_string(), "multi_label must be true, as the model's head has it, got false");
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn another_encoder_begins_with_the_texts_that_were_kept() {
    let states = [true, false].map(|keep_texts| {
        let learning = cascade(encoded_by("bert", keep_texts));
        block_on(learning.learn(None, Sharing::Alone)).unwrap();
        (0..30).for_each(|at| _ = ask(&learning, at));
        assert_eq!(learning.learning_report().unwrap().texts, if keep_texts { 30 } else { 0 });
        learning.learning_state().unwrap()
    });
    let [with_texts, without] = &states;
    let other = |keep_texts| cascade_of("tiny-distilbert-seq", encoded_by("distilbert", keep_texts));

    // What is stored is replaced where it is not gone on from as it is.
    for (keep_texts, state, differs) in [(true, with_texts, false), (true, without, true), (false, with_texts, true)] {
        let same = cascade(encoded_by("bert", keep_texts));
        assert_eq!(block_on(same.learn(Some(state), Sharing::Alone)).unwrap(), differs);
        let texts = if keep_texts && !differs { 30 } else { 0 };
        assert_eq!(same.learning_report().unwrap().texts, texts);
        assert!(!block_on(same.learn(Some(&same.learning_state().unwrap()), Sharing::Alone)).unwrap());
    }

    let anew = other(true);
    assert!(block_on(anew.learn(Some(with_texts), Sharing::Alone)).unwrap());
    let report = anew.learning_report().unwrap();
    assert_eq!((report.texts, report.version, report.promised, report.training), (30, 0, false, true));
    assert_eq!(report.examples, [15, 15]);
    assert_eq!((report.counters.texts, report.counters.labels, report.counters.trained), (30, 30, 0));
    while anew.train(1_000_000).unwrap() {}
    assert_eq!(anew.learning_report().unwrap().counters.trained, 1);

    // What is imported is embedded again as well, and none is counted twice.
    let joined = other(true);
    block_on(joined.learn(None, Sharing::Alone)).unwrap();
    for _ in 0..2 {
        block_on(joined.join_learning(with_texts)).unwrap();
        assert_eq!(joined.learning_report().unwrap().examples, [15, 15]);
    }
    for (keep_texts, state) in [(true, without), (false, with_texts)] {
        let refusing = other(keep_texts);
        let refused = block_on(refusing.learn(Some(state), Sharing::Alone)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
        block_on(refusing.learn(None, Sharing::Alone)).unwrap();
        assert_eq!(block_on(refusing.join_learning(state)).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_text_whose_new_embedding_is_not_finite_is_left_out_and_the_others_go_on() {
    // The row of the token "=" is not a number.
    let folder = Folder::copy_of("tiny-distilbert-seq", "learn-nan");
    let mut weights = folder.read("model.safetensors");
    let header = 8 + u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let described: Value = serde_json::from_slice(&weights[8..header]).unwrap();
    let words = &described["distilbert.embeddings.word_embeddings.weight"];
    assert_eq!((&words["dtype"], &words["shape"]), (&json!("BF16"), &json!([160, 32])));
    let row = header + words["data_offsets"][0].as_u64().unwrap() as usize + 110 * 32 * 2;
    weights[row..row + 64].chunks_exact_mut(2).for_each(|number| number.copy_from_slice(&[0xC0, 0x7F]));
    folder.write("model.safetensors", weights);

    let learning = cascade(encoded_by("bert", true));
    block_on(learning.learn(None, Sharing::Alone)).unwrap();
    (0..20).for_each(|at| _ = ask(&learning, at));
    ask_about(&learning, "rain = snow".to_string(), "weather");
    (20..30).for_each(|at| _ = ask(&learning, at));
    let long = "key ".repeat(600);
    ask_about(&learning, long, "keys");
    let report = learning.learning_report().unwrap();
    assert_eq!((report.examples, report.texts), (vec![16, 16], 31), "a long text is not kept");
    let state = learning.learning_state().unwrap();

    let other = || cascade_in(&folder.0, encoded_by("distilbert", true));
    let (anew, joined) = (other(), other());
    block_on(anew.learn(Some(&state), Sharing::Alone)).unwrap();
    block_on(joined.learn(None, Sharing::Alone)).unwrap();
    block_on(joined.join_learning(&state)).unwrap();
    for learning in [anew, joined] {
        let report = learning.learning_report().unwrap();
        assert_eq!((report.examples, report.counters.left_out), (vec![15, 15], 2));
    }
}

#[test]
fn what_cannot_learn_is_refused() {
    let new = |model: &str, task, config: CascadeConfig| {
        let models = vec![load(&golden(model), task)];
        Cascade::from_models(models, config, DeviceReport::processor(), OffsetUnit::Bytes, clock())
    };
    let kind = |refused: Result<Cascade, pilot_light::Error>| refused.err().map(|error| error.kind());
    let sequence = new("tiny-bert-seq", Task::TextClassification, config(&LABELS));
    assert_eq!(kind(sequence), Some(ErrorKind::Unsupported), "a head of its own kind is not on embeddings");
    for policy in
        [Policy { check_rate: 0.1, ..Policy::default() }, Policy { threshold: Some(0.9), ..Policy::default() }]
    {
        let refused = new("tiny-bert-seq", Task::FeatureExtraction, CascadeConfig { policy, ..config(&LABELS) });
        assert_eq!(kind(refused), Some(ErrorKind::InvalidInput));
    }
    for labels in [&["weather"][..], &[], &["weather", "weather"]] {
        let refused = block_on(cascade(config(labels)).learn(None, Sharing::Alone)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
    }
    let learning = cascade(config(&LABELS));
    assert_eq!(learning.thresholds(), Vec::<f64>::new());
    assert_eq!(learning.set_thresholds(&[0.5]).unwrap_err().kind(), ErrorKind::Unsupported);
}
