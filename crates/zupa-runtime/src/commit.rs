//! Stop 4, `commit`: a run's end becomes durable, all or nothing.
//!
//! *Arrives*: a claimed turn and how its run ended.
//! *Leaves*: one transaction with the range's end, outbox rows and audit; then
//! the first delivery on its way, and whoever watches told.
//! *If the process dies here*: before the commit nothing happened and the turn
//! runs again; after it the outbox rows are sent at the next start.

mod after;
mod audit;
mod tell;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use zupa_core::store::{
    ClaimedTurn, Commit, FailureNote, Finish, Finished, OutboxRow, TurnEnd, Verdict,
};
use zupa_core::{
    Acknowledges, Capabilities, Clock, DeliveryState, EffectClass, Error, ErrorKind, EventBus,
    Fact, Hint, Ids, Lane, NewWait, Number, Outbound, Retry, StoredState, Timestamp, WaitId,
    WaitState, Wakeup,
};

use crate::agent::Agent;
use crate::claim::{Held, Next};
use crate::deliver::DeliveryQueue;
use crate::doors::Doors;
use crate::faults::{Faults, Phase};
use crate::fit::fit;
use crate::graph::Engine;
use crate::memory::Memory;
use crate::remind::{nobody_spoke, reminds_again};
use crate::resilience::Breaker;
use crate::retry::{Pauses, may_pass};
use crate::settings::Settings;
use crate::telemetry;
use crate::turn::{Journal, Noted, Run};
use crate::writer::Writer;

/// How often a commit is chained anew when the audit head has moved.
const CHAINED_ANEW: u32 = 5;

/// How a run of a turn ended.
#[derive(Debug)]
pub(crate) enum End {
    /// As the graph has it.
    Done(Done),
    /// With an error.
    Failed(Error),
    /// With an error of the model's provider, which no message is to blame for: it is
    /// waited out.
    Held(Error),
    /// Not at all: the process is stopping.
    Release,
    /// Not at all: nothing is left of its claim, so nothing may be written.
    Lost,
    /// The store could not be asked or told. The claim is left to expire.
    Unwritten(Error),
}

/// Whether a failure counts against the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    Yes,
    No,
}

/// What a graph leaves.
#[derive(Debug)]
pub(crate) struct Done {
    pub verdict: Verdict,
    pub outbound: Vec<Outbound>,
    pub keeps: Option<Keeps>,
    pub waits: Vec<NewWait>,
    pub settles: Vec<(WaitId, WaitState)>,
    pub facts: Vec<Fact>,
}

/// What a conversation keeps, and when its agent is to be woken if nobody says anything
/// before.
#[derive(Debug)]
pub(crate) struct Keeps {
    pub state: StoredState,
    pub wake_at: Option<Timestamp>,
}

/// What the store has made of an end.
struct Written {
    /// Of its outbox rows, in order.
    numbers: Vec<Number>,
    /// In the audit.
    entries: u64,
    /// A human has the conversation: nothing of it leaves.
    held: bool,
}

/// The stop and what it needs.
pub(crate) struct Committer {
    pub writer: Writer,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub doors: Doors,
    pub agent: Arc<Agent>,
    pub engine: Arc<dyn Engine>,
    pub settings: Arc<Settings>,
    pub deliveries: DeliveryQueue,
    pub memory: Arc<Memory>,
    pub wakeup: Arc<dyn Wakeup>,
    pub bus: EventBus,
    pub backlog: Arc<AtomicU64>,
    /// Hooks that are at work; a shutdown waits for them.
    pub hooks: TaskTracker,
    pub faults: Faults,
}

impl Committer {
    /// Writes the end of a run and follows it up. Answers when the conversation
    /// has work again.
    pub(crate) async fn commit(&self, run: &Run, end: End) -> Next {
        let (turn, claim, journal) = (&*run.turn, &*run.claim, &run.journal);
        let since = self.clock.monotonic();
        let end = match end {
            End::Done(done) => self.done(run, done),
            End::Failed(error) => self.failed(run, error, Counts::Yes),
            // Nonsense may be the doing of one input: it gets the ordinary attempts.
            End::Held(error) if error.kind() == ErrorKind::Protocol => {
                self.failed(run, error.with_retry(Retry::Now), Counts::Yes)
            }
            End::Held(error) => self.failed(run, error, Counts::No),
            End::Release => TurnEnd::Release,
            End::Lost => {
                info!(turn_id = %turn.turn, epoch = turn.epoch.0, "a run lost its claim");
                self.tell_lost(turn, "claim");
                self.let_go(turn);
                return Next::Due(self.clock.wall());
            }
            End::Unwritten(error) => {
                warn!(turn_id = %turn.turn, %error, "the store failed a turn; it runs again");
                self.tell_lost(turn, "store");
                self.let_go(turn);
                return Next::Retry(self.clock.wall().plus(self.settings.claim_expiry));
            }
        };
        let noted = run.noted();
        claim.ending();
        self.faults.mark(turn.turn.0, Phase::Committing).await;
        match self.write(turn, &end, &noted, claim, journal).await {
            Ok(Finished::Done {
                numbers,
                due_at,
                held,
            }) => {
                let written = Written {
                    numbers,
                    entries: 1 + noted.len() as u64,
                    held,
                };
                self.follow_up(run, &end, written, since).await;
                next(&end, due_at)
            }
            // The answer was lost. This run held the claim, so nobody but it can
            // have told or sent anything of this end.
            Ok(Finished::Already {
                numbers,
                due_at,
                held,
            }) if numbers.len() == rows(&end).len() => {
                let written = Written {
                    numbers,
                    entries: 1 + noted.len() as u64,
                    held,
                };
                self.follow_up(run, &end, written, since).await;
                next(&end, due_at)
            }
            Ok(Finished::Already { .. } | Finished::Stale | Finished::HeadMoved(_)) => {
                claim.refused(1 + journal.refused().await);
                info!(turn_id = %turn.turn, epoch = turn.epoch.0, "a stale run wrote nothing");
                self.tell_lost(turn, "stale");
                self.let_go(turn);
                Next::Idle
            }
            Err(error) => {
                // What was recorded is not paid again when the claim expires.
                warn!(turn_id = %turn.turn, %error, "could not commit; the turn runs again");
                self.tell_lost(turn, "store");
                self.let_go(turn);
                Next::Retry(self.clock.wall().plus(self.settings.claim_expiry))
            }
        }
    }

    /// Nothing of the run is known to be written. Somebody else may go on.
    fn let_go(&self, turn: &ClaimedTurn) {
        self.memory.forget(turn.conversation);
        self.doors
            .hint(&turn.address, Hint::End { turn: turn.turn });
    }

    fn done(&self, run: &Run, mut done: Done) -> TurnEnd {
        done.waits.extend(reminds_again(run));
        TurnEnd::Commit(Commit {
            verdict: done.verdict,
            outbound: self.rows(run, done.outbound),
            wake_at: done.keeps.as_ref().and_then(|keeps| keeps.wake_at),
            state: done.keeps.map(|keeps| keeps.state),
            waits: done.waits,
            settles: done.settles,
            facts: done.facts,
        })
    }

    fn rows(&self, run: &Run, outbound: Vec<Outbound>) -> Vec<OutboxRow> {
        let turn = &run.turn;
        // What the turn has said already goes first.
        let outbox_busy = turn.outbox_busy || run.said() > 0;
        let door = self.doors.capabilities(&turn.address.channel);
        let has_preconditions = door.is_some_and(Capabilities::has_preconditions);
        let now = self.clock.wall();
        fit(outbound, door)
            .into_iter()
            .enumerate()
            .map(|(ordinal, outbound)| {
                let state = match door.map(|door| door.acknowledges) {
                    Some(Acknowledges::AtCommit) => DeliveryState::Sent,
                    // The head of an empty outbox goes at once: this commit is
                    // the record of its first attempt, if nobody has to be asked. What
                    // the person may not want to hear is looked at before.
                    Some(Acknowledges::OnSend)
                        if ordinal == 0
                            && !outbox_busy
                            && !has_preconditions
                            && outbound.lane == Lane::Reply =>
                    {
                        DeliveryState::Sending
                    }
                    Some(Acknowledges::OnSend) | None => DeliveryState::Queued,
                };
                let answer_by = (state == DeliveryState::Sending)
                    .then(|| now.plus(self.settings.policies.channel.timeout * 2));
                OutboxRow {
                    outbound,
                    state,
                    answer_by,
                }
            })
            .collect()
    }

    /// The provider's failures are waited out. A failure on this input is tried
    /// again if it may pass, then narrowed down to the inbound that causes it,
    /// and given up.
    fn failed(&self, run: &Run, error: Error, counts: Counts) -> TurnEnd {
        let turn = &run.turn;
        let counts = counts == Counts::Yes;
        let failure = FailureNote {
            kind: error.kind(),
            // A provider's words; no store has to hold NUL.
            message: error.to_string().replace('\0', "\u{fffd}"),
            counts,
            asked: matches!(error.retry(), Retry::After(_)) && !Breaker::has_refused(&error),
        };
        let in_a_row = 1 + if counts {
            turn.failures
        } else {
            turn.provider_failures
        };
        let policy = &self.settings.policies.turn;
        if !counts || (error.is_transient() && in_a_row <= policy.retries) {
            let random = self.ids.random();
            let delay = policy.backoff.delay(in_a_row, error.retry(), random);
            return TurnEnd::Retry {
                not_before: self.clock.wall().plus(delay),
                failure,
            };
        }
        // New turns would make effects again that this one has made.
        let matters = run
            .steps()
            .iter()
            .any(|step| step.class != EffectClass::Pure);
        if turn.inbounds.len() > 1 && !matters {
            return TurnEnd::Split { failure };
        }
        // Where nobody has spoken there is nobody to apologise to, and of what could not be
        // read nobody knows that it was said.
        let first = turn.inbounds.first().map(|first| &first.content);
        let is_unread = first.is_some_and(|content| content.undecoded().is_some());
        let spoken = !is_unread && !nobody_spoke(run);
        let apology = (spoken && !self.agent.fallback.trim().is_empty())
            .then(|| Outbound::reply(&self.agent.fallback));
        let rows = self.rows(run, apology.into_iter().collect());
        // The parked turn is given up with the one that was to go on for it; else every
        // later message would be taken for its answer.
        let settles = run.taken().map(|taken| (taken, WaitState::Cancelled));
        let keeps = match is_unread {
            true => None,
            false => self.engine.give_up(run),
        };
        TurnEnd::Commit(Commit {
            wake_at: keeps.as_ref().and_then(|keeps| keeps.wake_at),
            state: keeps.map(|keeps| keeps.state),
            waits: reminds_again(run).into_iter().collect(),
            settles: settles.into_iter().collect(),
            ..Commit::of(Verdict::Dead(failure), rows)
        })
    }

    /// Hands the end in until it is answered: behind a head that has moved, and
    /// again after a failure that may pass, as long as something is left of the
    /// claim. A repeated end is known by its turn and epoch.
    async fn write(
        &self,
        turn: &ClaimedTurn,
        end: &TurnEnd,
        noted: &[Noted],
        claim: &Held,
        journal: &Journal,
    ) -> zupa_core::Result<Finished> {
        let (mut heads_moved, mut pauses) = (0, Pauses::default());
        let mut finish = Finish {
            turn: turn.turn,
            conversation: turn.conversation,
            epoch: turn.epoch,
            end: end.clone(),
            audit_head: turn.audit,
            audit: self.audit(turn, end, noted, turn.audit),
        };
        loop {
            match self.writer.finish(finish.clone()).await {
                Ok(Finished::HeadMoved(moved)) if heads_moved < CHAINED_ANEW => {
                    heads_moved += 1;
                    finish.audit_head = moved;
                    finish.audit = self.audit(turn, end, noted, moved);
                }
                Ok(Finished::Stale) if pauses.taken() && claim.left() > Duration::ZERO => {
                    return Ok(written_unheard(end));
                }
                Err(error) if may_pass(&error) && claim.left() > Duration::ZERO => {
                    if !pauses.taken() {
                        warn!(turn_id = %turn.turn, %error, "could not commit; trying again");
                    }
                    let pause = pauses.next().min(claim.left());
                    self.bus
                        .emit(telemetry::call_retried("store", &error, pause));
                    tokio::time::sleep(pause).await;
                    journal.hand_in_again(&self.writer).await;
                }
                finished => return finished,
            }
        }
    }
}

/// A claim that holds and is not there any more was ended by this very end,
/// whose answer was lost.
fn written_unheard(end: &TurnEnd) -> Finished {
    match end {
        TurnEnd::Retry { not_before, .. } => Finished::Done {
            numbers: Vec::new(),
            due_at: Some(*not_before),
            held: false,
        },
        TurnEnd::Release => Finished::Done {
            numbers: Vec::new(),
            due_at: None,
            held: false,
        },
        // A turn that has ended is answered as known.
        TurnEnd::Commit(_) | TurnEnd::Split { .. } => Finished::Stale,
    }
}

/// When the conversation has work again.
fn next(end: &TurnEnd, due_at: Option<Timestamp>) -> Next {
    match (due_at, end) {
        (None, _) => Next::Idle,
        (Some(at), TurnEnd::Retry { .. }) => Next::Retry(at),
        (Some(at), _) => Next::Due(at),
    }
}

/// What an end sends.
fn rows(end: &TurnEnd) -> &[OutboxRow] {
    match end {
        TurnEnd::Commit(commit) => &commit.outbound,
        TurnEnd::Retry { .. } | TurnEnd::Split { .. } | TurnEnd::Release => &[],
    }
}
