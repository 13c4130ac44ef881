//! Records in a cascade: which of their fields go to a remote model, and what is known of them afterwards. The local model is not
//! the cascade's own, which is given its records.

use super::local_models::LocalResult;
use super::{Cascade, Decided};
use crate::calibration::Example;
use crate::error::Result;
use crate::policy::Tier;
use crate::records::RecordQuestion;
use crate::redaction::Redaction;
use crate::remote::{AnswerForm, Question};
use crate::tasks::{AnswerOutput, DelegatedFields, ExtractedRecord, LocalAnswer, RecordField, is_same_value};

impl Cascade {
    /// The first step for `text`, of which a model that generates text has read the record `local` in `latency_ms`, as
    /// [`records::answer`](crate::records::answer) does, under `schema`. A remote model is asked for the fields below the threshold,
    /// and for no others.
    ///
    /// # Errors
    /// Those of [`RecordQuestion::new`].
    pub fn decide_record(
        &self,
        text: &str,
        schema: &str,
        local: LocalAnswer,
        latency_ms: f64,
        must_stay_local: bool,
    ) -> Result<Decided> {
        let question = record_question(text, schema)?;
        let mut machine = self.machine.borrow_mut();
        let tiers = vec![machine.weigh(0, &local, latency_ms)];
        let result = LocalResult { answer: local, tiers, routing: None };
        let step = machine.decide(question, result, must_stay_local, (self.clock.now)())?;
        Ok(Decided { step, check: machine.take_check() })
    }

    /// The first step for `text` where a remote model's record under `schema` is wanted as such; see [`consult`](Self::consult).
    ///
    /// # Errors
    /// Those of [`RecordQuestion::new`].
    pub fn consult_record(&self, text: &str, schema: &str) -> Result<Decided> {
        let question = record_question(text, schema)?;
        Ok(Decided { step: self.machine.borrow_mut().consult(question, (self.clock.now)()), check: None })
    }

    /// The examples that the fields of `record`, as the local model gave it, are for its calibration, where `truth` is the right
    /// record.
    pub fn record_examples(record: &ExtractedRecord, truth: &ExtractedRecord) -> Vec<Example> {
        examples(record, truth)
    }
}

fn record_question(text: &str, schema: &str) -> Result<Question> {
    let form = AnswerForm::Record(Box::new(RecordQuestion::new(schema)?));
    Ok(Question { form, text: text.to_string() })
}

/// Gives the fields of a record their confidence at the temperature of `tier`. Returns the pointers of those that are below its
/// threshold; none where `output` is not a record.
pub(super) fn weigh(tier: &Tier, output: &mut AnswerOutput) -> Vec<String> {
    let AnswerOutput::Record(record) = output else { return Vec::new() };
    let mut unsure = Vec::new();
    for field in &mut record.fields {
        let of_field = tier.of_part(field.confidence.into());
        field.confidence = of_field.confidence as f32;
        if !of_field.is_sure() {
            unsure.push(field.pointer.clone());
        }
    }
    unsure
}

/// `question`, where it is about a record, for the fields of the record `output` at `unsure` alone. The record says that they are
/// asked for.
pub(super) fn narrow(question: Question, output: &mut AnswerOutput, unsure: &[String]) -> Question {
    let (AnswerForm::Record(whole), AnswerOutput::Record(record)) = (&question.form, output) else { return question };
    let pointers: Vec<&str> = unsure.iter().map(String::as_str).collect();
    let fields = whole.for_fields(record.clone(), &pointers);
    record.delegated = Some(DelegatedFields { asked: fields.asked(), ..DelegatedFields::default() });
    Question { form: AnswerForm::Record(Box::new(fields)), ..question }
}

/// `question` without what `redaction` takes out of its text.
pub(super) fn redacted(question: &Question, redaction: &Redaction) -> Question {
    let text = redaction.texts().first().unwrap_or(&question.text).clone();
    let form = match &question.form {
        AnswerForm::Record(record) if !redaction.replaced().is_empty() => {
            AnswerForm::Record(Box::new(RecordQuestion::clone(record).redacted()))
        }
        form => form.clone(),
    };
    Question { form, text }
}

/// Says in the record `output` that a remote model gave these fields, and that they are not valid.
pub(super) fn refuse(output: &mut AnswerOutput, refused: Vec<String>) {
    if let AnswerOutput::Record(ExtractedRecord { delegated: Some(delegated), .. }) = output {
        delegated.refused = refused;
    }
}

/// Whether some of the fields that a remote model was to be asked for are as the local model wrote them.
pub(super) fn is_partial(output: &AnswerOutput) -> bool {
    let AnswerOutput::Record(ExtractedRecord { delegated: Some(delegated), .. }) = output else { return false };
    delegated.answered.len() < delegated.asked.len()
}

/// The examples that the fields of `record` are for a calibration, where `truth` is the right record.
pub(super) fn examples(record: &ExtractedRecord, truth: &ExtractedRecord) -> Vec<Example> {
    let example = |field: &RecordField| Example {
        confidence: field.confidence.into(),
        correct: truth.value.pointer(&field.pointer).is_some_and(|right| is_same_value(right, &field.value)),
    };
    record.fields.iter().map(example).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::machine::Machine;
    use super::super::tests::{
        NOW, allow, body, completion, consulted, decide, delegated, device, done, machine, remote, response, sent,
    };
    use super::super::{
        CascadeConfig, Envelope, LocalConfig, OffsetUnit, PiiFindings, Reason, RemoteRequest, Route, Step, Turn,
    };
    use super::*;
    use crate::graph::ComputeCost;
    use crate::policy::{Policy, calibration};
    use crate::tasks::{FieldSource, RecordSpan};
    use crate::usage::ledger::Ledger;

    /// Its customer is not in the text.
    const TEXT: &str = "😀 Ann Lee (ann@example.com) of Bonn paid 12";
    const SCHEMA: &str = r#"{"type":"object","properties":{"customer":{"type":"string"},"city":{"type":"string"},
        "total":{"type":"number"},"to":{"type":"string","format":"email"}},"required":["customer"]}"#;

    fn question() -> Question {
        record_question(TEXT, SCHEMA).unwrap()
    }

    /// A record whose fields have these confidences.
    fn local(fields: &[(&str, Value, f32)]) -> LocalAnswer {
        let value = fields.iter().map(|(name, value, _)| (name.to_string(), value.clone())).collect();
        let mut record = ExtractedRecord::of(Value::Object(value));
        record.fields = fields
            .iter()
            .map(|(name, value, confidence)| RecordField {
                pointer: format!("/{name}"),
                value: value.clone(),
                confidence: *confidence,
                span: None,
                source: FieldSource::Decoder,
                truncated: false,
            })
            .collect();
        let confidence = record.confidence();
        LocalAnswer { output: AnswerOutput::Record(record), confidence, truncated: false, work: ComputeCost::default() }
    }

    fn unsure() -> LocalAnswer {
        local(&[("customer", json!("Annemarie"), 0.95), ("city", json!("Rome"), 0.4), ("total", json!(1), 0.3)])
    }

    fn record(envelope: &Envelope) -> &ExtractedRecord {
        match &envelope.output {
            AnswerOutput::Record(record) => record,
            other => panic!("{other:?}"),
        }
    }

    /// What is sent for a record with unsure fields.
    fn asked(machine: &mut Machine, found: Option<&PiiFindings>) -> RemoteRequest {
        let call = delegated(decide(machine, question(), unsure(), 2.0));
        sent(machine.enqueue(call, false, found, NOW).unwrap().step)
    }

    fn answered(machine: &mut Machine, request: &RemoteRequest, content: &str) -> Envelope {
        done(machine.receive(request.call, &completion(content), NOW).unwrap().step)
    }

    fn schema_of(request: &RemoteRequest) -> Value {
        let body: Value = serde_json::from_str(body(request)).unwrap();
        body["response_format"]["json_schema"]["schema"].clone()
    }

    #[test]
    fn only_the_unsure_fields_are_sent_and_what_comes_is_merged() {
        let mut machine = machine(vec![remote("any")], allow());
        let request = asked(&mut machine, None);
        assert_eq!(
            schema_of(&request),
            json!({"type": "object", "properties": {"city": {"type": "string"}, "total": {"type": "number"}},
                "required": ["city", "total"], "additionalProperties": false})
        );
        for not_sent in ["customer", "Annemarie", "Rome", "email"] {
            assert!(!body(&request).contains(not_sent), "{not_sent}: {}", body(&request));
        }
        let envelope = answered(&mut machine, &request, r#"{"total":12,"city":"Bonn"}"#);
        assert_eq!((envelope.route, envelope.reason, envelope.degraded), (Route::Remote, Reason::Unsure, false));
        assert_eq!((envelope.confidence, envelope.attempts), (f64::from(0.3_f32), 1));
        let record = record(&envelope);
        assert_eq!(record.value, json!({"customer": "Annemarie", "city": "Bonn", "total": 12}));
        let sources: Vec<FieldSource> = record.fields.iter().map(|field| field.source).collect();
        assert_eq!(sources, [FieldSource::Decoder, FieldSource::Remote, FieldSource::Remote]);
        // In UTF-16 units.
        assert_eq!(record.fields[1].span, Some(RecordSpan { start: 32, end: 36 }));
        let delegated = record.delegated.as_ref().unwrap();
        assert_eq!((&delegated.asked, delegated.refused.len()), (&delegated.answered, 0));
        assert_eq!(delegated.asked, ["/city", "/total"]);
    }

    #[test]
    fn what_is_not_valid_leaves_the_local_value_and_says_so() {
        let mut machine = machine(vec![remote("any")], allow());
        let request = asked(&mut machine, None);
        let envelope = answered(&mut machine, &request, r#"{"city":"Bonn","total":"twelve","customer":"Bob"}"#);
        assert_eq!((envelope.route, envelope.degraded), (Route::Remote, true));
        assert_eq!(record(&envelope).value, json!({"customer": "Annemarie", "city": "Bonn", "total": 1}));
        let delegated = record(&envelope).delegated.clone().unwrap();
        assert_eq!((delegated.answered, delegated.refused), (vec!["/city".to_string()], vec!["/total".to_string()]));
        // Where nothing is valid it is repaired once.
        let request = asked(&mut machine, None);
        let second = sent(machine.receive(request.call, &completion(r#"{"total":"12"}"#), NOW).unwrap().step);
        assert!(body(&second).contains("keeps to the schema"));
        let envelope = answered(&mut machine, &request, r#"{"total":"twelve"}"#);
        assert_eq!((envelope.route, envelope.reason, envelope.degraded), (Route::Local, Reason::RemoteInvalid, true));
        assert_eq!((envelope.attempts, &record(&envelope).value["total"]), (2, &json!(1)));
        let delegated = record(&envelope).delegated.clone().unwrap();
        assert_eq!((delegated.answered.len(), delegated.refused), (0, vec!["/total".to_string()]));
        let words = super::super::DecidedAnswer::from(&envelope).explain();
        assert!(words.contains("no field that is valid") && !words.contains("Rome"), "{words}");
    }

    #[test]
    fn a_record_whose_fields_are_all_sure_stays_and_so_does_one_that_cannot_be_sent() {
        let sure = || local(&[("customer", json!("Ann"), 0.9001), ("city", json!("Bonn"), 1.0)]);
        let mut machine = machine(vec![remote("any")], allow());
        let envelope = done(decide(&mut machine, question(), sure(), 2.0));
        assert_eq!((envelope.route, envelope.reason, envelope.degraded), (Route::Local, Reason::Confident, false));
        assert_eq!(record(&envelope).delegated, None);
        assert_eq!(done(decide(&mut machine, question(), local(&[]), 2.0)).reason, Reason::Confident);
        let request = asked(&mut machine, None);
        let envelope = done(machine.receive(request.call, &response(400, "no"), NOW).unwrap().step);
        assert_eq!((envelope.reason, envelope.degraded), (Reason::RemoteRefused, true));
        assert_eq!(record(&envelope).value["city"], "Rome");
        assert_eq!(record(&envelope).delegated.as_ref().unwrap().asked, ["/city", "/total"]);
        let mut alone = super::super::tests::machine(vec![], allow());
        let envelope = done(decide(&mut alone, question(), unsure(), 2.0));
        assert_eq!((envelope.reason, envelope.degraded), (Reason::NoRemote, true));
        assert_eq!(record(&envelope).delegated, None);
    }

    #[test]
    fn placeholders_leave_and_values_come_back() {
        let mut machine = machine(vec![remote("any")], Policy::default());
        let answer = local(&[("customer", json!("Ann"), 0.95), ("to", json!("an@example.com"), 0.2)]);
        let call = delegated(decide(&mut machine, question(), answer, 1.0));
        let request = sent(machine.enqueue(call, false, Some(&PiiFindings::default()), NOW).unwrap().step);
        assert!(body(&request).contains("([EMAIL_1]) of Bonn") && !body(&request).contains("example.com"));
        assert_eq!(schema_of(&request)["properties"], json!({"to": {"type": "string"}}));
        let envelope = answered(&mut machine, &request, r#"{"to":"[EMAIL_1]"}"#);
        assert_eq!((&record(&envelope).value["to"], envelope.degraded), (&json!("ann@example.com"), false));
        assert_eq!(record(&envelope).fields[1].span, Some(RecordSpan { start: 12, end: 27 }));
    }

    #[test]
    fn a_whole_record_can_be_asked_for_and_a_sure_one_checked() {
        let mut machine = machine(vec![remote("any")], Policy { check_rate: 1.0, ..allow() });
        let request = |machine: &mut Machine, call| sent(machine.enqueue(call, false, None, NOW).unwrap().step);
        let call = delegated(machine.consult(question(), NOW));
        let sent = request(&mut machine, call);
        assert_eq!(schema_of(&sent), serde_json::from_str::<Value>(SCHEMA).unwrap());
        let content = completion(r#"{"city":"Bonn","customer":"Ann"}"#);
        let result = consulted(machine.receive(call, &content, NOW).unwrap().step);
        let Some(output) = result.output else { panic!("{:?}", result.detail) };
        let given = local(&[("customer", json!("Ann"), 0.95), ("city", json!("Bonn"), 0.95)]);
        assert!(output.says_the_same(&given.output));

        done(decide(&mut machine, question(), given, 1.0));
        let check = machine.take_check().expect("all are checked");
        assert_eq!(schema_of(&request(&mut machine, check.call)), schema_of(&sent));
        consulted(machine.receive(check.call, &content, NOW).unwrap().step);
        let ledger = Ledger::read(&machine.take_record().unwrap()).unwrap();
        assert_eq!(ledger.spans().next().unwrap().1.checks.agreed, 1);
    }

    #[test]
    fn fields_are_weighed_at_the_temperature_and_counted_one_by_one() {
        let calibration =
            Some(crate::calibration::Calibration { quantiles: vec![0.0, 0.5, 1.0], n: 100, ..calibration(2.0, 0.8) });
        let local_config = vec![LocalConfig { calibration, ..LocalConfig::default() }];
        let config = CascadeConfig { local: local_config, policy: allow(), ..CascadeConfig::default() };
        let mut machine = Machine::new(config, device(), OffsetUnit::Bytes).unwrap();
        let answer = local(&[("customer", json!("Ann"), 0.9), ("city", json!("Bonn"), 0.99), ("total", json!(1), 0.1)]);
        let envelope = done(decide(&mut machine, question(), answer, 1.0));
        let found: Vec<f32> = record(&envelope).fields.iter().map(|field| field.confidence).collect();
        // The odds of 9 to 1 are 3 to 1 at that temperature.
        for (found, expected) in found.into_iter().zip([0.75, 0.908_67, 0.25]) {
            assert!((found - expected).abs() < 1e-5, "{found}");
        }
        assert!((envelope.confidence - 0.25).abs() < 1e-6 && envelope.calibrated);
        let ledger = Ledger::read(&machine.take_record().unwrap()).unwrap();
        assert_eq!(machine.drift(&ledger).unwrap().answers, 3);
    }

    #[test]
    fn each_field_is_an_example() {
        let AnswerOutput::Record(found) = unsure().output else { panic!("no record") };
        let truth = ExtractedRecord::of(json!({"customer": "Ann", "total": 1.0}));
        let examples = Cascade::record_examples(&found, &truth);
        let right: Vec<bool> = examples.iter().map(|example| example.correct).collect();
        assert_eq!((right, examples[1].confidence), (vec![false, false, true], f64::from(0.4_f32)));
    }

    #[test]
    fn a_question_that_waits_is_for_the_same_fields() {
        let mut machine = machine(vec![remote("any")], Policy { max_concurrent: 1, ..allow() });
        let first = asked(&mut machine, None);
        let call = delegated(decide(&mut machine, question(), unsure(), 2.0));
        let Turn { step: Step::Wait { .. }, .. } = machine.enqueue(call, false, None, NOW).unwrap() else {
            panic!("it is sent at once")
        };
        answered(&mut machine, &first, r#"{"total":12,"city":"Bonn"}"#);
        assert_eq!(schema_of(&sent(machine.resume(call, NOW).unwrap().step)), schema_of(&first));
    }
}
