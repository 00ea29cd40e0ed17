//! Why a file could not be fetched, in the core's words.

use serde_json::Value;
use zupa_core::{ChannelId, Error, ErrorKind, Retry};

/// Everything that ends a fetch. Holds neither an address nor a body.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such file, or not any more.
    Gone,
    /// Its address is none of Meta's.
    Place,
    /// It has more bytes than are wanted.
    TooLarge { most: u64 },
    /// Its bytes are not those that were announced.
    Altered,
    /// The answer made no sense.
    Nonsense,
    /// The access token does not open it.
    Unauthorized { status: u16 },
    /// Meta asks for fewer requests.
    TooFast,
    /// Meta is failing.
    Failing { status: u16 },
    /// It took too long.
    Late,
    /// The connection failed.
    Connection(reqwest::Error),
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::Connection(error.without_url())
    }
}

impl Failure {
    /// From a status other than 200, and the body that came with it.
    pub(super) fn refused(status: u16, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let code = body.pointer("/error/code").and_then(Value::as_i64);
        match (code, status) {
            (Some(4 | 80_007 | 130_429), _) | (None, 429) => Self::TooFast,
            (Some(0 | 3 | 10 | 190 | 200..=299 | 131_005), _) => Self::Unauthorized { status },
            (Some(1 | 2 | 131_000 | 131_016 | 131_057), _) => Self::Failing { status },
            // Unknown, or kept no longer: 100 is what the Graph API says of either.
            (Some(100 | 131_052), _) | (None, 404 | 410) => Self::Gone,
            // An address that has ended says so by one of these.
            (None, 401 | 403) => Self::Unauthorized { status },
            (_, 408 | 500..) => Self::Failing { status },
            _ => Self::Nonsense,
        }
    }

    pub(super) fn into_error(self, channel: &ChannelId) -> Error {
        let about = |kind, message: &str| Error::new(kind, message).with("channel", channel);
        match self {
            Self::Gone => about(
                ErrorKind::NotFound,
                "WhatsApp does not have the file any more",
            ),
            Self::Place => about(
                ErrorKind::Protocol,
                "the file is not where Meta keeps files",
            ),
            Self::TooLarge { most } => {
                about(ErrorKind::Full, "the file is too large").with("limit", most)
            }
            Self::Altered => about(ErrorKind::Protocol, "the file is not what was announced"),
            Self::Nonsense => about(
                ErrorKind::Protocol,
                "the Graph API's answer about a file made no sense",
            ),
            Self::Unauthorized { status } => about(
                ErrorKind::Unauthorized,
                "the Graph API did not give the file to the access token",
            )
            .with("status", status),
            Self::TooFast => about(ErrorKind::RateLimited, "WhatsApp asks for fewer requests")
                .with_retry(Retry::Now),
            Self::Failing { status } => about(
                ErrorKind::Unavailable,
                "the Graph API failed to give a file",
            )
            .with_retry(Retry::Now)
            .with("status", status),
            Self::Late => {
                about(ErrorKind::Timeout, "the file did not come in time").with_retry(Retry::Now)
            }
            Self::Connection(source) => {
                let kind = match source.is_timeout() {
                    true => ErrorKind::Timeout,
                    false => ErrorKind::Unavailable,
                };
                about(kind, "the connection to where a file is failed")
                    .with_retry(Retry::Now)
                    .with_source(source)
            }
        }
    }
}
