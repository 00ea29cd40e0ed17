//! The oracle's own memory: an append-only file of JSON lines, synced before
//! anything is said to the server, so that it can be believed against it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::crash::script::{Again, Message};
use crate::crash::words::{Conversation, Key, Token, unix_micros};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Record {
    /// About to be sent for the first time.
    Intent { message: Message },
    /// About to be sent once more.
    Again { key: Key, how: Again },
    /// Answered 2xx: `accepted` or `duplicate`, with the id in the answer.
    Ack {
        key: Key,
        status: String,
        answer: String,
        /// The replica that answered, and how long that took in microseconds.
        door: usize,
        took: u64,
    },
    /// The connection ended before the answer: it may have been accepted.
    Lost { key: Key },
    /// 429 or 503: to be repeated.
    Refused {
        key: Key,
        status: u16,
        retry_after: bool,
    },
    /// Any other answer: never right.
    Rejected { key: Key, detail: String },
    /// A followed stream showed a message, through this replica.
    Seen {
        conversation: Conversation,
        number: u64,
        door: usize,
    },
    /// A number sent something to somebody.
    Left(Left),
    /// A send was beyond a rate that Meta enforces.
    Beyond { limit: String },
    /// A model call arrived.
    Call {
        call: u64,
        tokens: Vec<Token>,
        digest: String,
    },
    /// Its answer was taken whole by the connection, or was not.
    CallEnd { call: u64, complete: bool },
    /// A model call that breaks the contract.
    OddCall { call: u64, detail: String },
}

/// A send, as the platform saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    pub conversation: Conversation,
    /// The delivery's key on the wire; without hyphens, as the rows'.
    pub key: String,
    /// Unix microseconds, when it came.
    pub came: u64,
    /// Whether it is on the person's screen.
    pub seen: bool,
    /// Whether the platform said what became of it.
    pub answered: bool,
    /// Whether statuses with its key are posted.
    pub tells: bool,
    /// Which messages it answers.
    pub tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Unix microseconds.
    pub at: u64,
    #[serde(flatten)]
    pub record: Record,
}

struct Entry {
    line: Option<Line>,
    durable: Option<oneshot::Sender<()>>,
}

#[derive(Debug, Clone)]
pub struct Log(mpsc::Sender<Entry>);

impl Log {
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file =
            File::create_new(path).with_context(|| format!("cannot create {}", path.display()))?;
        let (entries, queue) = mpsc::channel();
        thread::spawn(move || {
            // Without its log the oracle knows nothing; the nemesis sees it leave.
            if let Err(error) = keep(file, &queue) {
                eprintln!("oracle: cannot keep the log: {error}");
                std::process::exit(1);
            }
        });
        Ok(Self(entries))
    }

    /// Writes behind the caller's back, in order.
    pub fn note(&self, record: Record) {
        let _ = self.0.send(Entry {
            line: Some(Line {
                at: unix_micros(),
                record,
            }),
            durable: None,
        });
    }

    /// Returns when all that was noted is on the disk.
    pub async fn flush(&self) -> anyhow::Result<()> {
        let (durable, done) = oneshot::channel();
        let entry = Entry {
            line: None,
            durable: Some(durable),
        };
        self.0
            .send(entry)
            .map_err(|_| anyhow!("the log is closed"))?;
        done.await.context("the log is closed")
    }

    /// Returns when the record is on the disk.
    pub async fn write(&self, record: Record) -> anyhow::Result<()> {
        let (durable, done) = oneshot::channel();
        let entry = Entry {
            line: Some(Line {
                at: unix_micros(),
                record,
            }),
            durable: Some(durable),
        };
        self.0
            .send(entry)
            .map_err(|_| anyhow!("the log is closed"))?;
        done.await.context("the log is closed")
    }
}

/// One sync for everything that came in during the one before.
fn keep(mut file: File, queue: &mpsc::Receiver<Entry>) -> std::io::Result<()> {
    while let Ok(first) = queue.recv() {
        let batch: Vec<Entry> = std::iter::once(first).chain(queue.try_iter()).collect();
        let mut bytes = Vec::new();
        for line in batch.iter().filter_map(|entry| entry.line.as_ref()) {
            serde_json::to_writer(&mut bytes, line)?;
            bytes.push(b'\n');
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        for durable in batch.into_iter().filter_map(|entry| entry.durable) {
            let _ = durable.send(());
        }
    }
    Ok(())
}

pub fn read(path: &Path) -> anyhow::Result<Vec<Line>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines = Vec::new();
    for (number, text) in BufReader::new(file).lines().enumerate() {
        let line = serde_json::from_str(&text?);
        lines.push(line.with_context(|| format!("line {} of the oracle's log", number + 1))?);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::words::Door;

    #[tokio::test]
    async fn what_was_written_is_read_back_in_order() -> anyhow::Result<()> {
        let path = std::env::temp_dir().join(format!(
            "oracle-log-{}-{}",
            std::process::id(),
            unix_micros()
        ));
        let key = Key {
            conversation: Conversation {
                door: Door::Other,
                name: "c1".to_owned(),
            },
            seq: 2,
        };
        let records = [
            Record::Again {
                key: key.clone(),
                how: Again::Late,
            },
            Record::Ack {
                key: key.clone(),
                status: "accepted".to_owned(),
                answer: "e1".to_owned(),
                door: 1,
                took: 900,
            },
            Record::Call {
                call: 3,
                tokens: vec![key.token()],
                digest: "00".to_owned(),
            },
        ];
        let log = Log::create(&path)?;
        log.note(records[0].clone());
        log.note(records[1].clone());
        log.write(records[2].clone()).await?;
        let read = read(&path)?;
        std::fs::remove_file(&path)?;
        assert_eq!(
            read.into_iter().map(|line| line.record).collect::<Vec<_>>(),
            records
        );
        Ok(())
    }
}
