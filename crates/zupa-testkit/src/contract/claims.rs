//! Reviews that an operator has claimed: theirs alone until the claim is given back,
//! decided, or over.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Barrier;
use zupa_core::desk::Decided;
use zupa_core::{
    AuditEntry, AuditHead, ClaimAct, ClaimActed, Decision, Ids, Wait, WaitClaim, WaitId, WaitKind,
    WaitState, audit,
};

use super::Harness;
use super::world::World;
use super::world::waits::MINUTE;

const TIME: Duration = Duration::from_secs(15 * 60);

fn claim(by: &str) -> ClaimAct {
    ClaimAct::Claim {
        by: by.into(),
        time: TIME,
    }
}

fn release(by: &str) -> ClaimAct {
    ClaimAct::Release { by: by.into() }
}

fn entry(world: &World<'_>, action: &str) -> AuditEntry {
    AuditEntry {
        action: action.into(),
        ..world.entry()
    }
}

async fn act(world: &World<'_>, id: WaitId, act: ClaimAct) -> ClaimActed {
    let entry = entry(world, "review.claimed");
    world.desk.claim_wait(id, act, entry).await.unwrap()
}

async fn decide(world: &World<'_>, id: WaitId, by: &str) -> Decided {
    let decision = Decision {
        by: by.into(),
        ..world.verdict(true)
    };
    let decided = world.desk.decide(id, decision, world.entry()).await;
    world.assert_balanced().await;
    decided.unwrap()
}

/// A review of a parked turn.
async fn review(world: &World<'_>) -> Wait {
    let wait = world.wait_for(WaitKind::Decision);
    world.park("ana", vec![wait.clone()]).await;
    world.wait(wait.id).await
}

/// The same operator's second claim changes nothing; another's is told who has it. A
/// claim ends by itself, or is given back by whoever has it.
pub async fn a_claim_keeps_others_away_until_it_is_over(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let id = review(&world).await.opened.id;
    let since = world.now;
    assert_eq!(act(&world, id, release("ana")).await, ClaimActed::Unchanged);
    assert_eq!(act(&world, id, claim("ana")).await, ClaimActed::Done);
    let has = WaitClaim {
        by: "ana".into(),
        since,
        until: world.after(15 * 60),
    };
    world.pass(MINUTE);
    let (mut world, _) = world.die().await;
    assert_eq!(act(&world, id, claim("ana")).await, ClaimActed::Unchanged);
    for wish in [claim("bea"), release("bea")] {
        let told = act(&world, id, wish).await;
        assert_eq!(told, ClaimActed::Claimed(has.clone()));
    }
    let shown = world.wait(id).await;
    assert_eq!(shown.claimed(world.now), Some(&has));
    let listed = world.desk.waits(Some(WaitState::Open), 10).await.unwrap();
    assert_eq!(listed, [shown]);

    world.pass(14 * MINUTE);
    assert_eq!(world.wait(id).await.claimed(world.now), None, "it is over");
    assert_eq!(act(&world, id, release("ana")).await, ClaimActed::Unchanged);
    assert_eq!(act(&world, id, claim("bea")).await, ClaimActed::Done);
    assert!(
        matches!(act(&world, id, claim("ana")).await, ClaimActed::Claimed(by) if by.by == "bea")
    );
    assert_eq!(act(&world, id, release("bea")).await, ClaimActed::Done);
    assert_eq!(world.wait(id).await.claim, None);
    assert_eq!(act(&world, id, claim("ana")).await, ClaimActed::Done);
}

/// Who has claimed it decides, and so does anybody once the claim is over, or where there
/// was none.
pub async fn what_somebody_has_claimed_nobody_else_decides(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let id = review(&world).await.opened.id;
    act(&world, id, claim("ana")).await;
    let before = world.wait(id).await;
    let Decided::Claimed(has) = decide(&world, id, "bea").await else {
        panic!("ana has claimed it");
    };
    assert_eq!((has.by.as_str(), has.since), ("ana", world.now));
    assert_eq!(world.wait(id).await, before);
    assert!(world.due().await.is_empty());
    assert!(matches!(
        decide(&world, id, "ana").await,
        Decided::Done { .. }
    ));
    let decided = world.wait(id).await;
    assert_eq!(
        decided.claimed(world.now),
        None,
        "a decision ends the claim"
    );
    assert_eq!(
        decide(&world, id, "bea").await,
        Decided::Already(WaitState::Decided)
    );

    let second = world.wait_for(WaitKind::Decision);
    world.park("bob", vec![second.clone()]).await;
    act(&world, second.id, claim("ana")).await;
    world.pass(TIME);
    assert!(matches!(
        decide(&world, second.id, "bea").await,
        Decided::Done { .. }
    ));
}

/// Several operators at once: one has it, the others are told who.
pub async fn rival_claimers_have_one_winner(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let wait = review(&world).await;
    let id = wait.opened.id;
    let start = Arc::new(Barrier::new(8));
    let tasks = (0..8).map(|number| {
        let (desk, start) = (Arc::clone(&world.desk), Arc::clone(&start));
        let entry = entry(&world, "review.claimed");
        tokio::spawn(async move {
            start.wait().await;
            let by = format!("operator {number}");
            (
                by.clone(),
                desk.claim_wait(id, claim(&by), entry).await.unwrap(),
            )
        })
    });
    let answers: Vec<_> = join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let won = answers
        .iter()
        .filter(|(_, acted)| *acted == ClaimActed::Done);
    let [(winner, _)] = won.collect::<Vec<_>>()[..] else {
        panic!("one has it, not {answers:?}");
    };
    for (by, acted) in &answers {
        match acted {
            ClaimActed::Done => {}
            ClaimActed::Claimed(has) => assert_eq!(&has.by, winner, "{by} was told"),
            other => panic!("was {other:?}"),
        }
    }
    let chain = world.desk.audit(wait.conversation).await.unwrap();
    assert_eq!(chain.len(), 2, "of the turn and of the one claim");
}

/// What is settled, waits for somebody else, or is not there is claimed by nobody.
pub async fn only_open_decisions_are_claimed(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let reply = world.wait_for(WaitKind::Reply);
    let wait = world.wait_for(WaitKind::Decision);
    let parked = world.park("ana", vec![reply.clone(), wait.clone()]).await;
    world.decide(wait.id).await;
    let before = world.look("ana", parked.conversation, parked.turn).await;
    for wish in [claim("ana"), release("ana")] {
        let over = act(&world, wait.id, wish.clone()).await;
        assert_eq!(over, ClaimActed::Over(WaitState::Decided));
        let theirs = act(&world, reply.id, wish.clone()).await;
        assert_eq!(theirs, ClaimActed::NotTheirs(WaitKind::Reply));
        let unknown = WaitId(world.ids.fresh());
        assert_eq!(act(&world, unknown, wish).await, ClaimActed::NotFound);
    }
    let after = world.look("ana", parked.conversation, parked.turn).await;
    assert_eq!(after, before);
}

/// Claims and what gives them back are entries of the conversation's audit chain, which
/// verifies.
pub async fn a_claim_is_in_the_audit_chain(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let wait = review(&world).await;
    for (wish, action) in [
        (claim("ana"), "review.claimed"),
        (claim("ana"), "nothing.changed"),
        (claim("bea"), "nothing.changed"),
        (release("ana"), "review.released"),
    ] {
        let entry = entry(&world, action);
        world
            .desk
            .claim_wait(wait.opened.id, wish, entry)
            .await
            .unwrap();
    }
    world.approve(wait.opened.id).await;
    let chain = world.desk.audit(wait.conversation).await.unwrap();
    let actions: Vec<_> = chain
        .iter()
        .map(|link| link.entry.action.as_str())
        .collect();
    assert_eq!(
        actions,
        [
            "turn.committed",
            "review.claimed",
            "review.released",
            "wait.decided"
        ]
    );
    let stream = wait.conversation.to_string();
    let verified = audit::verify(&stream, AuditHead::default(), &chain);
    assert!(verified.is_ok(), "{verified:?}");
}
