//! What a turn was given, for the one that goes on in its place after a review: its nodes
//! begin again, and ask again what was said.

use serde::{Deserialize, Serialize};
use zupa_core::{
    Claimed, ConversationId, Decision, NewWait, Timestamp, TurnId, Wait, WaitId, WaitKind,
    WaitState,
};

/// The messages of a turn, and what was settled for it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Given {
    inbounds: Vec<Claimed>,
    #[serde(default)]
    waits: Vec<GivenWait>,
    /// Which of them were taken as approvals, and by which steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    used: Vec<(WaitId, String)>,
}

/// A wait without what it had parked.
#[derive(Clone, Serialize, Deserialize)]
struct GivenWait {
    id: WaitId,
    kind: WaitKind,
    subject: String,
    expires_at: Option<Timestamp>,
    turn: TurnId,
    conversation: ConversationId,
    state: WaitState,
    opened_at: Timestamp,
    settled_at: Option<Timestamp>,
    decision: Option<Decision>,
}

impl Given {
    pub(crate) fn of(inbounds: &[Claimed], waits: &[Wait], used: Vec<(WaitId, String)>) -> Self {
        let waits = waits.iter().map(|wait| GivenWait {
            id: wait.opened.id,
            kind: wait.opened.kind,
            subject: wait.opened.subject.clone(),
            expires_at: wait.opened.expires_at,
            turn: wait.turn,
            conversation: wait.conversation,
            state: wait.state,
            opened_at: wait.opened_at,
            settled_at: wait.settled_at,
            decision: wait.decision.clone(),
        });
        Self {
            inbounds: inbounds.to_vec(),
            waits: waits.collect(),
            used,
        }
    }

    /// The approvals that were taken before.
    pub(super) fn used(&self) -> &[(WaitId, String)] {
        &self.used
    }

    pub(crate) fn open(self) -> (Vec<Claimed>, Vec<Wait>) {
        let waits = self.waits.into_iter().map(|wait| Wait {
            opened: NewWait {
                id: wait.id,
                kind: wait.kind,
                subject: wait.subject,
                payload: String::new(),
                resume: None,
                expires_at: wait.expires_at,
            },
            turn: wait.turn,
            conversation: wait.conversation,
            state: wait.state,
            opened_at: wait.opened_at,
            settled_at: wait.settled_at,
            decision: wait.decision,
            claim: None,
        });
        (self.inbounds, waits.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_binary_has_parked_can_be_read_and_is_written_as_it_was() {
        let parked = r#"{"inbounds":[],"waits":[]}"#;
        let given: Given = serde_json::from_str(parked).unwrap();
        assert!(given.used().is_empty());
        assert_eq!(serde_json::to_string(&given).unwrap(), parked);
    }
}
