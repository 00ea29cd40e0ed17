//! What gives up, and what operators do with it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Barrier;
use zupa_core::store::{ClaimMode, ClaimedTurn, Record, Settlement, TurnEnd, Verdict};
use zupa_core::{
    ConversationId, DeadLetter, DeadLetterAct, DeadLetterActed, DeadLetterFilter, DeadLetterId,
    DeadLetterKind, DeadLetterState, DeliveryState, EffectClass, ErrorKind, Ids, Step, TenantId,
    TurnState,
};

use super::Harness;
use super::world::path::{failure, outage, record_of, texts, wordless};
use super::world::wire::sent;
use super::world::{World, count, kind};

const QUEUED: DeliveryState = DeliveryState::Queued;
const DAY: Duration = Duration::from_secs(86_400);

impl World<'_> {
    /// Gives up a turn. Somebody may have written to the audit since its claim.
    async fn give_up(&self, turn: &ClaimedTurn) {
        self.end_anew(turn, wordless(Verdict::Dead(failure())))
            .await;
    }

    /// A message that gives up at once.
    async fn dies(&self, alias: &str, text: &str) -> (ConversationId, DeadLetterId) {
        let conversation = self.hear(alias, text).await;
        let turn = self.claim(conversation).await;
        self.give_up(&turn).await;
        (conversation, DeadLetterId::Inbound(turn.inbounds[0].event))
    }

    async fn letter(&self, id: DeadLetterId) -> DeadLetter {
        let view = self.desk.dead_letter(id).await.unwrap();
        view.expect("the dead letter is there").letter
    }

    async fn stands(&self, id: DeadLetterId) -> DeadLetterState {
        self.letter(id).await.state
    }

    async fn found(&self, filter: &DeadLetterFilter) -> Vec<DeadLetterId> {
        let letters = self.desk.dead_letters(filter, None, 100).await.unwrap();
        letters.into_iter().map(|letter| letter.id).collect()
    }

    async fn fails_on_the_wire(&self, talk: &super::world::wire::Talk, attempt: u32) {
        self.attempt(talk.rows[0], attempt).await;
        let kind = ErrorKind::Invalid;
        self.settle(talk.rows[0], attempt, Settlement::Failed { kind })
            .await;
    }
}

fn done(acted: &DeadLetterActed) -> bool {
    matches!(acted, DeadLetterActed::Done { .. })
}

/// A range that failed, waited for its provider, and gave up leaves a dead letter with
/// every failure, and nothing else does.
pub async fn what_gives_up_is_kept_with_every_attempt(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let begun = world.now;
    let first = world.claim(conversation).await;
    let not_before = world.after(30);
    let failed = |failure| TurnEnd::Retry {
        not_before,
        failure,
    };
    world.end(&first, failed(failure())).await;
    assert_eq!(world.dead_letters().await, [], "it waits for its retry");
    world.pass(Duration::from_secs(30));
    let second = world.claim(conversation).await;
    let later = world.after(30);
    let failed = TurnEnd::Retry {
        not_before: later,
        failure: outage(),
    };
    world.end(&second, failed).await;
    world.pass(Duration::from_secs(30));
    let third = world.claim(conversation).await;
    world.end(&third, wordless(Verdict::Dead(failure()))).await;

    let view = world.dead_letter().await;
    let letter = &view.letter;
    assert_eq!(letter.id, DeadLetterId::Inbound(third.inbounds[0].event));
    assert_eq!(letter.state, DeadLetterState::Pending);
    assert_eq!(letter.conversation, conversation);
    assert_eq!((letter.turn, letter.attempts), (third.turn, 3));
    assert_eq!(
        (letter.content.as_str(), letter.tenant.as_str()),
        ("text", "default")
    );
    assert_eq!(letter.class, "context_length");
    assert_eq!(letter.message, "the prompt is too long");
    assert_eq!(letter.first_failed_at, begun);
    assert_eq!(letter.last_failed_at, world.now);
    assert_eq!(letter.ended_at, None);
    assert_eq!(view.content.unwrap().as_prompt_text(), "a");
    let attempts: Vec<_> = view.attempts.iter().collect();
    let said: Vec<_> = attempts
        .iter()
        .map(|attempt| (attempt.run, attempt.class.as_str(), attempt.counted))
        .collect();
    let expected = [
        (1, "context_length", true),
        (2, "unavailable", false),
        (3, "context_length", true),
    ];
    assert_eq!(said, expected);
    let delays: Vec<_> = attempts.iter().map(|attempt| attempt.not_before).collect();
    assert_eq!(delays, [Some(not_before), Some(later), None]);
    assert!(attempts.iter().all(|attempt| attempt.turn == third.turn));
    assert_eq!(attempts[0].at, begun);

    let turn = world.hear("bob", "b").await;
    let turn = world.claim(turn).await;
    world.answer(&turn, "hi").await;
    assert_eq!(world.dead_letters().await.len(), 1);
}

/// What cannot pass gives up on the first attempt.
pub async fn a_terminal_error_is_kept_at_the_first_attempt(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (_, id) = world.dies("ana", "a").await;
    let view = world.dead_letter().await;
    assert_eq!((view.letter.id, view.letter.attempts), (id, 1));
    assert_eq!(view.attempts.len(), 1);
    assert_eq!(view.attempts[0].not_before, None);
    let (world, _) = world.die().await;
    assert_eq!(world.dead_letter().await, view, "it outlives a death");
}

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

/// A delivery that the channel refused is a dead letter, and is sent in its old place
/// when it is tried again, marked late.
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
    assert!(world.delivery(&talk, 0).await.late);
    assert_eq!(world.listed().await, [(talk.rows[0].number, QUEUED)]);
    world.fails_on_the_wire(&talk, 3).await;
    let letter = world.letter(id).await;
    assert_eq!(
        (letter.state, letter.attempts),
        (DeadLetterState::Pending, 3)
    );

    assert!(done(&world.redrive(id).await));
    world.attempt(talk.rows[0], 4).await;
    assert_eq!(world.stands(id).await, DeadLetterState::Reprocessing);
    world.settle(talk.rows[0], 4, sent("p1")).await;
    let letter = world.letter(id).await;
    assert_eq!(letter.state, DeadLetterState::Done);
    assert_eq!(letter.ended_at, Some(world.now));
    assert_eq!(world.delivery(&talk, 0).await.state, DeliveryState::Sent);
}

/// What a human's hold keeps from going out is an operator's to try again.
pub async fn a_late_delivery_that_is_held_back_waits_again(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", &[("one", QUEUED)]).await;
    world.fails_on_the_wire(&talk, 1).await;
    let id = world.dead_letter().await.letter.id;
    assert!(done(&world.redrive(id).await));
    world.hold(talk.turn.conversation).await;
    let letter = world.letter(id).await;
    assert_eq!(letter.state, DeadLetterState::Pending);
    assert_eq!(letter.reason.as_deref(), Some("cancelled: held"));
    world.release(talk.turn.conversation, None).await;
    assert!(done(&world.redrive(id).await));
    world.attempt(talk.rows[0], 2).await;
    world.settle(talk.rows[0], 2, Settlement::Unknown).await;
    assert_eq!(world.stands(id).await, DeadLetterState::Pending);
    // Nobody knows whether it has left.
    assert_eq!(world.redrive(id).await, DeadLetterActed::Unconfirmed);
    let confirmed = DeadLetterAct::Retry { confirmed: true };
    assert!(done(&world.deal(id, confirmed).await));
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

/// A turn that takes the process down is kept like any other that gives up.
pub async fn a_turn_that_crashed_is_kept(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let killer = world.hear("ana", "boom").await;
    for mode in [
        ClaimMode::Normal,
        ClaimMode::Normal,
        ClaimMode::Normal,
        ClaimMode::Suspect,
        ClaimMode::Alone,
        ClaimMode::Alone,
        ClaimMode::Alone,
    ] {
        assert_eq!(world.dead_letters().await, []);
        world = world.killed_by(killer, mode).await.0;
    }
    let letter = world.dead_letter().await.letter;
    assert_eq!((letter.class.as_str(), letter.attempts), ("crashed", 1));
    assert!(done(&world.redrive(letter.id).await));
    assert_eq!(texts(&world.claim(killer).await), ["boom"]);
}

/// What an operator has put away is not pending, has its reason, and is in the audit;
/// poison can still be tried again by name.
pub async fn poison_and_discarded_are_left_alone(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (ana, a) = world.dies("ana", "a").await;
    let (bob, b) = world.dies("bob", "b").await;
    let poison = || DeadLetterAct::Poison {
        reason: "a bomb".into(),
    };
    let discard = || DeadLetterAct::Discard {
        reason: "spam".into(),
    };
    assert!(done(&world.deal(a, poison()).await));
    assert!(done(&world.deal(b, discard()).await));
    let letter = world.letter(a).await;
    assert_eq!(letter.state, DeadLetterState::Poison);
    assert_eq!(letter.reason.as_deref(), Some("a bomb"));
    assert_eq!(world.letter(b).await.ended_at, Some(world.now));
    for conversation in [ana, bob] {
        let chain = world.desk.audit(conversation).await.unwrap();
        assert_eq!(chain.last().unwrap().entry.actor, "operator ana");
    }
    let pending = DeadLetterFilter {
        state: Some(DeadLetterState::Pending),
        ..DeadLetterFilter::default()
    };
    assert_eq!(world.found(&pending).await, []);
    assert!(world.due().await.is_empty());
    let already = DeadLetterActed::Already(DeadLetterState::Poison);
    assert_eq!(world.deal(a, poison()).await, already);
    let already = DeadLetterActed::Already(DeadLetterState::Discarded);
    assert_eq!(world.redrive(b).await, already);
    assert!(done(&world.redrive(a).await));
    let nobody = DeadLetterId::Inbound(zupa_core::EventId(world.ids.fresh()));
    assert_eq!(world.redrive(nobody).await, DeadLetterActed::NotFound);
}

/// Lists take what their filters say, page by page; the counts say the same.
pub async fn filters_and_counts_agree(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let begun = world.now;
    let (_, a) = world.dies("ana", "a").await;
    world.pass(Duration::from_secs(60));
    let (_, b) = world.dies("bob", "b").await;
    let talk = world.talk("eve", &[("one", QUEUED)]).await;
    world.fails_on_the_wire(&talk, 1).await;
    let all = world.found(&DeadLetterFilter::default()).await;
    assert_eq!(all.len(), 3);
    let c = all[2];
    world.deal(a, DeadLetterAct::Tag(Some("menu".into()))).await;
    let any = DeadLetterFilter::default;
    let tenant = |name: &str| Some(TenantId::parse(name).unwrap());
    for (filter, expected) in [
        (any(), vec![a, b, c]),
        (
            DeadLetterFilter {
                kind: Some(DeadLetterKind::Delivery),
                ..any()
            },
            vec![c],
        ),
        (
            DeadLetterFilter {
                content: Some("text".into()),
                ..any()
            },
            vec![a, b, c],
        ),
        (
            DeadLetterFilter {
                content: Some("media".into()),
                ..any()
            },
            vec![],
        ),
        (
            DeadLetterFilter {
                class: Some("context_length".into()),
                ..any()
            },
            vec![a, b],
        ),
        (
            DeadLetterFilter {
                tag: Some("menu".into()),
                ..any()
            },
            vec![a],
        ),
        (
            DeadLetterFilter {
                state: Some(DeadLetterState::Done),
                ..any()
            },
            vec![],
        ),
        (
            DeadLetterFilter {
                tenant: tenant("default"),
                ..any()
            },
            vec![a, b, c],
        ),
        (
            DeadLetterFilter {
                tenant: tenant("other"),
                ..any()
            },
            vec![],
        ),
        (
            DeadLetterFilter {
                failed_before: Some(world.now),
                ..any()
            },
            vec![a],
        ),
        (
            DeadLetterFilter {
                failed_from: Some(world.now),
                ..any()
            },
            vec![b, c],
        ),
    ] {
        assert_eq!(world.found(&filter).await, expected, "{filter:?}");
    }
    let page = world.desk.dead_letters(&any(), Some(a), 1).await.unwrap();
    assert_eq!(page[0].id, b);
    assert_eq!(page.len(), 1);
    let nobody = DeadLetterId::Inbound(zupa_core::EventId(world.ids.fresh()));
    let page = world.desk.dead_letters(&any(), Some(nobody), 1).await;
    assert_eq!(kind(&page), Some(ErrorKind::NotFound));

    world.redrive(b).await;
    let stats = world.desk.dead_letter_stats().await.unwrap();
    assert_eq!(count(&stats.states, "pending"), 2);
    assert_eq!(count(&stats.states, "reprocessing"), 1);
    assert_eq!(count(&stats.kinds, "inbound"), 1);
    assert_eq!(count(&stats.kinds, "delivery"), 1);
    assert_eq!(count(&stats.classes, "invalid"), 1);
    assert_eq!(count(&stats.tenants, "default"), 2);
    assert_eq!(stats.oldest_at, Some(begun));
}

/// What waits for an operator is kept for ever, what has ended for a while. Whatever is
/// forgotten, no inbound is lost from the counts.
pub async fn only_what_has_ended_is_forgotten(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (_, pending) = world.dies("ana", "a").await;
    let (_, gone) = world.dies("bob", "b").await;
    let discard = DeadLetterAct::Discard {
        reason: "spam".into(),
    };
    world.deal(gone, discard).await;
    let (_, tried) = world.dies("eve", "c").await;
    world.redrive(tried).await;
    let kept = world
        .store
        .purge_dead_letters(world.now, 100)
        .await
        .unwrap();
    assert_eq!((kept.gone, kept.pending), (0, 1), "not before its time");
    world.pass(DAY);
    let kept = world
        .store
        .purge_dead_letters(world.now, 100)
        .await
        .unwrap();
    assert_eq!((kept.gone, kept.pending), (1, 1));
    assert_eq!(
        world.found(&DeadLetterFilter::default()).await,
        [pending, tried]
    );
    let view = world.desk.dead_letter(pending).await.unwrap().unwrap();
    assert_eq!(view.attempts.len(), 1, "what waits keeps its failures");
    assert_eq!(world.redrive(gone).await, DeadLetterActed::NotFound);
    assert_eq!(count(&world.counts().await.ended, "dead"), 2);
    let (world, _) = world.die().await;
    assert_eq!(
        world.found(&DeadLetterFilter::default()).await,
        [pending, tried]
    );
    let kept = world
        .store
        .purge_dead_letters(world.now, 100)
        .await
        .unwrap();
    assert_eq!((kept.gone, kept.pending), (0, 1));
}
