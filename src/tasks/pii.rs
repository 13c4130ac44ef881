//! PII detection: a token classifier read with low thresholds. Its likeliest label is what a word most probably is. Here
//! a word is found as soon as `O` is not nearly certain, because a false positive costs a placeholder, and a false
//! negative leaves the device.

use std::ops::Range;

use super::TextModel;
use super::token_classification::{OUTSIDE, split_label};
use crate::error::{Error, Result};
use crate::redaction::{PiiLabel, PiiSpan};

/// The minimum non-`O` probability of a word that is found, chosen on sentences of templates and people that
/// `cargo xtask eval privacy` does not measure on.
const THRESHOLD: f64 = 0.005;
/// The same for a word in lower case, in a text that has capitals: names and addresses mostly begin with one.
const LOWER_CASE_THRESHOLD: f64 = 0.05;
/// The same for a word next to one that was found, unless it is in lower case.
const NEIGHBOUR_THRESHOLD: f64 = 0.001;

/// The labels of parts of an address. A word below all thresholds belongs to the address when such a part follows it.
const ADDRESS: [&str; 6] = ["BUILDING_NUMBER", "STREET_NAME", "SECONDARY_ADDRESS", "CITY", "STATE", "ZIP_CODE"];

/// Characters between two words of one value.
const JOINTS: &[char] = &[' ', '.', '\'', '’', '-', '/'];
/// Further characters between two parts of an address.
const BREAKS: &[char] = &[',', '\n', '#', '('];

/// A word, the likeliest of the model's kinds for it, and the probability of any kind.
struct Word {
    span: Range<usize>,
    kind: usize,
    probability: f64,
    /// In lower case, in a text that has capitals.
    lower_case: bool,
}

impl TextModel {
    /// Checks that the model has a label for words outside of entities, as [`Self::find_pii`] needs.
    ///
    /// # Errors
    /// Unsupported: it has none.
    pub fn check_finds_pii(&self) -> Result<()> {
        match self.labels.iter().any(|label| label == OUTSIDE) {
            true => Ok(()),
            false => Err(Error::unsupported("a redactor needs a classifier of tokens with a label 'O' for nothing")),
        }
    }

    /// The spans of each of `texts` that may be personal data, in their order, without overlap. They are in the scripts that
    /// the model was trained on: Rampart misses most names in Cyrillic, Devanagari and Arabic script (`docs/privacy.md`).
    ///
    /// # Errors
    /// As [`Self::check_finds_pii`]. Invalid input: a text that is too long. Device lost: the device failed.
    pub async fn find_pii(&self, texts: &[String]) -> Result<Vec<Vec<PiiSpan>>> {
        self.check_finds_pii()?;
        let (kinds, kind_of_label) = self.kinds();
        let read = |token: crate::tokenizer::Token, probabilities: &[f64]| {
            let mut of_kinds = vec![0.0; kinds.len()];
            for (probability, kind) in probabilities.iter().zip(&kind_of_label) {
                if let Some(kind) = kind {
                    of_kinds[*kind] += probability;
                }
            }
            (token.start..token.end, of_kinds)
        };
        let (tokens, _) = self.read_tokens(texts, read).await?;
        Ok(texts.iter().zip(&tokens).map(|(text, tokens)| found(text, &kinds, tokens)).collect())
    }

    /// The kinds of data among the labels, and the kind of each label; `None` for the `O` label.
    fn kinds(&self) -> (Vec<&str>, Vec<Option<usize>>) {
        let mut kinds: Vec<&str> = Vec::new();
        let of_labels = self.labels.iter().map(|label| split_label(label).1).map(|name| {
            (name != OUTSIDE).then(|| {
                kinds.iter().position(|known| *known == name).unwrap_or_else(|| {
                    kinds.push(name);
                    kinds.len() - 1
                })
            })
        });
        let of_labels = of_labels.collect();
        (kinds, of_labels)
    }
}

/// The spans of `text` whose words are found; neighbours of one kind are joined.
fn found(text: &str, kinds: &[&str], tokens: &[(Range<usize>, Vec<f64>)]) -> Vec<PiiSpan> {
    let mut words = words(text, tokens);
    let mut is_found: Vec<bool> = words
        .iter()
        .map(|word| word.probability > if word.lower_case { LOWER_CASE_THRESHOLD } else { THRESHOLD })
        .collect();
    let before = is_found.clone();
    for at in 0..words.len() {
        let neighbour = (at > 0 && before[at - 1]) || before.get(at + 1) == Some(&true);
        is_found[at] |= neighbour && !words[at].lower_case && words[at].probability > NEIGHBOUR_THRESHOLD;
    }
    let before = is_found.clone();
    for at in 1..words.len().saturating_sub(1) {
        let close =
            |a: usize, b: usize| joined(text, words[a].span.end, words[b].span.start, &[JOINTS, BREAKS].concat());
        let among = before[at - 1] && before[at + 1] && close(at - 1, at) && close(at, at + 1);
        let behind = words[at + 1].kind;
        if !before[at] && among && (!words[at].lower_case || ADDRESS.contains(&kinds[behind])) {
            (is_found[at], words[at].kind) = (true, behind);
        }
    }
    let mut all: Vec<PiiSpan> = Vec::new();
    for (word, _) in words.into_iter().zip(is_found).filter(|(_, found)| *found) {
        let (label, Range { start, end }) = (PiiLabel::from_label(kinds[word.kind]), word.span);
        match all.last_mut() {
            Some(last) if last.label == label && joined(text, last.end, start, JOINTS) => last.end = end,
            _ => all.push(PiiSpan { start, end, label }),
        }
    }
    all
}

/// Whether there are only `joints` between two words.
fn joined(text: &str, end: usize, start: usize, joints: &[char]) -> bool {
    text[end..start].chars().all(|char| joints.contains(&char))
}

/// The words of `text`, with the probabilities of the tokens that overlap them.
fn words(text: &str, tokens: &[(Range<usize>, Vec<f64>)]) -> Vec<Word> {
    let has_capitals = text.chars().any(char::is_uppercase);
    let mut words = Vec::new();
    let mut first = 0;
    for span in word_spans(text) {
        first += tokens[first..].iter().take_while(|(token, _)| token.end <= span.start).count();
        let within = tokens[first..].iter().take_while(|(token, _)| token.start < span.end);
        let (mut kind, mut highest, mut probability) = (0, 0.0, 0.0);
        for (_, probabilities) in within {
            probability = f64::max(probability, probabilities.iter().sum());
            for (of_kind, of_token) in probabilities.iter().enumerate().filter(|(_, of_token)| **of_token > 0.0) {
                if *of_token > highest {
                    (kind, highest) = (of_kind, *of_token);
                }
            }
        }
        let word = &text[span.clone()];
        let lower_case = has_capitals
            && word.chars().any(char::is_lowercase)
            && !word.chars().any(|char| char.is_uppercase() || char.is_numeric());
        words.push(Word { span, kind, probability, lower_case });
    }
    words
}

/// Runs of letters and digits. In scripts without spaces between words each character is a word.
fn word_spans(text: &str) -> Vec<Range<usize>> {
    const UNSPACED: char = '\u{2e80}';
    let mut spans: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    for (at, char) in text.char_indices() {
        let end = at + char.len_utf8();
        let of_word = char.is_alphanumeric() || (open && ('\u{300}'..='\u{36f}').contains(&char));
        match spans.last_mut() {
            Some(last) if of_word && open && char < UNSPACED => last.end = end,
            _ if of_word => spans.push(at..end),
            _ => {}
        }
        open = of_word && char < UNSPACED;
    }
    spans
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [&str; 3] = ["GIVEN_NAME", "STREET_NAME", "CITY"];

    /// What is found in `text`, whose words have these probabilities of these kinds, and 0 of others.
    fn found_in(text: &str, odds: &[(&str, usize, f64)]) -> Vec<(String, String)> {
        let token = |span: Range<usize>| {
            let word = &text[span.clone()];
            let mut of_kinds = vec![0.0; KINDS.len()];
            for (_, kind, odds) in odds.iter().filter(|(known, ..)| *known == word) {
                of_kinds[*kind] = *odds;
            }
            (span, of_kinds)
        };
        let tokens: Vec<_> = word_spans(text).into_iter().map(token).collect();
        let found = found(text, &KINDS, &tokens);
        found.into_iter().map(|span| (span.label.name().to_string(), text[span.start..span.end].to_string())).collect()
    }

    fn words_found(text: &str, odds: &[(&str, usize, f64)]) -> Vec<String> {
        found_in(text, odds).into_iter().map(|found| found.1).collect()
    }

    #[test]
    fn a_little_doubt_is_enough_for_a_word_with_a_capital() {
        let odds = [("Ann", 0, 0.006), ("rose", 0, 0.04), ("Bob", 0, 0.004), ("lily", 0, 0.06), ("7", 1, 0.006)];
        assert_eq!(words_found("Ann or rose, or Bob; or lily: or 7", &odds), ["Ann", "lily", "7"]);
        // In a text without capitals, lower case means nothing.
        assert_eq!(words_found("or rose", &odds), ["rose"]);
    }

    #[test]
    fn less_is_enough_next_to_a_word_that_was_found() {
        let odds = [("Ann", 0, 0.9), ("Lee", 0, 0.002), ("Bo", 0, 0.002), ("of", 0, 0.002)];
        assert_eq!(words_found("Ann Lee Bo, of", &odds), ["Ann Lee"]);
        assert_eq!(words_found("Ann of Lee", &odds), ["Ann"]);
    }

    #[test]
    fn a_word_inside_an_address_belongs_to_it() {
        let odds = [("Oak", 1, 0.9), ("Rome", 2, 0.9), ("Elm", 1, 0.9), ("Ann", 0, 0.9), ("Bob", 0, 0.9)];
        let found = |text| words_found(text, &odds);
        assert_eq!(found("Oak Xyz\nRome"), ["Oak", "Xyz", "Rome"]);
        assert_eq!(found("Oak and Elm"), ["Oak and Elm"]);
        // Two people are two, and a sentence ends an address.
        assert_eq!(found("Ann and Bob"), ["Ann", "Bob"]);
        assert_eq!(found("Oak! Xyz Rome"), ["Oak", "Rome"]);
    }

    #[test]
    fn words_of_one_kind_are_one_value() {
        let odds = [("Ann", 0, 0.9), ("Marie", 0, 0.9), ("Rome", 2, 0.9)];
        let given = |name: &str| ("GIVEN_NAME".to_string(), name.to_string());
        assert_eq!(found_in("Ann Marie", &odds), [given("Ann Marie")]);
        assert_eq!(found_in("Ann, Marie", &odds), [given("Ann"), given("Marie")]);
        assert_eq!(found_in("Ann Rome", &odds), [given("Ann"), ("CITY".to_string(), "Rome".to_string())]);
    }

    #[test]
    fn a_word_is_found_whole() {
        let text = "xSpringfield.";
        let tokens = [(1..7, vec![0.0, 0.0, 0.0]), (7..12, vec![0.0, 0.3, 0.4])];
        let span = &found(text, &KINDS, &tokens)[0];
        assert_eq!((span.start, span.end), (0, 12));
        assert!(found("", &KINDS, &[]).is_empty());
        assert!(found(text, &KINDS, &[]).is_empty());
    }

    proptest! {
        #[test]
        fn spans_are_whole_words_in_their_order(
            text in "(\\PC|Ann|and|, |\n){0,40}",
            tokens in prop::collection::vec((0_usize..90, 0_usize..9, 0.0_f64..0.4, 0.0_f64..0.02), 0..30),
        ) {
            let token = |(start, length, high, low)| (start..start + length, vec![low, high, low]);
            let mut end = 0;
            for PiiSpan { start, end: behind, .. } in found(&text, &KINDS, &tokens.into_iter().map(token).collect::<Vec<_>>()) {
                prop_assert!(end <= start && start < behind);
                let word = text.get(start..behind).unwrap_or_default();
                prop_assert!(word.starts_with(char::is_alphanumeric), "{:?}", word);
                end = behind;
            }
        }
    }

    #[test]
    fn words_of_any_script() {
        let text = "Zoë\u{301} l'été 7b 王小 и";
        let words: Vec<&str> = word_spans(text).into_iter().map(|span| &text[span]).collect();
        assert_eq!(words, ["Zoë\u{301}", "l", "été", "7b", "王", "小", "и"]);
    }
}
