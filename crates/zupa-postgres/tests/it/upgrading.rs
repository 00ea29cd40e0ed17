//! A database that an older build has left in the middle of its work.

use sqlx::migrate::Migrator;
use sqlx::{Executor, PgPool};
use zupa_core::desk::TurnView;
use zupa_core::store::OpenDoors;
use zupa_core::store::{ClaimOutcome, Finished};
use zupa_core::{ChannelId, ConversationId, Desk, EffectClass, ErrorKind, Store, Timestamp};
use zupa_postgres::{PostgresStore, migrations, schema_version};
use zupa_testkit::SeqIds;

use crate::path::Process;
use crate::support::{Database, server};

const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

/// What a build of the first schema did: one turn that ended, one that runs and
/// has recorded two steps, one message that waits. Its process is dead since.
const BEFORE: &str = r#"
DO $$
DECLARE
    life uuid := gen_random_uuid();
    at bigint := zupa.now();
    taken json;
    said json;
    ids uuid[];
BEGIN
    INSERT INTO zupa.processes (id, started_at, heartbeat_at, expires_at)
    VALUES (life, at, at, at);
    said := zupa.write(at, true, '1s', '{}', '{ana,bob,cyd}', '{door,door,door}',
        '{default,default,default}', '{}', '{}', '{}', '{}',
        ARRAY(SELECT ROW(gen_random_uuid(), gen_random_uuid(), 'default', 'door', n.alias, '{}',
                  NULL, 'of ' || n.alias, '', NULL, '{"kind":"text","text":"hello"}', '\x00', NULL,
                  NULL, NULL, 0, 0, 20, 0,
                  CASE WHEN n.alias <> 'cyd' THEN gen_random_uuid() END, life, at)::zupa.inbound_item
              FROM unnest('{ana,bob,cyd}'::text[]) AS n(alias)),
        '{}', '{}', '{}');
    taken := said->'taken'->0;
    said := zupa.write(at, true, '1s', ARRAY[(taken->>'conversation')::uuid], '{}', '{}', '{}',
        '{}', '{}', '{}', ARRAY[ROW((taken->>'turn')::uuid, (taken->>'conversation')::uuid, 1,
            'committed', NULL, NULL, false, 'answered', 0, decode(repeat('00', 32), 'hex'), '{}',
            ARRAY[ROW('reply', '{"kind":"text","text":"hi"}', 'queued', true, NULL)
                  ::zupa.outbound_item])::zupa.finish_item], '{}', '{}', '{}', '{}');
    ASSERT said->'finish'->0->>'was' = 'done', said::text;
    SELECT array_agg((c.id)) INTO ids FROM zupa.conversations c WHERE c.alias = 'bob';
    FOR step IN 1..2 LOOP
        said := zupa.write(at, true, '1s', ids, '{}', '{}', '{}', '{}', '{}',
            ARRAY(SELECT ROW(c.open_turn, c.id, 1, 1, 'call_model/' || (3 - step) || '/model',
                      decode(repeat('00', 32), 'hex'), '1')::zupa.record_item
                  FROM zupa.conversations c WHERE c.alias = 'bob'),
            '{}', '{}', '{}', '{}', '{}');
        ASSERT said->>'record' = '[true]', said::text;
    END LOOP;
END $$
"#;

async fn old_schema(database: &Database) -> PgPool {
    let pool = database.pool().await;
    pool.execute("CREATE SCHEMA zupa").await.unwrap();
    let first = migrations().iter().next().unwrap().clone();
    let mut old = Migrator::with_migrations(vec![first]);
    old.dangerous_set_table_name("zupa.migrations");
    old.run(&pool).await.unwrap();
    pool
}

async fn of(pool: &PgPool, alias: &str) -> ConversationId {
    let id = sqlx::query_scalar("SELECT id FROM zupa.conversations WHERE alias = $1")
        .bind(alias)
        .fetch_one(pool)
        .await
        .unwrap();
    ConversationId(id)
}

async fn view(process: &Process, id: &str) -> TurnView {
    process.store.turn(id).await.unwrap().unwrap()
}

/// All goes on where it was: what was said is remembered and sent, what was
/// recorded is reused, what waits is answered.
#[tokio::test]
async fn an_older_schema_is_brought_up_in_the_middle_of_its_work() {
    let Some(server) = server() else { return };
    let database = Database::empty(&server).await;
    let pool = old_schema(&database).await;
    assert_eq!(schema_version(&database.config()).await.unwrap(), Some(1));
    pool.execute(BEFORE).await.unwrap();
    let unread = PostgresStore::open_to_read(database.config()).await;
    assert_eq!(unread.unwrap_err().kind(), ErrorKind::Unsupported);

    let process = Process::start(database.open().await, SeqIds::default(), NOW).await;
    assert_eq!(schema_version(&database.config()).await.unwrap(), Some(12));
    let (ana, bob, cyd) = (
        of(&pool, "ana").await,
        of(&pool, "bob").await,
        of(&pool, "cyd").await,
    );
    let said = process.store.history(ana, 10).await.unwrap();
    let said: Vec<_> = said.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(said, ["hello", "hi"]);
    let doors = OpenDoors {
        all: vec![ChannelId::parse("door").unwrap()],
        replies: Vec::new(),
    };
    let due = process.store.due_deliveries(NOW, &doors, 10).await.unwrap();
    assert_eq!(due.len(), 1);
    let seen = view(&process, "of ana").await;
    assert_eq!(seen.deliveries[0].id, due[0].id);

    let turn = process.claim(bob).await;
    assert_eq!((turn.runs, turn.said), (2, 0));
    assert!(turn.state.is_none() && turn.waits.is_empty());
    let steps: Vec<_> = turn
        .steps
        .iter()
        .map(|step| (step.ordinal, step.key.as_str(), step.class))
        .collect();
    let expected = [
        (0, "call_model/2/model", EffectClass::Pure),
        (1, "call_model/1/model", EffectClass::Pure),
    ];
    assert_eq!(steps, expected, "in the order of recording");
    assert!(turn.steps.iter().all(|step| !step.is_intent()));
    for turn in [turn, process.claim(cyd).await] {
        let done = process.finish(process.answer(&turn)).await.unwrap();
        assert!(matches!(done, Finished::Done { .. }), "{done:?}");
    }
    let nothing = process.ask(bob).await;
    assert!(matches!(nothing, ClaimOutcome::Nothing));
    assert!(process.store.accounting().await.unwrap().is_balanced());
}

/// A build of the first schema that still runs is told to end at its next sign of
/// life, and its writes are refused: they change nothing.
#[tokio::test]
async fn an_older_build_is_told_to_end() {
    let Some(server) = server() else { return };
    let database = Database::empty(&server).await;
    let pool = old_schema(&database).await;
    // As a build does: prepared once, with the item types of its time.
    let mut old = pool.acquire().await.unwrap();
    old.execute("PREPARE claim (zupa.claim_item[]) AS SELECT zupa.claim($1, 0, 0)")
        .await
        .unwrap();
    old.execute("EXECUTE claim ('{}')").await.unwrap();
    database.open().await;
    let refused = old.execute("EXECUTE claim ('{}')").await.unwrap_err();
    assert!(refused.as_database_error().is_some(), "{refused:?}");
    let serves_from: i64 = sqlx::query_scalar("SELECT zupa.heartbeat(gen_random_uuid(), 1, 1, 0)")
        .fetch_one(&pool)
        .await
        .unwrap();
    // Every build prepares its statements with the item types, which the newest migration
    // makes anew: no build before it may serve beside it.
    let newest = migrations().iter().map(|one| one.version).max();
    assert_eq!(Some(serves_from), newest);
}
