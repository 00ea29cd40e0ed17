//! The default agent's graph, looked at and changed: what is drawn, and what may not
//! stand together.

use std::sync::Arc;

use async_trait::async_trait;
use zupa_core::{ErrorKind, Model, Store};
use zupa_runtime::{
    Agent, AgentTurn, Cx, Ending, Graph, Move, Node, Runtime, Script, ScriptedModel, Stop, ends, to,
};
use zupa_testkit::MemoryStore;

/// Goes on to the next node.
struct Pass;

#[async_trait]
impl Node<AgentTurn> for Pass {
    async fn run(&self, _: &AgentTurn, _: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        Ok(Move::to("recall"))
    }
}

#[test]
fn a_graph_is_drawn_with_its_changes_and_without_a_store() {
    let agent = Agent::new("assistant", "");
    let drawn = Runtime::draw(agent.clone(), |graph| {
        graph.insert_before("recall", "translate", Arc::new(Pass), [to("recall")])
    });
    let drawn = drawn.unwrap();
    assert!(drawn.contains("[\"translate\"]"), "{drawn}");
    let wrong = Runtime::draw(agent, |graph| {
        graph.insert_before("recall", "translate", Arc::new(Pass), [to("nowhere")])
    });
    assert!(wrong.unwrap_err().message().contains("nowhere"));
}

async fn own(_: &AgentTurn, _: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
    Ok(Move::end(Ending::Answer(Vec::new())))
}

#[tokio::test(start_paused = true)]
async fn a_graph_of_ones_own_with_changes_of_the_agents_is_refused_naming_both() {
    let builder = || {
        let store = Arc::new(MemoryStore::default()) as Arc<dyn Store>;
        let model = ScriptedModel::new(Script::default()).unwrap();
        let agent = Agent::new("assistant", "");
        Runtime::builder(store, Arc::new(model) as Arc<dyn Model>, agent)
    };
    let graph = || {
        let built = Graph::builder("mine").node("own", own, [ends()]).build();
        built.unwrap()
    };
    for both in [
        builder().edit(|graph| graph).graph(graph()),
        builder().graph(graph()).edit(|graph| graph),
    ] {
        let refused = both.start().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        for word in ["Builder::edit", "Builder::graph", "graph: mine", "edits: 1"] {
            assert!(refused.to_string().contains(word), "{word} in {refused}");
        }
    }
    assert!(builder().graph(graph()).start().await.is_ok());
    assert!(builder().edit(|graph| graph).start().await.is_ok());
}
