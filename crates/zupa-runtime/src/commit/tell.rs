//! What the bus is told of the end of a run.

use zupa_core::bus::names;
use zupa_core::store::{ClaimedTurn, Commit, FailureNote, TurnEnd, Verdict};
use zupa_core::{DeliveryState, WaitState};

use super::{Committer, Written};
use crate::agent::EndReason;
use crate::telemetry::{of_turn, sent};
use crate::turn::Run;

impl Committer {
    /// Tells of an end that is written.
    pub(super) fn tell(&self, run: &Run, end: &TurnEnd, written: &Written) {
        if !self.bus.is_watched() {
            return;
        }
        let turn = &*run.turn;
        let of = |name| of_turn(turn, name);
        match end {
            TurnEnd::Release => {}
            TurnEnd::Retry {
                failure,
                not_before,
            } => {
                self.tell_failed(run, failure);
                let port = if failure.counts { "turn" } else { "model" };
                let retried = of(names::TURN_RETRIED)
                    .with("class", failure.kind.as_str())
                    .with("port", port)
                    .with("delay", not_before.since(self.clock.wall()));
                self.bus.emit(retried);
            }
            TurnEnd::Split { failure } => {
                self.tell_failed(run, failure);
                self.bus
                    .emit(of(names::TURN_SPLIT).with("class", failure.kind.as_str()));
            }
            TurnEnd::Commit(commit) => {
                match &commit.verdict {
                    Verdict::Answered => self.tell_committed(run, "answered"),
                    Verdict::Silent(_) => self.tell_committed(run, "silent"),
                    Verdict::Refused(_) => self.tell_committed(run, "refused"),
                    Verdict::Dead(failure) => {
                        self.tell_failed(run, failure);
                        let dead = of(names::TURN_DEAD)
                            .with("class", failure.kind.as_str())
                            .with("took", run.took())
                            .with("inbounds", turn.inbounds.len());
                        self.bus.emit(dead);
                    }
                }
                self.tell_left(run, commit, written);
            }
        }
    }

    /// Tells that a run's end is not known to be written.
    pub(super) fn tell_lost(&self, turn: &ClaimedTurn, reason: &'static str) {
        self.bus
            .emit(of_turn(turn, names::TURN_LOST).with("reason", reason));
    }

    fn tell_committed(&self, run: &Run, outcome: &'static str) {
        let committed = of_turn(&run.turn, names::TURN_COMMITTED)
            .with("outcome", outcome)
            .with("took", run.took())
            .with("runs", run.turn.runs)
            .with("inbounds", run.turn.inbounds.len());
        self.bus.emit(committed);
    }

    fn tell_failed(&self, run: &Run, failure: &FailureNote) {
        let failed = of_turn(&run.turn, names::TURN_FAILED)
            .with("class", failure.kind.as_str())
            .with("took", run.took());
        self.bus.emit(failed);
    }

    /// What a commit has left beside its end.
    fn tell_left(&self, run: &Run, commit: &Commit, written: &Written) {
        let of = |name| of_turn(&run.turn, name);
        for wait in &commit.waits {
            self.bus
                .emit(of(names::WAIT_OPENED).with("kind", wait.kind.as_str()));
        }
        // An answered wait was settled by its answer, before the turn that takes it up.
        let decided = run.settled().iter().map(|wait| wait.state);
        let decided = decided.filter(|state| *state != WaitState::Open);
        for state in decided.chain(commit.settles.iter().map(|(_, state)| *state)) {
            self.bus
                .emit(of(names::WAIT_SETTLED).with("state", state.as_str()));
        }
        for noted in run.noted() {
            if noted.action == EndReason::ENDED {
                let reason = EndReason::ALL.into_iter().map(EndReason::as_str);
                let reason = reason.into_iter().find(|word| *word == noted.reason);
                self.bus
                    .emit(of(names::SESSION_ENDED).with("reason", reason.unwrap_or("other")));
            }
        }
        if !written.held {
            let rows = commit.outbound.iter();
            for _ in rows.filter(|row| row.state == DeliveryState::Sent) {
                self.bus.emit(sent(&run.turn));
            }
        }
    }
}
