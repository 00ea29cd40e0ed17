//! Defects that were found by reading the engine: each as the test that failed.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use zupa_core::{
    Deduplicates, Desk, Effect, Error, ErrorKind, InboundState, Reminder, Tool, ToolContext,
    ToolOutput, WaitState,
};
use zupa_runtime::{
    AgentTurn, Command, CommandContext, CommandReply, CommandRole, Cx, Move, Node, Stop, to, tool,
};

use crate::support::{Act, Setup, Shop, World, decide, error, pass, secs};

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
        set.remind.push(Reminder::once(cx.at, "too late"));
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

#[derive(Debug)]
struct Unable;

#[async_trait]
impl Command for Unable {
    fn name(&self) -> &str {
        "unable"
    }
    fn arguments(&self) -> &str {
        ""
    }
    fn help(&self) -> &str {
        "cannot"
    }
    fn role(&self) -> CommandRole {
        CommandRole::Person
    }
    async fn run(&self, _: Vec<String>, _: CommandContext) -> zupa_core::Result<CommandReply> {
        Err(error(ErrorKind::Unsupported))
    }
}

/// Only the model's provider is waited for.
#[tokio::test(start_paused = true)]
async fn what_is_not_the_providers_fault_is_not_tried_for_ever() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .command(Arc::new(Unable))
        .tool_with_confirmation(shop.order(), |_| "Shall I?".into());
    let world = setup.start().await;
    world.model.on("go", [SOUP]);
    world.model.on("soup\"}", [Act::Say("ordered")]);
    for text in ["go", "/unable"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(
        world.view("/unable").await.inbounds[0].state,
        InboundState::Dead
    );
    // It did not take the question, so the question is still open.
    world.say("ana", "yes").await;
    world.quiet().await;
    assert_eq!(shop.done(), ["order soup"]);
}

#[tokio::test(start_paused = true)]
async fn two_effects_of_one_name_are_refused_at_once() {
    let world = Setup::web()
        .start_with(|builder| {
            builder.edit(|graph| {
                graph.insert_before("recall", "twice", Arc::new(Twice), [to("recall")])
            })
        })
        .await;
    world.say("ana", "hi").await;
    world.quiet().await;
    let reason = world.view("hi").await.turn.unwrap().reason.unwrap();
    assert!(reason.contains("one name"), "{reason}");
}

/// Makes two effects of one name.
struct Twice;

#[async_trait]
impl Node<AgentTurn> for Twice {
    async fn run(&self, _: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        for n in 0..2 {
            cx.effect("same", &n, || async { Ok(1) }).await?;
        }
        Ok(Move::to("recall"))
    }
}

/// On a channel that sends, an answer follows what the turn has said, each under a key
/// of its own.
#[tokio::test(start_paused = true)]
async fn an_answer_is_sent_behind_its_side_messages() {
    let cook = |_: Nothing, _: ToolContext| async {
        let mut done = ToolOutput::of("cooked");
        done.say = vec!["one moment".into(), "almost".into()];
        Ok(done)
    };
    let mut setup = Setup::phone(Deduplicates::ByKey);
    let cook = tool("cook", "", Effect::IDEMPOTENT, cook).into_tool();
    setup.agent = setup.agent.tool(cook);
    let world = setup.start().await;
    world.model.on("go", [Act::Call(&[("cook", "{}")])]);
    world.model.on("cooked", [Act::Say("enjoy")]);
    world.say("ana", "go").await;
    world.quiet().await;
    assert_eq!(world.visible(), ["one moment", "almost", "enjoy"]);
    let calls = world.door().calls();
    let ordinals: Vec<_> = calls.iter().map(|call| call.delivery.ordinal).collect();
    assert_eq!(ordinals, [0, 1, 2]);
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

#[tokio::test(start_paused = true)]
async fn the_audit_has_the_calls_of_a_turn_that_was_given_up() {
    let shop = Shop::default();
    let world = with(shop.order()).await;
    world.model.on("go", [SOUP]);
    world
        .model
        .always("\"order\"", Act::Fail(error(ErrorKind::ContextLength)));
    world.say("ana", "go").await;
    world.quiet().await;
    let audit = world.view("go").await.audit;
    let said: Vec<_> = audit.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(said, ["tool.called", "turn.dead"]);
}

/// A model that counts its tokens.
#[tokio::test(start_paused = true)]
async fn a_turn_that_has_spent_its_tokens_has_to_answer() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.settings.turn_tokens = 25;
    setup.agent = setup.agent.tool(shop.price());
    let world = setup.start().await;
    let price = &[("price", r#"{"item":"soup"}"#)];
    world.model.always("", Act::Spend(10, price));
    world.say("ana", "go").await;
    world.quiet().await;
    assert_eq!(shop.keys_of("price").len(), 3);
}
