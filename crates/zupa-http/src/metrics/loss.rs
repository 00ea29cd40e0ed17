//! What the bus itself has lost, read at each scrape: no event could tell of it for sure.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use zupa_core::bus::EventBus;

/// The losses of a bus.
#[derive(Debug)]
pub(super) struct Loss(pub EventBus);

impl Collector for Loss {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let help = "Events lost for want of room on the bus";
        let mut dropped =
            encoder.encode_descriptor("bus_dropped", help, None, MetricType::Counter)?;
        for (namespace, count) in self.0.dropped() {
            let by = [("namespace", namespace)];
            ConstCounter::new(count).encode(dropped.encode_family(&by)?)?;
        }
        let help = "Events that a subscriber was too slow for";
        let missed = ConstCounter::new(self.0.missed());
        missed.encode(encoder.encode_descriptor(
            "bus_missed",
            help,
            None,
            MetricType::Counter,
        )?)?;
        let help = "Reducers and handlers of events that have panicked";
        let panics = ConstCounter::new(self.0.panics());
        panics.encode(encoder.encode_descriptor("bus_panics", help, None, MetricType::Counter)?)
    }
}
