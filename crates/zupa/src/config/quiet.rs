//! Hours of the day, in a zone.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use zupa_core::Timestamp;

/// From one time of the day until the next other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from: Time,
    until: Time,
}

impl Hours {
    /// Reads `22:00-07:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.split_once('-')?;
        let time = |text| Time::strptime("%H:%M", text).ok();
        let (from, until) = (time(from)?, time(until)?);
        (from != until).then_some(Self { from, until })
    }

    /// Whether a moment lies within them, by the clocks of the zone.
    pub fn include(self, now: Timestamp, zone: &TimeZone) -> bool {
        let Ok(now) = jiff::Timestamp::from_microsecond(now.0) else {
            return false;
        };
        let time = now.to_zoned(zone.clone()).time();
        match self.from < self.until {
            true => (self.from..self.until).contains(&time),
            false => !(self.until..self.from).contains(&time),
        }
    }
}

/// A zone of the tz database, by its name. The database is part of this program.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        let time: jiff::Timestamp = time.parse().unwrap();
        Timestamp(time.as_microsecond())
    }

    #[test]
    fn hours_are_two_times_of_a_day() {
        for good in ["22:00-07:00", "00:00-23:59", "13:30-13:29"] {
            assert!(Hours::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "22-7",
            "22:00",
            "24:00-07:00",
            "22:60-07:00",
            "22:00:00-07:00",
            "x7:00-08:00",
            "07:00-07:00",
        ] {
            assert!(Hours::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_night_goes_over_midnight_and_by_the_zones_clocks() {
        let night = Hours::parse("22:00-07:00").unwrap();
        let berlin = zone("Europe/Berlin").unwrap();
        for (time, is_quiet) in [
            ("2026-01-10T20:59:59Z", false),
            ("2026-01-10T21:00:00Z", true),
            ("2026-01-11T05:59:59Z", true),
            ("2026-01-11T06:00:00Z", false),
            // In summer an hour earlier.
            ("2026-07-10T20:00:00Z", true),
            ("2026-07-11T05:00:00Z", false),
        ] {
            assert_eq!(night.include(at(time), &berlin), is_quiet, "{time}");
        }
        let noon = Hours::parse("12:00-13:00").unwrap();
        let utc = zone("UTC").unwrap();
        assert!(noon.include(at("2026-07-10T12:30:00Z"), &utc));
        assert!(!noon.include(at("2026-07-10T13:00:00Z"), &utc));
        assert!(zone("Mars/Olympus").is_none());
    }
}
