//! An operator, who decides what is open.

use zupa_core::desk::{Decided, Holding, NewHold, Releasing};
use zupa_core::{
    AuditEntry, Clock, ConversationId, Decision, Desk, Digest, HoldKind, Timestamp, Wait, WaitState,
};
use zupa_runtime::Kept;

use super::life::pass;
use super::world::{World, secs};

/// Decides the one question that is open, and lets its turn go on.
pub async fn decide(world: &World, approved: bool) {
    let waits = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
    let [wait] = &waits[..] else {
        panic!("one question, not {waits:?}");
    };
    let decided = decide_one(world, wait, "bea", approved).await;
    assert!(matches!(decided, Decided::Done { .. }), "{decided:?}");
    pass(secs(3)).await;
    world.quiet().await;
}

/// Decides this question.
pub async fn decide_one(world: &World, wait: &Wait, by: &str, approved: bool) -> Decided {
    let decision = Decision {
        by: by.into(),
        approved,
        note: "as you like".into(),
    };
    let entry = decided_by(by, world.clock.wall(), wait);
    let desk = &world.memory;
    desk.decide(wait.opened.id, decision, entry).await.unwrap()
}

/// The conversation of somebody whose name is the alias.
pub async fn conversation_of(world: &World, who: &str) -> ConversationId {
    let all = world.memory.conversations(false, None, 100).await.unwrap();
    let mut of = all
        .into_iter()
        .filter(|view| view.address.alias.as_str() == who);
    of.next().unwrap().id
}

/// What the agent keeps of a conversation.
pub async fn kept(world: &World, who: &str) -> Kept {
    let id = conversation_of(world, who).await;
    let view = world.memory.conversation(id).await.unwrap().unwrap();
    serde_json::from_str(&view.state.unwrap().json).unwrap()
}

/// Takes a conversation from the agent.
pub async fn hold(world: &World, who: &str) -> ConversationId {
    let id = conversation_of(world, who).await;
    let hold = NewHold {
        kind: HoldKind::Operator,
        by: "bea".into(),
        human_at: None,
    };
    let entry = act(world, "conversation.held");
    let held = world.memory.hold(id, hold, entry).await.unwrap();
    assert_eq!(held, Holding::Done);
    id
}

/// Hands a conversation back.
pub async fn release(world: &World, who: &str, until: Option<Timestamp>) -> Releasing {
    let id = conversation_of(world, who).await;
    let entry = act(world, "conversation.released");
    world.memory.release(id, until, entry).await.unwrap()
}

/// Ends a conversation's session.
pub async fn end_session(world: &World, who: &str) {
    let id = conversation_of(world, who).await;
    let entry = act(world, "session.end_asked");
    let due_at = world.memory.end_session(id, entry).await.unwrap();
    assert!(due_at.is_some());
}

/// What an operator's act adds to the audit.
pub fn act(world: &World, action: &str) -> AuditEntry {
    AuditEntry {
        at: world.clock.wall(),
        actor: "operator:bea".into(),
        action: action.into(),
        reason: String::new(),
        turn: None,
        config: Digest::default(),
        commitment: None,
    }
}

fn decided_by(by: &str, at: Timestamp, wait: &Wait) -> AuditEntry {
    AuditEntry {
        at,
        actor: format!("operator:{by}"),
        action: "review.decided".into(),
        reason: String::new(),
        turn: Some(wait.turn),
        config: Digest::default(),
        commitment: None,
    }
}
