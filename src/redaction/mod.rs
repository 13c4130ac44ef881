//! Taking personal data and secrets out of a text before it leaves, and putting them back into the reply.
//!
//! Two finders work together. What has a form, such as an address of electronic mail or the number of a
//! card, is recognised here. What has none, such as a name, is found by a model, whose spans are handed
//! in. Each distinct value becomes a placeholder, `[EMAIL_1]`, which stands for it in the whole request.
//! No redactor finds everything.

mod ascii_fold;
mod assigned_secret;
mod card;
mod email;
mod iban;
mod network;
mod phone;
mod placeholders;
mod repeats;
mod restore;
mod secret;
mod spans;
mod ssn;
mod url;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use placeholders::{Redaction, redact};
pub use restore::Restorer;

use ascii_fold::Folded;

/// What a value is. Its name is what stands in the placeholder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(Cow<'static, str>);

impl Kind {
    /// An address of electronic mail.
    pub const EMAIL: Self = Self(Cow::Borrowed("EMAIL"));
    /// A telephone number.
    pub const PHONE: Self = Self(Cow::Borrowed("PHONE"));
    /// The number of a payment card.
    pub const CARD: Self = Self(Cow::Borrowed("CARD"));
    /// An international bank account number.
    pub const IBAN: Self = Self(Cow::Borrowed("IBAN"));
    /// A social security number of the USA.
    pub const SSN: Self = Self(Cow::Borrowed("SSN"));
    /// An address of the internet protocol, version 4 or 6.
    pub const IP: Self = Self(Cow::Borrowed("IP"));
    /// The address of a network card.
    pub const MAC: Self = Self(Cow::Borrowed("MAC"));
    /// An address of the web that has a name or password in it.
    pub const URL: Self = Self(Cow::Borrowed("URL"));
    /// A key, a token or a password.
    pub const SECRET: Self = Self(Cow::Borrowed("SECRET"));

    /// The kind that a model calls `label`: its letters and digits in capitals.
    pub fn of_label(label: &str) -> Self {
        const MAX_CHARS: usize = 32;
        let name: String = label
            .chars()
            .take(MAX_CHARS)
            .map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' })
            .collect();
        let name = name.trim_matches('_');
        Self(if name.is_empty() { Cow::Borrowed("VALUE") } else { Cow::Owned(name.to_string()) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it is known by its form, and so is the same value wherever its characters are.
    fn has_form(&self) -> bool {
        RECOGNISERS.iter().any(|(kind, _)| kind == self)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where something stands that must not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The byte that it starts at.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
}

/// What was taken out: kinds and numbers, never values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Replaced {
    /// What it is, as in the placeholder.
    #[cfg_attr(feature = "web", tsify(type = "string"))]
    pub kind: Kind,
    /// How many different values.
    pub values: u32,
    /// In how many places.
    pub places: u32,
}

/// Finds values of one kind.
type Recogniser = fn(&[u8]) -> Vec<Range<usize>>;

/// The longest of spans that overlap gives its kind to all; of two as long, the one that is first here.
const RECOGNISERS: [(Kind, Recogniser); 12] = [
    (Kind::SECRET, secret::tokens),
    (Kind::SECRET, secret::private_keys),
    (Kind::SECRET, assigned_secret::secrets),
    (Kind::URL, url::urls_with_credentials),
    (Kind::EMAIL, email::emails),
    (Kind::IBAN, iban::ibans),
    (Kind::CARD, card::cards),
    (Kind::SSN, ssn::ssns),
    (Kind::MAC, network::macs),
    (Kind::IP, network::ipv4s),
    (Kind::IP, network::ipv6s),
    (Kind::PHONE, phone::phones),
];

/// Everything in `text` that has a form, overlapping where it does. The time it takes grows with the length
/// of the text, whatever the text is.
pub fn recognise(text: &str) -> Vec<Span> {
    let folded = Folded::new(text);
    let spans = RECOGNISERS.iter().flat_map(|(kind, recogniser)| {
        let ranges = recogniser(folded.bytes());
        ranges.into_iter().map(|range| folded.span(range, kind.clone()))
    });
    spans.collect()
}

/// `text` with `[KIND]` in the place of everything that has a form, for words that are shown and not sent.
pub fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for Span { start, end, kind } in spans::merged(text, recognise(text)) {
        masked.push_str(&text[from..start]);
        masked.push_str(&format!("[{kind}]"));
        from = end;
    }
    masked + &text[from..]
}

#[cfg(test)]
mod tests;
#[cfg(all(test, not(target_family = "wasm")))]
mod valid_values;
