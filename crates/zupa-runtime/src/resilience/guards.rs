//! The policies of one runtime, each made once, and their breakers by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use zupa_core::{
    Channel, Clock, Error, ErrorKind, Ids, Model, Result, Synthesizer, Tool, Transcriber,
};

use super::speech::{GuardedSynthesizer, GuardedTranscriber};
use super::{Breaker, CallPolicy, GuardedChannel, GuardedTool, Models, Policies, Policy};

/// The policies of one runtime. Names come from code and configuration, never from
/// people, so there are as many as there are models, tools and doors.
#[derive(Debug)]
pub(crate) struct Guards {
    policies: Policies,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
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
    ) -> Result<Self> {
        let guards = Self {
            policies,
            clock,
            ids,
            made: Mutex::default(),
            model_back: Arc::default(),
        };
        // A tool may be seen for the first time in a turn: what is wrong shows now.
        guards.make("tool", &guards.policies.tool, is_gone)?;
        for (name, rules) in &guards.policies.tools {
            guards.make(name, rules, is_gone)?;
        }
        Ok(guards)
    }

    /// Models in the order in which they are asked.
    pub(crate) fn models(&self, models: Vec<Arc<dyn Model>>) -> Result<Models> {
        let guard = |model: Arc<dyn Model>| {
            let name = format!("model/{}", model.name());
            Ok((
                model,
                self.policy(name, &self.policies.model, Error::is_about_provider)?,
            ))
        };
        Ok(Models::new(
            models.into_iter().map(guard).collect::<Result<_>>()?,
        ))
    }

    pub(crate) fn transcriber(&self, inner: Arc<dyn Transcriber>) -> Result<Arc<dyn Transcriber>> {
        let name = format!("transcriber/{}", inner.name());
        let policy = self.policy(name, &self.policies.transcriber, Error::is_about_provider)?;
        Ok(Arc::new(GuardedTranscriber { inner, policy }))
    }

    pub(crate) fn synthesizer(&self, inner: Arc<dyn Synthesizer>) -> Result<Arc<dyn Synthesizer>> {
        let name = format!("synthesizer/{}", inner.name());
        let policy = self.policy(name, &self.policies.synthesizer, Error::is_about_provider)?;
        Ok(Arc::new(GuardedSynthesizer { inner, policy }))
    }

    pub(crate) fn channel(&self, inner: Arc<dyn Channel>) -> Result<GuardedChannel> {
        let name = format!("channel/{}", inner.id());
        let policy = self.policy(name, &self.policies.channel, is_gone)?;
        Ok(GuardedChannel { inner, policy })
    }

    pub(crate) fn tool(&self, inner: Arc<dyn Tool>) -> Result<GuardedTool> {
        let tool = &inner.spec().name;
        let rules = self.policies.of_tool(tool);
        let policy = self.policy(format!("tool/{tool}"), rules, is_gone)?;
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

    fn policy(&self, name: String, rules: &CallPolicy, fails: Test) -> Result<Arc<Policy>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = made.get(&name) {
            return Ok(policy.clone());
        }
        let policy = Arc::new(self.make(&name, rules, fails)?);
        made.insert(name, policy.clone());
        Ok(policy)
    }

    fn make(&self, name: &str, rules: &CallPolicy, fails: Test) -> Result<Policy> {
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let (is_model, model_back) = (name.starts_with("model/"), self.model_back.clone());
        let closed = move || {
            if is_model {
                model_back.notify_one();
            }
        };
        Policy::telling(name.to_owned(), rules.clone(), fails, clock, ids, closed)
    }
}

type Test = fn(&Error) -> bool;

/// What a door or a tool says of one person or one message, as that it is too fast or not
/// allowed, must not keep others from it.
fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
}
