//! Conversations as operators see them, and what operators do with them. Shared by the
//! routes and the command line, so that both show and do the same.

mod act;
mod kept;
mod mask;

use serde::{Deserialize, Serialize};
use zupa_core::desk::ConversationView;
use zupa_core::machine::conversation::ConversationState;
use zupa_core::{ConversationId, Desk, HoldKind, Result, TurnId};

pub use act::{Act, Answered, Done, Fault, end_session, hold, release};
pub use kept::{Episode, Passage, Session};

/// Who answers the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A human has it; the agent is silent.
    Human,
    /// The agent, which has asked for a human; nobody has come yet.
    Waiting,
    /// The agent.
    Bot,
}

impl Standing {
    /// The word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Waiting => "waiting",
            Self::Bot => "bot",
        }
    }
}

/// Who has a conversation instead of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Why.
    pub kind: HoldKind,
    /// Who, as they call themselves.
    pub by: String,
    /// Since when, as RFC 3339.
    pub since: String,
    /// When the human was last known to speak to the person, as RFC 3339.
    pub human_at: Option<String>,
}

/// A conversation, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Whose it is.
    pub tenant: String,
    /// The door.
    pub channel: String,
    /// The other end, with its middle left out: it may be a phone number.
    pub alias: String,
    /// Who answers.
    pub state: Standing,
    /// Who has it instead of the agent.
    pub hold: Option<Holder>,
    /// Messages, and other things to do, that wait for a turn.
    pub pending: u64,
    /// The turn that is open.
    pub open_turn: Option<TurnId>,
    /// When the agent has something to do, or had if it is held; as RFC 3339.
    pub due_at: Option<String>,
    /// When the agent is woken if nobody says anything before, as RFC 3339.
    pub wake_at: Option<String>,
    /// Since when the person wants nothing that they have not asked for, as RFC 3339.
    #[serde(default)]
    pub opted_out: Option<String>,
    /// The newest session, where an agent keeps it as the default one does.
    pub session: Option<Session>,
    /// Where the talk stands, where an agent keeps it so.
    pub talk: Option<ConversationState>,
    /// The newest changes of where it stands, oldest first; lists go without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<Passage>,
    /// Sessions that ended, oldest first. What a person said is in them, so lists go
    /// without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub episodes: Vec<Episode>,
}

/// A page of conversations, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversations {
    /// Without their passages and episodes.
    pub conversations: Vec<Conversation>,
    /// True when there are older ones: before the id of the last.
    pub more: bool,
}

impl Conversation {
    /// A conversation as a list shows it.
    pub fn listed(view: &ConversationView) -> Self {
        Self {
            passages: Vec::new(),
            episodes: Vec::new(),
            ..Self::whole(view)
        }
    }

    /// The same with what a person said in it.
    pub fn whole(view: &ConversationView) -> Self {
        let kept = kept::read(view.state.as_ref());
        let state = match (&view.hold, kept.talk) {
            (Some(_), _) => Standing::Human,
            (None, Some(ConversationState::NeedsHuman)) => Standing::Waiting,
            (None, _) => Standing::Bot,
        };
        Self {
            id: view.id,
            tenant: view.address.tenant.to_string(),
            channel: view.address.channel.to_string(),
            alias: mask::alias(&view.address.alias),
            state,
            hold: view.hold.as_ref().map(|hold| Holder {
                kind: hold.kind,
                by: hold.by.clone(),
                since: hold.since.to_string(),
                human_at: hold.human_at.map(|at| at.to_string()),
            }),
            pending: view.pending,
            open_turn: view.open_turn,
            due_at: view.due_at.map(|at| at.to_string()),
            wake_at: view.wake_at.map(|at| at.to_string()),
            opted_out: view.opted_out.map(|at| at.to_string()),
            session: kept.session,
            talk: kept.talk,
            passages: kept.passages,
            episodes: kept.episodes,
        }
    }
}

/// Reads conversations, newest first, those before `before` only, at most `limit`;
/// held ones or all.
///
/// *Errors*: as [`Desk::conversations`].
/// *Cancel safety*: safe.
pub async fn list(
    desk: &dyn Desk,
    held: bool,
    before: Option<ConversationId>,
    limit: usize,
) -> Result<Conversations> {
    let views = desk
        .conversations(held, before, limit.saturating_add(1))
        .await?;
    let conversations = views.iter().take(limit).map(Conversation::listed);
    Ok(Conversations {
        conversations: conversations.collect(),
        more: views.len() > limit,
    })
}

/// Reads one conversation, with what a person said in it.
///
/// *Errors*: as [`Desk::conversation`].
/// *Cancel safety*: safe.
pub async fn show(desk: &dyn Desk, id: ConversationId) -> Result<Option<Conversation>> {
    let view = desk.conversation(id).await?;
    Ok(view.as_ref().map(Conversation::whole))
}
