//! The claims that this process holds, and until when each is known to hold.
//!
//! Known is what the store has answered: a claim or a renewal holds for its
//! expiry, counted from the moment before it was handed in, on the clock that
//! does not jump. A process that was stopped for a while so finds out by itself
//! that others may have taken over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;
use zupa_core::store::{ClaimedTurn, Renew, Renewed};
use zupa_core::{Clock, ConversationId, Epoch, Result, TurnId};

use crate::turn::Stop;
use crate::writer::Writer;

/// The claims of this process. Shared by its workers and the one that renews.
#[derive(Debug)]
pub(crate) struct InFlight {
    clock: Arc<dyn Clock>,
    expiry: Duration,
    held: Mutex<HashMap<ConversationId, Grip>>,
    stale: AtomicU64,
}

/// What is known of one claim.
#[derive(Debug)]
struct Grip {
    turn: TurnId,
    epoch: Epoch,
    /// On the monotonic clock.
    until: Duration,
    lost: CancellationToken,
    /// Somebody else has come for the conversation.
    called: CancellationToken,
    /// A human has it: whoever watches is shown nothing any more.
    silenced: Arc<AtomicBool>,
    /// Its end is being written: a renewal that finds no claim says nothing.
    ending: bool,
}

/// One claim in the hands of its worker; forgotten when dropped, on every path.
#[derive(Debug)]
pub(crate) struct Held {
    conversation: ConversationId,
    turn: TurnId,
    epoch: Epoch,
    lost: CancellationToken,
    called: CancellationToken,
    silenced: Arc<AtomicBool>,
    in_flight: Arc<InFlight>,
}

impl InFlight {
    pub(crate) fn new(clock: Arc<dyn Clock>, expiry: Duration) -> Arc<Self> {
        Arc::new(Self {
            clock,
            expiry,
            held: Mutex::default(),
            stale: AtomicU64::new(0),
        })
    }

    /// Takes note of a claim that was asked for at `asked`.
    pub(crate) fn hold(self: &Arc<Self>, turn: &ClaimedTurn, asked: Duration) -> Held {
        let (lost, called) = (CancellationToken::new(), CancellationToken::new());
        let silenced = Arc::new(AtomicBool::new(false));
        let grip = Grip {
            turn: turn.turn,
            epoch: turn.epoch,
            until: asked.saturating_add(self.expiry),
            lost: lost.clone(),
            called: called.clone(),
            silenced: silenced.clone(),
            ending: false,
        };
        self.lock().insert(turn.conversation, grip);
        Held {
            conversation: turn.conversation,
            turn: turn.turn,
            epoch: turn.epoch,
            lost,
            called,
            silenced,
            in_flight: self.clone(),
        }
    }

    /// Tells a run that its conversation has more work, if one is at it.
    pub(crate) fn call(&self, conversation: ConversationId) {
        if let Some(grip) = self.lock().get(&conversation) {
            grip.called.cancel();
        }
    }

    /// Has a run show nothing any more: a human has taken its conversation.
    pub(crate) fn silence(&self, conversation: ConversationId) {
        if let Some(grip) = self.lock().get(&conversation) {
            grip.silenced.store(true, Ordering::Relaxed);
        }
    }

    /// Renews the claims that have used up a third of their time.
    pub(crate) async fn renew(&self, writer: &Writer) {
        let asked = self.clock.monotonic();
        let wishes = self.wishes(asked);
        if wishes.is_empty() {
            return;
        }
        match writer.renew(wishes.clone()).await {
            Ok(answers) => {
                for (wish, answer) in wishes.iter().zip(answers) {
                    self.note(wish, asked, &answer);
                }
            }
            Err(error) => warn!(%error, claims = wishes.len(), "could not renew claims"),
        }
    }

    /// Writes that were refused, or not even tried, because a claim was lost.
    pub(crate) fn stale(&self) -> u64 {
        self.stale.load(Ordering::Relaxed)
    }

    fn wishes(&self, now: Duration) -> Vec<Renew> {
        let expires_at = self.clock.wall().plus(self.expiry);
        let fresh = self.expiry * 2 / 3;
        self.lock()
            .iter()
            .filter(|(_, grip)| !grip.ending && !grip.lost.is_cancelled())
            .filter(|(_, grip)| grip.until.saturating_sub(now) <= fresh)
            .map(|(conversation, grip)| Renew {
                conversation: *conversation,
                turn: grip.turn,
                epoch: grip.epoch,
                expires_at,
            })
            .collect()
    }

    fn note(&self, wish: &Renew, asked: Duration, answer: &Result<Renewed>) {
        let mut held = self.lock();
        let Some(grip) = held
            .get_mut(&wish.conversation)
            .filter(|grip| (grip.turn, grip.epoch) == (wish.turn, wish.epoch))
        else {
            return;
        };
        match answer {
            Ok(Renewed::Held) => grip.until = asked.saturating_add(self.expiry).max(grip.until),
            Ok(Renewed::Lost) if !grip.ending => self.lose(grip),
            Ok(Renewed::Lost) | Err(_) => {}
        }
    }

    fn lose(&self, grip: &mut Grip) {
        if !grip.lost.is_cancelled() {
            grip.lost.cancel();
            grip.until = Duration::ZERO;
            self.stale.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, Grip>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// How long the claim is known to hold from now on.
    pub(crate) fn left(&self) -> Duration {
        let now = self.in_flight.clock.monotonic();
        self.with(|grip| grip.until.saturating_sub(now))
            .unwrap_or_default()
    }

    /// Ends the run if nothing is known to be left of its claim: somebody else
    /// may be at work on it. To be asked just before each call that is felt
    /// outside.
    pub(crate) fn check(&self) -> std::result::Result<(), Stop> {
        if self.left() > Duration::ZERO {
            return Ok(());
        }
        self.with(|grip| self.in_flight.lose(grip));
        Err(Stop::Lost)
    }

    /// Waits until the claim is known to be lost. Cancel safe.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Waits until somebody else has come for the conversation. Cancel safe.
    pub(crate) async fn called(&self) {
        self.called.cancelled().await;
    }

    /// True once a human is known to have taken the conversation.
    pub(crate) fn is_silenced(&self) -> bool {
        self.silenced.load(Ordering::Relaxed)
    }

    /// The end of the run is about to be written: no more renewals.
    pub(crate) fn ending(&self) {
        self.with(|grip| grip.ending = true);
    }

    /// Counts writes that were refused under this claim.
    pub(crate) fn refused(&self, writes: u64) {
        self.in_flight.stale.fetch_add(writes, Ordering::Relaxed);
    }

    fn with<T>(&self, look: impl FnOnce(&mut Grip) -> T) -> Option<T> {
        let mut held = self.in_flight.lock();
        held.get_mut(&self.conversation)
            .filter(|grip| (grip.turn, grip.epoch) == (self.turn, self.epoch))
            .map(look)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.in_flight.lock();
        if held
            .get(&self.conversation)
            .is_some_and(|grip| (grip.turn, grip.epoch) == (self.turn, self.epoch))
        {
            held.remove(&self.conversation);
        }
    }
}
