//! A store that an earlier version has left, with everything in it, under this
//! build; and what no port reads.

use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;
use zupa_core::store::{
    Batch, Claim, ClaimMode, ClaimOutcome, ClaimedTurn, Commit, Finish, Finished, Life, TurnEnd,
    Verdict,
};
use zupa_core::{ConversationId, Desk, Fact, Ids, ProcessId, Store, Timestamp, TurnId};
use zupa_sqlite::{SqliteConfig, SqliteStore};
use zupa_testkit::SeqIds;

const NOW: Timestamp = Timestamp(9_000);

/// A conversation of version 2: a turn that was answered, one that is waiting for
/// its retry with a recorded step, and a message behind it. Ids are one repeated
/// byte each.
const LEFT: &str = r#"
    INSERT INTO conversations (id, tenant, channel, alias, created_at, last_number, consumed,
        pending, opened_at, closes_at, due_at, epoch, open_turn)
    VALUES (x'01010101010101010101010101010101', 'default', 'main', 'ana', 1, 5, 1, 1, 7, 7, 5, 2,
        x'03030303030303030303030303030303');
    INSERT INTO aliases VALUES ('ana', 'main', 'default', x'01010101010101010101010101010101');
    INSERT INTO turns (id, conversation, first, last, epoch, process, state, runs, claimed_at,
        ended_at, first_outbound, outbounds)
    VALUES (x'02020202020202020202020202020202', x'01010101010101010101010101010101', 1, 1, 1,
        x'09090909090909090909090909090909', 'committed', 1, 1, 2, 2, 2);
    INSERT INTO turns (id, conversation, first, last, epoch, process, state, runs, failures,
        claimed_at, not_before)
    VALUES (x'03030303030303030303030303030303', x'01010101010101010101010101010101', 4, 4, 2,
        x'09090909090909090909090909090909', 'retry', 1, 1, 4, 5);
    INSERT INTO steps VALUES (x'03030303030303030303030303030303', 'call_model/1/model',
        zeroblob(32), '"paid"', 1, 4);
    INSERT INTO inbounds (conversation, number, event_id, platform_id, accepted_at, state, turn_id,
        content)
    VALUES (x'01010101010101010101010101010101', 1, x'11111111111111111111111111111111', 'm1', 1,
        'answered', x'02020202020202020202020202020202', '{"kind":"text","text":"q0"}');
    INSERT INTO inbounds (conversation, number, event_id, platform_id, accepted_at, state, content)
    VALUES (x'01010101010101010101010101010101', 4, x'14141414141414141414141414141414', 'm2', 4,
        'queued', '{"kind":"text","text":"q1"}');
    INSERT INTO inbounds (conversation, number, event_id, platform_id, accepted_at, state, content)
    VALUES (x'01010101010101010101010101010101', 5, x'15151515151515151515151515151515', 'm3', 7,
        'queued', '{"kind":"text","text":"q2"}');
    INSERT INTO outbox (conversation, number, turn_id, ordinal, lane, content, state, open,
        attempts, committed_at)
    VALUES (x'01010101010101010101010101010101', 2, x'02020202020202020202020202020202', 0,
        'reply', '{"kind":"text","text":"a0"}', 'sent', 0, 1, 2);
    INSERT INTO outbox (conversation, number, turn_id, ordinal, lane, content, state, open,
        attempts, committed_at)
    VALUES (x'01010101010101010101010101010101', 3, x'02020202020202020202020202020202', 1,
        'reply', '{"kind":"text","text":"a1"}', 'sent', 0, 1, 2);
"#;

fn id(byte: u8) -> Uuid {
    Uuid::from_bytes([byte; 16])
}

async fn taken_over(path: &Path, ids: &SeqIds) -> (SqliteStore, ProcessId) {
    let store = SqliteStore::open(SqliteConfig::at(path)).await.unwrap();
    let process = ProcessId(ids.fresh());
    let life = Life {
        process,
        now: NOW,
        expires_at: NOW,
        stale: 0,
    };
    store.recover(life).await.unwrap();
    (store, process)
}

async fn claim(store: &SqliteStore, process: ProcessId, turn: Uuid) -> ClaimedTurn {
    let claim = Claim {
        conversation: ConversationId(id(1)),
        turn: TurnId(turn),
        process,
        expires_at: Timestamp(NOW.0 + 1_000_000),
        mode: ClaimMode::Normal,
        loads: 1,
    };
    let batch = Batch {
        now: NOW,
        claim: vec![claim],
        ..Batch::default()
    };
    match store.write(batch).await.unwrap().claim.remove(0).unwrap() {
        ClaimOutcome::Taken(turn) => *turn,
        other => panic!("was {other:?}"),
    }
}

async fn commit(store: &SqliteStore, turn: &ClaimedTurn, facts: Vec<Fact>) -> Finished {
    let commit = Commit {
        facts,
        ..Commit::of(Verdict::Silent("quiet".into()), Vec::new())
    };
    let finish = Finish {
        turn: turn.turn,
        conversation: turn.conversation,
        epoch: turn.epoch,
        end: TurnEnd::Commit(commit),
        audit_head: turn.audit,
        audit: Vec::new(),
    };
    let batch = Batch {
        now: NOW,
        finish: vec![finish],
        ..Batch::default()
    };
    store.write(batch).await.unwrap().finish.remove(0).unwrap()
}

async fn texts(store: &SqliteStore) -> Vec<String> {
    let lines = store.history(ConversationId(id(1)), 10).await.unwrap();
    lines.into_iter().map(|line| line.text).collect()
}

#[tokio::test]
async fn what_version_2_left_goes_on_under_this_build() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("zupa.db");
    crate::migrating::at_version(&path, 2).await;
    Connection::open(&path)
        .unwrap()
        .execute_batch(LEFT)
        .unwrap();
    let ids = SeqIds::default();
    let (store, process) = taken_over(&path, &ids).await;
    let counts = store.accounting().await.unwrap();
    assert_eq!((counts.accepted, counts.is_balanced()), (3, true));
    assert_eq!(store.backlog().await.unwrap(), 2);
    let answered = store.turn(&id(2).to_string()).await.unwrap().unwrap();
    let numbers: Vec<_> = answered
        .deliveries
        .iter()
        .map(|row| (row.number.0, row.id.ordinal))
        .collect();
    assert_eq!(numbers, [(2, 0), (3, 1)]);
    assert_eq!(texts(&store).await, ["q0", "a0", "a1"]);

    let again = claim(&store, process, ids.fresh()).await;
    assert_eq!((again.turn.0, again.said), (id(3), 0));
    assert_eq!(again.steps[0].result.as_deref(), Some("\"paid\""));
    assert!(again.state.is_none() && again.waits.is_empty());
    let done = commit(&store, &again, Vec::new()).await;
    assert!(matches!(done, Finished::Done { .. }), "was {done:?}");
    let next = claim(&store, process, ids.fresh()).await;
    assert_eq!(next.first().0, 5);
    commit(&store, &next, Vec::new()).await;
    assert_eq!(texts(&store).await, ["q0", "a0", "a1", "q1", "q2"]);
    assert_eq!(store.backlog().await.unwrap(), 0);
    drop(store);
    zupa_sqlite::backup::check(&path, zupa_sqlite::backup::Kept::Live).unwrap();
}

/// No port reads facts yet: they are in their table, in order, once.
#[tokio::test]
async fn facts_are_written_with_the_commit_and_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("zupa.db");
    crate::migrating::at_version(&path, 2).await;
    Connection::open(&path)
        .unwrap()
        .execute_batch(LEFT)
        .unwrap();
    let ids = SeqIds::default();
    let (store, process) = taken_over(&path, &ids).await;
    let turn = claim(&store, process, ids.fresh()).await;
    let facts = ["order.placed", "order.paid"].map(|name| Fact {
        name: name.into(),
        payload: r#"{"id":1}"#.into(),
    });
    for _ in 0..2 {
        commit(&store, &turn, facts.to_vec()).await;
    }
    let stale = ClaimedTurn {
        epoch: zupa_core::Epoch(1),
        ..turn
    };
    let late = commit(&store, &stale, facts.to_vec()).await;
    assert_eq!(late, Finished::Stale);
    let connection = Connection::open(&path).unwrap();
    let mut statement = connection
        .prepare("SELECT name, ordinal, at FROM facts ORDER BY rowid")
        .unwrap();
    let kept: Vec<(String, i64, i64)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let expected = [
        ("order.placed".into(), 0, NOW.0),
        ("order.paid".into(), 1, NOW.0),
    ];
    assert_eq!(kept, expected);
}
