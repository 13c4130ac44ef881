//! Spans from several finders, made into spans that do not touch each other.

#[cfg(test)]
use super::PiiLabel;
use super::PiiSpan;
use crate::sort::sort_by;

/// `spans` within `text` in order. Those that overlap become one over all of them, of the kind of the
/// longest; a model's that end inside a character take all of it, and none begins or ends with a space.
pub fn merged(text: &str, spans: Vec<PiiSpan>) -> Vec<PiiSpan> {
    let mut spans: Vec<PiiSpan> = spans.into_iter().filter_map(|span| fitted(text, span)).collect();
    // A stable sort: of spans with the same start, the first stays the first.
    sort_by(&mut spans, |a, b| a.start.cmp(&b.start));
    let mut merged: Vec<(PiiSpan, usize)> = Vec::new();
    for span in spans {
        let length = span.end - span.start;
        match merged.last_mut() {
            Some((last, longest)) if span.start < last.end => {
                last.end = last.end.max(span.end);
                if length > *longest {
                    (last.label, *longest) = (span.label, length);
                }
            }
            _ => merged.push((span, length)),
        }
    }
    merged.into_iter().map(|(span, _)| span).collect()
}

/// The part of a span that is in the text, in whole characters; `None` where nothing is.
fn fitted(text: &str, PiiSpan { start, end, label }: PiiSpan) -> Option<PiiSpan> {
    if start >= end {
        return None;
    }
    let start = text.floor_char_boundary(start);
    let end = text.ceil_char_boundary(end.min(text.len()));
    let words = text.get(start..end)?;
    let start = start + (words.len() - words.trim_start().len());
    let end = start + words.trim().len();
    (start < end).then_some(PiiSpan { start, end, label })
}

/// A span that a model marks.
#[cfg(test)]
pub fn span(start: usize, end: usize, label: &str) -> PiiSpan {
    PiiSpan { start, end, label: PiiLabel::from_label(label) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gives_the_kind() {
        let text = "0123456789 0123456789";
        let spans = vec![span(8, 9, "c"), span(4, 10, "b"), span(0, 5, "a"), span(12, 14, "d"), span(12, 14, "e")];
        assert_eq!(merged(text, spans), [span(0, 10, "b"), span(12, 14, "d")]);
        // Side by side is not over each other.
        assert_eq!(merged(text, vec![span(2, 4, "b"), span(0, 2, "a")]), [span(0, 2, "a"), span(2, 4, "b")]);
    }

    #[test]
    fn any_span_is_made_to_fit() {
        let text = " ż ó";
        assert_eq!(merged(text, vec![span(2, 2, "a")]), []);
        assert_eq!(merged(text, vec![span(0, 2, "a")]), [span(1, 3, "a")]);
        assert_eq!(merged(text, vec![span(5, 99, "a")]), [span(4, 6, "a")]);
        for (start, end) in [(0, 0), (0, 1), (9, 99), (4, 2), (usize::MAX, usize::MAX), (usize::MAX, 0)] {
            assert_eq!(merged(text, vec![span(start, end, "a")]), [], "{start} {end}");
        }
    }
}
