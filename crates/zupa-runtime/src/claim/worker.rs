//! One worker takes one conversation through claim, turn and commit, once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use zupa_core::store::{Claim, ClaimMode, ClaimOutcome, ClaimedTurn, Verdict};
use zupa_core::{
    Clock, ConversationId, Error, ErrorKind, Ids, Outbound, ProcessId, Timestamp, TurnId,
};

use super::InFlight;
use super::limits::{Limits, TurnedAway};
use crate::commit::{Committer, Done, End};
use crate::doors::Doors;
use crate::faults::{Faults, Phase};
use crate::graph::Engine;
use crate::settings::Settings;
use crate::telemetry;
use crate::turn::{Path, Run};
use crate::writer::Writer;

/// When to look at the conversation again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// At this time.
    Due(Timestamp),
    /// At this time, after an error.
    Retry(Timestamp),
    /// When somebody says so.
    Idle,
}

/// What came of asking for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// It ran, or there was none to run.
    Ended(Next),
    /// It is suspected of deaths and has to run in this mode.
    Suspected(ClaimMode),
}

/// What a worker needs, shared by all.
pub(crate) struct Worker {
    pub process: ProcessId,
    pub writer: Writer,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub doors: Doors,
    pub settings: Arc<Settings>,
    pub path: Arc<Path>,
    pub engine: Arc<dyn Engine>,
    pub committer: Committer,
    pub in_flight: Arc<InFlight>,
    pub limits: Limits,
    /// What whoever asks for too much is told; empty: nothing.
    pub overload: String,
    /// Set when the process is stopping: no new effect starts.
    pub stopping: CancellationToken,
    pub faults: Faults,
}

impl Worker {
    /// Claims, runs and ends one turn of a conversation.
    pub(crate) async fn run(&self, conversation: ConversationId, mode: ClaimMode) -> Ran {
        let asked = self.clock.monotonic();
        let next = match self.claim(conversation, mode).await {
            Ok(ClaimOutcome::Taken(turn)) => self.run_claimed(*turn, asked).await,
            Ok(ClaimOutcome::NotYet(at)) => Next::Due(at),
            Ok(ClaimOutcome::Suspected(mode)) => return Ran::Suspected(mode),
            Ok(ClaimOutcome::Held(until)) => self.after_holder(until),
            // A newer binary takes it, or a human has it.
            Ok(ClaimOutcome::Nothing | ClaimOutcome::Newer | ClaimOutcome::Paused) => Next::Idle,
            Err(error) => {
                warn!(conversation_id = %conversation, %error, "could not claim");
                Next::Retry(self.clock.wall().plus(self.settings.poll))
            }
        };
        Ran::Ended(next)
    }

    /// Whoever holds a conversation for long goes on with it by himself, and if he
    /// dies the poll finds it. Before the next poll it is worth a look.
    fn after_holder(&self, until: Timestamp) -> Next {
        if until <= self.clock.wall().plus(self.settings.poll) {
            Next::Due(until)
        } else {
            Next::Idle
        }
    }

    /// Runs and ends a turn whose claim was asked for at `asked`.
    pub(crate) async fn run_claimed(&self, turn: ClaimedTurn, asked: Duration) -> Next {
        let claim = self.in_flight.hold(&turn, asked);
        self.show(&turn).await;
        let run = Arc::new(Run::new(self.path.clone(), turn.into(), claim.into()));
        let end = if let Some(unread) = unread(&run.turn) {
            End::Failed(unread)
        } else if let Some(turned_away) = self.limits.turn_away(&run.turn, asked) {
            self.refuse(turned_away)
        } else {
            self.advance(&run).await
        };
        self.committer.commit(&run, end).await
    }

    /// Whoever asks for too much is told so, once in a while.
    fn refuse(&self, turned_away: TurnedAway) -> End {
        let said = self.overload.trim();
        let tell = turned_away.tell && !said.is_empty();
        End::Done(Done {
            verdict: Verdict::Refused(turned_away.reason.to_owned()),
            outbound: tell.then(|| Outbound::aside(said)).into_iter().collect(),
            keeps: None,
            waits: Vec::new(),
            settles: Vec::new(),
            facts: Vec::new(),
        })
    }

    async fn claim(
        &self,
        conversation: ConversationId,
        mode: ClaimMode,
    ) -> zupa_core::Result<ClaimOutcome> {
        let claim = Claim {
            conversation,
            turn: TurnId(self.ids.fresh()),
            process: self.process,
            expires_at: self.clock.wall().plus(self.settings.claim_expiry),
            mode,
            loads: self.engine.loads(),
        };
        self.writer.claim(claim).await
    }

    async fn show(&self, turn: &ClaimedTurn) {
        let bus = &self.path.bus;
        bus.emit(telemetry::claimed(turn, self.clock.wall()));
        let events: Vec<_> = turn
            .inbounds
            .iter()
            .map(|inbound| inbound.event.0)
            .collect();
        self.faults.mark_claimed(turn.turn.0, &events).await;
        if turn.runs > 1 {
            info!(turn_id = %turn.turn, turn.runs, "running a turn again");
        }
    }

    /// Runs the graph within the turn's deadline. A panic is a failure of this turn, not
    /// of the process.
    async fn advance(&self, run: &Arc<Run>) -> End {
        let turn = &run.turn;
        if self.stopping.is_cancelled() {
            return End::Release;
        }
        let nodes = AssertUnwindSafe(self.engine.run(run)).catch_unwind();
        let within_time = tokio::time::timeout(self.settings.turn_timeout, nodes);
        let ended = tokio::select! {
            // Nothing that the run does would be taken any more, so it may be
            // dropped wherever it is.
            () = run.claim.lost() => return End::Lost,
            ended = within_time => ended,
        };
        match ended {
            Ok(Ok(Ok(done))) => End::Done(done),
            Ok(Ok(Err(stop))) => stop.into(),
            Ok(Err(_panic)) => {
                self.faults.mark(turn.turn.0, Phase::Ended).await;
                End::Failed(Error::internal("a node panicked"))
            }
            Err(_elapsed) => {
                let error = Error::new(ErrorKind::Timeout, "the turn ran into its deadline")
                    .with_retry(zupa_core::Retry::Now);
                match run.is_waiting_for_model() {
                    true => End::Held(error),
                    false => End::Failed(error),
                }
            }
        }
    }
}

/// Why no turn is run over what a door could not read, which is taken alone: it gives up
/// at once, and asks nobody's limit.
fn unread(turn: &ClaimedTurn) -> Option<Error> {
    let payload = turn.inbounds.first()?.content.undecoded()?;
    Some(Error::invalid("its door could not read it").with("bytes", payload.len()))
}
