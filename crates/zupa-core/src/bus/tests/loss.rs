//! What is lost is counted, and costs nobody else anything.

use futures_util::FutureExt;

use super::*;

#[test]
fn a_gap_in_the_numbers_is_a_counted_loss_with_one_marker() {
    alone(async {
        let bus = EventBus::new(4);
        let driver = driver(&bus);
        let feed = bus.feed("*").unwrap();
        for number in 0..6 {
            bus.emit(numbered(number));
        }
        bus.emit(Draft::of(OTHER));
        assert_eq!(bus.dropped(), [("test", 2), ("other", 1)]);
        drain(&bus, driver).await;
        let events = all(feed).await;
        let told: Vec<_> = events.iter().map(|event| (event.seq, event.name)).collect();
        let marker = (8, names::BUS_DROPPED);
        assert_eq!(told, [(1, ONE), (2, ONE), (3, ONE), (4, ONE), marker]);
        assert_eq!(events[4].payload.number("events"), Some(3));
    });
}

#[test]
fn a_slow_subscriber_loses_its_own_and_delays_nobody() {
    alone(async {
        let bus = EventBus::new(16);
        let driver = driver(&bus);
        let slow = bus.feed("*").unwrap();
        let mut asleep = Box::pin(bus.subscribe("*", |_| std::future::pending()).unwrap());
        let mut quick = bus.feed("*").unwrap();
        let driving = tokio::spawn(driver.run());
        for number in 0..10_000 {
            bus.emit(numbered(number));
            // The sleeper has begun with the first event and never ends.
            assert!(asleep.as_mut().now_or_never().is_none());
            assert_eq!(quick.next().await.unwrap().seq, number + 1);
        }
        bus.stop();
        driving.await.unwrap();
        assert_eq!((quick.dropped(), slow.dropped()), (0, 10_000 - 4_096));
        assert_eq!(asleep.dropped(), 10_000 - 4_097);
        assert_eq!(bus.missed(), slow.dropped() + asleep.dropped());
        let kept = seqs(slow).await;
        assert_eq!((kept.len(), kept[4_095]), (4_096, 4_096));
        assert!(bus.dropped().is_empty());
    });
}

#[test]
fn a_million_events_take_no_more_room_than_the_ring() {
    alone(async {
        let bus = EventBus::new(1_000);
        let driver = driver(&bus);
        let feed = bus.feed("*").unwrap();
        for number in 0..1_000_000 {
            bus.emit(numbered(number));
            assert!(bus.waiting() <= 1_000);
        }
        assert_eq!(bus.dropped(), [("test", 999_000)]);
        drain(&bus, driver).await;
        assert_eq!(feed.dropped(), 0);
        assert_eq!(all(feed).await.last().map(|last| last.seq), Some(1_000_001));
    });
}

#[test]
fn namespaces_beyond_the_table_share_one_count() {
    let bus = EventBus::new(1);
    let _feed = bus.feed("*").unwrap();
    let names: Vec<&'static str> = (0..40).map(|n| &*format!("n{n}").leak()).collect();
    for namespace in &names {
        bus.emit(Draft::of(Name::new(namespace, "x")));
    }
    let dropped = bus.dropped();
    assert_eq!(dropped.len(), 33);
    assert_eq!(dropped[0], ("n1", 1));
    assert_eq!(dropped[32], ("other", 7));
}

#[test]
fn a_handler_that_panics_is_counted_and_goes_on() {
    alone(async {
        let bus = EventBus::default();
        let driver = driver(&bus);
        let (sender, seen) = std::sync::mpsc::channel();
        let subscription = bus.subscribe("*", move |event| {
            assert!(event.name != TWO, "planted");
            sender.send(event.seq).unwrap();
            std::future::ready(())
        });
        for name in [ONE, TWO, ONE] {
            bus.emit(Draft::of(name));
        }
        drain(&bus, driver).await;
        subscription.unwrap().await;
        assert_eq!(seen.iter().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(bus.panics(), 1);
    });
}
