//! The chat-completions protocol, as OpenAI-compatible servers speak it.
//!
//! # Source
//! <https://platform.openai.com/docs/api-reference/chat/create>, with `response_format` of the type
//! `json_schema`.

mod choice;
mod reply;
mod stream;

use serde_json::{Value, json};

use super::{Completion, Protocol, Reply, ReplyStream};
use crate::error::Result;
use crate::remote::{Failure, HttpRequest, KeyHeader, Payload, Prompt, RequestOptions};

/// Appended to the base address of the server.
const PATH: &str = "/chat/completions";
/// The form of the question and of its answer, which reading the reply depends on.
const RESERVED_FIELDS: &[&str] = &["model", "messages", "stream", "stream_options", "response_format", "tools", "n"];

/// An OpenAI-compatible server.
pub struct ChatCompletions;

impl Protocol for ChatCompletions {
    fn reserved_fields(&self) -> &'static [&'static str] {
        RESERVED_FIELDS
    }

    fn max_tokens(&self, options: &RequestOptions<'_>) -> u32 {
        let names = ["max_completion_tokens", "max_tokens"];
        let given = names.iter().find_map(|name| options.extra_body.get(*name)?.as_u64());
        given.map_or(options.max_tokens, |tokens| u32::try_from(tokens).unwrap_or(u32::MAX))
    }

    fn request(&self, options: &RequestOptions<'_>, prompt: Prompt) -> Payload {
        let json = || "application/json".to_string();
        Payload::Http(HttpRequest {
            path: PATH.to_string(),
            headers: vec![("accept".to_string(), json()), ("content-type".to_string(), json())],
            key_header: KeyHeader { name: "authorization".to_string(), prefix: "Bearer ".to_string() },
            body: body(options, &prompt),
        })
    }

    fn read(&self, reply: Reply<'_>) -> Result<Completion, Failure> {
        match reply {
            Reply::Http { status, content_type, body } => reply::read_completion(status, content_type, body),
            Reply::Text(_) => Err(Failure::Invalid("expected the reply of a server, got bare words".to_string())),
        }
    }

    fn stream(&self) -> Box<dyn ReplyStream> {
        Box::new(stream::ChunkStream::default())
    }
}

fn body(options: &RequestOptions<'_>, prompt: &Prompt) -> String {
    let Prompt { messages, name, schema } = prompt;
    let mut body = json!({
        "model": options.model,
        "messages": messages,
        "temperature": 0,
        "max_tokens": options.max_tokens,
        "response_format": {
            "type": "json_schema",
            "json_schema": { "name": name, "strict": schema["type"] == "object" && is_strict(schema), "schema": schema },
        },
    });
    if options.stream {
        body["stream"] = json!(true);
        body["stream_options"] = json!({ "include_usage": true });
    }
    if options.logprobs {
        body["logprobs"] = json!(true);
    }
    if let Value::Object(body) = &mut body {
        for (name, value) in options.extra_body {
            body.insert(name.clone(), value.clone());
        }
        body.retain(|_, value| !value.is_null());
    }
    body.to_string()
}

/// Whether `schema` has what OpenAI's strict mode asks for, and nothing that it refuses: a server need not read another one at
/// all. Without it the schema is a request that a server may or may not enforce.
///
/// # Source
/// <https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>.
fn is_strict(schema: &Value) -> bool {
    let Value::Object(schema) = schema else { return false };
    let properties = schema.get("properties").and_then(Value::as_object);
    let is_object = properties.is_some() || schema.get("type").is_some_and(|kind| kind == "object");
    let required = schema.get("required").and_then(Value::as_array);
    let requires = |name: &String| required.is_some_and(|required| required.iter().any(|other| other == name));
    let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false))
        && properties.is_some_and(|properties| properties.keys().all(requires));
    let are_strict = |schemas: &Value| match schemas {
        Value::Object(schemas) => schemas.values().all(is_strict),
        Value::Array(schemas) => schemas.iter().all(is_strict),
        _ => false,
    };
    (!is_object || is_closed)
        && schema.iter().all(|(name, value)| match name.as_str() {
            "type" | "title" | "description" | "enum" | "const" | "$ref" | "required" | "additionalProperties" => true,
            "pattern" | "multipleOf" | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => true,
            "minItems" | "maxItems" => true,
            "format" => value.as_str().is_some_and(|format| STRICT_FORMATS.contains(&format)),
            "properties" | "$defs" | "anyOf" => are_strict(value),
            "items" => is_strict(value),
            _ => false,
        })
}

/// The formats of strings that strict mode knows.
const STRICT_FORMATS: [&str; 9] =
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::remote::{AnswerForm, Question};

    fn body(options: RequestOptions<'_>) -> Value {
        let labels = ["ham", "spam"].map(String::from).to_vec();
        let question = Question { form: AnswerForm::Label(labels), text: "You have \"won\"".to_string() };
        let Payload::Http(request) = ChatCompletions.request(&options, Prompt::new(&question, None)) else {
            panic!("a prompt")
        };
        serde_json::from_str(&request.body).unwrap()
    }

    fn options(extra_body: &Map<String, Value>) -> RequestOptions<'_> {
        RequestOptions { model: "any", max_tokens: 7, stream: false, logprobs: false, extra_body }
    }

    #[test]
    fn the_request_has_labels_schema_and_text() {
        let body = body(options(&Map::new()));
        assert_eq!((&body["model"], &body["max_tokens"], body.get("stream")), (&json!("any"), &json!(7), None));
        assert_eq!(body.get("logprobs"), None, "nobody asked for them");
        assert_eq!(body["messages"][1], json!({ "role": "user", "content": "You have \"won\"" }));
        let schema = &body["response_format"]["json_schema"];
        assert_eq!((&schema["strict"], &schema["name"]), (&json!(true), &json!("classification")));
        assert_eq!(schema["schema"]["properties"]["label"]["enum"], json!(["ham", "spam"]));
        assert_eq!(schema["schema"]["required"], json!(["label"]));
        assert_eq!(schema["schema"]["additionalProperties"], false);
    }

    #[test]
    fn only_a_closed_schema_is_strict() {
        let object = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
        let text = json!({ "type": "string" });
        let date = json!({ "type": "string", "format": "date" });
        let list = json!({ "type": "array", "items": object(json!({ "on": date }), json!(["on"])) });
        for (schema, strict) in [
            (object(json!({ "a": text, "b": list }), json!(["a", "b"])), true),
            (object(json!({ "a": text, "b": text }), json!(["a"])), false),
            (json!({ "type": "object", "properties": { "a": text }, "required": ["a"] }), false),
            (json!({ "type": "object" }), false),
            (object(json!({ "a": { "type": "string", "format": "uri" } }), json!(["a"])), false),
            (object(json!({ "a": { "type": "string", "maxLength": 9 } }), json!(["a"])), false),
            (
                object(
                    json!({ "a": { "type": "array", "items": object(json!({ "b": text }), json!([])) } }),
                    json!(["a"]),
                ),
                false,
            ),
            (object(json!({ "a": { "anyOf": [text, { "type": "null" }] } }), json!(["a"])), true),
            (json!(true), false),
        ] {
            assert_eq!(is_strict(&schema), strict, "{schema}");
        }
    }

    #[test]
    fn further_fields_replace_ours() {
        let Value::Object(extra) = json!({ "max_tokens": null, "max_completion_tokens": 9, "temperature": 1 }) else {
            unreachable!()
        };
        let asked = RequestOptions { stream: true, logprobs: true, ..options(&extra) };
        assert_eq!((ChatCompletions.max_tokens(&asked), ChatCompletions.max_tokens(&options(&Map::new()))), (9, 7));
        let body = body(asked);
        assert_eq!((body.get("max_tokens"), &body["max_completion_tokens"]), (None, &json!(9)));
        assert_eq!((&body["temperature"], &body["stream"]), (&json!(1), &json!(true)));
        assert_eq!(body["stream_options"], json!({ "include_usage": true }));
        assert_eq!(body["logprobs"], true);
    }

    #[test]
    fn words_without_a_server_are_invalid() {
        assert!(matches!(ChatCompletions.read(Reply::Text("{}")), Err(Failure::Invalid(_))));
    }
}
