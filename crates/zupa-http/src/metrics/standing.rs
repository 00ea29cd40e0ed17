//! What stands at the time of a scrape: breakers, channels, and dead letters that wait.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType::{self, Counter, Gauge};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use zupa_core::standing::State;
use zupa_core::{self as core, DeadLetterStats, Timestamp};

use crate::breakers::Breaker;

/// Breakers that have figures, by name. Names come out of the configuration and from
/// servers of tools, so their number is not ours to bound.
const BREAKERS: usize = 64;
/// Channels that have figures, in the order of the configuration.
const CHANNELS: usize = 64;

/// What stands now.
#[derive(Debug)]
pub(super) struct Standing {
    pub breakers: Vec<Breaker>,
    pub channels: Vec<core::Standing>,
    /// None: the store did not say.
    pub dead_letters: Option<DeadLetterStats>,
    pub now: Timestamp,
}

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        self.breakers(&mut encoder)?;
        self.channels(&mut encoder)?;
        self.dead_letters(&mut encoder)
    }
}

impl Standing {
    fn breakers(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let breakers = || self.breakers.iter().take(BREAKERS);
        let help = "Whether calls go through: 0 all do, 1 probes do, 2 none does";
        let states = breakers().map(|breaker| {
            let state = match breaker.state.as_str() {
                "closed" => 0.0,
                "half_open" => 1.0,
                _ => 2.0,
            };
            (breaker, state)
        });
        gauges(encoder, ("breaker_state", help, None), states)?;
        let help = "Calls in the window of a breaker that failed, as a share";
        let ratio = Unit::Other("ratio".to_owned());
        let ratios =
            breakers().filter_map(|breaker| Some((breaker, breaker.failure_percent? / 100.0)));
        gauges(encoder, ("breaker_failure", help, Some(ratio)), ratios)?;
        let help = "Until a probe goes through; nothing while none is due";
        let probes =
            breakers().filter_map(|breaker| Some((breaker, breaker.next_probe_in_seconds?)));
        let next = ("breaker_next_probe", help, Some(Unit::Seconds));
        gauges(encoder, next, probes)?;
        let help = "Calls that a breaker has seen, by how they ended";
        let mut calls = encoder.encode_descriptor("breaker_calls", help, None, Counter)?;
        for breaker in breakers() {
            for (result, count) in [
                ("succeeded", breaker.succeeded),
                ("failed", breaker.failed),
                ("refused", breaker.refused),
            ] {
                let by = [("breaker", breaker.name.as_str()), ("result", result)];
                ConstCounter::new(count).encode(calls.encode_family(&by)?)?;
            }
        }
        let help = "Times that a breaker opened";
        let mut opened = encoder.encode_descriptor("breaker_opened", help, None, Counter)?;
        for breaker in breakers() {
            let by = [("breaker", breaker.name.as_str())];
            ConstCounter::new(breaker.opened).encode(opened.encode_family(&by)?)?;
        }
        Ok(())
    }

    fn channels(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let channels = || self.channels.iter().take(CHANNELS);
        let help =
            "How a channel stands: 0 ready, 1 authenticated, 2 starting, 3 degraded, 4 blocked";
        let mut states = encoder.encode_descriptor("channel_state", help, None, Gauge)?;
        for one in channels() {
            let state: i64 = match one.now().state {
                State::Ready => 0,
                State::Authenticated => 1,
                State::Starting => 2,
                State::Degraded(_) => 3,
                State::Blocked(_) => 4,
            };
            let by = [("channel", one.channel.as_str()), ("kind", one.kind)];
            ConstGauge::new(state).encode(states.encode_family(&by)?)?;
        }
        let help = "Times that what is behind a channel was started";
        let mut starts = encoder.encode_descriptor("channel_starts", help, None, Counter)?;
        for one in channels() {
            let by = [("channel", one.channel.as_str())];
            ConstCounter::new(one.now().starts).encode(starts.encode_family(&by)?)?;
        }
        Ok(())
    }

    fn dead_letters(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(stats) = &self.dead_letters else {
            return Ok(());
        };
        let help = "Dead letters that wait for an operator, by kind of error";
        let mut pending = encoder.encode_descriptor("dead_letters_pending", help, None, Gauge)?;
        for (class, count) in &stats.classes {
            let by = [("class", class.as_str())];
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            ConstGauge::new(count).encode(pending.encode_family(&by)?)?;
        }
        let help = "Since the oldest of them failed first, by kind of error";
        let seconds = Some(&Unit::Seconds);
        let mut oldest = encoder.encode_descriptor("dead_letters_oldest", help, seconds, Gauge)?;
        for (class, at) in &stats.oldest_by_class {
            let by = [("class", class.as_str())];
            let age = self.now.since(*at).as_secs_f64();
            ConstGauge::new(age).encode(oldest.encode_family(&by)?)?;
        }
        Ok(())
    }
}

/// One gauge of breakers.
fn gauges<'b>(
    encoder: &mut DescriptorEncoder,
    (name, help, unit): (&str, &str, Option<Unit>),
    values: impl Iterator<Item = (&'b Breaker, f64)>,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
    for (breaker, value) in values {
        let by = [("breaker", breaker.name.as_str())];
        ConstGauge::new(value).encode(family.encode_family(&by)?)?;
    }
    Ok(())
}
