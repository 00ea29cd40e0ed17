//! Tools: what the model is told of them, what it asks for, and what comes back.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zupa_core::{Effect, ErrorKind, Result, ToolContext, ToolOutput};
use zupa_runtime::tool;

use crate::support::{Act, Setup, Shop, check};

fn with_shop(shop: &Shop) -> Setup {
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool(shop.price())
        .tool(shop.reserve())
        .tool(shop.order());
    setup
}

#[tokio::test(start_paused = true)]
async fn the_model_asks_the_tools_answer_and_the_model_replies() {
    let shop = Shop::default();
    let world = with_shop(&shop).start().await;
    world.model.on(
        "hungry",
        [Act::Call(&[
            ("price", r#"{"item":"soup"}"#),
            ("reserve", r#"{"item":"table"}"#),
        ])],
    );
    world.model.on("soup", [Act::Say("soup it is")]);
    check(
        &world,
        r#"
        user: hungry
        saw: u[hungry]
        saw: u[hungry] a[]call["price{\"item\":\"soup\"}", "reserve{\"item\":\"table\"}"] t[{"price":"soup"}] t[{"reserve":"table"}]
        sent: soup it is
        user: more
        saw: u[hungry] a[soup it is] u[more]
        sent: re: more
        "#,
    )
    .await;
    assert_eq!(shop.done(), ["reserve table"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_model_gets_wrong_is_told_to_it() {
    let shop = Shop::default();
    let world = with_shop(&shop).start().await;
    world.model.on(
        "go",
        [Act::Call(&[
            ("nonsense", "{}"),
            ("price", "not json"),
            ("price", "[1]"),
            ("price", r#"{"item":3}"#),
            ("price", ""),
        ])],
    );
    world.say("ana", "go").await;
    world.quiet().await;
    let last = world.model.asked().pop().unwrap();
    let told: Vec<_> = last.messages[2..]
        .iter()
        .map(|line| line.text().to_owned())
        .collect();
    for (told, word) in told.iter().zip([
        "unknown_tool",
        "invalid_arguments",
        "invalid_arguments",
        "invalid",
        "invalid",
    ]) {
        assert!(told.contains(word), "{told}");
    }
    assert_eq!(told.len(), 5);
    assert!(shop.done().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_takes_too_long_is_an_error_that_the_model_is_told() {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(
        tool(
            "slow",
            "Never answers.",
            Effect::PURE,
            |_: Nothing, _: ToolContext| std::future::pending::<Result<ToolOutput>>(),
        )
        .into_tool(),
    );
    let world = setup.start().await;
    world.model.on("go", [Act::Call(&[("slow", "{}")])]);
    world.model.on("timeout", [Act::Say("that took too long")]);
    world.say("ana", "go").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["that took too long"]);
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

#[tokio::test(start_paused = true)]
async fn a_model_that_calls_forever_has_to_answer_after_its_rounds() {
    let shop = Shop::default();
    let mut setup = with_shop(&shop);
    setup.settings.tool_rounds = 3;
    let world = setup.start().await;
    world
        .model
        .always("", Act::Call(&[("price", r#"{"item":"soup"}"#)]));
    world.say("ana", "go").await;
    world.quiet().await;
    // Three rounds, and a fourth call that is told of no tools; what it asks for
    // all the same is not done.
    assert_eq!(shop.keys_of("price").len(), 3);
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Points {
    #[serde(default)]
    points: u32,
}

#[tokio::test(start_paused = true)]
async fn state_that_a_tool_sets_is_there_at_the_next_turn_and_after_a_restart() {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(
        tool(
            "earn",
            "Earns a point.",
            Effect::IDEMPOTENT,
            |_: Nothing, cx: ToolContext| async move {
                let mut points: Points = cx.state_as()?;
                points.points += 1;
                let said = json!({ "points": points.points });
                ToolOutput::of(said).keeping(&cx, &points)
            },
        )
        .into_tool(),
    );
    for restart in 1..=3 {
        let mut world = setup.start().await;
        world
            .model
            .on(&format!("earn {restart}"), [Act::Call(&[("earn", "{}")])]);
        world.say("ana", &format!("earn {restart}")).await;
        world.quiet().await;
        let last = world.model.asked().pop().unwrap();
        let told = last.messages.last().unwrap().text().to_owned();
        assert_eq!(told, format!(r#"{{"points":{restart}}}"#));
        world.shutdown(crate::support::secs(1)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_tools_side_messages_come_before_the_answer_and_are_not_remembered() {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(
        tool(
            "cook",
            "Cooks.",
            Effect::IDEMPOTENT,
            |_: Nothing, _: ToolContext| async move {
                let mut done = ToolOutput::of("cooked");
                done.say.push("I am cooking…".into());
                Ok(done)
            },
        )
        .into_tool(),
    );
    let world = setup.start().await;
    world.model.on("hungry", [Act::Call(&[("cook", "{}")])]);
    world.model.on("cooked", [Act::Say("enjoy")]);
    check(
        &world,
        r#"
        user: hungry
        saw: u[hungry]
        saw: u[hungry] a[]call["cook{}"] t[cooked]
        sent: I am cooking…
        sent: enjoy
        user: thanks
        saw: u[hungry] a[enjoy] u[thanks]
        sent: re: thanks
        "#,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn bad_tools_are_refused_at_the_start() {
    let shop = Shop::default();
    let twice = Setup::web().agent.tool(shop.price()).tool(shop.price());
    let named = Setup::web().agent.tool(
        tool(
            "no name",
            "",
            Effect::PURE,
            |_: Nothing, _: ToolContext| async { Ok(ToolOutput::default()) },
        )
        .into_tool(),
    );
    let shapeless = Setup::web().agent.tool(
        tool(
            "text",
            "",
            Effect::PURE,
            |_: String, _: ToolContext| async { Ok(ToolOutput::default()) },
        )
        .into_tool(),
    );
    for (agent, word) in [(twice, "two tools"), (named, "name"), (shapeless, "object")] {
        let mut setup = Setup::web();
        setup.agent = agent;
        let store = zupa_testkit::FaultyStore::new(Arc::new(setup.memory.clone()));
        let error = setup.try_start(Arc::new(store)).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(word), "{error}");
    }
}
