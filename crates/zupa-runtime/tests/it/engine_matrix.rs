//! The process dies at every point of a turn with everything in it, one at a time,
//! and at every pair of points; then it starts again, and the outcome is that of
//! a run without a crash: effects by class, one reply, one order.
//!
//! message → model → two tools side by side → model → approval → order → model → reply
//!
//! `cargo nextest run -p zupa-runtime engine_matrix --no-capture` prints the matrix.

use std::collections::BTreeMap;
use std::sync::Arc;

use zupa_core::{Desk, WaitState};
use zupa_testkit::FaultyStore;

use crate::support::{Act, Fate, FatedStore, Setup, Shop, World, decide_one, life, pass, secs};

fn setup(shop: &Shop) -> Setup {
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool(shop.price())
        .tool(shop.reserve())
        .tool(shop.approved_order());
    let model = &setup.model;
    model.always("\"reserve\"", Act::Call(&[("order", r#"{"item":"soup"}"#)]));
    model.always("\"order\"", Act::Say("enjoy your soup"));
    model.always("\"done\":true", Act::Say("enjoy your soup"));
    model.always("not_done", Act::Say("no soup today"));
    model.always(
        "hungry",
        Act::Call(&[
            ("price", r#"{"item":"soup"}"#),
            ("reserve", r#"{"item":"table"}"#),
        ]),
    );
    setup
}

/// What is left in the end.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Outcome {
    done: Vec<String>,
    replies: Vec<String>,
}

/// One life: the person writes, the operator decides by what the shop knows, until
/// there is nothing left to do.
async fn live(setup: &Setup, shop: &Shop, fate: &Fate) {
    setup.model.fated(fate);
    shop.fated(fate);
    let store = FatedStore {
        inner: Arc::new(setup.memory.clone()),
        fate: fate.clone(),
    };
    let Ok(mut world) = setup
        .try_start(Arc::new(FaultyStore::new(Arc::new(store))))
        .await
    else {
        panic!("the store does not fail");
    };
    let message = crate::support::inbound("ana", "m1", "hungry");
    let _ = world.deliver(message).await;
    loop {
        pass(secs(2)).await;
        let waits = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
        for wait in &waits {
            decide(&world, wait, shop).await;
        }
        if waits.is_empty() && world.is_quiet().await {
            break;
        }
    }
    world.shutdown(secs(5)).await.unwrap();
}

/// Approves what is asked for, and says the truth about what nobody knows.
async fn decide(world: &World, wait: &zupa_core::Wait, shop: &Shop) {
    let of_an_unknown = wait.opened.subject.contains("unknown_effect");
    let happened = shop.done().iter().any(|line| line == "order soup");
    let approved = !of_an_unknown || happened;
    decide_one(world, wait, "bea", approved).await;
}

/// Lives and dies at these points, one after the other, and lives on.
fn run(deaths: &[u64]) -> (Vec<Option<String>>, Outcome, Setup) {
    let shop = Shop::default();
    let setup = setup(&shop);
    let mut died = Vec::new();
    for point in deaths {
        let fate = Fate::at(*point);
        life(async {
            tokio::select! {
                biased;
                () = fate.died() => {}
                () = live(&setup, &shop, &fate) => {}
            }
        });
        died.push(fate.died_at());
        // Whoever holds a claim is known to be dead.
    }
    life(live(&setup, &shop, &Fate::default()));
    let replies = life(async { setup.replies("ana").await });
    let outcome = Outcome {
        done: shop.done(),
        replies,
    };
    (died, outcome, setup)
}

/// What holds whatever crashed.
fn judge(name: &str, outcome: &Outcome, setup: &Setup) -> Result<(), String> {
    let orders = outcome
        .done
        .iter()
        .filter(|line| *line == "order soup")
        .count();
    let reservations = outcome
        .done
        .iter()
        .filter(|line| *line == "reserve table")
        .count();
    let last = outcome.replies.last().map(String::as_str);
    let said = outcome
        .replies
        .iter()
        .filter(|line| line.contains("soup"))
        .count();
    // An order that never reached the shop is not placed by itself; whoever was told so
    // decided so.
    let whole = match last {
        Some("enjoy your soup") => orders == 1,
        Some("no soup today") => orders == 0,
        _ => false,
    };
    let counts = life(async { setup.accounting().await });
    let chain = life(async {
        let view = setup.view("m1").await;
        let links = setup.memory.audit(view.conversation).await.unwrap();
        let stream = view.conversation.to_string();
        zupa_core::audit::verify(&stream, Default::default(), &links)
    });
    if whole && said == 1 && reservations == 1 && counts.open.is_empty() && chain.is_ok() {
        Ok(())
    } else {
        Err(format!("{name}: {outcome:?}, {counts:?}, chain {chain:?}"))
    }
}

#[test]
fn a_crash_at_any_point_changes_nothing_of_the_outcome() {
    let (_, whole, setup_of_whole) = run(&[]);
    judge("no crash", &whole, &setup_of_whole).unwrap();
    assert_eq!(whole.done, ["reserve table", "order soup"]);
    let mut seen = BTreeMap::new();
    let mut broken = Vec::new();
    for point in 1.. {
        let (died, outcome, setup) = run(&[point]);
        let Some(at) = died[0].clone() else {
            break;
        };
        let verdict = judge(&at, &outcome, &setup);
        println!(
            "{point:>4} {at:<40} {} {}",
            outcome.replies.last().map_or("-", String::as_str),
            if verdict.is_ok() { "" } else { "BROKEN" }
        );
        broken.extend(verdict.err());
        // Only where nobody can tell whether the order left a human is asked.
        let unplaced = outcome
            .replies
            .last()
            .is_some_and(|said| said == "no soup today");
        if unplaced && !["intent", "order"].iter().any(|part| at.contains(part)) {
            broken.push(format!("{at}: the order was not placed"));
        }
        *seen.entry(at).or_insert(0) += 1;
    }
    assert!(broken.is_empty(), "{broken:#?}");
    for point in [
        "before model",
        "after model",
        "before price",
        "after reserve",
        "before order",
        "after order",
        "before write intent×1",
        "after write intent×1",
        "before write commit×1",
    ] {
        assert!(seen.contains_key(point), "no death {point} in {seen:#?}");
    }
}

#[test]
fn two_crashes_change_nothing_either() {
    let mut broken = Vec::new();
    let mut pairs = 0;
    'first: for first in 1.. {
        for second in 1.. {
            let (died, outcome, setup) = run(&[first, second]);
            if died[0].is_none() {
                break 'first;
            }
            if died[1].is_none() {
                break;
            }
            pairs += 1;
            broken.extend(judge(&format!("{died:?}"), &outcome, &setup).err());
        }
    }
    println!("{pairs} pairs");
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(pairs > 1_000, "only {pairs} pairs");
}

#[test]
fn nothing_recorded_is_paid_twice() {
    let (_, _, whole) = run(&[]);
    let calls = whole.model.calls();
    for point in 1.. {
        let (died, _, setup) = run(&[point]);
        let Some(at) = died[0].clone() else {
            break;
        };
        // Only a death between the model and its record pays again; what changes
        // nothing outside does not wait for the record.
        let may_pay_again = ["model", "result", "price"]
            .iter()
            .any(|part| at.contains(part));
        let paid = setup.model.calls();
        assert!(
            paid == calls || (may_pay_again && paid == calls + 1),
            "{at}: {paid} calls instead of {calls}"
        );
    }
}
