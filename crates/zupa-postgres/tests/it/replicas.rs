//! Several processes on one database, with clocks that do not agree.

use std::time::Duration;

use sqlx::postgres::PgPool;
use zupa_core::desk::ProcessState;
use zupa_core::store::{ClaimMode, ClaimOutcome, Finished, Life};
use zupa_core::{Desk, Store, Timestamp};
use zupa_testkit::SeqIds;

use crate::path::{EXPIRY, Process};
use crate::support::{Database, server, stop_the_clock};

const HOUR: Duration = Duration::from_secs(3600);
/// The database's time at the start.
const NOON: Timestamp = Timestamp(1_767_225_600_000_000);

/// A database whose clock stands, and two processes: one an hour ahead of it, one
/// an hour behind.
pub struct World {
    pub pool: PgPool,
    time: Timestamp,
    pub ahead: Process,
    pub behind: Process,
    _database: Database,
}

impl World {
    pub async fn open() -> Option<Self> {
        let database = Database::create(&server()?).await;
        let (one, other) = (database.open().await, database.open().await);
        let pool = database.pool().await;
        stop_the_clock(&pool).await;
        set(&pool, NOON).await;
        let ids = SeqIds::default();
        Some(Self {
            pool,
            time: NOON,
            ahead: Process::start(one, ids.clone(), NOON.plus(HOUR)).await,
            behind: Process::start(other, ids, NOON.minus(HOUR)).await,
            _database: database,
        })
    }

    /// Time passes, for the database and both processes.
    pub async fn pass(&mut self, time: Duration) {
        self.time = self.time.plus(time);
        self.ahead.now = self.ahead.now.plus(time);
        self.behind.now = self.behind.now.plus(time);
        set(&self.pool, self.time).await;
    }
}

async fn set(pool: &PgPool, now: Timestamp) {
    sqlx::query("UPDATE zupa.test_clock SET now = $1")
        .bind(now.0)
        .execute(pool)
        .await
        .unwrap();
}

/// Leases are in the database's time, whatever the processes' clocks say.
#[tokio::test]
async fn a_claim_is_held_for_its_time_whatever_the_clocks_say() {
    let Some(mut world) = World::open().await else {
        return;
    };
    let conversation = world.ahead.hear("ana").await;
    let lost = world.ahead.claim(conversation).await;

    // By its own clock, two hours before the claim was made.
    let held = world.behind.ask(conversation).await;
    assert!(
        matches!(held, ClaimOutcome::Held(until) if until == world.behind.now.plus(EXPIRY)),
        "told in the time of who asks: {held:?}"
    );
    assert!(world.behind.due().await.is_empty());

    world.pass(EXPIRY).await;
    assert_eq!(world.behind.due().await.len(), 1);
    let taken = world.behind.claim(conversation).await;
    assert_eq!((taken.turn, taken.runs), (lost.turn, 2));
    assert!(taken.inbounds[0].accepted_at < world.behind.now);

    let stale = world.ahead.finish(world.ahead.answer(&lost)).await.unwrap();
    assert_eq!(stale, Finished::Stale);
    let done = world.behind.finish(world.behind.answer(&taken)).await;
    assert!(matches!(done, Ok(Finished::Done { .. })));
}

/// A process that shows signs of life keeps what it has claimed; it may retake it
/// itself once the claim's own time is over, others may not.
#[tokio::test]
async fn a_living_process_keeps_its_claims() {
    let Some(mut world) = World::open().await else {
        return;
    };
    let conversation = world.ahead.hear("ana").await;
    world.ahead.claim(conversation).await;
    world.pass(EXPIRY - Duration::from_secs(1)).await;
    world.ahead.heartbeat().await;
    world.pass(Duration::from_secs(2)).await;

    let held = world.behind.ask(conversation).await;
    assert!(matches!(held, ClaimOutcome::Held(_)), "{held:?}");
    let again = world.ahead.claim(conversation).await;
    assert_eq!(again.runs, 2);
}

/// Whoever says goodbye lets go at once.
#[tokio::test]
async fn a_goodbye_lets_go_at_once() {
    let Some(world) = World::open().await else {
        return;
    };
    let conversation = world.ahead.hear("ana").await;
    world.ahead.claim(conversation).await;
    world.ahead.store.close(world.ahead.id).await.unwrap();
    let taken = world.behind.claim(conversation).await;
    assert_eq!(taken.runs, 2);
    let status = world.behind.store.status().await.unwrap();
    let state_of = |id| {
        let mut all = status.processes.iter();
        all.find(|process| process.id == id)
            .map(|process| process.state)
    };
    assert_eq!(state_of(world.ahead.id), Some(ProcessState::Ended));
    assert_eq!(state_of(world.behind.id), Some(ProcessState::Alive));
}

/// A process that was taken for dead and comes back is alive again, without what
/// it lost, and its refused writes are on record.
#[tokio::test]
async fn who_comes_back_is_alive_without_what_it_lost() {
    let Some(mut world) = World::open().await else {
        return;
    };
    let conversation = world.ahead.hear("ana").await;
    let lost = world.ahead.claim(conversation).await;
    world.pass(EXPIRY * 3).await;
    world.behind.heartbeat().await;
    world.behind.claim(conversation).await;

    let life = Life {
        stale: 1,
        ..world.ahead.life()
    };
    world.ahead.store.heartbeat(life).await.unwrap();
    let refused = world.ahead.finish(world.ahead.answer(&lost)).await.unwrap();
    assert_eq!(refused, Finished::Stale);
    let status = world.ahead.store.status().await.unwrap();
    let mut all = status.processes.iter();
    let shown = all.find(|process| process.id == world.ahead.id).unwrap();
    assert_eq!((shown.state, shown.stale), (ProcessState::Alive, 1));
}

/// Deaths are judged where a claim is taken over, without any process starting:
/// the turn becomes a suspect, runs alone, and is given up on proof.
#[tokio::test]
async fn the_living_judge_the_dead() {
    let Some(mut world) = World::open().await else {
        return;
    };
    let conversation = world.ahead.hear("ana").await;
    let mut turn = world.ahead.claim(conversation).await;
    let mut modes = Vec::new();
    // Each time the one that has it falls silent, and the other takes over.
    for round in 1..=8 {
        world.pass(EXPIRY).await;
        let living = if round % 2 == 0 {
            &world.ahead
        } else {
            &world.behind
        };
        living.heartbeat().await;
        let mut outcome = living.ask(conversation).await;
        if let ClaimOutcome::Suspected(mode) = outcome {
            modes.push((round, mode));
            outcome = living.ask_as(conversation, mode).await;
        }
        match outcome {
            ClaimOutcome::Taken(taken) => {
                assert_eq!(taken.turn, turn.turn);
                turn = *taken;
            }
            // Given up: nothing is left.
            ClaimOutcome::NotYet(_) => break,
            other => panic!("round {round}: {other:?}"),
        }
    }
    let expected = [
        (3, ClaimMode::Suspect),
        (4, ClaimMode::Alone),
        (5, ClaimMode::Alone),
        (6, ClaimMode::Alone),
    ];
    assert_eq!(modes, expected);
    let view = world.ahead.store.turn(&turn.turn.to_string()).await;
    let summary = view.unwrap().unwrap().turn.unwrap();
    assert_eq!(summary.reason.as_deref(), Some("crashed"));
    assert!(world.ahead.store.accounting().await.unwrap().is_balanced());
    let chain = world.ahead.store.audit(conversation).await.unwrap();
    assert_eq!(chain.len(), 1);
    let stream = conversation.to_string();
    assert!(zupa_core::audit::verify(&stream, zupa_core::AuditHead::default(), &chain).is_ok());
}
