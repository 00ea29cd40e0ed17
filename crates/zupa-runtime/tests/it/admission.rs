//! What `accept` turns away, and what a store that fails does to it.

use zupa_core::{ChannelId, Deduplicates, PlatformId, TenantId};
use zupa_core::{ErrorKind, InboundState, IntakeBatch, Receipt, ReceiptLevel, ReceiptNews, Retry};
use zupa_runtime::Health;
use zupa_testkit::{Call, Fault};

use crate::support::{Act, Setup, error, inbound, pass, secs};

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

#[tokio::test(start_paused = true)]
async fn receipts_are_taken_whatever_the_backlog() {
    let mut setup = Setup::web();
    setup.settings.backlog = 0;
    let world = setup.start().await;
    let receipt = Receipt {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse("door").unwrap(),
        about: PlatformId::parse("p1").unwrap(),
        news: ReceiptNews::Status {
            level: ReceiptLevel::Read,
            key: None,
        },
        at: None,
    };
    let batch = IntakeBatch {
        inbounds: Vec::new(),
        receipts: vec![receipt],
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
