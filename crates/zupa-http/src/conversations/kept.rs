//! What the default agent keeps of a conversation, as far as operators see it. An
//! agent of somebody else's may keep other things, or nothing, so whatever does not
//! fit is left out.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zupa_core::machine::conversation::{ConversationEvent, ConversationState};
use zupa_core::{StoredState, Timestamp};

/// The newest session of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which, from 1.
    pub number: u64,
    /// True once it is over; the next message begins another.
    pub over: bool,
    /// When its newest message was accepted, as RFC 3339.
    pub last_at: Option<String>,
}

/// A session that ended, in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// Which.
    pub session: u64,
    /// When its newest message was accepted, as RFC 3339.
    pub last_at: Option<String>,
    /// Why it ended.
    pub reason: String,
    /// What was said, in short.
    pub summary: String,
}

/// A change of where the talk stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// When, as RFC 3339.
    pub at: Option<String>,
    /// Where it stood.
    pub from: ConversationState,
    /// What happened.
    pub event: ConversationEvent,
    /// Where it has stood since.
    pub to: ConversationState,
}

/// What could be read.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) session: Option<Session>,
    pub(super) talk: Option<ConversationState>,
    pub(super) passages: Vec<Passage>,
    pub(super) episodes: Vec<Episode>,
}

pub(super) fn read(state: Option<&StoredState>) -> Kept {
    let read = |state: &StoredState| serde_json::from_str::<Value>(&state.json).ok();
    let Some(kept) = state.and_then(read) else {
        return Kept::default();
    };
    let episodes = kept.get("episodes").and_then(Value::as_array);
    let passages = kept.pointer("/talk/passages").and_then(Value::as_array);
    Kept {
        session: kept.get("session").and_then(session),
        // Only a word that we know: anything else may be what a person said.
        talk: text(&kept, "/talk/at/state").and_then(ConversationState::parse),
        passages: passages.into_iter().flatten().filter_map(passage).collect(),
        episodes: episodes.into_iter().flatten().filter_map(episode).collect(),
    }
}

fn session(session: &Value) -> Option<Session> {
    let number = number(session)?;
    (number > 0).then(|| Session {
        number,
        over: session.get("over").and_then(Value::as_bool) == Some(true),
        last_at: time(session, "last_at"),
    })
}

fn number(session: &Value) -> Option<u64> {
    session.get("number")?.as_u64()
}

fn passage(passage: &Value) -> Option<Passage> {
    Some(Passage {
        at: time(passage, "at"),
        from: text(passage, "/from").and_then(ConversationState::parse)?,
        event: text(passage, "/event").and_then(ConversationEvent::parse)?,
        to: text(passage, "/to").and_then(ConversationState::parse)?,
    })
}

fn episode(episode: &Value) -> Option<Episode> {
    Some(Episode {
        session: episode.get("session")?.as_u64()?,
        last_at: time(episode, "at"),
        reason: text(episode, "/reason")?.to_owned(),
        summary: text(episode, "/summary")?.to_owned(),
    })
}

fn text<'a>(within: &'a Value, pointer: &str) -> Option<&'a str> {
    within.pointer(pointer)?.as_str()
}

fn time(within: &Value, name: &str) -> Option<String> {
    let micros = within.get(name)?.as_i64()?;
    Some(Timestamp(micros).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(json: &Value) -> Kept {
        read(Some(&StoredState {
            version: 1,
            json: json.to_string(),
        }))
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let none = Kept::default();
        assert!(read(None).session.is_none() && none.talk.is_none());
        for other in [
            json!(null),
            json!([1]),
            json!({ "session": 1, "talk": "x", "episodes": "y" }),
            json!({ "talk": { "passages": [1, {}, { "from": "idle", "event": "my secret" }] } }),
            json!({ "session": { "number": 0 }, "talk": { "at": { "state": "my secret" } } }),
            json!({ "session": { "number": -1 }, "episodes": [1, {}, { "session": 1 }] }),
        ] {
            let kept = of(&other);
            assert!(kept.session.is_none() && kept.talk.is_none(), "{other}");
            assert!(
                kept.passages.is_empty() && kept.episodes.is_empty(),
                "{other}"
            );
        }
        let kept = of(&json!({
            "session": { "number": 2, "over": true, "last_at": 1_000_000, "more": 1 },
            "talk": { "at": { "state": "needs_human" } },
            "episodes": [{ "session": 1, "at": 0, "reason": "idle", "summary": "hello" }, 7],
        }));
        let session = kept.session.unwrap();
        assert_eq!((session.number, session.over), (2, true));
        assert_eq!(session.last_at.as_deref(), Some("1970-01-01T00:00:01Z"));
        assert_eq!(kept.talk, Some(ConversationState::NeedsHuman));
        assert_eq!(kept.episodes.len(), 1);
        assert_eq!(kept.episodes[0].summary, "hello");
    }
}
