//! A conversation in a human's hands: the agent is silent in it.

use zupa_core::desk::{Holding, Releasing};
use zupa_core::store::{
    Accept, Attempted, Batch, ClaimOutcome, Commit, Finished, Settlement, TurnEnd,
};
use zupa_core::{
    AuditHead, ConversationId, DeliveryState, ErrorKind, Hold, HoldKind, Ids, InboundState,
    ReceiptLevel, ReceiptNews, WaitKind, WaitState, audit,
};

use super::Harness;
use super::world::path::{answered, texts};
use super::world::waits::{MINUTE, handed, quiet};
use super::world::{EXPIRY, World, address};

/// What comes while a human has the conversation waits: nothing claims it, no offer
/// takes it, nothing lists it. The hand-back makes it due.
pub async fn a_held_conversation_is_left_alone(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    assert_eq!(world.hold(conversation).await, Holding::Done);
    assert!(world.due().await.is_empty());
    assert!(is_paused(&world, conversation).await);
    let offered = Accept {
        offer: Some(world.offer()),
        ..world.message("ana", "m2", "r")
    };
    let batch = Batch {
        accept: vec![offered],
        ..world.batch()
    };
    let applied = world.write(batch).await;
    assert!(applied.taken[0].is_none(), "no offer takes what is held");
    let (world, _) = world.die().await;
    assert!(world.due().await.is_empty(), "a hold outlives a death");
    assert!(is_paused(&world, conversation).await);

    let released = world.release(conversation, None).await;
    let Releasing::Done { answered, due_at } = released else {
        panic!("it was held, was {released:?}");
    };
    assert_eq!(answered, 0, "nobody said that anything was answered");
    assert!(due_at.is_some_and(|at| at <= world.now));
    assert_eq!(world.due().await, [conversation]);
    let turn = world.claim(conversation).await;
    assert_eq!(texts(&turn), ["q", "r"]);
}

/// Nothing of a turn that runs under a hold reaches the person: neither what it says
/// aside nor what it commits, nor what it asks. Its inbounds end as answered by whoever
/// has the conversation.
pub async fn a_running_turn_is_silenced_by_a_hold(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    world.hold(conversation).await;
    world.say_aside(&turn, "k1", &["wait"]).await;
    let question = world.wait_for(WaitKind::Reply);
    let commit = Commit {
        waits: vec![question.clone()],
        ..answered(&[
            ("one", DeliveryState::Sending),
            ("two", DeliveryState::Queued),
        ])
    };
    let finished = world.end_anew(&turn, TurnEnd::Commit(commit)).await;
    let Finished::Done { numbers, held, .. } = finished else {
        panic!("the holder must commit, was {finished:?}");
    };
    assert_eq!((numbers.len(), held), (2, true));
    let view = world.view(turn.turn).await;
    assert_eq!(view.deliveries.len(), 3);
    for delivery in &view.deliveries {
        assert_eq!(delivery.state, DeliveryState::Cancelled);
        assert_eq!(delivery.reason.as_deref(), Some(Hold::REASON));
        assert_eq!(delivery.attempts, 0);
        assert!(delivery.settled_at.is_some());
    }
    assert_eq!(view.inbounds[0].state, InboundState::AnsweredByHuman);
    assert_eq!(world.wait_state(question.id).await, WaitState::Cancelled);
    world.heard_nothing(conversation).await;

    // Neither does the hand-back send it, nor is the next message an answer.
    world.release(conversation, None).await;
    world.heard_nothing(conversation).await;
    world.hear("ana", "yes").await;
    let next = world.claim(conversation).await;
    assert!(handed(&next).is_empty(), "nobody has heard the question");
    assert!(!next.outbox_busy);
    world.answer(&next, "a").await;
    let said: Vec<_> = world.history(conversation).await;
    let said: Vec<_> = said.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(said, ["yes", "a"], "the model does not answer again");
}

/// A commit whose answer was lost hears again that it was silenced.
pub async fn a_silenced_end_that_comes_again_is_told_so(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    world.hold(conversation).await;
    let end = TurnEnd::Commit(answered(&[("one", DeliveryState::Sent)]));
    world.end_anew(&turn, end.clone()).await;
    let again = world.end(&turn, end).await;
    assert!(
        matches!(again, Finished::Already { held: true, .. }),
        "was {again:?}"
    );
}

/// What the agent wanted to send when the human came does not go out: neither what
/// waits, nor what was on the wire and did not arrive. What is on its way is settled.
pub async fn a_hold_cancels_what_was_not_sent(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let rows = [
        ("one", DeliveryState::Sending),
        ("two", DeliveryState::Queued),
    ];
    let talk = world.talk("ana", &rows).await;
    let [first, second] = [talk.rows[0], talk.rows[1]];
    world.hold(first.conversation).await;
    let states = [DeliveryState::Sending, DeliveryState::Cancelled];
    assert_eq!(world.states(&talk).await, states);
    assert_eq!(world.attempt(second, 1).await, Attempted::Lost);

    let again = Settlement::Retry {
        not_before: world.now,
        kind: ErrorKind::Unavailable,
    };
    world.settle(first, 1, again).await;
    assert_eq!(world.attempt(first, 2).await, Attempted::Lost);
    let delivery = world.delivery(&talk, 0).await;
    assert_eq!(delivery.state, DeliveryState::Cancelled);
    assert_eq!(delivery.reason.as_deref(), Some(Hold::REASON));
    assert_eq!(delivery.attempts, 1, "what was tried was tried");
    let far = world.after(3600);
    assert!(world.due_by(far, 10).await.is_empty());

    let sent = world.talk("bob", &[("one", DeliveryState::Sending)]).await;
    world.hold(sent.rows[0].conversation).await;
    let arrived = Settlement::Sent { platform_id: None };
    world.settle(sent.rows[0], 1, arrived).await;
    assert_eq!(world.states(&sent).await, [DeliveryState::Sent]);
}

/// What was on the wire, or in doubt, when the human came does not go out again after the
/// hand-back either, whatever evidence allows it, and however long after. What has left
/// has left.
pub async fn what_comes_back_after_a_hold_is_not_sent(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let comes_back = [
        Settlement::Retry {
            not_before: world.now,
            kind: ErrorKind::Unavailable,
        },
        Settlement::SendAgain,
        Settlement::Resend,
    ];
    let in_doubt = Settlement::InDoubt { until: world.now };
    for (who, back) in ["ana", "bob", "cyd"].into_iter().zip(comes_back) {
        let talk = world.talk(who, &[("one", DeliveryState::Sending)]).await;
        let [row] = talk.rows[..] else { panic!("one") };
        let is_known = matches!(back, Settlement::Retry { .. });
        if !is_known {
            world.settle(row, 1, in_doubt.clone()).await;
        }
        world.hold(row.conversation).await;
        let delivery = world.delivery(&talk, 0).await;
        assert_eq!(delivery.reason.as_deref(), Some(Hold::TAKEN_OVER), "{who}");
        assert!(delivery.state.is_open(), "{who}: it is settled by evidence");
        world.release(row.conversation, Some(world.now)).await;
        world.pass(MINUTE);
        if !is_known {
            world.settle(row, 1, in_doubt.clone()).await;
        }
        world.settle(row, 1, back).await;
        let delivery = world.delivery(&talk, 0).await;
        assert_eq!(delivery.state, DeliveryState::Cancelled, "{who}");
        assert_eq!(delivery.reason.as_deref(), Some(Hold::REASON), "{who}");
        assert_eq!((delivery.attempts, delivery.doubled), (1, 0), "{who}");
        assert_eq!(delivery.settled_at, Some(world.now), "{who}");
        assert_eq!(world.attempt(row, 2).await, Attempted::Lost, "{who}");
        world.heard_nothing(row.conversation).await;
    }

    // The mark outlives a death, and says nothing of what has left.
    let dan = world.talk("dan", &[("one", DeliveryState::Sending)]).await;
    let eve = world.talk("eve", &[("one", DeliveryState::Sending)]).await;
    for talk in [&dan, &eve] {
        world.hold(talk.rows[0].conversation).await;
        world.release(talk.rows[0].conversation, None).await;
    }
    let (world, _) = world.die().await;
    world.settle(dan.rows[0], 1, Settlement::SendAgain).await;
    assert_eq!(world.states(&dan).await, [DeliveryState::Cancelled]);
    let key = Some(format!("{}.0", eve.turn.turn));
    let level = ReceiptLevel::Delivered;
    world
        .hear_of("p1", ReceiptNews::Status { level, key })
        .await;
    let delivery = world.delivery(&eve, 0).await;
    assert_eq!(
        (delivery.state, delivery.reason),
        (DeliveryState::Sent, None)
    );

    // What is said after the hand-back goes its way.
    let later = world.talk("dan", &[("two", DeliveryState::Sending)]).await;
    let again = Settlement::Retry {
        not_before: world.now,
        kind: ErrorKind::Unavailable,
    };
    world.settle(later.rows[0], 1, again).await;
    assert_eq!(world.attempt(later.rows[0], 2).await, Attempted::Granted);
}

/// What the agent has asked the person is not asked any more; what operators and the
/// time settle stays, and goes on after the hand-back.
pub async fn a_hold_cancels_questions_and_keeps_the_rest(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let waits = vec![
        world.wait_for(WaitKind::Reply),
        world.timer(world.after(30)),
    ];
    let parked = world.park("ana", waits.clone()).await;
    let review = world.wait_for(WaitKind::Decision);
    world.park("ana", vec![review.clone()]).await;
    let conversation = parked.conversation;
    world.hold(conversation).await;
    assert_eq!(world.wait_state(waits[0].id).await, WaitState::Cancelled);

    world.pass(MINUTE);
    assert!(world.expire().await.is_empty(), "its time waits, too");
    assert!(world.approve(review.id).await);
    assert!(world.due().await.is_empty());
    world.hear("ana", "yes").await;
    let until = Some(world.now);
    let Releasing::Done { answered, .. } = world.release(conversation, until).await else {
        panic!("it was held");
    };
    assert_eq!(answered, 1, "only what the person has said");
    let turn = world.claim(conversation).await;
    assert_eq!(handed(&turn), [review.id]);
    world.leave(&turn, quiet()).await;
    assert_eq!(world.expire().await, [conversation]);
}

/// A conversation that nobody has cannot be handed back, and neither can one that is
/// not there; nothing is written.
pub async fn only_what_is_held_is_handed_back(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    assert_eq!(
        world.release(conversation, Some(world.now)).await,
        Releasing::NotHeld
    );
    assert_eq!(world.due().await, [conversation]);
    let nobody = ConversationId(world.ids.fresh());
    assert_eq!(world.hold(nobody).await, Holding::NotFound);
    assert_eq!(world.release(nobody, None).await, Releasing::NotFound);
    assert!(world.desk.audit(conversation).await.unwrap().is_empty());
}

/// Who took the conversation and who gave it back stands in its audit chain.
pub async fn holds_are_in_the_audit(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    world.hold(conversation).await;
    world.release(conversation, None).await;
    let chain = world.desk.audit(conversation).await.unwrap();
    let actions: Vec<_> = chain
        .iter()
        .map(|link| link.entry.action.as_str())
        .collect();
    assert_eq!(actions, ["conversation.held", "conversation.released"]);
    let stream = conversation.to_string();
    assert!(audit::verify(&stream, AuditHead::default(), &chain).is_ok());
    let turn = world.claim(conversation).await;
    assert_eq!(turn.audit.number, 2);
    world.answer(&turn, "a").await;
}

/// Operators see who has a conversation, and find those that are held.
pub async fn operators_see_conversations(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let mut all = Vec::new();
    for alias in ["ana", "bob", "cyd"] {
        all.push(world.hear(alias, "q").await);
        world.pass(EXPIRY);
    }
    all.sort();
    all.reverse();
    let since = world.now;
    world.hold_with(all[1], Some(since)).await;
    let ids = async |held, before, limit| {
        let found = world.desk.conversations(held, before, limit).await.unwrap();
        found.iter().map(|view| view.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(false, None, 10).await, all);
    assert_eq!(ids(false, None, 2).await, all[..2]);
    assert_eq!(ids(false, Some(all[1]), 10).await, all[2..]);
    assert_eq!(ids(true, None, 10).await, [all[1]]);
    assert!(ids(true, Some(all[1]), 10).await.is_empty());

    let view = world.desk.conversation(all[1]).await.unwrap().unwrap();
    let hold = view.hold.unwrap();
    assert_eq!((hold.kind, hold.since), (HoldKind::Operator, since));
    assert_eq!(
        (hold.by.as_str(), hold.human_at),
        ("operator ana", Some(since))
    );
    assert_eq!((view.pending, view.open_turn), (1, None));
    assert!(view.due_at.is_some() && view.state.is_none() && view.wake_at.is_none());
    let conversation = world.hear("dan", "q").await;
    let turn = world.claim(conversation).await;
    let view = world
        .desk
        .conversation(conversation)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((view.pending, view.open_turn), (0, Some(turn.turn)));
    assert_eq!((view.address, view.hold), (address("dan"), None));
    let nobody = ConversationId(world.ids.fresh());
    assert!(world.desk.conversation(nobody).await.unwrap().is_none());
}

async fn is_paused(world: &World<'_>, conversation: ConversationId) -> bool {
    matches!(world.try_claim(conversation).await, ClaimOutcome::Paused)
}
