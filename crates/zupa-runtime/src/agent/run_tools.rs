//! Node `run_tools`: what the model asked for is done, side by side, and it is told
//! what came of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use zupa_core::{Digest, ToolCall};

use super::state::CallResult;
use super::{AgentTurn, Parts, Update};
use crate::graph::{Move, Node};
use crate::remind;
use crate::tools::object;
use crate::turn::{Before, Called, Cx, MAX_CALLS, PlannedCall, Stop, Which, evidence};

/// The most that the model is told of one result, in bytes.
const MAX_RESULT: usize = 64 * 1024;

pub(super) struct RunTools(pub Arc<Parts>);

#[async_trait]
impl Node<AgentTurn> for RunTools {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let mut refused: HashMap<usize, Called> = HashMap::new();
        let mut planned = Vec::new();
        let mut which: HashMap<usize, u32> = HashMap::new();
        let mut taken = turn.ended_calls.clone();
        for (place, call) in turn.calls.iter().enumerate() {
            if place >= MAX_CALLS {
                let said = format!("at most {MAX_CALLS} calls at once");
                refused.insert(place, Called::refused("too_many_calls", said));
                continue;
            }
            match self.plan(turn, place, call, &mut taken) {
                Ok((call, which_of)) => {
                    which.insert(place, which_of);
                    planned.push(call);
                }
                Err(answer) => {
                    refused.insert(place, answer);
                }
            }
        }
        let calls: Vec<String> = planned.iter().map(|call| call.key.clone()).collect();
        let mut answers = match cx.call_all(planned).await {
            Ok(answers) => answers.into_iter(),
            Err(Stop::Review(review)) => {
                return Err(Stop::Review(review.with(came_to(&calls, cx))));
            }
            Err(stop) => return Err(stop),
        };
        let mut results = Vec::new();
        for (place, call) in turn.calls.iter().enumerate() {
            let (called, made) = match refused.remove(&place) {
                Some(refusal) => (refusal, false),
                None => match answers.next() {
                    Some(called) => (called, true),
                    None => (Called::refused("internal", "no result"), false),
                },
            };
            let late = set_reminders(&called, cx)?;
            let known = self.0.agent.tools.get(&call.name);
            let class = known.map(|known| known.tool.effect().class);
            // What a model makes up may hold anything.
            let name = known.map_or("a tool that is unknown", |_| call.name.as_str());
            cx.audit("tool.called", evidence(name, class, &called, made));
            results.push(CallResult {
                call: call.id.clone(),
                text: late.unwrap_or_else(|| cut(called.for_model())),
                patch: match &called {
                    Called::Output(output) => output.state.clone(),
                    Called::Error { .. } => None,
                },
                ended: which
                    .get(&place)
                    .filter(|_| made && !called.is_unknown())
                    .map(|which| (name_of(call), *which)),
            });
        }
        if cx.has_siblings {
            cx.gathered.before = Some(came_to(&calls, cx));
        }
        Ok(Move::to("recall").with(Update::Called(results)))
    }
}

impl RunTools {
    /// A call that can be made, or what the model is told instead.
    fn plan(
        &self,
        turn: &AgentTurn,
        place: usize,
        call: &ToolCall,
        taken: &mut BTreeMap<String, Vec<u32>>,
    ) -> Result<(PlannedCall, u32), Called> {
        let Some(known) = self.0.agent.tools.get(&call.name) else {
            return Err(Called::refused(
                "unknown_tool",
                format!("there is no tool named {}", call.name),
            ));
        };
        let arguments = known
            .schema
            .read(&call.arguments)
            .map_err(|wrong| Called::refused("invalid_arguments", wrong))?;
        let mut decision = None;
        for (needed, decisions) in [
            (known.confirm.is_some(), &turn.confirmed),
            (known.tool.effect().approve, &turn.approved),
        ] {
            match decisions.get(&call.id) {
                _ if !needed => {}
                Some(decided) if decided.approved => decision = Some(decided.clone()),
                Some(decided) => return Err(Called::refused("rejected", decided.note.clone())),
                None if turn.kept.waiting.contains_key(&name_of(call)) => {
                    let said = "this very call waits for an approval already; nothing was done now";
                    return Err(Called::refused("waiting", said));
                }
                None => return Err(Called::refused("rejected", "nobody has agreed to it")),
            }
        }
        // Equal calls in one round are meant: each gets a key of its own. One whose
        // answer was lost is asked for again under the key that it had.
        let taken = taken.entry(name_of(call)).or_default();
        let which = (0..)
            .find(|which| !taken.contains(which))
            .unwrap_or_default();
        taken.push(which);
        let planned = PlannedCall {
            key: format!("{}/{place}", call.name),
            tool: known.tool.clone(),
            arguments,
            which: Which::Equal(which),
            decision,
            state: turn.kept.agent.clone(),
        };
        Ok((planned, which))
    }
}

/// What calls that have ended changed of the agent's state and remind of, in the order of
/// the calls.
fn came_to(calls: &[String], cx: &Cx) -> Before {
    let (mut updates, mut reminders, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for (step, output) in calls.iter().filter_map(|call| cx.given_back_by(call)) {
        updates.extend(output.state.map(Update::Agent));
        // Of one that cannot be set the model is told when the node begins again.
        let can_be_set = output.remind.iter();
        reminders.extend(can_be_set.filter_map(|reminder| cx.reminder(reminder).ok()));
        steps.push(step);
    }
    Before {
        updates: Box::new(updates),
        reminders,
        steps,
    }
}

/// Sets the reminders of a call; answers what the model is told if one cannot be set.
fn set_reminders(called: &Called, cx: &mut Cx) -> Result<Option<String>, Stop> {
    let Called::Output(output) = called else {
        return Ok(None);
    };
    let mut told = None;
    for reminder in &output.remind {
        match remind::check(reminder, cx.now()) {
            Ok(()) => cx.remind(reminder)?,
            Err(wrong) => {
                told = Some(Called::refused("invalid", wrong.message()).for_model());
            }
        }
    }
    Ok(told)
}

/// Names a call by its tool and canonical arguments: members are in the order of their
/// names.
pub(super) fn name_of(call: &ToolCall) -> String {
    name_by(&call.name, &object(&call.arguments).unwrap_or_default())
}

/// As [`name_of`], of what was read before.
pub(super) fn name_by(tool: &str, arguments: &Value) -> String {
    Digest::of_json(&(tool, arguments)).to_hex()
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_RESULT {
        let mut end = MAX_RESULT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(" [cut]");
    }
    text
}
