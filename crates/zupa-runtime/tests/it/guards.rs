//! What stands between a decision and what is felt outside: an approval counts for its
//! arguments, a tool needs an intent of its own run, a claim that holds, and a process
//! that goes on; and what a turn leaves beside its answer is in its commit.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use zupa_core::{Desk, Tool, TurnState, WaitState};
use zupa_runtime::{AgentTurn, Cx, Move, Node, Stop, to};
use zupa_testkit::FaultyStore;

use crate::support::{Act, Fate, Meddle, Meddler, Setup, Shop, World, decide, life, pass, secs};

const ORDER: Act = Act::Call(&[("order", r#"{"item":"soup"}"#)]);

/// Long enough for whatever does not wait for the clock.
const MOMENT: Duration = Duration::from_millis(20);

/// A process behind a store that can be meddled with.
async fn meddled(setup: &Setup) -> (World, Arc<Meddler>) {
    let meddler = Meddler::new(setup.memory.clone());
    let world = setup.start_over(FaultyStore::new(meddler.clone())).await;
    (world, meddler)
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_was_given_for_other_arguments_lets_nothing_through() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(shop.approved_order());
    let (world, meddler) = meddled(&setup).await;
    world.model.on("please", [ORDER]);
    world.model.on("cake", [Act::Say("ordered")]);
    world.say("ana", "please").await;
    world.quiet().await;
    meddler.meddle(Meddle::Reword("soup", "cake"));
    decide(&world, true).await;
    assert!(shop.done().is_empty(), "nobody has approved of cake");
    let asked = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
    let subject: Value = serde_json::from_str(&asked[0].opened.subject).unwrap();
    assert_eq!(subject["arguments"], json!({ "item": "cake" }));
    decide(&world, true).await;
    assert_eq!(shop.done(), ["order cake"]);
}

#[tokio::test(start_paused = true)]
async fn a_persons_yes_that_was_given_for_other_arguments_lets_nothing_through() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool_with_confirmation(shop.order(), |arguments| format!("{}?", arguments["item"]));
    let (world, meddler) = meddled(&setup).await;
    world.model.on("please", [ORDER]);
    world.model.on("cake", [Act::Say("ordered")]);
    world.say("ana", "please").await;
    world.quiet().await;
    meddler.meddle(Meddle::Reword("soup", "cake"));
    world.say("ana", "yes").await;
    world.quiet().await;
    assert!(shop.done().is_empty(), "nobody has agreed to cake");
    let said = world.replies("ana").await;
    assert_eq!(said, ["\"soup\"?", "\"cake\"?"]);
    world.say("ana", "ok").await;
    world.quiet().await;
    assert_eq!(shop.done(), ["order cake"]);
}

/// A tool of each class that leaves an intent.
fn with_intents(shop: &Shop) -> [(&'static str, Arc<dyn Tool>); 3] {
    [
        ("reserve", shop.reserve()),
        ("pay", shop.pay()),
        ("order", shop.order()),
    ]
}

fn asking_for(tool: &str, known: Arc<dyn Tool>) -> Setup {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(known);
    let call: &'static [(&str, &str)] = match tool {
        "price" => &[("price", r#"{"item":"soup"}"#)],
        "reserve" => &[("reserve", r#"{"item":"soup"}"#)],
        "pay" => &[("pay", r#"{"item":"soup"}"#)],
        _ => &[("order", r#"{"item":"soup"}"#)],
    };
    setup.model.always("go", Act::Call(call));
    setup.model.always("", Act::Say("that is that"));
    setup
}

/// The store answers that another process has the conversation now.
#[tokio::test(start_paused = true)]
async fn no_tool_starts_behind_an_intent_that_was_refused() {
    let shop = Shop::default();
    for (tool, known) in with_intents(&shop) {
        let setup = asking_for(tool, known);
        let (world, meddler) = meddled(&setup).await;
        meddler.meddle(Meddle::RefuseIntent);
        world.say("ana", "go").await;
        pass(MOMENT).await;
        assert!(shop.keys_of(tool).is_empty(), "{tool} has no intent");
        let steps = world.view("go").await.steps;
        assert!(steps.iter().all(|step| step.has_result), "{steps:?}");
        assert_eq!(world.runtime().stale_writes(), 1);
        // Nobody has it, so it runs here again, and has an intent then.
        world.quiet().await;
        let turn = world.view("go").await.turn.unwrap();
        assert_eq!((turn.runs, turn.failures), (2, 0), "{tool}");
        assert_eq!(shop.keys_of(tool).len(), 1, "{tool}");
        assert_eq!(world.replies("ana").await, ["that is that"]);
    }
}

/// The turn would ask for something else now; nobody knows what became of the first.
#[test]
fn an_intent_for_another_input_starts_nothing_and_is_not_forgotten() {
    let shop = Shop::default();
    let mut setup = asking_for("order", shop.order());
    let fate = Fate::at(1);
    shop.fated(&fate);
    life(async {
        let world = setup.start().await;
        world.say("ana", "go").await;
        fate.died().await;
    });
    shop.fated(&Fate::default());
    setup.agent.prompt = "Be brief.".into();
    life(async {
        let world = setup.start().await;
        world.quiet().await;
        let view = world.view("go").await;
        assert_eq!(view.turn.unwrap().state, TurnState::Parked);
        let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
        assert_eq!(open.len(), 1);
        assert!(open[0].opened.subject.contains("divergence"));
        assert!(view.steps.iter().any(|step| !step.has_result));
    });
    assert!(shop.keys_of("order").is_empty());
    assert_eq!(setup.model.calls(), 1);
}

/// The intent is written; then the process sleeps past its claim.
#[tokio::test(start_paused = true)]
async fn a_process_whose_claim_ended_at_the_intent_does_not_call_the_tool() {
    let shop = Shop::default();
    for (tool, known) in with_intents(&shop) {
        let setup = asking_for(tool, known);
        let (world, meddler) = meddled(&setup).await;
        let expiry = setup.settings.claim_expiry;
        meddler.meddle(Meddle::StopAtIntent(setup.held_up.clone(), expiry));
        world.say("ana", "go").await;
        pass(MOMENT).await;
        assert!(shop.keys_of(tool).is_empty(), "{tool} was called");
        let steps = world.view("go").await.steps;
        assert!(steps.iter().any(|step| !step.has_result), "{steps:?}");
        assert_eq!(world.runtime().stale_writes(), 1);
        // What the intent means to the next run, the class decides.
        world.quiet().await;
        if tool == "order" {
            decide(&world, false).await;
        }
        let calls = usize::from(tool == "reserve");
        assert_eq!(shop.keys_of(tool).len(), calls, "{tool}");
        assert_eq!(world.replies("ana").await.last().unwrap(), "that is that");
    }
}

/// Stands before `run_tools` until it is let through.
struct Gate(Arc<Semaphore>);

#[async_trait]
impl Node<AgentTurn> for Gate {
    async fn run(&self, _: &AgentTurn, _: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let passed = self.0.acquire().await;
        passed.unwrap().forget();
        Ok(Move::to("run_tools"))
    }
}

async fn gated(setup: &Setup, gate: &Arc<Semaphore>) -> World {
    let gate = Arc::new(Gate(gate.clone()));
    setup
        .start_with(|builder| {
            builder.edit(|graph| graph.insert_before("run_tools", "gate", gate, [to("run_tools")]))
        })
        .await
}

#[tokio::test(start_paused = true)]
async fn a_process_whose_claim_ended_before_a_pure_call_does_not_make_it() {
    let shop = Shop::default();
    let setup = asking_for("price", shop.price());
    let gate = Arc::new(Semaphore::new(0));
    let world = gated(&setup, &gate).await;
    world.say("ana", "go").await;
    pass(MOMENT).await;
    setup.held_up.stop(setup.settings.claim_expiry);
    gate.add_permits(1);
    pass(MOMENT).await;
    assert!(shop.keys_of("price").is_empty());
    assert_eq!(world.runtime().stale_writes(), 1);
    gate.add_permits(1);
    world.quiet().await;
    assert_eq!(shop.keys_of("price").len(), 1);
}

/// A call that is new to the turn, and one that an earlier run has begun.
#[test]
fn no_tool_starts_in_a_process_that_is_stopping() {
    for (tool, begun) in [
        ("price", false),
        ("reserve", false),
        ("pay", false),
        ("order", false),
        ("reserve", true),
    ] {
        let shop = Shop::default();
        let known = match tool {
            "price" => shop.price(),
            "reserve" => shop.reserve(),
            "pay" => shop.pay(),
            _ => shop.order(),
        };
        let setup = asking_for(tool, known);
        let gate = Arc::new(Semaphore::new(0));
        if begun {
            let fate = Fate::at(1);
            shop.fated(&fate);
            gate.add_permits(1);
            life(async {
                let world = gated(&setup, &gate).await;
                world.say("ana", "go").await;
                fate.died().await;
            });
            shop.fated(&Fate::default());
        }
        life(async {
            let mut world = gated(&setup, &gate).await;
            if !begun {
                world.say("ana", "go").await;
            }
            pass(MOMENT).await;
            let let_through = async {
                pass(MOMENT).await;
                gate.add_permits(1);
            };
            let (stopped, ()) = tokio::join!(world.shutdown(secs(30)), let_through);
            stopped.unwrap();
        });
        let calls = shop.keys_of(tool).len();
        assert_eq!(calls, 0, "{tool}, begun before: {begun}");
        gate.add_permits(1);
        life(async { gated(&setup, &gate).await.quiet().await });
        assert_eq!(shop.keys_of(tool).len(), 1, "{tool}, begun before: {begun}");
        assert_eq!(life(setup.replies("ana")), ["that is that"]);
        let turn = life(setup.view("go")).turn.unwrap();
        assert_eq!(turn.failures, 0, "a stop is nobody's failure");
    }
}

/// Leaves a fact, and runs another node.
struct Notes(&'static str, Arc<dyn Node<AgentTurn>>);

#[async_trait]
impl Node<AgentTurn> for Notes {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        cx.record(self.0, &turn.input)?;
        self.1.run(turn, cx).await
    }
}

#[tokio::test(start_paused = true)]
async fn facts_are_in_the_commit_of_their_turn_however_it_ends() {
    for (waits, replied) in [(false, "soon"), (true, "ordered")] {
        let shop = Shop::default();
        let mut setup = Setup::web();
        setup.agent = setup.agent.tool(if waits {
            shop.approved_order()
        } else {
            shop.price()
        });
        setup
            .model
            .on("go", [if waits { ORDER } else { Act::Say(replied) }]);
        setup.model.always("", Act::Say(replied));
        let meddler = Meddler::new(setup.memory.clone());
        let store = Arc::new(FaultyStore::new(meddler.clone()));
        let noting = |builder: zupa_runtime::Builder| {
            builder.edit(|graph| {
                graph
                    .wrap("recall", |inner| Arc::new(Notes("recalled", inner)))
                    .wrap("call_model", |inner| Arc::new(Notes("asked", inner)))
            })
        };
        let world = setup.try_start_with(store, noting).await.unwrap();
        world.say("ana", "go").await;
        world.quiet().await;
        let facts: Vec<Vec<_>> = meddler.commits().into_iter().map(named).collect();
        let whole = ["recalled [\"go\"]", "asked [\"go\"]"];
        assert_eq!(facts, [whole], "waits: {waits}");
        if waits {
            decide(&world, true).await;
            let facts: Vec<Vec<_>> = meddler.commits().into_iter().map(named).collect();
            assert_eq!(facts, [whole, whole], "the turn that goes on has its own");
        }
    }
}

fn named(commit: zupa_core::store::Commit) -> Vec<String> {
    let facts = commit.facts.into_iter();
    facts
        .map(|fact| format!("{} {}", fact.name, fact.payload))
        .collect()
}
