//! Offsets in a text: bytes of UTF-8 inside, and the unit of the caller outside.

use serde::{Deserialize, Serialize};

use crate::redaction::PiiSpan;
use crate::tasks::{AnswerOutput, to_utf16};

/// What offsets in a text count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetUnit {
    /// Bytes of UTF-8, as in Rust.
    Bytes,
    /// Units of UTF-16, as in JavaScript.
    Utf16,
}

/// The personal data that a model found in a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct PiiFindings {
    /// Where it is.
    pub spans: Vec<PiiSpan>,
    /// How long the search took, in milliseconds.
    pub elapsed_ms: f64,
}

/// `spans` of `text`, whose offsets count bytes, with offsets in `unit`.
pub fn to_unit(text: &str, mut spans: Vec<PiiSpan>, unit: OffsetUnit) -> Vec<PiiSpan> {
    if unit == OffsetUnit::Utf16 {
        to_utf16(text, spans.iter_mut().flat_map(|span| [&mut span.start, &mut span.end]));
    }
    spans
}

/// The byte at which each unit of the text begins; empty for bytes. The second unit of a surrogate pair begins with the
/// first.
fn bytes_of_units(text: &str, unit: OffsetUnit) -> Vec<usize> {
    match unit {
        OffsetUnit::Bytes => Vec::new(),
        OffsetUnit::Utf16 => {
            text.char_indices().flat_map(|(byte, char)| std::iter::repeat_n(byte, char.len_utf16())).collect()
        }
    }
}

/// `spans`, whose offsets are in `unit`, with offsets that count bytes. Offsets past the end become the end.
pub(super) fn in_bytes(text: &str, spans: &[PiiSpan], unit: OffsetUnit) -> Vec<PiiSpan> {
    let bytes = bytes_of_units(text, unit);
    let start = |offset: usize| match unit {
        OffsetUnit::Bytes => offset,
        OffsetUnit::Utf16 => bytes.get(offset).copied().unwrap_or(text.len()),
    };
    // An end within a character becomes its end, so that no half of it stays.
    let end = |offset: usize| match (unit, offset.checked_sub(1)) {
        (OffsetUnit::Utf16, Some(last)) => {
            bytes.get(last).map_or(text.len(), |at| at + text[*at..].chars().next().map_or(0, char::len_utf8))
        }
        _ => start(offset),
    };
    spans
        .iter()
        .map(|span| PiiSpan { start: start(span.start), end: end(span.end), label: span.label.clone() })
        .collect()
}

/// `output`, whose offsets count bytes of `text`, with offsets in `unit`.
pub(super) fn in_unit(text: &str, output: AnswerOutput, unit: OffsetUnit) -> AnswerOutput {
    match (unit, output) {
        (OffsetUnit::Utf16, AnswerOutput::Entities(mut groups)) => {
            to_utf16(text, groups.iter_mut().flat_map(|group| [&mut group.start, &mut group.end]));
            AnswerOutput::Entities(groups)
        }
        (OffsetUnit::Utf16, AnswerOutput::Record(mut record)) => {
            record.offsets_to_utf16(text);
            AnswerOutput::Record(record)
        }
        (_, output) => output,
    }
}

/// The right answer to `text`, whose offsets are in `unit`, with offsets that count bytes, as local answers have them.
pub(super) fn truth_in_bytes(text: &str, truth: AnswerOutput, unit: OffsetUnit) -> AnswerOutput {
    match (unit, truth) {
        (OffsetUnit::Utf16, AnswerOutput::Entities(mut groups)) => {
            let bytes = bytes_of_units(text, unit);
            for offset in groups.iter_mut().flat_map(|group| [&mut group.start, &mut group.end]) {
                *offset = bytes.get(*offset).copied().unwrap_or(text.len());
            }
            AnswerOutput::Entities(groups)
        }
        (_, truth) => truth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redaction::PiiLabel;
    use crate::tasks::EntityGroup;

    #[test]
    fn offsets_of_javascript_are_converted() {
        let text = "😀 Łódź, ok";
        let span = |start, end| PiiSpan { start, end, label: PiiLabel::from_label("city") };
        let bytes = |start, end| {
            let found = in_bytes(text, &[span(start, end)], OffsetUnit::Utf16).remove(0);
            (found.start, found.end)
        };
        assert_eq!(&text[bytes(3, 7).0..bytes(3, 7).1], "Łódź");
        // Half of a surrogate pair becomes all of it, and offsets past the text become its end.
        assert_eq!((bytes(1, 2), bytes(0, 1), bytes(9, 99)), ((0, 4), (0, 4), (text.len() - 2, text.len())));
        assert_eq!(bytes(0, 0), (0, 0));
        let group = |start, end| EntityGroup {
            entity_group: "city".to_string(),
            score: None,
            word: "Łódź".to_string(),
            start,
            end,
        };
        let truth = AnswerOutput::Entities(vec![group(3, 7)]);
        assert_eq!(truth_in_bytes(text, truth.clone(), OffsetUnit::Utf16), AnswerOutput::Entities(vec![group(5, 12)]));
        assert_eq!(truth_in_bytes(text, truth.clone(), OffsetUnit::Bytes), truth);
        assert_eq!(to_unit(text, vec![span(5, 12)], OffsetUnit::Utf16), [span(3, 7)]);
        assert_eq!(to_unit(text, vec![span(5, 12)], OffsetUnit::Bytes), [span(5, 12)]);
    }
}
