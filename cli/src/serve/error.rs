//! Errors in the shape of OpenAI's API.

use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use pilot_light::ErrorKind;
use serde_json::{Value, json};

/// An error that a client is told of: `{"error": {"message", "type", "param", "code"}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    pub status: StatusCode,
    pub message: String,
    /// The field of the request that it is about.
    pub param: Option<String>,
    pub code: Option<&'static str>,
}

pub type Result<T> = std::result::Result<T, ApiError>;

/// Seconds after which a client that was turned away may ask again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>, code: Option<&'static str>) -> Self {
        Self { status, message: message.into(), param: None, code }
    }

    /// A field that is not as it must be. The message begins with its name.
    pub fn invalid(param: impl Into<String>, expected: impl std::fmt::Display) -> Self {
        let param = param.into();
        let message = format!("{param}: {expected}");
        Self { param: Some(param), ..Self::new(StatusCode::BAD_REQUEST, message, None) }
    }

    /// A field or a value of it that is not supported.
    pub fn unsupported(param: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self { code: Some("unsupported"), ..Self::invalid(param, why) }
    }

    /// A body that is not a JSON object.
    pub fn body(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message, None)
    }

    pub fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, message, Some("forbidden"))
    }

    pub fn not_found(message: impl Into<String>, code: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, message, Some(code))
    }

    pub fn method() -> Self {
        let message = "the path does not take this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message, Some("method_not_allowed"))
    }

    pub fn too_large(limit: usize) -> Self {
        let message = format!("the body is too large: expected at most {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message, Some("request_too_large"))
    }

    pub fn busy(waiting: usize) -> Self {
        let message = format!("{waiting} requests are waiting already");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message, Some("overloaded"))
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message, None)
    }

    /// As an event of a stream has it, or the body of a response.
    pub fn to_json(&self) -> Value {
        let kind = if self.status.is_server_error() { "server_error" } else { "invalid_request_error" };
        json!({ "error": { "message": self.message, "type": kind, "param": self.param, "code": self.code } })
    }
}

impl From<pilot_light::Error> for ApiError {
    fn from(error: pilot_light::Error) -> Self {
        let (status, code) = match error.kind() {
            ErrorKind::InvalidInput => (StatusCode::BAD_REQUEST, None),
            ErrorKind::Unsupported => (StatusCode::BAD_REQUEST, Some("unsupported")),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        Self::new(status, error.to_string(), code)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut response = (self.status, json, self.to_json().to_string()).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}
