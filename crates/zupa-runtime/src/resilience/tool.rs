//! A tool behind its policy. Only a call that changes nothing, or that carries a key, is
//! made again: its class says which.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use zupa_core::{Probe, Result, Tool, ToolContext, ToolOutput};

use super::IN_TURN;
use super::policy::{Call, Policy, Repeat};

/// A tool behind its policy.
#[derive(Debug)]
pub(crate) struct GuardedTool {
    pub inner: Arc<dyn Tool>,
    pub policy: Arc<Policy>,
}

impl GuardedTool {
    /// The longest that one try takes.
    pub(crate) fn timeout(&self) -> Duration {
        self.policy.timeout()
    }

    /// As [`Tool::call`], within `cx.timeout`, tries and waits included. `may_go_on` is
    /// asked before each further try.
    pub(crate) async fn call(
        &self,
        arguments: &Value,
        cx: &ToolContext,
        may_go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<ToolOutput> {
        let call = Call {
            patience: Some(IN_TURN),
            may_go_on,
            ..Call::within(self.inner.effect().class.into(), cx.timeout)
        };
        self.policy
            .call(call, |timeout| {
                self.inner.call(arguments.clone(), context(cx, timeout))
            })
            .await
    }

    /// As [`Tool::probe`], once.
    pub(crate) async fn probe(&self, arguments: &Value, cx: &ToolContext) -> Result<Probe> {
        self.policy
            .call(Call::within(Repeat::Never, cx.timeout), |timeout| {
                self.inner.probe(arguments.clone(), context(cx, timeout))
            })
            .await
    }
}

fn context(cx: &ToolContext, timeout: Duration) -> ToolContext {
    ToolContext {
        timeout,
        ..cx.clone()
    }
}
