//! Chat templates as people use them, against transformers.

use std::collections::BTreeMap;
use std::path::Path;

use pilot_light::generation::chat::ChatTemplate;

use crate::support::chat::{Conversation, render, template};
use crate::support::{fetched, golden_json};

/// Jinja2 fails where this template iterates over `None`; minijinja goes on.
const LENIENT: (&str, &str) = ("samples/templates-axolotl/command_a_tool_use.jinja", "documents");

fn read(name: &str) -> ChatTemplate {
    let file = std::fs::read_to_string(fetched(name)).expect("a template");
    match Path::new(name).extension().is_some_and(|extension| extension == "json") {
        true => ChatTemplate::from_files(&file, None).expect("a configuration").expect("a template"),
        false => template(&file),
    }
}

#[test]
fn published_templates_are_equal_to_transformers() {
    let expected: BTreeMap<String, Vec<String>> = golden_json("templates/published.json");
    let conversations: Vec<Conversation> = golden_json("templates/conversations.json");
    assert!(expected.len() >= 110 && conversations.len() >= 20);
    let mut wrong = Vec::new();
    for (name, digests) in &expected {
        assert_eq!(digests.len(), conversations.len(), "{name}");
        let template = read(name);
        for (conversation, digest) in conversations.iter().zip(digests) {
            let got = render(&template, conversation);
            if got.digest() != *digest && (name.as_str(), conversation.name.as_str()) != LENIENT {
                wrong.push(format!("{name}, {}: expected {digest}, got {got:?}", conversation.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
