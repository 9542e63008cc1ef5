//! The dialects, and how each says that something is wrong.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::{Value, json};

use crate::problem::{Kind, Problem};

/// Whose words a route speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
}

impl Dialect {
    /// That of a path.
    pub(crate) fn of(path: &str) -> Self {
        if path.starts_with("/v1/messages") {
            Self::Anthropic
        } else {
            Self::OpenAi
        }
    }

    /// The error object.
    pub(crate) fn error(self, problem: &Problem) -> Value {
        match self {
            Self::OpenAi => json!({"error": {
                "message": problem.message,
                "type": openai_type(problem.kind),
                "param": problem.param,
                "code": problem.code,
            }}),
            Self::Anthropic => {
                let message = match &problem.param {
                    Some(param) => format!("{param}: {}", problem.message),
                    None => problem.message.clone(),
                };
                json!({"type": "error", "error": {"type": anthropic_type(problem.kind), "message": message}})
            }
        }
    }

    /// The whole answer to a request that is refused.
    pub(crate) fn refuse(self, problem: &Problem) -> Response {
        let mut response = json_response(&self.error(problem));
        *response.status_mut() = problem.status();
        let headers = response.headers_mut();
        if problem.kind == Kind::Busy {
            headers.insert(header::RETRY_AFTER, problem.retry.unwrap_or(SOON).into());
        }
        if problem.kind == Kind::Key {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Seconds after which a place in the queue may be free.
const SOON: u64 = 2;

/// A document as an answer.
pub(crate) fn json_response(value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn openai_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid | Kind::NotFound | Kind::Method | Kind::Conflict | Kind::TooLarge | Kind::Timeout => {
            "invalid_request_error"
        }
        Kind::Key => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::Busy => "rate_limit_error",
        Kind::Ending | Kind::Storage | Kind::Defect => "server_error",
    }
}

fn anthropic_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid | Kind::Method | Kind::Conflict | Kind::Timeout => "invalid_request_error",
        Kind::TooLarge => "request_too_large",
        Kind::NotFound => "not_found_error",
        Kind::Key => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::Busy => "rate_limit_error",
        Kind::Ending => "overloaded_error",
        Kind::Storage | Kind::Defect => "api_error",
    }
}
