//! Graphs of one's own that call tools and make effects of their own: what is recorded,
//! what is refused, and every crash.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zupa_core::{Desk, Effect, ErrorKind, Outbound, Outcome, ToolCall, ToolContext, WaitState};
use zupa_runtime::{
    Called, Cx, Ending, Graph, GraphBuilder, Move, Node, State, Stop, Tools, ends, to, waits,
};
use zupa_testkit::FaultyStore;

use crate::support::{
    Fate, FatedStore, Setup, Shop, World, decide, decide_one, error, inbound, life, pass, secs,
};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Meal {
    told: Vec<String>,
    #[serde(skip)]
    kept: u32,
}

impl State for Meal {
    type Update = Vec<String>;
    type Kept = u32;

    fn apply(&mut self, update: Vec<String>) {
        self.told.extend(update);
        self.kept += 1;
    }

    fn kept(&self) -> &u32 {
        &self.kept
    }

    fn attach(&mut self, kept: u32) {
        self.kept = kept;
    }
}

/// Looks up and reserves, side by side.
struct Prepare(Tools);

#[async_trait]
impl Node<Meal> for Prepare {
    async fn run(&self, _: &Meal, cx: &mut Cx) -> Result<Move<Meal>, Stop> {
        let what = cx.inbounds()[0].content.as_prompt_text();
        let called = cx
            .call_tools(&self.0, &[wish("price", &what), wish("reserve", "table")])
            .await?;
        let told = called.iter().map(Called::for_model).collect();
        Ok(Move::to("order").with(told))
    }
}

fn wish(name: &str, item: &str) -> ToolCall {
    ToolCall {
        id: String::new(),
        name: name.into(),
        arguments: json!({ "item": item }).to_string(),
    }
}

/// Orders, by an effect of its own: nobody deduplicates.
struct Order(Shop);

#[async_trait]
impl Node<Meal> for Order {
    async fn run(&self, _: &Meal, cx: &mut Cx) -> Result<Move<Meal>, Stop> {
        let item = json!({ "item": cx.inbounds()[0].content.as_prompt_text() });
        let (order, input) = (self.0.order(), item.clone());
        let ordering = move |cx: ToolContext| {
            let (order, item) = (order.clone(), item.clone());
            async move { order.call(item, cx).await }
        };
        let called = cx
            .perform("buy", Effect::AT_MOST_ONCE, &input, ordering)
            .await?;
        Ok(Move::to("serve").with(vec![called.for_model()]))
    }
}

async fn serve(meal: &Meal, _: &mut Cx) -> Result<Move<Meal>, Stop> {
    let said = meal.told.join(" ");
    Ok(Move::end(Ending::Answer(vec![Outbound::reply(said)])))
}

fn tools(shop: &Shop) -> Tools {
    Tools::of([shop.price(), shop.reserve()]).unwrap()
}

fn restaurant(shop: &Shop, order: &str) -> GraphBuilder<Meal> {
    let prepare = Arc::new(Prepare(tools(shop)));
    Graph::builder("restaurant")
        .add("prepare", prepare, [to("order")])
        .add(order, Arc::new(Order(shop.clone())), [to("serve")])
        .node("serve", serve, [ends()])
}

async fn start(setup: &Setup, shop: &Shop) -> World {
    let graph = restaurant(shop, "order").build().unwrap();
    setup.start_with(|builder| builder.graph(graph)).await
}

const WHOLE: &str = r#"{"price":"soup"} {"reserve":"table"} {"order":"soup"}"#;

#[tokio::test(start_paused = true)]
async fn calls_and_effects_are_recorded_in_order_and_audited() {
    let (setup, shop) = (Setup::web(), Shop::default());
    let world = start(&setup, &shop).await;
    world.say("ana", "soup").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, [WHOLE]);
    assert_eq!(shop.done(), ["reserve table", "order soup"]);
    let view = world.view("soup").await;
    let mut steps: Vec<_> = view
        .steps
        .iter()
        .map(|step| format!("{} {}", step.key, step.class.as_str()))
        .collect();
    steps.sort();
    assert_eq!(
        steps,
        [
            "order/1/buy at_most_once",
            "prepare/1/price/0 pure",
            "prepare/1/reserve/1 idempotent"
        ]
    );
    let audit: Vec<_> = view
        .audit
        .iter()
        .map(|entry| format!("{} {}", entry.action, entry.reason))
        .collect();
    assert_eq!(
        audit,
        [
            "tool.called price: pure, done",
            "tool.called reserve: idempotent, done",
            "effect.performed buy: at_most_once, done",
            "turn.answered "
        ]
    );
}

/// What a node was told when it called this.
async fn told(shop: &Shop, calls: &[ToolCall]) -> Vec<String> {
    let node = Calls {
        tools: tools(shop),
        calls: calls.to_vec(),
    };
    let graph = Graph::builder("calls")
        .add("calls", Arc::new(node), [to("serve")])
        .node("serve", serve, [ends()]);
    let setup = Setup::web();
    let world = setup
        .start_with(|builder| builder.graph(graph.build().unwrap()))
        .await;
    world.say("ana", "go").await;
    world.quiet().await;
    world.replies("ana").await
}

struct Calls {
    tools: Tools,
    calls: Vec<ToolCall>,
}

#[async_trait]
impl Node<Meal> for Calls {
    async fn run(&self, _: &Meal, cx: &mut Cx) -> Result<Move<Meal>, Stop> {
        let called = cx.call_tools(&self.tools, &self.calls).await?;
        let told = called.iter().map(Called::for_model).collect();
        Ok(Move::to("serve").with(told))
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_called_is_an_answer_and_the_rest_is_called() {
    let shop = Shop::default();
    let mut wrong = wish("price", "soup");
    wrong.arguments = "{}".into();
    let calls = [wish("nothing", "x"), wrong, wish("reserve", "table")];
    let told = told(&shop, &calls).await.pop().unwrap();
    for word in [
        "unknown_tool",
        "invalid_arguments",
        r#"{"reserve":"table"}"#,
    ] {
        assert!(told.contains(word), "no {word} in {told}");
    }
    assert_eq!(shop.done(), ["reserve table"]);
}

#[tokio::test(start_paused = true)]
async fn equal_calls_have_keys_of_their_own() {
    let shop = Shop::default();
    told(&shop, &[wish("reserve", "table"), wish("reserve", "table")]).await;
    let keys = shop.keys_of("reserve");
    assert_ne!(keys[0], keys[1]);
    assert_eq!(shop.done().len(), 2);
}

/// Asks an operator before it orders; tries twice for one approval.
struct Approved(Tools);

#[async_trait]
impl Node<Meal> for Approved {
    async fn run(&self, _: &Meal, cx: &mut Cx) -> Result<Move<Meal>, Stop> {
        let soup = json!({ "item": "soup" });
        if cx.settled().is_empty() {
            let early = cx.call_tool(&self.0, "order", soup.clone()).await?;
            let question = self.0.approval("order", &soup)?;
            let asked = vec![Outbound::reply("asking")];
            return Ok(Move::wait("order", vec![question], asked).with(vec![early.for_model()]));
        }
        let mut told = Vec::new();
        for item in [json!({ "item": "bread" }), soup.clone(), soup] {
            told.push(cx.call_tool(&self.0, "order", item).await?.for_model());
        }
        Ok(Move::to("serve").with(told))
    }
}

fn approved(shop: &Shop) -> Graph<Meal> {
    let tools = Tools::of([shop.approved_order()]).unwrap();
    Graph::builder("approved")
        .add(
            "order",
            Arc::new(Approved(tools)),
            [to("serve"), waits("order")],
        )
        .node("serve", serve, [ends()])
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_needs_an_approval_is_called_once_for_each_and_for_nothing_else() {
    for (yes, orders) in [(true, 1), (false, 0)] {
        let shop = Shop::default();
        let graph = approved(&shop);
        let world = Setup::web()
            .start_with(|builder| builder.graph(graph))
            .await;
        world.say("ana", "go").await;
        world.quiet().await;
        assert!(shop.done().is_empty());
        decide(&world, yes).await;
        assert_eq!(shop.done().len(), orders);
        let told = world.replies("ana").await.pop().unwrap();
        let refused = told.matches("rejected").count();
        assert_eq!(refused, 4 - orders, "{told}");
    }
}

/// Asks an operator about soup.
struct Asks {
    tools: Tools,
    /// The node that goes on.
    then: &'static str,
}

#[async_trait]
impl Node<Meal> for Asks {
    async fn run(&self, _: &Meal, _: &mut Cx) -> Result<Move<Meal>, Stop> {
        let question = self.tools.approval("order", &json!({ "item": "soup" }))?;
        Ok(Move::wait(self.then, vec![question], Vec::new()))
    }
}

/// Orders soup.
struct Orders(Tools);

#[async_trait]
impl Node<Meal> for Orders {
    async fn run(&self, _: &Meal, cx: &mut Cx) -> Result<Move<Meal>, Stop> {
        let soup = json!({ "item": "soup" });
        let ordered = cx.call_tool(&self.0, "order", soup).await?;
        Ok(Move::to("post").with(vec![ordered.for_model()]))
    }
}

/// Orders soup, and posts a letter of which nobody knows whether it arrived.
struct Posts(Tools);

#[async_trait]
impl Node<Meal> for Posts {
    async fn run(&self, _: &Meal, cx: &mut Cx) -> Result<Move<Meal>, Stop> {
        let soup = json!({ "item": "soup" });
        let ordered = cx.call_tool(&self.0, "order", soup).await?;
        let lost = |_: ToolContext| async {
            Err(error(ErrorKind::Timeout).with_outcome(Outcome::Unknown))
        };
        let posted = cx.perform("letter", Effect::AT_MOST_ONCE, &(), lost);
        let posted = posted.await?;
        Ok(Move::to("serve").with(vec![ordered.for_model(), posted.for_model()]))
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_one_node_used_is_used_for_another_that_was_reviewed() {
    let shop = Shop::default();
    let tools = || Tools::of([shop.approved_order()]).unwrap();
    let asks = Asks {
        tools: tools(),
        then: "order",
    };
    let graph = Graph::builder("post office")
        .add("ask", Arc::new(asks), [waits("order")])
        .add("order", Arc::new(Orders(tools())), [to("post")])
        .add("post", Arc::new(Posts(tools())), [to("serve")])
        .node("serve", serve, [ends()])
        .build()
        .unwrap();
    let world = Setup::web()
        .start_with(|builder| builder.graph(graph))
        .await;
    world.say("ana", "go").await;
    world.quiet().await;
    decide(&world, true).await;
    assert_eq!(shop.done(), ["order soup"]);
    // The review of the letter.
    decide(&world, true).await;
    assert_eq!(shop.done(), ["order soup"], "one approval, one order");
    let told = world.replies("ana").await.pop().unwrap();
    assert_eq!(told.matches("nobody has agreed").count(), 1, "{told}");
}

#[test]
fn a_renamed_node_has_the_approval_that_it_used_before_its_review() {
    let (setup, shop) = (Setup::web(), Shop::default());
    let start = async |post: &'static str| {
        let tools = || Tools::of([shop.approved_order()]).unwrap();
        let asks = Asks {
            tools: tools(),
            then: post,
        };
        let mut graph = Graph::builder("post office")
            .add("ask", Arc::new(asks), [waits(post)])
            .add(post, Arc::new(Posts(tools())), [to("serve")])
            .node("serve", serve, [ends()]);
        if post != "post" {
            graph = graph.renamed("post", post);
        }
        let graph = graph.build().unwrap();
        setup.start_with(|builder| builder.graph(graph)).await
    };
    life(async {
        let mut world = start("post").await;
        world.say("ana", "go").await;
        world.quiet().await;
        decide(&world, true).await;
        world.shutdown(secs(1)).await.unwrap();
    });
    life(async {
        let world = start("posting").await;
        decide(&world, true).await;
        let told = world.replies("ana").await.pop().unwrap();
        assert!(told.contains(r#"{"order":"soup"}"#), "{told}");
    });
    assert_eq!(shop.done(), ["order soup"]);
}

#[test]
fn a_review_in_a_renamed_node_is_about_the_same_call() {
    let (setup, shop) = (Setup::web(), Shop::default());
    shop.lose_answer("order");
    life(async {
        let mut world = start(&setup, &shop).await;
        world.say("ana", "soup").await;
        world.quiet().await;
        world.shutdown(secs(1)).await.unwrap();
    });
    life(async {
        let graph = Graph::builder("restaurant")
            .add("prepare", Arc::new(Prepare(tools(&shop))), [to("buying")])
            .add("buying", Arc::new(Order(shop.clone())), [to("serve")])
            .node("serve", serve, [ends()])
            .renamed("order", "buying");
        let graph = graph.build().unwrap();
        let world = setup.start_with(|builder| builder.graph(graph)).await;
        decide(&world, true).await;
        let said = world.replies("ana").await.pop().unwrap();
        assert!(said.contains(r#""done":true"#), "{said}");
    });
    assert_eq!(shop.done(), ["reserve table", "order soup"]);
}

/// One life of the restaurant, until there is nothing left to do. The operator says what
/// is true of what nobody knows.
async fn live(setup: &Setup, shop: &Shop, fate: &Fate) {
    shop.fated(fate);
    let store = FatedStore {
        inner: Arc::new(setup.memory.clone()),
        fate: fate.clone(),
    };
    let graph = restaurant(shop, "order").build().unwrap();
    let store = Arc::new(FaultyStore::new(Arc::new(store)));
    let mut world = setup
        .start_over_with(store, |builder| builder.graph(graph))
        .await;
    let _ = world.deliver(inbound("ana", "m1", "soup")).await;
    loop {
        pass(secs(2)).await;
        let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
        for wait in &open {
            let happened = shop.done().iter().any(|line| line == "order soup");
            decide_one(&world, wait, "bea", happened).await;
        }
        if open.is_empty() && world.is_quiet().await {
            break;
        }
    }
    world.shutdown(secs(5)).await.unwrap();
}

/// Dies at these points, one after the other, and lives on. Answers where, and what is
/// wrong.
fn dies_at(deaths: &[u64]) -> (Vec<Option<String>>, Option<String>) {
    let (setup, shop) = (Setup::web(), Shop::default());
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
    }
    life(live(&setup, &shop, &Fate::default()));
    let (done, said) = (shop.done(), life(setup.replies("ana")));
    let of = |what: &str| done.iter().filter(|line| *line == what).count();
    let last = said.last().cloned().unwrap_or_default();
    let orders = match &last {
        last if *last == WHOLE || last.contains(r#""done":true"#) => 1,
        last if last.contains("not_done") => 0,
        _ => usize::MAX,
    };
    let answers = said.iter().filter(|line| line.contains("reserve")).count();
    let right = of("reserve table") == 1 && of("order soup") == orders && answers == 1;
    let wrong = (!right).then(|| format!("{died:?}: {done:?}, {said:?}"));
    (died, wrong)
}

#[test]
fn a_crash_at_any_point_changes_nothing_of_what_a_graph_does() {
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    for point in 1.. {
        let (died, broken) = dies_at(&[point]);
        let Some(at) = died[0].clone() else {
            break;
        };
        seen.push(at);
        wrong.extend(broken);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for at in [
        "before reserve",
        "after reserve",
        "before order",
        "after order",
    ] {
        assert!(seen.iter().any(|seen| seen == at), "no death {at}");
    }
    println!("{} points", seen.len());
}

#[test]
fn two_crashes_change_nothing_of_what_a_graph_does() {
    let mut wrong = Vec::new();
    let mut pairs = 0;
    'first: for first in 1.. {
        for second in 1.. {
            let (died, broken) = dies_at(&[first, second]);
            if died[0].is_none() {
                break 'first;
            }
            if died[1].is_none() {
                break;
            }
            pairs += 1;
            wrong.extend(broken);
        }
    }
    println!("{pairs} pairs");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(pairs > 300, "only {pairs} pairs");
}
