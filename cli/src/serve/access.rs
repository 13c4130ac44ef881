//! Who may ask: the Host and Origin headers, against pages of other sites, and CORS for the pages that may.
//!
//! A page of any site can send requests to this machine. The browser says where the page is from in `Origin`. Where a name of
//! that site was made to point here (DNS rebinding) there is no foreign origin, but `Host` has the name.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// What `Host` and `Origin` may be.
pub struct Access {
    /// The name that was given on the command line, as it is in a URL.
    host: String,
    port: u16,
    /// Whether the server listens on all addresses of the machine.
    any_address: bool,
    origins: Vec<String>,
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
const HTTP_PORT: u16 = 80;
/// Seconds for which a browser keeps the answer to a preflight.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");

const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

impl Access {
    /// For a server that listens on `address`, which is `host` on the command line.
    ///
    /// # Errors
    /// One of `origins` is not an origin.
    pub fn new(host: &str, address: SocketAddr, origins: &[String]) -> crate::Result<Self> {
        for origin in origins {
            if parts(origin).is_none() {
                return Err(
                    format!("--allow-origin: expected an origin such as https://example.org, got '{origin}'").into()
                );
            }
        }
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_ascii_lowercase() };
        let origins = origins.iter().map(|origin| origin.to_ascii_lowercase()).collect();
        Ok(Self { host, port: address.port(), any_address: address.ip().is_unspecified(), origins })
    }

    fn allows_host(&self, host: &str) -> bool {
        let Some((name, port)) = authority(host) else { return false };
        let is_known = LOOPBACK.contains(&&*name) || name == self.host;
        // No name was made to point here if the address itself is asked for.
        let is_address = || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        port.unwrap_or(HTTP_PORT) == self.port && (is_known || self.any_address && is_address())
    }

    fn allows_origin(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        self.origins.contains(&origin) || parts(&origin).is_some_and(|(name, _)| LOOPBACK.contains(&&*name))
    }
}

/// The name, in lower case, and the port of `name:port`.
fn authority(text: &str) -> Option<(String, Option<u16>)> {
    let parsed: Authority = text.parse().ok().filter(|_| !text.contains('@'))?;
    // The parser gives no port for one that is not a number.
    let port = parsed.port_u16();
    (port.is_some() || parsed.as_str() == parsed.host()).then(|| (parsed.host().to_ascii_lowercase(), port))
}

/// The name and the port of an origin: a scheme, a name and a port, and nothing else.
fn parts(origin: &str) -> Option<(String, Option<u16>)> {
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))?;
    authority(rest)
}

/// Refuses requests of pages that may not ask, answers preflights, and tells browsers which pages may read the answer.
pub async fn check(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_allowed = |value: &HeaderValue| value.to_str().is_ok_and(|host| access.allows_host(host));
    if !headers.get(header::HOST).is_some_and(is_allowed) {
        return ApiError::forbidden("the Host header is not a name of this server").into_response();
    }
    let Some(origin) = headers.get(header::ORIGIN).cloned() else { return next.run(request).await };
    if !origin.to_str().is_ok_and(|origin| access.allows_origin(origin)) {
        return ApiError::forbidden("pages of this origin may not ask: see --allow-origin").into_response();
    }
    let is_preflight =
        request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight { preflight(headers) } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    response
}

/// # Source
/// The Fetch standard, "CORS protocol"; Private Network Access, section 3.1.
fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    if asked.get(REQUEST_PRIVATE_NETWORK).is_some_and(|value| value == "true") {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(host: &str, address: &str) -> Access {
        let origins = ["https://Example.org".to_string()];
        Access::new(host, address.parse().unwrap(), &origins).unwrap()
    }

    #[test]
    fn hosts_are_names_of_the_server_with_its_port() {
        let local = access("127.0.0.1", "127.0.0.1:8080");
        for host in ["localhost:8080", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080"] {
            assert!(local.allows_host(host), "{host}");
        }
        let foreign = [
            "evil.example:8080",
            "localhost",
            "localhost:80",
            "localhost:8081",
            "10.0.0.1:8080",
            "localhost.evil:8080",
            "me@localhost:8080",
            "localhost:8080/",
            "localhost:",
            "localhost:808080",
            "",
            "[::1",
            "127.0.0.1:8080:8080",
        ];
        for host in foreign {
            assert!(!local.allows_host(host), "{host}");
        }
        let named = access("box.lan", "10.0.0.1:80");
        assert!(named.allows_host("box.lan") && named.allows_host("Box.lan:80") && !named.allows_host("10.0.0.1"));
        let all = access("0.0.0.0", "0.0.0.0:8080");
        assert!(all.allows_host("10.0.0.1:8080") && all.allows_host("[fe80::1]:8080"));
        assert!(!all.allows_host("evil.example:8080"));
        assert!(access("::1", "[::1]:8080").allows_host("[::1]:8080"));
    }

    #[test]
    fn origins_are_of_this_machine_or_named() {
        let access = access("127.0.0.1", "127.0.0.1:8080");
        for origin in [
            "http://localhost:3000",
            "https://localhost",
            "http://127.0.0.1:1",
            "http://[::1]:5",
            "https://example.org",
        ] {
            assert!(access.allows_origin(origin), "{origin}");
        }
        let foreign = [
            "null",
            "",
            "http://evil.example",
            "http://example.org",
            "https://example.org:8443",
            "file://localhost",
            "http://localhost.evil.example",
            "http://localhost:3000/page",
            "http://localhost@evil.example",
            "localhost",
        ];
        for origin in foreign {
            assert!(!access.allows_origin(origin), "{origin}");
        }
        let wrong = Access::new("127.0.0.1", "127.0.0.1:1".parse().unwrap(), &["*".to_string()]);
        assert!(wrong.err().unwrap().to_string().contains("got '*'"));
    }
}
