//! A turn that waits for an operator: it parks, the conversation is free, and
//! the first decision lets it go on, once.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Barrier;
use zupa_core::desk::Decided;
use zupa_core::store::{ClaimOutcome, Commit, Finished, TurnEnd};
use zupa_core::{
    AuditHead, DeliveryState, Fact, Ids, InboundState, TurnState, WaitId, WaitKind, WaitState,
    audit,
};

use super::Harness;
use super::world::path::{answered, failure, texts};
use super::world::waits::{handed, quiet, settled};
use super::world::{EXPIRY, World};

const DECISION: WaitKind = WaitKind::Decision;

/// A turn that parks is over: its inbounds have ended as its verdict says, and
/// the next message is claimed at once.
pub async fn a_parked_turn_frees_its_conversation(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    let wait = world.wait_for(DECISION);
    let commit = Commit {
        waits: vec![wait.clone()],
        ..answered(&[("one moment", DeliveryState::Sent)])
    };
    let Finished::Done {
        numbers, due_at, ..
    } = world.end(&turn, TurnEnd::Commit(commit)).await
    else {
        panic!("the holder's commit must be written");
    };
    assert_eq!((numbers.len(), due_at), (1, None));
    let view = world.view(turn.turn).await;
    let summary = view.turn.unwrap();
    assert_eq!(summary.state, TurnState::Parked);
    assert_eq!(summary.ended_at, Some(world.now));
    assert_eq!(view.inbounds[0].state, InboundState::Answered);
    assert_eq!((view.waits[0].id, view.waits[0].kind), (wait.id, DECISION));
    assert_eq!(view.waits[0].state, WaitState::Open);
    assert_eq!(world.history(conversation).await.len(), 2);
    let nothing = world.try_claim(conversation).await;
    assert!(matches!(nothing, ClaimOutcome::Nothing));

    world.hear("ana", "r").await;
    let next = world.claim(conversation).await;
    assert_eq!(texts(&next), ["r"]);
    assert_ne!(next.turn, turn.turn);
    assert!(handed(&next).is_empty(), "no message decides");
    world.answer(&next, "a").await;
    assert_eq!(world.wait_state(wait.id).await, WaitState::Open);
    assert_eq!(world.history(conversation).await.len(), 4);
}

/// A wait is kept as it was opened, and found by its id and by its state, the
/// oldest first.
pub async fn waits_are_kept_as_they_were_opened(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let opened = vec![
        world.wait_until(WaitKind::Reply, world.after(60)),
        world.wait_for(DECISION),
        world.timer(world.after(90)),
    ];
    let turn = world.park("ana", opened.clone()).await;
    let opened_at = world.now;
    world.pass(EXPIRY);
    let later = world.wait_for(DECISION);
    world.park("bob", vec![later.clone()]).await;
    let (mut world, _) = world.die().await;

    let open = world.desk.waits(Some(WaitState::Open), 100).await.unwrap();
    assert_eq!(open.len(), 4);
    for (kept, opened) in open.iter().zip(opened.iter().chain([&later])) {
        assert_eq!(kept.opened, *opened);
        assert_eq!(world.wait(opened.id).await, *kept);
        let open = (kept.state, kept.settled_at, kept.decision.as_ref());
        assert_eq!(open, (WaitState::Open, None, None));
    }
    assert_eq!((open[0].turn, open[0].opened_at), (turn.turn, opened_at));
    assert_eq!(open[0].conversation, turn.conversation);

    world.pass(EXPIRY);
    assert!(world.approve(later.id).await);
    let decided = world.wait(later.id).await;
    assert_eq!(decided.state, WaitState::Decided);
    assert_eq!(decided.settled_at, Some(world.now));
    assert_eq!(decided.decision, Some(world.verdict(true)));
    let by_state = |state| world.desk.waits(state, 100);
    let listed = by_state(Some(WaitState::Decided)).await.unwrap();
    assert_eq!(listed, [decided]);
    assert_eq!(by_state(Some(WaitState::Open)).await.unwrap(), open[..3]);
    assert_eq!(by_state(None).await.unwrap().len(), 4);
    let two = world.desk.waits(None, 2).await.unwrap();
    assert_eq!(two, open[..2]);
}

/// A decision makes the conversation due, and the turn that goes on knows what
/// was decided. Another decision changes nothing and hears how the wait stands.
pub async fn a_decision_lets_the_parked_turn_go_on_once(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let wait = world.wait_for(DECISION);
    let parked = world.park("ana", vec![wait.clone()]).await;
    let conversation = parked.conversation;
    let decided = world.decide(wait.id).await;
    let due_at = Some(world.now);
    assert_eq!(
        decided,
        Decided::Done {
            conversation,
            due_at
        }
    );
    assert_eq!(world.due().await, [conversation]);

    let before = world.look("ana", conversation, parked.turn).await;
    let again = world.decide(wait.id).await;
    assert_eq!(again, Decided::Already(WaitState::Decided));
    assert_eq!(world.look("ana", conversation, parked.turn).await, before);

    let (world, _) = world.die().await;
    let turn = world.claim(conversation).await;
    assert_eq!(settled(&turn), wait.id);
    assert_ne!(turn.turn, parked.turn);
    assert_eq!(handed(&turn), [wait.id]);
    assert_eq!(turn.waits[0].opened, wait);
    assert_eq!(turn.waits[0].turn, parked.turn);
    assert_eq!(turn.waits[0].decision, Some(world.verdict(true)));
    let view = world.view(parked.turn).await;
    assert_eq!(view.waits[0].decided_by.as_deref(), Some("operator ana"));

    let (world, _) = world.die().await;
    let again = world.claim(conversation).await;
    assert_eq!((again.turn, again.runs), (turn.turn, 2));
    assert_eq!(again.waits, turn.waits, "at every run");
    world.answer(&again, "done").await;
    assert!(world.due().await.is_empty());
    let after = world.decide(wait.id).await;
    assert_eq!(after, Decided::Already(WaitState::Decided));
    assert!(world.due().await.is_empty());
    let (world, _) = world.die().await;
    assert!(world.due().await.is_empty());
}

/// Two operators at once: one decision counts, one internal inbound is there.
pub async fn rival_deciders_have_one_winner(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let wait = world.wait_for(DECISION);
    let parked = world.park("ana", vec![wait.clone()]).await;
    let start = Arc::new(Barrier::new(8));
    let tasks = (0..8).map(|number| {
        let (desk, start) = (Arc::clone(&world.desk), Arc::clone(&start));
        let (verdict, entry) = (world.verdict(number % 2 == 0), world.entry());
        tokio::spawn(async move {
            start.wait().await;
            desk.decide(wait.id, verdict, entry).await
        })
    });
    let answers: Vec<_> = join_all(tasks).await;
    let count = answers
        .into_iter()
        .filter(|answer| match answer.as_ref().unwrap().as_ref().unwrap() {
            Decided::Done { .. } => true,
            Decided::Already(WaitState::Decided) => false,
            other => panic!("was {other:?}"),
        })
        .count();
    assert_eq!(count, 1);
    assert_eq!(world.store.backlog().await.unwrap(), 1);
    let chain = world.desk.audit(parked.conversation).await.unwrap();
    assert_eq!(chain.len(), 2, "of the turn and of the one decision");
    let turn = world.claim(parked.conversation).await;
    assert_eq!(settled(&turn), wait.id);
    world.answer(&turn, "done").await;
    assert!(world.due().await.is_empty());
}

/// Operators decide on what asks for them, and on what is there.
pub async fn only_decisions_are_decided(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let reply = world.wait_for(WaitKind::Reply);
    let timer = world.timer(world.after(60));
    let waits = vec![reply.clone(), timer.clone()];
    let parked = world.park("ana", waits).await;
    let before = world.look("ana", parked.conversation, parked.turn).await;
    for wait in [reply, timer] {
        let refused = world.decide(wait.id).await;
        assert_eq!(refused, Decided::NotTheirs(wait.kind));
    }
    let unknown = WaitId(world.ids.fresh());
    assert_eq!(world.decide(unknown).await, Decided::NotFound);
    assert!(world.desk.wait(unknown).await.unwrap().is_none());
    let after = world.look("ana", parked.conversation, parked.turn).await;
    assert_eq!(after, before);
}

/// A decision is an entry of the conversation's audit chain, which verifies, and
/// which the turn that goes on adds to.
pub async fn a_decision_is_in_the_audit_chain(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let wait = world.wait_for(DECISION);
    let parked = world.park("ana", vec![wait.clone()]).await;
    let conversation = parked.conversation;
    let mut entry = world.entry();
    entry.turn = Some(parked.turn);
    let verdict = world.verdict(false);
    let decided = world.desk.decide(wait.id, verdict, entry.clone()).await;
    assert!(matches!(decided, Ok(Decided::Done { .. })));
    let (world, _) = world.die().await;
    let turn = world.claim(conversation).await;
    assert_eq!(turn.audit.number, 2);
    world.answer(&turn, "no").await;
    let chain = world.desk.audit(conversation).await.unwrap();
    let actions: Vec<_> = chain
        .iter()
        .map(|link| link.entry.action.as_str())
        .collect();
    assert_eq!(
        actions,
        ["turn.committed", "wait.decided", "turn.committed"]
    );
    assert_eq!((&chain[1].entry, chain[1].salt), (&entry, None));
    let verified = audit::verify(&conversation.to_string(), AuditHead::default(), &chain);
    assert!(verified.is_ok(), "{verified:?}");
    let view = world.view(parked.turn).await;
    let shown: Vec<_> = view.audit.iter().map(|entry| entry.number).collect();
    assert_eq!(shown, [1, 2], "the parked turn shows who decided");
}

/// A decision while a turn runs waits behind it. The running turn finds the
/// audit's head moved, chains again, and commits.
pub async fn a_decision_beside_a_running_turn_queues_behind_it(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let wait = world.wait_for(DECISION);
    let conversation = world.park("ana", vec![wait.clone()]).await.conversation;
    world.hear("ana", "r").await;
    let running = world.claim(conversation).await;
    assert!(world.approve(wait.id).await);
    let held = world.try_claim(conversation).await;
    assert!(matches!(held, ClaimOutcome::Held(_)));

    let end = TurnEnd::Commit(answered(&[("a", DeliveryState::Sent)]));
    let mut finish = world.finish_of(&running, end);
    let Finished::HeadMoved(head) = world.finish(finish.clone()).await else {
        panic!("the decision has moved the head");
    };
    finish.audit_head = head;
    finish.audit = vec![world.link(head, &running, "turn.committed")];
    let Finished::Done { due_at, .. } = world.finish(finish).await else {
        panic!("chained again, it must be written");
    };
    assert!(due_at.is_some_and(|at| at <= world.now));
    let resumed = world.claim(conversation).await;
    assert_eq!(settled(&resumed), wait.id);
}

/// Several waits of one turn: it goes on when none of them is open any more,
/// once, and then knows them all.
pub async fn a_group_goes_on_when_nothing_of_it_is_open(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let waits = vec![
        world.wait_for(DECISION),
        world.wait_until(DECISION, world.after(60)),
        world.wait_for(DECISION),
    ];
    let lone = world.timer(world.after(3600));
    let all = [waits.clone(), vec![lone]].concat();
    let conversation = world.park("ana", all).await.conversation;
    assert!(!world.approve(waits[2].id).await);
    assert!(world.due().await.is_empty());
    let (mut next, _) = {
        world.pass(EXPIRY);
        world.die().await
    };
    assert!(!next.approve(waits[0].id).await);
    assert!(next.due().await.is_empty());
    next.pass(6 * EXPIRY);
    assert_eq!(next.expire().await, [conversation]);
    let turn = next.claim(conversation).await;
    assert_eq!(settled(&turn), waits[1].id, "the last one that was settled");
    let ids: Vec<_> = waits.iter().map(|wait| wait.id).collect();
    assert_eq!(handed(&turn), ids, "in the order of opening");
    let states: Vec<_> = turn.waits.iter().map(|wait| wait.state).collect();
    let (decided, expired) = (WaitState::Decided, WaitState::Expired);
    assert_eq!(states, [decided, expired, decided]);
    next.answer(&turn, "done").await;
    assert!(next.due().await.is_empty());
}

/// A commit that comes again opens no wait again and notes no fact again, and
/// one of a run that lost its claim opens none.
pub async fn a_commit_opens_its_waits_once(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let stale = world.claim(conversation).await;
    world.pass(EXPIRY);
    let turn = world.claim(conversation).await;
    let opened = [world.wait_for(DECISION), world.wait_for(WaitKind::Reply)];
    let commit = Commit {
        waits: opened.to_vec(),
        facts: vec![Fact {
            name: "order.placed".into(),
            payload: "{}".into(),
        }],
        ..quiet()
    };
    let late = world.end(&stale, TurnEnd::Commit(commit.clone())).await;
    assert_eq!(late, Finished::Stale);
    assert!(world.desk.waits(None, 100).await.unwrap().is_empty());

    let mut finish = world.finish_of(&turn, TurnEnd::Commit(commit));
    let head = std::mem::take(&mut finish.audit_head.number);
    finish.audit_head.number = head + 7;
    let moved = world.finish(finish.clone()).await;
    assert!(matches!(moved, Finished::HeadMoved(_)));
    assert!(world.desk.waits(None, 100).await.unwrap().is_empty());
    finish.audit_head.number = head;
    assert!(matches!(
        world.finish(finish.clone()).await,
        Finished::Done { .. }
    ));
    let before = world.look("ana", conversation, turn.turn).await;
    for _ in 0..2 {
        let again = world.finish(finish.clone()).await;
        assert!(matches!(again, Finished::Already { .. }));
    }
    assert_eq!(world.look("ana", conversation, turn.turn).await, before);
    assert_eq!(world.desk.waits(None, 100).await.unwrap().len(), 2);

    // Once decided, it does not come back.
    assert!(!world.approve(opened[0].id).await);
    world.finish(finish).await;
    assert_eq!(world.wait_state(opened[0].id).await, WaitState::Decided);
}

/// A turn that goes on fails, is divided, dies and parks like any other.
pub async fn a_resumed_turn_is_a_turn_like_any_other(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let wait = world.wait_for(DECISION);
    let conversation = world.park("ana", vec![wait.clone()]).await.conversation;
    world.approve(wait.id).await;
    world.hear("ana", "r").await;
    let retry = TurnEnd::Retry {
        not_before: world.now,
        failure: failure(),
    };
    let split = TurnEnd::Split { failure: failure() };
    for end in [retry, TurnEnd::Release, split] {
        let turn = world.claim(conversation).await;
        assert_eq!((settled(&turn), handed(&turn)), (wait.id, vec![wait.id]));
        world.end(&turn, end).await;
    }
    let turn = world.claim(conversation).await;
    assert_eq!(settled(&turn), wait.id);
    let second = world.wait_for(DECISION);
    let waits = vec![second.clone()];
    world.leave(&turn, Commit { waits, ..quiet() }).await;
    let summary = world.view(turn.turn).await.turn.unwrap();
    assert_eq!(summary.state, TurnState::Parked);

    let turn = world.claim(conversation).await;
    assert_eq!(texts(&turn), ["r"]);
    world.answer(&turn, "a").await;
    assert!(world.approve(second.id).await);
    let turn = world.claim(conversation).await;
    assert_eq!(
        (settled(&turn), handed(&turn)),
        (second.id, vec![second.id])
    );
    world.answer(&turn, "b").await;
    assert!(world.due().await.is_empty());
}
