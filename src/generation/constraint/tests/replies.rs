//! Every reply parses and is valid, whatever the budget.

use serde_json::Value;

use super::{Constraint, Matcher, Random, Vocabulary, schemas};

/// The schemas that are tested: 200 that are not refused.
fn tested() -> Vec<(String, Constraint)> {
    let mut random = Random(17);
    let mut tested: Vec<(String, Constraint)> = Vec::new();
    for schema in schemas::written() {
        tested.push((
            schema.to_owned(),
            Constraint::json_schema(&schema).unwrap_or_else(|error| panic!("{error}: {schema}")),
        ));
    }
    let mut refused = 0;
    while tested.len() < 200 {
        let depth = 1 + random.below(3);
        let schema = schemas::random(&mut random, depth);
        match Constraint::json_schema(&schema) {
            Ok(constraint) => tested.push((schema, constraint)),
            Err(error) => {
                assert!(error.to_string().contains("the schema at /"), "{error}: {schema}");
                refused += 1;
            }
        }
    }
    assert!(refused < 40, "{refused} schemas were refused");
    tested
}

fn validator(schema: &str) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(schema).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

#[test]
fn every_reply_is_valid_whatever_the_budget() {
    let vocabulary = Vocabulary::new();
    let mut random = Random(5);
    let (mut replies, mut cut) = (0, 0);
    for (schema, constraint) in tested() {
        let validator = validator(&schema);
        let minimum = constraint.minimum_budget(&vocabulary.trie).unwrap();
        for budget in 1..=200 {
            if budget < minimum {
                let error = Matcher::new(&constraint, &vocabulary.trie, budget).err().unwrap().to_string();
                assert!(error.contains(&format!("needs {minimum} tokens")), "{error}");
                continue;
            }
            let (reply, matcher) = vocabulary.reply(&constraint, budget, &mut random);
            let text = std::str::from_utf8(&reply).unwrap();
            let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}: {text} under {schema}");
            for pointer in matcher.closed_by_budget() {
                assert!(value.pointer(pointer).is_some(), "{pointer} of {text}");
            }
            replies += 1;
            cut += usize::from(!matcher.closed_by_budget().is_empty());
        }
    }
    assert!(replies > 20_000 && cut > 2_000, "{replies} replies, {cut} of them cut");
}

#[test]
fn the_shortest_reply_has_as_many_tokens_as_is_said() {
    let vocabulary = Vocabulary::new();
    for (schema, constraint) in tested() {
        let minimum = constraint.minimum_budget(&vocabulary.trie).unwrap();
        // Of the tokens that are allowed the first, so that the reply is as long as it may be.
        let mut matcher = vocabulary.matcher(&constraint, minimum);
        for left in (1..=minimum).rev() {
            if matcher.must_stop() {
                break;
            }
            let token =
                matcher.allowed(left).iter().next().unwrap_or_else(|| panic!("{left} of {minimum} left: {schema}"));
            matcher.accept(&vocabulary.tokens[token as usize]).unwrap();
        }
        assert!(matcher.is_complete(), "{schema}");
    }
}

#[test]
fn valid_texts_are_accepted_and_others_are_not() {
    let cases: [(&str, &[&str], &[&str]); 8] = [
        (
            r#"{"properties":{"b":{"type":"string","minLength":2,"maxLength":3},"a":{"type":"integer"}},"required":["a"]}"#,
            &[r#"{"a":1}"#, r#"{"b":"éé","a":-7}"#, r#"{"b":"\u00e9\ud83d\ude00x","a":0}"#, r#"{"b":"\n\\","a":0}"#],
            &[
                r#"{}"#,
                r#"{"a":1,"b":"xx"}"#,
                r#"{"b":"x","a":1}"#,
                r#"{"b":"xxxx","a":1}"#,
                r#"{ "a":1}"#,
                r#"{"a":1.0}"#,
            ],
        ),
        (
            r#"{"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":2}"#,
            &["[true]", "[false,true]"],
            &["[]", "[true,true,true]", "[true,]", "[,true]", "true"],
        ),
        (
            r#"{"prefixItems":[{"type":"null"},{"type":"integer"}],"items":{"type":"string"},"maxItems":3}"#,
            &["[]", "[null]", "[null,1]", "[null,1,\"\"]"],
            &["[1]", "[null,1,\"\",\"\"]", "[null,\"\"]"],
        ),
        (
            r#"{"type":"object","properties":{"ab":{"type":"null"}},"additionalProperties":{"type":"integer"}}"#,
            &["{}", r#"{"ab":null}"#, r#"{"ab":null,"a":1}"#, r#"{"abc":1,"b":2}"#, r#"{"é":1}"#],
            &[r#"{"ab":1}"#, r#"{"a":1,"ab":null}"#, r#"{"":1}"#, r#"{"a":null}"#, r#"{"a":1,}"#, r#"{"\u0061b":1}"#],
        ),
        (
            "{}",
            &["null", "-1.5e3", "\"\"", "[]", "{}", r#"[{"a":[[],{}]},"x",true]"#],
            &["", "[", "nul", "01", "[1 ,2]", "{\"a\"}", "tru", "{\"a\":}"],
        ),
        (
            r#"{"enum":[1,1.5,"1",[1,{"a":null}],"12"]}"#,
            &["1", "1.5", "\"1\"", "\"12\"", r#"[1,{"a":null}]"#],
            &["2", "1.0", "\"\"", "[1]", "\"121\""],
        ),
        (
            r#"{"type":"string","pattern":"^a.c$"}"#,
            &["\"abc\"", "\"aéc\"", "\"a\\\"c\"", "\"a\\\\c\"", "\"a\\u0000c\"", "\"a\u{1F600}c\""],
            &["\"ac\"", "\"abbc\"", "\"a\\nc\"", "\"xabc\"", "\"a\\u0041c\"", "\"a\u{2028}c\""],
        ),
        (
            r#"{"type":["object","null"],"properties":{"x":false,"y":{"const":null}},"additionalProperties":false}"#,
            &["null", "{}", r#"{"y":null}"#],
            &[r#"{"x":1}"#, r#"{"y":1}"#, r#"{"z":1}"#],
        ),
    ];
    let vocabulary = Vocabulary::new();
    for (schema, valid, invalid) in cases {
        let constraint = Constraint::json_schema(schema).unwrap();
        let accepts = |text: &str| {
            let mut matcher = Matcher::unbounded(&constraint, &vocabulary.trie).unwrap();
            let is_accepted = text.is_empty() || matcher.accept(text.as_bytes()).is_ok();
            is_accepted && matcher.is_complete()
        };
        for text in valid {
            assert!(accepts(text), "{text} under {schema}");
            assert!(validator(schema).is_valid(&serde_json::from_str(text).unwrap()), "{text} under {schema}");
        }
        for text in invalid {
            assert!(!accepts(text), "{text} under {schema}");
        }
    }
}
