//! Sessions: a stretch of a conversation, ended by silence, the person, the model or an
//! operator; and what is remembered of it.

use std::time::Duration;

use zupa_core::{ErrorKind, InboundState};
use zupa_runtime::{EndReason, Kept};

use crate::support::{Act, Setup, World, conversation_of, end_session, error, kept, pass, secs};

const MINUTE: u64 = 60;

fn prompt_of(world: &crate::support::World) -> Vec<String> {
    let last = world.model.asked().pop().unwrap();
    last.messages
        .iter()
        .map(|line| line.text().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn talk_within_the_limit_is_one_session_and_silence_beyond_it_begins_another() {
    let world = Setup::web().start().await;
    for text in ["one", "two"] {
        world.say("ana", text).await;
        world.quiet().await;
        pass(secs(14 * MINUTE)).await;
    }
    assert_eq!(prompt_of(&world), ["one", "re: one", "two"]);
    pass(secs(2 * MINUTE)).await;
    world.say("ana", "three").await;
    world.quiet().await;
    assert_eq!(prompt_of(&world)[1..], ["three"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_no_silence() {
    let mut setup = Setup::web();
    setup.agent.session_idle = secs(20);
    let world = setup.start().await;
    world.model.on("one", [Act::Take(Duration::from_secs(25))]);
    world.say("ana", "one").await;
    pass(secs(15)).await;
    world.say("ana", "two").await;
    world.quiet().await;
    assert_eq!(prompt_of(&world), ["one", "re: one", "two"]);
}

/// What waited together is claimed at once, and is of one session.
#[tokio::test(start_paused = true)]
async fn silence_between_messages_that_waited_begins_another_session_with_the_first_of_them() {
    let mut setup = Setup::web();
    setup.agent.session_idle = secs(20);
    let world = setup.start().await;
    world.model.on("one", [Act::Take(secs(29))]);
    world.say("ana", "one").await;
    pass(secs(2)).await;
    world.say("ana", "two").await;
    pass(secs(25)).await;
    world.say("ana", "three").await;
    world.quiet().await;
    let prompt = prompt_of(&world);
    assert!(!prompt.contains(&"one".to_owned()), "{prompt:?}");
    assert!(prompt.ends_with(&["two".to_owned(), "three".to_owned()]));
    assert_eq!(ends(&world).await, ["idle"]);
    assert_eq!(kept_of(&world).await.session.number, 2);
}

/// The turn of a message that dies keeps what was before it.
#[tokio::test(start_paused = true)]
async fn the_audit_has_the_end_of_a_session_when_it_is_kept_and_once() {
    let mut setup = Setup::web();
    setup.agent.session_idle = secs(20);
    let world = setup.start().await;
    world.model.on("one", [Act::Take(secs(29))]);
    let refused = error(ErrorKind::ContentFilter);
    world.model.always("two", Act::Fail(refused));
    world.say("ana", "one").await;
    pass(secs(25)).await;
    world.say("ana", "two").await;
    pass(secs(60)).await;
    world.quiet().await;
    assert!(kept_of(&world).await.session.over);
    assert_eq!(ends(&world).await, ["idle"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_outlives_a_restart() {
    let setup = Setup::web();
    for (text, expected) in [("one", 1), ("two", 3)] {
        let mut world = setup.start().await;
        world.say("ana", text).await;
        world.quiet().await;
        assert_eq!(prompt_of(&world).len(), expected);
        world.shutdown(secs(1)).await.unwrap();
    }
}

/// What the audit says of the ends of Ana's sessions.
async fn ends(world: &World) -> Vec<String> {
    let id = conversation_of(world, "ana").await;
    let chain = zupa_core::Desk::audit(&world.memory, id).await.unwrap();
    let ended = chain
        .into_iter()
        .filter(|link| link.entry.action == "session.ended");
    ended.map(|link| link.entry.reason).collect()
}

async fn kept_of(world: &World) -> Kept {
    kept(world, "ana").await
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_goes_on_with_ends_by_itself_and_is_summarised() {
    let world = Setup::web().start().await;
    world.model.on("Person: one", [Act::Say("Ana said one.")]);
    world.say("ana", "one").await;
    world.quiet().await;
    pass(secs(14 * MINUTE)).await;
    assert!(kept_of(&world).await.session.is_open());
    assert!(ends(&world).await.is_empty());
    pass(secs(2 * MINUTE)).await;
    assert_eq!(ends(&world).await, ["idle"]);
    let kept = kept_of(&world).await;
    assert!(!kept.session.is_open());
    assert_eq!(kept.episodes.len(), 1);
    assert_eq!(kept.episodes[0].summary, "Ana said one.");
    assert_eq!(kept.episodes[0].reason, EndReason::Idle);
    assert_eq!(prompt_of(&world)[1], "Person: one\nAssistant: re: one");

    // It is over once, and nothing was said to anybody.
    let calls = world.model.calls();
    pass(secs(600 * MINUTE)).await;
    assert_eq!((world.model.calls(), ends(&world).await.len()), (calls, 1));
    assert_eq!(world.lines("ana").await, ["ana: one", "⇒ re: one"]);

    world.say("ana", "two").await;
    world.quiet().await;
    let prompt = prompt_of(&world);
    assert!(prompt[0].contains("Ana said one."), "{prompt:?}");
    assert_eq!(prompt[1..], ["two"]);
    assert_eq!(kept_of(&world).await.session.number, 2);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_cannot_summarise_leaves_the_plain_summary() {
    let world = Setup::web().start().await;
    world
        .model
        .always("Person: one", Act::Fail(error(ErrorKind::Unavailable)));
    world.say("ana", "one").await;
    world.quiet().await;
    pass(secs(120 * MINUTE)).await;
    let kept = kept_of(&world).await;
    assert_eq!(
        kept.episodes[0].summary,
        "The person began with: one — the last answer was: re: one"
    );
    assert_eq!(world.model.calls(), 1 + 3, "it is asked three times");
    assert_eq!(kept.wake_at, None, "and left alone then");
    let counts = world.accounting().await;
    assert!(!counts.ended.contains_key("dead"), "{counts:?}");
    assert_eq!(world.replies("ana").await, ["re: one"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_does_not_wait_for_a_summary() {
    let world = Setup::web().start().await;
    world.model.on("Person: one", [Act::Take(secs(20))]);
    world.say("ana", "one").await;
    world.quiet().await;
    // Time stands still where it is asked for the summary.
    world.model.called(2).await;
    let since = tokio::time::Instant::now();
    world.say("ana", "two").await;
    world.model.called(3).await;
    assert!(since.elapsed() <= Duration::from_millis(50));
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["re: one", "re: two"]);
    let kept = kept_of(&world).await;
    assert_eq!((kept.session.number, kept.episodes.len()), (2, 1));
    assert_eq!(kept.episodes[0].tries, Some(0), "nobody is to blame");
    // It is made after the next silence, with the other one.
    world.model.always("Person: ", Act::Say("in short"));
    pass(secs(20 * MINUTE)).await;
    let summaries: Vec<_> = kept_of(&world).await.episodes;
    assert_eq!(summaries.len(), 2);
    assert!(
        summaries
            .iter()
            .all(|episode| episode.summary == "in short")
    );
}

#[tokio::test(start_paused = true)]
async fn only_so_many_sessions_are_remembered() {
    let world = Setup::web().start().await;
    world.model.always("Person: ", Act::Say("in short"));
    for n in 0..7 {
        world.say("ana", &format!("hello {n}")).await;
        world.quiet().await;
        pass(secs(30 * MINUTE)).await;
    }
    let sessions: Vec<_> = kept_of(&world).await.episodes;
    let sessions: Vec<_> = sessions.iter().map(|episode| episode.session).collect();
    assert_eq!(sessions, [4, 5, 6, 7]);
}

#[tokio::test(start_paused = true)]
async fn what_was_due_while_nothing_ran_ends_at_the_next_start() {
    let setup = Setup::web();
    let mut world = setup.start().await;
    world.say("ana", "one").await;
    world.quiet().await;
    pass(secs(1)).await;
    world.shutdown(secs(1)).await.unwrap();
    pass(secs(60 * MINUTE)).await;
    drop(world);
    let world = setup.start().await;
    world.model.on("Person: one", [Act::Say("in short")]);
    pass(secs(10)).await;
    assert_eq!(ends(&world).await, ["idle"]);
    assert_eq!(kept_of(&world).await.episodes[0].summary, "in short");
}

#[tokio::test(start_paused = true)]
async fn a_message_and_the_sweeper_at_once_leave_one_open_session() {
    for after in [899_900_u64, 900_000, 900_100, 902_000] {
        let world = Setup::web().start().await;
        world.model.always("Person: ", Act::Say("in short"));
        world.say("ana", "one").await;
        pass(Duration::from_millis(after)).await;
        world.say("ana", "two").await;
        world.quiet().await;
        pass(secs(1)).await;
        let kept = kept_of(&world).await;
        let numbers = 1 + ends(&world).await.len() as u64;
        assert_eq!(
            (kept.session.number, kept.session.is_open()),
            (numbers, true)
        );
        assert_eq!(kept.episodes.len() as u64, numbers - 1, "after {after} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn the_person_begins_anew_and_nothing_is_remembered() {
    let world = Setup::web().start().await;
    world.model.always("Person: ", Act::Say("in short"));
    world.say("ana", "one").await;
    world.quiet().await;
    pass(secs(20 * MINUTE)).await;
    world.say("ana", "/reset").await;
    world.quiet().await;
    assert_eq!(ends(&world).await, ["idle", "user"]);
    world.say("ana", "two").await;
    world.quiet().await;
    assert_eq!(prompt_of(&world), ["/reset", "We start anew.", "two"]);
}

#[tokio::test(start_paused = true)]
async fn the_model_ends_a_session_with_its_answer() {
    let mut setup = Setup::web();
    setup.agent = setup.agent.model_ends_sessions();
    let world = setup.start().await;
    world.model.on("bye", [Act::Call(&[("end_session", "{}")])]);
    for text in ["one", "bye"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(ends(&world).await, ["model"]);
    let kept = kept_of(&world).await;
    assert!(!kept.session.is_open());
    assert_eq!(kept.episodes[0].reason, EndReason::Model);
    world.say("ana", "two").await;
    world.quiet().await;
    let prompt = prompt_of(&world);
    assert!(
        prompt[0].contains("The person began with: one"),
        "{prompt:?}"
    );
    assert_eq!(prompt[1..], ["two"]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_ends_a_session() {
    let world = Setup::web().start().await;
    world.say("ana", "one").await;
    world.quiet().await;
    end_session(&world, "ana").await;
    pass(secs(5)).await;
    world.quiet().await;
    assert_eq!(ends(&world).await, ["operator"]);
    let kept = kept_of(&world).await;
    assert_eq!(kept.episodes[0].reason, EndReason::Operator);
    end_session(&world, "ana").await;
    pass(secs(5)).await;
    assert_eq!(ends(&world).await.len(), 1, "there is none to end");
    let counts = world.accounting().await;
    assert_eq!(counts.ended.get(InboundState::Answered.as_str()), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn a_woken_turn_that_cannot_run_is_given_up_once_and_says_nothing() {
    let world = Setup::web().start().await;
    world.model.always("Person: one", Act::Panic);
    world.say("ana", "one").await;
    world.quiet().await;
    pass(secs(600 * MINUTE)).await;
    assert_eq!(world.accounting().await.ended.get("dead"), Some(&1));
    assert_eq!(world.replies("ana").await, ["re: one"]);
    let talk = kept_of(&world).await.talk.unwrap();
    assert_eq!(talk.failures(), 0, "nobody was let down");
    world.say("ana", "two").await;
    world.quiet().await;
    assert_eq!(kept_of(&world).await.session.number, 2);
    assert_eq!(ends(&world).await.last().unwrap(), "idle");
}
