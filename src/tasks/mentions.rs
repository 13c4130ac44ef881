//! Where a text mentions the entities that a model lists: whole words, in their order, each mention once.
//!
//! Models copy words in another form than the text has them: precomposed or not, with plain spaces, quotes and hyphens. Both are
//! compared in a folded form, whose characters know where they come from.
//!
//! # Source
//! Unicode Standard Annex 15, canonical equivalence (decomposition, and the order of combining marks).

use std::ops::Range;

use crate::unicode::{Form, in_order, is_mark};

/// A character of the folded form, and the bytes of the character that it comes from.
#[derive(Clone, Debug)]
struct Folded {
    char: char,
    range: Range<usize>,
}

/// Finds mentions in one text.
pub struct Mentions {
    folded: Vec<Folded>,
    found: Vec<(Range<usize>, String)>,
    /// Where the mention before ended: they are listed in the order of the text.
    from: usize,
}

/// What was found of an entity.
#[derive(Debug, PartialEq, Eq)]
pub enum Mention {
    /// Its bytes in the text.
    At(Range<usize>),
    /// Every mention of it was found before.
    Repeated,
    /// The text does not mention it.
    Missing,
}

impl Mentions {
    /// The mentions in `text`.
    pub fn new(text: &str) -> Self {
        Self { folded: fold(text), found: Vec::new(), from: 0 }
    }

    /// The next mention of `words` under `label`: behind the one before, else the first that is left.
    pub fn next(&mut self, label: &str, words: &str) -> Mention {
        let ranges = self.ranges(words);
        if ranges.is_empty() {
            return Mention::Missing;
        }
        let free = |range: &&Range<usize>| !self.found.iter().any(|(found, _)| found == *range);
        // The same words may be listed under two labels.
        let other = |range: &&Range<usize>| !self.found.iter().any(|(found, of)| found == *range && of == label);
        let next = ranges.iter().filter(free).find(|range| range.start >= self.from);
        let next = next.or_else(|| ranges.iter().find(free)).or_else(|| ranges.iter().find(other));
        let Some(range) = next.cloned() else { return Mention::Repeated };
        self.from = range.end;
        self.found.push((range.clone(), label.to_string()));
        Mention::At(range)
    }

    /// Every mention of `words`, in the order of the text.
    fn ranges(&self, words: &str) -> Vec<Range<usize>> {
        let words: Vec<char> = fold(words.trim()).into_iter().map(|folded| folded.char).collect();
        if words.is_empty() {
            return Vec::new();
        }
        let starts = self.folded.windows(words.len()).enumerate();
        let starts = starts.filter(|(_, window)| window.iter().map(|folded| folded.char).eq(words.iter().copied()));
        let ends = starts.map(|(start, _)| (start, start + words.len()));
        ends.filter(|(start, end)| self.is_boundary(*start) && self.is_boundary(*end))
            .map(|(start, end)| self.folded[start].range.start..self.folded[end - 1].range.end)
            .collect()
    }

    /// Whether a word may begin or end before the folded character at `index`.
    fn is_boundary(&self, index: usize) -> bool {
        let (Some(before), Some(behind)) = (index.checked_sub(1).map(|at| &self.folded[at]), self.folded.get(index))
        else {
            return true;
        };
        let inside = before.range == behind.range || is_mark(behind.char);
        !(inside || is_of_word(before.char) && is_of_word(behind.char))
    }
}

/// Whether `char` belongs to a word that spaces separate from others. Chinese, Japanese and the scripts of South-East Asia have no
/// spaces between words, and in Korean endings follow a name without one.
fn is_of_word(char: char) -> bool {
    let without_spaces = matches!(char,
        '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{1100}'..='\u{11FF}'
        | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7FF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF66}'..='\u{FFDC}'
        | '\u{20000}'..='\u{3FFFF}');
    (char.is_alphanumeric() || is_mark(char)) && !without_spaces
}

/// The folded form of `text`.
fn fold(text: &str) -> Vec<Folded> {
    let mut plain = String::with_capacity(text.len());
    // Where the characters of `plain` come from.
    let mut ranges: Vec<Range<usize>> = Vec::with_capacity(text.len());
    for (start, char) in text.char_indices() {
        let range = start..start + char.len_utf8();
        let folded = match char {
            // Without width: soft hyphens, joiners, marks of byte order.
            '\u{AD}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}' => continue,
            _ if char.is_whitespace() => ' ',
            '\u{2018}'..='\u{201B}' | '\u{2032}' | '\u{2BC}' | '`' | '\u{B4}' => '\'',
            '\u{201C}'..='\u{201F}' | '\u{2033}' | '\u{AB}' | '\u{BB}' => '"',
            '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
            _ => char,
        };
        match ranges.last_mut() {
            Some(last) if folded == ' ' && plain.ends_with(' ') => last.end = range.end,
            _ => {
                plain.push(folded);
                ranges.push(range);
            }
        }
    }
    // Marks of different classes mean the same in any order.
    let parts = Form::Nfd.decomposed(&plain);
    let ordered: Vec<char> = Form::Nfd.of(&plain).chars().collect();
    let sources = in_order(&parts, &ordered);
    ordered.into_iter().zip(sources).map(|(char, source)| Folded { char, range: ranges[source].clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mention's words in the text.
    fn found<'a>(text: &'a str, mentions: &[&str]) -> Vec<Option<&'a str>> {
        let mut finder = Mentions::new(text);
        let mut find = |words: &&str| match finder.next("X", words) {
            Mention::At(range) => Some(&text[range]),
            Mention::Repeated | Mention::Missing => None,
        };
        mentions.iter().map(&mut find).collect()
    }

    #[test]
    fn whole_words_are_found() {
        let at = |text: &str, words: &str| Mentions::new(text).next("X", words);
        assert_eq!(at("Anna met Ann.", "Ann"), Mention::At(9..12));
        assert_eq!(at("Joanna, Ann-Sophie", "Ann"), Mention::At(8..11));
        assert_eq!(at("Anna and Hanns", "Ann"), Mention::Missing);
        assert_eq!(at("C++ and C", "C++"), Mention::At(0..3));
        assert_eq!(at("x2 2", "2"), Mention::At(3..4));
        assert_eq!(at("", "Ann"), Mention::Missing);
        for nothing in ["", " ", "\u{200B}"] {
            assert_eq!(at("Ann", nothing), Mention::Missing);
        }
        // No spaces separate these.
        assert_eq!(found("东京都的李明在这里", &["李明"]), [Some("李明")]);
        assert_eq!(found("서울은 춥다", &["서울"]), [Some("서울")]);
        assert_eq!(found("นายสมชายมา", &["สมชาย"]), [Some("สมชาย")]);
    }

    #[test]
    fn other_forms_of_the_same_words_are_found() {
        for (text, words, there) in [
            ("Call Jane\u{A0}Doe now", "Jane Doe", "Jane\u{A0}Doe"),
            ("Call Jane \n Doe now", "Jane Doe", "Jane \n Doe"),
            ("in Ło\u{301}dz\u{301}.", "Łódź", "Ło\u{301}dz\u{301}"),
            ("in Łódź.", "Ło\u{301}dz\u{301}", "Łódź"),
            ("Sinéad O’Connor sang", "Sinéad O'Connor", "Sinéad O’Connor"),
            ("the “Blue Moon” bar", "\"Blue Moon\"", "“Blue Moon”"),
            ("Ann‑Sophie", "Ann-Sophie", "Ann‑Sophie"),
            ("e\u{323}\u{302}x", "ệx", "e\u{323}\u{302}x"),
            ("e\u{302}\u{323}x", "ệx", "e\u{302}\u{323}x"),
            ("Donau\u{AD}dampf", "Donaudampf", "Donau\u{AD}dampf"),
        ] {
            assert_eq!(found(text, &[words]), [Some(there)], "{text}");
        }
        // Half a character is not found.
        assert_eq!(found("Rene\u{301}", &["Rene"]), [None]);
        assert_eq!(found("René", &["Rene"]), [None]);
    }

    #[test]
    fn every_mention_is_found_once_and_in_order() {
        let mut mentions = Mentions::new("Ann saw Bob and Ann.");
        assert_eq!(mentions.next("PER", "Ann"), Mention::At(0..3));
        assert_eq!(mentions.next("PER", "Ann"), Mention::At(16..19));
        // Listed out of order.
        assert_eq!(mentions.next("PER", "Bob"), Mention::At(8..11));
        assert_eq!(mentions.next("PER", "Ann"), Mention::Repeated);
        assert_eq!(mentions.next("ORG", "Ann"), Mention::At(0..3));
        assert_eq!(mentions.next("PER", "Eve"), Mention::Missing);
    }
}
