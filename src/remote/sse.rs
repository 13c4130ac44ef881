//! Parser of server-sent events, from bytes in pieces of any size.
//!
//! # Source
//! WHATWG HTML, 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream",
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::fmt;

/// One event of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its type; `message` where the stream names none.
    pub event: String,
    /// Its data, lines joined by LF.
    pub data: String,
}

/// An event is longer than allowed. The stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// How many bytes it may have.
    pub limit: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event of the stream is longer than {} bytes", self.limit)
    }
}

impl std::error::Error for TooLong {}

/// Parses events from bytes. What it buffers is bounded by its limit.
///
/// ```
/// use pilot_light::remote::sse::Parser;
///
/// let (mut parser, mut events) = (Parser::new(1 << 16), Vec::new());
/// parser.feed(b"data: hel", &mut events)?;
/// assert!(events.is_empty());
/// parser.feed(b"lo\n\n", &mut events)?;
/// assert_eq!((events[0].event.as_str(), events[0].data.as_str()), ("message", "hello"));
/// # Ok::<(), pilot_light::remote::sse::TooLong>(())
/// ```
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// Whether the last byte was a CR: an LF right after it ends no further line.
    after_cr: bool,
    first_line: bool,
    too_long: bool,
    event: String,
    data: String,
}

const BOM: &[u8] = b"\xEF\xBB\xBF";

impl Parser {
    /// A parser of events that have at most `limit` bytes, comments included.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            after_cr: false,
            first_line: true,
            too_long: false,
            event: String::new(),
            data: String::new(),
        }
    }

    /// Puts the events that end within `bytes` behind `events`. Where the pieces begin and end makes no
    /// difference to them. An event without its blank line, at the end of the stream, is dropped.
    ///
    /// # Errors
    /// An event is too long; the ones before it are in `events`, and every later call fails as well.
    pub fn feed(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLong> {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            self.hold(&bytes[..end.unwrap_or(bytes.len())])?;
            let Some(end) = end else { break };
            self.after_cr = bytes[end] == b'\r';
            self.end_line(events);
            bytes = &bytes[end + 1..];
        }
        Ok(())
    }

    /// Puts the event behind `events` that has no blank line at the end of the stream. The specification drops it; servers that
    /// forget the line mean it.
    pub fn finish(&mut self, events: &mut Vec<Event>) {
        if !self.too_long {
            if !self.line.is_empty() {
                self.end_line(events);
            }
            self.dispatch(events);
        }
    }

    fn hold(&mut self, part: &[u8]) -> Result<(), TooLong> {
        let held = self.line.len() + self.event.len() + self.data.len();
        self.too_long |= held + part.len() > self.limit;
        if self.too_long {
            self.line = Vec::new();
            return Err(TooLong { limit: self.limit });
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<Event>) {
        let mut bytes = std::mem::take(&mut self.line);
        let skip = if std::mem::take(&mut self.first_line) && bytes.starts_with(BOM) { BOM.len() } else { 0 };
        // No byte of a longer character is a CR or an LF, so lines can be decoded one by one.
        let line = String::from_utf8_lossy(&bytes[skip..]);
        match line.split_once(':') {
            _ if line.is_empty() => self.dispatch(events),
            Some(("", _comment)) => {}
            Some((field, value)) => self.set(field, value.strip_prefix(' ').unwrap_or(value)),
            None => self.set(&line, ""),
        }
        bytes.clear();
        self.line = bytes;
    }

    fn set(&mut self, field: &str, value: &str) {
        match field {
            "event" => self.event = value.to_string(),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            // What llama.cpp wrote for an event of that type until it followed the specification.
            "error" if value.starts_with('{') => {
                self.set("event", field);
                self.set("data", value);
            }
            // `id` and `retry` are for a stream that is opened again, which a reply never is.
            _ => {}
        }
    }

    fn dispatch(&mut self, events: &mut Vec<Event>) {
        let event = std::mem::take(&mut self.event);
        let mut data = std::mem::take(&mut self.data);
        // One LF behind each line of data, of which the last is not part of it. Without any, no event.
        if data.pop().is_some() {
            let event = if event.is_empty() { "message".to_string() } else { event };
            events.push(Event { event, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        Parser::new(1 << 16).feed(bytes, &mut events).unwrap();
        events
    }

    fn data(text: &str) -> Vec<String> {
        parse(text.as_bytes()).into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn an_error_in_a_field_of_its_own() {
        let error = Event { event: "error".to_string(), data: "{\"code\":400}".to_string() };
        assert_eq!(parse(b"error: {\"code\":400}\n\n"), [error]);
        assert_eq!(parse(b"error: no\n\n"), []);
    }

    /// The streams of the web-platform-tests, `eventsource/format-*`.
    #[test]
    fn the_platforms_own_tests() {
        let cases: [(&str, &[&str]); 14] = [
            ("\u{FEFF}data:1\n\n\u{FEFF}data:2\n\ndata:3\n\n", &["1", "3"]),
            ("\u{FEFF}\u{FEFF}data:1\n\ndata:2\n\ndata:3\n\n", &["2", "3"]),
            ("data:1\r:\0\n:\r\ndata:2\n:long\rdata:3\n:data:fail\r:long\ndata:4\n\n", &["1\n2\n3\n4"]),
            ("retry:1000\ndata:test1\n\nid:test\ndata:test2\n", &["test1"]),
            ("data:\n\ndata\ndata\n\ndata:test\n\n\n", &["", "\n", "test"]),
            (
                "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
                &["\0\n 2\n1\n3\n\n4"],
            ),
            ("event: \ndata:data\n\n\n", &["data"]),
            (
                "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n\n",
                &["test\n\ntest"],
            ),
            ("data:\ttest\rdata: \ndata:test\n\n\n", &["\ttest\n\ntest"]),
            ("data:test\r\ndata\ndata:test\r\n\r\n", &["test\n\ntest"]),
            ("data:\0\n\n\n\n", &["\0"]),
            ("data:ok…\n\n", &["ok…"]),
            ("data:\r\r\r\n\r\ndata: x\r\r", &["", "x"]),
            ("event:only\nid:3\n\n:\n\n", &[]),
        ];
        for (stream, expected) in cases {
            assert_eq!(data(stream), expected, "{stream:?}");
        }
    }

    #[test]
    fn types() {
        let events = parse(b"event:a\nid:1\ndata:x\n\ndata:y\n\nid\nretry:7\ndata:z\n\nevent\t:b\ndata:w\n\n");
        let seen: Vec<_> = events.iter().map(|event| (event.event.as_str(), event.data.as_str())).collect();
        assert_eq!(seen, [("a", "x"), ("message", "y"), ("message", "z"), ("message", "w")]);
    }

    #[test]
    fn invalid_utf_8_is_replaced() {
        assert_eq!(parse(b"data:a\xE2\x80\ndata:\xFF\n\n")[0].data, "a\u{FFFD}\n\u{FFFD}");
    }

    #[test]
    fn an_event_without_end_is_given_up_and_not_stored() {
        for piece in [&b"data:aaaa"[..], b":comment", b"data:a\n", b"event:aaaaaaaaaaaaa\ndata:a\n"] {
            let mut parser = Parser::new(1 << 10);
            let mut events = Vec::new();
            parser.feed(b"data:first\n\n", &mut events).unwrap();
            let fed = (0..10_000).find_map(|_| parser.feed(piece, &mut events).err());
            assert_eq!(fed, Some(TooLong { limit: 1 << 10 }));
            assert_eq!(parser.feed(b"\n\ndata:x\n\n", &mut events), Err(TooLong { limit: 1 << 10 }));
            assert_eq!(events.len(), 1);
            assert!(parser.line.capacity() <= 2 << 10 && parser.data.capacity() <= 2 << 10);
        }
    }

    #[cfg(not(target_family = "wasm"))]
    proptest::proptest! {
        #[test]
        fn pieces_make_no_difference(
            lines in proptest::collection::vec(
                (
                    proptest::sample::select(vec![
                        "data:", "data: ", "data", "event:", "id:", "id: 7", ":", "retry:5", "", "", "ż😀", "data:\0", "\u{FEFF}",
                    ]),
                    "[a😀ł: ]{0,5}",
                    proptest::sample::select(vec!["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n"]),
                ),
                0..20,
            ),
            cuts in proptest::collection::vec(0_usize..400, 0..20),
            limit in 4_usize..64,
        ) {
            let stream: String = lines.into_iter().flat_map(|(field, value, end)| [field.to_string(), value, end.to_string()]).collect();
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let (mut whole, mut pieces, mut single) = (Vec::new(), Vec::new(), Vec::new());
            let mut parser = Parser::new(limit);
            let outcome = parser.feed(bytes, &mut whole);
            let mut cut_parser = Parser::new(limit);
            let cut_outcome = cuts.windows(2).map(|cut| cut_parser.feed(&bytes[cut[0]..cut[1]], &mut pieces)).find(Result::is_err);
            let mut byte_parser = Parser::new(limit);
            let byte_outcome = bytes.chunks(1).map(|byte| byte_parser.feed(byte, &mut single)).find(Result::is_err);
            proptest::prop_assert_eq!(&whole, &pieces);
            proptest::prop_assert_eq!(&whole, &single);
            proptest::prop_assert_eq!(outcome.err(), cut_outcome.and_then(Result::err));
            proptest::prop_assert_eq!(outcome.err(), byte_outcome.and_then(Result::err));
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..500)) {
            let mut events = Vec::new();
            let _ = Parser::new(100).feed(&bytes, &mut events);
            proptest::prop_assert!(events.iter().all(|event| event.data.len() <= 300));
        }
    }
}
