//! What a node may use: the claimed messages, effects through the journal, and what
//! it leaves for the commit.

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zupa_core::{
    Address, Claimed, ConversationId, Digest, EffectClass, Error, Fact, NewWait, Reminder,
    Timestamp, TurnId, Wait, WaitId, WaitKind, WaitState,
};

use super::{Before, Run, Stop};
use crate::remind::{self, Reminded};

/// The context of one visit of one node.
pub struct Cx {
    pub(crate) run: Arc<Run>,
    node: Arc<str>,
    said: u32,
    pub(super) called: usize,
    pub(crate) gathered: Gathered,
    /// Other nodes run beside this one, and a review of theirs has it begin again.
    pub(crate) has_siblings: bool,
}

/// What a run leaves for its commit, beside its messages.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub waits: Vec<NewWait>,
    pub settles: Vec<(WaitId, WaitState)>,
    pub facts: Vec<Fact>,
    /// What is kept of the visit if it has to begin again.
    pub before: Option<Before>,
}

/// Something for the audit: what happened, and why. Holds no customer text.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    pub action: &'static str,
    pub reason: String,
}

impl Gathered {
    pub(crate) fn add(&mut self, other: Self) {
        self.waits.extend(other.waits);
        self.settles.extend(other.settles);
        self.facts.extend(other.facts);
    }
}

impl Cx {
    /// For a visit of a node: its name and which visit it is, from 1.
    pub(crate) fn new(run: Arc<Run>, node: Arc<str>) -> Self {
        Self {
            run,
            node,
            said: 0,
            called: 0,
            gathered: Gathered::default(),
            has_siblings: false,
        }
    }

    /// The turn.
    pub fn turn(&self) -> TurnId {
        self.run.turn.turn
    }

    /// Its conversation.
    pub fn conversation(&self) -> ConversationId {
        self.run.turn.conversation
    }

    /// Where the conversation is reached.
    pub fn address(&self) -> &Address {
        &self.run.turn.address
    }

    /// What the turn has claimed, in order. Never empty. In a turn that goes on after a
    /// review: what the one that was reviewed had claimed.
    pub fn inbounds(&self) -> &[Claimed] {
        self.run.inbounds()
    }

    /// What was settled so that this turn could go on for a parked one. In a turn that goes
    /// on after a review: what was settled for the one that was reviewed.
    pub fn settled(&self) -> &[Wait] {
        self.run.settled()
    }

    /// When the newest claimed message was accepted: the same at every run.
    pub fn now(&self) -> Timestamp {
        self.run.at()
    }

    /// Performs an effect that changes nothing outside, once: an earlier run's result
    /// for the same name and input is returned instead, and a new one is in the log
    /// before anything that depends on it. Names are unique within a visit.
    ///
    /// *Errors*: those of the effect; [`Stop::Release`] when the process is stopping.
    /// *Cancel safety*: the effect may have been made and not recorded; it is made
    /// again.
    pub async fn effect<T, F>(
        &mut self,
        name: &str,
        input: &impl Serialize,
        effect: impl FnOnce() -> F,
    ) -> Result<T, Stop>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T, Stop>>,
    {
        let (key, input) = (self.key(name), Digest::of_json(input));
        if let Some(result) = self.run.known(&key, input)?.and_then(|step| step.result)
            && let Ok(result) = serde_json::from_str(&result)
        {
            return Ok(result);
        }
        self.run.may_go_on()?;
        let result = effect().await?;
        let json = serde_json::to_string(&result)
            .map_err(|source| Error::internal("a step's result is not JSON").with_source(source))?;
        let step = self.run.step(&key, input, EffectClass::Pure, Some(json));
        self.run.ride(step).await;
        Ok(result)
    }

    /// Sends a side message now, once: through the outbox, in front of the turn's
    /// answer, not in the model's memory.
    ///
    /// *Errors*: [`Stop::Unwritten`] when the store cannot take it.
    /// *Cancel safety*: said or not; a later run says it once.
    pub async fn say(&mut self, text: &str) -> Result<(), Stop> {
        self.said += 1;
        let key = self.key(&format!("say{}", self.said));
        let input = Digest::of_json(text);
        if self
            .run
            .known(&key, input)?
            .is_some_and(|step| !step.is_intent())
        {
            return Ok(());
        }
        self.run.may_go_on()?;
        let step = self
            .run
            .step(&key, input, EffectClass::Idempotent, Some("null".into()));
        Box::pin(self.run.write(step, self.run.aside(text))).await?;
        self.run.said_something();
        Ok(())
    }

    /// Says how the turn fares, at most once for each name, whatever its runs come to.
    /// Unlike what is said, nothing depends on it: a run that has no need of it goes on.
    pub(crate) async fn notice(&mut self, name: &str, text: &str) -> Result<(), Stop> {
        let key = format!("notice/{name}");
        let input = Digest::of_json(name);
        if self.run.known(&key, input)?.is_some() {
            return Ok(());
        }
        self.run.may_go_on()?;
        let step = self
            .run
            .step(&key, input, EffectClass::Pure, Some("null".into()));
        Box::pin(self.run.write(step, self.run.aside(text))).await?;
        self.run.said_something();
        Ok(())
    }

    /// Leaves a fact that is committed with the turn.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for what is no JSON.
    pub fn record(&mut self, name: &str, payload: &impl Serialize) -> Result<(), Stop> {
        let payload = serde_json::to_string(payload)
            .map_err(|source| Error::invalid("a fact is not JSON").with_source(source))?;
        self.gathered.facts.push(Fact {
            name: name.to_owned(),
            payload,
        });
        Ok(())
    }

    /// Cancels the questions that are open to the person: nothing will be done about them.
    pub(crate) fn forget_questions(&mut self) {
        let open =
            self.run.turn.waits.iter().filter(|wait| {
                wait.opened.kind == WaitKind::Reply && wait.state == WaitState::Open
            });
        let cancelled = open.map(|wait| (wait.opened.id, WaitState::Cancelled));
        self.gathered.settles.extend(cancelled);
    }

    /// Leaves an entry for the audit, committed with the turn however it ends.
    pub(crate) fn audit(&mut self, action: &'static str, reason: impl Into<String>) {
        let reason = reason.into();
        self.run.audit(Noted { action, reason });
    }

    /// Sets a reminder for this conversation, committed with the turn: when its time
    /// has come, or at the next start after it, the agent runs with its text.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for a time that is over, or a pattern
    /// that is none.
    pub fn remind(&mut self, reminder: &Reminder) -> Result<(), Stop> {
        let timer = self.reminder(reminder)?;
        self.gathered.waits.push(timer);
        Ok(())
    }

    /// The timer of a reminder.
    ///
    /// *Errors*: as [`Self::remind`].
    pub(crate) fn reminder(&self, reminder: &Reminder) -> zupa_core::Result<NewWait> {
        remind::check(reminder, self.now())?;
        let id = WaitId(self.run.path.ids.fresh());
        let unasked = remind::nobody_spoke(&self.run);
        Reminded::of(reminder, unasked).timer(id, reminder.due_at)
    }

    /// The visit, for the keys of effects of a graph inside of the node.
    pub(crate) fn visit(&self) -> &str {
        &self.node
    }

    /// The journal's key of an effect of this visit.
    pub(super) fn key(&self, effect: &str) -> String {
        format!("{}/{effect}", self.node)
    }
}

impl std::fmt::Debug for Cx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cx({} of {})", self.node, self.run.turn.turn)
    }
}
