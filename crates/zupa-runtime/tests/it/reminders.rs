//! Turns of reminders that come to nothing: nobody has spoken in them, so nobody is told
//! that an answer has to wait or does not come.

use std::time::Duration;

use zupa_core::machine::conversation::{ConversationState, GiveUp};
use zupa_core::why::why;
use zupa_core::{
    DeadLetterFilter, Desk, Effect, ErrorKind, Reminder, Retry, ToolContext, ToolOutput, WaitKind,
    WaitState,
};
use zupa_runtime::{OnModelDown, tool};

use crate::support::{Act, Setup, Shop, World, conversation_of, decide, error, kept, pass, secs};

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

/// Reminds of tea in a minute.
async fn reminding(mut setup: Setup) -> World {
    let plan = |_: Nothing, cx: ToolContext| async move {
        let mut set = ToolOutput::of("set");
        set.remind.push(Reminder::once(cx.at.plus(secs(60)), "tea"));
        Ok(set)
    };
    let plan = tool("plan", "", Effect::IDEMPOTENT, plan).into_tool();
    setup.agent = setup.agent.tool(plan);
    let world = setup.start().await;
    world.model.on("go", [Act::Call(&[("plan", "{}")])]);
    world.model.on("set", [Act::Say("I will")]);
    world.say("ana", "go").await;
    world.quiet().await;
    world
}

async fn dead(world: &World) -> usize {
    let all = DeadLetterFilter::default();
    let letters = world.memory.dead_letters(&all, None, 10).await;
    letters.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_is_given_up_is_a_dead_letter_without_a_word() {
    let world = reminding(Setup::web()).await;
    let refused = error(ErrorKind::ContentFilter);
    world.model.always(": tea]", Act::Fail(refused));
    pass(secs(65)).await;
    world.quiet().await;
    assert_eq!(dead(&world).await, 1);
    assert_eq!(world.replies("ana").await, ["I will"]);
}

#[tokio::test(start_paused = true)]
async fn a_reminder_whose_model_is_down_waits_without_a_word() {
    let mut setup = Setup::web();
    setup.agent.language.model_down = "I will come back to you.".into();
    let world = reminding(setup).await;
    let down = error(ErrorKind::Unavailable).with_retry(Retry::Now);
    world.model.on(": tea]", vec![Act::Fail(down); 3]);
    world.model.always(": tea]", Act::Say("tea now"));
    pass(secs(120)).await;
    world.quiet().await;
    let lines = world.lines("ana").await;
    let told = lines.iter().filter(|line| line.contains("come back"));
    assert_eq!(told.count(), 0, "{lines:?}");
    assert_eq!(world.replies("ana").await, ["I will", "tea now"]);
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_does_not_wait_for_its_model_is_a_dead_letter_without_a_word() {
    let mut setup = Setup::web();
    setup.agent.on_model_down = OnModelDown::Reply;
    let world = reminding(setup).await;
    let down = error(ErrorKind::Unauthorized);
    world.model.always(": tea]", Act::Fail(down));
    pass(secs(120)).await;
    world.quiet().await;
    assert_eq!(dead(&world).await, 1);
    assert_eq!(world.replies("ana").await, ["I will"]);
}

/// The provider refuses every one of them.
#[tokio::test(start_paused = true)]
async fn reminders_that_are_given_up_are_no_failures_of_the_conversation() {
    for give_up in [GiveUp::NeedsHuman, GiveUp::Error] {
        let mut setup = Setup::web();
        setup.agent = setup.agent.gives_up_after(2, give_up);
        setup.agent.on_model_down = OnModelDown::Reply;
        let each_minute = |_: Nothing, cx: ToolContext| async move {
            let mut set = ToolOutput::of("each");
            set.remind.push(Reminder {
                every: Some("* * * * *".into()),
                ..Reminder::once(cx.at.plus(secs(30)), "tea")
            });
            Ok(set)
        };
        let each_minute = tool("each_minute", "", Effect::IDEMPOTENT, each_minute);
        setup.agent = setup.agent.tool(each_minute.into_tool());
        let world = setup.start().await;
        let down = error(ErrorKind::Unauthorized);
        world.model.always(": tea]", Act::Fail(down));
        world.model.on("go", [Act::Call(&[("each_minute", "{}")])]);
        world.model.on("each", [Act::Say("I will")]);
        world.say("ana", "go").await;
        pass(secs(6 * 60)).await;
        assert!(dead(&world).await > 4);
        let kept = kept(&world, "ana").await;
        let talk = kept.talk.unwrap();
        assert_eq!(talk.state(), ConversationState::AwaitingInput);
        assert_eq!((talk.failures(), kept.session.over), (0, false));
        assert_eq!(world.replies("ana").await, ["I will"]);
        let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
        assert!(open.iter().all(|wait| wait.opened.kind == WaitKind::Timer));
    }
}

/// Orders when it comes, and waits for an operator.
async fn ordering(mut setup: Setup) -> World {
    setup.agent = setup.agent.tool(Shop::default().approved_order());
    setup.agent.language.approval_asked = String::new();
    let world = reminding(setup).await;
    let order = Act::Call(&[("order", r#"{"item":"tea"}"#)]);
    world.model.on(": tea]", [order]);
    pass(secs(65)).await;
    world.quiet().await;
    assert_eq!(kept(&world, "ana").await.waiting.len(), 1);
    world
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_goes_on_after_an_approval_and_is_given_up_says_nothing() {
    let world = ordering(Setup::web()).await;
    let refused = error(ErrorKind::ContentFilter);
    world.model.always("{\"order\"", Act::Fail(refused));
    decide(&world, true).await;
    assert_eq!(dead(&world).await, 1);
    assert_eq!(world.replies("ana").await, ["I will"]);
    let kept = kept(&world, "ana").await;
    assert_eq!((kept.talk.unwrap().failures(), kept.waiting.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_goes_on_after_an_approval_waits_for_its_model_without_a_word() {
    let mut setup = Setup::web();
    setup.agent.language.model_down = "I will come back to you.".into();
    let world = ordering(setup).await;
    let down = error(ErrorKind::Unavailable).with_retry(Retry::Now);
    world.model.on("{\"order\"", vec![Act::Fail(down); 3]);
    world.model.always("{\"order\"", Act::Say("tea now"));
    decide(&world, true).await;
    pass(secs(120)).await;
    let lines = world.lines("ana").await;
    let told = lines.iter().filter(|line| line.contains("come back"));
    assert_eq!(told.count(), 0, "{lines:?}");
    assert_eq!(world.replies("ana").await, ["I will", "tea now"]);
}

/// The person has spoken now.
#[tokio::test(start_paused = true)]
async fn whoever_answers_what_a_reminder_has_asked_is_told_that_it_failed() {
    let mut setup = Setup::web();
    let order = Shop::default().order();
    setup.agent = (setup.agent).tool_with_confirmation(order, |_| "Shall I?".into());
    let world = reminding(setup).await;
    let order = Act::Call(&[("order", r#"{"item":"tea"}"#)]);
    world.model.on(": tea]", [order]);
    pass(secs(65)).await;
    world.quiet().await;
    let refused = error(ErrorKind::ContentFilter);
    world.model.always("{\"order\"", Act::Fail(refused));
    world.say("ana", "yes").await;
    world.quiet().await;
    let sorry = world.agent.fallback.as_str();
    assert_eq!(world.replies("ana").await, ["I will", "Shall I?", sorry]);
}

/// Set by a turn in which nobody had spoken, it comes each minute.
#[tokio::test(start_paused = true)]
async fn a_pattern_that_the_loop_guard_stops_is_seen_each_time_and_asked_about() {
    let mut setup = Setup::web();
    setup.agent.human_within = secs(10 * 60);
    let again = |_: Nothing, cx: ToolContext| async move {
        let mut set = ToolOutput::of("done");
        set.remind.push(Reminder {
            every: Some("* * * * *".into()),
            ..Reminder::once(cx.at.plus(secs(30)), "stretch")
        });
        Ok(set)
    };
    setup.agent = setup
        .agent
        .tool(tool("again", "", Effect::IDEMPOTENT, again).into_tool());
    let world = reminding(setup).await;
    world.model.on(": tea]", [Act::Call(&[("again", "{}")])]);
    world.model.always(": stretch]", Act::Say("stretch now"));
    pass(Duration::from_secs(60 * 60)).await;
    world.quiet().await;
    let said = world.replies("ana").await;
    let heard = said.iter().filter(|said| *said == "stretch now").count();
    assert_eq!(heard, 9, "{said:?}");

    // Each silence is a turn of its own, with its reason and its entry in the audit.
    let id = conversation_of(&world, "ana").await;
    let links = world.memory.audit(id).await.unwrap();
    let silent = links.iter().map(|link| &link.entry);
    let silent: Vec<_> = silent
        .filter(|entry| entry.action == "turn.silent" && entry.reason == "loop")
        .collect();
    assert!(silent.len() > 30, "{}", silent.len());
    let turn = silent.last().unwrap().turn.unwrap().to_string();
    let why = why(&world.view(&turn).await);
    assert_eq!(why.code, "silent");
    assert!(why.sentence.contains("loop"), "{}", why.sentence);

    // It is set again, and operators are asked, anew where a review ran out.
    let open = world.memory.waits(Some(WaitState::Open), 10).await.unwrap();
    let of = |kind| open.iter().filter(|wait| wait.opened.kind == kind).count();
    assert_eq!((of(WaitKind::Timer), of(WaitKind::Decision)), (1, 1));
}
