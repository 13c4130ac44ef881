//! The text of a reply as it grows: bytes of tokens to characters, and the texts that end it.

/// A text that grows token by token. What is given out is never taken back: a character of which bytes are missing is held,
/// and so is what may be the beginning of a stop text.
#[derive(Default)]
pub(super) struct TextStream {
    /// All of the text so far.
    text: String,
    /// The bytes of an incomplete character behind it.
    tail: Vec<u8>,
    /// How much of the text was given out.
    given: usize,
    stops: Vec<String>,
}

impl TextStream {
    /// A text that these texts end.
    pub fn new(stops: &[String]) -> Self {
        Self { stops: stops.to_vec(), ..Self::default() }
    }

    /// All of the text so far, apart from bytes of an incomplete character.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds the bytes of a token. `true` where a stop text ends the text.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let before = self.text.len();
        self.tail.extend_from_slice(bytes);
        self.decode();
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        // One that begins before what is new, and ends within it.
        let from = self.text.floor_char_boundary(before.saturating_sub(longest));
        let found = self.stops.iter().filter_map(|stop| self.text[from..].find(stop.as_str())).min();
        match found {
            None => false,
            Some(at) => {
                self.text.truncate(from + at);
                self.tail.clear();
                true
            }
        }
    }

    /// Moves complete characters from the tail to the text. Bytes that no character begins with become U+FFFD.
    fn decode(&mut self) {
        loop {
            match std::str::from_utf8(&self.tail) {
                Ok(whole) => {
                    self.text.push_str(whole);
                    self.tail.clear();
                    return;
                }
                Err(error) => {
                    let (valid, rest) = self.tail.split_at(error.valid_up_to());
                    self.text.push_str(&String::from_utf8_lossy(valid));
                    let Some(wrong) = error.error_len() else {
                        self.tail = rest.to_vec();
                        return;
                    };
                    self.text.push(char::REPLACEMENT_CHARACTER);
                    self.tail = rest[wrong..].to_vec();
                }
            }
        }
    }

    /// What can be given out now and was not.
    pub fn take(&mut self) -> String {
        let end = self.text.len() - self.held();
        self.take_to(end)
    }

    /// The rest of the text, which has ended: an incomplete character at its end is U+FFFD.
    pub fn finish(&mut self) -> String {
        if !std::mem::take(&mut self.tail).is_empty() {
            self.text.push(char::REPLACEMENT_CHARACTER);
        }
        self.take_to(self.text.len())
    }

    fn take_to(&mut self, end: usize) -> String {
        let end = end.max(self.given);
        let start = std::mem::replace(&mut self.given, end);
        self.text.get(start..self.given).unwrap_or_default().to_string()
    }

    /// The length of the longest end of the text that begins a stop text.
    fn held(&self) -> usize {
        let begins = |stop: &String| {
            let lengths = (1..stop.len().min(self.text.len() + 1)).rev();
            lengths.filter(|length| stop.is_char_boundary(*length)).find(|length| self.text.ends_with(&stop[..*length]))
        };
        self.stops.iter().filter_map(begins).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is given out after each token and at the end.
    fn pieces(stops: &[&str], tokens: &[&[u8]]) -> Vec<String> {
        let mut stream = TextStream::new(&stops.iter().map(|stop| stop.to_string()).collect::<Vec<_>>());
        let mut pieces = Vec::new();
        for token in tokens {
            let stopped = stream.push(token);
            pieces.push(stream.take());
            if stopped {
                break;
            }
        }
        pieces.push(stream.finish());
        assert_eq!(pieces.concat(), stream.text());
        pieces
    }

    #[test]
    fn a_character_is_given_out_when_it_is_complete() {
        let cat = "🐈".as_bytes();
        assert_eq!(pieces(&[], &[b"a", &cat[..1], &cat[1..3], &cat[3..], b"b"]), ["a", "", "", "🐈", "b", ""]);
        // One that never is.
        assert_eq!(pieces(&[], &[b"a", &cat[..3]]), ["a", "", "\u{fffd}"]);
        // Bytes that are no character's.
        assert_eq!(pieces(&[], &[b"a\xff", b"\xe2\x28b"]), ["a\u{fffd}", "\u{fffd}(b", ""]);
    }

    #[test]
    fn a_stop_text_ends_the_text_wherever_its_parts_are() {
        assert_eq!(pieces(&["END"], &[b"one E", b"N", b"D two"]), ["one ", "", "", ""]);
        assert_eq!(pieces(&["END"], &[b"one E", b"N", b"E", b"ND"]), ["one ", "", "EN", "", ""]);
        assert_eq!(pieces(&["END"], &[b"one E"]), ["one ", "E"]);
        assert_eq!(pieces(&["\n\n", "\n"], &[b"a\nb"]), ["a", ""]);
        assert_eq!(pieces(&["bb", "abb"], &[b"a", b"b", b"b"]), ["", "", "", ""]);
        assert_eq!(
            pieces(&["é"], &["caf".as_bytes(), &"é".as_bytes()[..1], &"é".as_bytes()[1..]]),
            ["caf", "", "", ""]
        );
        assert_eq!(pieces(&["aab"], &[b"aa", b"ab"]), ["", "", "a"]);
    }
}
