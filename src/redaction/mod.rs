//! Redaction: personal data and secrets are replaced by placeholders before a text leaves, and restored in the reply.
//!
//! Two finders work together. Values with a form, such as an email address or a card number, are recognised here, one file
//! for each kind. Values without one, such as names, are found by a model, whose spans are passed in. Each distinct value
//! becomes a placeholder, `[EMAIL_1]`, which stands for it in the whole request. No redactor finds everything: a model
//! finds names in the scripts that it was trained on, and forms are found in the digits of all scripts (`docs/privacy.md`).
//!
//! ```
//! use pilot_light::redaction::{PiiLabel, PiiSpan, redact};
//!
//! let text = "Ann: write to ann@example.com";
//! let name = PiiSpan { start: 0, end: 3, label: PiiLabel::from_label("given name") };
//! let redaction = redact(&[(text, vec![name])]);
//! assert_eq!(redaction.texts(), ["[GIVEN_NAME_1]: write to [EMAIL_1]"]);
//! assert_eq!(redaction.restore("Hello [GIVEN_NAME_1]"), "Hello Ann");
//! ```

mod ascii_fold;
mod assigned_secret;
mod card;
mod command_line;
mod email;
mod iban;
mod network;
mod phone;
mod placeholders;
mod repeats;
mod restore;
mod secret;
mod separators;
mod spans;
mod ssn;
mod url;
mod webhook;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use placeholders::{Redaction, redact};
pub use restore::Restorer;

use ascii_fold::Folded;

/// What a value is. Its name is what stands in the placeholder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct PiiLabel(Cow<'static, str>);

impl PiiLabel {
    /// The label of a recogniser: capitals, digits and underscores.
    const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The label that a model calls `label`: its letters and digits in capitals.
    pub fn from_label(label: &str) -> Self {
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

    /// Whether values of it are recognised by their form, and so are the same wherever their characters are.
    fn has_form(&self) -> bool {
        RECOGNISERS.iter().any(|recogniser| recogniser.label == *self)
    }
}

impl From<String> for PiiLabel {
    fn from(label: String) -> Self {
        Self::from_label(&label)
    }
}

impl From<PiiLabel> for String {
    fn from(label: PiiLabel) -> Self {
        label.0.into_owned()
    }
}

impl fmt::Display for PiiLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A span of a text that is personal data or a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct PiiSpan {
    /// The offset at which it starts: in bytes, unless it is said to be in another unit.
    pub start: usize,
    /// The offset behind its end.
    pub end: usize,
    /// What it is.
    #[cfg_attr(feature = "web", tsify(type = "string"))]
    pub label: PiiLabel,
}

/// What was replaced: labels and counts, never values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Replaced {
    /// What it is, as in the placeholder.
    #[cfg_attr(feature = "web", tsify(type = "string"))]
    pub kind: PiiLabel,
    /// How many different values.
    pub values: u32,
    /// How often they occur.
    pub places: u32,
}

/// Finds values of one kind by their form.
struct Recogniser {
    label: PiiLabel,
    /// Their ranges in a text that was folded to ASCII, in their order. The time it takes must grow with the length of
    /// the text only.
    find: fn(&[u8]) -> Vec<Range<usize>>,
    /// What makes a long text slow to search if it is repeated, such as the beginning of a value.
    #[cfg(test)]
    slow: &'static [&'static str],
    /// Makes valid values, for a property test; `None` where their form is not one of a standard.
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: Option<fn() -> proptest::strategy::BoxedStrategy<String>>,
}

/// Where spans overlap, the longest gives its label to all; of two of the same length, the one that is first here.
const RECOGNISERS: &[Recogniser] = &[
    secret::TOKEN,
    secret::PRIVATE_KEY,
    assigned_secret::ASSIGNED_SECRET,
    command_line::CREDENTIALS,
    webhook::WEBHOOK,
    url::URL,
    email::EMAIL,
    iban::IBAN,
    card::CARD,
    ssn::SSN,
    network::MAC,
    network::IPV4,
    network::IPV6,
    phone::PHONE,
];

/// Everything in `text` that has a form, overlapping where it does. The time it takes grows with the length
/// of the text, whatever the text is.
pub fn recognise(text: &str) -> Vec<PiiSpan> {
    let folded = Folded::new(text);
    let spans = RECOGNISERS.iter().flat_map(|Recogniser { label, find, .. }| {
        let ranges = find(folded.bytes());
        ranges.into_iter().map(|range| folded.span(range, label.clone()))
    });
    spans.collect()
}

/// `text` with `[LABEL]` instead of everything that has a form, for text that is shown and not sent.
pub fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for PiiSpan { start, end, label } in spans::merged(text, recognise(text)) {
        masked.push_str(&text[from..start]);
        masked.push_str(&format!("[{label}]"));
        from = end;
    }
    masked + &text[from..]
}

#[cfg(test)]
mod tests;
#[cfg(all(test, not(target_family = "wasm")))]
mod valid_values;
