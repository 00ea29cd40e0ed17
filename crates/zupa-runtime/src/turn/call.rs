//! Calling tools through the journal: an effect that matters leaves an intent before
//! it starts, and what a crash or a lost answer means is decided by its class.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::{Value, json};
use zupa_core::{
    Decision, Digest, EffectClass, Error, ErrorKind, Outcome, Probe, Retry, Step, Tool,
    ToolContext, ToolOutput, WaitState,
};

use super::called::{Failed, outcome};
use super::cx::Noted;
use super::effects::evidence;
use super::{Called, Cx, Review, Run, Stop};
use crate::faults::Phase;
use crate::remind;
use crate::resilience::GuardedTool;
use crate::telemetry;

/// The longest result of a call that is kept, in bytes of JSON.
const MAX_OUTPUT: usize = 256 * 1024;

/// A call that a model asked for, checked and decided on.
pub(crate) struct PlannedCall {
    /// Its key within the visit.
    pub key: String,
    pub tool: Arc<dyn Tool>,
    pub arguments: Value,
    pub which: Which,
    pub decision: Option<Decision>,
    /// The agent's state as of the start.
    pub state: Value,
}

/// What tells a call from others with equal arguments, for whoever deduplicates.
#[derive(Clone)]
pub(crate) enum Which {
    /// Which of the turn's equal calls it is, from 0.
    Equal(u32),
    /// Its place in the journal.
    Place,
}

impl Cx {
    /// Makes calls side by side; their answers come in order.
    pub(crate) async fn call_all(&self, calls: Vec<PlannedCall>) -> Result<Vec<Called>, Stop> {
        let running = calls.into_iter().map(|call| {
            let key = self.key(&call.key);
            let run = self.run.clone();
            async move { run.call(&key, &call).await }
        });
        join_all(running).await.into_iter().collect()
    }

    /// What a call of this visit that has ended gave back, and the step that says so.
    pub(crate) fn given_back_by(&self, call: &str) -> Option<(String, ToolOutput)> {
        let step = self.key(call);
        let called = serde_json::from_str(&self.run.result_of(&step)?).ok()?;
        match called {
            Called::Output(output) => Some((step, output)),
            Called::Error { .. } => None,
        }
    }
}

impl Run {
    /// What this call changed of the agent's state is kept, and its reminders that can be
    /// set are: whoever goes on for this run finds the rest of its result.
    pub(crate) fn has_kept(&self, step: &str) -> Result<(), Stop> {
        let result = self.result_of(step);
        let called = result.and_then(|result| serde_json::from_str(&result).ok());
        if let Some(Called::Output(mut output)) = called {
            output.state = None;
            let now = self.at();
            output
                .remind
                .retain(|reminder| remind::check(reminder, now).is_err());
            self.set_result(step, recorded(&Called::Output(output))?);
        }
        Ok(())
    }

    async fn call(&self, key: &str, call: &PlannedCall) -> Result<Called, Stop> {
        let class = call.tool.effect().class;
        let input = call_of(&call.tool.spec().name, &call.arguments);
        match self.known(key, input)? {
            Some(Step {
                result: Some(result),
                ..
            }) => serde_json::from_str(&result).map_err(|source| {
                Stop::Failed(
                    Error::new(ErrorKind::Corrupt, "a recorded result cannot be read")
                        .with("step", key)
                        .with_source(source),
                )
            }),
            // It may have happened.
            Some(_intent) => self.after_lost_answer(key, input, call).await,
            None if class == EffectClass::Pure => {
                self.may_go_on()?;
                let called = self.attempt(key, call).await?.unwrap_or_else(Called::of);
                self.note(key, input, call, called).await
            }
            None => {
                self.may_go_on()?;
                let intent = self.step(key, input, class, None);
                self.write(intent, Vec::new()).await?;
                self.begin_and_note(key, input, call).await
            }
        }
    }

    /// Calls, behind an intent.
    async fn begin_and_note(
        &self,
        key: &str,
        input: Digest,
        call: &PlannedCall,
    ) -> Result<Called, Stop> {
        match self.attempt(key, call).await? {
            Ok(called) => self.note(key, input, call, called).await,
            Err(failed) if outcome(&failed.error) == Outcome::Unknown => {
                self.without_answer(key, input, call, failed).await
            }
            Err(failed) => self.note(key, input, call, Called::of(failed)).await,
        }
    }

    /// An earlier run left an intent and no result.
    async fn after_lost_answer(
        &self,
        key: &str,
        input: Digest,
        call: &PlannedCall,
    ) -> Result<Called, Stop> {
        self.may_go_on()?;
        match call.tool.effect().class {
            EffectClass::Pure | EffectClass::Idempotent => {
                self.begin_and_note(key, input, call).await
            }
            EffectClass::Reconcile => {
                // The old call may still be on its way.
                self.outlast(self.guard(call)?.timeout().min(self.left()))
                    .await?;
                self.probe(key, input, call).await
            }
            EffectClass::AtMostOnce => self.decided(key, input, call).await,
        }
    }

    /// The call went out and no answer came.
    async fn without_answer(
        &self,
        key: &str,
        input: Digest,
        call: &PlannedCall,
        failed: Failed,
    ) -> Result<Called, Stop> {
        match call.tool.effect().class {
            // The model may ask again: equal arguments get the same key.
            EffectClass::Pure | EffectClass::Idempotent => {
                self.note(key, input, call, Called::of(failed)).await
            }
            class => {
                let took = failed.took;
                let called = Called::of(failed);
                let reason = evidence(&call.tool.spec().name, Some(class), &called, true);
                self.audit(Noted {
                    action: "call.unanswered",
                    reason,
                });
                match class {
                    EffectClass::Reconcile => self.probe_later(key, input, call, took).await,
                    _ => self.decided(key, input, call).await,
                }
            }
        }
    }

    /// A connection that breaks early ends no call: it may arrive until its time is over.
    async fn probe_later(
        &self,
        key: &str,
        input: Digest,
        call: &PlannedCall,
        took: Duration,
    ) -> Result<Called, Stop> {
        let rest = self.guard(call)?.timeout().saturating_sub(took);
        if rest < self.left() {
            self.outlast(rest).await?;
            return self.probe(key, input, call).await;
        }
        // Afterwards no time is left to ask, and the next run has some.
        if self.may_fail_again() {
            let late = Error::new(ErrorKind::Timeout, "no time is left to ask about a call");
            let late = late.with("tool", &call.tool.spec().name);
            return Err(Stop::Failed(late.with_retry(Retry::Now)));
        }
        self.decided(key, input, call).await
    }

    /// Waits until a call that was begun must be over. A process that is stopping leaves
    /// that to the next run.
    async fn outlast(&self, rest: Duration) -> Result<(), Stop> {
        // Cancel safe: nothing is under way here.
        tokio::select! {
            () = tokio::time::sleep(rest) => Ok(()),
            () = self.path.stopping.cancelled() => Err(Stop::Release),
        }
    }

    /// True while a failure of this run is followed by another run.
    fn may_fail_again(&self) -> bool {
        self.turn.failures < self.path.settings.policies.turn.retries
    }

    async fn probe(&self, key: &str, input: Digest, call: &PlannedCall) -> Result<Called, Stop> {
        let (guard, context) = (self.guard(call)?, self.context(key, call));
        self.claim.check()?;
        let asked = guard.probe(&call.arguments, &context);
        let answer = AssertUnwindSafe(asked).catch_unwind().await;
        let answer = answer.unwrap_or(Ok(Probe::Unknown));
        match answer {
            Ok(Probe::Happened(output)) => {
                let called = Called::Output(bounded(output));
                self.note(key, input, call, called).await
            }
            Ok(Probe::DidNot) => self.note(key, input, call, Called::did_not()).await,
            Err(error) if error.is_transient() && self.may_fail_again() => Err(Stop::Failed(error)),
            Ok(Probe::Unknown) | Err(_) => self.decided(key, input, call).await,
        }
    }

    /// What an operator has said became of the call; else the question to one.
    async fn decided(&self, key: &str, input: Digest, call: &PlannedCall) -> Result<Called, Stop> {
        let subject = json!({
            "review": "unknown_effect",
            "step": self.recorded_as(key),
            "tool": call.tool.spec().name,
            "arguments": call.arguments,
            "question": "Nobody knows whether this call took place. Approve: it did. Reject: it did not.",
        });
        let text = subject.to_string();
        let wait = self
            .turn
            .waits
            .iter()
            .find(|wait| wait.opened.subject == text);
        match wait.map(|wait| (wait.state, &wait.decision)) {
            Some((WaitState::Decided, Some(decision))) if decision.approved => {
                let output = ToolOutput::of(json!({ "done": true, "note": decision.note }));
                self.note(key, input, call, Called::Output(output)).await
            }
            Some((WaitState::Decided | WaitState::Expired | WaitState::Cancelled, _)) => {
                self.note(key, input, call, Called::did_not()).await
            }
            _ => Err(Stop::Review(Review::effect(subject))),
        }
    }

    /// The call, tried again as its policy and its class allow. The outer error ends the
    /// run.
    async fn attempt(&self, key: &str, call: &PlannedCall) -> Result<Result<Called, Failed>, Stop> {
        let (guard, context) = (self.guard(call)?, self.context(key, call));
        self.mark(Phase::Tool).await;
        // The last moment: what comes now is felt outside.
        self.claim.check()?;
        let may_go_on = || self.may_go_on().is_ok() && self.claim.check().is_ok();
        let began = self.path.clock.monotonic();
        let calling = guard.call(&call.arguments, &context, &may_go_on);
        let answer = AssertUnwindSafe(calling).catch_unwind().await;
        // It may have acted before.
        let answer = answer.unwrap_or_else(|_panic| Err(panicked(call)));
        let took = self.path.clock.monotonic().saturating_sub(began);
        if self.path.bus.is_watched() {
            let (tool, failed) = (&call.tool.spec().name, answer.as_ref().err());
            self.path
                .bus
                .emit(telemetry::tool_called(&self.turn, tool, took, failed));
        }
        let answer = answer.map(|output| Called::Output(bounded(output)));
        Ok(answer.map_err(|error| Failed {
            error,
            tool: call.tool.spec().name.clone(),
            took,
        }))
    }

    /// Records how the call ended; side messages go out with it.
    async fn note(
        &self,
        key: &str,
        input: Digest,
        call: &PlannedCall,
        called: Called,
    ) -> Result<Called, Stop> {
        let class = call.tool.effect().class;
        let result = recorded(&called)?;
        let say: Vec<_> = match &called {
            Called::Output(output) => output
                .say
                .iter()
                .flat_map(|text| self.aside(text))
                .collect(),
            Called::Error { .. } => Vec::new(),
        };
        let said = !say.is_empty();
        let step = self.step(key, input, class, Some(result));
        if class == EffectClass::Pure && !said {
            self.ride(step).await;
        } else {
            self.write(step, say).await?;
        }
        if said {
            self.said_something();
        }
        Ok(called)
    }

    fn guard(&self, call: &PlannedCall) -> Result<GuardedTool, Error> {
        self.path.guards.tool(call.tool.clone())
    }

    fn context(&self, key: &str, call: &PlannedCall) -> ToolContext {
        let tool = &call.tool.spec().name;
        let (tenant, root, arguments) = (&self.turn.address.tenant, self.root(), &call.arguments);
        let key = match call.which {
            Which::Equal(which) => Digest::of_json(&(tenant, root, tool, arguments, which)),
            Which::Place => {
                let place = self.recorded_as(key);
                Digest::of_json(&(tenant, root, tool, arguments, place))
            }
        };
        ToolContext {
            key,
            turn: self.turn.turn,
            conversation: self.turn.conversation,
            address: self.turn.address.clone(),
            at: self.at(),
            timeout: self.left(),
            state: call.state.clone(),
            decision: call.decision.clone(),
        }
    }
}

/// What a call's step has as its input.
fn call_of(tool: &str, arguments: &Value) -> Digest {
    Digest::of_json(&(tool, arguments))
}

/// How a call ended, as its step has it.
fn recorded(called: &Called) -> Result<String, Error> {
    serde_json::to_string(called)
        .map_err(|source| Error::internal("a tool's result is not JSON").with_source(source))
}

/// An output that fits into the journal. What it changes and says is kept.
fn bounded(output: ToolOutput) -> ToolOutput {
    let bytes = output.result.to_string().len();
    if bytes <= MAX_OUTPUT {
        return output;
    }
    ToolOutput {
        result: json!({ "note": "the result was too large and was left out", "bytes": bytes }),
        ..output
    }
}

fn panicked(call: &PlannedCall) -> Error {
    Error::internal("the tool panicked")
        .with("tool", &call.tool.spec().name)
        .with_outcome(Outcome::Unknown)
}
