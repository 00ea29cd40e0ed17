//! What waited behind a door is judged again when the door opens: a human who has replied
//! since has the word, and a later turn has not.

use zupa_core::desk::Releasing;
use zupa_core::{
    Clock, DeadLetterAct, DeadLetterActed, DeadLetterId, Deduplicates, DeliveryId, DeliveryState,
    Desk, ErrorKind, Hold, Outcome, Retry,
};
use zupa_runtime::resilience::{Breaker, Policies};
use zupa_testkit::Answer;

use crate::support::{Setup, World, act, error, hold, pass, release, secs};

/// With the breakers that come with the runtime, over days.
async fn start(deduplicates: Deduplicates) -> World {
    let mut setup = Setup::phone(deduplicates).patient();
    setup.settings.policies = Policies::default();
    setup.start().await
}

fn breaker(world: &World) -> Breaker {
    let breakers = world.runtime().breakers();
    let mut found = breakers.into_iter();
    found.find(|it| it.name() == "channel/door").unwrap()
}

async fn stands(world: &World, message: &str) -> (DeliveryState, Option<String>) {
    let view = world.view(message).await.deliveries.remove(0);
    (view.state, view.reason)
}

fn held() -> (DeliveryState, Option<String>) {
    (DeliveryState::Cancelled, Some(Hold::REASON.into()))
}

/// A human takes over, replies, and hands back an hour later.
async fn a_human_replies(world: &World, who: &str) {
    hold(world, who).await;
    pass(secs(3_600)).await;
    let released = release(world, who, Some(world.clock.wall())).await;
    assert!(matches!(released, Releasing::Done { .. }));
}

#[tokio::test(start_paused = true)]
async fn what_waited_behind_an_open_breaker_is_not_sent_after_a_human_has_replied() {
    let world = start(Deduplicates::Never).await;
    let door = breaker(&world);
    door.open();
    for who in ["ana", "bob"] {
        world.say(who, &format!("one of {who}")).await;
        pass(secs(60)).await;
        world.say(who, &format!("two of {who}")).await;
    }
    pass(secs(60)).await;
    a_human_replies(&world, "ana").await;
    assert!(world.door().calls().is_empty());
    door.close();
    world.quiet().await;
    assert_eq!(stands(&world, "one of ana").await, held());
    assert_eq!(stands(&world, "two of ana").await, held());
    // The answer of a later turn takes nothing from an earlier one.
    assert_eq!(world.visible(), ["re: one of bob", "re: two of bob"]);
    world.say("ana", "three").await;
    world.quiet().await;
    assert_eq!(world.visible().last().unwrap(), "re: three");
}

#[tokio::test(start_paused = true)]
async fn a_send_in_doubt_is_not_made_again_after_a_human_has_replied() {
    for deduplicates in [Deduplicates::ByKey, Deduplicates::Never] {
        let world = start(deduplicates).await;
        world.door().caught_up(Some(world.clock.wall()));
        world.door().answer([Answer::Hang, Answer::Hang]);
        world.say("ana", "one").await;
        world.say("bob", "two").await;
        world.door().called(2).await;
        let door = breaker(&world);
        door.open();
        pass(secs(15)).await;
        assert_eq!(stands(&world, "one").await.0, DeliveryState::InDoubt);
        a_human_replies(&world, "ana").await;
        door.close();
        world.quiet().await;
        assert_eq!(stands(&world, "one").await, held(), "{deduplicates:?}");
        assert_eq!(world.visible(), ["re: two"], "{deduplicates:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_on_the_wire_after_a_short_takeover_is_not_tried_again() {
    let world = start(Deduplicates::Never).await;
    let fails = error(ErrorKind::Unavailable).with_retry(Retry::Now);
    let fails = fails.with_outcome(Outcome::NotApplied);
    let late = Answer::After(secs(5), Box::new(Answer::Fail(fails)));
    world.door().answer([late]);
    world.say("ana", "one").await;
    world.door().called(1).await;
    hold(&world, "ana").await;
    release(&world, "ana", Some(world.clock.wall())).await;
    world.quiet().await;
    assert_eq!(stands(&world, "one").await, held());
    assert_eq!(world.door().calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_on_the_wire_after_a_short_takeover_is_sent_again_only_knowingly() {
    let world = start(Deduplicates::Never).await;
    let never = error(ErrorKind::Invalid).with_outcome(Outcome::NotApplied);
    let late = Answer::After(secs(5), Box::new(Answer::Fail(never)));
    world.door().answer([late]);
    world.say("ana", "one").await;
    world.door().called(1).await;
    hold(&world, "ana").await;
    release(&world, "ana", Some(world.clock.wall())).await;
    world.quiet().await;
    assert_eq!(stands(&world, "one").await.0, DeliveryState::Failed);
    let turn = world.view("one").await.turn.unwrap().id;
    let id = DeadLetterId::Delivery(DeliveryId { turn, ordinal: 0 });
    let retry = DeadLetterAct::Retry { confirmed: false };
    let entry = act(&world, "dead_letter.retried");
    let acted = world.memory.act_on_dead_letter(id, retry, entry).await;
    assert_eq!(acted.unwrap(), DeadLetterActed::Unconfirmed);
    assert!(world.visible().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_operator_sends_again_what_a_human_has_replied_to_only_knowingly() {
    let world = start(Deduplicates::Never).await;
    let never = error(ErrorKind::Invalid).with_outcome(Outcome::NotApplied);
    world.door().answer([Answer::Fail(never)]);
    world.say("ana", "one").await;
    world.quiet().await;
    let turn = world.view("one").await.turn.unwrap().id;
    let id = DeadLetterId::Delivery(DeliveryId { turn, ordinal: 0 });
    a_human_replies(&world, "ana").await;
    let retry = |confirmed| {
        let entry = act(&world, "dead_letter.retried");
        let retry = DeadLetterAct::Retry { confirmed };
        world.memory.act_on_dead_letter(id, retry, entry)
    };
    assert_eq!(retry(false).await.unwrap(), DeadLetterActed::Unconfirmed);
    let acted = retry(true).await.unwrap();
    assert!(matches!(acted, DeadLetterActed::Done { .. }));
    world.quiet().await;
    assert_eq!(world.visible(), ["re: one"]);
}
