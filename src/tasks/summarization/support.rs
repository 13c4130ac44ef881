//! Whether the names and numbers of a summary stand in its source.
//!
//! Words of letters with case are names by their capital; scripts without case have no names here, and languages that write all
//! nouns with a capital have more than there are. A number in words and one in digits are not the same.

use std::collections::HashSet;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::sentences::sentences;

/// The words of a text, to find others in.
pub(super) struct Source(HashSet<String>);

/// A sentence of a summary with the names and numbers in it that the source does not have.
pub(super) struct Checked {
    /// Where it is.
    pub sentence: Range<usize>,
    /// Them; none in a sentence that the source supports.
    pub unsupported: Vec<String>,
}

impl Source {
    pub fn new(text: &str) -> Self {
        Self(text.unicode_words().map(normal).collect())
    }

    /// The sentences of `summary`, each with what of it is not in the source.
    pub fn check(&self, summary: &str) -> Vec<Checked> {
        let check =
            |sentence: Range<usize>| Checked { unsupported: self.missing(&summary[sentence.clone()]), sentence };
        sentences(summary).into_iter().map(check).collect()
    }

    fn missing(&self, sentence: &str) -> Vec<String> {
        let words: Vec<&str> = sentence.unicode_words().collect();
        let is_missing = |(at, word): (usize, &&str)| {
            let is_claim = is_number(word) || is_name(word, at == 0, words.get(at + 1).copied());
            (is_claim && !self.0.contains(&normal(word))).then(|| (*word).to_string())
        };
        words.iter().enumerate().filter_map(is_missing).collect()
    }
}

fn is_number(word: &str) -> bool {
    word.chars().any(char::is_numeric)
}

/// The first word of a sentence has a capital anyway; it is a name where another one follows, or where it has several capitals.
fn is_name(word: &str, is_first: bool, next: Option<&str>) -> bool {
    let is_capital = |word: &str| word.chars().next().is_some_and(char::is_uppercase);
    let length = word.chars().count();
    is_capital(word)
        && length > 1
        && (!is_first || word.chars().skip(1).any(char::is_uppercase) || next.is_some_and(is_capital))
}

/// A word without case, possessive and separators of thousands.
fn normal(word: &str) -> String {
    let word = word.to_lowercase().replace('’', "'");
    let word = word.strip_suffix("'s").unwrap_or(&word);
    if is_number(word) { without_separators(word) } else { word.to_string() }
}

/// A number without the commas, periods or apostrophes that groups of three digits follow.
fn without_separators(word: &str) -> String {
    let groups: Vec<&str> = word.split([',', '.', '\'']).collect();
    let is_grouped = groups.len() > 1
        && groups[0].len() <= 3
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_digit()))
        && groups[1..].iter().all(|group| group.len() == 3);
    if is_grouped { groups.concat() } else { word.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_that_the_source_lacks_are_found() {
        let source = Source::new(
            "In 1997 Maria Kowalski's firm in Poznań sold 12,500 bicycles to NASA. However, the price rose by 3.5% in May.",
        );
        let cases: [(&str, &[&str]); 8] = [
            ("Maria Kowalski sold 12500 bicycles in 1997.", &[]),
            ("Kowalski’s price rose by 3.5 percent. Bicycles were sold to NASA by the firm.", &[]),
            ("The company thrived.", &[]),
            ("John Kowalski sold 13,500 bicycles.", &["John", "13,500"]),
            ("She sold them to ESA in 1998. It was in Poznań.", &["ESA", "1998"]),
            ("ESA bought them.", &["ESA"]),
            ("It rose by 35%.", &["35"]),
            ("价格上涨了 4 次。", &["4"]),
        ];
        for (summary, expected) in cases {
            let found: Vec<String> =
                source.check(summary).into_iter().flat_map(|checked| checked.unsupported).collect();
            assert_eq!(found, expected, "{summary}");
        }
        let checked = source.check("It sold bicycles. In 2001 it did not.");
        assert_eq!(checked.iter().map(|it| it.unsupported.len()).collect::<Vec<_>>(), [0, 1]);
    }
}
