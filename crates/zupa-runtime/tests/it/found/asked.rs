//! What is asked, of whom, and for which call the answer counts.

use std::sync::Arc;

use zupa_core::{Desk, Effect, ToolContext, ToolOutput, WaitState};
use zupa_runtime::tool;

use super::{Nothing, SOUP, YACHT, with};
use crate::support::{Act, Setup, Shop, decide, pass, secs};

/// Models use ids of calls again.
#[tokio::test(start_paused = true)]
async fn an_approval_is_for_the_call_that_was_asked_about() {
    let shop = Shop::default();
    let world = with(shop.approved_order()).await;
    world.model.on("go", [SOUP]);
    world.model.on("soup\"}", [YACHT]);
    world.say("ana", "go").await;
    world.quiet().await;
    decide(&world, true).await;
    assert_eq!(shop.done(), ["order soup"]);
    let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
    assert!(open[0].opened.subject.contains("yacht"));
}

#[tokio::test(start_paused = true)]
async fn a_persons_yes_is_not_an_operators() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    let order = shop.approved_order();
    setup.agent = setup
        .agent
        .tool_with_confirmation(order, |_| "Shall I?".into());
    let world = setup.start().await;
    world.model.on("go", [SOUP]);
    for text in ["go", "yes"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert!(shop.done().is_empty());
    decide(&world, true).await;
    assert_eq!(shop.done(), ["order soup"]);
}

/// An answer to a question is talk, too.
#[tokio::test(start_paused = true)]
async fn an_answer_keeps_the_session_open() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool_with_confirmation(shop.order(), |_| "Shall I?".into());
    let world = setup.start().await;
    world.model.on("go", [SOUP]);
    world.model.on("soup\"}", [Act::Say("done")]);
    for text in ["go", "yes", "next"] {
        world.say("ana", text).await;
        world.quiet().await;
        pass(secs(9 * 60)).await;
    }
    let last = world.model.asked().pop().unwrap();
    assert_eq!(last.messages[0].text(), "go");
}

#[tokio::test(start_paused = true)]
async fn calls_that_a_server_does_not_tell_apart_are_asked_about_one_by_one() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    let asked = |arguments: &serde_json::Value| format!("{}?", arguments["item"]);
    setup.agent = setup.agent.tool_with_confirmation(shop.order(), asked);
    let world = setup.start().await;
    let both = [
        ("order", r#"{"item":"soup"}"#),
        ("order", r#"{"item":"yacht"}"#),
    ];
    world.model.on("go", [Act::SameIds(both)]);
    for text in ["go", "yes", "no"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(shop.done(), ["order soup"]);
}

/// What an operator has agreed to is these arguments.
#[tokio::test(start_paused = true)]
async fn the_tool_hears_what_was_decided() {
    let heard: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let notes = heard.clone();
    let order = tool(
        "order",
        "",
        Effect::AT_MOST_ONCE.approved(),
        move |_: Nothing, cx: ToolContext| {
            let note = cx
                .decision
                .map(|decision| decision.note)
                .unwrap_or_default();
            notes.lock().unwrap().push(note);
            async { Ok(ToolOutput::of("ordered")) }
        },
    );
    let world = with(order.into_tool()).await;
    world.model.on("go", [Act::Call(&[("order", "{}")])]);
    world.say("ana", "go").await;
    world.quiet().await;
    decide(&world, true).await;
    assert_eq!(*heard.lock().unwrap(), ["as you like"]);
}
