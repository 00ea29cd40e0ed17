//! What gave up is tried again, and ends with the end of that.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Barrier;
use zupa_core::store::{ClaimedTurn, Record, Settlement, TurnEnd, Verdict};
use zupa_core::{
    Coming, DeadLetterAct, DeadLetterActed, DeadLetterId, DeadLetterKind, DeadLetterState,
    DeliveryId, DeliveryState, EffectClass, ErrorKind, ReceiptLevel, ReceiptNews, Step, TurnState,
    WaitKind,
};

use super::Harness;
use super::dead_letters::done;
use super::world::path::{failure, record_of, texts, wordless};
use super::world::waits::settled;
use super::world::wire::{Talk, sent};
use super::world::{World, count};

const QUEUED: DeliveryState = DeliveryState::Queued;

/// Of three that came at once only the first gives up. The others are answered in their
/// order, and the first, tried again, is behind them; done, it stays done.
pub async fn the_others_of_a_burst_are_answered_and_the_dead_one_comes_back_at_the_end(
    harness: &dyn Harness,
) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    for text in ["b", "c"] {
        world.hear("ana", text).await;
    }
    let all = world.claim(conversation).await;
    assert_eq!(texts(&all), ["a", "b", "c"]);
    let failure = failure();
    world.end(&all, TurnEnd::Split { failure }).await;
    let poison = world.claim(conversation).await;
    assert_eq!(texts(&poison), ["a"]);
    world.give_up(&poison).await;
    for text in ["b", "c"] {
        let turn = world.claim(conversation).await;
        assert_eq!(texts(&turn), [text]);
        world.answer(&turn, &format!("re {text}")).await;
    }
    let view = world.dead_letter().await;
    let turns: Vec<_> = view.attempts.iter().map(|attempt| attempt.turn).collect();
    assert_eq!(turns, [all.turn, poison.turn], "the split is part of it");
    let before = world.counts().await;

    let id = view.letter.id;
    let acted = world.redrive(id).await;
    let due_at = Some(world.now);
    assert!(
        matches!(acted, DeadLetterActed::Done { conversation: of, due_at: at }
            if of == conversation && at.is_some() && at <= due_at),
        "{acted:?}"
    );
    assert_eq!(world.stands(id).await, DeadLetterState::Reprocessing);
    assert_eq!(world.due().await, [conversation]);
    assert_eq!(world.counts().await.accepted, before.accepted);
    world.hear("ana", "d").await;
    let again = world.claim(conversation).await;
    assert_eq!(texts(&again), ["a", "d"], "behind all that was there");
    assert!(again.first() > view_last(&world, &all).await);
    assert_ne!(again.turn, poison.turn);
    assert_eq!(world.stands(id).await, DeadLetterState::Reprocessing);
    world.end_anew(&again, wordless(Verdict::Answered)).await;
    let letter = world.letter(id).await;
    assert_eq!(letter.state, DeadLetterState::Done);
    assert_eq!(letter.ended_at, Some(world.now));
    assert_eq!(count(&world.counts().await.ended, "answered"), 4);
    let heard: Vec<_> = world.history(conversation).await;
    let heard: Vec<_> = heard.into_iter().map(|line| line.text).collect();
    assert_eq!(heard, ["b", "re b", "c", "re c", "a", "d"]);

    let already = DeadLetterActed::Already(DeadLetterState::Done);
    let (world, _) = world.restart().await;
    assert_eq!(world.dead_letter().await.letter, letter);
    assert_eq!(world.redrive(id).await, already);
    assert!(world.due().await.is_empty());
    let (world, _) = world.die().await;
    assert_eq!(world.dead_letter().await.letter, letter);
}

/// The last number that a claim took.
async fn view_last(world: &World<'_>, turn: &ClaimedTurn) -> zupa_core::Number {
    world.view(turn.turn).await.turn.unwrap().last
}

/// Trying again makes no second dead letter.
pub async fn what_dies_again_is_the_same_dead_letter(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (conversation, id) = world.dies("ana", "a").await;
    let tag = DeadLetterAct::Tag(Some("menu".into()));
    assert!(done(&world.deal(id, tag).await));
    world.pass(Duration::from_secs(60));
    assert!(done(&world.redrive(id).await));
    let again = world.claim(conversation).await;
    world.give_up(&again).await;
    let view = world.dead_letter().await;
    assert_eq!((view.letter.id, view.letter.attempts), (id, 2));
    assert_eq!(view.letter.state, DeadLetterState::Pending);
    assert_eq!(view.letter.turn, again.turn);
    assert_eq!(view.letter.tag.as_deref(), Some("menu"));
    assert_eq!(view.letter.last_failed_at, world.now);
    assert!(view.letter.first_failed_at < world.now);
    assert_eq!(view.attempts.len(), 2);
    assert_eq!(
        world.view(again.turn).await.turn.unwrap().state,
        TurnState::Dead
    );
    assert!(done(&world.redrive(id).await), "and once more");
    let again = world.claim(conversation).await;
    assert_eq!(texts(&again), ["a"]);
}

/// What was tried again, and turned away, has not ended well: it waits as before.
pub async fn what_is_turned_away_waits_again(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (conversation, id) = world.dies("ana", "a").await;
    for run in 1..=2 {
        assert!(done(&world.redrive(id).await), "{run}");
        let again = world.claim(conversation).await;
        let refused = Verdict::Refused("too many messages".into());
        world.end_anew(&again, wordless(refused)).await;
        let letter = world.letter(id).await;
        assert_eq!(
            (letter.state, letter.ended_at),
            (DeadLetterState::Pending, None)
        );
        assert_eq!(letter.reason.as_deref(), Some("refused: too many messages"));
        assert_eq!(letter.attempts, 1, "it was not tried");
        world.assert_balanced().await;
    }
    assert!(done(&world.redrive(id).await));
    assert_eq!(world.letter(id).await.reason, None);
    let again = world.claim(conversation).await;
    world.end_anew(&again, wordless(Verdict::Answered)).await;
    assert_eq!(world.stands(id).await, DeadLetterState::Done);
}

/// Where the journal holds an effect that matters, trying again has to be confirmed;
/// until then nothing has changed.
pub async fn effects_that_matter_ask_for_a_confirmation(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let turn = world.claim(conversation).await;
    let record = record_of(&turn, "run_tools/1/order", "null");
    let step = Step {
        class: EffectClass::AtMostOnce,
        result: None,
        ..record.step.clone()
    };
    let batch = zupa_core::store::Batch {
        record: vec![Record { step, ..record }],
        ..world.batch()
    };
    world.write(batch).await;
    world.give_up(&turn).await;
    let view = world.dead_letter().await;
    let id = view.letter.id;
    let chain = world.desk.audit(conversation).await.unwrap();
    assert_eq!(world.redrive(id).await, DeadLetterActed::Unconfirmed);
    let edit = |confirmed| DeadLetterAct::Edit {
        text: "a salad".into(),
        confirmed,
    };
    assert_eq!(
        world.deal(id, edit(false)).await,
        DeadLetterActed::Unconfirmed
    );
    assert_eq!(world.dead_letter().await, view);
    assert_eq!(world.desk.audit(conversation).await.unwrap(), chain);
    assert!(world.due().await.is_empty());

    assert!(done(&world.deal(id, edit(true)).await));
    let again = world.claim(conversation).await;
    assert_eq!(texts(&again), ["a salad"]);
    assert!(
        again.steps.is_empty(),
        "a new turn has a journal of its own"
    );
    // What the first one has begun is not forgotten when the second dies.
    world.give_up(&again).await;
    assert_eq!(world.redrive(id).await, DeadLetterActed::Unconfirmed);
}

/// An edit is tried with the new words, and they are what is remembered.
pub async fn an_edit_changes_the_words(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (conversation, id) = world.dies("ana", "a").await;
    let edit = DeadLetterAct::Edit {
        text: "b".into(),
        confirmed: false,
    };
    assert!(done(&world.deal(id, edit).await));
    let again = world.claim(conversation).await;
    assert_eq!(texts(&again), ["b"]);
    assert_eq!(again.inbounds.len(), 1, "no row was created");
    world.end_anew(&again, wordless(Verdict::Answered)).await;
    assert_eq!(world.stands(id).await, DeadLetterState::Done);
    let lines = world.history(conversation).await;
    assert_eq!(lines[0].text, "b");
}

/// A reminder that gave up is tried again as what it was: by itself, in its place in the
/// line. What a parked turn was to go on with is not.
pub async fn of_what_nobody_has_said_a_reminder_comes_back_alone(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let timer = world.timer(world.after(60));
    let conversation = world.park("ana", vec![timer.clone()]).await.conversation;
    world.pass(Duration::from_secs(60));
    assert_eq!(world.expire().await, [conversation]);
    let turn = world.claim(conversation).await;
    assert_eq!(settled(&turn), timer.id);
    world.give_up(&turn).await;
    let id = world.dead_letter().await.letter.id;
    let edit = DeadLetterAct::Edit {
        text: "other words".into(),
        confirmed: true,
    };
    assert_eq!(world.deal(id, edit).await, DeadLetterActed::NotPossible);

    world.hear("ana", "before").await;
    assert!(done(&world.redrive(id).await));
    world.hear("ana", "behind").await;
    let first = world.claim(conversation).await;
    assert_eq!(texts(&first), ["before"]);
    world.end_anew(&first, wordless(Verdict::Answered)).await;
    let again = world.claim(conversation).await;
    assert_eq!((settled(&again), again.inbounds.len()), (timer.id, 1));
    assert_eq!(again.waits[0].opened, timer);
    assert_eq!(again.inbounds[0].coming, Coming::Redriven);
    world.end_anew(&again, wordless(Verdict::Answered)).await;
    assert_eq!(world.stands(id).await, DeadLetterState::Done);
    let last = world.claim(conversation).await;
    assert_eq!(texts(&last), ["behind"]);

    let wait = world.wait_for(WaitKind::Decision);
    let parked = world.park("bob", vec![wait.clone()]).await.conversation;
    assert!(world.approve(wait.id).await);
    let turn = world.claim(parked).await;
    let id = DeadLetterId::Inbound(turn.inbounds[0].event);
    world.give_up(&turn).await;
    assert_eq!(world.redrive(id).await, DeadLetterActed::NotPossible);
}

/// Of two who try the same one again at once, one does.
pub async fn only_one_of_two_redrives_wins(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (conversation, id) = world.dies("ana", "a").await;
    let start = Arc::new(Barrier::new(2));
    let tries = (0..2).map(|_| {
        let (desk, start) = (Arc::clone(&world.desk), Arc::clone(&start));
        let entry = world.act("dead_letter.retried");
        tokio::spawn(async move {
            start.wait().await;
            let act = DeadLetterAct::Retry { confirmed: false };
            desk.act_on_dead_letter(id, act, entry).await.unwrap()
        })
    });
    let acted: Vec<_> = join_all(tries)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        acted.iter().filter(|acted| done(acted)).count(),
        1,
        "{acted:?}"
    );
    let other = DeadLetterActed::Already(DeadLetterState::Reprocessing);
    assert!(acted.contains(&other), "{acted:?}");
    world.assert_balanced().await;
    let acts = world.desk.audit(conversation).await.unwrap();
    let acts = acts
        .iter()
        .filter(|link| link.entry.actor == "operator ana");
    assert_eq!(acts.count(), 1, "only what was done is in the audit");
    assert_eq!(world.claim(conversation).await.inbounds.len(), 1);
}

impl World<'_> {
    /// The one row of a talk has moved.
    pub(super) async fn follow(&self, talk: &mut Talk) {
        talk.rows[0].number = self.delivery(talk, 0).await.number;
    }
}

/// A delivery that the channel refused is a dead letter, and is sent at the end of its
/// conversation when it is tried again, marked late.
pub async fn a_failed_delivery_goes_out_late(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let talk = world.talk("ana", &[("one", QUEUED)]).await;
    world.attempt(talk.rows[0], 1).await;
    let retry = Settlement::Retry {
        not_before: world.after(5),
        kind: ErrorKind::Unavailable,
    };
    world.settle(talk.rows[0], 1, retry).await;
    assert_eq!(world.dead_letters().await, []);
    world.pass(Duration::from_secs(5));
    world.fails_on_the_wire(&talk, 2).await;
    let view = world.dead_letter().await;
    let id = view.letter.id;
    assert_eq!(id.kind(), DeadLetterKind::Delivery);
    assert_eq!(
        (view.letter.class.as_str(), view.letter.attempts),
        ("invalid", 2)
    );
    let said: Vec<_> = view
        .attempts
        .iter()
        .map(|a| (a.run, a.class.as_str()))
        .collect();
    assert_eq!(said, [(1, "unavailable"), (2, "invalid")]);
    assert_eq!(view.content.unwrap().as_prompt_text(), "one");
    let edit = DeadLetterAct::Edit {
        text: "two".into(),
        confirmed: true,
    };
    assert_eq!(world.deal(id, edit).await, DeadLetterActed::NotPossible);

    assert!(!world.delivery(&talk, 0).await.late);
    assert!(done(&world.redrive(id).await));
    let mut talk = talk;
    world.follow(&mut talk).await;
    assert!(world.delivery(&talk, 0).await.late);
    assert_eq!(world.listed().await, [(talk.rows[0].number, QUEUED)]);
    // Its attempts begin anew.
    world.fails_on_the_wire(&talk, 1).await;
    let letter = world.letter(id).await;
    assert_eq!(
        (letter.state, letter.attempts),
        (DeadLetterState::Pending, 3)
    );

    assert!(done(&world.redrive(id).await));
    world.follow(&mut talk).await;
    assert_eq!(world.delivery(&talk, 0).await.attempts, 0);
    world.attempt(talk.rows[0], 1).await;
    assert_eq!(world.stands(id).await, DeadLetterState::Reprocessing);
    world.settle(talk.rows[0], 1, sent("p1")).await;
    let letter = world.letter(id).await;
    assert_eq!(letter.state, DeadLetterState::Done);
    assert_eq!(letter.ended_at, Some(world.now));
    assert_eq!(world.delivery(&talk, 0).await.state, DeliveryState::Sent);
}

/// A delivery that failed, but may have left before, or has by a receipt, is sent again
/// only with a confirmation, and says that it may be doubled.
pub async fn what_may_have_left_asks_for_a_confirmation(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let resent = world.talk("ana", &[("one", QUEUED)]).await;
    world.attempt(resent.rows[0], 1).await;
    world.settle(resent.rows[0], 1, Settlement::Resend).await;
    world.fails_on_the_wire(&resent, 2).await;
    let proved = world.talk("bob", &[("one", QUEUED)]).await;
    world.fails_on_the_wire(&proved, 1).await;
    world.hear_level(&proved, ReceiptLevel::Sent).await;
    let refused = world.talk("cyd", &[("one", QUEUED)]).await;
    world.fails_on_the_wire(&refused, 1).await;
    world.hear_level(&refused, ReceiptLevel::Failed).await;

    for talk in [&resent, &proved] {
        let (id, before) = (letter_of(talk), world.delivery(talk, 0).await.doubled);
        assert_eq!(world.stands(id).await, DeadLetterState::Pending);
        assert_eq!(world.redrive(id).await, DeadLetterActed::Unconfirmed);
        let confirmed = DeadLetterAct::Retry { confirmed: true };
        assert!(done(&world.deal(id, confirmed).await));
        assert_eq!(world.delivery(talk, 0).await.doubled, before + 1);
    }
    assert!(done(&world.redrive(letter_of(&refused)).await));
    assert_eq!(world.delivery(&refused, 0).await.doubled, 0);
}

pub(super) fn letter_of(talk: &Talk) -> DeadLetterId {
    let turn = talk.turn.turn;
    DeadLetterId::Delivery(DeliveryId { turn, ordinal: 0 })
}

impl World<'_> {
    /// A receipt about the first row of a talk, by our key.
    async fn hear_level(&self, talk: &Talk, level: ReceiptLevel) {
        let key = Some(format!("{}.0", talk.turn.turn));
        let about = format!("of {}", talk.turn.turn);
        self.hear_of(&about, ReceiptNews::Status { level, key })
            .await;
    }
}

/// What a human's hold keeps from going out is an operator's to try again.
pub async fn a_late_delivery_that_is_held_back_waits_again(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut talk = world.talk("ana", &[("one", QUEUED)]).await;
    world.fails_on_the_wire(&talk, 1).await;
    let id = world.dead_letter().await.letter.id;
    assert!(done(&world.redrive(id).await));
    world.hold(talk.turn.conversation).await;
    let letter = world.letter(id).await;
    assert_eq!(letter.state, DeadLetterState::Pending);
    assert_eq!(letter.reason.as_deref(), Some("cancelled: held"));
    world.release(talk.turn.conversation, None).await;
    assert!(done(&world.redrive(id).await));
    world.follow(&mut talk).await;
    world.attempt(talk.rows[0], 1).await;
    world.settle(talk.rows[0], 1, Settlement::Unknown).await;
    assert_eq!(world.stands(id).await, DeadLetterState::Pending);
    // Nobody knows whether it has left.
    assert_eq!(world.redrive(id).await, DeadLetterActed::Unconfirmed);
    let confirmed = DeadLetterAct::Retry { confirmed: true };
    assert!(done(&world.deal(id, confirmed).await));
}

/// What gave up before a human replied to the person is tried again only with a
/// confirmation. Where nobody has replied it needs none.
pub async fn what_a_human_has_replied_to_asks_for_a_confirmation(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    for (who, has_replied) in [("ana", true), ("bob", false)] {
        let mut talk = world.talk(who, &[("one", QUEUED)]).await;
        world.fails_on_the_wire(&talk, 1).await;
        let (conversation, inbound) = world.dies(who, "b").await;
        world.pass(Duration::from_secs(60));
        world.hold(conversation).await;
        let until = has_replied.then_some(world.now);
        world.release(conversation, until).await;
        for id in [letter_of(&talk), inbound] {
            let letter = world.letter(id).await;
            assert_eq!(letter.state, DeadLetterState::Pending);
            let answered = has_replied.then_some("answered_by_human");
            assert_eq!(letter.reason.as_deref(), answered);
            if has_replied {
                assert_eq!(world.redrive(id).await, DeadLetterActed::Unconfirmed);
            }
            let retry = DeadLetterAct::Retry {
                confirmed: has_replied,
            };
            assert!(done(&world.deal(id, retry).await), "{who}");
            assert_eq!(world.letter(id).await.reason, None);
        }
        world.follow(&mut talk).await;
        assert_eq!(world.delivery(&talk, 0).await.state, QUEUED);
    }
}

/// What was said after the human's last word the human has not answered: neither a message
/// that gave up, nor an answer to it.
pub async fn what_came_after_the_humans_word_needs_no_confirmation(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let early = world.talk("ana", &[("one", QUEUED)]).await;
    world.fails_on_the_wire(&early, 1).await;
    let (conversation, before) = world.dies("ana", "b").await;
    let word = world.now;
    world.pass(Duration::from_secs(60));
    let late = world.talk("ana", &[("two", QUEUED)]).await;
    world.fails_on_the_wire(&late, 1).await;
    let (_, after) = world.dies("ana", "c").await;
    world.hold_with(conversation, Some(word)).await;
    world.release(conversation, None).await;
    for id in [letter_of(&early), before] {
        assert_eq!(world.redrive(id).await, DeadLetterActed::Unconfirmed);
    }
    for id in [letter_of(&late), after] {
        assert_eq!(world.letter(id).await.reason, None);
        assert!(done(&world.redrive(id).await));
    }
}

/// What was on the wire, or in doubt, when a human took over, and fails only after the
/// hand-back, is tried again only with a confirmation; after that it is like any other.
pub async fn what_fails_after_a_takeover_asks_for_a_confirmation(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let kind = ErrorKind::Invalid;
    for (who, ends) in [
        ("ana", Settlement::Failed { kind }),
        ("bob", Settlement::Unknown),
    ] {
        let mut talk = world.talk(who, &[("one", DeliveryState::Sending)]).await;
        let conversation = talk.turn.conversation;
        if ends == Settlement::Unknown {
            let until = world.now;
            world
                .settle(talk.rows[0], 1, Settlement::InDoubt { until })
                .await;
        }
        world.hold(conversation).await;
        world.release(conversation, Some(world.now)).await;
        world.pass(Duration::from_secs(60));
        world.settle(talk.rows[0], 1, ends).await;
        let id = letter_of(&talk);
        let letter = world.letter(id).await;
        assert_eq!(letter.state, DeadLetterState::Pending);
        assert_eq!(letter.reason.as_deref(), Some("answered_by_human"), "{who}");
        assert_eq!(world.redrive(id).await, DeadLetterActed::Unconfirmed);
        let confirmed = DeadLetterAct::Retry { confirmed: true };
        assert!(done(&world.deal(id, confirmed).await), "{who}");
        world.follow(&mut talk).await;
        world.fails_on_the_wire(&talk, 1).await;
        let letter = world.letter(id).await;
        assert_eq!(
            (letter.state, letter.reason),
            (DeadLetterState::Pending, None)
        );
    }
}

/// An inbound that is tried again and answered by a human has ended well.
pub async fn what_a_human_answers_is_done(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (conversation, id) = world.dies("ana", "a").await;
    assert!(done(&world.redrive(id).await));
    world.hold(conversation).await;
    world.pass(Duration::from_secs(1));
    world.release(conversation, Some(world.now)).await;
    assert_eq!(count(&world.counts().await.ended, "answered_by_human"), 1);
    assert_eq!(world.stands(id).await, DeadLetterState::Done);
}
