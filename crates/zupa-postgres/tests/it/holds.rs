//! Holds among several processes: by clocks that do not agree, at once, and beside
//! turns that run.

use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::{Executor, Postgres, Transaction};
use zupa_core::desk::{Holding, Releasing};
use zupa_core::store::{
    Attempt, Attempted, Batch, ClaimOutcome, ClaimedTurn, Commit, Finish, Finished, OutboxRow,
    TurnEnd, Verdict,
};
use zupa_core::{
    AuditHead, ConversationId, DeliveryState, Desk, HoldKind, Number, Store, WaitKind, audit,
};

use crate::path::{EXPIRY, Process, sent};
use crate::replicas::World;
use crate::waits::Pair;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn queued(text: &str) -> OutboxRow {
    OutboxRow {
        state: DeliveryState::Queued,
        ..sent(text)
    }
}

impl Process {
    /// Ends a turn, behind whatever operators have written to the audit meanwhile.
    async fn finish_anew(&self, finish: Finish) -> Finished {
        match self.finish(finish.clone()).await.unwrap() {
            Finished::HeadMoved(audit_head) => {
                let finish = Finish {
                    audit_head,
                    ..finish
                };
                self.finish(finish).await.unwrap()
            }
            finished => finished,
        }
    }

    /// The states of what a turn wants to send, in order.
    async fn states(&self, turn: &ClaimedTurn) -> Vec<DeliveryState> {
        let view = self.store.turn(&turn.turn.to_string()).await.unwrap();
        let rows = view.unwrap().deliveries;
        rows.into_iter().map(|row| row.state).collect()
    }

    async fn assert_chained(&self, conversation: ConversationId, entries: usize) {
        let chain = self.store.audit(conversation).await.unwrap();
        assert_eq!(chain.len(), entries);
        let stream = conversation.to_string();
        assert!(audit::verify(&stream, AuditHead::default(), &chain).is_ok());
    }
}

/// Holds are in the database's time, and told in the time of who asks: an hour ahead
/// of it or an hour behind, the line between what was answered and what was not is the
/// same.
#[tokio::test]
async fn a_hand_back_draws_its_line_in_the_databases_time() {
    let Some(mut world) = World::open().await else {
        return;
    };
    let conversation = world.ahead.hear("ana").await;
    let spoke = world.behind.now;
    assert_eq!(
        world.behind.hold(conversation, Some(spoke)).await,
        Holding::Done
    );
    let told = world.ahead.now;
    world.pass(MINUTE).await;
    let Holding::Already(hold) = world.ahead.hold(conversation, None).await else {
        panic!("it was held");
    };
    assert_eq!((hold.since, hold.human_at), (told, Some(told)));
    // The same moment in another's words is no later word.
    let earlier = Some(world.behind.now.minus(2 * MINUTE));
    let Holding::Already(hold) = world.behind.hold(conversation, earlier).await else {
        panic!("it was held");
    };
    assert_eq!((hold.since, hold.human_at), (spoke, Some(spoke)));
    let Holding::Already(hold) = world.ahead.hold(conversation, Some(world.ahead.now)).await else {
        panic!("it was held");
    };
    assert_eq!(hold.human_at, Some(world.ahead.now));

    world.pass(MINUTE).await;
    world.ahead.hear("ana").await;
    world.pass(MINUTE).await;
    world.behind.hear("ana").await;
    let until = world.behind.now.minus(SECOND);
    let Releasing::Done { answered, due_at } =
        world.behind.release(conversation, Some(until)).await
    else {
        panic!("it was held");
    };
    assert_eq!((answered, due_at), (2, Some(world.behind.now)));
    let turn = world.ahead.claim(conversation).await;
    let accepted = turn.inbounds.iter().map(|inbound| inbound.accepted_at);
    let accepted: Vec<_> = accepted.collect();
    assert_eq!(accepted, [world.ahead.now]);
}

/// What the human said himself counts in the database's time, too.
#[tokio::test]
async fn the_humans_word_is_in_the_databases_time() {
    let Some(mut world) = World::open().await else {
        return;
    };
    let conversation = world.ahead.hear("ana").await;
    world.pass(MINUTE).await;
    let spoke = world.ahead.now.minus(SECOND);
    world.ahead.hold(conversation, Some(spoke)).await;
    world.behind.hear("ana").await;
    let released = world.behind.release(conversation, None).await;
    let (answered, due_at) = (1, Some(world.behind.now));
    assert_eq!(released, Releasing::Done { answered, due_at });
}

/// A process that is dead is on nothing: a turn that it left, and that a human has
/// answered, is over, and what it says when it wakes up is refused. One that lives is
/// silenced.
#[tokio::test]
async fn a_dead_process_is_on_no_turn() {
    let Some(mut world) = World::open().await else {
        return;
    };
    let left = world.ahead.hear("ana").await;
    let turn = world.ahead.claim(left).await;
    world.pass(EXPIRY * 2).await;
    world.behind.heartbeat().await;
    let running = world.behind.hear("bob").await;
    let silent = world.behind.claim(running).await;
    for (conversation, ends) in [(left, 1), (running, 0)] {
        world
            .behind
            .hold(conversation, Some(world.behind.now))
            .await;
        let released = world.behind.release(conversation, None).await;
        assert!(
            matches!(released, Releasing::Done { answered, .. } if answered == ends),
            "{released:?}"
        );
    }
    let late = world.ahead.finish_anew(world.ahead.answer(&turn)).await;
    assert_eq!(late, Finished::Stale);
    let nothing = world.behind.ask(left).await;
    assert!(matches!(nothing, ClaimOutcome::Nothing), "{nothing:?}");
    let done = world.behind.finish_anew(world.behind.answer(&silent)).await;
    assert!(
        matches!(done, Finished::Done { held: true, .. }),
        "{done:?}"
    );
    assert_eq!(
        world.behind.states(&silent).await,
        [DeliveryState::Cancelled]
    );
    assert!(world.ahead.store.accounting().await.unwrap().is_balanced());
}

/// Operators at two processes: one of them takes the conversation, one of them hands
/// it back, and the audit says who.
#[tokio::test]
async fn one_operator_has_it() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let conversation = pair.one.hear("ana").await;
    for round in 1..=20 {
        let (first, second) = tokio::join!(
            pair.one.hold(conversation, None),
            pair.other.hold(conversation, None),
        );
        let took = [&first, &second].map(|held| *held == Holding::Done);
        assert_ne!(took[0], took[1], "round {round}: {first:?}, {second:?}");
        let (first, second) = tokio::join!(
            pair.one.release(conversation, None),
            pair.other.release(conversation, None),
        );
        let gave = [&first, &second].map(|back| *back != Releasing::NotHeld);
        assert_ne!(gave[0], gave[1], "round {round}: {first:?}, {second:?}");
        pair.one.assert_chained(conversation, 2 * round).await;
    }
}

/// Whoever waits for the conversation's row sees what was done meanwhile: somebody has
/// it already, somebody has given it back.
#[tokio::test]
async fn who_waits_for_a_conversation_sees_it_as_it_stands() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let pool = pair.database.pool().await;
    let conversation = pair.one.hear("ana").await;
    let meanwhile = async |sql: &'static str| {
        let mut other = pool.begin().await.unwrap();
        other.execute(sql).await.unwrap();
        other
    };

    let other = meanwhile(
        "UPDATE zupa.conversations SET hold_kind = 'pause', hold_by = 'nobody', held_at = 1",
    )
    .await;
    let (held, ()) = tokio::join!(
        pair.one.hold(conversation, None),
        commit_when_waited_for(&pool, other),
    );
    let Holding::Already(hold) = held else {
        panic!("it was held: {held:?}");
    };
    assert_eq!(hold.kind, HoldKind::Pause);

    let other = meanwhile("UPDATE zupa.conversations SET hold_kind = NULL").await;
    let (released, ()) = tokio::join!(
        pair.one.release(conversation, Some(pair.one.now)),
        commit_when_waited_for(&pool, other),
    );
    assert_eq!(released, Releasing::NotHeld);
    pair.one.assert_chained(conversation, 0).await;
}

async fn commit_when_waited_for(pool: &PgPool, other: Transaction<'_, Postgres>) {
    loop {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        if waiting > 0 {
            return other.commit().await.unwrap();
        }
    }
}

/// An operator takes the conversation at the very moment of a commit: whichever is
/// first, nothing of it is left to send, and the question waits for nobody.
#[tokio::test]
async fn a_hold_beside_a_commit_leaves_nothing_to_send() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let pool = pair.database.pool().await;
    let mut silenced = 0;
    for round in 0..40 {
        let conversation = pair.one.hear(&format!("a{round}")).await;
        let turn = pair.one.claim(conversation).await;
        let question = pair.one.wait_for(WaitKind::Reply, MINUTE);
        let commit = Commit {
            waits: vec![question],
            ..Commit::of(Verdict::Answered, vec![queued("one"), queued("two")])
        };
        let finish = pair.one.leave(&turn, commit);
        let (held, finished) = tokio::join!(
            pair.other.hold(conversation, None),
            pair.one.finish_anew(finish),
        );
        assert_eq!(held, Holding::Done);
        match finished {
            Finished::Done { held, .. } => silenced += u32::from(held),
            other => panic!("round {round}: {other:?}"),
        }
        let cancelled = [DeliveryState::Cancelled; 2];
        assert_eq!(pair.one.states(&turn).await, cancelled, "round {round}");
    }
    let open: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT sum(open_waits) FROM zupa.conversations),
                (SELECT count(*) FROM zupa.waits WHERE state <> 'cancelled')",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(open, (0, 0));
    eprintln!("{silenced} of 40 commits came second");
}

/// One batch for several conversations: only those that a human has are silenced.
#[tokio::test]
async fn a_batch_is_silenced_where_it_is_held() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let process = &pair.one;
    let mut turns = Vec::new();
    for alias in ["ana", "bob", "cyd", "dan"] {
        let conversation = process.hear(alias).await;
        turns.push(process.claim(conversation).await);
    }
    pair.other.hold(turns[1].conversation, None).await;
    let end = |turn: &ClaimedTurn, audit_head| Finish {
        audit_head,
        end: TurnEnd::Commit(Commit {
            waits: vec![process.wait_for(WaitKind::Reply, MINUTE)],
            ..Commit::of(Verdict::Answered, vec![queued("one")])
        }),
        ..process.answer(turn)
    };
    let head = match process.finish(process.answer(&turns[1])).await.unwrap() {
        Finished::HeadMoved(head) => head,
        other => panic!("the audit has gone on: {other:?}"),
    };
    let batch = Batch {
        finish: vec![
            end(&turns[0], turns[0].audit),
            end(&turns[1], head),
            end(&turns[2], turns[2].audit),
        ],
        ..process.batch()
    };
    let applied = process.store.write(batch).await.unwrap();
    let held: Vec<_> = applied
        .finish
        .iter()
        .map(|finished| matches!(finished, Ok(Finished::Done { held: true, .. })))
        .collect();
    assert_eq!(held, [false, true, false]);
    let waits = process.store.waits(None, 10).await.unwrap();
    let open: Vec<_> = waits.iter().map(|wait| wait.settled_at.is_none()).collect();
    assert_eq!(open, [true, false, true]);

    let row = process.leave(
        &turns[3],
        Commit::of(Verdict::Answered, vec![queued("one")]),
    );
    process.finish(row).await.unwrap();
    pair.other.hold(turns[2].conversation, None).await;
    let attempt = |turn: &ClaimedTurn| Attempt {
        conversation: turn.conversation,
        number: Number(2),
        attempt: 1,
        answer_by: process.now.plus(MINUTE),
        pace: None,
        window: None,
    };
    let batch = Batch {
        attempt: turns.iter().map(attempt).collect(),
        ..process.batch()
    };
    let applied = process.store.write(batch).await.unwrap();
    let granted: Vec<_> = applied
        .attempt
        .iter()
        .map(|attempted| matches!(attempted, Ok(Attempted::Granted)))
        .collect();
    assert_eq!(granted, [true, false, false, true]);
    for (turn, granted) in turns.iter().zip(granted) {
        let state = match granted {
            true => DeliveryState::Sending,
            false => DeliveryState::Cancelled,
        };
        assert_eq!(process.states(turn).await, [state]);
    }
}

/// The count of open waits is kept by holds and by what is asked under them.
#[tokio::test]
async fn a_hold_counts_what_it_cancels() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let pool = pair.database.pool().await;
    let waits = vec![
        pair.one.wait_for(WaitKind::Reply, MINUTE),
        pair.one.wait_for(WaitKind::Reply, MINUTE),
        pair.one.wait_for(WaitKind::Decision, MINUTE),
    ];
    let conversation = pair.one.park("ana", waits).await;
    assert_eq!(open_waits(&pool).await, 3);
    pair.one.hear("ana").await;
    let turn = pair.one.claim(conversation).await;
    pair.other.hold(conversation, None).await;
    assert_eq!(open_waits(&pool).await, 1);
    let commit = Commit {
        waits: vec![
            pair.one.wait_for(WaitKind::Reply, MINUTE),
            pair.one.wait_for(WaitKind::Timer, MINUTE),
        ],
        ..Commit::of(Verdict::Silent("asks".into()), Vec::new())
    };
    let done = pair.one.finish_anew(pair.one.leave(&turn, commit)).await;
    assert!(
        matches!(done, Finished::Done { held: true, .. }),
        "{done:?}"
    );
    assert_eq!(open_waits(&pool).await, 2);
}

async fn open_waits(pool: &PgPool) -> i32 {
    let counting = sqlx::query_scalar("SELECT open_waits FROM zupa.conversations");
    counting.fetch_one(pool).await.unwrap()
}
