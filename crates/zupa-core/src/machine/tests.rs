//! The promises of the state machine, on a small door and on the conversation.

mod build;
mod conversation;
mod hierarchy;
mod moves;
mod persistence;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Builder, Event, Snapshot, StateMachineRegistry};
use crate::time::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Door {
    House,
    Closed,
    Locked,
    Open,
    Ajar,
    Burnt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Act {
    Pull,
    Push,
    Turn,
    Wind,
    Fire,
}

impl Event for Act {
    type State = Door;
}

/// What guards read and actions write.
#[derive(Debug, Clone, Default, PartialEq)]
struct Hand {
    has_key: bool,
    log: Vec<String>,
}

const WIND: Duration = Duration::from_secs(60);

/// A house that burns; in it a door that is closed, locked or open, and ajar as
/// a kind of open.
fn door() -> Builder<Hand, Act> {
    let mut door = StateMachineRegistry::<Hand, Act>::builder(Door::Closed)
        .states([Door::House, Door::Closed, Door::Locked, Door::Open])
        .states([Door::Ajar, Door::Burnt])
        .child(Door::Closed, Door::House)
        .child(Door::Locked, Door::House)
        .child(Door::Open, Door::House)
        .child(Door::Ajar, Door::Open)
        .on(Door::House, Act::Fire, Door::Burnt)
        .on(Door::Closed, Act::Pull, Door::Open)
        .on_if(Door::Closed, Act::Turn, Door::Locked, |hand, _| {
            hand.has_key
        })
        .on_if(Door::Locked, Act::Turn, Door::Closed, |hand, _| {
            hand.has_key
        })
        .on(Door::Open, Act::Push, Door::Closed)
        .on(Door::Open, Act::Pull, Door::Open)
        .on(Door::Open, Act::Wind, Door::Ajar)
        .on(Door::Ajar, Act::Pull, Door::Open)
        .on_if(Door::Ajar, Act::Push, Door::Ajar, |hand, _| hand.has_key)
        .timeout(Door::Open, WIND, Act::Wind)
        .finals([Door::Burnt]);
    for state in [
        Door::House,
        Door::Closed,
        Door::Locked,
        Door::Open,
        Door::Ajar,
        Door::Burnt,
    ] {
        door = door
            .on_entry(state, move |hand, _| {
                hand.log.push(format!("into {state:?}"))
            })
            .on_exit(state, move |hand, _| {
                hand.log.push(format!("out of {state:?}"))
            });
    }
    door
}

fn built() -> StateMachineRegistry<Hand, Act> {
    door().build().unwrap()
}

fn in_state(state: Door) -> Snapshot<Act> {
    Snapshot::new(state, Timestamp(0))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

fn with_key() -> Hand {
    Hand {
        has_key: true,
        log: Vec::new(),
    }
}

/// Applies one event to a door in `from`: where it led, and what ran.
fn run(from: Door, event: Act, mut hand: Hand) -> (Door, Vec<String>) {
    let mut snapshot = in_state(from);
    built()
        .transition(&mut snapshot, event, &mut hand, at(1))
        .unwrap();
    (snapshot.state(), hand.log)
}
