//! Defects that were found by reading the engine: each as the test that failed.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use zupa_core::{Desk, Tool};
use zupa_core::{Effect, Error, InboundState, Reminder, ToolContext, ToolOutput, WaitState};
use zupa_runtime::{AgentTurn, Cx, Move, Node, Stop, to, tool};

use crate::support::{Act, Setup, Shop, World, decide, pass, secs};

const SOUP: Act = Act::Call(&[("order", r#"{"item":"soup"}"#)]);
const YACHT: Act = Act::Call(&[("order", r#"{"item":"yacht"}"#)]);

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

async fn with(tool: Arc<dyn Tool>) -> World {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(tool);
    setup.start().await
}

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

#[tokio::test(start_paused = true)]
async fn a_turn_that_made_effects_is_given_up_whole_and_not_divided() {
    let shop = Shop::default();
    let world = with(shop.order()).await;
    world.model.on("first", [Act::Hold]);
    let fails = Act::Fail(Error::invalid("as the test wants it"));
    world.model.always("\"order\"", fails);
    world.model.always("b1", SOUP);
    world.say("ana", "first").await;
    pass(secs(1)).await;
    world.say("ana", "b1").await;
    world.say("ana", "b2").await;
    world.model.release();
    world.quiet().await;
    assert_eq!(shop.done(), ["order soup"]);
    for text in ["b1", "b2"] {
        assert_eq!(world.view(text).await.inbounds[0].state, InboundState::Dead);
    }
}

/// Goes on to the next node.
struct Pass;

#[async_trait]
impl Node<AgentTurn> for Pass {
    async fn run(&self, _: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        cx.effect("passed", &1, || async { Ok(1) }).await?;
        Ok(Move::to("recall"))
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_that_were_put_before_one_follow_each_other() {
    let world = Setup::web()
        .start_with(|builder| {
            builder.edit(|graph| {
                graph
                    .insert_before("recall", "a", Arc::new(Pass), [to("recall")])
                    .insert_before("recall", "b", Arc::new(Pass), [to("recall")])
            })
        })
        .await;
    world.say("ana", "hi").await;
    world.quiet().await;
    let steps = world.view("hi").await.steps;
    let keys: Vec<_> = steps.iter().map(|step| step.key.as_str()).collect();
    assert_eq!(keys, ["a/1/passed", "b/1/passed", "call_model/1/model"]);
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Card {
    side: String,
}

#[tokio::test(start_paused = true)]
async fn as_many_rounds_as_are_allowed_and_a_repair_fit_into_a_turn() {
    for rounds in [8, 30] {
        let shop = Shop::default();
        let mut setup = Setup::web();
        setup.settings.tool_rounds = rounds;
        setup.agent = setup
            .agent
            .tool(shop.price())
            .replies(|card: Card| card.side);
        let world = setup.start().await;
        let price = Act::Call(&[("price", r#"{"item":"soup"}"#)]);
        let mut acts = vec![price; rounds as usize];
        acts.extend([Act::Say("no card"), Act::Say(r#"{"side":"front"}"#)]);
        world.model.on("", acts);
        world.say("ana", "go").await;
        world.quiet().await;
        assert_eq!(world.replies("ana").await, ["front"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_is_over_is_told_to_the_model() {
    let remind = |_: Nothing, cx: ToolContext| async move {
        let mut set = ToolOutput::of("set");
        set.remind.push(Reminder {
            due_at: cx.at,
            text: "too late".into(),
        });
        Ok(set)
    };
    let world = with(tool("remind", "", Effect::IDEMPOTENT, remind).into_tool()).await;
    world.model.on("go", [Act::Call(&[("remind", "{}")])]);
    world.model.on("in the past", [Act::Say("sorry")]);
    world.say("ana", "go").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["sorry"]);
}

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
