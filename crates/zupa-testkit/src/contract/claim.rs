//! Stop 2: one holder per conversation, and a range that does not change.

use std::collections::BTreeMap;
use std::time::Duration;

use zupa_core::store::{
    Batch, Claim, ClaimOutcome, ClaimedTurn, Commit, Due, Finished, Recorded, Renew, Renewed,
    TurnEnd, Verdict,
};
use zupa_core::{
    Alias, AuditHead, ConversationId, Correlation, DeliveryState, Epoch, Ids, ProcessId, TurnId,
};

use super::Harness;
use super::state::state;
use super::world::path::{LOADS, answered, failure, queued, record_of, taken, texts, wordless};
use super::world::{EXPIRY, World, address, address_at};

/// 64 claimers at once: one takes the conversation, 63 are told who holds it.
pub async fn only_one_holder_under_64_claimers(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let batches = (0..64)
        .map(|_| Batch {
            claim: vec![world.wish(conversation)],
            ..world.batch()
        })
        .collect();
    let mut turns = Vec::new();
    for mut applied in world.write_at_once(batches).await {
        match applied.claim.remove(0).unwrap() {
            ClaimOutcome::Taken(turn) => turns.push(turn),
            // At the longest: while the winner is being written it may be sooner.
            ClaimOutcome::Held(until) => {
                assert!(until > world.now && until <= world.now.plus(EXPIRY));
            }
            other => panic!("a claimer must win or be told of the holder, was {other:?}"),
        }
    }
    assert_eq!(turns.len(), 1);
    assert_eq!(world.view(turns[0].turn).await.turn.unwrap().runs, 1);
}

/// A claim hands over all that a turn needs.
pub async fn a_claim_hands_over_what_a_turn_needs(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let mut first = world.message("ana", "m1", "hello");
    first.inbound.correlation = Correlation {
        request_id: Some("r1".into()),
        trace_id: Some("t1".into()),
    };
    let correlation = first.inbound.correlation.clone();
    let event = first.event;
    let (conversation, number) = queued(&world.accept_one(first).await);
    let accepted_at = world.now;
    world.accept_one(world.message("ana", "m2", "again")).await;
    world.pass(Duration::from_secs(1));

    let wish = world.wish(conversation);
    let fresh = wish.turn;
    let batch = Batch {
        claim: vec![wish],
        ..world.batch()
    };
    let turn = taken(world.write(batch).await.claim.remove(0).unwrap());
    assert_eq!((turn.turn, turn.conversation), (fresh, conversation));
    assert_eq!(turn.address, address("ana"));
    assert_eq!(turn.correlation, correlation);
    assert_eq!(
        (turn.runs, turn.failures, turn.provider_failures),
        (1, 0, 0)
    );
    assert_eq!(texts(&turn), ["hello", "again"]);
    assert_eq!(turn.inbounds[0].event, event);
    assert_eq!(turn.inbounds[0].number, number);
    assert_eq!(turn.inbounds[0].accepted_at, accepted_at);
    assert!(turn.steps.is_empty() && !turn.outbox_busy);
    assert_eq!(turn.audit, AuditHead::default());

    world.say(&turn, &[("hi", DeliveryState::Queued)]).await;
    world.hear("ana", "more").await;
    let next = world.claim(conversation).await;
    assert!(next.outbox_busy, "an unsettled delivery keeps the line");
    assert_eq!(next.audit.number, 1);
}

/// Who speaks in a group is handed over with each message, at every run.
pub async fn a_claim_says_who_spoke(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let speakers = [Some("ana"), None, Some("bob")];
    let mut conversation = None;
    for (speaker, id) in speakers.iter().zip(["m1", "m2", "m3"]) {
        let mut message = world.message("the group", id, "hello");
        message.inbound.speaker = speaker.map(|name| Alias::parse(name).unwrap());
        conversation = Some(queued(&world.accept_one(message).await).0);
    }
    let conversation = conversation.unwrap();
    let turn = world.claim(conversation).await;
    let spoke = |turn: &ClaimedTurn| -> Vec<Option<String>> {
        let inbounds = turn.inbounds.iter();
        inbounds
            .map(|inbound| inbound.speaker.as_ref().map(|who| who.as_str().to_owned()))
            .collect()
    };
    let wanted = speakers.map(|speaker| speaker.map(str::to_owned));
    assert_eq!(spoke(&turn), wanted);
    let (world, _) = world.die().await;
    let again = world.claim(conversation).await;
    assert_eq!((again.turn, again.runs), (turn.turn, 2));
    assert_eq!(spoke(&again), wanted);
}

/// Nothing is pending: an unknown conversation, one that was answered, one
/// that has only expired messages.
pub async fn nothing_pending_is_nothing_to_claim(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let unknown = ConversationId(world.ids.fresh());
    let outcome = world.try_claim(unknown).await;
    assert!(matches!(outcome, ClaimOutcome::Nothing));

    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let end = TurnEnd::Commit(answered(&[]));
    match world.end(&turn, end).await {
        Finished::Done {
            numbers, due_at, ..
        } => assert_eq!((numbers, due_at), (Vec::new(), None)),
        other => panic!("the holder's commit must be written, was {other:?}"),
    }
    let outcome = world.try_claim(conversation).await;
    assert!(matches!(outcome, ClaimOutcome::Nothing));
    assert!(world.due().await.is_empty());
}

/// What is due says of which tenant it is, also when its time has come by a wake.
pub async fn what_is_due_says_whose_it_is(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let mut message = world.message("ana", "m1", "hello");
    message.inbound.address = address_at("other", "their-door", "ana");
    let (theirs, _) = queued(&world.accept_one(message).await);
    let ours = world.hear("ana", "hello").await;
    let due = world.store.due(world.now, world.now, 10).await.unwrap();
    let whose = |due: Vec<Due>| -> BTreeMap<_, _> {
        due.into_iter()
            .map(|due| (due.conversation, due.tenant.to_string()))
            .collect()
    };
    let both = [(theirs, "other".to_owned()), (ours, "default".to_owned())];
    assert_eq!(whose(due), both.into());

    let turn = world.claim(theirs).await;
    let commit = Commit {
        state: Some(state(LOADS, "{}")),
        wake_at: Some(world.after(60)),
        ..answered(&[])
    };
    world.end(&turn, TurnEnd::Commit(commit)).await;
    world.pass(Duration::from_secs(60));
    let woken = world.expire_some(10).await;
    assert_eq!(whose(woken), [(theirs, "other".to_owned())].into());
}

/// A claim before its time is told when, and takes nothing.
pub async fn claim_not_before_due(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let not_before = world.after(30);
    let failure = failure();
    world
        .end(
            &turn,
            TurnEnd::Retry {
                not_before,
                failure,
            },
        )
        .await;
    for wait in [0, 29] {
        world.pass(Duration::from_secs(wait));
        match world.try_claim(conversation).await {
            ClaimOutcome::NotYet(at) => assert_eq!(at, not_before),
            other => panic!("a claim before its time must wait, was {other:?}"),
        }
    }
    assert_eq!(world.view(turn.turn).await.turn.unwrap().runs, 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.claim(conversation).await.epoch.0, turn.epoch.0 + 1);
}

/// When nobody renews a claim it ends, and whoever comes next takes the same
/// turn over with a higher epoch.
pub async fn expired_claim_is_taken_over_with_a_higher_epoch(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let lost = world.claim(conversation).await;
    world.pass(EXPIRY - Duration::from_micros(1));
    let outcome = world.try_claim(conversation).await;
    assert!(
        matches!(outcome, ClaimOutcome::Held(_)),
        "also for its own process"
    );
    assert!(world.due().await.is_empty());
    world.pass(Duration::from_micros(1));
    assert_eq!(world.due().await, [conversation]);

    let other = Claim {
        process: ProcessId(world.ids.fresh()),
        ..world.wish(conversation)
    };
    let batch = Batch {
        claim: vec![other],
        ..world.batch()
    };
    let turn = taken(world.write(batch).await.claim.remove(0).unwrap());
    assert_eq!((turn.turn, turn.runs), (lost.turn, 2));
    assert_eq!(turn.epoch.0, lost.epoch.0 + 1);
    world.answer(&turn, "hi").await;
}

/// A re-run has the same turn and exactly the same range, whatever came since.
pub async fn rerun_takes_exactly_the_same_range_and_turn_id(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    world.hear("ana", "b").await;
    let first = world.claim(conversation).await;
    world.hear("ana", "c").await;
    world.pass(EXPIRY);
    world.hear("ana", "d").await;

    let again = world.claim(conversation).await;
    assert_eq!(again.turn, first.turn);
    assert_eq!((again.first(), again.last()), (first.first(), first.last()));
    assert_eq!(texts(&again), ["a", "b"]);
    world.answer(&again, "hi").await;
    let next = world.claim(conversation).await;
    assert_ne!(next.turn, first.turn);
    assert_eq!(texts(&next), ["c", "d"]);
}

/// A sign of life moves the end of the own claim, and of no other.
pub async fn renew_extends_only_own_epoch(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    let renew = |epoch, expires_at| Renew {
        conversation,
        turn: turn.turn,
        epoch,
        expires_at,
    };
    let until = world.after(60);
    let batch = Batch {
        renew: vec![renew(turn.epoch, until)],
        ..world.batch()
    };
    world.write(batch).await;
    world.pass(Duration::from_secs(59));
    match world.try_claim(conversation).await {
        ClaimOutcome::Held(at) => assert_eq!(at, until),
        other => panic!("a renewed claim must hold, was {other:?}"),
    }

    world.pass(Duration::from_secs(1));
    let next = world.claim(conversation).await;
    let batch = Batch {
        renew: vec![renew(turn.epoch, world.after(3600))],
        ..world.batch()
    };
    world.write(batch).await;
    world.pass(EXPIRY);
    assert_eq!(world.claim(conversation).await.turn, next.turn);
}

/// A claim that has ended, but that nobody took since, is still the newest: the
/// epoch fences, not the clock. It can be renewed, and its turn can commit.
pub async fn an_expired_claim_that_nobody_took_still_commits(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let turn = world.claim(conversation).await;
    world.pass(2 * EXPIRY);
    let batch = Batch {
        renew: vec![Renew {
            conversation,
            turn: turn.turn,
            epoch: turn.epoch,
            expires_at: world.now.plus(EXPIRY),
        }],
        ..world.batch()
    };
    world.write(batch).await;
    let outcome = world.try_claim(conversation).await;
    assert!(matches!(outcome, ClaimOutcome::Held(_)));
    world.pass(2 * EXPIRY);
    world.answer(&turn, "hi").await;
    let outcome = world.try_claim(conversation).await;
    assert!(matches!(outcome, ClaimOutcome::Nothing));
}

/// Longest due first; the future up to a limit; the held left out.
pub async fn due_lists_longest_due_first(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let mut heard = Vec::new();
    for alias in ["cyd", "ana", "bob"] {
        heard.push(world.hear(alias, "hello").await);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(world.due().await, heard);
    let first = world.store.due(world.now, world.now, 1).await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].conversation, heard[0]);

    let held = world.claim(heard[0]).await;
    let waiting = world.claim(heard[1]).await;
    let not_before = world.after(5);
    let failure = failure();
    world
        .end(
            &waiting,
            TurnEnd::Retry {
                not_before,
                failure,
            },
        )
        .await;
    assert_eq!(world.due().await, [heard[2]]);
    let until = world.store.due(world.now, not_before, 10).await.unwrap();
    let listed: Vec<_> = until.iter().map(|due| due.conversation).collect();
    assert_eq!(listed, [heard[2], heard[1]]);
    assert_eq!(until[1].at, not_before);

    world
        .end(&held, wordless(Verdict::Silent("quiet".into())))
        .await;
    world.pass(Duration::from_secs(5));
    assert_eq!(world.due().await.len(), 2);
}

/// A fresh turn id is kept only where no turn is open.
pub async fn a_fresh_turn_id_is_kept_only_without_an_open_turn(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let first = world.claim(conversation).await;
    world.pass(EXPIRY);
    let unused = TurnId(world.ids.fresh());
    let wish = Claim {
        turn: unused,
        ..world.wish(conversation)
    };
    let batch = Batch {
        claim: vec![wish],
        ..world.batch()
    };
    let again = taken(world.write(batch).await.claim.remove(0).unwrap());
    assert_eq!(again.turn, first.turn);
    let unknown = world.desk.turn(&unused.to_string()).await.unwrap();
    assert!(unknown.is_none());
}

/// A renewal is told whether the claim holds: not that of another epoch, not
/// after the end, not for what nobody knows.
pub async fn a_renewal_is_told_whether_the_claim_holds(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (ana, bob) = (world.hear("ana", "a").await, world.hear("bob", "b").await);
    let (lost, ended) = (world.claim(ana).await, world.claim(bob).await);
    let renewals = |world: &World<'_>, turns: &[(ConversationId, TurnId, Epoch)]| Batch {
        renew: turns
            .iter()
            .map(|(conversation, turn, epoch)| Renew {
                conversation: *conversation,
                turn: *turn,
                epoch: *epoch,
                expires_at: world.now.plus(EXPIRY),
            })
            .collect(),
        ..world.batch()
    };
    let both = [(bob, ended.turn, ended.epoch), (ana, lost.turn, lost.epoch)];
    let told = world.write(renewals(&world, &both)).await.renew;
    assert!(
        told.iter()
            .all(|told| *told.as_ref().unwrap() == Renewed::Held)
    );

    world.answer(&ended, "hi").await;
    world.pass(EXPIRY);
    let holder = world.claim(ana).await;
    let unknown = ConversationId(world.ids.fresh());
    let wishes = [
        (ana, lost.turn, lost.epoch),
        (bob, ended.turn, ended.epoch),
        (unknown, lost.turn, Epoch(1)),
        // Not by the epoch alone.
        (ana, ended.turn, holder.epoch),
        (ana, holder.turn, holder.epoch),
    ];
    let told = world.write(renewals(&world, &wishes)).await.renew;
    let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
    let (held, lost) = (Renewed::Held, Renewed::Lost);
    let expected = [lost, lost, lost, lost, held];
    assert_eq!(told, expected);
}

/// Another process takes an expired claim over with a higher epoch; from then on
/// the run before writes nothing, whatever it has to say.
pub async fn a_claim_taken_over_fences_the_run_before(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let conversation = world.hear("ana", "hello").await;
    let before = world.claim(conversation).await;
    assert_eq!(world.record(&before, "k", "1").await, Recorded::Written);
    world.pass(EXPIRY);
    let other = Claim {
        process: ProcessId(world.ids.fresh()),
        ..world.wish(conversation)
    };
    let turn = taken(world.try_claim_with(other).await);
    assert_eq!(turn.epoch.0, before.epoch.0 + 1);
    assert_eq!(turn.steps.len(), 1, "what was paid for is handed on");

    let seen = world.look("ana", conversation, turn.turn).await;
    let commit = TurnEnd::Commit(answered(&[("late", DeliveryState::Queued)]));
    let batch = Batch {
        record: vec![record_of(&before, "k", "2")],
        finish: vec![world.finish_of(&before, commit)],
        renew: vec![Renew {
            conversation,
            turn: before.turn,
            epoch: before.epoch,
            expires_at: world.after(3600),
        }],
        ..world.batch()
    };
    let applied = world.write(batch).await;
    assert_eq!(*applied.record[0].as_ref().unwrap(), Recorded::Stale);
    assert_eq!(*applied.finish[0].as_ref().unwrap(), Finished::Stale);
    assert_eq!(*applied.renew[0].as_ref().unwrap(), Renewed::Lost);
    assert_eq!(world.look("ana", conversation, turn.turn).await, seen);
    world.answer(&turn, "hi").await;
}
