//! Numbers, times, and who gets what.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

/// Tells how often it was asked.
#[derive(Debug, Default)]
struct Asked(AtomicI64);

impl Clock for Asked {
    fn wall(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn all_consumers_see_the_same_events_in_the_same_order_under_the_same_numbers() {
    alone(async {
        let bus = EventBus::default();
        let driver = driver(&bus);
        let (first, second) = (bus.feed("*").unwrap(), bus.feed("*").unwrap());
        let (ones, others) = (bus.feed("*:one").unwrap(), bus.feed("other:*").unwrap());
        for name in [ONE, OTHER, TWO, ONE] {
            bus.emit(Draft::of(name));
        }
        drain(&bus, driver).await;
        let (first, second) = (all(first).await, all(second).await);
        assert_eq!(first, second);
        let told: Vec<_> = first.iter().map(|event| (event.seq, event.name)).collect();
        assert_eq!(told, [(1, ONE), (2, OTHER), (3, TWO), (4, ONE)]);
        assert!(first.iter().all(|event| event.timestamp == Timestamp(7)));
        assert_eq!(seqs(ones).await, [1, 2, 4]);
        assert_eq!(seqs(others).await, [2]);
    });
}

#[test]
fn the_events_of_each_producer_stay_in_order() {
    let bus = EventBus::new(64 * 1024);
    let driver = driver(&bus);
    let feed = bus.feed("*").unwrap();
    let mut seen = std::thread::scope(|scope| {
        for producer in [ONE, TWO] {
            let bus = bus.clone();
            scope.spawn(move || {
                for number in 0..500_u64 {
                    bus.emit(Draft::of(producer).with("number", number));
                }
            });
        }
        scope
            .spawn(|| {
                alone(async {
                    let reading = all(feed);
                    tokio::pin!(reading);
                    let stop = async {
                        while bus.waiting() < 1_000 {
                            super::super::handle::yield_now().await;
                        }
                        drain(&bus, driver).await;
                    };
                    tokio::join!(stop, reading).1
                })
            })
            .join()
            .unwrap()
    });
    assert_eq!(seen.len(), 1_000);
    assert!(seen.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
    seen.sort_by_key(|event| event.name);
    let numbers: Vec<_> = seen.iter().map(|e| e.payload.number("number")).collect();
    let wanted: Vec<_> = (0..500).chain(0..500).map(Some).collect();
    assert_eq!(numbers, wanted);
}

#[test]
fn with_nobody_there_nothing_is_kept_and_who_comes_later_begins_then() {
    alone(async {
        let bus = EventBus::default();
        let driver = driver(&bus);
        bus.emit(Draft::of(ONE));
        assert!(!bus.is_watched());
        assert_eq!(bus.waiting(), 0);
        let feed = bus.feed("*").unwrap();
        bus.emit(Draft::of(TWO));
        assert_eq!(bus.waiting(), 1);
        drain(&bus, driver).await;
        assert_eq!(seqs(feed).await, [1]);
    });
}

#[test]
fn a_dropped_feed_is_gone() {
    alone(async {
        let bus = EventBus::default();
        let driver = driver(&bus);
        drop(bus.feed("*").unwrap());
        drop(bus.subscribe("*", |_| std::future::ready(())).unwrap());
        assert!(!bus.is_watched());
        let feed = bus.feed("*").unwrap();
        bus.emit(Draft::of(ONE));
        drain(&bus, driver).await;
        assert_eq!(seqs(feed).await, [1]);
    });
}

#[test]
fn a_stop_hands_out_what_was_emitted_and_ends_the_bus() {
    alone(async {
        let bus = EventBus::default();
        let driver = driver(&bus);
        assert!(bus.driver(Arc::new(Still)).is_none());
        let feed = bus.feed("*").unwrap();
        for number in 0..600 {
            bus.emit(numbered(number));
        }
        drain(&bus, driver).await;
        bus.emit(Draft::of(TWO));
        assert_eq!(all(feed).await.len(), 600);
        assert_eq!(seqs(bus.feed("*").unwrap()).await, [0; 0]);
        assert!(!bus.is_watched());
    });
}

#[test]
fn a_dropped_driver_ends_the_bus() {
    alone(async {
        let bus = EventBus::default();
        let driver = driver(&bus);
        let feed = bus.feed("*").unwrap();
        drop(driver);
        assert_eq!(seqs(feed).await, [0; 0]);
        assert!(!bus.is_watched());
    });
}

#[test]
fn events_that_are_taken_together_have_one_time() {
    alone(async {
        let bus = EventBus::default();
        let driver = bus.driver(Arc::new(Asked::default())).unwrap();
        let mut feed = bus.feed("*").unwrap();
        let driving = tokio::spawn(driver.run());
        for round in 1..=2 {
            bus.emit(Draft::of(ONE));
            assert_eq!(feed.next().await.unwrap().timestamp, Timestamp(round));
        }
        (0..300).for_each(|number| bus.emit(numbered(number)));
        bus.stop();
        driving.await.unwrap();
        let times: Vec<_> = all(feed)
            .await
            .iter()
            .map(|told| told.timestamp.0)
            .collect();
        assert_eq!(times, [[3; 256].as_slice(), &[4; 44]].concat());
    });
}
