//! Pieces: a text that added tokens and pre-tokenizers have split, and that normalizers rewrite.

use std::ops::Range;

use serde::Deserialize;

use super::aligned::{AlignedText, Match, Part};

/// What becomes of a delimiter when a text is split: of `a--b` with the delimiter `-`, see each variant.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub enum Behavior {
    /// `a`, `b`.
    Removed,
    /// `a`, `-`, `-`, `b`.
    Isolated,
    /// `a-`, `-`, `b`.
    MergedWithPrevious,
    /// `a`, `-`, `-b`.
    MergedWithNext,
    /// `a`, `--`, `b`.
    Contiguous,
}

impl Behavior {
    /// The pieces of a text that `matches` cover.
    pub fn pieces(self, matches: Vec<Match>) -> Vec<Piece> {
        self.ranges(matches).into_iter().map(|range| Piece { range, added: None }).collect()
    }

    /// The ranges that remain of a text that `matches` cover.
    fn ranges(self, matches: Vec<Match>) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::with_capacity(matches.len());
        let mut previous = false;
        match self {
            Self::Removed => {
                ranges.extend(matches.into_iter().filter(|found| !found.matched).map(|found| found.range));
            }
            Self::Isolated => ranges.extend(matches.into_iter().map(|found| found.range)),
            Self::Contiguous | Self::MergedWithPrevious => {
                for Match { range, matched } in matches {
                    let merges = if self == Self::Contiguous { matched == previous } else { matched && !previous };
                    match ranges.last_mut() {
                        Some(last) if merges => last.end = range.end,
                        _ => ranges.push(range),
                    }
                    previous = matched;
                }
            }
            Self::MergedWithNext => {
                for Match { range, matched } in matches.into_iter().rev() {
                    match ranges.last_mut() {
                        Some(next) if matched && !previous => next.start = range.start,
                        _ => ranges.push(range),
                    }
                    previous = matched;
                }
                ranges.reverse();
            }
        }
        ranges
    }
}

/// A part of the text: an added token, or what is still to be tokenized.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Its bytes in the text of [`Pieces`].
    pub range: Range<usize>,
    /// The id of the added token that it is.
    pub added: Option<u32>,
}

/// A text in pieces.
#[derive(Debug)]
pub struct Pieces {
    pub text: AlignedText,
    /// In order, none empty.
    pub pieces: Vec<Piece>,
}

impl Pieces {
    /// A text as one piece.
    pub fn new(text: &str) -> Self {
        let whole = Piece { range: 0..text.len(), added: None };
        Self { text: AlignedText::original(text), pieces: if text.is_empty() { Vec::new() } else { vec![whole] } }
    }

    /// Splits each piece that is no added token into those that `split` finds in it, at offsets of the piece.
    pub fn split_pieces(&mut self, mut split: impl FnMut(Part<'_>) -> Vec<Piece>) {
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces.drain(..) {
            if piece.added.is_some() {
                pieces.push(piece);
                continue;
            }
            let start = piece.range.start;
            let found = split(self.text.part(piece.range)).into_iter().filter(|piece| !piece.range.is_empty());
            pieces.extend(
                found.map(|Piece { range, added }| Piece { range: start + range.start..start + range.end, added }),
            );
        }
        self.pieces = pieces;
    }

    /// Splits each piece that is no added token where `matches` finds delimiters.
    pub fn split(&mut self, behavior: Behavior, matches: impl Fn(&str) -> Vec<Match>) {
        self.split_pieces(|part| behavior.pieces(matches(part.text)));
    }

    /// Rewrites each piece that is no added token: `rewrite` appends what becomes of it.
    pub fn rewrite(&mut self, mut rewrite: impl FnMut(Part<'_>, &mut AlignedText)) {
        let mut output = AlignedText::default();
        for piece in &mut self.pieces {
            let (part, start) = (self.text.part(piece.range.clone()), output.text().len());
            if piece.added.is_some() {
                output.push_part(part);
            } else {
                rewrite(part, &mut output);
            }
            piece.range = start..output.text().len();
        }
        self.text = output;
        self.pieces.retain(|piece| !piece.range.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::super::aligned::{cover, letters};
    use super::*;

    #[test]
    fn delimiters_are_kept_as_the_behavior_says() {
        for (behavior, expected) in [
            (Behavior::Removed, ["the", "final", "countdown"].as_slice()),
            (Behavior::Isolated, &["the", "-", "final", "-", "-", "countdown"]),
            (Behavior::MergedWithPrevious, &["the-", "final-", "-", "countdown"]),
            (Behavior::MergedWithNext, &["the", "-final", "-", "-countdown"]),
            (Behavior::Contiguous, &["the", "-", "final", "--", "countdown"]),
        ] {
            let mut pieces = Pieces::new("the-final--countdown");
            pieces.split(behavior, |text| cover(letters(text, |letter| letter == '-'), text.len()));
            let texts: Vec<_> = pieces.pieces.iter().map(|piece| &pieces.text.text()[piece.range.clone()]).collect();
            assert_eq!(texts, expected, "{behavior:?}");
        }
    }
}
