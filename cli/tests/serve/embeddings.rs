//! `/v1/embeddings`.

use serde_json::{Value, json};

use crate::client::Server;
use crate::model;
use crate::support::golden;

const PATH: &str = "/v1/embeddings";

#[test]
fn texts_become_vectors_of_length_one() {
    let folder = golden("tiny-bert-seq");
    let server = Server::start("embeddings", model::scripted(), &["--embedder", folder.to_str().unwrap()]);
    let texts: Vec<String> = (0..40).map(|number| format!("text number {number}")).collect();
    let reply = server.ask(PATH, &json!({ "model": "any", "input": texts }));
    assert_eq!((&reply["object"], &reply["model"]), (&json!("list"), &json!("tiny-bert-seq")));
    let data = reply["data"].as_array().unwrap();
    assert_eq!(data.len(), 40);
    for (index, row) in (0..).zip(data) {
        assert_eq!((&row["object"], &row["index"]), (&json!("embedding"), &json!(index)));
        let numbers = row["embedding"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap());
        assert!((numbers.map(|number| number * number).sum::<f64>() - 1.0).abs() < 1e-5);
    }
    assert!(reply["usage"]["prompt_tokens"].as_u64() >= Some(40 * 5));
    assert_eq!(reply["usage"]["prompt_tokens"], reply["usage"]["total_tokens"]);
    // As OpenAI's clients ask for it, one text.
    let packed = server.ask(PATH, &json!({ "model": "any", "input": texts[17], "encoding_format": "base64" }));
    let packed = floats(packed["data"][0]["embedding"].as_str().unwrap());
    let plain: Vec<f64> =
        data[17]["embedding"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect();
    assert_eq!(packed.len(), plain.len());
    assert!(packed.iter().zip(&plain).all(|(packed, plain)| (packed - plain).abs() < 1e-6), "{packed:?}, {plain:?}");
    assert_eq!(server.get("/v1/models").json(200)["data"].as_array().unwrap().len(), 2);

    for (body, param) in [
        (json!({ "input": [] }), "input"),
        (json!({}), "input"),
        (json!({ "input": [1, 2] }), "input"),
        (json!({ "input": "a", "dimensions": 8 }), "dimensions"),
        (json!({ "input": "a", "encoding_format": "hex" }), "encoding_format"),
    ] {
        assert_eq!(server.post(PATH, &body).json(400)["error"]["param"], param, "{body}");
    }
}

#[test]
fn a_server_without_an_embedder_says_so() {
    let server = Server::start("no-embeddings", model::scripted(), &[]);
    let error: Value = server.post(PATH, &json!({ "model": "any", "input": "a" })).json(404);
    assert!(error["error"]["message"].as_str().unwrap().contains("--embedder"), "{error}");
}

/// The little-endian floats in base64.
fn floats(text: &str) -> Vec<f64> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').chars().map(|digit| DIGITS.find(digit).expect("a digit") as u32);
    let bits: Vec<u32> = digits.flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1)).collect();
    let bytes: Vec<u8> =
        bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | *bit as u8)).collect();
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four")).into()).collect()
}
