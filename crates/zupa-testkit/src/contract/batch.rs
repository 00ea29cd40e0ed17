//! A batch is one transaction of many items: each has its own answer and its
//! own fate.

use zupa_core::ErrorKind;
use zupa_core::store::{
    Accepted, Applied, Attempted, Batch, ClaimOutcome, Finished, Recorded, TurnEnd, Verdict,
};
use zupa_core::{DeliveryState, EventId, Ids, Number};

use super::Harness;
use super::world::path::{answered, keys, queued, record_of, taken, texts, wordless};
use super::world::wire::Place;
use super::world::{World, kind};

/// An empty batch is applied like any other.
pub async fn an_empty_batch_changes_nothing(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let Applied {
        settle,
        record,
        finish,
        accept,
        attempt,
        claim,
        taken: offers,
        renew,
    } = world.write(world.batch()).await;
    assert!(record.is_empty() && finish.is_empty() && accept.is_empty());
    assert!(attempt.is_empty() && claim.is_empty() && offers.is_empty());
    assert!(renew.is_empty() && settle.is_empty());
    assert_eq!(world.counts().await.accepted, 0);
}

/// An item that breaks a constraint fails with `Invalid`; all others are
/// applied as if it were not there.
pub async fn one_bad_item_fails_alone(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let mut nameless = world.message("bob", "x", "b");
    nameless.inbound.platform_id = None;
    let alone = nameless.conversation;
    let batch = Batch {
        record: vec![
            record_of(&turn, "recall/1/history", "[]"),
            record_of(&turn, "call_model/1/model", "{ not JSON"),
            record_of(&turn, "finalize/1/x", "1"),
        ],
        accept: vec![
            world.message("bob", "m1", "a"),
            nameless,
            world.message("bob", "m2", "c"),
        ],
        claim: vec![world.wish(alone)],
        ..world.batch()
    };
    let applied = world.write(batch).await;
    assert_eq!(
        applied.record.iter().map(kind).collect::<Vec<_>>(),
        [None, Some(ErrorKind::Invalid), None]
    );
    assert_eq!(
        applied.accept.iter().map(kind).collect::<Vec<_>>(),
        [None, Some(ErrorKind::Invalid), None]
    );
    assert_eq!(queued(applied.accept[0].as_ref().unwrap()).1, Number(1));
    assert_eq!(queued(applied.accept[2].as_ref().unwrap()).1, Number(2));
    assert!(matches!(applied.claim[0], Ok(ClaimOutcome::Nothing)));

    let view = world.view(turn.turn).await;
    let mut keys = keys(&view);
    keys.sort_unstable();
    assert_eq!(keys, ["finalize/1/x", "recall/1/history"]);
    assert_eq!(world.counts().await.accepted, 3);
    world.answer(&turn, "hi").await;
}

/// An offer takes what is pending once the whole batch is accepted, and holds it
/// as a claim does; a second offer for the same conversation finds it held.
pub async fn an_offer_takes_what_the_batch_accepted(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut first = world.message("ana", "m1", "a");
    let mut second = world.message("ana", "m2", "b");
    first.offer = Some(world.offer());
    second.offer = Some(world.offer());
    let batch = Batch {
        accept: vec![first, second],
        ..world.batch()
    };
    let mut applied = world.write(batch).await;
    assert!(applied.taken[1].is_none());
    let turn = applied.taken.remove(0).unwrap();
    assert_eq!(texts(&turn), ["a", "b"]);
    assert_eq!((turn.epoch.0, turn.runs), (1, 1));
    assert!(matches!(
        world.try_claim(turn.conversation).await,
        ClaimOutcome::Held(_)
    ));
    world.answer(&turn, "hi").await;
}

/// An offer never takes a duplicate, a conversation that is not due, or a turn
/// that is open.
pub async fn an_offer_takes_only_what_a_new_turn_may_have(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let open = world.claim(conversation).await;
    world.end(&open, TurnEnd::Release).await;
    let mut behind = world.message("ana", "m2", "b");
    behind.offer = Some(world.offer());
    let mut again = behind.clone();
    again.event = EventId(world.ids.fresh());
    let mut waits = world.message("bob", "m3", "c");
    waits.offer = Some(world.offer());
    waits.burst.silence = std::time::Duration::from_secs(5);
    let batch = Batch {
        accept: vec![behind, again, waits],
        ..world.batch()
    };
    let applied = world.write(batch).await;
    assert!(applied.taken.iter().all(Option::is_none));
    assert_eq!(
        world.claim(conversation).await.turn,
        open.turn,
        "the open turn goes first"
    );
}

/// A claim sees what its own batch accepted.
pub async fn a_claim_sees_what_its_batch_accepted(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let first = world.message("ana", "m1", "a");
    let conversation = first.conversation;
    let batch = Batch {
        accept: vec![first, world.message("ana", "m2", "b")],
        claim: vec![world.wish(conversation)],
        ..world.batch()
    };
    let mut applied = world.write(batch).await;
    assert_eq!(queued(applied.accept[0].as_ref().unwrap()).0, conversation);
    let turn = taken(applied.claim.remove(0).unwrap());
    assert_eq!(texts(&turn), ["a", "b"]);
}

/// Rivals that meet in one batch have one winner, the first of them.
pub async fn rivals_in_one_batch_have_one_winner(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let batch = Batch {
        claim: vec![world.wish(conversation), world.wish(conversation)],
        ..world.batch()
    };
    let mut claims = world.write(batch).await.claim;
    let second = claims.remove(1).unwrap();
    assert!(matches!(second, ClaimOutcome::Held(_)), "was {second:?}");
    let turn = taken(claims.remove(0).unwrap());
    assert_eq!(turn.epoch.0, 1);

    let silent = wordless(Verdict::Silent("x".into()));
    let queued_row = TurnEnd::Commit(answered(&[("hi", DeliveryState::Queued)]));
    let batch = Batch {
        finish: vec![
            world.finish_of(&turn, queued_row),
            world.finish_of(&turn, silent),
        ],
        ..world.batch()
    };
    let finished = world.write(batch).await.finish;
    let Ok(Finished::Done { numbers, .. }) = &finished[0] else {
        panic!("the first end must be written, was {:?}", finished[0]);
    };
    assert!(!matches!(finished[1], Ok(Finished::Done { .. })));

    let place = Place {
        conversation,
        number: numbers[0],
    };
    let batch = Batch {
        attempt: vec![world.attempt_of(place, 1), world.attempt_of(place, 1)],
        ..world.batch()
    };
    let attempts = world.write(batch).await.attempt;
    let attempts: Vec<_> = attempts.into_iter().map(Result::unwrap).collect();
    assert_eq!(attempts, [Attempted::Granted, Attempted::Lost]);
}

/// Answers keep the order of their list, though conversations lie in another.
pub async fn answers_keep_the_order_of_their_list(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let who = ["zoe", "ana", "mia", "bob", "lea"];
    let messages = who.map(|alias| world.message(alias, alias, alias)).into();
    let answers = world.accept(messages).await;
    let mut conversations: Vec<_> = answers
        .iter()
        .map(|answer| queued(answer.as_ref().unwrap()).0)
        .collect();
    conversations.reverse();
    let batch = Batch {
        claim: conversations.iter().map(|id| world.wish(*id)).collect(),
        ..world.batch()
    };
    let claims = world.write(batch).await.claim;
    let turns: Vec<_> = claims
        .into_iter()
        .map(|claim| taken(claim.unwrap()))
        .collect();
    for ((turn, conversation), alias) in turns.iter().zip(&conversations).zip(who.iter().rev()) {
        assert_eq!(turn.conversation, *conversation);
        assert_eq!(texts(turn), [*alias]);
        assert_eq!(turn.address.alias.as_str(), *alias);
    }

    let mut stale = record_of(&turns[2], "k", "1");
    stale.epoch.0 += 1;
    let mut lost = world.finish_of(&turns[1], TurnEnd::Release);
    lost.epoch.0 += 1;
    let part = ("hi", DeliveryState::Sent);
    let commit = |parts: usize| TurnEnd::Commit(answered(&vec![part; parts]));
    let batch = Batch {
        record: vec![
            record_of(&turns[3], "k", "1"),
            stale,
            record_of(&turns[0], "k", "1"),
        ],
        finish: vec![
            world.finish_of(&turns[4], commit(3)),
            lost,
            world.finish_of(&turns[0], commit(1)),
            world.finish_of(&turns[3], commit(2)),
        ],
        accept: vec![
            world.message("mia", "mia", "mia"),
            world.message("zoe", "z2", "more"),
            world.message("ana", "ana", "other"),
        ],
        ..world.batch()
    };
    let applied = world.write(batch).await;
    let records: Vec<_> = applied.record.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        records,
        [Recorded::Written, Recorded::Stale, Recorded::Written]
    );
    let written: Vec<_> = applied
        .finish
        .into_iter()
        .map(|answer| match answer.unwrap() {
            Finished::Done { numbers, .. } => Some(numbers.len()),
            _ => None,
        })
        .collect();
    assert_eq!(written, [Some(3), None, Some(1), Some(2)]);
    assert!(matches!(applied.accept[0], Ok(Accepted::Duplicate { .. })));
    assert!(matches!(
        applied.accept[1],
        Ok(Accepted::Queued {
            number: Number(5),
            ..
        })
    ));
    assert!(matches!(applied.accept[2], Ok(Accepted::Conflict { .. })));
}
