//! Stop 4: a turn's writes appear together, once, and only under its claim.

use zupa_core::store::{Batch, Finish, Finished, OutboxRow, Record, Recorded, TurnEnd, Verdict};
use zupa_core::{AuditHead, DeliveryState, Digest, InboundState, Number, TurnState, audit};

use super::Harness;
use super::world::path::{answered, failure, keys, queued, record_of, taken, texts, wordless};
use super::world::{EXPIRY, World, address, count};

/// Rows in every state that a commit may write.
fn rows() -> TurnEnd {
    TurnEnd::Commit(answered(&[
        ("one", DeliveryState::Sent),
        ("two", DeliveryState::Queued),
    ]))
}

impl World<'_> {
    /// Every end that a run may have.
    fn ends(&self) -> Vec<TurnEnd> {
        vec![
            rows(),
            wordless(Verdict::Silent("quiet".into())),
            wordless(Verdict::Dead(failure())),
            TurnEnd::Retry {
                not_before: self.after(60),
                failure: failure(),
            },
            TurnEnd::Split { failure: failure() },
            TurnEnd::Release,
        ]
    }

    async fn assert_changes_nothing(&self, finish: Finish, expected: Finished) {
        let (conversation, turn) = (finish.conversation, finish.turn);
        let before = self.look("ana", conversation, turn).await;
        assert_eq!(self.finish(finish).await, expected);
        assert_eq!(self.look("ana", conversation, turn).await, before);
    }
}

/// A commit ends the range and writes its outbox rows behind it, in one line of
/// numbers.
pub async fn a_commit_ends_the_range_and_writes_the_outbox(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    world.hear("ana", "b").await;
    let turn = world.claim(conversation).await;
    world.hear("ana", "c").await;
    let Finished::Done {
        numbers, due_at, ..
    } = world.end(&turn, rows()).await
    else {
        panic!("the holder's commit must be written");
    };
    assert_eq!(numbers, [Number(4), Number(5)]);
    assert_eq!(due_at, Some(world.now), "a message came meanwhile");

    let view = world.view(turn.turn).await;
    let summary = view.turn.unwrap();
    assert_eq!(summary.state, TurnState::Committed);
    assert_eq!((summary.first, summary.last), (Number(1), Number(2)));
    assert_eq!(summary.ended_at, Some(world.now));
    assert_eq!(view.inbounds.len(), 2);
    assert!(
        view.inbounds
            .iter()
            .all(|inbound| inbound.state == InboundState::Answered)
    );
    let ordinals: Vec<_> = view
        .deliveries
        .iter()
        .map(|row| (row.id.turn, row.id.ordinal))
        .collect();
    assert_eq!(ordinals, [(turn.turn, 0), (turn.turn, 1)]);
    let next = world.accept_one(world.message("ana", "m6", "d")).await;
    assert_eq!(queued(&next).1, Number(6));
}

/// An end without a word, or a giving up, is an end with its reason.
pub async fn an_end_without_an_answer_has_a_reason(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let verdicts = [
        (
            Verdict::Silent("a sticker".into()),
            InboundState::Silent,
            "a sticker",
        ),
        (
            Verdict::Refused("too many messages".into()),
            InboundState::Refused,
            "too many messages",
        ),
        (
            Verdict::Dead(failure()),
            InboundState::Dead,
            "the prompt is too long",
        ),
    ];
    for (verdict, state, reason) in verdicts {
        let conversation = world.hear("ana", "hello").await;
        let turn = world.claim(conversation).await;
        world.end(&turn, wordless(verdict)).await;
        let view = world.view(turn.turn).await;
        assert_eq!(view.inbounds[0].state, state);
        assert!(view.inbounds[0].reason.as_ref().unwrap().contains(reason));
        let summary = view.turn.unwrap();
        assert!(summary.reason.unwrap().contains(reason));
        assert_eq!(summary.failures, u32::from(state == InboundState::Dead));
        assert_eq!(count(&world.counts().await.ended, state.as_str()), 1);
    }
}

/// A run that lost its claim changes nothing at all, whatever its end.
pub async fn stale_epoch_cannot_commit(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let stale = world.claim(conversation).await;
    world.pass(EXPIRY);
    let turn = world.claim(conversation).await;
    for end in world.ends() {
        world
            .assert_changes_nothing(world.finish_of(&stale, end), Finished::Stale)
            .await;
    }
    world.answer(&turn, "hi").await;
    for end in world.ends() {
        let late = world.finish_of(&stale, end);
        world.assert_changes_nothing(late, Finished::Stale).await;
    }
    assert_eq!(world.counts().await.deliveries.values().sum::<u64>(), 1);
}

/// A claim that a restart voided cannot commit, though nobody took the
/// conversation since.
pub async fn a_voided_claim_cannot_commit(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let voided = world.claim(conversation).await;
    let (world, _) = world.die().await;
    for end in world.ends() {
        let late = world.finish_of(&voided, end);
        world.assert_changes_nothing(late, Finished::Stale).await;
    }
}

/// A claim that was given back cannot commit either.
pub async fn a_released_claim_cannot_commit(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let mut release = world.finish_of(&turn, TurnEnd::Release);
    release.audit.clear();
    assert!(matches!(world.finish(release).await, Finished::Done { .. }));
    for end in world.ends() {
        let late = world.finish_of(&turn, end);
        world.assert_changes_nothing(late, Finished::Stale).await;
    }
}

/// What an end is answered when it comes again.
fn known(done: &Finished) -> Finished {
    match done.clone() {
        Finished::Done {
            numbers,
            due_at,
            held,
        } => Finished::Already {
            numbers,
            due_at,
            held,
        },
        other => panic!("the end of the holder must be written, was {other:?}"),
    }
}

/// The same commit again is answered as known, and writes nothing: later, in
/// the same batch, and after a death.
pub async fn commit_is_idempotent_by_turn(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let batch = Batch {
        finish: vec![
            world.finish_of(&turn, rows()),
            world.finish_of(&turn, rows()),
        ],
        ..world.batch()
    };
    let answers = world.write(batch).await.finish;
    let already = known(answers[0].as_ref().unwrap());
    assert_eq!(*answers[1].as_ref().unwrap(), already);

    let again = world.finish_of(&turn, rows());
    world
        .assert_changes_nothing(again.clone(), already.clone())
        .await;
    let (world, _) = world.die().await;
    world.assert_changes_nothing(again, already).await;
    assert_eq!(world.counts().await.deliveries.values().sum::<u64>(), 2);
}

/// A commit that cannot be written whole leaves no row of any kind; the rest of
/// its batch is written.
pub async fn commit_is_all_or_nothing(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let other = world.hear("bob", "hello").await;
    let others = world.claim(other).await;
    let before = world.look("ana", conversation, turn.turn).await;

    let mut broken = world.finish_of(&turn, rows());
    broken.audit_head = AuditHead {
        number: 7,
        hash: Digest::of(b"elsewhere"),
    };
    broken.audit = vec![world.link(broken.audit_head, &turn, "turn.committed")];
    let batch = Batch {
        finish: vec![broken, world.finish_of(&others, TurnEnd::Release)],
        ..world.batch()
    };
    let answers = world.write(batch).await.finish;
    let moved = Finished::HeadMoved(AuditHead::default());
    assert_eq!(*answers[0].as_ref().unwrap(), moved);
    assert!(matches!(answers[1], Ok(Finished::Done { .. })));

    // Bob's conversation is due again; nothing else may have moved.
    let retake = world.claim(other).await;
    assert_eq!(retake.runs, 2);
    assert_eq!(world.look("ana", conversation, turn.turn).await, before);
    world.answer(&turn, "hi").await;
}

/// Whoever chained to an old head gets the head, and can chain again.
pub async fn head_moved_returns_the_head(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let first = world.claim(conversation).await;
    world.answer(&first, "hi").await;
    world.hear("ana", "b").await;
    let turn = world.claim(conversation).await;
    assert_eq!(turn.audit.number, 1);

    let mut finish = world.finish_of(&turn, rows());
    finish.audit_head = AuditHead::default();
    finish.audit = vec![world.link(finish.audit_head, &turn, "turn.committed")];
    let moved = Finished::HeadMoved(turn.audit);
    world.assert_changes_nothing(finish.clone(), moved).await;

    finish.audit_head = turn.audit;
    finish.audit = vec![world.link(turn.audit, &turn, "turn.committed")];
    assert!(matches!(world.finish(finish).await, Finished::Done { .. }));
}

/// The entries of a conversation come back as they were written, in one chain
/// that verifies.
pub async fn audit_chain_verifies(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let mut written = Vec::new();
    let conversation = world.hear("ana", "hello").await;
    world.hear("bob", "hello").await;
    let ends = [
        TurnEnd::Retry {
            not_before: world.now,
            failure: failure(),
        },
        TurnEnd::Release,
        TurnEnd::Split { failure: failure() },
        rows(),
    ];
    for end in ends {
        let turn = world.claim(conversation).await;
        let mut finish = world.finish_of(&turn, end);
        let mut head = turn.audit;
        let first = finish.audit.remove(0);
        (head.number, head.hash) = (first.number, first.hash);
        let mut second = world.link(head, &turn, "reply.written");
        second.salt = None;
        finish.audit = vec![first, second];
        written.extend(finish.audit.clone());
        assert!(matches!(world.finish(finish).await, Finished::Done { .. }));
        world.pass(std::time::Duration::from_secs(1));
    }
    let (world, _) = world.die().await;
    let chain = world.desk.audit(conversation).await.unwrap();
    assert_eq!(chain, written);
    let stream = conversation.to_string();
    assert!(audit::verify(&stream, AuditHead::default(), &chain).is_ok());
}

/// Within one batch, what a turn recorded is there before its end, and its end
/// before what comes next.
pub async fn a_batch_records_before_it_ends(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let turn = world.claim(conversation).await;
    let record: Record = record_of(&turn, "call_model/1/model", "1");
    let batch = Batch {
        record: vec![record],
        finish: vec![world.finish_of(&turn, rows())],
        accept: vec![world.message("ana", "m2", "b")],
        claim: vec![world.wish(conversation)],
        ..world.batch()
    };
    let mut applied = world.write(batch).await;
    assert!(matches!(applied.finish[0], Ok(Finished::Done { .. })));
    let accepted = applied.accept.remove(0).unwrap();
    assert_eq!(queued(&accepted).1, Number(4), "behind the two outbox rows");
    let next = taken(applied.claim.remove(0).unwrap());
    assert_eq!(texts(&next), ["b"]);
    assert_eq!(keys(&world.view(turn.turn).await), ["call_model/1/model"]);
}

/// A large answer is one commit like any other.
pub async fn a_commit_of_many_rows_keeps_their_order(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let texts: Vec<String> = (0..50).map(|part| format!("part {part}")).collect();
    let rows: Vec<_> = texts
        .iter()
        .map(|text| (text.as_str(), DeliveryState::Sent))
        .collect();
    let commit = answered(&rows);
    assert!(
        commit
            .outbound
            .iter()
            .all(|row: &OutboxRow| row.answer_by.is_none())
    );
    let end = TurnEnd::Commit(commit);
    let Finished::Done { numbers, .. } = world.end(&turn, end).await else {
        panic!("the holder's commit must be written");
    };
    assert_eq!(numbers, (2..=51).map(Number).collect::<Vec<_>>());
    let address = address("ana");
    let lines = world.desk.lines(&address, Number(1), 100).await.unwrap();
    let spoken: Vec<_> = lines.into_iter().map(|line| line.text).collect();
    assert_eq!(spoken, texts);
}

/// An end whose answer was lost is told the same when it comes again: the
/// numbers of its rows, and when the conversation is due.
pub async fn a_repeated_end_is_told_what_it_was_told_before(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let split = TurnEnd::Split { failure: failure() };
    let quiet = wordless(Verdict::Silent("quiet".into()));
    for (at, end) in [rows(), quiet, split].into_iter().enumerate() {
        for waits in [false, true] {
            let alias = format!("c{at}{waits}");
            let conversation = world.hear(&alias, "one").await;
            world.hear(&alias, "two").await;
            let turn = world.claim(conversation).await;
            if waits {
                world.hear(&alias, "three").await;
            }
            let finish = world.finish_of(&turn, end.clone());
            let done = world.finish(finish.clone()).await;
            let again = Batch {
                // A run that hands its end in again hands its steps in as well.
                record: vec![record_of(&turn, "k", "1")],
                finish: vec![finish],
                ..world.batch()
            };
            let mut applied = world.write(again).await;
            assert_eq!(applied.record.remove(0).unwrap(), Recorded::Stale);
            assert_eq!(applied.finish.remove(0).unwrap(), known(&done), "{alias}");
        }
    }
}

/// A commit and a message in one batch, and a message just after a commit that
/// saw nothing pending: both are due, and a claim takes them.
pub async fn what_a_batch_accepts_beside_a_commit_is_due(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "one").await;
    let turn = world.claim(conversation).await;
    let batch = Batch {
        finish: vec![world.finish_of(&turn, rows())],
        accept: vec![world.message("ana", "m2", "two")],
        ..world.batch()
    };
    let applied = world.write(batch).await;
    match applied.finish[0].as_ref().unwrap() {
        Finished::Done { due_at, .. } => assert_eq!(*due_at, None, "ends come first"),
        other => panic!("the holder's commit must be written, was {other:?}"),
    }
    queued(applied.accept[0].as_ref().unwrap());
    assert_eq!(world.due().await, [conversation]);
    let turn = world.claim(conversation).await;
    assert_eq!(texts(&turn), ["two"]);

    world.answer(&turn, "hi").await;
    assert!(world.due().await.is_empty());
    world.hear("ana", "three").await;
    assert_eq!(world.due().await, [conversation]);
    assert_eq!(texts(&world.claim(conversation).await), ["three"]);
}
