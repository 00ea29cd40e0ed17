//! Serving at a steady rate for long: `cargo xtask soak`.
//!
//! People write so many messages a second, the model answers one call in a hundred badly,
//! and now and then the process is killed. Meanwhile its memory, files, threads and log
//! are measured every second. What was said is judged as after any other run of the
//! harness; `figures` says what the measurements must look like.

mod figures;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::time::{Instant, sleep};

pub use self::figures::Figures;
use super::life::Life;
use super::nemesis::Nemesis;
use super::options::Options;
use super::wire::Order;
use super::words::unix_micros;

/// How often messages are let go.
const TICK: Duration = Duration::from_millis(100);
const SAMPLE: Duration = Duration::from_secs(1);
/// Calls in a thousand that the model answers badly.
const FAULTS: u32 = 10;

/// Serve at a steady rate for long, with faults and kills, and measure what it takes.
///
/// A release build. `--minutes 3 --kill-minutes 1` checks all but memory: none of its
/// processes lives for the 150 s that it takes to tell growth from noise, and the report
/// says so.
#[derive(Debug, Clone, clap::Args)]
pub struct SoakOptions {
    /// How long
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// Messages a second
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Minutes from one kill to the next; 0 kills nobody
    #[arg(long, default_value_t = 5)]
    kill_minutes: u32,
    /// People who write, a fifth of them at the second tenant
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    people: u32,
    /// Seed of every decision the harness takes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Use this binary, with the feature `faults`, instead of building one
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Keep the data directory
    #[arg(long)]
    keep: bool,
    /// Print a machine-readable report
    #[arg(long)]
    json: bool,
}

/// What a soak is asked to do.
#[derive(Debug, Clone, Serialize)]
pub struct Soak {
    pub seconds: u32,
    pub rate: u32,
    /// From one kill to the next; 0 kills nobody.
    pub kill_seconds: u32,
    pub people: u32,
    /// Of a thousand calls.
    pub faults: u32,
}

impl From<SoakOptions> for Options {
    fn from(asked: SoakOptions) -> Self {
        Self {
            soak: Some(Soak {
                seconds: asked.minutes * 60,
                rate: asked.rate,
                kill_seconds: asked.kill_minutes * 60,
                people: asked.people,
                faults: FAULTS,
            }),
            seed: asked.seed,
            release: true,
            binary: asked.binary,
            keep: asked.keep,
            json: asked.json,
            ..Self::default()
        }
    }
}

impl Soak {
    /// A third of a minute of it, for CI.
    pub fn short() -> Self {
        Self {
            seconds: 20,
            rate: 20,
            kill_seconds: 7,
            people: 50,
            faults: FAULTS,
        }
    }

    pub fn messages(&self) -> u32 {
        self.seconds * self.rate
    }

    /// From one kill to the next, where there is one.
    fn between_kills(&self) -> Option<Duration> {
        (self.kill_seconds > 0).then(|| Duration::from_secs(self.kill_seconds.into()))
    }

    /// The messages that may have been begun by now.
    fn released(&self, since: Duration) -> u32 {
        let so_far = since.as_millis() * u128::from(self.rate) / 1_000;
        u32::try_from(so_far)
            .unwrap_or(u32::MAX)
            .min(self.messages())
    }
}

/// What a process takes at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub incarnation: u64,
    /// Since the start of the process.
    pub age: Duration,
    pub rss_kib: u64,
    pub files: u64,
    pub threads: u64,
    pub log_bytes: u64,
}

impl Sample {
    fn of(life: &Life) -> anyhow::Result<Self> {
        let process = format!("/proc/{}", life.server.id());
        let status = fs::read_to_string(format!("{process}/status"))
            .context("cannot read what the server takes")?;
        let files = fs::read_dir(format!("{process}/fd"))?.count();
        let log = life.server.place.database().map(|file| {
            let log = format!("{}-wal", file.display());
            fs::metadata(log).map_or(0, |log| log.len())
        });
        Ok(Self {
            incarnation: life.incarnation,
            age: life.server.spawned.elapsed(),
            rss_kib: field(&status, "VmRSS")?,
            files: files as u64,
            threads: field(&status, "Threads")?,
            log_bytes: log.unwrap_or(0),
        })
    }
}

/// A number of `/proc/PID/status`.
fn field(status: &str, name: &str) -> anyhow::Result<u64> {
    let found = status.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        (field == name).then(|| value.split_whitespace().next())?
    });
    let found = found.with_context(|| format!("there is no {name} in the status"))?;
    Ok(found.parse()?)
}

impl Nemesis {
    pub async fn soak(&mut self, soak: &Soak) -> anyhow::Result<()> {
        let begin = Instant::now();
        let (mut sampled, mut killed) = (begin, begin);
        let end = Duration::from_secs(soak.seconds.into());
        while begin.elapsed() < end {
            self.raise(0).await?;
            let messages = soak.released(begin.elapsed());
            self.oracle.tell(&Order::Release { messages }).await?;
            self.hear()?;
            if sampled.elapsed() >= SAMPLE {
                sampled += SAMPLE;
                self.look_around()?;
                self.sample();
            }
            let left = end.saturating_sub(begin.elapsed());
            let due = soak.between_kills().is_some_and(|pause| {
                // Nobody learns anything of a life that is over before it began.
                killed.elapsed() >= pause && left >= pause / 2
            });
            if due && let Some(life) = self.replicas[0].life.take() {
                killed = Instant::now();
                self.tally.killed(life.kill().await?);
                self.stats.kills_at_random += 1;
                self.soaked(begin.elapsed(), soak);
            }
            sleep(TICK).await;
        }
        self.soaked(begin.elapsed(), soak);
        self.soaked_until = unix_micros();
        Ok(())
    }

    /// One that is ending just now takes nothing any more; `figures` says how many
    /// samples there have to be.
    fn sample(&mut self) {
        let lives = self.replicas.iter().filter_map(|r| r.life.as_ref());
        let samples = lives.filter_map(|life| Sample::of(life).ok());
        self.samples.extend(samples);
    }

    fn soaked(&self, since: Duration, soak: &Soak) {
        let rss = self
            .samples
            .last()
            .map_or(0, |sample| sample.rss_kib / 1024);
        eprintln!(
            "{} of {} s, {} kills, {rss} MiB",
            since.as_secs(),
            soak.seconds,
            self.stats.kills()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_steady_and_ends_with_the_last_message() {
        let soak = Soak {
            seconds: 180,
            ..Soak::short()
        };
        let seconds = |seconds| soak.released(Duration::from_secs(seconds));
        assert_eq!(
            [0, 1, 90, 180, 999].map(seconds),
            [0, 20, 1_800, 3_600, 3_600]
        );
    }

    #[test]
    fn a_status_is_read() -> anyhow::Result<()> {
        let status = "Name:\tzupa\nVmRSS:\t   43120 kB\nThreads:\t7\n";
        assert_eq!(
            (field(status, "VmRSS")?, field(status, "Threads")?),
            (43_120, 7)
        );
        assert!(field(status, "VmSwap").is_err());
        Ok(())
    }
}
