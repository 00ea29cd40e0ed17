//! One shape for every refusal: RFC 9457 problem documents.
//!
//! Handlers return a [`Problem`]; the envelope, which knows the request, turns
//! it into the document. What a problem says never comes from below a port:
//! no SQL, no path, no panic text.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use zupa_core::{Error, ErrorKind, Retry};

/// The media type of a problem document.
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request was refused. Boxed, because it is the rare half of many
/// results.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Refusal>);

#[derive(Debug, Clone)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    cause: Option<String>,
    detail: String,
    errors: Vec<Fault>,
    headers: Vec<(HeaderName, HeaderValue)>,
    more: Map<String, Value>,
}

/// One thing that is wrong with the input.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fault {
    /// Where: a JSON Pointer into the body, or the name of a path parameter,
    /// a query parameter or a header behind a slash.
    pub(crate) pointer: String,
    /// What the pointer points into: `body`, `path`, `query`, `header`.
    #[serde(rename = "in")]
    pub(crate) place: &'static str,
    /// Stable, for programs.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Refusal {
            status,
            code,
            cause: None,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            more: Map::new(),
        }))
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Stable, for programs.
    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    /// What lay beneath, for the log alone.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        let mut problem = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something failed on our side; the request id leads to the reason in the log",
        );
        problem.0.cause = Some(cause.into());
        problem
    }

    /// A refusal that a later try may not meet.
    pub(crate) fn later(code: &'static str, detail: impl Into<String>, after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(after)
    }

    pub(crate) fn with_errors(mut self, errors: Vec<Fault>) -> Self {
        self.0.errors = errors;
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.0.more.insert(key.to_owned(), value);
        self
    }

    /// What the caller of a port is told of its failure.
    pub(crate) fn from_error(error: &Error) -> Self {
        let mut problem = match error.kind() {
            ErrorKind::Invalid => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "the input cannot be taken",
            ),
            ErrorKind::NotFound => Self::not_found("what was named is not there"),
            ErrorKind::Conflict => Self::new(
                StatusCode::CONFLICT,
                "conflict",
                "somebody else was first; read again and decide",
            ),
            ErrorKind::RateLimited | ErrorKind::QuotaExceeded => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                error.kind().as_str(),
                "too many requests; later is fine",
            )
            .retry_after(wait(error)),
            ErrorKind::Full => {
                Self::later("full", "there is no room now; later is fine", wait(error))
            }
            ErrorKind::Overloaded => Self::later(
                "overloaded",
                "more is asked for than can be done now; nothing was taken, send it again later",
                wait(error),
            ),
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::DurabilityLost => Self::later(
                error.kind().as_str(),
                "this cannot be done now; nothing was acknowledged, try again",
                wait(error),
            ),
            _ if error.is_transient() => Self::later(
                "unavailable",
                "this cannot be done now; nothing was acknowledged, try again",
                wait(error),
            ),
            _ => Self::internal(""),
        };
        problem.0.cause = Some(format!("{error:?}"));
        problem
    }

    /// A status that some layer answered without a document.
    pub(crate) fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "method_not_allowed",
                "this path does not take this method",
            ),
            StatusCode::NOT_FOUND => Self::not_found("there is nothing at this path"),
            StatusCode::SERVICE_UNAVAILABLE => Self::later(
                "timeout",
                "no answer in time; the message may have been taken, send it again with its id",
                Duration::from_secs(1),
            ),
            status if status.is_server_error() => Self::internal(format!("a bare {status}")),
            status => Self::new(status, "bad_request", "the request cannot be taken"),
        }
    }

    /// The document of this problem for one request.
    pub(crate) fn document(&self, path: &str, request_id: &str) -> Vec<u8> {
        let mut document = json!({
            "type": format!("urn:zupa:problem:{}", self.0.code),
            "title": self.0.status.canonical_reason().unwrap_or("Refused"),
            "status": self.0.status.as_u16(),
            "detail": self.0.detail,
            "instance": path,
            "code": self.0.code,
            "request_id": request_id,
            // For clients of older services.
            "error": self.0.code,
            "message": self.0.detail,
        });
        if let Some(fields) = document.as_object_mut() {
            if !self.0.errors.is_empty() {
                fields.insert("errors".to_owned(), json!(self.0.errors));
            }
            fields.extend(self.0.more.clone());
        }
        document.to_string().into_bytes()
    }

    /// The whole answer, for where no envelope is around: the document has no request id.
    pub(crate) fn into_document(self, path: &str) -> Response {
        let document = self.document(path, "");
        let mut response = self.into_response();
        *response.body_mut() = Body::from(document);
        response
    }

    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0.headers {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// Seconds, and never none at all: a sender told to wait 0 s hammers.
    pub(crate) fn retry_after(self, after: Duration) -> Self {
        let seconds = after.as_millis().div_ceil(1000).max(1);
        let value = HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX));
        self.with_header(RETRY_AFTER, value)
    }
}

impl IntoResponse for Problem {
    /// A response without a body yet; the envelope writes it.
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        self.add_headers(response.headers_mut());
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        response.extensions_mut().insert(self);
        response
    }
}

fn wait(error: &Error) -> Duration {
    match error.retry() {
        Retry::After(wait) => wait,
        Retry::Now | Retry::Never | Retry::Exhausted => Duration::ZERO,
    }
}
