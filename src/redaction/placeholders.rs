//! Each distinct value gets one placeholder, for all the texts of a request.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::repeats::Repeats;
use super::restore::{Restorer, Values};
use super::spans::merged;
use super::{PiiLabel, PiiSpan, Replaced, recognise};

/// Texts without what must not leave, and what is needed to undo that. The values never leave it but by way
/// of [`restore`](Self::restore).
pub struct Redaction {
    texts: Vec<String>,
    places: Vec<Vec<Range<usize>>>,
    values: Values,
    replaced: Vec<Replaced>,
}

impl fmt::Debug for Redaction {
    /// Without the values, which nobody is to see in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction").field("replaced", &self.replaced).finish_non_exhaustive()
    }
}

impl Redaction {
    /// The texts, in the order in which they were given.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Where something was taken out of each text as it was given: its bytes, in their order.
    pub fn places(&self) -> &[Vec<Range<usize>>] {
        &self.places
    }

    /// What was taken out, in the order of the kinds' names.
    pub fn replaced(&self) -> &[Replaced] {
        &self.replaced
    }

    /// `text` with the values in the place of their placeholders. Of a reply in JSON, the strings are to be
    /// restored and not the whole: a value may have quotes in it.
    pub fn restore(&self, text: &str) -> String {
        let mut restorer = self.restorer();
        let mut restored = restorer.feed(text);
        restored.push_str(&restorer.end());
        restored
    }

    /// The same for a text that comes in pieces.
    pub fn restorer(&self) -> Restorer {
        Restorer::new(Arc::clone(&self.values))
    }
}

/// Takes out of `texts` what has a form, what their `spans` mark, and whatever is the same elsewhere in them.
///
/// The spans are a model's, with byte offsets; they may overlap and need not fit. All texts of a
/// request are to be given at once, so that no placeholder is taken for one that a text has already.
pub fn redact(texts: &[(&str, Vec<PiiSpan>)]) -> Redaction {
    let found: Vec<Vec<PiiSpan>> = texts
        .iter()
        .map(|(text, spans)| {
            let mut all = recognise(text);
            all.extend_from_slice(spans);
            merged(text, all)
        })
        .collect();
    let mut values: BTreeMap<&str, Value<'_>> = BTreeMap::new();
    for ((text, _), spans) in texts.iter().zip(&found) {
        for PiiSpan { start, end, label } in spans {
            let first = Value { label, has_form: false, name: None };
            values.entry(&text[*start..*end]).or_insert(first).has_form |= label.has_form();
        }
    }
    let repeated = Repeats::new(values.iter().map(|(value, Value { has_form, .. })| (*value, *has_form)));
    let taken = crate::sort::set(texts.iter().flat_map(|(text, _)| bracketed(text)));
    let mut names = Names { values, taken, counts: BTreeMap::new() };
    let redacted = texts.iter().zip(&found).map(|((text, _), spans)| {
        let mut redacted = String::with_capacity(text.len());
        let mut taken_out = Vec::new();
        let mut from = 0;
        let spans = spans.iter().map(|span| (span.start, span.end)).chain([(text.len(), text.len())]);
        for (start, end) in spans {
            let repeats = repeated.find(text, from..start);
            let ranges = repeats.into_iter().chain(std::iter::once(start..end).filter(|range| !range.is_empty()));
            for range in ranges {
                redacted.push_str(&text[from..range.start]);
                redacted.push_str(names.name(&text[range.clone()]));
                from = range.end;
                taken_out.push(range);
            }
        }
        redacted.push_str(&text[from..]);
        (redacted, taken_out)
    });
    let (texts, places) = redacted.unzip();
    let (values, replaced) = names.into_parts();
    Redaction { texts, places, values, replaced }
}

/// What is known of one value.
struct Value<'a> {
    /// The label of its first occurrence.
    label: &'a PiiLabel,
    /// Whether it is known by its form at any occurrence.
    has_form: bool,
    /// Its placeholder, when it has been met.
    name: Option<String>,
}

/// Gives values their placeholders, in the order in which they are met.
struct Names<'a> {
    values: BTreeMap<&'a str, Value<'a>>,
    /// What looks like a placeholder in the texts themselves.
    taken: BTreeSet<&'a str>,
    counts: BTreeMap<&'a PiiLabel, Count>,
}

#[derive(Default)]
struct Count {
    /// The last number that was given.
    last: u32,
    values: u32,
    places: u32,
}

impl<'a> Names<'a> {
    /// The placeholder of `value`, which is one of those that were found. Were it none, a word that stands
    /// for nothing would still be better than the value.
    fn name(&mut self, value: &str) -> &str {
        let Some(Value { label, name, .. }) = self.values.get_mut(value) else { return "[VALUE]" };
        let count = self.counts.entry(*label).or_default();
        count.places += 1;
        name.get_or_insert_with(|| {
            count.values += 1;
            loop {
                count.last += 1;
                let name = format!("[{label}_{}]", count.last);
                if !self.taken.contains(name.as_str()) {
                    return name;
                }
            }
        })
    }

    fn into_parts(self) -> (Values, Vec<Replaced>) {
        let named = self.values.into_iter().filter_map(|(value, Value { name, .. })| Some((name?, value.to_string())));
        let counts = self.counts.into_iter();
        let replaced =
            counts.map(|(label, Count { values, places, .. })| Replaced { kind: label.clone(), values, places });
        (Arc::new(named.collect()), replaced.collect())
    }
}

/// What stands in square brackets in `text`, with them.
fn bracketed(text: &str) -> impl Iterator<Item = &str> {
    let opened = text.split_inclusive(']').filter_map(|part| part.rfind('[').map(|open| &part[open..]));
    opened.filter(|word| word.ends_with(']'))
}

#[cfg(test)]
mod tests {
    use super::super::spans::span;
    use super::*;

    fn once(text: &str, spans: Vec<PiiSpan>) -> Redaction {
        redact(&[(text, spans)])
    }

    #[test]
    fn values_have_one_placeholder_in_all_texts() {
        let texts = [
            ("Ann (ann@x.de) and Bob", vec![span(0, 3, "first name"), span(19, 22, "FIRST_NAME")]),
            ("Bob: bob@x.de, ann@x.de. Ann? Anna!", vec![]),
        ];
        let redaction = redact(&texts);
        assert_eq!(
            redaction.texts(),
            [
                "[FIRST_NAME_1] ([EMAIL_1]) and [FIRST_NAME_2]",
                "[FIRST_NAME_2]: [EMAIL_2], [EMAIL_1]. [FIRST_NAME_1]? Anna!"
            ]
        );
        let counts: Vec<_> = redaction.replaced().iter().map(|one| (one.kind.name(), one.values, one.places)).collect();
        assert_eq!(counts, [("EMAIL", 2, 3), ("FIRST_NAME", 2, 4)]);
        assert_eq!(redaction.restore("To [FIRST_NAME_2] <[EMAIL_2]>, [EMAIL_3]"), "To Bob <bob@x.de>, [EMAIL_3]");
        let debug = format!("{redaction:?}");
        assert!(debug.contains("EMAIL") && !debug.contains("ann@x.de") && !debug.contains("Bob"), "{debug}");
    }

    #[test]
    fn a_text_with_placeholders_of_its_own() {
        let texts = [("[EMAIL_1] ann@x.de [[EMAIL_2]", vec![]), ("bob@x.de [EMAIL_4]]", vec![])];
        let redaction = redact(&texts);
        assert_eq!(redaction.texts(), ["[EMAIL_1] [EMAIL_3] [[EMAIL_2]", "[EMAIL_5] [EMAIL_4]]"]);
        for ((text, _), redacted) in texts.iter().zip(redaction.texts()) {
            assert_eq!(redaction.restore(redacted), *text);
        }
    }

    #[test]
    fn one_that_a_model_marks_is_a_value() {
        let redaction = once("[EMAIL_1] of Ann", vec![span(0, 9, "email")]);
        assert_eq!(redaction.texts(), ["[EMAIL_2] of Ann"]);
        assert_eq!(redaction.restore("[EMAIL_2] [EMAIL_1]"), "[EMAIL_1] [EMAIL_1]");
    }

    #[test]
    fn nothing_to_take_out() {
        let redaction = once("good morning", vec![]);
        assert_eq!((redaction.texts(), redaction.replaced()), (&["good morning".to_string()][..], &[][..]));
        assert!(redact(&[]).texts().is_empty());
    }

    #[test]
    fn of_a_value_with_two_kinds_the_first_holds() {
        let text = "Florence lives in Florence";
        let redaction = once(text, vec![span(0, 8, "name"), span(18, 26, "city")]);
        assert_eq!(redaction.texts(), ["[NAME_1] lives in [NAME_1]"]);
    }
}
