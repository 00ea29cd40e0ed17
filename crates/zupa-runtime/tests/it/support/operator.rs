//! An operator, who decides what is open.

use zupa_core::desk::Decided;
use zupa_core::{AuditEntry, Clock, Decision, Desk, Digest, Timestamp, Wait, WaitState};

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
