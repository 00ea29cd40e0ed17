//! What a turn of the default agent works on, and what its conversation keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zupa_core::turn::Message;
use zupa_core::{Completion, Decision, Number, Outbound, Prompt, Role, Timestamp, ToolCall, patch};

use super::run_tools::name_of;
use crate::graph::State;

/// Voice messages whose words are kept.
const HEARD: usize = 20;

/// The state of one turn of the default agent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AgentTurn {
    /// What the person said, a line for each message.
    pub input: Vec<String>,
    /// The numbers of these messages, first and last.
    pub range: (Number, Number),
    /// What the model asked for and was told in this turn.
    pub rounds: Vec<Prompt>,
    /// Calls that the model asked for and that have not been made.
    pub calls: Vec<ToolCall>,
    /// What the person said of calls that are not made yet, by their ids.
    pub confirmed: BTreeMap<String, Decision>,
    /// What operators said of calls that are not made yet, by their ids.
    pub approved: BTreeMap<String, Decision>,
    /// Calls of the turn whose end is known, by tool and arguments: which of the equal
    /// ones, from 0.
    pub ended_calls: BTreeMap<String, Vec<u32>>,
    /// How often a reply of the wrong form was sent back to the model.
    pub repairs: u32,
    /// What the model said last.
    pub reply: String,
    /// The prompt of the next call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompt: Vec<Prompt>,
    /// Earlier lines of the conversation, as of today.
    #[serde(skip)]
    pub history: Option<Vec<Message>>,
    /// What goes out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbound: Vec<Outbound>,
    /// What the conversation keeps.
    #[serde(skip)]
    pub kept: Kept,
}

/// What a conversation keeps from turn to turn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The agent's own state, which tools read and change.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub agent: Value,
    /// The session that is open.
    #[serde(default)]
    pub session: Session,
    /// Calls that operators were asked about, by tool and arguments, and until when: they
    /// are not asked again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waiting: BTreeMap<String, Timestamp>,
    /// What was heard in voice messages of the newest lines, by their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<(Number, String)>,
}

/// A stretch of a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which, from 1; 0 before the first message.
    pub number: u64,
    /// The number of its first message: what lies before is not in the prompt.
    pub first: Number,
    /// When its newest message was accepted.
    pub last_at: Timestamp,
}

/// A change of [`AgentTurn`].
#[derive(Debug, Clone)]
pub enum Update {
    /// The session that the turn belongs to.
    Session(Session),
    /// What the person said.
    Input {
        /// A line for each message.
        lines: Vec<String>,
        /// The numbers of the messages, first and last.
        range: (Number, Number),
        /// What was heard in those that are voice, by their numbers.
        heard: Vec<(Number, String)>,
    },
    /// Earlier lines of the conversation.
    History(Vec<Message>),
    /// The prompt of the next call.
    Prompt(Vec<Prompt>),
    /// What the model answered.
    Answered(Completion),
    /// The answer has the wrong form.
    Repair {
        /// The answer.
        answer: String,
        /// What is said of it to the model.
        said: String,
    },
    /// What was decided on calls.
    Decided {
        /// By the person, by the calls' ids.
        confirmed: Vec<(String, Decision)>,
        /// By operators, by the calls' ids.
        approved: Vec<(String, Decision)>,
        /// Calls that operators are asked about now, by tool and arguments, and until when.
        asked: BTreeMap<String, Timestamp>,
        /// When the person was last heard.
        heard_at: Option<Timestamp>,
    },
    /// What the calls gave back, in their order.
    Called(Vec<Result>),
    /// What goes out.
    Outbound(Vec<Outbound>),
    /// A change of the agent's own state, as a JSON merge patch.
    Agent(Value),
}

/// What a call gave back.
#[derive(Debug, Clone)]
pub struct Result {
    /// The call's id.
    pub call: String,
    /// What the model is told.
    pub text: String,
    /// A change of the agent's own state.
    pub patch: Option<Value>,
    /// Its tool and arguments, and which of the equal ones it is, if it is known how it
    /// ended.
    pub ended: Option<(String, u32)>,
}

/// Gives calls that a server has not told apart ids of their own.
fn name_apart(calls: &mut [ToolCall]) {
    for place in 0..calls.len() {
        let (before, rest) = calls.split_at_mut(place);
        let call = &mut rest[0];
        if call.id.is_empty() || before.iter().any(|other| other.id == call.id) {
            call.id = format!("{}#{place}", call.id);
        }
    }
}

impl State for AgentTurn {
    type Update = Update;
    type Kept = Kept;

    fn apply(&mut self, update: Update) {
        match update {
            Update::Session(session) => self.kept.session = session,
            Update::Input {
                lines,
                range,
                heard,
            } => {
                (self.input, self.range) = (lines, range);
                self.kept.heard.extend(heard);
                let surplus = self.kept.heard.len().saturating_sub(HEARD);
                self.kept.heard.drain(..surplus);
            }
            Update::History(lines) => self.history = Some(lines),
            Update::Prompt(prompt) => self.prompt = prompt,
            Update::Answered(mut completion) => {
                // It is made anew for the next call, and need not be parked.
                self.prompt.clear();
                name_apart(&mut completion.calls);
                self.reply = completion.text.clone();
                self.calls.clone_from(&completion.calls);
                self.rounds.push(Prompt::Assistant {
                    text: completion.text,
                    calls: completion.calls,
                });
            }
            Update::Repair { answer, said } => {
                self.repairs += 1;
                self.rounds.push(Prompt::line(Role::Assistant, answer));
                self.rounds.push(Prompt::line(Role::User, said));
            }
            Update::Decided {
                confirmed,
                approved,
                asked,
                heard_at,
            } => {
                let decided = |call: &&ToolCall| approved.iter().any(|(id, _)| *id == call.id);
                for call in self.calls.iter().filter(decided) {
                    self.kept.waiting.remove(&name_of(call));
                }
                self.kept.waiting.extend(asked);
                self.confirmed.extend(confirmed);
                self.approved.extend(approved);
                let last_at = &mut self.kept.session.last_at;
                *last_at = heard_at.unwrap_or_default().max(*last_at);
            }
            Update::Called(results) => {
                self.calls.clear();
                // Models use ids again: what was decided was decided on these calls.
                self.confirmed.clear();
                self.approved.clear();
                for result in results {
                    if let Some(change) = result.patch {
                        patch::merge(&mut self.kept.agent, change);
                    }
                    if let Some(ended) = result.ended {
                        let (name, which) = ended;
                        self.ended_calls.entry(name).or_default().push(which);
                    }
                    self.rounds.push(Prompt::Tool {
                        call: result.call,
                        result: result.text,
                    });
                }
            }
            Update::Outbound(outbound) => self.outbound = outbound,
            Update::Agent(change) => patch::merge(&mut self.kept.agent, change),
        }
    }

    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn attach(&mut self, kept: Kept) {
        self.kept = kept;
    }
}
