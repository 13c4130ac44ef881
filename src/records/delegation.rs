//! Delegation: a remote model is asked for the fields that are unsure, and for no others.

use serde_json::Value;

use super::{ExtractedRecord, FieldSource, RecordSpan, parsed};
use crate::error::{Error, Result};
use crate::generation::constraint::{Constraint, Json, step};
use crate::tasks::mentions::{Mention, Mentions};

/// The properties that lead to the schema of the value at `pointer`: up to an array or a schema that has no such property.
fn names(schema: &Json, pointer: &str) -> Vec<String> {
    let (mut names, mut at) = (Vec::new(), schema);
    for name in pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")) {
        let Some(next) = at.get("properties").and_then(|properties| properties.get(&name)) else { break };
        names.push(name);
        at = next;
    }
    names
}

/// The schema of the value at `pointer`, where properties and items lead to it.
pub(super) fn schema_of<'a>(schema: &'a Json, pointer: &str) -> Option<&'a Json> {
    let mut steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
    steps.try_fold(schema, |at, name| match at.get("properties") {
        Some(properties) => properties.get(&name),
        None => at.get("items"),
    })
}

/// The schema of the fields at `pointers` alone, which it requires. A field within an array is asked for with all of the array,
/// since places in an array mean nothing without the others.
///
/// # Errors
/// Invalid input: the schema is no JSON, or has no such fields.
pub fn reduced_schema(schema: &str, pointers: &[&str]) -> Result<String> {
    let schema = parsed(schema)?;
    let paths: Vec<Vec<String>> = pointers.iter().map(|pointer| names(&schema, pointer)).collect();
    if paths.is_empty() || paths.iter().any(Vec::is_empty) {
        return Err(Error::invalid_input("expected pointers of properties of the schema, got another"));
    }
    let mut text = String::new();
    reduced(&schema, &paths.iter().map(Vec::as_slice).collect::<Vec<_>>()).write(&mut text);
    Ok(text)
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

/// Whether `value` is valid at `pointer`, as a decoder could have written it there.
pub(super) fn is_valid(schema: &Json, pointer: &str, value: &Value) -> bool {
    is_valid_at(schema, &names(schema, pointer), value)
}

fn is_valid_at(schema: &Json, names: &[String], value: &Value) -> bool {
    let mut text = String::new();
    reduced(schema, &[names]).write(&mut text);
    let Ok(constraint) = Constraint::json_schema(&text) else { return false };
    let Ok(value) = serde_json::from_str::<Json>(&value.to_string()) else { return false };
    let nested = names.iter().rev().fold(value, |value, name| Json::Object(vec![(name.clone(), value)]));
    let mut text = String::new();
    nested.write(&mut text);
    constraint.matches(&text)
}

impl ExtractedRecord {
    /// Puts the fields of `answer`, a remote model's reply in JSON to the schema of the fields at `pointers`, in the place of
    /// those that are there. What the answer lacks, or what is not valid under the schema, stays as it is. Returns the pointers
    /// of what was replaced: of an array, that of the array.
    ///
    /// # Errors
    /// Invalid input: the schema or the answer is no JSON.
    pub fn merge(&mut self, text: &str, schema: &str, pointers: &[&str], answer: &str) -> Result<Vec<String>> {
        let schema = parsed(schema)?;
        let answer: Value = serde_json::from_str(answer)
            .map_err(|error| Error::invalid_input(format!("expected an answer in JSON, got another: {error}")))?;
        let mut paths: Vec<Vec<String>> = pointers.iter().map(|pointer| names(&schema, pointer)).collect();
        paths.sort();
        paths.dedup();
        let mut mentions = Mentions::new(text);
        let mut replaced = Vec::new();
        for path in paths.iter().filter(|path| !path.is_empty()) {
            let pointer = path.iter().fold(String::new(), |pointer, name| step(&pointer, name));
            let Some(value) = answer.pointer(&pointer) else { continue };
            let Some(place) = self.value.pointer_mut(&pointer) else { continue };
            if !is_valid_at(&schema, path, value) {
                continue;
            }
            *place = value.clone();
            self.replace_fields(&pointer, value, &mut mentions);
            replaced.push(pointer);
        }
        Ok(replaced)
    }

    /// Replaces the fields of the value at `pointer` by those of `value`.
    fn replace_fields(&mut self, pointer: &str, value: &Value, mentions: &mut Mentions) {
        let is_below =
            |other: &str| other.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let at = self.fields.iter().position(|field| is_below(&field.pointer)).unwrap_or(self.fields.len());
        let confidence = self.fields.iter().filter(|field| is_below(&field.pointer)).map(|field| field.confidence);
        let confidence = confidence.fold(1.0, f32::min);
        self.fields.retain(|field| !is_below(&field.pointer));
        let mut found = Vec::new();
        scalars(pointer.to_owned(), value, &mut found);
        let fields = found.into_iter().map(|(pointer, value)| {
            let span = super::evidence::forms(value).iter().find_map(|form| match mentions.next(&pointer, form) {
                Mention::At(range) => Some(RecordSpan { start: range.start, end: range.end }),
                Mention::Repeated | Mention::Missing => None,
            });
            let source = FieldSource::Remote;
            super::RecordField { pointer, value: value.clone(), confidence, span, source, truncated: false }
        });
        self.fields.splice(at..at, fields.collect::<Vec<_>>());
    }
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
