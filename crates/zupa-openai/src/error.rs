//! What may fail, and what it means to the core. The one place that decides.

use std::sync::Arc;
use std::time::Duration;

use async_openai::error::OpenAIError;
use zupa_core::{Error, ErrorKind, Outcome, Retry};

use crate::http::HttpFailure;
use crate::watch::Silence;

/// A limit without a delay: long enough to matter, short enough to be tried.
const RATE_LIMIT_DELAY: Duration = Duration::from_secs(1);

/// Words of `type` or `code`. They count with any 4xx, since servers disagree on
/// the status.
const TOO_LONG: &[&str] = &[
    "context_length_exceeded",
    "exceed_context_size_error",
    "request_too_large",
];
const FILTERED: &[&str] = &["content_filter", "content_policy_violation"];
const UNPAID: &[&str] = &[
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
];

/// Everything that ends a call. Holds nothing of a body.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Failure {
    /// The request could not be put together.
    #[error("the request could not be built")]
    Request,
    /// No connection, so nothing was sent.
    #[error("no connection")]
    Connect(#[source] Arc<reqwest::Error>),
    /// The connection broke after that.
    #[error("the connection broke")]
    Broken(#[source] Arc<reqwest::Error>),
    /// A status other than 2xx, or an error inside a stream.
    #[error("status {}", .0.status)]
    Answer(HttpFailure),
    /// A 2xx of this media type.
    #[error("an answer of type {0}")]
    NotEvents(String),
    /// A 2xx of this media type that is not what was asked for.
    #[error("an unexpected answer of type {0}")]
    Unexpected(String),
    /// More bytes came than were wanted.
    #[error("more than {0} bytes")]
    TooLarge(usize),
    /// Nothing came in time.
    #[error("silence")]
    Silence(Silence),
    /// Something came that is no chunk.
    #[error("a chunk that makes no sense")]
    Undecodable,
    /// More came than any answer needs.
    #[error("an answer without end")]
    TooLong,
    /// More calls of tools came than any turn needs.
    #[error("more than {0}")]
    TooManyCalls(&'static str),
    /// The stream ended before the answer did.
    #[error("the stream ended early")]
    CutOff,
}

impl From<Failure> for OpenAIError {
    fn from(failure: Failure) -> Self {
        Self::Boxed(Box::new(failure))
    }
}

impl Failure {
    /// From sending the request. Addresses go, the rest of reqwest's errors are
    /// causes of the system.
    pub(crate) fn sending(error: reqwest::Error) -> Self {
        if error.is_connect() {
            return Self::Connect(Arc::new(error.without_url()));
        }
        Self::broken(error)
    }

    /// From reading the answer.
    pub(crate) fn broken(error: reqwest::Error) -> Self {
        Self::Broken(Arc::new(error.without_url()))
    }

    /// From async-openai, whose other errors may quote bodies and are dropped.
    pub(crate) fn from_opening(vendor: OpenAIError) -> Self {
        match vendor {
            OpenAIError::Boxed(inner) => inner
                .downcast::<Self>()
                .map_or(Self::Request, |failure| *failure),
            _ => Self::Request,
        }
    }
}

/// The one mapping.
pub(crate) fn into_error(failure: Failure, model: &str) -> Error {
    let about = |kind, message: &str| Error::new(kind, message).with("model", model);
    // The call was made; whether it was carried out, nobody can tell.
    let again = |error: Error| error.with_retry(Retry::Now).with_outcome(Outcome::Unknown);
    match failure {
        Failure::Request => about(ErrorKind::Internal, "build the request to the model"),
        Failure::Connect(source) => about(
            ErrorKind::Unavailable,
            "the model's server cannot be reached",
        )
        .with_retry(Retry::Now)
        .with_source(source),
        Failure::Broken(source) => again(about(
            ErrorKind::Unavailable,
            "the connection to the model's server broke",
        ))
        .with_source(source),
        Failure::CutOff => again(about(
            ErrorKind::Unavailable,
            "the model's answer was cut off",
        )),
        Failure::Silence(silence) => {
            let (message, waited) = match silence {
                Silence::FirstByte(waited) => ("the model did not begin to answer", waited),
                Silence::Idle(waited) => ("the model fell silent in its answer", waited),
                Silence::Total(waited) => ("the model did not finish its answer", waited),
            };
            again(about(ErrorKind::Timeout, message)).with("waited", format!("{waited:?}"))
        }
        Failure::NotEvents(media_type) => again(about(
            ErrorKind::Protocol,
            "the model's server did not answer with an event stream",
        ))
        .with("content_type", media_type),
        Failure::Unexpected(media_type) => again(about(
            ErrorKind::Protocol,
            "the model's server answered with something else than it was asked for",
        ))
        .with("content_type", media_type),
        // The call was carried out, and would be so again.
        Failure::TooLarge(limit) => about(
            ErrorKind::Full,
            "the model's answer is larger than was wanted",
        )
        .with_outcome(Outcome::Applied)
        .with("limit", limit),
        Failure::Undecodable => again(about(
            ErrorKind::Protocol,
            "the model's answer made no sense",
        )),
        // The same prompt would be answered so again, and nobody else's would.
        Failure::TooLong => about(ErrorKind::Invalid, "the model's answer had no end")
            .with_outcome(Outcome::Applied),
        Failure::TooManyCalls(limit) => about(
            ErrorKind::Invalid,
            "the model asked for more calls of tools than any turn needs",
        )
        .with_outcome(Outcome::Applied)
        .with("limit", limit),
        Failure::Answer(answer) => of_answer(answer, model),
    }
}

fn of_answer(answer: HttpFailure, model: &str) -> Error {
    let (kind, message) = judge(&answer);
    let asked = answer.retry_after.map(Retry::After);
    let retry = match (kind, answer.status) {
        (ErrorKind::RateLimited, _) => asked.unwrap_or(Retry::After(RATE_LIMIT_DELAY)),
        (ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Conflict, _) => {
            asked.unwrap_or(Retry::Now)
        }
        _ => Retry::Never,
    };
    // A 503 says that nothing was begun; other failures may come after the work.
    let outcome = match (kind, answer.status) {
        (ErrorKind::Unavailable, 503) => Outcome::NotApplied,
        (ErrorKind::Unavailable | ErrorKind::Timeout, _) => Outcome::Unknown,
        _ => Outcome::NotApplied,
    };
    let mut error = Error::new(kind, message)
        .with_retry(retry)
        .with_outcome(outcome)
        .with("model", model)
        .with("status", answer.status);
    if let Some(kind) = answer.fault.kind {
        error = error.with("type", kind);
    }
    if let Some(code) = answer.fault.code {
        error = error.with("code", code);
    }
    error
}

fn judge(answer: &HttpFailure) -> (ErrorKind, &'static str) {
    let says = |words: &[&str]| {
        let fault = &answer.fault;
        [&fault.kind, &fault.code]
            .into_iter()
            .flatten()
            .any(|word| words.contains(&word.as_str()))
    };
    let is_refusal = (400..500).contains(&answer.status);
    match answer.status {
        _ if is_refusal && says(TOO_LONG) => (
            ErrorKind::ContextLength,
            "the prompt is longer than the model takes",
        ),
        _ if is_refusal && says(FILTERED) => (
            ErrorKind::ContentFilter,
            "the model's provider refused the content",
        ),
        _ if is_refusal && says(UNPAID) => (
            ErrorKind::QuotaExceeded,
            "the account with the model's provider has run dry",
        ),
        401 | 403 => (
            ErrorKind::Unauthorized,
            "the model's server did not accept the key",
        ),
        402 => (
            ErrorKind::QuotaExceeded,
            "the account with the model's provider has run dry",
        ),
        404 | 405 | 410 => (
            ErrorKind::Unsupported,
            "the model's server knows no such model or path",
        ),
        408 => (ErrorKind::Timeout, "the model's server gave up waiting"),
        409 => (
            ErrorKind::Conflict,
            "the model's server is busy with a conflicting request",
        ),
        413 => (
            ErrorKind::ContextLength,
            "the prompt is longer than the model takes",
        ),
        429 => (
            ErrorKind::RateLimited,
            "the model's server asks for fewer requests",
        ),
        400..500 => (
            ErrorKind::Invalid,
            "the model's server did not accept the request",
        ),
        500..600 => (ErrorKind::Unavailable, "the model's server failed"),
        // Redirects above all: they are not followed.
        _ => (
            ErrorKind::Protocol,
            "the model's server answered with an unexpected status; check base_url",
        ),
    }
}

#[cfg(test)]
mod tests;
