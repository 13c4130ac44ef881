//! Forced tokens, and replies that a budget cut short.

use super::{Constraint, Matcher, Vocabulary};

const RECORD: &str = r#"{"type":"object","properties":{"name":{"type":"string"},"type":{"enum":["true","false"]},"items":{"type":"array","items":{"type":"integer"}}},"required":["name","type","items"]}"#;

fn text(vocabulary: &Vocabulary, tokens: &[u32]) -> String {
    let bytes: Vec<u8> = tokens.iter().flat_map(|&token| vocabulary.tokens[token as usize].clone()).collect();
    String::from_utf8(bytes).unwrap()
}

/// The reply that `choose` makes, and the pointers of what the budget closed.
fn written(schema: &str, budget: usize, mut choose: impl FnMut(&[&[u8]]) -> usize) -> (String, Vec<String>) {
    let vocabulary = Vocabulary::new();
    let constraint = Constraint::json_schema(schema).unwrap();
    let mut matcher = vocabulary.matcher(&constraint, budget);
    let mut reply = Vec::new();
    for left in (1..=budget).rev() {
        if matcher.must_stop() {
            break;
        }
        let allowed: Vec<&[u8]> =
            matcher.allowed(left).iter().map(|token| vocabulary.tokens[token as usize].as_slice()).collect();
        let token = allowed[choose(&allowed)].to_vec();
        matcher.accept(&token).unwrap();
        reply.extend(token);
    }
    assert!(matcher.is_complete());
    (String::from_utf8(reply).unwrap(), matcher.closed_by_budget().to_vec())
}

#[test]
fn names_and_punctuation_are_forced_as_long_tokens() {
    let vocabulary = Vocabulary::new();
    let constraint = Constraint::json_schema(RECORD).unwrap();
    let mut matcher = vocabulary.matcher(&constraint, 100);
    let forced = matcher.forced(100);
    // The last part is left to the model, since the vocabulary has a token of it and a letter.
    assert_eq!((text(&vocabulary, &forced).as_str(), forced.len()), ("{\"name", 2));
    matcher.accept(b"{\"name\":\"Jo\"").unwrap();
    let forced = matcher.forced(100);
    assert_eq!(text(&vocabulary, &forced), ",\"type\":\"");
    assert_eq!(forced.iter().map(|&token| vocabulary.tokens[token as usize].len()).collect::<Vec<usize>>(), [2, 4, 3]);
    assert_eq!(matcher.forced(2).len(), 2);
    matcher.accept(b",\"type\":\"true").unwrap();
    assert_eq!(text(&vocabulary, &matcher.forced(100)), "\",\"items\":[");
    matcher.accept(b"\",\"items\":[1").unwrap();
    assert!(matcher.forced(100).is_empty());
    matcher.accept(b"]").unwrap();
    assert_eq!(text(&vocabulary, &matcher.forced(100)), "}");
    matcher.accept(b"}").unwrap();
    assert!(matcher.must_stop() && matcher.forced(100).is_empty());
}

#[test]
fn what_is_forced_is_all_that_is_allowed_byte_by_byte() {
    let vocabulary = Vocabulary::new();
    let constraint = Constraint::json_schema(RECORD).unwrap();
    let mut matcher = vocabulary.matcher(&constraint, 100);
    matcher.accept(b"{\"name\":\"Jo\"").unwrap();
    for token in matcher.forced(100) {
        for &byte in &vocabulary.tokens[token as usize] {
            let single: Vec<u32> = matcher.allowed(100).iter().filter(|&token| token < 256).collect();
            assert_eq!(single, [u32::from(byte)]);
            matcher.accept(&[byte]).unwrap();
        }
    }
}

#[test]
fn a_string_that_the_budget_closes_is_named() {
    // Straight to the string, then letters as long as they are allowed.
    let mut wanted = vec![&b"\":\""[..], b"note", b"{\""];
    let schema = r#"{"properties":{"x":{"type":"integer"},"note":{"type":"string"}},"required":["note"]}"#;
    let (reply, closed) = written(schema, 30, |allowed| {
        let wanted = wanted.pop().unwrap_or(b"a");
        allowed.iter().position(|token| *token == wanted).unwrap_or(0)
    });
    assert!(reply.starts_with("{\"note\":\"a") && reply.ends_with("aaa\"}"), "{reply}");
    assert_eq!(closed, ["/note"]);
}

#[test]
fn an_array_that_could_have_gone_on_is_named() {
    let (reply, closed) = written(
        r#"{"properties":{"items":{"type":"array","items":{"type":"boolean"}}},"required":["items"]}"#,
        16,
        |allowed| {
            // The longest token, so that the array is filled.
            let wanted = [&b",true"[..], b",", b"true", b"tr", b"ue"];
            wanted.iter().find_map(|wanted| allowed.iter().position(|token| token == wanted)).unwrap_or(0)
        },
    );
    assert!(reply.starts_with("{\"items\":[true,true"), "{reply}");
    assert!(closed.contains(&"/items".to_owned()) && !closed.contains(&String::new()), "{closed:?}");
}

#[test]
fn an_optional_property_that_does_not_fit_is_named_by_its_object() {
    let schema = r#"{"properties":{"a":{"type":"null"},"b":{"type":"string","minLength":40}},"required":["a"]}"#;
    let (reply, closed) = written(schema, 12, |_| 0);
    assert_eq!((reply.as_str(), closed), ("{\"a\":null}", vec![String::new()]));
    let (reply, closed) = written(schema, 200, |allowed| allowed.iter().position(|token| token == b"}").unwrap_or(0));
    assert_eq!((reply.as_str(), closed), ("{\"a\":null}", Vec::new()));
}

#[test]
fn a_reply_that_ends_by_itself_names_nothing() {
    let vocabulary = Vocabulary::new();
    let constraint = Constraint::json_schema(RECORD).unwrap();
    let mut matcher = vocabulary.matcher(&constraint, 100);
    for (token, left) in [
        &b"{\""[..],
        b"name",
        b"\":\"",
        b"hello",
        b"\",\"",
        b"type",
        b"\":\"",
        b"true",
        b"\",\"",
        b"items",
        b"\":[",
        b"12",
        b"]}",
    ]
    .iter()
    .zip((88..=100).rev())
    {
        assert!(matcher.allowed(left).iter().any(|allowed| vocabulary.tokens[allowed as usize] == *token));
        matcher.accept(token).unwrap();
    }
    assert!(matcher.must_stop() && matcher.closed_by_budget().is_empty());
}

#[test]
fn a_number_at_the_end_of_the_budget_is_named() {
    let (reply, closed) =
        written(r#"{"type":"integer"}"#, 3, |allowed| allowed.iter().position(|token| token == b"7").unwrap());
    assert_eq!((reply.as_str(), closed), ("777", vec![String::new()]));
}

#[test]
fn a_token_that_is_not_allowed_changes_nothing() {
    let vocabulary = Vocabulary::new();
    let constraint = Constraint::json_schema(RECORD).unwrap();
    let mut matcher = vocabulary.matcher(&constraint, 100);
    for wrong in [&b""[..], b" ", b"{\"nam\"", b"\xFF", b"{\"name\":\"\xC3\"", b"{\"name\":\"\n"] {
        assert!(matcher.accept(wrong).is_err());
    }
    matcher.accept(b"{\"name\":\"\xC3").unwrap();
    assert!(matcher.accept(b"\"").is_err() && !matcher.is_complete());
    matcher.accept(b"\xA9\"").unwrap();
}

#[test]
fn nesting_is_bounded() {
    let vocabulary = Vocabulary::new();
    let constraint = Constraint::json_schema("{}").unwrap();
    let mut matcher = Matcher::unbounded(&constraint, &vocabulary.trie).unwrap();
    let mut depth = 0;
    while matcher.allowed(10_000).contains(u32::from(b'[')) {
        matcher.accept(b"[").unwrap();
        depth += 1;
    }
    assert_eq!(depth, 64);
    assert!(matcher.allowed(10_000).contains(u32::from(b'1')) && matcher.allowed(10_000).contains(u32::from(b'"')));
}
