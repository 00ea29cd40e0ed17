//! What a turn of the default agent works on, and what its conversation keeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zupa_core::turn::Message;
use zupa_core::{
    Completion, Decision, Number, Outbound, Prompt, Role, Timestamp, ToolCall, Wait, patch,
};

use super::loop_guard::Pace;
use super::run_tools::name_of;
use super::session::{EPISODES, EndReason, Episode, Session};
use super::talk::{Came, Entry, Rules, Talk};
use super::{approve_tools, hand_back};
use crate::graph::{Left, Question, State};

/// Voice messages whose words are kept.
const HEARD: usize = 20;

/// How long operators have to take a conversation over, where nothing else is said.
const HUMAN_WITHIN: Duration = Duration::from_secs(30 * 60);

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
    #[serde(default, skip_serializing_if = "is_empty")]
    pub prompt: Arc<[Prompt]>,
    /// Earlier lines of the conversation, as of today.
    #[serde(skip)]
    pub history: Option<Vec<Message>>,
    /// The model's provider fails, and the turn does not wait for it.
    #[serde(skip)]
    pub(super) model_down: bool,
    /// What goes out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbound: Vec<Outbound>,
    /// What the conversation keeps.
    #[serde(skip)]
    pub kept: Kept,
    #[serde(skip)]
    pub(super) came: Came,
    /// How often the agent may fail, and what follows.
    #[serde(skip)]
    pub(super) rules: Rules,
    /// How long operators have to take the conversation over.
    #[serde(skip)]
    pub(super) human_within: Option<Duration>,
    /// What the audit is to hear of where the conversation stands.
    #[serde(skip)]
    entries: Vec<Entry>,
}

/// What a conversation keeps from turn to turn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The agent's own state, which tools read and change.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub agent: Value,
    /// The newest session.
    #[serde(default)]
    pub session: Session,
    /// Sessions that ended, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub episodes: Vec<Episode>,
    /// Where the conversation stands; none before the first turn has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talk: Option<Talk>,
    /// When the agent wants to be woken if nobody says anything before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
    /// Calls that operators were asked about, by tool and arguments, and until when: they
    /// are not asked again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waiting: BTreeMap<String, Timestamp>,
    /// What was heard in voice messages of the newest lines, by their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<(Number, String)>,
    /// How fast it goes, where that is faster than a person.
    #[serde(default, skip_serializing_if = "Pace::is_calm")]
    pub pace: Pace,
}

/// A change of [`AgentTurn`].
#[derive(Debug, Clone)]
pub enum Update {
    /// The session that the turn belongs to.
    Session(Attached),
    /// The same of a turn that runs in a loop: it ends here, and a human is wanted.
    Loops(Attached),
    /// The person begins anew: nothing of before is remembered.
    Anew(Session),
    /// What a model has made of an ended session, and when it is to be asked again.
    Summarised {
        /// Which.
        session: u64,
        /// The summary; none when the model could not.
        summary: Option<String>,
        /// When the agent wants to be woken.
        wake_at: Option<Timestamp>,
    },
    /// When the agent wants to be woken.
    WakeAt(Option<Timestamp>),
    /// What the turn came to, beside how it ends.
    Came(Came),
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
    /// The model's provider fails, and the turn does not wait for it.
    ModelDown,
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
        /// What was heard in answers that are voice, by their numbers.
        heard: Vec<(Number, String)>,
    },
    /// What the calls gave back, in their order.
    Called(Vec<CallResult>),
    /// What goes out.
    Outbound(Vec<Outbound>),
    /// What goes out in place of an answer that is none.
    Fallback(Vec<Outbound>),
    /// What goes out, and with it the session ends: the model wants so.
    Closing(Vec<Outbound>),
    /// A change of the agent's own state, as a JSON merge patch.
    Agent(Value),
}

/// The session of a turn.
#[derive(Debug, Clone)]
pub struct Attached {
    /// When the turn's newest message was accepted.
    pub at: Timestamp,
    /// The session.
    pub session: Session,
    /// What is remembered of the one before, if that has ended just now.
    pub ended: Option<Episode>,
    /// Why the one before has ended, if that has ended just now.
    pub over: Option<EndReason>,
    /// When the agent wants to be woken if nobody says anything before.
    pub wake_at: Option<Timestamp>,
    /// How long operators have to take the conversation over.
    pub human_within: Duration,
    /// How fast the conversation goes.
    pub pace: Pace,
}

/// What a call gave back.
#[derive(Debug, Clone)]
pub struct CallResult {
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

fn is_empty(prompt: &Arc<[Prompt]>) -> bool {
    prompt.is_empty()
}

impl AgentTurn {
    fn attach_session(&mut self, attached: Attached) {
        let (kept, rules) = (&mut self.kept, &self.rules);
        self.entries.extend(attached.over.map(EndReason::entry));
        if let Some(talk) = &mut kept.talk {
            let at = attached.at.max(kept.session.last_at);
            if attached.over.is_some() {
                self.entries.extend(talk.silence(rules, at));
            }
            if attached.session.number != kept.session.number {
                self.entries.extend(talk.starts(rules, at));
            }
        }
        kept.waiting
            .retain(|_, until| *until > attached.session.last_at);
        kept.session = attached.session;
        kept.wake_at = attached.wake_at;
        kept.pace = attached.pace;
        kept.remember(attached.ended);
        self.human_within = Some(attached.human_within);
    }

    /// True when the agent has failed too often, and the session is to end.
    pub(super) fn is_given_up(&self) -> bool {
        self.kept.talk.as_ref().is_some_and(Talk::is_given_up)
    }

    /// Ends the session with what this turn has heard and says.
    fn close(&mut self) {
        let own = self.input.iter().map(|text| (Role::User, text.clone()));
        let said = std::iter::once((Role::Assistant, self.reply.clone()));
        let own = own.chain(said).map(|(role, text)| Message {
            number: self.range.1,
            role,
            text,
        });
        let earlier = self.history.iter().flatten().cloned();
        let lines: Vec<Message> = earlier.chain(own).collect();
        let end = Number(self.range.1.0 + 1);
        let session = &mut self.kept.session;
        session.over = true;
        self.entries.push(EndReason::Model.entry());
        let ended = session.remembered(&lines, end, EndReason::Model);
        self.kept.remember(ended);
    }
}

impl Kept {
    fn hear(&mut self, heard: Vec<(Number, String)>) {
        self.heard.extend(heard);
        let surplus = self.heard.len().saturating_sub(HEARD);
        self.heard.drain(..surplus);
    }

    fn remember(&mut self, ended: Option<Episode>) {
        self.episodes.extend(ended);
        let surplus = self.episodes.len().saturating_sub(EPISODES);
        self.episodes.drain(..surplus);
    }
}

impl State for AgentTurn {
    const WAKES: bool = true;

    type Update = Update;
    type Kept = Kept;

    fn apply(&mut self, update: Update) {
        match update {
            Update::Session(attached) => self.attach_session(attached),
            Update::Loops(attached) => {
                self.attach_session(attached);
                self.came = Came::Loops;
            }
            Update::Anew(session) => {
                self.kept.session = session;
                self.kept.episodes.clear();
                self.came = Came::Anew;
            }
            Update::Summarised {
                session,
                summary,
                wake_at,
            } => {
                let mut episodes = self.kept.episodes.iter_mut();
                if let Some(episode) = episodes.find(|episode| episode.session == session) {
                    episode.summarised(summary);
                }
                self.kept.wake_at = wake_at;
            }
            Update::WakeAt(wake_at) => self.kept.wake_at = wake_at,
            Update::Came(came) => {
                if came == Came::Back {
                    self.kept.pace = Pace::default();
                }
                self.came = came;
            }
            Update::Input {
                lines,
                range,
                heard,
            } => {
                (self.input, self.range) = (lines, range);
                self.came = Came::AsItEnded;
                self.kept.hear(heard);
            }
            Update::History(lines) => self.history = Some(lines),
            Update::Prompt(prompt) => self.prompt = prompt.into(),
            Update::Answered(mut completion) => {
                // It is made anew for the next call, and need not be parked.
                self.prompt = Arc::default();
                name_apart(&mut completion.calls);
                self.reply = completion.text.clone();
                self.calls.clone_from(&completion.calls);
                self.rounds.push(Prompt::Assistant {
                    text: completion.text,
                    calls: completion.calls,
                });
            }
            Update::ModelDown => {
                (self.model_down, self.came) = (true, Came::ToNothing);
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
                heard,
            } => {
                self.came = Came::AsItEnded;
                self.kept.hear(heard);
                if let (Some(talk), Some((_, decision))) = (&mut self.kept.talk, confirmed.last()) {
                    talk.answered(decision.approved);
                }
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
            Update::Fallback(outbound) => {
                self.came = Came::ToFallback;
                self.outbound = outbound;
            }
            Update::Closing(outbound) => {
                self.outbound = outbound;
                self.close();
            }
            Update::Agent(change) => patch::merge(&mut self.kept.agent, change),
        }
    }

    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn give_up(&mut self, settled: &[Wait]) {
        for asked in settled.iter().filter_map(approve_tools::asked_about) {
            self.kept.waiting.remove(&asked);
        }
    }

    fn leave(&mut self, left: Left, at: Timestamp) -> Option<(&'static str, Question)> {
        let (kept, rules) = (&mut self.kept, &self.rules);
        let talk = kept.talk.get_or_insert_with(|| Talk::begin(rules, at));
        self.entries.extend(talk.ends(rules, self.came, left, at));
        if talk.is_given_up() && kept.session.is_open() {
            // The turn after ends the session.
            kept.wake_at = Some(at);
        }
        if !talk.wants_human() {
            return None;
        }
        if matches!(left, Left::Waits(_) | Left::GaveUp) {
            // These open no question: the turn after asks it.
            self.kept.wake_at = Some(at);
            return None;
        }
        talk.has_asked();
        let within = self.human_within.unwrap_or(HUMAN_WITHIN);
        Some(("hand_back", hand_back::question(self.came).within(within)))
    }

    fn entries(&mut self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut self.entries)
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.kept.wake_at
    }

    fn attach(&mut self, kept: Kept) {
        self.kept = kept;
    }
}
