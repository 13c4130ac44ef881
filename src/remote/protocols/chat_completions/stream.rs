//! A chat completion that arrives in pieces, joined.
//!
//! # Source
//! <https://platform.openai.com/docs/api-reference/chat-streaming>: `data:` with a chunk each, the last
//! one `[DONE]`; an object with `error` in place of a chunk where the server fails in the middle.

use super::choice::{Choice, choice, only_calls_tool, usage};
use super::reply::{error_of, read_completion, refused};
use crate::remote::lone_surrogates;
use crate::remote::protocols::{Completion, ReplyStream, TokenLogprob};
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
    /// The beginning of a body that is a reply in one piece, under the label of a stream.
    plain: Option<Vec<u8>>,
    content: String,
    /// The length of the words that were returned.
    shown: usize,
    refusal: Option<String>,
    finish_reason: Option<String>,
    usage: Option<Usage>,
    logprobs: Vec<TokenLogprob>,
    has_choice: bool,
    calls_tool: bool,
    over: Option<Result<(), Failure>>,
}

impl Default for ChunkStream {
    fn default() -> Self {
        Self {
            parser: Parser::new(MAX_EVENT_BYTES),
            plain: Some(Vec::new()),
            shown: 0,
            content: String::new(),
            refusal: None,
            finish_reason: None,
            usage: None,
            logprobs: Vec::new(),
            has_choice: false,
            calls_tool: false,
            over: None,
        }
    }
}

impl ReplyStream for ChunkStream {
    fn feed(&mut self, bytes: &[u8]) -> String {
        if self.over.is_none() && !self.is_plain(bytes) {
            let mut events = Vec::new();
            let fed = self.parser.feed(bytes, &mut events);
            let read = events.iter().try_for_each(|event| self.read(event));
            let fed = fed.map_err(|too_long| Failure::Invalid(too_long.to_string()));
            if let Err(failure) = read.and(fed) {
                // Behind `[DONE]` nothing matters any more.
                self.over.get_or_insert(Err(failure));
            }
        }
        let whole = lone_surrogates::whole_len(&self.content);
        self.content[std::mem::replace(&mut self.shown, whole)..whole].to_string()
    }

    fn is_over(&self) -> bool {
        self.over.is_some()
    }

    fn finish(mut self: Box<Self>) -> Result<Completion, Failure> {
        if let Some(plain) = self.plain.take().filter(|plain| plain.contains(&b'{')) {
            return match self.over {
                Some(Err(failure)) => Err(failure),
                _ => read_completion(200, None, &String::from_utf8_lossy(&plain)),
            };
        }
        // The last event may lack its blank line. One that cannot be read was cut off.
        let mut events = Vec::new();
        self.parser.finish(&mut events);
        if self.over.is_none() {
            let _ = events.iter().try_for_each(|event| self.read(event));
        }
        lone_surrogates::close(&mut self.content);
        let Self { content, refusal, finish_reason, usage, logprobs, has_choice, calls_tool, over, .. } = *self;
        match over {
            Some(Err(failure)) => Err(failure),
            _ if calls_tool && content.is_empty() && refusal.is_none() => Err(only_calls_tool()),
            None if finish_reason.is_none() => {
                Err(Failure::Unreachable("the stream broke off before the answer was whole".to_string()))
            }
            _ if !has_choice => Err(Failure::Invalid("the reply has no choice".to_string())),
            _ => {
                let refusal = refusal.map(lone_surrogates::joined);
                Ok(Completion { content, refusal, finish_reason, usage, logprobs })
            }
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
        let chunk = lone_surrogates::parse(data);
        if event.event == "error" {
            let error = chunk.unwrap_or_else(|_| data.into());
            return Err(refused(200, error_of(&error).unwrap_or(&error)));
        }
        let chunk =
            chunk.map_err(|error| Failure::Invalid(format!("a piece of the stream is not a completion: {error}")))?;
        if let Some(error) = error_of(&chunk) {
            return Err(refused(200, error));
        }
        // An answer is not lost because its usage is not understood.
        self.usage = usage(&chunk).or(self.usage);
        choice(&chunk)?.map_or(Ok(()), |choice| self.add(choice))
    }

    fn add(&mut self, choice: Choice) -> Result<(), Failure> {
        self.has_choice = true;
        self.calls_tool |= choice.calls_tool;
        self.finish_reason = choice.finish_reason.or(self.finish_reason.take());
        let refusal = choice.refusal.unwrap_or_default();
        let had = self.content.len() + self.refusal.as_ref().map_or(0, String::len);
        if had + choice.content.len() + refusal.len() > MAX_CONTENT_BYTES {
            return Err(Failure::Invalid(format!("the reply is longer than {MAX_CONTENT_BYTES} bytes")));
        }
        lone_surrogates::push(&mut self.content, &choice.content);
        self.logprobs.extend(choice.logprobs);
        if !refusal.is_empty() {
            self.refusal.get_or_insert_default().push_str(&refusal);
        }
        Ok(())
    }

    /// Whether the body is no stream: it begins as an object does. Such a body is stored.
    fn is_plain(&mut self, bytes: &[u8]) -> bool {
        let Some(plain) = &mut self.plain else { return false };
        let first = plain.iter().chain(bytes).find(|byte| !byte.is_ascii_whitespace());
        match first {
            None if plain.len() + bytes.len() <= MAX_EVENT_BYTES => plain.extend_from_slice(bytes),
            Some(b'{') if plain.len() + bytes.len() <= MAX_CONTENT_BYTES => {
                plain.extend_from_slice(bytes);
                return true;
            }
            Some(b'{') => {
                self.over = Some(Err(Failure::Invalid(format!("the reply is longer than {MAX_CONTENT_BYTES} bytes"))));
                return true;
            }
            _ => self.plain = None,
        }
        false
    }
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
    fn tokens_of_all_pieces_are_joined() {
        let piece = |words: &str, end: &str| {
            let logprobs = format!("{{\"content\":[{{\"token\":\"{words}\",\"logprob\":-0.5}}]}}");
            format!(
                "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{words}\"}},\"logprobs\":{logprobs}{end}}}]}}\n\n"
            )
        };
        let read = read(&(piece("a", "") + &piece("b", ",\"finish_reason\":\"stop\""))).unwrap();
        let words: Vec<u8> = read.logprobs.iter().flat_map(|token| token.bytes.clone()).collect();
        assert_eq!((read.content.as_str(), words.as_slice()), ("ab", &b"ab"[..]));
    }

    #[test]
    fn pieces_become_an_answer() {
        let usage = Usage { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
        let whole = Completion {
            content: "Łódź 👍".to_string(),
            refusal: None,
            finish_reason: Some("stop".to_string()),
            usage: Some(usage),
            logprobs: Vec::new(),
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
        // The last event needs no blank line behind it.
        let ends_at = STREAM.find("\"stop\"}]}").unwrap() + "\"stop\"}]}".len();
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
    fn streams_of_other_servers_are_read() {
        let usage = Some(Usage { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 });
        let tokens = r#""usage":{"prompt_tokens":9,"completion_tokens":3}"#;
        let words = r#"data: {"choices":[{"index":null,"delta":{"content":"yes"},"finish_reason":"stop"}]}"#;
        for last in [
            format!("data: {{\"choices\":null,{tokens}}}\n\ndata: [DONE]\n\n"),
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},{tokens}}}]}}\n\n"),
            format!("data: {{\"x_groq\":{{{tokens}}}}}"),
        ] {
            let streamed = read(&format!("{words}\n\n{last}")).unwrap();
            assert_eq!((streamed.content.as_str(), streamed.usage), ("yes", usage), "{last}");
        }
        let whole = format!("\n{{\"choices\":[{{\"message\":{{\"content\":\"yes\"}}}}],{tokens}}}");
        assert_eq!(read(&whole).unwrap().usage, usage);
        assert!(matches!(read("{\"choices\":"), Err(Failure::Invalid(_))));
        assert!(matches!(read(""), Err(Failure::Unreachable(_))));
    }

    #[test]
    fn a_character_may_be_cut_in_halves() {
        let mut reader = Box::<ChunkStream>::default();
        let words = [r"a\ud83d", r"\ude00", r"\ud83d", "b", r"\ude00\ud83d"].map(|piece| {
            let chunk = format!(
                "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{piece}\"}},\"finish_reason\":\"stop\"}}]}}\n\n"
            );
            reader.feed(chunk.as_bytes())
        });
        assert_eq!(words, ["a", "😀", "", "\u{FFFD}b", "\u{FFFD}"]);
        assert_eq!(reader.finish().unwrap().content, "a😀\u{FFFD}b\u{FFFD}\u{FFFD}");
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
