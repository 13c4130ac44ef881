//! Unicode normalisation forms with alignment: NFC, NFD, NFKC, NFKD.
//!
//! # Source
//! Unicode Standard Annex 15; how a character is counted that is decomposed, reordered or composed is as in the
//! `unicode-normalization-alignments` crate, which Hugging Face's `tokenizers` uses.

use unicode_normalization::char::{canonical_combining_class, compose, decompose_canonical, decompose_compatible};

use super::aligned::{AlignedText, Part};

/// A normalisation form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
}

impl Form {
    /// Appends `part` in this form.
    pub fn apply(self, part: Part<'_>, output: &mut AlignedText) {
        if part.text.is_ascii() {
            return output.push_part(part);
        }
        let decomposed = decompose(part.text, matches!(self, Self::Nfkc | Self::Nfkd));
        match self {
            Self::Nfd | Self::Nfkd => part.transform(decomposed, 0, output),
            Self::Nfc | Self::Nfkc => part.transform(recompose(decomposed), 0, output),
        }
    }
}

/// The decomposed characters in canonical order, each with its count for [`Part::transform`].
fn decompose(text: &str, compatible: bool) -> Vec<(char, isize)> {
    let mut letters: Vec<(char, isize)> = Vec::with_capacity(text.len());
    for letter in text.chars() {
        let mut change = 0;
        let push = |part| {
            letters.push((part, change));
            change = 1;
        };
        if compatible { decompose_compatible(letter, push) } else { decompose_canonical(letter, push) }
    }
    let class = |&(letter, _): &(char, isize)| canonical_combining_class(letter);
    let same = |left: &_, right: &_| class(left) != 0 && class(right) != 0;
    letters.chunk_by_mut(same).for_each(|marks| marks.sort_by_key(class));
    letters
}

/// Composes what can be composed; a composed character counts for those that it was made of.
fn recompose(letters: Vec<(char, isize)>) -> Vec<(char, isize)> {
    let mut output = Vec::with_capacity(letters.len());
    let mut starter: Option<(char, isize)> = None;
    // The marks behind the starter that were not composed with it, and the class of the last one.
    let (mut marks, mut last_class) = (Vec::new(), None);
    for (letter, change) in letters {
        let class = canonical_combining_class(letter);
        let Some(first) = starter else {
            if class == 0 {
                starter = Some((letter, change));
            } else {
                output.push((letter, change));
            }
            continue;
        };
        let blocked = last_class.is_some_and(|last| last >= class);
        if !blocked && let Some(composed) = compose(first.0, letter) {
            starter = Some((composed, first.1 + change - 1));
        } else if class == 0 {
            output.push(first);
            output.append(&mut marks);
            (starter, last_class) = (Some((letter, change)), None);
        } else {
            marks.push((letter, change));
            last_class = Some(class);
        }
    }
    output.extend(starter);
    output.append(&mut marks);
    output
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    proptest! {
        #[test]
        fn forms_are_those_of_unicode_normalization(text in "[a-zäéấ\u{300}-\u{310}\u{31b}\u{323}\u{9c7}\u{9be}ｶﾞﬁ가\u{1100}-\u{1110}\u{1161}-\u{1170}\u{11a8}\u{f73}]{0,12}") {
            let expected: [String; 4] =
                [text.nfc().collect(), text.nfd().collect(), text.nfkc().collect(), text.nfkd().collect()];
            for (form, expected) in [Form::Nfc, Form::Nfd, Form::Nfkc, Form::Nfkd].into_iter().zip(expected) {
                let mut output = AlignedText::default();
                let aligned = AlignedText::original(&text);
                form.apply(aligned.part(0..text.len()), &mut output);
                prop_assert_eq!(output.text(), expected);
            }
        }
    }
}
