//! Delegation: a remote model is asked for the fields that are unsure, and for no others.

use serde_json::Value;

use super::{ExtractedRecord, FieldSource, RecordField, RecordSpan, parsed};
use crate::error::Result;
use crate::generation::constraint::{Constraint, Json, step};
use crate::sort::sort_by;
use crate::tasks::DelegatedFields;
use crate::tasks::mentions::{Mention, Mentions};

/// Keywords of the form of a string, which a placeholder does not have.
const FORM: [&str; 4] = ["format", "pattern", "minLength", "maxLength"];
/// References that are followed to the schema of a value; more of them lead nowhere.
const MAX_REFERENCES: usize = 16;

/// What a remote model is asked for: a record, or some fields of one that is there already.
///
/// ```
/// use pilot_light::records::RecordQuestion;
///
/// let schema = r#"{"type": "object", "properties": {"name": {"type": "string"}, "total": {"type": "number"}}}"#;
/// let whole = RecordQuestion::new(schema)?;
/// let record = whole.merge("Ann paid 12", &serde_json::json!({"name": "Ann", "total": 12}));
/// let question = whole.for_fields(record, &["/total"]);
/// assert_eq!(question.asked(), ["/total"]);
/// assert!(!question.schema().contains("name"));
/// # Ok::<(), pilot_light::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RecordQuestion {
    /// Of the whole record.
    schema: Json,
    /// The properties that lead to each part that is asked for; none lead to the record itself.
    paths: Vec<Vec<String>>,
    /// What the answer is merged into.
    record: ExtractedRecord,
    /// Whether placeholders stand for values in the text that is sent.
    is_redacted: bool,
}

impl RecordQuestion {
    /// The question for a whole record under `schema`, a JSON schema as JSON.
    ///
    /// # Errors
    /// Those of [`Constraint::json_schema`].
    pub fn new(schema: &str) -> Result<Self> {
        Constraint::json_schema(schema)?;
        let record = ExtractedRecord::of(Value::Null);
        Ok(Self { schema: parsed(schema)?, paths: vec![Vec::new()], record, is_redacted: false })
    }

    /// The question for the fields of `record` at `pointers` alone. A field within an array is asked for with all of the array,
    /// since places in an array mean nothing without the others. So is one with all of the record whose place the schema does
    /// not name.
    #[must_use]
    pub fn for_fields(&self, record: ExtractedRecord, pointers: &[&str]) -> Self {
        let mut paths: Vec<Vec<String>> = pointers.iter().map(|pointer| names(&self.schema, pointer)).collect();
        sort_by(&mut paths, Ord::cmp);
        paths.dedup_by(|path, before| path.starts_with(before));
        Self { schema: self.schema.clone(), paths, record, is_redacted: self.is_redacted }
    }

    /// The same for a text in which placeholders stand for values.
    #[must_use]
    pub fn redacted(self) -> Self {
        Self { is_redacted: true, ..self }
    }

    /// Whether placeholders stand for values in the text that is sent.
    pub fn is_redacted(&self) -> bool {
        self.is_redacted
    }

    /// The pointers of what is asked for.
    pub fn asked(&self) -> Vec<String> {
        self.paths.iter().map(|path| pointer_of(path)).collect()
    }

    /// The names of the properties that an answer has; none where the schema does not say.
    pub fn properties(&self) -> Vec<&str> {
        if let Some(names) = self.paths.iter().map(|path| path.first()).collect::<Option<Vec<_>>>() {
            return names.into_iter().map(String::as_str).collect();
        }
        let Some(Json::Object(properties)) = self.schema.get("properties") else { return Vec::new() };
        properties.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The schema of what is asked for, which is required, as JSON.
    pub fn schema(&self) -> String {
        written(&self.reduced())
    }

    /// The same schema as a server is given it to enforce: strings have no form where placeholders may stand for them.
    pub fn enforced_schema(&self) -> Value {
        let schema = self.reduced();
        let schema = if self.is_redacted { without_form(&schema) } else { schema };
        serde_json::from_str(&written(&schema)).unwrap_or_default()
    }

    /// The record with what `answer`, a remote model's reply, has of what was asked for, in the place of what was there. What the
    /// answer lacks, or what is not valid under the schema, stays as it is. Spans count bytes of `text`.
    pub fn merge(&self, text: &str, answer: &Value) -> ExtractedRecord {
        let mut record = self.record.clone();
        let mut delegated = DelegatedFields { asked: self.asked(), ..DelegatedFields::default() };
        let mut mentions = Mentions::new(text);
        for (path, pointer) in self.paths.iter().zip(&delegated.asked) {
            let Some(value) = answer.pointer(pointer) else { continue };
            match (valid_at(&self.schema, path, value), record.value.pointer_mut(pointer)) {
                (Some(value), Some(place)) => {
                    place.clone_from(&value);
                    replace_fields(&mut record.fields, pointer, &value, &mut mentions);
                    delegated.answered.push(pointer.clone());
                }
                _ => delegated.refused.push(pointer.clone()),
            }
        }
        record.delegated = Some(delegated);
        record
    }

    fn reduced(&self) -> Json {
        reduced(&self.schema, &self.paths.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}

/// The properties that lead to the schema of the value at `pointer`: up to an array or a schema that has no such property.
fn names(schema: &Json, pointer: &str) -> Vec<String> {
    let (mut names, mut at) = (Vec::new(), schema);
    for name in steps(pointer) {
        let Some(next) = at.get("properties").and_then(|properties| properties.get(&name)) else { break };
        names.push(name);
        at = next;
    }
    names
}

/// The schema of the value at `pointer`, where properties and items lead to it.
pub(super) fn schema_of<'a>(schema: &'a Json, pointer: &str) -> Option<&'a Json> {
    steps(pointer).try_fold(schema, |at, name| match at.get("properties") {
        Some(properties) => properties.get(&name),
        None => at.get("items"),
    })
}

fn steps(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"))
}

fn pointer_of(path: &[String]) -> String {
    path.iter().fold(String::new(), |pointer, name| step(&pointer, name))
}

/// What of `schema` leads to `paths`.
fn reduced(schema: &Json, paths: &[&[String]]) -> Json {
    let Json::Object(members) = schema else { return schema.clone() };
    if paths.iter().any(|path| path.is_empty()) {
        return schema.clone();
    }
    let Some(Json::Object(properties)) = schema.get("properties") else { return schema.clone() };
    let kept = properties.iter().filter_map(|(name, schema)| {
        let paths: Vec<&[String]> = paths.iter().filter(|path| path[0] == *name).map(|path| &path[1..]).collect();
        (!paths.is_empty()).then(|| (name.clone(), reduced(schema, &paths)))
    });
    let kept: Vec<(String, Json)> = kept.collect();
    let required = kept.iter().map(|(name, _)| Json::String(name.clone())).collect();
    let mut all: Vec<(String, Json)> = members
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "properties" | "required" | "additionalProperties"))
        .cloned()
        .collect();
    all.push(("properties".to_owned(), Json::Object(kept)));
    all.push(("required".to_owned(), Json::Array(required)));
    all.push(("additionalProperties".to_owned(), Json::Bool(false)));
    Json::Object(all)
}

/// `schema` without what it says of the form of strings.
fn without_form(schema: &Json) -> Json {
    let Json::Object(members) = schema else { return schema.clone() };
    let kept = members.iter().filter(|(name, _)| !FORM.contains(&name.as_str())).map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("properties" | "$defs" | "definitions", Json::Object(schemas)) => {
                Json::Object(schemas.iter().map(|(name, schema)| (name.clone(), without_form(schema))).collect())
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Json::Array(schemas)) => {
                Json::Array(schemas.iter().map(without_form).collect())
            }
            ("items" | "additionalProperties", schema) => without_form(schema),
            (_, value) => value.clone(),
        };
        (name.clone(), value)
    });
    Json::Object(kept.collect())
}

/// Whether `value` is valid at `pointer`, as a decoder could have written it there.
pub(super) fn is_valid(schema: &Json, pointer: &str, value: &Value) -> bool {
    valid_at(schema, &names(schema, pointer), value).is_some()
}

/// `value` as a decoder would have written it where `path` leads to; `None` if it is not valid there.
fn valid_at(schema: &Json, path: &[String], value: &Value) -> Option<Value> {
    let constraint = Constraint::json_schema(&written(&reduced(schema, &[path]))).ok()?;
    let value = serde_json::from_str::<Json>(&value.to_string()).ok()?;
    let value = path.iter().rev().fold(value, |value, name| Json::Object(vec![(name.clone(), value)]));
    let text = written(&ordered(schema, schema, value));
    let nested: Value = constraint.matches(&text).then(|| serde_json::from_str(&text).ok())??;
    nested.pointer(&pointer_of(path)).cloned()
}

/// `value` with the properties of objects in the order in which `schema` declares them, which is that of a decoder; `root` is
/// the schema that references are resolved in. A value that was parsed is nested at most 128 levels deep.
fn ordered(root: &Json, schema: &Json, value: Json) -> Json {
    let mut schema = schema;
    for _ in 0..MAX_REFERENCES {
        let Some(Json::String(reference)) = schema.get("$ref") else { break };
        let Some(target) = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)) else { break };
        schema = target;
    }
    let beneath = |keyword: &str, value| match schema.get(keyword) {
        Some(schema) => ordered(root, schema, value),
        None => value,
    };
    match value {
        Json::Array(items) => Json::Array(items.into_iter().map(|item| beneath("items", item)).collect()),
        Json::Object(mut members) => {
            let Some(Json::Object(properties)) = schema.get("properties") else { return Json::Object(members) };
            let place = |name: &String| properties.iter().position(|(known, _)| known == name).unwrap_or(usize::MAX);
            sort_by(&mut members, |(a, _), (b, _)| place(a).cmp(&place(b)));
            let member = |(name, value): (String, Json)| {
                let value = match properties.get(place(&name)) {
                    Some((_, schema)) => ordered(root, schema, value),
                    None => beneath("additionalProperties", value),
                };
                (name, value)
            };
            Json::Object(members.into_iter().map(member).collect())
        }
        value => value,
    }
}

fn written(json: &Json) -> String {
    let mut text = String::new();
    json.write(&mut text);
    text
}

/// Replaces those of `fields` that are of the value at `pointer` by those of `value`, which a remote model gave.
fn replace_fields(fields: &mut Vec<RecordField>, pointer: &str, value: &Value, mentions: &mut Mentions) {
    let is_below =
        |other: &str| other.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let at = fields.iter().position(|field| is_below(&field.pointer)).unwrap_or(fields.len());
    let confidence = fields.iter().filter(|field| is_below(&field.pointer)).map(|field| field.confidence);
    let confidence = confidence.fold(1.0, f32::min);
    fields.retain(|field| !is_below(&field.pointer));
    let mut found = Vec::new();
    scalars(pointer.to_owned(), value, &mut found);
    let found = found.into_iter().map(|(pointer, value)| {
        let span = super::evidence::forms(value).iter().find_map(|form| match mentions.next(&pointer, form) {
            Mention::At(range) => Some(RecordSpan { start: range.start, end: range.end }),
            Mention::Repeated | Mention::Missing => None,
        });
        let source = FieldSource::Remote;
        RecordField { pointer, value: value.clone(), confidence, span, source, truncated: false }
    });
    fields.splice(at..at, found.collect::<Vec<_>>());
}

/// The scalars of `value` with their pointers. A value that was parsed is nested at most 128 levels deep.
fn scalars<'a>(pointer: String, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| scalars(step(&pointer, at), item, found)),
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| scalars(step(&pointer, name), member, found))
        }
        _ => found.push((pointer, value)),
    }
}
