//! Replies in the shapes of many providers; see `tests/golden/replies/README.md`.

use std::collections::{BTreeMap, BTreeSet};

use pilot_light::remote::protocols::{Completion, Reply, TokenLogprob, protocol};
use pilot_light::remote::{AnswerForm, Failure, Question, Usage, read_answer};
use pilot_light::tasks::AnswerOutput;
use serde::Deserialize;

use crate::support::golden;

/// What is to be read from one file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// The status of the response; 200 where it is not given.
    status: Option<u16>,
    content: Option<String>,
    refusal: Option<String>,
    finish_reason: Option<String>,
    /// Tokens of the prompt, of the completion, and in total.
    usage: Option<[u32; 3]>,
    /// The bytes and the log-probabilities of its tokens; none where they are not given.
    #[serde(default)]
    logprobs: Vec<(Vec<u8>, f64)>,
    /// The label of the answer, where there is one.
    label: Option<String>,
    refused: Option<String>,
    refused_status: Option<u16>,
    invalid: Option<String>,
}

impl Expected {
    fn status(&self) -> u16 {
        self.status.unwrap_or(200)
    }

    /// Checks what was read; `how` says from which pieces.
    fn check(&self, read: Result<Completion, Failure>, how: &str) {
        match (read, &self.content, &self.refused, &self.invalid) {
            (Ok(read), Some(content), None, None) => {
                let usage = self.usage.map(|[prompt_tokens, completion_tokens, total_tokens]| Usage {
                    prompt_tokens,
                    completion_tokens,
                    total_tokens,
                });
                let expected = Completion {
                    content: content.clone(),
                    refusal: self.refusal.clone(),
                    finish_reason: self.finish_reason.clone(),
                    usage,
                    logprobs: self.logprobs.iter().map(|(bytes, logprob)| token(bytes, *logprob)).collect(),
                };
                assert_eq!(read, expected, "{how}");
                let answer = read_answer(&question(), &read, str::to_string);
                let label = match &answer {
                    Ok(AnswerOutput::Label(answer)) => Some(&answer.label),
                    _ => None,
                };
                assert_eq!(label, self.label.as_ref(), "{how}: {answer:?}");
            }
            (Err(Failure::Refused { status, words }), None, Some(expected), None) => {
                assert_eq!(status, self.refused_status.unwrap_or(self.status()), "{how}: {words}");
                assert!(words.contains(expected), "{how}: {words}");
            }
            (Err(Failure::Invalid(words)), None, None, Some(expected)) => {
                assert!(words.contains(expected), "{how}: {words}");
            }
            (read, ..) => panic!("{how}: {read:?}"),
        }
    }
}

fn token(bytes: &[u8], logprob: f64) -> TokenLogprob {
    TokenLogprob { bytes: bytes.to_vec(), logprob }
}

/// The question that all replies answer.
fn question() -> Question {
    let labels = ["ham", "spam"].map(String::from).to_vec();
    Question { form: AnswerForm::Label(labels), text: "You have won".to_string() }
}

/// Every file with what is to be read from it.
fn replies() -> Vec<(String, String, Expected)> {
    let folder = golden("replies");
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Expected> = serde_json::from_str(&expected).unwrap();
    let files: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sse") || (name.ends_with(".json") && name != "expected.json"))
        .collect();
    assert_eq!(files, expected.keys().cloned().collect(), "each file has a row");
    let read = |(name, expected): (String, Expected)| {
        let body = std::fs::read_to_string(folder.join(&name)).unwrap();
        (name, body, expected)
    };
    expected.into_iter().map(read).collect()
}

/// What is read from `pieces`, and the words that were given out meanwhile.
fn streamed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, Result<Completion, Failure>) {
    let mut stream = protocol("chat-completions").unwrap().stream();
    let words = pieces.into_iter().map(|piece| stream.feed(piece)).collect();
    (words, stream.finish())
}

#[test]
fn replies_in_one_piece() {
    let chat = protocol("chat-completions").unwrap();
    for (name, body, expected) in replies() {
        let labels = if name.ends_with(".sse") { "text/event-stream" } else { "application/json" };
        // Not every server labels its replies, or labels them right.
        for content_type in [Some(labels), Some("text/plain; charset=utf-8"), None] {
            let reply = Reply::Http { status: expected.status(), content_type, body: &body };
            expected.check(chat.read(reply), &format!("{name} as {content_type:?}"));
        }
    }
}

#[test]
fn replies_in_pieces() {
    for (name, body, expected) in replies().into_iter().filter(|(.., expected)| expected.status() == 200) {
        for (ends, body) in
            [("LF", body.clone()), ("CRLF", body.replace('\n', "\r\n")), ("CR", body.replace('\n', "\r"))]
        {
            // A whole reply has ends of lines in its JSON alone.
            let bytes = body.as_bytes();
            let whole = streamed([bytes]);
            expected.check(whole.1, &format!("{name} with {ends}"));
            let singly = streamed(bytes.chunks(1));
            expected.check(singly.1, &format!("{name} with {ends}, byte by byte"));
            assert_eq!(singly.0, whole.0, "{name} with {ends}, byte by byte");
            for cut in cuts(bytes) {
                let (first, second) = bytes.split_at(cut);
                let (words, read) = streamed([first, second]);
                assert_eq!(words, whole.0, "{name} with {ends}, cut at {cut}");
                expected.check(read, &format!("{name} with {ends}, cut at {cut}"));
            }
        }
    }
}

/// A stream that breaks off says so, or gives all that there was to say.
#[test]
fn replies_that_break_off() {
    for (name, body, expected) in replies().into_iter().filter(|(name, ..)| name.ends_with(".sse")) {
        let Some(content) = &expected.content else { continue };
        for cut in cuts(body.as_bytes()) {
            match streamed([&body.as_bytes()[..cut]]).1 {
                Ok(read) => assert_eq!((&read.content, &read.refusal), (content, &expected.refusal), "{name}: {cut}"),
                Err(Failure::Unreachable(_)) => {}
                Err(other) => panic!("{name}, cut at {cut}: {other:?}"),
            }
        }
    }
}

/// A place of each class, at its first, its second and its last occurrence: around ends of lines and events, the name of a
/// field, quotes, escapes and braces, and inside of characters.
fn cuts(bytes: &[u8]) -> BTreeSet<usize> {
    let mut places: BTreeMap<(u8, u8), Vec<usize>> = BTreeMap::new();
    for (at, pair) in bytes.windows(2).enumerate() {
        // Letters and digits are one class each, and so are the bytes of longer characters.
        let class = |byte: u8| match byte {
            b'0'..=b'9' => b'0',
            b'a'..=b'z' | b'A'..=b'Z' => b'a',
            0x80..=0xBF => 0x80,
            0xC0.. => 0xC0,
            _ => byte,
        };
        places.entry((class(pair[0]), class(pair[1]))).or_default().push(at + 1);
    }
    let chosen = places.into_values().flat_map(|at| [at[0], at[at.len() / 2], at[at.len() - 1]]);
    chosen.chain([0, bytes.len()]).collect()
}
