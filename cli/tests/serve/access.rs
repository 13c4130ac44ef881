//! Who may ask: hosts and origins.

use serde_json::json;

use crate::client::Server;
use crate::model;

#[test]
fn foreign_hosts_and_origins_are_refused() {
    let server = Server::start("access", model::scripted(), &["--allow-origin", "https://example.org"]);
    let port = server.port;
    let ask = |host: &str, more: &str| {
        let head = format!("POST /v1/completions HTTP/1.1\r\nhost: {host}{more}");
        server.exchange(&head, &json!({ "prompt": "a", "temperature": 0 }).to_string())
    };
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        assert_eq!(ask(&host, "").status, 200, "{host}");
    }
    for host in [format!("evil.example:{port}"), "localhost".to_string(), format!("localhost:{}", port ^ 1)] {
        let response = ask(&host, "");
        assert_eq!(response.json(403)["error"]["type"], "invalid_request_error", "{host}");
        assert!(!response.head.contains("access-control"));
    }
    let host = format!("localhost:{port}");
    for origin in ["http://localhost:3000", "https://example.org"] {
        let response = ask(&host, &format!("\r\norigin: {origin}"));
        assert_eq!(response.status, 200);
        assert!(response.head.contains(&format!("access-control-allow-origin: {origin}")), "{}", response.head);
    }
    for origin in ["https://evil.example", "null"] {
        let response = ask(&host, &format!("\r\norigin: {origin}"));
        assert_eq!(response.json(403)["error"]["code"], "forbidden");
        assert!(!response.head.contains("access-control"));
    }
    assert_eq!(ask(&format!("evil.example:{port}"), "\r\norigin: http://localhost:3000").status, 403);
    assert_eq!(server.exchange("GET /health HTTP/1.1", "").status, 403);
}

#[test]
fn preflights_are_answered_for_allowed_origins() {
    let server = Server::start("preflight", model::scripted(), &[]);
    let ask = |origin: &str, more: &str| {
        let head = server.head("OPTIONS", "/v1/chat/completions");
        let asked =
            "access-control-request-method: POST\r\naccess-control-request-headers: authorization, x-stainless-os";
        server.exchange(&format!("{head}\r\norigin: {origin}\r\n{asked}{more}"), "")
    };
    let response = ask("http://localhost:3000", "\r\naccess-control-request-private-network: true");
    assert_eq!((response.status, response.body.as_str()), (204, ""));
    for line in [
        "access-control-allow-origin: http://localhost:3000",
        "access-control-allow-methods: get, post",
        "access-control-allow-headers: authorization, x-stainless-os",
        "access-control-allow-private-network: true",
        "vary: origin",
    ] {
        assert!(response.head.contains(line), "{line}: {}", response.head);
    }
    assert!(!ask("http://localhost:3000", "").head.contains("private-network"));
    assert_eq!(ask("https://evil.example", "").status, 403);
    // Errors can be read by the page as well.
    let error = server.exchange(&format!("{}\r\norigin: http://localhost:1", server.head("GET", "/nothing")), "");
    assert_eq!(error.status, 404);
    assert!(error.head.contains("access-control-allow-origin: http://localhost:1"));
}
