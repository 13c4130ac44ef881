//! Normalisation forms, by the `unicode-normalization` crate natively and by the browser in a page, whose tables cost no download.
//!
//! # Source
//! Unicode Standard Annex 15.

use crate::sort::order_by;

/// A normalisation form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
}

impl Form {
    /// `text` in this form.
    pub fn of(self, text: &str) -> String {
        if text.is_ascii() { text.into() } else { self.of_any(text) }
    }

    #[cfg(not(target_family = "wasm"))]
    fn of_any(self, text: &str) -> String {
        use unicode_normalization::UnicodeNormalization;
        match self {
            Self::Nfc => text.nfc().collect(),
            Self::Nfd => text.nfd().collect(),
            Self::Nfkc => text.nfkc().collect(),
            Self::Nfkd => text.nfkd().collect(),
        }
    }

    #[cfg(target_family = "wasm")]
    fn of_any(self, text: &str) -> String {
        let name = match self {
            Self::Nfc => "NFC",
            Self::Nfd => "NFD",
            Self::Nfkc => "NFKC",
            Self::Nfkd => "NFKD",
        };
        js_sys::JsString::from(text).normalize(name).into()
    }

    /// Each character of `text` decomposed by itself, canonically or, for the forms that start with K, compatibly: the parts,
    /// and the index of the character that they come from. Marks of several characters are not put in order.
    pub fn decomposed(self, text: &str) -> Vec<(char, usize)> {
        let form = match self {
            Self::Nfc | Self::Nfd => Self::Nfd,
            Self::Nfkc | Self::Nfkd => Self::Nfkd,
        };
        // At once, since a call of the browser takes a microsecond. No character has the separator in its decomposition.
        let apart: String =
            text.chars().filter(|letter| !letter.is_ascii()).flat_map(|letter| [letter, '\n']).collect();
        let apart = form.of(&apart);
        let mut decompositions = apart.split('\n');
        let mut parts = Vec::with_capacity(text.len());
        for (index, letter) in text.chars().enumerate() {
            if letter.is_ascii() {
                parts.push((letter, index));
            } else {
                parts.extend(decompositions.next().unwrap_or_default().chars().map(|part| (part, index)));
            }
        }
        parts
    }
}

/// What belongs to each of the characters `ordered`, which are those of `parts` with their marks in canonical order. That order
/// is stable: equal characters keep theirs.
pub fn in_order<T: Copy + Default>(parts: &[(char, T)], ordered: &[char]) -> Vec<T> {
    if parts.iter().map(|(letter, _)| letter).eq(ordered) {
        return parts.iter().map(|&(_, value)| value).collect();
    }
    let from = order_by(parts.len(), &|a, b| parts[a].0.cmp(&parts[b].0));
    let to = order_by(ordered.len(), &|a, b| ordered[a].cmp(&ordered[b]));
    let mut values = vec![T::default(); ordered.len()];
    for (from, to) in from.into_iter().zip(to) {
        values[to] = parts[from].1;
    }
    values
}
