//! What happens to events before they are numbered.

use super::super::Reduced;
use super::*;

#[test]
fn a_reducer_drops_keeps_or_puts_others_in_place_each_with_its_number() {
    alone(async {
        let bus = EventBus::default();
        let driver = driver(&bus);
        let feed = bus.feed("*").unwrap();
        let _dropping = bus.reduce("test:two", |_| Reduced::Drop).unwrap();
        let _keeping = bus.reduce("other:*", |_| Reduced::Keep).unwrap();
        let doubled = |draft: &Draft| Reduced::Many(vec![draft.clone(), Draft::of(TWO)]);
        let _doubling = bus.reduce("test:one", doubled).unwrap();
        for name in [ONE, TWO, OTHER] {
            bus.emit(Draft::of(name));
        }
        drain(&bus, driver).await;
        let events = all(feed).await;
        let told: Vec<_> = events.iter().map(|event| (event.seq, event.name)).collect();
        assert_eq!(told, [(1, ONE), (2, TWO), (3, OTHER)]);
    });
}

#[test]
fn a_reducer_sees_what_those_before_it_let_pass_and_nothing_of_its_own() {
    alone(async {
        let bus = EventBus::default();
        let driver = driver(&bus);
        let feed = bus.feed("*").unwrap();
        let more = |draft: &Draft| Reduced::Many(vec![draft.clone(), draft.clone()]);
        let _twice = bus.reduce("*", more).unwrap();
        let _again = bus.reduce("*", more).unwrap();
        bus.emit(Draft::of(ONE));
        drain(&bus, driver).await;
        assert_eq!(seqs(feed).await, [1, 2, 3, 4]);
    });
}

#[test]
fn a_reducer_that_panics_is_counted_and_the_event_passes() {
    alone(async {
        let bus = EventBus::default();
        let driver = driver(&bus);
        let feed = bus.feed("*").unwrap();
        let _panicking = bus.reduce("test:one", |_| panic!("planted")).unwrap();
        for name in [ONE, TWO, ONE] {
            bus.emit(Draft::of(name));
        }
        drain(&bus, driver).await;
        assert_eq!(seqs(feed).await, [1, 2, 3]);
        assert_eq!(bus.panics(), 2);
    });
}

#[test]
fn a_removed_reducer_does_nothing_any_more() {
    alone(async {
        let bus = EventBus::default();
        let driver = driver(&bus);
        let mut feed = bus.feed("*").unwrap();
        let dropping = bus.reduce("*", |_| Reduced::Drop).unwrap();
        let driving = tokio::spawn(driver.run());
        bus.emit(Draft::of(ONE));
        while bus.waiting() > 0 {
            tokio::task::yield_now().await;
        }
        dropping.remove();
        bus.emit(Draft::of(TWO));
        assert_eq!(feed.next().await.unwrap().name, TWO);
        bus.stop();
        driving.await.unwrap();
        assert_eq!(seqs(feed).await, [0; 0]);
    });
}

#[test]
fn a_reducer_that_makes_too_many_loses_and_counts_those_beyond() {
    alone(async {
        let bus = EventBus::default();
        let driver = driver(&bus);
        let mut feed = bus.feed("*").unwrap();
        let many = |draft: &Draft| Reduced::Many(vec![draft.clone(); 100]);
        let _many = bus.reduce("test:*", many).unwrap();
        tokio::spawn(driver.run());
        bus.emit(Draft::of(ONE));
        for seq in 1..=64 {
            assert_eq!(feed.next().await.unwrap().seq, seq);
        }
        let marker = feed.next().await.unwrap();
        assert_eq!((marker.name, marker.seq), (names::BUS_DROPPED, 64 + 36 + 1));
        assert_eq!(bus.dropped(), [("test", 36)]);
    });
}
