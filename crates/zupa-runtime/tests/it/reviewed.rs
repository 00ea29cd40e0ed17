//! Reviews of turns that cannot go on as they began: an operator says whether they go on
//! another way, or are given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use zupa_core::{Desk, InboundState, TurnState, WaitState};
use zupa_runtime::{AgentTurn, Cx, Move, Node, Stop, to};

use crate::support::{Act, Setup, Shop, World, decide, life, pass};

/// Says something the first time that it is asked, and then something else or nothing.
struct Fickle {
    asked: AtomicBool,
    then: Option<&'static str>,
}

#[async_trait]
impl Node<AgentTurn> for Fickle {
    async fn run(&self, _: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let asked = self.asked.swap(true, Ordering::Relaxed);
        if let Some(word) = if asked { self.then } else { Some("first") } {
            cx.say(word).await?;
        }
        Ok(Move::to("recall"))
    }
}

/// Dies behind the node, goes another way, and is decided on.
fn went_another_way(then: Option<&'static str>, approved: bool) -> Setup {
    let setup = Setup::web();
    let asked = AtomicBool::default();
    let fickle = Arc::new(Fickle { asked, then });
    let start = || {
        let fickle = fickle.clone();
        setup.start_with(move |builder| {
            builder
                .edit(move |graph| graph.insert_before("recall", "fickle", fickle, [to("recall")]))
        })
    };
    setup.model.on("one", [Act::Hang]);
    life(async {
        let world = start().await;
        world.say("ana", "one").await;
        pass(Duration::from_millis(20)).await;
    });
    life(async {
        let world = start().await;
        world.quiet().await;
        assert_eq!(
            world.view("one").await.turn.unwrap().state,
            TurnState::Parked
        );
        let subject = open_review(&world).await;
        assert_eq!(subject["review"], "divergence");
        assert_eq!(subject["effects"][0]["step"], "fickle/1/say1");
        assert_eq!(subject["effects"][0]["became"], "happened");
        assert!(!subject.to_string().contains("first"), "{subject}");
        decide(&world, approved).await;
    });
    setup
}

async fn open_review(world: &World) -> Value {
    let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
    let [wait] = &open[..] else {
        panic!("one review, not {open:?}");
    };
    serde_json::from_str(&wait.opened.subject).unwrap()
}

#[test]
fn a_turn_that_goes_another_way_behind_an_effect_that_matters_goes_on_if_an_operator_says_so() {
    let setup = went_another_way(Some("second"), true);
    let said = life(setup.replies("ana"));
    assert_eq!(said[0], "first");
    assert_eq!(said[2..], ["second", "re: one"], "{said:?}");
}

/// Nobody would hear of what was done and not asked for again.
#[test]
fn a_turn_that_leaves_an_effect_that_matters_out_goes_on_if_an_operator_says_so() {
    let setup = went_another_way(None, true);
    let said = life(setup.replies("ana"));
    assert_eq!(said.last().unwrap(), "re: one");
    assert_eq!(said.iter().filter(|line| *line == "first").count(), 1);
}

#[test]
fn a_turn_that_an_operator_gives_up_ends_with_the_fallback_text() {
    for then in [Some("second"), None] {
        let setup = went_another_way(then, false);
        let said = life(setup.replies("ana"));
        assert_eq!(*said.last().unwrap(), setup.agent.fallback);
        assert!(!said.iter().any(|line| line == "second"));
        let counts = life(setup.accounting());
        assert_eq!(counts.ended.get(InboundState::Dead.as_str()), Some(&1));
        assert!(counts.open.is_empty(), "{counts:?}");
    }
}

/// The prompt has changed, behind a call that was made.
#[test]
fn a_turn_whose_prompt_has_changed_goes_on_with_the_new_one_and_the_old_keys() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(shop.reserve());
    let reserve = Act::Call(&[("reserve", r#"{"item":"table"}"#)]);
    setup.model.always("\"reserve\"", Act::Say("reserved"));
    setup.model.on("go", [reserve.clone(), reserve]);
    setup.model.on("\"reserve\"", [Act::Hang]);
    life(async {
        let world = setup.start().await;
        world.say("ana", "go").await;
        pass(Duration::from_millis(50)).await;
    });
    setup.agent.prompt = "Be brief.".into();
    life(async {
        let world = setup.start().await;
        world.quiet().await;
        let subject = open_review(&world).await;
        assert_eq!(subject["step"], "call_model/1/model");
        assert_eq!(subject["effects"][0]["step"], "run_tools/1/reserve/0");
        assert_eq!(
            world.model.calls(),
            2,
            "nothing is paid before the decision"
        );
        decide(&world, true).await;
        let asked = world.model.asked();
        let said: Vec<_> = asked[2]
            .messages
            .iter()
            .map(zupa_core::Prompt::text)
            .collect();
        assert_eq!(said, ["Be brief.", "go"]);
        assert_eq!(world.replies("ana").await.last().unwrap(), "reserved");
    });
    let keys = shop.keys_of("reserve");
    assert_eq!((keys.len(), keys[0]), (2, keys[1]));
    assert_eq!(shop.done(), ["reserve table"]);
}
