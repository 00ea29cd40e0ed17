//! Calling tools through the journal: an effect that matters leaves an intent before
//! it starts, and what a crash or a lost answer means is decided by its class.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zupa_core::{
    Decision, Digest, EffectClass, Error, ErrorKind, Outcome, Probe, Retry, Step, Tool,
    ToolContext, ToolOutput, WaitState,
};

use super::{Cx, Review, Run, Stop};
use crate::faults::Phase;

/// A call that a model asked for, checked and decided on.
pub(crate) struct PlannedCall {
    /// Its place among the calls of the visit, and with it its key.
    pub place: usize,
    pub tool: Arc<dyn Tool>,
    pub arguments: Value,
    /// How many calls of the turn with equal arguments have ended for certain: they
    /// are not this one.
    pub earlier: u32,
    pub decision: Option<Decision>,
    /// The agent's state as of the start.
    pub state: Value,
}

/// How a call ended.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Called {
    /// With an output.
    Output(ToolOutput),
    /// With an error, which the model is told.
    Error {
        kind: String,
        message: String,
        /// True when nobody knows whether it happened.
        unknown: bool,
    },
}

impl Cx {
    /// Makes calls side by side; their answers come in order.
    pub(crate) async fn call_all(&self, calls: Vec<PlannedCall>) -> Result<Vec<Called>, Stop> {
        let running = calls.into_iter().map(|call| {
            let key = self.key(&format!("{}/{}", call.tool.spec().name, call.place));
            let run = self.run.clone();
            async move { run.call(&key, &call).await }
        });
        join_all(running).await.into_iter().collect()
    }
}

impl Run {
    async fn call(&self, key: &str, call: &PlannedCall) -> Result<Called, Stop> {
        let class = call.tool.effect().class;
        let input = Digest::of_json(&(&call.tool.spec().name, &call.arguments));
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
                let called = self.attempt(call).await?.unwrap_or_else(Called::of);
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
        match self.attempt(call).await? {
            Ok(called) => self.note(key, input, call, called).await,
            Err(error) if error.outcome() == Outcome::Unknown => {
                self.without_answer(key, input, call, error).await
            }
            Err(error) => self.note(key, input, call, Called::of(error)).await,
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
                tokio::time::sleep(self.time_for_a_call()).await;
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
        error: Error,
    ) -> Result<Called, Stop> {
        match call.tool.effect().class {
            // The model may ask again: equal arguments get the same key.
            EffectClass::Pure | EffectClass::Idempotent => {
                self.note(key, input, call, Called::of(error)).await
            }
            EffectClass::Reconcile => self.probe(key, input, call).await,
            EffectClass::AtMostOnce => self.decided(key, input, call).await,
        }
    }

    async fn probe(&self, key: &str, input: Digest, call: &PlannedCall) -> Result<Called, Stop> {
        let time = self.time_for_a_call();
        self.claim.check()?;
        let asked = call
            .tool
            .probe(call.arguments.clone(), self.context(call, time));
        match tokio::time::timeout(time, asked).await {
            Ok(Ok(Probe::Happened(output))) => {
                self.note(key, input, call, Called::Output(output)).await
            }
            Ok(Ok(Probe::DidNot)) => self.note(key, input, call, Called::did_not()).await,
            Ok(Err(error)) if error.is_transient() => Err(Stop::Failed(error)),
            Err(_elapsed) => Err(Stop::Failed(no_answer(call))),
            Ok(Ok(Probe::Unknown) | Err(_)) => self.decided(key, input, call).await,
        }
    }

    /// What an operator has said became of the call; else the question to one.
    async fn decided(&self, key: &str, input: Digest, call: &PlannedCall) -> Result<Called, Stop> {
        let subject = json!({
            "review": "unknown_effect",
            "step": key,
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
            _ => Err(Stop::Review(Review { subject })),
        }
    }

    /// One try. The outer error ends the run.
    async fn attempt(&self, call: &PlannedCall) -> Result<Result<Called, Error>, Stop> {
        let time = self.time_for_a_call();
        let context = self.context(call, time);
        self.mark(Phase::Tool).await;
        // The last moment: what comes now is felt outside.
        self.claim.check()?;
        let calling = call.tool.call(call.arguments.clone(), context);
        // The tool keeps the deadline; this holds one that does not.
        let answer = tokio::time::timeout(time, calling)
            .await
            .unwrap_or_else(|_elapsed| Err(no_answer(call)));
        Ok(answer.map(Called::Output))
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
        let result = serde_json::to_string(&called)
            .map_err(|source| Error::internal("a tool's result is not JSON").with_source(source))?;
        let say: Vec<_> = match &called {
            Called::Output(output) => output.say.iter().map(|text| self.aside(text)).collect(),
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

    fn time_for_a_call(&self) -> Duration {
        self.path.settings.tool_timeout.min(self.left())
    }

    fn context(&self, call: &PlannedCall, timeout: Duration) -> ToolContext {
        let tool = &call.tool.spec().name;
        let tenant = &self.turn.address.tenant;
        ToolContext {
            key: Digest::of_json(&(tenant, self.root(), tool, &call.arguments, call.earlier)),
            turn: self.turn.turn,
            conversation: self.turn.conversation,
            address: self.turn.address.clone(),
            at: self.at(),
            timeout,
            state: call.state.clone(),
            decision: call.decision.clone(),
        }
    }
}

impl Called {
    /// What the model is told.
    pub(crate) fn for_model(&self) -> String {
        match self {
            Self::Output(output) => match &output.result {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            },
            Self::Error { kind, message, .. } => {
                json!({ "error": kind, "message": message }).to_string()
            }
        }
    }

    /// An error for the model that is none of a call: nothing was tried.
    pub(crate) fn refused(kind: &str, message: impl Into<String>) -> Self {
        Self::Error {
            kind: kind.to_owned(),
            message: message.into(),
            unknown: false,
        }
    }

    fn of(error: Error) -> Self {
        Self::Error {
            kind: error.kind().as_str().to_owned(),
            message: error.message().to_owned(),
            unknown: error.outcome() == Outcome::Unknown,
        }
    }

    fn did_not() -> Self {
        Self::refused("not_done", "the call did not take place")
    }

    /// True when nobody knows whether it happened.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Error { unknown: true, .. })
    }
}

fn no_answer(call: &PlannedCall) -> Error {
    Error::new(ErrorKind::Timeout, "the tool did not answer in time")
        .with("tool", &call.tool.spec().name)
        .with_retry(Retry::Now)
        .with_outcome(Outcome::Unknown)
}
