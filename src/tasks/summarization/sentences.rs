//! Sentences of a text.
//!
//! # Source
//! Unicode Standard Annex #29, "Sentence Boundaries", with abbreviations that are followed by a capital, and lines that are
//! wrapped within a sentence.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Abbreviations that a name or a number follows, in lower case and without their period.
const ABBREVIATIONS: [&str; 44] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "gen", "sen", "rep", "gov", "capt", "lt", "col", "sgt", "rev", "hon", "mt",
    "ft", "vs", "no", "nr", "fig", "eq", "sec", "ch", "vol", "pp", "cf", "al", "e.g", "i.e", "z.b", "d.h", "bzw", "ca",
    "abs", "art", "jan", "feb", "aug", "sept", "oct", "nov", "dec",
];
/// Characters from which on a line is one that was wrapped, and not a heading.
const WRAPPED: usize = 40;

/// The sentences of `text` in their order, as ranges of bytes without the white space around them.
pub(super) fn sentences(text: &str) -> Vec<Range<usize>> {
    let joined = with_wrapped_lines_joined(text);
    let mut found: Vec<Range<usize>> = Vec::new();
    let (mut continues, mut ends_line) = (false, true);
    for (at, segment) in joined.split_sentence_bound_indices() {
        let range = at..at + segment.len();
        // As behind a question that is quoted: the annex goes on before a small letter only behind a period.
        let begins_small = segment.chars().next().is_some_and(char::is_lowercase);
        match found.last_mut().filter(|_| continues || begins_small && !ends_line) {
            Some(last) => last.end = range.end,
            None => found.push(range),
        }
        continues = ends_with_abbreviation(segment);
        ends_line = segment.ends_with(['\n', '\r']);
    }
    found.into_iter().filter_map(|range| trimmed(text, range)).collect()
}

/// `text` with a blank for each end of a line that does not end a sentence, heading or item; of the same length.
fn with_wrapped_lines_joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let words = line.trim();
        let next = lines.peek().map_or("", |next| next.trim_start_matches([' ', '\t']));
        let begins_small = next.chars().next().is_some_and(char::is_lowercase);
        let is_item = next.starts_with(['-', '*', '•', '#', '|', '\n', '\r']) || next.is_empty();
        if !words.is_empty() && !is_item && (begins_small || words.chars().count() >= WRAPPED) {
            joined.push_str(&line.replace(['\n', '\r'], " "));
        } else {
            joined.push_str(line);
        }
    }
    joined
}

/// Whether the sentence goes on behind this: an abbreviation, or the initial of a name.
fn ends_with_abbreviation(segment: &str) -> bool {
    if segment.ends_with(['\n', '\r']) {
        return false;
    }
    let Some(word) = segment.trim_end().strip_suffix('.').and_then(|before| before.split_whitespace().next_back())
    else {
        return false;
    };
    let word = word.trim_start_matches(['(', '[', '"', '\'', '“', '„', '«']);
    let mut letters = word.chars();
    let is_initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none() && word != "I";
    is_initial || ABBREVIATIONS.contains(&&*word.to_lowercase())
}

/// The range without the white space around it; `None` where nothing is left.
fn trimmed(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let segment = text.get(range.clone())?;
    let start = range.start + segment.len() - segment.trim_start().len();
    let end = start + segment.trim().len();
    (start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn sentences_end_where_readers_end_them() {
        let cases: [(&str, &[&str]); 9] = [
            ("", &[]),
            ("  \n\n ", &[]),
            ("One. Two! Three? Four", &["One.", "Two!", "Three?", "Four"]),
            ("Dr. Smith met J. R. Brown at 3.5 km. He left.", &["Dr. Smith met J. R. Brown at 3.5 km.", "He left."]),
            ("See Fig. 3, e.g. Berlin (cf. No. 7). Next.", &["See Fig. 3, e.g. Berlin (cf. No. 7).", "Next."]),
            (
                "“Is it so?” she asked. “Yes.” It was I. He went.",
                &["“Is it so?” she asked.", "“Yes.”", "It was I.", "He went."],
            ),
            ("A heading\n\nThe text.\n- one\n- two", &["A heading", "The text.", "- one", "- two"]),
            (
                "The committee that was elected in the year\n2019 has met\nagain. Nobody came.",
                &["The committee that was elected in the year\n2019 has met\nagain.", "Nobody came."],
            ),
            ("これは文です。次の文です。", &["これは文です。", "次の文です。"]),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text), expected);
        }
    }
}
