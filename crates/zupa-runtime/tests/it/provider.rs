//! Failures of the provider are waited out: they count nothing, delays grow,
//! and the person is answered when it works again.

use std::time::Duration;

use zupa_core::{Deduplicates, ErrorKind, Hint, InboundState, Retry};
use zupa_runtime::OnModelDown;

use crate::support::{Act, Setup, World, error, life, pass, secs};

/// The pauses between the calls of the model.
fn pauses(world: &World) -> Vec<Duration> {
    let asked = world.model.asked();
    asked
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect()
}

/// Fails so often, then works; answers how often the turn ran and failed.
async fn answered_after(world: &World, acts: Vec<Act>) -> (u32, u32) {
    world.model.on("hello", acts);
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!(world.visible(), ["re: hello"]);
    let view = world.view("hello").await;
    assert_eq!(view.inbounds[0].state, InboundState::Answered);
    let turn = view.turn.unwrap();
    (turn.runs, turn.failures)
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_is_asked_forever_and_ever_more_seldom() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    let down = Act::Fail(error(ErrorKind::Unavailable).with_retry(Retry::Now));
    assert_eq!(answered_after(&world, vec![down; 40]).await, (41, 0));
    let slack = Duration::from_millis(20);
    for (failures, pause) in pauses(&world).into_iter().enumerate() {
        let longest = secs(1 << failures.min(5)).min(secs(30));
        assert!(
            (longest / 2..=longest + slack).contains(&pause),
            "after failure {}: {pause:?}",
            failures + 1
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_for_time_gets_it() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    let slow_down = |seconds| {
        let asked = Retry::After(secs(seconds));
        Act::Fail(error(ErrorKind::RateLimited).with_retry(asked))
    };
    let runs = answered_after(&world, vec![slow_down(90), slow_down(0), slow_down(45)]).await;
    assert_eq!(runs, (4, 0));
    let pauses = pauses(&world);
    let slack = Duration::from_millis(20);
    for (pause, asked) in [(pauses[0], secs(90)), (pauses[2], secs(45))] {
        assert!((asked..=asked + slack).contains(&pause), "{pause:?}");
    }
    assert!(
        pauses[1] >= secs(1),
        "growing, whatever was asked: {pauses:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_failure_of_the_provider_counts_even_one_that_is_never_to_be_tried_again() {
    for kind in [
        ErrorKind::Unauthorized,
        ErrorKind::QuotaExceeded,
        ErrorKind::Timeout,
    ] {
        let world = Setup::phone(Deduplicates::Never).start().await;
        let fails = Act::Fail(error(kind).with_retry(Retry::Never));
        let runs = answered_after(&world, vec![fails; 5]).await;
        assert_eq!(runs, (6, 0), "{kind:?}");
    }
}

/// What makes no sense may be the doing of one message: it is not held for hours.
#[tokio::test(start_paused = true)]
async fn nonsense_is_a_dead_letter_after_the_ordinary_attempts() {
    for retry in [Retry::Now, Retry::Never] {
        let world = Setup::phone(Deduplicates::Never).start().await;
        let nonsense = error(ErrorKind::Protocol).with_retry(retry);
        world.model.always("hello", Act::Fail(nonsense));
        world.say("ana", "hello").await;
        world.quiet().await;
        let view = world.view("hello").await;
        assert_eq!(view.inbounds[0].state, InboundState::Dead, "{retry:?}");
        let turn = view.turn.unwrap();
        assert_eq!((turn.runs, turn.failures), (4, 4), "{retry:?}");
        world.say("ana", "again").await;
        world.quiet().await;
        assert_eq!(world.visible().last().unwrap(), "re: again");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_cut_off_is_asked_for_again_and_never_sent() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    assert_eq!(answered_after(&world, vec![Act::CutOff]).await, (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_silent_model_is_given_up_on_at_its_deadline_and_asked_again() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    assert_eq!(answered_after(&world, vec![Act::Hang]).await, (2, 0));
    let pause = pauses(&world)[0];
    let deadline = world.settings.policies.model.timeout;
    assert!((deadline..deadline + secs(2)).contains(&pause), "{pause:?}");
}

#[tokio::test(start_paused = true)]
async fn a_draft_names_its_run() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    let down = Act::Fail(error(ErrorKind::Unavailable));
    answered_after(&world, vec![down]).await;
    let hints = world.door().hints();
    let again = |hint: &Hint| matches!(hint, Hint::Delta { run: 2, .. });
    assert!(hints.iter().any(|(_, hint)| again(hint)));
}

const WAIT: &str = "I will come back to you.";

/// Tells people that they have to wait.
fn telling(setup: Setup) -> Setup {
    let mut setup = setup;
    setup.agent.language.model_down = WAIT.to_owned();
    setup
}

/// A person sees this within 200 ms.
async fn soon(world: &World, seen: &[&str]) {
    pass(Duration::from_millis(200)).await;
    assert_eq!(world.visible(), seen);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_to_wait_is_told_at_once_and_once() {
    let setup = telling(Setup::phone(Deduplicates::Never));
    let world = setup.start().await;
    let down = Act::Fail(error(ErrorKind::Unavailable).with_retry(Retry::Now));
    world.model.on("hello", vec![down; 6]);
    world.say("ana", "hello").await;
    soon(&world, &[WAIT]).await;
    assert_eq!(
        world.model.asked().len(),
        1,
        "it is told before the next try"
    );
    world.quiet().await;
    assert_eq!(world.visible(), [WAIT, "re: hello"]);
    let history = world.model.asked().pop().unwrap();
    assert!(
        history.messages.iter().all(|line| line.text() != WAIT),
        "it is not what the agent said"
    );
    // Another turn of the same window says nothing.
    let down = Act::Fail(error(ErrorKind::Unavailable));
    world.model.on("again", vec![down.clone()]);
    world.say("ana", "again").await;
    world.quiet().await;
    assert_eq!(world.visible(), [WAIT, "re: hello", "re: again"]);
    // A later one does.
    pass(secs(11 * 60)).await;
    world.model.on("later", vec![down]);
    world.say("ana", "later").await;
    world.quiet().await;
    assert_eq!(world.visible()[3..], [WAIT, "re: later"]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_text_tells_nobody() {
    for text in ["", " "] {
        let mut setup = Setup::phone(Deduplicates::Never);
        setup.agent.language.model_down = text.to_owned();
        setup.agent.fallback = text.to_owned();
        let world = setup.start().await;
        let down = Act::Fail(error(ErrorKind::Unavailable).with_retry(Retry::Now));
        world.model.on("hello", [down.clone()]);
        world.say("ana", "hello").await;
        world.quiet().await;
        assert_eq!(world.visible(), ["re: hello"]);
        let never = Act::Fail(error(ErrorKind::ContextLength));
        world.model.on("too long", [never]);
        world.say("ana", "too long").await;
        world.quiet().await;
        let view = world.view("too long").await;
        assert_eq!(view.inbounds[0].state, InboundState::Dead);
        assert_eq!(world.visible(), ["re: hello"]);

        setup.agent.on_model_down = OnModelDown::Reply;
        let world = setup.another().start().await;
        world.model.on("again", [down]);
        world.say("bob", "again").await;
        world.quiet().await;
        let view = world.view("again").await;
        assert_eq!(view.inbounds[0].state, InboundState::Silent);
        assert_eq!(world.visible(), ["re: hello"]);
    }
}

#[test]
fn a_process_that_takes_over_does_not_tell_twice() {
    let setup = telling(Setup::phone(Deduplicates::Never));
    let wait = Retry::After(secs(60));
    let down = || Act::Fail(error(ErrorKind::Unavailable).with_retry(wait));
    life(async {
        let world = setup.start().await;
        world.model.on("hello", vec![down()]);
        world.say("ana", "hello").await;
        soon(&world, &[WAIT]).await;
    });
    life(async {
        let world = setup.start().await;
        world.model.on("hello", vec![down()]);
        world.quiet().await;
        assert_eq!(world.visible(), [WAIT, "re: hello"]);
    });
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_where_a_reply_is_wanted_instead() {
    let mut setup = telling(Setup::phone(Deduplicates::Never));
    setup.agent.on_model_down = OnModelDown::Reply;
    setup.agent.fallback = "Not now.".to_owned();
    let world = setup.start().await;
    world
        .model
        .on("hello", vec![Act::Fail(error(ErrorKind::Unavailable))]);
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!(world.visible(), ["Not now."]);
    let view = world.view("hello").await;
    assert_eq!(view.inbounds[0].state, InboundState::Answered);
    assert_eq!(view.turn.unwrap().runs, 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_expects_any_more_is_not_given() {
    let mut setup = telling(Setup::phone(Deduplicates::Never));
    setup.agent.answer_within = secs(600);
    let world = setup.start().await;
    let long = Act::Fail(error(ErrorKind::Unavailable).with_retry(Retry::After(secs(700))));
    world.model.on("hello", vec![long]);
    world.say("ana", "hello").await;
    pass(secs(700)).await;
    world.quiet().await;
    assert_eq!(world.visible(), [WAIT]);
    let view = world.view("hello").await;
    assert_eq!(view.inbounds[0].state, InboundState::Silent);
    assert_eq!(
        view.turn.unwrap().reason.as_deref(),
        Some("the model was down for too long")
    );
}
