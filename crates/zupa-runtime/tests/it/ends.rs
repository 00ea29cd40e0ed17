//! Why a message stands where it stands: each end, and each state that is none yet, has
//! exactly one reason, whatever it was that led there.

use std::collections::BTreeSet;

use zupa_core::desk::TurnView;
use zupa_core::why::why;
use zupa_core::{Clock, Delivered, Desk, ErrorKind, Retry, WaitState};
use zupa_runtime::resilience::Policies;

use crate::support::{
    Act, Setup, Shop, World, decide_one, error, hold, inbound, pass, release, secs,
};

const ORDER: Act = Act::Call(&[("order", r#"{"item":"soup"}"#)]);

/// Code and sentence, after a look at whether the code fits the state of the message.
async fn explained(world: &World, message: &str) -> (&'static str, String) {
    let view = world.view(message).await;
    let why = why(&view);
    let state = view.inbounds[0].state;
    let open = ["queued", "claimed", "running", "retry", "held"];
    // A turn that waits, or that was gone on for, has answered its message.
    let answered = ["answered", "parked", "resumed"];
    let fits = match state.as_str() {
        "answered" => answered.contains(&why.code),
        ended if state.has_ended() => why.code == ended,
        _ => open.contains(&why.code),
    };
    assert!(fits, "{message} is {state:?} and said to be {}", why.code);
    assert!(why.sentence.ends_with('.'), "{}", why.sentence);
    (why.code, why.sentence)
}

async fn check(world: &World, message: &str, code: &str, says: &str) {
    let (found, sentence) = explained(world, message).await;
    assert_eq!(found, code, "{message}: {sentence}");
    assert!(sentence.contains(says), "{message}: {sentence}");
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_message_has_its_reason() {
    let shop = Shop::default();
    let mut setup = Setup::web().patient();
    setup.settings.per_user_per_minute = 3;
    setup.settings.policies.model.retries = 0;
    setup.settings.policies.turn.retries = 0;
    setup.agent = setup.agent.tool(shop.approved_order());
    let world = setup.start().await;

    world.say("ana", "hello").await;
    world.quiet().await;
    check(&world, "hello", "answered", "1 message: 1 sent").await;

    world.model.on("nothing", [Act::Say("  "), Act::Say(" ")]);
    world.say("bob", "nothing").await;
    world.quiet().await;
    check(&world, "nothing", "dead", "the model answered nothing").await;

    let too_long = error(ErrorKind::ContextLength);
    world.model.on("long", [Act::Fail(too_long)]);
    world.say("bob", "long").await;
    world.quiet().await;
    check(&world, "long", "dead", "context_length").await;

    for message in ["e1", "e2", "e3", "e4"] {
        world.say("eve", message).await;
        world.quiet().await;
    }
    check(&world, "e4", "refused", "because: ").await;

    let mut old = inbound("fay", "old", "old");
    let retention = world.settings.dedupe_retention;
    old.platform_time = Some(world.clock.wall().minus(retention));
    let told = world.deliver(old).await.unwrap();
    assert!(matches!(told, Delivered::Expired { .. }), "{told:?}");
    check(&world, "old", "expired", "too old").await;

    // A human: while it waits, while a turn runs, and while that waits to run again.
    world.say("gus", "hi").await;
    world.quiet().await;
    hold(&world, "gus").await;
    world.say("gus", "queued").await;
    check(&world, "queued", "held", "bea has since").await;
    release(&world, "gus", Some(world.clock.wall())).await;
    check(&world, "queued", "answered_by_human", "A human").await;

    world.model.on("under way", [Act::Hold]);
    let calls = world.model.calls();
    world.say("hal", "under way").await;
    world.model.called(calls + 1).await;
    check(&world, "under way", "running", "start 1").await;
    hold(&world, "hal").await;
    world.model.release();
    world.quiet().await;
    check(&world, "under way", "answered_by_human", "A human").await;

    let down = error(ErrorKind::Unavailable).with_retry(Retry::After(secs(90)));
    world.model.on("again", [Act::Fail(down)]);
    world.say("ida", "again").await;
    pass(secs(1)).await;
    check(&world, "again", "retry", "as the test wants it").await;
    hold(&world, "ida").await;
    check(&world, "again", "held", "hand-back").await;
    release(&world, "ida", Some(world.clock.wall())).await;
    check(&world, "again", "answered_by_human", "A human").await;

    let counts = world.accounting().await;
    let ended: BTreeSet<_> = counts.ended.keys().map(String::as_str).collect();
    let all = [
        "answered",
        "answered_by_human",
        "dead",
        "expired",
        "refused",
    ];
    assert_eq!(ended, all.into(), "silent ones are below");
    assert!(counts.open.is_empty());
}

#[tokio::test(start_paused = true)]
async fn every_silence_and_every_wait_has_its_reason() {
    let shop = Shop::default();
    let mut setup = Setup::web().patient();
    setup.settings.policies = Policies::default();
    setup.agent = setup.agent.tool(shop.approved_order());
    setup.agent.answer_within = secs(600);
    setup.agent.burst.silence = secs(5);
    let world = setup.start().await;
    let breakers = world.runtime().breakers();
    let breaker = breakers.iter().find(|found| found.name() == "model/puppet");
    let breaker = breaker.unwrap();

    world.say("ana", "burst").await;
    check(&world, "burst", "queued", "waits for a turn").await;
    world.quiet().await;
    check(&world, "burst", "answered", "1 sent").await;

    breaker.open();
    world.say("bob", "refused by a breaker").await;
    pass(secs(8)).await;
    check(
        &world,
        "refused by a breaker",
        "retry",
        "too many calls have failed",
    )
    .await;
    pass(secs(700)).await;
    breaker.close();
    world.quiet().await;
    check(&world, "refused by a breaker", "silent", "too long").await;

    world.model.on("please order", [ORDER]);
    world.model.on("rejected", [Act::Say("sorry")]);
    world.say("cyd", "please order").await;
    world.quiet().await;
    check(&world, "please order", "parked", "decision of an operator").await;
    let wait = world
        .memory
        .waits(Some(WaitState::Open), 1)
        .await
        .unwrap()
        .remove(0);
    decide_one(&world, &wait, "bea", false).await;
    pass(secs(60)).await;
    world.quiet().await;
    check(&world, "please order", "resumed", "decided by bea").await;

    let counts = world.accounting().await;
    assert_eq!(counts.ended.get("silent"), Some(&1));
}

/// A view of a message that nobody knows is not made up.
#[tokio::test(start_paused = true)]
async fn what_nobody_has_accepted_has_no_reason() {
    let world = Setup::web().start().await;
    let none: Option<TurnView> = world.memory.turn("never heard of").await.unwrap();
    assert!(none.is_none());
}
