//! What a lost answer means, by the class of the effect: without a crash here, with
//! one in the engine's matrix.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use zupa_core::{Effect, Error, ErrorKind, Outcome, Probe, Tool, ToolContext, ToolOutput};
use zupa_runtime::{Drained, JournalMode, tool};

use crate::support::{Act, Fate, Setup, Shop, World, decide, earn, life, pass, secs};

const AGAIN: &[(&str, &str)] = &[("reserve", r#"{"item":"table"}"#)];

async fn asked_for(
    shop: &Shop,
    tool: std::sync::Arc<dyn zupa_core::Tool>,
    calls: Vec<Act>,
) -> World {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(tool);
    let world = setup.start().await;
    let _ = shop;
    world.model.on("", calls);
    world.say("ana", "go").await;
    world.quiet().await;
    world
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_call_made_again_after_a_timeout_has_the_same_key() {
    let shop = Shop::default();
    shop.lose_answer("reserve");
    let calls = vec![Act::Call(AGAIN), Act::Call(AGAIN), Act::Say("reserved")];
    let world = asked_for(&shop, shop.reserve(), calls).await;
    let keys = shop.keys_of("reserve");
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
    assert_eq!(shop.done(), ["reserve table"]);
    assert_eq!(world.replies("ana").await, ["reserved"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_meant_twice_has_two_keys() {
    let shop = Shop::default();
    let calls = vec![Act::Call(AGAIN), Act::Call(AGAIN), Act::Say("reserved")];
    asked_for(&shop, shop.reserve(), calls).await;
    let keys = shop.keys_of("reserve");
    assert_ne!(keys[0], keys[1]);
    assert_eq!(shop.done(), ["reserve table", "reserve table"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_can_be_asked_for_is_asked_for_and_not_made_again() {
    let shop = Shop::default();
    shop.lose_answer("pay");
    let calls = vec![
        Act::Call(&[("pay", r#"{"item":"soup"}"#)]),
        Act::Say("paid"),
    ];
    let world = asked_for(&shop, shop.pay(), calls).await;
    assert_eq!(shop.done(), ["pay soup"]);
    let last = world.model.asked().pop().unwrap();
    assert!(last.messages.last().unwrap().text().contains("found"));
    assert_eq!(world.replies("ana").await, ["paid"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_unknown_outcome_that_must_not_be_made_again_goes_to_a_review() {
    for it_did in [true, false] {
        let shop = Shop::default();
        shop.lose_answer("order");
        let calls = vec![
            Act::Call(&[("order", r#"{"item":"soup"}"#)]),
            Act::Say("that is that"),
        ];
        let world = asked_for(&shop, shop.order(), calls).await;
        // The model has not heard of it, and nobody has called again.
        assert_eq!(world.model.calls(), 1);
        assert_eq!(shop.done(), ["order soup"]);
        let audit = world.view("go").await.audit;
        let why = audit.iter().find(|entry| entry.action == "call.unanswered");
        assert_eq!(why.unwrap().reason, "order: at_most_once, timeout, unknown");
        decide(&world, it_did).await;
        let last = world.model.asked().pop().unwrap();
        let told = last.messages.last().unwrap().text().to_owned();
        let word = if it_did { "\"done\":true" } else { "not_done" };
        assert!(told.contains(word), "{told}");
        assert_eq!(shop.done(), ["order soup"]);
        let said = world.replies("ana").await;
        assert!(said[0].contains("asked a colleague"), "{said:?}");
        assert_eq!(said[1..], ["that is that"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_audit_shows_each_call_with_its_class_and_its_end() {
    let shop = Shop::default();
    shop.lose_answer("reserve");
    let calls = vec![
        Act::Call(&[("reserve", r#"{"item":"table"}"#), ("nothing", "{}")]),
        Act::Say("done"),
    ];
    let world = asked_for(&shop, shop.reserve(), calls).await;
    let audit = world.view("go").await.audit;
    let said: Vec<_> = audit
        .iter()
        .map(|entry| format!("{} {}", entry.action, entry.reason))
        .collect();
    assert_eq!(
        said,
        [
            "tool.called reserve: idempotent, timeout, unknown",
            "tool.called a tool that is unknown: not made, unknown_tool",
            "talk.moved agent_completed: idle to awaiting_input",
            "turn.answered "
        ]
    );
}

/// Dies while `reserve` is at work, after the model has been asked once.
fn died_in_reserve(journal: JournalMode, again: Act) -> (Setup, Shop) {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.settings.journal = journal;
    setup.agent = setup.agent.tool(shop.reserve());
    setup.model.on("go", [Act::Call(AGAIN), again]);
    setup.model.on("reserve", [Act::Say("reserved")]);
    life(async {
        let world = setup.start().await;
        world.say("ana", "go").await;
        pass(std::time::Duration::from_millis(8)).await;
    });
    life(async {
        let world = setup.start().await;
        world.quiet().await;
    });
    (setup, shop)
}

#[test]
fn an_effect_that_matters_takes_what_led_to_it_into_the_journal_in_either_mode() {
    for journal in [JournalMode::Step, JournalMode::Turn] {
        let (setup, shop) = died_in_reserve(journal, Act::Say("never asked again"));
        assert_eq!(setup.model.calls(), 2, "{journal:?}");
        assert_eq!(shop.done(), ["reserve table"]);
        assert_eq!(life(setup.replies("ana")), ["reserved"]);
    }
}

#[test]
fn without_effects_that_matter_a_turn_may_write_no_step() {
    for (journal, steps) in [(JournalMode::Step, 1), (JournalMode::Turn, 0)] {
        let mut setup = Setup::web();
        setup.settings.journal = journal;
        life(async {
            let world = setup.start().await;
            world.say("ana", "go").await;
            world.quiet().await;
            assert_eq!(world.view("go").await.steps.len(), steps);
        });
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

#[tokio::test(start_paused = true)]
async fn what_was_kept_before_a_review_is_kept() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(shop.order()).tool(earn());
    shop.lose_answer("order");
    let world = setup.start().await;
    world.model.on("go", [Act::Call(&[("earn", "{}")])]);
    let order = Act::Call(&[("order", r#"{"item":"soup"}"#)]);
    world.model.on("1", [order]);
    world
        .model
        .on("\"done\":true", [Act::Call(&[("earn", "{}")])]);
    world.model.on("2", [Act::Say("two points")]);
    world.say("ana", "go").await;
    world.quiet().await;
    decide(&world, true).await;
    assert_eq!(world.replies("ana").await.last().unwrap(), "two points");
}

/// The chain of parked turns is one turn for whoever deduplicates.
#[tokio::test(start_paused = true)]
async fn a_lost_call_that_is_made_again_after_an_approval_has_the_same_key() {
    let shop = Shop::default();
    shop.lose_answer("reserve");
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(shop.reserve()).tool(shop.approved_order());
    let world = setup.start().await;
    let order = Act::Call(&[("order", r#"{"item":"soup"}"#)]);
    world.model.on("go", [Act::Call(AGAIN)]);
    world.model.on("timeout", [order]);
    world.model.on("soup\"}", [Act::Call(AGAIN)]);
    world.model.on("reserve", [Act::Say("done")]);
    world.say("ana", "go").await;
    world.quiet().await;
    decide(&world, true).await;
    let keys = shop.keys_of("reserve");
    assert_eq!((keys.len(), keys[0]), (2, keys[1]));
    assert_eq!(shop.done(), ["reserve table", "order soup"]);
}

/// The old call may still be on its way.
#[test]
fn what_can_be_asked_for_is_asked_for_when_the_old_call_must_be_over() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(shop.pay());
    setup
        .model
        .on("go", [Act::Call(&[("pay", r#"{"item":"soup"}"#)])]);
    setup.model.on("found", [Act::Say("paid")]);
    // It dies when the shop has been paid and its answer is on the way.
    let fate = Fate::at(2);
    shop.fated(&fate);
    life(async {
        let world = setup.start().await;
        world.say("ana", "go").await;
        fate.died().await;
    });
    shop.fated(&Fate::default());
    assert_eq!(shop.done(), ["pay soup"]);
    life(async {
        let world = setup.start().await;
        pass(setup.settings.policies.tool.timeout - secs(1)).await;
        assert_eq!(world.model.calls(), 1, "nothing is known yet");
        world.quiet().await;
        assert_eq!(world.replies("ana").await, ["paid"]);
    });
}

/// A tool whose connection breaks at once, while its call arrives a second before its
/// time is over.
fn paid_late() -> Arc<dyn Tool> {
    let paid = Arc::new(AtomicBool::new(false));
    let seen = paid.clone();
    let pay = move |_: Nothing, cx: ToolContext| {
        let paid = paid.clone();
        async move {
            tokio::spawn(async move {
                pass(cx.timeout - secs(1)).await;
                paid.store(true, Ordering::SeqCst);
            });
            let broken = Error::new(ErrorKind::Unavailable, "the connection broke");
            Err(broken.with_outcome(Outcome::Unknown))
        }
    };
    let probe = move |_: Nothing, _: ToolContext| {
        let paid = seen.load(Ordering::SeqCst);
        async move {
            Ok(match paid {
                true => Probe::Happened(ToolOutput::of("found")),
                false => Probe::DidNot,
            })
        }
    };
    tool("pay", "", Effect::RECONCILE, pay)
        .probed_by(probe)
        .into_tool()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_breaks_early_is_asked_for_when_it_can_arrive_no_more() {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(paid_late());
    setup.model.on("go", [Act::Call(&[("pay", "{}")])]);
    setup.model.on("found", [Act::Say("paid")]);
    setup.model.on("not_done", [Act::Say("not paid")]);
    let world = setup.start().await;
    world.say("ana", "go").await;
    pass(setup.settings.policies.tool.timeout - secs(1)).await;
    assert_eq!(world.model.calls(), 1, "nothing is known yet");
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["paid"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stops_leaves_the_question_to_the_next() {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(paid_late());
    setup.model.on("go", [Act::Call(&[("pay", "{}")])]);
    setup.model.on("found", [Act::Say("paid")]);
    let mut world = setup.start().await;
    world.say("ana", "go").await;
    pass(secs(1)).await;
    let began = tokio::time::Instant::now();
    let drained = world.shutdown(secs(20)).await.unwrap();
    assert_eq!(drained, Drained::Whole);
    assert!(began.elapsed() < secs(2), "{:?}", began.elapsed());
    let world = setup.start().await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["paid"]);
}

/// The call may arrive until the turn's time is over, when nobody can be asked any more.
#[tokio::test(start_paused = true)]
async fn what_a_run_has_no_time_to_ask_for_the_next_one_asks_for() {
    let mut setup = Setup::web();
    let timeout = setup.settings.policies.tool.timeout;
    setup.settings.turn_timeout = timeout + secs(10);
    let slow = move |_: Nothing, _: ToolContext| async move {
        pass(timeout - secs(5)).await;
        Ok(ToolOutput::of("looked"))
    };
    let slow = tool("look", "", Effect::PURE, slow).into_tool();
    setup.agent = setup.agent.tool(slow).tool(paid_late());
    setup.model.on("go", [Act::Call(&[("look", "{}")])]);
    setup.model.on("looked", [Act::Call(&[("pay", "{}")])]);
    setup.model.on("found", [Act::Say("paid")]);
    setup.model.on("not_done", [Act::Say("not paid")]);
    let world = setup.start().await;
    world.say("ana", "go").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["paid"]);
}

#[tokio::test(start_paused = true)]
async fn changes_of_calls_at_once_are_applied_in_the_order_of_the_calls() {
    let set = |name: &'static str, value: u64, millis: u64| {
        let change = move |_: Nothing, _: ToolContext| async move {
            tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
            let mut set = ToolOutput::of(name);
            set.state = Some(json!({ "last": name, name: value }));
            Ok(set)
        };
        tool(name, "", Effect::PURE, change).into_tool()
    };
    let read = |_: Nothing, cx: ToolContext| async move { Ok(ToolOutput::of(cx.state)) };
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool(set("slow", 1, 50))
        .tool(set("quick", 2, 5))
        .tool(tool("read", "", Effect::PURE, read).into_tool());
    let world = setup.start().await;
    world
        .model
        .on("go", [Act::Call(&[("slow", "{}"), ("quick", "{}")])]);
    world
        .model
        .on("quick", [Act::Call(&[("read", "{}")]), Act::Say("read")]);
    world.say("ana", "go").await;
    world.quiet().await;
    let asked = world.model.asked().pop().unwrap();
    let state = asked.messages.last().unwrap().text().to_owned();
    assert_eq!(state, r#"{"last":"quick","quick":2,"slow":1}"#);
}
