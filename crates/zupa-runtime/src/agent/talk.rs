//! Where the conversation stands, by the conversation machine of the core.
//!
//! A turn moves it once, at its end: what was heard and what came of it are one
//! passage to a state in which it can rest. It goes into the commit with all else that
//! the conversation keeps, fenced by the claim: of two who would move it one wins. The
//! newest passages are kept with it, and the audit has them all; a turn that leaves it
//! where it was adds to neither.

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use zupa_core::machine::conversation::{
    Answer, Config, ConversationEvent as On, ConversationState as In, Facts, GiveUp, Next,
};
use zupa_core::machine::{ConversationMachine, Passage, Snapshot, TransitionError};
use zupa_core::{Timestamp, WaitKind};

use crate::graph::Left;

/// Passages that are kept with the conversation.
const PASSAGES: usize = 16;

static USUAL: LazyLock<Rules> = LazyLock::new(|| Rules::of(&Config::default()));

/// How often an agent may fail, what follows, and the machine that keeps to it.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    machine: Arc<ConversationMachine>,
    limit: u32,
    give_up: GiveUp,
}

impl Rules {
    pub(super) fn of(config: &Config) -> Self {
        let machine = ConversationMachine::new(Config {
            // It has every step of a turn; what is kept is where turns came to rest.
            history: 0,
            ..*config
        });
        Self {
            machine: Arc::new(machine),
            limit: config.fallback_limit,
            give_up: config.give_up,
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        USUAL.clone()
    }
}

/// Where a conversation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    at: Snapshot<On>,
    #[serde(default, skip_serializing_if = "is_default")]
    facts: Facts,
    /// Operators know that a human is wanted.
    #[serde(default, skip_serializing_if = "is_default")]
    asked: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    passages: Vec<Passage<On>>,
}

/// An entry for the audit: what happened, and why.
pub(super) type Entry = (&'static str, String);

/// The last passage of those that events led through, if any did.
type Followed = Result<Option<Passage<On>>, TransitionError<On>>;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a turn of the agent came to, beside how it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Came {
    /// To nothing that moves the conversation: a command, a wake.
    #[default]
    ToNothing,
    /// To what the graph says: an answer, a wait.
    AsItEnded,
    /// To the fallback text.
    ToFallback,
    /// To a call for a human.
    ToHuman,
    /// To nothing: the conversation runs in a loop, and a human is called.
    Loops,
    /// The human gives it back.
    Back,
    /// Nobody has looked at a conversation that runs in a loop: it does still.
    LoopsOn,
    /// It begins anew.
    Anew,
}

impl Talk {
    /// A conversation that begins.
    pub(super) fn begin(rules: &Rules, at: Timestamp) -> Self {
        Self {
            at: rules.machine.begin(at),
            facts: Facts::default(),
            asked: false,
            passages: Vec::new(),
        }
    }

    /// Where it rests.
    pub fn state(&self) -> In {
        self.at.state()
    }

    /// Failures since something last went well.
    pub fn failures(&self) -> u32 {
        self.facts.failures
    }

    /// The newest changes of where it rests, oldest first: at most 16.
    pub fn passages(&self) -> &[Passage<On>] {
        &self.passages
    }

    /// True when the next failure calls a human.
    pub(super) fn calls_human_next(&self, rules: &Rules) -> bool {
        let gives_up = self.facts.failures >= rules.limit && !self.is_given_up();
        gives_up && rules.give_up == GiveUp::NeedsHuman
    }

    /// True when the agent has failed too often, and the session is to end.
    pub(super) fn is_given_up(&self) -> bool {
        self.state() == In::Error
    }

    /// True when a human is wanted and no operator knows of it.
    pub(super) fn wants_human(&self) -> bool {
        self.state() == In::NeedsHuman && !self.asked
    }

    /// Operators were asked for a human.
    pub(super) fn has_asked(&mut self) {
        self.asked = true;
    }

    /// How the person has answered what was asked.
    pub(super) fn answered(&mut self, yes: bool) {
        self.facts.answer = if yes { Answer::Yes } else { Answer::No };
    }

    /// The session is over.
    pub(super) fn silence(&mut self, rules: &Rules, at: Timestamp) -> Option<Entry> {
        self.moves(|talk| match talk.state() {
            // It waits for nobody, or for somebody else; or shows how the session ended.
            In::Idle | In::NeedsHuman | In::Error => Ok(None),
            _ => talk.go(rules, &[On::Timeout], at),
        })
    }

    /// Another session begins.
    pub(super) fn starts(&mut self, rules: &Rules, at: Timestamp) -> Option<Entry> {
        self.moves(|talk| talk.start(rules, at))
    }

    /// The end of a turn. Who waits for a human goes on waiting, whatever is said.
    pub(super) fn ends(
        &mut self,
        rules: &Rules,
        came: Came,
        left: Left,
        at: Timestamp,
    ) -> Option<Entry> {
        self.moves(|talk| talk.follow(rules, came, left, at))
    }

    /// Moves it, or leaves it where it is if the machine refuses, and says what the audit
    /// is to hear of it.
    fn moves(&mut self, follow: impl FnOnce(&mut Self) -> Followed) -> Option<Entry> {
        let (at, facts) = (self.at.clone(), self.facts);
        match follow(self) {
            Ok(Some(last)) if last.to != at.state() => {
                let from = at.state();
                self.passages.push(Passage { from, ..last });
                let surplus = self.passages.len().saturating_sub(PASSAGES);
                self.passages.drain(..surplus);
                let [event, from, to] = [last.event.as_str(), from.as_str(), last.to.as_str()];
                Some(("talk.moved", format!("{event}: {from} to {to}")))
            }
            Ok(_) => None,
            Err(refused) => {
                (self.at, self.facts) = (at, facts);
                Some(("talk.refused", refused.to_string()))
            }
        }
    }

    fn follow(&mut self, rules: &Rules, came: Came, left: Left, at: Timestamp) -> Followed {
        let (worked, next) = match (came, left) {
            (Came::ToNothing, Left::Answered | Left::Silent | Left::Waits(_)) => return Ok(None),
            // One is called already.
            (Came::ToHuman | Came::Loops, _) if self.state() == In::NeedsHuman => return Ok(None),
            (Came::ToHuman | Came::Loops, _) => return self.go(rules, &[On::Escalate], at),
            (Came::Back | Came::LoopsOn, _) => {
                self.asked = false;
                return self.go(rules, &[On::HandBack], at);
            }
            // What operators were asked stays open: they are not asked again.
            (Came::Anew, _) => return self.go(rules, &[On::Reset], at),
            // Whoever waits for operators or the time has neither failed nor succeeded.
            (_, Left::Waits(WaitKind::Decision | WaitKind::Timer)) => return Ok(None),
            // Its session is to end yet.
            (_, Left::GaveUp) if self.is_given_up() => return Ok(None),
            (_, Left::GaveUp) | (Came::ToFallback, _) => (On::Fallback, Next::Listen),
            (Came::AsItEnded, Left::Waits(WaitKind::Reply)) => (On::AgentCompleted, Next::Confirm),
            (Came::AsItEnded, _) => (On::AgentCompleted, Next::Listen),
        };
        self.start(rules, at)?;
        let heard = self.go(rules, &[On::MessageReceived], at)?;
        match self.state() {
            In::NeedsHuman => return Ok(heard),
            In::Completed | In::AwaitingInput => {
                if worked == On::AgentCompleted && next == Next::Listen {
                    return Ok(heard);
                }
                // The answer was no end of it.
                self.go(rules, &[On::MessageReceived], at)?;
            }
            _ => {}
        }
        self.go(rules, &[On::IntentRecognized], at)?;
        self.facts.next = next;
        self.go(rules, &[worked], at)
    }

    /// What was given up begins anew: its failures do not count any more.
    fn start(&mut self, rules: &Rules, at: Timestamp) -> Followed {
        match self.is_given_up() {
            true => self.go(rules, &[On::Start], at),
            false => Ok(None),
        }
    }

    /// Follows events. What this conversation is asked is what its machine takes: a refusal
    /// is news.
    fn go(&mut self, rules: &Rules, events: &[On], at: Timestamp) -> Followed {
        let (machine, mut last) = (&rules.machine, None);
        for event in events {
            let moved = machine.transition(&mut self.at, *event, &mut self.facts, at)?;
            last = Some(moved.passage);
        }
        Ok(last)
    }
}
