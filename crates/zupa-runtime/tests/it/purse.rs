//! What a turn may spend on the model: money as tokens, recorded calls as new ones.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use zupa_core::Price;

use crate::support::{Act, Setup, Shop, life, pass};

const PRICE: &[(&str, &str)] = &[("price", r#"{"item":"soup"}"#)];

/// A token costs a micro-unit, and a turn may cost so many.
fn with_purse(shop: &Shop, most: u64) -> Setup {
    let mut setup = Setup::web();
    setup.settings.price = Price {
        input_micros_per_million: 1_000_000,
        output_micros_per_million: 1_000_000,
    };
    setup.settings.turn_cost_micros = most;
    setup.settings.turn_tokens = 0;
    setup.agent = setup.agent.tool(shop.price());
    setup
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_has_spent_its_money_has_to_answer() {
    let shop = Shop::default();
    let world = with_purse(&shop, 25).start().await;
    world.model.always("", Act::Spend(10, PRICE));
    world.say("ana", "go").await;
    world.quiet().await;
    // Ten, twenty, thirty; and the call that has to answer.
    assert_eq!((world.model.calls(), shop.keys_of("price").len()), (4, 3));
}

#[test]
fn a_crash_does_not_fill_the_purse_again() {
    let shop = Shop::default();
    let setup = with_purse(&shop, 25);
    setup.model.always("", Act::Spend(10, PRICE));
    life(async {
        let world = setup.start().await;
        world.say("ana", "go").await;
        // Two calls are recorded, the second's tool is at work.
        pass(Duration::from_millis(8)).await;
        assert_eq!(world.model.calls(), 2);
    });
    life(async {
        let world = setup.start().await;
        world.quiet().await;
        assert_eq!(world.view("go").await.turn.unwrap().runs, 2);
    });
    assert_eq!(setup.model.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_does_not_count_is_not_free() {
    let shop = Shop::default();
    let world = with_purse(&shop, 20).start().await;
    world.model.always("", Act::Call(PRICE));
    world.say("ana", "go").await;
    world.quiet().await;
    assert_eq!((world.model.calls(), shop.keys_of("price").len()), (2, 1));
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Card {
    text: String,
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_the_wrong_form_is_sent_back_only_if_that_can_be_paid() {
    for (most, calls) in [(1, 1), (1_000_000, 2)] {
        let mut setup = with_purse(&Shop::default(), most);
        setup.agent = setup.agent.replies(|card: Card| card.text);
        let world = setup.start().await;
        world.model.always("", Act::Say("no card"));
        world.say("ana", "go").await;
        world.quiet().await;
        assert_eq!(world.model.calls(), calls);
        assert_eq!(world.replies("ana").await, [setup.agent.fallback]);
    }
}
