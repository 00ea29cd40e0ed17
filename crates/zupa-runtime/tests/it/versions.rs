//! Versions: a parked turn goes on under a new graph where it can, and an older
//! binary leaves alone what it cannot load.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zupa_core::{Desk, InboundState, Outbound, Result, TurnState, WaitState};
use zupa_runtime::{Cx, Ending, Graph, GraphBuilder, Move, Question, State, Stop, ends, waits};

use crate::support::{Setup, World, decide, life, pass, secs};

/// A state in two versions: the second counts in another field.
macro_rules! version {
    ($name:ident, $version:expr, $field:ident, $migrate:expr) => {
        #[derive(Debug, Clone, Default, Serialize, Deserialize)]
        struct $name {
            asked: String,
            #[serde(skip)]
            kept: Value,
        }

        impl State for $name {
            const VERSION: u32 = $version;
            type Update = String;
            type Kept = Value;

            fn apply(&mut self, update: String) {
                self.asked = update;
                let count = self.kept[stringify!($field)].as_u64().unwrap_or(0);
                self.kept = json!({ stringify!($field): count + 1 });
            }
            fn kept(&self) -> &Value {
                &self.kept
            }
            fn attach(&mut self, kept: Value) {
                self.kept = kept;
            }
            fn migrate_from(version: u32, stored: Value) -> Result<Value> {
                let migrate: fn(u32, Value) -> Result<Value> = $migrate;
                migrate(version, stored)
            }
        }
    };
}

version!(First, 1, count, |_, stored| Ok(stored));
version!(Second, 2, turns, |_, mut stored| {
    // Both forms come through here: the turn's and what was kept.
    if let Some(count) = stored.get("count").cloned() {
        stored = json!({ "turns": count });
    }
    Ok(stored)
});

async fn ask<S: State<Update = String>>(_: &S, cx: &mut Cx) -> std::result::Result<Move<S>, Stop> {
    let said = cx.inbounds()[0].content.as_prompt_text();
    let question = Question::reply("sure?");
    Ok(Move::wait("hear", vec![question], vec![Outbound::reply("sure?")]).with(said))
}

async fn hear_first(first: &First, _: &mut Cx) -> std::result::Result<Move<First>, Stop> {
    Ok(answer(format!("first {}", first.asked)))
}

async fn hear_second(second: &Second, cx: &mut Cx) -> std::result::Result<Move<Second>, Stop> {
    let heard = cx.inbounds()[0].content.as_prompt_text();
    Ok(answer(format!(
        "second {} {heard} {}",
        second.asked, second.kept
    )))
}

fn answer<S: State>(text: String) -> Move<S> {
    Move::end(Ending::Answer(vec![Outbound::reply(text)]))
}

async fn ask_first(state: &First, cx: &mut Cx) -> std::result::Result<Move<First>, Stop> {
    ask(state, cx).await
}

async fn ask_second(_: &Second, cx: &mut Cx) -> std::result::Result<Move<Second>, Stop> {
    let said = cx.inbounds()[0].content.as_prompt_text();
    let question = Question::reply("sure?");
    Ok(Move::wait("heard", vec![question], vec![Outbound::reply("sure?")]).with(said))
}

fn first() -> Graph<First> {
    Graph::builder("v")
        .node("ask", ask_first, [waits("hear")])
        .node("hear", hear_first, [ends()])
        .build()
        .unwrap()
}

fn second(change: impl FnOnce(GraphBuilder<Second>) -> GraphBuilder<Second>) -> Graph<Second> {
    let graph = Graph::builder("v")
        .node("ask", ask_second, [waits("heard")])
        .node("heard", hear_second, [ends()]);
    change(graph).build().unwrap()
}

/// Parks a turn under the first version.
fn parked() -> Setup {
    let setup = Setup::web();
    life(async {
        let mut world = setup.start_with(|builder| builder.graph(first())).await;
        world.say("ana", "this").await;
        world.quiet().await;
        world.shutdown(secs(1)).await.unwrap();
    });
    setup
}

#[test]
fn a_parked_turn_goes_on_at_a_renamed_node_with_its_state_migrated() {
    let setup = parked();
    life(async {
        let graph = second(|graph| graph.renamed("hear", "heard"));
        let world = setup.start_with(|builder| builder.graph(graph)).await;
        world.say("ana", "yes").await;
        world.quiet().await;
        let said = world.replies("ana").await;
        assert_eq!(said.last().unwrap(), "second this yes {\"turns\":1}");
    });
}

/// Answers the question of a parked turn, under a version that does not know its node.
async fn answered_nowhere(setup: &Setup) -> World {
    let graph = second(|graph| graph);
    let world = setup.start_with(|builder| builder.graph(graph)).await;
    world.say("ana", "yes").await;
    world.quiet().await;
    let view = world.view("yes").await;
    assert_eq!(view.turn.unwrap().state, TurnState::Parked);
    let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
    assert_eq!(open.len(), 1);
    let subject: Value = serde_json::from_str(&open[0].opened.subject).unwrap();
    assert_eq!(subject["review"], "version_mismatch");
    assert_eq!(subject["node"], "hear");
    world
}

#[test]
fn a_parked_turn_whose_node_is_gone_goes_on_once_a_version_knows_it_and_an_operator_says_so() {
    let setup = parked();
    life(async {
        let mut world = answered_nowhere(&setup).await;
        world.shutdown(secs(1)).await.unwrap();
    });
    life(async {
        let graph = second(|graph| graph.renamed("hear", "heard"));
        let world = setup.start_with(|builder| builder.graph(graph)).await;
        decide(&world, true).await;
        // What the person had answered is still the answer.
        let said = world.replies("ana").await;
        assert_eq!(said.last().unwrap(), "second this yes {\"turns\":1}");
    });
}

#[test]
fn an_approval_without_such_a_version_is_asked_for_again() {
    let setup = parked();
    life(async {
        let world = answered_nowhere(&setup).await;
        decide(&world, true).await;
        let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
        assert!(open[0].opened.subject.contains("version_mismatch"));
        assert_eq!(world.replies("ana").await, ["sure?"]);
    });
}

#[test]
fn a_parked_turn_whose_node_is_gone_is_given_up_if_an_operator_says_so() {
    let setup = parked();
    life(async {
        let world = answered_nowhere(&setup).await;
        decide(&world, false).await;
        assert_eq!(
            world.replies("ana").await,
            ["sure?", setup.agent.fallback.as_str()]
        );
        let counts = world.accounting().await;
        assert_eq!(counts.ended.get(InboundState::Dead.as_str()), Some(&1));
    });
}

#[test]
fn an_older_binary_leaves_a_newer_state_alone_and_counts_no_failure() {
    let setup = parked();
    life(async {
        let graph = second(|graph| graph.renamed("hear", "heard"));
        let mut world = setup.start_with(|builder| builder.graph(graph)).await;
        world.say("ana", "yes").await;
        world.quiet().await;
        world.shutdown(secs(1)).await.unwrap();
    });
    life(async {
        let mut world = setup.start_with(|builder| builder.graph(first())).await;
        world.say("ana", "older").await;
        pass(secs(30)).await;
        let counts = world.accounting().await;
        assert_eq!(counts.open.values().sum::<u64>(), 1, "{counts:?}");
        assert!(world.view("older").await.turn.is_none());
        // Others are answered.
        world.say("bob", "hello").await;
        pass(secs(1)).await;
        assert_eq!(world.replies("bob").await, ["sure?"]);
        world.shutdown(secs(1)).await.unwrap();
    });
    life(async {
        let graph = second(|graph| graph.renamed("hear", "heard"));
        let world = setup.start_with(|builder| builder.graph(graph)).await;
        world.quiet().await;
        assert_eq!(world.replies("ana").await.last().unwrap(), "sure?");
    });
}
