//! The journal: a model call whose result was recorded is not paid again,
//! whatever happens before the commit; one that was not recorded is.

use zupa_core::{Deduplicates, ErrorKind, TurnState};
use zupa_testkit::{Call, Fault};

use crate::support::{Act, Setup, World, error, life, secs};

/// The writes of a turn after its model call, counted from the answer.
const RECORD: u64 = 1;
const COMMIT: u64 = 2;

/// Brings a turn into its model call, plans a fault for one of the writes that
/// follow, and lets the model answer.
async fn answer_into(world: &World, write: u64, fault: Fault) {
    world.model.on("hello", [Act::Hold]);
    world.say("ana", "hello").await;
    world.model.called(1).await;
    world.store.at_call_of(Call::Write, write, fault);
    world.model.release();
}

/// Crashes at a write of a turn, starts again, waits for the answer; how often
/// was the model asked?
fn asked_when_it_crashes_at(write: u64, fault: Fault) -> usize {
    let setup = Setup::phone(Deduplicates::ByKey);
    life(async {
        let world = setup.start().await;
        answer_into(&world, write, fault).await;
        world.store.crashed().await;
    });
    assert_eq!(setup.model.calls(), 1);
    life(async {
        let world = setup.start().await;
        world.quiet().await;
        let turn = world.view("hello").await.turn.unwrap();
        assert_eq!(
            (turn.state, turn.runs, turn.failures),
            (TurnState::Committed, 2, 0)
        );
    });
    assert_eq!(setup.visible(), ["re: hello"]);
    setup.model.calls()
}

#[test]
fn a_recorded_answer_is_not_paid_again_after_a_crash_before_the_commit() {
    assert_eq!(asked_when_it_crashes_at(COMMIT, Fault::CrashBefore), 1);
}

#[test]
fn a_crash_right_after_the_record_does_not_pay_again() {
    assert_eq!(asked_when_it_crashes_at(RECORD, Fault::CrashAfter), 1);
}

#[test]
fn a_crash_before_the_record_pays_again() {
    assert_eq!(asked_when_it_crashes_at(RECORD, Fault::CrashBefore), 2);
}

#[test]
fn an_answer_to_another_prompt_is_not_reused() {
    let mut setup = Setup::phone(Deduplicates::ByKey);
    life(async {
        let world = setup.start().await;
        answer_into(&world, COMMIT, Fault::CrashBefore).await;
        world.store.crashed().await;
    });
    setup.agent.prompt = "Be brief.".into();
    setup.model.on("hello", [Act::Say("hi")]);
    life(async { setup.start().await.quiet().await });
    assert_eq!(setup.model.calls(), 2);
    assert_eq!(setup.visible(), ["hi"]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_the_store_refuses_is_tried_again_without_asking_the_model() {
    let world = Setup::phone(Deduplicates::ByKey).start().await;
    answer_into(&world, COMMIT, Fault::Fail(error(ErrorKind::Full))).await;
    world.quiet().await;
    assert_eq!(
        (world.model.calls(), world.visible()),
        (1, vec!["re: hello".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_whose_answer_is_lost_is_found_by_the_next_run() {
    let world = Setup::phone(Deduplicates::ByKey).start().await;
    answer_into(
        &world,
        RECORD,
        Fault::FailAfter(error(ErrorKind::Unavailable)),
    )
    .await;
    world.quiet().await;
    assert_eq!(
        (world.model.calls(), world.visible()),
        (1, vec!["re: hello".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_that_the_store_refuses_is_paid_again_and_sent_once() {
    let world = Setup::phone(Deduplicates::ByKey).start().await;
    answer_into(&world, RECORD, Fault::Fail(error(ErrorKind::Full))).await;
    world.quiet().await;
    assert_eq!(
        (world.model.calls(), world.visible()),
        (2, vec!["re: hello".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_is_not_written_twice() {
    let world = Setup::web().start().await;
    answer_into(
        &world,
        COMMIT,
        Fault::FailAfter(error(ErrorKind::Unavailable)),
    )
    .await;
    crate::support::pass(secs(60)).await;
    world.quiet().await;
    assert_eq!(
        (world.model.calls(), world.replies("ana").await.len()),
        (1, 1)
    );
}
