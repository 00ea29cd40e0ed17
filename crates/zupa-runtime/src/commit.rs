//! Stop 4, `commit`: a run's end becomes durable, all or nothing.
//!
//! *Arrives*: a claimed turn and how its run ended.
//! *Leaves*: one transaction with the range's end, outbox rows and audit; then
//! the first delivery on its way, and whoever watches told.
//! *If the process dies here*: before the commit nothing happened and the turn
//! runs again; after it the outbox rows are sent at the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::{info, warn};
use zupa_core::audit::{self, AuditEntry, AuditHead, AuditLink};
use zupa_core::store::{
    ClaimedTurn, Commit, Delivery, FailureNote, Finish, Finished, OutboxRow, TurnEnd, Verdict,
};
use zupa_core::{
    Acknowledges, Clock, Content, DeliveryId, DeliveryState, Error, Hint, Ids, Lane, Nudge, Number,
    Outbound, Stage, Wakeup,
};

use crate::claim::{Held, Next};
use crate::deliver::DeliveryQueue;
use crate::faults::{Faults, Phase};
use crate::memory::Memory;
use crate::retry::{self, Pauses, may_pass};
use crate::runtime::Doors;
use crate::settings::{Agent, Settings};
use crate::turn::Journal;
use crate::writer::Writer;

/// How often a commit is chained anew when the audit head has moved.
const CHAINED_ANEW: u32 = 5;

/// How a run of a turn ended.
#[derive(Debug)]
pub(crate) enum End {
    /// With something to say.
    Answered(Vec<Outbound>),
    /// With nothing to say, and why.
    Silent(String),
    /// With an error.
    Failed(Error),
    /// Not at all: the process is stopping.
    Release,
    /// Not at all: nothing is left of its claim, so nothing may be written.
    Lost,
    /// The store could not be asked or told. The claim is left to expire.
    Unwritten(Error),
}

/// The stop and what it needs.
pub(crate) struct Committer {
    pub writer: Writer,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub doors: Doors,
    pub agent: Arc<Agent>,
    pub settings: Arc<Settings>,
    pub deliveries: DeliveryQueue,
    pub memory: Arc<Memory>,
    pub wakeup: Arc<dyn Wakeup>,
    pub backlog: Arc<AtomicU64>,
    pub faults: Faults,
}

impl Committer {
    /// Writes the end of a run and follows it up. Answers when the conversation
    /// has work again.
    pub(crate) async fn commit(
        &self,
        turn: &ClaimedTurn,
        end: End,
        claim: &Held,
        journal: &Journal,
    ) -> Next {
        let since = self.clock.monotonic();
        let end = match end {
            End::Answered(outbound) => self.consumed(turn, Verdict::Answered, outbound),
            End::Silent(why) => self.consumed(turn, Verdict::Silent(why), Vec::new()),
            End::Failed(error) => self.failed(turn, error),
            End::Release => TurnEnd::Release,
            End::Lost => {
                info!(turn_id = %turn.turn, epoch = turn.epoch.0, "a run lost its claim");
                self.let_go(turn);
                return Next::Due(self.clock.wall());
            }
            End::Unwritten(error) => {
                warn!(turn_id = %turn.turn, %error, "the store failed a turn; it runs again");
                self.let_go(turn);
                return Next::Due(self.clock.wall().plus(self.settings.claim_expiry));
            }
        };
        claim.ending();
        self.faults.mark(turn.turn.0, Phase::Committing).await;
        match self.write(turn, &end, claim, journal).await {
            Ok(Finished::Done { numbers, due_at }) => {
                self.follow_up(turn, &end, &numbers, since).await;
                due_at.map_or(Next::Idle, Next::Due)
            }
            // The answer was lost. This run held the claim, so nobody but it can
            // have told or sent anything of this end.
            Ok(Finished::Already { numbers, due_at }) if numbers.len() == rows(&end).len() => {
                self.follow_up(turn, &end, &numbers, since).await;
                due_at.map_or(Next::Idle, Next::Due)
            }
            Ok(Finished::Already { .. } | Finished::Stale | Finished::HeadMoved(_)) => {
                claim.refused(1 + journal.refused().await);
                info!(turn_id = %turn.turn, epoch = turn.epoch.0, "a stale run wrote nothing");
                self.let_go(turn);
                Next::Idle
            }
            Err(error) => {
                // What was recorded is not paid again when the claim expires.
                warn!(turn_id = %turn.turn, %error, "could not commit; the turn runs again");
                self.let_go(turn);
                Next::Due(self.clock.wall().plus(self.settings.claim_expiry))
            }
        }
    }

    /// Nothing of the run is known to be written. Somebody else may go on.
    fn let_go(&self, turn: &ClaimedTurn) {
        self.memory.forget(turn.conversation);
        self.doors
            .hint(&turn.address, Hint::End { turn: turn.turn });
    }

    fn consumed(&self, turn: &ClaimedTurn, verdict: Verdict, outbound: Vec<Outbound>) -> TurnEnd {
        let door = self.doors.capabilities(&turn.address.channel);
        let now = self.clock.wall();
        let outbound = outbound
            .into_iter()
            .enumerate()
            .map(|(ordinal, outbound)| {
                let state = match door.map(|door| door.acknowledges) {
                    Some(Acknowledges::AtCommit) => DeliveryState::Sent,
                    // The head of an empty outbox goes at once: this commit is
                    // the record of its first attempt.
                    Some(Acknowledges::OnSend) if ordinal == 0 && !turn.outbox_busy => {
                        DeliveryState::Sending
                    }
                    Some(Acknowledges::OnSend) | None => DeliveryState::Queued,
                };
                let answer_by = (state == DeliveryState::Sending)
                    .then(|| now.plus(self.settings.channel_timeout * 2));
                OutboxRow {
                    outbound,
                    state,
                    answer_by,
                }
            })
            .collect();
        TurnEnd::Commit(Commit { verdict, outbound })
    }

    /// The provider's failures are waited out. A failure on this input is tried
    /// again if it may pass, then narrowed down to the inbound that causes it,
    /// and given up.
    fn failed(&self, turn: &ClaimedTurn, error: Error) -> TurnEnd {
        let counts = !error.is_about_provider();
        let failure = FailureNote {
            kind: error.kind(),
            // A provider's words; no store has to hold NUL.
            message: error.to_string().replace('\0', "\u{fffd}"),
            counts,
        };
        let in_a_row = 1 + if counts {
            turn.failures
        } else {
            turn.provider_failures
        };
        if !counts || (error.is_transient() && in_a_row <= self.settings.retries) {
            let delay = retry::delay(&self.settings, in_a_row, &error, self.ids.random());
            return TurnEnd::Retry {
                not_before: self.clock.wall().plus(delay),
                failure,
            };
        }
        if turn.inbounds.len() > 1 {
            return TurnEnd::Split { failure };
        }
        let apology = (!self.agent.fallback.is_empty()).then(|| Outbound {
            content: Content::text(&self.agent.fallback),
            lane: Lane::Reply,
        });
        self.consumed(turn, Verdict::Dead(failure), apology.into_iter().collect())
    }

    /// Hands the end in until it is answered: behind a head that has moved, and
    /// again after a failure that may pass, as long as something is left of the
    /// claim. A repeated end is known by its turn and epoch.
    async fn write(
        &self,
        turn: &ClaimedTurn,
        end: &TurnEnd,
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
            audit: self.audit(turn, end, turn.audit),
        };
        loop {
            match self.writer.finish(finish.clone()).await {
                Ok(Finished::HeadMoved(moved)) if heads_moved < CHAINED_ANEW => {
                    heads_moved += 1;
                    finish.audit_head = moved;
                    finish.audit = self.audit(turn, end, moved);
                }
                Ok(Finished::Stale) if pauses.taken() && claim.left() > Duration::ZERO => {
                    return Ok(written_unheard(end));
                }
                Err(error) if may_pass(&error) && claim.left() > Duration::ZERO => {
                    if !pauses.taken() {
                        warn!(turn_id = %turn.turn, %error, "could not commit; trying again");
                    }
                    tokio::time::sleep(pauses.next().min(claim.left())).await;
                    journal.hand_in_again(&self.writer).await;
                }
                finished => return finished,
            }
        }
    }

    fn audit(&self, turn: &ClaimedTurn, end: &TurnEnd, mut head: AuditHead) -> Vec<AuditLink> {
        let (action, reason, outbound) = match end {
            TurnEnd::Commit(commit) => match &commit.verdict {
                Verdict::Answered => ("turn.answered", String::new(), &commit.outbound[..]),
                Verdict::Silent(why) => ("turn.silent", why.clone(), &commit.outbound[..]),
                Verdict::Dead(failure) => {
                    ("turn.dead", failure.message.clone(), &commit.outbound[..])
                }
            },
            TurnEnd::Split { failure } => ("turn.split", failure.message.clone(), &[][..]),
            // Not an end of anything: the row says when and why.
            TurnEnd::Retry { .. } | TurnEnd::Release => return Vec::new(),
        };
        let salt = (!outbound.is_empty()).then(|| self.ids.random());
        let said: String = outbound
            .iter()
            .map(|row| row.outbound.content.as_prompt_text())
            .collect();
        let entry = AuditEntry {
            at: self.clock.wall(),
            actor: format!("agent:{}", self.agent.name),
            action: action.into(),
            reason,
            turn: Some(turn.turn),
            config: self.settings.config,
            commitment: salt.map(|salt| audit::commitment(salt, said.as_bytes())),
        };
        vec![head.append(&turn.conversation.to_string(), entry, salt)]
    }

    /// Sends what the commit has put on the wire, and tells whoever watches.
    async fn follow_up(
        &self,
        turn: &ClaimedTurn,
        end: &TurnEnd,
        numbers: &[Number],
        since: Duration,
    ) {
        log(turn, end);
        self.faults.mark(turn.turn.0, phase(end)).await;
        let (stage, detail) = match end {
            TurnEnd::Release => return,
            TurnEnd::Retry { failure, .. } => (Stage::Retry, Some(failure.message.clone())),
            TurnEnd::Split { failure } => (Stage::Retry, Some(failure.message.clone())),
            TurnEnd::Commit(commit) => {
                self.backlog_down(turn.inbounds.len() as u64);
                self.memory.committed(turn, commit, numbers);
                for (ordinal, (row, number)) in commit.outbound.iter().zip(numbers).enumerate() {
                    self.hand_over(turn, row, *number, ordinal, since).await;
                }
                match &commit.verdict {
                    Verdict::Answered => (Stage::Committed, None),
                    Verdict::Silent(why) => (Stage::Committed, Some(why.clone())),
                    Verdict::Dead(failure) => (Stage::Dead, Some(failure.message.clone())),
                }
            }
        };
        let hint = |stage, detail| Hint::Stage {
            turn: Some(turn.turn),
            stage,
            at: self.clock.wall(),
            detail,
        };
        self.doors.hint(&turn.address, hint(stage, detail));
        self.doors
            .hint(&turn.address, Hint::End { turn: turn.turn });
        let sent_by_commit = rows(end).iter().any(|row| row.state == DeliveryState::Sent);
        if sent_by_commit {
            self.doors.hint(&turn.address, Hint::Look);
            self.wakeup.wake(Nudge::News(turn.address.clone()));
            self.doors.hint(&turn.address, hint(Stage::Sent, None));
        }
    }

    async fn hand_over(
        &self,
        turn: &ClaimedTurn,
        row: &OutboxRow,
        number: Number,
        ordinal: usize,
        since: Duration,
    ) {
        match row.state {
            DeliveryState::Sending => {
                let delivery = Delivery {
                    id: DeliveryId {
                        turn: turn.turn,
                        ordinal: ordinal as u32,
                    },
                    conversation: turn.conversation,
                    number,
                    to: turn.address.clone(),
                    content: row.outbound.content.clone(),
                    state: DeliveryState::Sending,
                    attempts: 1,
                };
                self.deliveries.send_now(delivery, since).await;
            }
            DeliveryState::Queued => self.deliveries.look(turn.conversation),
            _ => {}
        }
    }

    fn backlog_down(&self, by: u64) {
        let _ = self
            .backlog
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                Some(open.saturating_sub(by))
            });
    }
}

/// A claim that holds and is not there any more was ended by this very end,
/// whose answer was lost.
fn written_unheard(end: &TurnEnd) -> Finished {
    match end {
        TurnEnd::Retry { not_before, .. } => Finished::Done {
            numbers: Vec::new(),
            due_at: Some(*not_before),
        },
        TurnEnd::Release => Finished::Done {
            numbers: Vec::new(),
            due_at: None,
        },
        // A turn that has ended is answered as known.
        TurnEnd::Commit(_) | TurnEnd::Split { .. } => Finished::Stale,
    }
}

/// What an end sends.
fn rows(end: &TurnEnd) -> &[OutboxRow] {
    match end {
        TurnEnd::Commit(commit) => &commit.outbound,
        TurnEnd::Retry { .. } | TurnEnd::Split { .. } | TurnEnd::Release => &[],
    }
}

/// One line for each end of a run, with every id that exists.
fn log(turn: &ClaimedTurn, end: &TurnEnd) {
    let (what, why) = match end {
        TurnEnd::Commit(commit) => match &commit.verdict {
            Verdict::Answered => ("answered", None),
            Verdict::Silent(why) => ("ended a turn without a word", Some(why)),
            Verdict::Dead(failure) => ("gave a turn up", Some(&failure.message)),
        },
        TurnEnd::Retry { failure, .. } => ("will run a turn again", Some(&failure.message)),
        TurnEnd::Split { failure } => ("divides a turn", Some(&failure.message)),
        TurnEnd::Release => ("gave a claim back", None),
    };
    info!(
        turn_id = %turn.turn,
        conversation_id = %turn.conversation,
        request_id = turn.correlation.request_id,
        trace_id = turn.correlation.trace_id,
        event_id = turn.inbounds.first().map(|first| tracing::field::display(first.event)),
        inbounds = turn.inbounds.len(),
        runs = turn.runs,
        why,
        "{what}"
    );
}

fn phase(end: &TurnEnd) -> Phase {
    match end {
        TurnEnd::Commit(_) => Phase::Committed,
        TurnEnd::Retry { .. } | TurnEnd::Split { .. } | TurnEnd::Release => Phase::Ended,
    }
}
