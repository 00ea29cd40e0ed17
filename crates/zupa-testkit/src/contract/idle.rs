//! Agents that are woken: nobody has spoken for as long as the last commit wanted to
//! be left alone, or an operator ends the session.

use zupa_core::store::{ClaimOutcome, ClaimedTurn, Commit, TurnEnd};
use zupa_core::{Content, ConversationId, Ids, StoredState, Timestamp, WaitKind, Wake};

use super::Harness;
use super::world::path::{failure, texts};
use super::world::waits::{MINUTE, handed, quiet};
use super::world::{EXPIRY, World};

/// The wake comes once, when its time has come, as a turn of its own.
pub async fn a_wake_comes_once_at_its_time(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = rests(&world, "ana", 60).await;
    assert!(world.expire().await.is_empty());
    let view = world
        .desk
        .conversation(conversation)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(view.wake_at, Some(world.after(60)));
    world.pass(MINUTE);
    let accepted = world.counts().await.accepted;
    assert_eq!(world.expire().await, [conversation]);
    assert!(world.expire().await.is_empty(), "once");
    assert_eq!(world.counts().await.accepted, accepted + 1);
    assert_eq!(world.due().await, [conversation]);
    let view = world
        .desk
        .conversation(conversation)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((view.wake_at, view.pending), (None, 1));

    let turn = world.claim(conversation).await;
    assert_eq!(woken(&turn), Some(Wake::Due));
    world.leave(&turn, quiet()).await;
    world.pass(MINUTE);
    assert!(world.expire().await.is_empty());
    let lines = world.history(conversation).await;
    assert_eq!(lines.len(), 1, "nobody has said it");
}

/// Each commit with a state says anew when, or never; one without leaves it.
pub async fn a_commit_moves_the_wake(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = rests(&world, "ana", 60).await;
    rests(&world, "ana", 120).await;
    world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    world.leave(&turn, quiet()).await;
    world.pass(MINUTE);
    assert!(world.expire().await.is_empty(), "it was put off");
    world.pass(MINUTE);
    assert_eq!(world.expire().await, [conversation]);
    let turn = world.claim(conversation).await;
    world.leave(&turn, stays(Some(world.after(60)))).await;
    world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    world.leave(&turn, stays(None)).await;
    world.pass(MINUTE);
    assert!(world.expire().await.is_empty(), "it was taken back");
}

/// Whoever speaks comes first: neither what waits, nor an open turn, nor a human is
/// disturbed by a wake.
pub async fn a_wake_waits_for_quiet(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let pending = rests(&world, "ana", 60).await;
    let open = rests(&world, "bob", 60).await;
    let held = rests(&world, "cyd", 60).await;
    world.hear("ana", "q").await;
    world.hear("bob", "q").await;
    let turn = world.claim(open).await;
    let end = TurnEnd::Retry {
        not_before: world.after(90),
        failure: failure(),
    };
    world.end(&turn, end).await;
    world.hold(held).await;
    world.pass(MINUTE);
    assert!(world.expire().await.is_empty());

    world.release(held, None).await;
    assert_eq!(world.expire().await, [held]);
    let turn = world.claim(pending).await;
    assert_eq!(texts(&turn), ["q"]);
    world.leave(&turn, quiet()).await;
    assert_eq!(world.expire().await, [pending]);
    world.pass(MINUTE);
    let turn = world.claim(open).await;
    world.leave(&turn, quiet()).await;
    assert_eq!(world.expire().await, [open]);
}

/// A wake outlives a death, and so does the time that was set.
pub async fn a_wake_outlives_a_death(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let first = rests(&world, "ana", 5).await;
    let second = rests(&world, "bob", 5).await;
    let (world, _) = world.die().await;
    assert_eq!(world.expire_some(1).await.len(), 1);
    let (world, _) = world.die().await;
    assert_eq!(world.expire().await.len(), 1);
    assert!(world.expire().await.is_empty());
    for conversation in [first, second] {
        let turn = world.claim(conversation).await;
        assert_eq!(woken(&turn), Some(Wake::Due));
    }
}

/// A woken turn answers nobody's question: it is handed no wait, and the question
/// stays open.
pub async fn a_wake_is_no_answer(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let question = world.wait_for(WaitKind::Reply);
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    let commit = Commit {
        waits: vec![question.clone()],
        ..stays(Some(world.after(60)))
    };
    world.leave(&turn, commit).await;
    world.pass(MINUTE);
    assert_eq!(world.expire().await, [conversation]);
    let turn = world.claim(conversation).await;
    assert!(handed(&turn).is_empty());
    world.leave(&turn, quiet()).await;
    world.hear("ana", "yes").await;
    let turn = world.claim(conversation).await;
    assert_eq!(handed(&turn), [question.id]);
}

/// An operator's wish to end a session comes in the conversation's order, and stands
/// in the audit.
pub async fn an_operator_ends_a_session(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = rests(&world, "ana", 60).await;
    world.hear("ana", "q").await;
    let due_at = world.end_session(conversation).await;
    assert!(due_at.is_some_and(|at| at <= world.now));
    let turn = world.claim(conversation).await;
    assert_eq!(texts(&turn), ["q"]);
    world.end_anew(&turn, TurnEnd::Commit(quiet())).await;
    let turn = world.claim(conversation).await;
    assert_eq!(woken(&turn), Some(Wake::EndSession));
    world.leave(&turn, stays(None)).await;
    world.pass(EXPIRY);
    let nothing = world.try_claim(conversation).await;
    assert!(matches!(nothing, ClaimOutcome::Nothing));
    let chain = world.desk.audit(conversation).await.unwrap();
    assert!(
        chain
            .iter()
            .any(|link| link.entry.action == "session.end_asked")
    );
    let nobody = ConversationId(world.ids.fresh());
    assert_eq!(world.end_session(nobody).await, None);
}

/// A conversation whose last commit wants a wake in so many seconds.
pub(super) async fn rests(world: &World<'_>, alias: &str, seconds: u64) -> ConversationId {
    let conversation = world.hear(alias, "hello").await;
    let turn = world.claim(conversation).await;
    world.leave(&turn, stays(Some(world.after(seconds)))).await;
    conversation
}

/// A commit that keeps a state, and wants a wake.
fn stays(wake_at: Option<Timestamp>) -> Commit {
    Commit {
        state: Some(StoredState {
            version: 1,
            json: "{}".into(),
        }),
        wake_at,
        ..quiet()
    }
}

/// Why a turn was woken, if that is what it is about.
fn woken(turn: &ClaimedTurn) -> Option<Wake> {
    match turn.inbounds.as_slice() {
        [only] => match only.content {
            Content::Wake { why } => Some(why),
            _ => None,
        },
        _ => None,
    }
}
