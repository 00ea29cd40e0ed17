//! The promises of the bus, one by one.

mod loss;
mod order;
mod reducers;
mod waking;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::{Draft, Driver, Event, EventBus, EventFeed, Name, Pattern, names};
use crate::clock::Clock;
use crate::time::Timestamp;

const ONE: Name = Name::new("test", "one");
const TWO: Name = Name::new("test", "two");
const OTHER: Name = Name::new("other", "one");

/// Tells a time that nobody moves.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn wall(&self) -> Timestamp {
        Timestamp(7)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

fn driver(bus: &EventBus) -> Driver {
    bus.driver(Arc::new(Still)).unwrap()
}

/// Runs on one thread, where tasks go on only at an await.
fn alone<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(test)
}

/// Has the driver hand out all there is, and end.
async fn drain(bus: &EventBus, driver: Driver) {
    bus.stop();
    driver.run().await;
}

async fn all(mut feed: EventFeed) -> Vec<Arc<Event>> {
    let mut events = Vec::new();
    while let Some(event) = feed.next().await {
        events.push(event);
    }
    events
}

async fn seqs(feed: EventFeed) -> Vec<u64> {
    all(feed).await.iter().map(|event| event.seq).collect()
}

fn numbered(number: u64) -> Draft {
    Draft::of(ONE).with("number", number)
}

#[test]
fn patterns_want_one_name_a_namespace_a_word_or_all() {
    let table = [
        ("test:one", [true, false, false]),
        ("test:*", [true, true, false]),
        ("*:one", [true, false, true]),
        ("*:*", [true, true, true]),
        ("*", [true, true, true]),
        ("test:three", [false, false, false]),
        ("tes:one", [false, false, false]),
    ];
    for (text, wanted) in table {
        let pattern = Pattern::parse(text).unwrap();
        assert_eq!(
            [ONE, TWO, OTHER].map(|name| pattern.matches(name)),
            wanted,
            "{text}"
        );
    }
    for wrong in [
        "", "test", ":", "test:", ":one", "te*:one", "test:on*", "a:b:c", "**",
    ] {
        assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        assert!(EventBus::new(1).feed(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_name_is_unique_and_in_the_docs() {
    let told = include_str!("../../../../docs/events.md");
    let all: BTreeSet<_> = names::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(all.len(), names::ALL.len());
    let rows: BTreeSet<_> = told
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(all, rows);
}

#[test]
fn a_payload_keeps_what_has_room_and_a_label_is_cut() {
    let mut draft = Draft::of(ONE);
    for (number, key) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        draft = draft.with(key, number);
    }
    let keys: Vec<_> = draft.payload.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["a", "b", "c", "d", "e"]);
    let long = super::Label::new(&"é".repeat(40));
    assert_eq!(long.as_str(), "é".repeat(32));
    assert!(size_of::<Draft>() <= 300, "{}", size_of::<Draft>());
}
