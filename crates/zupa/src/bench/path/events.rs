//! Events on the runtime's bus while turns run: somebody who tells, somebody who listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use zupa_core::bus::{Draft, EventBus, Name};

use super::super::cannot;
use super::super::schedule::Ticks;
use crate::cli::Failure;

const TICK: Name = Name::new("bench", "tick");

/// What became of the events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventsTold {
    pub emitted: u64,
    /// To the subscriber.
    pub delivered: u64,
    /// For want of room on the bus, or with the subscriber.
    pub dropped: u64,
}

/// A task that emits and one that hears it.
pub(super) struct Events {
    bus: EventBus,
    stop: Arc<AtomicBool>,
    emitting: JoinHandle<u64>,
    hearing: JoinHandle<u64>,
}

impl Events {
    /// Emits at this pace from now on.
    pub(super) fn start(bus: EventBus, per_second: u32) -> Result<Self, Failure> {
        let mut feed = bus.feed("bench:tick")?;
        let hearing = tokio::spawn(async move {
            let mut heard = 0;
            while feed.next().await.is_some() {
                heard += 1;
            }
            heard
        });
        let stop = Arc::new(AtomicBool::new(false));
        let emitting = tokio::spawn(emit(bus.clone(), per_second, stop.clone()));
        Ok(Self {
            bus,
            stop,
            emitting,
            hearing,
        })
    }

    /// Emits no more, and tells how many there were.
    pub(super) async fn stop(self) -> Result<Emitted, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(Emitted {
            emitted: self.emitting.await.map_err(cannot("emit events"))?,
            bus: self.bus,
            hearing: self.hearing,
        })
    }
}

/// Events that may still be on their way.
pub(super) struct Emitted {
    emitted: u64,
    bus: EventBus,
    hearing: JoinHandle<u64>,
}

impl Emitted {
    /// What became of them, once the bus is over.
    pub(super) async fn told(self) -> Result<EventsTold, Failure> {
        let delivered = self.hearing.await.map_err(cannot("hear events"))?;
        let lost = self.bus.dropped();
        let lost = lost.iter().filter(|(space, _)| *space == TICK.namespace());
        Ok(EventsTold {
            emitted: self.emitted,
            delivered,
            dropped: lost.map(|(_, lost)| lost).sum::<u64>() + self.bus.missed(),
        })
    }
}

async fn emit(bus: EventBus, per_second: u32, stop: Arc<AtomicBool>) -> u64 {
    let mut ticks = Ticks::starting(Instant::now().into_std(), per_second);
    let mut emitted = 0;
    while !stop.load(Ordering::Relaxed) {
        sleep_until(Instant::from_std(ticks.next())).await;
        if let Some((_, burst)) = ticks.take(Instant::now().into_std()) {
            for number in 0..burst {
                bus.emit(Draft::of(TICK).with("outcome", "ok").with("number", number));
            }
            emitted += burst;
        }
    }
    emitted
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use zupa_testkit::ManualClock;

    use super::*;

    /// Emits for 100 ms; what became of it.
    async fn told(bus: EventBus, per_second: u32) -> EventsTold {
        let driver = bus.driver(Arc::new(ManualClock::default())).unwrap();
        let driving = tokio::spawn(driver.run());
        let events = Events::start(bus.clone(), per_second).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let emitted = events.stop().await.unwrap();
        bus.stop();
        driving.await.unwrap();
        emitted.told().await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn every_event_is_delivered_at_its_pace() {
        let told = told(EventBus::default(), 100_000).await;
        assert!((9_900..=10_100).contains(&told.emitted), "{told:?}");
        assert_eq!((told.delivered, told.dropped), (told.emitted, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_found_no_room_is_told_as_dropped() {
        let told = told(EventBus::new(10), 100_000).await;
        assert!(told.dropped > 0 && told.delivered > 0, "{told:?}");
        assert_eq!(told.emitted, told.delivered + told.dropped);
    }
    #[tokio::test(start_paused = true)]
    async fn what_a_subscriber_had_no_room_for_is_told_as_dropped() {
        let bus = EventBus::default();
        let _never_read = bus.feed("*").unwrap();
        let told = told(bus.clone(), 100_000).await;
        assert!(told.dropped > 0, "{told:?}");
        assert_eq!(told.dropped, bus.missed());
    }
}
