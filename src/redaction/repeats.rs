//! Where else values stand that were recognised once: a name that a model saw in one sentence and not in the
//! next must not leave with the second.

use std::ops::Range;

/// Values to be found, the longest that starts at an offset first.
pub struct Repeats<'a> {
    /// Each with whether it is found inside of a word as well.
    sorted: Vec<(&'a str, bool)>,
}

impl<'a> Repeats<'a> {
    /// These values, in the order of their bytes and each once. One that is `true` is found wherever its
    /// characters are; others as whole words.
    pub fn new(values: impl Iterator<Item = (&'a str, bool)>) -> Self {
        // A sign alone says nothing, wherever it stands.
        Self { sorted: values.filter(|(value, _)| value.contains(char::is_alphanumeric)).collect() }
    }

    /// Where they stand in `text` within `gap`, from left to right and not over each other.
    pub fn find(&self, text: &str, gap: Range<usize>) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut at = gap.start;
        while at < gap.end {
            match self.longest_at(text, at, gap.end) {
                Some(end) => {
                    found.push(at..end);
                    at = end;
                }
                None => at += 1,
            }
        }
        found
    }

    /// Where the longest value that starts at `at` ends. The values that go on like the text are next to each
    /// other, and become fewer with each byte.
    fn longest_at(&self, text: &str, at: usize, until: usize) -> Option<usize> {
        let bytes = &text.as_bytes()[at..until];
        let mut candidates = &self.sorted[..];
        let mut longest = None;
        for (depth, byte) in bytes.iter().enumerate() {
            if let [(value, anywhere)] = candidates {
                let fits = bytes[depth..].starts_with(&value.as_bytes()[depth..]);
                let end = at + value.len();
                return if fits && (*anywhere || is_whole(text, at..end)) { Some(end) } else { longest };
            }
            let byte_of = |value: &&(&str, bool)| value.0.as_bytes()[depth];
            let first = candidates.partition_point(|value| byte_of(&value) < *byte);
            let last = candidates.partition_point(|value| byte_of(&value) <= *byte);
            candidates = &candidates[first..last];
            let Some(((shortest, anywhere), longer)) = candidates.split_first() else { break };
            if shortest.len() == depth + 1 {
                let end = at + depth + 1;
                if *anywhere || is_whole(text, at..end) {
                    longest = Some(end);
                }
                candidates = longer;
            }
        }
        longest
    }
}

/// Whether no word goes on at either end. In scripts without capitals nothing can be said of that, as some of
/// them have no spaces either; there, what looks like a part is taken for a whole.
fn is_whole(text: &str, range: Range<usize>) -> bool {
    let of_word = |char: char| char.is_uppercase() || char.is_lowercase() || char.is_numeric();
    let within = |before: Option<char>, after: Option<char>| before.is_some_and(of_word) && after.is_some_and(of_word);
    let (start, end) = (range.start, range.end);
    let value = &text[range];
    !within(text[..start].chars().next_back(), value.chars().next())
        && !within(value.chars().next_back(), text[end..].chars().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(values: &[(&str, bool)], text: &'a str) -> Vec<&'a str> {
        let ranges = Repeats::new(values.iter().copied()).find(text, 0..text.len());
        ranges.into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn the_longest_first() {
        let values = [("Ann", false), ("Ann Lee", false), ("Ann Leeds", false), ("Lee", false)];
        assert_eq!(found(&values, "Ann Lee, Lee Ann, Ann Le, AnnLee"), ["Ann Lee", "Lee", "Ann", "Ann"]);
    }

    #[test]
    fn whole_words_or_anywhere() {
        assert_eq!(found(&[("Al", false)], "Also Al, dAl al Al."), ["Al", "Al"]);
        assert_eq!(found(&[("12", false), ("12345678", true)], "x12345678y 12 123"), ["12345678", "12"]);
        assert_eq!(found(&[("王小明", false)], "我叫王小明吗"), ["王小明"]);
        assert_eq!(found(&[("a", true)], "banana"), ["a", "a", "a"]);
        assert_eq!(found(&[("", true), (".", true)], "a.b."), [""; 0]);
    }

    #[test]
    fn within_a_gap_alone() {
        let values = Repeats::new([("bc", true)].into_iter());
        assert_eq!(values.find("abcbc", 2..5).first(), Some(&(3..5)));
        assert!(values.find("abcbc", 0..2).is_empty());
    }
}
