//! How many rounds, and how many tokens, a turn has.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::support::{Act, Setup, Shop};

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
