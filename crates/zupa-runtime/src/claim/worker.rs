//! One worker takes one conversation through claim, turn and commit, once.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use zupa_core::store::{Claim, ClaimMode, ClaimOutcome, ClaimedTurn, Renew};
use zupa_core::{
    Clock, ConversationId, Epoch, Error, ErrorKind, Hint, Ids, ProcessId, Stage, Timestamp, TurnId,
};

use crate::commit::{Committer, End};
use crate::faults::{Faults, Phase};
use crate::runtime::Doors;
use crate::settings::Settings;
use crate::turn::{self, Cx};
use crate::writer::Writer;

/// When to look at the conversation again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// At this time.
    Due(Timestamp),
    /// When somebody says so.
    Idle,
}

/// What a worker needs, shared by all.
pub(crate) struct Worker {
    pub process: ProcessId,
    pub writer: Writer,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub doors: Doors,
    pub settings: Arc<Settings>,
    pub turns: turn::Nodes,
    pub committer: Committer,
    pub in_flight: InFlight,
    /// Set when the process is stopping: no new effect starts.
    pub stopping: CancellationToken,
    pub faults: Faults,
}

impl Worker {
    /// Claims, runs and ends one turn of a conversation.
    pub(crate) async fn run(&self, conversation: ConversationId, mode: ClaimMode) -> Next {
        let turn = match self.claim(conversation, mode).await {
            Ok(ClaimOutcome::Taken(turn)) => turn,
            Ok(ClaimOutcome::NotYet(at) | ClaimOutcome::Held(at)) => return Next::Due(at),
            Ok(ClaimOutcome::Nothing) => return Next::Idle,
            Err(error) => {
                // The poll finds it again.
                warn!(conversation_id = %conversation, %error, "could not claim");
                return Next::Idle;
            }
        };
        self.run_claimed(&turn).await
    }

    /// Runs and ends a turn that is claimed.
    pub(crate) async fn run_claimed(&self, turn: &ClaimedTurn) -> Next {
        let _held = self.in_flight.hold(turn, self.clock.wall());
        self.show(turn).await;
        let end = self.advance(turn).await;
        self.committer.commit(turn, end).await
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
        };
        self.writer.claim(claim).await
    }

    async fn show(&self, turn: &ClaimedTurn) {
        let events: Vec<_> = turn
            .inbounds
            .iter()
            .map(|inbound| inbound.event.0)
            .collect();
        self.faults.mark_claimed(turn.turn.0, &events).await;
        if turn.runs > 1 {
            info!(turn_id = %turn.turn, turn.runs, "running a turn again");
        }
        self.doors.hint(
            &turn.address,
            Hint::Stage {
                turn: Some(turn.turn),
                stage: Stage::Claimed,
                at: self.clock.wall(),
                detail: (turn.runs > 1).then(|| format!("run {}", turn.runs)),
            },
        );
    }

    /// Runs the nodes within the turn's deadline. A panic is a failure of this
    /// turn, not of the process.
    async fn advance(&self, turn: &ClaimedTurn) -> End {
        if self.stopping.is_cancelled() {
            return End::Release;
        }
        let cx = Cx {
            turn,
            writer: &self.writer,
            clock: &*self.clock,
            doors: &self.doors,
            settings: &self.settings,
            stopping: &self.stopping,
            faults: &self.faults,
        };
        let nodes = AssertUnwindSafe(self.turns.run(&cx)).catch_unwind();
        match tokio::time::timeout(self.settings.turn_timeout, nodes).await {
            Ok(Ok(end)) => end,
            Ok(Err(_panic)) => {
                self.faults.mark(turn.turn.0, Phase::Ended).await;
                End::Failed(Error::internal("a node panicked"))
            }
            Err(_elapsed) => End::Failed(
                Error::new(ErrorKind::Timeout, "the turn ran into its deadline")
                    .with_retry(zupa_core::Retry::Now),
            ),
        }
    }
}

/// The claims that this process holds, so that long ones can be renewed.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight {
    held: Arc<Mutex<HashMap<ConversationId, (Epoch, Timestamp)>>>,
}

/// One claim; forgotten when dropped, on every path.
pub(crate) struct Held {
    conversation: ConversationId,
    in_flight: InFlight,
}

impl InFlight {
    fn hold(&self, turn: &ClaimedTurn, now: Timestamp) -> Held {
        self.lock().insert(turn.conversation, (turn.epoch, now));
        Held {
            conversation: turn.conversation,
            in_flight: self.clone(),
        }
    }

    /// Renewals for the claims that are older than a third of their expiry.
    pub(crate) fn renewals(&self, now: Timestamp, expiry: Duration) -> Vec<Renew> {
        self.lock()
            .iter()
            .filter(|(_, (_, since))| now.since(*since) >= expiry / 3)
            .map(|(conversation, (epoch, _))| Renew {
                conversation: *conversation,
                epoch: *epoch,
                expires_at: now.plus(expiry),
            })
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ConversationId, (Epoch, Timestamp)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.in_flight.lock().remove(&self.conversation);
    }
}
