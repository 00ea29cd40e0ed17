//! Deliveries through a door that loses answers, speaks too early, too late or never: the
//! line that is kept, the evidence that settles, and what becomes of the rest.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use zupa_core::desk::DeliveryView;
use zupa_core::{
    Channel, Clock, DeadLetterAct, DeadLetterActed, DeadLetterId, DeadLetterState, Deduplicates,
    DeliveryId, DeliveryState, Desk, Effect, ErrorKind, Hold, Outcome, ReceiptLevel, Reminder,
    Retry, ToolContext, ToolOutput,
};
use zupa_runtime::tool;
use zupa_testkit::Answer;

use crate::support::{Act, DOOR, Setup, World, act, door, error, hold, inbound, life, pass, secs};

/// Nobody drops repeats there, and evidence is waited for for a minute.
fn phone() -> Setup {
    Setup::phone(Deduplicates::Never)
}

/// A process whose door tells news.
async fn start(setup: &Setup) -> World {
    let world = setup.start().await;
    world.door().connect(world.runtime().intake());
    world
}

async fn delivery(world: &World, message: &str) -> DeliveryView {
    world.view(message).await.deliveries.remove(0)
}

async fn state(world: &World, message: &str) -> DeliveryState {
    delivery(world, message).await.state
}

/// The first message that left.
fn first(world: &World) -> DeliveryId {
    world.door().calls()[0].delivery
}

async fn letter(world: &World) -> (DeadLetterId, DeadLetterState, String) {
    let letters = world
        .memory
        .dead_letters(&Default::default(), None, 10)
        .await;
    let letter = letters.unwrap().remove(0);
    (letter.id, letter.state, letter.class)
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_keeps_the_line_until_a_receipt_settles_it() {
    let world = start(&phone()).await;
    world.door().answer([Answer::LostAnswer]);
    world.say("ana", "one").await;
    world.door().called(1).await;
    world.say("ana", "two").await;
    world.say("bob", "three").await;
    pass(secs(30)).await;
    assert_eq!(state(&world, "one").await, DeliveryState::InDoubt);
    assert_eq!(state(&world, "two").await, DeliveryState::Queued);
    assert_eq!(
        world.visible(),
        ["re: one", "re: three"],
        "others go their way"
    );

    let one = first(&world);
    world
        .door()
        .tell(one, ReceiptLevel::Delivered)
        .await
        .unwrap();
    world.quiet().await;
    assert_eq!(world.visible(), ["re: one", "re: three", "re: two"]);
    assert_eq!(world.door().calls().len(), 3, "nothing is sent twice");
    let view = delivery(&world, "one").await;
    assert_eq!(
        (view.state, view.receipt, view.attempts),
        (DeliveryState::Sent, ReceiptLevel::Delivered, 1)
    );
    assert_eq!(world.door().told(), [(one, ReceiptLevel::Delivered)]);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_may_come_before_the_answer_and_instead_of_it() {
    for answer in [Answer::Ok, Answer::LostAnswer, Answer::HangAfter] {
        let world = start(&phone()).await;
        let told = Answer::Tell(ReceiptLevel::Read, Box::new(answer.clone()));
        let twice = Answer::Tell(ReceiptLevel::Sent, Box::new(told));
        world.door().answer([twice]);
        world.say("ana", "one").await;
        world.say("ana", "two").await;
        pass(secs(1)).await;
        assert_eq!(state(&world, "one").await, DeliveryState::Sent);
        pass(secs(90)).await;
        let view = delivery(&world, "one").await;
        assert_eq!(
            (view.state, view.receipt),
            (DeliveryState::Sent, ReceiptLevel::Read),
            "{answer:?}"
        );
        assert_eq!(world.visible(), ["re: one", "re: two"], "{answer:?}");
        assert_eq!(world.door().calls().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_says_failed_settles_a_doubt_until_it_arrives_all_the_same() {
    // Whatever the policy, and also while the answer is awaited.
    for phone in [
        phone(),
        Setup::with(door(DOOR, Deduplicates::Never).resending()),
    ] {
        let world = start(&phone).await;
        let told = Answer::Tell(ReceiptLevel::Failed, Box::new(Answer::LostAnswer));
        world.door().answer([told]);
        world.say("ana", "one").await;
        world.say("ana", "two").await;
        world.quiet().await;
        let view = delivery(&world, "one").await;
        assert_eq!(
            (view.state, view.receipt, view.attempts),
            (DeliveryState::Failed, ReceiptLevel::Failed, 1)
        );
        assert_eq!(world.door().calls().len(), 2, "it is not sent again");
        let one = first(&world);
        let pending = (DeadLetterState::Pending, "invalid".to_owned());
        let (id, state, class) = letter(&world).await;
        assert_eq!(
            (id, state, class),
            (DeadLetterId::Delivery(one), pending.0, pending.1)
        );

        world.door().tell(one, ReceiptLevel::Sent).await.unwrap();
        assert_eq!(
            self::state(&world, "one").await,
            DeliveryState::Failed,
            "it says so late"
        );
        world
            .door()
            .tell(one, ReceiptLevel::Delivered)
            .await
            .unwrap();
        let view = delivery(&world, "one").await;
        assert_eq!(
            (view.state, view.receipt),
            (DeliveryState::Sent, ReceiptLevel::Delivered)
        );
        assert_eq!(letter(&world).await.1, DeadLetterState::Done);
    }
}

#[tokio::test(start_paused = true)]
async fn what_stays_unknown_is_parked_for_an_operator_and_the_rest_goes_on() {
    let world = start(&phone()).await;
    // It answers, but after its deadline.
    let late = Answer::After(secs(11), Box::new(Answer::Ok));
    world.door().answer([late]);
    world.say("ana", "one").await;
    world.door().called(1).await;
    world.say("ana", "two").await;
    pass(secs(59)).await;
    assert_eq!(state(&world, "one").await, DeliveryState::InDoubt);
    assert_eq!(world.door().calls().len(), 1);
    pass(secs(30)).await;
    assert_eq!(state(&world, "one").await, DeliveryState::Unknown);
    assert_eq!(world.visible(), ["re: one", "re: two"]);
    let one = first(&world);
    let id = DeadLetterId::Delivery(one);
    let pending = (id, DeadLetterState::Pending, "unknown".to_owned());
    assert_eq!(letter(&world).await, pending);

    // News of it may come however late.
    world.door().tell(one, ReceiptLevel::Read).await.unwrap();
    assert_eq!(state(&world, "one").await, DeliveryState::Sent);
    assert_eq!(letter(&world).await.1, DeadLetterState::Done);
    assert_eq!(world.door().calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_sends_again_goes_out_late_and_holds_nobody_up() {
    let world = start(&phone()).await;
    world.door().answer([Answer::LostAnswer]);
    world.say("ana", "one").await;
    world.quiet().await;
    world.say("ana", "two").await;
    world.quiet().await;
    let (id, ..) = letter(&world).await;
    let retry = |confirmed| {
        let entry = act(&world, "dead_letter.retried");
        let retry = DeadLetterAct::Retry { confirmed };
        world.memory.act_on_dead_letter(id, retry, entry)
    };
    assert_eq!(retry(false).await.unwrap(), DeadLetterActed::Unconfirmed);
    // It is lost again, and nobody waits for it.
    world.door().answer([Answer::LostAnswer]);
    let acted = retry(true).await.unwrap();
    assert!(matches!(acted, DeadLetterActed::Done { .. }));
    world.door().called(3).await;
    world.say("ana", "three").await;
    pass(secs(5)).await;
    assert_eq!(state(&world, "three").await, DeliveryState::Sent);
    assert_eq!(state(&world, "one").await, DeliveryState::InDoubt);
    let calls = world.door().calls();
    assert_eq!(calls[0].delivery, calls[2].delivery, "the same key");

    world
        .door()
        .tell(calls[2].delivery, ReceiptLevel::Delivered)
        .await
        .unwrap();
    let view = delivery(&world, "one").await;
    assert_eq!((view.state, view.doubled), (DeliveryState::Sent, 1));
    assert!(view.late);
    let address = calls[0].to.clone();
    let lines = world.memory.lines(&address, zupa_core::Number(0), 10).await;
    let said: Vec<_> = lines
        .unwrap()
        .into_iter()
        .map(|line| (line.text, line.late))
        .collect();
    let expected = [
        ("one", false),
        ("two", false),
        ("re: two", false),
        ("re: one", true),
        ("three", false),
        ("re: three", false),
    ];
    assert_eq!(said, expected.map(|(text, late)| (text.to_owned(), late)));
}

#[tokio::test(start_paused = true)]
async fn where_the_policy_says_so_it_is_sent_again_and_counted_as_possibly_doubled() {
    let mut setup = Setup::with(door(DOOR, Deduplicates::Never).resending());
    setup.settings.delivery_attempts = 3;
    let world = start(&setup).await;
    world.door().answer([Answer::LostAnswer]);
    world.say("ana", "one").await;
    world.say("ana", "two").await;
    pass(secs(59)).await;
    assert_eq!(world.door().calls().len(), 1, "evidence is waited for");
    world.quiet().await;
    let view = delivery(&world, "one").await;
    assert_eq!(
        (view.state, view.attempts, view.doubled),
        (DeliveryState::Sent, 2, 1)
    );
    assert_eq!(world.visible(), ["re: one", "re: one", "re: two"]);
    assert_eq!(delivery(&world, "two").await.doubled, 0);

    // Not for ever.
    world.door().answer(vec![Answer::LostAnswer; 9]);
    world.say("bob", "three").await;
    world.quiet().await;
    let view = delivery(&world, "three").await;
    assert_eq!(
        (view.state, view.attempts, view.doubled),
        (DeliveryState::Unknown, 3, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn silence_is_evidence_from_a_door_that_has_missed_nothing() {
    let world = start(&phone()).await;
    // Since before the attempt: it would have told.
    world.door().caught_up(Some(world.clock.wall()));
    world.door().answer([Answer::Hang]);
    world.say("ana", "one").await;
    world.quiet().await;
    let view = delivery(&world, "one").await;
    assert_eq!(
        (view.state, view.attempts, view.doubled),
        (DeliveryState::Sent, 2, 0)
    );
    assert_eq!(world.visible(), ["re: one"]);

    // It was away for a moment in the window.
    world.door().answer([Answer::Hang]);
    world.say("ana", "two").await;
    pass(secs(30)).await;
    world.door().caught_up(None);
    pass(secs(5)).await;
    world.door().caught_up(Some(world.clock.wall()));
    world.quiet().await;
    assert_eq!(state(&world, "two").await, DeliveryState::Unknown);
    assert_eq!(world.door().calls().len(), 3);
}

#[test]
fn a_death_does_not_shorten_the_wait_for_evidence() {
    for evidence in [true, false] {
        let setup = phone();
        life(async {
            let world = start(&setup).await;
            world.door().answer([Answer::HangAfter]);
            world.say("ana", "one").await;
            world.door().called(1).await;
            pass(secs(2)).await;
        });
        life(async {
            let world = start(&setup).await;
            pass(secs(30)).await;
            assert_eq!(state(&world, "one").await, DeliveryState::InDoubt);
            if evidence {
                let one = first(&world);
                world.door().tell(one, ReceiptLevel::Sent).await.unwrap();
                assert_eq!(state(&world, "one").await, DeliveryState::Sent);
            }
            pass(secs(40)).await;
            let end = match evidence {
                true => DeliveryState::Sent,
                false => DeliveryState::Unknown,
            };
            assert_eq!(state(&world, "one").await, end);
            assert_eq!(world.door().calls().len(), 1);
        });
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

#[tokio::test(start_paused = true)]
async fn a_reminder_does_not_wait_for_a_reply_in_doubt() {
    let mut setup = phone();
    let remind = |_: Nothing, cx: ToolContext| async move {
        let mut set = ToolOutput::of("set");
        set.remind.push(Reminder::once(cx.at.plus(secs(20)), "tea"));
        Ok(set)
    };
    setup.agent = setup
        .agent
        .tool(tool("remind", "", Effect::IDEMPOTENT, remind).into_tool());
    let world = start(&setup).await;
    world.model.on("go", [Act::Call(&[("remind", "{}")])]);
    world.model.on("set", [Act::Say("I will")]);
    world.model.always(": tea]", Act::Say("tea now"));
    world.door().answer([Answer::LostAnswer]);
    world.say("ana", "go").await;
    world.door().called(1).await;
    world.say("ana", "more").await;
    pass(secs(30)).await;
    assert_eq!(state(&world, "go").await, DeliveryState::InDoubt);
    assert_eq!(world.visible(), ["I will", "tea now"]);
    world.quiet().await;
    assert_eq!(world.visible(), ["I will", "tea now", "re: more"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_blocks_and_one_that_does_not_lets_the_rest_go() {
    let world = start(&phone()).await;
    let later = error(ErrorKind::RateLimited).with_retry(Retry::After(secs(20)));
    let later = later.with_outcome(Outcome::NotApplied);
    world.door().answer([Answer::Fail(later)]);
    world.say("ana", "one").await;
    world.door().called(1).await;
    world.say("ana", "two").await;
    pass(secs(15)).await;
    assert_eq!(state(&world, "one").await, DeliveryState::Retry);
    assert_eq!(world.visible(), [""; 0]);
    world.quiet().await;
    assert_eq!(world.visible(), ["re: one", "re: two"]);

    let never = error(ErrorKind::Invalid).with_outcome(Outcome::NotApplied);
    world.door().answer([Answer::Fail(never)]);
    world.say("ana", "three").await;
    world.say("ana", "four").await;
    world.quiet().await;
    assert_eq!(state(&world, "three").await, DeliveryState::Failed);
    assert_eq!(world.visible(), ["re: one", "re: two", "re: four"]);
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_looked_at_before_every_attempt() {
    let world = start(&phone()).await;
    // On the wire while the human takes over; it did not leave.
    let fails = error(ErrorKind::Unavailable).with_retry(Retry::Now);
    let fails = fails.with_outcome(Outcome::NotApplied);
    let late = Answer::After(secs(2), Box::new(Answer::Fail(fails)));
    world.door().answer([late]);
    world.say("ana", "one").await;
    world.door().called(1).await;
    hold(&world, "ana").await;
    assert_eq!(state(&world, "one").await, DeliveryState::Sending);
    pass(secs(60)).await;
    let view = delivery(&world, "one").await;
    assert_eq!(view.state, DeliveryState::Cancelled);
    assert_eq!(view.reason.as_deref(), Some(Hold::REASON));
    assert_eq!(world.door().calls().len(), 1);
}

/// Twice the deadline of a send: who is held up longer than that does not send.
/// More than one look lists waits for a door that is gone.
#[tokio::test(start_paused = true)]
async fn what_waits_for_a_door_that_is_gone_hides_nobody_elses() {
    let mut setup = phone();
    let fails = || error(ErrorKind::Unavailable).with_outcome(Outcome::NotApplied);
    let again = || Answer::Fail(fails().with_retry(Retry::Now));
    setup.door().answer(vec![again(); 900]);
    let gone = setup.doors.clone();
    let mut world = setup.start().await;
    for who in 0..300 {
        world.say(&format!("p{who}"), &format!("hello {who}")).await;
    }
    gone[0].called(300).await;
    world.shutdown(secs(5)).await.unwrap();
    drop(world);
    setup.doors = vec![Arc::new(door("other", Deduplicates::Never))];
    setup.door().answer(vec![again()]);
    let world = setup.start().await;
    let mut message = inbound("ana", "hi", "hi");
    message.address.channel = setup.door().id().clone();
    world.deliver(message).await.unwrap();
    let sent = tokio::time::timeout(secs(60), world.door().called(2)).await;
    sent.expect("the second attempt is listed");
    pass(secs(1)).await;
    assert_eq!(world.visible(), ["re: hi"]);
}

#[tokio::test(start_paused = true)]
async fn a_window_begins_with_the_attempt() {
    let world = start(&phone()).await;
    world.door().answer([Answer::HangAfter]);
    world.say("ana", "one").await;
    world.door().called(1).await;
    let tried_at = world.clock.wall();
    world.quiet().await;
    let waited = world.clock.wall().since(tried_at);
    let timeout = world.settings.policies.channel.timeout;
    let longest = world.settings.doubt + timeout + Duration::from_secs(2);
    assert!(
        (world.settings.doubt..=longest).contains(&waited),
        "{waited:?}"
    );
}
