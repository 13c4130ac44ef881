//! Restoring values in place of their placeholders, also in a reply that arrives in pieces.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

/// Values by their placeholders.
pub type Values = Arc<BTreeMap<String, String>>;

/// Restores one reply, piece by piece. A placeholder that it does not know is left as it is.
///
/// ```
/// use pilot_light::redaction::redact;
///
/// let mut restorer = redact(&[("ann@example.com", vec![])]).restorer();
/// assert_eq!(restorer.feed("to [EMA"), "to ");
/// assert_eq!(restorer.feed("IL_1], [EMAIL_2]"), "ann@example.com, [EMAIL_2]");
/// assert_eq!(restorer.end(), "");
/// ```
pub struct Restorer {
    values: Values,
    /// The beginning of what may become a placeholder; never longer than one.
    held: String,
}

impl fmt::Debug for Restorer {
    /// Without the values, which nobody is to see in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restorer").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

impl Restorer {
    pub(super) fn new(values: Values) -> Self {
        Self { values, held: String::new() }
    }

    /// What can be given out with `piece`.
    pub fn feed(&mut self, piece: &str) -> String {
        let mut text = std::mem::take(&mut self.held);
        text.push_str(piece);
        let mut restored = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(open) = rest.find('[') {
            restored.push_str(&rest[..open]);
            rest = &rest[open..];
            let end = match rest[1..].find(['[', ']']) {
                Some(offset) if rest.as_bytes()[offset + 1] == b']' => offset + 2,
                Some(offset) => offset + 1,
                None if self.may_begin(rest) => {
                    self.held = rest.to_string();
                    return restored;
                }
                None => rest.len(),
            };
            let (word, behind) = rest.split_at(end);
            restored.push_str(self.values.get(word).map_or(word, String::as_str));
            rest = behind;
        }
        restored.push_str(rest);
        restored
    }

    /// What was held back when the reply has ended.
    pub fn end(self) -> String {
        self.held
    }

    fn may_begin(&self, words: &str) -> bool {
        let next = self.values.range::<str, _>((Bound::Included(words), Bound::Unbounded)).next();
        next.is_some_and(|(placeholder, _)| placeholder.starts_with(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restorer() -> Restorer {
        let values =
            [("[EMAIL_1]", "ann@x.de"), ("[EMAIL_10]", "[NAME_1]"), ("[NAME_1]", "[Ann"), ("[NAME_2]", "Łódź")];
        Restorer::new(Arc::new(values.map(|(a, b)| (a.to_string(), b.to_string())).into()))
    }

    fn restored(pieces: &[&str]) -> String {
        let mut restorer = restorer();
        let mut text: String = pieces.iter().map(|piece| restorer.feed(piece)).collect();
        text.push_str(&restorer.end());
        text
    }

    const REPLY: &str = "[[NAME_1] to [EMAIL_1]: [EMAIL_10], [EMAIL_2] [NAME_2][EMAIL_] [] ] [a [NAME_1";
    const WHOLE: &str = "[[Ann to ann@x.de: [NAME_1], [EMAIL_2] Łódź[EMAIL_] [] ] [a [NAME_1";

    #[test]
    fn what_is_known_comes_back_and_nothing_else() {
        assert_eq!(restored(&[REPLY]), WHOLE);
        for at in 0..REPLY.len() {
            assert_eq!(restored(&[&REPLY[..at], &REPLY[at..]]), WHOLE, "{at}");
        }
        let single: Vec<&str> = (0..REPLY.len()).map(|at| &REPLY[at..at + 1]).collect();
        assert_eq!(restored(&single), WHOLE);
    }

    #[test]
    fn nothing_is_held_back_for_long() {
        let mut restorer = restorer();
        assert_eq!(
            (restorer.feed("a [NA"), restorer.feed("x"), restorer.feed("[EMAIL_1")),
            ("a ".to_string(), "[NAx".to_string(), String::new())
        );
        assert_eq!(restorer.feed("5"), "[EMAIL_15");
        assert_eq!(format!("{restorer:?}"), "Restorer { values: 4, .. }");
    }
}
