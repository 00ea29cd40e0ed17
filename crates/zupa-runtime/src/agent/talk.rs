//! Where the conversation stands, by the conversation machine of the core.
//!
//! A turn moves it once, at its end: what was heard and what came of it are one
//! passage to a state in which it can rest. It goes into the commit with all else that
//! the conversation keeps, fenced by the claim: of two who would move it one wins. The
//! newest passages are kept with it, and the audit has them all; a turn that leaves it
//! where it was adds to neither.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use zupa_core::machine::conversation::{
    Answer, Config, ConversationEvent as On, ConversationState as In, Facts, Next,
};
use zupa_core::machine::{ConversationMachine, Passage, Snapshot, TransitionError};
use zupa_core::{Timestamp, WaitKind};

use crate::graph::Left;

/// Passages that are kept with the conversation.
const PASSAGES: usize = 16;

static MACHINE: LazyLock<ConversationMachine> = LazyLock::new(|| {
    ConversationMachine::new(Config {
        // It has every step of a turn; what is kept is where turns came to rest.
        history: 0,
        ..Config::default()
    })
});

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
    pub(super) fn begin(at: Timestamp) -> Self {
        Self {
            at: MACHINE.begin(at),
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
    pub(super) fn gives_up_next(&self) -> bool {
        self.facts.failures >= Config::default().fallback_limit
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
    pub(super) fn silence(&mut self, at: Timestamp) -> Option<Entry> {
        self.moves(|talk| match talk.state() {
            // It waits for nobody, or for somebody else.
            In::Idle | In::NeedsHuman => Ok(None),
            _ => talk.go(&[On::Timeout], at),
        })
    }

    /// The end of a turn. Who waits for a human goes on waiting, whatever is said.
    pub(super) fn ends(&mut self, came: Came, left: Left, at: Timestamp) -> Option<Entry> {
        self.moves(|talk| talk.follow(came, left, at))
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

    fn follow(&mut self, came: Came, left: Left, at: Timestamp) -> Followed {
        let (worked, next) = match (came, left) {
            (Came::ToNothing, Left::Answered | Left::Silent | Left::Waits(_)) => return Ok(None),
            // One is called already.
            (Came::ToHuman | Came::Loops, _) if self.state() == In::NeedsHuman => return Ok(None),
            (Came::ToHuman | Came::Loops, _) => return self.go(&[On::Escalate], at),
            (Came::Back | Came::LoopsOn, _) => {
                self.asked = false;
                return self.go(&[On::HandBack], at);
            }
            // What operators were asked stays open: they are not asked again.
            (Came::Anew, _) => return self.go(&[On::Reset], at),
            // Whoever waits for operators or the time has neither failed nor succeeded.
            (_, Left::Waits(WaitKind::Decision | WaitKind::Timer)) => return Ok(None),
            (_, Left::GaveUp) | (Came::ToFallback, _) => (On::Fallback, Next::Listen),
            (Came::AsItEnded, Left::Waits(WaitKind::Reply)) => (On::AgentCompleted, Next::Confirm),
            (Came::AsItEnded, _) => (On::AgentCompleted, Next::Listen),
        };
        let heard = self.go(&[On::MessageReceived], at)?;
        match self.state() {
            In::NeedsHuman => return Ok(heard),
            In::Completed | In::AwaitingInput => {
                if worked == On::AgentCompleted && next == Next::Listen {
                    return Ok(heard);
                }
                // The answer was no end of it.
                self.go(&[On::MessageReceived], at)?;
            }
            _ => {}
        }
        self.go(&[On::IntentRecognized], at)?;
        self.facts.next = next;
        self.go(&[worked], at)
    }

    /// Follows events. What this conversation is asked is what its machine takes: a refusal
    /// is news.
    fn go(&mut self, events: &[On], at: Timestamp) -> Followed {
        let mut last = None;
        for event in events {
            let moved = MACHINE.transition(&mut self.at, *event, &mut self.facts, at)?;
            last = Some(moved.passage);
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(turns: &[(Came, Left)]) -> Talk {
        let mut talk = Talk::begin(Timestamp(0));
        for (at, (came, left)) in (1..).zip(turns) {
            talk.ends(*came, *left, Timestamp(at));
        }
        talk
    }

    const WELL: (Came, Left) = (Came::AsItEnded, Left::Answered);
    const BADLY: (Came, Left) = (Came::ToFallback, Left::Answered);
    const DEAD: (Came, Left) = (Came::ToNothing, Left::GaveUp);

    #[test]
    fn a_turn_leads_to_where_it_can_rest() {
        let asks = (Came::AsItEnded, Left::Waits(WaitKind::Reply));
        assert_eq!(after(&[]).state(), In::Idle);
        assert_eq!(after(&[WELL]).state(), In::AwaitingInput);
        assert_eq!(after(&[WELL, asks]).state(), In::AwaitingConfirmation);
        assert_eq!(after(&[BADLY]).state(), In::Fallback);
        assert_eq!(after(&[DEAD]).state(), In::Fallback);
        assert_eq!(
            after(&[WELL, (Came::Anew, Left::Answered)]).state(),
            In::Idle
        );
        let command = (Came::ToNothing, Left::Answered);
        assert_eq!(after(&[asks, command]).state(), In::AwaitingConfirmation);
    }

    #[test]
    fn an_answer_settles_what_was_asked() {
        let asks = (Came::AsItEnded, Left::Waits(WaitKind::Reply));
        for (yes, rests) in [(true, In::Completed), (false, In::AwaitingInput)] {
            let mut talk = after(&[asks]);
            talk.answered(yes);
            talk.ends(WELL.0, WELL.1, Timestamp(9));
            assert_eq!(talk.state(), rests);
        }
    }

    #[test]
    fn the_fourth_failure_in_a_row_calls_a_human() {
        assert!(!after(&[BADLY, DEAD]).gives_up_next());
        let third = after(&[BADLY, DEAD, BADLY]);
        assert!(third.gives_up_next() && third.state() == In::Fallback);
        let fourth = after(&[BADLY, DEAD, BADLY, DEAD]);
        assert!(fourth.wants_human());
        let well_between = after(&[BADLY, BADLY, WELL, BADLY, BADLY]);
        assert_eq!(well_between.failures(), 2);
    }

    #[test]
    fn who_waits_for_a_human_waits_until_it_is_given_back() {
        let human = (Came::ToHuman, Left::Answered);
        let waits = after(&[human, WELL, BADLY, DEAD]);
        assert!(waits.wants_human());
        let back = after(&[human, WELL, (Came::Back, Left::Silent)]);
        assert_eq!(back.state(), In::AwaitingInput);
    }

    #[test]
    fn the_newest_passages_are_kept_and_a_row_without_any_is_read() {
        let rounds = [WELL, BADLY].repeat(20);
        let talk = after(&rounds);
        let times: Vec<_> = talk.passages().iter().map(|passage| passage.at).collect();
        let newest = (25..=40).map(Timestamp);
        assert_eq!(times, newest.collect::<Vec<_>>());
        let stored = serde_json::to_value(&talk).unwrap();
        assert_eq!(
            serde_json::from_value::<Talk>(stored.clone()).unwrap(),
            talk
        );
        assert!(stored.to_string().len() < 2_000);
        let mut old = stored;
        old.as_object_mut().unwrap().remove("passages");
        let old: Talk = serde_json::from_value(old).unwrap();
        assert_eq!((old.state(), old.passages().len()), (In::Fallback, 0));
    }

    #[test]
    fn a_turn_that_stays_where_it_was_tells_nothing() {
        let mut talk = after(&[WELL]);
        assert_eq!(talk.ends(WELL.0, WELL.1, Timestamp(9)), None);
        assert_eq!(talk.passages().len(), 1);
        let told = talk.ends(BADLY.0, BADLY.1, Timestamp(10));
        let said = "fallback: awaiting_input to fallback".to_owned();
        assert_eq!(told, Some(("talk.moved", said)));
        assert_eq!(talk.ends(BADLY.0, BADLY.1, Timestamp(11)), None);
        let told = talk.silence(Timestamp(12)).unwrap();
        assert_eq!(told.1, "timeout: fallback to idle");
        assert_eq!(talk.silence(Timestamp(13)), None);
    }

    #[test]
    fn what_the_machine_refuses_is_told_and_changes_nothing() {
        let mut talk = after(&[WELL, BADLY]);
        let before = talk.clone();
        let (action, why) = talk.ends(Came::Back, Left::Silent, Timestamp(9)).unwrap();
        assert_eq!(action, "talk.refused");
        assert_eq!(why, "state Fallback has no transition for HandBack");
        assert_eq!(talk, before);
    }
}
