//! What the path tells the bus, and that it goes its way whoever listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::time::Instant;
use zupa_core::bus::{Draft, Event, EventFeed, Name, names};
use zupa_core::{
    Content, Deduplicates, Effect, ErrorKind, EventBus, InboundState, Result, Retry, ToolContext,
    ToolOutput, TurnId,
};
use zupa_runtime::resilience::{BreakerRules, Jitter, Policies};
use zupa_runtime::{
    AgentTurn, BeforeReply, ContextProvider, Modality, OnReply, ReplyVerdict, tool,
};
use zupa_testkit::{Answer, Mouth, Throat};

use crate::support::{Act, Setup, Shop, World, door, error, inbound, pass, secs, voice};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Nothing {}

/// A process, and what it tells from its first breath.
async fn heard(setup: &Setup) -> (World, EventFeed) {
    let bus = EventBus::default();
    let feed = bus.feed("*").unwrap();
    (setup.start_with(|builder| builder.bus(bus)).await, feed)
}

/// Everything that was told until the process had ended in good order.
async fn told(mut world: World, mut feed: EventFeed) -> Vec<Arc<Event>> {
    world.quiet().await;
    world.shutdown(secs(10)).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = feed.next().await {
        events.push(event);
    }
    assert!(events.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
    events
}

/// Their names, without those that come by the clock.
fn by_name(events: &[Arc<Event>]) -> Vec<String> {
    let clocked = [
        names::STORE_BATCH,
        names::QUEUE_MEASURED,
        names::QUEUE_WAITING,
    ];
    let events = events.iter().filter(|event| !clocked.contains(&event.name));
    events.map(|event| event.name.to_string()).collect()
}

fn the_one(events: &[Arc<Event>], name: zupa_core::bus::Name) -> Arc<Event> {
    let mut found = events.iter().filter(|event| event.name == name);
    let one = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "more than one {name}");
    one.clone()
}

#[tokio::test(start_paused = true)]
async fn one_message_is_told_from_its_acceptance_to_its_sending() {
    let setup = Setup::phone(Deduplicates::Never);
    let (world, feed) = heard(&setup).await;
    world.say("ana", "hello").await;
    world.quiet().await;
    let again = inbound("ana", "hello", "hello");
    world.deliver(again).await.unwrap();
    let view = world.view("hello").await;
    let turn = view.turn.unwrap().id;
    let events = told(world, feed).await;
    let nodes = [
        "admit",
        "session_attach",
        "command_gate",
        "resolve_content",
        "recall",
        "build_prompt",
        "call_model",
        "finalize",
        "persist",
    ];
    let mut wanted = vec!["runtime:recovered", "inbound:accepted", "turn:claimed"];
    for node in nodes {
        if node == "call_model" {
            wanted.extend(["model:asked", "model:called"]);
        }
        wanted.push("engine:node_transition");
    }
    wanted.extend(["turn:committed", "delivery:sent", "inbound:duplicate"]);
    assert_eq!(by_name(&events), wanted);
    let visited = events.iter().filter_map(|e| e.payload.label("node"));
    let visited: Vec<_> = visited.map(|node| node.as_str().to_owned()).collect();
    assert_eq!(visited, nodes);
    for name in [
        names::TURN_CLAIMED,
        names::TURN_COMMITTED,
        names::MODEL_CALLED,
    ] {
        let event = the_one(&events, name);
        assert_eq!(event.ids.turn, Some(turn), "{name}");
        assert_eq!(event.ids.conversation, Some(view.conversation), "{name}");
        assert_eq!(event.ids.inbound, Some(view.inbounds[0].event), "{name}");
    }
    let committed = the_one(&events, names::TURN_COMMITTED);
    assert_eq!(committed.payload.word("outcome"), Some("answered"));
    assert_eq!(the_one(&events, names::DELIVERY_SENT).ids.turn, Some(turn));
    assert!(events.iter().any(|event| event.name == names::STORE_BATCH));
    assert!(
        events
            .iter()
            .any(|event| event.name == names::QUEUE_MEASURED)
    );
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_delivers_is_told_as_sent() {
    let (world, feed) = heard(&Setup::web()).await;
    world.say("ana", "hello").await;
    let events = told(world, feed).await;
    the_one(&events, names::DELIVERY_SENT);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_as_a_retry_or_as_a_death() {
    let (world, feed) = heard(&Setup::web()).await;
    let fails = |kind| error(kind).with_retry(Retry::Now);
    world
        .model
        .on("slow", [Act::Fail(fails(ErrorKind::Unavailable))]);
    world
        .model
        .on("bad", [Act::Fail(error(ErrorKind::Invalid))]);
    world.say("ana", "slow").await;
    world.quiet().await;
    world.say("ana", "bad").await;
    let events = told(world, feed).await;
    let retried = the_one(&events, names::TURN_RETRIED);
    assert_eq!(retried.payload.word("port"), Some("model"));
    assert_eq!(retried.payload.word("class"), Some("unavailable"));
    let dead = the_one(&events, names::TURN_DEAD);
    assert_eq!(dead.payload.word("class"), Some("invalid"));
    assert_eq!(dead.payload.number("inbounds"), Some(1));
    let failed = events.iter().filter(|e| e.name == names::TURN_FAILED);
    assert_eq!(failed.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_is_told_with_its_wait() {
    let mut setup = Setup::web();
    setup.settings.policies = Policies::default();
    setup.settings.policies.model.backoff.jitter = Jitter::Ratio(0.0);
    setup.settings.policies.turn.backoff.jitter = Jitter::Ratio(0.0);
    let stumbles = Arc::new(AtomicBool::new(true));
    let price = move |_: Nothing, _: ToolContext| {
        let stumbles = stumbles.swap(false, Ordering::SeqCst);
        async move {
            match stumbles {
                true => Err(error(ErrorKind::Unavailable).with_retry(Retry::Now)),
                false => Ok(ToolOutput::of(7)),
            }
        }
    };
    let price = tool("price", "Tells the price.", Effect::PURE, price);
    setup.agent = setup.agent.tool(price.into_tool());
    let (world, feed) = heard(&setup).await;
    let down = || Act::Fail(error(ErrorKind::Unavailable).with_retry(Retry::Now));
    let limited = error(ErrorKind::RateLimited).with_retry(Retry::After(secs(90)));
    let look = Act::Call(&[("price", "{}")]);
    world.model.on("hello", [down(), Act::Fail(limited), look]);
    world.say("ana", "hello").await;
    world.quiet().await;
    let events = told(world, feed).await;
    let of = |name| events.iter().filter(move |event| event.name == name);
    let calls: Vec<_> = of(names::CALL_RETRIED)
        .map(|event| {
            let word = |key| event.payload.word(key).unwrap();
            (
                word("port"),
                word("class"),
                event.payload.time("delay").unwrap(),
            )
        })
        .collect();
    assert_eq!(calls[0], ("model", "unavailable", secs(1)));
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert_eq!((calls[1].0, calls[1].1), ("tool", "unavailable"));
    let retried = the_one(&events, names::TURN_RETRIED);
    assert_eq!(retried.payload.time("delay"), Some(secs(90)));
}

#[tokio::test(start_paused = true)]
async fn a_send_that_fails_is_told_each_time() {
    let setup = Setup::phone(Deduplicates::Never);
    let (world, feed) = heard(&setup).await;
    let later = error(ErrorKind::Unavailable).with_retry(Retry::Now);
    let later = later.with_outcome(zupa_core::Outcome::NotApplied);
    world
        .door()
        .answer([Answer::Fail(later), Answer::LostAnswer]);
    world.say("ana", "hello").await;
    let events = told(world, feed).await;
    let sends: Vec<_> = by_name(&events)
        .into_iter()
        .filter(|name| name.starts_with("delivery:"))
        .collect();
    let wanted = ["delivery:retried", "delivery:in_doubt", "delivery:unknown"];
    assert_eq!(sends, wanted);
    let delay = the_one(&events, names::DELIVERY_RETRIED);
    let delay = delay.payload.time("delay").unwrap();
    assert!((secs(1) / 2..=secs(1)).contains(&delay), "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn tools_waits_and_sessions_are_told() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool_with_confirmation(shop.order(), |arguments| format!("{}?", arguments["item"]));
    let (world, feed) = heard(&setup).await;
    let order = Act::Call(&[("order", r#"{"item":"soup"}"#)]);
    world.model.on("please", [order]);
    for said in ["please", "yes", "/reset"] {
        world.say("ana", said).await;
        world.quiet().await;
    }
    assert_eq!(shop.done(), ["order soup"]);
    let events = told(world, feed).await;
    let called = the_one(&events, names::TOOL_CALLED);
    assert_eq!(called.payload.label("tool").unwrap().as_str(), "order");
    assert_eq!(called.payload.word("outcome"), Some("ok"));
    let opened = the_one(&events, names::WAIT_OPENED);
    assert_eq!(opened.payload.word("kind"), Some("reply"));
    let settled = the_one(&events, names::WAIT_SETTLED);
    assert_eq!(settled.payload.word("state"), Some("decided"));
    let ended = the_one(&events, names::SESSION_ENDED);
    assert_eq!(ended.payload.word("reason"), Some("user"));
}

#[tokio::test(start_paused = true)]
async fn speech_is_told_with_how_it_went() {
    let phone = Setup::with(door("door", Deduplicates::ByKey).with_voice());
    let (mut setup, ear) = phone.hearing();
    let mouth = Arc::new(Mouth::default());
    setup.agent = setup.agent.speaks(mouth.clone(), Modality::Mirror);
    let down = || Throat::Fail(error(ErrorKind::Unavailable));
    ear.plan([Throat::Work, down()]);
    mouth.plan([down()]);
    let (world, feed) = heard(&setup).await;
    for text in ["one", "two"] {
        world.deliver(voice(&setup, "ana", text)).await.unwrap();
        world.quiet().await;
    }
    let events = told(world, feed).await;
    let of = |name| {
        let of_name = events.iter().filter(move |event| event.name == name);
        let outcome = |event: &Arc<Event>| {
            assert!(event.payload.time("took").is_some() && event.ids.turn.is_some());
            event.payload.word("outcome").unwrap()
        };
        of_name.map(outcome).collect::<Vec<_>>()
    };
    assert_eq!(of(names::SPEECH_TRANSCRIBED), ["ok", "unavailable"]);
    assert_eq!(of(names::SPEECH_SYNTHESIZED)[0], "unavailable");
}

/// Fails as every hook, the one after the reply by taking too long.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl ContextProvider for Broken {
    async fn context(&self, _: &AgentTurn) -> Result<Option<String>> {
        Err(error(ErrorKind::Unavailable))
    }
}

#[async_trait]
impl BeforeReply for Broken {
    async fn before_reply(&self, _: &str, _: &AgentTurn) -> Result<ReplyVerdict> {
        Err(error(ErrorKind::Invalid))
    }
}

#[async_trait]
impl OnReply for Broken {
    async fn on_reply(&self, _: TurnId, _: &[Content]) -> Result<()> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_that_fail_are_told_and_the_turn_goes_on() {
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .context(Arc::new(Broken))
        .before_reply(Arc::new(Broken))
        .on_reply(Arc::new(Broken));
    let (world, feed) = heard(&setup).await;
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["re: hello"]);
    let turn = world.view("hello").await.turn.unwrap().id;
    pass(world.settings.policies.tool.timeout).await;
    let events = told(world, feed).await;
    let failed = events
        .iter()
        .filter(|event| event.name == names::HOOK_FAILED);
    let failed: Vec<_> = failed
        .map(|event| {
            assert_eq!(event.ids.turn, Some(turn));
            let word = |key| event.payload.word(key).unwrap();
            (word("hook"), word("class"))
        })
        .collect();
    let expected = [
        ("context", "unavailable"),
        ("before_reply", "invalid"),
        ("on_reply", "timeout"),
    ];
    assert_eq!(failed, expected);
}

#[tokio::test(start_paused = true)]
async fn changes_of_a_breaker_are_told() {
    let mut setup = Setup::web();
    setup.settings.policies.model.breaker = Some(BreakerRules {
        minimum_calls: 1,
        probes: 1,
        ..BreakerRules::default()
    });
    let (world, feed) = heard(&setup).await;
    let down = Act::Fail(error(ErrorKind::Unavailable).with_retry(Retry::Now));
    world.model.on("hello", [down]);
    world.say("ana", "hello").await;
    world.quiet().await;
    let events = told(world, feed).await;
    let changes: Vec<_> = events
        .iter()
        .filter(|event| event.name.namespace() == "breaker")
        .map(|event| {
            assert_eq!(event.payload.word("port"), Some("model"));
            let breaker = event.payload.label("breaker").unwrap();
            assert!(breaker.as_str().starts_with("model/"), "{breaker:?}");
            event.name.name()
        })
        .collect();
    assert_eq!(changes, ["opened", "half_open", "closed"]);
}

#[tokio::test(start_paused = true)]
async fn what_people_say_is_in_no_event() {
    let (world, feed) = heard(&Setup::phone(Deduplicates::Never)).await;
    world.say("ana", "a secret of mine").await;
    for event in told(world, feed).await {
        let text = format!("{event:?}");
        assert!(
            !text.contains("secret") && !text.contains("ana\""),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_is_full_and_asleep_holds_nobody_up() {
    let bus = EventBus::new(1);
    // Somebody has the driver and never runs it, and somebody listens and never reads.
    let _driver = bus.driver(Arc::new(zupa_testkit::TokioClock::at(Default::default())));
    let _feed = bus.feed("*").unwrap();
    let told = bus.clone();
    let setup = Setup::phone(Deduplicates::Never);
    let mut world = setup.start_with(|builder| builder.bus(told)).await;
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!(world.visible(), ["re: hello"]);
    let view = world.view("hello").await;
    assert_eq!(view.inbounds[0].state, InboundState::Answered);
    assert!(bus.dropped().len() > 3, "{:?}", bus.dropped());
    world.shutdown(secs(10)).await.unwrap();
}

/// An event that comes alone is handed out at once; whoever emits right behind it wakes
/// nobody, so that one comes when the driver has rested.
#[tokio::test(start_paused = true)]
async fn events_that_follow_another_one_closely_are_handed_out_together() {
    const OURS: Name = Name::new("test", "told");
    let bus = EventBus::default();
    let mut feed = bus.feed("test:told").unwrap();
    let told = bus.clone();
    let setup = Setup::phone(Deduplicates::Never);
    let mut world = setup.start_with(|builder| builder.bus(told)).await;
    world.quiet().await;
    let began = Instant::now();
    bus.emit(Draft::of(OURS));
    feed.next().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    for _ in 0..2 {
        bus.emit(Draft::of(OURS));
    }
    for _ in 0..2 {
        feed.next().await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_millis(1));
    }
    world.shutdown(secs(10)).await.unwrap();
}
