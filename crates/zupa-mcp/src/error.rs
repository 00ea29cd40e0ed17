//! What may fail on the way to a server, and what it means to the core. The one
//! place that decides.

use std::io;
use std::time::Duration;

use rmcp::service::{ClientInitializeError, ServiceError};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::StreamableHttpError;
use zupa_core::{Error, ErrorKind, Outcome, Retry};

use crate::status;

/// Everything that ends a call. Holds nothing that a server wrote.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The program could not be started.
    #[error("the program cannot be started")]
    Start(#[source] io::Error),
    /// It is down, and not yet to be started again.
    #[error("down for another {0:?}")]
    Down(Duration),
    /// There was no time left to begin.
    #[error("not ready in time")]
    NotReady,
    /// It ended before the request was written.
    #[error("gone before the request")]
    Gone,
    /// It ended, or the connection did, after that.
    #[error("gone after the request")]
    Lost,
    /// No answer in time; the request is cancelled.
    #[error("no answer in time")]
    Silent,
    /// No connection, so nothing was sent.
    #[error("no connection")]
    Unreachable(#[source] reqwest::Error),
    /// A session that the server does not know any more.
    #[error("the session is forgotten")]
    Forgotten,
    /// A status other than 2xx.
    #[error("status {0}")]
    Status(u16, Option<Duration>),
    /// A JSON-RPC error that does not say that nothing was done.
    #[error("code {0}")]
    Code(i32),
    /// It asked for something that is not offered to servers.
    #[error("{0} is not offered")]
    Wants(&'static str),
    /// The answer makes no sense, but it is one.
    #[error("nonsense")]
    Nonsense,
    /// The server did not agree on a protocol.
    #[error("no handshake")]
    Handshake,
    /// It lists more tools than any model can use.
    #[error("more than {0} tools")]
    TooMany(usize),
    /// It was stopped on purpose.
    #[error("stopped")]
    Stopped,
    /// Already an error of the core.
    #[error(transparent)]
    Known(#[from] Error),
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::TransportSend(error) => Self::sending(error),
            ServiceError::McpError(error) => Self::Code(error.code.0),
            ServiceError::UnexpectedResponse => Self::Nonsense,
            ServiceError::Timeout { .. } => Self::Silent,
            _ => Self::Lost,
        }
    }
}

impl From<ClientInitializeError> for Failure {
    /// Some of these quote what the server sent, so nothing of them is kept.
    fn from(error: ClientInitializeError) -> Self {
        match error {
            ClientInitializeError::TransportError { error, .. } => Self::sending(error),
            ClientInitializeError::ConnectionClosed(_) => Self::Gone,
            _ => Self::Handshake,
        }
    }
}

impl Failure {
    /// From writing a request. A pipe that breaks has not taken the end of the
    /// line, and half a line is no request.
    fn sending(error: DynamicTransportError) -> Self {
        match error
            .error
            .downcast::<StreamableHttpError<reqwest::Error>>()
        {
            Ok(error) => Self::posting(*error),
            Err(_pipe) => Self::Gone,
        }
    }

    fn posting(error: StreamableHttpError<reqwest::Error>) -> Self {
        match error {
            StreamableHttpError::Client(error) if error.is_connect() => {
                Self::Unreachable(error.without_url())
            }
            StreamableHttpError::HttpStatus(answer) => {
                let asked = answer.retry_after.as_deref().and_then(status::seconds);
                Self::Status(answer.status, asked)
            }
            StreamableHttpError::AuthRequired(_) => Self::Status(401, None),
            StreamableHttpError::InsufficientScope(_) => Self::Status(403, None),
            StreamableHttpError::SessionExpired => Self::Forgotten,
            StreamableHttpError::UnexpectedServerResponse(text) => match status_in(&text) {
                Some(status) => Self::Status(status, None),
                None => Self::Nonsense,
            },
            StreamableHttpError::UnexpectedContentType(_)
            | StreamableHttpError::ResponseBodyTooLarge { .. } => Self::Nonsense,
            _ => Self::Lost,
        }
    }

    /// True if the session cannot be used any more.
    pub(crate) fn ends_session(&self) -> bool {
        matches!(
            self,
            Self::Gone | Self::Lost | Self::Unreachable(_) | Self::Forgotten
        )
    }
}

/// rmcp keeps the status of a refusal only in words: `HTTP 404 Not Found: body`.
fn status_in(text: &str) -> Option<u16> {
    text.strip_prefix("HTTP ")?.get(..3)?.parse().ok()
}

/// The one mapping.
pub(crate) fn into_error(failure: Failure, server: &str) -> Error {
    use ErrorKind::*;
    let not_sent = |kind, message| {
        Error::new(kind, message)
            .with_retry(Retry::Now)
            .with("server", server)
    };
    let unknown = |kind, message| not_sent(kind, message).with_outcome(Outcome::Unknown);
    match failure {
        Failure::Start(source) => {
            let retry = match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Retry::Never,
                _ => Retry::Now,
            };
            not_sent(Unavailable, "the mcp server's program cannot be started")
                .with_retry(retry)
                .with_source(source)
        }
        Failure::Down(left) => {
            not_sent(Unavailable, "the mcp server is down").with_retry(Retry::After(left))
        }
        Failure::NotReady => not_sent(Timeout, "the mcp server was not ready in time"),
        Failure::Gone => not_sent(
            Unavailable,
            "the mcp server ended before it took the request",
        ),
        Failure::Lost => unknown(Unavailable, "the mcp server was lost before it answered"),
        Failure::Silent => unknown(Timeout, "the mcp server did not answer in time"),
        Failure::Unreachable(source) => {
            not_sent(Unavailable, "the mcp server cannot be reached").with_source(source)
        }
        Failure::Forgotten => not_sent(Unavailable, "the mcp server has forgotten the session"),
        Failure::Status(status, asked) => status::into_error(status, asked).with("server", server),
        Failure::Code(code) => unknown(Unavailable, "the mcp server failed at the call")
            .with_retry(Retry::Never)
            .with("code", code),
        Failure::Wants(what) => unknown(
            Unsupported,
            "the mcp server asked for something that it is not given",
        )
        .with_retry(Retry::Never)
        .with("wanted", what),
        Failure::Nonsense => not_sent(Protocol, "the mcp server's answer made no sense")
            .with_retry(Retry::Never)
            .with_outcome(Outcome::Applied),
        Failure::Handshake => not_sent(Protocol, "the mcp server did not agree on a protocol")
            .with_retry(Retry::Never),
        Failure::TooMany(limit) => not_sent(Full, "the mcp server lists too many tools")
            .with_retry(Retry::Never)
            .with("limit", limit),
        Failure::Stopped => {
            not_sent(Unavailable, "the mcp server was stopped").with_retry(Retry::Never)
        }
        Failure::Known(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;

    use rmcp::ErrorData;
    use rmcp::model::ErrorCode;
    use rmcp::transport::streamable_http_client::HttpStatusError;

    use super::*;

    const CANARY: &str = "canary";

    type Http = StreamableHttpError<reqwest::Error>;

    fn sent(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
        let error = DynamicTransportError::from_parts("t", TypeId::of::<()>(), error.into());
        ServiceError::TransportSend(error).into()
    }

    #[test]
    fn every_failure_says_what_became_of_the_call() {
        use Outcome::{Applied, NotApplied, Unknown};
        let second = Duration::from_secs(1);
        let io = || io::Error::from(io::ErrorKind::BrokenPipe);
        let internal = ErrorData::new(ErrorCode::INTERNAL_ERROR, CANARY, None);
        let answered = |text: &str| Http::UnexpectedServerResponse(text.to_owned().into());
        for (failure, kind, outcome, transient) in [
            (
                Failure::Start(io::ErrorKind::NotFound.into()),
                ErrorKind::Unavailable,
                NotApplied,
                false,
            ),
            (
                Failure::Down(second),
                ErrorKind::Unavailable,
                NotApplied,
                true,
            ),
            (Failure::NotReady, ErrorKind::Timeout, NotApplied, true),
            (sent(io()), ErrorKind::Unavailable, NotApplied, true),
            (
                ServiceError::TransportClosed.into(),
                ErrorKind::Unavailable,
                Unknown,
                true,
            ),
            (
                ServiceError::McpError(internal).into(),
                ErrorKind::Unavailable,
                Unknown,
                false,
            ),
            (
                ServiceError::UnexpectedResponse.into(),
                ErrorKind::Protocol,
                Applied,
                false,
            ),
            (Failure::Silent, ErrorKind::Timeout, Unknown, true),
            (
                Failure::Wants("input"),
                ErrorKind::Unsupported,
                Unknown,
                false,
            ),
            (
                sent(Http::SessionExpired),
                ErrorKind::Unavailable,
                NotApplied,
                true,
            ),
            (
                sent(answered("HTTP 403 Forbidden: canary")),
                ErrorKind::Unauthorized,
                NotApplied,
                false,
            ),
            (
                sent(answered("canary")),
                ErrorKind::Protocol,
                Applied,
                false,
            ),
            (
                sent(Http::HttpStatus(HttpStatusError::new(
                    429,
                    Some("7".into()),
                ))),
                ErrorKind::RateLimited,
                NotApplied,
                true,
            ),
            (
                sent(Http::UnexpectedEndOfStream),
                ErrorKind::Unavailable,
                Unknown,
                true,
            ),
            (
                ClientInitializeError::ConnectionClosed(CANARY.into()).into(),
                ErrorKind::Unavailable,
                NotApplied,
                true,
            ),
            (
                ClientInitializeError::Cancelled.into(),
                ErrorKind::Protocol,
                NotApplied,
                false,
            ),
        ] {
            let said = format!("{failure:?}");
            let error = into_error(failure, "s");
            assert_eq!(error.kind(), kind, "{said}");
            assert_eq!(error.outcome(), outcome, "{said}");
            assert_eq!(error.is_transient(), transient, "{said}");
            assert!(!format!("{error:?}{said}").contains(CANARY), "{said}");
        }
    }

    #[test]
    fn every_status_of_a_server_is_judged_as_that_of_a_tool() {
        let of = |error: Error| (error.kind(), error.retry(), error.outcome());
        for status in 400..600 {
            let failure = sent(Http::HttpStatus(HttpStatusError::new(status, None)));
            let judged = of(into_error(failure, "s"));
            assert_eq!(judged, of(status::into_error(status, None)), "{status}");
        }
    }

    #[test]
    fn the_servers_delay_is_kept() {
        let limited = HttpStatusError::new(429, Some("7".into()));
        let error = into_error(sent(Http::HttpStatus(limited)), "s");
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
    }
}
