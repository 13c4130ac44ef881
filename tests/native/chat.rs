//! Chat templates against transformers, which runs Jinja2.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::support::chat::{Conversation, Rendered, render, template};
use crate::support::{golden, golden_json};

#[derive(Deserialize)]
struct Case {
    template: String,
    #[serde(flatten)]
    expected: Rendered,
}

/// What minijinja does otherwise than Jinja2, and no template that was seen asks for. The page's engine does all of it.
const DIFFERENCES: [&str; 23] = [
    // Filters, methods and a test that it does not have.
    "{{ range is callable }}",
    "{% macro name() %}x{% endmacro %}{{ name is callable }}{{ name() | upper }}{{ name.name }}",
    "{{ 'word word' | wordcount }}",
    "{{ {'b': 1, 'A': 2} | dictsort(true) }}",
    "{{ 'hELLO wORLD'.swapcase() }}",
    "{{ 'abc'.zfill(5) }}",
    "{{ 'ab'.center(6) ~ '|' }}",
    "{{ 'ab'.ljust(4) ~ '|' ~ 'ab'.rjust(4) }}",
    "{{ 'a' | center(5) ~ '|' }}",
    "{{ 'aaaa bbbb cccc' | truncate(9) }}",
    "{{ '%s-%d-%5.2f' % ('a', 3, 2.5) }}",
    // Other entities, escapes and blanks.
    "{{ '<a href=\"x\">&\\'' | escape }}",
    "{{ [\"\\x00\\x7f\\u200b\\ud7ff\\U0001f600é\"] | string }}",
    "  {% raw %}\n {{ raw }}\n  {%- endraw -%}   after",
    // Generators are lists, `None` is an empty one, and any two values have an order.
    "{{ 'y' if [] | select else 'n' }}",
    "{{ 'y' if [] | map('upper') else 'n' }}",
    "{{ [1] | map('string') | length }}",
    "{% for i in none %}{{ i }}{% endfor %}",
    "{{ 'a' < 1 }}",
    // Corners of loops and macros.
    "{% for i in [1, 2] %}{{ i }}{% continue %}{% else %}none{% endfor %}",
    "{% set loop = 1 %}{{ loop }}",
    "{% macro defaults(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ defaults(1) }}{{ defaults(1, 2) }}",
    "{% macro greet(name, greeting='Hello') %}{{ greeting }}, {{ name }}{{ kwargs }}{{ varargs }}{% endmacro %}\n{{ greet('A') }} {{ greet('B', 'Bye') }} {{ greet(greeting='Hi', name='C') }} {{ greet('D', 'Hi', 'x', y=1) }}",
];

fn conversations() -> Vec<Conversation> {
    golden_json("templates/conversations.json")
}

#[test]
fn expressions_and_blocks_are_equal_to_jinja2() {
    let cases: Vec<Case> = golden_json("templates/cases.json");
    assert!(cases.len() >= 400);
    let conversations = conversations();
    let several = conversations.iter().find(|it| it.name == "several turns").expect("a conversation");
    let different: Vec<&Case> =
        cases.iter().filter(|case| !render(&template(&case.template), several).is(&case.expected)).collect();
    let unexpected = different.iter().filter(|case| !DIFFERENCES.contains(&case.template.as_str()));
    let unexpected: Vec<String> = unexpected
        .map(|case| {
            let got = render(&template(&case.template), several);
            format!("{}\n  expected {:?}\n  got {got:?}", case.template, case.expected)
        })
        .collect();
    assert!(unexpected.is_empty(), "{} wrong:\n{}", unexpected.len(), unexpected.join("\n"));
    assert_eq!(different.len(), DIFFERENCES.len(), "some of the known differences are gone");
}

#[test]
fn templates_are_equal_to_transformers() {
    let expected: BTreeMap<String, Vec<Rendered>> = golden_json("templates/expected.json");
    let conversations = conversations();
    assert!(expected.len() >= 5 && conversations.len() >= 20);
    let mut wrong = Vec::new();
    for (name, expected) in &expected {
        let file = golden(&format!("templates/templates/{name}.jinja"));
        let template = template(&std::fs::read_to_string(file).expect("a template"));
        assert_eq!(expected.len(), conversations.len());
        for (conversation, expected) in conversations.iter().zip(expected) {
            let got = render(&template, conversation);
            if !got.is(expected) {
                wrong.push(format!("{name}, {}:\n  expected {expected:?}\n  got {got:?}", conversation.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong, the first is {}", wrong.len(), wrong[0]);
}
