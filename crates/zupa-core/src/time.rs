//! Wall-clock instants, in microseconds since 1970 (UTC).

use std::fmt;
use std::time::Duration;

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A wall-clock instant. Stored as a 64-bit integer of microseconds, printed
/// as RFC 3339.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads RFC 3339, as it is printed or with another offset; finer than a
    /// microsecond is cut.
    ///
    /// *Errors*: [`crate::ErrorKind::Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|source| Error::invalid("not a time of RFC 3339").with_source(source))?;
        let micros = at.unix_timestamp_nanos().div_euclid(1000);
        i64::try_from(micros)
            .map(Self)
            .map_err(|source| Error::invalid("a time out of range").with_source(source))
    }

    /// This instant moved into the future; saturates.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }

    /// This instant moved into the past; saturates.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros(by)))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok());
        match text {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} us", self.0),
        }
    }
}

fn micros(of: Duration) -> i64 {
    i64::try_from(of.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339() {
        assert_eq!(Timestamp(1_500_000).to_string(), "1970-01-01T00:00:01.5Z");
    }

    #[test]
    fn reads_what_it_prints_and_other_offsets() {
        for at in [1_500_000, 0, -1, 1_763_728_000_123_456] {
            assert_eq!(
                Timestamp::parse(&Timestamp(at).to_string()).unwrap(),
                Timestamp(at)
            );
        }
        let there = Timestamp::parse("1970-01-01T01:00:01.5+01:00").unwrap();
        assert_eq!(there, Timestamp(1_500_000));
        for bad in [
            "",
            "now",
            "1970-01-01",
            "1970-01-01T00:00:01",
            "5",
            "1970-13-01T00:00:00Z",
        ] {
            let refused = Timestamp::parse(bad).unwrap_err();
            assert_eq!(refused.kind(), crate::ErrorKind::Invalid, "{bad}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp(i64::MAX).plus(Duration::MAX), Timestamp(i64::MAX));
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
    }
}
