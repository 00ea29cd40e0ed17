//! The hooks of an agent: what is added to the prompt, and what may still change
//! before an answer is committed. A hook that fails lets the turn go on, and is an event
//! `hook:failed`.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tracing::warn;
use zupa_core::{Content, Error, ErrorKind, Result, TurnId};

use super::{Agent, AgentTurn};
use crate::telemetry;
use crate::turn::{Cx, Run, Stop};

/// Adds to the prompt what the agent should know of this person and moment.
#[async_trait]
pub trait ContextProvider: Debug + Send + Sync + 'static {
    /// Says it; none adds nothing. Recorded: a re-run of the turn is not asked again.
    ///
    /// *Errors*: any; the turn goes on without it. So it does when the time of a tool is
    /// over, and then the future is dropped.
    async fn context(&self, turn: &AgentTurn) -> Result<Option<String>>;
}

/// Has the last word on an answer, plain or typed, written or spoken, asked for or
/// proactive. What the agent says by itself (the texts of its language, the answers of
/// commands, questions) it is not asked about.
#[async_trait]
pub trait BeforeReply: Debug + Send + Sync + 'static {
    /// Decides. Recorded: a re-run of the turn is not asked again. While there is such
    /// a hook, no drafts are shown.
    ///
    /// *Errors*: any; the reply goes out as it is. So it does when the time of a tool is
    /// over, and then the future is dropped.
    async fn before_reply(&self, reply: &str, turn: &AgentTurn) -> Result<Verdict>;
}

/// Hears of what was committed. It may be lost with the process: what must not be
/// belongs into a fact or a message.
#[async_trait]
pub trait OnReply: Debug + Send + Sync + 'static {
    /// Hears what a turn has said, in order.
    ///
    /// *Errors*: any; nobody asks again. When the time of a tool is over the future is
    /// dropped.
    async fn on_reply(&self, turn: TurnId, said: &[Content]) -> Result<()>;
}

/// What becomes of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It goes out as it is.
    Continue(String),
    /// This goes out instead.
    Replace(String),
    /// Nothing goes out, and why.
    Cancel(String),
}

pub(super) async fn context(
    agent: &Agent,
    turn: &AgentTurn,
    cx: &mut Cx,
) -> std::result::Result<Option<String>, Stop> {
    let Some(provider) = &agent.context else {
        return Ok(None);
    };
    let run = cx.run.clone();
    let time = run.path.settings.policies.tool.timeout;
    let effect = cx.effect("context", &turn.input, || async {
        let asked = provider.context(turn);
        let context = within(time, asked).await;
        Ok(context.unwrap_or_else(|error| {
            warn!(%error, "a context provider failed; the turn goes on without it");
            tell(&run, "context", &error);
            None
        }))
    });
    Box::pin(effect).await
}

pub(super) async fn before_reply(
    agent: &Agent,
    reply: String,
    turn: &AgentTurn,
    cx: &mut Cx,
) -> std::result::Result<Verdict, Stop> {
    let Some(hook) = &agent.before_reply else {
        return Ok(Verdict::Continue(reply));
    };
    let run = cx.run.clone();
    let time = run.path.settings.policies.tool.timeout;
    let effect = cx.effect("before_reply", &reply, || async {
        let verdict = within(time, hook.before_reply(&reply, turn)).await;
        Ok(verdict.unwrap_or_else(|error| {
            warn!(%error, "a hook before the reply failed; the reply goes out as it is");
            tell(&run, "before_reply", &error);
            Verdict::Continue(reply.clone())
        }))
    });
    Box::pin(effect).await
}

/// Tells of a hook that failed.
fn tell(run: &Run, hook: &'static str, error: &Error) {
    let failed = telemetry::hook_failed(&run.turn, hook);
    run.path
        .bus
        .emit(failed.with("class", error.kind().as_str()));
}

/// A hook has as much time as a tool.
pub(crate) async fn within<T>(time: Duration, hook: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(time, hook)
        .await
        .unwrap_or_else(|_elapsed| Err(Error::new(ErrorKind::Timeout, "the hook took too long")))
}
