//! Several processes over one store: any may die, be cut off or be stopped for a
//! while, and each message is answered once.

use std::time::Duration;

use zupa_core::{Deduplicates, DeliveryState, ErrorKind, InboundState};
use zupa_runtime::Health;
use zupa_testkit::{Answer, Call, Fault};

use crate::support::{
    Act, Replicas, Sign, Touchy, awake, away, error, inbound, life, pass, phones, secs,
};

#[tokio::test(start_paused = true)]
async fn a_replica_that_dies_is_taken_over_within_its_claims_expiry() {
    let setup = phones(Deduplicates::Never);
    let Replicas { a, b } = Replicas::start(&setup).await;
    setup.model.on("hello", [Act::Hang]);
    a.say("ana", "hello").await;
    setup.model.called(1).await;
    a.store.at(1, Fault::CrashBefore);
    a.store.crashed().await;
    let took = b.quiet_after().await;
    assert!(
        took <= setup.settings.claim_expiry + setup.settings.poll,
        "{took:?}"
    );
    assert_eq!(setup.visible(), ["re: hello"]);
    let turn = setup.view("hello").await.turn.unwrap();
    assert_eq!((turn.runs, turn.epoch.0), (2, 2));
    assert_eq!(b.runtime().stale_writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_start_beside_a_running_replica_takes_nothing_away_from_it() {
    let setup = phones(Deduplicates::Never);
    setup.model.on("hello", [Act::Take(secs(25))]);
    let a = setup.start().await;
    a.say("ana", "hello").await;
    setup.model.called(1).await;
    let b = setup.another().start().await;
    b.quiet().await;
    assert_eq!(setup.visible(), ["re: hello"]);
    let turn = setup.view("hello").await.turn.unwrap();
    assert_eq!((turn.runs, setup.model.calls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_late_result_of_a_run_that_lost_its_claim_writes_nothing_and_is_counted() {
    let setup = phones(Deduplicates::Never);
    let replicas = Replicas::start(&setup).await;
    let Replicas { a, b } = &replicas;
    setup.model.on("hello", [Act::Hold, Act::Say("from b")]);
    a.say("ana", "hello").await;
    setup.model.called(1).await;
    a.cut_off();
    b.quiet().await;
    assert_eq!(setup.visible(), ["from b"]);

    // The result comes before any renewal has told that the claim is lost.
    a.store.heal();
    let before = setup.view("hello").await;
    setup.model.release();
    pass(Duration::from_millis(10)).await;
    assert_eq!(setup.view("hello").await, before);
    assert_eq!(replicas.stale_writes(), (2, 0), "the step and the commit");
    b.quiet().await;
    assert_eq!(setup.door().calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_claim_is_known_to_be_lost_is_dropped_and_counted_once() {
    let setup = phones(Deduplicates::Never);
    let replicas = Replicas::start(&setup).await;
    let Replicas { a, b } = &replicas;
    setup.model.on("hello", [Act::Hold, Act::Say("from b")]);
    a.say("ana", "hello").await;
    setup.model.called(1).await;
    a.cut_off();
    b.quiet().await;
    a.store.heal();
    pass(setup.settings.claim_expiry).await;
    assert_eq!(replicas.stale_writes(), (1, 0));
    setup.model.release();
    pass(secs(1)).await;
    assert_eq!(replicas.stale_writes(), (1, 0), "nobody is left to answer");
    assert_eq!(setup.visible(), ["from b"]);

    // The conversation is free for both.
    for (world, text) in [(a, "one"), (b, "two")] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(setup.visible(), ["from b", "re: one", "re: two"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_past_its_claim_pays_for_no_model_call() {
    let mut setup = phones(Deduplicates::Never);
    let expiry = setup.settings.claim_expiry;
    let doors = setup.doors[0].clone();
    setup.touchy = Some(Touchy::new(&doors, &setup.held_up, Sign::Typing, expiry));
    let a = setup.start().await;
    a.say("ana", "hello").await;
    pass(Duration::from_millis(10)).await;
    assert_eq!(setup.model.calls(), 0, "nothing is left of the claim");
    assert_eq!(a.runtime().stale_writes(), 1);
    assert!(setup.view("hello").await.steps.is_empty());

    // Nobody took it over, so it runs here again.
    let took = a.quiet_after().await;
    assert!(took <= expiry + setup.settings.poll, "{took:?}");
    let turn = setup.view("hello").await.turn.unwrap();
    assert_eq!((turn.runs, turn.failures), (2, 0), "no failure is counted");
    assert_eq!(setup.visible(), ["re: hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_was_held_up_after_its_attempt_does_not_leave() {
    let mut setup = phones(Deduplicates::Never);
    let time = setup.settings.policies.channel.timeout + secs(1);
    let doors = setup.doors[0].clone();
    setup.touchy = Some(Touchy::new(&doors, &setup.held_up, Sign::End, time));
    let a = setup.start().await;
    a.say("ana", "hello").await;
    let took = a.quiet_after().await;
    let attempts: Vec<_> = doors.calls().iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, [2], "the first never went on the wire");
    assert!(took <= setup.settings.poll, "it goes at once: {took:?}");
    assert_eq!(setup.visible(), ["re: hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_before_its_send_leaves_it_to_others() {
    let mut setup = phones(Deduplicates::ByKey);
    setup.settings.policies.channel.timeout = secs(1);
    let doors = setup.doors[0].clone();
    let b = setup.another().start().await;
    let touchy = Touchy::new(&doors, &setup.held_up, Sign::End, secs(5));
    setup.touchy = Some(touchy);
    let a = awake(setup.start().await).await;
    // What it has to say of its attempt is heard long after that was in doubt.
    for nth in 4..100 {
        let fault = Fault::Fail(away());
        a.store.at_call_of(Call::Write, nth, fault);
    }
    a.say("ana", "hello").await;
    b.quiet().await;
    a.store.heal();
    pass(secs(5)).await;
    let attempts: Vec<_> = doors.calls().iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, [2], "the other has sent it");
    let delivery = setup.view("hello").await.deliveries.remove(0);
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Sent, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn two_replicas_that_poll_one_outbox_send_each_delivery_once() {
    let setup = phones(Deduplicates::Never);
    let down = Answer::Fail(away());
    setup.door().answer(vec![down; 20]);
    let Replicas { a, b } = Replicas::start(&setup).await;
    for at in 0..10 {
        a.say(&format!("a{at}"), &format!("a{at}")).await;
        b.say(&format!("b{at}"), &format!("b{at}")).await;
    }
    a.quiet().await;
    b.quiet().await;
    let mut visible = setup.visible();
    visible.sort_unstable();
    visible.dedup();
    assert_eq!(visible.len(), 20);
    assert_eq!(
        setup.door().calls().len(),
        40,
        "each failed once, and went once"
    );
    assert_eq!(setup.accounting().await.deliveries["sent"], 20);
}

#[test]
fn a_turn_that_takes_replicas_down_goes_alone_and_is_given_up() {
    let setup = phones(Deduplicates::ByKey);
    setup.model.always("poison", Act::Hang);
    life(async { setup.start().await.say("eve", "poison").await });
    let mut deaths = 0;
    loop {
        let ended = life(async {
            let world = setup.start().await;
            let poisoned = || {
                let asked = setup.model.asked();
                let poison = asked.iter().filter(|call| call.lines() == ["poison"]);
                poison.count()
            };
            let calls = poisoned();
            for _ in 0..60 {
                if setup.view("poison").await.inbounds[0].state == InboundState::Dead {
                    return true;
                }
                if poisoned() > calls {
                    break;
                }
                pass(secs(1)).await;
            }
            assert!(poisoned() > calls, "it is taken over in mid-life");
            let alone = deaths >= 3;
            world.say("ana", &format!("hello {deaths}")).await;
            pass(secs(5)).await;
            let state = setup.view(&format!("hello {deaths}")).await.inbounds[0].state;
            assert_eq!(state == InboundState::Answered, !alone, "death {deaths}");
            false
        });
        if ended {
            break;
        }
        deaths += 1;
        assert!(deaths < 10, "it is never given up");
    }
    let view = life(async { setup.view("poison").await });
    assert_eq!(view.inbounds[0].reason.as_deref(), Some("crashed"));
    life(async {
        let world = setup.start().await;
        world.quiet().await;
        assert_eq!(world.accounting().await.ended.get("dead"), Some(&1));
        assert_eq!(
            world.accounting().await.ended.get("answered"),
            Some(&(deaths as u64))
        );
    });
}

#[tokio::test(start_paused = true)]
async fn the_backlog_counts_what_others_have_accepted() {
    let mut setup = phones(Deduplicates::Never);
    setup.settings.backlog = 3;
    setup.model.always("m", Act::Hold);
    let Replicas { a, b } = Replicas::start(&setup).await;
    for at in 0..3 {
        a.say(&format!("c{at}"), &format!("m{at}")).await;
    }
    pass(setup.settings.heartbeat).await;
    let refused = b.deliver(inbound("bob", "m", "m")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Full);
    for _ in 0..3 {
        setup.model.release();
    }
    a.quiet().await;
    pass(setup.settings.heartbeat).await;
    setup.model.release();
    b.say("bob", "m").await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_a_newer_version_has_changed_ends_the_process() {
    let world = phones(Deduplicates::Never).start().await;
    let newer = error(ErrorKind::Unsupported);
    world
        .store
        .at_call_of(Call::Heartbeat, 1, Fault::Fail(newer));
    let mut health = world.runtime().health();
    let lost = health
        .wait_for(|health| matches!(health, Health::Lost(_)))
        .await;
    let Health::Lost(why) = &*lost.unwrap() else {
        unreachable!("it was waited for");
    };
    assert_eq!(why.kind(), ErrorKind::Unsupported);
}
