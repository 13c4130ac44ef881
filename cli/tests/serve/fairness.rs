//! Several requests, and clients that leave.

use std::io::Read;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Server, with};
use crate::model;

const PATH: &str = "/v1/completions";
/// Far longer than a step, and far shorter than what the requests below would take.
const AT_ONCE: Duration = Duration::from_secs(5);

/// One that goes on until the context is full.
fn endless() -> Value {
    json!({ "prompt": "x", "max_tokens": 30_000, "temperature": 0 })
}

#[test]
fn fifty_at_once_are_all_answered() {
    let server = Server::start("fifty", model::scripted(), &[]);
    thread::scope(|scope| {
        let ask = |number: usize| {
            let request =
                json!({ "prompt": "a", "max_tokens": 50, "temperature": 0, "stream": number.is_multiple_of(2) });
            let text = match number % 2 {
                1 => server.ask(PATH, &request)["choices"][0]["text"].as_str().unwrap().to_string(),
                _ => {
                    let chunks = server.stream(PATH, &request);
                    chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect()
                }
            };
            assert_eq!(text, "bcdefgh", "{number}");
        };
        for number in 0..50 {
            scope.spawn(move || ask(number));
        }
    });
    server.wait_for_active(0);
}

#[test]
fn a_short_reply_does_not_wait_for_a_long_one() {
    let server = Server::start("short", model::scripted(), &["--slots", "2"]);
    let _long = server.send(&server.head("POST", PATH), &endless().to_string());
    server.wait_for_active(1);
    let reply = server.ask(PATH, &json!({ "prompt": "a", "max_tokens": 50, "temperature": 0 }));
    assert_eq!(reply["choices"][0]["text"], "bcdefgh");
    // The other goes on: its client is there.
    server.wait_for_active(1);
}

#[test]
fn a_client_that_leaves_while_text_is_generated_frees_its_slot() {
    let server = Server::start("decode", model::scripted(), &["--slots", "1"]);
    for stream in [true, false] {
        let mut client =
            server.send(&server.head("POST", PATH), &with(endless(), json!({ "stream": stream })).to_string());
        server.wait_for_active(1);
        // A queued one that leaves as well, and one that stays.
        drop(server.send(&server.head("POST", PATH), &endless().to_string()));
        if stream {
            let mut text = [0; 2000];
            client.read_exact(&mut text).expect("the beginning of the text");
        } else {
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(server.active(), 1);
        drop(client);
        let took = server.wait_for_active(0);
        assert!(took < AT_ONCE, "stream: {stream}, {took:?}");
        assert_eq!(server.get("/health").json(200)["queued"], 0);
    }
}

#[test]
fn a_client_that_leaves_while_the_prompt_is_read_frees_its_slot() {
    let server = Server::start("prefill", model::scripted(), &["--slots", "1"]);
    for stream in [true, false] {
        // Tokens in another order each time, so that nothing is computed already.
        let ids: Vec<usize> = (0..30_000).map(|at| (at * 7 + usize::from(stream)) % 256).collect();
        let request = json!({ "prompt": ids, "max_tokens": 2000, "temperature": 0, "stream": stream });
        let client = server.send(&server.head("POST", PATH), &request.to_string());
        server.wait_for_active(1);
        drop(client);
        let took = server.wait_for_active(0);
        assert!(took < AT_ONCE, "stream: {stream}, {took:?}");
        // The slot is of use.
        assert_eq!(server.ask(PATH, &json!({ "prompt": "g", "temperature": 0 }))["choices"][0]["text"], "h");
    }
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_the_server() {
    let mut server = Server::start("interrupt", model::scripted(), &[]);
    let interrupt = || {
        let id = server.child.id().to_string();
        let sent = std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill runs");
        assert!(sent.success());
    };
    let client = server.send(&server.head("POST", PATH), &with(endless(), json!({ "max_tokens": 200 })).to_string());
    server.wait_for_active(1);
    interrupt();
    // What was begun is completed, and nothing new is taken.
    let mut reply = String::new();
    (&client).read_to_string(&mut reply).expect("the reply");
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("\"finish_reason\":\"length\""), "{reply}");
    drop(client);
    assert!(server.child.wait().expect("it ends").success());
    assert!(std::net::TcpStream::connect(("127.0.0.1", server.port)).is_err());
}
