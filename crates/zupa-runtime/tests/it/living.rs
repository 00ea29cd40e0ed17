//! Starting, stopping, and staying alive in between.

use std::sync::Arc;

use async_trait::async_trait;
use zupa_core::{Deduplicates, ErrorKind, InboundState, Nudge, Wakeup};
use zupa_runtime::Drained;
use zupa_testkit::{Call, Fault};

use crate::support::{Act, Setup, inbound, life, pass, secs};

/// Forgets every hint.
#[derive(Debug)]
struct Deaf;

#[async_trait]
impl Wakeup for Deaf {
    fn wake(&self, _nudge: Nudge) {}

    async fn woken(&self) -> Nudge {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_single_hint_everything_is_answered_by_polling() {
    let mut setup = Setup::phone(Deduplicates::ByKey);
    setup.wakeup = Some(Arc::new(Deaf));
    // A burst keeps the claim from riding with the message, so a poll must find it.
    setup.agent.burst.silence = secs(1);
    let world = setup.start().await;
    for at in 0..20 {
        world.say(&format!("c{}", at % 5), &format!("m{at}")).await;
    }
    world.quiet().await;
    let answered: Vec<_> = setup.visible();
    assert_eq!(answered.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_turn_longer_than_the_claim_keeps_its_claim() {
    let setup = Setup::phone(Deduplicates::ByKey);
    setup.model.on("hello", [Act::Take(secs(29))]);
    let world = setup.start().await;
    world.say("ana", "hello").await;
    world.quiet().await;
    let turn = world.view("hello").await.turn.unwrap();
    assert_eq!((turn.runs, turn.epoch.0, setup.model.calls()), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_finishes_what_has_started_and_takes_nothing_more() {
    let setup = Setup::phone(Deduplicates::ByKey);
    setup.model.on("hello", [Act::Take(secs(3))]);
    let mut world = setup.start().await;
    world.say("ana", "hello").await;
    setup.model.called(1).await;
    let intake = world.runtime().intake();
    assert_eq!(world.shutdown(secs(10)).await.unwrap(), Drained::Whole);
    assert_eq!(setup.visible(), ["re: hello"]);
    assert_eq!(
        world.view("hello").await.inbounds[0].state,
        InboundState::Answered
    );
    let refused = intake
        .deliver(inbound("ana", "late", "late").into())
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
}

/// A chore that takes for ever is left where it is.
#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_no_chore() {
    let setup = Setup::phone(Deduplicates::ByKey);
    for chore in [Call::Purge, Call::PurgeFailures, Call::Checkpoint] {
        let mut world = setup.start().await;
        world.store.always(chore, Fault::Hang);
        world.say("ana", &format!("{chore:?}")).await;
        world.quiet().await;
        pass(secs(61)).await;
        let ended = tokio::time::timeout(secs(1), world.shutdown(secs(10))).await;
        assert_eq!(
            ended.expect("at once").unwrap(),
            Drained::Whole,
            "{chore:?}"
        );
    }
}

#[test]
fn what_a_shutdown_cuts_short_runs_at_the_next_start() {
    let setup = Setup::phone(Deduplicates::ByKey);
    setup.model.on("hello", [Act::Hang]);
    life(async {
        let mut world = setup.start().await;
        world.say("ana", "hello").await;
        setup.model.called(1).await;
        assert_eq!(world.shutdown(secs(1)).await.unwrap(), Drained::CutShort);
    });
    life(async {
        let world = setup.start().await;
        assert!(!world.runtime().recovery().unclean, "the store was closed");
        world.quiet().await;
    });
    assert_eq!(setup.visible(), ["re: hello"]);
}

#[test]
fn a_turn_that_takes_the_process_down_is_quarantined_and_the_rest_goes_on() {
    let setup = Setup::phone(Deduplicates::ByKey);
    setup.model.always("poison", Act::Hang);
    let mut deaths = 0;
    life(async { setup.start().await.say("eve", "poison").await });
    loop {
        let alone_first = life(async {
            let world = setup.start().await;
            if world.view("poison").await.inbounds[0].state == InboundState::Dead {
                return None;
            }
            let calls = setup.model.calls();
            world.say("ana", &format!("hello {deaths}")).await;
            setup.model.called(calls + 1).await;
            Some(setup.model.asked().last().unwrap().lines())
        });
        let Some(asked) = alone_first else { break };
        if deaths >= 5 {
            assert_eq!(asked, ["poison"], "it runs before everything else, alone");
        }
        deaths += 1;
        assert!(deaths < 10, "it is never given up");
    }
    let view = life(async { setup.view("poison").await });
    assert_eq!(view.inbounds[0].reason.as_deref(), Some("crashed"));
    life(async {
        let world = setup.start().await;
        world.say("eve", "still there?").await;
        world.quiet().await;
        assert_eq!(world.replies("eve").await, ["re: still there?"]);
        for death in 0..deaths {
            let state = world.view(&format!("hello {death}")).await.inbounds[0].state;
            assert_eq!(state, InboundState::Answered);
        }
        assert_eq!(world.accounting().await.ended.get("dead"), Some(&1));
    });
}

#[test]
fn a_suspect_that_hangs_alone_holds_the_others_up_no_longer_than_its_deadline() {
    let setup = Setup::phone(Deduplicates::ByKey);
    setup.model.always("poison", Act::Hang);
    life(async { setup.start().await.say("eve", "poison").await });
    for _ in 0..5 {
        life(async {
            let calls = setup.model.calls();
            let _world = setup.start().await;
            setup.model.called(calls + 1).await;
        });
    }
    life(async {
        let world = setup.start().await;
        world.say("ana", "hello").await;
        pass(secs(20)).await;
        assert!(
            world.replies("ana").await.is_empty(),
            "the suspect is alone"
        );
        // The deadline of the model's call ends it.
        pass(secs(20)).await;
        assert_eq!(world.replies("ana").await, ["re: hello"]);
    });
}

/// Whoever waits to run as a suspect takes no place from the others meanwhile.
#[test]
fn suspects_leave_room_for_new_work() {
    let mut setup = Setup::phone(Deduplicates::ByKey);
    setup.settings.turns_in_flight = 3;
    setup.model.always("slow", Act::Hang);
    let suspects = ["eve", "fay", "gil"];
    for death in 0..3 {
        life(async {
            let (world, calls) = (setup.start().await, setup.model.calls());
            for who in suspects.iter().filter(|_| death == 0) {
                world.say(who, &format!("slow {who}")).await;
            }
            setup.model.called(calls + suspects.len()).await;
        });
    }
    life(async {
        let calls = setup.model.calls();
        let world = setup.start().await;
        assert_eq!(world.runtime().recovery().suspects.len(), suspects.len());
        setup.model.called(calls + 1).await;
        world.say("ana", "hello").await;
        pass(secs(2)).await;
        assert_eq!(world.replies("ana").await, ["re: hello"]);
        assert_eq!(setup.model.calls(), calls + 2, "one suspect, one at a time");
    });
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_sent_again_where_the_channel_deduplicates() {
    let setup = Setup::phone(Deduplicates::ByKey);
    setup.door().answer([zupa_testkit::Answer::LostAnswer]);
    let world = setup.start().await;
    world.say("ana", "hello").await;
    world.quiet().await;
    let keys: Vec<_> = setup
        .door()
        .calls()
        .iter()
        .map(|sent| sent.delivery)
        .collect();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1], "with the same key");
    assert_eq!(setup.visible(), ["re: hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_shown_as_unknown_where_nobody_deduplicates_and_the_rest_goes_on() {
    let setup = Setup::phone(Deduplicates::Never);
    setup.door().answer([zupa_testkit::Answer::LostAnswer]);
    let world = setup.start().await;
    world.say("ana", "one").await;
    world.say("ana", "two").await;
    world.quiet().await;
    assert_eq!(setup.door().calls().len(), 2, "nothing is sent twice");
    let counts = world.accounting().await;
    assert_eq!(counts.deliveries.get("unknown"), Some(&1));
    assert_eq!(counts.deliveries.get("sent"), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_fails_is_tried_again() {
    let mut setup = Setup::phone(Deduplicates::ByKey);
    setup.wakeup = Some(Arc::new(Deaf));
    setup.agent.burst.silence = secs(1);
    let world = setup.start().await;
    world.store.at_call_of(
        Call::Due,
        1,
        Fault::Fail(crate::support::error(ErrorKind::Unavailable)),
    );
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!(setup.visible(), ["re: hello"]);
}
