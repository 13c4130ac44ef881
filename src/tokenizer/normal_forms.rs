//! Unicode normalisation forms with alignment: NFC, NFD, NFKC, NFKD.
//!
//! # Source
//! Unicode Standard Annex 15; how a character is counted that is decomposed, reordered or composed is as in the
//! `unicode-normalization-alignments` crate, which Hugging Face's `tokenizers` uses.

use super::aligned::{AlignedText, Part};
use crate::unicode::{Form, in_order};

/// Appends `part` in `form`.
pub fn normalize(form: Form, part: Part<'_>, output: &mut AlignedText) {
    if part.text.is_ascii() {
        return output.push_part(part);
    }
    let normal = form.of(part.text);
    if normal == part.text {
        return output.push_part(part);
    }
    part.transform(normal.chars().zip(changes(form, part.text, &normal)), 0, output);
}

/// The count for [`Part::transform`] of each character of `normal`, which is `text` in `form`. Of a character that is decomposed,
/// the first part replaces it and the others are inserted; a composed character counts for those that it was made of.
fn changes(form: Form, text: &str, normal: &str) -> Vec<isize> {
    let mut last = None;
    let mut change = |index| isize::from(last.replace(index) == Some(index));
    let parts: Vec<(char, isize)> =
        form.decomposed(text).into_iter().map(|(part, index)| (part, change(index))).collect();
    let (letters, sources): (Vec<char>, Vec<usize>) = Form::Nfd.decomposed(normal).into_iter().unzip();
    let mut changes = vec![1; normal.chars().count()];
    for (source, change) in sources.into_iter().zip(in_order(&parts, &letters)) {
        changes[source] += change - 1;
    }
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::char::{canonical_combining_class, compose, decompose_canonical, decompose_compatible};

    use super::*;

    /// The characters and their counts by the algorithm of the annex, as the reference has it.
    fn expected(form: Form, text: &str) -> Vec<(char, isize)> {
        let mut letters: Vec<(char, isize)> = Vec::new();
        for letter in text.chars() {
            let mut change = 0;
            let push = |part| {
                letters.push((part, change));
                change = 1;
            };
            match form {
                Form::Nfc | Form::Nfd => decompose_canonical(letter, push),
                Form::Nfkc | Form::Nfkd => decompose_compatible(letter, push),
            }
        }
        let class = |&(letter, _): &(char, isize)| canonical_combining_class(letter);
        let same = |left: &_, right: &_| class(left) != 0 && class(right) != 0;
        letters.chunk_by_mut(same).for_each(|marks| marks.sort_by_key(class));
        if matches!(form, Form::Nfc | Form::Nfkc) { recomposed(letters) } else { letters }
    }

    fn recomposed(letters: Vec<(char, isize)>) -> Vec<(char, isize)> {
        let mut output = Vec::new();
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

    fn check(form: Form, text: &str) {
        let (mut output, mut wanted) = (AlignedText::default(), AlignedText::default());
        let aligned = AlignedText::original(text);
        normalize(form, aligned.part(0..text.len()), &mut output);
        aligned.part(0..text.len()).transform(expected(form, text), 0, &mut wanted);
        assert_eq!(output, wanted, "{form:?} of {text:?}");
    }

    const FORMS: [Form; 4] = [Form::Nfc, Form::Nfd, Form::Nfkc, Form::Nfkd];

    #[test]
    fn every_character_is_aligned_as_by_the_reference() {
        // Above, none is assigned.
        for letter in '\0'..='\u{3ffff}' {
            // Behind a letter and before marks of two classes, so that it is composed and put in order.
            FORMS.into_iter().for_each(|form| check(form, &format!("a{letter}\u{301}\u{323}")));
        }
    }

    proptest! {
        #[test]
        fn texts_are_aligned_as_by_the_reference(text in "[a-zäéấ\u{300}-\u{310}\u{31b}\u{323}\u{9c7}\u{9be}ｶﾞﬁ가\u{1100}-\u{1110}\u{1161}-\u{1170}\u{11a8}\u{f73}]{0,12}") {
            FORMS.into_iter().for_each(|form| check(form, &text));
        }
    }
}
