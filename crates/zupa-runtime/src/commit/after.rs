//! What follows a commit: its deliveries on their way, and whoever watches told.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};
use zupa_core::store::{ClaimedTurn, Commit, Delivery, OutboxRow, TurnEnd, Verdict};
use zupa_core::{DeliveryId, DeliveryState, Hint, Nudge, Number};

use super::{Committer, Written, rows};
use crate::agent::within;
use crate::faults::Phase;
use crate::telemetry::hook_failed;
use crate::turn::Run;

impl Committer {
    /// Sends what the commit has put on the wire, and tells whoever watches.
    pub(super) async fn follow_up(
        &self,
        run: &Run,
        end: &TurnEnd,
        written: Written,
        since: Duration,
    ) {
        let turn = &*run.turn;
        log(turn, end);
        self.tell(run, end, &written);
        self.faults.mark(turn.turn.0, phase(end)).await;
        match end {
            TurnEnd::Release => return,
            TurnEnd::Retry { .. } | TurnEnd::Split { .. } => {}
            TurnEnd::Commit(_) if written.held => {
                self.backlog_down(turn.inbounds.len() as u64);
                // Nobody has heard it.
                self.memory.forget(turn.conversation);
            }
            TurnEnd::Commit(commit) => {
                self.backlog_down(turn.inbounds.len() as u64);
                let numbers = &written.numbers;
                self.memory
                    .committed(turn, commit, written.entries, numbers);
                for (ordinal, (row, number)) in commit.outbound.iter().zip(numbers).enumerate() {
                    let ordinal = run.said() + ordinal as u32;
                    self.hand_over(turn, row, *number, ordinal, since).await;
                }
                self.tell_hook(turn, commit);
            }
        }
        self.doors
            .hint(&turn.address, Hint::End { turn: turn.turn });
        let sent_by_commit = rows(end).iter().any(|row| row.state == DeliveryState::Sent);
        if sent_by_commit && !written.held {
            self.doors.hint(&turn.address, Hint::Look);
            self.wakeup.wake(Nudge::News(turn.address.clone()));
        }
    }

    async fn hand_over(
        &self,
        turn: &ClaimedTurn,
        row: &OutboxRow,
        number: Number,
        ordinal: u32,
        since: Duration,
    ) {
        match row.state {
            DeliveryState::Sending => {
                let delivery = Delivery {
                    id: DeliveryId {
                        turn: turn.turn,
                        ordinal,
                    },
                    conversation: turn.conversation,
                    number,
                    to: turn.address.clone(),
                    content: row.outbound.content.clone(),
                    lane: row.outbound.lane,
                    state: DeliveryState::Sending,
                    attempts: 1,
                    tried_at: Some(self.clock.wall()),
                };
                self.deliveries.send_now(delivery, since).await;
            }
            DeliveryState::Queued => self.deliveries.look(turn.conversation),
            _ => {}
        }
    }

    /// Beside the path: a hook that is slow holds nobody up.
    fn tell_hook(&self, turn: &ClaimedTurn, commit: &Commit) {
        let Some(hook) = self.agent.on_reply.clone() else {
            return;
        };
        let (bus, failed) = (self.bus.clone(), hook_failed(turn, "on_reply"));
        let (turn, time) = (turn.turn, self.settings.policies.tool.timeout);
        let rows = commit.outbound.iter();
        let said: Vec<_> = rows.map(|row| row.outbound.content.clone()).collect();
        self.hooks.spawn(async move {
            if let Err(error) = within(time, hook.on_reply(turn, &said)).await {
                warn!(turn_id = %turn, %error, "a hook after the reply failed");
                bus.emit(failed.with("class", error.kind().as_str()));
            }
        });
    }

    fn backlog_down(&self, by: u64) {
        let _ = self
            .backlog
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                Some(open.saturating_sub(by))
            });
    }
}

/// One line for each end of a run, with every id that exists.
fn log(turn: &ClaimedTurn, end: &TurnEnd) {
    let (what, why) = match end {
        TurnEnd::Commit(commit) => match &commit.verdict {
            Verdict::Answered => ("answered", None),
            Verdict::Silent(why) => ("ended a turn without a word", Some(why)),
            Verdict::Refused(why) => ("turned messages away", Some(why)),
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
