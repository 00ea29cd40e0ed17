//! Graphs of one's own: what is refused when they are built, how they run, and how
//! the default one is changed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use zupa_core::{ErrorKind, InboundState, Outbound};
use zupa_runtime::{
    AgentTurn, Cx, Ending, Graph, Move, Node, State, Stop, SubGraph, ends, leaves, to, waits,
};

use crate::support::{Setup, World, life, pass};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Trail {
    steps: Vec<String>,
    #[serde(skip)]
    kept: u32,
}

impl State for Trail {
    type Update = String;
    type Kept = u32;

    fn apply(&mut self, update: String) {
        self.steps.push(update);
        self.kept += 1;
    }

    fn kept(&self) -> &u32 {
        &self.kept
    }

    fn attach(&mut self, kept: u32) {
        self.kept = kept;
    }
}

async fn fan(_: &Trail, _: &mut Cx) -> Result<Move<Trail>, Stop> {
    Ok(Move::all(["slow", "quick"]).with("fan".into()))
}

async fn slow(_: &Trail, cx: &mut Cx) -> Result<Move<Trail>, Stop> {
    let said = branch(cx, 50).await?;
    Ok(Move::to("join").with(said))
}

async fn quick(_: &Trail, cx: &mut Cx) -> Result<Move<Trail>, Stop> {
    let said = branch(cx, 5).await?;
    Ok(Move::to("join").with(said))
}

async fn branch(cx: &mut Cx, millis: u64) -> Result<String, Stop> {
    cx.effect("work", &millis, || async move {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok(format!("{millis} ms"))
    })
    .await
}

async fn join(trail: &Trail, _: &mut Cx) -> Result<Move<Trail>, Stop> {
    let said = format!("{} / {}", trail.steps.join(", "), trail.kept);
    Ok(Move::end(Ending::Answer(vec![Outbound::reply(said)])))
}

fn forked() -> Graph<Trail> {
    Graph::builder("forked")
        .node("fan", fan, [to("slow"), to("quick")])
        .node("slow", slow, [to("join")])
        .node("quick", quick, [to("join")])
        .node("join", join, [ends()])
        .build()
        .unwrap()
}

async fn start(graph: Graph<Trail>) -> World {
    Setup::web()
        .start_with(|builder| builder.graph(graph))
        .await
}

#[tokio::test(start_paused = true)]
async fn branches_are_merged_in_declared_order_whichever_ends_first() {
    let world = start(forked()).await;
    for text in ["one", "two"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(
        world.replies("ana").await,
        ["fan, 50 ms, 5 ms / 3", "fan, 50 ms, 5 ms / 6"]
    );
    let keys: Vec<_> = world
        .view("one")
        .await
        .steps
        .into_iter()
        .map(|step| step.key)
        .collect();
    assert_eq!(keys, ["quick/1/work", "slow/1/work"]);
}

#[test]
fn every_mistake_is_named_when_the_graph_is_built() {
    let wrong = Graph::<Trail>::builder("wrong")
        .node("a", join, [to("b"), to("nowhere")])
        .node("b", join, [to("a")])
        .node("b", join, [])
        .node("x/y", join, [waits("gone")])
        .renamed("old", "missing")
        .replace("ghost", Arc::new(Keeps))
        .build()
        .unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Invalid);
    for word in [
        "two nodes are named b",
        "a leads to nowhere",
        "no way out of b",
        "x/y",
        "leads to gone",
        "renamed to missing",
        "replace ghost",
    ] {
        assert!(wrong.message().contains(word), "no {word:?} in {wrong}");
    }
    let endless = Graph::<Trail>::builder("endless")
        .node("a", join, [to("b")])
        .node("b", join, [to("a")])
        .node("c", join, [ends()])
        .build()
        .unwrap_err();
    for word in ["nothing leads to c", "from a to an end", "from b to an end"] {
        assert!(endless.message().contains(word), "no {word:?} in {endless}");
    }
    assert!(Graph::<Trail>::builder("empty").build().is_err());
}

struct Keeps;

#[async_trait]
impl Node<Trail> for Keeps {
    async fn run(&self, _: &Trail, _: &mut Cx) -> Result<Move<Trail>, Stop> {
        Ok(Move::to("loops"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_cycle_without_end_is_a_dead_letter_with_its_reason() {
    let graph = Graph::builder("loop")
        .add("loops", Arc::new(Keeps), [to("loops"), ends()])
        .build()
        .unwrap();
    let world = start(graph).await;
    world.say("ana", "one").await;
    world.quiet().await;
    let view = world.view("one").await;
    assert_eq!(view.inbounds[0].state, InboundState::Dead);
    let reason = view.turn.unwrap().reason.unwrap();
    assert!(reason.contains("too many moves"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_way_that_was_not_declared_is_a_dead_letter() {
    let graph = Graph::builder("stray")
        .add("strays", Arc::new(Keeps), [ends()])
        .build()
        .unwrap();
    let world = start(graph).await;
    world.say("ana", "one").await;
    world.quiet().await;
    let reason = world.view("one").await.turn.unwrap().reason.unwrap();
    assert!(reason.contains("not declared"), "{reason}");
}

#[test]
fn a_graph_can_be_drawn() {
    assert_eq!(
        forked().mermaid(),
        "flowchart TD
    n0[\"fan\"]
    n1[\"slow\"]
    n2[\"quick\"]
    n3[\"join\"]
    n0 --> n1
    n0 --> n2
    n1 --> n3
    n2 --> n3
    n3 --> done((end))
"
    );
}

/// Goes before the prompt and answers some messages itself.
struct Gate;

#[async_trait]
impl Node<AgentTurn> for Gate {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        if turn.input.iter().any(|line| line == "closed?") {
            cx.say("one moment").await?;
            cx.record("asked.hours", &serde_json::json!({ "by": "ana" }))?;
            return Ok(Move::end(Ending::Answer(vec![Outbound::reply(
                "we are open",
            )])));
        }
        Ok(Move::to("recall"))
    }
}

/// Runs another node and counts.
struct Around(Arc<dyn Node<AgentTurn>>);

#[async_trait]
impl Node<AgentTurn> for Around {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        cx.effect("around", &1, || async { Ok(1) }).await?;
        self.0.run(turn, cx).await
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_of_the_default_agent_are_inserted_and_wrapped() {
    let setup = Setup::web();
    let world = setup
        .start_with(|builder| {
            builder.edit(|graph| {
                graph
                    .insert_before("recall", "gate", Arc::new(Gate), [to("recall"), ends()])
                    .wrap("call_model", |inner| Arc::new(Around(inner)))
            })
        })
        .await;
    for text in ["closed?", "hello"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(
        world.replies("ana").await,
        ["one moment", "we are open", "re: hello"]
    );
    let keys: Vec<_> = world
        .view("hello")
        .await
        .steps
        .into_iter()
        .map(|step| step.key)
        .collect();
    assert_eq!(keys, ["call_model/1/around", "call_model/1/model"]);
}

#[test]
fn a_crash_in_a_fan_reuses_what_was_recorded() {
    let setup = Setup::web();
    life(async {
        let world = setup.start_with(|builder| builder.graph(forked())).await;
        world.say("ana", "one").await;
        // The quick one is recorded, the slow one is at work.
        pass(Duration::from_millis(20)).await;
    });
    life(async {
        let world = setup.start_with(|builder| builder.graph(forked())).await;
        world.quiet().await;
        assert_eq!(world.replies("ana").await, ["fan, 50 ms, 5 ms / 3"]);
        assert_eq!(world.view("one").await.turn.unwrap().runs, 2);
    });
}

async fn count(_: &Trail, _: &mut Cx) -> Result<Move<Trail>, Stop> {
    Ok(Move::to("inside"))
}

async fn inner(_: &Trail, cx: &mut Cx) -> Result<Move<Trail>, Stop> {
    let said = branch(cx, 7).await?;
    Ok(Move::leave().with(said))
}

#[tokio::test(start_paused = true)]
async fn a_graph_is_a_node_of_another_and_its_effects_have_their_own_keys() {
    let inside = Graph::builder("inside")
        .node("work", inner, [leaves()])
        .build()
        .unwrap();
    let sub = SubGraph::new(
        inside,
        |_: &Trail| Trail::default(),
        |trail| trail.steps.join("+"),
        "join",
    );
    let outer = Graph::builder("outer")
        .node("count", count, [to("inside")])
        .add("inside", Arc::new(sub.unwrap()), [to("join")])
        .node("join", join, [ends()])
        .build()
        .unwrap();
    let world = start(outer).await;
    world.say("ana", "one").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["7 ms / 1"]);
    assert_eq!(world.view("one").await.steps[0].key, "inside/1.work/1/work");
}

#[test]
fn a_graph_that_waits_or_is_never_left_is_no_node() {
    let sub = |graph: Graph<Trail>| {
        SubGraph::new(
            graph,
            |_: &Trail| Trail::default(),
            |_| String::new(),
            "join",
        )
        .err()
        .unwrap()
        .to_string()
    };
    let waiting = Graph::builder("w")
        .node("a", count, [waits("a"), leaves()])
        .build()
        .unwrap();
    assert!(sub(waiting).contains("waits"));
    assert!(sub(forked()).contains("nothing leaves"));
}
