//! One conversation is answered in order, one turn at a time; conversations do
//! not wait for each other.

use std::time::Duration;

use futures_util::future::join_all;
use zupa_core::{Deduplicates, ErrorKind};

use crate::support::{Act, Setup, World, error, pass, secs};

const CONVERSATIONS: usize = 32;
const MESSAGES: usize = 20;

/// Everybody writes at once; each waits for the acknowledgement before the next
/// message, not for the answer.
async fn everybody_talks(world: &World) {
    join_all((0..CONVERSATIONS).map(|who| async move {
        for message in 0..MESSAGES {
            let text = format!("c{who}: {message}");
            world.say(&format!("c{who}"), &text).await;
        }
    }))
    .await;
}

/// The replies of each conversation cover its messages, disjointly and in order,
/// and the wire has them in the order of the commits.
async fn everybody_was_answered_in_order(world: &World) {
    for who in 0..CONVERSATIONS {
        let name = format!("c{who}");
        let replies = world.replies(&name).await;
        let covered: Vec<_> = replies
            .iter()
            .flat_map(|reply| reply.trim_start_matches("re: ").split(" + "))
            .collect();
        let written: Vec<_> = (0..MESSAGES).map(|n| format!("{name}: {n}")).collect();
        assert_eq!(covered, written);
        let mut visible = world.visible();
        visible.retain(|reply| reply.contains(&format!("{name}:")));
        assert_eq!(visible, replies);
    }
    assert_eq!(
        world.model.most_at_once().0,
        1,
        "turns at once of one conversation"
    );
}

#[tokio::test(start_paused = true)]
async fn thirty_two_conversations_of_twenty_messages_keep_their_order() {
    let world = Setup::phone(Deduplicates::ByKey).start().await;
    for who in 0..CONVERSATIONS {
        let thinks = Duration::from_millis(3 + 7 * (who as u64 % 5));
        world.model.always(&format!("c{who}:"), Act::Take(thinks));
    }
    everybody_talks(&world).await;
    world.quiet().await;
    everybody_was_answered_in_order(&world).await;
    assert_eq!(world.model.most_at_once().1, CONVERSATIONS, "all at once");
}

/// The same on several threads, where tasks really overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn order_holds_on_several_threads() {
    let world = Setup::phone(Deduplicates::ByKey).start().await;
    everybody_talks(&world).await;
    while !world.is_quiet().await {
        tokio::task::yield_now().await;
    }
    everybody_was_answered_in_order(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_conversation_whose_model_hangs_holds_nobody_up() {
    let world = Setup::phone(Deduplicates::ByKey).start().await;
    world.model.always("ana", Act::Hang);
    world.say("ana", "ana: hello").await;
    world.model.called(1).await;
    for who in ["bob", "cid"] {
        world.say(who, &format!("{who}: hello")).await;
    }
    world.door().called(2).await;
    assert_eq!(world.visible(), ["re: bob: hello", "re: cid: hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_backs_off_holds_nobody_up_and_keeps_its_order() {
    let world = Setup::phone(Deduplicates::ByKey).start().await;
    let down = Act::Fail(error(ErrorKind::Unavailable));
    world.model.on("ana", vec![down; 3]);
    world.say("ana", "ana: 1").await;
    world.model.called(1).await;
    world.say("ana", "ana: 2").await;
    world.say("bob", "bob: hello").await;
    world.door().called(1).await;
    assert_eq!(world.visible(), ["re: bob: hello"]);
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["re: ana: 1", "re: ana: 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_conversation_goes_behind_the_others() {
    let mut setup = Setup::web();
    setup.settings.turns_in_flight = 1;
    let world = setup.start().await;
    world.model.on("ana: 1", [Act::Hold]);
    world.say("ana", "ana: 1").await;
    world.model.called(1).await;
    world.say("ana", "ana: 2").await;
    world.say("bob", "bob: 1").await;
    world.model.release();
    world.quiet().await;
    let order: Vec<_> = world
        .model
        .asked()
        .iter()
        .map(|call| call.lines())
        .collect();
    assert_eq!(order, [["ana: 1"], ["bob: 1"], ["ana: 2"]]);
}

#[tokio::test(start_paused = true)]
async fn no_more_turns_run_at_once_than_are_allowed() {
    let mut setup = Setup::web();
    setup.settings.turns_in_flight = 4;
    let world = setup.start().await;
    world.model.always(":", Act::Take(secs(1)));
    for who in 0..12 {
        world
            .say(&format!("c{who}"), &format!("c{who}: hello"))
            .await;
    }
    world.quiet().await;
    assert_eq!(world.model.most_at_once(), (1, 4));
    pass(secs(10)).await;
    assert_eq!(world.model.calls(), 12);
}
