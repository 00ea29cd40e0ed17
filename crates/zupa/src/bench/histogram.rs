//! Latencies in little memory: buckets that are exact to one part in 2,048.

use std::time::Duration;

/// Buckets of one power of two.
const FINE: u64 = 2_048;
/// Powers of two above the first; 2^34 microseconds are some five hours.
const POWERS: usize = 23;

/// Counts durations.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; FINE as usize * (POWERS + 1)],
            total: 0,
            longest: Duration::ZERO,
        }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let place = place(micros).min(self.counts.len() - 1);
        self.counts[place] += 1;
        self.total += 1;
        self.longest = self.longest.max(duration);
    }

    /// The duration that `part` of all, between 0 and 1, do not exceed.
    pub(super) fn quantile(&self, part: f64) -> Duration {
        let wanted = ((self.total as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_micros(middle(place)).min(self.longest);
            }
        }
        self.longest
    }

    pub(super) fn longest(&self) -> Duration {
        self.longest
    }
}

fn place(micros: u64) -> usize {
    if micros < FINE {
        return micros as usize;
    }
    let power = micros.ilog2() - FINE.ilog2();
    (FINE * u64::from(power) + (micros >> power)) as usize
}

fn middle(place: usize) -> u64 {
    let place = place as u64;
    if place < 2 * FINE {
        return place;
    }
    let power = place / FINE - 1;
    let low = (place - FINE * power) << power;
    low + (1 << power) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_one_part_in_2048() {
        let mut histogram = Histogram::default();
        for micros in 1..=100_000 {
            histogram.add(Duration::from_micros(micros));
        }
        for (part, exact) in [(0.5, 50_000.0), (0.99, 99_000.0), (0.001, 100.0)] {
            let found = histogram.quantile(part).as_micros() as f64;
            assert!(
                (found - exact).abs() / exact < 1.0 / 2_048.0,
                "{part}: {found}"
            );
        }
        assert_eq!(histogram.longest(), Duration::from_millis(100));
    }

    #[test]
    fn the_longest_durations_share_the_last_bucket() {
        let mut histogram = Histogram::default();
        histogram.add(Duration::MAX);
        assert_eq!(histogram.total, 1);
    }
}
