//! A server with a small model, and a client of a few lines.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::folder::Folder;

/// A running server, stopped at the end of the test.
pub struct Server {
    pub child: Child,
    pub port: u16,
    _folder: Folder,
}

/// A response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: String,
}

impl Server {
    /// Serves the model in `file`.
    pub fn start(test: &str, file: Vec<u8>, arguments: &[&str]) -> Self {
        let folder = Folder::new(&format!("serve-{test}"));
        folder.write("small.gguf", file);
        let mut command = Command::new(env!("CARGO_BIN_EXE_pilot-light"));
        command.arg("serve").arg("--model").arg(folder.0.join("small.gguf")).args(["--port", "0"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let port = line.trim_end().strip_prefix("listening on http://127.0.0.1:").expect("an address");
        let port = port.parse().expect("a port");
        Self { child, port, _folder: folder }
    }

    /// A connection that was sent `head` without its last line and `body`.
    pub fn send(&self, head: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a timeout");
        let request = format!("{head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        // One that refuses a body may have closed.
        let _ = stream.write_all(request.as_bytes());
        stream
    }

    /// The response to that.
    pub fn exchange(&self, head: &str, body: &str) -> Response {
        let mut bytes = Vec::new();
        let _ = self.send(head, body).read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let is_chunked = head.contains("transfer-encoding: chunked");
        let body = if is_chunked { unchunked(body) } else { body.to_string() };
        Response { status, head, body }
    }

    /// The first line and the `Host` of a request.
    pub fn head(&self, method: &str, path: &str) -> String {
        format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}", self.port)
    }

    pub fn get(&self, path: &str) -> Response {
        self.exchange(&self.head("GET", path), "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.exchange(&self.head("POST", path), &body.to_string())
    }

    /// The JSON of a response that must succeed.
    #[track_caller]
    pub fn ask(&self, path: &str, body: &Value) -> Value {
        self.post(path, body).json(200)
    }

    /// The data of the events of a response that must succeed; the last one is `[DONE]`.
    #[track_caller]
    pub fn stream(&self, path: &str, body: &Value) -> Vec<Value> {
        let response = self.post(path, body);
        assert_eq!(response.status, 200, "{response:?}");
        assert!(response.head.contains("content-type: text/event-stream"), "{}", response.head);
        let events = response.body.strip_suffix("\n\n").expect("whole events").split("\n\n");
        let mut data: Vec<&str> = events.map(|event| event.strip_prefix("data: ").expect("data")).collect();
        assert_eq!(data.pop(), Some("[DONE]"));
        data.into_iter().map(|data| serde_json::from_str(data).expect("JSON")).collect()
    }

    pub fn active(&self) -> u64 {
        self.get("/health").json(200)["active"].as_u64().expect("a number")
    }

    /// Waits until so many requests are active, and returns how long that took.
    #[track_caller]
    pub fn wait_for_active(&self, count: u64) -> Duration {
        let start = Instant::now();
        while self.active() != count {
            assert!(start.elapsed() < Duration::from_secs(120), "{} are active, expected {count}", self.active());
            std::thread::sleep(Duration::from_millis(2));
        }
        start.elapsed()
    }
}

impl Response {
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        serde_json::from_str(&self.body).expect("JSON")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A body without the lines that say the lengths of its chunks.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).expect("a length");
        whole.push_str(&rest[..length]);
        body = rest[length..].trim_start_matches("\r\n");
        if length == 0 {
            break;
        }
    }
    whole
}

/// A request with one message.
pub fn user(text: &str) -> Value {
    json!({ "model": "any", "messages": [{ "role": "user", "content": text }], "max_tokens": 24, "temperature": 0 })
}

/// A request with more fields.
pub fn with(mut request: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("expected fields") };
    for (name, value) in fields {
        request[name] = value;
    }
    request
}
