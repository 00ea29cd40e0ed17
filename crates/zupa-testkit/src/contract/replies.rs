//! A turn that waits for the person: the next message is its answer.

use zupa_core::store::{Batch, ClaimOutcome, Commit, Finished, TurnEnd};
use zupa_core::{NewWait, WaitKind, WaitState};

use super::Harness;
use super::world::path::{failure, taken, texts};
use super::world::waits::{MINUTE, handed, quiet, settled};
use super::world::{EXPIRY, World};

const REPLY: WaitKind = WaitKind::Reply;

fn ids(waits: &[NewWait]) -> Vec<zupa_core::WaitId> {
    waits.iter().map(|wait| wait.id).collect()
}

/// The next message's turn is handed the open reply waits, the newest first, and
/// settles the one whose answer it took.
pub async fn the_next_message_is_handed_the_reply_waits(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let older = world.wait_for(REPLY);
    let conversation = world.park("ana", vec![older.clone()]).await.conversation;
    world.pass(EXPIRY);
    let newer = [world.wait_for(REPLY), world.wait_for(REPLY)];
    let turn = world.hear("ana", "another").await;
    assert_eq!(turn, conversation);
    let turn = world.claim(conversation).await;
    assert_eq!(handed(&turn), [older.id]);
    let waits = newer.to_vec();
    world.leave(&turn, Commit { waits, ..quiet() }).await;

    world.pass(EXPIRY);
    world.hear("ana", "yes").await;
    let (mut world, _) = world.die().await;
    let turn = world.claim(conversation).await;
    let newest_first = [newer[1].id, newer[0].id, older.id];
    assert_eq!(handed(&turn), newest_first);
    assert_eq!(turn.waits[0].opened, newer[1]);
    assert_eq!(texts(&turn), ["yes"]);
    world
        .settle_by(&turn, &[(newer[1].id, WaitState::Decided)])
        .await;
    let answered = world.wait(newer[1].id).await;
    assert_eq!(answered.state, WaitState::Decided);
    assert_eq!(answered.settled_at, Some(world.now));
    assert_eq!(answered.decision, None);
    assert!(
        world.due().await.is_empty(),
        "who settles it goes on itself"
    );

    world.pass(EXPIRY);
    world.hear("ana", "and yes").await;
    let turn = world.claim(conversation).await;
    assert_eq!(handed(&turn), [newer[0].id, older.id]);
}

/// An answer comes behind its question: a message that came while the turn that
/// asks was running is none, and one that came behind the commit is, though no
/// time may have passed between them.
pub async fn what_came_before_the_question_is_no_answer(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q").await;
    let asks = world.claim(conversation).await;
    world.hear("ana", "too early").await;
    let waits = vec![world.wait_for(REPLY)];
    let asked = ids(&waits);
    world.leave(&asks, Commit { waits, ..quiet() }).await;
    let early = world.claim(conversation).await;
    assert_eq!(texts(&early), ["too early"]);
    assert!(handed(&early).is_empty());
    world.settle_by(&early, &[]).await;
    world.hear("ana", "yes").await;
    let turn = world.claim(conversation).await;
    assert_eq!(handed(&turn), asked);

    // In one batch: ends come before inbounds.
    let waits = vec![world.wait_for(REPLY)];
    let newest = waits[0].id;
    let end = TurnEnd::Commit(Commit {
        waits,
        settles: vec![(asked[0], WaitState::Decided)],
        ..quiet()
    });
    let batch = Batch {
        finish: vec![world.finish_of(&turn, end)],
        accept: vec![world.message("ana", "m", "at once")],
        claim: vec![world.wish(conversation)],
        ..world.batch()
    };
    let mut applied = world.write(batch).await;
    assert!(matches!(applied.finish[0], Ok(Finished::Done { .. })));
    let turn = taken(applied.claim.remove(0).unwrap());
    assert_eq!(handed(&turn), [newest]);
}

/// An offer hands out what a claim does.
pub async fn an_offer_is_handed_the_reply_waits(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let wait = world.wait_for(REPLY);
    world.park("ana", vec![wait.clone()]).await;
    let mut message = world.message("ana", "m", "yes");
    message.offer = Some(world.offer());
    let batch = Batch {
        accept: vec![message],
        ..world.batch()
    };
    let taken = world.write(batch).await.taken.remove(0).unwrap();
    assert_eq!(handed(&taken), [wait.id]);
    assert_eq!(taken.waits[0].opened, wait);
}

/// Neither an operator's wait nor a timer takes a message as its answer, nor
/// does a wait of another conversation.
pub async fn only_reply_waits_take_a_message(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let waits = vec![
        world.wait_for(WaitKind::Decision),
        world.wait_until(WaitKind::Timer, world.after(60)),
        world.timer(world.after(60)),
    ];
    let conversation = world.park("ana", waits).await.conversation;
    world.park("bob", vec![world.wait_for(REPLY)]).await;
    world.pass(EXPIRY);
    world.hear("ana", "yes").await;
    assert!(handed(&world.claim(conversation).await).is_empty());
}

/// A wait that had ended when the message came is not handed out, though nobody
/// has told it so yet; one that ended later is, at every run.
pub async fn an_answer_must_come_in_time(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let asked = world.now;
    let waits = [30, 60, 90].map(|seconds| world.wait_until(REPLY, world.after(seconds)));
    let conversation = world.park("ana", waits.to_vec()).await.conversation;
    world.now = asked.plus(MINUTE);
    world.hear("ana", "at the very end").await;
    world.pass(EXPIRY);
    world.hear("ana", "and more").await;
    let turn = world.claim(conversation).await;
    assert_eq!(turn.inbounds.len(), 2);
    assert_eq!(handed(&turn), [waits[2].id], "the first message decides");
    world.pass(MINUTE);
    assert!(world.expire().await.is_empty(), "the turn is on it");
    let (world, _) = world.die().await;
    assert!(world.expire().await.is_empty());
    let again = world.claim(conversation).await;
    assert_eq!((again.turn, &again.waits), (turn.turn, &turn.waits));
    world
        .settle_by(&again, &[(waits[2].id, WaitState::Decided)])
        .await;
    assert_eq!(world.wait_state(waits[2].id).await, WaitState::Decided);
}

/// Nobody answers: the wait ends by itself, the parked turn goes on with that,
/// once, and no later message is its answer.
pub async fn an_unanswered_wait_ends_once(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let wait = world.wait_until(REPLY, world.after(60));
    let conversation = world.park("ana", vec![wait.clone()]).await.conversation;
    world.pass(MINUTE - std::time::Duration::from_micros(1));
    assert!(world.expire().await.is_empty());
    world.pass(std::time::Duration::from_micros(1));
    assert_eq!(world.expire().await, [conversation]);
    assert!(world.expire().await.is_empty());
    let expired = world.wait(wait.id).await;
    assert_eq!(expired.state, WaitState::Expired);
    assert_eq!(expired.settled_at, Some(world.now));

    world.hear("ana", "too late").await;
    let (world, _) = world.die().await;
    assert!(world.expire().await.is_empty());
    let turn = world.claim(conversation).await;
    assert_eq!((settled(&turn), handed(&turn)), (wait.id, vec![wait.id]));
    assert_eq!(turn.waits[0].state, WaitState::Expired);
    world.answer(&turn, "still there?").await;
    let late = world.claim(conversation).await;
    assert_eq!(texts(&late), ["too late"]);
    assert!(handed(&late).is_empty());
}

/// An answer that was accepted in time counts, however late its turn comes.
pub async fn an_answer_in_time_is_not_beaten_by_the_time(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let wait = world.wait_until(REPLY, world.after(60));
    let conversation = world.park("ana", vec![wait.clone()]).await.conversation;
    world.pass(MINUTE - std::time::Duration::from_secs(1));
    world.hear("ana", "yes").await;
    world.pass(MINUTE);
    assert!(world.expire().await.is_empty());
    let turn = world.claim(conversation).await;
    assert_eq!(texts(&turn), ["yes"]);
    assert_eq!(handed(&turn), [wait.id]);
    world.settle_by(&turn, &[]).await;
    // The turn did not take it: now the time does.
    assert_eq!(world.expire().await, [conversation]);
}

/// A commit settles open waits of its own conversation, and nothing else.
pub async fn a_commit_settles_only_what_is_open_and_its_own(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let (open, done) = (world.wait_for(REPLY), world.wait_for(WaitKind::Decision));
    let parked = world.park("ana", vec![open.clone(), done.clone()]).await;
    let conversation = parked.conversation;
    let foreign = world.wait_for(REPLY);
    world.park("bob", vec![foreign.clone()]).await;
    world.pass(EXPIRY);
    assert!(!world.approve(done.id).await);
    let settled_at = world.wait(done.id).await.settled_at;
    world.pass(EXPIRY);
    world.hear("ana", "never mind").await;
    let turn = world.claim(conversation).await;
    let cancelled = WaitState::Cancelled;
    let unknown = zupa_core::WaitId(zupa_core::Ids::fresh(&world.ids));
    let settles = [open.id, done.id, foreign.id, unknown].map(|id| (id, cancelled));
    world.settle_by(&turn, &settles).await;
    assert_eq!(world.wait_state(open.id).await, cancelled);
    assert_eq!(world.wait_state(foreign.id).await, WaitState::Open);
    let kept = world.wait(done.id).await;
    assert_eq!(
        (kept.state, kept.settled_at),
        (WaitState::Decided, settled_at)
    );
    assert!(world.desk.wait(unknown).await.unwrap().is_none());
    assert!(
        world.due().await.is_empty(),
        "what is cancelled wakes nobody"
    );
    world.hear("ana", "hello?").await;
    assert!(handed(&world.claim(conversation).await).is_empty());

    // The other conversation still waits.
    let other = world.hear("bob", "yes").await;
    assert_eq!(handed(&world.claim(other).await), [foreign.id]);
}

/// A run that lost its claim settles nothing, and an end that is no commit keeps
/// the waits for the next run.
pub async fn a_failed_run_leaves_the_waits_open(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let wait = world.wait_for(REPLY);
    let conversation = world.park("ana", vec![wait.clone()]).await.conversation;
    world.hear("ana", "yes").await;
    world.hear("ana", "or no").await;
    let stale = world.claim(conversation).await;
    world.pass(EXPIRY);
    let turn = world.claim(conversation).await;
    let settles = vec![(wait.id, WaitState::Decided)];
    let late = TurnEnd::Commit(Commit { settles, ..quiet() });
    assert_eq!(world.end(&stale, late).await, Finished::Stale);
    assert_eq!(world.wait_state(wait.id).await, WaitState::Open);
    let split = TurnEnd::Split { failure: failure() };
    world.end(&turn, split).await;
    for text in ["yes", "or no"] {
        let ClaimOutcome::Taken(turn) = world.try_claim(conversation).await else {
            panic!("what was split is tried one by one");
        };
        assert_eq!(texts(&turn), [text]);
        assert_eq!(handed(&turn), [wait.id]);
        world.settle_by(&turn, &[]).await;
    }
}
