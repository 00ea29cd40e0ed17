//! What `accept` turns away, and what a store that fails does to it.

use std::sync::{Arc, Mutex};

use zupa_core::bus::EventFeed;
use zupa_core::{ChannelId, Deduplicates, EventBus, Inbound, PlatformId, TenantId};
use zupa_core::{ErrorKind, InboundState, IntakeBatch, Receipt, ReceiptLevel, ReceiptNews, Retry};
use zupa_runtime::{Health, MachineLoad};
use zupa_testkit::{Call, Fault};

use crate::support::{Act, Setup, World, error, inbound, pass, secs};

#[tokio::test(start_paused = true)]
async fn a_full_backlog_refuses_before_anything_is_written_and_takes_again_later() {
    let mut setup = Setup::web();
    setup.settings.backlog = 2;
    setup.model.always("a", Act::Hold);
    let world = setup.start().await;
    world.say("ana", "a1").await;
    world.say("bob", "a2").await;
    let refused = world.deliver(inbound("eve", "a3", "a3")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Full);
    assert!(matches!(refused.retry(), Retry::After(_)));
    assert_eq!(world.accounting().await.accepted, 2);
    world.model.release();
    world.model.release();
    world.quiet().await;
    world.say("eve", "b").await;
    world.quiet().await;
    assert_eq!(world.replies("eve").await, ["re: b"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_writes_too_much_is_told_once_and_holds_nobody_up() {
    let mut setup = Setup::web();
    setup.settings.per_user_per_minute = 3;
    setup.agent.language.overload = "Slowly!".to_owned();
    let world = setup.start().await;
    for number in 1..=6 {
        world.say("eve", &format!("e{number}")).await;
        world.quiet().await;
    }
    let heard = ["re: e1", "re: e2", "re: e3", "Slowly!"];
    assert_eq!(world.replies("eve").await, heard);
    assert_eq!(
        world.model.asked().len(),
        3,
        "nothing is asked for the rest"
    );
    for refused in ["e4", "e5", "e6"] {
        let view = world.view(refused).await;
        assert_eq!(view.inbounds[0].state, InboundState::Refused, "{refused}");
    }
    world.say("ana", "a1").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["re: a1"]);
    // What was refused is in no prompt; a minute later all is well again.
    pass(secs(61)).await;
    world.say("eve", "e7").await;
    world.quiet().await;
    let last = world.model.asked().pop().unwrap();
    let lines: Vec<_> = last.messages.iter().map(|line| line.text()).collect();
    assert_eq!(
        lines,
        ["e1", "re: e1", "e2", "re: e2", "e3", "re: e3", "e7"]
    );
    let counts = world.accounting().await;
    assert!(counts.is_balanced(), "{counts:?}");
}

fn read_receipt() -> Receipt {
    Receipt {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse("door").unwrap(),
        about: PlatformId::parse("p1").unwrap(),
        news: ReceiptNews::Status {
            level: ReceiptLevel::Read,
            key: None,
        },
        at: None,
    }
}

#[tokio::test(start_paused = true)]
async fn receipts_are_taken_whatever_the_backlog() {
    let mut setup = Setup::web();
    setup.settings.backlog = 0;
    let world = setup.start().await;
    let batch = IntakeBatch {
        inbounds: Vec::new(),
        receipts: vec![read_receipt()],
    };
    assert!(
        world
            .runtime()
            .intake()
            .deliver(batch)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(world.deliver(inbound("ana", "x", "x")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_too_long_is_refused_and_nothing_is_written() {
    let mut setup = Setup::web();
    setup.settings.payload_bytes = 10;
    let world = setup.start().await;
    let refused = world
        .deliver(inbound("ana", "m", "more than ten"))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(!refused.to_string().contains("more than ten"));
    assert_eq!(world.accounting().await.accepted, 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_has_the_bound_of_a_text() {
    let mut setup = Setup::web();
    setup.settings.payload_bytes = 10;
    let world = setup.start().await;
    let unread = |payload: &[u8]| {
        let payload = payload.into();
        let content = zupa_core::Content::Undecodable { payload };
        Inbound {
            content,
            ..inbound("ana", "m", "")
        }
    };
    let refused = world.deliver(unread(&[0xff; 11])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert_eq!(world.accounting().await.accepted, 0);
    world.deliver(unread(&[0xff; 10])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_store_is_told_to_the_door_and_taken_back_when_there_is_room() {
    let world = Setup::web().start().await;
    world
        .store
        .always(Call::Write, Fault::Fail(error(ErrorKind::Full)));
    world
        .store
        .always(Call::Heartbeat, Fault::Fail(error(ErrorKind::Full)));
    let refused = world
        .deliver(inbound("ana", "m1", "hello"))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Full);
    let mut health = world.runtime().health();
    assert!(matches!(*health.borrow_and_update(), Health::Failing(_)));
    world.store.heal();
    // A heartbeat finds out by itself: nobody has to try with a message.
    health.changed().await.unwrap();
    assert!(matches!(*health.borrow(), Health::Good));
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["re: hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_durability_is_never_believed_again() {
    let world = Setup::web().start().await;
    let lost = error(ErrorKind::DurabilityLost);
    world.store.at_call_of(Call::Write, 1, Fault::Fail(lost));
    let refused = world
        .deliver(inbound("ana", "m1", "hello"))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::DurabilityLost);
    // Later writes of this double work; the verdict stays.
    tokio::time::sleep(secs(5)).await;
    assert!(matches!(
        *world.runtime().health().borrow(),
        Health::Lost(_)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_not_waited_for_longer_than_its_deadline() {
    let world = Setup::phone(Deduplicates::ByKey).start().await;
    world.store.at_call_of(Call::Write, 1, Fault::Hang);
    let begun = tokio::time::Instant::now();
    let refused = world
        .deliver(inbound("ana", "m1", "hello"))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Timeout);
    assert_eq!(refused.outcome(), zupa_core::Outcome::Unknown);
    assert!(begun.elapsed() <= secs(5) + secs(1));
}

/// Everything that was told of admission.
async fn told_of_admission(mut world: World, mut feed: EventFeed) -> Vec<String> {
    world.shutdown(secs(10)).await.unwrap();
    let mut told = Vec::new();
    while let Some(event) = feed.next().await {
        let reason = event.payload.word("reason").unwrap();
        told.push(format!("{} {reason}", event.name));
    }
    told
}

#[tokio::test(start_paused = true)]
async fn doors_close_while_a_message_waits_too_long_and_what_was_accepted_is_answered() {
    let bus = EventBus::default();
    let feed = bus.feed("admission:*").unwrap();
    let mut setup = Setup::web();
    setup.settings.turns_in_flight = 1;
    setup.settings.queue_age = secs(5);
    setup.model.on("ana", [Act::Take(secs(60))]);
    let world = setup.start_with(|builder| builder.bus(bus)).await;
    world.say("ana", "ana: 1").await;
    world.say("bob", "bob: 1").await;
    pass(secs(4)).await;
    world.say("cid", "cid: 1").await;
    pass(secs(3)).await;
    let refused = world.deliver(inbound("eve", "e", "e")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    assert!(matches!(refused.retry(), Retry::After(_)));
    assert_eq!(world.accounting().await.accepted, 3, "nothing is written");
    let news = IntakeBatch {
        inbounds: Vec::new(),
        receipts: vec![read_receipt()],
    };
    assert!(world.runtime().intake().deliver(news).await.is_ok());
    world.quiet().await;
    for who in ["ana", "bob", "cid"] {
        assert_eq!(world.replies(who).await, [format!("re: {who}: 1")]);
    }
    pass(secs(2)).await;
    world.say("eve", "e").await;
    world.quiet().await;
    let told = told_of_admission(world, feed).await;
    let wanted = ["closed queue", "refused queue", "opened queue"];
    assert_eq!(told, wanted.map(|what| format!("admission:{what}")));
}

#[tokio::test(start_paused = true)]
async fn doors_close_above_a_share_of_the_machine_and_open_well_below_it() {
    let bus = EventBus::default();
    let feed = bus.feed("admission:*").unwrap();
    let mut setup = Setup::web();
    setup.settings.cpu_percent = 80;
    let load = Arc::new(Mutex::new(MachineLoad::default()));
    let read = load.clone();
    let world = setup
        .start_with(|builder| builder.bus(bus).machine_load(move || *read.lock().unwrap()))
        .await;
    let (low, high) = (Some(0.1), Some(0.95));
    let mut taken = Vec::new();
    let loads = [
        (low, low),
        (low, high),
        (high, Some(0.8)),
        (Some(0.7), low),
        (None, low),
    ];
    for (step, (cpu, memory)) in loads.into_iter().enumerate() {
        *load.lock().unwrap() = MachineLoad { cpu, memory };
        pass(secs(2)).await;
        let id = format!("m{step}");
        taken.push(world.deliver(inbound("ana", &id, &id)).await.is_ok());
    }
    assert_eq!(taken, [true, false, false, false, true]);
    world.quiet().await;
    assert_eq!(world.accounting().await.accepted, 2);
    let told = told_of_admission(world, feed).await;
    let wanted = [
        "closed memory",
        "refused memory",
        "closed cpu",
        "refused cpu",
        "opened memory",
        "refused cpu",
        "opened cpu",
    ];
    assert_eq!(told, wanted.map(|what| format!("admission:{what}")));
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_after_an_outage_closes_no_door() {
    let mut setup = Setup::web();
    setup.settings.turns_in_flight = 1;
    setup.settings.queue_age = secs(5);
    let down = error(ErrorKind::Unavailable).with_retry(Retry::After(secs(3)));
    for who in 0..10 {
        setup.model.on(
            &format!("c{who}:"),
            [Act::Fail(down.clone()), Act::Take(secs(4))],
        );
    }
    let world = setup.start().await;
    for who in 0..10 {
        world.say(&format!("c{who}"), &format!("c{who}: 1")).await;
    }
    // Ten wait for another try, each of four seconds: forty seconds of work.
    pass(secs(20)).await;
    world.say("eve", "eve: 1").await;
    pass(secs(9)).await;
    assert_eq!(world.replies("eve").await, ["re: eve: 1"]);
    world.quiet().await;
    assert_eq!(world.accounting().await.accepted, 11);
}
