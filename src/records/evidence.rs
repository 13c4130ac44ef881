//! What the text says of a record's values: where they stand, and which of them a recogniser knows by their form.

use std::ops::Range;

use serde_json::Value;

use super::delegation::schema_of;
use super::{ExtractedRecord, FieldSource, RecordField, RecordSpan};
use crate::generation::constraint::Json;
use crate::redaction::recognise as recognised_in;
use crate::tasks::mentions::{Mention, Mentions};

/// What the confidence of a string or a number is multiplied by that does not stand in the text.
const NOT_IN_TEXT: f32 = 0.5;
/// Keywords that say more of a string than its form.
const NARROWER: [&str; 5] = ["enum", "const", "pattern", "minLength", "maxLength"];

/// Gives fields the value whose form their `format` names, where the text has exactly one such value and the record exactly one
/// such field. The author of the schema says that the text has a value of this form, so there is no choice.
pub(super) fn recognise(record: &mut ExtractedRecord, text: &str, schema: &Json) {
    let formats: Vec<Option<String>> = record.fields.iter().map(|field| format_of(field, schema)).collect();
    for (index, format) in formats.iter().enumerate() {
        let Some(format) = format.as_deref().filter(|_| formats.iter().filter(|other| *other == format).count() == 1)
        else {
            continue;
        };
        let mut found = values_of(format, text).into_iter();
        let (Some(range), None) = (found.next(), found.next()) else { continue };
        let field = &mut record.fields[index];
        let value = Value::String(text[range.clone()].to_string());
        if !super::delegation::is_valid(schema, &field.pointer, &value) {
            continue;
        }
        if let Some(place) = record.value.pointer_mut(&field.pointer) {
            *place = value.clone();
        }
        let span = Some(RecordSpan { start: range.start, end: range.end });
        let pointer = std::mem::take(&mut field.pointer);
        *field =
            RecordField { pointer, value, confidence: 1.0, span, source: FieldSource::Recogniser, truncated: false };
    }
}

/// The format of a string whose form is all that its schema says.
fn format_of(field: &RecordField, schema: &Json) -> Option<String> {
    let schema = schema_of(schema, &field.pointer)?;
    let is_narrower = NARROWER.iter().any(|name| schema.get(name).is_some());
    match schema.get("format") {
        Some(Json::String(format)) if field.value.is_string() && !is_narrower => Some(format.clone()),
        _ => None,
    }
}

/// The ranges of the different values in `text` that have the form of `format`.
fn values_of(format: &str, text: &str) -> Vec<Range<usize>> {
    let label = match format {
        "email" => "EMAIL",
        "uri" => "URL",
        "ipv4" => "IPV4",
        "date" => return different(text, dates(text)),
        _ => return Vec::new(),
    };
    let spans = recognised_in(text).into_iter().filter(|span| span.label.name() == label);
    different(text, spans.map(|span| span.start..span.end).collect())
}

fn different(text: &str, ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut kept: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        if !kept.iter().any(|other| text[other.clone()] == text[range.clone()]) {
            kept.push(range);
        }
    }
    kept
}

/// Dates in the form of RFC 3339, as `2024-02-29`. That they exist is for the schema to say.
fn dates(text: &str) -> Vec<Range<usize>> {
    const FORM: &[u8] = b"dddd-dd-dd";
    let fits = |window: &[u8]| {
        window.iter().zip(FORM).all(|(byte, form)| if *form == b'd' { byte.is_ascii_digit() } else { byte == form })
    };
    let bytes = text.as_bytes();
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let starts = bytes.windows(FORM.len()).enumerate().filter(|(_, window)| fits(window)).map(|(at, _)| at);
    let whole = starts.filter(|at| !is_word(at.checked_sub(1).and_then(|at| bytes.get(at))));
    whole.map(|at| at..at + FORM.len()).filter(|range| !is_word(bytes.get(range.end))).collect()
}

/// Finds where the values stand in the text: whole words, in the form that the text has them in. Of equal values, each has a
/// place of its own as long as there are enough.
pub(super) fn locate(record: &mut ExtractedRecord, text: &str, schema: &Json) {
    let mut mentions = Mentions::new(text);
    for field in record.fields.iter_mut().filter(|field| field.span.is_none()) {
        let forms = forms(&field.value);
        let found = forms.iter().find_map(|form| match mentions.next(&field.pointer, form) {
            Mention::At(range) => Some(range),
            Mention::Repeated | Mention::Missing => None,
        });
        match found {
            Some(Range { start, end }) => field.span = Some(RecordSpan { start, end }),
            None if is_copied(field, schema) => field.confidence *= NOT_IN_TEXT,
            None => {}
        }
    }
}

/// The forms in which a text may have `value`.
pub(super) fn forms(value: &Value) -> Vec<String> {
    match value {
        Value::String(string) => vec![string.clone()],
        Value::Number(number) => number_forms(&number.to_string()),
        _ => Vec::new(),
    }
}

/// A number as it is written, with two decimals, and with commas between thousands.
fn number_forms(number: &str) -> Vec<String> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let decimals = if decimals == "0" { "" } else { decimals };
    let mut grouped = String::new();
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at) % 3 == 0 && whole[..at].ends_with(|char: char| char.is_ascii_digit()) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let mut forms = Vec::new();
    for whole in [whole, &grouped] {
        // The longer form first: `12` stands in `12.00` as well.
        forms.push(format!("{whole}.{decimals:0<2}"));
        forms.push(if decimals.is_empty() { whole.to_string() } else { format!("{whole}.{decimals}") });
    }
    forms
}

/// Whether a value is expected to stand in the text as it is. One that the schema lists, and one in the schema's own form of
/// dates and times, may be said in other words there.
fn is_copied(field: &RecordField, schema: &Json) -> bool {
    let schema = schema_of(schema, &field.pointer);
    let has = |name: &str| schema.is_some_and(|schema| schema.get(name).is_some());
    let is_time = match schema.and_then(|schema| schema.get("format")) {
        Some(Json::String(format)) => matches!(format.as_str(), "date" | "time" | "date-time"),
        _ => false,
    };
    (field.value.is_string() || field.value.is_number()) && !is_time && !has("enum") && !has("const")
}
