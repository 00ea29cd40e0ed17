//! A store that is away for a while, or whose answers get lost: whatever was
//! handed in is handed in again, and takes place once.

use std::time::Duration;

use zupa_core::Deduplicates;
use zupa_runtime::Health;
use zupa_testkit::{Answer, Call, Fault};

use crate::support::{Act, Replicas, awake, away, pass, phones, secs, unheard};

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_not_heard_is_handed_in_again_and_followed_up_at_once() {
    // The first write accepts and claims, the second records, the third commits.
    for nth in [2, 3] {
        for fault in [Fault::Fail(away()), Fault::FailAfter(unheard())] {
            let setup = phones(Deduplicates::Never);
            let Replicas { a, b } = Replicas::start(&setup).await;
            a.store.at_call_of(Call::Write, nth, fault.clone());
            a.say("ana", "hello").await;
            let took = b.quiet_after().await;
            assert!(took <= secs(1), "{nth} {fault:?}: {took:?}");
            let view = setup.view("hello").await;
            let turn = view.turn.unwrap();
            assert_eq!((turn.runs, turn.epoch.0, setup.model.calls()), (1, 1, 1));
            assert_eq!(view.steps.len(), 1, "what was paid for is on record");
            let attempts: Vec<_> = setup
                .door()
                .calls()
                .iter()
                .map(|call| call.attempt)
                .collect();
            assert_eq!(attempts, [1], "{nth} {fault:?}");
            assert_eq!(view.deliveries[0].attempts, 1);
            assert_eq!(a.runtime().stale_writes() + b.runtime().stale_writes(), 0);

            a.say("ana", "more").await;
            a.quiet().await;
            let asked = setup.model.asked();
            assert_eq!(asked[1].messages.len(), 3, "it remembers the answer");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_commit_that_was_not_heard_is_not_taken_for_stale() {
    let setup = phones(Deduplicates::Never);
    let Replicas { a, b: _b } = Replicas::start(&setup).await;
    setup.model.on("hello", [Act::Fail(away())]);
    a.store
        .at_call_of(Call::Write, 2, Fault::FailAfter(unheard()));
    a.say("ana", "hello").await;
    a.quiet().await;
    assert_eq!(a.runtime().stale_writes(), 0);
    let turn = setup.view("hello").await.turn.unwrap();
    assert_eq!(turn.runs, 2, "it runs again when its time has come");
    assert_eq!(setup.visible(), ["re: hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_while_loses_and_doubles_nothing() {
    let setup = phones(Deduplicates::Never);
    let a = setup.start().await;
    for round in 0..20 {
        let id = format!("m{round}");
        a.say(&format!("c{}", round % 4), &id).await;
        a.cut_off();
        pass(Duration::from_millis(500)).await;
        a.store.heal();
        pass(Duration::from_millis(40)).await;
    }
    a.quiet().await;
    assert_eq!(setup.model.calls(), 20, "nothing is paid twice");
    assert_eq!(setup.visible().len(), 20);
    assert_eq!(setup.door().calls().len(), 20);
    assert!(matches!(
        *a.runtime().health().borrow(),
        Health::Good | Health::Failing(_)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_was_not_heard_is_told_again() {
    for fault in [Fault::Fail(away()), Fault::FailAfter(unheard())] {
        // Writes: the message, the step, the commit; what became of the send, the
        // next attempt, and what became of it.
        for nth in [4, 6] {
            let setup = phones(Deduplicates::Never);
            setup.door().answer([Answer::Fail(away())]);
            let a = awake(setup.start().await).await;
            a.store.at_call_of(Call::Write, nth, fault.clone());
            a.say("ana", "hello").await;
            let took = a.quiet_after().await;
            assert!(took < secs(10), "{nth} {fault:?}: {took:?}");
            let counts = setup.accounting().await;
            assert_eq!(counts.deliveries.get("sent"), Some(&1), "{nth} {fault:?}");
            assert_eq!(setup.visible(), ["re: hello"]);
        }
    }
}

/// An attempt that was not heard may be on record, and may be another process's:
/// it is not taken back, and nothing is sent that nobody knows of.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_not_heard_is_neither_sent_nor_taken_back() {
    for (fault, ends_as) in [
        (Fault::Fail(away()), "sent"),
        (Fault::FailAfter(unheard()), "unknown"),
    ] {
        let setup = phones(Deduplicates::Never);
        setup.door().answer([Answer::Fail(away())]);
        let a = awake(setup.start().await).await;
        a.store.at_call_of(Call::Write, 5, fault);
        a.say("ana", "hello").await;
        a.quiet_after().await;
        let counts = setup.accounting().await;
        assert_eq!(counts.deliveries.get(ends_as), Some(&1), "{counts:?}");
        let sends = if ends_as == "sent" { 2 } else { 1 };
        assert_eq!(setup.door().calls().len(), sends);
    }
}
