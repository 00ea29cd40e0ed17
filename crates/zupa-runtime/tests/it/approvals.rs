//! What operators are asked to approve, and what of that a turn forgets that is given up.

use serde_json::Value;
use zupa_core::{Desk, ErrorKind, TurnState, Wait, WaitState};

use crate::support::{Act, Setup, Shop, World, decide_one, error, kept, pass, secs};

async fn open(world: &World) -> Vec<Wait> {
    world.memory.waits(Some(WaitState::Open), 10).await.unwrap()
}

/// What an operator is asked about.
fn item(wait: &Wait) -> String {
    let subject: Value = serde_json::from_str(&wait.opened.subject).unwrap();
    subject["arguments"]["item"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Two orders wait for an operator, of two turns.
async fn two_orders(shop: &Shop) -> World {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(shop.approved_order());
    let world = setup.start().await;
    let soup = Act::Call(&[("order", r#"{"item":"soup"}"#)]);
    let bread = Act::Call(&[("order", r#"{"item":"bread"}"#)]);
    world.model.always("soup please", soup);
    world.model.always("bread please", bread);
    world.model.on("waiting", vec![Act::Say("patience"); 9]);
    world.say("ana", "soup please").await;
    world.quiet().await;
    world.say("ana", "bread please").await;
    world.quiet().await;
    assert_eq!(open(&world).await.len(), 2);
    world
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_given_up_forgets_nothing_that_others_asked() {
    let shop = Shop::default();
    let world = two_orders(&shop).await;
    let refused = error(ErrorKind::ContentFilter);
    world.model.on("bad", [Act::Fail(refused)]);
    world.say("ana", "bad").await;
    world.quiet().await;
    let turn = world.view("bad").await.turn.unwrap();
    assert_eq!(turn.state, TurnState::Dead);
    assert_eq!(kept(&world, "ana").await.waiting.len(), 2);
    world.say("ana", "soup please, now").await;
    world.quiet().await;
    assert_eq!(open(&world).await.len(), 2, "nobody is asked again");
    assert_eq!(world.replies("ana").await.last().unwrap(), "patience");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_given_up_forgets_what_it_has_asked_itself() {
    let shop = Shop::default();
    let world = two_orders(&shop).await;
    let refused = error(ErrorKind::ContentFilter);
    world.model.on("{\"order\"", [Act::Fail(refused)]);
    let waits = open(&world).await;
    let soup = waits.iter().find(|wait| item(wait) == "soup").unwrap();
    decide_one(&world, soup, "bea", true).await;
    pass(secs(3)).await;
    world.quiet().await;
    assert_eq!(shop.done(), ["order soup"], "and then it died");
    assert_eq!(kept(&world, "ana").await.waiting.len(), 1, "the bread");
    world.say("ana", "soup please, again").await;
    world.quiet().await;
    let mut asked: Vec<_> = open(&world).await.iter().map(item).collect();
    asked.sort();
    assert_eq!(asked, ["bread", "soup"]);
}
