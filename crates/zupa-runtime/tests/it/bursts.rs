//! Messages in quick succession are answered by one turn, which keeps its set.

use std::time::Duration;

use zupa_core::{Burst, Deduplicates, ErrorKind};

use crate::support::{Act, Setup, World, error, life, pass, secs};

fn burst() -> Burst {
    Burst {
        silence: secs(1),
        max_wait: secs(5),
        max_count: 20,
    }
}

/// What the model was asked to answer, call by call.
fn asked(setup: &Setup) -> Vec<Vec<String>> {
    setup
        .model
        .asked()
        .iter()
        .map(|call| call.lines())
        .collect()
}

async fn say_every(world: &World, pause: Duration, texts: &[&str]) {
    for (place, text) in texts.iter().enumerate() {
        if place > 0 {
            pass(pause).await;
        }
        world.say("ana", text).await;
    }
}

#[tokio::test(start_paused = true)]
async fn five_messages_in_three_seconds_are_one_turn_that_sees_them_in_order() {
    let mut setup = Setup::web();
    setup.agent.burst = burst();
    let world = setup.start().await;
    say_every(
        &world,
        Duration::from_millis(750),
        &["1", "2", "3", "4", "5"],
    )
    .await;
    let last = tokio::time::Instant::now();
    world.quiet().await;
    assert_eq!(asked(&world), [["1", "2", "3", "4", "5"]]);
    assert_eq!(world.replies("ana").await, ["re: 1 + 2 + 3 + 4 + 5"]);
    let silence = world.model.asked()[0].at - last;
    assert!(
        (secs(1)..secs(1) + Duration::from_millis(20)).contains(&silence),
        "{silence:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_never_stops_typing_is_answered_after_the_longest_wait() {
    let mut setup = Setup::web();
    setup.agent.burst = burst();
    let world = setup.start().await;
    let first = tokio::time::Instant::now();
    say_every(
        &world,
        Duration::from_millis(900),
        &["1", "2", "3", "4", "5", "6", "7"],
    )
    .await;
    world.quiet().await;
    assert_eq!(
        asked(&world),
        [vec!["1", "2", "3", "4", "5", "6"], vec!["7"]]
    );
    let waited = world.model.asked()[0].at - first;
    assert!(
        (secs(5)..secs(5) + Duration::from_millis(20)).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_window_is_answered_at_once() {
    let mut setup = Setup::web();
    setup.agent.burst = Burst {
        max_count: 3,
        ..burst()
    };
    let world = setup.start().await;
    let first = tokio::time::Instant::now();
    say_every(&world, Duration::ZERO, &["1", "2", "3"]).await;
    world.model.called(1).await;
    assert_eq!(asked(&world), [["1", "2", "3"]]);
    assert!(first.elapsed() < Duration::from_millis(20));
}

#[tokio::test(start_paused = true)]
async fn a_window_that_fills_up_during_a_turn_is_answered_right_after_it() {
    let mut setup = Setup::web();
    setup.agent.burst = Burst {
        max_count: 3,
        ..burst()
    };
    let world = setup.start().await;
    world.model.on("1", [Act::Hold]);
    say_every(&world, Duration::ZERO, &["1", "2", "3"]).await;
    world.model.called(1).await;
    say_every(&world, Duration::ZERO, &["4", "5", "6"]).await;
    let released = tokio::time::Instant::now();
    world.model.release();
    world.model.called(2).await;
    assert_eq!(asked(&world)[1], ["4", "5", "6"]);
    assert!(
        released.elapsed() < Duration::from_millis(20),
        "{:?}",
        released.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_comes_during_a_turn_waits_for_the_next_one() {
    let world = Setup::web().start().await;
    world.model.on("1", [Act::Hold]);
    world.say("ana", "1").await;
    world.model.called(1).await;
    say_every(&world, Duration::ZERO, &["2", "3"]).await;
    world.model.release();
    world.quiet().await;
    assert_eq!(asked(&world), [vec!["1"], vec!["2", "3"]]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_runs_again_after_a_failure_sees_the_same_set() {
    let mut setup = Setup::web();
    setup.agent.burst = burst();
    let world = setup.start().await;
    world
        .model
        .on("2", [Act::Fail(error(ErrorKind::Unavailable))]);
    say_every(&world, Duration::ZERO, &["1", "2"]).await;
    world.model.called(1).await;
    world.say("ana", "3").await;
    world.quiet().await;
    assert_eq!(asked(&world), [vec!["1", "2"], vec!["1", "2"], vec!["3"]]);
    assert_eq!(world.replies("ana").await, ["re: 1 + 2", "re: 3"]);
}

#[test]
fn a_turn_that_runs_again_after_a_crash_sees_the_same_set() {
    let setup = Setup::phone(Deduplicates::ByKey);
    setup.model.on("1", [Act::Hang]);
    life(async {
        let world = setup.start().await;
        tokio::join!(world.say("ana", "1"), world.say("ana", "2"));
        world.model.called(1).await;
        world.say("ana", "3").await;
    });
    life(async { setup.start().await.quiet().await });
    assert_eq!(asked(&setup), [vec!["1", "2"], vec!["1", "2"], vec!["3"]]);
    assert_eq!(setup.visible(), ["re: 1 + 2", "re: 3"]);
}

#[test]
fn a_crash_inside_the_window_loses_nothing() {
    let mut setup = Setup::web();
    setup.agent.burst = burst();
    life(async {
        let world = setup.start().await;
        say_every(&world, Duration::from_millis(500), &["1", "2"]).await;
    });
    assert_eq!(setup.model.calls(), 0);
    life(async {
        let world = setup.start().await;
        world.say("ana", "3").await;
        world.quiet().await;
    });
    assert_eq!(asked(&setup), [["1", "2", "3"]]);
}
