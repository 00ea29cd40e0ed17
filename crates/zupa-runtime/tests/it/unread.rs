//! What a door has to take and cannot read: acknowledged, never run, never answered, and
//! kept for an operator.

use zupa_core::{
    Channel, Content, DeadLetterFilter, DeadLetterState, Deduplicates, Delivered, Desk, Inbound,
    InboundState, RawPayload, TenantId,
};

use crate::support::{Setup, World, inbound, pass, secs};

fn unread(world: &World, payload: &[u8]) -> Inbound {
    let channel = world.door().id().clone();
    Inbound::undecodable(TenantId::default_tenant(), channel, payload.to_vec()).unwrap()
}

/// One that comes from somebody known.
fn broken(who: &str, id: &str) -> Inbound {
    let payload = b"\0".as_slice().into();
    let content = Content::Undecodable { payload };
    Inbound {
        content,
        ..inbound(who, id, "")
    }
}

/// The letters' class, state, failures and payload.
async fn letters(world: &World) -> Vec<(String, DeadLetterState, u32, Option<RawPayload>)> {
    let any = DeadLetterFilter::default();
    let all = world.memory.dead_letters(&any, None, 100).await.unwrap();
    let mut found = Vec::new();
    for letter in all {
        let view = world.memory.dead_letter(letter.id).await.unwrap().unwrap();
        found.push((letter.class, letter.state, letter.attempts, view.raw));
    }
    found
}

#[tokio::test(start_paused = true)]
async fn what_a_door_cannot_read_is_a_dead_letter_at_once() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    let told = world.deliver(unread(&world, b"\xff{")).await.unwrap();
    assert!(matches!(told, Delivered::Accepted { .. }), "{told:?}");
    let told = world.deliver(unread(&world, b"\xff{")).await.unwrap();
    assert!(matches!(told, Delivered::Duplicate { .. }), "{told:?}");
    world.quiet().await;
    let raw = Some(RawPayload::Bytes("ff7b".into()));
    let pending = ("invalid".to_owned(), DeadLetterState::Pending, 1, raw);
    assert_eq!(letters(&world).await, [pending]);
    assert_eq!(world.model.calls(), 0);
    assert!(world.door().calls().is_empty(), "nobody is told anything");
}

#[tokio::test(start_paused = true)]
async fn no_limit_and_no_review_comes_of_what_cannot_be_read() {
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.settings.per_user_per_minute = 5;
    let world = setup.start().await;
    for number in 0..30 {
        let payload = format!("broken {number}");
        world
            .deliver(unread(&world, payload.as_bytes()))
            .await
            .unwrap();
    }
    pass(secs(10)).await;
    world.quiet().await;
    assert_eq!(letters(&world).await.len(), 30);
    let counts = world.accounting().await;
    assert_eq!(counts.ended.get("dead"), Some(&30), "{counts:?}");
    assert!(world.memory.waits(None, 10).await.unwrap().is_empty());
    assert!(world.door().calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_came_with_it_is_answered() {
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.agent.burst.silence = secs(5);
    let world = setup.start().await;
    world.say("ana", "one").await;
    world.deliver(broken("ana", "broken")).await.unwrap();
    world.say("ana", "two").await;
    world.quiet().await;
    assert_eq!(world.visible(), ["re: one", "re: two"]);
    let view = world.view("broken").await;
    assert_eq!(view.inbounds[0].state, InboundState::Dead);
    assert_eq!(letters(&world).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_came_with_it_is_one_turn_that_its_limits_are_asked_for() {
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.agent.burst.silence = secs(5);
    setup.settings.per_user_per_minute = 2;
    let world = setup.start().await;
    // More than there may be in a minute are taken where none was said before.
    world.say("ana", "zero").await;
    world.quiet().await;
    for text in ["one", "two", "three"] {
        world.say("ana", text).await;
    }
    world.deliver(broken("ana", "broken")).await.unwrap();
    world.say("bob", "hello").await;
    world.deliver(broken("bob", "garbled")).await.unwrap();
    world.say("bob", "there").await;
    world.quiet().await;
    for text in ["one", "two", "three"] {
        let inbound = world.view(text).await.inbounds.remove(0);
        assert_eq!(inbound.state, InboundState::Refused, "{text}");
        assert!(world.view(text).await.failures.is_empty(), "{text}");
    }
    assert!(world.view("hello").await.failures.is_empty());
    assert_eq!(letters(&world).await.len(), 2);
}
