//! Reading an answer: the words of a model, checked against the schema that it was asked to keep.

use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;

use super::content_json::object_in;
use super::error_text::quote;
use super::label_probability::label_probability;
use super::protocols::Completion;
use super::{AnswerForm, Question, lone_surrogates};
use crate::records::RecordQuestion;
use crate::sort::sort_by;
use crate::tasks::mentions::{Mention, Mentions};
use crate::tasks::{Answer, AnswerOutput, Answers, EntityGroup};

/// Why words are not an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Unread {
    /// They do not keep to the schema, and may if the question is repeated.
    Unfit(String),
    /// The same of a record, of which no field is valid. They have these, by their JSON pointers.
    Refused(Vec<String>),
    /// There is no answer, and asking again would not help.
    Invalid(String),
}

#[derive(Deserialize)]
struct LabelContent {
    label: String,
}

#[derive(Deserialize)]
struct LabelsContent {
    labels: Vec<String>,
}

#[derive(Deserialize)]
struct EntitiesContent {
    entities: Vec<FoundEntity>,
}

#[derive(Deserialize)]
struct FoundEntity {
    label: String,
    text: String,
}

/// The answer to `question` in `completion`; offsets count bytes. Where the model was given placeholders, `restore` puts
/// the values back into a string. Fields that were not asked for are ignored.
///
/// # Errors
/// Why the words are not an answer.
pub fn read_answer(
    question: &Question,
    completion: &Completion,
    restore: impl Fn(&str) -> String,
) -> Result<AnswerOutput, Unread> {
    if let Some(refusal) = completion.refusal.as_deref().filter(|refusal| !refusal.is_empty()) {
        return Err(Unread::Invalid(format!("the model refused: {}", quote(refusal))));
    }
    let reason = completion.finish_reason.as_deref();
    match reason {
        // What was cut off behind a whole object are spaces, which some models write to the cap.
        Some("length") if !is_object(&completion.content) => {
            return Err(Unread::Invalid("the answer was cut off at the cap on its tokens".to_string()));
        }
        Some("content_filter") => return Err(Unread::Invalid("the answer was filtered".to_string())),
        _ => {}
    }
    match read_content(question, &completion.content, restore) {
        Ok(AnswerOutput::Label(Answer { label, .. })) => {
            let score = match &question.form {
                AnswerForm::Label(labels) => label_probability(&completion.logprobs, "label", &label, labels),
                _ => None,
            };
            Ok(AnswerOutput::Label(Answer { label, score }))
        }
        Ok(AnswerOutput::Labels(Answers { mut labels })) => {
            if let AnswerForm::Labels(all) = &question.form {
                let probability = |label: &str| label_probability(&completion.logprobs, "labels", label, all);
                labels.iter_mut().for_each(|answer| answer.score = probability(&answer.label));
            }
            Ok(AnswerOutput::Labels(Answers { labels }))
        }
        // There is nothing to repair: the model had not finished.
        Err(Unread::Unfit(words)) if reason == Some("error") => {
            Err(Unread::Invalid(format!("the server broke the answer off: {words}")))
        }
        read => read,
    }
}

/// Whether `content` is a whole object of JSON.
fn is_object(content: &str) -> bool {
    serde_json::from_str::<Value>(content).is_ok_and(|value| value.is_object())
}

fn read_content(question: &Question, content: &str, restore: impl Fn(&str) -> String) -> Result<AnswerOutput, Unread> {
    let unfit = |error: &dyn std::fmt::Display| {
        Unread::Unfit(format!("the answer is not as asked for ({error}): {}", quote(&restore(content))))
    };
    let object = |keys: &[&str]| object_in(content, keys).map(Value::Object).map_err(|error| unfit(&error));
    match &question.form {
        AnswerForm::Label(labels) => {
            let LabelContent { label } =
                LabelContent::deserialize(object(&["label"])?).map_err(|error| unfit(&error))?;
            let label = known(labels, lone_surrogates::joined(label))?;
            Ok(AnswerOutput::Label(Answer { label, score: None }))
        }
        AnswerForm::Labels(labels) => {
            let LabelsContent { labels: said } =
                LabelsContent::deserialize(object(&["labels"])?).map_err(|error| unfit(&error))?;
            let said = said.into_iter().map(|label| known(labels, lone_surrogates::joined(label)));
            let said: Vec<String> = said.collect::<Result<_, _>>()?;
            let apply = labels.iter().filter(|label| said.contains(label));
            let labels = apply.map(|label| Answer { label: label.clone(), score: None }).collect();
            Ok(AnswerOutput::Labels(Answers { labels }))
        }
        AnswerForm::Entities(labels) => {
            let EntitiesContent { entities } =
                EntitiesContent::deserialize(object(&["entities"])?).map_err(|error| unfit(&error))?;
            read_entities(labels, &question.text, entities, restore).map(AnswerOutput::Entities)
        }
        AnswerForm::Record(record) => read_record(record, &question.text, object(&record.properties())?, restore),
    }
}

fn known(labels: &[String], label: String) -> Result<String, Unread> {
    match labels.contains(&label) {
        true => Ok(label),
        false => Err(Unread::Unfit(format!("the answer must be one of the labels, got '{}'", quote(&label)))),
    }
}

fn read_entities(
    labels: &[String],
    question: &str,
    entities: Vec<FoundEntity>,
    restore: impl Fn(&str) -> String,
) -> Result<Vec<EntityGroup>, Unread> {
    let mut mentions = Mentions::new(question);
    let mut groups = Vec::with_capacity(entities.len());
    for FoundEntity { label, text } in entities {
        let label = known(labels, lone_surrogates::joined(label))?;
        let text = restore(&lone_surrogates::joined(text));
        match mentions.next(&label, &text) {
            Mention::At(Range { start, end }) => {
                let word = question[start..end].to_string();
                groups.push(EntityGroup { entity_group: label, score: None, word, start, end });
            }
            Mention::Repeated => {}
            Mention::Missing => {
                return Err(Unread::Unfit(format!("an entity must be words of the text, got '{}'", quote(&text))));
            }
        }
    }
    sort_by(&mut groups, |a, b| a.start.cmp(&b.start));
    Ok(groups)
}

/// The record with what is valid of `answer`, if anything is.
fn read_record(
    question: &RecordQuestion,
    text: &str,
    answer: Value,
    restore: impl Fn(&str) -> String,
) -> Result<AnswerOutput, Unread> {
    let record = question.merge(text, &restored(answer, &restore));
    match &record.delegated {
        Some(delegated) if delegated.answered.is_empty() => Err(Unread::Refused(delegated.refused.clone())),
        _ => Ok(AnswerOutput::Record(record)),
    }
}

/// `value` with values in the place of the placeholders in its strings.
fn restored(value: Value, restore: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(restore(&lone_surrogates::joined(text))),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| restored(item, restore)).collect()),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, restored(value, restore))).collect())
        }
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::protocols::TokenLogprob;
    use crate::tasks::ExtractedRecord;

    fn question() -> Question {
        let labels = ["ham", "spam"].map(String::from).to_vec();
        Question { form: AnswerForm::Label(labels), text: "You have \"won\"".to_string() }
    }

    fn several() -> Question {
        let labels = ["ham", "spam", "eggs"].map(String::from).to_vec();
        Question { form: AnswerForm::Labels(labels), ..question() }
    }

    fn entities() -> Question {
        let labels = ["PER", "LOC"].map(String::from).to_vec();
        Question { form: AnswerForm::Entities(labels), text: "Ann saw Ann in Łódź".to_string() }
    }

    /// The question for the fields of a record that are not its name.
    fn fields() -> Question {
        let schema = r#"{"type":"object","properties":{"name":{"type":"string"},"city":{"type":"string"},
            "tags":{"type":"array","items":{"enum":["a","b"]}}},"required":["name"]}"#;
        let local = ExtractedRecord::of(serde_json::json!({"name": "Ann", "city": "Rome", "tags": ["b"]}));
        let record = RecordQuestion::new(schema).unwrap().for_fields(local, &["/city", "/tags/0"]);
        Question { form: AnswerForm::Record(Box::new(record)), text: "Ann saw Ann in Łódź".to_string() }
    }

    fn completion(content: &str) -> Completion {
        Completion { content: content.to_string(), ..Completion::default() }
    }

    fn read(question: &Question, content: &str) -> Result<AnswerOutput, Unread> {
        read_answer(question, &completion(content), str::to_string)
    }

    #[test]
    fn a_label_is_an_answer() {
        for content in [r#"{"label":"spam"}"#, " {\"label\": \"spam\"}\n", "```json\n{\"label\":\"spam\"}\n```"] {
            let answer = Answer { label: "spam".to_string(), score: None };
            assert_eq!(read(&question(), content), Ok(AnswerOutput::Label(answer)));
        }
    }

    #[test]
    fn a_label_has_the_probability_of_its_tokens() {
        let token = |words: &str, logprob| TokenLogprob { bytes: words.as_bytes().to_vec(), logprob };
        let logprobs = vec![token("{\"label\":\"", -1.0), token("spam", -0.5), token("\"}", -1.0)];
        let completion = Completion { logprobs, ..completion(r#"{"label":"spam"}"#) };
        let answer = Answer { label: "spam".to_string(), score: Some((-0.5_f64).exp()) };
        assert_eq!(read_answer(&question(), &completion, str::to_string), Ok(AnswerOutput::Label(answer)));
    }

    #[test]
    fn labels_that_apply_are_an_answer_in_any_order() {
        for (content, expected) in [
            (r#"{"labels":["eggs","ham"]}"#, &["ham", "eggs"][..]),
            (r#"{"labels":["spam","spam"]}"#, &["spam"]),
            ("```json\n{\"labels\": []}\n```", &[]),
        ] {
            let Ok(AnswerOutput::Labels(Answers { labels })) = read(&several(), content) else { panic!("{content}") };
            assert_eq!(labels.iter().map(|answer| answer.label.as_str()).collect::<Vec<_>>(), expected);
            assert!(labels.iter().all(|answer| answer.score.is_none()));
        }
        for content in [
            r#"{"labels":["ham","toast"]}"#,
            r#"{"labels":"ham"}"#,
            r#"{"labels":[3]}"#,
            r#"{"label":"ham"}"#,
            "[]",
            "ham",
        ] {
            assert!(matches!(read(&several(), content), Err(Unread::Unfit(_))), "{content}");
        }
        let token = |words: &str, chance: f64| TokenLogprob { bytes: words.as_bytes().to_vec(), logprob: chance.ln() };
        let logprobs =
            vec![token("{\"labels\":[\"", 0.5), token("ham", 0.25), token("\",\"", 0.5), token("eggs", 0.75)];
        let content = r#"{"labels":["ham","eggs"]}"#;
        let logprobs = [logprobs, vec![token("\"]}", 0.5)]].concat();
        let read = read_answer(&several(), &Completion { logprobs, ..completion(content) }, str::to_string);
        let Ok(AnswerOutput::Labels(Answers { labels })) = read else { panic!("{read:?}") };
        let scores: Vec<f64> = labels.iter().filter_map(|answer| answer.score).collect();
        assert!((scores[0] - 0.25).abs() < 1e-6 && (scores[1] - 0.75).abs() < 1e-6, "{scores:?}");
    }

    #[test]
    fn nonsense_may_be_repaired() {
        for content in ["", "spam", r#"{"label":"eggs"}"#, r#"{"label":"SPAM"}"#, r#"{"label":3}"#, r#"["spam"]"#, "{"]
        {
            assert!(matches!(read(&question(), content), Err(Unread::Unfit(_))), "{content}");
        }
    }

    #[test]
    fn what_the_model_will_not_or_cannot_say_is_not_asked_for_again() {
        let refused = Completion { refusal: Some("no".to_string()), ..completion("") };
        let cut = Completion { finish_reason: Some("length".to_string()), ..completion(r#"{"label":"sp"#) };
        for completion in [refused, cut] {
            let read = read_answer(&question(), &completion, str::to_string);
            assert!(matches!(read, Err(Unread::Invalid(_))), "{completion:?}");
        }
    }

    #[test]
    fn a_whole_answer_is_read_however_it_ended() {
        for reason in ["length", "error", "tool_calls", "other"] {
            let completion =
                Completion { finish_reason: Some(reason.to_string()), ..completion("{\"label\":\"spam\"}\n\n \n") };
            assert!(read_answer(&question(), &completion, str::to_string).is_ok(), "{reason}");
        }
        let broken = Completion { finish_reason: Some("error".to_string()), ..completion(r#"{"label":"sp"#) };
        let read = read_answer(&question(), &broken, str::to_string);
        assert!(matches!(read, Err(Unread::Invalid(words)) if words.contains("broke the answer off")));
    }

    #[test]
    fn entities_are_found_again_in_the_text() {
        let content =
            r#"{"entities":[{"label":"PER","text":"Ann"},{"label":"PER","text":"Ann"},{"label":"LOC","text":"Łódź"}]}"#;
        let Ok(AnswerOutput::Entities(groups)) = read(&entities(), content) else { panic!("a label") };
        let spans: Vec<_> = groups.iter().map(|group| (group.start, group.end)).collect();
        assert_eq!(spans, [(0, 3), (8, 11), (15, 22)]);
        for content in [
            r#"{"entities":[{"label":"PER","text":"Bob"}]}"#,
            r#"{"entities":[{"label":"PER","text":""}]}"#,
            r#"{"entities":[{"label":"X","text":"Ann"}]}"#,
        ] {
            assert!(matches!(read(&entities(), content), Err(Unread::Unfit(_))), "{content}");
        }
    }

    #[test]
    fn the_valid_fields_of_a_record_are_an_answer() {
        for (content, value, refused) in [
            (r#"{"city":"Łódź","tags":["a"]}"#, r#"{"name":"Ann","city":"Łódź","tags":["a"]}"#, &[][..]),
            (r#"{"city":"Łódź","tags":["c"]}"#, r#"{"name":"Ann","city":"Łódź","tags":["b"]}"#, &["/tags"]),
            ("So:\n```json\n{\"tags\":[]}\n```", r#"{"name":"Ann","city":"Rome","tags":[]}"#, &[]),
            // What was not asked for is ignored.
            (r#"{"name":"Bob","city":"\u0141\u00f3d\u017a"}"#, r#"{"name":"Ann","city":"Łódź","tags":["b"]}"#, &[]),
        ] {
            let Ok(AnswerOutput::Record(record)) = read(&fields(), content) else { panic!("{content}") };
            assert_eq!(record.value, serde_json::from_str::<Value>(value).unwrap(), "{content}");
            assert_eq!(record.delegated.unwrap().refused, refused, "{content}");
        }
        for (content, refused) in [(r#"{"city":3,"tags":["c"]}"#, &["/city", "/tags"][..]), (r#"{"name":"Bob"}"#, &[])]
        {
            let refused = refused.iter().map(|pointer| pointer.to_string()).collect();
            assert_eq!(read(&fields(), content), Err(Unread::Refused(refused)), "{content}");
        }
        for content in ["", "Łódź", r#"["Łódź"]"#, r#"{"city":"Łódź""#] {
            assert!(matches!(read(&fields(), content), Err(Unread::Unfit(_))), "{content}");
        }
        let restore = |text: &str| text.replace("[CITY_1]", "Łódź");
        let content = completion(r#"{"city":"[CITY_1]"}"#);
        let Ok(AnswerOutput::Record(record)) = read_answer(&fields(), &content, restore) else { panic!("none") };
        assert_eq!(record.value["city"], "Łódź");
    }

    #[test]
    fn placeholders_are_restored_in_the_strings() {
        let content = completion(r#"{"entities":[{"label":"PER","text":"[NAME_1]"},{"label":"LOC","text":"Łódź"}]}"#);
        let restore = |text: &str| text.replace("[NAME_1]", "Ann");
        let Ok(AnswerOutput::Entities(groups)) = read_answer(&entities(), &content, restore) else { panic!("none") };
        assert_eq!(groups.iter().map(|group| group.word.as_str()).collect::<Vec<_>>(), ["Ann", "Łódź"]);
    }
}
