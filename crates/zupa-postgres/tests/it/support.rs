//! A database for each test, and a clock that the test owns.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use uuid::Uuid;
use zupa_core::audit::{AuditEntry, AuditLink};
use zupa_core::desk::{
    Accounting, ConversationView, Decided, Holding, Line, NewHold, Releasing, StoreStatus, TurnView,
};
use zupa_core::idempotency::{Begin, Begun, Keep};
use zupa_core::store::{Applied, Batch, Delivery, Due, Life, OpenDoors, Recovery};
use zupa_core::turn::Message;
use zupa_core::{
    Address, ClaimAct, ClaimActed, ConversationId, DeadLetter, DeadLetterAct, DeadLetterActed,
    DeadLetterFilter, DeadLetterId, DeadLetterStats, DeadLetterView, DeadLettersKept, Decision,
    Desk, IdempotencyKey, IdempotencyKeys, Number, ProcessId, Result, Store, Timestamp, Wait,
    WaitId, WaitState,
};
use zupa_postgres::{PostgresConfig, PostgresStore};

use crate::template::Template;

/// The variable that names the server.
const VARIABLE: &str = "ZUPA_TEST_POSTGRES_URL";

/// The server's URL; `None` is said aloud, and is a failure where CI promises
/// to have one.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told where the server is"
)]
pub fn server() -> Option<String> {
    match std::env::var(VARIABLE) {
        Ok(url) => Some(url),
        Err(_) if std::env::var("CI").as_deref() == Ok("true") => {
            panic!("{VARIABLE} is not set, and CI has to have a server")
        }
        Err(_) => {
            eprintln!("skipped: {VARIABLE} is not set");
            None
        }
    }
}

/// A database of its own, removed when dropped, or left for a look when the test
/// fails.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// One that has the schema, as opening would have made it.
    pub async fn create(server: &str) -> Self {
        let database = Self::unmade(server);
        let mut connection = database.connect_to_server().await;
        let fill = async |name: &str| migrate(&url_on(server, name)).await;
        Template::of_this_build()
            .copy(&mut connection, &database.name, fill)
            .await;
        connection.close().await.unwrap();
        database
    }

    /// One without anything, for those who test how the schema is made.
    pub async fn empty(server: &str) -> Self {
        let database = Self::unmade(server);
        let mut connection = database.connect_to_server().await;
        let create = format!("CREATE DATABASE {}", database.name);
        connection.execute(AssertSqlSafe(create)).await.unwrap();
        connection.close().await.unwrap();
        database
    }

    /// A name that no other test has. A process's number comes again, and what a
    /// failed test has left has its name still.
    pub fn unmade(server: &str) -> Self {
        let process = std::process::id();
        let name = format!("zupa_{process}_{:016x}", RandomState::new().hash_one(()));
        Self {
            server: server.to_owned(),
            name,
        }
    }

    pub fn url(&self) -> String {
        url_on(&self.server, &self.name)
    }

    /// The same through another port of this machine.
    pub fn url_at(&self, port: u16) -> String {
        let options: PgConnectOptions = self.server.parse().unwrap();
        format!(
            "postgres://{}@127.0.0.1:{port}/{}",
            options.get_username(),
            self.name
        )
    }

    /// The server as `host:port`.
    pub fn host(&self) -> String {
        let options: PgConnectOptions = self.server.parse().unwrap();
        format!("{}:{}", options.get_host(), options.get_port())
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn config(&self) -> PostgresConfig {
        PostgresConfig::at(&self.url()).unwrap()
    }

    pub async fn open(&self) -> PostgresStore {
        PostgresStore::open(self.config()).await.unwrap()
    }

    pub async fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(4)
            .connect(&self.url())
            .await
            .unwrap()
    }

    /// Connections as the server's superuser `postgres`, where it lets us; CI's
    /// own server does.
    pub async fn as_superuser(&self) -> Option<PgPool> {
        let options: PgConnectOptions = self.url().parse().unwrap();
        let pool = PgPoolOptions::new()
            .connect_with(options.username("postgres"))
            .await;
        match pool {
            Ok(pool) => Some(pool),
            Err(error) => {
                eprintln!("skipped: the server has no superuser for us: {error}");
                None
            }
        }
    }

    async fn connect_to_server(&self) -> PgConnection {
        let options: PgConnectOptions = self.server.parse().unwrap();
        options.disable_statement_logging().connect().await.unwrap()
    }
}

/// The URL of another database of the same server.
pub fn url_on(server: &str, database: &str) -> String {
    let (server, _) = server.rsplit_once('/').unwrap();
    format!("{server}/{database}")
}

/// Brings a database up as every start of a process does.
pub async fn migrate(url: &str) {
    let config = PostgresConfig::at(url).unwrap();
    PostgresStore::open(config).await.unwrap();
}

impl Drop for Database {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Left for a look.
            return;
        }
        let (server, name) = (self.server.clone(), self.name.clone());
        // A runtime of its own: this one may be ending.
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let options: PgConnectOptions = server.parse().unwrap();
                let mut connection = options.connect().await.unwrap();
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                connection.execute(AssertSqlSafe(drop)).await.unwrap();
            });
        });
        let _ = removing.join();
    }
}

/// Makes the database's clock one that stands still until it is set.
pub async fn stop_the_clock(pool: &PgPool) {
    pool.execute(
        "CREATE TABLE IF NOT EXISTS zupa.test_clock (now bigint NOT NULL);
         INSERT INTO zupa.test_clock SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM zupa.test_clock);
         CREATE OR REPLACE FUNCTION zupa.now() RETURNS bigint LANGUAGE sql VOLATILE AS
             'SELECT now FROM zupa.test_clock';",
    )
    .await
    .unwrap();
}

/// A store whose database's clock is that of its caller: before each call it is
/// set to the caller's time. Batches go over several connections in turn, as
/// those of several processes do.
#[derive(Debug)]
pub struct Clocked {
    pub store: Arc<PostgresStore>,
    pub writers: Vec<PostgresStore>,
    pub next: AtomicU32,
    pub pool: PgPool,
}

impl Clocked {
    async fn set(&self, now: Timestamp) {
        sqlx::query("UPDATE zupa.test_clock SET now = $1 WHERE now <> $1")
            .bind(now.0)
            .execute(&self.pool)
            .await
            .unwrap();
    }

    fn next(&self) -> &PostgresStore {
        let next = self.next.fetch_add(1, Ordering::Relaxed) as usize;
        &self.writers[next % self.writers.len()]
    }
}

#[async_trait]
impl Store for Clocked {
    async fn recover(&self, life: Life) -> Result<Recovery> {
        self.set(life.now).await;
        self.store.recover(life).await
    }

    async fn write(&self, batch: Batch) -> Result<Applied> {
        self.set(batch.now).await;
        self.next().write(batch).await
    }

    async fn heartbeat(&self, life: Life) -> Result<()> {
        self.set(life.now).await;
        self.store.heartbeat(life).await
    }

    async fn due(&self, now: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.set(now).await;
        self.store.due(now, until, limit).await
    }

    async fn due_deliveries(
        &self,
        now: Timestamp,
        doors: &OpenDoors,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        self.set(now).await;
        self.store.due_deliveries(now, doors, limit).await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        self.set(now).await;
        self.store.expire(now, limit).await
    }

    async fn hasten(&self, now: Timestamp, limit: usize) -> Result<Vec<ConversationId>> {
        self.set(now).await;
        self.store.hasten(now, limit).await
    }

    async fn history(&self, conversation: ConversationId, limit: usize) -> Result<Vec<Message>> {
        self.store.history(conversation, limit).await
    }

    async fn backlog(&self) -> Result<u64> {
        self.store.backlog().await
    }

    async fn purge(
        &self,
        keys_before: Timestamp,
        raw_before: Timestamp,
        limit: usize,
    ) -> Result<u64> {
        self.store.purge(keys_before, raw_before, limit).await
    }

    async fn forget_news(&self, before: Timestamp, limit: usize) -> Result<u64> {
        self.store.forget_news(before, limit).await
    }

    async fn purge_failures(&self, before: Timestamp, limit: usize) -> Result<DeadLettersKept> {
        self.store.purge_failures(before, limit).await
    }

    async fn checkpoint(&self) -> Result<()> {
        self.store.checkpoint().await
    }

    async fn close(&self, process: ProcessId) -> Result<()> {
        self.store.close(process).await
    }
}

#[async_trait]
impl Desk for Clocked {
    async fn turn(&self, id: &str) -> Result<Option<TurnView>> {
        self.store.turn(id).await
    }

    async fn accounting(&self) -> Result<Accounting> {
        self.store.accounting().await
    }

    async fn lines(&self, address: &Address, after: Number, limit: usize) -> Result<Vec<Line>> {
        self.store.lines(address, after, limit).await
    }

    async fn audit(&self, conversation: ConversationId) -> Result<Vec<AuditLink>> {
        self.store.audit(conversation).await
    }

    async fn record_act(&self, entry: AuditEntry) -> Result<()> {
        self.next().record_act(entry).await
    }

    async fn acts(&self) -> Result<Vec<AuditLink>> {
        self.store.acts().await
    }

    async fn waits(&self, state: Option<WaitState>, limit: usize) -> Result<Vec<Wait>> {
        self.store.waits(state, limit).await
    }

    async fn wait(&self, id: WaitId) -> Result<Option<Wait>> {
        self.store.wait(id).await
    }

    async fn decide(&self, id: WaitId, decision: Decision, entry: AuditEntry) -> Result<Decided> {
        self.set(entry.at).await;
        self.next().decide(id, decision, entry).await
    }

    async fn claim_wait(&self, id: WaitId, act: ClaimAct, entry: AuditEntry) -> Result<ClaimActed> {
        self.set(entry.at).await;
        self.next().claim_wait(id, act, entry).await
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<ConversationView>> {
        self.store.conversation(id).await
    }

    async fn conversations(
        &self,
        held: bool,
        before: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationView>> {
        self.store.conversations(held, before, limit).await
    }

    async fn hold(&self, id: ConversationId, hold: NewHold, entry: AuditEntry) -> Result<Holding> {
        self.set(entry.at).await;
        self.next().hold(id, hold, entry).await
    }

    async fn release(
        &self,
        id: ConversationId,
        answered_until: Option<Timestamp>,
        entry: AuditEntry,
    ) -> Result<Releasing> {
        self.set(entry.at).await;
        self.next().release(id, answered_until, entry).await
    }

    async fn end_session(
        &self,
        id: ConversationId,
        entry: AuditEntry,
    ) -> Result<Option<Timestamp>> {
        self.set(entry.at).await;
        self.next().end_session(id, entry).await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        self.store.dead_letters(filter, after, limit).await
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetterView>> {
        self.store.dead_letter(id).await
    }

    async fn dead_letter_stats(&self) -> Result<DeadLetterStats> {
        self.store.dead_letter_stats().await
    }

    async fn act_on_dead_letter(
        &self,
        id: DeadLetterId,
        act: DeadLetterAct,
        entry: AuditEntry,
    ) -> Result<DeadLetterActed> {
        self.set(entry.at).await;
        self.next().act_on_dead_letter(id, act, entry).await
    }

    async fn status(&self) -> Result<StoreStatus> {
        self.store.status().await
    }
}

#[async_trait]
impl IdempotencyKeys for Clocked {
    async fn begin(&self, begin: Begin) -> Result<Begun> {
        self.set(begin.now).await;
        self.next().begin(begin).await
    }

    async fn keep(&self, keep: Keep) -> Result<bool> {
        self.set(keep.now).await;
        self.next().keep(keep).await
    }

    async fn free(&self, key: IdempotencyKey, holder: Uuid) -> Result<()> {
        self.next().free(key, holder).await
    }

    async fn forget(&self, now: Timestamp, limit: usize) -> Result<u64> {
        self.set(now).await;
        self.next().forget(now, limit).await
    }
}
