//! Nodes of one's own between those of the agent, and what they may record.

use std::sync::Arc;

use async_trait::async_trait;
use zupa_runtime::{AgentTurn, Cx, Move, Node, Stop, to};

use crate::support::Setup;

/// Goes on to the next node.
struct Pass;

#[async_trait]
impl Node<AgentTurn> for Pass {
    async fn run(&self, _: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        cx.effect("passed", &1, || async { Ok(1) }).await?;
        Ok(Move::to("recall"))
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_that_were_put_before_one_follow_each_other() {
    let world = Setup::web()
        .start_with(|builder| {
            builder.edit(|graph| {
                graph
                    .insert_before("recall", "a", Arc::new(Pass), [to("recall")])
                    .insert_before("recall", "b", Arc::new(Pass), [to("recall")])
            })
        })
        .await;
    world.say("ana", "hi").await;
    world.quiet().await;
    let steps = world.view("hi").await.steps;
    let keys: Vec<_> = steps.iter().map(|step| step.key.as_str()).collect();
    assert_eq!(keys, ["a/1/passed", "b/1/passed", "call_model/1/model"]);
}

#[tokio::test(start_paused = true)]
async fn two_effects_of_one_name_are_refused_at_once() {
    let world = Setup::web()
        .start_with(|builder| {
            builder.edit(|graph| {
                graph.insert_before("recall", "twice", Arc::new(Twice), [to("recall")])
            })
        })
        .await;
    world.say("ana", "hi").await;
    world.quiet().await;
    let reason = world.view("hi").await.turn.unwrap().reason.unwrap();
    assert!(reason.contains("one name"), "{reason}");
}

/// Makes two effects of one name.
struct Twice;

#[async_trait]
impl Node<AgentTurn> for Twice {
    async fn run(&self, _: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        for n in 0..2 {
            cx.effect("same", &n, || async { Ok(1) }).await?;
        }
        Ok(Move::to("recall"))
    }
}
