//! What is refused, and how the error names it.

use super::{Constraint, Random, Vocabulary};
use crate::error::ErrorKind;

fn refusal(schema: &str) -> String {
    Constraint::json_schema(schema).err().unwrap_or_else(|| panic!("{schema} was not refused")).to_string()
}

#[test]
fn a_keyword_that_is_not_supported_is_named_with_its_pointer() {
    let error = Constraint::json_schema(r#"{"properties":{"age":{"not":{"type":"null"}}}}"#).err().unwrap();
    assert_eq!(error.to_string(), "the schema at /properties/age: the keyword 'not' is not supported");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(refusal(r#"{"uniqueItems":true}"#), "the schema: the keyword 'uniqueItems' is not supported");
    let nested = r##"{"anyOf":[{"type":"null"},{"items":{"$ref":"#/$defs/a~1b"}}],"$defs":{"a/b":{"if":{}}}}"##;
    assert_eq!(refusal(nested), "the schema at /$defs/a~1b: the keyword 'if' is not supported");
}

#[test]
fn each_refusal_says_what_was_expected() {
    for (schema, expected) in [
        ("[1", "expected a schema in JSON"),
        ("3", "the schema: expected an object or a boolean, got a value of type integer"),
        (
            r#"{"type":"text"}"#,
            "expected a 'type' of null, boolean, integer, number, string, array, object, got \"text\"",
        ),
        (r#"{"type":[]}"#, "to name a type"),
        (r#"{"minLength":-1}"#, "expected 'minLength' to be a whole number of at least 0, got -1"),
        (r#"{"minLength":"a"}"#, "expected 'minLength' to be a whole number of at least 0, got \"a\""),
        (r#"{"minimum":"a"}"#, "expected 'minimum' to be a number"),
        (r#"{"required":"a"}"#, "expected 'required' to be an array of strings"),
        (r#"{"properties":[]}"#, "expected 'properties' to be an object"),
        (r#"{"anyOf":[]}"#, "expected 'anyOf' to be an array with a schema"),
        (r#"{"enum":[]}"#, "expected 'enum' to be an array with a value"),
        (r#"{"format":"hostname"}"#, "the format 'hostname' is not supported"),
        (r#"{"pattern":"a(?=b)"}"#, "the pattern at position 1: a lookaround or modifier is not supported"),
        (r#"{"multipleOf":0.5}"#, "expected 'multipleOf' to be a whole number from 1 to 100"),
        (r#"{"type":"integer","multipleOf":101}"#, "expected 'multipleOf' to be a whole number from 1 to 100"),
        (r#"{"items":[{}]}"#, "write 'prefixItems'"),
        (r##"{"$ref":"other.json#/a"}"##, "does not lead into this schema"),
        (r##"{"$ref":"#/$defs/a"}"##, "the schema refers to #/$defs/a, which it does not have"),
        (
            r#"{"oneOf":[{"type":"string"},{"type":"string","maxLength":3}]}"#,
            "expected branches of 'oneOf' that differ",
        ),
        (r#"{"oneOf":[{"type":"integer"},{"type":"number"}]}"#, "expected branches of 'oneOf' that differ"),
        (
            r#"{"oneOf":[{"properties":{"a":{"const":1}}},{"properties":{"a":{"const":2}}}]}"#,
            "expected branches of 'oneOf' that differ",
        ),
        (r#"{"enum":["a"],"minLength":1}"#, "'minLength' together with 'enum' or 'const' is not supported"),
        (r#"{"allOf":[{"pattern":"a"},{"pattern":"b"}]}"#, "two different 'pattern' in one schema are not supported"),
        (r#"{"a":1,"a":2}"#, "the name 'a' twice"),
    ] {
        let error = refusal(schema);
        assert!(error.contains(expected), "{error}: {schema}");
    }
}

#[test]
fn a_schema_that_cannot_be_met_is_refused() {
    for (schema, expected) in [
        ("false", "the schema: it cannot be met: no value is valid under false"),
        (
            r#"{"properties":{"a":{"minLength":3,"maxLength":2}}}"#,
            "the schema at /properties/a: it cannot be met: 'minLength' is 3 and 'maxLength' 2",
        ),
        (r#"{"minItems":3,"maxItems":2}"#, "'minItems' is 3 and 'maxItems' 2"),
        (r#"{"minItems":3,"prefixItems":[{}],"items":false}"#, "'minItems' is 3, and there are only 1 items"),
        (r#"{"type":"integer","minimum":1.1,"maximum":1.9}"#, "no number is within its bounds"),
        (r#"{"type":"integer","multipleOf":7,"minimum":1,"maximum":6}"#, "no number is within its bounds"),
        (r#"{"exclusiveMinimum":2,"exclusiveMaximum":2}"#, "no number is within its bounds"),
        (r#"{"pattern":"^abc$","maxLength":2}"#, "no text of its length matches its pattern or format"),
        (r#"{"type":"string","enum":[1,2]}"#, "no value of 'enum' or 'const'"),
        (r#"{"const":1,"enum":[2]}"#, "no value of 'enum' or 'const'"),
        (r#"{"properties":{"a":false},"required":["a"]}"#, "no value is valid under false"),
        (
            r#"{"properties":{},"required":["a"],"additionalProperties":false}"#,
            "the property 'a' is required and not allowed",
        ),
        (r#"{"allOf":[{"type":"string"},{"type":"null"}]}"#, "no value is valid under false"),
        (r#"{"allOf":[{"const":1},{"const":2}]}"#, "no value is valid under false"),
        (r#"{"type":"string","anyOf":[{"type":"null"},{"type":"array"}]}"#, "no branch of 'anyOf' agrees"),
        (
            r##"{"properties":{"a":{"$ref":"#"}},"required":["a"]}"##,
            "the schema: it cannot be met: each value contains another, without end",
        ),
        (
            r##"{"$defs":{"a":{"items":{"$ref":"#/$defs/a"},"minItems":1}},"$ref":"#/$defs/a"}"##,
            "each value contains another, without end",
        ),
        (r##"{"$ref":"#"}"##, "it refers to itself with nothing in between"),
        (
            r##"{"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"},{"type":"null"}]},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/b"}"##,
            "it refers to itself with nothing in between",
        ),
    ] {
        let error = refusal(schema);
        assert!(error.contains(expected), "{error}: {schema}");
    }
}

#[test]
fn hostile_schemas_end_in_an_error_or_in_time() {
    let deep = |open: &str, close: &str, count: usize| format!("{}true{}", open.repeat(count), close.repeat(count));
    assert!(refusal(&deep("{\"items\":", "}", 10_000)).contains("recursion limit"));
    assert!(refusal(&deep("{\"allOf\":[", "]}", 10_000)).contains("recursion limit"));
    // A shortest reply that is nested too deeply, through references.
    let chain: Vec<String> = (0..200)
        .map(|at| format!("\"d{at}\":{{\"items\":{{\"$ref\":\"#/$defs/d{}\"}},\"minItems\":1}}", at + 1))
        .collect();
    let chain = format!("{{\"$defs\":{{{},\"d200\":{{\"type\":\"null\"}}}},\"$ref\":\"#/$defs/d0\"}}", chain.join(","));
    assert!(refusal(&chain).contains("at most 64 levels of nesting, got 200"));
    // References that merge without end.
    let endless = r##"{"$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"},{"type":"object"}]}},"$ref":"#/$defs/a"}"##;
    assert!(refusal(endless).contains("lead through more than 100 schemas"));
    let growing = r##"{"$defs":{"a":{"properties":{"b":{"$ref":"#/$defs/a","required":["b"]}}}},"$ref":"#/$defs/a"}"##;
    assert!(refusal(growing).contains("nested more than 100 levels"), "{}", refusal(growing));
    assert!(refusal(r#"{"type":"string","minLength":4000000000}"#).contains("shortest reply of at most 1048576 bytes"));
    assert!(refusal(r#"{"type":"string","pattern":"^(a{1,100}){1,1000}$"}"#).contains("at most 10000 characters"));
    assert!(refusal(r#"{"pattern":"^a{1,5000}$","maxLength":4000}"#).contains("product is at most 20000"));
    let many: Vec<String> = (0..2000).map(|at| format!("\"p{at}\":{{}}")).collect();
    assert!(
        refusal(&format!("{{\"properties\":{{{}}}}}", many.join(","))).contains("at most 1000 properties, got 2000")
    );
}

#[test]
fn large_schemas_are_compiled() {
    let vocabulary = Vocabulary::new();
    let values: Vec<String> = (0..10_000).map(|at| format!("\"value {:x}\"", at * 7919)).collect();
    let constraint = Constraint::json_schema(&format!("{{\"enum\":[{}]}}", values.join(","))).unwrap();
    assert_eq!(constraint.minimum_budget(&vocabulary.trie).unwrap(), 5);
    let alike: Vec<String> = (0..2000).map(|at| format!("\"{}\"", "a".repeat(at))).collect();
    let constraint = Constraint::json_schema(&format!("{{\"enum\":[{}]}}", alike.join(","))).unwrap();
    let (reply, _) = vocabulary.reply(&constraint, 3000, &mut Random(1));
    assert!(reply.len() >= 2);
    let optional: Vec<String> = (0..900).map(|at| format!("\"p{at}\":{{\"type\":\"integer\"}}")).collect();
    let constraint = Constraint::json_schema(&format!("{{\"properties\":{{{}}}}}", optional.join(","))).unwrap();
    let (reply, _) = vocabulary.reply(&constraint, 300, &mut Random(2));
    assert!(serde_json::from_slice::<serde_json::Value>(&reply).is_ok());
}

/// Alternatives grow with each character: the search is given up, and the reply still ends.
#[test]
fn a_pattern_that_was_made_to_be_slow_still_ends() {
    let vocabulary = Vocabulary::new();
    let constraint = Constraint::regex("(.{0,60}){0,60}x").unwrap();
    let mut random = Random(4);
    let (reply, _) = vocabulary.reply(&constraint, 12, &mut random);
    assert!(reply.ends_with(b"x"));
}
