//! Who has the next turn when there are fewer than are wanted, and how many there are.

use std::sync::Arc;
use std::time::Duration;

use zupa_core::{ChannelId, Deduplicates, ErrorKind, Inbound, Retry, TenantId};
use zupa_testkit::RecordingChannel;

use crate::support::{Act, Setup, World, error, inbound, pass, secs};

/// What the model was asked, in order.
fn asked(world: &World) -> Vec<String> {
    let asked = world.model.asked();
    asked.iter().map(|call| call.lines().join(" + ")).collect()
}

fn one_at_a_time() -> Setup {
    let mut setup = Setup::web();
    setup.settings.turns_in_flight = 1;
    setup
}

fn of(tenant: &str, who: &str) -> Inbound {
    let text = format!("{tenant}/{who}: hello");
    let mut message = inbound(who, &text, &text);
    message.address.tenant = TenantId::parse(tenant).unwrap();
    message.address.channel = ChannelId::parse(tenant).unwrap();
    message
}

#[tokio::test(start_paused = true)]
async fn the_only_message_of_one_is_behind_no_more_than_one_turn_of_a_hot_conversation() {
    let setup = one_at_a_time();
    setup.model.on("hot: 0", [Act::Hold]);
    let world = setup.start().await;
    world.say("hot", "hot: 0").await;
    world.model.called(1).await;
    for number in 1..=2_000 {
        world.say("hot", &format!("hot: {number}")).await;
    }
    world.say("ana", "ana: hello").await;
    world.model.release();
    world.quiet().await;
    assert_eq!(asked(&world)[1], "ana: hello");
}

#[tokio::test(start_paused = true)]
async fn the_only_message_of_a_tenant_is_behind_no_more_than_one_turn_of_a_hot_tenant() {
    let mut setup = one_at_a_time();
    let door = |tenant: &str| {
        let id = ChannelId::parse(tenant).unwrap();
        let whose = TenantId::parse(tenant).unwrap();
        Arc::new(RecordingChannel::new(id, whose, Deduplicates::ByKey).at_commit())
    };
    setup.doors = vec![door("hot"), door("small")];
    setup.model.on("hot/c0:", [Act::Hold]);
    let world = setup.start().await;
    for who in 0..100 {
        let message = of("hot", &format!("c{who}"));
        world.deliver(message).await.unwrap();
    }
    world.deliver(of("small", "ana")).await.unwrap();
    world.model.called(1).await;
    world.model.release();
    world.quiet().await;
    let asked = asked(&world);
    assert_eq!(
        asked[..4],
        [
            "hot/c0: hello",
            "hot/c1: hello",
            "small/ana: hello",
            "hot/c2: hello"
        ]
    );
    assert_eq!(asked.len(), 101);
}

/// After a restart nobody has told the process whose the conversations are: the store
/// does.
#[tokio::test(start_paused = true)]
async fn tenants_take_turns_after_a_restart_too() {
    let mut setup = one_at_a_time();
    let door = |tenant: &str| {
        let id = ChannelId::parse(tenant).unwrap();
        let whose = TenantId::parse(tenant).unwrap();
        Arc::new(RecordingChannel::new(id, whose, Deduplicates::ByKey).at_commit())
    };
    setup.doors = vec![door("hot"), door("small")];
    setup.model.on("hot/c0:", [Act::Hang]);
    let mut world = setup.start().await;
    for who in 0..20 {
        let message = of("hot", &format!("c{who}"));
        world.deliver(message).await.unwrap();
    }
    world.deliver(of("small", "ana")).await.unwrap();
    world.model.called(1).await;
    world.shutdown(Duration::ZERO).await.unwrap();
    let before = asked(&world).len();
    drop(world);
    let world = setup.start().await;
    world.quiet().await;
    let small = asked(&world)[before..]
        .iter()
        .position(|lines| lines.starts_with("small"));
    assert!(small.is_some_and(|place| place <= 2), "{small:?}");
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_behind_what_people_say_and_not_for_ever() {
    let setup = one_at_a_time();
    let down = error(ErrorKind::Unavailable).with_retry(Retry::After(secs(1)));
    setup.model.on("bad:", [Act::Fail(down)]);
    setup.model.on("busy:", [Act::Take(secs(5))]);
    let world = setup.start().await;
    world.say("bad", "bad: 1").await;
    pass(secs(1) / 2).await;
    world.say("busy", "busy: 1").await;
    // The retry is due while the worker is taken, and so it waits before the others do.
    pass(secs(3)).await;
    for who in 0..12 {
        world.model.always(&format!("c{who}:"), Act::Take(secs(3)));
        world.say(&format!("c{who}"), &format!("c{who}: 1")).await;
    }
    world.quiet().await;
    let asked = asked(&world);
    let place = asked.iter().rposition(|lines| lines == "bad: 1").unwrap();
    // By the round it would be behind three of them; after ten seconds it is next.
    assert_eq!(place, 4, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn the_number_of_turns_at_once_can_be_changed_while_they_run() {
    let mut setup = Setup::web();
    setup.settings.turns_in_flight = 4;
    let world = setup.start().await;
    world.model.always(":", Act::Take(secs(10)));
    for who in 0..40 {
        world.say(&format!("c{who}"), &format!("c{who}: 1")).await;
    }
    world.model.called(4).await;
    world.runtime().set_turns_in_flight(1);
    assert_eq!(world.runtime().turns_in_flight(), 1);
    // The four end, and then one at a time starts.
    pass(secs(9)).await;
    assert_eq!(world.model.calls(), 4);
    pass(secs(30)).await;
    assert_eq!(world.model.calls(), 4 + 3);
    assert_eq!(world.model.most_at_once().1, 4);
    world.runtime().set_turns_in_flight(6);
    pass(secs(1)).await;
    world.quiet().await;
    assert_eq!((world.model.calls(), world.model.most_at_once().1), (40, 6));
}
