//! A message is taken once, however often and however concurrently it is
//! delivered.

use futures_util::future::join_all;
use zupa_core::{Deduplicates, Delivered, InboundState, IntakeBatch};

use crate::support::{Setup, inbound, life};

#[tokio::test(start_paused = true)]
async fn sixty_four_deliveries_of_one_id_get_one_reply() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    let deliveries = (0..64).map(|_| world.deliver(inbound("ana", "m1", "hello")));
    let told = join_all(deliveries).await;
    let mut accepted = Vec::new();
    let mut repeated = Vec::new();
    for told in told {
        match told.unwrap() {
            Delivered::Accepted { event, .. } => accepted.push(event),
            Delivered::Duplicate { event } => repeated.push(event),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((accepted.len(), repeated.len()), (1, 63));
    assert!(repeated.iter().all(|event| *event == accepted[0]));
    world.quiet().await;
    assert_eq!(world.visible(), ["re: hello"]);
    assert_eq!(world.model.calls(), 1);
    assert_eq!(world.view("m1").await.inbounds[0].duplicates, 63);
    assert_eq!(world.accounting().await.accepted, 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_id_with_another_text_is_a_conflict_and_changes_nothing() {
    let world = Setup::web().start().await;
    let first = world.deliver(inbound("ana", "m1", "hello")).await.unwrap();
    let Delivered::Accepted { event, .. } = first else {
        panic!("{first:?}");
    };
    for _ in 0..2 {
        let again = world
            .deliver(inbound("ana", "m1", "another"))
            .await
            .unwrap();
        assert_eq!(again, Delivered::Conflict { event });
        world.quiet().await;
    }
    assert_eq!(world.replies("ana").await, ["re: hello"]);
    assert_eq!(world.accounting().await.accepted, 1);
}

#[tokio::test(start_paused = true)]
async fn messages_without_an_id_are_each_answered() {
    let world = Setup::web().start().await;
    for _ in 0..3 {
        let mut message = inbound("ana", "unused", "hello");
        message.platform_id = None;
        let told = world.deliver(message).await.unwrap();
        assert!(matches!(told, Delivered::Accepted { .. }));
        world.quiet().await;
    }
    assert_eq!(world.replies("ana").await, ["re: hello"; 3]);
}

#[tokio::test(start_paused = true)]
async fn equal_texts_with_different_ids_are_two_messages() {
    let world = Setup::web().start().await;
    for id in ["m1", "m2"] {
        world.deliver(inbound("ana", id, "hello")).await.unwrap();
        world.quiet().await;
    }
    assert_eq!(world.replies("ana").await, ["re: hello"; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_answered_message_by_message() {
    let world = Setup::web().start().await;
    let texts = [
        ("m1", "hello"),
        ("m1", "hello"),
        ("m1", "other"),
        ("m2", "bye"),
    ];
    let batch = IntakeBatch {
        inbounds: texts.map(|(id, text)| inbound("ana", id, text)).into(),
        receipts: Vec::new(),
    };
    let told = world.runtime().intake().deliver(batch).await.unwrap();
    let words: Vec<_> = told
        .into_iter()
        .map(|told| match told.unwrap() {
            Delivered::Accepted { .. } => "accepted",
            Delivered::Duplicate { .. } => "duplicate",
            Delivered::Conflict { .. } => "conflict",
            Delivered::Expired { .. } => "expired",
        })
        .collect();
    assert_eq!(words, ["accepted", "duplicate", "conflict", "accepted"]);
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["re: hello + bye"]);
}

#[test]
fn what_was_answered_before_a_restart_is_a_duplicate_after_it() {
    let setup = Setup::phone(Deduplicates::Never);
    life(async {
        let world = setup.start().await;
        world.say("ana", "hello").await;
        world.quiet().await;
    });
    life(async {
        let world = setup.start().await;
        let again = world.deliver(inbound("ana", "hello", "hello")).await;
        assert!(matches!(again.unwrap(), Delivered::Duplicate { .. }));
        world.quiet().await;
    });
    assert_eq!(setup.visible(), ["re: hello"]);
    assert_eq!(setup.model.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_older_than_the_memory_of_ids_is_noted_and_not_answered() {
    let world = Setup::web().start().await;
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    let now = zupa_core::Clock::wall(&world.clock);
    for (id, age, expired) in [("old", 13 * day + day / 24, true), ("new", 12 * day, false)] {
        let mut message = inbound(id, id, id);
        message.platform_time = Some(now.minus(age));
        let told = world.deliver(message).await.unwrap();
        assert_eq!(matches!(told, Delivered::Expired { .. }), expired, "{id}");
    }
    world.quiet().await;
    let view = world.view("old").await;
    assert_eq!(view.inbounds[0].state, InboundState::Expired);
    assert!(world.replies("old").await.is_empty());
    assert_eq!(world.replies("new").await, ["re: new"]);
}
