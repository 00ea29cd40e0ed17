//! The floor's writer: group commit, nothing else.
//!
//! WAL, page cache of 64 MiB, automatic checkpoints at 1,000 pages inside the
//! commit (SQLite's default), prepared statements, one row each.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, params};

use super::super::cannot;
use super::super::clock;
use super::super::meter::Writes;
use super::super::workload::{Durability, TEXT};
use crate::cli::{Code, Failure};

/// Most requests of one commit, as on the path.
const BATCH: usize = 512;
/// What a checkpoint of a conversation's state weighs.
const STATE: usize = 2_048;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS dedupe (
    platform_id TEXT PRIMARY KEY, conversation INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, number INTEGER NOT NULL,
    text TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS messages_of ON messages (conversation, number);
CREATE TABLE IF NOT EXISTS checkpoints (
    conversation INTEGER PRIMARY KEY, turn INTEGER NOT NULL, state BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, turn INTEGER NOT NULL,
    action TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, number INTEGER NOT NULL,
    text TEXT NOT NULL, state TEXT NOT NULL) STRICT;";

/// What a client asks for.
pub(super) enum Request {
    Accept {
        conversation: u32,
        turn: u32,
        sequence: u64,
        text: String,
    },
    Finish {
        conversation: u32,
        turn: u32,
    },
}

/// What it is told once that is durable.
pub(super) enum Ack {
    Accepted(u32),
    Finished(u32),
}

/// The client's end of the writer.
pub(super) struct Writer {
    requests: Sender<Request>,
    pub acks: Receiver<Vec<Ack>>,
    writes: Arc<Writes>,
    broken: Arc<Mutex<Option<String>>>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub(super) fn start(file: &Path, durability: Durability, seed: u64) -> Result<Self, Failure> {
        let mut connection = open(file, durability).map_err(cannot("open the floor's database"))?;
        let (requests, queue) = mpsc::channel();
        let (tell, acks) = mpsc::channel();
        let writes = Arc::new(Writes::default());
        let broken = Arc::new(Mutex::new(None));
        let (counted, note) = (writes.clone(), broken.clone());
        let thread = std::thread::Builder::new()
            .name("floor-writer".into())
            .spawn(move || {
                if let Err(error) = serve(&mut connection, &queue, &tell, &counted, seed) {
                    *note.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                }
            })
            .map_err(cannot("start a thread"))?;
        Ok(Self {
            requests,
            acks,
            writes,
            broken,
            thread,
        })
    }

    pub(super) fn request(&self, request: Request) {
        // A writer that is gone shows when its answer is awaited.
        let _ = self.requests.send(request);
    }

    pub(super) fn writes(&self) -> Arc<Writes> {
        self.writes.clone()
    }

    /// Why there are no answers any more.
    pub(super) fn failure(&self) -> Failure {
        let why = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        Failure::new(Code::Failed, "the floor's writer stopped")
            .because(why.as_deref().unwrap_or("for no reason it gave"))
    }

    /// Ends the thread, and closes the database with it.
    pub(super) fn stop(self) -> Result<(), Failure> {
        drop(self.requests);
        let stopped = Failure::new(Code::Failed, "the floor's writer panicked");
        self.thread.join().map_err(|_| stopped)
    }
}

/// Opens the database as the floor uses it.
pub(super) fn open(file: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

fn serve(
    connection: &mut Connection,
    queue: &Receiver<Request>,
    tell: &Sender<Vec<Ack>>,
    writes: &Writes,
    seed: u64,
) -> rusqlite::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(first) = queue.recv() {
        batch.push(first);
        batch.extend(queue.try_iter().take(BATCH - 1));
        let began = clock::now();
        commit(connection, &batch, seed)?;
        writes.note(batch.len(), began.elapsed());
        let acks = batch.drain(..).map(|request| match request {
            Request::Accept { conversation, .. } => Ack::Accepted(conversation),
            Request::Finish { conversation, .. } => Ack::Finished(conversation),
        });
        // Whoever asked has gone only at the end of the run.
        let _ = tell.send(acks.collect());
    }
    Ok(())
}

/// Writes requests in one transaction.
pub(super) fn commit(
    connection: &Connection,
    batch: &[Request],
    seed: u64,
) -> rusqlite::Result<()> {
    let run =
        |sql, values: &[&dyn rusqlite::ToSql]| connection.prepare_cached(sql)?.execute(values);
    run("BEGIN IMMEDIATE", &[])?;
    for request in batch {
        match request {
            Request::Accept {
                conversation,
                turn,
                sequence,
                text,
            } => {
                let platform_id = format!("bench-{seed:016x}-{sequence:010}");
                run(
                    "INSERT INTO dedupe VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    params![platform_id, conversation],
                )?;
                run(
                    "INSERT INTO messages (conversation, number, text) VALUES (?1, ?2, ?3)",
                    params![conversation, 2 * turn - 1, text],
                )?;
            }
            Request::Finish { conversation, turn } => {
                let (answer, state) = ("a".repeat(TEXT), [*turn as u8; STATE]);
                run(
                    "INSERT INTO messages (conversation, number, text) VALUES (?1, ?2, ?3)",
                    params![conversation, 2 * turn, answer],
                )?;
                run(
                    "INSERT INTO checkpoints VALUES (?1, ?2, ?3) ON CONFLICT (conversation)
                     DO UPDATE SET turn = excluded.turn, state = excluded.state",
                    params![conversation, turn, state],
                )?;
                run(
                    "INSERT INTO audit (conversation, turn, action, hash) VALUES (?1, ?2, ?3, ?4)",
                    params![conversation, turn, "turn.answered", [*turn as u8; 32]],
                )?;
                run(
                    "INSERT INTO outbox (conversation, number, text, state) VALUES (?1, ?2, ?3, ?4)",
                    params![conversation, 2 * turn, answer, "sent"],
                )?;
            }
        }
    }
    run("COMMIT", &[])?;
    Ok(())
}
