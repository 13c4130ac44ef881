//! `/v1/completions`, `/v1/models` and `/health`.

use serde_json::{Value, json};

use crate::client::{Server, with};
use crate::model;

const PATH: &str = "/v1/completions";

fn request(prompt: &str) -> Value {
    json!({ "model": "any", "prompt": prompt, "max_tokens": 50, "temperature": 0 })
}

#[test]
fn a_reply_has_the_fields_of_openai() {
    let server = Server::start("completion", model::scripted(), &[]);
    let mut reply = server.ask(PATH, &request("a"));
    assert!(reply["id"].take().as_str().unwrap().starts_with("cmpl-"));
    assert!(reply["created"].take().is_u64() && reply["system_fingerprint"].take().is_string());
    let expected = json!({
        "id": null,
        "object": "text_completion",
        "created": null,
        "model": "small",
        "system_fingerprint": null,
        "choices": [{ "index": 0, "text": "bcdefgh", "logprobs": null, "finish_reason": "stop" }],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 8,
            "total_tokens": 9,
            "prompt_tokens_details": { "cached_tokens": 0 },
        },
    });
    assert_eq!(reply, expected);
    let choice = |fields| server.ask(PATH, &with(request("a"), fields))["choices"][0].clone();
    let short = choice(json!({ "max_tokens": 3 }));
    assert_eq!((&short["text"], &short["finish_reason"]), (&json!("bcd"), &json!("length")));
    // One that reaches over tokens, and several.
    for stop in [json!("de"), json!(["zz", "efg", "de"])] {
        let stopped = choice(json!({ "stop": stop }));
        assert_eq!((&stopped["text"], &stopped["finish_reason"]), (&json!("bc"), &json!("stop")));
    }
    assert_eq!(choice(json!({ "max_tokens": null, "prompt": "x" }))["text"], "yxyxyxyxyxyxyxyx");
}

#[test]
fn a_stream_has_text_then_the_reason() {
    let server = Server::start("completion-stream", model::scripted(), &[]);
    let fields = json!({ "stream": true, "stop": "f!", "stream_options": { "include_usage": true } });
    let chunks = server.stream(PATH, &with(request("a"), fields));
    let [texts @ .., last, usage] = &chunks[..] else { panic!("{chunks:?}") };
    let texts: Vec<_> = texts.iter().map(|chunk| chunk["choices"][0]["text"].as_str().unwrap()).collect();
    // An `f` may begin the text that stops the reply.
    assert_eq!(texts, ["b", "c", "d", "e", "fg", "h"]);
    assert_eq!(last["choices"], json!([{ "index": 0, "text": "", "logprobs": null, "finish_reason": "stop" }]));
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(9)));
}

#[test]
fn prompts_may_be_several_and_tokens() {
    let server = Server::start("prompts", model::scripted(), &[]);
    let texts = |fields| -> Vec<Value> {
        let reply = server.ask(PATH, &with(request("a"), fields));
        reply["choices"].as_array().unwrap().iter().map(|choice| choice["text"].clone()).collect()
    };
    assert_eq!(texts(json!({ "prompt": ["f", "a"], "n": 2, "max_tokens": 2 })), ["gh", "gh", "bc", "bc"]);
    // `a` is the token 64 of byte-level vocabularies.
    assert_eq!(texts(json!({ "prompt": [64], "max_tokens": 2 })), ["bc"]);
    assert_eq!(texts(json!({ "prompt": [[64], [65]], "max_tokens": 2 })), ["bc", "cd"]);
}

#[test]
fn a_suffix_asks_for_the_middle() {
    let server = Server::start("suffix", model::scripted(), &[]);
    let reply = server.ask(PATH, &with(request("a"), json!({ "suffix": "b<|fim_middle|>" })));
    assert_eq!(reply["choices"][0]["text"], "m");
    // Three tokens of control, one of the prefix, and a suffix without any.
    assert!(reply["usage"]["prompt_tokens"].as_u64().unwrap() > 7);
    assert_eq!(server.ask(PATH, &with(request("a"), json!({ "suffix": "" })))["choices"][0]["text"], "bcdefgh");
    let server = Server::start("no-suffix", model::random(), &[]);
    let error = server.post(PATH, &with(request("a"), json!({ "suffix": "b" }))).json(400)["error"].clone();
    assert_eq!((&error["code"], &error["param"]), (&json!("unsupported"), &json!("suffix")));
}

#[test]
fn tokens_have_log_probabilities() {
    let server = Server::start("completion-logprobs", model::scripted(), &[]);
    let request = with(request("a"), json!({ "logprobs": 2 }));
    let reply = server.ask(PATH, &request);
    let logprobs = &reply["choices"][0]["logprobs"];
    assert_eq!(logprobs["tokens"], json!(["b", "c", "d", "e", "f", "g", "h"]));
    assert_eq!(logprobs["text_offset"], json!([0, 1, 2, 3, 4, 5, 6]));
    for (at, top) in logprobs["top_logprobs"].as_array().unwrap().iter().enumerate() {
        assert_eq!(top.as_object().unwrap().len(), 2);
        assert_eq!(top[logprobs["tokens"][at].as_str().unwrap()], logprobs["token_logprobs"][at]);
    }
    let chunks = server.stream(PATH, &with(request.clone(), json!({ "stream": true })));
    let offsets = chunks.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"]["text_offset"].as_array());
    assert_eq!(offsets.flatten().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
    let none = server.ask(PATH, &with(request, json!({ "logprobs": 0 })));
    assert_eq!(none["choices"][0]["logprobs"]["top_logprobs"], Value::Null);
}

#[test]
fn models_and_health() {
    let server = Server::start("models", model::scripted(), &["--slots", "2"]);
    let list = server.get("/v1/models").json(200);
    let model = &list["data"][0];
    assert_eq!((&list["object"], list["data"].as_array().unwrap().len()), (&json!("list"), 1));
    assert_eq!(
        (&model["id"], &model["object"], &model["owned_by"]),
        (&json!("small"), &json!("model"), &json!("pilot-light"))
    );
    assert_eq!(&server.get("/v1/models/small").json(200), model);
    assert_eq!(server.get("/v1/models/large").json(404)["error"]["code"], "model_not_found");
    assert_eq!(server.get("/health").json(200), json!({ "status": "ok", "slots": 2, "active": 0, "queued": 0 }));
}
