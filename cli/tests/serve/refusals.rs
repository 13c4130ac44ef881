//! What bad requests get.

use serde_json::{Value, json};

use crate::client::{Server, user, with};
use crate::model;

const CHAT: &str = "/v1/chat/completions";

#[test]
fn bad_fields_are_named() {
    let server = Server::start("refusals", model::random(), &[]);
    let part = |part: Value| json!({ "messages": [{ "role": "user", "content": [part] }] });
    let cases = [
        (json!({ "messages": null }), "messages", Value::Null),
        (json!({ "messages": [] }), "messages", Value::Null),
        (json!({ "messages": "hi" }), "messages", Value::Null),
        (json!({ "messages": [{ "role": "pirate", "content": "hi" }] }), "messages[0].role", Value::Null),
        (json!({ "messages": [{ "role": "user" }] }), "messages[0].content", Value::Null),
        (json!({ "messages": [{ "role": "user", "content": 1 }] }), "messages[0]", Value::Null),
        (part(json!({ "type": "image_url", "image_url": {} })), "messages[0].content[0].type", json!("unsupported")),
        (part(json!({ "text": "no type" })), "messages[0].content[0].type", Value::Null),
        (json!({ "temperature": "hot" }), "temperature", Value::Null),
        (json!({ "temperature": -1 }), "temperature", Value::Null),
        (json!({ "top_p": 2 }), "top_p", Value::Null),
        (json!({ "top_k": -1 }), "top_k", Value::Null),
        (json!({ "max_tokens": 0 }), "max_tokens", Value::Null),
        (json!({ "max_completion_tokens": 1.5 }), "max_completion_tokens", Value::Null),
        (json!({ "n": 9 }), "n", Value::Null),
        (json!({ "n": 0 }), "n", Value::Null),
        (json!({ "seed": "x" }), "seed", Value::Null),
        (json!({ "stop": [""] }), "stop", Value::Null),
        (json!({ "stop": [1] }), "stop", Value::Null),
        (json!({ "logprobs": 3 }), "logprobs", Value::Null),
        (json!({ "top_logprobs": 3 }), "top_logprobs", Value::Null),
        (json!({ "logprobs": true, "top_logprobs": 21 }), "top_logprobs", Value::Null),
        (json!({ "stream": "yes" }), "stream", Value::Null),
        (json!({ "stream_options": { "include_usage": true } }), "stream_options", Value::Null),
        (json!({ "logit_bias": { "1": 1 } }), "logit_bias", json!("unsupported")),
        (json!({ "functions": [] }), "functions", json!("unsupported")),
        (json!({ "response_format": { "type": "json_schema" } }), "response_format.json_schema.schema", Value::Null),
        (json!({ "response_format": { "type": "xml" } }), "response_format.type", Value::Null),
        (json!({ "tool_choice": "required" }), "tool_choice", json!("unsupported")),
        (json!({ "tool_choice": "perhaps" }), "tool_choice", Value::Null),
        (json!({ "tools": [{ "type": "retrieval" }] }), "tools[0].type", Value::Null),
        (json!({ "tools": [{ "type": "function" }] }), "tools[0].function.name", Value::Null),
    ];
    for (fields, param, code) in cases {
        let response = server.post(CHAT, &with(user("Hello"), fields.clone()));
        let error = response.json(400)["error"].clone();
        assert_eq!((&error["param"], &error["code"]), (&json!(param), &code), "{fields}: {error}");
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().unwrap().starts_with(&format!("{param}: ")), "{error}");
    }
    let cases = [
        (json!({}), "prompt"),
        (json!({ "prompt": [] }), "prompt"),
        (json!({ "prompt": "" }), "prompt"),
        (json!({ "prompt": [1, 100_000] }), "prompt"),
        (json!({ "prompt": [true] }), "prompt"),
        (json!({ "prompt": "a", "echo": true }), "echo"),
        (json!({ "prompt": "a", "best_of": 2 }), "best_of"),
    ];
    for (body, param) in cases {
        assert_eq!(server.post("/v1/completions", &body).json(400)["error"]["param"], param, "{body}");
    }
    assert_eq!(server.active(), 0);
}

#[test]
fn bad_bodies_paths_and_methods_are_refused() {
    let server = Server::start("bodies", model::random(), &[]);
    let nested = "[".repeat(100_000);
    for body in ["", "{", "[]", "\"text\"", "{\"messages\": [}", "\u{1}", &nested] {
        let response = server.exchange(&server.head("POST", CHAT), body);
        assert_eq!(response.json(400)["error"]["type"], "invalid_request_error", "{response:?}");
    }
    // One byte too many, so that the server has read all that is sent.
    let response = server.exchange(&server.head("POST", CHAT), &" ".repeat((4 << 20) + 1));
    assert_eq!(response.json(413)["error"]["code"], "request_too_large");
    for path in ["/", "/v1", "/v1/nothing", "/v1/chat/completions/"] {
        assert_eq!(server.get(path).json(404)["error"]["code"], "unknown_url", "{path}");
    }
    assert_eq!(server.get(CHAT).json(405)["error"]["code"], "method_not_allowed");
    assert_eq!(server.post("/health", &json!({})).json(405)["error"]["param"], Value::Null);
}

#[test]
fn a_prompt_beyond_the_context_is_refused() {
    let server = Server::start("context", model::random(), &[]);
    let ids = vec![64; model::CONTEXT];
    let error = server.post("/v1/completions", &json!({ "prompt": ids, "stream": true })).json(400)["error"].clone();
    assert_eq!((&error["code"], &error["param"]), (&json!("context_length_exceeded"), &json!("prompt")));
    let text = "a ".repeat(model::CONTEXT);
    let error = server.post(CHAT, &user(&text)).json(400)["error"].clone();
    assert_eq!((&error["code"], &error["param"]), (&json!("context_length_exceeded"), &json!("messages")));
    assert!(!error["message"].as_str().unwrap().contains("a a"), "{error}");
}

#[test]
fn a_prompt_beyond_the_context_is_shortened_where_the_request_allows_it() {
    const CONTEXT: usize = 128;
    let server = Server::start("overflow", model::random_of(CONTEXT), &[]);
    let ids = vec![64; CONTEXT + 8];
    let request = json!({ "prompt": ids, "max_tokens": 8, "overflow": "middle-out", "temperature": 0 });
    let reply = server.ask("/v1/completions", &request);
    assert_eq!(reply["usage"]["prompt_tokens"], CONTEXT - 8);
    assert_eq!(reply["choices"][0]["dropped"], json!({ "turns": 0, "tokens": 16 }));
    let long = "a ".repeat(CONTEXT);
    let message = |role: &str, content: &str| json!({ "role": role, "content": content });
    let messages = [message("user", &long), message("assistant", "b"), message("user", "c")];
    let mut request = json!({ "messages": messages, "max_tokens": 8, "temperature": 0 });
    assert_eq!(server.post(CHAT, &request).json(400)["error"]["code"], "context_length_exceeded");
    for (overflow, turns) in [("drop-oldest-turns", 1), ("middle-out", 0)] {
        request["overflow"] = overflow.into();
        let choice = server.ask(CHAT, &request)["choices"][0].clone();
        assert_eq!(choice["dropped"]["turns"], turns, "{overflow}");
        assert!(choice["dropped"]["tokens"].as_u64() > Some(8), "{choice}");
        let mut stream = request.clone();
        stream["stream"] = true.into();
        let chunks = server.stream(CHAT, &stream);
        assert_eq!(chunks.last().unwrap()["choices"][0]["dropped"], choice["dropped"]);
    }
    // The question is never cut.
    request["messages"] = json!([message("user", "c"), message("assistant", "b"), message("user", &long)]);
    assert_eq!(server.post(CHAT, &request).json(400)["error"]["code"], "context_length_exceeded");
    request["overflow"] = "shorten".into();
    assert_eq!(server.post(CHAT, &request).json(400)["error"]["param"], "overflow");
}
