//! Calls of which nobody knows how they ended, and their keys.

use zupa_core::{Desk, Effect, ErrorKind, ToolContext, WaitState};
use zupa_runtime::tool;

use super::{Nothing, with};
use crate::support::{Act, Shop, decide, error};

#[tokio::test(start_paused = true)]
async fn no_arguments_are_the_same_call_however_they_are_written() {
    let shop = Shop::default();
    let world = with(shop.nothing()).await;
    let twice = Act::Call(&[("nothing", ""), ("nothing", "{}")]);
    world.model.on("go", [twice]);
    world.say("ana", "go").await;
    world.quiet().await;
    let keys = shop.keys_of("nothing");
    assert_ne!(keys[0], keys[1], "both are meant");
}

/// Whoever acts and panics has acted.
#[tokio::test(start_paused = true)]
async fn a_tool_that_panics_after_acting_goes_to_a_review() {
    let shop = Shop::default();
    let books = shop.clone();
    let order = tool(
        "order",
        "",
        Effect::AT_MOST_ONCE,
        move |_: Nothing, _: ToolContext| {
            books.note("order soup");
            async { panic!("as the test wants it") }
        },
    );
    let world = with(order.into_tool()).await;
    world.model.on("go", [Act::Call(&[("order", "{}")])]);
    world.model.on("done\":true", [Act::Say("ordered")]);
    world.say("ana", "go").await;
    world.quiet().await;
    decide(&world, true).await;
    assert_eq!(shop.done(), ["order soup"]);
    assert_eq!(world.replies("ana").await.last().unwrap(), "ordered");
}

/// Most errors are made without a thought of what they mean.
#[tokio::test(start_paused = true)]
async fn an_error_that_sounds_like_a_lost_answer_is_one() {
    for kind in [
        ErrorKind::Timeout,
        ErrorKind::Unavailable,
        ErrorKind::Internal,
    ] {
        let order = tool(
            "order",
            "",
            Effect::AT_MOST_ONCE,
            move |_: Nothing, _: ToolContext| async move { Err(error(kind)) },
        );
        let world = with(order.into_tool()).await;
        world.model.on("go", [Act::Call(&[("order", "{}")])]);
        world.say("ana", "go").await;
        world.quiet().await;
        let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
        assert_eq!((open.len(), world.model.calls()), (1, 1), "{kind:?}");
    }
}

/// The lost one of two equal calls is asked for again, not the one that ended.
#[tokio::test(start_paused = true)]
async fn a_repeat_has_the_key_of_the_call_that_was_lost() {
    let shop = Shop::default();
    shop.lose_answer("reserve");
    let one = ("reserve", r#"{"item":"table"}"#);
    let world = with(shop.reserve()).await;
    world.model.on("go", [Act::SameIds([one, one])]);
    let again = Act::Call(&[("reserve", r#"{"item":"table"}"#)]);
    world.model.on("reserve", [again, Act::Say("reserved")]);
    world.say("ana", "go").await;
    world.quiet().await;
    let keys = shop.keys_of("reserve");
    assert_ne!(keys[0], keys[1]);
    assert_eq!(keys[2], keys[0]);
}
