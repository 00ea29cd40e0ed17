//! Taking a conversation over, handing it back, ending its session.
//!
//! *Arrives*: an operator's wish, perhaps for the second time.
//! *Leaves*: the conversation as it stands, with an entry in its audit if it was news.
//! *If the process dies here*: the store has done it or not; asking again is safe.

use serde::{Deserialize, Serialize};
use zupa_core::desk::{Holding, NewHold, Releasing};
use zupa_core::{AuditEntry, ConversationId, Desk, Digest, HoldKind, Result, Timestamp, operator};

use super::Conversation;

/// What is wrong with a wish: field, code, and a sentence for people.
pub type Fault = (&'static str, &'static str, String);

/// Who acts, when, and under which configuration; for the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Who, as they call themselves; nobody checks it.
    pub by: Option<String>,
    /// As of when.
    pub at: Timestamp,
    /// Digest of the configuration in force.
    pub config: Digest,
}

/// How much of what a person has said needs no answer of the agent's, beside what the
/// human is known to have answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answered {
    /// Nothing.
    #[default]
    Nothing,
    /// Everything that was accepted up to now.
    Everything,
    /// Everything that was accepted up to then.
    Until(Timestamp),
}

/// What has become of a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// As it stands now, without what a person said.
    #[serde(flatten)]
    pub conversation: Conversation,
    /// False when there was nothing to do.
    pub changed: bool,
    /// Messages that have ended as answered by a human.
    pub answered: u64,
}

impl Act {
    /// What is wrong with it.
    pub fn faults(&self) -> Vec<Fault> {
        operator::faults(self.by.as_deref())
    }

    fn name(&self) -> String {
        self.by
            .clone()
            .unwrap_or_else(|| operator::OPERATOR.to_owned())
    }

    pub(crate) fn entry(&self, action: &str, what: Option<String>) -> AuditEntry {
        operator::entry(self.by.as_deref(), action, what, (self.at, self.config))
    }
}

impl Answered {
    /// Reads `all`, `none`, or a time; what is wrong with it if it is none of them, or
    /// if it comes after `now`: what has not been said nobody has answered.
    pub fn parse(text: &str, now: Timestamp) -> std::result::Result<Self, Fault> {
        let refused = |code, detail: &str| Err(("answered", code, detail.to_owned()));
        match (text, Timestamp::parse(text)) {
            ("none", _) => Ok(Self::Nothing),
            ("all", _) => Ok(Self::Everything),
            (_, Ok(until)) if until > now => refused("in_the_future", "this time has not come yet"),
            (_, Ok(until)) => Ok(Self::Until(until)),
            (_, Err(_)) => refused(
                "not_allowed",
                "`all`, `none`, or a time like 2026-01-31T12:00:00Z",
            ),
        }
    }

    fn until(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Nothing => None,
            Self::Everything => Some(now),
            Self::Until(until) => Some(until),
        }
    }
}

/// Takes a conversation from the agent; none when there is no such conversation. One
/// that somebody has already stays as it is.
///
/// *Errors*: as [`Desk::hold`].
/// *Cancel safety*: it is taken or not; ask again.
pub async fn hold(desk: &dyn Desk, id: ConversationId, act: &Act) -> Result<Option<Done>> {
    let wish = NewHold {
        kind: HoldKind::Operator,
        by: act.name(),
        human_at: None,
    };
    let entry = act.entry("conversation.held", None);
    match desk.hold(id, wish, entry).await? {
        Holding::Done => stands(desk, id, true, 0).await,
        Holding::Already(_) => stands(desk, id, false, 0).await,
        Holding::NotFound => Ok(None),
    }
}

/// Hands a conversation back to the agent; none when there is no such conversation.
/// One that nobody has stays as it is.
///
/// *Errors*: as [`Desk::release`].
/// *Cancel safety*: it is handed back or not; ask again.
pub async fn release(
    desk: &dyn Desk,
    id: ConversationId,
    answered: Answered,
    act: &Act,
) -> Result<Option<Done>> {
    let until = answered.until(act.at);
    let what = until.map(|until| format!("answered up to {until}"));
    let entry = act.entry("conversation.released", what);
    match desk.release(id, until, entry).await? {
        Releasing::Done { answered, .. } => stands(desk, id, true, answered).await,
        Releasing::NotHeld => stands(desk, id, false, 0).await,
        Releasing::NotFound => Ok(None),
    }
}

/// Asks the agent to end the session; none when there is no such conversation. It ends
/// behind what waits, and not before the conversation is handed back. Where the session
/// is known to be over there is nothing to ask.
///
/// *Errors*: as [`Desk::end_session`].
/// *Cancel safety*: it is asked or not; asking again does no harm.
pub async fn end_session(desk: &dyn Desk, id: ConversationId, act: &Act) -> Result<Option<Done>> {
    let Some(before) = desk.conversation(id).await? else {
        return Ok(None);
    };
    let before = Conversation::listed(&before);
    if before.is_between_sessions() {
        return Ok(Some(Done {
            conversation: before,
            changed: false,
            answered: 0,
        }));
    }
    let entry = act.entry("session.end_asked", None);
    match desk.end_session(id, entry).await? {
        Some(_) => stands(desk, id, true, 0).await,
        None => Ok(None),
    }
}

impl Done {
    /// True when the agent has something to do now.
    pub(crate) fn is_due(&self) -> bool {
        let conversation = &self.conversation;
        self.changed && conversation.hold.is_none() && conversation.due_at.is_some()
    }
}

impl Conversation {
    /// True when the last session is over and nothing waits that would begin another.
    fn is_between_sessions(&self) -> bool {
        let is_over = self.session.as_ref().is_some_and(|session| session.over);
        is_over && self.pending == 0 && self.open_turn.is_none()
    }
}

async fn stands(
    desk: &dyn Desk,
    id: ConversationId,
    changed: bool,
    answered: u64,
) -> Result<Option<Done>> {
    let view = desk.conversation(id).await?;
    Ok(view.map(|view| Done {
        conversation: Conversation::listed(&view),
        changed,
        answered,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_human_has_answered_is_all_none_or_up_to_a_time() {
        let now = Timestamp(5_000_000);
        let parse = |text| Answered::parse(text, now).map_err(|(_, code, _)| code);
        assert_eq!(parse("none").unwrap().until(now), None);
        assert_eq!(parse("all").unwrap().until(now), Some(now));
        let then = Timestamp(4_000_000);
        assert_eq!(parse("1970-01-01T00:00:04Z"), Ok(Answered::Until(then)));
        assert_eq!(parse("1970-01-01T00:00:05Z"), Ok(Answered::Until(now)));
        assert_eq!(parse("1970-01-01T00:00:05.1Z"), Err("in_the_future"));
        for bad in ["", "ALL", "yes", "1970-01-01", "4"] {
            assert_eq!(parse(bad), Err("not_allowed"), "{bad}");
        }
    }
}
