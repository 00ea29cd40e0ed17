//! What an approval is good for: the call that it was given for, where that was made, and
//! as long as its turn is not given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zupa_core::{Desk, ErrorKind, Outbound, TurnState, Wait, WaitState};
use zupa_runtime::{Called, Cx, Ending, Graph, Move, Node, State, Stop, Tools, ends, waits};

use crate::support::{Act, Setup, Shop, World, decide, decide_one, error, kept, life, pass, secs};

async fn open(world: &World) -> Vec<Wait> {
    world.memory.waits(Some(WaitState::Open), 10).await.unwrap()
}

/// What an operator is asked about.
fn item(wait: &Wait) -> String {
    let subject: Value = serde_json::from_str(&wait.opened.subject).unwrap();
    subject["arguments"]["item"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Two orders wait for an operator, of two turns.
async fn two_orders(shop: &Shop) -> World {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(shop.approved_order());
    let world = setup.start().await;
    let soup = Act::Call(&[("order", r#"{"item":"soup"}"#)]);
    let bread = Act::Call(&[("order", r#"{"item":"bread"}"#)]);
    world.model.always("soup please", soup);
    world.model.always("bread please", bread);
    world.model.on("waiting", vec![Act::Say("patience"); 9]);
    world.say("ana", "soup please").await;
    world.quiet().await;
    world.say("ana", "bread please").await;
    world.quiet().await;
    assert_eq!(open(&world).await.len(), 2);
    world
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_given_up_forgets_nothing_that_others_asked() {
    let shop = Shop::default();
    let world = two_orders(&shop).await;
    let refused = error(ErrorKind::ContentFilter);
    world.model.on("bad", [Act::Fail(refused)]);
    world.say("ana", "bad").await;
    world.quiet().await;
    let turn = world.view("bad").await.turn.unwrap();
    assert_eq!(turn.state, TurnState::Dead);
    assert_eq!(kept(&world, "ana").await.waiting.len(), 2);
    world.say("ana", "soup please, now").await;
    world.quiet().await;
    assert_eq!(open(&world).await.len(), 2, "nobody is asked again");
    assert_eq!(world.replies("ana").await.last().unwrap(), "patience");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_given_up_forgets_what_it_has_asked_itself() {
    let shop = Shop::default();
    let world = two_orders(&shop).await;
    let refused = error(ErrorKind::ContentFilter);
    world.model.on("{\"order\"", [Act::Fail(refused)]);
    let waits = open(&world).await;
    let soup = waits.iter().find(|wait| item(wait) == "soup").unwrap();
    decide_one(&world, soup, "bea", true).await;
    pass(secs(3)).await;
    world.quiet().await;
    assert_eq!(shop.done(), ["order soup"], "and then it died");
    assert_eq!(kept(&world, "ana").await.waiting.len(), 1, "the bread");
    world.say("ana", "soup please, again").await;
    world.quiet().await;
    let mut asked: Vec<_> = open(&world).await.iter().map(item).collect();
    asked.sort();
    assert_eq!(asked, ["bread", "soup"]);
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Plain;

impl State for Plain {
    type Update = ();
    type Kept = ();

    fn apply(&mut self, (): ()) {}

    fn kept(&self) -> &() {
        &()
    }

    fn attach(&mut self, (): ()) {}
}

/// Orders soup once it is approved; each time in another place.
struct Wanders {
    tools: Tools,
    again: Arc<AtomicBool>,
    /// Never ends the first time.
    hangs: bool,
}

#[async_trait]
impl Node<Plain> for Wanders {
    async fn run(&self, _: &Plain, cx: &mut Cx) -> Result<Move<Plain>, Stop> {
        let soup = json!({ "item": "soup" });
        if cx.settled().is_empty() {
            let question = self.tools.approval("order", &soup)?;
            return Ok(Move::wait("order", vec![question], Vec::new()));
        }
        let again = self.again.swap(true, Ordering::Relaxed);
        let place = [json!({ "item": "bread" }), soup];
        let mut told = Vec::new();
        // The second time it looks something else up first.
        for item in place.into_iter().skip(usize::from(!again)) {
            let name = if item["item"] == "soup" {
                "order"
            } else {
                "price"
            };
            let called = self.call(name, item, cx).await?;
            told.push(called.for_model());
        }
        if self.hangs && !again {
            std::future::pending::<()>().await;
        }
        Ok(Move::end(Ending::Answer(vec![Outbound::reply(
            told.join(" "),
        )])))
    }
}

impl Wanders {
    async fn call(&self, name: &str, item: Value, cx: &mut Cx) -> Result<Called, Stop> {
        cx.call_tool(&self.tools, name, item).await
    }
}

#[test]
fn an_approval_that_was_used_before_a_crash_is_good_for_no_other_place_behind_it() {
    let (setup, shop) = (Setup::web(), Shop::default());
    let again = Arc::new(AtomicBool::default());
    let start = async || {
        let wanders = Wanders {
            tools: Tools::of([shop.approved_order(), shop.price()]).unwrap(),
            again: again.clone(),
            hangs: true,
        };
        let exits = [ends(), waits("order")];
        let graph = Graph::builder("wanders").add("order", Arc::new(wanders), exits);
        let graph = graph.build().unwrap();
        setup.start_with(|builder| builder.graph(graph)).await
    };
    life(async {
        let world = start().await;
        world.say("ana", "go").await;
        world.quiet().await;
        let waits = open(&world).await;
        decide_one(&world, &waits[0], "bea", true).await;
        pass(secs(3)).await;
        assert_eq!(shop.done(), ["order soup"]);
    });
    life(async {
        let world = start().await;
        world.quiet().await;
        assert_eq!(shop.done(), ["order soup"], "one approval, one order");
        let waits = open(&world).await;
        assert!(waits[0].opened.subject.contains("divergence"), "{waits:?}");
        // Whoever says that it may go on has not approved a second order.
        decide(&world, true).await;
        assert_eq!(shop.done(), ["order soup"]);
        let told = world.replies("ana").await.pop().unwrap();
        assert_eq!(told.matches("nobody has agreed").count(), 1, "{told}");
    });
}

/// Asks twice about one call, and makes it twice.
struct Twice {
    tools: Tools,
    again: Arc<AtomicBool>,
}

#[async_trait]
impl Node<Plain> for Twice {
    async fn run(&self, _: &Plain, cx: &mut Cx) -> Result<Move<Plain>, Stop> {
        let soup = json!({ "item": "soup" });
        if cx.settled().is_empty() {
            let ask = || self.tools.approval("order", &soup);
            return Ok(Move::wait("order", vec![ask()?, ask()?], Vec::new()));
        }
        let mut told = Vec::new();
        for _ in 0..2 {
            let called = cx.call_tool(&self.tools, "order", soup.clone()).await?;
            told.push(called.for_model());
        }
        if !self.again.swap(true, Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        Ok(Move::end(Ending::Answer(vec![Outbound::reply(
            told.join(" "),
        )])))
    }
}

#[test]
fn each_place_has_the_answer_after_a_crash_that_it_had_before() {
    let (setup, shop) = (Setup::web(), Shop::default());
    let again = Arc::new(AtomicBool::default());
    let start = async || {
        let twice = Twice {
            tools: Tools::of([shop.approved_order()]).unwrap(),
            again: again.clone(),
        };
        let exits = [ends(), waits("order")];
        let graph = Graph::builder("twice").add("order", Arc::new(twice), exits);
        let graph = graph.build().unwrap();
        setup.start_with(|builder| builder.graph(graph)).await
    };
    life(async {
        let world = start().await;
        world.say("ana", "go").await;
        world.quiet().await;
        // The first is refused, so that only the second leaves a step.
        for (wait, approved) in open(&world).await.iter().zip([false, true]) {
            decide_one(&world, wait, "bea", approved).await;
        }
        pass(secs(3)).await;
        assert_eq!(shop.done(), ["order soup"]);
    });
    life(async {
        let world = start().await;
        world.quiet().await;
        let told = world.replies("ana").await.pop().unwrap();
        assert!(told.starts_with(r#"{"error":"rejected""#), "{told}");
        assert!(told.ends_with(r#"{"order":"soup"}"#), "{told}");
        assert_eq!(shop.done(), ["order soup"]);
    });
}

/// Looks something up and makes an approved call, which is all that is recorded when it
/// dies; and then sees something else.
struct Looks {
    tools: Tools,
    call: &'static str,
    again: Arc<AtomicBool>,
    /// Makes the call in another place the next time.
    moves: bool,
}

#[async_trait]
impl Node<Plain> for Looks {
    async fn run(&self, _: &Plain, cx: &mut Cx) -> Result<Move<Plain>, Stop> {
        let soup = json!({ "item": "soup" });
        if cx.settled().is_empty() {
            let question = self.tools.approval(self.call, &soup)?;
            return Ok(Move::wait("order", vec![question], Vec::new()));
        }
        let again = self.again.swap(true, Ordering::Relaxed);
        cx.effect("look", &again, async || Ok(())).await?;
        if again && self.moves {
            cx.call_tool(&self.tools, "price", soup.clone()).await?;
        }
        let called = cx.call_tool(&self.tools, self.call, soup).await?;
        if !again {
            std::future::pending::<()>().await;
        }
        let said = vec![Outbound::reply(called.for_model())];
        Ok(Move::end(Ending::Answer(said)))
    }
}

/// Makes a call, dies, sees something else, and is approved to go on: answers what is said.
fn sees_something_else(shop: &Shop, call: &'static str, moves: bool) -> String {
    let setup = Setup::web();
    let again = Arc::new(AtomicBool::default());
    let start = async || {
        let tools = [shop.approved_order(), shop.approved_reserve(), shop.price()];
        let looks = Looks {
            tools: Tools::of(tools).unwrap(),
            call,
            again: again.clone(),
            moves,
        };
        let exits = [ends(), waits("order")];
        let graph = Graph::builder("looks").add("order", Arc::new(looks), exits);
        let graph = graph.build().unwrap();
        setup.start_with(|builder| builder.graph(graph)).await
    };
    life(async {
        let world = start().await;
        world.say("ana", "go").await;
        world.quiet().await;
        let waits = open(&world).await;
        decide_one(&world, &waits[0], "bea", true).await;
        pass(secs(3)).await;
        assert_eq!(shop.done(), [format!("{call} soup")]);
    });
    life(async {
        let world = start().await;
        world.quiet().await;
        let waits = open(&world).await;
        assert!(waits[0].opened.subject.contains("divergence"), "{waits:?}");
        decide(&world, true).await;
        world.replies("ana").await.pop().unwrap()
    })
}

#[test]
fn an_approval_of_a_call_that_a_review_drops_is_good_for_no_second_one() {
    for moves in [false, true] {
        let shop = Shop::default();
        let told = sees_something_else(&shop, "order", moves);
        assert_eq!(shop.done(), ["order soup"], "one approval, one order");
        assert!(told.contains("nobody has agreed"), "{told}");
    }
}

#[test]
fn an_approval_of_a_call_that_a_review_drops_is_good_for_its_key() {
    let shop = Shop::default();
    let told = sees_something_else(&shop, "reserve", false);
    assert_eq!(told, r#"{"reserve":"soup"}"#);
    assert_eq!(shop.done(), ["reserve soup"]);
    let keys = shop.keys_of("reserve");
    assert_eq!((keys.len(), keys[0]), (2, keys[1]));
}
