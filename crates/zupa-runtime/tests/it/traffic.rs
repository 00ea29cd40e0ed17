//! What a provider that always fails gets of calls, those of turns that run again
//! included.

use std::time::Duration;

use zupa_core::{ErrorKind, Retry};
use zupa_runtime::resilience::Policies;

use crate::support::{Act, Setup, error, pass, secs};

/// With the policies that come with the runtime, and a model that does this at each call.
fn always(act: Act) -> Setup {
    let mut setup = Setup::web();
    setup.settings.policies = Policies::default();
    setup.model.always("", act);
    setup
}

fn down() -> Act {
    Act::Fail(error(ErrorKind::Unavailable).with_retry(Retry::Now))
}

/// Calls of the model, where so many people say something within half a minute, until so
/// long after the last.
async fn calls(setup: &Setup, people: u32, after: Duration) -> usize {
    let world = setup.start().await;
    for who in 0..people {
        world.say(&format!("p{who}"), &format!("m{who}")).await;
        pass(secs(30) / people).await;
    }
    pass(after).await;
    assert!(world.replies("p0").await.is_empty());
    world.model.calls()
}

/// Measured: 7 calls of the one that refuses, 106 of the one that never answers.
#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_gets_no_more_than_a_tenth_above_what_people_said() {
    for act in [down(), Act::Hang] {
        let calls = calls(&always(act.clone()), 100, secs(120)).await;
        assert!(calls <= 110, "{act:?}: {calls} calls for 100 messages");
    }
}

/// Measured: 65, five until the breaker opens and one a minute to find out.
#[tokio::test(start_paused = true)]
async fn one_who_waits_for_a_provider_that_is_down_asks_it_once_a_minute() {
    let calls = calls(&always(down()), 1, secs(60 * 60)).await;
    assert!(calls <= 66, "{calls} calls in an hour");
}
