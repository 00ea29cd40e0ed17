//! How long a server wants to be left alone.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// A server that asks for more is asked again anyway.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// `retry-after-ms` (OpenAI), or `Retry-After` in seconds or as a date.
pub(crate) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let millis = text("retry-after-ms").and_then(|value| seconds(value, 1e-3));
    let named = || {
        let value = text(RETRY_AFTER.as_str())?;
        seconds(value, 1.0).or_else(|| until(value, text(DATE.as_str())?))
    };
    millis.or_else(named)
}

fn seconds(value: &str, unit: f64) -> Option<Duration> {
    let count: f64 = value.parse().ok()?;
    if count.is_nan() {
        return None;
    }
    // Infinity becomes the longest wait, a negative count none at all.
    Duration::try_from_secs_f64((count * unit).min(LONGEST.as_secs_f64())).ok()
}

/// Counts from the server's own `Date`: its clock may be far from ours, and
/// adapters read none. Without one a date says nothing.
fn until(value: &str, date: &str) -> Option<Duration> {
    let then = OffsetDateTime::parse(value, &Rfc2822).ok()?;
    let now = OffsetDateTime::parse(date, &Rfc2822).ok()?;
    let wait = Duration::try_from(then - now).unwrap_or_default();
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    #[track_caller]
    fn check(headers: &[(&'static str, &'static str)], expected: Option<Duration>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        assert_eq!(read(&headers), expected, "{headers:?}");
    }

    #[test]
    fn seconds_dates_and_milliseconds_are_read() {
        const DATE: (&str, &str) = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        check(&[], None);
        check(&[("retry-after", "7")], Some(Duration::from_secs(7)));
        check(
            &[("retry-after", " 1.5 ")],
            Some(Duration::from_millis(1500)),
        );
        check(
            &[("retry-after", "9"), ("retry-after-ms", "250")],
            Some(Duration::from_millis(250)),
        );
        check(
            &[DATE, ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT")],
            Some(Duration::from_secs(30)),
        );
        check(
            &[DATE, ("retry-after", "Wed, 21 Oct 2026 07:27:00 GMT")],
            Some(Duration::ZERO),
        );
    }

    #[test]
    fn hours_are_waited_out_and_no_more_than_a_day() {
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        let hours = |hours: u64| Some(Duration::from_secs(hours * 60 * 60));
        for (value, wait) in [
            ("7200", hours(2)),
            ("Wed, 21 Oct 2026 19:28:00 GMT", hours(12)),
            ("86400", hours(24)),
            ("86401", hours(24)),
            ("1e300", hours(24)),
            ("inf", hours(24)),
            ("Fri, 23 Oct 2026 07:28:00 GMT", hours(24)),
        ] {
            check(&[date, ("retry-after", value)], wait);
        }
    }

    #[test]
    fn nonsense_says_nothing() {
        for value in ["", "-1", "NaN", "soon", "Wed, 99 Oct 2026 07:28:00 GMT"] {
            check(&[("retry-after", value)], None);
        }
        check(&[("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT")], None);
    }
}
