//! A model that works again, and a process that knows of none that is down: what waits
//! comes back at once, and is judged anew.

use std::time::Duration;

use zupa_core::why::why;
use zupa_core::{Clock, Deduplicates, ErrorKind, InboundState, Retry, TurnState};
use zupa_runtime::resilience::{Breaker, Policies};
use zupa_testkit::Call;

use crate::support::{Act, Setup, World, error, hold, pass, release, secs};

/// With the breakers that come with the runtime.
fn guarded() -> Setup {
    let mut setup = Setup::web();
    setup.settings.policies = Policies::default();
    setup
}

fn breaker(world: &World) -> Breaker {
    let breakers = world.runtime().breakers();
    let mut breakers = breakers.into_iter();
    breakers
        .find(|breaker| breaker.name() == "model/puppet")
        .unwrap()
}

/// Turned by hand, so that it does not close by itself.
async fn down(setup: &Setup, who: &[&str]) -> World {
    let world = setup.start().await;
    breaker(&world).open();
    for who in who {
        world.say(who, who).await;
    }
    pass(secs(3)).await;
    assert_eq!(world.model.calls(), 0);
    world
}

async fn explained(world: &World, message: &str) -> (&'static str, String) {
    let why = why(&world.view(message).await);
    (why.code, why.sentence)
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_answered_as_soon_as_the_breaker_closes() {
    let world = down(&guarded(), &["ana", "bia", "eva"]).await;
    let (code, sentence) = explained(&world, "ana").await;
    assert_eq!(code, "retry");
    assert!(
        sentence.contains("too many calls have failed"),
        "{sentence}"
    );
    let asked = world.store.calls_of(Call::Hasten);
    assert_eq!(asked, 1, "at the start, and not while nothing has changed");
    breaker(&world).close();
    pass(Duration::from_millis(200)).await;
    for who in ["ana", "bia", "eva"] {
        assert_eq!(world.replies(who).await, [format!("re: {who}")]);
        assert_eq!(world.view(who).await.turn.unwrap().runs, 2);
    }
    pass(secs(120)).await;
    assert_eq!(world.model.calls(), 3, "and once");
    assert_eq!(world.store.calls_of(Call::Hasten), 2);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_closes_by_its_probes_brings_the_others_back() {
    let mut setup = guarded();
    if let Some(rules) = &mut setup.settings.policies.model.breaker {
        rules.probes = 1;
    }
    let world = setup.start().await;
    let fails = error(ErrorKind::Unavailable).with_retry(Retry::Now);
    world.model.on("ana", vec![Act::Fail(fails); 5]);
    world.say("ana", "ana").await;
    // It is open by now.
    pass(secs(30)).await;
    let held_at = world.clock.wall();
    breaker(&world).close();
    pass(secs(1)).await;
    breaker(&world).open();
    breaker(&world).close();
    world.quiet().await;
    assert!(world.clock.wall().since(held_at) < secs(30));
    assert_eq!(world.replies("ana").await, ["re: ana"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_was_told_a_time_by_the_provider_waits_for_it() {
    let world = guarded().start().await;
    let wait = error(ErrorKind::Unavailable).with_retry(Retry::After(secs(500)));
    world.model.on("bia", [Act::Fail(wait)]);
    world.say("bia", "bia").await;
    pass(secs(1)).await;
    assert_eq!(explained(&world, "bia").await.0, "retry");
    breaker(&world).open();
    breaker(&world).close();
    pass(secs(490)).await;
    assert_eq!(world.model.calls(), 1, "not before its time");
    pass(secs(20)).await;
    assert_eq!(world.replies("bia").await, ["re: bia"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_answered_who_expects_nothing_any_more() {
    let mut setup = guarded();
    setup.agent.answer_within = secs(600);
    let world = down(&setup, &["ana"]).await;
    pass(secs(650)).await;
    breaker(&world).close();
    world.quiet().await;
    assert_eq!(world.replies("ana").await, [""; 0]);
    assert_eq!(world.model.calls(), 0);
    let (code, sentence) = explained(&world, "ana").await;
    assert_eq!(code, "silent");
    assert_eq!(
        sentence,
        "The turn ended without a word, because: the model was down for too long."
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_human_has_answered_or_still_has_is_left_to_them() {
    let world = down(&guarded(), &["ana", "bia"]).await;
    for who in ["ana", "bia"] {
        hold(&world, who).await;
    }
    assert_eq!(explained(&world, "bia").await.0, "held");
    release(&world, "ana", Some(world.clock.wall())).await;
    breaker(&world).close();
    pass(secs(120)).await;
    assert_eq!(world.model.calls(), 0);
    let (code, sentence) = explained(&world, "ana").await;
    assert_eq!(code, "answered_by_human", "{sentence}");
    let ended = world.view("ana").await.inbounds[0].state;
    assert_eq!(ended, InboundState::AnsweredByHuman);
    assert_eq!(explained(&world, "bia").await.0, "held");

    release(&world, "bia", None).await;
    world.quiet().await;
    assert_eq!(world.replies("bia").await, ["re: bia"]);
}

#[tokio::test(start_paused = true)]
async fn what_came_meanwhile_is_answered_behind_it_and_in_order() {
    let mut setup = guarded();
    setup.doors = Setup::phone(Deduplicates::Never).doors;
    let world = down(&setup, &["ana"]).await;
    world.say("ana", "more").await;
    breaker(&world).close();
    pass(secs(1)).await;
    assert_eq!(world.visible(), ["re: ana", "re: more"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_starts_does_not_wait_for_the_breaker_of_another() {
    let setup = guarded();
    let mut world = down(&setup, &["ana", "bia"]).await;
    world.shutdown(secs(5)).await.unwrap();
    drop(world);
    let world = setup.start().await;
    pass(Duration::from_millis(200)).await;
    for who in ["ana", "bia"] {
        assert_eq!(world.replies(who).await, [format!("re: {who}")]);
    }
    assert_eq!(world.model.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_starts_again_and_again_calls_what_is_down_no_more_than_a_breaker_lets_it() {
    let setup = guarded();
    let people: Vec<String> = (0..30).map(|one| format!("p{one}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let mut world = down(&setup, &people).await;
    let fails = error(ErrorKind::Unavailable).with_retry(Retry::Now);
    setup.model.always("p", Act::Fail(fails));
    for start in 1..=5 {
        world.shutdown(secs(5)).await.unwrap();
        drop(world);
        let before = setup.model.calls();
        world = setup.start().await;
        pass(secs(3)).await;
        assert_eq!(setup.model.calls() - before, 5, "start {start}");
    }
    let turn = world.view("p0").await.turn.unwrap();
    assert_eq!((turn.runs, turn.failures), (6, 0), "one run for each start");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_starts_answers_what_another_may_not_and_harms_nothing_there() {
    let setup = guarded().replicated();
    let a = down(&setup, &["ana"]).await;
    let held = setup.view("ana").await.turn.unwrap();
    assert_eq!(
        (held.runs, held.state),
        (1, TurnState::Retry),
        "one that may not"
    );
    let _b = setup.another().start().await;
    // Long before it would be due by itself.
    pass(secs(3)).await;
    assert_eq!(setup.replies("ana").await, ["re: ana"]);
    let turn = setup.view("ana").await.turn.unwrap();
    assert_eq!((turn.runs, turn.failures), (2, 0));
    assert_eq!(breaker(&a).metrics().totals.failed, 0);
}
