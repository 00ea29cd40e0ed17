//! Sending a workload's messages through the door.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;
use zupa_core::Intake;

use super::super::cannot;
use super::super::schedule::Ticks;
use super::super::workload::{Load, Workload};
use super::{Bench, Door, PATIENCE, clock};
use crate::cli::Failure;

/// How often the last answers are looked for.
const LOOK: Duration = Duration::from_millis(5);

/// Sends until the end and waits for the answers; tells how many never came.
pub(super) async fn run(workload: &Workload, bench: &Bench) -> Result<u64, Failure> {
    let ends = bench.meter.ends(workload);
    let sender = Sender::new(workload, bench);
    let mut senders = JoinSet::new();
    match workload.load {
        Load::Closed { in_flight } => {
            for _ in 0..in_flight {
                senders.spawn(sender.clone().closed());
            }
        }
        Load::Open { per_second } => {
            let handle = Handle::current();
            senders.spawn_blocking(move || sender.open(per_second, &handle));
        }
    }
    let sent = async {
        while let Some(ended) = senders.join_next().await {
            ended.map_err(cannot("run its senders"))??;
        }
        if workload.turns.is_some() {
            all_answered(bench).await;
        }
        Ok::<_, Failure>(())
    };
    tokio::pin!(sent);
    let all_sent = tokio::time::timeout_at(Instant::from_std(ends), &mut sent).await;
    bench.meter.close(clock::now());
    let rest = async {
        match all_sent {
            Ok(sent) => sent?,
            Err(_) => (&mut sent).await?,
        }
        all_answered(bench).await;
        Ok::<_, Failure>(())
    };
    // Whatever has no answer by then is told.
    if let Ok(answered) = tokio::time::timeout(workload.model() + PATIENCE, rest).await {
        answered?;
    }
    Ok(bench.door.in_flight())
}

/// Hands messages in, one for each conversation, and waits until they are
/// accepted; nobody waits for answers.
pub(super) async fn accept(
    workload: &Workload,
    bench: &Bench,
    messages: u32,
) -> Result<(), Failure> {
    const AT_ONCE: u64 = 64;
    let sender = Sender::new(workload, bench);
    let mut senders = JoinSet::new();
    for sequence in 0..u64::from(messages) {
        if sequence >= AT_ONCE {
            senders.join_next().await;
        }
        let sender = sender.clone();
        senders.spawn(async move {
            match sender.door.take(clock::now()) {
                Some((conversation, _)) => sender.hand_in(conversation, sequence).await,
                None => Ok(()),
            }
        });
    }
    while let Some(ended) = senders.join_next().await {
        ended.map_err(cannot("run its senders"))??;
    }
    Ok(())
}

async fn all_answered(bench: &Bench) {
    while bench.door.in_flight() > 0 {
        tokio::time::sleep(LOOK).await;
    }
}

#[derive(Clone)]
struct Sender {
    workload: Workload,
    intake: Intake,
    door: Arc<Door>,
    ends: std::time::Instant,
    sequence: Arc<AtomicU64>,
}

impl Sender {
    fn new(workload: &Workload, bench: &Bench) -> Self {
        Self {
            workload: *workload,
            intake: bench.runtime.intake(),
            door: bench.door.clone(),
            ends: bench.meter.ends(workload),
            sequence: Arc::default(),
        }
    }

    /// One message after the other, each when the last was answered.
    async fn closed(self) -> Result<(), Failure> {
        while let Some(sequence) = self.next() {
            let Some((conversation, answer)) = self.door.take(clock::now()) else {
                return Ok(());
            };
            self.hand_in(conversation, sequence).await?;
            // A message that was refused has no answer to wait for.
            let _ = answer.await;
        }
        Ok(())
    }

    /// A burst each millisecond, from a thread of its own: a busy path does not
    /// slow down those who write to it.
    fn open(self, per_second: u32, handle: &Handle) -> Result<(), Failure> {
        let mut ticks = Ticks::starting(clock::now(), per_second);
        loop {
            std::thread::sleep(ticks.next().saturating_duration_since(clock::now()));
            while let Some((due, burst)) = ticks.take(clock::now()) {
                for _ in 0..burst {
                    let Some(sequence) = self.next() else {
                        return Ok(());
                    };
                    let Some((conversation, _)) = self.door.take(due) else {
                        self.door.refuse();
                        continue;
                    };
                    let sender = self.clone();
                    handle.spawn(async move { sender.hand_in(conversation, sequence).await });
                }
            }
        }
    }

    async fn hand_in(&self, conversation: u32, sequence: u64) -> Result<(), Failure> {
        let message = self.door.message(&self.workload, conversation, sequence)?;
        let taken = self.intake.deliver(message).await;
        if !matches!(taken.as_deref(), Ok([Ok(_)])) {
            self.door.give_back(conversation);
        }
        Ok(())
    }

    /// The next message's number, until there were enough.
    fn next(&self) -> Option<u64> {
        if clock::now() >= self.ends {
            return None;
        }
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        (sequence < self.workload.most()).then_some(sequence)
    }
}
