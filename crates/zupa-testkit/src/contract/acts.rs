//! What operators do to the installation as a whole is in the audit.

use zupa_core::audit::{AuditEntry, AuditHead, SYSTEM, verify};
use zupa_core::{Digest, Timestamp};

use super::Harness;
use super::world::World;

fn act(at: Timestamp, action: &str) -> AuditEntry {
    AuditEntry {
        at,
        actor: "operator".into(),
        action: action.into(),
        reason: "model/gpt: it stumbles, by bea".into(),
        turn: None,
        config: Digest::of(b"the configuration"),
        commitment: None,
    }
}

/// They are a chain of their own, which no conversation's is part of.
pub async fn acts_on_the_installation_are_a_chain_of_their_own(harness: &dyn Harness) {
    let world = World::open(harness).await;
    assert_eq!(world.desk.acts().await.unwrap(), []);
    let conversation = world.hear("ana", "a").await;
    let turn = world.claim(conversation).await;
    world.answer(&turn, "re a").await;
    let said = world.desk.audit(conversation).await.unwrap();
    let entries = [
        act(world.now, "breaker.opened"),
        act(world.now, "breaker.closed"),
    ];
    for entry in entries.clone() {
        world.desk.record_act(entry).await.unwrap();
    }
    assert_eq!(world.desk.audit(conversation).await.unwrap(), said);
    let (world, _) = world.die().await;
    let third = act(world.now, "breaker.opened");
    world.desk.record_act(third.clone()).await.unwrap();
    let chain = world.desk.acts().await.unwrap();
    let noted: Vec<_> = chain.iter().map(|link| link.entry.clone()).collect();
    assert_eq!(noted[..2], entries);
    assert_eq!(noted[2..], [third]);
    let head = verify(SYSTEM, AuditHead::default(), &chain).unwrap();
    assert_eq!(head.number, 3);
}

/// Nobody's entry is lost when several act at once.
pub async fn acts_at_once_are_all_kept(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let acts = (0..8).map(|number| {
        let entry = act(world.now, &format!("act.{number}"));
        world.desk.record_act(entry)
    });
    for done in futures_util::future::join_all(acts).await {
        done.unwrap();
    }
    let chain = world.desk.acts().await.unwrap();
    verify(SYSTEM, AuditHead::default(), &chain).unwrap();
    let mut noted: Vec<_> = chain.into_iter().map(|link| link.entry.action).collect();
    noted.sort();
    let wanted: Vec<_> = (0..8).map(|number| format!("act.{number}")).collect();
    assert_eq!(noted, wanted);
}
