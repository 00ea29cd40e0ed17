//! The policies of one runtime, each made once, and their breakers by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use zupa_core::{
    Channel, Clock, Error, ErrorKind, EventBus, Ids, Model, Result, Synthesizer, Tool, Transcriber,
};

use super::speech::{GuardedSynthesizer, GuardedTranscriber};
use super::{
    Breaker, BreakerState, CallPolicy, GuardedChannel, GuardedTool, Models, Policies, Policy,
};
use crate::quiet::QuietHours;
use crate::telemetry;

/// The policies of one runtime. Names come from code and configuration, never from
/// people, so there are as many as there are models, tools and doors.
#[derive(Debug)]
pub(crate) struct Guards {
    policies: Policies,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    bus: EventBus,
    made: Mutex<BTreeMap<String, Arc<Policy>>>,
    model_back: Arc<Notify>,
}

impl Guards {
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for rules of a breaker that make no
    /// sense.
    pub(crate) fn new(
        policies: Policies,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        bus: EventBus,
    ) -> Result<Self> {
        let guards = Self {
            policies,
            clock,
            ids,
            bus,
            made: Mutex::default(),
            model_back: Arc::default(),
        };
        // A tool may be seen for the first time in a turn: what is wrong shows now.
        guards.make("tool", TOOL, &guards.policies.tool, is_gone)?;
        for (name, rules) in &guards.policies.tools {
            guards.make(name, TOOL, rules, is_gone)?;
        }
        Ok(guards)
    }

    /// Models in the order in which they are asked.
    pub(crate) fn models(&self, models: Vec<Arc<dyn Model>>) -> Result<Models> {
        let mut guarded: Vec<(Arc<dyn Model>, Arc<Policy>)> = Vec::new();
        for model in models {
            // The same model of another provider has a breaker of its own, or it would be
            // refused with the one that it stands in for.
            let namesakes = guarded.iter();
            let namesakes = namesakes.filter(|(other, _)| other.name() == model.name());
            let name = match namesakes.count() {
                0 => format!("model/{}", model.name()),
                others => format!("model/{}#{}", model.name(), others + 1),
            };
            let policy = self.policy(
                name,
                "model",
                &self.policies.model,
                Error::is_about_provider,
            )?;
            guarded.push((model, policy));
        }
        Ok(Models::new(guarded))
    }

    pub(crate) fn transcriber(&self, inner: Arc<dyn Transcriber>) -> Result<Arc<dyn Transcriber>> {
        let name = format!("transcriber/{}", inner.name());
        let rules = &self.policies.transcriber;
        let policy = self.policy(name, "transcriber", rules, Error::is_about_provider)?;
        Ok(Arc::new(GuardedTranscriber { inner, policy }))
    }

    pub(crate) fn synthesizer(&self, inner: Arc<dyn Synthesizer>) -> Result<Arc<dyn Synthesizer>> {
        let name = format!("synthesizer/{}", inner.name());
        let rules = &self.policies.synthesizer;
        let policy = self.policy(name, "synthesizer", rules, Error::is_about_provider)?;
        Ok(Arc::new(GuardedSynthesizer { inner, policy }))
    }

    pub(crate) fn channel(
        &self,
        inner: Arc<dyn Channel>,
        quiet: Option<QuietHours>,
    ) -> Result<GuardedChannel> {
        let name = format!("channel/{}", inner.id());
        let policy = self.policy(name, "channel", &self.policies.channel, is_gone)?;
        Ok(GuardedChannel {
            inner,
            policy,
            quiet,
        })
    }

    pub(crate) fn tool(&self, inner: Arc<dyn Tool>) -> Result<GuardedTool> {
        let tool = &inner.spec().name;
        let rules = self.policies.of_tool(tool);
        let policy = self.policy(format!("tool/{tool}"), TOOL, rules, is_gone)?;
        Ok(GuardedTool { inner, policy })
    }

    /// Notified when the breaker of a model has closed, by itself or by hand.
    pub(crate) fn model_back(&self) -> Arc<Notify> {
        self.model_back.clone()
    }

    /// The breakers so far, by name.
    pub(crate) fn breakers(&self) -> Vec<Breaker> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let breakers = made.values().filter_map(|policy| policy.breaker());
        breakers.cloned().collect()
    }

    fn policy(
        &self,
        name: String,
        port: &'static str,
        rules: &CallPolicy,
        fails: Test,
    ) -> Result<Arc<Policy>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = made.get(&name) {
            return Ok(policy.clone());
        }
        let policy = Arc::new(self.make(&name, port, rules, fails)?);
        made.insert(name, policy.clone());
        Ok(policy)
    }

    fn make(
        &self,
        name: &str,
        port: &'static str,
        rules: &CallPolicy,
        fails: Test,
    ) -> Result<Policy> {
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let (is_model, model_back) = (port == "model", self.model_back.clone());
        let (events, named) = (self.bus.clone(), name.to_owned());
        let changed = move |state| {
            if is_model && state == BreakerState::Closed {
                model_back.notify_one();
            }
            events.emit(telemetry::breaker(port, &named, state));
        };
        let policy = Policy::telling(name.to_owned(), rules.clone(), fails, clock, ids, changed)?;
        let bus = self.bus.clone();
        Ok(
            policy
                .on_retry(move |error, wait| bus.emit(telemetry::call_retried(port, error, wait))),
        )
    }
}

/// The port that tools are.
const TOOL: &str = "tool";

type Test = fn(&Error) -> bool;

/// What a door or a tool says of one person or one message, as that it is too fast or not
/// allowed, must not keep others from it.
fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
}
