//! What an HTTP status means for a tool: what went wrong, whether to try again,
//! and whether the effect took place. And how long a server wants to be left
//! alone.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use zupa_core::{Error, ErrorKind, Outcome, Retry};

/// A limit without a delay: long enough to matter, short enough to be tried.
const RATE_LIMIT_DELAY: Duration = Duration::from_secs(1);
/// A server that asks for more is asked again anyway.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The one mapping. A refusal (4xx) did nothing. A failure (5xx) may come after
/// the work, 503 included: behind a gateway nobody can tell, and a tool that
/// acts twice is worse than one that a person looks at. A redirect often means
/// that the work was done.
pub(crate) fn into_error(status: u16, retry_after: Option<Duration>) -> Error {
    use ErrorKind::*;
    use Outcome::{NotApplied, Unknown};
    let (kind, outcome) = match status {
        401 | 403 => (Unauthorized, NotApplied),
        402 => (QuotaExceeded, NotApplied),
        404 | 410 => (NotFound, NotApplied),
        408 => (Timeout, NotApplied),
        409 => (Conflict, NotApplied),
        413 => (Full, NotApplied),
        425 | 429 => (RateLimited, NotApplied),
        400..500 => (Invalid, NotApplied),
        501 => (Unsupported, NotApplied),
        504 => (Timeout, Unknown),
        500..600 => (Unavailable, Unknown),
        _ => (Protocol, Unknown),
    };
    let asked = retry_after.map(Retry::After);
    let retry = match kind {
        RateLimited => asked.unwrap_or(Retry::After(RATE_LIMIT_DELAY)),
        Unavailable | Timeout | Conflict => asked.unwrap_or(Retry::Now),
        _ => Retry::Never,
    };
    // The number is in the message itself, which is all that the model is told.
    let message = match status {
        300..400 => format!("the server redirects (status {status}), which is not followed"),
        400..500 => format!("the server refused the call with status {status}"),
        _ => format!("the server answered with status {status}"),
    };
    Error::new(kind, message)
        .with_retry(retry)
        .with_outcome(outcome)
        .with("status", status)
}

/// `Retry-After` in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let value = text(RETRY_AFTER)?;
    seconds(value).or_else(|| until(value, text(DATE)?))
}

/// `Retry-After` in seconds.
pub(crate) fn seconds(value: &str) -> Option<Duration> {
    let count: f64 = value.trim().parse().ok()?;
    if count.is_nan() {
        return None;
    }
    // Infinity becomes the longest wait, a negative count none at all.
    Duration::try_from_secs_f64(count.min(LONGEST.as_secs_f64())).ok()
}

/// Counts from the server's own `Date`: its clock may be far from ours, and
/// adapters read none. Without one a date says nothing.
fn until(value: &str, date: &str) -> Option<Duration> {
    let then = OffsetDateTime::parse(value.trim(), &Rfc2822).ok()?;
    let now = OffsetDateTime::parse(date.trim(), &Rfc2822).ok()?;
    let wait = Duration::try_from(then - now).unwrap_or_default();
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No status of an error is left to chance.
    #[test]
    fn every_status_has_its_meaning() {
        use ErrorKind::*;
        use Outcome::{NotApplied, Unknown};
        let second = Retry::After(RATE_LIMIT_DELAY);
        for status in [302].into_iter().chain(400..=600) {
            let expected = match status {
                401 | 403 => (Unauthorized, Retry::Never, NotApplied),
                402 => (QuotaExceeded, Retry::Never, NotApplied),
                404 | 410 => (NotFound, Retry::Never, NotApplied),
                408 => (Timeout, Retry::Now, NotApplied),
                409 => (Conflict, Retry::Now, NotApplied),
                413 => (Full, Retry::Never, NotApplied),
                425 | 429 => (RateLimited, second, NotApplied),
                501 => (Unsupported, Retry::Never, NotApplied),
                504 => (Timeout, Retry::Now, Unknown),
                302 | 600 => (Protocol, Retry::Never, Unknown),
                ..500 => (Invalid, Retry::Never, NotApplied),
                500.. => (Unavailable, Retry::Now, Unknown),
            };
            let error = into_error(status, None);
            let said = (error.kind(), error.retry(), error.outcome());
            assert_eq!(said, expected, "{status}");
        }
    }

    #[test]
    fn the_servers_delay_is_kept_and_capped() {
        let asked = Duration::from_secs(7);
        for status in [429, 503, 408] {
            assert_eq!(
                into_error(status, Some(asked)).retry(),
                Retry::After(asked),
                "{status}"
            );
        }
        assert_eq!(into_error(404, Some(asked)).retry(), Retry::Never);
        let day = Some(Duration::from_secs(86_400));
        assert_eq!(seconds("7200"), Some(Duration::from_secs(7_200)));
        assert_eq!(seconds("86401"), day);
        assert_eq!(seconds("inf"), day);
        for nonsense in ["", "-1", "soon", "NaN"] {
            assert_eq!(seconds(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_date_counts_from_the_servers_clock() {
        let (date, later) = (
            "Wed, 21 Oct 2026 07:28:00 GMT",
            "Wed, 21 Oct 2026 07:28:30 GMT",
        );
        assert_eq!(until(later, date), Some(Duration::from_secs(30)));
        assert_eq!(until(date, later), Some(Duration::ZERO));
    }
}
