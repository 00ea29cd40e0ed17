//! Whoever waits for an answer and is forgotten is noticed within minutes.

use zupa_core::EventBus;
use zupa_core::bus::{EventFeed, names};

use crate::support::{Act, Setup, pass, secs};

async fn told(feed: &mut EventFeed) -> Vec<u64> {
    let mut counts = Vec::new();
    let soon = tokio::time::Duration::from_millis(1);
    while let Ok(Some(event)) = tokio::time::timeout(soon, feed.next()).await {
        assert_eq!(event.name, names::QUEUE_STUCK);
        counts.push(event.payload.number("conversations").unwrap());
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_is_due_and_left_alone_is_told_of_until_it_is_not() {
    let mut setup = Setup::web().patient();
    // One worker, and it is busy for longer than anybody should wait.
    setup.settings.turns_in_flight = 1;
    setup.settings.turn_timeout = secs(60 * 60);
    setup.settings.policies.model.timeout = secs(60 * 60);
    setup.settings.policies.model.total_timeout = Some(secs(60 * 60));
    let bus = EventBus::default();
    let mut feed = bus.feed("queue:stuck").unwrap();
    let world = setup.start_with(|builder| builder.bus(bus)).await;
    world.model.on("ana", [Act::Hold]);
    world.say("ana", "ana").await;
    world.model.called(1).await;
    world.say("bob", "bob").await;
    pass(secs(290)).await;
    assert_eq!(told(&mut feed).await, [0_u64; 0], "not yet");
    pass(secs(180)).await;
    let counts = told(&mut feed).await;
    assert!(counts.len() >= 2, "{counts:?}");
    assert!(
        counts.iter().all(|count| *count == 1),
        "whoever is at work on ana is: {counts:?}"
    );
    world.model.release();
    world.quiet().await;
    pass(secs(300)).await;
    assert_eq!(told(&mut feed).await, [0], "once");
}
