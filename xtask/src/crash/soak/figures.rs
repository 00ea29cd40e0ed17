//! What a soak's measurements come to, process by process, and what they must not be.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::Serialize;

use super::{Sample, Soak};
use crate::crash::check::{Check, Violation};
use crate::crash::oracle::truth::Truth;
use crate::crash::report::millis;
use crate::crash::stats::percentile;

/// What a process takes at first says nothing; a third of a short life at most.
const WARM_UP: Duration = Duration::from_secs(60);
/// A slope of less than this is noise.
const LONG_ENOUGH: Duration = Duration::from_secs(150);
const MOST_GROWTH_KIB: f64 = 1024.0;
const TEN_MINUTES: f64 = 600.0;
/// Connections come and go with the messages; more that stay are a leak.
const MORE_FILES: u64 = 16;
/// Of the samples that there should be, and of the messages, in percent: a process that
/// was killed is away for a moment.
const ENOUGH_SAMPLES: u64 = 80;
const ENOUGH_MESSAGES: u64 = 95;
/// Far more than any acknowledgement takes at such a rate.
const SLOWEST_ACK_MS: f64 = 1_000.0;
/// The store begins to copy its log at 64 MiB.
const LARGEST_LOG: u64 = 96 << 20;

#[derive(Debug, Serialize)]
pub struct Figures {
    pub lives: Vec<Row>,
    /// How often it was measured, and how often at least it should have been.
    pub samples: u64,
    pub samples_required: u64,
    /// Messages acknowledged before the end, and how many at least it should have been.
    pub acknowledged: u64,
    pub acknowledged_required: u64,
    /// Of acknowledgements of new messages, in the first and in the last third of the run.
    /// What is sent again piles up while a killed process is away, and says how long that was.
    pub ack_p99_first_ms: Option<f64>,
    pub ack_p99_last_ms: Option<f64>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub incarnation: u64,
    pub seconds: u64,
    pub rss_warm_kib: u64,
    pub rss_last_kib: u64,
    /// Growth in ten minutes, by the line that fits best; none of a life without an end
    /// of its warm-up.
    pub rss_slope_kib: Option<f64>,
    pub files_least: u64,
    pub files_most: u64,
    /// How many more stayed open in the last third than in the first.
    pub files_growth: u64,
    pub threads_most: u64,
    pub log_most_bytes: u64,
}

impl Figures {
    /// The soak was over at `until`, in unix microseconds.
    pub fn of(soak: &Soak, samples: &[Sample], until: u64, truth: &Truth) -> Self {
        let lives = samples.chunk_by(|one, next| one.incarnation == next.incarnation);
        let first = truth.acked.first().map_or(0, |acked| acked.at);
        let third = u64::from(soak.seconds) * 1_000_000 / 3;
        let p99 = |from: u64, to: u64| {
            let took = truth
                .acked
                .iter()
                .filter(|acked| acked.accepted && (from..to).contains(&acked.at));
            let took: Vec<_> = took
                .map(|acked| Duration::from_micros(acked.took))
                .collect();
            percentile(&took, 99).map(millis)
        };
        // Whoever may speak is silent for up to a second first.
        let said = soak.messages().saturating_sub(soak.rate);
        let in_time = truth.acked.iter().filter(|acked| acked.at <= until);
        let acknowledged: BTreeSet<_> = in_time.map(|acked| &acked.key).collect();
        Self {
            lives: lives.filter_map(Row::of).collect(),
            samples: samples.len() as u64,
            samples_required: u64::from(soak.seconds) * ENOUGH_SAMPLES / 100,
            acknowledged: acknowledged.len() as u64,
            acknowledged_required: u64::from(said) * ENOUGH_MESSAGES / 100,
            ack_p99_first_ms: p99(first, first + third),
            ack_p99_last_ms: p99(first + 2 * third, first + 3 * third),
        }
    }

    pub fn violations(&self) -> Vec<Violation> {
        let mut found: Vec<_> = self.lives.iter().flat_map(Row::wrong).collect();
        if self.samples < self.samples_required {
            found.push(format!(
                "only {} samples of what it takes, not {}",
                self.samples, self.samples_required
            ));
        }
        if self.acknowledged < self.acknowledged_required {
            found.push(format!(
                "only {} messages were taken in time, not {}: the rate was not reached",
                self.acknowledged, self.acknowledged_required
            ));
        }
        for (part, p99) in [
            ("first", self.ack_p99_first_ms),
            ("last", self.ack_p99_last_ms),
        ] {
            match p99 {
                Some(p99) if p99 <= SLOWEST_ACK_MS => {}
                Some(p99) => found.push(format!(
                    "in the {part} third one acknowledgement in a hundred took {p99} ms"
                )),
                None => found.push(format!("nothing was acknowledged in the {part} third")),
            }
        }
        found
            .into_iter()
            .map(|detail| Violation::new(Check::Resources, detail))
            .collect()
    }

    /// What these measurements cannot tell.
    pub fn skipped(&self) -> Option<String> {
        let judged = self.lives.iter().any(Row::is_long);
        (!judged).then(|| format!("growth of memory: no process lived for {LONG_ENOUGH:?}"))
    }
}

impl Row {
    fn of(samples: &[Sample]) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        let warm_up = WARM_UP.min(last.age / 3);
        let warm = samples.iter().position(|sample| sample.age >= warm_up)?;
        let warm = &samples[warm..];
        let line = |value: fn(&Sample) -> u64| {
            slope(
                warm.iter()
                    .map(|sample| (sample.age.as_secs_f64(), value(sample) as f64)),
            )
        };
        let third = warm.len().div_ceil(3);
        let least = |samples: &[Sample]| samples.iter().map(|sample| sample.files).min();
        let (early, late) = (least(&warm[..third])?, least(&warm[warm.len() - third..])?);
        let most = |value: fn(&Sample) -> u64| samples.iter().map(value).max().unwrap_or(0);
        Some(Self {
            incarnation: first.incarnation,
            seconds: last.age.as_secs(),
            rss_warm_kib: warm.first()?.rss_kib,
            rss_last_kib: last.rss_kib,
            rss_slope_kib: line(|sample| sample.rss_kib).map(|slope| slope * TEN_MINUTES),
            files_least: least(samples)?,
            files_most: most(|sample| sample.files),
            files_growth: late.saturating_sub(early),
            threads_most: most(|sample| sample.threads),
            log_most_bytes: most(|sample| sample.log_bytes),
        })
    }

    /// Whether its slope says anything.
    fn is_long(&self) -> bool {
        self.seconds >= LONG_ENOUGH.as_secs()
    }

    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let life = format!("incarnation {} of {} s", self.incarnation, self.seconds);
        if let Some(slope) = self
            .rss_slope_kib
            .filter(|slope| self.is_long() && *slope >= MOST_GROWTH_KIB)
        {
            wrong.push(format!(
                "{life}: its memory grows by {slope:.0} KiB in ten minutes"
            ));
        }
        let growth = self.files_growth;
        if growth >= MORE_FILES {
            wrong.push(format!("{life}: {growth} more files stay open at its end"));
        }
        if self.log_most_bytes > LARGEST_LOG {
            let bytes = self.log_most_bytes;
            wrong.push(format!("{life}: the store's log had {bytes} bytes"));
        }
        wrong
    }
}

/// How steep the line is that fits best, by least squares.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let count = points.clone().count() as f64;
    let (x, y) = points
        .clone()
        .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let (over, under) = points.fold((0.0, 0.0), |(over, under), point| {
        let dx = point.0 - x;
        (over + dx * (point.1 - y), under + dx * dx)
    });
    (under > 0.0).then(|| over / under)
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "soak       life   time    RSS warm     RSS end   in 10 min      files  threads   log at most"
        )?;
        for row in &self.lives {
            let mib = |kib: u64| kib as f64 / 1024.0;
            let slope = row.rss_slope_kib.filter(|_| row.is_long());
            let slope = slope.map(|kib| format!("{:+.2} MiB", kib / 1024.0));
            writeln!(
                f,
                "soak       {:>4} {:>4} s {:>7.1} MiB {:>7.1} MiB {:>11} {:>6}-{:<3} {:>8} {:>9.1} MiB",
                row.incarnation,
                row.seconds,
                mib(row.rss_warm_kib),
                mib(row.rss_last_kib),
                slope.as_deref().unwrap_or("too short"),
                row.files_least,
                row.files_most,
                row.threads_most,
                mib(row.log_most_bytes / 1024),
            )?;
        }
        let shown = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time} ms"));
        writeln!(
            f,
            "soak       {} messages acknowledged in time (at least {}), {} samples (at least {})",
            self.acknowledged, self.acknowledged_required, self.samples, self.samples_required
        )?;
        writeln!(
            f,
            "soak       new messages acknowledged within (p99) {} in the first third, {} in the last",
            shown(self.ack_p99_first_ms),
            shown(self.ack_p99_last_ms)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::check::planted::key;
    use crate::crash::oracle::truth::Acked;

    /// A life of this many seconds in which memory and files grow by so much a second.
    fn life(seconds: u64, kib: u64, files: u64) -> Vec<Sample> {
        let sample = |second: u64| Sample {
            incarnation: 3,
            age: Duration::from_secs(second),
            // Warming up takes more than all that comes after.
            rss_kib: 50_000 + second.min(20) * 500 + second * kib,
            files: 40 + second % 5 + second * files / 60,
            threads: 7,
            log_bytes: 4 << 20,
        };
        (0..seconds).map(sample).collect()
    }

    fn wrong(samples: &[Sample]) -> Vec<String> {
        Row::of(samples).iter().flat_map(Row::wrong).collect()
    }

    #[test]
    fn a_life_that_takes_no_more_and_more_passes() {
        assert_eq!(wrong(&life(300, 0, 0)), [""; 0]);
        assert_eq!(wrong(&life(300, 1, 0)), [""; 0], "600 KiB in ten minutes");
    }

    #[test]
    fn a_leak_of_memory_is_caught_where_the_life_was_long_enough() {
        let found = wrong(&life(300, 2, 0));
        assert_eq!(
            found,
            ["incarnation 3 of 299 s: its memory grows by 1200 KiB in ten minutes"]
        );
        assert_eq!(wrong(&life(60, 2, 0)), [""; 0]);
    }

    #[test]
    fn a_leak_of_files_and_a_log_without_end_are_caught() {
        assert_eq!(wrong(&life(300, 0, 8)).len(), 1);
        let mut slow = life(300, 0, 0);
        slow[290..].iter_mut().for_each(|sample| sample.files = 400);
        assert_eq!(wrong(&slow), [""; 0], "clients wait for an answer");
        let mut grown = life(300, 0, 0);
        grown[100].log_bytes = 97 << 20;
        assert_eq!(wrong(&grown).len(), 1);
    }

    /// Sixty seconds of a message each.
    fn soak() -> Soak {
        Soak {
            seconds: 60,
            rate: 1,
            ..Soak::short()
        }
    }

    /// So many messages acknowledged, one a second, each after so many milliseconds.
    fn acknowledged(count: u32, took_ms: u64) -> Truth {
        let mut truth = Truth::default();
        truth.acked.extend((1..=count).map(|seq| Acked {
            key: key("c1", seq),
            door: 0,
            accepted: true,
            at: u64::from(seq) * 1_000_000,
            took: took_ms * 1_000,
        }));
        truth
    }

    fn found(samples: &[Sample], until: u64, truth: &Truth) -> Vec<String> {
        let figures = Figures::of(&soak(), samples, until * 1_000_000, truth);
        let found = figures.violations().into_iter();
        found.map(|violation| violation.detail).collect()
    }

    #[test]
    fn a_run_that_measured_nothing_or_did_too_little_is_caught() {
        let (samples, truth) = (life(60, 0, 0), acknowledged(60, 20));
        assert_eq!(found(&samples, 60, &truth), [""; 0]);
        assert_eq!(
            found(&[], 60, &truth),
            ["only 0 samples of what it takes, not 48"]
        );
        assert_eq!(
            found(&samples, 55, &truth),
            ["only 55 messages were taken in time, not 56: the rate was not reached"]
        );
        assert_eq!(found(&samples, 60, &Truth::default()).len(), 3);
    }

    #[test]
    fn slow_acknowledgements_are_caught() {
        let slow = found(&life(60, 0, 0), 60, &acknowledged(60, 1_001));
        let third = |part: &str| {
            format!("in the {part} third one acknowledgement in a hundred took 1001 ms")
        };
        assert_eq!(slow, [third("first"), third("last")]);
    }

    #[test]
    fn what_is_sent_again_while_nobody_serves_is_not_slow() {
        let mut truth = acknowledged(60, 20);
        let again = truth.acked.clone().into_iter().map(|acked| Acked {
            accepted: false,
            took: 2_000_000,
            ..acked
        });
        truth.acked.extend(again.collect::<Vec<_>>());
        assert_eq!(found(&life(60, 0, 0), 60, &truth), [""; 0]);
    }

    #[test]
    fn lives_too_short_for_their_memory_are_told() {
        let skipped = |seconds| {
            let samples = life(seconds, 2, 0);
            Figures::of(&soak(), &samples, 0, &Truth::default()).skipped()
        };
        assert_eq!(
            skipped(60).as_deref(),
            Some("growth of memory: no process lived for 150s")
        );
        assert_eq!(skipped(151), None);
    }

    #[test]
    fn each_process_has_a_row_of_its_own() {
        let mut samples = life(100, 0, 0);
        samples.extend(life(50, 0, 0).into_iter().map(|sample| Sample {
            incarnation: 4,
            ..sample
        }));
        let figures = Figures::of(&soak(), &samples, 0, &Truth::default());
        let rows = figures
            .lives
            .iter()
            .map(|row| (row.incarnation, row.seconds));
        assert_eq!(rows.collect::<Vec<_>>(), [(3, 99), (4, 49)]);
    }
}
