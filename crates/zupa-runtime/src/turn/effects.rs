//! What a graph of one's own does outside: calls of tools, and effects of its own. The
//! same intents, results and reviews as those of the default agent.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use zupa_core::{
    Decision, Effect, EffectClass, Error, Probe, Result, Tool, ToolCall, ToolContext, ToolOutput,
    ToolSpec, WaitKind,
};

use super::{Called, Cx, PlannedCall, Stop, Which};
use crate::tools::{Known, Tools, bound, object};

/// Calls of one round; what is more is not made.
pub(crate) const MAX_CALLS: usize = 32;

impl Cx {
    /// Calls a tool and records what came of it: as a model's call in the default agent,
    /// by the tool's class. An earlier run's result is returned instead of a call.
    ///
    /// What a tool changes of the agent's state and reminds of is in the output, and the
    /// graph's to apply; what it says goes out by itself. A tool that an operator has to
    /// approve is called once a question of [`Tools::approval`] for these arguments was
    /// approved, and once for each such question.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use serde_json::json;
    /// # use zupa_core::Outbound;
    /// # use zupa_runtime::{Cx, Ending, Move, State, Stop, Tools};
    /// # #[derive(Clone, Default, Serialize, Deserialize)]
    /// # struct Order;
    /// # impl State for Order {
    /// #     type Update = ();
    /// #     type Kept = ();
    /// #     fn apply(&mut self, _: ()) {}
    /// #     fn kept(&self) -> &() { &() }
    /// #     fn attach(&mut self, _: ()) {}
    /// # }
    /// async fn place(tools: &Tools, cx: &mut Cx) -> Result<Move<Order>, Stop> {
    ///     let called = cx.call_tool(tools, "order", json!({ "item": "soup" })).await?;
    ///     let said = match called.output() {
    ///         Some(_) => "It is on its way.",
    ///         None => "That did not work.",
    ///     };
    ///     Ok(Move::end(Ending::Answer(vec![Outbound::reply(said)])))
    /// }
    /// ```
    ///
    /// *Errors*: what stops the run: [`Stop::Review`] when an operator has to say what
    /// became of the call, [`Stop::Release`] when the process is stopping. A call that
    /// fails or cannot be made is no error: it is the answer.
    /// *Cancel safety*: the call may have been made and not recorded; the class decides.
    pub async fn call_tool(
        &mut self,
        tools: &Tools,
        name: &str,
        arguments: impl Into<Value>,
    ) -> std::result::Result<Called, Stop> {
        let arguments = arguments.into();
        let called = self.call_wanted(tools, [(name, Ok(arguments))]).await?;
        let none = || Called::refused("internal", "no result");
        Ok(called.into_iter().next().unwrap_or_else(none))
    }

    /// Makes calls as a model asked for them, side by side; the answers come in the order
    /// of the calls. At most 32 at once; what is more is not made, and says so.
    ///
    /// *Errors*, *cancel safety*: as [`Self::call_tool`].
    pub async fn call_tools(
        &mut self,
        tools: &Tools,
        calls: &[ToolCall],
    ) -> std::result::Result<Vec<Called>, Stop> {
        let calls = calls
            .iter()
            .map(|call| (call.name.as_str(), object(&call.arguments)));
        self.call_wanted(tools, calls).await
    }

    /// Makes an effect of the graph's own, of any class, and records what came of it: an
    /// intent first if it matters, then `doing`, which is handed the idempotency key. What
    /// a crash or a lost answer means is decided by the class; of
    /// [`zupa_core::EffectClass::Reconcile`] use a tool, which can be asked. Names are
    /// unique within a visit; `input` is what it depends on, and is shown to operators if
    /// nobody knows whether it took place.
    ///
    /// ```
    /// # use zupa_core::{Effect, ToolContext, ToolOutput};
    /// # use zupa_runtime::{Called, Cx, Stop};
    /// # async fn pay(_: u32, _: ToolContext) -> zupa_core::Result<()> { Ok(()) }
    /// async fn charge(cents: u32, cx: &mut Cx) -> Result<Called, Stop> {
    ///     // The bank knows its keys: after a crash it is asked again, with the same one.
    ///     cx.perform("charge", Effect::IDEMPOTENT, &cents, move |cx| async move {
    ///         pay(cents, cx).await?;
    ///         Ok(ToolOutput::of("paid"))
    ///     })
    ///     .await
    /// }
    /// ```
    ///
    /// *Errors*: as [`Self::call_tool`]; [`zupa_core::ErrorKind::Invalid`] for an effect
    /// that has to be approved: ask with a [`crate::Question`] before.
    /// *Cancel safety*: as [`Self::call_tool`].
    pub async fn perform<F, Doing>(
        &mut self,
        name: &str,
        effect: Effect,
        input: &impl Serialize,
        doing: F,
    ) -> std::result::Result<Called, Stop>
    where
        F: Fn(ToolContext) -> Doing + Send + Sync + 'static,
        Doing: Future<Output = Result<ToolOutput>> + Send + 'static,
    {
        if effect.approve {
            let asked = "an effect of a graph's own is approved by a question before it";
            return Err(Error::invalid(asked).with("effect", name).into());
        }
        let arguments = serde_json::to_value(input).map_err(|source| {
            Error::invalid("an effect's input is not JSON").with_source(source)
        })?;
        let spec = ToolSpec {
            name: name.to_owned(),
            description: String::new(),
            parameters: Value::Null,
        };
        let tool = Arc::new(Own {
            spec,
            effect,
            doing,
        });
        let planned = planned(name.to_owned(), tool, arguments, None);
        let mut called = self.call_all(vec![planned]).await?;
        let called = called
            .pop()
            .unwrap_or_else(|| Called::refused("internal", "no result"));
        let said = evidence(name, Some(effect.class), &called, true);
        self.audit("effect.performed", said);
        Ok(called)
    }

    async fn call_wanted<'n>(
        &mut self,
        tools: &Tools,
        calls: impl IntoIterator<Item = (&'n str, std::result::Result<Value, String>)>,
    ) -> std::result::Result<Vec<Called>, Stop> {
        let (mut wanted, mut refused) = (Vec::new(), Vec::new());
        for (place, (name, arguments)) in calls.into_iter().enumerate() {
            // Refused ones have a place, too, so that the others keep theirs.
            let key = format!("{name}/{}", self.called);
            self.called += 1;
            let plan = if place < MAX_CALLS {
                self.plan(tools, name, key, arguments)
            } else {
                let said = format!("at most {MAX_CALLS} calls at once");
                Err(Called::refused("too_many_calls", said))
            };
            let class = tools.get(name).map(|known| known.tool.effect().class);
            let (plan, refusal) = match plan {
                Ok(plan) => (Some(plan), None),
                Err(refusal) => (None, Some(refusal)),
            };
            wanted.extend(plan);
            refused.push((name, class, refusal));
        }
        let mut answers = self.call_all(wanted).await?.into_iter();
        let mut all = Vec::new();
        for (name, class, refusal) in refused {
            let made = refusal.is_none();
            let none = || Called::refused("internal", "no result");
            let called = refusal.or_else(|| answers.next()).unwrap_or_else(none);
            self.audit("tool.called", evidence(name, class, &called, made));
            all.push(called);
        }
        Ok(all)
    }

    /// A call that can be made, or why it is not.
    fn plan(
        &self,
        tools: &Tools,
        name: &str,
        key: String,
        arguments: std::result::Result<Value, String>,
    ) -> std::result::Result<PlannedCall, Called> {
        let Some(known) = tools.get(name) else {
            let said = format!("there is no tool named {name}");
            return Err(Called::refused("unknown_tool", said));
        };
        let arguments = arguments
            .and_then(|arguments| known.schema.check(&arguments).map(|()| arguments))
            .map_err(|wrong| Called::refused("invalid_arguments", wrong))?;
        let decision = self.agreed(known, &arguments, &key)?;
        Ok(planned(key, known.tool.clone(), arguments, decision))
    }

    /// What was decided on a call, if somebody has to.
    fn agreed(
        &self,
        known: &Known,
        arguments: &Value,
        key: &str,
    ) -> std::result::Result<Option<Decision>, Called> {
        let refused = |why: &str| Err(Called::refused("rejected", why));
        if known.confirm.is_some() {
            return refused("the person has to confirm it, which only an agent asks for");
        }
        if !known.tool.effect().approve {
            return Ok(None);
        }
        let name = &known.tool.spec().name;
        let bound = bound(name, arguments);
        let key = self.key(key);
        let about_it = |subject: &str| {
            let subject: Value = serde_json::from_str(subject).unwrap_or_default();
            subject["approve"] == *name && subject["digest"] == *bound
        };
        let approvals = self.settled().iter().filter(|wait| {
            wait.opened.kind == WaitKind::Decision && about_it(&wait.opened.subject)
        });
        let approvals: Vec<_> = approvals.collect();
        let approval = self.run.takes(&approvals, &key);
        match approval.map(|wait| &wait.decision) {
            Some(Some(decision)) if decision.approved => Ok(Some(decision.clone())),
            Some(Some(decision)) => refused(&decision.note),
            Some(None) => refused("nobody answered in time"),
            None => refused("nobody has agreed to it"),
        }
    }
}

fn planned(
    key: String,
    tool: Arc<dyn Tool>,
    arguments: Value,
    decision: Option<Decision>,
) -> PlannedCall {
    PlannedCall {
        key,
        tool,
        arguments,
        which: Which::Place,
        decision,
        state: Value::Null,
    }
}

/// What the audit says of a call: its class and its end, no arguments.
pub(crate) fn evidence(
    name: &str,
    class: Option<EffectClass>,
    called: &Called,
    made: bool,
) -> String {
    let class = class.map_or("unknown", EffectClass::as_str);
    match called {
        Called::Output(_) => format!("{name}: {class}, done"),
        Called::Error { kind, .. } if !made => format!("{name}: not made, {kind}"),
        Called::Error { kind, .. } if called.is_unknown() => {
            format!("{name}: {class}, {kind}, unknown")
        }
        Called::Error { kind, .. } => format!("{name}: {class}, {kind}"),
    }
}

/// An effect of a graph's own, as a tool that no model knows.
struct Own<F> {
    spec: ToolSpec,
    effect: Effect,
    doing: F,
}

#[async_trait]
impl<F, Doing> Tool for Own<F>
where
    F: Fn(ToolContext) -> Doing + Send + Sync + 'static,
    Doing: Future<Output = Result<ToolOutput>> + Send + 'static,
{
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    async fn call(&self, _: Value, cx: ToolContext) -> Result<ToolOutput> {
        (self.doing)(cx).await
    }

    async fn probe(&self, _: Value, _: ToolContext) -> Result<Probe> {
        Ok(Probe::Unknown)
    }
}

impl<F> fmt::Debug for Own<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Own({})", self.spec.name)
    }
}
