//! Group commit: one writer collects what concurrent callers want written,
//! hands it to the store as one batch, and answers each.
//!
//! While a batch is being written the next one gathers, so a busy process
//! flushes rarely and an idle one at once. Work handed to the writer is never
//! cancelled: a caller that goes away loses its answer, not its write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use zupa_core::bus::{Draft, names};
use zupa_core::store::{
    Accept, Accepted, Applied, Attempt, Attempted, Batch, Claim, ClaimOutcome, ClaimedTurn, Finish,
    Finished, Record, Recorded, Renew, Renewed, Settle,
};
use zupa_core::{Clock, Error, ErrorKind, EventBus, Receipt, Result, Store};

/// Most jobs of one batch: enough to share a flush, few enough to answer soon.
const BATCH: usize = 512;
/// Jobs that may wait for the writer; callers beyond wait their turn.
const QUEUE: usize = 8_192;

/// How long what nobody waits for may wait for company.
const RIDE: Duration = Duration::from_millis(2);

/// The callers' end. Cheap to clone; the writer ends when the last is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
    written: Arc<AtomicU64>,
}

/// What became of each inbound, and the turn if its offer was taken up.
pub(crate) type Reception = Vec<(Result<Accepted>, Option<Box<ClaimedTurn>>)>;

type Answer<T> = oneshot::Sender<Result<T>>;

#[derive(Debug)]
enum Job {
    Accept {
        items: Vec<Accept>,
        receipts: Vec<Receipt>,
        answer: Answer<Reception>,
    },
    Claim(Box<Claim>, Answer<ClaimOutcome>),
    Record(Box<Record>, Answer<Recorded>),
    Finish(Box<Finish>, Answer<Finished>),
    Attempt(Box<Attempt>, Answer<Attempted>),
    Settle(Box<Settle>, Answer<()>),
    Renew(Vec<Renew>, Answer<Vec<Result<Renewed>>>),
}

/// Whether the store takes writes.
#[derive(Debug, Clone, Default)]
pub enum Health {
    /// It does.
    #[default]
    Good,
    /// Not now: nothing is acknowledged until it does again.
    Failing(Error),
    /// Never again in this process: a flush to disk failed, or a newer version has
    /// changed the store so that this one must end.
    Lost(Error),
}

/// Where writes report how they went.
#[derive(Debug, Clone)]
pub(crate) struct HealthReport(Arc<watch::Sender<Health>>);

impl HealthReport {
    pub(crate) fn channel() -> (Self, watch::Receiver<Health>) {
        let (sender, receiver) = watch::channel(Health::Good);
        (Self(Arc::new(sender)), receiver)
    }

    /// Notes how a write went. Lost is for ever.
    pub(crate) fn note<T>(&self, written: &Result<T>) {
        self.0.send_if_modified(|health| {
            let next = match (&*health, written) {
                (Health::Lost(_), _) | (Health::Good, Ok(_)) => return false,
                (Health::Failing(_), Ok(_)) => Health::Good,
                (_, Err(error)) if is_final(error.kind()) => Health::Lost(error.clone()),
                (Health::Good, Err(error)) => Health::Failing(error.clone()),
                (Health::Failing(_), Err(_)) => return false,
            };
            *health = next;
            true
        });
    }
}

/// True for what no later write can mend.
fn is_final(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::DurabilityLost | ErrorKind::Unsupported)
}

impl Job {
    /// True for what no caller is held up by: a step in front of its commit, a
    /// settlement, a renewal.
    fn may_ride(&self) -> bool {
        matches!(self, Self::Record(..) | Self::Settle(..) | Self::Renew(..))
    }
}

/// An answer to come.
pub(crate) struct Pending<T>(oneshot::Receiver<Result<T>>);

impl<T> Pending<T> {
    /// Waits for the answer. Cancel safe: the write goes on.
    pub(crate) async fn answer(self) -> Result<T> {
        self.0.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Writer {
    /// Starts the writer.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        health: HealthReport,
        bus: EventBus,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let written = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(run(store, clock, queue, health, bus, written.clone()));
        (Self { jobs, written }, task)
    }

    /// Hands inbounds and receipts in, keeping the order of calls.
    pub(crate) async fn accept(
        &self,
        items: Vec<Accept>,
        receipts: Vec<Receipt>,
    ) -> Pending<Reception> {
        self.enqueue(|answer| Job::Accept {
            items,
            receipts,
            answer,
        })
        .await
    }

    pub(crate) async fn claim(&self, claim: Claim) -> Result<ClaimOutcome> {
        self.enqueue(|answer| Job::Claim(Box::new(claim), answer))
            .await
            .answer()
            .await
    }

    pub(crate) async fn record(&self, record: Record) -> Pending<Recorded> {
        self.enqueue(|answer| Job::Record(Box::new(record), answer))
            .await
    }

    pub(crate) async fn finish(&self, finish: Finish) -> Result<Finished> {
        self.enqueue(|answer| Job::Finish(Box::new(finish), answer))
            .await
            .answer()
            .await
    }

    pub(crate) async fn attempt(&self, attempt: Attempt) -> Result<Attempted> {
        self.enqueue(|answer| Job::Attempt(Box::new(attempt), answer))
            .await
            .answer()
            .await
    }

    /// Hands a settlement in. It is evidence: if it is lost the attempt is in
    /// doubt, which is settled again.
    pub(crate) async fn settle(&self, settle: Settle) -> Result<()> {
        self.enqueue(|answer| Job::Settle(Box::new(settle), answer))
            .await
            .answer()
            .await
    }

    pub(crate) async fn renew(&self, renewals: Vec<Renew>) -> Result<Vec<Result<Renewed>>> {
        self.enqueue(|answer| Job::Renew(renewals, answer))
            .await
            .answer()
            .await
    }

    /// Batches written so far.
    pub(crate) fn batches(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    async fn enqueue<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Pending<T> {
        let (answer, pending) = oneshot::channel();
        // A writer that is gone drops the job, and with it the answer.
        let _ = self.jobs.send(job(answer)).await;
        Pending(pending)
    }
}

async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    mut queue: mpsc::Receiver<Job>,
    health: HealthReport,
    bus: EventBus,
    written: Arc<AtomicU64>,
) {
    let mut jobs = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut jobs, BATCH).await > 0 {
        if jobs.iter().all(Job::may_ride) {
            // What somebody waits for mostly follows at once, and carries these.
            let _ = tokio::time::timeout(RIDE, queue.recv_many(&mut jobs, BATCH)).await;
        }
        let mut answers = Answers::default();
        let mut batch = Batch {
            now: clock.wall(),
            ..Batch::default()
        };
        let (size, began) = (jobs.len(), clock.monotonic());
        for job in jobs.drain(..) {
            answers.gather(&mut batch, job);
        }
        let applied = store.write(batch).await;
        health.note(&applied);
        let outcome = applied
            .as_ref()
            .map_or_else(|e| e.kind().as_str(), |_| "ok");
        let told = Draft::of(names::STORE_BATCH)
            .with("size", size)
            .with("took", clock.monotonic().saturating_sub(began))
            .with("outcome", outcome);
        bus.emit(told);
        match applied {
            Ok(applied) => answers.tell(applied),
            Err(error) => answers.fail(&error),
        }
        written.fetch_add(1, Ordering::Relaxed);
    }
}

/// Who waits for which part of a batch, in the batch's order.
#[derive(Default)]
struct Answers {
    accept: Vec<(usize, Answer<Reception>)>,
    claim: Vec<Answer<ClaimOutcome>>,
    record: Vec<Answer<Recorded>>,
    finish: Vec<Answer<Finished>>,
    attempt: Vec<Answer<Attempted>>,
    settle: Vec<Answer<()>>,
    renew: Vec<(usize, Answer<Vec<Result<Renewed>>>)>,
}

impl Answers {
    fn gather(&mut self, batch: &mut Batch, job: Job) {
        match job {
            Job::Accept {
                items,
                receipts,
                answer,
            } => {
                self.accept.push((items.len(), answer));
                batch.accept.extend(items);
                batch.receipts.extend(receipts);
            }
            Job::Claim(claim, answer) => {
                batch.claim.push(*claim);
                self.claim.push(answer);
            }
            Job::Record(record, answer) => {
                batch.record.push(*record);
                self.record.push(answer);
            }
            Job::Finish(finish, answer) => {
                batch.finish.push(*finish);
                self.finish.push(answer);
            }
            Job::Attempt(attempt, answer) => {
                batch.attempt.push(*attempt);
                self.attempt.push(answer);
            }
            Job::Settle(settle, answer) => {
                batch.settle.push(*settle);
                self.settle.push(answer);
            }
            Job::Renew(renewals, answer) => {
                self.renew.push((renewals.len(), answer));
                batch.renew.extend(renewals);
            }
        }
    }

    /// A caller that has gone away misses its answer, which is its choice.
    fn tell(self, applied: Applied) {
        let mut accepted = applied.accept.into_iter().zip(applied.taken);
        for (count, answer) in self.accept {
            let _ = answer.send(Ok(accepted.by_ref().take(count).collect()));
        }
        tell_each(self.claim, applied.claim);
        tell_each(self.record, applied.record);
        tell_each(self.finish, applied.finish);
        tell_each(self.attempt, applied.attempt);
        tell_each(self.settle, applied.settle);
        let mut renewed = applied.renew.into_iter();
        for (count, answer) in self.renew {
            let _ = answer.send(Ok(renewed.by_ref().take(count).collect()));
        }
    }

    fn fail(self, error: &Error) {
        for (_, answer) in self.accept {
            let _ = answer.send(Err(error.clone()));
        }
        for (_, answer) in self.renew {
            let _ = answer.send(Err(error.clone()));
        }
        fail_each(self.claim, error);
        fail_each(self.record, error);
        fail_each(self.finish, error);
        fail_each(self.attempt, error);
        fail_each(self.settle, error);
    }
}

fn tell_each<T>(answers: Vec<Answer<T>>, results: Vec<Result<T>>) {
    for (answer, result) in answers.into_iter().zip(results) {
        let _ = answer.send(result);
    }
}

fn fail_each<T>(answers: Vec<Answer<T>>, error: &Error) {
    for answer in answers {
        let _ = answer.send(Err(error.clone()));
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Unavailable, "the writer has stopped")
}
