//! What is said fits the door: a long answer leaves as several messages, in order, and a turn
//! that runs again says the same.

use std::sync::Arc;

use zupa_core::{Deduplicates, DeliveryState, ErrorKind, Outbound};
use zupa_runtime::{Builder, Cx, Ending, Graph, Move, Stop, ends};
use zupa_testkit::{Answer, Call, Fault, FaultyStore};

use crate::pacing::Nothing;
use crate::support::{DOOR, Setup, World, door, error, inbound, life, pass, secs};

/// Says something beside the answer, both too long.
async fn talk(_: &Nothing, cx: &mut Cx) -> Result<Move<Nothing>, Stop> {
    cx.say("one moment, I am looking").await?;
    Ok(Move::end(Ending::Answer(vec![
        Outbound::reply("first part\n\nsecond part"),
        Outbound::reply("end"),
    ])))
}

const PARTS: [&str; 5] = [
    "one moment,",
    "I am looking",
    "first part",
    "second part",
    "end",
];

fn phone() -> Setup {
    Setup::with(door(DOOR, Deduplicates::ByKey).with_text(12))
}

async fn start(setup: &Setup, store: FaultyStore) -> World {
    let graph = Graph::builder("talkative")
        .node("talk", talk, [ends()])
        .build()
        .unwrap();
    let change = |builder: Builder| builder.graph(graph);
    setup.start_over_with(Arc::new(store), change).await
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_is_several_deliveries_in_order() {
    let setup = phone();
    let world = start(&setup, FaultyStore::new(Arc::new(setup.memory.clone()))).await;
    world.say("ana", "hi").await;
    world.quiet().await;
    assert_eq!(world.visible(), PARTS);
    let calls = world.door().calls();
    let ordinals: Vec<_> = calls.iter().map(|sent| sent.delivery.ordinal).collect();
    assert_eq!(ordinals, [0, 1, 2, 3, 4]);
}

/// Wherever the process dies, the next one says the same, and the door knows what it has.
#[test]
fn a_turn_that_runs_again_says_no_part_twice() {
    for nth in 1..10 {
        let setup = phone();
        for dies in [true, false] {
            life(async {
                let memory = Arc::new(setup.memory.clone());
                let world = start(&setup, FaultyStore::new(memory)).await;
                if dies {
                    world.store.at_call_of(Call::Write, nth, Fault::CrashAfter);
                }
                let handed = world.deliver(inbound("ana", "hi", "hi"));
                let handed = tokio::time::timeout(secs(60), handed).await;
                assert!(dies || handed.is_ok_and(|told| told.is_ok()));
                match dies {
                    true => pass(secs(60)).await,
                    false => world.quiet().await,
                }
            });
        }
        assert_eq!(setup.visible(), PARTS, "{nth}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_never_leaves_takes_the_later_ones_with_it() {
    let setup = phone();
    let world = start(&setup, FaultyStore::new(Arc::new(setup.memory.clone()))).await;
    let refused = error(ErrorKind::Invalid);
    world
        .door()
        .answer([Answer::Ok, Answer::Ok, Answer::Fail(refused)]);
    world.say("ana", "hi").await;
    world.quiet().await;
    assert_eq!(world.visible(), PARTS[..2]);
    let states: Vec<_> = world
        .view("hi")
        .await
        .deliveries
        .iter()
        .map(|row| row.state)
        .collect();
    let (sent, cancelled) = (DeliveryState::Sent, DeliveryState::Cancelled);
    assert_eq!(
        states,
        [sent, sent, DeliveryState::Failed, cancelled, cancelled]
    );
}
