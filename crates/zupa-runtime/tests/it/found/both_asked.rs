//! A round in which both the person and operators are asked.

use std::sync::Arc;

use zupa_core::{Desk, Wait, WaitKind, WaitState};
use zupa_testkit::FaultyStore;

use crate::support::{
    Act, Fate, FatedStore, Setup, Shop, World, decide_one, inbound, life, pass, secs,
};

const GIFT: (&str, &str) = ("reserve", r#"{"item":"gift"}"#);
const BOOK: (&str, &str) = ("order", r#"{"item":"book"}"#);
const ROSE: (&str, &str) = ("order", r#"{"item":"rose"}"#);

async fn open(world: &World) -> Vec<Wait> {
    world.memory.waits(Some(WaitState::Open), 10).await.unwrap()
}

/// Operators approve gifts; the person confirms orders.
fn gift_and_book(shop: &Shop) -> Setup {
    let mut setup = Setup::web();
    let agent = setup.agent.tool(shop.approved_reserve());
    setup.agent = agent.tool_with_confirmation(shop.order(), |_| "Shall I?".into());
    setup
}

/// Approves what is open, and answers how much that was.
async fn approve_all(world: &World) -> usize {
    let open = open(world).await;
    for wait in &open {
        decide_one(world, wait, "bea", true).await;
    }
    pass(secs(3)).await;
    world.quiet().await;
    open.len()
}

#[tokio::test(start_paused = true)]
async fn operators_are_asked_about_a_call_before_one_that_the_person_confirms() {
    for calls in [Act::Call(&[GIFT, BOOK]), Act::Call(&[BOOK, GIFT])] {
        let shop = Shop::default();
        let world = gift_and_book(&shop).start().await;
        world.model.on("mixed", [calls]);
        for text in ["mixed", "yes"] {
            world.say("ana", text).await;
            world.quiet().await;
        }
        assert_eq!(approve_all(&world).await, 1);
        let mut done = shop.done();
        done.sort();
        assert_eq!(done, ["order book", "reserve gift"]);
    }
}

/// The person is asked of each in turn; operators of both at once, also where the person
/// has turned the other down.
#[tokio::test(start_paused = true)]
async fn operators_are_asked_about_every_call_that_the_person_confirmed() {
    for (answers, done) in [
        (["yes", "yes "], &["order book", "order rose"][..]),
        (["yes", "no"], &["order book"]),
        (["no", "yes"], &["order rose"]),
    ] {
        let shop = Shop::default();
        let mut setup = Setup::web();
        let order = shop.approved_order();
        setup.agent = setup
            .agent
            .tool_with_confirmation(order, |_| "Shall I?".into());
        let world = setup.start().await;
        world.model.on("both", [Act::Call(&[BOOK, ROSE])]);
        for text in ["both"].into_iter().chain(answers) {
            world.say("ana", text).await;
            world.quiet().await;
        }
        assert_eq!(approve_all(&world).await, done.len(), "{answers:?}");
        let mut ordered = shop.done();
        ordered.sort();
        assert_eq!(ordered, done, "{answers:?}");
    }
}

/// The person asks, confirms and operators approve; what was said before a death is said
/// again, and known.
async fn live(setup: &Setup, shop: &Shop, fate: &Fate) {
    setup.model.fated(fate);
    shop.fated(fate);
    let store = FatedStore {
        inner: Arc::new(setup.memory.clone()),
        fate: fate.clone(),
    };
    let world = setup.start_over(FaultyStore::new(Arc::new(store))).await;
    for text in ["mixed", "yes"] {
        let _ = world.deliver(inbound("ana", text, text)).await;
        pass(secs(3)).await;
        world.quiet().await;
    }
    approve_all(&world).await;
}

#[test]
fn operators_are_asked_once_whatever_point_the_process_dies_at() {
    for point in 1.. {
        let shop = Shop::default();
        let setup = gift_and_book(&shop);
        setup.model.always("mixed", Act::Call(&[GIFT, BOOK]));
        setup.model.always("\"reserve\"", Act::Say("done"));
        let fate = Fate::at(point);
        life(async {
            tokio::select! {
                biased;
                () = fate.died() => {}
                () = live(&setup, &shop, &fate) => {}
            }
        });
        let at = fate.died_at();
        life(live(&setup, &shop, &Fate::default()));
        let mut done = shop.done();
        done.sort();
        done.retain(|line| line != "order book");
        assert_eq!(done, ["reserve gift"], "died at {at:?}");
        let asked = life(setup.memory.waits(None, 10)).unwrap();
        let approvals = asked.iter().filter(|wait| {
            wait.opened.kind == WaitKind::Decision && wait.opened.subject.contains("approve")
        });
        assert_eq!(approvals.count(), 1, "died at {at:?}");
        if at.is_none() {
            assert!(point > 20, "only {point} points");
            break;
        }
    }
}
