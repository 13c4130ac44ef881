//! The whole server, asked over HTTP.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use ureq::http::Response;
use ureq::{Agent, Body};

use super::*;

/// A project in a folder of its own, which goes with it.
struct Fixture(Project);

impl Drop for Fixture {
    fn drop(&mut self) {
        fs::remove_dir_all(self.0.root.parent().unwrap()).unwrap();
    }
}

fn fixture(name: &str) -> Fixture {
    let folder = std::env::temp_dir().join(format!("pilot-light-server-{name}-{}", std::process::id()));
    let project = Project { root: folder.join("root"), cache: folder.join("cache") };
    let files = [
        (project.root.join("www/index.html"), "<!doctype html>"),
        (project.root.join("secret.txt"), "secret"),
        (project.root.join("models/spam/config.json"), "{}"),
        (project.models().join("base/config.json"), "{\"base\":1}"),
        (project.dist().join("wasm/cpu/a.wasm"), "\0asm"),
        (project.benches().join("a.js"), "1"),
        (project.bench_files().join("b.onnx"), "2"),
        (project.root.join("tests/golden/onnx/c.safetensors"), "3"),
        (project.samples().join("speech/d.wav"), "4"),
    ];
    for (path, text) in files {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Fixture(project)
}

fn start(fixture: &Fixture, remote: Option<Remote>) -> Server {
    let way = Way::default();
    remote.into_iter().for_each(|remote| way.lead_to(remote));
    Server::start(&fixture.0, Port::Exact(0), &way).unwrap()
}

fn remote(url: String) -> Option<Remote> {
    Some(Remote { url, key: Some("secret".into()), model: "large".into(), on_this_machine: false })
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent()
}

fn get(server: &Server, path: &str) -> Response<Body> {
    agent().get(format!("{}{path}", server.address())).call().unwrap()
}

fn ask(server: &Server) -> Response<Body> {
    let address = format!("{}v1/chat/completions?x=1", server.address());
    agent().post(address).content_type("application/json").send(r#"{"a":1}"#).unwrap()
}

fn status<B>(response: &Response<B>) -> u16 {
    response.status().as_u16()
}

fn value<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

fn text(mut response: Response<Body>) -> String {
    response.body_mut().read_to_string().unwrap()
}

/// What is answered to a request that no client library would send.
fn raw(server: &Server, request: &str) -> String {
    let host = server.address().trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "{request}\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn files_come_with_their_type_their_length_and_isolation() {
    let fixture = fixture("files");
    let server = start(&fixture, None);
    let page = get(&server, "");
    assert_eq!((status(&page), value(&page, "content-type"), value(&page, "content-length")), (200, "text/html", "15"));
    assert_eq!(value(&page, "cross-origin-embedder-policy"), "require-corp");
    let changed = value(&page, "last-modified").to_owned();
    assert_eq!(text(page), "<!doctype html>");
    assert_eq!(value(&get(&server, "pilot-light/wasm/cpu/a.wasm"), "content-type"), "application/wasm");
    assert_eq!(value(&get(&server, "bench/a.js"), "content-type"), "text/javascript");
    assert_eq!(text(get(&server, "bench/files/b.onnx")), "2");
    assert_eq!(text(get(&server, "bench/golden/c.safetensors")), "3");
    assert_eq!(text(get(&server, "bench/samples/speech/d.wav")), "4");

    let head = agent().head(format!("{}index.html", server.address())).call().unwrap();
    assert_eq!((status(&head), value(&head, "content-length")), (200, "15"));
    let again = agent().get(server.address()).header("if-modified-since", changed).call().unwrap();
    assert_eq!(status(&again), 304);
}

#[test]
fn models_are_the_projects_or_the_fetched_ones() {
    let fixture = fixture("models");
    let server = start(&fixture, None);
    assert_eq!(text(get(&server, "models/spam/config.json")), "{}");
    assert_eq!(text(get(&server, "models/base/config.json")), "{\"base\":1}");
    for missing in [
        "models/none/config.json",
        "models/spam",
        "models/spam/",
        "nothing",
        "demo.json/",
        "bench/files/",
        "secret.txt",
    ] {
        let answer = get(&server, missing);
        assert_eq!(
            (status(&answer), value(&answer, "cross-origin-resource-policy")),
            (404, "same-origin"),
            "{missing}"
        );
        assert_eq!(text(answer), "There is no such file.\n", "{missing}");
    }
}

#[test]
fn nothing_leads_out_of_the_folders() {
    let fixture = fixture("outside");
    let server = start(&fixture, None);
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/a/..%2f..%2fsecret.txt",
        "/models/../../secret.txt",
        "/models/spam/../../../secret.txt",
        "/models/..%5c..%5csecret.txt",
        "//secret.txt",
        "/pilot-light/%2e%2e/%2e%2e/secret.txt",
    ] {
        let answer = raw(&server, &format!("GET {path} HTTP/1.1"));
        assert!(answer.starts_with("HTTP/1.1 404") && !answer.contains("secret"), "{path}: {answer}");
    }
}

#[test]
fn other_names_other_origins_and_other_methods_are_refused() {
    let fixture = fixture("refused");
    let server = start(&fixture, remote("http://127.0.0.1:9".into()));
    assert_eq!(status(&agent().get(server.address()).header("host", "evil.example").call().unwrap()), 403);
    let question = format!("{}v1/chat/completions", server.address());
    assert_eq!(status(&agent().post(&question).header("origin", "http://evil.example").send("{}").unwrap()), 403);
    assert_eq!(status(&agent().post(server.address()).send("{}").unwrap()), 405);
}

#[test]
fn many_visitors_are_served_at_once() {
    let fixture = fixture("many");
    let server = start(&fixture, None);
    // Connections that ask for nothing, as browsers open them, must not keep others waiting.
    let host = server.address().trim_start_matches("http://").trim_end_matches('/');
    let _idle: Vec<_> = (0..64).map(|_| TcpStream::connect(host).unwrap()).collect();
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| assert_eq!(text(get(&server, "")), "<!doctype html>"));
        }
    });
}

#[test]
fn without_a_remote_the_page_learns_it() {
    let fixture = fixture("no-remote");
    let server = start(&fixture, None);
    assert_eq!(text(get(&server, "demo.json")), r#"{"remote":null}"#);
    let answer = ask(&server);
    assert_eq!((status(&answer), value(&answer, "content-type")), (503, "application/json"));
    assert!(text(answer).contains(r#""type":"no_remote""#));
}

#[test]
fn questions_reach_the_remote_with_the_key_and_answers_come_back_as_they_are() {
    let model = |headers: HeaderMap, uri: Uri, body: String| async move {
        let seen = format!("{uri} {} {body}", headers["authorization"].to_str().unwrap());
        (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7"), ("x-other", "1")], seen)
    };
    let listener = listen(Port::Exact(0)).unwrap();
    let url = format!("http://{}/api/v1/", listener.local_addr().unwrap());
    serve(listener, Router::new().route("/api/v1/chat/completions", axum::routing::post(model))).unwrap();

    let fixture = fixture("remote");
    let server = start(&fixture, remote(url));
    assert_eq!(
        text(get(&server, "demo.json")),
        r#"{"remote":{"baseURL":"/v1","model":"large","onThisMachine":false}}"#
    );
    let answer = ask(&server);
    assert_eq!((status(&answer), value(&answer, "retry-after")), (429, "7"));
    assert!(!answer.headers().contains_key("x-other"));
    assert_eq!(text(answer), r#"/api/v1/chat/completions?x=1 Bearer secret {"a":1}"#);
}

#[test]
fn an_answer_in_pieces_is_handed_on_as_it_comes() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, was_seen) = std::sync::mpsc::channel();
    // The second piece comes when the first one has been read at the other end.
    let model = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 16]).unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}6\r\ndata:1\r\n").as_bytes()).unwrap();
        was_seen.recv().unwrap();
        stream.write_all(b"6\r\ndata:2\r\n0\r\n\r\n").unwrap();
    });
    let fixture = fixture("pieces");
    let server = start(&fixture, remote(format!("http://{address}/v1")));
    let answer = ask(&server);
    assert_eq!(value(&answer, "content-type"), "text/event-stream");
    let mut reader = answer.into_body().into_reader();
    let mut first = [0; 6];
    reader.read_exact(&mut first).unwrap();
    seen.send(()).unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!((&first, rest.as_str()), (b"data:1", "data:2"));
    model.join().unwrap();
}

#[test]
fn a_remote_that_is_not_there_is_said_to_be_unreachable() {
    // A port that was free a moment ago.
    let address = listen(Port::Exact(0)).unwrap().local_addr().unwrap();
    let fixture = fixture("unreachable");
    let server = start(&fixture, remote(format!("http://{address}/v1")));
    let answer = ask(&server);
    assert_eq!(status(&answer), 502);
    let message = text(answer);
    assert!(message.contains("remote_unreachable") && !message.contains("secret"), "{message}");
}

#[test]
fn a_port_that_is_taken_is_passed_over_or_named() {
    let taken = listen(Port::Exact(0)).unwrap().local_addr().unwrap().port();
    let holder = listen(Port::Exact(taken)).unwrap();
    assert!(listen(Port::Exact(taken)).unwrap_err().to_string().contains(&taken.to_string()));
    let next = listen(Port::Preferred(taken)).unwrap().local_addr().unwrap().port();
    assert!(next > taken);
    drop(holder);
}

#[test]
fn names_of_this_machine() {
    for name in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"] {
        assert!(is_loopback(name), "{name}");
    }
    for name in ["", "evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "evil:1"] {
        assert!(!is_loopback(name), "{name}");
    }
}
