//! Stop 3: what effects gave back is kept for the next run, under the fence.

use std::time::Duration;

use zupa_core::store::{Batch, ClaimedTurn, Recorded, TurnEnd};
use zupa_core::{Digest, Step};

use super::Harness;
use super::world::path::{failure, keys, outage, record_of};
use super::world::{EXPIRY, World};

fn steps(turn: &ClaimedTurn) -> Vec<(&str, &str)> {
    let mut steps: Vec<_> = turn
        .steps
        .iter()
        .map(|step| (step.key.as_str(), step.result.as_deref().unwrap()))
        .collect();
    steps.sort_unstable();
    steps
}

/// The next run of a turn finds what the runs before it recorded, and the turn
/// behind it does not.
pub async fn recorded_steps_come_back_at_the_next_run(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let text = r#"{"text":"it's \u0000 é"}"#;
    assert_eq!(
        world.record(&turn, "call_model/1/model", text).await,
        Recorded::Written
    );
    assert_eq!(
        world.record(&turn, "recall/1/history", "[]").await,
        Recorded::Written
    );
    world.hear("ana", "more").await;

    let (mut world, _) = world.die().await;
    let second = world.claim(conversation).await;
    let expected = [("call_model/1/model", text), ("recall/1/history", "[]")];
    assert_eq!(steps(&second), expected);
    let step = second
        .steps
        .iter()
        .find(|step| step.key == "recall/1/history");
    let Some(Step { input, .. }) = step else {
        panic!("the step must be there");
    };
    assert_eq!(*input, Digest::of(b"recall/1/history"));
    assert_eq!(
        world.record(&second, "finalize/1/x", "1").await,
        Recorded::Written
    );
    world.pass(EXPIRY);
    let third = world.claim(conversation).await;
    assert_eq!(steps(&third).len(), 3);
    assert_eq!(world.view(third.turn).await.steps.len(), 3);

    world.answer(&third, "hi").await;
    assert!(world.claim(conversation).await.steps.is_empty());
}

/// A step that is recorded again, because its input had changed, is one step
/// with the newer result.
pub async fn a_step_recorded_again_is_one_step(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    world.record(&turn, "call_model/1/model", "1").await;
    let mut record = record_of(&turn, "call_model/1/model", "2");
    record.step.input = Digest::of(b"another");
    let batch = Batch {
        record: vec![record],
        ..world.batch()
    };
    let answers = world.write(batch).await.record;
    assert_eq!(*answers[0].as_ref().unwrap(), Recorded::Written);
    world.pass(EXPIRY);
    let again = world.claim(conversation).await;
    assert_eq!(steps(&again), [("call_model/1/model", "2")]);
    assert_eq!(again.steps[0].input, Digest::of(b"another"));
}

/// A run that lost its claim records nothing, and is told so.
pub async fn stale_epoch_cannot_record(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let stale = world.claim(conversation).await;
    world.pass(EXPIRY);
    let turn = world.claim(conversation).await;
    let batch = Batch {
        record: vec![
            record_of(&stale, "call_model/1/model", "\"stale\""),
            record_of(&turn, "recall/1/history", "[]"),
            record_of(&stale, "recall/1/history", "\"stale\""),
        ],
        ..world.batch()
    };
    let answers = world.write(batch).await.record;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        answers,
        [Recorded::Stale, Recorded::Written, Recorded::Stale]
    );
    assert_eq!(keys(&world.view(turn.turn).await), ["recall/1/history"]);

    world.answer(&turn, "hi").await;
    assert_eq!(
        world.record(&turn, "finalize/1/x", "1").await,
        Recorded::Stale
    );
    let (world, _) = world.die().await;
    assert_eq!(
        world.record(&turn, "finalize/1/x", "1").await,
        Recorded::Stale
    );
    assert_eq!(keys(&world.view(turn.turn).await), ["recall/1/history"]);
}

/// Starts are counted as runs, errors as failures; a start that dies is no
/// failure.
pub async fn runs_counts_starts_failures_counts_errors(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    world.claim(conversation).await;
    world.pass(EXPIRY);
    let turn = world.claim(conversation).await;
    assert_eq!((turn.runs, turn.failures), (2, 0));
    let retry = TurnEnd::Retry {
        not_before: world.now,
        failure: failure(),
    };
    world.end(&turn, retry).await;
    let turn = world.claim(conversation).await;
    assert_eq!((turn.runs, turn.failures), (3, 1));
    let (world, _) = world.die().await;
    let turn = world.claim(conversation).await;
    assert_eq!((turn.runs, turn.failures), (4, 1));
}

/// A failure of the provider counts apart and is no failure of the turn; a
/// failure of the turn ends the row of them.
pub async fn provider_failure_counts_no_failure(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let row = [outage(), outage(), failure(), outage()];
    let expected = [(0, 1), (0, 2), (1, 0), (1, 1)];
    for (failure, counts) in row.into_iter().zip(expected) {
        let turn = world.claim(conversation).await;
        let not_before = world.after(1);
        world
            .end(
                &turn,
                TurnEnd::Retry {
                    not_before,
                    failure,
                },
            )
            .await;
        world.pass(Duration::from_secs(1));
        let again = world.claim(conversation).await;
        assert_eq!((again.failures, again.provider_failures), counts);
        world.end(&again, TurnEnd::Release).await;
    }
}
