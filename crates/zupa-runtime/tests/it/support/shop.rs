//! The world outside, as tools feel it: what was looked up, reserved and ordered, and
//! by which keys.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use zupa_core::{
    Digest, Effect, Error, ErrorKind, Outcome, Probe, Result, Tool, ToolContext, ToolOutput,
};
use zupa_runtime::tool;

use super::fate::Fate;

/// A shop outside. Knows nothing of turns: it remembers what was done to it.
#[derive(Debug, Clone, Default)]
pub struct Shop(Arc<Mutex<Books>>);

#[derive(Debug, Default)]
struct Books {
    fate: Fate,
    /// Every call that arrived: tool and key.
    calls: Vec<(&'static str, Digest)>,
    /// What was done, a line for each time.
    done: Vec<String>,
    /// Keys that have been seen by those who deduplicate.
    keys: Vec<Digest>,
    /// Calls whose answer gets lost, by tool.
    silent: Vec<&'static str>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Item {
    /// What.
    pub item: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

/// Earns a point, which is kept in the agent's state; says how many there are.
pub fn earn() -> Arc<dyn Tool> {
    let earn = |_: Nothing, cx: ToolContext| async move {
        let points = cx.state["points"].as_u64().unwrap_or(0) + 1;
        ToolOutput::of(points.to_string()).keeping(&cx, &json!({ "points": points }))
    };
    tool("earn", "Earns a point.", Effect::IDEMPOTENT, earn).into_tool()
}

impl Shop {
    /// Dies with this fate from now on.
    pub fn fated(&self, fate: &Fate) {
        self.lock().fate = fate.clone();
    }

    /// The next answer of this tool gets lost; what it does is done.
    pub fn lose_answer(&self, tool: &'static str) {
        self.lock().silent.push(tool);
    }

    /// Something was done, outside of the tools here.
    pub fn note(&self, done: &str) {
        self.lock().done.push(done.to_owned());
    }

    /// What was done, in order.
    pub fn done(&self) -> Vec<String> {
        self.lock().done.clone()
    }

    /// The keys that calls of a tool came with.
    pub fn keys_of(&self, tool: &str) -> Vec<Digest> {
        let books = self.lock();
        let of = books.calls.iter().filter(|(name, _)| *name == tool);
        of.map(|(_, key)| *key).collect()
    }

    /// Looks a price up: changes nothing.
    pub fn price(&self) -> Arc<dyn Tool> {
        self.tool("price", Effect::PURE)
    }

    /// Reserves: the shop knows its keys.
    pub fn reserve(&self) -> Arc<dyn Tool> {
        self.tool("reserve", Effect::IDEMPOTENT)
    }

    /// The same, and an operator has to approve it.
    pub fn approved_reserve(&self) -> Arc<dyn Tool> {
        self.tool("reserve", Effect::IDEMPOTENT.approved())
    }

    /// Pays: the shop can be asked.
    pub fn pay(&self) -> Arc<dyn Tool> {
        let (shop, books) = (self.clone(), self.clone());
        tool(
            "pay",
            "Pays for an item.",
            Effect::RECONCILE,
            move |item: Item, cx: ToolContext| {
                let shop = shop.clone();
                async move { shop.call("pay", item, cx, Effect::RECONCILE).await }
            },
        )
        .probed_by(move |_: Item, cx: ToolContext| {
            let known = books.lock().keys.contains(&cx.key);
            async move {
                Ok(if known {
                    Probe::Happened(ToolOutput::of(json!({ "pay": "found" })))
                } else {
                    Probe::DidNot
                })
            }
        })
        .into_tool()
    }

    /// Orders: nobody deduplicates.
    pub fn order(&self) -> Arc<dyn Tool> {
        self.tool("order", Effect::AT_MOST_ONCE)
    }

    /// The same, and an operator has to approve it.
    pub fn approved_order(&self) -> Arc<dyn Tool> {
        self.tool("order", Effect::AT_MOST_ONCE.approved())
    }

    /// Takes no arguments.
    pub fn nothing(&self) -> Arc<dyn Tool> {
        let shop = self.clone();
        let nothing = move |_: Nothing, cx: ToolContext| {
            let (shop, item) = (shop.clone(), String::new());
            async move {
                shop.call("nothing", Item { item }, cx, Effect::IDEMPOTENT)
                    .await
            }
        };
        tool("nothing", "Does nothing.", Effect::IDEMPOTENT, nothing).into_tool()
    }

    fn tool(&self, name: &'static str, effect: Effect) -> Arc<dyn Tool> {
        let shop = self.clone();
        tool(
            name,
            format!("Does {name}."),
            effect,
            move |item: Item, cx: ToolContext| {
                let shop = shop.clone();
                async move { shop.call(name, item, cx, effect).await }
            },
        )
        .into_tool()
    }

    async fn call(
        &self,
        tool: &'static str,
        item: Item,
        cx: ToolContext,
        effect: Effect,
    ) -> Result<ToolOutput> {
        let fate = self.lock().fate.clone();
        fate.pass(&format!("before {tool}")).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let silent = {
            let mut books = self.lock();
            books.calls.push((tool, cx.key));
            let known = books.keys.contains(&cx.key);
            let deduplicates =
                effect != Effect::AT_MOST_ONCE && effect.class != Effect::AT_MOST_ONCE.class;
            if !(known && deduplicates) {
                books.keys.push(cx.key);
                if effect != Effect::PURE {
                    books.done.push(format!("{tool} {}", item.item));
                }
            }
            let lost = books.silent.iter().position(|name| *name == tool);
            lost.map(|place| books.silent.remove(place)).is_some()
        };
        fate.pass(&format!("after {tool}")).await;
        if silent {
            return Err(Error::new(ErrorKind::Timeout, "the shop did not answer")
                .with_outcome(Outcome::Unknown));
        }
        Ok(ToolOutput::of(json!({ tool: item.item })))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
