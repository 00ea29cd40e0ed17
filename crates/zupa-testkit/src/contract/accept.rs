//! Stop 1: each platform id is one message, and its place is given once.

use std::time::Duration;

use zupa_core::desk::InboundView;
use zupa_core::store::{Accept, Accepted, Batch};
use zupa_core::{Content, EventId, InboundState, Number, Timestamp};

use super::Harness;
use super::world::path::{queued, texts};
use super::world::{World, address_at, count};

impl World<'_> {
    async fn inbound(&self, event: EventId) -> InboundView {
        let view = self.desk.turn(&event.to_string()).await.unwrap().unwrap();
        let mut inbounds = view.inbounds.into_iter();
        inbounds.find(|inbound| inbound.event == event).unwrap()
    }

    async fn both_are_new(&self, one: Accept, other: Accept) {
        let both = [one.event, other.event];
        let answers = self.accept(vec![one, other]).await;
        for (answer, event) in answers.iter().zip(both) {
            queued(answer.as_ref().unwrap());
            assert_eq!(self.inbound(event).await.duplicates, 0);
        }
        assert_eq!(self.counts().await.accepted, 2);
    }
}

/// 64 deliveries of one id at once: one is queued, 63 are duplicates of it, and
/// a duplicate leaves no row.
pub async fn accept_once_under_64_concurrent_deliveries(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let batches = (0..64)
        .map(|_| Batch {
            accept: vec![world.message("ana", "m1", "hello")],
            ..world.batch()
        })
        .collect();
    let answers: Vec<Accepted> = world
        .write_at_once(batches)
        .await
        .into_iter()
        .map(|mut applied| applied.accept.remove(0).unwrap())
        .collect();

    let winners = answers
        .iter()
        .filter(|answer| matches!(answer, Accepted::Queued { .. }));
    assert_eq!(winners.count(), 1);
    let firsts: Vec<EventId> = answers
        .iter()
        .filter_map(|answer| match answer {
            Accepted::Duplicate { event } => Some(*event),
            _ => None,
        })
        .collect();
    assert_eq!(firsts.len(), 63);
    assert!(firsts.iter().all(|event| *event == firsts[0]));

    assert_eq!(world.counts().await.accepted, 1);
    assert_eq!(world.store.backlog().await.unwrap(), 1);
    assert_eq!(world.desk.status().await.unwrap().conversations, 1);
    assert_eq!(world.inbound(firsts[0]).await.duplicates, 63);
}

/// A batch may carry the same id several times: the first one is the message.
pub async fn duplicates_inside_one_batch(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let first = world.message("ana", "m1", "hello");
    let event = first.event;
    let answers = world
        .accept(vec![
            first,
            world.message("ana", "m1", "hello"),
            world.message("ana", "m2", "hello"),
            world.message("ana", "m1", "hello"),
        ])
        .await;
    let answers: Vec<Accepted> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(queued(&answers[0]).1, Number(1));
    assert_eq!(answers[1], Accepted::Duplicate { event });
    assert_eq!(
        queued(&answers[2]).1,
        Number(2),
        "a duplicate takes no number"
    );
    assert_eq!(answers[3], Accepted::Duplicate { event });
    assert_eq!(world.inbound(event).await.duplicates, 2);
}

/// The same id with another content is refused and changes nothing, in a later
/// batch as in the same one.
pub async fn same_id_other_content_is_conflict(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let first = world.message("ana", "m1", "pay 10");
    let event = first.event;
    let answers = world
        .accept(vec![first, world.message("ana", "m1", "pay 99")])
        .await;
    let conversation = queued(answers[0].as_ref().unwrap()).0;
    let conflict = Accepted::Conflict { event };
    assert_eq!(*answers[1].as_ref().unwrap(), conflict);
    let again = world.accept_one(world.message("ana", "m1", "pay 99")).await;
    assert_eq!(again, conflict);

    assert_eq!(world.counts().await.accepted, 1);
    assert_eq!(world.inbound(event).await.duplicates, 0);
    assert_eq!(texts(&world.claim(conversation).await), ["pay 10"]);
}

/// The same id at two tenants is two messages, and nothing crosses.
pub async fn same_id_two_tenants_are_two_messages(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut other = world.message("ana", "m1", "hello");
    other.inbound.address = address_at("other", "door", "ana");
    let address = other.inbound.address.clone();
    world
        .both_are_new(world.message("ana", "m1", "hello"), other)
        .await;
    assert_eq!(world.desk.status().await.unwrap().conversations, 2);
    let theirs = world.desk.lines(&address, Number(0), 10).await.unwrap();
    assert_eq!(theirs.len(), 1);
}

/// The same id at two channels of a tenant is two messages.
pub async fn same_id_two_channels_are_two_messages(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut other = world.message("ana", "m1", "hello");
    other.inbound.address = address_at("default", "window", "ana");
    world
        .both_are_new(world.message("ana", "m1", "hello"), other)
        .await;
    assert_eq!(world.desk.status().await.unwrap().conversations, 2);
}

/// The same id in two scopes is two messages.
pub async fn same_id_two_scopes_are_two(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut one = world.message("ana", "m1", "hello");
    one.inbound.scope = "ana".into();
    let mut other = world.message("bob", "m1", "hello");
    other.inbound.scope = "bob".into();
    world.both_are_new(one, other).await;
}

/// Numbers start at 1 and are dense in each conversation, in the batch's order.
pub async fn numbers_are_dense_per_conversation_and_in_batch_order(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let who = ["ana", "bob", "ana", "cyd", "bob", "ana"];
    for round in 0..2u64 {
        let batch = who
            .iter()
            .enumerate()
            .map(|(place, alias)| world.message(alias, &format!("{round}/{place}"), "hello"))
            .collect();
        let numbers: Vec<Number> = world
            .accept(batch)
            .await
            .iter()
            .map(|answer| queued(answer.as_ref().unwrap()).1)
            .collect();
        let expected = [1, 1, 2, 1, 2, 3].map(Number);
        let before = [3, 2, 3, 1, 2, 3].map(|count| count * round);
        let expected: Vec<Number> = expected
            .iter()
            .zip(before)
            .map(|(number, before)| Number(number.0 + before))
            .collect();
        assert_eq!(numbers, expected);
    }
}

/// A first sighting that is too old is written as ended and never claimed; its
/// id is known from then on.
pub async fn expired_is_written_as_ended(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let old = || {
        let mut old = world.message("ana", "m1", "hello");
        let limit = old.expires_before;
        old.inbound.platform_time = Some(Timestamp(limit.0 - 1));
        old
    };
    let first = old();
    let event = first.event;
    let Accepted::Expired { conversation } = world.accept_one(first).await else {
        panic!("a first sighting older than the ledger must end as expired");
    };
    assert_eq!(world.inbound(event).await.state, InboundState::Expired);
    assert_eq!(count(&world.counts().await.ended, "expired"), 1);
    assert_eq!(world.store.backlog().await.unwrap(), 0);
    assert!(world.due().await.is_empty());
    assert_eq!(world.accept_one(old()).await, Accepted::Duplicate { event });

    // What comes after it is answered, and alone.
    let mut on_time = world.message("ana", "m2", "on time");
    on_time.inbound.platform_time = Some(on_time.expires_before);
    assert_eq!(queued(&world.accept_one(on_time).await).0, conversation);
    assert_eq!(texts(&world.claim(conversation).await), ["on time"]);
}

/// An id stays known after its message was answered, and after a death.
pub async fn ids_are_known_after_the_answer_and_after_a_death(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let first = world.message("ana", "m1", "hello");
    let event = first.event;
    let (conversation, _) = queued(&world.accept_one(first).await);
    let turn = world.claim(conversation).await;
    world.answer(&turn, "hi").await;
    let again = world.accept_one(world.message("ana", "m1", "hello")).await;
    assert_eq!(again, Accepted::Duplicate { event });

    let (mut world, _) = world.die().await;
    world.pass(Duration::from_secs(86_400));
    let again = world.accept_one(world.message("ana", "m1", "hello")).await;
    assert_eq!(again, Accepted::Duplicate { event });
    assert!(world.due().await.is_empty());
}

/// Contents of every kind come back from a claim as they were accepted.
pub async fn contents_come_back_as_they_came(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let contents = [
        Content::text("line\nbreak, \"quotes\", '; drop table, \u{0}\u{1f600}\u{202e}"),
        Content::Media {
            mime: "image/jpeg".into(),
            handle: "h".into(),
            caption: None,
            filename: Some("ä.jpg".into()),
            bytes: Some(u64::MAX),
            sha256: None,
        },
        Content::Location {
            latitude: -23.5505,
            longitude: 0.25,
            name: None,
        },
        Content::Contacts {
            cards: vec![serde_json::json!({ "b": [1, null, 0.5], "a": "x" })],
        },
        Content::Reaction {
            to: "m0".into(),
            emoji: String::new(),
        },
        Content::Undecodable {
            payload: (0..=255).collect(),
        },
    ];
    let batch = contents
        .iter()
        .enumerate()
        .map(|(place, content)| {
            let mut accept = world.message("ana", &place.to_string(), "");
            accept.inbound.content = content.clone();
            accept
        })
        .collect();
    let (conversation, _) = queued(world.accept(batch).await[0].as_ref().unwrap());
    let turn = world.claim(conversation).await;
    world.answer(&turn, "ok").await;
    // What no door could read is taken alone.
    let last = world.claim(conversation).await;
    let claimed = turn.inbounds.iter().chain(&last.inbounds);
    assert_eq!(claimed.clone().count(), contents.len());
    for (claimed, content) in claimed.zip(&contents) {
        assert!(claimed.content == *content, "{} changed", claimed.number);
    }
}
