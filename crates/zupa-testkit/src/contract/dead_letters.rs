//! What gives up is kept, found, counted, put away and forgotten.

use std::time::Duration;

use zupa_core::store::{Accepted, ClaimMode, ClaimedTurn, Settlement, TurnEnd, Verdict};
use zupa_core::{
    ConversationId, Correlation, DeadLetter, DeadLetterAct, DeadLetterActed, DeadLetterFilter,
    DeadLetterId, DeadLetterKind, DeadLetterState, DeliveryState, ErrorKind, Ids, TenantId,
};

use super::Harness;
use super::world::path::{failure, outage, queued, texts, wordless};
use super::world::wire::{Place, Talk};
use super::world::{World, address, count, kind};

const QUEUED: DeliveryState = DeliveryState::Queued;
const DAY: Duration = Duration::from_secs(86_400);

impl World<'_> {
    /// Gives up a turn. Somebody may have written to the audit since its claim.
    pub(super) async fn give_up(&self, turn: &ClaimedTurn) {
        self.end_anew(turn, wordless(Verdict::Dead(failure())))
            .await;
    }

    /// A message that gives up at once.
    pub(super) async fn dies(&self, alias: &str, text: &str) -> (ConversationId, DeadLetterId) {
        let conversation = self.hear(alias, text).await;
        let turn = self.claim(conversation).await;
        self.give_up(&turn).await;
        (conversation, DeadLetterId::Inbound(turn.inbounds[0].event))
    }

    pub(super) async fn letter(&self, id: DeadLetterId) -> DeadLetter {
        let view = self.desk.dead_letter(id).await.unwrap();
        view.expect("the dead letter is there").letter
    }

    pub(super) async fn stands(&self, id: DeadLetterId) -> DeadLetterState {
        self.letter(id).await.state
    }

    pub(super) async fn found(&self, filter: &DeadLetterFilter) -> Vec<DeadLetterId> {
        let letters = self.desk.dead_letters(filter, None, 100).await.unwrap();
        letters.into_iter().map(|letter| letter.id).collect()
    }

    pub(super) async fn fails_on_the_wire(&self, talk: &super::world::wire::Talk, attempt: u32) {
        self.attempt(talk.rows[0], attempt).await;
        let kind = ErrorKind::Invalid;
        self.settle(talk.rows[0], attempt, Settlement::Failed { kind })
            .await;
    }
}

pub(super) fn done(acted: &DeadLetterActed) -> bool {
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

/// A letter names its turn, its door, and the request that brought what the turn answers:
/// that of a delivery as well as that of an inbound.
pub async fn a_letter_names_the_request_the_turn_and_the_door(harness: &dyn Harness) {
    let world = World::open(harness).await;
    for (who, is_delivery) in [("ana", true), ("bob", false)] {
        let mut heard = world.message(who, who, "hello");
        heard.inbound.correlation = Correlation {
            request_id: Some(format!("r of {who}")),
            trace_id: Some(format!("t of {who}")),
        };
        let correlation = heard.inbound.correlation.clone();
        let (conversation, _) = queued(&world.accept_one(heard).await);
        let turn = world.claim(conversation).await;
        if is_delivery {
            let numbers = world.say(&turn, &[("one", QUEUED)]).await;
            let rows = numbers.into_iter().map(|number| Place {
                conversation,
                number,
            });
            let talk = Talk {
                rows: rows.collect(),
                turn: turn.clone(),
            };
            world.fails_on_the_wire(&talk, 1).await;
        } else {
            world.give_up(&turn).await;
        }
        let letters = world.dead_letters().await;
        let letter = letters.last().unwrap();
        assert_eq!(letter.id.kind() == DeadLetterKind::Delivery, is_delivery);
        assert_eq!(letter.correlation, correlation, "{who}");
        assert_eq!(
            (letter.turn, letter.conversation),
            (turn.turn, conversation)
        );
        assert_eq!(letter.channel, address(who).channel);
        let shown = world.desk.dead_letter(letter.id).await.unwrap().unwrap();
        assert_eq!(&shown.letter, letter);
    }
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

/// What waits for an operator is kept for ever, what has ended until it is forgotten,
/// which is in the audit. Whatever is forgotten, no inbound is lost from the counts.
pub async fn only_what_has_ended_is_forgotten(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (_, pending) = world.dies("ana", "a").await;
    let (bob, gone) = world.dies("bob", "b").await;
    let discard = DeadLetterAct::Discard {
        reason: "spam".into(),
    };
    world.deal(gone, discard).await;
    let (_, tried) = world.dies("eve", "c").await;
    world.redrive(tried).await;
    let ended = |before| DeadLetterFilter {
        ended_before: Some(before),
        ..DeadLetterFilter::default()
    };
    assert_eq!(
        world.found(&ended(world.now)).await,
        [],
        "not before its time"
    );
    world.pass(DAY);
    assert_eq!(world.found(&ended(world.now)).await, [gone]);

    for (id, state) in [
        (pending, DeadLetterState::Pending),
        (tried, DeadLetterState::Reprocessing),
    ] {
        let refused = world.deal(id, DeadLetterAct::Forget).await;
        assert_eq!(refused, DeadLetterActed::Already(state));
    }
    assert!(done(&world.deal(gone, DeadLetterAct::Forget).await));
    let chain = world.desk.audit(bob).await.unwrap();
    assert_eq!(chain.last().unwrap().entry.action, "dead_letter.acted");
    let again = world.deal(gone, DeadLetterAct::Forget).await;
    assert_eq!(again, DeadLetterActed::NotFound);
    assert_eq!(world.desk.audit(bob).await.unwrap(), chain);
    let left = world.found(&DeadLetterFilter::default()).await;
    assert_eq!(left, [pending, tried]);
    let view = world.desk.dead_letter(pending).await.unwrap().unwrap();
    assert_eq!(view.attempts.len(), 1, "what waits keeps its failures");
    assert_eq!(world.redrive(gone).await, DeadLetterActed::NotFound);
    assert_eq!(count(&world.counts().await.ended, "dead"), 2);

    let (world, _) = world.die().await;
    let left = world.found(&DeadLetterFilter::default()).await;
    assert_eq!(left, [pending, tried], "what is gone stays gone");
    let kept = world.store.purge_failures(world.now, 100).await.unwrap();
    assert_eq!((kept.gone, kept.pending), (0, 1));
}

/// Failures of what went well in the end are forgotten by their age.
pub async fn failures_that_came_to_nothing_are_forgotten(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    for _ in 0..3 {
        let turn = world.claim(conversation).await;
        let failed = TurnEnd::Retry {
            not_before: world.now,
            failure: outage(),
        };
        world.end(&turn, failed).await;
    }
    world.pass(DAY);
    let purge = |now| world.store.purge_failures(now, 2);
    assert_eq!(purge(world.now).await.unwrap().gone, 0, "it is not over");
    let turn = world.claim(conversation).await;
    world.answer(&turn, "hi").await;
    let mut gone = Vec::new();
    for _ in 0..3 {
        gone.push(purge(world.now).await.unwrap().gone);
    }
    assert_eq!(gone, [2, 1, 0]);
}

/// However many give up, none makes room for another.
pub async fn nothing_is_evicted(harness: &dyn Harness) {
    const MANY: usize = 300;
    let world = World::open(harness).await;
    let (_, first) = world.dies("ana", "a").await;
    let messages = (0..MANY).map(|number| world.message("bob", &format!("m{number}"), "b"));
    let accepted = world.accept(messages.collect()).await.remove(0).unwrap();
    let Accepted::Queued { conversation, .. } = accepted else {
        panic!("was {accepted:?}");
    };
    let turn = world.claim(conversation).await;
    assert_eq!(turn.inbounds.len(), MANY);
    world.give_up(&turn).await;
    let stats = world.desk.dead_letter_stats().await.unwrap();
    assert_eq!(count(&stats.states, "pending"), MANY as u64 + 1);
    assert_eq!(world.stands(first).await, DeadLetterState::Pending);
}
