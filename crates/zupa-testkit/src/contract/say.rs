//! Stop 3: what is said before the commit, in one transaction with its step.

use zupa_core::store::{
    Batch, ClaimedTurn, Commit, Finished, OutboxRow, Record, Recorded, Settlement, TurnEnd, Verdict,
};
use zupa_core::{DeliveryState, ErrorKind, Number, Outbound, ReceiptLevel, ReceiptNews};

use super::Harness;
use super::world::path::{answered, failure, record_of};
use super::world::wire::{Place, receipt, sent};
use super::world::{EXPIRY, World, address};

/// A result that says these side messages.
fn saying(turn: &ClaimedTurn, key: &str, texts: &[&str], state: DeliveryState) -> Record {
    let say = texts.iter().map(|text| OutboxRow {
        outbound: Outbound::aside(*text),
        state,
        answer_by: None,
    });
    Record {
        say: say.collect(),
        ..record_of(turn, key, "1")
    }
}

/// What a turn commits after it has said something.
fn reply() -> Commit {
    answered(&[("a", DeliveryState::Sent), ("b", DeliveryState::Sent)])
}

impl World<'_> {
    pub(super) async fn say_aside(
        &self,
        turn: &ClaimedTurn,
        key: &str,
        texts: &[&str],
    ) -> Recorded {
        let batch = Batch {
            record: vec![saying(turn, key, texts, DeliveryState::Sent)],
            ..self.batch()
        };
        self.write(batch).await.record.remove(0).unwrap()
    }

    async fn lines(&self, alias: &str) -> Vec<(u64, String)> {
        let lines = self.desk.lines(&address(alias), Number(0), 100).await;
        let lines = lines.unwrap().into_iter();
        lines.map(|line| (line.number.0, line.text)).collect()
    }

    /// Number and ordinal of what a turn has said and sent.
    async fn places(&self, turn: &ClaimedTurn) -> Vec<(u64, u32)> {
        let deliveries = self.view(turn.turn).await.deliveries;
        let rows = deliveries.iter();
        rows.map(|row| (row.number.0, row.id.ordinal)).collect()
    }
}

/// Side messages have the turn's first ordinals and stand in the conversation's
/// line of numbers, before the rows of the commit.
pub async fn side_messages_come_before_the_rows_of_the_commit(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    assert_eq!(turn.said, 0);
    world.say_aside(&turn, "k1", &["one", "two"]).await;
    world.hear("ana", "r").await;
    world.say_aside(&turn, "k2", &["three"]).await;
    let Finished::Done { numbers, .. } = world.end(&turn, TurnEnd::Commit(reply())).await else {
        panic!("the holder's commit must be written");
    };
    assert_eq!(numbers, [Number(6), Number(7)], "only the commit's rows");
    let expected = [(2, 0), (3, 1), (5, 2), (6, 3), (7, 4)];
    assert_eq!(world.places(&turn).await, expected);
    let texts = ["q", "one", "two", "r", "three", "a", "b"];
    let expected: Vec<_> = (1..).zip(texts.map(str::to_owned)).collect();
    assert_eq!(world.lines("ana").await, expected);

    // The turn behind it starts its own ordinals.
    let next = world.claim(conversation).await;
    assert_eq!(next.said, 0);
    world.say_aside(&next, "k1", &["four"]).await;
    world.answer(&next, "c").await;
    assert_eq!(world.places(&next).await, [(8, 0), (9, 1)]);
    assert_eq!(world.places(&turn).await.len(), 5);
}

/// The person reads a side message; the model does not remember it.
pub async fn side_messages_are_lines_and_no_history(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    world.say_aside(&turn, "k1", &["one moment"]).await;
    assert_eq!(world.lines("ana").await.len(), 2, "before the commit, too");
    let mut commit = reply();
    commit.outbound[0].outbound.aside = true;
    world.end(&turn, TurnEnd::Commit(commit)).await;
    let history = world.history(conversation).await;
    let texts: Vec<_> = history.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["q", "b"]);
    assert_eq!(world.lines("ana").await.len(), 4);
}

/// What a run said is said: the next one knows how many there are, and goes on
/// behind them, whatever death lies between.
pub async fn side_messages_survive_a_death(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    world.say_aside(&turn, "k1", &["one", "two"]).await;
    let (world, _) = world.die().await;
    let again = world.claim(conversation).await;
    assert_eq!((again.turn, again.said), (turn.turn, 2));
    world.say_aside(&again, "k2", &["three"]).await;
    let (world, _) = world.die().await;
    let last = world.claim(conversation).await;
    assert_eq!(last.said, 3);
    world.answer(&last, "a").await;
    let expected = [(2, 0), (3, 1), (4, 2), (5, 3)];
    assert_eq!(world.places(&last).await, expected);
}

/// A step that comes again, its answer lost, says nothing again.
pub async fn a_step_recorded_twice_is_said_once(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    for _ in 0..2 {
        let answer = world.say_aside(&turn, "k1", &["one"]).await;
        assert_eq!(answer, Recorded::Written);
    }
    let both = Batch {
        record: vec![
            saying(&turn, "k2", &["two"], DeliveryState::Sent),
            saying(&turn, "k2", &["two"], DeliveryState::Sent),
        ],
        ..world.batch()
    };
    world.write(both).await;
    let (world, _) = world.die().await;
    let again = world.claim(conversation).await;
    assert_eq!(again.said, 2);
    world.say_aside(&again, "k1", &["one"]).await;
    assert_eq!(world.places(&again).await, [(2, 0), (3, 1)]);
}

/// A result that fills its intent is the first to say what goes with it.
pub async fn a_filled_intent_says_once(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    let mut intent = record_of(&turn, "k1", "1");
    intent.step.result = None;
    let batch = Batch {
        record: vec![intent],
        ..world.batch()
    };
    world.write(batch).await;
    world.say_aside(&turn, "k1", &["done"]).await;
    world.say_aside(&turn, "k1", &["done"]).await;
    assert_eq!(world.places(&turn).await, [(2, 0)]);
}

/// A run that lost its claim says nothing.
pub async fn a_stale_run_says_nothing(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let stale = world.claim(conversation).await;
    world.pass(EXPIRY);
    let turn = world.claim(conversation).await;
    let before = world.look("ana", conversation, turn.turn).await;
    let answer = world.say_aside(&stale, "k1", &["late"]).await;
    assert_eq!(answer, Recorded::Stale);
    assert_eq!(world.look("ana", conversation, turn.turn).await, before);
    world.answer(&turn, "a").await;
    let answer = world.say_aside(&turn, "k1", &["late"]).await;
    assert_eq!(answer, Recorded::Stale);
    assert_eq!(world.lines("ana").await.len(), 2);
}

/// The answer to a commit that comes again has the numbers of the commit's rows
/// alone, as the first one had.
pub async fn a_repeated_commit_is_told_its_own_rows_only(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    world.say_aside(&turn, "k1", &["one"]).await;
    let finish = world.finish_of(&turn, TurnEnd::Commit(reply()));
    world.finish(finish.clone()).await;
    let (world, _) = world.die().await;
    let already = Finished::Already {
        numbers: vec![Number(3), Number(4)],
        due_at: None,
        held: false,
    };
    assert_eq!(world.finish(finish).await, already);
    assert_eq!(world.places(&turn).await.len(), 3);

    // A turn that has only spoken aside has no rows of its own.
    world.hear("ana", "r").await;
    let turn = world.claim(conversation).await;
    world.say_aside(&turn, "k1", &["two"]).await;
    let silent = Commit::of(Verdict::Silent("quiet".into()), Vec::new());
    let finish = world.finish_of(&turn, TurnEnd::Commit(silent));
    world.finish(finish.clone()).await;
    let Finished::Already { numbers, .. } = world.finish(finish).await else {
        panic!("it was written before");
    };
    assert!(numbers.is_empty());
}

/// Side messages are sent like any others: in their order, each attempt on
/// record, found again by our key, and in the way of what comes behind.
pub async fn side_messages_are_delivered_in_order(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    let batch = Batch {
        record: vec![saying(&turn, "k1", &["one", "two"], DeliveryState::Queued)],
        ..world.batch()
    };
    world.write(batch).await;
    let one = Place {
        conversation,
        number: Number(2),
    };
    assert_eq!(world.listed().await, [(Number(2), DeliveryState::Queued)]);
    world.attempt(one, 1).await;
    world.hear("ana", "r").await;
    world.say(&turn, &[("a", DeliveryState::Queued)]).await;
    assert!(world.listed().await.is_empty(), "the first is on its way");
    world.settle(one, 1, sent("wamid.1")).await;
    assert_eq!(world.listed().await, [(Number(3), DeliveryState::Queued)]);

    // Nobody hears how the second went, until a receipt carries our key.
    let view = world.view(turn.turn).await;
    let two = Place {
        conversation,
        number: Number(3),
    };
    world.attempt(two, 1).await;
    let in_doubt = Settlement::InDoubt {
        until: world.after(60),
    };
    world.settle(two, 1, in_doubt).await;
    let delivered = ReceiptNews::Status {
        level: ReceiptLevel::Delivered,
        key: Some(view.deliveries[1].id.to_string()),
    };
    world
        .hear_receipts(vec![receipt("wamid.2", delivered)])
        .await;
    assert_eq!(world.listed().await, [(Number(5), DeliveryState::Queued)]);
    let answer = Place {
        conversation,
        number: Number(5),
    };
    world.attempt(answer, 1).await;
    let read = ReceiptNews::Status {
        level: ReceiptLevel::Read,
        key: Some(view.deliveries[2].id.to_string()),
    };
    world.hear_receipts(vec![receipt("wamid.3", read)]).await;
    let states = world.view(turn.turn).await.deliveries;
    let states: Vec<_> = states.iter().map(|row| (row.state, row.receipt)).collect();
    let expected = [
        (DeliveryState::Sent, ReceiptLevel::None),
        (DeliveryState::Sent, ReceiptLevel::Delivered),
        (DeliveryState::Sent, ReceiptLevel::Read),
    ];
    assert_eq!(states, expected);
}

/// A side message is the beginning of no reply: what comes behind it is sent, be
/// it refused for good.
pub async fn a_side_message_that_fails_cancels_nothing(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    let batch = Batch {
        record: vec![saying(&turn, "k1", &["one", "two"], DeliveryState::Queued)],
        ..world.batch()
    };
    world.write(batch).await;
    world.say(&turn, &[("a", DeliveryState::Queued)]).await;
    for number in [2, 3, 4].map(Number) {
        assert_eq!(world.listed().await, [(number, DeliveryState::Queued)]);
        let place = Place {
            conversation,
            number,
        };
        world.attempt(place, 1).await;
        let kind = ErrorKind::Invalid;
        world.settle(place, 1, Settlement::Failed { kind }).await;
    }
}

/// What was said stays said when the turn gives up or is divided.
pub async fn a_turn_that_gives_up_has_said_what_it_said(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let turn = world.claim(conversation).await;
    world.say_aside(&turn, "k1", &["one"]).await;
    let split = TurnEnd::Split { failure: failure() };
    assert!(matches!(
        world.end(&turn, split).await,
        Finished::Done { .. }
    ));
    assert_eq!(world.places(&turn).await, [(2, 0)]);
    let next = world.claim(conversation).await;
    assert_ne!(next.turn, turn.turn);
    assert_eq!(next.said, 0);
    world.say_aside(&next, "k1", &["two"]).await;
    let dead = Commit::of(Verdict::Dead(failure()), Vec::new());
    assert!(matches!(
        world.end(&next, TurnEnd::Commit(dead)).await,
        Finished::Done { .. }
    ));
    assert_eq!(world.places(&next).await, [(3, 0)]);
    assert!(world.history(conversation).await.is_empty());
}
