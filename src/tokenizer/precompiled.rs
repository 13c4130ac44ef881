//! SentencePiece's precompiled normalisation: a table of replacements in a double array.
//!
//! # Source
//! SentencePiece's `normalizer.cc` and Darts-clone's `darts.h`; the choice of the shortest prefix and of whole grapheme
//! clusters below six bytes is as in the `spm_precompiled` crate, which Hugging Face's `tokenizers` uses. That crate panics
//! on a broken table.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use unicode_segmentation::UnicodeSegmentation;

use super::aligned::{AlignedText, Part};

/// A table of replacements.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Field")]
pub struct Precompiled {
    /// The units of the double array.
    units: Vec<u32>,
    /// The replacements, each with a zero behind it.
    replacements: String,
}

#[derive(Deserialize)]
struct Field {
    #[serde(default)]
    precompiled_charsmap: Option<String>,
}

/// Longer grapheme clusters are looked up character by character.
const MAX_CLUSTER: usize = 6;

impl TryFrom<Field> for Precompiled {
    type Error = String;

    fn try_from(field: Field) -> Result<Self, String> {
        let text = field.precompiled_charsmap.unwrap_or_default();
        let bytes = STANDARD.decode(text).map_err(|error| format!("precompiled_charsmap is not in base64: {error}"))?;
        if bytes.is_empty() {
            return Ok(Self { units: Vec::new(), replacements: String::new() });
        }
        let (size, rest) = bytes.split_first_chunk().ok_or("precompiled_charsmap has no size")?;
        let size = u32::from_le_bytes(*size) as usize;
        let (units, replacements) = rest.split_at_checked(size).ok_or_else(|| {
            format!("precompiled_charsmap: expected {size} bytes of a double array, got {}", rest.len())
        })?;
        let (units, _) = units.as_chunks();
        let replacements =
            String::from_utf8(replacements.into()).map_err(|_| "precompiled_charsmap is not in UTF-8")?;
        Ok(Self { units: units.iter().map(|&unit| u32::from_le_bytes(unit)).collect(), replacements })
    }
}

impl Precompiled {
    /// Appends `part` with its replacements.
    pub fn apply(&self, part: Part<'_>, output: &mut AlignedText) {
        let mut changes: Vec<(char, isize)> = Vec::with_capacity(part.text.len());
        for cluster in part.text.graphemes(true) {
            if cluster.len() < MAX_CLUSTER
                && let Some(replacement) = self.replacement(cluster)
            {
                replace(cluster, replacement, &mut changes);
                continue;
            }
            for letter in cluster.chars() {
                let mut bytes = [0; 4];
                let text = letter.encode_utf8(&mut bytes);
                match self.replacement(text) {
                    Some(replacement) => replace(text, replacement, &mut changes),
                    None => changes.push((letter, 0)),
                }
            }
        }
        part.transform(changes, 0, output);
    }

    /// What stands for the shortest prefix of `text` that is in the table.
    fn replacement(&self, text: &str) -> Option<&str> {
        let mut at = 0;
        let mut unit = *self.units.first()?;
        at ^= offset(unit);
        for &byte in text.as_bytes() {
            if byte == 0 {
                return None;
            }
            at ^= usize::from(byte);
            unit = *self.units.get(at)?;
            // The label, and a bit that no label has in a unit with a value.
            if unit & (1 << 31 | 0xff) != u32::from(byte) {
                return None;
            }
            at ^= offset(unit);
            // Whether a value is there.
            if unit >> 8 & 1 == 1 {
                let start = self.units.get(at)? & ((1 << 31) - 1);
                return self.replacements.get(start as usize..)?.split('\0').next();
            }
        }
        None
    }
}

/// The offset of a unit's children.
fn offset(unit: u32) -> usize {
    ((unit >> 10) as usize) << ((unit & 1 << 9) >> 6)
}

/// Adds the characters of `new`, which stand for those of `old`, each with its count for [`Part::transform`].
fn replace(old: &str, new: &str, changes: &mut Vec<(char, isize)>) {
    let (before, first) = (old.chars().count(), changes.len());
    changes.extend(new.chars().enumerate().map(|(index, letter)| (letter, isize::from(index >= before))));
    let removed = before.saturating_sub(changes.len() - first);
    if removed > 0
        && let Some((_, change)) = changes.last_mut()
    {
        *change -= removed as isize;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_table_is_refused_or_replaces_nothing() {
        for wrong in ["!", "AAA=", "/////w=="] {
            let field = serde_json::json!({ "precompiled_charsmap": wrong });
            assert!(serde_json::from_value::<Precompiled>(field).is_err(), "{wrong}");
        }
        // Units that point out of the table.
        let bytes = [[8, 0, 0, 0], [0xff; 4], [0xff; 4]].concat();
        let field = serde_json::json!({ "precompiled_charsmap": STANDARD.encode(bytes) });
        let table: Precompiled = serde_json::from_value(field).unwrap();
        let mut output = AlignedText::default();
        table.apply(AlignedText::original("a\u{fb01}\0b").part(0..6), &mut output);
        assert_eq!(output.text(), "a\u{fb01}\0b");
    }
}
