//! One run of one turn: what all its nodes share.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use zupa_core::store::{ClaimedTurn, OutboxRow, Record, Recorded};
use zupa_core::{
    Claimed, Clock, DeliveryState, Digest, EffectClass, Error, EventBus, Hint, Ids, Step,
    Timestamp, TurnId, Wait, WaitId, Wakeup,
};

use super::{Given, Journal, Noted, Purse, Review, Stop};
use crate::claim::Held;
use crate::deliver::DeliveryQueue;
use crate::doors::Doors;
use crate::faults::{Faults, Phase};
use crate::resilience::Guards;
use crate::retry::{Pauses, may_pass};
use crate::settings::{JournalMode, Settings};
use crate::telemetry;
use crate::writer::Writer;

/// How long it takes to tell a person that the answer has to wait.
const TO_TELL: Duration = Duration::from_millis(200);

/// What every run of the process shares.
pub(crate) struct Path {
    pub writer: Writer,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub doors: Doors,
    pub settings: Arc<Settings>,
    pub deliveries: DeliveryQueue,
    pub guards: Arc<Guards>,
    pub wakeup: Arc<dyn Wakeup>,
    pub bus: EventBus,
    /// Set when the process is stopping: no new effect starts.
    pub stopping: CancellationToken,
    pub faults: Faults,
}

/// One run of one turn.
pub(crate) struct Run {
    pub path: Arc<Path>,
    pub turn: Arc<ClaimedTurn>,
    pub claim: Arc<Held>,
    pub journal: Journal,
    pub purse: Purse,
    root: OnceLock<TurnId>,
    /// The question that this run's messages answer.
    took: OnceLock<WaitId>,
    /// What the turn was given that this one goes on for after a review.
    given: OnceLock<(Vec<Claimed>, Vec<Wait>)>,
    /// What is recorded, by this run, by earlier ones, and by a parked turn that this
    /// one goes on with.
    steps: Mutex<Vec<Known>>,
    /// The next place in the journal, behind all that was ever recorded.
    ordinals: AtomicU32,
    noted: Mutex<Vec<Noted>>,
    /// Approvals that were taken, each for one step.
    used: Mutex<Vec<(WaitId, String)>>,
    said: AtomicU32,
    /// A model was asked and has not answered.
    waits_for_model: AtomicBool,
    until: Duration,
}

/// A journal entry, and what this run has to do with it.
struct Known {
    step: Step,
    /// This run has asked for it.
    visited: bool,
    /// It is not handed in yet.
    kept_back: bool,
    /// The key that it was recorded under, if its node had another name.
    was: Option<String>,
}

impl Known {
    fn before(step: Step) -> Self {
        Self {
            step,
            visited: false,
            kept_back: false,
            was: None,
        }
    }

    fn matters(&self) -> bool {
        self.step.class != EffectClass::Pure
    }
}

impl Run {
    pub(crate) fn new(path: Arc<Path>, turn: Arc<ClaimedTurn>, claim: Arc<Held>) -> Self {
        Self {
            root: OnceLock::new(),
            took: OnceLock::new(),
            given: OnceLock::new(),
            steps: Mutex::new(turn.steps.iter().cloned().map(Known::before).collect()),
            ordinals: AtomicU32::new(behind(&turn.steps)),
            noted: Mutex::default(),
            used: Mutex::default(),
            said: AtomicU32::new(turn.said),
            waits_for_model: AtomicBool::new(false),
            purse: Purse::of(&path.settings),
            journal: Journal::default(),
            until: path.clock.monotonic() + path.settings.turn_timeout,
            path,
            turn,
            claim,
        }
    }

    /// The first turn of a chain of parked ones: keys of effects come from it.
    pub(crate) fn root(&self) -> TurnId {
        *self.root.get().unwrap_or(&self.turn.turn)
    }

    /// Notes which question the run's messages answer.
    pub(crate) fn take(&self, question: WaitId) {
        let _ = self.took.set(question);
    }

    /// The question that the run's messages answer.
    pub(crate) fn taken(&self) -> Option<WaitId> {
        self.took.get().copied()
    }

    /// Knows steps by the names that their nodes have today.
    pub(crate) fn rename(&self, renamed: &[(String, String)]) {
        let mut steps = self.lock();
        for (old, new) in renamed {
            for place in 0..steps.len() {
                let Some(rest) = of_node(&steps[place].step.key, old) else {
                    continue;
                };
                let today = format!("{new}{rest}");
                let known = steps.iter().any(|known| known.step.key == today);
                // What was recorded under the new name counts; the old is done with.
                steps[place].visited |= known;
                if !known {
                    let was = std::mem::replace(&mut steps[place].step.key, today);
                    steps[place].was.get_or_insert(was);
                }
            }
        }
        drop(steps);
        for (_, by) in self.lock_used().iter_mut() {
            for (old, new) in renamed {
                if let Some(rest) = of_node(by, old) {
                    *by = format!("{new}{rest}");
                }
            }
        }
    }

    /// The key that a step was first recorded under: keys and questions that others hold
    /// are made from it.
    pub(crate) fn recorded_as(&self, key: &str) -> String {
        let steps = self.lock();
        let known = steps.iter().find(|known| known.step.key == key);
        let was = known.and_then(|known| known.was.clone());
        was.unwrap_or_else(|| key.to_owned())
    }

    /// Goes on with what another turn was given, and has used of it.
    pub(crate) fn goes_on_with(&self, given: Given) {
        self.lock_used().extend_from_slice(given.used());
        let _ = self.given.set(given.open());
    }

    /// What the turn is about.
    pub(crate) fn inbounds(&self) -> &[Claimed] {
        let given = self.given.get().map(|(inbounds, _)| inbounds);
        given.unwrap_or(&self.turn.inbounds)
    }

    /// What was settled for it.
    pub(crate) fn settled(&self) -> &[Wait] {
        let given = self.given.get().map(|(_, waits)| waits);
        given.unwrap_or(&self.turn.waits)
    }

    /// Goes on for a parked turn, in the middle of nodes that had recorded `steps`.
    pub(crate) fn inherit(&self, root: TurnId, steps: impl Iterator<Item = Step>) {
        let _ = self.root.set(root);
        let mut known = self.lock();
        for step in steps {
            self.ordinals.fetch_max(step.ordinal + 1, Ordering::Relaxed);
            if !known.iter().any(|mine| mine.step.key == step.key) {
                known.push(Known::before(step));
            }
        }
        known.sort_by_key(|known| known.step.ordinal);
    }

    /// Keeps something for the audit.
    pub(crate) fn audit(&self, noted: Noted) {
        let mut all = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(noted);
    }

    /// What was kept for the audit.
    pub(crate) fn noted(&self) -> Vec<Noted> {
        let all = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }

    /// What is recorded, in order.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.lock().iter().map(|known| known.step.clone()).collect()
    }

    /// Outbox rows that were written with steps.
    pub(crate) fn said(&self) -> u32 {
        self.said.load(Ordering::Relaxed)
    }

    /// When the newest claimed message was accepted: the same at every run.
    pub(crate) fn at(&self) -> Timestamp {
        let newest = self.turn.inbounds.last();
        newest
            .map(|inbound| inbound.accepted_at)
            .unwrap_or_default()
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.path.clock.wall()
    }

    /// What is left of the turn's time.
    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_sub(self.path.clock.monotonic())
    }

    /// What a model may take of it: the turn outlives the answer, so that a person can be
    /// told that there is none yet.
    pub(crate) fn left_for_model(&self) -> Duration {
        self.left().saturating_sub(TO_TELL)
    }

    /// Notes that a model is asked, or what came of it.
    pub(crate) fn waits_for_model(&self, waits: bool) {
        self.waits_for_model.store(waits, Ordering::Relaxed);
    }

    /// True from when a model is asked until it answers, and for as long as it fails.
    pub(crate) fn is_waiting_for_model(&self) -> bool {
        self.waits_for_model.load(Ordering::Relaxed)
    }

    /// How long the run has been at work.
    pub(crate) fn took(&self) -> Duration {
        let began = self.until.saturating_sub(self.path.settings.turn_timeout);
        self.path.clock.monotonic().saturating_sub(began)
    }

    /// No effect starts in a process that is stopping.
    pub(crate) fn may_go_on(&self) -> Result<(), Stop> {
        if self.path.stopping.is_cancelled() {
            return Err(Stop::Release);
        }
        Ok(())
    }

    /// Shows a passing sign to whoever watches the conversation.
    pub(crate) fn hint(&self, hint: Hint) {
        let is_seen = matches!(hint, Hint::Typing | Hint::Delta { .. });
        if is_seen && self.claim.is_silenced() {
            return;
        }
        self.path.doors.hint(&self.turn.address, hint);
    }

    /// What is known of an effect. One with another input is as unknown, unless
    /// effects that matter follow it: then an operator says how the turn goes on.
    pub(crate) fn known(&self, key: &str, input: Digest) -> Result<Option<Step>, Stop> {
        let mut steps = self.lock();
        let Some(place) = steps.iter().position(|known| known.step.key == key) else {
            return Ok(None);
        };
        if steps[place].visited {
            return Err(Stop::Failed(
                Error::invalid("two effects of one visit of a node have one name")
                    .with("step", key),
            ));
        }
        if steps[place].step.input == input {
            steps[place].visited = true;
            return Ok(Some(steps[place].step.clone()));
        }
        // The tail goes, but for what this run has asked for.
        let ordinal = steps[place].step.ordinal;
        let tail_of = |known: &Known| known.step.ordinal >= ordinal && !known.visited;
        if steps.iter().any(|known| tail_of(known) && known.matters()) {
            return Err(Stop::Review(Review::divergence(key)));
        }
        steps.retain(|known| !tail_of(known));
        Ok(None)
    }

    /// The run is about to end: every effect that matters must have been asked for again,
    /// or nobody would hear of it.
    pub(crate) fn check_journal(&self) -> Result<(), Stop> {
        let steps = self.lock();
        let mut forgotten = steps.iter().filter(|known| !known.visited);
        let first = forgotten.find(|known| known.matters());
        first.map_or(Ok(()), |known| {
            Err(Stop::Review(Review::divergence(&known.step.key)))
        })
    }

    /// Drops what this run has not asked for. Answers what of it matters.
    pub(crate) fn drop_tail(&self) -> Vec<Step> {
        let mut steps = self.lock();
        let dropped = steps.extract_if(.., |known| !known.visited);
        let dropped = dropped.filter(Known::matters);
        let dropped: Vec<Step> = dropped.map(|known| known.step).collect();
        drop(steps);
        self.uses_up(&dropped);
        dropped
    }

    /// The result of a step that this run has asked for.
    pub(super) fn result_of(&self, key: &str) -> Option<String> {
        let steps = self.lock();
        let known = steps.iter().find(|known| known.step.key == key)?;
        known.step.result.clone().filter(|_| known.visited)
    }

    /// Knows a step by another result than its record.
    pub(super) fn set_result(&self, key: &str, result: String) {
        let mut steps = self.lock();
        if let Some(known) = steps.iter_mut().find(|known| known.step.key == key) {
            known.step.result = Some(result);
        }
    }

    /// A journal entry in its place.
    pub(crate) fn step(
        &self,
        key: &str,
        input: Digest,
        class: EffectClass,
        result: Option<String>,
    ) -> Step {
        let mut steps = self.lock();
        let known = steps.iter().position(|known| known.step.key == key);
        let ordinal = known.map_or_else(
            || self.ordinals.fetch_add(1, Ordering::Relaxed),
            |place| steps[place].step.ordinal,
        );
        let step = Step {
            key: key.to_owned(),
            ordinal,
            input,
            class,
            result,
        };
        let now = Known {
            step: step.clone(),
            visited: true,
            kept_back: false,
            was: known.and_then(|place| steps[place].was.clone()),
        };
        match known {
            Some(place) => steps[place] = now,
            None => steps.push(now),
        }
        step
    }

    /// Hands a result in. Nothing waits for it: the commit goes through the same
    /// writer behind it, under the same fence, so it cannot be durable without it.
    /// With [`JournalMode::Turn`] it is kept back until an effect that matters follows.
    pub(crate) async fn ride(&self, step: Step) {
        if self.path.settings.journal == JournalMode::Turn {
            let mut steps = self.lock();
            if let Some(known) = steps.iter_mut().find(|known| known.step.key == step.key) {
                known.kept_back = true;
            }
            return;
        }
        self.hand_in(step).await;
    }

    async fn hand_in(&self, step: Step) {
        let record = self.record(step, Vec::new());
        if !self.path.faults.is_marking() {
            self.journal.hand_in(&self.path.writer, record).await;
        } else if self.journal.write(&self.path.writer, record).await {
            self.mark(Phase::Recorded).await;
        }
    }

    /// What was kept back goes in front of an effect that matters, so that the next run
    /// arrives there, too.
    async fn hand_in_kept_back(&self) {
        let kept_back: Vec<Step> = {
            let mut steps = self.lock();
            let kept_back = steps.iter_mut().filter(|known| known.kept_back);
            kept_back
                .map(|known| {
                    known.kept_back = false;
                    known.step.clone()
                })
                .collect()
        };
        for step in kept_back {
            self.hand_in(step).await;
        }
    }

    /// What led to an effect that matters is in the log before it: a run that came here
    /// another way would know nothing of it.
    async fn settle_journal(&self) -> Result<(), Stop> {
        let mut pauses = Pauses::default();
        while !self.journal.is_written(&self.path.writer).await {
            if self.claim.left() == Duration::ZERO {
                return Err(Stop::Lost);
            }
            tokio::time::sleep(pauses.next().min(self.claim.left())).await;
        }
        Ok(())
    }

    /// Writes an entry, and what is said with it, and waits until it is durable.
    pub(crate) async fn write(&self, step: Step, say: Vec<OutboxRow>) -> Result<(), Stop> {
        self.hand_in_kept_back().await;
        self.settle_journal().await?;
        let (rows, has_result) = (say.len() as u32, !step.is_intent());
        let sent = say.iter().filter(|row| row.state == DeliveryState::Sent);
        let sent = sent.count();
        let record = self.record(step, say);
        let mut pauses = Pauses::default();
        loop {
            let answer = self.path.writer.record(record.clone()).await.answer().await;
            match answer {
                Ok(Recorded::Written) => break,
                Ok(Recorded::Stale) => {
                    self.claim.refused(1);
                    return Err(Stop::Lost);
                }
                Err(error) if may_pass(&error) && self.claim.left() > Duration::ZERO => {
                    let pause = pauses.next().min(self.claim.left());
                    let retried = telemetry::call_retried("store", &error, pause);
                    self.path.bus.emit(retried);
                    tokio::time::sleep(pause).await;
                }
                Err(error) => return Err(Stop::Unwritten(error)),
            }
        }
        self.said.fetch_add(rows, Ordering::Relaxed);
        for _ in 0..sent {
            self.path.bus.emit(telemetry::sent(&self.turn));
        }
        if has_result {
            self.mark(Phase::Recorded).await;
        }
        Ok(())
    }

    pub(crate) async fn mark(&self, phase: Phase) {
        self.path.faults.mark(self.turn.turn.0, phase).await;
    }

    fn record(&self, step: Step, say: Vec<OutboxRow>) -> Record {
        Record {
            turn: self.turn.turn,
            conversation: self.turn.conversation,
            epoch: self.turn.epoch,
            run: self.turn.runs,
            step,
            say,
        }
    }

    pub(super) fn lock_used(&self) -> MutexGuard<'_, Vec<(WaitId, String)>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What follows a node's name in the key of one of its effects.
fn of_node<'k>(key: &'k str, node: &str) -> Option<&'k str> {
    key.strip_prefix(node).filter(|rest| rest.starts_with('/'))
}

fn behind(steps: &[Step]) -> u32 {
    steps.iter().map(|step| step.ordinal + 1).max().unwrap_or(0)
}
