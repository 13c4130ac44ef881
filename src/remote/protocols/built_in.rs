//! The protocol of a browser's own model: it takes a prompt as it is, and gives plain words.
//!
//! # Source
//! The Prompt API, <https://webmachinelearning.github.io/prompt-api/>.

use super::{Completion, Protocol, Reply, ReplyStream};
use crate::error::Result;
use crate::remote::{Failure, Payload, Prompt, RequestOptions};

/// The longest answer that is read: the same as for a server.
const MAX_CONTENT_BYTES: usize = 1 << 20;

/// The model of the browser.
pub struct BuiltIn;

impl Protocol for BuiltIn {
    fn request(&self, _options: &RequestOptions<'_>, prompt: Prompt) -> Payload {
        Payload::Prompt(prompt)
    }

    fn read(&self, reply: Reply<'_>) -> Result<Completion, Failure> {
        match reply {
            Reply::Text(words) => completion(words.as_bytes()),
            Reply::Http { .. } => Err(Failure::Invalid("expected words, got the reply of a server".to_string())),
        }
    }

    fn stream(&self) -> Box<dyn ReplyStream> {
        Box::new(Words::default())
    }
}

/// The words so far, in UTF-8.
#[derive(Debug, Default)]
struct Words {
    bytes: Vec<u8>,
    /// How many of them were handed on: whole characters.
    shown: usize,
}

impl ReplyStream for Words {
    fn feed(&mut self, bytes: &[u8]) -> String {
        if self.is_over() {
            return String::new();
        }
        self.bytes.extend_from_slice(bytes);
        let rest = &self.bytes[self.shown..];
        // A character that is not whole yet waits for its other bytes.
        let whole = match str::from_utf8(rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => rest.len(),
        };
        self.shown += whole;
        String::from_utf8_lossy(&rest[..whole]).into_owned()
    }

    fn is_over(&self) -> bool {
        self.bytes.len() > MAX_CONTENT_BYTES
    }

    fn finish(self: Box<Self>) -> Result<Completion, Failure> {
        completion(&self.bytes)
    }
}

fn completion(words: &[u8]) -> Result<Completion, Failure> {
    if words.len() > MAX_CONTENT_BYTES {
        return Err(Failure::Invalid(format!("the reply is longer than {MAX_CONTENT_BYTES} bytes")));
    }
    Ok(Completion { content: String::from_utf8_lossy(words).into_owned(), ..Completion::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_answer() {
        assert_eq!(BuiltIn.read(Reply::Text("Łódź")).map(|completion| completion.content), Ok("Łódź".to_string()));
        let http = Reply::Http { status: 200, content_type: None, body: "{}" };
        assert!(matches!(BuiltIn.read(http), Err(Failure::Invalid(_))));
    }

    #[test]
    fn pieces_may_be_cut_within_a_character() {
        let mut stream = BuiltIn.stream();
        let words: Vec<String> = "Łó👍".bytes().map(|byte| stream.feed(&[byte])).collect();
        assert_eq!(words, ["", "Ł", "", "ó", "", "", "", "👍"]);
        assert_eq!(stream.finish().map(|completion| completion.content), Ok("Łó👍".to_string()));
    }

    #[test]
    fn an_answer_without_end_is_given_up() {
        let mut stream = BuiltIn.stream();
        let fed = (0..100).take_while(|_| !stream.feed(&[b'x'; 1 << 16]).is_empty()).count();
        assert!(stream.is_over() && fed < 20);
        assert!(matches!(stream.finish(), Err(Failure::Invalid(words)) if words.contains("longer")));
    }
}
