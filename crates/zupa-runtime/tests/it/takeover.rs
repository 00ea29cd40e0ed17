//! A human takes a conversation over: nothing of the agent's reaches the person until
//! it is handed back, and then no backlog that the human has answered.

use std::sync::Arc;
use std::time::Duration;

use zupa_core::desk::Releasing;
use zupa_core::{
    Address, Clock, Deduplicates, DeliveryState, Desk, EffectClass, Hint, Hold, InboundState,
    Nudge, Timestamp, Wakeup,
};
use zupa_runtime::InProcessWakeup;

use crate::support::{Act, Setup, World, conversation_of, hold, pass, release, secs};

async fn handed_back(world: &World, until: Option<Timestamp>) -> u64 {
    match release(world, "ana", until).await {
        Releasing::Done { answered, .. } => answered,
        other => panic!("it was held, was {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_takeover_during_a_turn_lets_nothing_of_it_through() {
    for setup in [Setup::web(), Setup::phone(Deduplicates::ByKey)] {
        let world = setup.start().await;
        world.model.on("one", [Act::Hold]);
        world.say("ana", "one").await;
        world.model.called(1).await;
        hold(&world, "ana").await;
        world.model.release();
        world.quiet().await;
        pass(secs(60)).await;
        assert_eq!(world.replies("ana").await, [""; 0]);
        assert!(world.visible().is_empty());
        let view = world.view("one").await;
        assert_eq!(view.inbounds[0].state, InboundState::AnsweredByHuman);
        assert_eq!(view.deliveries[0].state, DeliveryState::Cancelled);
        assert_eq!(view.deliveries[0].reason.as_deref(), Some(Hold::REASON));

        // Nobody answers while the human has it, nor afterwards what the human has.
        world.say("ana", "two").await;
        pass(secs(60)).await;
        assert_eq!(world.model.calls(), 1);
        assert_eq!(handed_back(&world, Some(world.clock.wall())).await, 1);
        pass(secs(60)).await;
        assert_eq!(world.model.calls(), 1);
        let view = world.view("two").await;
        assert_eq!(view.inbounds[0].state, InboundState::AnsweredByHuman);

        world.say("ana", "three").await;
        world.quiet().await;
        assert_eq!(world.replies("ana").await, ["re: three"]);
        let prompt = world.model.asked().pop().unwrap();
        let lines: Vec<_> = prompt.messages.iter().map(|line| line.text()).collect();
        assert_eq!(lines, ["three"], "the rest is the human's");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_human_has_not_answered_is_answered_after_the_hand_back() {
    let world = Setup::web().start().await;
    world.say("ana", "one").await;
    world.quiet().await;
    hold(&world, "ana").await;
    world.say("ana", "two").await;
    let until = world.clock.wall();
    pass(secs(60)).await;
    world.say("ana", "three").await;
    assert_eq!(handed_back(&world, Some(until)).await, 1);
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["re: one", "re: three"]);
}

#[tokio::test(start_paused = true)]
async fn a_short_takeover_is_one_all_the_same() {
    let world = Setup::web().start().await;
    world.model.on("one", [Act::Hold]);
    world.say("ana", "one").await;
    world.model.called(1).await;
    hold(&world, "ana").await;
    assert_eq!(handed_back(&world, Some(world.clock.wall())).await, 0);
    world.model.release();
    world.quiet().await;
    assert_eq!(
        world.replies("ana").await,
        [""; 0],
        "the human has answered it"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_sees_no_draft_under_a_hold() {
    let (mut setup, wakeup) = (Setup::web(), Arc::new(InProcessWakeup::default()));
    setup.wakeup = Some(wakeup.clone());
    let world = setup.start().await;
    world.model.on("one", [Act::Hold]);
    world.say("ana", "one").await;
    world.model.called(1).await;
    let id = hold(&world, "ana").await;
    wakeup.wake(Nudge::Held(id));
    pass(Duration::from_millis(10)).await;
    world.model.release();
    world.quiet().await;
    let drafts = |(_, hint): &&(Address, Hint)| matches!(hint, Hint::Delta { .. });
    let hints = world.door().hints();
    assert_eq!(hints.iter().filter(drafts).count(), 0);
    world.say("bob", "two").await;
    world.quiet().await;
    let hints = world.door().hints();
    assert!(hints.iter().filter(drafts).count() > 0, "others see theirs");
}

#[tokio::test(start_paused = true)]
async fn a_takeover_outlives_a_restart() {
    let setup = Setup::web();
    let mut world = setup.start().await;
    world.say("ana", "one").await;
    world.quiet().await;
    hold(&world, "ana").await;
    world.say("ana", "two").await;
    world.shutdown(secs(1)).await.unwrap();
    drop(world);
    let world = setup.start().await;
    pass(secs(60)).await;
    assert_eq!(world.model.calls(), 1);
    let id = conversation_of(&world, "ana").await;
    let view = world.memory.conversation(id).await.unwrap().unwrap();
    assert_eq!(view.hold.unwrap().by, "bea");
    assert_eq!(handed_back(&world, None).await, 0);
    pass(secs(5)).await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["re: one", "re: two"]);
    let steps = world.view("two").await.steps;
    assert!(steps.iter().all(|step| step.class == EffectClass::Pure));
}
