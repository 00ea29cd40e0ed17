//! A store that never answers, method by method.

use zupa_testkit::{Call, Fault, FaultyStore, MemoryStore};

use super::*;

const DEADLINE: Duration = Duration::from_secs(5);

const ALL: [Call; 14] = [
    Call::Recover,
    Call::Write,
    Call::Heartbeat,
    Call::Due,
    Call::DueDeliveries,
    Call::Expire,
    Call::Hasten,
    Call::History,
    Call::Backlog,
    Call::Purge,
    Call::ForgetNews,
    Call::PurgeFailures,
    Call::Checkpoint,
    Call::Close,
];

fn guarded() -> (Arc<FaultyStore>, GuardedStore) {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    (store.clone(), GuardedStore::new(store, DEADLINE))
}

fn life() -> Life {
    Life {
        process: ProcessId(uuid::Uuid::from_u128(1)),
        now: Timestamp(0),
        expires_at: Timestamp(1),
        stale: 0,
    }
}

async fn asked<T>(call: impl Future<Output = Result<T>>) -> (Duration, Error) {
    let began = Instant::now();
    let error = call.await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    (began.elapsed(), error)
}

#[tokio::test(start_paused = true)]
async fn every_method_ends_at_its_deadline() {
    let (inner, store) = guarded();
    for call in ALL {
        inner.always(call, Fault::Hang);
        let (now, id) = (Timestamp(0), ConversationId(uuid::Uuid::from_u128(1)));
        let (took, _) = match call {
            Call::Recover => asked(store.recover(life())).await,
            Call::Write => asked(store.write(Batch::default())).await,
            Call::Heartbeat => asked(store.heartbeat(life())).await,
            Call::Due => asked(store.due(now, now, 1)).await,
            Call::DueDeliveries => asked(store.due_deliveries(now, &OpenDoors::default(), 1)).await,
            Call::Expire => asked(store.expire(now, 1)).await,
            Call::Hasten => asked(store.hasten(now, 1)).await,
            Call::History => asked(store.history(id, 1)).await,
            Call::Backlog => asked(store.backlog()).await,
            Call::Purge => asked(store.purge(now, now, 1)).await,
            Call::ForgetNews => asked(store.forget_news(now, 1)).await,
            Call::PurgeFailures => asked(store.purge_failures(now, 1)).await,
            Call::Checkpoint => asked(store.checkpoint()).await,
            Call::Close => asked(store.close(life().process)).await,
        };
        let upkeep = [
            Call::Recover,
            Call::Purge,
            Call::ForgetNews,
            Call::PurgeFailures,
            Call::Checkpoint,
            Call::Close,
        ];
        let deadline = if upkeep.contains(&call) {
            UPKEEP
        } else {
            DEADLINE
        };
        assert!(
            (deadline..=deadline + Duration::from_millis(100)).contains(&took),
            "{call:?}: {took:?}"
        );
    }
}

/// A store whose writes take as long as they do.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_late_goes_on_and_the_next_one_waits_for_it() {
    let (inner, store) = guarded();
    inner.at_call_of(Call::Write, 1, Fault::Hang);
    let (took, error) = asked(store.write(Batch::default())).await;
    assert_eq!((took, error.outcome()), (DEADLINE, Outcome::Unknown));
    let (took, error) = asked(store.write(Batch::default())).await;
    assert_eq!(
        (took, error.said_outcome()),
        (DEADLINE, Some(Outcome::NotApplied))
    );
    assert_eq!(inner.calls_of(Call::Write), 1, "one write at a time");
}
