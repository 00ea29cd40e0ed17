//! News about known messages: levels that only go up, evidence for what is in
//! doubt, edits and revokes of what no turn has taken.

use zupa_core::store::{Accepted, Attempted, Batch, ClaimOutcome, Settlement};
use zupa_core::{
    ChannelId, Content, DeadLetter, DeadLetterId, DeadLetterState, DeliveryId, DeliveryState,
    ErrorKind, InboundState, PlatformId, Receipt, ReceiptLevel, ReceiptNews, TenantId,
};

use super::Harness;
use super::dead_letters::done;
use super::world::path::{queued, texts};
use super::world::wire::{Place, Talk, level, receipt, sent, settle_of};
use super::world::{World, count};

const SENDING: &[(&str, DeliveryState)] = &[("one", DeliveryState::Sending)];
const LEVELS: [ReceiptLevel; 5] = [
    ReceiptLevel::Accepted,
    ReceiptLevel::Sent,
    ReceiptLevel::Failed,
    ReceiptLevel::Delivered,
    ReceiptLevel::Read,
];

/// News that carries our key.
pub(super) fn with_key(talk: &Talk, level: ReceiptLevel) -> ReceiptNews {
    ReceiptNews::Status {
        level,
        key: Some(format!("{}.0", talk.turn.turn)),
    }
}

impl World<'_> {
    pub(super) async fn heard_of(&self, talk: &Talk) -> (DeliveryState, ReceiptLevel) {
        let view = self.delivery(talk, 0).await;
        (view.state, view.receipt)
    }
}

/// A receipt that comes after the answer raises the level.
pub async fn receipt_after_settle_raises_the_level(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", SENDING).await;
    world.settle(talk.rows[0], 1, sent("p1")).await;
    let silent = (DeliveryState::Sent, ReceiptLevel::None);
    assert_eq!(world.heard_of(&talk).await, silent);
    world.hear_of("p1", level(ReceiptLevel::Delivered)).await;
    world.hear_of("p1", level(ReceiptLevel::Sent)).await;
    let delivered = (DeliveryState::Sent, ReceiptLevel::Delivered);
    assert_eq!(world.heard_of(&talk).await, delivered);
    let (world, _) = world.die().await;
    assert_eq!(world.heard_of(&talk).await, delivered);
}

/// A receipt that overtakes the answer is kept, over a death too, and joined
/// when the answer tells the platform's id.
pub async fn receipt_before_settle_is_kept_and_joined(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", SENDING).await;
    world.hear_of("p1", level(ReceiptLevel::Delivered)).await;
    world.hear_of("p1", level(ReceiptLevel::Accepted)).await;
    let waiting = (DeliveryState::Sending, ReceiptLevel::None);
    assert_eq!(world.heard_of(&talk).await, waiting);

    let (world, _) = world.die().await;
    world.settle(talk.rows[0], 1, sent("p1")).await;
    let joined = (DeliveryState::Sent, ReceiptLevel::Delivered);
    assert_eq!(world.heard_of(&talk).await, joined);
    world.hear_of("p1", level(ReceiptLevel::Read)).await;
    assert_eq!(world.heard_of(&talk).await.1, ReceiptLevel::Read);
}

/// In every order of arrival, in one batch or in several, the level is the
/// highest one heard, at every moment.
pub async fn receipt_levels_only_go_up_in_any_order(harness: &dyn Harness) {
    let world = World::open(harness).await;
    // Of 120 orders, those that begin with each level and end with each.
    let orders = permutations(LEVELS.to_vec());
    let mut orders: Vec<_> = orders.into_iter().step_by(5).collect();
    assert_eq!(orders.len(), 24);
    // A repeated level is no news.
    orders.push([LEVELS, LEVELS].concat());
    let (mut step_by_step, mut at_once) = (Vec::new(), Vec::new());
    for place in 0..orders.len() {
        for (talks, kind) in [(&mut step_by_step, "s"), (&mut at_once, "b")] {
            let talk = world.talk(&format!("{kind}{place}"), SENDING).await;
            let id = format!("{kind}{place}");
            world.settle(talk.rows[0], 1, sent(&id)).await;
            talks.push((talk, id));
        }
    }

    for step in 0..LEVELS.len() {
        let news = step_by_step.iter().zip(&orders);
        let news = news.map(|((_, id), order)| receipt(id, level(order[step])));
        world.hear_receipts(news.collect()).await;
        for ((talk, _), order) in step_by_step.iter().zip(&orders) {
            let highest = order[..=step].iter().max().unwrap();
            assert_eq!(world.heard_of(talk).await.1, *highest, "after {order:?}");
        }
    }
    for ((talk, id), order) in at_once.iter().zip(&orders) {
        let news = order.iter().map(|heard| receipt(id, level(*heard)));
        world.hear_receipts(news.collect()).await;
        assert_eq!(
            world.heard_of(talk).await.1,
            ReceiptLevel::Read,
            "{order:?}"
        );
    }
}

fn permutations(of: Vec<ReceiptLevel>) -> Vec<Vec<ReceiptLevel>> {
    if of.len() <= 1 {
        return vec![of];
    }
    let mut all = Vec::new();
    for place in 0..of.len() {
        let mut rest = of.clone();
        let first = rest.remove(place);
        for mut order in permutations(rest) {
            order.insert(0, first);
            all.push(order);
        }
    }
    all
}

/// A receipt that carries our key proves that the message left, and tells the
/// platform's id of it.
pub async fn receipt_with_our_key_settles_in_doubt_as_sent(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let until = world.after(60);
    let doubts = [
        Some(Settlement::InDoubt { until }),
        Some(Settlement::Unknown),
        None,
    ];
    for (place, doubt) in doubts.into_iter().enumerate() {
        let (alias, id) = (format!("a{place}"), format!("p{place}"));
        let talk = world.talk(&alias, SENDING).await;
        if let Some(doubt) = doubt {
            world.settle(talk.rows[0], 1, doubt).await;
        }
        world
            .hear_of(&id, with_key(&talk, ReceiptLevel::Sent))
            .await;
        let settled = (DeliveryState::Sent, ReceiptLevel::Sent);
        assert_eq!(world.heard_of(&talk).await, settled);
        assert!(world.delivery(&talk, 0).await.settled_at.is_some());
        // From now on the platform's id is known.
        world.hear_of(&id, level(ReceiptLevel::Read)).await;
        assert_eq!(world.heard_of(&talk).await.1, ReceiptLevel::Read);
    }
    assert!(world.due_deliveries().await.is_empty());
}

/// That the platform has given up is an answer, too: what has none, or would be sent
/// again, has failed, and is a dead letter. News that it arrived all the same, and only
/// that, outweighs it.
pub async fn a_failed_receipt_with_our_key_ends_what_has_no_answer(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (until, not_before) = (world.after(60), world.now);
    let kind = ErrorKind::Timeout;
    let doubts = [
        None,
        Some(Settlement::InDoubt { until }),
        Some(Settlement::SendAgain),
        Some(Settlement::Resend),
        Some(Settlement::Retry { not_before, kind }),
    ];
    let failed = (DeliveryState::Failed, ReceiptLevel::Failed);
    for (place, doubt) in doubts.into_iter().enumerate() {
        let (alias, id) = (format!("a{place}"), format!("p{place}"));
        let rows = [
            ("one", DeliveryState::Sending),
            ("two", DeliveryState::Queued),
        ];
        let talk = world.talk(&alias, &rows).await;
        if let Some(doubt) = doubt.clone() {
            world.settle(talk.rows[0], 1, doubt).await;
        }
        // Twice, as platforms do; and the word that it had left before comes behind.
        for level in [
            ReceiptLevel::Failed,
            ReceiptLevel::Failed,
            ReceiptLevel::Sent,
        ] {
            world.hear_of(&id, with_key(&talk, level)).await;
            assert_eq!(world.heard_of(&talk).await, failed, "{doubt:?}");
        }
        let cancelled = [DeliveryState::Failed, DeliveryState::Cancelled];
        assert_eq!(world.states(&talk).await, cancelled, "{doubt:?}");
        assert!(world.due_deliveries().await.is_empty(), "{doubt:?}");
        let letter = world.letter_about(&talk).await;
        assert_eq!(letter.state, DeadLetterState::Pending);
        assert_eq!(letter.class, "invalid");

        // An answer that comes now says no more than the status `sent`.
        world.settle(talk.rows[0], 1, sent(&id)).await;
        assert_eq!(world.heard_of(&talk).await, failed, "{doubt:?}");
        let news = with_key(&talk, ReceiptLevel::Delivered);
        world.hear_of(&id, news).await;
        let settled = (DeliveryState::Sent, ReceiptLevel::Delivered);
        assert_eq!(world.heard_of(&talk).await, settled, "{doubt:?}");
        assert_eq!(world.letter_about(&talk).await.state, DeadLetterState::Done);
    }
}

impl World<'_> {
    async fn letter_about(&self, talk: &Talk) -> DeadLetter {
        let turn = talk.turn.turn;
        let id = DeadLetterId::Delivery(DeliveryId { turn, ordinal: 0 });
        let letters = self.dead_letters().await;
        letters.into_iter().find(|letter| letter.id == id).unwrap()
    }
}

/// What was sent stays so, and what nobody has tried waits: a failure is a level. So is
/// one that names no key of ours, or that is about an attempt of an earlier life.
pub async fn a_failed_receipt_ends_nothing_else(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", SENDING).await;
    world.settle(talk.rows[0], 1, sent("p1")).await;
    world
        .hear_of("p1", with_key(&talk, ReceiptLevel::Failed))
        .await;
    world.hear_of("p1", level(ReceiptLevel::Failed)).await;
    let noted = (DeliveryState::Sent, ReceiptLevel::Failed);
    assert_eq!(world.heard_of(&talk).await, noted);

    let queued = [("one", DeliveryState::Queued)];
    let untried = world.talk("bob", &queued).await;
    let news = with_key(&untried, ReceiptLevel::Failed);
    world.hear_of("p2", news).await;
    assert_eq!(world.heard_of(&untried).await.0, DeliveryState::Queued);
    assert!(world.dead_letters().await.is_empty());

    let nameless = world.talk("cyd", SENDING).await;
    world.hear_of("p3", level(ReceiptLevel::Failed)).await;
    assert_eq!(world.heard_of(&nameless).await.0, DeliveryState::Sending);
    world.settle(nameless.rows[0], 1, sent("p3")).await;
    assert_eq!(world.heard_of(&nameless).await, noted);

    // Sent late by an operator, while the news of its first life is told again.
    let late = world.talk("dan", SENDING).await;
    let news = || with_key(&late, ReceiptLevel::Failed);
    world.hear_of("p4", news()).await;
    let letter = world.letter_about(&late).await.id;
    assert!(done(&world.redrive(letter).await));
    let due = world.due_deliveries().await;
    let place = due.iter().find(|due| due.id.turn == late.turn.turn);
    let number = place.unwrap().number;
    let place = Place {
        conversation: late.turn.conversation,
        number,
    };
    assert_eq!(world.attempt(place, 1).await, Attempted::Granted);
    world.hear_of("p4", news()).await;
    assert_eq!(world.heard_of(&late).await.0, DeliveryState::Sending);
    world.hear_of("p5", news()).await;
    assert_eq!(world.heard_of(&late).await.0, DeliveryState::Failed);
}

/// Evidence that comes after the decision to send again, and before that was
/// done, spares the second send.
pub async fn receipt_with_our_key_spares_the_second_send(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let not_before = world.now;
    let guesses = [
        Settlement::SendAgain,
        Settlement::Retry {
            not_before,
            kind: ErrorKind::Timeout,
        },
    ];
    for (place, guess) in guesses.into_iter().enumerate() {
        let talk = world.talk(&format!("a{place}"), SENDING).await;
        world.settle(talk.rows[0], 1, guess).await;
        let news = with_key(&talk, ReceiptLevel::Delivered);
        world.hear_of(&format!("p{place}"), news).await;
        let settled = (DeliveryState::Sent, ReceiptLevel::Delivered);
        assert_eq!(world.heard_of(&talk).await, settled);
        assert!(world.due_deliveries().await.is_empty());
    }
}

/// A receipt speaks of its own tenant's and channel's messages only, by id and
/// by key.
pub async fn receipts_stay_within_their_channel(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", SENDING).await;
    let until = world.after(60);
    world
        .settle(talk.rows[0], 1, Settlement::InDoubt { until })
        .await;
    let known = world.talk("bob", SENDING).await;
    world.settle(known.rows[0], 1, sent("p1")).await;
    let hello = world.accept_one(world.message("cyd", "m1", "hello")).await;

    let strangers = [("other", "door"), ("default", "window")];
    for (tenant, channel) in strangers {
        let from = |news| Receipt {
            tenant: TenantId::parse(tenant).unwrap(),
            channel: ChannelId::parse(channel).unwrap(),
            ..receipt("p1", news)
        };
        let about_inbound = Receipt {
            about: PlatformId::parse("m1").unwrap(),
            ..from(ReceiptNews::Revoke)
        };
        let news = vec![
            from(with_key(&talk, ReceiptLevel::Read)),
            from(level(ReceiptLevel::Read)),
            about_inbound,
        ];
        world.hear_receipts(news).await;
    }
    let in_doubt = (DeliveryState::InDoubt, ReceiptLevel::None);
    assert_eq!(world.heard_of(&talk).await, in_doubt);
    assert_eq!(world.heard_of(&known).await.1, ReceiptLevel::None);
    world.claim(queued(&hello).0).await;

    // A key that is not ours, and news of strangers, are no error.
    let strange = ReceiptNews::Status {
        level: ReceiptLevel::Read,
        key: Some("not ours".into()),
    };
    world.hear_of("p9", strange).await;
    let batch = Batch {
        settle: vec![settle_of(talk.rows[0], 1, sent("p8"))],
        ..world.batch()
    };
    world.write(batch).await;
    assert_eq!(world.heard_of(&talk).await.0, DeliveryState::Sent);
}

/// An edit reaches a message that no turn has taken; later it is history.
pub async fn edit_changes_only_unclaimed_inbounds(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let edit = |text: &str| ReceiptNews::Edit {
        content: Content::text(text),
    };
    let first = world.message("ana", "m1", "hullo");
    let event = first.event;
    let (conversation, _) = queued(&world.accept_one(first).await);
    world.hear_of("m1", edit("hello")).await;
    world.hear_of("nobody knows it", edit("x")).await;
    // The platform may deliver the message again as it first was.
    let again = world.accept_one(world.message("ana", "m1", "hullo")).await;
    assert_eq!(again, Accepted::Duplicate { event });

    let turn = world.claim(conversation).await;
    assert_eq!(texts(&turn), ["hello"]);
    world.accept_one(world.message("ana", "m2", "more")).await;
    world.hear_of("m1", edit("too late")).await;
    world.hear_of("m2", edit("in time")).await;
    let (world, _) = world.die().await;
    let again = world.claim(conversation).await;
    assert_eq!(
        texts(&again),
        ["hello"],
        "a re-run sees what the first run saw"
    );
    world.answer(&again, "hi").await;
    world.hear_of("m1", edit("too late")).await;
    assert_eq!(texts(&world.claim(conversation).await), ["in time"]);
    assert_eq!(world.history(conversation).await[0].text, "hello");
}

/// A revoke ends a message that no turn has taken; with none left there is
/// nothing to claim. Later it is history.
pub async fn revoke_ends_only_unclaimed_inbounds(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let first = world.message("ana", "m1", "oops");
    let event = first.event;
    let (conversation, _) = queued(&world.accept_one(first).await);
    world.hear_of("m1", ReceiptNews::Revoke).await;
    let view = world.desk.turn(&event.to_string()).await.unwrap().unwrap();
    assert_eq!(view.inbounds[0].state, InboundState::Silent);
    assert_eq!(view.inbounds[0].reason.as_deref(), Some("revoked"));
    assert!(world.due().await.is_empty());
    let outcome = world.try_claim(conversation).await;
    assert!(matches!(outcome, ClaimOutcome::Nothing));
    assert_eq!(world.store.backlog().await.unwrap(), 0);

    for (id, text) in [("m2", "a"), ("m3", "b"), ("m4", "c")] {
        world.accept_one(world.message("ana", id, text)).await;
    }
    world.hear_of("m3", ReceiptNews::Revoke).await;
    let turn = world.claim(conversation).await;
    assert_eq!(texts(&turn), ["a", "c"]);
    world.accept_one(world.message("ana", "m5", "d")).await;
    for id in ["m2", "m4", "m5"] {
        world.hear_of(id, ReceiptNews::Revoke).await;
    }
    world.answer(&turn, "hi").await;
    assert!(
        world.due().await.is_empty(),
        "what came meanwhile was revoked"
    );
    let counts = world.counts().await;
    assert_eq!(count(&counts.ended, "answered"), 2);
    assert_eq!(count(&counts.ended, "silent"), 3);

    // What was taken back is not remembered; what was answered is.
    world.hear_of("m2", ReceiptNews::Revoke).await;
    let lines = world.history(conversation).await;
    let said: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(said, ["a", "c", "hi"]);
}
