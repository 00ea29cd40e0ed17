//! What is given up, how much of it, and what is left on record.

use std::sync::Arc;

use async_trait::async_trait;
use zupa_core::{Error, ErrorKind, InboundState};
use zupa_runtime::{Command, CommandContext, CommandReply, CommandRole};

use super::{SOUP, with};
use crate::support::{Act, Setup, Shop, error, pass, secs};

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
    assert_eq!(said, ["tool.called", "talk.moved", "turn.dead"]);
}
