//! Planned faults happen where they were planned, and a crash at every call of
//! a turn's life loses and doubles nothing.

use std::sync::Arc;

use zupa_core::store::{
    Accept, Batch, Claim, ClaimMode, ClaimOutcome, Commit, Finish, Life, OutboxRow, Record,
    TurnEnd, Verdict,
};
use zupa_core::{
    Address, Alias, Burst, ChannelId, Content, ConversationId, Correlation, DeliveryState, Desk,
    Digest, EffectClass, Error, ErrorKind, EventId, Ids, Inbound, Outbound, PlatformId, ProcessId,
    Step, Store, TenantId, Timestamp, TurnId,
};
use zupa_testkit::{Call, Fault, FaultyStore, MemoryStore, SeqIds};

const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

fn message(ids: &SeqIds) -> Accept {
    Accept {
        event: EventId(ids.fresh()),
        conversation: ConversationId(ids.fresh()),
        inbound: Inbound {
            address: Address {
                tenant: TenantId::default_tenant(),
                channel: ChannelId::parse("door").unwrap(),
                alias: Alias::parse("ana").unwrap(),
            },
            also: Vec::new(),
            speaker: None,
            platform_id: Some(PlatformId::parse("m1").unwrap()),
            scope: String::new(),
            platform_time: None,
            content: Content::text("hello"),
            raw: None,
            correlation: Correlation::default(),
        },
        burst: Burst::default(),
        expires_before: Timestamp(0),
        offer: None,
    }
}

fn batch() -> Batch {
    Batch {
        now: NOW,
        ..Batch::default()
    }
}

/// One life of a process: takes over, hears the platform's redelivery, and
/// answers what is due.
async fn live(store: &dyn Store, ids: &SeqIds) -> zupa_core::Result<()> {
    let process = ProcessId(ids.fresh());
    let life = Life {
        process,
        now: NOW,
        expires_at: NOW,
        stale: 0,
    };
    store.recover(life).await?;
    let accept = vec![message(ids)];
    store.write(Batch { accept, ..batch() }).await?;
    for due in store.due(NOW, NOW, 10).await? {
        let claim = vec![Claim {
            conversation: due.conversation,
            turn: TurnId(ids.fresh()),
            process,
            expires_at: Timestamp(NOW.0 + 1_000_000),
            mode: ClaimMode::Normal,
            loads: 1,
        }];
        let mut claimed = store.write(Batch { claim, ..batch() }).await?.claim;
        let ClaimOutcome::Taken(turn) = claimed.remove(0)? else {
            continue;
        };
        let record = vec![Record {
            turn: turn.turn,
            conversation: turn.conversation,
            epoch: turn.epoch,
            run: turn.runs,
            step: Step {
                key: "call_model/1/model".into(),
                ordinal: 0,
                input: Digest::default(),
                class: EffectClass::Pure,
                result: Some("1".into()),
            },
            say: Vec::new(),
        }];
        store.write(Batch { record, ..batch() }).await?;
        let finish = vec![Finish {
            turn: turn.turn,
            conversation: turn.conversation,
            epoch: turn.epoch,
            end: TurnEnd::Commit(Commit::of(
                Verdict::Answered,
                vec![OutboxRow {
                    outbound: Outbound::reply("hi"),
                    state: DeliveryState::Sent,
                    answer_by: None,
                }],
            )),
            audit_head: turn.audit,
            audit: Vec::new(),
        }];
        store.write(Batch { finish, ..batch() }).await?;
    }
    store.close(process).await
}

#[tokio::test]
async fn a_crash_at_any_call_loses_and_doubles_nothing() {
    let mut crashes = 0;
    for nth in 1.. {
        let mut lived = 0;
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let memory = Arc::new(MemoryStore::new());
            let ids = SeqIds::seeded(nth);
            let first = FaultyStore::new(memory.clone());
            first.at(nth, fault);
            tokio::select! {
                ended = live(&first, &ids) => { ended.unwrap(); lived += 1; }
                () = first.crashed() => crashes += 1,
            }
            live(memory.as_ref(), &ids).await.unwrap();
            let counts = memory.accounting().await.unwrap();
            assert!(counts.is_balanced());
            assert_eq!((counts.accepted, counts.ended["answered"]), (1, 1));
            assert_eq!(counts.deliveries["sent"], 1, "crash at call {nth}");
        }
        if lived == 2 {
            break;
        }
    }
    assert_eq!(crashes, 14, "seven calls, each cut before and after");
}

#[tokio::test]
async fn after_a_crash_no_call_returns() {
    let store = FaultyStore::new(Arc::new(MemoryStore::new()));
    store.at_call_of(Call::Write, 2, Fault::CrashAfter);
    assert!(store.write(batch()).await.is_ok());
    assert!(store.backlog().await.is_ok());
    tokio::select! {
        biased;
        _ = store.write(batch()) => panic!("the process is gone"),
        () = store.crashed() => {}
    }
    tokio::select! {
        biased;
        _ = store.backlog() => panic!("the process is gone"),
        () = tokio::task::yield_now() => {}
    }
}

#[tokio::test]
async fn planned_failures_happen_where_they_were_planned() {
    let memory = Arc::new(MemoryStore::new());
    let store = FaultyStore::new(memory.clone());
    let ids = SeqIds::default();
    let full = Error::new(ErrorKind::Full, "no room");
    store.always(Call::Write, Fault::Fail(full));
    let write = || {
        let accept = vec![message(&ids)];
        store.write(Batch { accept, ..batch() })
    };
    for _ in 0..2 {
        assert_eq!(write().await.unwrap_err().kind(), ErrorKind::Full);
    }
    assert_eq!(memory.backlog().await.unwrap(), 0);

    store.heal();
    let lost = Error::new(ErrorKind::Unavailable, "the answer was lost");
    store.at_call_of(Call::Write, 1, Fault::FailAfter(lost));
    assert!(write().await.is_err());
    assert_eq!(
        memory.backlog().await.unwrap(),
        1,
        "applied, only the answer got lost"
    );
    assert!(write().await.is_ok());
    assert_eq!((store.calls(), store.calls_of(Call::Backlog)), (4, 0));

    store.at(1, Fault::Hang);
    tokio::select! {
        biased;
        _ = store.backlog() => panic!("it must hang"),
        () = tokio::task::yield_now() => {}
    }
    assert!(store.backlog().await.is_ok());
}
