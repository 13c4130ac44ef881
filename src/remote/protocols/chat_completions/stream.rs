//! A chat completion that arrives in pieces, joined.
//!
//! # Source
//! <https://platform.openai.com/docs/api-reference/chat-streaming>: `data:` with a chunk each, the last
//! one `[DONE]`; an object with `error` in place of a chunk where the server fails in the middle.

use serde::Deserialize;
use serde_json::Value;

use super::reply::inner_status;
use crate::remote::error_text::{error_words, quote};
use crate::remote::protocols::{Completion, ReplyStream};
use crate::remote::sse::{Event, Parser};
use crate::remote::{Failure, Usage};

/// A chunk has a few hundred bytes; a longer one than this is not one.
const MAX_EVENT_BYTES: usize = 1 << 20;
/// The same limit as for a reply in one piece.
const MAX_CONTENT_BYTES: usize = 1 << 20;

/// Reads the stream of one reply.
#[derive(Debug)]
pub struct ChunkStream {
    parser: Parser,
    content: String,
    refusal: Option<String>,
    finish_reason: Option<String>,
    usage: Option<Usage>,
    has_choice: bool,
    over: Option<Result<(), Failure>>,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Value>>,
    #[serde(default)]
    function_call: Option<Value>,
}

impl Default for ChunkStream {
    fn default() -> Self {
        Self {
            parser: Parser::new(MAX_EVENT_BYTES),
            content: String::new(),
            refusal: None,
            finish_reason: None,
            usage: None,
            has_choice: false,
            over: None,
        }
    }
}

impl ReplyStream for ChunkStream {
    fn feed(&mut self, bytes: &[u8]) -> String {
        let had = self.content.len();
        if self.over.is_none() {
            let mut events = Vec::new();
            let fed = self.parser.feed(bytes, &mut events);
            let read = events.iter().try_for_each(|event| self.read(event));
            let fed = fed.map_err(|too_long| Failure::Invalid(too_long.to_string()));
            if let Err(failure) = read.and(fed) {
                // Behind `[DONE]` nothing matters any more.
                self.over.get_or_insert(Err(failure));
            }
        }
        self.content[had..].to_string()
    }

    fn is_over(&self) -> bool {
        self.over.is_some()
    }

    fn finish(self: Box<Self>) -> Result<Completion, Failure> {
        let Self { content, refusal, finish_reason, usage, has_choice, over, .. } = *self;
        match over {
            Some(Err(failure)) => Err(failure),
            None if finish_reason.is_none() => {
                Err(Failure::Unreachable("the stream broke off before the answer was whole".to_string()))
            }
            _ if !has_choice => Err(Failure::Invalid("the reply has no choice".to_string())),
            _ => Ok(Completion { content, refusal, finish_reason, usage }),
        }
    }
}

impl ChunkStream {
    fn read(&mut self, event: &Event) -> Result<(), Failure> {
        let data = event.data.trim();
        if self.is_over() || data.is_empty() {
            return Ok(());
        }
        if data.starts_with("[DONE]") {
            self.over = Some(Ok(()));
            return Ok(());
        }
        if event.event == "error" {
            return Err(refused(data, None));
        }
        let chunk: Chunk = serde_json::from_str(data)
            .map_err(|error| Failure::Invalid(format!("a piece of the stream is not a completion: {error}")))?;
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(refused(data, inner_status(&error)));
        }
        // An answer is not lost because its usage is not understood.
        self.usage = chunk.usage.and_then(|usage| Usage::deserialize(usage).ok()).or(self.usage);
        // One answer was asked for; others are ignored.
        chunk.choices.into_iter().filter(|choice| choice.index == 0).try_for_each(|choice| self.add(choice))
    }

    fn add(&mut self, choice: Choice) -> Result<(), Failure> {
        self.has_choice = true;
        self.finish_reason = choice.finish_reason.or(self.finish_reason.take());
        let Some(delta) = choice.delta else { return Ok(()) };
        if delta.tool_calls.is_some_and(|calls| !calls.is_empty()) || delta.function_call.is_some() {
            return Err(Failure::Invalid("the model calls a tool, and none was offered".to_string()));
        }
        let (content, refusal) = (delta.content.unwrap_or_default(), delta.refusal.unwrap_or_default());
        let had = self.content.len() + self.refusal.as_ref().map_or(0, String::len);
        if had + content.len() + refusal.len() > MAX_CONTENT_BYTES {
            return Err(Failure::Invalid(format!("the reply is longer than {MAX_CONTENT_BYTES} bytes")));
        }
        self.content.push_str(&content);
        if !refusal.is_empty() {
            self.refusal.get_or_insert_default().push_str(&refusal);
        }
        Ok(())
    }
}

fn refused(data: &str, status: Option<u16>) -> Failure {
    Failure::Refused { status: status.unwrap_or(200), words: format!("in its stream: {}", quote(&error_words(data))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        ": keep-alive\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Łó\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"no\"}},{\"index\":0,\"delta\":{\"content\":\"dź 👍\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}}\n\n",
        "data: [DONE]\n\n",
    );

    fn read(stream: &str) -> Result<Completion, Failure> {
        let mut reader = Box::<ChunkStream>::default();
        reader.feed(stream.as_bytes());
        reader.finish()
    }

    fn invalid(stream: &str) -> String {
        match read(stream) {
            Err(Failure::Invalid(words)) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pieces_become_an_answer() {
        let usage = Usage { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
        let whole = Completion {
            content: "Łódź 👍".to_string(),
            refusal: None,
            finish_reason: Some("stop".to_string()),
            usage: Some(usage),
        };
        assert_eq!(read(STREAM).unwrap(), whole);
        // One byte at a time, and with rubbish behind the end.
        let mut reader = Box::<ChunkStream>::default();
        let words: String = STREAM.bytes().map(|byte| reader.feed(&[byte])).collect();
        assert!(reader.is_over() && reader.feed(b"data: {\n\n").is_empty());
        assert_eq!((words.as_str(), reader.finish().unwrap()), ("Łódź 👍", whole));
    }

    #[test]
    fn a_stream_cut_anywhere_is_an_answer_or_unreachable() {
        let ends_at = STREAM.find("\"stop\"}]}\n\n").unwrap() + "\"stop\"}]}\n\n".len();
        for end in 0..STREAM.len() {
            let mut reader = Box::<ChunkStream>::default();
            reader.feed(&STREAM.as_bytes()[..end]);
            match reader.finish() {
                Ok(streamed) => assert!(end >= ends_at && streamed.content == "Łódź 👍", "{end}"),
                Err(Failure::Unreachable(_)) => assert!(end < ends_at, "{end}"),
                Err(other) => panic!("{end}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_error_in_the_middle_says_its_words() {
        let first = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
        let errors = [
            r#"data: {"error":{"message":"overloaded","code":503}}"#,
            r#"data: {"error":"overloaded"}"#,
            "event: error\ndata: overloaded",
            "event: error\ndata: {\"error\":{\"message\":\"overloaded\"}}",
        ];
        for error in errors {
            let mut reader = Box::<ChunkStream>::default();
            assert_eq!(reader.feed(format!("{first}{error}\n\n{first}").as_bytes()), "a");
            let Err(Failure::Refused { words, .. }) = reader.finish() else { panic!("{error}") };
            assert!(words.ends_with(": overloaded"), "{words}");
        }
    }

    #[test]
    fn what_is_no_completion_is_invalid() {
        assert!(invalid("data: <html>\n\n").contains("not a completion"));
        assert!(invalid("data: {\"choices\":3}\n\n").contains("not a completion"));
        assert!(invalid("data: [DONE]\n\n").contains("no choice"));
        assert!(invalid("data: {\"choices\":[]}\n\ndata: [DONE]\n\n").contains("no choice"));
        for call in [r#""tool_calls":[{"index":0}]"#, r#""function_call":{"name":"f"}"#] {
            assert!(invalid(&format!("data: {{\"choices\":[{{\"delta\":{{{call}}}}}]}}\n\n")).contains("tool"));
        }
        assert!(invalid(&format!("data: {}", "x".repeat(MAX_EVENT_BYTES + 1))).contains("longer"));
    }

    #[test]
    fn a_reply_without_end_is_given_up() {
        let words = "x".repeat(1 << 16);
        let chunk = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{words}\"}}}}]}}\n\n");
        let mut reader = Box::<ChunkStream>::default();
        let fed = (0..100).take_while(|_| !reader.feed(chunk.as_bytes()).is_empty()).count();
        assert_eq!(fed, MAX_CONTENT_BYTES / words.len());
        assert!(matches!(reader.finish(), Err(Failure::Invalid(words)) if words.contains("longer")));
    }

    #[test]
    fn a_refusal_is_kept_apart() {
        let piece = |words: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"refusal\":\"{words}\"}}}}]}}\n\n");
        let streamed = read(&format!("{}{}data: [DONE]\n\n", piece("I can"), piece("not"))).unwrap();
        assert_eq!((streamed.content.as_str(), streamed.refusal.as_deref()), ("", Some("I cannot")));
    }

    #[cfg(not(target_family = "wasm"))]
    proptest::proptest! {
        #[test]
        fn pieces_make_no_difference(cuts in proptest::collection::vec(0..STREAM.len(), 0..30)) {
            let mut cuts: Vec<usize> = cuts.into_iter().chain([0, STREAM.len()]).collect();
            cuts.sort_unstable();
            let mut reader = Box::<ChunkStream>::default();
            let words: String = cuts.windows(2).map(|cut| reader.feed(&STREAM.as_bytes()[cut[0]..cut[1]])).collect();
            let streamed = reader.finish().unwrap();
            proptest::prop_assert_eq!(&words, &streamed.content);
            proptest::prop_assert_eq!(streamed, read(STREAM).unwrap());
        }

        #[test]
        fn any_stream_ends(lines in proptest::collection::vec("(data: ?)?([{}\\[\\]\",:a-z0-9]|\"choices\":|\"delta\":|\\[DONE\\]|\n){0,20}\n{1,2}", 0..20)) {
            let _ = read(&lines.concat());
        }
    }
}
