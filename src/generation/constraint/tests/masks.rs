//! Which tokens are allowed: exactly those after which the reply can be completed in time.

use super::{Constraint, Matcher, Random, Vocabulary, schemas};

/// What is allowed after some random tokens is what each token, tried by itself, gives.
#[test]
fn the_allowed_tokens_are_those_that_leave_enough_of_the_budget() {
    let vocabulary = Vocabulary::new();
    let mut random = Random(3);
    for schema in schemas::written() {
        let constraint = Constraint::json_schema(&schema).unwrap();
        let minimum = constraint.minimum_budget(&vocabulary.trie).unwrap();
        for budget in [minimum, minimum + 3, minimum + 15, 1000] {
            let mut matcher = vocabulary.matcher(&constraint, budget);
            let mut reply: Vec<u8> = Vec::new();
            for left in (1..=budget).rev().take(25) {
                if matcher.must_stop() {
                    break;
                }
                let allowed: Vec<u32> = matcher.allowed(left).iter().collect();
                let others = (0..30).map(|_| random.below(vocabulary.tokens.len()) as u32);
                let tried: Vec<u32> = allowed.iter().copied().take(30).chain(others).collect();
                for token in tried {
                    let bytes = &vocabulary.tokens[token as usize];
                    let mut after = Matcher::unbounded(&constraint, &vocabulary.trie).unwrap();
                    let written = reply.is_empty() || after.accept(&reply).is_ok();
                    let is_allowed = written && after.accept(bytes).is_ok() && after.minimum_budget() < left;
                    let text = String::from_utf8_lossy(&reply);
                    assert_eq!(allowed.contains(&token), is_allowed, "{bytes:?} after {text}, {left} left, {schema}");
                }
                let bytes = &vocabulary.tokens[allowed[random.below(allowed.len())] as usize];
                matcher.accept(bytes).unwrap();
                reply.extend(bytes);
            }
        }
    }
}

/// Whether a text is one of a few is decided by comparing it with each.
#[test]
fn a_choice_allows_the_beginnings_of_its_texts() {
    let texts = ["true", "truer", "the hello", "", "\u{4F60}\u{597D}", "été", "{\"name\":\"A\"}"].map(str::to_owned);
    let vocabulary = Vocabulary::new();
    let constraint = Constraint::choice(&texts).unwrap();
    let mut written: Vec<Vec<u8>> = vec![Vec::new()];
    let mut complete = 0;
    while let Some(prefix) = written.pop() {
        let mut matcher = Matcher::unbounded(&constraint, &vocabulary.trie).unwrap();
        assert!(prefix.is_empty() || matcher.accept(&prefix).is_ok());
        let is_complete = texts.iter().any(|text| text.as_bytes() == prefix);
        assert_eq!(matcher.is_complete(), is_complete);
        complete += usize::from(is_complete);
        let begins = |text: &[u8]| texts.iter().any(|known| known.as_bytes().starts_with(text));
        let expected: Vec<u32> = (0u32..)
            .zip(&vocabulary.tokens)
            .filter(|(_, token)| begins(&[prefix.as_slice(), token].concat()))
            .map(|(token, _)| token)
            .collect();
        assert_eq!(matcher.must_stop(), expected.is_empty());
        assert_eq!(
            matcher.allowed(1000).iter().collect::<Vec<u32>>(),
            expected,
            "{}",
            String::from_utf8_lossy(&prefix)
        );
        if prefix.len() < 30 {
            written.extend((0..=255).map(|byte| [prefix.as_slice(), &[byte]].concat()).filter(|text| begins(text)));
        }
    }
    assert_eq!(complete, texts.len());
}

#[test]
fn the_same_tokens_are_allowed_after_derivatives_are_forgotten() {
    let vocabulary = Vocabulary::new();
    let constraint = Constraint::json_schema(&schemas::written()[1]).unwrap();
    let mut random = Random(11);
    let [mut matcher, mut other] = [(); 2].map(|()| vocabulary.matcher(&constraint, 500));
    for left in (1..=500).rev() {
        if matcher.must_stop() {
            break;
        }
        other.forget();
        let allowed: Vec<u32> = matcher.allowed(left).iter().collect();
        assert_eq!(other.allowed(left).iter().collect::<Vec<u32>>(), allowed);
        let token = &vocabulary.tokens[allowed[random.below(allowed.len())] as usize];
        matcher.accept(token).unwrap();
        other.accept(token).unwrap();
    }
    assert!(matcher.must_stop() && other.must_stop());
}

#[test]
fn a_vocabulary_without_some_bytes_writes_what_it_can() {
    use std::sync::Arc;

    use super::TokenTrie;

    // Without line feeds and the first byte of rare characters, as small vocabularies are.
    let full = Vocabulary::new();
    let tokens = full.tokens.iter().filter(|token| !matches!(token.as_slice(), [b'\n'] | [0xF0..=0xF1] | [0xC3]));
    let tokens: Vec<Vec<u8>> = tokens.cloned().collect();
    let trie = Arc::new(TokenTrie::new(tokens.iter().zip(0..).map(|(token, id)| (id, token))).unwrap());
    let vocabulary = Vocabulary { tokens, trie };
    let mut random = Random(9);
    for schema in schemas::written() {
        let constraint = Constraint::json_schema(&schema).unwrap();
        if constraint.minimum_budget(&vocabulary.trie).is_err() {
            assert!(schema.contains('é'), "{schema}");
            continue;
        }
        for budget in
            (10..200).step_by(10).filter(|&budget| budget >= constraint.minimum_budget(&vocabulary.trie).unwrap())
        {
            let (reply, _) = vocabulary.reply(&constraint, budget, &mut random);
            assert!(serde_json::from_slice::<serde_json::Value>(&reply).is_ok());
        }
    }
    let error = Constraint::regex("a\\nb").unwrap().minimum_budget(&vocabulary.trie).unwrap_err();
    assert!(error.to_string().contains("no token of the vocabulary"), "{error}");
    let or = Constraint::choice(&["\n".to_owned(), "longer".to_owned()]).unwrap();
    assert_eq!(vocabulary.reply(&or, 9, &mut random).0, b"longer");
}
