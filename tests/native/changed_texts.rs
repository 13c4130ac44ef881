//! Texts from outside with changes: chat templates, JSON schemas, patterns and the tokens of GGUF files are read or refused. The
//! targets in `fuzz/` do the same with any texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use pilot_light::formats::gguf;
use pilot_light::generation::chat::{ChatTemplate, Message, Minijinja, TemplateOptions};
use pilot_light::generation::constraint::{Constraint, Matcher, TokenTrie};
use pilot_light::tokenizer::Tokenizer;
use proptest::prelude::*;

use crate::support::gguf::{Value, write};

const TEMPLATE: &str = r#"{{ bos_token }}{%- set ns = namespace(found=false, text='') -%}
{%- macro write(role, content) -%}<|{{ role | upper }}|>{{ content | trim }}{{ '\n' * 2 }}{%- endmacro -%}
{% for message in messages if message['role'] != 'none' %}{% if loop.first and message.role == 'system' -%}
{% set ns.found = true %}{{ write(message.role, message.content.split('.')[-1].strip()) }}
{%- elif message.content is string %}{{ raise_exception('bad') if loop.index0 > 9 else message['content'][1:-1:2] }}
{%- else %}{% for part in message.content %}{{ part | tojson(indent=2) }}{% endfor %}{% endif %}
{%- set ns.text = ns.text ~ message.content -%}{%- endfor -%}
{{ '%5d|%s' | format(ns.text | length, [1, 2.5, none] | map('string') | join(', ')) }}{{ {'a': 1, 'b': [2]}.items() | list }}
{{ strftime_now('%d %b %Y') }}{% generation %}{{ range(3) | sum }}{{ "ab".replace('a', 'b').title() }}{% endgeneration %}"#;
const SCHEMA: &str = r##"{"$defs":{"n":{"type":["integer","null"],"minimum":-5,"exclusiveMaximum":1e3,"multipleOf":5}},
    "type":"object","properties":{"a":{"$ref":"#/$defs/n"},"b":{"type":"string","minLength":1,"maxLength":9,"pattern":"^[a-c]+\\d?$"},
    "c":{"type":"array","prefixItems":[{"const":[1,"x"]}],"items":{"enum":["é",true,null]},"minItems":1,"maxItems":4},
    "d":{"anyOf":[{"type":"number"},{"type":"string","format":"date"}]}},"required":["a","c"],"additionalProperties":false}"##;
const PATTERN: &str = r"(?:ab|[^\d\s-]{2,5}|\u00e9+?)*\.(?<x>[a-z&&_]|\p{Lu}|\x41$|^.){0,3}\b?(a|b)\W";

/// A part of a text that is taken out, doubled, or replaced.
#[derive(Clone, Debug)]
enum Change {
    Delete(usize, usize),
    Repeat(usize, usize, usize),
    Insert(usize, String),
}

/// Up to eight changes; what is inserted is of these parts.
fn changes(parts: &'static [&'static str]) -> impl Strategy<Value = Vec<Change>> {
    let (at, length) = (0..4096usize, 0..24usize);
    let change = prop_oneof![
        (at.clone(), length.clone()).prop_map(|(at, length)| Change::Delete(at, length)),
        (at.clone(), length, 1..4usize).prop_map(|(at, length, count)| Change::Repeat(at, length, count)),
        (at, prop::collection::vec(prop::sample::select(parts), 1..4))
            .prop_map(|(at, parts)| Change::Insert(at, parts.concat())),
    ];
    prop::collection::vec(change, 0..8)
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for change in changes {
        let range = |at: usize, length: usize| {
            let start = at % (text.len() + 1);
            start..(start + length).min(text.len())
        };
        match change {
            Change::Delete(at, length) => drop(text.drain(range(*at, *length))),
            Change::Repeat(at, length, count) => {
                let range = range(*at, *length);
                let part = text[range.clone()].repeat(*count);
                text.splice(range.end..range.end, part);
            }
            Change::Insert(at, part) => drop(text.splice(range(*at, 0), part.chars())),
        }
    }
    text.into_iter().collect()
}

/// Renders a template, which must end.
fn render(template: &str) {
    let content = "Be brief. What is 2 + 2? <|im_end|> \u{1f600}";
    let messages = ["system", "user", "assistant"].map(|role| Message::new(role, content));
    let template = ChatTemplate::from_gguf(template, vec![("bos_token".to_string(), "<s>".to_string())]);
    for continue_final_message in [false, true] {
        let options = TemplateOptions { continue_final_message, ..TemplateOptions::default() };
        let _ = template.render(&Minijinja { local_time_s: 0 }, &messages, &options);
    }
}

/// Writes the first of the shortest replies, which must be one.
fn shortest(constraint: pilot_light::Result<Constraint>, trie: &Arc<TokenTrie>) -> Option<String> {
    let constraint = constraint.ok()?;
    let mut left = constraint.minimum_budget(trie).ok()?;
    let mut matcher = Matcher::new(&constraint, trie, left).expect("a reply fits the budget that it needs");
    let mut reply = Vec::new();
    while !matcher.must_stop() && left > 0 {
        let byte = matcher.allowed(left).iter().next().expect("a byte that may follow") as u8;
        matcher.accept(&[byte]).expect("a byte that is allowed");
        reply.push(byte);
        left -= 1;
    }
    let reply = String::from_utf8(reply).expect("a text");
    assert!(constraint.matches(&reply), "{reply}");
    Some(reply)
}

fn bytes() -> Arc<TokenTrie> {
    Arc::new(TokenTrie::new((0..=255u8).map(|byte| (u32::from(byte), [byte]))).expect("all bytes"))
}

#[test]
fn the_texts_without_changes_are_read() {
    render(TEMPLATE);
    let message = Message::new("user", "A text");
    let template = ChatTemplate::from_gguf(TEMPLATE, Vec::new());
    template.render(&Minijinja { local_time_s: 0 }, &[message], &TemplateOptions::default()).expect("a prompt");
    let reply = shortest(Constraint::json_schema(SCHEMA), &bytes()).expect("a reply");
    assert!(jsonschema::is_valid(
        &serde_json::from_str(SCHEMA).expect("JSON"),
        &serde_json::from_str(&reply).expect("JSON")
    ));
    assert!(
        shortest(Constraint::regex(r"(?:ab|[^\d\s-]{2,5}|\u00e9+)*\.(?:[a-z]|\x41){0,3}(a|b)\W"), &bytes()).is_some()
    );
}

#[test]
fn templates_that_want_much_memory_or_nesting_are_refused() {
    for template in [
        "{{ 'a' * 100000000000 }}",
        "{{ [1] * 100000000000 }}",
        "{{ 'a'.ljust(100000000000) }}{{ 'a'.rjust(100000000000) }}{{ 'a'.center(100000000000) }}{{ 'a'.zfill(100000000000) }}",
        "{{ 'a' | indent(100000000000) }}",
        "{{ 'a' | center(100000000000) }}",
        "{{ '%100000000000d' | format(1) }}{{ '%.100000000000f' | format(1) }}{{ '%*d' | format(100000000000, 1) }}",
        "{{ range(100000000000) | list | length }}",
        "{{ 10 ** 100000000000 }}{{ 2 ** 62 * 2 ** 62 }}{{ -9223372036854775808 // -1 }}{{ 1 // 0 }}{{ 1 % 0 }}",
        "{{ 'abc'[::0] }}{{ 'abc'[-9223372036854775808:9223372036854775807:-1] }}",
        "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x.replace('a', 'aa') %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x | tojson | tojson %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] | join %}{% endfor %}{{ ns.x }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ strftime_now('%Y' * 1000) }}{{ strftime_now('%') }}{{ strftime_now('%Q%-d%é') }}",
    ] {
        render(template);
    }
    for (open, close) in [("(", ")"), ("[", "]"), ("{'a':", "}"), ("a.b(", ")")] {
        render(&format!("{{{{ {}1{} }}}}", open.repeat(20_000), close.repeat(20_000)));
    }
    for (link, end) in [("not ", "1"), ("-", "1"), ("1+", "1"), ("a|", "e"), ("a.", "b")] {
        render(&format!("{{{{ {}{end} }}}}", link.repeat(20_000)));
    }
    render(&format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(10_000)));
    render(
        "{% set ns = namespace(x=[]) %}{% for i in range(9) %}{% for j in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{% endfor %}",
    );
    render(&"a".repeat(1 << 20));
    let blocks = ["{% if 1 %}", "{% endif %}", "{% for a in [1] %}", "{% endfor %}"].map(|block| block.repeat(5000));
    render(&[&blocks[0][..], &blocks[1]].concat());
    render(&[&blocks[2][..], &blocks[3]].concat());
}

const JINJA: &[&str] = &[
    "{%",
    "%}",
    "{{",
    "}}",
    "-",
    " if ",
    " else ",
    "endfor",
    "(",
    ")",
    "[",
    "'",
    "|",
    "~",
    "*",
    "999999",
    "é",
    "\\",
    "{% set x = x ~ x %}",
    "loop.",
    "{#",
];
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "-1",
    "0",
    "1e999",
    "null",
    "\"type\":\"string\"",
    "\"$ref\":\"#\"",
    "\"not\":{}",
    "\\u",
    "\"oneOf\":[{}]",
    "é",
    "99999999999999999999",
];
const REGEX: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{9999}",
    "{,2}",
    "*",
    "+",
    "?",
    "|",
    "\\",
    "^",
    "$",
    "-",
    "é",
    "(?=",
    "\\d",
    "\\p{L}",
    ".",
    "\u{1f600}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_chat_template_with_changes_is_rendered_or_refused(changes in changes(JINJA)) {
        render(&changed(TEMPLATE, &changes));
    }

    #[test]
    fn a_schema_with_changes_is_compiled_or_refused(changes in changes(JSON)) {
        let schema = changed(SCHEMA, &changes);
        if let Some(reply) = shortest(Constraint::json_schema(&schema), &bytes()) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&reply).is_ok(), "{reply} of {schema}");
        }
    }

    #[test]
    fn a_pattern_with_changes_is_compiled_or_refused(changes in changes(REGEX)) {
        shortest(Constraint::regex(&changed(PATTERN, &changes)), &bytes());
    }

    #[test]
    fn a_tokenizer_of_a_gguf_file_with_any_tokens_reads_texts(
        kind in prop::sample::select(&["gpt2", "llama", "bert", ""][..]),
        tokens in prop::collection::vec("(a|b|\u{120}|\u{2581}|<0x4[12]>|<\\|im_end\\|>|<s>|\u{1f600}|Ã|©){0,3}", 0..40),
        types in prop::collection::vec(-1..8i32, 0..40),
        scores in prop::collection::vec(prop::sample::select(&[0.0f32, -1.0, 3.5, f32::NAN, f32::INFINITY][..]), 0..40),
        merges in prop::collection::vec("(a|b|\u{120}){0,2} ?(a|b|\u{120}){0,2}", 0..12),
    ) {
        let (mut types, mut scores) = (types, scores);
        // Mostly as many as there are tokens.
        if types.len() % 4 > 0 { types.resize(tokens.len(), 1) }
        if scores.len() % 4 > 0 { scores.resize(tokens.len(), -2.0) }
        let pairs = BTreeMap::from([
            ("tokenizer.ggml.model", Value::Text(kind.into())),
            ("tokenizer.ggml.tokens", Value::Texts(tokens)),
            ("tokenizer.ggml.token_type", Value::Integers(types)),
            ("tokenizer.ggml.scores", Value::Floats(scores)),
            ("tokenizer.ggml.merges", Value::Texts(merges)),
        ]);
        let file = write(&pairs);
        let Ok(tokenizer) = Tokenizer::from_gguf(&gguf::header(&file).expect("a header").metadata) else { return Ok(()) };
        for text in ["ab a<|im_end|>\u{1f600} é<s>b", "", " a  b"] {
            for id in tokenizer.encode_prompt(text).unwrap_or_default() {
                prop_assert!((id as usize) < tokenizer.vocabulary_size());
                let _ = (tokenizer.token_bytes(id), tokenizer.token(id));
            }
        }
    }
}
