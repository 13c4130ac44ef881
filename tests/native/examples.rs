//! The programs in `examples/`, run on the models that they use by default.

#[path = "../../examples/cascade.rs"]
#[allow(dead_code)]
mod cascade;
#[path = "../../examples/classify.rs"]
#[allow(dead_code)]
mod classify;
#[path = "../../examples/embed.rs"]
#[allow(dead_code)]
mod embed;
#[path = "../../examples/redact.rs"]
#[allow(dead_code)]
mod redact;
#[path = "../../examples/run_onnx.rs"]
#[allow(dead_code)]
mod run_onnx;

use pilot_light::cascade::Route;
use pilot_light::tasks::AnswerOutput;

use crate::support::golden;

#[test]
fn embed_gives_a_vector_of_length_one_for_each_text() {
    let vectors = embed::embed(&golden("tiny-bert-seq"), &["The rain began.", "Hello"]).unwrap();
    assert_eq!(vectors.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16]);
    assert!((embed::dot(&vectors[0], &vectors[0]) - 1.0).abs() < 1e-5);
    assert!(embed::dot(&vectors[0], &vectors[1]) < 0.999);
}

#[test]
fn classify_gives_every_label_the_likeliest_first() {
    let texts = ["The rain began.".to_string()];
    let labels = classify::classify(&golden("tiny-bert-seq"), &texts).unwrap().remove(0);
    assert_eq!(labels.len(), 3);
    assert!(labels[0].score > labels[2].score);
    assert!((labels.iter().map(|label| label.score).sum::<f64>() - 1.0).abs() < 1e-6);
}

#[test]
fn run_onnx_computes_the_truth_table() {
    let outputs =
        run_onnx::run(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/xor.onnx"))).unwrap();
    let [(name, tensor)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((name.as_str(), tensor.as_slice::<f32>().unwrap()), ("y", &[0.0, 1.0, 1.0, 0.0][..]));
}

#[test]
fn redact_takes_out_what_has_a_form_and_puts_it_back() {
    let text = "jane@example.org paid with 4111 1111 1111 1111, says jane@example.org";
    let redaction = redact::take_out(None, text).unwrap();
    assert_eq!(redaction.texts()[0], "[EMAIL_1] paid with [CARD_1], says [EMAIL_1]");
    assert_eq!(redaction.restore(&redaction.texts()[0]), text);
    // A random model marks words at random; whatever it marks, nothing is lost.
    let redaction = redact::take_out(Some(&golden("tiny-bert-token")), text).unwrap();
    assert_eq!(redaction.restore(&redaction.texts()[0]), text);
}

#[test]
fn cascade_asks_the_general_model_without_personal_data() {
    // A random model of three labels is never confident.
    let texts = ["The rain began, writes jane@example.org.".to_string()];
    let envelope = cascade::ask(&golden("tiny-bert-seq"), &texts).unwrap().remove(0);
    assert_eq!(envelope.route, Route::Remote, "{:?}", envelope.detail);
    let AnswerOutput::Label(answer) = &envelope.output else { panic!("{:?}", envelope.output) };
    assert_eq!(answer.label, "negative");
    let replaced = envelope.replaced.unwrap_or_default();
    let replaced: Vec<_> = replaced.iter().map(|replaced| (replaced.kind.name(), replaced.values)).collect();
    assert_eq!(replaced, [("EMAIL", 1)]);
}
