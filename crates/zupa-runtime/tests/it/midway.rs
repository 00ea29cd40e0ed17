//! Turns that a review parks in the middle of a round: what the calls that have ended
//! changed of the agent's state is kept once, whatever happens meanwhile.

use std::sync::Arc;

use zupa_core::{Desk, WaitState};
use zupa_testkit::FaultyStore;

use crate::support::{
    Act, Fate, FatedStore, Setup, Shop, World, decide, decide_one, earn, inbound, kept, life, pass,
    secs,
};

/// Earns and orders in one round; the order's answer is lost.
fn earns_and_orders() -> (Setup, Shop) {
    let (mut setup, shop) = (Setup::web(), Shop::default());
    setup.agent = setup.agent.tool(shop.order()).tool(earn());
    shop.lose_answer("order");
    let round = Act::Call(&[("earn", "{}"), ("order", r#"{"item":"soup"}"#)]);
    setup.model.always("go", round);
    setup.model.always("more", Act::Call(&[("earn", "{}")]));
    (setup, shop)
}

async fn points(world: &World) -> Option<u64> {
    kept(world, "ana").await.agent["points"].as_u64()
}

#[tokio::test(start_paused = true)]
async fn what_a_call_has_changed_is_kept_with_the_review_and_not_merged_over_newer_state() {
    for it_did in [true, false] {
        let (setup, shop) = earns_and_orders();
        let world = setup.start().await;
        world.say("ana", "go").await;
        world.quiet().await;
        assert_eq!(points(&world).await, Some(1), "while it is parked");
        world.say("ana", "more").await;
        world.quiet().await;
        assert_eq!(points(&world).await, Some(2));
        decide(&world, it_did).await;
        assert_eq!(points(&world).await, Some(2), "after the review");
        assert_eq!(shop.done(), ["order soup"]);
        // The model hears what the call said in its time.
        let asked = world.model.asked().pop().unwrap();
        let told = asked
            .messages
            .iter()
            .rev()
            .nth(1)
            .unwrap()
            .text()
            .to_owned();
        assert_eq!(told, "1");
    }
}

/// Both orders of a round are reviewed, one after the other.
#[tokio::test(start_paused = true)]
async fn what_was_kept_with_one_review_is_not_kept_again_with_the_next() {
    let (mut setup, shop) = (Setup::web(), Shop::default());
    setup.agent = setup.agent.tool(shop.order()).tool(earn());
    shop.lose_answer("order");
    shop.lose_answer("order");
    let world = setup.start().await;
    let round = Act::Call(&[
        ("order", r#"{"item":"soup"}"#),
        ("earn", "{}"),
        ("order", r#"{"item":"bread"}"#),
    ]);
    world.model.always("go", round);
    world.model.always("more", Act::Call(&[("earn", "{}")]));
    world.say("ana", "go").await;
    world.quiet().await;
    for (message, earned) in [("more", 2), ("more please", 3)] {
        world.say("ana", message).await;
        world.quiet().await;
        decide(&world, true).await;
        assert_eq!(points(&world).await, Some(earned));
    }
    // Side by side, in any order.
    let mut done = shop.done();
    done.sort();
    assert_eq!(done, ["order bread", "order soup"]);
}

/// One life: the round, a message while it is parked, and the decision.
async fn live(setup: &Setup, shop: &Shop, fate: &Fate) {
    shop.fated(fate);
    setup.model.fated(fate);
    let store = FatedStore {
        inner: Arc::new(setup.memory.clone()),
        fate: fate.clone(),
    };
    let store = FaultyStore::new(Arc::new(store));
    let mut world = setup.start_over(store).await;
    for message in ["go", "more"] {
        let _ = world.deliver(inbound("ana", message, message)).await;
        world.quiet().await;
    }
    let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
    for wait in &open {
        decide_one(&world, wait, "bea", true).await;
    }
    pass(secs(2)).await;
    world.quiet().await;
    world.shutdown(secs(5)).await.unwrap();
}

#[test]
fn a_crash_at_any_point_neither_loses_nor_doubles_what_was_kept_with_a_review() {
    let (mut wrong, mut commits) = (Vec::new(), 0);
    for point in 1.. {
        let (setup, shop) = earns_and_orders();
        let fate = Fate::at(point);
        life(async {
            tokio::select! {
                biased;
                () = fate.died() => {}
                () = live(&setup, &shop, &fate) => {}
            }
        });
        let Some(at) = fate.died_at() else {
            break;
        };
        commits += usize::from(at.contains("commit"));
        let points = life(async {
            live(&setup, &shop, &Fate::default()).await;
            points(&setup.start().await).await
        });
        if points != Some(2) || shop.done().len() > 1 {
            wrong.push(format!("{at}: {points:?}, {:?}", shop.done()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Before and after the parking, the answer to the message, and what went on.
    assert!(commits >= 6, "only {commits} deaths around commits");
}
