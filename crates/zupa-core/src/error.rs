//! One error at every port: what it is, whether to try again, and whether the
//! effect happened.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// The result of a port call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, for people and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input cannot be taken, now or later.
    Invalid,
    /// What was named is not there.
    NotFound,
    /// Somebody else was first, or the same key came with another body.
    Conflict,
    /// The other side does not believe who we are.
    Unauthorized,
    /// Too fast; later is fine.
    RateLimited,
    /// The account has run dry; later is not enough.
    QuotaExceeded,
    /// No answer within the deadline.
    Timeout,
    /// The other side cannot be reached or is failing.
    Unavailable,
    /// There is no room: disk, backlog, payload.
    Full,
    /// More is asked for than can be done now; later is fine.
    Overloaded,
    /// The prompt is longer than the model takes.
    ContextLength,
    /// The provider refused the content.
    ContentFilter,
    /// The answer made no sense.
    Protocol,
    /// Stored data is damaged or from a newer version.
    Corrupt,
    /// A flush to disk failed: what was acknowledged may not be durable, so
    /// the process must stop acknowledging and end.
    DurabilityLost,
    /// This build or this channel cannot do it.
    Unsupported,
    /// The person has not been heard for so long that nothing may be said freely.
    WindowClosed,
    /// A defect of ours.
    Internal,
}

impl ErrorKind {
    /// A stable name for metrics, rows and problem documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited => "rate_limited",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Full => "full",
            Self::Overloaded => "overloaded",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
            Self::Protocol => "protocol",
            Self::Corrupt => "corrupt",
            Self::DurabilityLost => "durability_lost",
            Self::Unsupported => "unsupported",
            Self::WindowClosed => "window_closed",
            Self::Internal => "internal",
        }
    }
}

/// Whether trying the same call again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will fail again.
    Never,
    /// It may work at once.
    Now,
    /// It may work, but not before this long from now.
    After(Duration),
    /// It was tried as often as the policy allows.
    Exhausted,
}

/// Whether the effect of the call took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing happened.
    NotApplied,
    /// It happened; only the answer is bad.
    Applied,
    /// Nobody can tell from here.
    Unknown,
}

/// What a port returns when it fails. Holds no secret and no customer text.
pub struct Error {
    kind: ErrorKind,
    retry: Retry,
    outcome: Option<Outcome>,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A new error. The message is lower case, without a full stop, and says
    /// what was attempted. Not retried and not applied unless said otherwise.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            retry: Retry::Never,
            outcome: None,
            message: message.into(),
            context: Vec::new(),
            source: None,
        }
    }

    /// Shorthand for [`ErrorKind::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Shorthand for [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Says whether trying again can help.
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Says whether the effect took place.
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Adds a pair for people: an id, a status, a limit; never a secret.
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((key, value.to_string()));
        self
    }

    /// Keeps what lay beneath.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// Whether the effect took place.
    pub fn outcome(&self) -> Outcome {
        self.outcome.unwrap_or(Outcome::NotApplied)
    }

    /// Whether the effect took place, if whoever made the error has said so.
    pub fn said_outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// What was attempted.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The pairs, in the order they were added.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.context
    }

    /// True when a later try may work.
    pub fn is_transient(&self) -> bool {
        matches!(self.retry, Retry::Now | Retry::After(_))
    }

    /// True when no later try of the same call can work.
    pub fn is_terminal(&self) -> bool {
        !self.is_transient()
    }

    /// True when the fault lies with the provider and not with this input: such
    /// errors count no failure of a turn.
    pub fn is_about_provider(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::RateLimited
                | ErrorKind::QuotaExceeded
                | ErrorKind::Unauthorized
                | ErrorKind::Protocol
                | ErrorKind::Unsupported
        )
    }
}

impl Clone for Error {
    /// Copies all but the source, which is replaced by its text.
    fn clone(&self) -> Self {
        Self {
            kind: self.kind,
            retry: self.retry,
            outcome: self.outcome,
            message: self.message.clone(),
            context: self.context.clone(),
            source: self.source.as_ref().map(|source| source.to_string().into()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for (key, value) in &self.context {
            write!(f, ", {key}: {value}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} error ({:?}, {:?}): {self}",
            self.kind.as_str(),
            self.retry,
            self.outcome()
        )?;
        let mut source = self.source();
        while let Some(beneath) = source {
            write!(f, "\n  because: {beneath}")?;
            source = beneath.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_one_line_with_its_context() {
        let error = Error::new(ErrorKind::Timeout, "no answer from the model")
            .with("model", "m")
            .with_retry(Retry::Now);
        assert_eq!(error.to_string(), "no answer from the model, model: m");
        assert!(error.is_transient() && error.is_about_provider());
        assert!(Error::invalid("x").is_terminal());
    }
}
