//! A JSON schema, or behind a `/` a regular expression: a constraint whose shortest reply it matches, or an error.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pilot_light::generation::constraint::{Constraint, Matcher, TokenTrie};

fuzz_target!(|text: &str| {
    let pattern = text.strip_prefix('/');
    let constraint = pattern.map_or_else(|| Constraint::json_schema(text), Constraint::regex);
    let Ok(constraint) = constraint else { return };
    let trie = Arc::new(TokenTrie::new((0..=255u8).map(|byte| (u32::from(byte), [byte]))).expect("all bytes"));
    let Ok(mut left) = constraint.minimum_budget(&trie) else { return };
    let mut matcher = Matcher::new(&constraint, &trie, left).expect("a reply fits the budget that it needs");
    let mut reply = Vec::new();
    while !matcher.must_stop() && left > 0 {
        let byte = matcher.allowed(left).iter().next().expect("a byte that may follow") as u8;
        matcher.accept(&[byte]).expect("a byte that is allowed");
        reply.push(byte);
        left -= 1;
    }
    let reply = String::from_utf8(reply).expect("a text");
    assert!(constraint.matches(&reply), "{reply}");
    if pattern.is_none() {
        serde_json::from_str::<serde_json::Value>(&reply).expect("JSON");
    }
});
