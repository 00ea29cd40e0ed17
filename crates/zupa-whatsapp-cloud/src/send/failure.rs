//! What a send that failed means to the core. The one place that decides, by the `code` of
//! Meta's error: Meta says not to trust its titles nor the status.

use std::time::Duration;

use serde_json::Value;
use zupa_core::{ChannelId, Error, ErrorKind, Outcome, Retry};

const SECOND: Duration = Duration::from_secs(1);
/// The longest wait between two messages to one person, whose limit is per hour.
const PAIR_WAIT: Duration = Duration::from_secs(1_024);

/// Everything that ends a send. Holds nothing of a body.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection, so nothing left.
    Connect(reqwest::Error),
    /// The request could not be put together.
    Request(reqwest::Error),
    /// The connection broke, or the time was over, after that.
    Broken(reqwest::Error),
    /// A status, and not the answer that belongs to it.
    NoAnswer { status: u16 },
    /// A refusal, with the code of Meta's error if there is one.
    Refused { status: u16, code: Option<i64> },
}

impl Failure {
    /// From sending the request. Addresses go, the rest of reqwest's errors are causes of
    /// the system.
    pub(super) fn sending(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_builder() {
            Self::Request(error)
        } else if error.is_connect() {
            Self::Connect(error)
        } else {
            Self::Broken(error)
        }
    }

    /// From an answer that is no success.
    pub(super) fn answer(status: u16, answer: &Value) -> Self {
        let code = answer.pointer("/error/code").and_then(Value::as_i64);
        Self::Refused { status, code }
    }

    /// The one mapping; `attempt` counts from 1.
    pub(super) fn into_error(self, channel: &ChannelId, attempt: u32) -> Error {
        let about = |kind, message: &str| Error::new(kind, message).with("channel", channel);
        match self {
            Self::Request(source) => {
                about(ErrorKind::Internal, "build the request to the Graph API").with_source(source)
            }
            Self::Connect(source) => {
                about(ErrorKind::Unavailable, "the Graph API cannot be reached")
                    .with_retry(Retry::Now)
                    .with_outcome(Outcome::NotApplied)
                    .with_source(source)
            }
            Self::Broken(source) => {
                let kind = match source.is_timeout() {
                    true => ErrorKind::Timeout,
                    false => ErrorKind::Unavailable,
                };
                in_doubt(about(kind, "the Graph API did not answer")).with_source(source)
            }
            Self::NoAnswer { status } => in_doubt(about(
                ErrorKind::Protocol,
                "the Graph API's answer made no sense",
            ))
            .with("status", status),
            Self::Refused { status, code } => {
                let verdict = match code {
                    Some(code) => of_code(code, status, attempt),
                    None => of_status(status),
                };
                let mut error = about(verdict.kind, verdict.message)
                    .with_retry(verdict.retry)
                    .with_outcome(verdict.outcome)
                    .with("status", status);
                if let Some(code) = code {
                    error = error.with("code", code);
                }
                error
            }
        }
    }
}

/// The message may have left: a status is waited for, and it is never sent again blindly.
fn in_doubt(error: Error) -> Error {
    error.with_retry(Retry::Now).with_outcome(Outcome::Unknown)
}

/// What a refusal means.
struct Verdict {
    kind: ErrorKind,
    message: &'static str,
    retry: Retry,
    outcome: Outcome,
}

impl Verdict {
    /// It did not leave and never will.
    fn never(kind: ErrorKind, message: &'static str) -> Self {
        Self {
            kind,
            message,
            retry: Retry::Never,
            outcome: Outcome::NotApplied,
        }
    }

    /// It did not leave; later it may.
    fn later(kind: ErrorKind, message: &'static str, retry: Retry) -> Self {
        Self {
            retry,
            ..Self::never(kind, message)
        }
    }

    /// Nobody can tell.
    fn unknown(message: &'static str) -> Self {
        Self {
            outcome: Outcome::Unknown,
            ..Self::later(ErrorKind::Unavailable, message, Retry::Now)
        }
    }
}

#[rustfmt::skip]
fn of_code(code: i64, status: u16, attempt: u32) -> Verdict {
    use ErrorKind::{
        Invalid, Overloaded, QuotaExceeded, RateLimited, Unauthorized, Unavailable, WindowClosed,
    };
    match code {
        4 | 80_007 | 130_429 => Verdict::later(RateLimited, "WhatsApp asks for fewer messages", Retry::Now),
        131_016 | 133_016 => Verdict::later(Unavailable, "WhatsApp cannot take a message now", Retry::Now),
        131_057 => Verdict::later(Unavailable, "the number is being maintained", Retry::After(60 * SECOND)),
        1 | 2 | 131_000 => Verdict::unknown("WhatsApp does not know what became of a message"),
        // About one person, so not for the breaker of the number.
        131_056 => Verdict::later(Overloaded, "too many messages to one person", Retry::After(pair_wait(attempt))),
        131_049 | 130_472 => Verdict::never(Invalid, "WhatsApp keeps the message from this person for a day or more"),
        131_047 => Verdict::never(WindowClosed, "the person has not written for 24 hours, so only a template may be sent"),
        131_026 => Verdict::never(Invalid, "the message cannot be delivered to this person"),
        131_050 => Verdict::never(Invalid, "the person has stopped messages of this kind"),
        131_062 | 131_063 => Verdict::never(Invalid, "the message cannot go to an id of a person"),
        131_042 | 131_044 => Verdict::never(QuotaExceeded, "the account of the number cannot pay"),
        131_048 | 131_064 | 368 | 131_031 | 130_497 | 131_045 | 131_037 => Verdict::never(Unauthorized, "WhatsApp has stopped the number"),
        0 | 190 | 3 | 10 | 200..=299 | 131_005 => Verdict::never(Unauthorized, "WhatsApp does not accept the access token, or it may not send"),
        135_000 if attempt == 1 => Verdict::later(Invalid, "WhatsApp did not accept the message", Retry::Now),
        _ if status >= 500 => Verdict::unknown("the Graph API failed"),
        _ => Verdict::never(Invalid, "WhatsApp did not accept the message"),
    }
}

/// Without Meta's word, as from a proxy in between.
fn of_status(status: u16) -> Verdict {
    match status {
        401 | 403 => Verdict::never(
            ErrorKind::Unauthorized,
            "the Graph API did not accept the access token",
        ),
        429 => Verdict::later(
            ErrorKind::RateLimited,
            "the Graph API asks for fewer requests",
            Retry::Now,
        ),
        408 | 500.. => Verdict::unknown("the Graph API failed"),
        // Redirects above all: they are not followed.
        _ => Verdict::never(
            ErrorKind::Protocol,
            "the Graph API answered with an unexpected status; check graph_url",
        ),
    }
}

/// Four seconds, then four times as long each time.
fn pair_wait(attempt: u32) -> Duration {
    SECOND
        .saturating_mul(4_u32.saturating_pow(attempt))
        .min(PAIR_WAIT)
}
