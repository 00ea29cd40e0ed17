//! The schema's ways: many start at once, killed at each statement, newer ones.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, PgPool};
use zupa_core::{Desk, ErrorKind, Store, Timestamp};
use zupa_postgres::{PostgresStore, schema_version};
use zupa_testkit::SeqIds;

use crate::path::Process;
use crate::support::{Database, server};

const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

/// Processes that start at once on an empty database all find the schema made
/// once.
#[tokio::test]
async fn many_start_at_once() {
    let Some(server) = server() else { return };
    let database = Database::empty(&server).await;
    for pooled in [false, true] {
        let opening = (0..6).map(|_| {
            let mut config = database.config();
            config.pooled = pooled;
            tokio::spawn(PostgresStore::open(config))
        });
        for opened in opening.collect::<Vec<_>>() {
            opened.await.unwrap().unwrap();
        }
        let known = schema_version(&database.config()).await.unwrap();
        assert_eq!(known, Some(12));
        let pool = database.pool().await;
        pool.execute("DROP SCHEMA zupa CASCADE").await.unwrap();
    }
    assert_eq!(schema_version(&database.config()).await.unwrap(), None);
}

/// Every seventh statement is one to die at; ZUPA_CASES asks for every one.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says how long"
)]
fn step() -> usize {
    match std::env::var_os("ZUPA_CASES") {
        Some(_) => 1,
        None => 7,
    }
}

/// The server ends the connection at each statement of the migration in turn: the
/// schema is there as a whole or not at all, and the next start finishes it.
#[tokio::test]
async fn killed_at_each_statement_the_next_start_finishes() {
    let Some(server) = server() else { return };
    let database = Database::empty(&server).await;
    // The trigger's own tables lie outside of the schema; a sequence counts on
    // when a transaction does not. Only a superuser may make such a trigger.
    let Some(pool) = database.as_superuser().await else {
        return;
    };
    pool.execute(
        "CREATE TABLE public.kill_at (statement bigint);
         INSERT INTO public.kill_at VALUES (0);
         CREATE SEQUENCE public.statements;
         CREATE FUNCTION public.count_and_kill() RETURNS event_trigger
         LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN
             IF nextval('public.statements') = (SELECT statement FROM public.kill_at) THEN
                 PERFORM pg_terminate_backend(pg_backend_pid());
             END IF;
         END $$;
         CREATE EVENT TRIGGER killer ON ddl_command_end EXECUTE FUNCTION public.count_and_kill();",
    )
    .await
    .unwrap();
    let (mut killed, step) = (0, step());
    for statement in (1..).step_by(step) {
        let arm = format!(
            "DROP SCHEMA IF EXISTS zupa CASCADE;
             UPDATE public.kill_at SET statement = {statement};
             SELECT setval('public.statements', 1, false)"
        );
        pool.execute(AssertSqlSafe(arm)).await.unwrap();
        match PostgresStore::open(database.config()).await {
            Ok(_) => break,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                killed += 1;
            }
        }
        assert_eq!(
            whole_migrations(&pool).await,
            schema_version(&database.config())
                .await
                .unwrap()
                .unwrap_or(0),
            "half a schema after statement {statement}"
        );
        if statement % 10 == 1 {
            pool.execute("UPDATE public.kill_at SET statement = 0")
                .await
                .unwrap();
            let process = Process::start(database.open().await, SeqIds::default(), NOW).await;
            process.hear("ana").await;
        }
    }
    assert!(killed > 150 / step, "only {killed} statements were seen");
}

/// Up to which migration there is something of each, and nothing of the next one.
async fn whole_migrations(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('zupa')
                 AND relname IN ('conversations', 'waits', 'conversations_wake', 'dead_letters',
                                 'idempotency_keys', 'outbox_late', 'early_news'))
              + (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('zupa.turns')
                 AND attname = 'asked')
              + (SELECT count(*) FROM pg_description
                 WHERE objoid = to_regclass('zupa.outbox') AND objsubid > 0)
              + (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('zupa.waits')
                 AND attname = 'claimed_by')
              + (SELECT count(*) FROM pg_attribute
                 WHERE attrelid = to_regclass('zupa.conversations') AND attname = 'paced')
              + (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('zupa.outbox')
                 AND attname = 'unasked')",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

/// A newer schema that says it serves this build is served; one that does not is
/// refused at the start, and ends those that run at their next sign of life.
#[tokio::test]
async fn a_newer_schema_says_whom_it_serves() {
    let Some(server) = server() else { return };
    let database = Database::empty(&server).await;
    let process = Process::start(database.open().await, SeqIds::default(), NOW).await;
    let pool = database.pool().await;
    pool.execute(
        "INSERT INTO zupa.migrations (version, description, success, checksum, execution_time)
         VALUES (99, 'of the future', true, '\\x00', 1)",
    )
    .await
    .unwrap();
    database.open().await;
    process.heartbeat().await;
    process.hear("ana").await;
    assert_eq!(schema_version(&database.config()).await.unwrap(), Some(99));

    pool.execute("UPDATE zupa.installation SET serves_from = 99")
        .await
        .unwrap();
    let refused = PostgresStore::open(database.config()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    let ended = process.store.heartbeat(process.life()).await.unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::Unsupported);
}

/// A schema that was changed by hand is refused, not used.
#[tokio::test]
async fn another_history_is_refused() {
    let Some(server) = server() else { return };
    let database = Database::empty(&server).await;
    database.open().await;
    let pool = database.pool().await;
    pool.execute("UPDATE zupa.migrations SET checksum = '\\x00'")
        .await
        .unwrap();
    let refused = PostgresStore::open(database.config()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
}

/// What cannot be opened says what kind of trouble it is.
#[tokio::test]
async fn bad_servers_are_told_apart() {
    let Some(server) = server() else { return };
    let database = Database::empty(&server).await;
    let open = async |edit: fn(&str) -> String| {
        let url = edit(&database.url());
        let mut config = zupa_postgres::PostgresConfig::at(&url).unwrap();
        config.timeout = Duration::from_secs(2);
        PostgresStore::open(config)
            .await
            .map(drop)
            .unwrap_err()
            .kind()
    };
    let no_database = open(|url| format!("{url}_no_such")).await;
    assert_eq!(no_database, ErrorKind::NotFound);
    let no_server = open(|_| "postgres://zupa@127.0.0.1:1/zupa".to_owned()).await;
    assert_eq!(no_server, ErrorKind::Unavailable);
    let pool = database.pool().await;
    pool.execute(AssertSqlSafe(format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        database.name()
    )))
    .await
    .unwrap();
    let read_only = open(str::to_owned).await;
    assert_eq!(read_only, ErrorKind::Unavailable);
    assert!(zupa_postgres::PostgresConfig::at("postgres:/nonsense:x").is_err());
}

/// Looking changes nothing: not an empty database, not an older schema, and it
/// works where nothing can be written.
#[tokio::test]
async fn looking_changes_nothing() {
    let Some(server) = server() else { return };
    let database = Database::empty(&server).await;
    let look = || PostgresStore::open_to_read(database.config());
    assert_eq!(look().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(schema_version(&database.config()).await.unwrap(), None);

    database.open().await;
    let pool = database.pool().await;
    let read_only = format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        database.name()
    );
    pool.execute(AssertSqlSafe(read_only)).await.unwrap();
    let store = look().await.unwrap();
    assert!(store.accounting().await.unwrap().is_balanced());
    assert!(store.status().await.unwrap().processes.is_empty());

    let read_write = format!(
        "ALTER DATABASE {} RESET default_transaction_read_only",
        database.name()
    );
    pool.execute(AssertSqlSafe(read_write)).await.unwrap();
    pool.execute("DELETE FROM zupa.migrations").await.unwrap();
    assert_eq!(look().await.unwrap_err().kind(), ErrorKind::Unsupported);
}
