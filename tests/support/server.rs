//! An HTTP server of a few lines over real TCP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// The bytes of a response. It says that the connection ends with it: a client that kept the connection for its next request
/// could send that while the server closes it.
pub fn reply(status: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Gives one of `replies` to each connection, and tells what it was asked; an empty one is no reply, and the
/// connection stays open until the client has left.
pub fn serve(replies: Vec<String>) -> (String, Receiver<String>) {
    let mut replies = replies.into_iter();
    serve_by(move |_| replies.next())
}

/// The same with the reply that `reply` gives to what was asked, until it gives none.
pub fn serve_by(mut reply: impl FnMut(&str) -> Option<String> + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let asked = read_request(&stream);
            let Some(reply) = reply(&asked) else { return };
            let _ = sender.send(asked);
            let _ = (&stream).write_all(reply.as_bytes());
            if reply.is_empty() {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
                let _ = (&stream).read(&mut [0]);
            }
        }
    });
    (address, receiver)
}

fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let from = head.len();
        if reader.read_line(&mut head).unwrap() == 0 {
            break;
        }
        if let Some(value) = head[from..].to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}
