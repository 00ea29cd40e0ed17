//! Failures on the input itself: tried again if that can help, narrowed down to
//! the message that causes them, and given up with an apology.

use zupa_core::{
    Content, Deduplicates, Desk, ErrorKind, InboundState, IntakeBatch, Retry, TurnState,
};

use crate::support::{Act, Setup, World, error, inbound, secs};

const SORRY: &str = "Sorry, I could not answer that. Please try again in other words.";

fn asked(world: &World) -> Vec<String> {
    let asked = world.model.asked();
    asked.iter().map(|call| call.lines().join(" ")).collect()
}

async fn state_of(world: &World, id: &str) -> InboundState {
    let view = world.view(id).await;
    let row = view
        .inbounds
        .iter()
        .find(|row| view.inbounds.len() == 1 || row.reason.is_some());
    row.unwrap_or(&view.inbounds[0]).state
}

/// Everything in one batch, so that one turn claims it.
async fn say_at_once(world: &World, texts: &[&str]) {
    let batch = IntakeBatch {
        inbounds: texts
            .iter()
            .map(|text| inbound("ana", text, text))
            .collect(),
        receipts: Vec::new(),
    };
    world.runtime().intake().deliver(batch).await.unwrap();
}

/// What the audit chain says, entry by entry.
async fn audited(world: &World, id: &str) -> Vec<String> {
    let conversation = world.view(id).await.conversation;
    let links = world.memory.audit(conversation).await.unwrap();
    let end = zupa_core::audit::verify(&conversation.to_string(), Default::default(), &links);
    assert!(end.is_ok(), "{end:?}");
    links.into_iter().map(|link| link.entry.action).collect()
}

#[tokio::test(start_paused = true)]
async fn an_input_that_the_model_refuses_dies_at_the_first_attempt_with_an_apology() {
    for kind in [
        ErrorKind::ContentFilter,
        ErrorKind::ContextLength,
        ErrorKind::Invalid,
    ] {
        let world = Setup::phone(Deduplicates::Never).start().await;
        world.model.on("bad", [Act::Fail(error(kind))]);
        world.say("ana", "bad").await;
        world.quiet().await;
        assert_eq!(world.model.calls(), 1, "{kind:?}");
        assert_eq!(world.visible(), [SORRY]);
        let view = world.view("bad").await;
        let turn = view.turn.unwrap();
        assert_eq!((turn.state, turn.failures), (TurnState::Dead, 1));
        assert_eq!(view.inbounds[0].state, InboundState::Dead);
        assert!(turn.reason.unwrap().starts_with(kind.as_str()));
        assert_eq!(audited(&world, "bad").await, ["talk.moved", "turn.dead"]);
        assert_eq!(world.accounting().await.ended["dead"], 1);

        world.say("ana", "good").await;
        world.quiet().await;
        assert_eq!(
            world.visible(),
            [SORRY, "re: good"],
            "the conversation goes on"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_filter_stopped_is_neither_recorded_nor_sent() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    world.model.on("bad", [Act::Filtered]);
    world.say("ana", "bad").await;
    world.quiet().await;
    assert_eq!(world.visible(), [SORRY]);
    let view = world.view("bad").await;
    assert!(view.steps.is_empty());
    assert!(
        view.turn
            .unwrap()
            .reason
            .unwrap()
            .starts_with("content_filter")
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_fallback_text_giving_up_is_silent() {
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.agent.fallback = String::new();
    let world = setup.start().await;
    world
        .model
        .on("bad", [Act::Fail(error(ErrorKind::ContentFilter))]);
    world.say("ana", "bad").await;
    world.quiet().await;
    assert!(world.door().calls().is_empty());
    assert_eq!(state_of(&world, "bad").await, InboundState::Dead);
}

#[tokio::test(start_paused = true)]
async fn empty_answers_are_not_recorded_and_given_up_after_the_retries() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    world.model.always("mute", Act::Say(" \n"));
    world.say("ana", "mute").await;
    world.model.called(2).await;
    assert!(world.view("mute").await.steps.is_empty());
    world.quiet().await;
    assert_eq!(world.model.calls(), 4, "one try and three retries");
    assert_eq!(world.view("mute").await.turn.unwrap().failures, 4);
    assert_eq!(world.visible(), [SORRY]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_within_the_retries_leaves_no_trace_in_the_answer() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    world.model.on("mute", vec![Act::Say(""); 3]);
    world.say("ana", "mute").await;
    world.quiet().await;
    assert_eq!(world.visible(), ["re: mute"]);
    let turn = world.view("mute").await.turn.unwrap();
    assert_eq!((turn.runs, turn.failures), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_provider_in_between_do_not_use_up_the_retries() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    let down = || Act::Fail(error(ErrorKind::Unavailable));
    let acts = (0..3).flat_map(|_| [down(), Act::Say(""), down(), down()]);
    world.model.on("mute", acts.collect::<Vec<_>>());
    world.say("ana", "mute").await;
    world.quiet().await;
    assert_eq!(world.visible(), ["re: mute"]);
    let turn = world.view("mute").await.turn.unwrap();
    assert_eq!((turn.runs, turn.failures), (13, 3));
}

#[tokio::test(start_paused = true)]
async fn of_a_range_that_fails_only_the_bad_message_dies_and_order_is_kept() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    world
        .model
        .always("bad", Act::Fail(error(ErrorKind::ContextLength)));
    say_at_once(&world, &["1", "2", "bad", "4", "5"]).await;
    world.quiet().await;
    assert_eq!(asked(&world), ["1 2 bad 4 5", "1", "2", "bad", "4", "5"]);
    assert_eq!(world.visible(), ["re: 1", "re: 2", SORRY, "re: 4", "re: 5"]);
    for id in ["1", "2", "4", "5"] {
        assert_eq!(state_of(&world, id).await, InboundState::Answered, "{id}");
    }
    assert_eq!(state_of(&world, "bad").await, InboundState::Dead);
    let mut ends = audited(&world, "1").await;
    ends.retain(|action| action.starts_with("turn."));
    let expected = [
        "split", "answered", "answered", "dead", "answered", "answered",
    ];
    assert_eq!(ends, expected.map(|end| format!("turn.{end}")));
    let counts = world.accounting().await;
    assert_eq!(
        (
            counts.accepted,
            counts.ended["answered"],
            counts.ended["dead"]
        ),
        (5, 4, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_range_uses_up_its_retries_before_it_is_split() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    world.model.always("mute", Act::Say(""));
    say_at_once(&world, &["1", "mute"]).await;
    world.quiet().await;
    let expected = [vec!["1 mute"; 4], vec!["1"], vec!["mute"; 4]].concat();
    assert_eq!(asked(&world), expected);
    assert_eq!(world.visible(), ["re: 1", SORRY]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_range_is_taken_apart_waits_behind_it() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    world
        .model
        .always("bad", Act::Fail(error(ErrorKind::ContextLength)));
    world
        .model
        .on("1", [Act::Fail(error(ErrorKind::ContextLength)), Act::Hold]);
    say_at_once(&world, &["1", "bad"]).await;
    world.model.called(2).await;
    say_at_once(&world, &["3", "4"]).await;
    world.model.release();
    world.quiet().await;
    assert_eq!(asked(&world), ["1 bad", "1", "bad", "3 4"]);
    assert_eq!(world.visible(), ["re: 1", SORRY, "re: 3 + 4"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_model_is_a_failure_of_the_turn_and_not_of_the_process() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    world.model.always("bad", Act::Panic);
    say_at_once(&world, &["1", "bad"]).await;
    world.say("bob", "hello").await;
    world.quiet().await;
    assert_eq!(world.replies("bob").await, ["re: hello"]);
    assert_eq!(world.replies("ana").await, ["re: 1", SORRY]);
    let reason = world.view("bad").await.turn.unwrap().reason.unwrap();
    assert_eq!(reason, "internal: a node panicked");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_runs_into_its_deadline_is_stopped_and_runs_again() {
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.settings.turn_timeout = secs(5);
    let world = setup.start().await;
    world.model.on("slow", [Act::Hang]);
    world.say("ana", "slow").await;
    world.quiet().await;
    assert_eq!(world.visible(), ["re: slow"]);
    let asked = world.model.asked();
    let pause = asked[1].at - asked[0].at;
    assert!((secs(5)..secs(7)).contains(&pause), "{pause:?}");
    assert_eq!(world.view("slow").await.turn.unwrap().runs, 2);
}

/// Whatever a door's own error says of retries, the kind decides who is to blame.
#[tokio::test(start_paused = true)]
async fn an_exhausted_retry_of_a_counted_kind_is_terminal() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    let spent = error(ErrorKind::Internal).with_retry(Retry::Exhausted);
    world.model.on("bad", [Act::Fail(spent)]);
    let mut picture = inbound("ana", "bad", "");
    picture.content = Content::Unsupported {
        raw_kind: "bad".into(),
    };
    world.deliver(picture).await.unwrap();
    world.quiet().await;
    assert_eq!(
        (world.model.calls(), world.visible()),
        (1, vec![SORRY.to_owned()])
    );
}
