//! Turns that a review parks in the middle of a round: what the calls that have ended
//! changed of the agent's state is kept, and what they remind of is set, once, whatever
//! happens meanwhile.

use std::sync::Arc;

use async_trait::async_trait;
use zupa_core::{
    Desk, Effect, ErrorKind, Outcome, Reminder, ToolContext, ToolOutput, Wait, WaitKind, WaitState,
};
use zupa_runtime::{AgentTurn, Cx, Move, Node, Stop, to, tool};
use zupa_testkit::FaultyStore;

use crate::support::{
    Act, Fate, FatedStore, Setup, Shop, World, decide, decide_one, earn, error, inbound, kept,
    life, pass, secs,
};

const EARNS_AND_ORDERS: Act = Act::Call(&[("earn", "{}"), ("order", r#"{"item":"soup"}"#)]);

/// In one round; the order's answer is lost.
fn earns_and_orders(round: Act) -> (Setup, Shop) {
    let (mut setup, shop) = (Setup::web(), Shop::default());
    setup.agent = setup.agent.tool(shop.order()).tool(earn());
    shop.lose_answer("order");
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
        let (setup, shop) = earns_and_orders(EARNS_AND_ORDERS);
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

/// Reminds in a minute, and each day from then on.
fn plans_earns_and_orders() -> (Setup, Shop) {
    let round = Act::Call(&[
        ("plan", "{}"),
        ("earn", "{}"),
        ("order", r#"{"item":"soup"}"#),
    ]);
    let (mut setup, shop) = earns_and_orders(round);
    let plan = |_: Nothing, cx: ToolContext| async move {
        let mut set = ToolOutput::of("set");
        set.remind.push(Reminder {
            every: Some("0 9 * * *".into()),
            ..Reminder::once(cx.at.plus(secs(60)), "tea")
        });
        Ok(set)
    };
    let plan = tool("plan", "", Effect::IDEMPOTENT, plan).into_tool();
    setup.agent = setup.agent.tool(plan);
    setup.model.always(": tea]", Act::Say("tea now"));
    (setup, shop)
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

/// How many are set.
async fn reminders(world: &World) -> usize {
    let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
    let timers = open
        .iter()
        .filter(|wait| wait.opened.kind == WaitKind::Timer);
    timers.count()
}

#[tokio::test(start_paused = true)]
async fn a_reminder_of_a_round_that_is_reviewed_comes_in_its_time_and_once() {
    let (setup, _shop) = plans_earns_and_orders();
    let world = setup.start().await;
    world.say("ana", "go").await;
    world.quiet().await;
    assert_eq!(reminders(&world).await, 1, "while it is parked");
    pass(secs(70)).await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await.last().unwrap(), "tea now");
    assert_eq!(reminders(&world).await, 1, "the next day's");
    let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
    let review = open
        .iter()
        .find(|wait| wait.opened.kind == WaitKind::Decision);
    decide_one(&world, review.unwrap(), "bea", true).await;
    pass(secs(3)).await;
    world.quiet().await;
    assert_eq!(reminders(&world).await, 1, "and no second one");
    let asked = world.model.asked().pop().unwrap();
    let told: Vec<_> = asked.messages.iter().map(|line| line.text()).collect();
    assert!(told.contains(&"set"), "{told:?}");
}

/// Begins the calls and a letter at once.
struct Both;

#[async_trait]
impl Node<AgentTurn> for Both {
    async fn run(&self, _: &AgentTurn, _: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        Ok(Move::all(["post", "run_tools"]))
    }
}

/// Posts a letter of which nobody knows whether it arrived.
struct Posts;

#[async_trait]
impl Node<AgentTurn> for Posts {
    async fn run(&self, _: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let lost = |_: ToolContext| async {
            Err(error(ErrorKind::Timeout).with_outcome(Outcome::Unknown))
        };
        cx.perform("letter", Effect::AT_MOST_ONCE, &(), lost)
            .await?;
        Ok(Move::to("recall"))
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_nodes_that_are_reviewed_at_once_the_changes_of_both_are_kept() {
    let (setup, shop) = plans_earns_and_orders();
    beside_a_review(&setup, 3).await;
    assert_eq!(shop.done(), ["order soup"]);
}

#[tokio::test(start_paused = true)]
async fn of_a_node_that_had_ended_beside_a_reviewed_one_the_changes_are_kept() {
    let (setup, _shop) = plans_earns_and_orders();
    let round = Act::Call(&[("plan", "{}"), ("earn", "{}")]);
    setup.model.on("go", [round]);
    beside_a_review(&setup, 2).await;
}

/// Lives through the round, a message while it is parked whose letter is lost as well, and as
/// many reviews.
async fn beside_a_review(setup: &Setup, reviews: usize) {
    let world = setup
        .start_with(|builder| {
            builder.edit(|graph| {
                graph
                    .insert_before(
                        "run_tools",
                        "both",
                        Arc::new(Both),
                        [to("post"), to("run_tools")],
                    )
                    .add("post", Arc::new(Posts), [to("recall")])
            })
        })
        .await;
    world.say("ana", "go").await;
    world.quiet().await;
    let kept = (points(&world).await, reminders(&world).await);
    assert_eq!(kept, (Some(1), 1), "while it is parked");
    world.say("ana", "more").await;
    world.quiet().await;
    let mut decided = 0;
    while let Some(review) = review(&world).await {
        decide_one(&world, &review, "bea", true).await;
        pass(secs(3)).await;
        world.quiet().await;
        decided += 1;
    }
    assert_eq!(decided, reviews);
    let kept = (points(&world).await, reminders(&world).await);
    assert_eq!(kept, (Some(2), 1), "and not merged over newer state");
}

/// The first that is open.
async fn review(world: &World) -> Option<Wait> {
    let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
    let mut open = open.into_iter();
    open.find(|wait| wait.opened.kind == WaitKind::Decision)
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
    let reviews = open
        .iter()
        .filter(|wait| wait.opened.kind == WaitKind::Decision);
    for wait in reviews {
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
        let (setup, shop) = plans_earns_and_orders();
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
        let (points, reminders) = life(async {
            live(&setup, &shop, &Fate::default()).await;
            let world = setup.start().await;
            (points(&world).await, reminders(&world).await)
        });
        if points != Some(2) || reminders != 1 || shop.done().len() > 1 {
            let done = shop.done();
            wrong.push(format!("{at}: {points:?}, {reminders} reminders, {done:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Before and after the parking, the answer to the message, and what went on.
    assert!(commits >= 6, "only {commits} deaths around commits");
}
