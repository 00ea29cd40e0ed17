//! Waits that outlast what happens meanwhile: other turns, days, and the process itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use zupa_core::{Desk, Effect, Reminder, ToolContext, ToolOutput, Wait, WaitKind, WaitState};
use zupa_runtime::{AgentTurn, Cx, Move, Node, Question, Stop, to, tool, waits};
use zupa_testkit::FaultyStore;

use crate::support::{
    Act, Fate, FatedStore, Setup, Shop, World, decide, decide_one, life, pass, secs,
};

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Each second of a living process costs the test something.
const TIMER: Duration = Duration::from_secs(120);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

/// Earns a point; buys for what was earned, once an operator agrees; reads the state.
fn with_points(shop: &Shop) -> Setup {
    let shop = shop.clone();
    let earn = |_: Nothing, cx: ToolContext| async move {
        let points = cx.state["points"].as_u64().unwrap_or(0) + 1;
        ToolOutput::of("earned").keeping(&cx, &json!({ "points": points }))
    };
    let buy = move |_: Nothing, cx: ToolContext| {
        shop.note(&format!("bought with {}", cx.state["points"]));
        async move {
            let mut bought = ToolOutput::of("bought");
            bought.state = Some(json!({ "orders": 1 }));
            Ok(bought)
        }
    };
    let read = |_: Nothing, cx: ToolContext| async move { Ok(ToolOutput::of(cx.state)) };
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool(tool("earn", "", Effect::IDEMPOTENT, earn).into_tool())
        .tool(tool("buy", "", Effect::AT_MOST_ONCE.approved(), buy).into_tool())
        .tool(tool("read", "", Effect::PURE, read).into_tool());
    let model = &setup.model;
    model.always("chat", Act::Call(&[("earn", "{}")]));
    model.always("please", Act::Call(&[("buy", "{}")]));
    model.always("look", Act::Call(&[("read", "{}")]));
    model.always("bought", Act::Say("it is yours"));
    model.always("", Act::Say("well"));
    setup
}

#[test]
fn an_approval_of_two_days_later_overwrites_nothing_of_the_ten_turns_between() {
    let shop = Shop::default();
    let setup = with_points(&shop);
    life(async {
        let world = setup.start().await;
        world.say("ana", "please").await;
        world.quiet().await;
        for n in 1..=5 {
            world.say("ana", &format!("chat {n}")).await;
            world.quiet().await;
        }
    });
    setup.goes_by(DAY);
    life(async {
        let world = setup.start().await;
        for n in 6..=10 {
            world.say("ana", &format!("chat {n}")).await;
            world.quiet().await;
        }
    });
    setup.goes_by(DAY - HOUR);
    life(async {
        let world = setup.start().await;
        assert!(shop.done().is_empty());
        decide(&world, true).await;
        assert_eq!(shop.done(), ["bought with 10"], "it sees today's state");
        assert_eq!(world.replies("ana").await.last().unwrap(), "it is yours");
        world.say("ana", "look").await;
        world.quiet().await;
        let asked = world.model.asked().pop().unwrap();
        let read = asked.messages.last().unwrap().text().to_owned();
        assert_eq!(read, r#"{"orders":1,"points":10}"#);
    });
}

/// Waits before the agent does anything.
struct Sleeps;

#[async_trait]
impl Node<AgentTurn> for Sleeps {
    async fn run(&self, _: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        if cx.settled().is_empty() {
            let timer = Question::timer(TIMER);
            return Ok(Move::wait("sleeps", vec![timer], Vec::new()));
        }
        Ok(Move::to("recall"))
    }
}

/// When the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// Nobody has settled it.
    Open,
    /// It is settled, or due, and nobody has gone on.
    Settled,
    /// The turn that goes on is calling its tool.
    GoingOn,
}

fn waiting_for(kind: WaitKind, shop: &Shop) -> Setup {
    let mut setup = Setup::web();
    setup.agent = match kind {
        WaitKind::Reply => setup
            .agent
            .tool_with_confirmation(shop.reserve(), |_| "Shall I?".into()),
        WaitKind::Decision => setup.agent.tool(shop.approved_reserve()),
        WaitKind::Timer => setup.agent.tool(shop.reserve()),
    };
    let call = Act::Call(&[("reserve", r#"{"item":"table"}"#)]);
    setup.model.always("go", call);
    setup.model.always("", Act::Say("reserved"));
    setup
}

async fn start(kind: WaitKind, setup: &Setup) -> World {
    setup
        .start_with(|builder| match kind {
            WaitKind::Timer => builder.edit(|graph| {
                let exits = [to("recall"), waits("sleeps")];
                graph.insert_before("recall", "sleeps", Arc::new(Sleeps), exits)
            }),
            WaitKind::Reply | WaitKind::Decision => builder,
        })
        .await
}

async fn open(world: &World) -> Vec<Wait> {
    world.memory.waits(Some(WaitState::Open), 10).await.unwrap()
}

async fn settle(kind: WaitKind, world: &World) {
    match kind {
        WaitKind::Reply => world.say("ana", "yes").await,
        WaitKind::Decision => {
            let wait = open(world).await.remove(0);
            decide_one(world, &wait, "bea", true).await;
        }
        WaitKind::Timer => pass(TIMER).await,
    }
}

/// Parks, dies at this moment, and lives until there is nothing left to do.
fn restarted(kind: WaitKind, death: Death) {
    let name = format!("{kind:?}, dies {death:?}");
    let shop = Shop::default();
    let setup = waiting_for(kind, &shop);
    let fate = Fate::at(1);
    life(async {
        let world = start(kind, &setup).await;
        world.say("ana", "go").await;
        world.quiet().await;
        let [wait] = &open(&world).await[..] else {
            panic!("{name}: one wait");
        };
        assert_eq!(wait.opened.kind, kind);
        match death {
            Death::Open => {}
            // A timer becomes due while nobody is there.
            Death::Settled if kind == WaitKind::Timer => {}
            Death::Settled => settle(kind, &world).await,
            Death::GoingOn => {
                shop.fated(&fate);
                settle(kind, &world).await;
                fate.died().await;
            }
        }
    });
    shop.fated(&Fate::default());
    if death == Death::Settled && kind == WaitKind::Timer {
        setup.goes_by(HOUR * 3);
    }
    life(async {
        let world = start(kind, &setup).await;
        if death == Death::Open {
            pass(secs(60)).await;
            assert!(shop.done().is_empty(), "{name}");
            settle(kind, &world).await;
        }
        pass(secs(5)).await;
        world.quiet().await;
        assert!(open(&world).await.is_empty(), "{name}");
    });
    let replies = life(setup.replies("ana"));
    let asked = usize::from(kind != WaitKind::Timer);
    assert_eq!(replies.len(), asked + 1, "{name}: {replies:?}");
    assert_eq!(replies[asked], "reserved", "{name}");
    assert_eq!(shop.done(), ["reserve table"], "{name}");
    // Nothing comes of it a second time.
    setup.goes_by(DAY);
    life(async {
        let world = start(kind, &setup).await;
        pass(secs(30)).await;
        assert_eq!(world.replies("ana").await, replies, "{name}");
        assert_eq!(shop.keys_of("reserve").len(), 1, "{name}");
    });
}

#[test]
fn a_restart_in_the_middle_of_any_wait_changes_nothing_of_its_end() {
    for kind in [WaitKind::Reply, WaitKind::Decision, WaitKind::Timer] {
        for death in [Death::Open, Death::Settled, Death::GoingOn] {
            restarted(kind, death);
        }
    }
}

/// Sets reminders out of order, and one that comes each morning.
fn reminding() -> Setup {
    let plan = |_: Nothing, cx: ToolContext| async move {
        let mut set = ToolOutput::of("planned");
        set.remind.push(Reminder::once(cx.at.plus(HOUR * 2), "eat"));
        set.remind.push(Reminder::once(cx.at.plus(HOUR), "cook"));
        set.remind.push(Reminder {
            every: Some("0 9 * * *".into()),
            ..Reminder::once(cx.at.plus(HOUR * 9), "water")
        });
        Ok(set)
    };
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool(tool("plan", "", Effect::IDEMPOTENT, plan).into_tool());
    let model = &setup.model;
    model.always("go", Act::Call(&[("plan", "{}")]));
    model.always("planned", Act::Say("I will"));
    for (due, said) in [
        (": cook]", "cook now"),
        (": eat]", "eat now"),
        (": water]", "water now"),
    ] {
        model.always(due, Act::Say(said));
    }
    setup
}

/// Whatever point the process dies at again that finds them due.
#[test]
fn timers_that_were_due_while_nobody_was_there_fire_once_and_in_order() {
    let mut halfway = 0;
    for point in 1.. {
        let setup = reminding();
        life(async {
            let world = setup.start().await;
            world.say("ana", "go").await;
            world.quiet().await;
            assert_eq!(open(&world).await.len(), 3);
        });
        setup.goes_by(DAY * 3);
        let fate = Fate::at(point);
        life(async {
            let world = async {
                let world = fated(&setup, &fate).await;
                pass(secs(30)).await;
                world
            };
            tokio::select! {
                biased;
                () = fate.died() => {}
                _world = world => {}
            }
        });
        setup.model.fated(&Fate::default());
        let at = fate.died_at();
        halfway += usize::from((2..4).contains(&life(setup.replies("ana")).len()));
        life(async {
            let world = setup.start().await;
            pass(secs(30)).await;
            world.quiet().await;
            let once = ["I will", "cook now", "eat now", "water now"];
            assert_eq!(world.replies("ana").await, once, "died at {at:?}");
            assert_eq!(open(&world).await.len(), 1, "of three mornings one is left");
        });
        setup.goes_by(DAY);
        life(async {
            let world = setup.start().await;
            pass(secs(30)).await;
            let replies = world.replies("ana").await;
            assert_eq!(replies.len(), 5, "died at {at:?}: {replies:?}");
            assert_eq!(replies[4], "water now");
        });
        if at.is_none() {
            println!(
                "{} deaths, {halfway} of them between two reminders",
                point - 1
            );
            break;
        }
    }
    assert!(halfway > 5, "only {halfway} deaths between two reminders");
}

/// A process that dies with this fate.
async fn fated(setup: &Setup, fate: &Fate) -> World {
    setup.model.fated(fate);
    let store = FatedStore {
        inner: Arc::new(setup.memory.clone()),
        fate: fate.clone(),
    };
    setup.start_over(FaultyStore::new(Arc::new(store))).await
}
