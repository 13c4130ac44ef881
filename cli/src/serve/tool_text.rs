//! The text of a streamed reply that may call tools: what may be a call is held back until the reply is complete.

use pilot_light::generation::chat::{ToolCall, parse_tool_calls};

/// What calls begin with, besides `{` at the beginning of a reply; those of [`parse_tool_calls`].
const MARKS: [&str; 3] = ["<tool_call>", "[TOOL_CALLS]", "<|python_tag|>"];

/// The text so far.
#[derive(Default)]
pub struct ToolText {
    text: String,
    /// How much of it was given out.
    given: usize,
}

impl ToolText {
    /// Adds a piece, and gives what is no call for certain.
    pub fn push(&mut self, piece: &str) -> String {
        self.text.push_str(piece);
        if self.text.trim_start().starts_with('{') {
            return String::new();
        }
        let rest = &self.text[self.given..];
        let found = MARKS.iter().filter_map(|mark| rest.find(mark)).min();
        // Also the longest end that begins a mark.
        let begun = |mark: &&str| (1..mark.len()).rev().find(|length| rest.ends_with(&mark[..*length]));
        let end = found.unwrap_or_else(|| rest.len() - MARKS.iter().filter_map(begun).max().unwrap_or(0));
        // Blanks before a call belong to neither.
        let piece = rest[..end].trim_end().to_string();
        self.given += piece.len();
        piece
    }

    /// What else the reply says, and its calls.
    pub fn finish(self) -> (String, Vec<ToolCall>) {
        let (content, calls) = parse_tool_calls(&self.text);
        if calls.is_empty() {
            return (self.text[self.given..].to_string(), calls);
        }
        let content = content.unwrap_or_default();
        let rest = content.strip_prefix(self.text[..self.given].trim_start()).unwrap_or_default();
        (rest.to_string(), calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is given out after each piece and at the end, and the names of the calls.
    fn pieces(pieces: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut text = ToolText::default();
        let mut given: Vec<_> = pieces.iter().map(|piece| text.push(piece)).collect();
        let (rest, calls) = text.finish();
        given.push(rest);
        (given, calls.into_iter().map(|call| call.function.name).collect())
    }

    #[test]
    fn text_is_given_out_unless_it_may_be_a_call() {
        let given = pieces(&["It is ", "1 <", " 2", " <tool", " box", "\n"]).0;
        assert_eq!(given, ["It is", " 1", " < 2", "", " <tool box", "", "\n"]);
    }

    #[test]
    fn calls_are_no_text() {
        let call = r#"{"name": "f", "arguments": {}}"#;
        let (given, calls) = pieces(&["\nWait.\n<to", "ol_call>\n", call, "\n</tool_call> Done."]);
        assert_eq!((given.concat().as_str(), calls), ("\nWait.\n Done.", vec!["f".to_string()]));
        let (given, calls) = pieces(&["{\"name\": \"f\", ", "\"parameters\": {}}"]);
        assert_eq!((given.concat().as_str(), calls), ("", vec!["f".to_string()]));
        // What turns out to be none.
        let (given, calls) = pieces(&["{\"a\"", ": 1}"]);
        assert_eq!((given.concat().as_str(), calls.len()), ("{\"a\": 1}", 0));
        let (given, calls) = pieces(&["a [TOOL_", "CALLS] b"]);
        assert_eq!((given.concat().as_str(), calls.len()), ("a [TOOL_CALLS] b", 0));
    }

    #[test]
    fn marks_are_those_that_are_parsed() {
        let call = r#"{"name": "f", "arguments": {}}"#;
        for text in
            [format!("{}{call}</tool_call>", MARKS[0]), format!("{}[{call}]", MARKS[1]), format!("{}{call}", MARKS[2])]
        {
            assert_eq!(parse_tool_calls(&text).1.len(), 1, "{text}");
        }
    }
}
