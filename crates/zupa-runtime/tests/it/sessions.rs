//! Sessions: a stretch of a conversation, ended by silence.

use std::time::Duration;

use crate::support::{Act, Setup, pass, secs};

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
    assert_eq!(prompt_of(&world), ["three"]);
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
