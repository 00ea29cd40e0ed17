//! The thread that owns the writing connection.
//!
//! Work is handed over as a closure and answered through a one-shot; it is
//! never cancelled. The thread ends when the store is dropped.

use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;
use zupa_core::{Error, ErrorKind, Outcome, Result};

use super::row::Prepared;
use crate::error;

type Work = Box<dyn FnOnce(&mut Writing<'_>) + Send>;

/// The connection, and what it was last told about flushing.
#[derive(Debug)]
pub(super) struct Writing<'c> {
    pub connection: Prepared<'c>,
    flushes: bool,
}

impl Writing<'_> {
    /// Whether the next commit waits for the disk. Told only when it changes.
    pub(super) fn flush(&mut self, flush: bool) -> Result<()> {
        if self.flushes != flush {
            let pragma = if flush {
                "PRAGMA synchronous = FULL"
            } else {
                "PRAGMA synchronous = NORMAL"
            };
            self.connection
                .execute_batch(pragma)
                .map_err(|source| error::of_writer("choose how commits flush", source))?;
            self.flushes = flush;
        }
        Ok(())
    }
}

/// A handle to the thread.
#[derive(Debug)]
pub(super) struct Writer {
    work: Option<mpsc::Sender<Work>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on a connection whose commits flush.
    pub(super) fn start(connection: Connection) -> Result<Self> {
        let (sender, queue) = mpsc::channel::<Work>();
        let thread = thread::Builder::new()
            .name("zupa-writer".into())
            .spawn(move || {
                let mut writing = Writing {
                    connection: Prepared::on(&connection),
                    flushes: true,
                };
                for work in queue {
                    work(&mut writing);
                }
            })
            .map_err(|source| {
                Error::new(
                    ErrorKind::Unavailable,
                    "the writer's thread cannot be started",
                )
                .with_source(source)
            })?;
        Ok(Self {
            work: Some(sender),
            thread: Some(thread),
        })
    }

    /// Runs work on the connection. Dropping the future loses the answer, not
    /// the work.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writing<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, answer) = oneshot::channel();
        let boxed: Work = Box::new(move |writing| {
            let _ = sender.send(work(writing));
        });
        let handed_over = self
            .work
            .as_ref()
            .is_some_and(|queue| queue.send(boxed).is_ok());
        match answer.await {
            Ok(result) => result,
            // A panic in the work took the thread with it.
            Err(_) if handed_over => Err(gone().with_outcome(Outcome::Unknown)),
            Err(_) => Err(gone()),
        }
    }
}

impl Drop for Writer {
    /// Waits for the work at hand, so that the file is closed when the lock goes.
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::DurabilityLost, "the store's writer has ended")
}
