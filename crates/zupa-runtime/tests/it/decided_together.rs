//! Decisions by chat that are claimed together with other messages.

use std::sync::Arc;

use zupa_core::{Desk, Wait, WaitKind, WaitState};

use crate::support::{Act, Setup, Shop, World, inbound, secs};

const BEA: &str = "bea-phone";
const NOTHING: &str = "Nothing was decided: send /approve or /reject alone, and wait for the \
                       answer before you send more.";

/// An agent that takes what comes within a second together.
fn setup() -> Setup {
    let mut setup = Setup::web();
    setup.agent.burst.silence = secs(1);
    setup.agent = setup
        .agent
        .operator_at("bea", inbound(BEA, "any", "any").address);
    let order = Act::Call(&[("order", r#"{"item":"soup"}"#)]);
    setup.model.always("please order", order);
    setup
}

async fn start(setup: &Setup) -> World {
    let desk = Arc::new(setup.memory.clone());
    setup.start_with(|builder| builder.desk(desk)).await
}

/// The wait of this person's order.
async fn asked(world: &World, who: &str) -> Wait {
    world.say(who, "please order").await;
    world.quiet().await;
    open(world).await.remove(0)
}

async fn open(world: &World) -> Vec<Wait> {
    world.memory.waits(Some(WaitState::Open), 10).await.unwrap()
}

/// The last that somebody hears who says these in one go.
async fn told(world: &World, who: &str, texts: &[String]) -> String {
    for text in texts {
        world.say(who, text).await;
    }
    world.quiet().await;
    world.replies(who).await.pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn it_decides_nothing_and_is_not_left_to_the_model() {
    let mut setup = setup();
    setup.agent = setup.agent.tool(Shop::default().approved_order());
    let world = start(&setup).await;
    let id = asked(&world, "ana").await.opened.id;
    let before = world.model.asked().len();
    for texts in [
        [format!("/approve {id}"), format!("/reject {id}")],
        ["thank you".into(), format!("/reject {id} no")],
    ] {
        assert_eq!(told(&world, BEA, &texts).await, NOTHING);
    }
    assert_eq!(world.replies(BEA).await.len(), 2);
    assert_eq!(world.model.asked().len(), before);

    // Whoever is no operator writes texts like any other.
    let texts = [format!("/approve {id} eve"), "hello".into()];
    let said = told(&world, "eve", &texts).await;
    assert_eq!(said, format!("re: /approve {id} eve + hello"));
    assert_eq!(open(&world).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_no_answer_to_a_question() {
    let mut setup = setup();
    let order = Shop::default().order();
    setup.agent = setup
        .agent
        .tool_with_confirmation(order, |_| "Shall I order?".into());
    let world = start(&setup).await;
    let asked = asked(&world, BEA).await;
    assert_eq!(asked.opened.kind, WaitKind::Reply);
    let texts = ["approve", "reject"].map(|word| format!("/{word} {}", asked.opened.id));
    assert_eq!(told(&world, BEA, &texts).await, NOTHING);
    assert_eq!(open(&world).await.len(), 1);
}
