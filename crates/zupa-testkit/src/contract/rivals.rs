//! Two calls at once: of two tasks, or of two processes. Whatever their order,
//! both are answered, and each promise holds as if one had come after the other.

use std::time::Duration;

use zupa_core::store::{
    Accepted, Applied, Attempted, Batch, Claim, ClaimOutcome, Finished, Recorded, TurnEnd,
};
use zupa_core::{DeliveryState, ErrorKind, Ids, Number, ProcessId, ReceiptLevel};

use super::Harness;
use super::world::path::{answered, queued, record_of, taken, texts};
use super::world::wire::{level, receipt, sent, settle_of};
use super::world::{EXPIRY, World, address, kind};

/// Often enough for two calls to meet in the middle.
const ROUNDS: usize = 50;

impl World<'_> {
    /// Two batches at once.
    async fn both(&self, one: Batch, other: Batch) -> (Applied, Applied) {
        let mut applied = self.write_at_once(vec![one, other]).await;
        let second = applied.remove(1);
        (applied.remove(0), second)
    }

    /// A commit that answers with one line.
    fn reply() -> TurnEnd {
        TurnEnd::Commit(answered(&[("hi", DeliveryState::Sent)]))
    }

    /// Every line of a conversation has its number, one after the other.
    async fn assert_gapless(&self, alias: &str) -> usize {
        let lines = self.desk.lines(&address(alias), Number(0), 10_000).await;
        let numbers: Vec<_> = lines.unwrap().iter().map(|line| line.number.0).collect();
        let expected: Vec<_> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, expected, "the numbers of {alias}");
        numbers.len()
    }
}

/// Two calls over the same conversations, each in an order of its own, wait for
/// each other at most; neither fails.
pub async fn two_calls_in_different_order_both_succeed(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let message = |alias: &str| world.message(alias, &world.ids.fresh().to_string(), alias);
    let (ana, bob) = (world.hear("ana", "a").await, world.hear("bob", "b").await);
    for round in 0..ROUNDS {
        let (first, second) = (world.claim(ana).await, world.claim(bob).await);
        let one = Batch {
            record: vec![record_of(&second, "k", "1")],
            finish: vec![world.finish_of(&first, World::reply())],
            accept: vec![message("bob"), message("ana")],
            ..world.batch()
        };
        let other = Batch {
            record: vec![record_of(&first, "k", "1")],
            finish: vec![world.finish_of(&second, World::reply())],
            accept: vec![message("ana"), message("bob")],
            ..world.batch()
        };
        let (one, other) = world.both(one, other).await;
        for applied in [one, other] {
            // Whose commit came first, his step came too late.
            assert!(applied.record.iter().all(Result::is_ok), "round {round}");
            let done = matches!(applied.finish[0], Ok(Finished::Done { .. }));
            assert!(done, "round {round}: {:?}", applied.finish);
            for accepted in &applied.accept {
                queued(accepted.as_ref().unwrap());
            }
        }
    }
    for alias in ["ana", "bob"] {
        assert_eq!(world.assert_gapless(alias).await, 1 + 3 * ROUNDS);
    }
}

/// Numbers are given without gaps, and each task's messages keep their order.
pub async fn numbers_are_gapless_under_two_accepting_tasks(harness: &dyn Harness) {
    let world = World::open(harness).await;
    for round in 0..ROUNDS {
        let batch = |task: usize| Batch {
            accept: (0..3)
                .map(|at| world.message("ana", &format!("{round}/{task}/{at}"), "hello"))
                .collect(),
            ..world.batch()
        };
        let (one, other) = world.both(batch(0), batch(1)).await;
        let mut conversations = Vec::new();
        for applied in [one, other] {
            let places: Vec<_> = applied
                .accept
                .iter()
                .map(|accepted| queued(accepted.as_ref().unwrap()))
                .collect();
            let numbers: Vec<_> = places.iter().map(|(_, number)| *number).collect();
            assert!(numbers.is_sorted(), "round {round}: {numbers:?}");
            conversations.extend(places.into_iter().map(|(conversation, _)| conversation));
        }
        conversations.dedup();
        assert_eq!(conversations.len(), 1, "round {round}");
    }
    assert_eq!(world.assert_gapless("ana").await, 6 * ROUNDS);
}

/// The same delivery through two calls is one message, and a first message
/// through two calls opens one conversation.
pub async fn one_id_through_two_calls_is_accepted_once(harness: &dyn Harness) {
    let world = World::open(harness).await;
    for round in 0..ROUNDS {
        let name = format!("c{round}");
        let batch = || Batch {
            accept: vec![world.message(&name, &name, "hello")],
            ..world.batch()
        };
        let (one, other) = world.both(batch(), batch()).await;
        let answers = [one, other].map(|mut applied| applied.accept.remove(0).unwrap());
        match answers {
            [Accepted::Queued { .. }, Accepted::Duplicate { .. }]
            | [Accepted::Duplicate { .. }, Accepted::Queued { .. }] => {}
            other => panic!("round {round}: was {other:?}"),
        }
    }
    assert_eq!(world.counts().await.accepted, ROUNDS as u64);
    let status = world.desk.status().await.unwrap();
    assert_eq!(status.conversations, ROUNDS as u64);
}

/// A message that comes while a commit sees nothing pending is due afterwards,
/// whichever of the two was first.
pub async fn a_message_beside_a_commit_is_never_forgotten(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "first").await;
    let mut turn = world.claim(conversation).await;
    for round in 0..ROUNDS {
        let text = format!("m{round}");
        let commit = Batch {
            finish: vec![world.finish_of(&turn, World::reply())],
            ..world.batch()
        };
        let accept = Batch {
            accept: vec![world.message("ana", &text, &text)],
            ..world.batch()
        };
        let (finished, accepted) = world.both(commit, accept).await;
        let done = matches!(finished.finish[0], Ok(Finished::Done { .. }));
        assert!(done, "round {round}: {:?}", finished.finish);
        queued(accepted.accept[0].as_ref().unwrap());
        assert_eq!(world.due().await, [conversation], "round {round}");
        turn = world.claim(conversation).await;
        assert_eq!(texts(&turn), [text]);
    }
}

/// A commit whose claim has expired, and whoever takes the turn over: one of
/// them wins, and the other is told so.
pub async fn a_late_commit_and_a_takeover_have_one_winner(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    for round in 0..ROUNDS {
        let conversation = world.hear("ana", &format!("m{round}")).await;
        let late = world.claim(conversation).await;
        world.pass(EXPIRY);
        let commit = Batch {
            record: vec![record_of(&late, "k", "1")],
            finish: vec![world.finish_of(&late, World::reply())],
            ..world.batch()
        };
        let claim = Batch {
            claim: vec![Claim {
                process: ProcessId(world.ids.fresh()),
                ..world.wish(conversation)
            }],
            ..world.batch()
        };
        let (mut commit, mut claim) = world.both(commit, claim).await;
        let recorded = commit.record.remove(0).unwrap();
        let finished = commit.finish.remove(0).unwrap();
        match claim.claim.remove(0).unwrap() {
            // Held: the commit was being written at that very moment.
            ClaimOutcome::Nothing | ClaimOutcome::Held(_) => {
                assert_eq!(recorded, Recorded::Written, "round {round}");
                assert!(matches!(finished, Finished::Done { .. }), "round {round}");
            }
            ClaimOutcome::Taken(turn) => {
                assert_eq!(recorded, Recorded::Stale, "round {round}");
                assert_eq!(finished, Finished::Stale, "round {round}");
                assert_eq!((turn.turn, turn.runs), (late.turn, 2));
                assert!(turn.steps.is_empty(), "a stale step is never seen");
                world.answer(&turn, "hi").await;
            }
            other => panic!("round {round}: was {other:?}"),
        }
        assert!(world.due().await.is_empty(), "round {round}");
    }
    assert_eq!(world.assert_gapless("ana").await, 2 * ROUNDS);
}

/// Of two who want to send the same delivery one may.
pub async fn rivals_for_an_attempt_have_one_winner(harness: &dyn Harness) {
    let world = World::open(harness).await;
    for round in 0..ROUNDS {
        let talk = world
            .talk(&format!("c{round}"), &[("hi", DeliveryState::Queued)])
            .await;
        let batch = || Batch {
            attempt: vec![world.attempt_of(talk.rows[0], 1)],
            ..world.batch()
        };
        let (one, other) = world.both(batch(), batch()).await;
        let granted = [one, other].map(|mut applied| applied.attempt.remove(0).unwrap());
        assert!(
            granted.contains(&Attempted::Granted) && granted.contains(&Attempted::Lost),
            "round {round}: was {granted:?}"
        );
    }
}

/// The platform's word and the answer to the send come at once, through two calls:
/// whichever is first, the row knows both.
pub async fn a_status_beside_its_settlement_is_joined(harness: &dyn Harness) {
    let world = World::open(harness).await;
    for round in 0..ROUNDS {
        let sending = [("hi", DeliveryState::Sending)];
        let talk = world.talk(&format!("c{round}"), &sending).await;
        let id = format!("p{round}");
        let settlement = Batch {
            settle: vec![settle_of(talk.rows[0], 1, sent(&id))],
            ..world.batch()
        };
        let status = Batch {
            receipts: vec![receipt(&id, level(ReceiptLevel::Read))],
            ..world.batch()
        };
        world.both(settlement, status).await;
        let delivery = world.delivery(&talk, 0).await;
        assert_eq!(delivery.receipt, ReceiptLevel::Read, "round {round}");
    }
}

/// An item that cannot be taken fails alone, beside rivals as well: its batch and
/// theirs are applied.
pub async fn a_bad_item_fails_alone_beside_rivals(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    for round in 0..10 {
        let batches = (0..4)
            .map(|task| {
                let mut nameless = world.message("ana", "x", "x");
                nameless.inbound.platform_id = None;
                let id = format!("{round}/{task}");
                Batch {
                    record: vec![
                        record_of(&turn, &format!("good/{id}"), "1"),
                        record_of(&turn, &format!("bad/{id}"), "{ not JSON"),
                    ],
                    accept: vec![nameless, world.message("ana", &id, "hello")],
                    ..world.batch()
                }
            })
            .collect();
        for applied in world.write_at_once(batches).await {
            let kinds: Vec<_> = applied.record.iter().map(kind).collect();
            assert_eq!(kinds, [None, Some(ErrorKind::Invalid)]);
            let kinds: Vec<_> = applied.accept.iter().map(kind).collect();
            assert_eq!(kinds, [Some(ErrorKind::Invalid), None]);
        }
    }
    assert_eq!(world.counts().await.accepted, 41);
    let steps = world.view(turn.turn).await.steps;
    assert_eq!(steps.len(), 40);
    assert!(steps.iter().all(|step| step.key.starts_with("good/")));
    world.assert_gapless("ana").await;
    world.pass(Duration::from_secs(1));
    world.answer(&turn, "hi").await;
    assert_eq!(taken(world.ask(conversation).await).inbounds.len(), 40);
}
