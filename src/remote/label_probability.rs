//! The probability of a label, by the tokens that it is written with in an answer.

use std::ops::Range;

use super::protocols::TokenLogprob;

/// The probability of `label`: that of its tokens in an answer as JSON, in which it is what `name` has, or an item of that. Where another one of the `labels` begins with it, also that
/// of the token behind it, since only that tells the two apart. `None` where the tokens are not known.
pub fn label_probability(tokens: &[TokenLogprob], name: &str, label: &str, labels: &[String]) -> Option<f64> {
    let words: Vec<u8> = tokens.iter().flat_map(|token| token.bytes.iter().copied()).collect();
    // The last one: thoughts come before the answer.
    let quoted = strings_of(&words, name).into_iter().rfind(|at| is_string(&words[at.clone()], label))?;
    let goes_on = labels.iter().any(|other| other != label && other.starts_with(label));
    let written = quoted.start + 1..if goes_on { quoted.end } else { quoted.end - 1 };
    let (mut start, mut sum) = (0, 0.0);
    for TokenLogprob { bytes, logprob } in tokens {
        let end = start + bytes.len();
        if start < written.end && end > written.start {
            sum += logprob;
        }
        start = end;
    }
    (!sum.is_nan()).then(|| sum.exp().min(1.0))
}

/// Where the strings are in `words`, with their quotes, that are values of `name`, or items of one that is a list.
fn strings_of(words: &[u8], name: &str) -> Vec<Range<usize>> {
    let name = format!("\"{name}\"");
    let mut found = Vec::new();
    for (at, _) in words.windows(name.len()).enumerate().filter(|(_, window)| *window == name.as_bytes()) {
        let colon = behind_spaces(words, at + name.len());
        if words.get(colon) != Some(&b':') {
            continue;
        }
        let mut start = behind_spaces(words, colon + 1);
        let is_list = words.get(start) == Some(&b'[');
        if is_list {
            start = behind_spaces(words, start + 1);
        }
        while let Some(string) = string_at(words, start) {
            let next = behind_spaces(words, string.end);
            found.push(string);
            if !is_list || words.get(next) != Some(&b',') {
                break;
            }
            start = behind_spaces(words, next + 1);
        }
    }
    found
}

/// The string that begins at `start`, with its quotes.
fn string_at(words: &[u8], start: usize) -> Option<Range<usize>> {
    if words.get(start) != Some(&b'"') {
        return None;
    }
    let mut escapes = false;
    let is_end = |byte: &u8| {
        let is_end = *byte == b'"' && !escapes;
        escapes = *byte == b'\\' && !escapes;
        is_end
    };
    let length = words[start + 1..].iter().position(is_end)?;
    Some(start..start + length + 2)
}

fn behind_spaces(words: &[u8], at: usize) -> usize {
    at + words.iter().skip(at).take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Whether `quoted` is this string in JSON, whatever is escaped in it.
fn is_string(quoted: &[u8], string: &str) -> bool {
    serde_json::from_slice::<String>(quoted).is_ok_and(|read| read == string)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The probability of the first label by tokens, each with its own.
    fn scored(labels: &[&str], tokens: &[(&[u8], f64)]) -> Option<f64> {
        let token = |(bytes, chance): &(&[u8], f64)| TokenLogprob { bytes: bytes.to_vec(), logprob: chance.ln() };
        let tokens: Vec<TokenLogprob> = tokens.iter().map(token).collect();
        let owned: Vec<String> = labels.iter().map(|label| label.to_string()).collect();
        label_probability(&tokens, "label", labels[0], &owned).map(|found| (found * 1e9).round() / 1e9)
    }

    #[test]
    fn a_label_has_the_probability_of_its_tokens() {
        let labels = ["spam", "ham"];
        let tokens: [(&[u8], f64); 5] =
            [(b"{\"", 0.1), (b"label\":\"", 0.2), (b"sp", 0.5), (b"am", 0.8), (b"\"}", 0.3)];
        assert_eq!(scored(&labels, &tokens), Some(0.4));
        // A quote may be in the same token.
        assert_eq!(scored(&labels, &[(b"{\"label\":", 0.1), (b"\"spam\"}", 0.25)]), Some(0.25));
        assert_eq!(scored(&labels, &[]), None);
        assert_eq!(scored(&labels, &[(b"{\"label\":\"ham\"}", 0.5)]), None, "the tokens are of another answer");
        assert_eq!(scored(&labels, &[(b"{\"label\":\"spam\"}", f64::NAN)]), None);
        assert_eq!(scored(&labels, &[(b"{\"label\":\"spam", 0.5)]), None);
        assert_eq!(scored(&labels, &[(b"{\"label\"", 0.5)]), None);
    }

    #[test]
    fn a_label_that_another_one_begins_with_ends_with_a_token_of_its_own() {
        let short: [(&[u8], f64); 5] = [(b"{\"", 0.1), (b"label", 0.1), (b"\":\"", 0.1), (b"spam", 0.9), (b"\"}", 0.5)];
        let long: [(&[u8], f64); 4] = [(b"{\"label\":\"", 0.1), (b"spam", 0.9), (b"-ad", 0.4), (b"\"}", 0.2)];
        assert_eq!(scored(&["spam", "ham", "spam-ad"], &short), Some(0.45));
        assert_eq!(scored(&["spam", "ham"], &short), Some(0.9));
        assert_eq!(scored(&["spam-ad", "ham", "spam"], &long), Some(0.36));
        assert_eq!(scored(&["spam", "ham", "spam-ad"], &long), None);
        // The end may be in the token of the label.
        let together: [(&[u8], f64); 3] = [(b"{\"label\": \"sp", 0.5), (b"am\"", 0.6), (b"}", 0.1)];
        assert_eq!(scored(&["spam", "spam-ad"], &together), Some(0.3));
    }

    #[test]
    fn what_is_escaped_is_the_same_label() {
        // As Python's json writes it, and as bytes that a character is cut into.
        let escaped: [(&[u8], f64); 5] =
            [(b"{\"label\": \"", 0.1), (b"\\u00", 0.5), (b"e9", 0.8), (b"t\\u00E9", 0.5), (b"\"}", 0.1)];
        let cut: [(&[u8], f64); 5] =
            [(b"{\"label\":\"", 0.1), (b"\xc3", 0.5), (b"\xa9t\xc3", 0.8), (b"\xa9", 0.5), (b"\"}", 0.1)];
        let pair: [(&[u8], f64); 4] = [(b"{\"label\":\"", 0.1), (b"\\ud83d", 0.5), (b"\\ude00", 0.5), (b"\"}", 0.1)];
        assert_eq!(scored(&["été", "hiver"], &escaped), Some(0.2));
        assert_eq!(scored(&["été", "hiver"], &cut), Some(0.2));
        assert_eq!(scored(&["😀", "sad"], &pair), Some(0.25));
        let quoted: [(&[u8], f64); 5] =
            [(b"{\"label\":\"", 0.1), (b"a", 0.5), (b"\\\"", 0.5), (b"b\\\\", 0.5), (b"\"}", 0.5)];
        assert_eq!(scored(&["a\"b\\", "c"], &quoted), Some(0.125));
        assert_eq!(scored(&["a", "a\"b\\"], &quoted), None);
        let slash: [(&[u8], f64); 3] = [(b"{\"label\":\"n", 0.5), (b"\\/", 0.5), (b"a\"}", 0.5)];
        assert_eq!(scored(&["n/a", "c"], &slash), Some(0.125));
    }

    #[test]
    fn the_label_is_the_value_of_its_name() {
        let reasoned: [(&[u8], f64); 7] = [
            (b"{\"label\":\"", 0.1),
            (b"spam", 0.5),
            (b"\",\"reason\":\"not \\\"", 0.1),
            (b"spam", 0.3),
            (b"\\\"\",\"like\":\"", 0.1),
            (b"spam", 0.2),
            (b"\"}", 0.1),
        ];
        assert_eq!(scored(&["spam", "ham"], &reasoned), Some(0.5));
        let thought: [(&[u8], f64); 4] = [
            (b"<think>5\" {\"label\":\"spam\"}?</think>", 0.1),
            (b"{\"label\"\n: \"", 0.1),
            (b"spam", 0.5),
            (b"\"}", 0.1),
        ];
        assert_eq!(scored(&["spam", "ham"], &thought), Some(0.5));
        let same: [(&[u8], f64); 3] = [(b"{\"label\":", 0.1), (b"\"label\"", 0.5), (b"}", 0.1)];
        assert_eq!(scored(&["label", "spam"], &same), Some(0.5));
    }

    #[test]
    fn items_of_a_list_have_probabilities_of_their_own() {
        let tokens =
            [("{\"labels\": [\"", 0.1), ("spam", 0.5), ("\", \"", 0.1), ("ad", 0.4), ("\"] , \"ad\": \"ham\"}", 0.1)];
        let token = |(text, chance): (&str, f64)| TokenLogprob { bytes: text.into(), logprob: chance.ln() };
        let tokens = tokens.map(token);
        let labels = ["spam", "ad", "ham"].map(String::from);
        let found =
            |label| label_probability(&tokens, "labels", label, &labels).map(|found| (found * 1e9).round() / 1e9);
        assert_eq!(["spam", "ad", "ham"].map(found), [Some(0.5), Some(0.4), None]);
        assert_eq!(label_probability(&tokens, "label", "spam", &labels), None);
    }
}
