//! Arguments are held to the tool's schema before anything else happens with a call:
//! nobody is asked, nothing is intended, and the model is told.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use zupa_core::{
    Desk, Effect, Error, ErrorKind, Probe, Result, Tool, ToolContext, ToolOutput, ToolSpec,
    TurnState,
};
use zupa_runtime::tool;

use crate::support::{Act, Setup, Shop, World};

/// What the model was told last.
fn told(world: &World) -> Vec<String> {
    let last = world.model.asked().pop().unwrap();
    let since = last.messages.iter().rposition(|line| line.text() == "go");
    let since = since.unwrap() + 2;
    let told = last.messages[since..].iter();
    told.map(|line| line.text().to_owned()).collect()
}

async fn asked_for(setup: Setup, calls: &'static [(&'static str, &'static str)]) -> World {
    let world = setup.start().await;
    world.model.on("go", [Act::Call(calls)]);
    world.model.on("invalid_arguments", [Act::Say("I see")]);
    world.say("ana", "go").await;
    world.quiet().await;
    world
}

/// Nothing happened but two calls of the model.
async fn nothing_happened(world: &World, shop: &Shop) {
    assert!(shop.done().is_empty());
    assert_eq!(world.replies("ana").await, ["I see"]);
    assert!(world.memory.waits(None, 10).await.unwrap().is_empty());
    let view = world.view("go").await;
    assert_eq!(view.turn.unwrap().state, TurnState::Committed);
    let keys: Vec<_> = view.steps.iter().map(|step| step.key.as_str()).collect();
    assert_eq!(keys, ["call_model/1/model", "call_model/2/model"]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_call_is_told_to_the_model_before_anybody_is_asked() {
    let shop = Shop::default();
    let mut confirmed = Setup::web();
    confirmed.agent = confirmed
        .agent
        .tool_with_confirmation(shop.order(), |_| panic!("asked about nonsense"));
    let mut approved = Setup::web();
    approved.agent = approved.agent.tool(shop.approved_order());
    let mut plain = Setup::web();
    plain.agent = plain.agent.tool(shop.order());
    for setup in [confirmed, approved, plain] {
        let world = asked_for(setup, &[("order", r#"{"item":7}"#)]).await;
        nothing_happened(&world, &shop).await;
        let told = told(&world).pop().unwrap();
        for word in ["invalid_arguments", "/item", "type", "string"] {
            assert!(told.contains(word), "no {word} in {told}");
        }
        let audit = world.view("go").await.audit;
        assert_eq!(audit[0].reason, "order: not made, invalid_arguments");
    }
}

#[tokio::test(start_paused = true)]
async fn right_calls_beside_a_wrong_one_are_made() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(shop.reserve());
    let calls = &[("reserve", "{}"), ("reserve", r#"{"item":"table"}"#)];
    let world = asked_for(setup, calls).await;
    assert_eq!(shop.done(), ["reserve table"]);
    let told = told(&world);
    assert!(told[0].contains("required"), "{told:?}");
    assert_eq!(told[1], r#"{"reserve":"table"}"#);
}

#[tokio::test(start_paused = true)]
async fn wrong_calls_are_rounds_and_end() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.settings.tool_rounds = 3;
    setup.agent = setup.agent.tool(shop.order());
    let world = setup.start().await;
    world.model.always("", Act::Call(&[("order", "{}")]));
    world.say("ana", "go").await;
    world.quiet().await;
    assert_eq!(world.model.calls(), 4);
    assert!(shop.done().is_empty());
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Closed {
    #[schemars(range(min = 1, max = 5))]
    count: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Open {
    count: u32,
}

#[tokio::test(start_paused = true)]
async fn a_type_says_whether_unknown_members_are_refused_and_its_ranges_hold() {
    let closed = |closed: Closed, _: ToolContext| async move { Ok(ToolOutput::of(closed.count)) };
    let open = |open: Open, _: ToolContext| async move { Ok(ToolOutput::of(open.count)) };
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool(tool("closed", "", Effect::PURE, closed).into_tool())
        .tool(tool("open", "", Effect::PURE, open).into_tool());
    let calls = &[
        ("closed", r#"{"count":1,"more":2}"#),
        ("closed", r#"{"count":6}"#),
        ("closed", r#"{"count":5}"#),
        ("open", r#"{"count":6,"more":2}"#),
    ];
    let world = asked_for(setup, calls).await;
    let told = told(&world);
    assert!(told[0].contains("additionalProperties"), "{told:?}");
    assert!(told[1].contains("maximum"), "{told:?}");
    assert_eq!(told[2..], ["5", "6"]);
}

/// As an MCP or HTTP tool: it brings a schema, and no type.
#[derive(Debug)]
struct Foreign(ToolSpec);

#[async_trait]
impl Tool for Foreign {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    fn effect(&self) -> Effect {
        Effect::PURE
    }

    async fn call(&self, arguments: Value, _: ToolContext) -> Result<ToolOutput> {
        Ok(ToolOutput::of(arguments))
    }

    async fn probe(&self, _: Value, _: ToolContext) -> Result<Probe> {
        Err(Error::internal("nobody asks"))
    }
}

fn foreign(schema: Value) -> Arc<dyn Tool> {
    Arc::new(Foreign(ToolSpec {
        name: "foreign".into(),
        description: String::new(),
        parameters: schema,
    }))
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_brings_its_schema_is_held_to_it() {
    let schema = json!({
        "type": "object",
        "properties": { "code": { "type": "string", "pattern": "^[A-Z]{3}$" } },
    });
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(foreign(schema));
    let calls = &[
        ("foreign", r#"{"code":"abc"}"#),
        ("foreign", r#"{"code":"ABC"}"#),
    ];
    let world = asked_for(setup, calls).await;
    let told = told(&world);
    assert!(told[0].contains("pattern"), "{told:?}");
    assert_eq!(told[1], r#"{"code":"ABC"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_is_none_is_refused_at_the_start_with_the_tools_name() {
    for schema in [
        json!({ "type": "object", "properties": { "a": { "type": "nonsense" } } }),
        json!({ "type": "object", "$ref": "file:///etc/passwd" }),
    ] {
        let mut setup = Setup::web();
        setup.agent = setup.agent.tool(foreign(schema));
        let store = zupa_testkit::FaultyStore::new(Arc::new(setup.memory.clone()));
        let error = setup.try_start(Arc::new(store)).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("foreign"), "{error}");
    }
}
