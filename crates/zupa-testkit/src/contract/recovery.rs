//! The start of a process: what ran goes on, and what takes processes down is
//! found, run alone, and given up only on proof.

use std::time::Duration;

use zupa_core::desk::{ProcessState, StoreStatus};
use zupa_core::store::{Claim, ClaimMode, ClaimOutcome, Life, Recovery, TurnEnd};
use zupa_core::{AuditHead, ConversationId, InboundState, TurnState, audit};

use super::Harness;
use super::world::path::{failure, texts};
use super::world::{EXPIRY, World, count};

impl<'h> World<'h> {
    /// The turn is started in this mode and takes the process down.
    pub(super) async fn killed_by(
        self,
        conversation: ConversationId,
        mode: ClaimMode,
    ) -> (World<'h>, Recovery) {
        self.claim_as(conversation, mode).await;
        self.die().await
    }
}

/// The listed modes, without the conversations.
fn modes(recovery: &Recovery) -> Vec<ClaimMode> {
    recovery
        .suspects
        .iter()
        .map(|suspect| suspect.mode)
        .collect()
}

/// After a death the claims are void: the same turn runs over the same range,
/// at once, and what came later waits.
pub async fn recovery_resumes_same_range(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    world.hear("ana", "b").await;
    let lost = world.claim(conversation).await;
    world.hear("ana", "c").await;
    let idle = world.hear("bob", "hello").await;

    let (world, recovery) = world.die().await;
    assert!(recovery.unclean);
    assert_eq!(recovery.turns_resumed, 1);
    assert_eq!(world.store.backlog().await.unwrap(), 4);
    let due = world.due().await;
    assert!(due.len() == 2 && due.contains(&conversation) && due.contains(&idle));

    let turn = world.claim(conversation).await;
    assert_eq!((turn.turn, turn.runs), (lost.turn, 2));
    assert!(turn.epoch > lost.epoch);
    assert_eq!(texts(&turn), ["a", "b"]);
    world.answer(&turn, "hi").await;
    assert_eq!(texts(&world.claim(conversation).await), ["c"]);
}

/// Until its third run a turn is innocent. One that ran three times and was
/// running at an unclean end is suspect; others are not.
pub async fn recovery_marks_suspects(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let killer = world.hear("ana", "boom").await;
    let (world, first) = world.killed_by(killer, ClaimMode::Normal).await;
    let (world, second) = world.killed_by(killer, ClaimMode::Normal).await;
    assert!(modes(&first).is_empty() && modes(&second).is_empty());

    let bystander = world.hear("bob", "hello").await;
    world.claim(bystander).await;
    let (world, third) = world.killed_by(killer, ClaimMode::Normal).await;
    assert_eq!(modes(&third), [ClaimMode::Suspect]);
    assert_eq!(third.suspects[0].conversation, killer);
    assert_eq!(third.turns_resumed, 2);

    // A suspect that ends is no suspect any more.
    let turn = world.claim_as(killer, ClaimMode::Suspect).await;
    world.answer(&turn, "hi").await;
    let (_, fourth) = world.die().await;
    assert!(modes(&fourth).is_empty());
}

/// A suspect that is running at another death runs alone next.
pub async fn a_suspect_at_a_death_runs_alone(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let killer = world.hear("ana", "boom").await;
    for _ in 0..3 {
        world = world.killed_by(killer, ClaimMode::Normal).await.0;
    }
    let (world, recovery) = world.killed_by(killer, ClaimMode::Suspect).await;
    assert_eq!(modes(&recovery), [ClaimMode::Alone]);
    assert_eq!(recovery.suspects[0].conversation, killer);
    assert_eq!(
        texts(&world.claim_as(killer, ClaimMode::Alone).await),
        ["boom"]
    );
}

/// A suspect that had not yet run when the process died is still suspect: its
/// turn had not come.
pub async fn a_suspect_that_did_not_run_stays_suspect(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (killer, innocent) = (
        world.hear("ana", "boom").await,
        world.hear("bob", "hi").await,
    );
    for _ in 0..3 {
        world.claim(innocent).await;
        world = world.killed_by(killer, ClaimMode::Normal).await.0;
    }
    let (world, recovery) = world.killed_by(killer, ClaimMode::Suspect).await;
    let mode_of = |conversation, recovery: &Recovery| {
        let mut suspects = recovery.suspects.iter();
        suspects
            .find(|suspect| suspect.conversation == conversation)
            .map(|suspect| suspect.mode)
    };
    assert_eq!(mode_of(killer, &recovery), Some(ClaimMode::Alone));
    assert_eq!(mode_of(innocent, &recovery), Some(ClaimMode::Suspect));

    // Killed before anything ran: nothing is learnt and nothing forgotten.
    let (_, again) = world.die().await;
    assert_eq!(mode_of(killer, &again), Some(ClaimMode::Alone));
    assert_eq!(mode_of(innocent, &again), Some(ClaimMode::Suspect));
}

/// Three deaths while a turn ran alone are proof: the next start gives it up as
/// crashed, with an audit entry, and the conversation goes on.
pub async fn three_deaths_alone_are_dead_lettered_as_crashed(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let killer = world.hear("ana", "boom").await;
    for _ in 0..3 {
        world = world.killed_by(killer, ClaimMode::Normal).await.0;
    }
    world = world.killed_by(killer, ClaimMode::Suspect).await.0;
    for _ in 0..2 {
        let (next, recovery) = world.killed_by(killer, ClaimMode::Alone).await;
        assert_eq!(modes(&recovery), [ClaimMode::Alone], "not proven yet");
        world = next;
    }
    world.hear("ana", "after").await;
    let turn = world.claim_as(killer, ClaimMode::Alone).await;
    let (world, recovery) = world.die().await;
    assert!(modes(&recovery).is_empty());
    assert_eq!(recovery.turns_resumed, 0);

    let view = world.view(turn.turn).await;
    let summary = view.turn.unwrap();
    assert_eq!(summary.state, TurnState::Dead);
    assert_eq!(summary.reason.as_deref(), Some("crashed"));
    assert_eq!(view.inbounds[0].state, InboundState::Dead);
    assert_eq!(view.inbounds[0].reason.as_deref(), Some("crashed"));
    assert_eq!(count(&world.counts().await.ended, "dead"), 1);
    assert_eq!(view.audit.len(), 1);
    assert_eq!(view.audit[0].reason, "crashed");
    let chain = world.desk.audit(killer).await.unwrap();
    assert!(audit::verify(&killer.to_string(), AuditHead::default(), &chain).is_ok());

    let next = world.claim(killer).await;
    assert_eq!(texts(&next), ["after"]);
    assert_eq!(next.audit.number, 1);
    world.answer(&next, "hi").await;
}

/// A claim of several inbounds that would be suspect is divided first, so that
/// only the one that is to blame can be given up.
pub async fn a_crashed_claim_of_several_is_tried_one_by_one(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let killer = world.hear("ana", "boom").await;
    world.hear("ana", "hello").await;
    let mut last = Recovery::default();
    for _ in 0..3 {
        (world, last) = world.killed_by(killer, ClaimMode::Normal).await;
    }
    assert!(modes(&last).is_empty(), "nobody is suspect yet");
    let first = world.claim(killer).await;
    assert_eq!((texts(&first), first.runs), (vec!["boom".to_owned()], 1));
    world.answer(&first, "hi").await;
    let second = world.claim(killer).await;
    assert_eq!(texts(&second), ["hello"]);
    world.answer(&second, "hi").await;
    let chain = world.desk.audit(killer).await.unwrap();
    assert_eq!(chain[0].entry.action, "turn.split");
    assert!(audit::verify(&killer.to_string(), AuditHead::default(), &chain).is_ok());
}

/// A process that ended cleanly leaves no suspects, and whatever it still held
/// runs again.
pub async fn a_clean_close_leaves_no_suspects(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    for _ in 0..2 {
        world = world.killed_by(conversation, ClaimMode::Normal).await.0;
    }
    world.claim(conversation).await;
    let (world, recovery) = world.restart().await;
    assert!(!recovery.unclean);
    assert!(modes(&recovery).is_empty());
    let turn = world.claim(conversation).await;
    assert_eq!((turn.runs, turn.failures), (4, 0));

    // A clean end is not remembered beyond the next start.
    let (_, recovery) = world.die().await;
    assert!(recovery.unclean);
}

/// A turn that failed and waits was not running at the death.
pub async fn a_waiting_turn_is_no_suspect(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    for _ in 0..4 {
        let turn = world.claim(conversation).await;
        let retry = TurnEnd::Retry {
            not_before: world.now,
            failure: failure(),
        };
        world.end(&turn, retry).await;
    }
    let (world, recovery) = world.die().await;
    assert!(recovery.unclean && modes(&recovery).is_empty());
    assert_eq!(world.claim(conversation).await.failures, 4);
}

/// Asking again, because the answer was lost, finds the same suspects and counts
/// no death.
pub async fn recover_is_safe_to_call_again(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let killer = world.hear("ana", "boom").await;
    for _ in 0..3 {
        world = world.killed_by(killer, ClaimMode::Normal).await.0;
        world.recover().await;
    }
    let (world, recovery) = world.killed_by(killer, ClaimMode::Suspect).await;
    let again = world.recover().await;
    assert_eq!(modes(&recovery), [ClaimMode::Alone]);
    assert_eq!(again.suspects, recovery.suspects);
}

/// A sign of life changes nothing else, and its process is still unclean until
/// it closes.
pub async fn a_heartbeat_is_only_a_sign_of_life(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let before = world.look("ana", conversation, turn.turn).await;
    world.store.heartbeat(world.life()).await.unwrap();
    assert_eq!(world.look("ana", conversation, turn.turn).await, before);

    // It holds no claim: only renewing does.
    world.pass(EXPIRY);
    world.store.heartbeat(world.life()).await.unwrap();
    assert_eq!(world.claim(conversation).await.runs, 2);
    let (_, recovery) = world.die().await;
    assert!(recovery.unclean);
}

/// A claim in a milder mode than the open turn needs is told the mode, and writes
/// nothing; in that mode it is granted.
pub async fn a_suspect_is_told_the_mode_to_ask_in(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let killer = world.hear("ana", "boom").await;
    for _ in 0..3 {
        world = world.killed_by(killer, ClaimMode::Normal).await.0;
    }
    for needed in [ClaimMode::Suspect, ClaimMode::Alone] {
        let wish = world.wish(killer);
        let before = world.look("ana", killer, wish.turn).await;
        assert_eq!(world.due().await, [killer]);
        for mode in [ClaimMode::Normal, ClaimMode::Suspect] {
            let claim = Claim {
                mode,
                ..wish.clone()
            };
            if mode < needed {
                match world.try_claim_with(claim).await {
                    ClaimOutcome::Suspected(told) => assert_eq!(told, needed),
                    other => panic!("a milder mode must be refused, was {other:?}"),
                }
            }
        }
        assert_eq!(world.look("ana", killer, wish.turn).await, before);
        world = world.killed_by(killer, needed).await.0;
    }
    let turn = world.claim_as(killer, ClaimMode::Alone).await;
    assert_eq!(turn.runs, 6, "refused claims are no runs");
    world.answer(&turn, "hi").await;
}

/// A suspect whose run came back, even with a failure, did not take the process
/// down: it runs among the others again.
pub async fn a_suspect_that_came_back_is_none_any_more(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let killer = world.hear("ana", "boom").await;
    for _ in 0..3 {
        world = world.killed_by(killer, ClaimMode::Normal).await.0;
    }
    let turn = world.claim_as(killer, ClaimMode::Suspect).await;
    let retry = TurnEnd::Retry {
        not_before: world.now,
        failure: failure(),
    };
    world.end(&turn, retry).await;
    let turn = world.claim_as(killer, ClaimMode::Normal).await;
    assert_eq!((turn.runs, turn.failures), (5, 1));
}

/// The desk shows the process that serves, its refused writes, and how the one
/// before it ended.
pub async fn the_desk_shows_the_process_and_how_it_ended(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    world.pass(Duration::from_secs(2));
    let life = Life {
        stale: 3,
        ..world.life()
    };
    world.store.heartbeat(life).await.unwrap();
    let shown = |status: StoreStatus, id| {
        let mut processes = status.processes.into_iter();
        processes.find(|process| process.id == id)
    };
    let status = world.desk.status().await.unwrap();
    let view = shown(status, world.process).expect("the process is shown");
    assert_eq!((view.state, view.stale), (ProcessState::Alive, 3));
    assert!(view.started_at <= view.heartbeat_at);

    world.store.close(world.process).await.unwrap();
    let status = world.desk.status().await.unwrap();
    let ended = shown(status, world.process).map(|process| process.state);
    assert_eq!(ended, Some(ProcessState::Ended));
}
