//! Words that may be personal data: a classifier of tokens, read with caution. A likeliest label says what a word most
//! probably is; here a word counts as found where it may well be anything else than nothing, because what is found
//! wrongly costs a placeholder, and what is missed leaves the device.

use std::ops::Range;

use super::Pipeline;
use super::token_classification::{OUTSIDE, split_label};
use crate::error::{Error, Result};

/// A place in a text that may be personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalData {
    /// What it most probably is, as the model calls it, without `B-` or `I-`.
    pub label: String,
    /// The bytes of the text: whole words.
    pub place: Range<usize>,
}

/// The probability of being no nothing from which on a word is found, chosen on sentences of templates and people
/// that `cargo xtask eval privacy` does not measure on.
const MAY_BE: f64 = 0.005;
/// The same for a word in small letters, in a text that has capitals: names and addresses mostly begin with one.
const SMALL_MAY_BE: f64 = 0.05;
/// The same for one beside a word that was found, unless it is in small letters.
const BESIDE_MAY_BE: f64 = 0.001;

/// The labels of parts of an address. A word that nothing speaks for is of the address where it stands before one.
const ADDRESS: [&str; 6] = ["BUILDING_NUMBER", "STREET_NAME", "SECONDARY_ADDRESS", "CITY", "STATE", "ZIP_CODE"];

/// What may stand between two words of one value.
const JOINTS: &[char] = &[' ', '.', '\'', '’', '-', '/'];
/// What may stand between two parts of an address beside that.
const BREAKS: &[char] = &[',', '\n', '#', '('];

/// A word, the likeliest of the model's kinds for it, and the probability that it is of any.
struct Word {
    place: Range<usize>,
    kind: usize,
    probability: f64,
    /// In small letters, where there are capitals elsewhere.
    small: bool,
}

impl Pipeline {
    /// Finds out whether the model can say of words that they are nothing, as [`Self::personal_data`] wants.
    ///
    /// # Errors
    /// Unsupported: it cannot.
    pub fn check_personal_data(&self) -> Result<()> {
        match self.labels.iter().any(|label| label == OUTSIDE) {
            true => Ok(()),
            false => Err(Error::unsupported("a redactor needs a classifier of tokens with a label 'O' for nothing")),
        }
    }

    /// The places in each of `texts` that may be personal data, in their order and not over each other.
    ///
    /// # Errors
    /// As [`Self::check_personal_data`]. Invalid input: a text that is too long. Device lost: the device failed.
    pub async fn personal_data(&self, texts: &[String]) -> Result<Vec<Vec<PersonalData>>> {
        self.check_personal_data()?;
        let (kinds, kind_of_label) = self.kinds();
        // By the number of the kind; of what is nothing, no number.
        let read = |token: crate::tokenizer::Token, odds: &[f64]| {
            let mut of_kinds = vec![0.0; kinds.len()];
            for (odds, kind) in odds.iter().zip(&kind_of_label) {
                if let Some(kind) = kind {
                    of_kinds[*kind] += odds;
                }
            }
            (token.start..token.end, of_kinds)
        };
        let (tokens, _) = self.read_tokens(texts, read).await?;
        Ok(texts.iter().zip(&tokens).map(|(text, tokens)| found(text, &kinds, tokens)).collect())
    }

    /// The kinds of data that the labels tell apart, and which of them each label is of.
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

/// The places in `text` whose words are found, those of one kind joined.
fn found(text: &str, kinds: &[&str], tokens: &[(Range<usize>, Vec<f64>)]) -> Vec<PersonalData> {
    let mut words = words(text, tokens);
    let mut is_found: Vec<bool> =
        words.iter().map(|word| word.probability > if word.small { SMALL_MAY_BE } else { MAY_BE }).collect();
    let before = is_found.clone();
    for at in 0..words.len() {
        let beside = (at > 0 && before[at - 1]) || before.get(at + 1) == Some(&true);
        is_found[at] |= beside && !words[at].small && words[at].probability > BESIDE_MAY_BE;
    }
    let before = is_found.clone();
    for at in 1..words.len().saturating_sub(1) {
        let close = |a: usize, b: usize| joined(text, &words[a].place, &words[b].place, &[JOINTS, BREAKS].concat());
        let among = before[at - 1] && before[at + 1] && close(at - 1, at) && close(at, at + 1);
        let behind = words[at + 1].kind;
        if !before[at] && among && (!words[at].small || ADDRESS.contains(&kinds[behind])) {
            (is_found[at], words[at].kind) = (true, behind);
        }
    }
    let mut all: Vec<PersonalData> = Vec::new();
    for (word, _) in words.into_iter().zip(is_found).filter(|(_, found)| *found) {
        let label = kinds[word.kind];
        match all.last_mut() {
            Some(last) if last.label == label && joined(text, &last.place, &word.place, JOINTS) => {
                last.place.end = word.place.end;
            }
            _ => all.push(PersonalData { label: label.to_string(), place: word.place }),
        }
    }
    all
}

/// Whether nothing but `joints` stands between two words.
fn joined(text: &str, before: &Range<usize>, behind: &Range<usize>, joints: &[char]) -> bool {
    text[before.end..behind.start].chars().all(|char| joints.contains(&char))
}

/// The words of `text`, with what the tokens that have a part in them say.
fn words(text: &str, tokens: &[(Range<usize>, Vec<f64>)]) -> Vec<Word> {
    let has_capitals = text.chars().any(char::is_uppercase);
    let mut words = Vec::new();
    let mut first = 0;
    for place in word_places(text) {
        first += tokens[first..].iter().take_while(|(token, _)| token.end <= place.start).count();
        let within = tokens[first..].iter().take_while(|(token, _)| token.start < place.end);
        let (mut kind, mut highest, mut probability) = (0, 0.0, 0.0);
        for (_, odds) in within {
            probability = f64::max(probability, odds.iter().sum());
            for (of_kind, odds) in odds.iter().enumerate().filter(|(_, odds)| **odds > 0.0) {
                if *odds > highest {
                    (kind, highest) = (of_kind, *odds);
                }
            }
        }
        let word = &text[place.clone()];
        let small = has_capitals
            && word.chars().any(char::is_lowercase)
            && !word.chars().any(|char| char.is_uppercase() || char.is_numeric());
        words.push(Word { place, kind, probability, small });
    }
    words
}

/// Runs of letters and digits. In scripts that put no space between words each character is one.
fn word_places(text: &str) -> Vec<Range<usize>> {
    const UNSPACED: char = '\u{2e80}';
    let mut places: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    for (at, char) in text.char_indices() {
        let end = at + char.len_utf8();
        let of_word = char.is_alphanumeric() || (open && ('\u{300}'..='\u{36f}').contains(&char));
        match places.last_mut() {
            Some(last) if of_word && open && char < UNSPACED => last.end = end,
            _ if of_word => places.push(at..end),
            _ => {}
        }
        open = of_word && char < UNSPACED;
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [&str; 3] = ["GIVEN_NAME", "STREET_NAME", "CITY"];

    /// What is found in `text`, whose words have these probabilities of being of these kinds; of others, none.
    fn found_in(text: &str, odds: &[(&str, usize, f64)]) -> Vec<(String, String)> {
        let token = |place: Range<usize>| {
            let word = &text[place.clone()];
            let mut of_kinds = vec![0.0; KINDS.len()];
            for (_, kind, odds) in odds.iter().filter(|(known, ..)| *known == word) {
                of_kinds[*kind] = *odds;
            }
            (place, of_kinds)
        };
        let tokens: Vec<_> = word_places(text).into_iter().map(token).collect();
        let found = found(text, &KINDS, &tokens);
        found.into_iter().map(|data| (data.label, text[data.place].to_string())).collect()
    }

    fn words_found(text: &str, odds: &[(&str, usize, f64)]) -> Vec<String> {
        found_in(text, odds).into_iter().map(|found| found.1).collect()
    }

    #[test]
    fn a_little_doubt_is_enough_for_a_word_with_a_capital() {
        let odds = [("Ann", 0, 0.006), ("rose", 0, 0.04), ("Bob", 0, 0.004), ("lily", 0, 0.06), ("7", 1, 0.006)];
        assert_eq!(words_found("Ann or rose, or Bob; or lily: or 7", &odds), ["Ann", "lily", "7"]);
        // Where there are no capitals, small letters say nothing.
        assert_eq!(words_found("or rose", &odds), ["rose"]);
    }

    #[test]
    fn less_is_enough_beside_a_word_that_was_found() {
        let odds = [("Ann", 0, 0.9), ("Lee", 0, 0.002), ("Bo", 0, 0.002), ("of", 0, 0.002)];
        assert_eq!(words_found("Ann Lee Bo, of", &odds), ["Ann Lee"]);
        assert_eq!(words_found("Ann of Lee", &odds), ["Ann"]);
    }

    #[test]
    fn what_stands_in_an_address_is_of_it() {
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
        assert_eq!(found(text, &KINDS, &tokens)[0].place, 0..12);
        assert!(found("", &KINDS, &[]).is_empty());
        assert!(found(text, &KINDS, &[]).is_empty());
    }

    proptest! {
        #[test]
        fn places_are_whole_words_in_their_order(
            text in "(\\PC|Ann|and|, |\n){0,40}",
            tokens in prop::collection::vec((0_usize..90, 0_usize..9, 0.0_f64..0.4, 0.0_f64..0.02), 0..30),
        ) {
            let token = |(start, length, high, low)| (start..start + length, vec![low, high, low]);
            let mut end = 0;
            for PersonalData { place, .. } in found(&text, &KINDS, &tokens.into_iter().map(token).collect::<Vec<_>>()) {
                prop_assert!(end <= place.start && place.start < place.end);
                let word = text.get(place.clone()).unwrap_or_default();
                prop_assert!(word.starts_with(char::is_alphanumeric), "{:?}", word);
                end = place.end;
            }
        }
    }

    #[test]
    fn words_of_any_script() {
        let text = "Zoë\u{301} l'été 7b 王小 и";
        let words: Vec<&str> = word_places(text).into_iter().map(|place| &text[place]).collect();
        assert_eq!(words, ["Zoë\u{301}", "l", "été", "7b", "王", "小", "и"]);
    }
}
