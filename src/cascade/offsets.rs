//! Places in a text: bytes in here, and whatever the caller counts in outside.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::redaction::{Kind, Span};
use crate::tasks::{AnswerOutput, PersonalData, to_utf16};

/// What places in a text are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetUnit {
    /// Bytes of UTF-8, as in Rust.
    Bytes,
    /// Units of UTF-16, as in JavaScript.
    Utf16,
}

/// Personal data that a model has found in a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct MarkedSpan {
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What it is.
    pub label: String,
}

/// What was found of a text's personal data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Marked {
    /// Where it is.
    pub spans: Vec<MarkedSpan>,
    /// How long it took to find.
    pub elapsed_ms: f64,
}

impl MarkedSpan {
    /// What a model has `found` in `text`, with places in `unit`.
    pub fn all(text: &str, found: Vec<PersonalData>, unit: OffsetUnit) -> Vec<Self> {
        let marked =
            found.into_iter().map(|PersonalData { label, place: Range { start, end } }| Self { start, end, label });
        let mut marked: Vec<Self> = marked.collect();
        if unit == OffsetUnit::Utf16 {
            to_utf16(text, marked.iter_mut().flat_map(|span| [&mut span.start, &mut span.end]));
        }
        marked
    }
}

/// The byte at which each unit begins, where that is not a byte itself; the second unit of a pair begins with the first.
fn bytes_of_units(text: &str, unit: OffsetUnit) -> Vec<usize> {
    match unit {
        OffsetUnit::Bytes => Vec::new(),
        OffsetUnit::Utf16 => {
            text.char_indices().flat_map(|(byte, char)| std::iter::repeat_n(byte, char.len_utf16())).collect()
        }
    }
}

/// `spans` as they are wanted for redaction. Those that do not fit the text are made to.
pub(super) fn in_bytes(text: &str, spans: &[MarkedSpan], unit: OffsetUnit) -> Vec<Span> {
    let bytes = bytes_of_units(text, unit);
    let byte = |place: usize, behind: usize| match unit {
        OffsetUnit::Bytes => place,
        // An end within a character is its end, so that no half of one stays.
        OffsetUnit::Utf16 if behind > 0 && place > 0 => {
            bytes.get(place - 1).map_or(text.len(), |at| at + text[*at..].chars().next().map_or(0, char::len_utf8))
        }
        OffsetUnit::Utf16 => bytes.get(place).copied().unwrap_or(text.len()),
    };
    spans
        .iter()
        .map(|span| Span { start: byte(span.start, 0), end: byte(span.end, 1), kind: Kind::of_label(&span.label) })
        .collect()
}

/// `output`, whose places count bytes of `text`, with places in `unit`.
pub(super) fn in_unit(text: &str, output: AnswerOutput, unit: OffsetUnit) -> AnswerOutput {
    match (unit, output) {
        (OffsetUnit::Utf16, AnswerOutput::Entities(mut groups)) => {
            to_utf16(text, groups.iter_mut().flat_map(|group| [&mut group.start, &mut group.end]));
            AnswerOutput::Entities(groups)
        }
        (_, output) => output,
    }
}

/// The right answer to `text`, whose places are in `unit`, with places that count bytes, as local answers have them.
pub fn truth_in_bytes(text: &str, truth: AnswerOutput, unit: OffsetUnit) -> AnswerOutput {
    match (unit, truth) {
        (OffsetUnit::Utf16, AnswerOutput::Entities(mut groups)) => {
            let bytes = bytes_of_units(text, unit);
            for place in groups.iter_mut().flat_map(|group| [&mut group.start, &mut group.end]) {
                *place = bytes.get(*place).copied().unwrap_or(text.len());
            }
            AnswerOutput::Entities(groups)
        }
        (_, truth) => truth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::EntityGroup;

    #[test]
    fn places_of_javascript_are_found() {
        let text = "😀 Łódź, ok";
        let places = |start, end| {
            let span = MarkedSpan { start, end, label: "city".to_string() };
            let found = in_bytes(text, &[span], OffsetUnit::Utf16).remove(0);
            (found.start, found.end)
        };
        assert_eq!(&text[places(3, 7).0..places(3, 7).1], "Łódź");
        // Halves of a pair are all of it, and what is behind the text is its end.
        assert_eq!((places(1, 2), places(0, 1), places(9, 99)), ((0, 4), (0, 4), (text.len() - 2, text.len())));
        assert_eq!(places(0, 0), (0, 0));
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
        let found = vec![PersonalData { label: "city".to_string(), place: 5..12 }];
        let marked = MarkedSpan::all(text, found.clone(), OffsetUnit::Utf16);
        assert_eq!((marked[0].start, marked[0].end), (3, 7));
        assert_eq!(MarkedSpan::all(text, found, OffsetUnit::Bytes)[0].end, 12);
    }
}
