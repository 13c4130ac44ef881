//! `/v1/chat/completions`.

use serde_json::{Value, json};

use crate::client::{Server, user, with};
use crate::model;

const PATH: &str = "/v1/chat/completions";

/// The names of an object's fields.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// The texts of a stream, joined.
fn text_of(chunks: &[Value], index: u64) -> String {
    let choices = chunks.iter().flat_map(|chunk| chunk["choices"].as_array().expect("choices"));
    let deltas = choices.filter(|choice| choice["index"] == index).map(|choice| &choice["delta"]["content"]);
    deltas.filter_map(Value::as_str).collect()
}

#[test]
fn a_reply_has_the_fields_of_openai() {
    let server = Server::start("chat", model::random(), &[]);
    let reply = server.ask(PATH, &user("Hello"));
    assert_eq!(keys(&reply), ["id", "object", "created", "model", "system_fingerprint", "choices", "usage"]);
    assert_eq!((&reply["object"], &reply["model"]), (&json!("chat.completion"), &json!("small")));
    assert!(reply["id"].as_str().unwrap().starts_with("chatcmpl-") && reply["created"].as_u64() > Some(1_700_000_000));
    let choice = &reply["choices"][0];
    assert_eq!(keys(choice), ["index", "message", "logprobs", "finish_reason"]);
    assert_eq!((&choice["index"], &choice["logprobs"]), (&json!(0), &Value::Null));
    assert_eq!(keys(&choice["message"]), ["role", "content", "refusal"]);
    assert_eq!(choice["message"]["role"], "assistant");
    assert!(!choice["message"]["content"].as_str().unwrap().is_empty());
    assert_eq!(choice["finish_reason"], "length");
    let usage = &reply["usage"];
    assert_eq!(usage["completion_tokens"], 24);
    let total = usage["prompt_tokens"].as_u64().unwrap() + 24;
    assert_eq!(usage["total_tokens"], total);
    assert_eq!(usage["prompt_tokens_details"], json!({ "cached_tokens": 0 }));
}

#[test]
fn a_stream_has_a_role_then_text_then_the_reason_then_usage() {
    let server = Server::start("stream", model::random(), &[]);
    let whole = server.ask(PATH, &user("Hello"));
    let request = with(user("Hello"), json!({ "stream": true, "stream_options": { "include_usage": true } }));
    let chunks = server.stream(PATH, &request);
    let [first, texts @ .., last, usage] = &chunks[..] else { panic!("{chunks:?}") };
    let names = ["id", "object", "created", "model", "system_fingerprint", "choices", "usage"];
    for chunk in &chunks {
        assert_eq!(keys(chunk), names);
        assert_eq!((&chunk["id"], &chunk["object"]), (&first["id"], &json!("chat.completion.chunk")));
    }
    let choice = |delta: Value, reason: Value| json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason }]);
    let role = json!({ "role": "assistant", "content": "", "refusal": null });
    assert_eq!(first["choices"], choice(role, Value::Null));
    assert!(texts.len() > 3);
    for chunk in texts {
        assert_eq!(
            chunk["choices"],
            choice(json!({ "content": chunk["choices"][0]["delta"]["content"] }), Value::Null)
        );
        assert_eq!(chunk["usage"], Value::Null);
    }
    assert_eq!(last["choices"], choice(json!({}), json!("length")));
    assert_eq!(text_of(&chunks, 0), whole["choices"][0]["message"]["content"].as_str().unwrap());
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["completion_tokens"], 24);
    // Without that option no chunk has usage.
    let chunks = server.stream(PATH, &with(user("Hello"), json!({ "stream": true })));
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    assert_eq!(chunks.last().unwrap()["choices"], choice(json!({}), json!("length")));
}

#[test]
fn several_replies_differ_and_equal_seeds_give_equal_replies() {
    let server = Server::start("seeds", model::random(), &[]);
    let request = with(user("Hello"), json!({ "n": 3, "seed": -7, "temperature": 1.5 }));
    let texts = |reply: &Value| -> Vec<String> {
        let choices = reply["choices"].as_array().unwrap();
        (0..).zip(choices).for_each(|(index, choice)| assert_eq!(choice["index"], index));
        choices.iter().map(|choice| choice["message"]["content"].as_str().unwrap().to_string()).collect()
    };
    let reply = server.ask(PATH, &request);
    let first = texts(&reply);
    assert_eq!((first.len(), &reply["usage"]["completion_tokens"]), (3, &json!(72)));
    assert!(first[0] != first[1] && first[1] != first[2]);
    assert_eq!(texts(&server.ask(PATH, &request)), first);
    let streamed = server.stream(PATH, &with(request.clone(), json!({ "stream": true })));
    assert_eq!((0..3).map(|index| text_of(&streamed, index)).collect::<Vec<_>>(), first);
    let other = with(request, json!({ "seed": null }));
    assert_ne!(texts(&server.ask(PATH, &other)), texts(&server.ask(PATH, &other)));
}

#[test]
fn a_second_turn_finds_the_first_computed_and_says_the_same() {
    let server = Server::start("cached", model::random(), &[]);
    let first = user("Tell me a long story about a lighthouse and its keeper, please.");
    let said = server.ask(PATH, &first)["choices"][0]["message"].clone();
    let mut second = first;
    let turns = second["messages"].as_array_mut().unwrap();
    turns.extend([
        json!({ "role": "assistant", "content": said["content"] }),
        json!({ "role": "user", "content": "Go on." }),
    ]);
    let warm = server.ask(PATH, &second);
    let cold = Server::start("cold", model::random(), &[]).ask(PATH, &second);
    assert_eq!(cold["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    let cached = warm["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    assert!(cached >= 16 && cached < warm["usage"]["prompt_tokens"].as_u64().unwrap(), "{cached}");
    assert_eq!(warm["choices"], cold["choices"]);
}

#[test]
fn tokens_have_log_probabilities() {
    let server = Server::start("logprobs", model::random(), &[]);
    let request = with(user("Hello"), json!({ "logprobs": true, "top_logprobs": 3 }));
    let reply = server.ask(PATH, &request);
    let content = reply["choices"][0]["logprobs"]["content"].as_array().unwrap().clone();
    assert_eq!(content.len(), 24);
    for token in &content {
        assert_eq!(keys(token), ["token", "logprob", "bytes", "top_logprobs"]);
        // Greedy: the likeliest of those that are given.
        let top = token["top_logprobs"].as_array().unwrap();
        let logprob = |token: &Value| token["logprob"].as_f64().unwrap();
        assert_eq!((top.len(), logprob(&top[0])), (3, logprob(token)));
        assert!(logprob(token) < 0.0 && logprob(&top[0]) >= logprob(&top[1]) && logprob(&top[1]) >= logprob(&top[2]));
    }
    let bytes = |tokens: &[Value]| -> Vec<u8> {
        let bytes = tokens.iter().flat_map(|token| token["bytes"].as_array().unwrap());
        bytes.map(|byte| byte.as_u64().unwrap() as u8).collect()
    };
    let text = reply["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes(&content)), text);
    let chunks = server.stream(PATH, &with(request, json!({ "stream": true })));
    let streamed = chunks.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"]["content"].as_array());
    assert_eq!(streamed.flatten().cloned().collect::<Vec<_>>(), content);
    let plain = server.ask(PATH, &with(user("Hello"), json!({ "logprobs": true })));
    assert_eq!(plain["choices"][0]["logprobs"]["content"][0]["top_logprobs"], json!([]));
}

#[test]
fn calls_of_tools_are_read_from_the_reply() {
    let server = Server::start("tools", model::scripted(), &[]);
    let tool = json!({ "type": "function", "function": { "name": "weather", "parameters": { "type": "object" } } });
    let request = with(user("Is it raining in Bern?"), json!({ "tools": [tool] }));
    let reply = server.ask(PATH, &request);
    let choice = &reply["choices"][0];
    assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("tool_calls"), &json!("Sure")));
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    let arguments = json!({ "name": "weather", "arguments": "{\"city\": \"Bern\"}" });
    assert_eq!((calls.len(), keys(&calls[0])), (1, vec!["id", "type", "function"]));
    assert_eq!((&calls[0]["type"], &calls[0]["function"]), (&json!("function"), &arguments));
    let again = server.ask(PATH, &request);
    assert_ne!(again["choices"][0]["message"]["tool_calls"][0]["id"], calls[0]["id"]);

    let chunks = server.stream(PATH, &with(request.clone(), json!({ "stream": true })));
    assert_eq!(text_of(&chunks, 0), "Sure");
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": null, "refusal": null }));
    let [.., call, last] = &chunks[..] else { panic!("{chunks:?}") };
    let call = &call["choices"][0]["delta"]["tool_calls"][0];
    assert_eq!((&call["index"], &call["type"], &call["function"]), (&json!(0), &json!("function"), &arguments));
    assert_eq!(
        (&last["choices"][0]["delta"], &last["choices"][0]["finish_reason"]),
        (&json!({}), &json!("tool_calls"))
    );

    // The result is given back by the id of the call.
    let turns = json!([
        { "role": "user", "content": "Is it raining?" },
        { "role": "assistant", "content": null, "tool_calls": calls },
        { "role": "tool", "tool_call_id": calls[0]["id"], "content": "no" },
    ]);
    server.ask(PATH, &with(request.clone(), json!({ "messages": turns })));
    // Where tools are off, what looks like a call is text.
    let off = server.ask(PATH, &with(request, json!({ "tool_choice": "none" })));
    assert_eq!(off["choices"][0]["finish_reason"], "stop");
    assert!(off["choices"][0]["message"]["content"].as_str().unwrap().starts_with("Sure<tool_call>"));
}

#[test]
fn a_reply_under_a_schema_is_valid() {
    let server = Server::start("schema", model::random(), &[]);
    let schema = json!({
        "type": "object", "properties": { "z": { "type": "boolean" }, "a": { "enum": ["x", "y"] } },
        "required": ["z", "a"], "additionalProperties": false,
    });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "flags", "schema": schema } });
    let fields = |max_tokens| json!({ "response_format": format, "max_tokens": max_tokens });
    let reply = server.ask(PATH, &with(user("Hello"), fields(40)));
    let content = reply["choices"][0]["message"]["content"].as_str().unwrap();
    let record: Value = serde_json::from_str(content).unwrap();
    assert!(record["z"].is_boolean() && ["x", "y"].contains(&record["a"].as_str().unwrap()), "{content}");
    assert!(content.starts_with(r#"{"z":"#), "{content}");
    assert_eq!(reply["choices"][0]["finish_reason"], "stop");
}

#[test]
fn fields_of_openai_are_taken() {
    let server = Server::start("fields", model::random(), &[]);
    let plain = server.ask(PATH, &user("Hello"));
    let fields = json!({
        "user": "somebody", "metadata": { "a": "b" }, "store": false, "unheard_of": [1], "response_format": { "type": "text" },
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "Hel" }, { "type": "text", "text": "lo" }] }],
        "max_completion_tokens": 24, "max_tokens": 5, "stop": null, "logit_bias": null, "tool_choice": "auto", "tools": null,
    });
    let reply = server.ask(PATH, &with(user(""), fields));
    assert_eq!(reply["choices"], plain["choices"]);
    let fields = json!({
        "temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "seed": 1, "presence_penalty": 0.5,
        "frequency_penalty": 0.5, "repetition_penalty": 1.1, "stop": ["never said"], "model": "small",
    });
    server.ask(PATH, &with(user("Hello"), fields));
    // A role that the template does not know of, and a text that looks like one of its tokens.
    let turns =
        json!([{ "role": "developer", "content": "Be brief.<|im_end|>" }, { "role": "user", "content": "Hello" }]);
    server.ask(PATH, &with(user(""), json!({ "messages": turns })));
}
