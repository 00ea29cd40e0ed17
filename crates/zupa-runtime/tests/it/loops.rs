//! Two bots that talk to each other, and an agent that wakes itself, stop; people do
//! not.

use std::sync::Arc;
use std::time::Duration;

use zupa_core::desk::{Decided, TurnView};
use zupa_core::{
    Desk, Effect, InboundState, Reminder, Timestamp, ToolContext, ToolOutput, Wait, WaitKind,
    WaitState,
};
use zupa_runtime::tool;

use crate::support::{Act, Setup, World, decide_one, inbound, kept, pass, secs};

/// The open questions to operators.
async fn reviews(world: &World) -> Vec<Wait> {
    world.memory.waits(Some(WaitState::Open), 10).await.unwrap()
}

fn says(world: &World, text: &'static str) {
    world.model.always("", Act::Say(text));
}

/// Says something under an id; what the other end says to it, if anything.
async fn answer(world: &World, id: usize, text: &str) -> Option<String> {
    let before = world.replies("bot").await.len();
    let id = format!("m{id}");
    world.deliver(inbound("bot", &id, text)).await.unwrap();
    world.quiet().await;
    world.replies("bot").await.get(before).cloned()
}

fn silent_in_a_loop(view: &TurnView) -> bool {
    let turn = view.turn.as_ref().unwrap();
    view.inbounds[0].state == InboundState::Silent && turn.reason.as_deref() == Some("loop")
}

/// Lets two bots talk until one is silent; how many messages that took.
async fn talk([one, other]: [&World; 2], from: usize) -> usize {
    let mut text = "Hello?".to_owned();
    for said in from..from + 100 {
        let to = if said % 2 == 0 { one } else { other };
        match answer(to, said, &text).await {
            Some(answered) => text = answered,
            None => return said - from,
        }
    }
    panic!("they talk for ever");
}

#[tokio::test(start_paused = true)]
async fn two_bots_stop_within_ten_turns_with_one_review() {
    let (one, other) = (Setup::web().start().await, Setup::web().start().await);
    says(&one, "How can I help you?");
    says(&other, "You are welcome. Anything else?");
    let said = talk([&one, &other], 0).await;
    assert!(said <= 20, "ten turns of each, not {said} messages");
    let stopped = if said % 2 == 0 { &one } else { &other };
    assert!(silent_in_a_loop(&stopped.view(&format!("m{said}")).await));
    assert!(stopped.model.calls() < 10, "what is stopped costs nothing");
    let open = reviews(stopped).await;
    assert_eq!(open.len(), 1);
    assert!(open[0].opened.subject.contains("takeover"));
    assert!(open[0].opened.subject.contains("loop"));

    // Who goes on all the same is met with silence, and nobody is asked again.
    for more in 0..5 {
        assert_eq!(
            answer(stopped, 200 + more, "How can I help you?").await,
            None
        );
    }
    assert_eq!(reviews(stopped).await.len(), 1);
    assert_eq!(reviews(&one).await.len() + reviews(&other).await.len(), 1);

    // The agent goes on when an operator says so, with ten more turns.
    let decided = decide_one(stopped, &open[0], "bea", false).await;
    assert!(matches!(decided, Decided::Done { .. }), "{decided:?}");
    pass(secs(3)).await;
    stopped.quiet().await;
    assert!(answer(stopped, 300, "How can I help you?").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_person_who_says_ok_again_and_again_is_answered() {
    let world = Setup::web().start().await;
    says(&world, "Good.");
    for id in 0..15 {
        assert_eq!(answer(&world, id, "ok").await.as_deref(), Some("Good."));
        assert!(kept(&world, "bot").await.pace == Default::default());
        pass(secs(60)).await;
    }
    assert!(reviews(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn messages_without_repetition_are_answered_however_fast() {
    let world = Setup::web().start().await;
    says(&world, "Good.");
    for id in 0..30 {
        let text = format!("reading {id}");
        assert_eq!(answer(&world, id, &text).await.as_deref(), Some("Good."));
    }
    assert!(reviews(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_reminds_itself_stops_after_ten_turns_until_somebody_speaks() {
    let mut setup = Setup::web();
    let again = |_: Nothing, cx: ToolContext| async move {
        let mut set = ToolOutput::of("set");
        set.remind
            .push(Reminder::once(cx.at.plus(secs(10)), "go on"));
        Ok(set)
    };
    let again = tool("again", "", Effect::IDEMPOTENT, again).into_tool();
    setup.agent = setup.agent.tool(again);
    let world = setup.start().await;
    world
        .model
        .always("reminder", Act::Call(&[("again", "{}")]));
    world.model.always("start", Act::Call(&[("again", "{}")]));
    world.model.always("set", Act::Say("on it"));
    assert!(answer(&world, 1, "start").await.is_some());
    pass(Duration::from_secs(20 * 60)).await;
    world.quiet().await;
    assert_eq!(world.replies("bot").await.len(), 1 + 10);
    let open = reviews(&world).await;
    assert_eq!(open.len(), 1, "no reminder is set any more");
    assert!(open[0].opened.subject.contains("loop"));

    assert!(answer(&world, 2, "start").await.is_some());
    pass(secs(15)).await;
    world.quiet().await;
    assert_eq!(world.replies("bot").await.len(), 13, "it may again");
}

/// A tool that sets these reminders.
fn reminds(reminders: impl Fn(Timestamp) -> Vec<Reminder> + Send + Sync + 'static) -> Setup {
    let mut setup = Setup::web();
    let reminders = Arc::new(reminders);
    let plan = move |_: Nothing, cx: ToolContext| {
        let reminders = reminders.clone();
        async move {
            let mut set = ToolOutput::of("set");
            set.remind = reminders(cx.at);
            Ok(set)
        }
    };
    let plan = tool("plan", "", Effect::IDEMPOTENT, plan).into_tool();
    setup.agent = setup.agent.tool(plan);
    setup
}

#[tokio::test(start_paused = true)]
async fn every_reminder_that_somebody_asked_for_comes_however_many_there_are() {
    let setup = reminds(|at| {
        let each = |place: u32| Reminder::once(at.plus(secs(60) * place), "drink");
        (1..=30).map(each).collect()
    });
    let world = setup.start().await;
    world.model.always("start", Act::Call(&[("plan", "{}")]));
    world.model.always("set", Act::Say("on it"));
    world.model.always("reminder", Act::Say("Drink."));
    assert!(answer(&world, 1, "start").await.is_some());
    pass(secs(40 * 60)).await;
    world.quiet().await;
    assert_eq!(world.replies("bot").await.len(), 1 + 30);
    assert!(reviews(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_comes_by_a_pattern_comes_for_as_long_as_nobody_speaks() {
    let setup = reminds(|at| {
        let mut reminder = Reminder::once(at.plus(secs(10 * 60)), "drink");
        reminder.every = Some("*/10 * * * *".to_owned());
        vec![reminder]
    });
    let world = setup.start().await;
    world.model.always("start", Act::Call(&[("plan", "{}")]));
    world.model.always("set", Act::Say("on it"));
    world.model.always("reminder", Act::Say("Drink."));
    assert!(answer(&world, 1, "start").await.is_some());
    pass(secs(4 * 60 * 60)).await;
    world.quiet().await;
    let heard = world.replies("bot").await.len();
    assert!((24..=26).contains(&heard), "{heard}");
    let open = reviews(&world).await;
    assert!(
        open.iter().all(|wait| wait.opened.kind == WaitKind::Timer),
        "{open:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_nobody_looks_at_hears_nothing_and_is_not_answered_again() {
    let mut setup = Setup::web();
    setup.agent.human_within = secs(60);
    let world = setup.start().await;
    says(&world, "How can I help you?");
    let mut answers = 0;
    for id in 0..200 {
        answers += usize::from(answer(&world, id, "Hello?").await.is_some());
        pass(secs(1)).await;
    }
    assert!(answers <= 10, "{answers}");
    let said = world.replies("bot").await;
    assert!(
        said.iter().all(|said| said == "How can I help you?"),
        "{said:?}"
    );
    assert_eq!(reviews(&world).await.len(), 1, "operators are asked again");
    // A person's pace ends it.
    pass(secs(120)).await;
    assert!(answer(&world, 300, "Hello?").await.is_some());
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}
